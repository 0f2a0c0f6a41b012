/* path.c - paths as text. Looks at no file: links are the business of the resolver that the caller hands in. */
#include "policy/rules.h"

#include "base/banned.h"

char *path_clean(const char *path)
{
	char *clean = xmalloc(strlen(path) + 2);
	size_t len = 0;
	struct str rest = str_of(path), part;

	while (str_next(&rest, '/', &part)) {
		if (part.len == 0 || str_eq(part, STR(".")))
			continue;
		if (str_eq(part, STR(".."))) {
			while (len > 0 && clean[--len] != '/')
				;
			continue;
		}
		clean[len++] = '/';
		memcpy(clean + len, part.ptr, part.len);
		len += part.len;
	}
	if (len == 0)
		clean[len++] = '/';
	clean[len] = '\0';
	return clean;
}

bool path_is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[0] == '/';
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}
