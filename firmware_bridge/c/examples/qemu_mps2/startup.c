/* Vector table, memory set up, and the four library functions that a compiler may call without libc. */
#include <stddef.h>
#include <stdint.h>

extern uint8_t data_begin[], data_end[], data_load[], bss_begin[], bss_end[], stack_top[];
int main(void);
void reset(void);
void tick(void);
void *memcpy(void *out, const void *in, size_t count);
void *memmove(void *out, const void *in, size_t count);
void *memset(void *out, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);
size_t strlen(const char *text);

void *memcpy(void *out, const void *in, size_t count) {
    uint8_t *to = out;
    const uint8_t *from = in;
    while (count-- != 0) {
        *to++ = *from++;
    }
    return out;
}

void *memmove(void *out, const void *in, size_t count) {
    uint8_t *to = out;
    const uint8_t *from = in;
    if (to <= from) {
        return memcpy(out, in, count);
    }
    while (count-- != 0) {
        to[count] = from[count];
    }
    return out;
}

void *memset(void *out, int value, size_t count) {
    uint8_t *to = out;
    while (count-- != 0) {
        *to++ = (uint8_t)value;
    }
    return out;
}

int memcmp(const void *left, const void *right, size_t count) {
    const uint8_t *one = left, *other = right;
    for (; count != 0; count--, one++, other++) {
        if (*one != *other) {
            return *one < *other ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != 0) {
        length++;
    }
    return length;
}

static void halt(void) {
    for (;;) {
    }
}

void reset(void) {
    (void)memcpy(data_begin, data_load, (size_t)(data_end - data_begin));
    (void)memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    (void)main();
    halt();
}

typedef void (*handler)(void);
typedef union vector {
    handler call;
    void *address;
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.address = stack_top}, {.call = reset}, {.call = halt}, {.call = halt}, {.call = halt}, {.call = halt},
    {.call = halt},         {.call = halt},  {.call = halt}, {.call = halt}, {.call = halt}, {.call = halt},
    {.call = halt},         {.call = halt},  {.call = halt}, {.call = tick}};
