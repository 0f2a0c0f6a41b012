/* buf.c - the one growing buffer. It refuses to grow past its maximum and never truncates silently. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

void buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void buf_done(struct buf *b)
{
	free(b->ptr);
	*b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->full = false;
	if (b->ptr != NULL)
		b->ptr[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static int reserve(struct buf *b, size_t more)
{
	if (more > b->max || b->len > b->max - more) {
		b->full = true;
		return -ENOBUFS;
	}
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	size_t cap = MAX(b->cap * 2, (size_t)64);
	cap = MIN(MAX(cap, need), b->max + 1);
	b->ptr = xrealloc(b->ptr, cap);
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *ptr, size_t len)
{
	int r = reserve(b, len);
	if (r < 0)
		return r;
	if (len != 0)
		memcpy(b->ptr + b->len, ptr, len);
	b->len += len;
	b->ptr[b->len] = '\0';
	return 0;
}

int buf_add_str(struct buf *b, struct str s)
{
	return buf_add(b, s.ptr, s.len);
}

int buf_add_text(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int need = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (need < 0)
		abort();
	int r = reserve(b, (size_t)need);
	if (r < 0)
		return r;
	va_start(args, format);
	vsnprintf(b->ptr + b->len, (size_t)need + 1, format, args);
	va_end(args);
	b->len += (size_t)need;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->ptr, b->ptr + n, b->len + 1);
}

const char *buf_text(const struct buf *b)
{
	return b->ptr != NULL ? b->ptr : "";
}

char *buf_take(struct buf *b)
{
	char *text = b->ptr != NULL ? b->ptr : xstrdup("");

	*b = BUF_INIT(b->max);
	return text;
}
