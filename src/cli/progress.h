/* progress.h - what a person sees while a task runs, on stderr. Lines for what happened; on a
 * terminal also a block for what is happening. Everything model-made or tool-made is made harmless first. */
#ifndef MISHRI_CLI_PROGRESS_H
#define MISHRI_CLI_PROGRESS_H

#include "core/task.h"
#include "engine/loop.h"

struct progress;

/* Who paints instead: lines that are finished, and the block as it is now. Lines are clean and may have colours. */
typedef void progress_painter(void *userdata, struct str above, const char *const *lines, size_t count);

MUST_USE struct progress *progress_new(struct loop *loop, bool terminal, bool color);
void progress_free(struct progress *progress);
void progress_event(struct progress *progress, const struct event *event);
void progress_paint_by(struct progress *progress, progress_painter *painter, void *userdata);
void progress_text(struct progress *progress, const char *task, struct str text);  /* a model is saying this */
bool progress_has_shown(const struct progress *progress, const char *result);       /* the last reply, on the screen as it came */
void progress_note(struct progress *progress, const char *line);       /* a line of ours among them */
bool progress_live(const struct progress *progress);                  /* is there a block? */
void progress_totals(struct progress *progress, const char *text);     /* sums beyond this run, for the block; "" none */
void progress_pause(struct progress *progress, bool paused);          /* while a question is on the screen */

#endif
