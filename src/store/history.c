/* history.c - walks down sorted lists of trees until all of them name the same one. It reads and never writes. */
#include "store/history.h"

#include <stdio.h>

#include "store/internal.h"
#include "store/search.h"

#include "base/banned.h"

enum { SOURCES_MOST = LIMIT_HISTORY_TERMS + 8, STRIDE = 64, SNIPPET_BEFORE = 40, SNIPPET_BYTES = 160 };

/* A list of trees, by the seq of their roots, from the newest. */
struct source {
	enum statement id;
	const char *kind, *value;
	char **values;               /* instead of value: one of these */
	size_t value_count;
	const struct search_term *term; /* of the index of words */
	struct query cursor;         /* open: where the last look ended */
	bool open, ended;
	int64_t at;                  /* what it stands on */
};

struct walk {
	struct db *db;
	const struct history_filter *filter;
	struct search search;
	struct source sources[SOURCES_MOST];
	size_t count;
	int64_t steps;
	struct err *err;
};

/* ---- one list ---- */

static int seek_one(struct walk *w, const struct source *s, const char *value, int64_t upto, int64_t *ret)
{
	const char *types = s->kind != NULL ? "itt" : s->id == SQL_SEEK_STATE ? "it" : "i";
	AUTO(query_done) struct query q = query_start(w->db, s->id, types, upto, s->kind != NULL ? s->kind : value, value);
	int r = query_next(&q, w->err);

	*ret = r > 0 ? query_int(&q, 0) : 0;
	return MIN(r, 0);
}

/* A word: the cursor goes on where it stood, and is set anew where the way is long. What is a prefix is merged from many
 * words at each start, so that it is never set anew. */
static int seek_word(struct walk *w, struct source *s, int64_t upto, int64_t *ret)
{
	int64_t bound = upto << WORDS_SHIFT | ((INT64_C(1) << WORDS_SHIFT) - 1);

	for (int i = 0;; i++) {
		if (!s->open || (i == STRIDE && !s->term->prefix)) {
			if (s->open)
				query_done(&s->cursor);
			s->cursor = query_start(w->db, SQL_SEEK_WORDS, "it", bound, s->term->match);
			s->open = true;
		}
		int r = query_next(&s->cursor, w->err);
		if (r < 0)
			return r;
		s->ended = r == 0;
		*ret = r > 0 ? query_int(&s->cursor, 0) >> WORDS_SHIFT : 0;
		if (r == 0 || *ret <= upto)
			return 0;
		w->steps++;
	}
}

/* The newest tree of the list at or before `upto`; 0: none. */
static int seek(struct walk *w, struct source *s, int64_t upto, int64_t *ret)
{
	int64_t found;
	int r = 0;

	w->steps++;
	if (s->at <= upto || s->ended) { /* it stands there already */
		*ret = s->ended && s->at > upto ? 0 : s->at;
		return 0;
	}
	if (s->term != NULL) {
		r = seek_word(w, s, upto, &s->at);
	} else if (s->values != NULL) {
		s->at = 0;
		for (size_t i = 0; i < s->value_count && r == 0; i++) {
			r = seek_one(w, s, s->values[i], upto, &found);
			s->at = MAX(s->at, found);
		}
	} else {
		r = seek_one(w, s, s->value, upto, &s->at);
	}
	*ret = s->at;
	return r;
}

/* The newest tree at or before *at that is in all lists; 0: none. */
static int meet(struct walk *w, int64_t *at)
{
	for (size_t i = 0; i < w->count;) {
		int64_t found = 0;
		int r = seek(w, &w->sources[i], *at, &found);
		if (r < 0)
			return r;
		if (found == 0 || w->steps > LIMIT_HISTORY_STEPS) {
			*at = 0;
			return 0;
		}
		i = found < *at ? 0 : i + 1; /* the others must come down to it */
		*at = found;
	}
	return 0;
}

/* ---- which lists ---- */

static struct source *add(struct walk *w, enum statement id, const char *kind, const char *value)
{
	assert(w->count < SOURCES_MOST);
	w->sources[w->count] = (struct source){ .id = id, .kind = kind, .value = value, .at = INT64_MAX };
	return &w->sources[w->count++];
}

/* The models whose names have the text in them. There are few, and each is one look. */
static int add_models(struct walk *w, const char *text)
{
	struct source *s = add(w, SQL_SEEK_MARK, "model", NULL);
	AUTO(freep) char *last = xstrdup("");

	s->values = xcalloc(LIMIT_HISTORY_VALUES, sizeof *s->values);
	for (;;) {
		AUTO(query_done) struct query q = query_start(w->db, SQL_MARK_NEXT, "tt", "model", last);
		int r = query_next(&q, w->err);
		if (r <= 0)
			return r;
		char *name = xstrdup(query_text(&q, 0));
		free(last);
		last = name;
		if (search_find(str_of(name), text) == strlen(name))
			continue;
		if (s->value_count == LIMIT_HISTORY_VALUES)
			return err_set(w->err, EINVAL, "more than %d models have '%s' in their names: give more of it",
			               LIMIT_HISTORY_VALUES, text);
		s->values[s->value_count++] = xstrdup(name);
	}
}

static int choose(struct walk *w)
{
	const struct history_filter *f = w->filter;
	const struct { const char *kind, *value; } marks[] = {
		{ "session", f->session }, { "denied", f->denied ? "" : NULL }, { "tool", f->tool }, { "agent", f->agent },
		{ "user", f->user },
	};
	int r = f->text != NULL ? search_parse(f->text, &w->search, w->err) : 0;

	for (size_t i = 0; i < w->search.count; i++)
		if (!w->search.terms[i].without)
			add(w, SQL_SEEK_WORDS, NULL, NULL)->term = &w->search.terms[i];
	for (size_t i = 0; i < COUNT(marks); i++)
		if (marks[i].value != NULL)
			add(w, SQL_SEEK_MARK, marks[i].kind, marks[i].value);
	if (r == 0 && f->model != NULL)
		r = add_models(w, f->model);
	if (f->state != NULL)
		add(w, SQL_SEEK_STATE, NULL, f->state);
	add(w, SQL_SEEK_ALL, NULL, NULL); /* what is in the index and has left is in no other list */
	return r;
}

static int number_of(struct walk *w, enum statement id, int64_t from_us, int64_t until_us, int64_t *ret)
{
	AUTO(query_done) struct query q = query_start(w->db, id, "ii", from_us, until_us);
	int r = query_next(&q, w->err);

	if (r > 0)
		*ret = query_int(&q, 0);
	return MIN(r, 0);
}

/* Where the walk begins: behind the last page, and not long after `until`. */
static int begin(struct walk *w, int64_t *ret)
{
	const struct history_filter *f = w->filter;
	int64_t before = 0, after = 0, newest = 0;
	int r = 0;

	*ret = (INT64_C(1) << 32) - 1;
	if (f->before != NULL) {
		AUTO(query_done) struct query q = query_start(w->db, SQL_TASK_SEQ, "t", f->before);
		r = query_next(&q, w->err);
		before = r > 0 ? query_int(&q, 0) : 0;
		r = r == 0 ? err_set(w->err, ENOENT, "there is no task %s; 'mishri history' lists them", f->before) : MIN(r, 0);
		*ret = before - 1;
	}
	/* In the hour before then somebody mostly began; else what began after it is passed one by one. */
	if (r == 0 && f->until_us > 0)
		r = number_of(w, SQL_ROOT_WITHIN, f->until_us - LIMIT_CLOCK_STEP_US, f->until_us, &newest);
	if (r == 0 && f->until_us > 0 && newest == 0)
		r = number_of(w, SQL_ROOT_AFTER, f->until_us + LIMIT_CLOCK_STEP_US, 0, &after);
	if (newest > 0)
		*ret = MIN(*ret, newest);
	if (after > 0)
		*ret = MIN(*ret, after - 1);
	return r;
}

/* ---- one tree that is in all lists ---- */

static int texts_of(struct walk *w, const char *match, int64_t tree, int64_t limit, int64_t *ret_seqs, size_t *ret_count)
{
	int64_t first = tree << WORDS_SHIFT, last = first | ((INT64_C(1) << WORDS_SHIFT) - 1);
	AUTO(query_done) struct query q = query_start(w->db, SQL_WORDS_OF_TREE, "tiii", match, first, last, limit);
	int r;

	*ret_count = 0;
	while ((r = query_next(&q, w->err)) > 0)
		ret_seqs[(*ret_count)++] = tree + (query_int(&q, 0) - first);
	return r;
}

/* The same for a term whose list stands on this tree: what it would walk over next anyway, so that nothing is looked up again.
 * False: there are too many to know which come first. The list then stands behind them, or in their midst. */
static bool texts_here(struct source *s, int64_t tree, int64_t limit, int64_t *ret_seqs, size_t *ret_count, int *ret_r,
                       struct err *err)
{
	int64_t seen[STRIDE], first = tree << WORDS_SHIFT;
	size_t count = 0;

	while (*ret_r >= 0 && !s->ended && s->at == tree && count < STRIDE) {
		seen[count++] = tree + (query_int(&s->cursor, 0) - first); /* the newest first */
		*ret_r = query_next(&s->cursor, err);
		s->ended = *ret_r == 0;
		if (*ret_r > 0)
			s->at = query_int(&s->cursor, 0) >> WORDS_SHIFT;
	}
	for (*ret_count = 0; count > 0 && (int64_t)*ret_count < limit; count--)
		ret_seqs[(*ret_count)++] = seen[count - 1];
	return s->ended || s->at != tree;
}

static int texts_of_term(struct walk *w, const struct search_term *t, int64_t tree, int64_t limit, int64_t *ret_seqs,
                         size_t *ret_count)
{
	int r = 0;

	for (size_t i = 0; i < w->count; i++) {
		struct source *s = &w->sources[i];
		bool here = s->term == t && s->open && !s->ended && s->at == tree;
		if (here && texts_here(s, tree, limit, ret_seqs, ret_count, &r, w->err))
			return MIN(r, 0);
	}
	return r < 0 ? r : texts_of(w, t->match, tree, limit, ret_seqs, ret_count);
}

/* Is a word in it that must not be? */
static int has_unwanted(struct walk *w, int64_t tree, bool *ret)
{
	int64_t seq;
	size_t count;
	int r = 0;

	for (size_t i = 0; i < w->search.count && r == 0 && !*ret; i++) {
		if (!w->search.terms[i].without)
			continue;
		r = texts_of(w, w->search.terms[i].match, tree, 1, &seq, &count);
		*ret = r == 0 && count > 0;
	}
	return r;
}

/* A piece of the text around the word, on whole characters. */
static void add_snippet(json_t *found, int64_t seq, const char *place, struct str text, const char *word)
{
	size_t at = search_find(text, word), start = at == text.len || at < SNIPPET_BEFORE ? 0 : at - SNIPPET_BEFORE;

	while (start > 0 && ((unsigned char)text.ptr[start] & 0xc0) == 0x80)
		start--;
	struct str piece = str_skip(text, start);
	bool cut = piece.len > SNIPPET_BYTES;
	if (cut)
		piece.len = SNIPPET_BYTES;
	while (cut && piece.len > 0 && ((unsigned char)piece.ptr[piece.len] & 0xc0) == 0x80)
		piece.len--;
	AUTO(freep) char *shown = xasprintf("%s%.*s%s", start > 0 ? "..." : "", STR_ARG(piece), cut ? "..." : "");
	json_t *one = json_object();
	json_put_int(one, "seq", seq);
	json_put_text(one, "in", place);
	json_put_text(one, "text", shown);
	json_array_append_new(found, one);
}

static int snippet(struct walk *w, json_t *found, int64_t seq, const char *word)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_WORDS_TEXT_BYTES * 2);
	AUTO(query_done) struct query q = query_start(w->db, SQL_EVENT_TEXT, "i", seq);
	const char *place = "";
	int r = query_next(&q, w->err);

	if (r > 0)
		r = words_text(w->db, query_text(&q, 1), query_str(&q, 0), &place, &text, w->err);
	if (r > 0)
		add_snippet(found, seq, place, buf_str(&text), word);
	return MIN(r, 0);
}

static int snippets(struct walk *w, int64_t tree, json_t *found)
{
	int64_t seqs[LIMIT_HISTORY_SNIPPETS];
	int r = 0;

	for (size_t i = 0; i < w->search.count && r == 0; i++) {
		const struct search_term *t = &w->search.terms[i];
		size_t count = 0;
		if (t->without || json_array_size(found) >= LIMIT_HISTORY_SNIPPETS)
			continue;
		r = texts_of_term(w, t, tree, LIMIT_HISTORY_SNIPPETS, seqs, &count);
		for (size_t k = 0; k < count && r == 0 && json_array_size(found) < LIMIT_HISTORY_SNIPPETS; k++) {
			bool told = false;
			size_t m;
			json_t *one;
			json_array_foreach(found, m, one)
				told |= json_get_int(one, "seq", 0) == seqs[k];
			if (!told)
				r = snippet(w, found, seqs[k], t->word);
		}
	}
	return r;
}

static int sums_of(struct walk *w, const char *root, struct history_row *row)
{
	AUTO(query_done) struct query q = query_start(w->db, SQL_TREE_SUMS, "t", root);
	int r = query_next(&q, w->err);

	if (r <= 0)
		return r;
	row->tasks = query_int(&q, 0);
	row->denied = query_int(&q, 1);
	row->turns = query_int(&q, 2);
	row->calls = query_int(&q, 3);
	row->usd_nanos = query_int(&q, 4) > 0 ? -1 : query_int(&q, 5);
	return 0;
}

static int asks_of(struct walk *w, const struct task_row *root, int64_t *ret)
{
	*ret = 0;
	if (root->ended_us != 0)
		return 0;
	AUTO(query_done) struct query q = query_start(w->db, SQL_TREE_ASKS, "t", root->task);
	int r = query_next(&q, w->err);
	if (r > 0)
		*ret = query_int(&q, 0);
	return MIN(r, 0);
}

static int is_imported(struct walk *w, const char *root, bool *ret)
{
	AUTO(query_done) struct query q = query_start(w->db, SQL_IMPORTED_GET, "t", root);
	int r = query_next(&q, w->err);

	*ret = r > 0;
	return MIN(r, 0);
}

/* Many are looked at around a moment, since clocks jump: the time alone, without the row. */
static int is_in_time(struct walk *w, int64_t tree, bool *ret, bool *ret_ended)
{
	const struct history_filter *f = w->filter;

	if (f->since_us == 0 && f->until_us == 0)
		return 0;
	AUTO(query_done) struct query q = query_start(w->db, SQL_TASK_TIME, "i", tree);
	int r = query_next(&q, w->err);
	int64_t started_us = r > 0 ? query_int(&q, 0) : 0;
	*ret_ended = r > 0 && started_us < f->since_us - LIMIT_CLOCK_STEP_US;
	*ret = r > 0 && started_us >= f->since_us && (f->until_us == 0 || started_us < f->until_us);
	return MIN(r, 0);
}

/* *ret_fits: it is shown; *ret_ended: nothing older can fit. */
static int look(struct walk *w, int64_t tree, struct task_row *root, struct history_row *row, bool *ret_fits, bool *ret_ended)
{
	const struct history_filter *f = w->filter;
	bool unwanted = false, in_time = true;

	int r = is_in_time(w, tree, &in_time, ret_ended);
	if (r < 0 || !in_time)
		return r;
	AUTO(query_done) struct query q = query_start(w->db, SQL_TASK_AT, "i", tree);
	r = query_next(&q, w->err);
	if (r <= 0)
		return r;
	task_row_read(&q, root);
	r = has_unwanted(w, tree, &unwanted);
	if (r == 0)
		r = sums_of(w, root->task, row);
	if (r == 0)
		r = asks_of(w, root, &row->asks);
	if (r == 0)
		r = is_imported(w, root->task, &row->imported);
	if (row->imported)
		row->asks = 0; /* who could answer is elsewhere */
	*ret_fits = r == 0 && !unwanted && (f->cost_nanos == 0 || row->usd_nanos >= f->cost_nanos);
	return r;
}

static int show(struct walk *w, int64_t tree, struct history_row *row, struct task_row *root,
                void (*visit)(void *, const struct history_row *), void *userdata)
{
	AUTO(json_decrefp) json_t *found = w->search.count > 0 ? json_array() : NULL;
	int r = found != NULL ? snippets(w, tree, found) : 0;

	row->root = root;
	row->found = found;
	if (r == 0)
		visit(userdata, row);
	return r;
}

/* ---- the best first ---- */

struct ranked { int64_t tree; double score; };

/* A word in the goal says more than one in an output; many texts say more than one, but not as many times more. */
static int score(struct walk *w, int64_t tree, double *ret)
{
	static const struct { const char *place; double weight; } weights[] = {
		{ "goal", 8 }, { "result", 4 }, { "plan", 3 }, { "person", 3 }, { "reply", 2 }, { "args", 1 }, { "output", 1 },
	};
	int64_t seqs[LIMIT_HISTORY_HITS];
	int r = 0;

	*ret = 0;
	for (size_t i = 0; i < w->search.count && r == 0; i++) {
		if (w->search.terms[i].without)
			continue;
		for (size_t k = 0; k < COUNT(weights) && r == 0; k++) {
			size_t count = 0;
			AUTO(freep) char *match = xasprintf("{%s} : (%s)", weights[k].place, w->search.terms[i].match);
			r = texts_of(w, match, tree, LIMIT_HISTORY_HITS, seqs, &count);
			for (size_t n = 1; n <= count; n++)
				*ret += weights[k].weight / (double)(n * n);
		}
	}
	return r;
}

static int better(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->tree < y->tree ? 1 : -1;
}

struct page {
	struct walk *w;
	void (*visit)(void *userdata, const struct history_row *row);
	void *userdata;
	struct ranked *ranked;       /* NULL: newest first */
	size_t count;
};

static int take(struct page *p, int64_t tree, bool *ret_ended)
{
	AUTO(task_row_done) struct task_row root = { 0 };
	struct history_row row = { 0 };
	bool fits = false;
	int r = look(p->w, tree, &root, &row, &fits, ret_ended);

	if (r < 0 || !fits)
		return r;
	if (p->ranked == NULL) {
		p->count++;
		return show(p->w, tree, &row, &root, p->visit, p->userdata);
	}
	p->ranked[p->count].tree = tree;
	return score(p->w, tree, &p->ranked[p->count++].score);
}

static int show_ranked(struct page *p, size_t limit)
{
	bool unused;
	int r = 0;

	qsort(p->ranked, p->count, sizeof *p->ranked, better);
	struct page shown = { .w = p->w, .visit = p->visit, .userdata = p->userdata };
	for (size_t i = 0; i < p->count && i < limit && r == 0; i++)
		r = take(&shown, p->ranked[i].tree, &unused);
	return r;
}

static int walk_down(struct page *p, bool *ret_more)
{
	struct walk *w = p->w;
	int64_t limit = w->filter->limit > 0 ? w->filter->limit : 100, at = 0;
	bool ended = false;
	int r = begin(w, &at);

	for (int64_t most = p->ranked != NULL ? LIMIT_HISTORY_RANKED : limit; r == 0 && at > 0 && !ended; at--) {
		r = meet(w, &at);
		if (r < 0 || at == 0)
			break;
		if ((int64_t)p->count == most) {
			*ret_more = true;
			break;
		}
		r = take(p, at, &ended);
	}
	*ret_more |= w->steps > LIMIT_HISTORY_STEPS;
	if (r == 0 && p->ranked != NULL) {
		*ret_more |= (int64_t)p->count > limit;
		r = show_ranked(p, (size_t)limit);
	}
	return r;
}

static void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->count; i++) {
		for (size_t k = 0; k < w->sources[i].value_count; k++)
			free(w->sources[i].values[k]);
		free(w->sources[i].values);
		if (w->sources[i].open)
			query_done(&w->sources[i].cursor);
	}
	search_done(&w->search);
}

int store_history(struct store *store, const struct history_filter *filter,
                  void (*visit)(void *userdata, const struct history_row *row), void *userdata, bool *ret_more,
                  struct err *err)
{
	AUTO(walk_done) struct walk w = { .db = &store->db, .filter = filter, .err = err };
	AUTO(freep) struct ranked *ranked = filter->ranked && filter->text != NULL
		? xcalloc(LIMIT_HISTORY_RANKED, sizeof *ranked) : NULL;
	struct page p = { .w = &w, .visit = visit, .userdata = userdata, .ranked = ranked };
	bool more = false;

	int r = choose(&w);
	if (r == 0)
		r = db_run(&store->db, err, SQL_BEGIN_READ, "");     /* one moment of the store for all looks */
	if (r < 0)
		return r;
	r = tx_end(&store->db, walk_down(&p, &more), err);
	if (r == 0)
		*ret_more = more;
	return r;
}

int store_tree(struct store *store, const char *task, void (*visit)(void *userdata, const struct task_row *row),
               void *userdata, struct err *err)
{
	char root[ID_LEN + 1];
	struct query q = query_start(&store->db, SQL_TASK_ROOT, "t", task);
	int r = query_next(&q, err);

	snprintf(root, sizeof root, "%s", r > 0 ? query_text(&q, 0) : "");
	query_done(&q);
	if (r <= 0)
		return r < 0 ? r : err_set(err, ENOENT, "there is no task %s; 'mishri history' lists them", task);
	q = query_start(&store->db, SQL_TASKS_TREE, "t", root);
	while ((r = query_next(&q, err)) > 0) {
		struct task_row row;
		task_row_read(&q, &row);
		visit(userdata, &row);
		task_row_done(&row);
	}
	query_done(&q);
	return r;
}
