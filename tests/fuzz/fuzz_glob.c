/* fuzz_glob.c - a pattern on the first line, a path behind it: an answer in bounded time, and a path without special
 * characters matches itself. */
#include "tools/ignore.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str rest = { (const char *)bytes, len }, line;

	if (len == 0 || !str_next(&rest, '\n', &line) || rest.ptr == NULL)
		return 0;
	AUTO(freep) char *pattern = xstrndup(line.ptr, line.len);
	AUTO(freep) char *path = xstrndup(rest.ptr, rest.len);
	(void)ignore_glob(pattern, path);
	assert(strpbrk(path, "*?[\\") != NULL || ignore_glob(path, path));
	return 0;
}
