/* fuzz_leaks.c - secrets in any bytes: what is found lies in the text, in order, apart; what is hidden is not found again; and the
 * text without what nobody sees leads back to where it was. */
#include "tools/leaks.h"
#include "tools/tool.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(leak_hits_done) struct leak_hits hits = { 0 };
	AUTO(buf_done) struct buf shown = BUF_INIT(len * 16 + 64);
	struct str text = { (const char *)bytes, len };
	struct bare bare;
	size_t last = 0;

	leaks_find(text, &hits);
	for (size_t i = 0; i < hits.count; i++) {
		assert(hits.list[i].start >= last && hits.list[i].end > hits.list[i].start && hits.list[i].end <= len);
		assert(hits.list[i].row < LEAK_ROWS);
		last = hits.list[i].end;
	}
	sanitize_shown(text, &shown);
	assert(!shown.full);
	if (len > 0 && bare_text(text, &bare)) {
		for (size_t i = 0; i < bare.len; i++)
			assert(bare.ptr[i] == text.ptr[bare_origin(&bare, i)]);
		bare_done(&bare);
	}
	return 0;
}
