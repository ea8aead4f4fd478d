/* A shared library that is found when the program runs. */
#ifndef S2I_LIBRARY_H
#define S2I_LIBRARY_H

#include "failure.h"

/* Opens `given`, a file or a folder that holds one file whose name begins with `stem`; where it is NULL, what the
 * environment variable names; where that is unset, what the loader finds as `fallback`. */
bool library_open(void **library, const char *given, const char *variable, const char *stem, const char *fallback,
                  struct failure *failure);

/* Puts the address of a function in the function pointer at `function`. */
bool library_function(void *library, const char *name, void *function);

void library_close(void *library);

#endif
