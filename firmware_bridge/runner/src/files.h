/* Files, whole: read to the end, or written beside their place and renamed. */
#ifndef S2I_FILES_H
#define S2I_FILES_H

#include <stdio.h>

#include "memory.h"

/* Reads a file; its length must be at most `most`. */
bool file_read(const char *path, size_t most, struct blob *content, struct failure *failure);

/* Reads a stream to its end; name is for messages. */
bool stream_read(FILE *stream, const char *name, size_t most, struct blob *content, struct failure *failure);

/* The file appears whole or not at all. */
bool file_write(const char *path, const unsigned char *bytes, size_t length, struct failure *failure);

bool is_folder(const char *path);

#endif
