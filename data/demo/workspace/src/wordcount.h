/* wordcount.h - how many words has a text? */
#ifndef WORDCOUNT_H
#define WORDCOUNT_H

#include <stddef.h>

/* Words are runs of characters that are not white space. */
size_t count_words(const char *text);

#endif
