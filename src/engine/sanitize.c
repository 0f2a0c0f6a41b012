/* sanitize.c - reads `sanitize: { allow: [PATTERN...] }` of the admin's and the user's file. A project file has no say in it:
 * tools can write there. */
#include "engine/sanitize.h"

#include "tools/leaks.h"

#include "base/banned.h"

static int read_allow(const struct yaml_node *list, bool locked, struct err *err)
{
	int r = yaml_want(list, YAML_LIST, "sanitize: allow", err);

	for (const struct yaml_node *n = yaml_first(list); r == 0 && n != NULL; n = yaml_next(n)) {
		struct err why;
		if (!yaml_is_text(n) || yaml_text(n)[0] == '\0')
			return yaml_err(n, err, "sanitize: allow: must be a list of regular expressions, such as '^AKIAIOSFODNN7'");
		if (!locked && leaks_allow(yaml_text(n), &why) < 0)
			return yaml_err(n, err, "sanitize: allow: '%.100s' %s", yaml_text(n), why.text);
	}
	return r;
}

int sanitize_read(const struct yaml_node *section, bool locked, struct err *err)
{
	static const char *const keys[] = { "allow" };
	int r = yaml_want(section, YAML_MAP, "sanitize", err);

	if (r == 0)
		r = yaml_only_keys(section, keys, COUNT(keys), err);
	const struct yaml_node *allow = r == 0 ? yaml_get(section, "allow") : NULL;
	return allow != NULL ? read_allow(allow, locked, err) : r;
}
