/* fuzz_sse - any bytes as an event stream. The first byte says how they are cut; the events must be the same as in one
 * piece. */
#include "base/limits.h"
#include "llm/sse.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_event(void *userdata, struct str name, struct str data)
{
	struct buf *out = userdata;

	buf_add_str(out, name);
	buf_add_char(out, '\n');
	buf_add_str(out, data);
	buf_add_char(out, '\n');
}

static void read_stream(struct str bytes, size_t step, struct buf *out)
{
	struct sse sse;
	int r = 0;

	sse_init(&sse, note_event, out);
	while (bytes.len > 0 && r == 0) {
		struct str piece = { bytes.ptr, MIN(bytes.len, step) };
		r = sse_feed(&sse, piece);
		bytes = str_skip(bytes, step);
	}
	sse_finish(&sse);
	sse_done(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_done) struct buf whole = BUF_INIT(MIB(16)), cut = BUF_INIT(MIB(16));

	if (size < 1)
		return 0;
	struct str bytes = { (const char *)data + 1, size - 1 };
	read_stream(bytes, SIZE_MAX, &whole);
	read_stream(bytes, (size_t)data[0] + 1, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
