/* given.h - policy files that were given with -p and lie where tools can write. Internal to engine/. */
#ifndef MISHRI_ENGINE_GIVEN_H
#define MISHRI_ENGINE_GIVEN_H

#include "policy/files.h"

/* Those in the workspace are kept read-only in every cell. -EINVAL: one cannot be. */
MUST_USE int given_keep(const struct policy_places *places, const struct policy_files *found, struct policy *policy,
                        struct err *err);
/* Is one of them another now, which a tool might have written? -EPERM then: it counts from the next start on. */
MUST_USE int given_check(const struct policy_places *places, const struct policy_files *found, const struct policy *now,
                         const struct policy *next, struct err *err);

#endif
