/* stream.c - what a model is saying. Line by line: a secret or an escape sequence that came in pieces is whole by then, and a
 * line that is not whole yet is looked at anew with every piece. */
#include "cli/stream.h"

#include "tools/tool.h"

#include "base/banned.h"

void stream_init(struct stream *s, bool color)
{
	markdown_init(&s->markdown, 80, color);
	s->line = BUF_INIT(MIB(1));
	s->any = false;
}

void stream_done(struct stream *s)
{
	markdown_done(&s->markdown);
	buf_done(&s->line);
}

static void add_line(struct stream *s, struct str line, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(4));

	sanitize_shown(line, &clean);
	markdown_line(&s->markdown, buf_str(&clean), ret);
}

void stream_add(struct stream *s, struct str text, size_t width, struct buf *ret)
{
	const char *end;

	s->markdown.width = width;
	s->any |= text.len > 0;
	while ((end = memchr(text.ptr, '\n', text.len)) != NULL) {
		size_t len = (size_t)(end - text.ptr);
		buf_add(&s->line, text.ptr, len);
		add_line(s, buf_str(&s->line), ret);
		buf_reset(&s->line);
		text = str_skip(text, len + 1);
	}
	if (buf_add_str(&s->line, text) < 0) { /* a line without an end: it is one now */
		add_line(s, buf_str(&s->line), ret);
		buf_reset(&s->line);
	}
}

void stream_peek(const struct stream *s, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(4));

	if (s->line.len == 0)
		return;
	sanitize_shown(buf_str(&s->line), &clean);
	markdown_peek(&s->markdown, buf_str(&clean), ret);
}

void stream_end(struct stream *s, bool keep, struct buf *ret)
{
	if (keep && s->line.len > 0)
		add_line(s, buf_str(&s->line), ret);
	buf_reset(&s->line);
	markdown_end(&s->markdown, ret);
	s->any = false;
}
