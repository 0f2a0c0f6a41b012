/* fuzz_patch.c - a file and a patch, parted by the first NUL: whatever is read of it stays within the text, and a patch that
 * applies changes the number of lines by what it says. */
#include "tools/patch.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static size_t newlines(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n + (text.len > 0 && text.ptr[text.len - 1] != '\n');
}

static void apply(const struct patch *patch, const struct patch_file *file, struct str before)
{
	AUTO(buf_done) struct buf after = BUF_INIT(KIB(256)), shown = BUF_INIT(KIB(8));
	struct patch_sums sums;
	struct err err = ERR_NONE;

	int r = patch_apply(patch, file, before, &after, &sums, &shown, &err);
	assert(r == 0 || (err.code != 0 && err.text[0] != '\0'));
	if (r == 0)
		assert(newlines(buf_str(&after)) + sums.removed == newlines(before) + sums.added);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *nul = len > 0 ? memchr(bytes, '\0', len) : NULL;
	size_t split = nul != NULL ? (size_t)(nul - bytes) : 0, from = nul != NULL ? split + 1 : 0;
	struct str before = { (const char *)bytes, split }, text = { (const char *)bytes + from, len - from };
	AUTO(patch_done) struct patch patch = { 0 };
	struct err err = ERR_NONE;

	if (patch_parse(text, &patch, &err) < 0) {
		assert(err.text[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < patch.file_count; i++) {
		assert(patch.files[i].path[0] != '\0');
		apply(&patch, &patch.files[i], before);
	}
	return 0;
}
