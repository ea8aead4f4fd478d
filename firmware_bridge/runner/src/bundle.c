#include "bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "npy.h"
#include "s2i_flash.h"
#include "zip.h"

#define MOST_IMAGE_BYTES ((size_t)256 << 20)
#define PATH_ROOM 4096

enum layout { FOLDER, ZIP, FLASH };

static bool read_from_folder(const char *folder, const char *name, struct blob *content, struct failure *failure)
{
    char path[PATH_ROOM];
    struct stat status;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return fail(failure, "the path of %s is too long", name);
    if (stat(path, &status) != 0)
        return fail(failure, "%s is missing; copy the whole bundle again", name);
    return file_read(path, MOST_IMAGE_BYTES, content, failure);
}

static bool read_from_flash(const struct blob *image, const char *name, struct blob *content, struct failure *failure)
{
    struct s2i_flash flash;
    struct s2i_flash_entry entry;
    enum s2i_flash_result result = s2i_flash_open(&flash, image->bytes, image->length);

    memset(content, 0, sizeof *content);
    if (result != S2I_FLASH_OK)
        return fail(failure, "the flash image is %s; write it again", s2i_flash_text(result));
    if (s2i_flash_find(&flash, name, &entry) != S2I_FLASH_OK)
        return fail(failure, "%s is missing; make the image again", name);
    if (s2i_flash_check(&entry) != S2I_FLASH_OK)
        return fail(failure, "%s is damaged: its CRC-32 is another; write the image again", name);
    content->bytes = entry.bytes;
    content->length = entry.length;
    return true;
}

static bool read_file(const struct bundle *bundle, enum layout layout, const char *path, const char *name,
                      struct blob *content, struct failure *failure)
{
    switch (layout) {
    case FOLDER: return read_from_folder(path, name, content, failure);
    case ZIP: return zip_read(bundle->image.bytes, bundle->image.length, name, content, failure);
    case FLASH: break;
    }
    return read_from_flash(&bundle->image, name, content, failure);
}

static bool verify(const struct listed_file *listed, const struct blob *content, struct failure *failure)
{
    unsigned char digest[SHA256_BYTES];

    if (content->length != listed->bytes)
        return fail(failure, "%s has %lu bytes where the manifest says %lu; copy the whole bundle again", listed->name,
                    (unsigned long)content->length, (unsigned long)listed->bytes);
    sha256(content->bytes, content->length, digest);
    if (memcmp(digest, listed->digest, sizeof digest) != 0)
        return fail(failure, "%s is damaged: its SHA-256 is not the manifest's; copy the whole bundle again", listed->name);
    return true;
}

static bool read_prototypes(struct bundle *bundle, struct failure *failure)
{
    const struct manifest *manifest = &bundle->manifest;
    const struct blob *file = bundle_file(bundle, PROTOTYPES_NAME);
    size_t rows = manifest->concepts.count, columns = manifest->embedding_dim;

    bundle->prototypes = take(rows * columns, sizeof *bundle->prototypes, failure);
    if (bundle->prototypes == NULL)
        return false;
    return npy_read(file->bytes, file->length, rows, columns, bundle->prototypes, failure)
           || fail_within(failure, PROTOTYPES_NAME " ");
}

static bool read_all(struct bundle *bundle, enum layout layout, const char *path, struct failure *failure)
{
    struct blob text;
    bool read;
    size_t i;

    if (!read_file(bundle, layout, path, MANIFEST_NAME, &text, failure))
        return false;
    read = manifest_read(&bundle->manifest, text.bytes, text.length, failure) || fail_within(failure, MANIFEST_NAME ": ");
    blob_release(&text);
    if (!read)
        return false;
    for (i = 0; i < bundle->manifest.file_count; i++) {
        const struct listed_file *listed = &bundle->manifest.files[i];

        if (!read_file(bundle, layout, path, listed->name, &bundle->files[i], failure)
            || !verify(listed, &bundle->files[i], failure))
            return false;
    }
    return read_prototypes(bundle, failure);
}

bool bundle_read(struct bundle *bundle, const char *path, enum bundle_kind kind, struct failure *failure)
{
    enum layout layout = kind == BUNDLE_FLASH ? FLASH : is_folder(path) ? FOLDER : ZIP;

    memset(bundle, 0, sizeof *bundle);
    if (layout != FOLDER) {
        if (!file_read(path, MOST_IMAGE_BYTES, &bundle->image, failure))
            return fail_within(failure, "bundle ");
        if (layout == ZIP && !zip_is(bundle->image.bytes, bundle->image.length))
            return fail(failure, "%s is neither a bundle folder nor a zip of one%s", path,
                        bundle->image.length >= 8 && memcmp(bundle->image.bytes, "S2IFLASH", 8) == 0
                            ? "; it is a flash image: give it by --flash" : "");
    }
    return read_all(bundle, layout, path, failure) || fail_within(failure, "bundle %s: ", path);
}

void bundle_release(struct bundle *bundle)
{
    size_t i;

    for (i = 0; i < MOST_FILES; i++)
        blob_release(&bundle->files[i]);
    blob_release(&bundle->image);
    manifest_release(&bundle->manifest);
    free(bundle->prototypes);
    bundle->prototypes = NULL;
}

const struct blob *bundle_file(const struct bundle *bundle, const char *name)
{
    size_t i;

    for (i = 0; i < bundle->manifest.file_count; i++)
        if (strcmp(bundle->manifest.files[i].name, name) == 0)
            return &bundle->files[i];
    return NULL;
}
