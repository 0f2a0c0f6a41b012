/* ignore.h - globs, and the .gitignore files on the way to a directory. */
#ifndef MISHRI_TOOLS_IGNORE_H
#define MISHRI_TOOLS_IGNORE_H

#include "base/str.h"

/* Does a relative path match? "*", "?" and "[a-z]" stay within one name, a name that is "**" is any number
 * of directories, "\" takes the next character as it is. Time is bounded by the product of the lengths. */
bool ignore_glob(const char *pattern, const char *path);

struct ignore {
	struct ignore_rule *rules;   /* of the nearest directory last */
	size_t count, room;
};

void ignore_done(struct ignore *ignore);                   /* fits AUTO(ignore_done) */
/* Adds the .gitignore of a directory; relative: its path below the workspace with '/' at the end, or "".
 * A file that cannot be read, or is too large, ignores nothing. Returns a mark for ignore_pop. */
size_t ignore_push(struct ignore *ignore, int dir, const char *relative);
void ignore_pop(struct ignore *ignore, size_t mark);
/* path: below the workspace. The last rule that matches decides. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir);

#endif
