/* batch.c - writes one batch inside a transaction: fence, blobs, events with their hashes,
 * projections, chain, lease, checkpoint. It refuses what does not belong to the chain that it names. */
#include "store/internal.h"

#include "base/banned.h"

struct chain {
	char head[SHA256_HEX_LEN + 1];
	int64_t events;
};

static void copy_hex(char to[static SHA256_HEX_LEN + 1], const char *from)
{
	size_t len = MIN(strlen(from), (size_t)SHA256_HEX_LEN);

	memcpy(to, from, len);
	to[len] = '\0';
}

static int fence(struct db *db, struct pending *p)
{
	if (p->task[0] == '\0' || p->lease == LEASE_CREATE)
		return 0;
	AUTO(query_done) struct query q = query_start(db, SQL_FENCE, "tti", p->task, p->engine, p->generation);
	int r = query_next(&q, &p->err);
	if (r == 0)
		return err_set(&p->err, ESTALE, "task %s: another engine has taken it over; nothing was written",
			       p->task);
	return MIN(r, 0);
}

static int chain_get(struct db *db, const char *root, struct chain *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_CHAIN_GET, "t", root);
	int r = query_next(&q, err);

	copy_hex(ret->head, r > 0 ? query_text(&q, 0) : GENESIS);
	ret->events = r > 0 ? query_int(&q, 1) : 0;
	return MIN(r, 0);
}

/* The root of a task; "" where there is no such task. */
static int root_of(struct db *db, const char *task, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_TASK_ROOT, "t", task);
	int r = query_next(&q, err);

	ret[0] = '\0';
	if (r > 0)
		memcpy(ret, query_text(&q, 0), strlen(query_text(&q, 0)) + 1);
	return MIN(r, 0);
}

/* Verification follows the same rule: a task's events lie in the chain of its root, after task.created. */
static int check_root(struct db *db, const struct pending *p, const struct event *e, struct err *err)
{
	const char *asked = e->type == EVENT_TASK_CREATED ? e->parent : e->task;
	char root[ID_LEN + 1] = "";

	if (asked[0] != '\0') {
		int r = root_of(db, asked, root, err);
		if (r < 0)
			return r;
		if (root[0] == '\0')
			return err_set(err, EINVAL, "event %s: there is no task %s", event_name(e->type), asked);
	} else if (e->type == EVENT_TASK_CREATED) {
		memcpy(root, e->task, sizeof root);
	}
	if (strcmp(root, p->root) != 0)
		return err_set(err, EINVAL, "event %s of task '%s' belongs to the chain '%s', not to '%s'",
		               event_name(e->type), e->task, root, p->root);
	return 0;
}

static int put_blobs(struct db *db, const json_t *blobs, struct err *err)
{
	const char *digest;
	json_t *value;

	json_object_foreach((json_t *)blobs, digest, value) {
		struct str data = { json_string_value(value), json_string_length(value) };
		int r = db_run(db, err, SQL_BLOB_PUT, "tb", digest, data);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_event(struct db *db, const struct stored *s, struct chain *chain, int64_t calls, int64_t *ret_seq, struct err *err)
{
	const struct event *e = &s->event;
	struct str text = { s->text, s->len };
	char time[CLOCK_TEXT_BYTES], hash[SHA256_HEX_LEN + 1];

	sha256_hex((struct str[]){ str_of(chain->head), text }, 2, hash);
	int r = db_run(db, err, SQL_EVENT_PUT, "ttttstt", clock_format(e->time_us, time), event_name(e->type),
		       e->session, e->task, text, chain->head, hash);
	if (r < 0)
		return r;
	*ret_seq = sqlite3_last_insert_rowid(db->handle);
	memcpy(chain->head, hash, sizeof hash);
	chain->events++;

	struct fact fact = {
		.seq = *ret_seq, .time_us = e->time_us, .task = e->task, .parent = e->parent, .session = e->session,
		.user = e->user, .data = e->data, .refs = s->refs, .calls = calls,
	};
	return project(db, e->type, &fact, err);
}

/* Calls that a task proposes one after another are counted once, by the last of them: the sums of tasks, days and users change
 * with it, and that costs more than the event. */
static bool counts_later(const struct pending *p, size_t i)
{
	if (i + 1 == p->count)
		return false;
	const struct event *e = &p->events[i].event, *next = &p->events[i + 1].event;
	return e->type == EVENT_CALL_PROPOSED && next->type == EVENT_CALL_PROPOSED && strcmp(e->task, next->task) == 0;
}

static int put_events(struct db *db, struct pending *p, struct chain *chain, int64_t *ret_last)
{
	int64_t calls = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct event *e = &p->events[i].event, *before = i > 0 ? &p->events[i - 1].event : NULL;
		/* One look is enough for a run of events of one task. */
		bool same = before != NULL && e->type != EVENT_TASK_CREATED && strcmp(e->task, before->task) == 0;
		int r = same ? 0 : check_root(db, p, e, &p->err);
		if (r == 0)
			r = put_blobs(db, p->events[i].blobs, &p->err);
		calls++;
		bool later = counts_later(p, i);
		if (r == 0)
			r = put_event(db, &p->events[i], chain, later ? 0 : calls, ret_last, &p->err);
		if (!later)
			calls = 0;
		if (r < 0)
			return r;
		if (i == 0)
			p->first_seq = *ret_last;
	}
	return 0;
}

static int change_lease(struct db *db, struct pending *p)
{
	int r = 0;

	if (p->lease == LEASE_CREATE) {
		AUTO(query_done) struct query q = query_start(db, SQL_LEASE_CREATE, "tti", p->task, p->engine,
		                                              clock_mono_ms() + LIMIT_LEASE_MS);
		r = query_next(&q, &p->err);
		if (r == 0)
			return err_set(&p->err, ESTALE, "task %s: there is a lease already; nothing was written",
			               p->task);
	} else if (p->lease == LEASE_RELEASE) {
		r = db_run(db, &p->err, SQL_LEASE_RELEASE, "t", p->task);
	}
	return MIN(r, 0);
}

static int put_checkpoint(struct db *db, const char *root, int64_t seq, const struct chain *chain, struct err *err)
{
	char before[SHA256_HEX_LEN + 1], hash[SHA256_HEX_LEN + 1], time[CLOCK_TEXT_BYTES];
	AUTO(json_decrefp) json_t *note = json_object();
	AUTO(freep) char *text = NULL;

	struct query q = query_start(db, SQL_CHECKPOINT_LAST, "");
	int r = query_next(&q, err);
	copy_hex(before, r > 0 ? query_text(&q, 0) : GENESIS);
	query_done(&q);
	if (r < 0)
		return r;
	json_put_text(note, "time", clock_format(clock_wall_us(), time));
	json_put_text(note, "root", root);
	json_put_int(note, "seq", seq);
	json_put_int(note, "events", chain->events);
	json_put_text(note, "head", chain->head);
	const struct sign_key *key = signer_get(db);
	if (key != NULL) {
		char id[SIGN_ID_LEN + 1];
		sign_key_id(key, id);
		json_put_text(note, "key", id); /* a signature that is taken away is missed */
	}
	text = json_text(note);
	sha256_hex((struct str[]){ str_of(before), str_of(text) }, 2, hash);
	r = db_run(db, err, SQL_CHECKPOINT_PUT, "tittt", root, seq, text, before, hash);
	return r < 0 || key == NULL ? r : signer_put(db, key, sqlite3_last_insert_rowid(db->handle), hash, err);
}

int checkpoint_write(struct db *db, const char *root, int64_t seq, struct err *err)
{
	struct chain chain;
	int r = chain_get(db, root, &chain, err);

	return r < 0 ? r : put_checkpoint(db, root, seq, &chain, err);
}

int batch_write(struct db *db, struct pending *p)
{
	struct chain chain;
	int64_t last = 0;

	int r = fence(db, p);
	if (r == 0 && p->charge != NULL)
		r = charge_write(db, p->charge, p->task, p->events[0].event.time_us, &p->err);
	if (r == 0)
		r = chain_get(db, p->root, &chain, &p->err);
	if (r == 0)
		r = put_events(db, p, &chain, &last);
	if (r == 0)
		r = db_run(db, &p->err, SQL_CHAIN_SET, "tti", p->root, chain.head, chain.events);
	if (r == 0)
		r = change_lease(db, p);
	if (r == 0 && p->checkpoint)
		r = put_checkpoint(db, p->root, last, &chain, &p->err);
	if (r == 0 && p->inbox_upto > 0)
		r = db_run(db, &p->err, SQL_INBOX_DONE, "ti", p->task, p->inbox_upto);
	return r;
}

static void copy_id(char to[static ID_LEN + 1], const char *from)
{
	size_t len = strlen(from);

	assert(len <= ID_LEN);
	memcpy(to, from, len + 1);
}

struct pending *pending_new(const struct store_batch *batch, const char *engine)
{
	struct pending *p = xcalloc(1, sizeof *p);

	assert(batch->count >= 1 && batch->count <= LIMIT_BATCH_EVENTS);
	assert(batch->task[0] == '\0' || engine[0] != '\0');   /* a lease has a holder */
	copy_id(p->root, batch->root);
	copy_id(p->task, batch->task);
	copy_id(p->engine, engine);
	p->generation = batch->generation;
	p->lease = batch->lease;
	p->checkpoint = batch->checkpoint;
	p->charge_out = batch->charge;
	if (batch->charge != NULL) {
		p->charge = xmalloc(sizeof *p->charge);
		*p->charge = *batch->charge;
	}
	p->inbox_upto = batch->inbox_upto;
	p->on_commit = batch->on_commit;
	p->userdata = batch->userdata;
	p->count = batch->count;
	p->events = xcalloc(batch->count, sizeof *p->events);
	for (size_t i = 0; i < batch->count; i++) {
		struct err err;
		int r = stored_make(&batch->events[i], &p->events[i], p->result == 0 ? &p->err : &err);
		if (r < 0 && p->result == 0)
			p->result = r;
	}
	return p;
}

void pending_free(struct pending *p)
{
	for (size_t i = 0; i < p->count; i++)
		stored_done(&p->events[i]);
	free(p->events);
	free(p->charge);
	free(p);
}
