/* Marks for callgrind: which instructions of a Python process count. Valgrind's requests are no-ops outside of it. */
#include <valgrind/callgrind.h>

void s2i_watch(void) { CALLGRIND_START_INSTRUMENTATION; }

void s2i_begin(void) { CALLGRIND_ZERO_STATS; }

void s2i_end(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
