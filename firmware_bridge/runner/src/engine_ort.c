/* Graphs in ONNX Runtime. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "library.h"
#include "ort_api.h"

#define ORT_VARIABLE "EDGE_S2I_ORT"
#define OLDEST_API 13 /* ONNX Runtime 1.13: the first for IR 8 and opset 17 */
#define NEWEST_API 23 /* asked for at most: an older table is a part of a newer one */

struct ort {
    void *library;
    struct ort_api api;
    OrtEnv *env;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator; /* the library's own, never released */
    int threads;
};

struct graph_input {
    char name[64];
    int type;
    int64_t shape[MOST_RANK];
    size_t rank;
};

struct graph {
    struct ort *ort;
    OrtSession *session;
    struct graph_input inputs[MOST_INPUTS];
    size_t input_count;
    char output[64];
};

/* The first line of what went wrong; releases the status. */
static bool check(const struct ort_api *api, OrtStatus *status, const char *doing, struct failure *failure)
{
    const char *message;

    if (status == NULL)
        return true;
    message = api->get_error_message(status);
    fail(failure, "ONNX Runtime cannot %s: %.*s", doing, (int)strcspn(message, "\n"), message);
    api->release_status(status);
    return false;
}

/* The C API's version is the second number of the library's. It is compared before the table is asked for, since the
 * library itself complains on stderr about a version that it does not have. */
static bool negotiate(const struct ort_base *base, uint32_t *version, struct failure *failure)
{
    const char *text = base->get_version();
    char *end = NULL;
    unsigned long major = strtoul(text, &end, 10), minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

    if (major == 1 && minor < OLDEST_API)
        return fail(failure, "ONNX Runtime %.40s is too old: version 1.%d or newer is needed", text, OLDEST_API);
    if (major < 1)
        return fail(failure, "the library calls itself ONNX Runtime '%.40s'; 1.%d or newer is needed", text, OLDEST_API);
    *version = major > 1 || minor > NEWEST_API ? NEWEST_API : (uint32_t)minor;
    return true;
}

static void close_engine(struct engine *engine)
{
    struct ort *ort = engine->state;

    if (ort == NULL)
        return;
    if (ort->memory != NULL)
        ort->api.release_memory(ort->memory);
    if (ort->env != NULL)
        ort->api.release_env(ort->env);
    library_close(ort->library);
    free(ort);
    engine->state = NULL;
}

static bool open_session(struct graph *graph, const struct blob *model, struct failure *failure)
{
    struct ort *ort = graph->ort;
    const struct ort_api *api = &ort->api;
    OrtSessionOptions *options;
    bool open;

    if (!check(api, api->create_session_options(&options), "make session options", failure))
        return false;
    open = check(api, api->set_log_severity(options, ORT_LOGGING_ERROR), "set the log's severity", failure)
           && check(api, api->set_inter_op_threads(options, 1), "set its threads", failure)
           && (ort->threads == 0
               || check(api, api->set_intra_op_threads(options, ort->threads), "set its threads", failure))
           && check(api, api->create_session_from_array(ort->env, model->bytes, model->length, options, &graph->session),
                    "load the graph", failure);
    api->release_options(options);
    return open;
}

static bool copy_name(const struct ort *ort, char *name, char *out, size_t room, struct failure *failure)
{
    bool fits = (size_t)snprintf(out, room, "%s", name) < room;

    return check(&ort->api, ort->api.free_name(ort->allocator, name), "free a name", failure)
           && (fits || fail(failure, "the graph has a name longer than %lu bytes", (unsigned long)room));
}

static bool describe_input(struct graph *graph, size_t index, struct failure *failure)
{
    const struct ort_api *api = &graph->ort->api;
    struct graph_input *input = &graph->inputs[index];
    const OrtTensorInfo *tensor = NULL;
    OrtTypeInfo *info;
    char *name;
    bool known;

    if (!check(api, api->get_input_name(graph->session, index, graph->ort->allocator, &name), "name its inputs", failure)
        || !copy_name(graph->ort, name, input->name, sizeof input->name, failure)
        || !check(api, api->get_input_type(graph->session, index, &info), "describe its inputs", failure))
        return false;
    known = check(api, api->cast_to_tensor(info, &tensor), "describe its inputs", failure);
    if (known && tensor == NULL)
        known = fail(failure, "the graph's input %s is no tensor", input->name);
    known = known && check(api, api->get_element_type(tensor, &input->type), "describe its inputs", failure)
            && check(api, api->get_rank(tensor, &input->rank), "describe its inputs", failure);
    if (known && input->rank > MOST_RANK)
        known = fail(failure, "the graph's input %s has %lu dimensions", input->name, (unsigned long)input->rank);
    known = known && check(api, api->get_shape(tensor, input->shape, input->rank), "describe its inputs", failure);
    if (known && input->type != ONNX_FLOAT && input->type != ONNX_INT64 && input->type != ONNX_INT32)
        known = fail(failure, "the graph's input %s is of ONNX type %d; float32, int32 and int64 can be given",
                     input->name, input->type);
    api->release_type(info);
    return known;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool describe(struct graph *graph, const char *const *names, size_t name_count, struct failure *failure)
{
    const struct ort_api *api = &graph->ort->api;
    bool needed = false;
    size_t i, outputs;
    char *name;

    if (!check(api, api->get_input_count(graph->session, &graph->input_count), "count its inputs", failure)
        || !check(api, api->get_output_count(graph->session, &outputs), "count its outputs", failure))
        return false;
    if (graph->input_count > MOST_INPUTS || outputs < 1)
        return fail(failure, "the graph has %lu inputs and %lu outputs; it needs %s and its kin",
                    (unsigned long)graph->input_count, (unsigned long)outputs, names[0]);
    for (i = 0; i < graph->input_count; i++) {
        if (!describe_input(graph, i, failure))
            return false;
        if (!is_among(graph->inputs[i].name, names, name_count))
            return fail(failure, "the graph wants an input %s, which this program does not have", graph->inputs[i].name);
        needed = needed || strcmp(graph->inputs[i].name, names[0]) == 0;
    }
    if (!needed)
        return fail(failure, "the graph has no input %s", names[0]);
    return check(api, api->get_output_name(graph->session, 0, graph->ort->allocator, &name), "name its output", failure)
           && copy_name(graph->ort, name, graph->output, sizeof graph->output, failure);
}

static void close_graph(struct graph *graph)
{
    if (graph == NULL)
        return;
    if (graph->session != NULL)
        graph->ort->api.release_session(graph->session);
    free(graph);
}

static struct graph *open_graph(struct engine *engine, const struct blob *model, const char *const *names,
                                size_t name_count, struct failure *failure)
{
    struct graph *graph = take(1, sizeof *graph, failure);

    if (graph == NULL)
        return NULL;
    graph->ort = engine->state;
    if (!open_session(graph, model, failure) || !describe(graph, names, name_count, failure)) {
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

            if (place < 0 || place >= (int)graph->inputs[i].rank || graph->inputs[i].shape[place] < 0)
                return ANY_SIZE;
            return graph->inputs[i].shape[place];
        }
    return 1;
}

/* Borrowed numbers as a tensor; whole numbers are put into `wholes` in the width that the graph wants. */
static bool make_tensor(struct graph *graph, const struct graph_input *wanted, const struct input *given,
                        int32_t *narrow, OrtValue **value, struct failure *failure)
{
    const struct ort_api *api = &graph->ort->api;
    size_t count = 1, size, i;
    const void *data;

    for (i = 0; i < given->rank; i++)
        count *= (size_t)given->shape[i];
    if ((wanted->type == ONNX_FLOAT) != (given->numbers != NULL))
        return fail(failure, "the graph's input %s is of another type than it is given", wanted->name);
    if (wanted->type == ONNX_FLOAT) {
        data = given->numbers;
        size = sizeof *given->numbers;
    } else if (wanted->type == ONNX_INT64) {
        data = given->wholes;
        size = sizeof *given->wholes;
    } else {
        if (count != 1)
            return fail(failure, "the graph's input %s is not one number", wanted->name);
        *narrow = (int32_t)given->wholes[0];
        data = narrow;
        size = sizeof *narrow;
    }
    /* The API takes a pointer to what may be written; a run only reads its inputs. */
    return check(api, api->create_tensor(graph->ort->memory, (void *)(uintptr_t)data, count * size, given->shape,
                                         given->rank, wanted->type, value), "take an input", failure);
}

static bool copy_output(struct graph *graph, OrtValue *value, float *output, const int64_t *shape, size_t rank,
                        struct failure *failure)
{
    const struct ort_api *api = &graph->ort->api;
    int64_t given[MOST_RANK] = {0};
    size_t given_rank = 0, count = 1, i;
    OrtTensorInfo *info;
    void *data = NULL;
    int type = 0;
    bool read;

    if (!check(api, api->get_value_info(value, &info), "describe its output", failure))
        return false;
    read = check(api, api->get_element_type(info, &type), "describe its output", failure)
           && check(api, api->get_rank(info, &given_rank), "describe its output", failure);
    if (read && (type != ONNX_FLOAT || given_rank != rank))
        read = fail(failure, "the graph gave ONNX type %d of %lu dimensions; float32 of %lu is right", type,
                    (unsigned long)given_rank, (unsigned long)rank);
    read = read && check(api, api->get_shape(info, given, rank), "describe its output", failure);
    api->release_tensor(info);
    for (i = 0; read && i < rank; i++) {
        if (given[i] != shape[i])
            read = fail(failure, "the graph gave %ld in dimension %lu where the manifest says %ld", (long)given[i],
                        (unsigned long)i, (long)shape[i]);
        count *= (size_t)shape[i];
    }
    if (!read || !check(api, api->get_data(value, &data), "give its output", failure))
        return false;
    memcpy(output, data, count * sizeof *output);
    return true;
}

static bool run_graph(struct graph *graph, const struct input *inputs, size_t input_count, float *output,
                      const int64_t *shape, size_t rank, struct failure *failure)
{
    const struct ort_api *api = &graph->ort->api;
    OrtValue *values[MOST_INPUTS] = {NULL}, *result = NULL;
    const char *names[MOST_INPUTS], *outputs[1] = {graph->output};
    int32_t narrow[MOST_INPUTS];
    bool ran = true;
    size_t i, k;

    for (i = 0; ran && i < graph->input_count; i++) {
        const struct graph_input *wanted = &graph->inputs[i];

        for (k = 0; k < input_count && strcmp(inputs[k].name, wanted->name) != 0; k++)
            continue;
        names[i] = wanted->name;
        ran = k < input_count ? make_tensor(graph, wanted, &inputs[k], &narrow[i], &values[i], failure)
                              : fail(failure, "the graph wants an input %s", wanted->name);
    }
    ran = ran && check(api, api->run(graph->session, NULL, names, (const OrtValue *const *)values, graph->input_count,
                                     outputs, 1, &result), "run the graph", failure)
          && copy_output(graph, result, output, shape, rank, failure);
    if (result != NULL)
        api->release_value(result);
    for (i = 0; i < graph->input_count; i++)
        if (values[i] != NULL)
            api->release_value(values[i]);
    return ran;
}

bool engine_open_ort(struct engine *engine, const struct engine_settings *settings, struct failure *failure)
{
    static const struct engine_functions functions = {open_graph, dimension, run_graph, close_graph, close_engine};
    const struct ort_base *(*get_base)(void) = NULL;
    const struct ort_base *base;
    const ort_function *table;
    struct ort *ort;
    uint32_t version = 0;

    memset(engine, 0, sizeof *engine);
    engine->functions = &functions;
    engine->name = "onnx";
    ort = take(1, sizeof *ort, failure);
    if (ort == NULL)
        return false;
    engine->state = ort;
    ort->threads = settings->threads;
    if (!library_open(&ort->library, settings->library, ORT_VARIABLE, "libonnxruntime.so", "libonnxruntime.so.1", failure))
        return fail_within(failure, "ONNX Runtime's library, by --ort, " ORT_VARIABLE " or as libonnxruntime.so.1 "
                           "(`edge-s2i doctor` names Python's): ");
    if (!library_function(ort->library, "OrtGetApiBase", &get_base))
        return fail(failure, "the library given as ONNX Runtime has no function OrtGetApiBase; give libonnxruntime.so");
    base = get_base();
    if (!negotiate(base, &version, failure))
        return false;
    table = base->get_api(version);
    if (table == NULL)
        return fail(failure, "ONNX Runtime %.40s does not give version %u of its C API", base->get_version(),
                    (unsigned)version);
    ort_api_fill(&ort->api, table);
    (void)snprintf(engine->version, sizeof engine->version, "%.40s", base->get_version());
    return check(&ort->api, ort->api.create_env(ORT_LOGGING_ERROR, "s2i_run", &ort->env), "start", failure)
           && check(&ort->api, ort->api.create_cpu_memory(ORT_ARENA_ALLOCATOR, ORT_MEMORY_DEFAULT, &ort->memory),
                    "describe memory", failure)
           && check(&ort->api, ort->api.get_allocator(&ort->allocator), "give its allocator", failure);
}
