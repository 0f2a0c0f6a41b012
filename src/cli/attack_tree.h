/* attack_tree.h - a small workspace with files that policies hide or keep, for evasions of the section `files`. */
#ifndef MISHRI_CLI_ATTACK_TREE_H
#define MISHRI_CLI_ATTACK_TREE_H

#include <sys/types.h>

#include "base/err.h"
#include "policy/policy.h"

/* The first that the policy hides, below the workspace; NULL: none. *ret_rule is borrowed from the policy. */
const char *attack_tree_hidden(const struct policy *policy, const struct path_rule **ret_rule);

/* In an empty directory: the hidden file with `secret` in it and a second name `other`, and the files that may be kept. All
 * belong to uid. hidden NULL: none. */
MUST_USE int attack_tree_make(const char *dir, const char *hidden, const char *secret, uid_t uid, gid_t gid, struct err *err);

bool attack_tree_changed(const char *dir, const char *file);      /* is it gone, or another than it was made? */

#endif
