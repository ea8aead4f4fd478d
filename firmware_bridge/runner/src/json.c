#include "json.h"

#include <stdlib.h>
#include <string.h>

#define WHOLE_MOST ((uint64_t)1 << 53)

static bool wrong(struct json *json, const char *what)
{
    if (!json->failed) {
        json->failed = true;
        fail(json->failure, "not JSON: %s at byte %lu", what, (unsigned long)json->at);
    }
    return false;
}

static int next_byte(const struct json *json)
{
    return json->at < json->length ? json->text[json->at] : -1;
}

static void skip_space(struct json *json)
{
    for (;;) {
        int byte = next_byte(json);

        if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
            return;
        json->at++;
    }
}

void json_begin(struct json *json, const unsigned char *text, size_t length, struct failure *failure)
{
    memset(json, 0, sizeof *json);
    json->text = text;
    json->length = length;
    json->failure = failure;
}

enum json_kind json_peek(struct json *json)
{
    if (json->failed)
        return JSON_WRONG;
    skip_space(json);
    switch (next_byte(json)) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return JSON_NUMBER;
    default: return JSON_WRONG;
    }
}

static bool enter(struct json *json, enum json_kind kind)
{
    if (json_peek(json) != kind)
        return wrong(json, kind == JSON_OBJECT ? "an object is needed" : "a list is needed");
    if (json->depth == JSON_DEPTH)
        return wrong(json, "too many containers within containers");
    json->depth++;
    json->at++;
    json->fresh = true;
    return true;
}

bool json_enter_object(struct json *json)
{
    return enter(json, JSON_OBJECT);
}

bool json_enter_array(struct json *json)
{
    return enter(json, JSON_ARRAY);
}

/* Whether the container goes on; takes its comma or its end. */
static bool goes_on(struct json *json, char end)
{
    int byte;

    if (json->failed)
        return false;
    skip_space(json);
    byte = next_byte(json);
    if (byte == end) {
        json->at++;
        json->depth--;
        json->fresh = false;
        return false;
    }
    if (!json->fresh) {
        if (byte != ',')
            return wrong(json, "a comma or an end is needed");
        json->at++;
    }
    json->fresh = false;
    return true;
}

bool json_next_item(struct json *json)
{
    return goes_on(json, ']');
}

bool json_next_key(struct json *json, char *key, size_t room)
{
    if (!goes_on(json, '}') || !json_string(json, key, room, NULL))
        return false;
    skip_space(json);
    if (next_byte(json) != ':')
        return wrong(json, "a colon is needed");
    json->at++;
    return true;
}

static bool hex4(struct json *json, uint32_t *code)
{
    unsigned i;

    *code = 0;
    for (i = 0; i < 4; i++) {
        int byte = next_byte(json);
        uint32_t digit;

        if (byte >= '0' && byte <= '9')
            digit = (uint32_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            digit = (uint32_t)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F')
            digit = (uint32_t)(byte - 'A' + 10);
        else
            return wrong(json, "\\u needs four hexadecimal digits");
        *code = *code << 4 | digit;
        json->at++;
    }
    return true;
}

/* The character after a backslash. */
static bool escaped(struct json *json, uint32_t *code)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    int byte = next_byte(json);
    const char *place;
    uint32_t low;

    json->at++;
    if (byte == 'u') {
        if (!hex4(json, code))
            return false;
        if (*code < 0xd800 || *code > 0xdfff)
            return *code != 0 || wrong(json, "a string holds a zero byte");
        if (*code > 0xdbff || next_byte(json) != '\\')
            return wrong(json, "half a surrogate pair");
        json->at++;
        if (next_byte(json) != 'u')
            return wrong(json, "half a surrogate pair");
        json->at++;
        if (!hex4(json, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return wrong(json, "half a surrogate pair");
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
        return true;
    }
    place = byte > 0 ? strchr(names, byte) : NULL;
    if (place == NULL)
        return wrong(json, "an unknown escape");
    *code = (uint32_t)values[place - names];
    return true;
}

/* One UTF-8 character; no overlong form, no surrogate, nothing above U+10FFFF. */
static bool utf8(struct json *json, uint32_t *code)
{
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    uint32_t first = json->text[json->at++];
    unsigned more, i;

    if (first < 0x80) {
        *code = first;
        return first >= 0x20 || wrong(json, "a control character in a string");
    }
    more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4)
        return wrong(json, "a string is not UTF-8");
    *code = first & (0x3fu >> more);
    for (i = 0; i < more; i++) {
        int byte = next_byte(json);

        if (byte < 0x80 || byte > 0xbf)
            return wrong(json, "a string is not UTF-8");
        *code = *code << 6 | ((uint32_t)byte & 0x3f);
        json->at++;
    }
    if (*code < least[more] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        return wrong(json, "a string is not UTF-8");
    return true;
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* out may be NULL, for a string that is only checked. */
static bool read_string(struct json *json, char *out, size_t room, size_t *length)
{
    size_t used = 0;

    if (json_peek(json) != JSON_STRING)
        return wrong(json, "a string is needed");
    json->at++;
    for (;;) {
        char bytes[4];
        uint32_t code;
        size_t count;
        int byte = next_byte(json);

        if (byte < 0)
            return wrong(json, "a string has no end");
        if (byte == '"')
            break;
        if (byte == '\\') {
            json->at++;
            if (!escaped(json, &code))
                return false;
        } else if (!utf8(json, &code)) {
            return false;
        }
        if (out == NULL)
            continue;
        count = encode(code, bytes);
        if (used + count >= room)
            return wrong(json, "a string is too long");
        memcpy(out + used, bytes, count);
        used += count;
    }
    json->at++;
    if (out != NULL) {
        if (room == 0)
            return wrong(json, "a string is too long");
        out[used] = '\0';
    }
    if (length != NULL)
        *length = used;
    return true;
}

bool json_string(struct json *json, char *out, size_t room, size_t *length)
{
    return read_string(json, out, room, length);
}

static bool digits(struct json *json)
{
    size_t start = json->at;

    while (next_byte(json) >= '0' && next_byte(json) <= '9')
        json->at++;
    return json->at > start || wrong(json, "a number lacks a digit");
}

/* Takes a number as it is written; whole tells whether it has neither sign, fraction nor exponent. */
static bool number_text(struct json *json, char text[JSON_NUMBER_ROOM], bool *whole)
{
    size_t start, length;

    if (json_peek(json) != JSON_NUMBER)
        return wrong(json, "a number is needed");
    start = json->at;
    *whole = true;
    if (next_byte(json) == '-') {
        *whole = false;
        json->at++;
    }
    if (next_byte(json) == '0')
        json->at++;
    else if (!digits(json))
        return false;
    if (next_byte(json) == '.') {
        *whole = false;
        json->at++;
        if (!digits(json))
            return false;
    }
    if (next_byte(json) == 'e' || next_byte(json) == 'E') {
        *whole = false;
        json->at++;
        if (next_byte(json) == '+' || next_byte(json) == '-')
            json->at++;
        if (!digits(json))
            return false;
    }
    length = json->at - start;
    if (length >= JSON_NUMBER_ROOM)
        return wrong(json, "a number is too long");
    memcpy(text, json->text + start, length);
    text[length] = '\0';
    return true;
}

bool json_number(struct json *json, double *value)
{
    char text[JSON_NUMBER_ROOM];
    bool whole;

    if (!number_text(json, text, &whole))
        return false;
    *value = strtod(text, NULL); /* the program never leaves the C locale */
    if (!(*value > -1e300 && *value < 1e300))
        return wrong(json, "a number is out of range");
    return true;
}

bool json_whole(struct json *json, uint64_t *value)
{
    char text[JSON_NUMBER_ROOM];
    const char *digit;
    bool whole;

    if (!number_text(json, text, &whole))
        return false;
    if (!whole)
        return wrong(json, "a whole number of 0 or more is needed");
    *value = 0;
    for (digit = text; *digit != '\0'; digit++) {
        *value = *value * 10 + (uint64_t)(*digit - '0');
        if (*value > WHOLE_MOST)
            return wrong(json, "a number is out of range");
    }
    return true;
}

static bool word(struct json *json, const char *text)
{
    size_t length = strlen(text);

    if (json->length - json->at < length || memcmp(json->text + json->at, text, length) != 0)
        return wrong(json, "an unknown word");
    json->at += length;
    return true;
}

static bool skip_key(struct json *json)
{
    if (!goes_on(json, '}') || !read_string(json, NULL, 0, NULL))
        return false;
    skip_space(json);
    if (next_byte(json) != ':')
        return wrong(json, "a colon is needed");
    json->at++;
    return true;
}

bool json_skip(struct json *json)
{
    char number[JSON_NUMBER_ROOM];
    bool whole;

    switch (json_peek(json)) {
    case JSON_OBJECT: /* recursion ends at JSON_DEPTH */
        if (!json_enter_object(json))
            return false;
        while (skip_key(json))
            if (!json_skip(json))
                return false;
        return !json->failed;
    case JSON_ARRAY:
        if (!json_enter_array(json))
            return false;
        while (json_next_item(json))
            if (!json_skip(json))
                return false;
        return !json->failed;
    case JSON_STRING: return read_string(json, NULL, 0, NULL);
    case JSON_NUMBER: return number_text(json, number, &whole);
    case JSON_TRUE: return word(json, "true");
    case JSON_FALSE: return word(json, "false");
    case JSON_NULL: return word(json, "null");
    case JSON_WRONG: break;
    }
    return wrong(json, "a value is needed");
}

bool json_end(struct json *json)
{
    if (json->failed)
        return false;
    skip_space(json);
    if (json->at != json->length)
        return wrong(json, "something follows the end");
    return true;
}
