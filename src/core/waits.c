/* waits.c - the wait-for graph. It works out who can still go on, from those who wait for nothing back along the edges;
 * whoever is left never will. It refuses to guess: a wait that it is not told of does not exist. */
#include "core/waits.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"

#include "base/banned.h"

static const char *const kinds[] = {
	[WAIT_CHILD] = "child", [WAIT_QUESTION] = "question", [WAIT_APPROVAL] = "approval", [WAIT_LOCK] = "lock", [WAIT_SLOT] = "slot",
};

const char *wait_kind_name(enum wait_kind kind)
{
	return kinds[kind];
}

int wait_kind_find(const char *name)
{
	return name_find(kinds, COUNT(kinds), name);
}

/* Is `node` one of those that may never go on, as far as is known? Who is no `from` waits for nothing. */
static bool stuck(const struct wait_edge *edges, size_t count, const bool *goes, const char *node)
{
	bool waits = false;

	for (size_t i = 0; i < count; i++)
		if (strcmp(edges[i].from, node) == 0) {
			waits = true;
			if (goes[i])
				return false;
		}
	return waits;
}

/* goes[i]: whoever edge i comes from can go on. */
static bool can_go(const struct wait_edge *edges, size_t count, const bool *goes, const char *node)
{
	bool slots = false, slot_free = false;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(edges[i].from, node) != 0)
			continue;
		bool ends = edges[i].to[0] == '\0' || !stuck(edges, count, goes, edges[i].to);
		if (edges[i].kind == WAIT_SLOT) {
			slots = true;
			slot_free |= ends;
		} else if (!ends) {
			return false;
		}
	}
	return !slots || slot_free;
}

/* From a stuck node to a stuck node that it waits for, until one comes again. */
static void walk(const struct wait_edge *edges, size_t count, const bool *goes, const char *start, struct wait_cycle *ret)
{
	AUTO(freep) size_t *path = xcalloc(count + 1, sizeof *path);
	size_t len = 0, first = 0;
	const char *node = start;

	for (bool again = false; !again;) {
		size_t next = count;
		for (size_t i = 0; i < count && next == count; i++)
			if (strcmp(edges[i].from, node) == 0 && edges[i].to[0] != '\0' && stuck(edges, count, goes, edges[i].to))
				next = i;
		assert(next < count); /* what is stuck waits for something that is */
		path[len++] = next;
		node = edges[next].to;
		for (first = 0; first < len && strcmp(edges[path[first]].from, node) != 0;)
			first++;
		again = first < len;
	}
	ret->count = 0;
	for (size_t i = first; i < len && ret->count < COUNT(ret->edges); i++)
		ret->edges[ret->count++] = edges[path[i]];
}

bool waits_find(const struct wait_edge *edges, size_t count, const char *start, struct wait_cycle *ret)
{
	AUTO(freep) bool *goes = xcalloc(count + 1, sizeof *goes);

	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < count; i++)
			if (!goes[i] && can_go(edges, count, goes, edges[i].from)) {
				for (size_t k = 0; k < count; k++)
					goes[k] |= strcmp(edges[k].from, edges[i].from) == 0;
				more = true;
			}
	}
	if (!stuck(edges, count, goes, start))
		return false;
	walk(edges, count, goes, start, ret);
	return true;
}

static bool may_end(const struct wait_edge *e)
{
	return e->kind == WAIT_LOCK || e->kind == WAIT_QUESTION;
}

size_t waits_victim(const struct wait_cycle *c)
{
	size_t best = 0;

	for (size_t i = 1; i < c->count; i++) {
		const struct wait_edge *a = &c->edges[i], *b = &c->edges[best];
		if (may_end(a) != may_end(b) ? may_end(a) : a->since_us > b->since_us)
			best = i;
	}
	return best;
}

char *waits_draw(const struct wait_cycle *c)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));

	for (size_t i = 0; i < c->count; i++) {
		const struct wait_edge *e = &c->edges[i];
		buf_printf(&text, "%s%s waits for ", i > 0 ? "; " : "", e->from);
		switch (e->kind) {
		case WAIT_CHILD: buf_printf(&text, "its worker %s", e->to); break;
		case WAIT_QUESTION: buf_printf(&text, "an answer of %s", e->to); break;
		case WAIT_APPROVAL: buf_printf(&text, "a yes of %s", e->to); break;
		case WAIT_LOCK: buf_printf(&text, "lock %s held by %s", e->name != NULL ? e->name : "?", e->to); break;
		case WAIT_SLOT: buf_printf(&text, "a slot held by %s", e->to); break;
		}
	}
	return xstrdup(buf_text(&text));
}

json_t *waits_json(const struct wait_cycle *c)
{
	json_t *edges = json_array();

	for (size_t i = 0; i < c->count; i++) {
		const struct wait_edge *e = &c->edges[i];
		json_t *one = json_pack("{s:s, s:s, s:s}", "from", e->from, "to", e->to, "kind", kinds[e->kind]);
		if (e->name != NULL)
			json_put_text(one, "name", e->name);
		json_array_append_new(edges, one);
	}
	return edges;
}
