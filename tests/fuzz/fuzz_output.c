/* fuzz_output.c - any bytes through the sanitiser, whole and in pieces: the same text, valid UTF-8, within the bound,
 * and harmless to a second rendering. The first byte is the bound. */
#include "tools/tool.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	size_t max = len > 0 ? *bytes++ : 0, left = len > 0 ? len - 1 : 0;
	AUTO(output_freep) struct output *whole = output_new(max), *pieces = output_new(max);
	AUTO(buf_done) struct buf one = BUF_INIT(KIB(4)), two = BUF_INIT(KIB(4)), again = BUF_INIT(KIB(4));

	output_add(whole, bytes, left);
	for (size_t i = 0, n; i < left; i += n) {
		n = MIN(left - i, (size_t)bytes[i] % 7 + 1);
		output_add(pieces, bytes + i, n);
	}
	output_render(whole, &one);
	output_render(pieces, &two);
	assert(!one.full && one.len <= 4 * max + 64 && str_eq(buf_str(&one), buf_str(&two)));
	for (size_t i = 0, n; i < one.len; i += n) {
		n = utf8_length((const unsigned char *)one.ptr + i, one.len - i);
		assert(n > 0);
	}
	sanitize_text(buf_str(&one), &again);
	assert(str_eq(buf_str(&one), buf_str(&again)));
	return 0;
}
