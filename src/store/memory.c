/* memory.c - notes and the index of their words (FTS5). It refuses to read or delete without the name of a user, and takes what is
 * searched for as plain words: no operator of the index gets through. */
#include "store/memory.h"

#include "store/internal.h"

#include "base/banned.h"

static int write_note(struct db *db, const char *user, const char *key, const struct note *n, int64_t *ret_id, struct err *err)
{
	{
		AUTO(query_done) struct query known = query_start(db, SQL_NOTE_OF_KEY, "tt", user, key);
		int r = query_next(&known, err);
		if (r != 0) {
			*ret_id = r > 0 ? query_int(&known, 0) : 0;
			return MIN(r, 0);
		}
	}
	{
		AUTO(query_done) struct query count = query_start(db, SQL_NOTE_COUNT, "t", user);
		int r = query_next(&count, err);
		if (r < 0)
			return r;
		if (query_int(&count, 0) >= LIMIT_NOTES)
			return err_set(err, EDQUOT, "there are %d notes already, as many as there may be: delete some first", LIMIT_NOTES);
	}
	int r = db_run(db, err, SQL_NOTE_INSERT, "ttitttt", user, key, n->time_us, n->task, n->text, n->tags, n->taints);
	if (r < 0)
		return r;
	*ret_id = sqlite3_last_insert_rowid(db->handle);
	return db_run(db, err, SQL_NOTE_INDEX, "itt", *ret_id, n->text, n->tags);
}

int memory_write(struct store *store, const char *user, const char *key, const struct note *note, int64_t *ret_id, struct err *err)
{
	int64_t id = 0;
	int r = tx_begin(&store->db, err);

	if (r < 0)
		return r;
	r = tx_end(&store->db, write_note(&store->db, user, key, note, &id, err), err);
	if (r == 0)
		*ret_id = id;
	return r;
}

/* Each word in quotes: to the index it is a word then, whatever is in it. */
static void quote_words(const char *words, struct buf *ret)
{
	struct str rest = str_of(words), word;

	while (str_next(&rest, ' ', &word)) {
		if (word.len == 0)
			continue;
		buf_add_text(ret, ret->len > 0 ? " \"" : "\"");
		for (size_t i = 0; i < word.len; i++)
			if (word.ptr[i] == '"')
				buf_add_text(ret, "\"\"");
			else
				buf_add_char(ret, word.ptr[i]);
		buf_add_char(ret, '"');
	}
	if (ret->len > 0)
		buf_add_char(ret, '*');
}

int memory_find(struct store *store, const char *user, const char *words, int limit, note_fn *fn, void *userdata, struct err *err)
{
	AUTO(buf_done) struct buf quoted = BUF_INIT(LIMIT_NOTE_BYTES * 4);

	if (words != NULL)
		quote_words(words, &quoted);
	if (words != NULL && quoted.len == 0)
		return 0; /* no word is in no note */
	AUTO(query_done) struct query q = words == NULL ? query_start(&store->db, SQL_NOTE_LIST, "ti", user, (int64_t)limit) :
		query_start(&store->db, SQL_NOTE_SEARCH, "tti", user, buf_text(&quoted), (int64_t)limit);
	for (;;) {
		int r = query_next(&q, err);
		if (r <= 0)
			return r;
		struct note note = {
			.id = query_int(&q, 0), .time_us = query_int(&q, 1), .task = query_text(&q, 2), .text = query_text(&q, 3),
			.tags = query_text(&q, 4), .taints = query_text(&q, 5),
		};
		if (!fn(userdata, &note))
			return 0;
	}
}

static int delete_note(struct db *db, const char *user, int64_t id, struct err *err)
{
	int r = db_run(db, err, SQL_NOTE_DELETE, "ti", user, id);

	if (r == 0 && sqlite3_changes(db->handle) == 0)
		return err_set(err, ENOENT, "there is no note %lld", (long long)id);
	return r < 0 ? r : db_run(db, err, SQL_NOTE_FORGET, "i", id);
}

int memory_delete(struct store *store, const char *user, int64_t id, struct err *err)
{
	int r = tx_begin(&store->db, err);

	return r < 0 ? r : tx_end(&store->db, delete_note(&store->db, user, id, err), err);
}
