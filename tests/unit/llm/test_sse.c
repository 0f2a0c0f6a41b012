/* Event streams as rows; each is also fed in two parts cut at every byte, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/limits.h"
#include "llm/sse.h"

#include "base/banned.h"

/* Events as text: "name=data|" with '\n' shown as '/'. */
static void note_event(void *userdata, struct str name, struct str data)
{
	struct buf *out = userdata;

	buf_add_str(out, name);
	buf_add_char(out, '=');
	for (size_t i = 0; i < data.len; i++)
		buf_add_char(out, data.ptr[i] == '\n' ? '/' : data.ptr[i]);
	buf_add_char(out, '|');
}

/* Bytes go through a copy of their exact size, so that a read behind the end is seen by the sanitizer. */
static int feed_copy(struct sse *sse, struct str bytes)
{
	char *copy = xmalloc(bytes.len + 1);

	memcpy(copy, bytes.ptr, bytes.len);
	copy = xrealloc(copy, MAX(bytes.len, (size_t)1));
	int r = sse_feed(sse, (struct str){ copy, bytes.len });
	free(copy);
	return r;
}

static void check_split(struct str stream, size_t cut, size_t step, const char *want)
{
	struct buf out = BUF_INIT(KIB(64));
	struct sse sse;

	sse_init(&sse, note_event, &out);
	assert_int_equal(feed_copy(&sse, (struct str){ stream.ptr, cut }), 0);
	for (size_t at = cut; at < stream.len; at += step) {
		struct str rest = str_skip(stream, at);
		rest.len = MIN(rest.len, step);
		assert_int_equal(feed_copy(&sse, rest), 0);
	}
	sse_finish(&sse);
	assert_string_equal(buf_text(&out), want);
	sse_done(&sse);
	buf_done(&out);
}

#define ROW(stream, want) { { stream, sizeof(stream) - 1 }, want }

static void every_stream_at_every_cut(void **state UNUSED)
{
	static const struct { struct str stream; const char *want; } rows[] = {
		ROW("", ""),
		ROW("data: a\n\n", "=a|"),
		ROW("data: a\r\n\r\n", "=a|"),
		ROW("data: a\r\r", "=a|"),
		ROW("data: a\r\n\ndata: b\r\r\ndata: c\n\r", "=a|=b|=c|"),
		ROW("data:a\n\ndata:  b\n\n", "=a|= b|"),
		ROW("data: a\ndata: b\n\n", "=a/b|"),
		ROW("data: a\ndata\ndata:\n\n", "=a//|"),
		ROW("data\n\n", "=|"),
		ROW("\n\n\ndata: a\n\n\n\n", "=a|"),
		ROW("event: x\ndata: a\n\ndata: b\n\n", "x=a|=b|"),
		ROW("data: a\nevent: x\nevent: y\n\n", "y=a|"),
		ROW("event: x\n\ndata: a\n\n", "=a|"),
		ROW(": comment\n:\n::\ndata: a\n: data: b\n\n", "=a|"),
		ROW("id: 1\nretry: 5\nother: x\nData: no\ndata: a\n\n", "=a|"),
		ROW("\xef\xbb\xbf" "data: a\n\n", "=a|"),
		ROW("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\ndata: b\n\n", "=b|"),
		ROW("data: a\n\n\xef\xbb\xbf" "data: b\n\n", "=a|"),
		ROW("data: \xef\xbb\xbf" "a:b: c\n\n", "=\xef\xbb\xbf" "a:b: c|"),
		ROW("data: whole\n", "=whole|"),
		ROW("data: a\n\ndata: cut", "=a|"),
		ROW("data: a\n\ndata: b\nda", "=a|=b|"),
		ROW("event: eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\ndata: a\n\n",
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
		    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee=a|"),
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].stream.len; cut++)
			check_split(rows[i].stream, cut, SIZE_MAX / 2, rows[i].want);
		check_split(rows[i].stream, 0, 1, rows[i].want);
	}
}

static int feed_many(const char *piece, size_t bytes)
{
	struct buf out = BUF_INIT(0);
	struct sse sse;
	size_t len = strlen(piece);
	int r = 0;

	sse_init(&sse, note_event, &out);
	for (size_t done = 0; done < bytes && r == 0; done += len)
		r = sse_feed(&sse, (struct str){ piece, len });
	if (r < 0)
		assert_int_equal(sse_feed(&sse, STR("\n\ndata: a\n\n")), r);
	sse_done(&sse);
	buf_done(&out);
	return r;
}

static void nothing_grows_without_end(void **state UNUSED)
{
	static const struct { const char *piece; int want; } rows[] = {
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", -EMSGSIZE },
		{ "data: 789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", -EMSGSIZE },
		{ "data: 789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\n", 0 },
		{ ": 3456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", 0 },
		{ "event: 89abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(feed_many(rows[i].piece, 2 * LIMIT_SSE_LINE_BYTES), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stream_at_every_cut),
		cmocka_unit_test(nothing_grows_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
