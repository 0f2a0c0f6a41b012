/* permission.c - names to bits and back. It knows nothing of who grants what: tools, profiles and policy do. */
#include "base/permission.h"

#include <string.h>

#include "base/banned.h"

static const char *const names[] = {
	[PERMISSION_FS_READ] = "fs.read", [PERMISSION_FS_WRITE] = "fs.write", [PERMISSION_EXEC] = "exec",
	[PERMISSION_NET] = "net", [PERMISSION_SECRETS] = "secrets", [PERMISSION_SCHEDULE] = "schedule",
	[PERMISSION_AGENT] = "agent",
};
_Static_assert(COUNT(names) == PERMISSION_COUNT, "every permission has a name");

int permission_find(const char *name)
{
	return name_find(names, COUNT(names), name);
}

const char *permission_name(enum permission permission)
{
	return name_of(names, COUNT(names), permission);
}

const char *permission_nearest(const char *name)
{
	return name_nearest(names, COUNT(names), name);
}

static int word_read(struct str word, unsigned *set, struct err *err)
{
	AUTO(freep) char *name = xstrndup(word.ptr, word.len);
	int found = permission_find(name);
	const char *near = found < 0 ? permission_nearest(name) : NULL;

	if (near != NULL)
		return err_set(err, EINVAL, "'%.40s' is no permission: did you mean '%s'?", name, near);
	if (found < 0)
		return err_set(err, EINVAL, "'%.40s' is no permission: there are " PERMISSION_NAMES, name);
	*set |= 1u << found;
	return 0;
}

int permissions_parse(struct str text, unsigned *ret, struct err *err)
{
	unsigned set = 0;
	struct str rest = text, part, word;

	while (str_next(&rest, ',', &part))
		while (str_next(&part, ' ', &word)) {
			int r = word.len > 0 ? word_read(word, &set, err) : 0;
			if (r < 0)
				return r;
		}
	*ret = set;
	return 0;
}

unsigned permissions_of_row(const char *words, unsigned *ret_needed)
{
	struct str rest = str_of(words), word;
	unsigned all = 0, needed = 0;

	while (str_next(&rest, ' ', &word)) {
		bool optional = word.len > 0 && word.ptr[word.len - 1] == '?';
		unsigned one = 0;
		word.len -= optional;
		int r = word.len > 0 ? word_read(word, &one, NULL) : 0;
		assert(r == 0);
		all |= one;
		needed |= optional ? 0 : one;
	}
	if (ret_needed != NULL)
		*ret_needed = needed;
	return all;
}

json_t *permissions_json(unsigned set)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < PERMISSION_COUNT; i++)
		if ((set & 1u << i) != 0)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

unsigned permissions_of_json(const json_t *list)
{
	unsigned set = 0;
	size_t i;
	const json_t *one;

	json_array_foreach((json_t *)list, i, one) {
		int found = json_is_string(one) ? permission_find(json_string_value(one)) : -1;
		set |= found >= 0 ? 1u << found : 0;
	}
	return set;
}

void permissions_print(unsigned set, struct buf *ret)
{
	bool first = true;

	for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
		if ((set & 1u << i) == 0)
			continue;
		buf_printf(ret, "%s%s", first ? "" : ", ", names[i]);
		first = false;
	}
	if (first)
		buf_add_text(ret, "none");
}
