/* verify.c - is everything as it was written? It reads the whole store at one moment and believes
 * nothing but the texts: chains are followed by what the texts say, then compared with the tables. */
#include "store/internal.h"

#include "base/banned.h"

struct check {
	struct db *db;
	struct store_report report;
	json_t *roots;               /* task → its root */
	json_t *heads;               /* root → { head, events } */
	json_t *refs;                /* digest → true: a blob that some event names */
	json_t *left;                /* root → { head, events, seq }: a tree that left, by its history.pruned */
	int64_t next, missing, first_missing; /* seq */
	int64_t accounted;           /* of those missing, by the trees that left */
	bool some_left;              /* there are such trees at all */
	char last[SHA256_HEX_LEN + 1]; /* of the checkpoint chain */
	struct err *err;
};

static int bad(struct check *c, const char *what, int64_t number, const char *why)
{
	return err_set(c->err, EBADMSG, "%s: %s %lld is not as it was written: %s", c->db->path, what,
		       (long long)number, why);
}

static int check_columns(struct check *c, const struct query *q, const json_t *event)
{
	static const struct { const char *key; int column; } columns[] = {
		{ "time", 1 }, { "type", 2 }, { "session", 3 }, { "task", 4 },
	};

	for (size_t i = 0; i < COUNT(columns); i++)
		if (strcmp(json_get_text(event, columns[i].key, ""), query_text(q, columns[i].column)) != 0)
			return bad(c, "event", query_int(q, 0), "a column differs from the text");
	return 0;
}

/* The chain that an event belongs to; NULL: its task was never created. */
static const char *root_of(struct check *c, const json_t *event)
{
	const char *task = json_get_text(event, "task", ""), *parent = json_get_text(event, "parent", "");
	bool created = strcmp(json_get_text(event, "type", ""), event_name(EVENT_TASK_CREATED)) == 0;

	if (task[0] == '\0')
		return "";
	if (created) {
		const char *root = parent[0] == '\0' ? task : json_get_text(c->roots, parent, NULL);
		if (root == NULL || json_object_get(c->roots, task) != NULL)
			return NULL;
		json_put_text(c->roots, task, root);
	}
	return json_get_text(c->roots, task, NULL);
}

static int check_link(struct check *c, const struct query *q, const char *root)
{
	int64_t seq = query_int(q, 0);
	json_t *chain = json_object_get(c->heads, root);
	char hash[SHA256_HEX_LEN + 1];

	if (chain == NULL) {
		chain = json_object();
		json_put_text(chain, "head", GENESIS);
		json_put(c->heads, root, chain);
		c->report.chains++;
	}
	if (strcmp(json_get_text(chain, "head", ""), query_text(q, 6)) != 0)
		return bad(c, "event", seq, "it does not follow the event before it in its chain");
	sha256_hex((struct str[]){ query_str(q, 6), query_str(q, 5) }, 2, hash);
	if (strcmp(hash, query_text(q, 7)) != 0)
		return bad(c, "event", seq, "its text does not have its hash");
	json_put_text(chain, "head", hash);
	json_put_int(chain, "events", json_get_int(chain, "events", 0) + 1);
	return 0;
}

/* A tree left; its events are not here any more. */
static void note_pruned(struct check *c, const json_t *event, int64_t seq)
{
	const json_t *data = json_object_get(event, "data");
	json_t *left = json_object();

	/* Only the engine chain speaks of whole trees; what a tree itself says may have come out of a file. */
	if (json_get_text(event, "task", "")[0] != '\0' ||
	    strcmp(json_get_text(event, "type", ""), event_name(EVENT_HISTORY_PRUNED)) != 0) {
		json_decref(left);
		return;
	}
	json_put_text(left, "head", json_get_text(data, "head", ""));
	json_put_int(left, "events", json_get_int(data, "events", 0));
	json_put_int(left, "seq", seq);
	json_put(c->left, json_get_text(data, "root", ""), left);
	c->accounted += json_get_int(data, "events", 0);
	c->report.pruned++;
}

static int check_event(struct check *c, const struct query *q)
{
	AUTO(json_decrefp) json_t *event = NULL;
	int64_t seq = query_int(q, 0);
	const char *pointer;
	json_t *digest;

	if (seq != c->next && !c->some_left)
		return bad(c, "event", c->next, "it is missing");
	if (seq != c->next && c->missing == 0)
		c->first_missing = c->next;
	c->missing += seq - c->next;
	c->next = seq + 1;
	if (json_parse(query_str(q, 5), &event, NULL) < 0)
		return bad(c, "event", seq, "its text is no JSON");
	int r = check_columns(c, q, event);
	if (r < 0)
		return r;
	const char *root = root_of(c, event);
	if (root == NULL)
		return bad(c, "event", seq, "its task is unknown at this place");
	r = check_link(c, q, root);
	if (r < 0)
		return r;
	json_object_foreach(json_object_get(event, "blobs"), pointer, digest)
		if (json_is_string(digest))
			json_put_bool(c->refs, json_string_value(digest), true);
	note_pruned(c, event, seq);
	c->report.events++;
	return 0;
}

/* Events may be missing where a whole tree left, and only as many as it had. Their places are not compared one by one: what
 * is missing of a tree that is there breaks its chain. */
static int check_missing(struct check *c)
{
	if (c->missing <= c->accounted)
		return c->missing == c->accounted ? 0
			: err_set(c->err, EBADMSG, "%s: of trees that left %lld events are said to be gone, and %lld are", c->db->path,
		                  (long long)c->accounted, (long long)c->missing);
	return bad(c, "event", c->first_missing, c->accounted == 0 ? "it is missing"
	           : "it, or another one, is missing, and no tree that left accounts for it");
}

static int check_chain(struct check *c, const struct query *q)
{
	const json_t *chain = json_object_get(c->heads, query_text(q, 0));

	if (chain == NULL || strcmp(json_get_text(chain, "head", ""), query_text(q, 1)) != 0 ||
	    json_get_int(chain, "events", 0) != query_int(q, 2))
		return err_set(c->err, EBADMSG,
			       "%s: the chain '%s' does not end where it was left: its newest events were "
			       "cut off, or its head was changed",
			       c->db->path, query_text(q, 0));
	json_object_del(c->heads, query_text(q, 0));
	return 0;
}

/* Every chain that has events must have its row; those that had were taken out. */
static int check_no_more_chains(struct check *c)
{
	void *left = json_object_iter(c->heads);

	if (left == NULL)
		return 0;
	return err_set(c->err, EBADMSG, "%s: the head of the chain '%s' is missing", c->db->path,
	               json_object_iter_key(left));
}

/* Does the note speak of the event that is there? */
static int check_noted(struct check *c, const struct query *q, const json_t *note)
{
	const json_t *left = json_object_get(c->left, query_text(q, 1));
	bool whole = json_get_int(note, "events", 0) == json_get_int(left, "events", -1);

	/* Of a tree that left the note is what remains. The one that was made at its end must say the same. */
	if (left != NULL && query_int(q, 2) < json_get_int(left, "seq", 0)) {
		if (!whole || strcmp(json_get_text(note, "head", ""), json_get_text(left, "head", "")) == 0)
			return 0;
		return bad(c, "checkpoint", query_int(q, 0), "the tree left with another last event than it had");
	}
	AUTO(query_done) struct query event = query_start(c->db, SQL_EVENT_AT, "i", query_int(q, 2));
	int r = query_next(&event, c->err);

	if (r < 0)
		return r;
	const char *root = r > 0 ? query_text(&event, 0) : "";
	if (root[0] != '\0')
		root = json_get_text(c->roots, root, "");
	if (r == 0 || strcmp(query_text(&event, 1), json_get_text(note, "head", "")) != 0 ||
	    strcmp(root, query_text(q, 1)) != 0)
		return bad(c, "checkpoint", query_int(q, 0), "the event that it notes is not there");
	return 0;
}

static int check_checkpoint(struct check *c, const struct query *q)
{
	AUTO(json_decrefp) json_t *note = NULL;
	char hash[SHA256_HEX_LEN + 1];
	int64_t id = query_int(q, 0);

	if (id != c->report.checkpoints + 1)
		return bad(c, "checkpoint", c->report.checkpoints + 1, "it is missing");
	if (strcmp(query_text(q, 4), c->last) != 0)
		return bad(c, "checkpoint", id, "it does not follow the one before it");
	sha256_hex((struct str[]){ query_str(q, 4), query_str(q, 3) }, 2, hash);
	if (strcmp(hash, query_text(q, 5)) != 0 || json_parse(query_str(q, 3), &note, NULL) < 0)
		return bad(c, "checkpoint", id, "its text does not have its hash");
	if (strcmp(json_get_text(note, "root", "?"), query_text(q, 1)) != 0 ||
	    json_get_int(note, "seq", -1) != query_int(q, 2))
		return bad(c, "checkpoint", id, "a column differs from the text");
	int r = check_noted(c, q, note);
	memcpy(c->last, hash, sizeof hash);
	c->report.checkpoints = id;
	return r;
}

static int check_blob(struct check *c, const struct query *q)
{
	char digest[SHA256_HEX_LEN + 1];

	sha256_hex1(query_str(q, 1), digest);
	if (strcmp(digest, query_text(q, 0)) != 0)
		return err_set(c->err, EBADMSG, "%s: the long string %s is not as it was written", c->db->path,
		               query_text(q, 0));
	if (json_object_get(c->refs, digest) == NULL)
		return err_set(c->err, EBADMSG, "%s: no event names the long string %s", c->db->path, digest);
	c->report.blobs++;
	return 0;
}

static int check_integrity(struct check *c, const struct query *q)
{
	if (strcmp(query_text(q, 0), "ok") == 0)
		return 0;
	return err_set(c->err, EUCLEAN, "%s: damaged: %s", c->db->path, query_text(q, 0));
}

static int each(struct check *c, enum statement id, int (*check)(struct check *, const struct query *))
{
	AUTO(query_done) struct query q = query_start(c->db, id, "");
	int r;

	while ((r = query_next(&q, c->err)) > 0) {
		r = check(c, &q);
		if (r < 0)
			return r;
	}
	return r;
}

static int check_all(struct check *c)
{
	struct query q = query_start(c->db, SQL_SOME_LEFT, "");
	int r = query_next(&q, c->err);

	query_done(&q);
	c->some_left = r > 0;
	if (r >= 0)
		r = each(c, SQL_VERIFY_EVENTS, check_event);
	if (r == 0)
		r = check_missing(c);
	if (r == 0)
		r = each(c, SQL_VERIFY_CHAINS, check_chain);
	if (r == 0)
		r = check_no_more_chains(c);
	if (r == 0)
		r = each(c, SQL_VERIFY_CHECKPOINTS, check_checkpoint);
	if (r == 0)
		r = each(c, SQL_VERIFY_BLOBS, check_blob);
	if (r == 0)
		r = schema_check_objects(c->db, c->err);
	return r == 0 ? each(c, SQL_INTEGRITY, check_integrity) : r;
}

int store_verify(struct store *store, struct store_report *ret, struct err *err)
{
	struct check c = { .db = &store->db, .roots = json_object(), .heads = json_object(), .refs = json_object(),
	                   .left = json_object(), .next = 1, .last = GENESIS, .err = err };
	int r = db_run(&store->db, err, SQL_BEGIN_READ, "");

	if (r == 0)
		r = tx_end(&store->db, check_all(&c), err);
	json_decref(c.roots);
	json_decref(c.heads);
	json_decref(c.refs);
	json_decref(c.left);
	if (r == 0)
		*ret = c.report;
	return r;
}
