#include "ort_api.h"

#include <string.h>

/* Places in the table. */
enum place {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION_FROM_ARRAY = 8,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_SESSION_LOG_SEVERITY = 22,
    SET_INTRA_OP_THREADS = 24,
    SET_INTER_OP_THREADS = 25,
    SESSION_GET_INPUT_COUNT = 30,
    SESSION_GET_OUTPUT_COUNT = 31,
    SESSION_GET_INPUT_TYPE_INFO = 33,
    SESSION_GET_INPUT_NAME = 36,
    SESSION_GET_OUTPUT_NAME = 37,
    CREATE_TENSOR_WITH_DATA = 49,
    GET_TENSOR_MUTABLE_DATA = 51,
    CAST_TYPE_INFO_TO_TENSOR_INFO = 55,
    GET_TENSOR_ELEMENT_TYPE = 60,
    GET_DIMENSIONS_COUNT = 61,
    GET_DIMENSIONS = 62,
    GET_TENSOR_TYPE_AND_SHAPE = 65,
    CREATE_CPU_MEMORY_INFO = 69,
    ALLOCATOR_FREE = 76,
    GET_DEFAULT_ALLOCATOR = 78,
    RELEASE_ENV = 92,
    RELEASE_STATUS = 93,
    RELEASE_MEMORY_INFO = 94,
    RELEASE_SESSION = 95,
    RELEASE_VALUE = 96,
    RELEASE_TYPE_INFO = 98,
    RELEASE_TENSOR_INFO = 99,
    RELEASE_SESSION_OPTIONS = 100
};

void ort_api_fill(struct ort_api *api, const ort_function *table)
{
#define TAKE(member, place) memcpy(&api->member, &table[place], sizeof api->member)
    TAKE(get_error_message, GET_ERROR_MESSAGE);
    TAKE(create_env, CREATE_ENV);
    TAKE(create_session_from_array, CREATE_SESSION_FROM_ARRAY);
    TAKE(run, RUN);
    TAKE(create_session_options, CREATE_SESSION_OPTIONS);
    TAKE(set_log_severity, SET_SESSION_LOG_SEVERITY);
    TAKE(set_intra_op_threads, SET_INTRA_OP_THREADS);
    TAKE(set_inter_op_threads, SET_INTER_OP_THREADS);
    TAKE(get_input_count, SESSION_GET_INPUT_COUNT);
    TAKE(get_output_count, SESSION_GET_OUTPUT_COUNT);
    TAKE(get_input_type, SESSION_GET_INPUT_TYPE_INFO);
    TAKE(get_input_name, SESSION_GET_INPUT_NAME);
    TAKE(get_output_name, SESSION_GET_OUTPUT_NAME);
    TAKE(create_tensor, CREATE_TENSOR_WITH_DATA);
    TAKE(get_data, GET_TENSOR_MUTABLE_DATA);
    TAKE(cast_to_tensor, CAST_TYPE_INFO_TO_TENSOR_INFO);
    TAKE(get_element_type, GET_TENSOR_ELEMENT_TYPE);
    TAKE(get_rank, GET_DIMENSIONS_COUNT);
    TAKE(get_shape, GET_DIMENSIONS);
    TAKE(get_value_info, GET_TENSOR_TYPE_AND_SHAPE);
    TAKE(create_cpu_memory, CREATE_CPU_MEMORY_INFO);
    TAKE(free_name, ALLOCATOR_FREE);
    TAKE(get_allocator, GET_DEFAULT_ALLOCATOR);
    TAKE(release_env, RELEASE_ENV);
    TAKE(release_status, RELEASE_STATUS);
    TAKE(release_memory, RELEASE_MEMORY_INFO);
    TAKE(release_session, RELEASE_SESSION);
    TAKE(release_value, RELEASE_VALUE);
    TAKE(release_type, RELEASE_TYPE_INFO);
    TAKE(release_tensor, RELEASE_TENSOR_INFO);
    TAKE(release_options, RELEASE_SESSION_OPTIONS);
#undef TAKE
}
