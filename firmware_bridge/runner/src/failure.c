#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What was given may hold anything; a message stays one line. */
static void keep_to_one_line(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

bool fail(struct failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(failure->line, sizeof failure->line, format, arguments);
    va_end(arguments);
    keep_to_one_line(failure->line);
    return false;
}

bool fail_within(struct failure *failure, const char *format, ...)
{
    char inner[sizeof failure->line];
    va_list arguments;
    size_t used;

    memcpy(inner, failure->line, sizeof inner);
    va_start(arguments, format);
    (void)vsnprintf(failure->line, sizeof failure->line, format, arguments);
    va_end(arguments);
    used = strlen(failure->line);
    (void)snprintf(failure->line + used, sizeof failure->line - used, "%s", inner);
    keep_to_one_line(failure->line);
    return false;
}
