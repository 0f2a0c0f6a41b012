/* index.c - which rules could match? A rule that names its tools, programs or hosts literally is looked at only for
 * these names; all others are always looked at. It leaves out only rules that cannot match, and keeps their order. */
#include "policy/rules.h"

#include "base/banned.h"

uint32_t name_hash(const char *text)
{
	uint32_t h = 2166136261u;                          /* FNV-1a */

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

/* ---- names to numbers ---- */

void name_map_done(struct name_map *n)
{
	free(n->entries);
	free(n->heads);
	*n = (struct name_map){ 0 };
}

static void link_entry(struct name_map *n, uint32_t i)
{
	uint32_t *head = &n->heads[n->entries[i].hash & (n->slots - 1)];

	n->entries[i].next = *head;
	*head = i + 1;
}

void name_map_add(struct name_map *n, const char *text, uint32_t value)
{
	if (n->count == n->slots) {
		n->slots = MAX(n->slots * 2, 16u);
		n->entries = xrealloc(n->entries, n->slots * sizeof *n->entries);
		free(n->heads);
		n->heads = xcalloc(n->slots, sizeof *n->heads);
		for (uint32_t i = 0; i < n->count; i++)
			link_entry(n, i);
	}
	n->entries[n->count] = (struct name_entry){ text, value, name_hash(text), 0 };
	link_entry(n, n->count++);
}

/* The chain from `at` on, up to the first entry of this text. */
static const struct name_entry *name_map_skip(const struct name_map *n, uint32_t at, const char *text)
{
	while (at != 0 && strcmp(n->entries[at - 1].text, text) != 0)
		at = n->entries[at - 1].next;
	return at != 0 ? &n->entries[at - 1] : NULL;
}

const struct name_entry *name_map_find(const struct name_map *n, const char *text)
{
	return n->slots != 0 ? name_map_skip(n, n->heads[name_hash(text) & (n->slots - 1)], text) : NULL;
}

/* ---- rules by name ---- */

static bool all_literal(const struct matcher *m)
{
	if (m->op == OP_LITERAL)
		return m->form != FORM_PROGRAM || strchr(m->text, '/') == NULL;
	for (size_t i = 0; m->op == OP_ANY && i < m->count; i++)
		if (!all_literal(&m->children[i]))
			return false;
	return m->op == OP_ANY;
}

/* The term by which a rule can be found; NULL: it must always be looked at. */
static const struct term *naming_term(const struct rule *rule)
{
	for (size_t i = 0; i < rule->clause.count; i++) {
		const struct term *t = &rule->clause.terms[i];
		enum subject s = t->key->subject;
		if ((s == SUBJECT_TOOL || s == SUBJECT_PROGRAM || s == SUBJECT_HOST) && all_literal(&t->matcher))
			return t;
	}
	return NULL;
}

static void add_literals(struct name_map *n, const struct matcher *m, uint32_t position)
{
	if (m->op == OP_LITERAL)
		name_map_add(n, m->text, position);
	for (size_t i = 0; i < m->count; i++)
		add_literals(n, &m->children[i], position);
}

void index_done(struct rule_index *index)
{
	free(index->all);
	free(index->open);
	name_map_done(&index->named);
	*index = (struct rule_index){ 0 };
}

void index_make(struct policy *p, enum action_kind kind)
{
	struct rule_index *index = &p->kinds[kind];

	index_done(index);
	index->all = xcalloc(p->rule_count, sizeof(struct rule *));
	index->open = xcalloc(p->rule_count, sizeof *index->open);
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i]->kind == kind)
			index->all[index->count++] = p->rules[i];
	for (uint32_t i = 0; i < index->count; i++)
		if (naming_term(index->all[i]) == NULL)
			index->open[index->open_count++] = i;
	for (uint32_t i = (uint32_t)index->count; i-- > 0;) {  /* from the end, for a chain begins with the newest */
		const struct term *t = naming_term(index->all[i]);
		if (t != NULL)
			add_literals(&index->named, &t->matcher, i);
	}
}

/* ---- walking ---- */

void walk_init(struct rule_walk *w, const struct rule_index *index, const char *const *names, size_t count)
{
	*w = (struct rule_walk){ .index = index, .everything = count > COUNT(w->chains) };
	for (size_t i = 0; !w->everything && i < count; i++)
		w->chains[w->chain_count++] = name_map_find(&index->named, names[i]);
}

struct rule *walk_next(struct rule_walk *w)
{
	const struct rule_index *index = w->index;

	if (w->everything)
		return w->next < index->count ? index->all[w->next++] : NULL;
	while (w->open < index->open_count && index->open[w->open] < w->next)
		w->open++;
	uint32_t best = w->open < index->open_count ? index->open[w->open] : UINT32_MAX;
	for (size_t i = 0; i < w->chain_count; i++) {
		const struct name_entry *e = w->chains[i];
		while (e != NULL && e->value < w->next)
			e = name_map_skip(&index->named, e->next, e->text);
		w->chains[i] = e;
		if (e != NULL)
			best = MIN(best, e->value);
	}
	if (best == UINT32_MAX)
		return NULL;
	w->next = best + 1;
	return index->all[best];
}
