#include "library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

#define PATH_ROOM 4096

/* The first name by the alphabet, so that a folder means the same file on every run. */
static bool find_in_folder(const char *folder, const char *stem, char path[PATH_ROOM], struct failure *failure)
{
    char best[256] = "";
    DIR *directory = opendir(folder);
    struct dirent *entry;

    if (directory == NULL)
        return fail(failure, "%s cannot be read", folder);
    while ((entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;

        if (strncmp(name, stem, strlen(stem)) == 0 && strstr(name, ".so") != NULL && strlen(name) < sizeof best
            && (best[0] == '\0' || strcmp(name, best) < 0))
            (void)snprintf(best, sizeof best, "%s", name);
    }
    (void)closedir(directory);
    if (best[0] == '\0')
        return fail(failure, "%s holds no %s*", folder, stem);
    if ((size_t)snprintf(path, PATH_ROOM, "%s/%s", folder, best) >= PATH_ROOM)
        return fail(failure, "the path of %s is too long", best);
    return true;
}

bool library_open(void **library, const char *given, const char *variable, const char *stem, const char *fallback,
                  struct failure *failure)
{
    const char *name = given != NULL ? given : getenv(variable);
    char path[PATH_ROOM];

    if (name == NULL || *name == '\0')
        name = fallback;
    if (is_folder(name)) {
        if (!find_in_folder(name, stem, path, failure))
            return false;
        name = path;
    } else if (name != fallback && strchr(name, '/') == NULL) { /* the loader does not look in the working folder */
        if ((size_t)snprintf(path, sizeof path, "./%s", name) >= sizeof path)
            return fail(failure, "the path of %.40s is too long", name);
        name = path;
    }
    *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (*library == NULL) {
        const char *reason = dlerror();

        return fail(failure, "%s", reason != NULL ? reason : name);
    }
    return true;
}

bool library_function(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);

    /* ISO C has no conversion from an object's pointer to a function's; POSIX promises that they look alike. */
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

void library_close(void *library)
{
    if (library != NULL)
        (void)dlclose(library);
}
