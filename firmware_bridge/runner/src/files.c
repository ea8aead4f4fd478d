#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_ROOM 65536
#define PATH_ROOM 4096

bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool stream_read(FILE *stream, const char *name, size_t most, struct blob *content, struct failure *failure)
{
    size_t room = FIRST_ROOM, used = 0;
    unsigned char *bytes = take(room, 1, failure);

    memset(content, 0, sizeof *content);
    if (bytes == NULL)
        return false;
    for (;;) {
        size_t count = fread(bytes + used, 1, room - used, stream);
        unsigned char *larger;

        used += count;
        if (used > most) {
            free(bytes);
            return fail(failure, "%s has more than %lu bytes; that is too much", name, (unsigned long)most);
        }
        if (count == 0) {
            if (!ferror(stream))
                break;
            free(bytes);
            return fail(failure, "%s cannot be read: %s", name, strerror(errno));
        }
        if (used < room)
            continue;
        larger = take(room, 2, failure);
        if (larger == NULL) {
            free(bytes);
            return false;
        }
        memcpy(larger, bytes, used);
        free(bytes);
        bytes = larger;
        room *= 2;
    }
    content->owned = bytes;
    content->bytes = bytes;
    content->length = used;
    return true;
}

bool file_read(const char *path, size_t most, struct blob *content, struct failure *failure)
{
    FILE *file;
    bool read;

    memset(content, 0, sizeof *content);
    if (is_folder(path))
        return fail(failure, "%s is a folder; give a file", path);
    file = fopen(path, "rb");
    if (file == NULL)
        return fail(failure, errno == ENOENT ? "%s does not exist" : "%s cannot be read", path);
    read = stream_read(file, path, most, content, failure);
    (void)fclose(file);
    return read;
}

bool file_write(const char *path, const unsigned char *bytes, size_t length, struct failure *failure)
{
    char partial[PATH_ROOM];
    FILE *file;
    bool whole;
    int error;

    if ((size_t)snprintf(partial, sizeof partial, "%s.partial", path) >= sizeof partial)
        return fail(failure, "a path of %lu bytes is too long to write to", (unsigned long)strlen(path));
    file = fopen(partial, "wb");
    if (file == NULL)
        return fail(failure, "%s cannot be written: %s", path, strerror(errno));
    whole = fwrite(bytes, 1, length, file) == length && fflush(file) == 0 && fsync(fileno(file)) == 0;
    error = errno;
    if (fclose(file) != 0 && whole) {
        whole = false;
        error = errno;
    }
    if (whole && rename(partial, path) != 0) {
        whole = false;
        error = errno;
    }
    if (!whole) {
        (void)remove(partial);
        return fail(failure, "%s cannot be written: %s", path, strerror(error));
    }
    return true;
}
