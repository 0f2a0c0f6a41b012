/* fuzz_reply.h - any bytes as the body of an answer, for one dialect. The first byte says how they are cut, the second
 * which HTTP status they come with. However they are cut, they must mean the same. */
#ifndef MISHRI_FUZZ_REPLY_H
#define MISHRI_FUZZ_REPLY_H

#include "llm/reader.h"

/* What came of it, as text: made-up ids are left out, because they are random. */
static void read_body(const struct provider *provider, struct str bytes, size_t step, int status, struct buf *out)
{
	struct reader reader;
	struct llm_reply reply;
	struct llm_failure failure;
	bool go_on = true;

	reader_init(&reader, provider, status);
	while (bytes.len > 0 && go_on) {
		struct str piece = { bytes.ptr, MIN(bytes.len, step) };
		go_on = reader_feed(&reader, piece);
		bytes = str_skip(bytes, step);
	}
	if (reader_finish(&reader, NULL, &reply, &failure)) {
		assert(reply.call_count <= LIMIT_CALLS_PER_REPLY + 1);
		buf_printf(out, "%s %s %lld", reply.text, reply.finish, (long long)reply.usage.input);
		for (size_t i = 0; i < reply.call_count; i++)
			buf_printf(out, " %s %s", reply.calls[i].name, reply.calls[i].args);
		llm_reply_done(&reply);
	} else {
		for (const char *c = failure.text; *c != '\0'; c++)
			assert((unsigned char)*c >= ' ');
		buf_printf(out, "%d %s", failure.cls, failure.text);
	}
	reader_done(&reader);
}

static int fuzz_reply(const struct provider *provider, const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 200, 200, 400, 429, 500 };
	AUTO(buf_done) struct buf whole = BUF_INIT(MIB(64)), cut = BUF_INIT(MIB(64));

	if (size < 2)
		return 0;
	struct str bytes = { (const char *)data + 2, size - 2 };
	int status = statuses[data[1] % COUNT(statuses)];
	read_body(provider, bytes, SIZE_MAX, status, &whole);
	read_body(provider, bytes, (size_t)data[0] + 1, status, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}

#endif
