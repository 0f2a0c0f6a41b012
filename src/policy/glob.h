/* glob.h - shell patterns over text: * ? [a-z] [!x] and \ before a character that means itself. */
#ifndef MISHRI_POLICY_GLOB_H
#define MISHRI_POLICY_GLOB_H

#include "base/str.h"

/* NULL when the pattern is well formed, else what is wrong with it. */
const char *glob_problem(const char *pattern);
/* No wildcard in it: it matches one text only. `ret` (as long as the pattern) gets that text. */
bool glob_is_literal(const char *pattern, char *ret);
/* It matches every text. */
bool glob_is_everything(const char *pattern);

/* path: * and ? stop at '/', ** does not, and "**" followed by '/' may also stand for no directory at all.
 * Otherwise * and ** both match anything. Takes at most length × length steps, never recurses. */
bool glob_match(const char *pattern, struct str text, bool path);

#endif
