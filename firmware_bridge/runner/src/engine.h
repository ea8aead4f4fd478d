/* An inference engine: a library that is loaded when the program runs, and graphs in it. */
#ifndef S2I_ENGINE_H
#define S2I_ENGINE_H

#include <stdint.h>

#include "memory.h"

#define MOST_INPUTS 4
#define MOST_RANK 4
#define ANY_SIZE (-1)

/* What a graph is given: float32 numbers or whole numbers, one of both. */
struct input {
    const char *name;
    const float *numbers;
    const int64_t *wholes;
    int64_t shape[MOST_RANK];
    size_t rank;
};

struct engine;
struct graph;

struct engine_functions {
    /* names: what the inputs may be called, the first of them needed. The model's bytes stay where they are until
     * the graph is closed. */
    struct graph *(*open)(struct engine *engine, const struct blob *model, const char *const *names, size_t name_count,
                          struct failure *failure);
    /* A dimension of an input, from the front, or from the back for -1, -2, ...; ANY_SIZE where the graph takes any,
     * 1 for an input that it does not have. */
    int64_t (*dimension)(const struct graph *graph, const char *input, int axis);
    /* Runs on inputs by name, others are ignored, and copies the first output, which must have `shape`. */
    bool (*run)(struct graph *graph, const struct input *inputs, size_t input_count, float *output,
                const int64_t *shape, size_t rank, struct failure *failure);
    void (*close_graph)(struct graph *graph);
    void (*close)(struct engine *engine);
};

struct engine {
    const struct engine_functions *functions;
    void *state;
    char version[64];
    const char *name;
};

struct engine_settings {
    const char *library; /* a file or a folder; NULL for the environment's or the loader's */
    int threads;         /* 0 for the engine's own choice */
};

/* ONNX Runtime by its C API. */
bool engine_open_ort(struct engine *engine, const struct engine_settings *settings, struct failure *failure);

/* LiteRT by its C API. */
bool engine_open_litert(struct engine *engine, const struct engine_settings *settings, struct failure *failure);

#endif
