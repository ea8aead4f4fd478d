/* ONNX Runtime's C API without its headers. The library exports OrtGetApiBase alone; that gives a table of functions
 * whose first version's 102 places never change, which is all that is used here. */
#ifndef S2I_ORT_API_H
#define S2I_ORT_API_H

#include <stddef.h>
#include <stdint.h>

/* Values of ONNX Runtime's enumerations. */
#define ORT_LOGGING_ERROR 3
#define ORT_ARENA_ALLOCATOR 1
#define ORT_MEMORY_DEFAULT 0
#define ONNX_FLOAT 1
#define ONNX_INT32 6
#define ONNX_INT64 7

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorInfo OrtTensorInfo;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;

typedef void (*ort_function)(void);

struct ort_base {
    const ort_function *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

/* What is used of the table. */
struct ort_api {
    const char *(*get_error_message)(const OrtStatus *status);
    OrtStatus *(*create_env)(int severity, const char *name, OrtEnv **env);
    OrtStatus *(*create_session_from_array)(const OrtEnv *env, const void *model, size_t length,
                                            const OrtSessionOptions *options, OrtSession **session);
    OrtStatus *(*run)(OrtSession *session, const OrtRunOptions *options, const char *const *input_names,
                      const OrtValue *const *inputs, size_t input_count, const char *const *output_names,
                      size_t output_count, OrtValue **outputs);
    OrtStatus *(*create_session_options)(OrtSessionOptions **options);
    OrtStatus *(*set_log_severity)(OrtSessionOptions *options, int severity);
    OrtStatus *(*set_intra_op_threads)(OrtSessionOptions *options, int count);
    OrtStatus *(*set_inter_op_threads)(OrtSessionOptions *options, int count);
    OrtStatus *(*get_input_count)(const OrtSession *session, size_t *count);
    OrtStatus *(*get_output_count)(const OrtSession *session, size_t *count);
    OrtStatus *(*get_input_type)(const OrtSession *session, size_t index, OrtTypeInfo **info);
    OrtStatus *(*get_input_name)(const OrtSession *session, size_t index, OrtAllocator *allocator, char **name);
    OrtStatus *(*get_output_name)(const OrtSession *session, size_t index, OrtAllocator *allocator, char **name);
    OrtStatus *(*create_tensor)(const OrtMemoryInfo *memory, void *data, size_t bytes, const int64_t *shape,
                                size_t rank, int type, OrtValue **value);
    OrtStatus *(*get_data)(OrtValue *value, void **data);
    OrtStatus *(*cast_to_tensor)(const OrtTypeInfo *info, const OrtTensorInfo **tensor);
    OrtStatus *(*get_element_type)(const OrtTensorInfo *info, int *type);
    OrtStatus *(*get_rank)(const OrtTensorInfo *info, size_t *rank);
    OrtStatus *(*get_shape)(const OrtTensorInfo *info, int64_t *shape, size_t room);
    OrtStatus *(*get_value_info)(const OrtValue *value, OrtTensorInfo **info);
    OrtStatus *(*create_cpu_memory)(int allocator, int kind, OrtMemoryInfo **memory);
    OrtStatus *(*free_name)(OrtAllocator *allocator, void *name);
    OrtStatus *(*get_allocator)(OrtAllocator **allocator);
    void (*release_env)(OrtEnv *env);
    void (*release_status)(OrtStatus *status);
    void (*release_memory)(OrtMemoryInfo *memory);
    void (*release_session)(OrtSession *session);
    void (*release_value)(OrtValue *value);
    void (*release_type)(OrtTypeInfo *info);
    void (*release_tensor)(OrtTensorInfo *info);
    void (*release_options)(OrtSessionOptions *options);
};

/* Takes the functions out of a table of version 1 or newer. */
void ort_api_fill(struct ort_api *api, const ort_function *table);

#endif
