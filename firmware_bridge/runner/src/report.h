/* What is said about a drawing: the line of `edge-s2i draw`, its JSON, and the stages' numbers as files. */
#ifndef S2I_REPORT_H
#define S2I_REPORT_H

#include "link_push.h"
#include "options.h"
#include "speech_to_picture.h"

/* link: what came of showing it on a board's panel; its width is 0 where none was shown. */
void report_text(const struct options *options, const struct model *model, const struct drawing *drawing,
                 const struct link_report *link);
void report_json(const struct options *options, const struct model *model, const struct request *request,
                 const struct drawing *drawing, const struct link_report *link);

/* Writes utterance, log_mel, normalized, embedding, latent and style, each as NAME.f32, into a folder that is there. */
bool report_dump(const char *folder, const struct model *model, const struct request *request,
                 const struct drawing *drawing, struct failure *failure);

#endif
