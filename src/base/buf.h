/* buf.h - bytes that grow, with a maximum from birth. Always NUL-terminated behind `len`. */
#ifndef MISHRI_BASE_BUF_H
#define MISHRI_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *ptr;       /* never NULL after the first add; use buf_text() to read */
	size_t len;
	size_t cap;
	size_t max;      /* adding beyond is refused and sets `full` */
	bool full;       /* something did not fit; what was added before stays */
};

#define BUF_INIT(maximum) ((struct buf){ .max = (maximum) })

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);                   /* may be called twice; fits AUTO(buf_done) */
void buf_reset(struct buf *b);                  /* empty again, memory kept */

/* All return 0, or -ENOBUFS when the maximum is reached (nothing is added then). The result may be
 * ignored where the caller looks at b->full at the end. */
int buf_add(struct buf *b, const void *ptr, size_t len);
int buf_add_str(struct buf *b, struct str s);
int buf_add_text(struct buf *b, const char *text);
int buf_add_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) PRINTF(2, 3);

void buf_consume(struct buf *b, size_t n);      /* drops the first n bytes */
const char *buf_text(const struct buf *b);      /* never NULL; borrowed until the next add */
static inline struct str buf_str(const struct buf *b) { return (struct str){ buf_text(b), b->len }; }
MUST_USE char *buf_take(struct buf *b);         /* the caller owns the text; b is empty after it */

#endif
