/* Why something could not be done: one line that says what was given and what would be right. */
#ifndef S2I_FAILURE_H
#define S2I_FAILURE_H

#include <stdbool.h>

struct failure {
    char line[512];
};

#if defined(__GNUC__)
#define FAILURE_FORMAT __attribute__((format(printf, 2, 3)))
#else
#define FAILURE_FORMAT
#endif

/* Formats the line, cut to its room, with control bytes shown as ?; always returns false. */
bool fail(struct failure *failure, const char *format, ...) FAILURE_FORMAT;

/* Puts text in front of the line that is already there; always returns false. */
bool fail_within(struct failure *failure, const char *format, ...) FAILURE_FORMAT;

#endif
