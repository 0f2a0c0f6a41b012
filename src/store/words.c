/* words.c - the index of words, kept behind the events in batches. It holds no text: what was said is in the events, and
 * what is indexed can be taken out only with the same text, which is why it refuses to guess. */
#include "store/history.h"
#include "store/internal.h"
#include "store/words_scan.h"

#include "base/banned.h"

/* The columns of the table `words`, in its order. */
enum place { GOAL, RESULT, PLAN, REPLY, ARGS, OUTPUT, PERSON, PLACES };
static const char *const place_names[] = {
	[GOAL] = "goal", [RESULT] = "result", [PLAN] = "plan", [REPLY] = "reply", [ARGS] = "args", [OUTPUT] = "output",
	[PERSON] = "person",
};
_Static_assert(COUNT(place_names) == PLACES, "every column has a name");

/* Which fields of which events are texts that people look for. */
static const struct indexed { enum event_type type; const char *field; enum place place; } rows[] = {
	{ EVENT_TASK_CREATED, "goal", GOAL },
	{ EVENT_TASK_FINISHED, "result", RESULT },
	{ EVENT_PLAN_UPDATED, "steps", PLAN },
	{ EVENT_MODEL_REPLIED, "text", REPLY },
	{ EVENT_QUESTION_ASKED, "question", REPLY },
	{ EVENT_QUESTION_ANSWERED, "answer", PERSON },
	{ EVENT_APPROVAL_DECIDED, "reason", PERSON },
	{ EVENT_TASK_STEERED, "text", PERSON },
	{ EVENT_CALL_PROPOSED, "args", ARGS },
	{ EVENT_CALL_FINISHED, "output", OUTPUT },
};

const char *words_place(size_t i)
{
	return i < COUNT(place_names) ? place_names[i] : NULL;
}

/* All strings below, in order, with a space between. */
static void add_strings(const json_t *value, struct buf *ret)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		words_add((struct str){ json_string_value(value), json_string_length(value) }, ret);
	json_object_foreach((json_t *)value, key, item)
		add_strings(item, ret);
	json_array_foreach(value, i, item)
		add_strings(item, ret);
}

/* NULL: nothing of it is indexed. */
static const struct indexed *indexed_find(int type)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if ((int)rows[i].type == type)
			return &rows[i];
	return NULL;
}

/* The slow way, for texts that the scanner leaves alone. */
static int parse_words(struct db *db, struct str stored, const char *field, struct buf *ret, struct err *err)
{
	AUTO(json_decrefp) json_t *event = NULL;
	int r = json_parse(stored, &event, err);

	if (r == 0 && json_object_get(event, "blobs") != NULL)
		r = blobs_restore(db, event, err);
	if (r == 0)
		add_strings(json_object_get(json_object_get(event, "data"), field), ret);
	return r;
}

int words_text(struct db *db, const char *type, struct str stored, const char **ret_place, struct buf *ret, struct err *err)
{
	const struct indexed *row = indexed_find(event_find(type));

	if (row == NULL)
		return 0;
	int r = words_scan(stored, row->field, ret) ? 0 : parse_words(db, stored, row->field, ret, err);
	if (r < 0)
		return r;
	*ret_place = place_names[row->place];
	return ret->len > 0;
}

int64_t words_rowid(int64_t root_seq, int64_t seq)
{
	assert(root_seq < INT64_C(1) << 32 && seq >= root_seq && seq - root_seq < INT64_C(1) << WORDS_SHIFT);
	return root_seq << WORDS_SHIFT | (seq - root_seq);
}

/* Into the index, or out of it again. */
static int change(struct db *db, enum statement id, int64_t seq, int64_t root_seq, const char *type, struct str stored,
                  struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_WORDS_TEXT_BYTES * 2);
	struct str at[PLACES] = { 0 };
	const char *place;

	int r = words_text(db, type, stored, &place, &text, err);
	if (r <= 0)
		return r;
	at[name_find(place_names, COUNT(place_names), place)] = buf_str(&text);
	return db_run(db, err, id, "isssssss", words_rowid(root_seq, seq), at[0], at[1], at[2], at[3], at[4], at[5], at[6]);
}

int words_take(struct db *db, int64_t seq, int64_t root_seq, const char *type, struct str stored, struct err *err)
{
	return change(db, SQL_WORDS_TAKE, seq, root_seq, type, stored, err);
}

int words_upto(struct db *db, int64_t *ret_seq, int64_t *ret_last, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_WORDS_UPTO, "");
	int r = query_next(&q, err);

	if (r <= 0)
		return r < 0 ? r : err_set(err, EBADMSG, "%s: the index of words has lost its place", db->path);
	*ret_seq = query_int(&q, 0);
	*ret_last = query_int(&q, 1);
	return 0;
}

static int put_range(struct db *db, int64_t after, int64_t upto, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_WORDS_EVENTS, "ii", after, upto);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		r = change(db, SQL_WORDS_PUT, query_int(&q, 0), query_int(&q, 2), query_text(&q, 3), query_str(&q, 1),
		           err);
		if (r < 0)
			return r;
	}
	return r == 0 ? db_run(db, err, SQL_WORDS_SET_UPTO, "i", upto) : r;
}

int words_step(struct db *db, bool *ret_more, struct err *err)
{
	int64_t seq = 0, last = 0;
	int r = tx_begin(db, err);

	if (r < 0)
		return r;
	r = words_upto(db, &seq, &last, err);
	int64_t upto = MIN(last, seq + LIMIT_WORDS_BATCH);
	if (r == 0 && upto > seq)
		r = put_range(db, seq, upto, err);
	r = tx_end(db, r, err);
	if (r == 0)
		*ret_more = upto < last;
	return r;
}

int store_words_update(struct store *store, struct err *err)
{
	bool more = true;
	int r = 0;

	assert(store->writer != NULL);
	while (r == 0 && more)
		r = words_step(&store->db, &more, err);
	return r;
}

int store_words_behind(struct store *store, int64_t *ret, struct err *err)
{
	int64_t seq, last;
	int r = words_upto(&store->db, &seq, &last, err);

	if (r == 0)
		*ret = last - seq;
	return r;
}
