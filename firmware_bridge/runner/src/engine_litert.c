/* LiteRT's C API without its headers: libLiteRt.so of the ai-edge-litert wheel. Every function is an export of its
 * own; handles are opaque, and the few structures that cross over (a tensor's type, an option) are the ones whose
 * layout LiteRT declares ABI stable. Release 2.1.6 gave some functions an environment as a new first argument without
 * changing their names: the export LiteRtCreateModelFromFd, which came with it, tells the generations apart, and an
 * older library is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "library.h"

#define LITERT_VARIABLE "EDGE_S2I_LITERT"
#define GENERATION_MARK "LiteRtCreateModelFromFd"
#define MOST_LITERT_RANK 8

/* Values of LiteRT's enumerations. */
#define STATUS_OK 0
#define ACCELERATOR_CPU 1
#define BUFFER_HOST_MEMORY 1
#define LOCK_READ 0
#define LOCK_WRITE 1
#define ELEMENT_FLOAT32 1
#define ELEMENT_INT32 2
#define ELEMENT_INT64 4
#define OPTION_MIN_LOGGER_SEVERITY 25
#define ANY_INT 2
#define SEVERITY_ERROR 3

struct litert_layout {
    uint32_t rank_and_strides; /* the rank in the lower 7 bits, then whether there are strides */
    int32_t shape[MOST_LITERT_RANK];
    uint32_t strides[MOST_LITERT_RANK];
};

struct litert_type {
    int32_t element;
    struct litert_layout layout;
};

struct litert_option {
    int32_t tag;
    int32_t unused;
    int32_t kind;
    int32_t unused_too;
    int64_t value;
};

typedef void *handle;

struct api {
    int (*create_environment)(int count, const struct litert_option *options, handle *environment);
    int (*create_model)(handle environment, const void *bytes, size_t length, handle *model);
    int (*create_options)(handle *options);
    int (*set_accelerators)(handle options, int set);
    int (*create_compiled)(handle environment, handle model, handle options, handle *compiled);
    int (*count_signatures)(handle model, size_t *count);
    int (*get_signature)(handle model, size_t index, handle *signature);
    int (*count_inputs)(handle signature, size_t *count);
    int (*count_outputs)(handle signature, size_t *count);
    int (*input_name)(handle signature, size_t index, const char **name);
    int (*input_tensor)(handle signature, size_t index, handle *tensor);
    int (*output_tensor)(handle signature, size_t index, handle *tensor);
    int (*tensor_type)(handle tensor, struct litert_type *type);
    int (*create_buffer)(handle environment, int kind, const struct litert_type *type, size_t bytes, handle *buffer);
    int (*lock)(handle buffer, void **address, int mode);
    int (*unlock)(handle buffer);
    int (*run)(handle compiled, size_t signature, size_t input_count, handle *inputs, size_t output_count,
               handle *outputs);
    void (*destroy_environment)(handle environment);
    void (*destroy_model)(handle model);
    void (*destroy_options)(handle options);
    void (*destroy_compiled)(handle compiled);
    void (*destroy_buffer)(handle buffer);
};

struct litert {
    void *library;
    struct api api;
    handle environment;
};

struct tensor {
    const char *name; /* as this program calls it; NULL for an output */
    struct litert_type type;
    size_t rank, count, bytes;
    handle buffer;
};

struct graph {
    struct litert *litert;
    handle model, compiled;
    struct tensor inputs[MOST_INPUTS], output;
    size_t input_count;
};

static bool load_functions(struct litert *litert, struct failure *failure)
{
    struct api *api = &litert->api;
    const struct {
        const char *name;
        void *place;
    } functions[] = {
        {"LiteRtCreateEnvironment", &api->create_environment},
        {"LiteRtCreateModelFromBuffer", &api->create_model},
        {"LiteRtCreateOptions", &api->create_options},
        {"LiteRtSetOptionsHardwareAccelerators", &api->set_accelerators},
        {"LiteRtCreateCompiledModel", &api->create_compiled},
        {"LiteRtGetNumModelSignatures", &api->count_signatures},
        {"LiteRtGetModelSignature", &api->get_signature},
        {"LiteRtGetNumSignatureInputs", &api->count_inputs},
        {"LiteRtGetNumSignatureOutputs", &api->count_outputs},
        {"LiteRtGetSignatureInputName", &api->input_name},
        {"LiteRtGetSignatureInputTensorByIndex", &api->input_tensor},
        {"LiteRtGetSignatureOutputTensorByIndex", &api->output_tensor},
        {"LiteRtGetRankedTensorType", &api->tensor_type},
        {"LiteRtCreateManagedTensorBuffer", &api->create_buffer},
        {"LiteRtLockTensorBuffer", &api->lock},
        {"LiteRtUnlockTensorBuffer", &api->unlock},
        {"LiteRtRunCompiledModel", &api->run},
        {"LiteRtDestroyEnvironment", &api->destroy_environment},
        {"LiteRtDestroyModel", &api->destroy_model},
        {"LiteRtDestroyOptions", &api->destroy_options},
        {"LiteRtDestroyCompiledModel", &api->destroy_compiled},
        {"LiteRtDestroyTensorBuffer", &api->destroy_buffer},
    };
    void (*mark)(void);
    size_t i;

    for (i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (!library_function(litert->library, functions[i].name, functions[i].place))
            return fail(failure, "the library given as LiteRT has no function %s; give libLiteRt.so of ai-edge-litert",
                        functions[i].name);
    if (!library_function(litert->library, GENERATION_MARK, &mark))
        return fail(failure, "LiteRT is too old: its C API is that of before release 2.1.6; pip install ai-edge-litert");
    return true;
}

static bool check(int status, const char *doing, struct failure *failure)
{
    return status == STATUS_OK || fail(failure, "LiteRT cannot %s (status %d)", doing, status);
}

static void close_engine(struct engine *engine)
{
    struct litert *litert = engine->state;

    if (litert == NULL)
        return;
    if (litert->environment != NULL)
        litert->api.destroy_environment(litert->environment);
    library_close(litert->library);
    free(litert);
    engine->state = NULL;
}

/* Its size and a buffer for a tensor whose type is known. */
static bool prepare(struct graph *graph, struct tensor *tensor, const char *name, struct failure *failure)
{
    const size_t size = tensor->type.element == ELEMENT_INT64 ? 8 : 4;
    size_t i;

    tensor->rank = tensor->type.layout.rank_and_strides & 0x7f;
    if (tensor->type.element != ELEMENT_FLOAT32 && tensor->type.element != ELEMENT_INT32
        && tensor->type.element != ELEMENT_INT64)
        return fail(failure, "the .tflite graph's %s is of type %d; float32, int32 and int64 can be used", name,
                    (int)tensor->type.element);
    if (tensor->rank > MOST_RANK)
        return fail(failure, "the .tflite graph's %s has %lu dimensions", name, (unsigned long)tensor->rank);
    tensor->count = 1;
    for (i = 0; i < tensor->rank; i++) {
        int32_t dimension = tensor->type.layout.shape[i];

        if (dimension < 1 || (size_t)dimension > MEMORY_LIMIT / size / tensor->count)
            return fail(failure, "the .tflite graph's %s has no fixed size; export it with one", name);
        tensor->count *= (size_t)dimension;
    }
    tensor->bytes = tensor->count * size;
    return check(graph->litert->api.create_buffer(graph->litert->environment, BUFFER_HOST_MEMORY, &tensor->type,
                                                  tensor->bytes, &tensor->buffer), "make a buffer", failure);
}

/* Converters that know no names call the inputs args_0, args_1, ...: taken in the order of `names`. */
static const char *match_name(const char *given, const char *const *names, size_t name_count)
{
    size_t i;

    for (i = 0; i < name_count; i++)
        if (strcmp(given, names[i]) == 0)
            return names[i];
    if (strncmp(given, "args_", 5) == 0 && given[5] >= '0' && given[5] <= '9' && given[6] == '\0'
        && (size_t)(given[5] - '0') < name_count)
        return names[given[5] - '0'];
    return NULL;
}

static bool describe(struct graph *graph, const char *const *names, size_t name_count, struct failure *failure)
{
    const struct api *api = &graph->litert->api;
    size_t signatures = 0, outputs = 0, i;
    handle signature = NULL, tensor = NULL;
    bool needed = false;

    if (!check(api->count_signatures(graph->model, &signatures), "count the signatures", failure))
        return false;
    if (signatures != 1)
        return fail(failure, "the .tflite graph has %lu signatures; export it with one", (unsigned long)signatures);
    if (!check(api->get_signature(graph->model, 0, &signature), "give the signature", failure)
        || !check(api->count_inputs(signature, &graph->input_count), "count the inputs", failure)
        || !check(api->count_outputs(signature, &outputs), "count the outputs", failure))
        return false;
    if (graph->input_count > MOST_INPUTS || outputs != 1) {
        unsigned long inputs = (unsigned long)graph->input_count;

        graph->input_count = 0;
        return fail(failure, "the .tflite graph has %lu inputs and %lu outputs; it needs %s and its kin, and one", inputs,
                    (unsigned long)outputs, names[0]);
    }
    for (i = 0; i < graph->input_count; i++) {
        const char *given = NULL;

        if (!check(api->input_name(signature, i, &given), "name its inputs", failure)
            || !check(api->input_tensor(signature, i, &tensor), "describe its inputs", failure)
            || !check(api->tensor_type(tensor, &graph->inputs[i].type), "describe its inputs", failure))
            return false;
        graph->inputs[i].name = match_name(given, names, name_count);
        if (graph->inputs[i].name == NULL)
            return fail(failure, "the .tflite graph wants an input %.60s, which this program does not have", given);
        needed = needed || graph->inputs[i].name == names[0];
        if (!prepare(graph, &graph->inputs[i], graph->inputs[i].name, failure))
            return false;
    }
    if (!needed)
        return fail(failure, "the .tflite graph has no input %s", names[0]);
    return check(api->output_tensor(signature, 0, &tensor), "describe its output", failure)
           && check(api->tensor_type(tensor, &graph->output.type), "describe its output", failure)
           && prepare(graph, &graph->output, "output", failure);
}

static void close_graph(struct graph *graph)
{
    const struct api *api;
    size_t i;

    if (graph == NULL)
        return;
    api = &graph->litert->api;
    for (i = 0; i < graph->input_count; i++)
        if (graph->inputs[i].buffer != NULL)
            api->destroy_buffer(graph->inputs[i].buffer);
    if (graph->output.buffer != NULL)
        api->destroy_buffer(graph->output.buffer);
    if (graph->compiled != NULL)
        api->destroy_compiled(graph->compiled);
    if (graph->model != NULL)
        api->destroy_model(graph->model);
    free(graph);
}

static bool compile(struct graph *graph, const struct blob *model, struct failure *failure)
{
    const struct api *api = &graph->litert->api;
    handle options = NULL;
    bool compiled;

    if (!check(api->create_model(graph->litert->environment, model->bytes, model->length, &graph->model),
               "load the graph", failure)
        || !check(api->create_options(&options), "make options", failure))
        return false;
    compiled = check(api->set_accelerators(options, ACCELERATOR_CPU), "choose the processor", failure)
               && check(api->create_compiled(graph->litert->environment, graph->model, options, &graph->compiled),
                        "prepare the graph", failure);
    api->destroy_options(options);
    return compiled;
}

static struct graph *open_graph(struct engine *engine, const struct blob *model, const char *const *names,
                                size_t name_count, struct failure *failure)
{
    struct graph *graph = take(1, sizeof *graph, failure);

    if (graph == NULL)
        return NULL;
    graph->litert = engine->state;
    if (!compile(graph, model, failure) || !describe(graph, names, name_count, failure)) {
        close_graph(graph);
        return NULL;
    }
    return graph;
}

static int64_t dimension(const struct graph *graph, const char *input, int axis)
{
    size_t i;

    for (i = 0; i < graph->input_count; i++)
        if (strcmp(graph->inputs[i].name, input) == 0) {
            int place = axis < 0 ? (int)graph->inputs[i].rank + axis : axis;

            return place < 0 || place >= (int)graph->inputs[i].rank ? ANY_SIZE : graph->inputs[i].type.layout.shape[place];
        }
    return 1;
}

static bool fill(struct graph *graph, struct tensor *tensor, const struct input *given, struct failure *failure)
{
    const struct api *api = &graph->litert->api;
    size_t count = 1, i;
    void *address = NULL;

    for (i = 0; i < given->rank; i++)
        count *= (size_t)given->shape[i];
    if (count != tensor->count)
        return fail(failure, "the .tflite graph's input %s has %lu numbers; %lu are given", tensor->name,
                    (unsigned long)tensor->count, (unsigned long)count);
    if ((tensor->type.element == ELEMENT_FLOAT32) != (given->numbers != NULL))
        return fail(failure, "the .tflite graph's input %s is of another type than it is given", tensor->name);
    if (!check(api->lock(tensor->buffer, &address, LOCK_WRITE), "open a buffer", failure))
        return false;
    if (tensor->type.element == ELEMENT_FLOAT32)
        memcpy(address, given->numbers, tensor->bytes);
    else if (tensor->type.element == ELEMENT_INT64)
        memcpy(address, given->wholes, tensor->bytes);
    else
        for (i = 0; i < count; i++)
            ((int32_t *)address)[i] = (int32_t)given->wholes[i];
    return check(api->unlock(tensor->buffer), "close a buffer", failure);
}

static bool copy_output(struct graph *graph, float *output, const int64_t *shape, size_t rank, struct failure *failure)
{
    const struct api *api = &graph->litert->api;
    const struct tensor *tensor = &graph->output;
    void *address = NULL;
    bool same = tensor->rank == rank && tensor->type.element == ELEMENT_FLOAT32;
    size_t i;

    for (i = 0; same && i < rank; i++)
        same = tensor->type.layout.shape[i] == shape[i];
    if (!same)
        return fail(failure, "the .tflite graph's output has another shape or type than the manifest says");
    if (!check(api->lock(tensor->buffer, &address, LOCK_READ), "open a buffer", failure))
        return false;
    memcpy(output, address, tensor->bytes);
    return check(api->unlock(tensor->buffer), "close a buffer", failure);
}

static bool run_graph(struct graph *graph, const struct input *inputs, size_t input_count, float *output,
                      const int64_t *shape, size_t rank, struct failure *failure)
{
    handle buffers[MOST_INPUTS];
    size_t i, k;

    for (i = 0; i < graph->input_count; i++) {
        struct tensor *tensor = &graph->inputs[i];

        for (k = 0; k < input_count && strcmp(inputs[k].name, tensor->name) != 0; k++)
            continue;
        if (k == input_count)
            return fail(failure, "the .tflite graph wants an input %s", tensor->name);
        if (!fill(graph, tensor, &inputs[k], failure))
            return false;
        buffers[i] = tensor->buffer;
    }
    return check(graph->litert->api.run(graph->compiled, 0, graph->input_count, buffers, 1, &graph->output.buffer),
                 "run the graph", failure)
           && copy_output(graph, output, shape, rank, failure);
}

bool engine_open_litert(struct engine *engine, const struct engine_settings *settings, struct failure *failure)
{
    static const struct engine_functions functions = {open_graph, dimension, run_graph, close_graph, close_engine};
    static const struct litert_option quiet = {OPTION_MIN_LOGGER_SEVERITY, 0, ANY_INT, 0, SEVERITY_ERROR};
    struct litert *litert;

    memset(engine, 0, sizeof *engine);
    engine->functions = &functions;
    engine->name = "litert";
    if (settings->threads != 0)
        return fail(failure, "--threads cannot be set for LiteRT; leave it out");
    litert = take(1, sizeof *litert, failure);
    if (litert == NULL)
        return false;
    engine->state = litert;
    if (!library_open(&litert->library, settings->library, LITERT_VARIABLE, "libLiteRt.so", "libLiteRt.so", failure))
        return fail_within(failure, "LiteRT's library, by --litert, " LITERT_VARIABLE " or as libLiteRt.so: ");
    return load_functions(litert, failure)
           && check(litert->api.create_environment(1, &quiet, &litert->environment), "start", failure);
}
