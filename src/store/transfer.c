/* transfer.c - writes a tree to a file, and takes one in. A file is a stranger's: everything in it is checked before anything
 * is written, and what it says about answers, grants and budgets is a story about elsewhere, without force here. */
#include "store/transfer.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/internal.h"

#include "base/banned.h"

enum { FORMAT = 1 };

/* ---- out ---- */

struct out {
	int (*write)(void *userdata, struct str line, struct err *err);
	void *userdata;
	struct err *err;
};

static int put_line(struct out *o, json_t *owned_line)
{
	AUTO(json_decrefp) json_t *line = owned_line;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES * 2);

	json_write(line, &text);
	buf_add_char(&text, '\n');
	if (text.full)
		return err_set(o->err, EFBIG, "a line of the file would have more than %zu bytes", LIMIT_JSON_BYTES * 2);
	return o->write(o->userdata, buf_str(&text), o->err);
}

static int put_head(struct db *db, const char *root, const char *by, char head[static SHA256_HEX_LEN + 1], struct out *o)
{
	char time[CLOCK_TEXT_BYTES];
	AUTO(query_done) struct query q = query_start(db, SQL_EXPORT_HEAD, "t", root);
	int r = query_next(&q, o->err);

	if (r <= 0)
		return r < 0 ? r : err_set(o->err, ENOENT, "there is no task %s; 'mishri history' lists them", root);
	snprintf(head, SHA256_HEX_LEN + 1, "%s", query_text(&q, 0));
	json_t *line = json_object();
	json_put_text(line, "mishri", "tree");
	json_put_int(line, "version", FORMAT);
	json_put_text(line, "root", root);
	json_put_text(line, "head", head);
	json_put_int(line, "events", query_int(&q, 1));
	json_put_int(line, "blobs", query_int(&q, 2));
	json_put_text(line, "exported", clock_format(clock_wall_us(), time));
	json_put_text(line, "by", by);
	return put_line(o, line);
}

static int put_blobs(struct db *db, const char *root, struct out *o)
{
	AUTO(query_done) struct query q = query_start(db, SQL_EXPORT_BLOBS, "t", root);
	int r;

	while ((r = query_next(&q, o->err)) > 0) {
		json_t *line = json_object();
		json_put_text(line, "blob", query_text(&q, 0));
		json_put(line, "data", json_of_str(query_str(&q, 1)));
		r = put_line(o, line);
		if (r < 0)
			return r;
	}
	return r;
}

static int put_events(struct db *db, const char *root, const char *head, struct out *o)
{
	char hash[SHA256_HEX_LEN + 1] = GENESIS;
	AUTO(query_done) struct query q = query_start(db, SQL_EXPORT_EVENTS, "t", root);
	int r;

	while ((r = query_next(&q, o->err)) > 0) {
		sha256_hex((struct str[]){ str_of(hash), query_str(&q, 1) }, 2, hash);
		if (strcmp(hash, query_text(&q, 2)) != 0)
			return err_set(o->err, EBADMSG, "%s: event %lld is not as it was written; look with 'mishri audit verify'", db->path,
			               (long long)query_int(&q, 0));
		json_t *line = json_object();
		json_put_text(line, "hash", hash);
		json_put(line, "event", json_of_str(query_str(&q, 1)));
		r = put_line(o, line);
		if (r < 0)
			return r;
	}
	if (r == 0 && strcmp(hash, head) != 0)
		return err_set(o->err, EBADMSG, "%s: the chain '%s' does not end where it was left; look with 'mishri audit verify'",
		               db->path, root);
	return r;
}

static int export(struct db *db, const char *task, const char *by, struct out *o)
{
	char root[ID_LEN + 1] = "", head[SHA256_HEX_LEN + 1];
	struct query q = query_start(db, SQL_TASK_ROOT, "t", task);
	int r = query_next(&q, o->err);

	if (r > 0)
		snprintf(root, sizeof root, "%s", query_text(&q, 0));
	query_done(&q);
	if (r <= 0)
		return r < 0 ? r : err_set(o->err, ENOENT, "there is no task %s; 'mishri history' lists them", task);
	r = put_head(db, root, by, head, o);
	if (r == 0)
		r = put_blobs(db, root, o);
	return r == 0 ? put_events(db, root, head, o) : r;
}

int store_export(struct store *store, const char *task, const char *by,
                 int (*write)(void *userdata, struct str line, struct err *err), void *userdata, struct err *err)
{
	struct out o = { write, userdata, err };
	int r = db_run(&store->db, err, SQL_BEGIN_READ, "");

	return r < 0 ? r : tx_end(&store->db, export(&store->db, task, by, &o), err);
}

/* ---- in: the check ---- */

struct in {
	struct transfer *t;
	int64_t version, line;
	char prev[SHA256_HEX_LEN + 1];
	json_t *tasks;               /* those that were created so far */
	json_t *blobs;               /* digest → is it named by an event */
	struct db *db;               /* NULL: only checked */
	struct err *err;
};

static int wrong(struct in *in, int code, const char *format, ...) PRINTF(3, 4);
static int wrong(struct in *in, int code, const char *format, ...)
{
	char what[LIMIT_ERR_TEXT_BYTES - 128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return err_set(in->err, code, "line %lld: %s", (long long)in->line, what);
}

static bool is_hex(const char *text)
{
	return text != NULL && strlen(text) == SHA256_HEX_LEN && strspn(text, "0123456789abcdef") == SHA256_HEX_LEN;
}

/* An object with exactly these keys. */
static int parse_line(struct in *in, struct str line, const char *const *keys, size_t count, json_t **ret)
{
	AUTO(json_decrefp) json_t *object = NULL;
	struct err err = ERR_NONE;

	if (json_parse(line, &object, &err) < 0)
		return wrong(in, EINVAL, "no line of an exported task: %s", err.text);
	bool fits = json_is_object(object) && json_object_size(object) == count;
	for (size_t i = 0; i < count && fits; i++)
		fits = json_object_get(object, keys[i]) != NULL;
	if (!fits)
		return wrong(in, EINVAL, "no line of an exported task, which has the keys %s, %s%s", keys[0], keys[1],
		             count > 2 ? " ..." : "");
	*ret = TAKE(object);
	return 0;
}

static int read_head(struct in *in, struct str line)
{
	static const char *const keys[] = { "mishri", "version", "root", "head", "events", "blobs", "exported", "by" };
	AUTO(json_decrefp) json_t *head = NULL;
	int r = parse_line(in, line, keys, COUNT(keys), &head);

	if (r < 0)
		return err_set(in->err, EINVAL, "this is no exported task: its first line must be as 'mishri export' writes it");
	const char *root = json_get_text(head, "root", ""), *hash = json_get_text(head, "head", "");
	const char *exported = json_get_text(head, "exported", ""), *by = json_get_text(head, "by", "");
	in->version = json_get_int(head, "version", 0);
	if (strcmp(json_get_text(head, "mishri", ""), "tree") != 0)
		return wrong(in, EINVAL, "this is no exported task: 'mishri' must be \"tree\"");
	if (in->version != FORMAT)
		return wrong(in, ENOTSUP, "the format %lld is of another version of mishri; this one knows %d", (long long)in->version, FORMAT);
	if (!id_valid(root) || !is_hex(hash) || strlen(exported) >= sizeof in->t->exported || strlen(by) > USER_LEN)
		return wrong(in, EINVAL, "root, head, exported or by is not as 'mishri export' writes it");
	in->t->events = json_get_int(head, "events", -1);
	in->t->blobs = json_get_int(head, "blobs", -1);
	if (in->t->events < 1 || in->t->events > LIMIT_IMPORT_EVENTS || in->t->blobs < 0 || in->t->blobs > in->t->events * 1024)
		return wrong(in, EINVAL, "events must be 1 to %d, blobs not less than 0", LIMIT_IMPORT_EVENTS);
	memcpy(in->t->root, root, sizeof in->t->root);
	memcpy(in->t->head, hash, sizeof in->t->head);
	memcpy(in->t->exported, exported, strlen(exported) + 1);
	memcpy(in->t->by, by, strlen(by) + 1);
	return 0;
}

static int read_blob(struct in *in, struct str line)
{
	static const char *const keys[] = { "blob", "data" };
	AUTO(json_decrefp) json_t *object = NULL;
	char digest[SHA256_HEX_LEN + 1];
	int r = parse_line(in, line, keys, COUNT(keys), &object);

	if (r < 0)
		return r;
	const json_t *data = json_object_get(object, "data");
	struct str text = { json_string_value(data), json_string_length(data) };
	if (!json_is_string(data) || text.len <= LIMIT_EVENT_INLINE_BYTES)
		return wrong(in, EINVAL, "'data' must be a text of more than %zu bytes", LIMIT_EVENT_INLINE_BYTES);
	sha256_hex1(text, digest);
	if (strcmp(json_get_text(object, "blob", ""), digest) != 0)
		return wrong(in, EBADMSG, "the long text does not have the digest that stands beside it: it was changed");
	if (json_object_get(in->blobs, digest) != NULL)
		return wrong(in, EINVAL, "the same long text comes twice");
	json_put_bool(in->blobs, digest, false);
	return in->db != NULL ? db_run(in->db, in->err, SQL_BLOB_PUT, "tb", digest, text) : 0;
}

/* Is its task of this tree, and known at this place? */
static int check_place(struct in *in, const struct event *e)
{
	static const char *const ours[] = { "engine.", "grant.revoked", "history.", "schedule.", "token.", "trust." };
	bool created = e->type == EVENT_TASK_CREATED, first = json_object_size(in->tasks) == 0;

	for (size_t i = 0; i < COUNT(ours); i++)
		if (strncmp(event_name(e->type), ours[i], strlen(ours[i])) == 0)
			return wrong(in, EBADMSG, "%s is no event of a task", event_name(e->type));
	if (!id_valid(e->task) || (e->parent[0] != '\0' && !id_valid(e->parent)) || (e->session[0] != '\0' && !id_valid(e->session)))
		return wrong(in, EINVAL, "task, parent and session must be ids of %d characters", ID_LEN);
	if (first && (!created || e->parent[0] != '\0' || strcmp(e->task, in->t->root) != 0))
		return wrong(in, EBADMSG, "the first event must be the task.created of the root %s", in->t->root);
	if (created && json_object_get(in->tasks, e->task) != NULL)
		return wrong(in, EBADMSG, "task %s is created twice", e->task);
	if (created && !first && json_object_get(in->tasks, e->parent) == NULL)
		return wrong(in, EBADMSG, "task %s is created below one that is not in the tree", e->task);
	if (!created && json_object_get(in->tasks, e->task) == NULL)
		return wrong(in, EBADMSG, "the event is of task %s, which was not created before", e->task);
	if (!created)
		return 0;
	if (strcmp(json_get_text(e->data, "root", in->t->root), in->t->root) != 0)
		return wrong(in, EBADMSG, "task %s says that it is of another tree", e->task);
	json_put_bool(in->tasks, e->task, true);
	in->t->tasks++;
	return 0;
}

/* The one form in which events are written: whatever reads stored texts relies on it. */
static int check_form(struct in *in, const struct event *e, struct str text, json_t **ret_refs)
{
	AUTO(buf_done) struct buf again = BUF_INIT(LIMIT_EVENT_BYTES * 2);
	AUTO(json_decrefp) json_t *object = NULL;
	static const struct str blobs = { ",\"blobs\":{", 10 };
	const char *pointer;
	json_t *digest;

	event_format(e, &again);
	if (again.full || !str_starts(text, (struct str){ again.ptr, again.len - 1 }))
		return wrong(in, EBADMSG, "the event is not in the form in which mishri writes events");
	struct str rest = str_skip(text, again.len - 1);
	if (str_eq(rest, STR("}")))
		return 0;
	if (!str_starts(rest, blobs) || json_parse(text, &object, NULL) < 0)
		return wrong(in, EBADMSG, "the event is not in the form in which mishri writes events");
	json_t *refs = json_object_get(object, "blobs");
	buf_reset(&again);
	buf_add(&again, blobs.ptr, blobs.len - 1);
	json_write(refs, &again);
	buf_add_char(&again, '}');
	if (!json_is_object(refs) || !str_eq(rest, buf_str(&again)))
		return wrong(in, EBADMSG, "the event is not in the form in which mishri writes events");
	json_object_foreach(refs, pointer, digest) {
		if (!is_hex(json_string_value(digest)))
			return wrong(in, EBADMSG, "'blobs' must name digests");
		if (json_object_get(in->blobs, json_string_value(digest)) != NULL)
			json_put_bool(in->blobs, json_string_value(digest), true);
	}
	*ret_refs = json_incref(refs);
	if (!blobs_fit(object))
		return wrong(in, EBADMSG, "the event names a long text at a place where none belongs");
	return 0;
}

static int put_event(struct in *in, const struct event *e, struct str text, const char *hash, const json_t *refs)
{
	char time[CLOCK_TEXT_BYTES];
	int r = db_run(in->db, in->err, SQL_EVENT_PUT, "ttttstt", clock_format(e->time_us, time), event_name(e->type), e->session,
	               e->task, text, in->prev, hash);

	if (r < 0)
		return r;
	struct fact fact = {
		.seq = sqlite3_last_insert_rowid(in->db->handle), .time_us = e->time_us, .task = e->task, .parent = e->parent,
		.session = e->session, .user = e->user, .data = e->data, .refs = refs, .calls = 1,
		.imported = true,
	};
	return project(in->db, e->type, &fact, in->err);
}

static int read_event(struct in *in, struct str line)
{
	static const char *const keys[] = { "hash", "event" };
	AUTO(json_decrefp) json_t *object = NULL;
	AUTO(json_decrefp) json_t *refs = NULL;
	AUTO(event_done) struct event e = { 0 };
	struct err err = ERR_NONE;
	char hash[SHA256_HEX_LEN + 1];

	int r = parse_line(in, line, keys, COUNT(keys), &object);
	if (r < 0)
		return r;
	const json_t *event = json_object_get(object, "event");
	struct str text = { json_string_value(event), json_string_length(event) };
	if (!json_is_string(event) || text.len > LIMIT_EVENT_BYTES)
		return wrong(in, EINVAL, "'event' must be a text of at most %zu bytes", LIMIT_EVENT_BYTES);
	sha256_hex((struct str[]){ str_of(in->prev), text }, 2, hash);
	if (strcmp(json_get_text(object, "hash", ""), hash) != 0)
		return wrong(in, EBADMSG, "the event does not have its hash: it, or the order of the events, was changed");
	r = event_parse(text, &e, &err);
	if (r < 0)
		return wrong(in, -r, "%s", err.text);
	r = check_place(in, &e);
	if (r == 0)
		r = check_form(in, &e, text, &refs);
	if (r == 0 && in->db != NULL)
		r = put_event(in, &e, text, hash, refs);
	memcpy(in->prev, hash, sizeof hash);
	return r;
}

static int check_end(struct in *in, struct str rest)
{
	const char *digest;
	json_t *named;

	if (rest.len > 0)
		return wrong(in, EINVAL, "there is more in the file than its first line says");
	if (strcmp(in->prev, in->t->head) != 0)
		return wrong(in, EBADMSG, "the last event is not the one that the first line names: the file was changed");
	json_object_foreach(in->blobs, digest, named)
		if (!json_is_true(named))
			return wrong(in, EBADMSG, "no event names the long text %s", digest);
	return 0;
}

/* The next line; false: the file ends before it does. */
static bool next_line(struct in *in, struct str *rest, struct str *ret)
{
	const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

	in->line++;
	if (end == NULL)
		return false;
	*ret = (struct str){ rest->ptr, (size_t)(end - rest->ptr) };
	*rest = str_skip(*rest, ret->len + 1);
	return true;
}

static int read_all(struct in *in, struct str rest)
{
	struct str line;
	int r = next_line(in, &rest, &line) ? read_head(in, line)
		: err_set(in->err, EINVAL, "this is no exported task: it has no first line");

	for (int64_t i = 0; r == 0 && i < in->t->blobs + in->t->events; i++) {
		if (!next_line(in, &rest, &line))
			return wrong(in, EINVAL, "the file ends too early: %lld long texts and %lld events were to come",
			             (long long)in->t->blobs, (long long)in->t->events);
		r = i < in->t->blobs ? read_blob(in, line) : read_event(in, line);
	}
	return r == 0 ? check_end(in, rest) : r;
}

/* db: where it goes; NULL: it is only checked. */
static int read_file(struct str file, struct transfer *t, struct db *db, struct err *err)
{
	struct in in = { .t = t, .prev = GENESIS, .tasks = json_object(), .blobs = json_object(), .db = db, .err = err };
	int r = file.len > LIMIT_IMPORT_BYTES
		? err_set(err, EFBIG, "the file has %zu bytes; %zu at most", file.len, LIMIT_IMPORT_BYTES) : read_all(&in, file);

	json_decref(in.tasks);
	json_decref(in.blobs);
	return r;
}

int transfer_check(struct str file, struct transfer *ret, struct err *err)
{
	struct transfer t = { 0 };
	int r = read_file(file, &t, NULL, err);

	if (r < 0)
		return r;
	sha256_hex1(file, t.digest);
	*ret = t;
	return 0;
}

/* ---- in: what is here already ---- */

static int check_here(struct db *db, const struct transfer *t, struct err *err)
{
	struct query q = query_start(db, SQL_CHAIN_GET, "t", t->root);
	int r = query_next(&q, err);
	bool same = r > 0 && strcmp(query_text(&q, 0), t->head) == 0;

	query_done(&q);
	if (r > 0)
		return same ? err_set(err, EEXIST, "task %s is here already, just as it is in the file", t->root)
		            : err_set(err, ENOTUNIQ, "task %s is here already, and not as it is in the file: nothing was taken", t->root);
	if (r < 0)
		return r;
	AUTO(query_done) struct query left = query_start(db, SQL_PRUNED_GET, "t", t->root);
	AUTO(json_decrefp) json_t *event = NULL;
	r = query_next(&left, err);
	if (r > 0 && json_parse(query_str(&left, 0), &event, err) == 0 &&
	    strcmp(json_get_text(json_object_get(event, "data"), "head", ""), t->head) != 0)
		return err_set(err, ENOTUNIQ, "task %s was here and left with another last event than the file has: nothing was taken", t->root);
	return MIN(r, 0);
}

int store_is_imported(struct store *store, const char *root, bool *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_IMPORTED_GET, "t", root);
	int r = query_next(&q, err);

	if (r >= 0)
		*ret = r > 0;
	return MIN(r, 0);
}

static int import(struct db *db, struct str file, const char *by, bool resumable, const struct transfer *t, struct err *err)
{
	struct transfer again = { 0 };
	json_t *data = json_pack("{ss ss sI sI si ss ss ss}", "root", t->root, "head", t->head, "events", (json_int_t)t->events, "tasks",
	                         (json_int_t)t->tasks, "resumable", resumable ? 1 : 0, "exported", t->exported, "digest", t->digest,
	                         "by", by);
	int r = check_here(db, t, err);

	if (r < 0) {
		json_decref(data);
		return r;
	}
	r = engine_event_write(db, EVENT_HISTORY_IMPORTED, by, data, err);
	if (r == 0)
		r = read_file(file, &again, db, err);
	if (r == -EINVAL && again.tasks > 0 && err != NULL && strstr(err->text, "UNIQUE") != NULL)
		return err_set(err, ENOTUNIQ, "another task here has the id of one in the file: nothing was taken");
	if (r == 0)
		r = db_run(db, err, SQL_CHAIN_SET, "tti", t->root, t->head, t->events);
	AUTO(query_done) struct query q = query_start(db, SQL_EVENT_NEWEST, "");
	if (r == 0)
		r = query_next(&q, err);
	return r > 0 ? checkpoint_write(db, t->root, query_int(&q, 0), err) : r;
}

int store_import(struct store *store, struct str file, const char *by, bool resumable, struct transfer *ret, struct err *err)
{
	struct transfer t = { 0 };

	assert(store->writer != NULL);
	int r = transfer_check(file, &t, err);
	if (r == 0)
		r = tx_begin(&store->db, err);
	if (r < 0)
		return r;
	r = tx_end(&store->db, import(&store->db, file, by, resumable, &t, err), err);
	if (r == 0)
		*ret = t;
	return r;
}
