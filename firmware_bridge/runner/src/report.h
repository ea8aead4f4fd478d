/* What is said about a drawing: the line of `edge-s2i draw`, its JSON, and the stages' numbers as files. */
#ifndef S2I_REPORT_H
#define S2I_REPORT_H

#include "options.h"
#include "speech_to_picture.h"

void report_text(const struct options *options, const struct model *model, const struct drawing *drawing);
void report_json(const struct options *options, const struct model *model, const struct request *request,
                 const struct drawing *drawing);

/* Writes utterance, log_mel, normalized, embedding, latent and style, each as NAME.f32, into a folder that is there. */
bool report_dump(const char *folder, const struct model *model, const struct request *request,
                 const struct drawing *drawing, struct failure *failure);

#endif
