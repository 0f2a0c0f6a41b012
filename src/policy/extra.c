/* extra.c - the parts of the language that this version reads but does not keep: files. They are checked, and then
 * refused: a policy that promises what nobody keeps is worse than an error. */
#include <stdio.h>

#include "policy/rules.h"

#include "base/banned.h"

int extra_check(struct loader *l, const struct yaml_node *root)
{
	static const char *const keys[] = { "hide", "readonly", "writable" };
	const struct yaml_node *files = yaml_get(root, "files");

	if (files == NULL)
		return 0;
	if (yaml_only_keys(files, keys, COUNT(keys), l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *list = yaml_first(files); list != NULL; list = yaml_next(list)) {
		if (yaml_want(list, YAML_LIST, "this", l->err) != 0)
			return -EINVAL;
		for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n))
			if (yaml_want(n, YAML_TEXT, "a path", l->err) != 0)
				return -EINVAL;
	}
	return yaml_err(yaml_key(files), l->err, "'files' is not enforced by this version yet: leave it out");
}
