/* agents.h - the agent profiles of the configuration files, each with where it came from. */
#ifndef MISHRI_ENGINE_AGENTS_H
#define MISHRI_ENGINE_AGENTS_H

#include "base/yaml.h"
#include "engine/engine.h"

struct agents;                                             /* opaque; owns the profiles and their texts */

MUST_USE struct agents *agents_new(void);
void agents_free(struct agents *agents);                   /* NULL is fine */

/* The section `agents:` of one file; weaker files first. A name that is there already is replaced whole.
 * project: the file is one that tools can write, so it may add agents but change none, and name no model.
 * check_only: what is wrong is said, nothing is taken (a locked section). -EINVAL with FILE:LINE:COL. */
MUST_USE int agents_read(struct agents *agents, const struct yaml_node *section, bool project, bool check_only, struct err *err);

const struct agent_profile *agents_all(const struct agents *agents, size_t *ret_count);   /* borrowed; in order of name */
const char *agents_origin(const struct agents *agents, size_t i);                         /* "FILE:LINE" */
const struct agent_profile *agents_find(const struct agents *agents, const char *name);   /* NULL */

/* {NAME: {"role","model","prompt","tools","max_turns","timeout_ms","limits","origin"}}; null: as the run has it. */
MUST_USE json_t *agents_json(const struct agents *agents);

#endif
