/* reload.h - the policy files of a workspace: loaded at the start, and again when they change under a running engine. */
#ifndef MISHRI_ENGINE_RELOAD_H
#define MISHRI_ENGINE_RELOAD_H

#include "policy/files.h"

struct engine;
struct run;
struct policy_home;                     /* opaque: where the files are, and how they were when they were read last */

/* All is copied. data: the data directory, which knows what is trusted. */
MUST_USE struct policy_home *policy_home_new(const struct policy_places *places, const char *data);
void policy_home_free(struct policy_home *home);               /* NULL is fine */
/* Reads and loads all of them. ret_untrusted: a line for the person about a project file that was passed over, or NULL;
 * the caller owns both. */
MUST_USE int policy_home_load(struct policy_home *home, struct policy **ret, char **ret_untrusted, struct err *err);

/* Looks whether a file changed. A set that is wrong leaves the running one in force, and says so. */
void engine_look_at_policy(struct engine *engine);
/* What waits in this task is held against the policy in force. */
void policy_review(struct run *run);
void policy_watch_start(struct engine *engine);
void policy_watch_end(struct engine *engine);                  /* frees the sets that were loaded meanwhile */

#endif
