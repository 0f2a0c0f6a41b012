/* log.h - the operators' log: what a process does, on stderr, a line each. It is no event: nothing is made from it, and
 * nothing is lost with it. Errors of functions are struct err; only what runs for long and has nobody to tell logs. */
#ifndef MISHRI_BASE_LOG_H
#define MISHRI_BASE_LOG_H

#include "base/json.h"

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG, LOG_LEVELS };
const char *log_level_name(enum log_level level);
int log_level_find(const char *name);                   /* -1: unknown */

/* For the whole process, before it has threads. Without it: warnings and errors, as text. */
void log_open(enum log_level most, bool as_json);
bool log_wanted(enum log_level level);

/* What hides secrets in each text before it is written; appends to ret. NULL: nothing does. The level and the names of
 * fields are ours and pass as they are. */
void log_hide(void (*hide)(const void *userdata, struct str text, struct buf *ret), const void *userdata);

/* One line with one write(2). what: a short sentence of ours; fields: an object, borrowed, or NULL. Control bytes are
 * written as escapes, and a text is cut at LIMIT_LOG_TEXT_BYTES.
 *   text: 2026-11-22T15:04:05.123456Z warning call denied task=k3f9... tool="shell"
 *   JSON: {"time":"...","level":"warning","message":"call denied","task":"k3f9...","tool":"shell"} */
void log_write(enum log_level level, const char *what, const json_t *fields);

#endif
