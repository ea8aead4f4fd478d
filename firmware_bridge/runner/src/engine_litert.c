#include "engine.h"
bool engine_open_litert(struct engine *engine, const struct engine_settings *settings, struct failure *failure)
{
    (void)engine; (void)settings;
    return fail(failure, "not yet");
}
