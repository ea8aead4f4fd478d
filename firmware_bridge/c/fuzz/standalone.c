/* Runs a fuzz target on files or stdin, for AFL++ and for looking at a finding again. */
#include <stdio.h>

#include "fuzz.h"

enum { MOST = 1 << 16 };

static int run(FILE *file) {
    static uint8_t input[MOST];
    size_t size = fread(input, 1, sizeof input, file);
    return LLVMFuzzerTestOneInput(input, size);
}

int main(int count, char **names) {
    if (count < 2) {
        return run(stdin);
    }
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (file == NULL) {
            fprintf(stderr, "%s cannot be opened; give a file with an input\n", names[i]);
            return 2;
        }
        (void)run(file);
        (void)fclose(file);
    }
    return 0;
}
