/* hidden.h - characters that act on a terminal, or that a reader does not see. */
#ifndef MISHRI_TOOLS_HIDDEN_H
#define MISHRI_TOOLS_HIDDEN_H

#include "tools/tool.h"

struct hidden {
	uint32_t first, last;
	size_t found;                /* offset of a counter in struct findings */
};
const struct hidden *hidden_find(uint32_t character);        /* NULL: it is visible */
/* The character of a well-formed sequence of `len` bytes, as utf8_length gave it. */
uint32_t utf8_decode(const unsigned char *s, size_t len);

#endif
