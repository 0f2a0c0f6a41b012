/* instructions.h - what a trusted project tells agents: AGENTS.md and the catalogue of its skills. */
#ifndef MISHRI_ENGINE_INSTRUCTIONS_H
#define MISHRI_ENGINE_INSTRUCTIONS_H

#include "base/json.h"

/* Reads what there is for an absolute, resolved workspace:
 *   {"instructions": {"path", "text"}, "skills": [{"name", "description", "path"}]}, each only where there is one.
 * A file in a directory that is not trusted (data: where that is known) is not opened. What is left out, and why, is
 * said: one line each. The caller owns the object. */
MUST_USE json_t *instructions_read(const char *data, const char *workspace, void (*say)(const char *line));

/* The front matter of a SKILL.md. folder: the name of its directory. -EINVAL with what would be right; the caller
 * owns what is in *ret: {"name", "description"}. */
MUST_USE int skill_parse(const char *path, const char *folder, struct str text, json_t **ret, struct err *err);

#endif
