/* stream.h - a model's text as it arrives, for a terminal: made harmless, then Markdown. */
#ifndef MISHRI_CLI_STREAM_H
#define MISHRI_CLI_STREAM_H

#include "tui/markdown.h"

struct stream {
	struct markdown markdown;
	struct buf line;               /* that is not whole yet */
	bool any;                      /* something of this reply was shown */
};
void stream_init(struct stream *stream, bool color);
void stream_done(struct stream *stream);

/* Lines that are whole now are appended to ret. */
void stream_add(struct stream *stream, struct str text, size_t width, struct buf *ret);
/* The line that is not whole, as it looks now; nothing when there is none. */
void stream_peek(const struct stream *stream, struct buf *ret);
/* The reply is over. keep: false: what is not whole is nothing. */
void stream_end(struct stream *stream, bool keep, struct buf *ret);

#endif
