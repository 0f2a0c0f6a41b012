/* sse.c - cuts a stream of bytes into lines and lines into events. It knows nothing of what events mean, keeps at
 * most one line and one event, and refuses longer ones. The fields `id` and `retry` are for browsers: ignored. */
#include "llm/sse.h"

#include <errno.h>

#include "base/limits.h"

#include "base/banned.h"

enum { NAME_BYTES = 128 };      /* a longer name is cut: no provider has one */

void sse_init(struct sse *sse, sse_event *on_event, void *userdata)
{
	*sse = (struct sse){
		.line = BUF_INIT(LIMIT_SSE_LINE_BYTES), .data = BUF_INIT(LIMIT_SSE_LINE_BYTES),
		.name = BUF_INIT(NAME_BYTES), .on_event = on_event, .userdata = userdata,
	};
}

void sse_done(struct sse *sse)
{
	buf_done(&sse->line);
	buf_done(&sse->data);
	buf_done(&sse->name);
}

static void give_event(struct sse *sse)
{
	if (sse->has_data)
		sse->on_event(sse->userdata, buf_str(&sse->name), buf_str(&sse->data));
	buf_reset(&sse->data);
	buf_reset(&sse->name);
	sse->has_data = false;
}

static void read_field(struct sse *sse, struct str name, struct str value)
{
	if (str_eq(name, STR("data"))) {
		if (sse->has_data)
			buf_add_char(&sse->data, '\n');
		buf_add_str(&sse->data, value);
		sse->has_data = true;
		sse->overflown |= sse->data.full;
	} else if (str_eq(name, STR("event"))) {
		buf_reset(&sse->name);
		value.len = MIN(value.len, (size_t)NAME_BYTES);
		buf_add_str(&sse->name, value);
	}
}

static void read_line(struct sse *sse, struct str line)
{
	if (!sse->begun && str_starts(line, STR("\xef\xbb\xbf")))
		line = str_skip(line, 3);
	sse->begun = true;
	if (line.len == 0) {
		give_event(sse);
		return;
	}
	const char *colon = memchr(line.ptr, ':', line.len);
	if (colon == NULL) {
		read_field(sse, line, STR(""));
		return;
	}
	struct str name = { line.ptr, (size_t)(colon - line.ptr) };
	struct str value = str_skip(line, name.len + 1);
	if (str_starts(value, STR(" ")))
		value = str_skip(value, 1);
	read_field(sse, name, value);
}

/* The length up to the next '\r' or '\n'; all of it when there is none. */
static size_t line_length(struct str bytes)
{
	const char *lf = memchr(bytes.ptr, '\n', bytes.len);
	size_t len = lf != NULL ? (size_t)(lf - bytes.ptr) : bytes.len;
	const char *cr = memchr(bytes.ptr, '\r', len);

	return cr != NULL ? (size_t)(cr - bytes.ptr) : len;
}

int sse_feed(struct sse *sse, struct str bytes)
{
	while (bytes.len > 0 && !sse->overflown) {
		if (sse->after_cr && bytes.ptr[0] == '\n')
			bytes = str_skip(bytes, 1);
		sse->after_cr = false;
		if (bytes.len == 0)
			break;
		struct str line = { bytes.ptr, line_length(bytes) };
		bool whole = line.len < bytes.len;
		bytes = str_skip(bytes, line.len);
		if (!whole || sse->line.len > 0) {
			buf_add_str(&sse->line, line);
			sse->overflown |= sse->line.full;
			line = buf_str(&sse->line);
		}
		if (!whole || sse->overflown)
			break;
		sse->after_cr = bytes.ptr[0] == '\r';
		bytes = str_skip(bytes, 1);
		read_line(sse, line);
		buf_reset(&sse->line);
	}
	return sse->overflown ? -EMSGSIZE : 0;
}

void sse_finish(struct sse *sse)
{
	if (!sse->overflown)
		give_event(sse);
}
