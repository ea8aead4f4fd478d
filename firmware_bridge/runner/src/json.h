/* A pull reader of JSON (RFC 8259): no tree, no heap, bounded depth; strings are checked UTF-8.
 *
 * The first thing that is wrong fails, with its place; every later call then fails too, so that a caller may
 * look once, at the end. */
#ifndef S2I_JSON_H
#define S2I_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

#define JSON_DEPTH 32     /* containers within containers */
#define JSON_NUMBER_ROOM 64 /* characters of one number, with its end */

enum json_kind { JSON_WRONG, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json {
    const unsigned char *text;
    size_t length;
    size_t at;
    unsigned depth;
    bool fresh; /* the container that was entered last has given nothing yet */
    bool failed;
    struct failure *failure;
};

void json_begin(struct json *json, const unsigned char *text, size_t length, struct failure *failure);

/* What comes next; nothing is taken. */
enum json_kind json_peek(struct json *json);

/* Enters a container; then json_next_key or json_next_item says, once a member, whether there is another, and
 * leaves the container when there is none. Each member's value must be read or skipped. */
bool json_enter_object(struct json *json);
bool json_enter_array(struct json *json);
bool json_next_key(struct json *json, char *key, size_t room);
bool json_next_item(struct json *json);

/* A string with its terminating 0, which the string itself may not hold; fails where `room` is too small. */
bool json_string(struct json *json, char *out, size_t room, size_t *length);
bool json_number(struct json *json, double *value);
/* A number written without fraction and exponent, 0 to 2^53. */
bool json_whole(struct json *json, uint64_t *value);
bool json_skip(struct json *json);

/* Nothing but white space is left, and nothing failed. */
bool json_end(struct json *json);

#endif
