/* builtin.c - the policies that come with the program, out of data/policies. They are loaded like any file, so their tests
 * run each time. The one that holds where no file is loaded is `workspace`. */
#include "base/embedded.h"
#include "policy/files.h"
#include "policy/rules.h"

#include "base/banned.h"

#define PREFIX "builtin:"

static const struct embedded_file *ready(const char *name)
{
	for (const struct embedded_file *f = ready_policies; f->path != NULL; f++) {
		size_t len = strlen(f->path) - strlen(".yaml");
		if (strlen(name) == len && strncmp(f->path, name, len) == 0)
			return f;
	}
	return NULL;
}

bool policy_is_ready_made(const char *path)
{
	return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

size_t policy_ready_names(char ret[][POLICY_NAME_BYTES], size_t max)
{
	size_t count = 0;

	for (const struct embedded_file *f = ready_policies; f->path != NULL && count < max; f++, count++) {
		size_t len = MIN(strlen(f->path) - strlen(".yaml"), (size_t)POLICY_NAME_BYTES - 1);
		memcpy(ret[count], f->path, len);
		ret[count][len] = '\0';
	}
	return count;
}

int policy_ready_text(const char *path, struct str *ret, struct err *err)
{
	char names[16][POLICY_NAME_BYTES];
	const char *known[16], *name = policy_is_ready_made(path) ? path + strlen(PREFIX) : path;
	const struct embedded_file *f = ready(name);
	AUTO(buf_done) struct buf all = BUF_INIT(KIB(1));

	if (f != NULL) {
		*ret = (struct str){ (const char *)f->bytes, f->len };
		return 0;
	}
	size_t count = policy_ready_names(names, COUNT(names));
	for (size_t i = 0; i < count; i++) {
		known[i] = names[i];
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	const char *near = name_nearest(known, count, name);
	if (near != NULL)
		return err_set(err, EINVAL, "there is no ready-made policy '%.40s': did you mean '%s'?", name, near);
	return err_set(err, EINVAL, "there is no ready-made policy '%.40s': there are %s", name, buf_text(&all));
}

struct str builtin_policy(void)
{
	const struct embedded_file *f = ready("workspace");

	assert(f != NULL);
	return (struct str){ (const char *)f->bytes, f->len };
}
