/* util.c - memory that never fails, and tables of names. */
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static void *or_abort(void *ptr)
{
	if (ptr == NULL)
		abort();
	return ptr;
}

void *xmalloc(size_t size)
{
	return or_abort(malloc(size != 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_abort(calloc(count != 0 ? count : 1, size != 0 ? size : 1));
}

void *xrealloc(void *ptr, size_t size)
{
	return or_abort(realloc(ptr, size != 0 ? size : 1));
}

char *xstrdup(const char *text)
{
	return or_abort(strdup(text));
}

char *xstrndup(const char *text, size_t len)
{
	size_t n = strnlen(text, len);
	char *copy = xmalloc(n + 1);

	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		abort();
	return text;
}

void freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

const char *name_of(const char *const *names, size_t count, size_t value)
{
	return value < count && names[value] != NULL ? names[value] : "?";
}

int name_find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

enum { NEAREST_LONGEST = 64 };

/* Levenshtein distance over one row; names longer than the row never match. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NEAREST_LONGEST + 1], la = strlen(a), lb = strlen(b);

	if (la > NEAREST_LONGEST || lb > NEAREST_LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			best = MIN(best, above + 1);
			row[j] = MIN(best, row[j - 1] + 1);
			diagonal = above;
		}
	}
	return row[lb];
}

const char *name_nearest(const char *const *names, size_t count, const char *name)
{
	const char *nearest = NULL;
	size_t best = strlen(name) / 3 + 2; /* further away than this is another word */

	for (size_t i = 0; i < count; i++) {
		if (names[i] == NULL)
			continue;
		size_t distance = edit_distance(names[i], name);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
