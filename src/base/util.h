/* util.h - the few macros that every file may use. */
#ifndef MISHRI_BASE_UTIL_H
#define MISHRI_BASE_UTIL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define MUST_USE       __attribute__((warn_unused_result))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))
#define UNUSED         __attribute__((unused))

/* AUTO(fn) calls fn(&variable) when the variable leaves its scope; TAKE(p) hands the value on and
 * leaves NULL behind, so that the cleanup has nothing to do. */
#define AUTO(fn)       __attribute__((cleanup(fn)))
#define TAKE(p)        __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))

/* Memory. When the system has none left the process aborts: every state that matters is in the
 * store, and a half-working engine would be worse than none. Never NULL; free with free(). */
MUST_USE void *xmalloc(size_t size);
MUST_USE void *xcalloc(size_t count, size_t size);
MUST_USE void *xrealloc(void *ptr, size_t size);
MUST_USE char *xstrdup(const char *text);              /* text != NULL */
MUST_USE char *xstrndup(const char *text, size_t len);
MUST_USE char *xasprintf(const char *format, ...) PRINTF(1, 2);

void freep(void *pointer_to_pointer);                  /* for AUTO(freep) */

/* Names of enum values: a table whose index is the value. */
const char *name_of(const char *const *names, size_t count, size_t value); /* "?" when out of range */
int name_find(const char *const *names, size_t count, const char *name);   /* -1 when unknown */

/* The entry of names that is nearest to `name` by edit distance, for "did you mean"; NULL when
 * nothing is near. Borrowed from names. */
const char *name_nearest(const char *const *names, size_t count, const char *name);

#endif
