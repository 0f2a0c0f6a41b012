/* trace_critical.c - the critical path of a trace: what the end waited for, and what that waited for, back to the
 * beginning. It looks at times only; which span waited for which other is what their order says. */
#include <stdlib.h>

#include "engine/trace.h"

#include "base/banned.h"

enum { SAME_US = 1000 };        /* ends that are so close are one moment */

struct reach { struct span *span; int64_t end_us; };

/* The calls of a turn run after its reply: what hangs from a span may end later than it does. */
static int64_t *reaches(const struct trace *t)
{
	int64_t *ends = xcalloc(t->count + 1, sizeof *ends);

	for (size_t i = t->count; i-- > 0;) {
		const struct span *s = t->spans[i];
		ends[i] = MAX(ends[i], span_end(t, s));
		if (s->parent != NULL) {
			int64_t *above = &ends[json_get_int(t->by_id, s->parent->id, 0)];
			*above = MAX(*above, ends[i]);
		}
	}
	return ends;
}

static int latest_first(const void *a, const void *b)
{
	const struct reach *x = a, *y = b;

	if (x->end_us != y->end_us)
		return x->end_us < y->end_us ? 1 : -1;
	return x->span->start_us < y->span->start_us ? 1 : x->span->start_us > y->span->start_us ? -1 : 0;
}

static void mark(const struct trace *t, const int64_t *ends, struct span *s)
{
	size_t count = 0;
	int64_t at = ends[json_get_int(t->by_id, s->id, 0)];

	s->critical = true;
	for (const struct span *k = s->first; k != NULL; k = k->next)
		count++;
	AUTO(freep) struct reach *kids = xcalloc(count + 1, sizeof *kids);
	count = 0;
	for (struct span *k = s->first; k != NULL; k = k->next) {
		int64_t end = ends[json_get_int(t->by_id, k->id, 0)];
		if (k->kind != SPAN_EXEC && k->kind != SPAN_DECISION && end > k->start_us)
			kids[count++] = (struct reach){ k, end };
	}
	qsort(kids, count, sizeof *kids, latest_first);
	for (size_t i = 0; i < count; i++)
		if (kids[i].end_us <= at + SAME_US) {
			mark(t, ends, kids[i].span);
			at = kids[i].span->start_us;
		}
}

void trace_mark_critical(struct trace *t)
{
	AUTO(freep) int64_t *ends = reaches(t);

	for (size_t i = 0; i < t->count; i++)
		t->spans[i]->critical = false;
	for (size_t i = 0; i < t->count; i++)
		if (t->spans[i]->parent == NULL)
			mark(t, ends, t->spans[i]);
}
