/* id.h - names for things: random, short enough to type, never reused. */
#ifndef MISHRI_BASE_ID_H
#define MISHRI_BASE_ID_H

#include "base/util.h"

enum {
	ID_LEN = 12,           /* 60 random bits, Crockford base32 in lower case: no i, l, o, u */
	TRACE_ID_LEN = 32,     /* W3C trace context, hexadecimal */
	SPAN_ID_LEN = 16,
};

void id_random(void *bytes, size_t len);                /* getrandom(2); aborts if the kernel has none */
void id_new(char text[static ID_LEN + 1]);
void id_trace(char text[static TRACE_ID_LEN + 1]);
void id_span(char text[static SPAN_ID_LEN + 1]);
bool id_valid(const char *text);                        /* a whole id */

#endif
