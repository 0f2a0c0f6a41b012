/* schema.c - the tables as a list of migrations. A migration adds; it never rewrites the text of an
 * event, and a text once released is never edited: what comes later is a new row. */
#include "store/schema.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#include "base/banned.h"

enum { APPLICATION_ID = 0x4d697368 };                   /* "Mish" */

static const char *const migrations[] = {
	/* 1: everything. */
	"CREATE TABLE events (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, type TEXT NOT NULL, session TEXT NOT NULL,"
	" task TEXT NOT NULL, data TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
	"CREATE INDEX events_task ON events (task);"
	"CREATE INDEX events_type ON events (type);"
	"CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;"
	"CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;"

	"CREATE TABLE chains (root TEXT PRIMARY KEY, head TEXT NOT NULL, events INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, root TEXT NOT NULL, seq INTEGER NOT NULL, data TEXT NOT NULL,"
	" prev TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
	"CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints"
	" BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;"
	"CREATE TRIGGER checkpoints_last BEFORE DELETE ON checkpoints"
	" BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;"

	"CREATE TABLE blobs (digest TEXT NOT NULL UNIQUE, data BLOB NOT NULL) STRICT;"

	/* goal and result: the text, or '' with the digest of the blob that holds it. */
	"CREATE TABLE tasks (seq INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, root TEXT NOT NULL, parent TEXT NOT NULL,"
	" session TEXT NOT NULL, user TEXT NOT NULL, agent TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL,"
	" workspace TEXT NOT NULL, goal TEXT NOT NULL, goal_blob TEXT, state TEXT NOT NULL, exit INTEGER, result TEXT,"
	" result_blob TEXT, started_us INTEGER NOT NULL, ended_us INTEGER) STRICT;"
	"CREATE INDEX tasks_parent ON tasks (parent);"
	"CREATE INDEX tasks_root ON tasks (root);"

	/* usd_nanos: null as soon as one reply's cost is unknown. */
	"CREATE TABLE costs (task TEXT PRIMARY KEY REFERENCES tasks (task), turns INTEGER NOT NULL, calls INTEGER NOT NULL,"
	" denied INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,"
	" output INTEGER NOT NULL, usd_nanos INTEGER) STRICT, WITHOUT ROWID;"

	/* Arguments and output are read from the events `seq` and `finished`. */
	"CREATE TABLE calls (seq INTEGER PRIMARY KEY, task TEXT NOT NULL REFERENCES tasks (task), call TEXT NOT NULL,"
	" turn INTEGER NOT NULL, tool TEXT NOT NULL, effect TEXT, rule TEXT, status TEXT, exit INTEGER,"
	" started_us INTEGER, ms INTEGER, finished INTEGER) STRICT;"
	"CREATE UNIQUE INDEX calls_call ON calls (task, call);"

	"CREATE TABLE engines (engine TEXT PRIMARY KEY, pid INTEGER NOT NULL, start INTEGER NOT NULL, boot TEXT NOT NULL,"
	" pid_namespace INTEGER NOT NULL, socket TEXT NOT NULL, uid INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE leases (task TEXT PRIMARY KEY REFERENCES tasks (task) DEFERRABLE INITIALLY DEFERRED,"
	" engine TEXT NOT NULL, generation INTEGER NOT NULL, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX leases_engine ON leases (engine);"

	"CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" task TEXT NOT NULL REFERENCES tasks (task) DEFERRABLE INITIALLY DEFERRED, time_us INTEGER NOT NULL,"
	" kind TEXT NOT NULL, user TEXT NOT NULL, body TEXT NOT NULL) STRICT;"
	"CREATE INDEX inbox_task ON inbox (task);",

	/* What rates have used, by their keys; state is policy/rate.h's. One clock for all of them. Not made from events: a
	 * use is forgotten anyway. */
	"CREATE TABLE rates (key TEXT PRIMARY KEY, state BLOB NOT NULL, idle_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX rates_idle ON rates (idle_us);"
	"CREATE TABLE rate_clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, boot_us INTEGER NOT NULL,"
	" wall_us INTEGER NOT NULL, now_us INTEGER NOT NULL) STRICT;"

	/* What budgets count, and what is reserved for model calls that are under way; day: since 1970, UTC. */
	"CREATE TABLE spending (root TEXT NOT NULL, session TEXT NOT NULL, user TEXT NOT NULL, day INTEGER NOT NULL,"
	" usd_nanos INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL, ms INTEGER NOT NULL,"
	" PRIMARY KEY (root, session, user, day)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX spending_session ON spending (session);"
	"CREATE INDEX spending_day ON spending (day, user);"
	"CREATE TABLE reservations (task TEXT PRIMARY KEY, root TEXT NOT NULL, session TEXT NOT NULL, user TEXT NOT NULL,"
	" day INTEGER NOT NULL, usd_nanos INTEGER NOT NULL, tokens INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX reservations_root ON reservations (root);"
	"CREATE INDEX reservations_session ON reservations (session);"
	"CREATE INDEX reservations_day ON reservations (day, user);"
	"CREATE TABLE raises (budget TEXT NOT NULL, scope TEXT NOT NULL, unit TEXT NOT NULL, amount INTEGER NOT NULL,"
	" PRIMARY KEY (budget, scope, unit)) STRICT, WITHOUT ROWID;",

	/* Notes of users (memory.c), and the index of their words. */
	"CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, key TEXT NOT NULL, time_us INTEGER NOT NULL,"
	" task TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL, taints TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX notes_key ON notes (user, key);"
	"CREATE INDEX notes_user ON notes (user, id);"
	"CREATE VIRTUAL TABLE notes_words USING fts5(text, tags);",

	/* Approvals and grants. What was asked is read from the event `seq`. state: pending, or the answer; expires_us 0:
	 * never. A grant counts while until_us (0: no end) has not come and revoked_us is null. */
	"CREATE TABLE approvals (seq INTEGER PRIMARY KEY, approval TEXT NOT NULL UNIQUE, task TEXT NOT NULL, call TEXT NOT NULL,"
	" kind TEXT NOT NULL, expires_us INTEGER NOT NULL, state TEXT NOT NULL, votes INTEGER NOT NULL, voters TEXT NOT NULL,"
	" by TEXT NOT NULL, word TEXT NOT NULL, reason TEXT NOT NULL, decided_us INTEGER) STRICT;"
	"CREATE INDEX approvals_task ON approvals (task);"
	"CREATE INDEX approvals_state ON approvals (state);"
	"CREATE TABLE grants (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, approval TEXT NOT NULL, task TEXT NOT NULL,"
	" root TEXT NOT NULL, session TEXT NOT NULL, user TEXT NOT NULL, scope TEXT NOT NULL, digest TEXT NOT NULL,"
	" until_us INTEGER NOT NULL, uses INTEGER NOT NULL, used_us INTEGER, revoked_us INTEGER, revoked_by TEXT) STRICT;"
	"CREATE INDEX grants_digest ON grants (digest);",

	/* History. marks: what a tree has (user, session, agent, model, tool, denied), by the seq of its root task, so that
	 * each question is a walk through a few sorted lists. */
	"CREATE TABLE marks (kind TEXT NOT NULL, value TEXT NOT NULL, root INTEGER NOT NULL, PRIMARY KEY (kind, value, root))"
	" STRICT, WITHOUT ROWID;"
	"INSERT OR IGNORE INTO marks SELECT 'user', user, seq FROM tasks WHERE parent = '';"
	"INSERT OR IGNORE INTO marks SELECT 'session', session, seq FROM tasks WHERE parent = '';"
	"INSERT OR IGNORE INTO marks SELECT 'agent', t.agent, r.seq FROM tasks t JOIN tasks r ON r.task = t.root;"
	"INSERT OR IGNORE INTO marks SELECT 'model', t.model, r.seq FROM tasks t JOIN tasks r ON r.task = t.root;"
	"INSERT OR IGNORE INTO marks SELECT 'tool', k.tool, r.seq FROM calls k JOIN tasks t ON t.task = k.task"
	" JOIN tasks r ON r.task = t.root;"
	"INSERT OR IGNORE INTO marks SELECT 'denied', '', r.seq FROM costs c JOIN tasks t ON t.task = c.task"
	" JOIN tasks r ON r.task = t.root WHERE c.denied > 0;"
	"CREATE INDEX tasks_state ON tasks (parent, state);"
	"CREATE INDEX tasks_started ON tasks (parent, started_us);"

	/* Trees that came out of a file, and trees that left: only these may be deleted. */
	"CREATE TABLE imported (root TEXT PRIMARY KEY, seq INTEGER NOT NULL, events INTEGER NOT NULL, resumable INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE pruned (root TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"DROP TRIGGER events_last;"
	"CREATE TRIGGER events_last BEFORE DELETE ON events WHEN OLD.task = '' OR NOT EXISTS"
	" (SELECT 1 FROM tasks t JOIN pruned p ON p.root = t.root WHERE t.task = OLD.task)"
	" BEGIN SELECT RAISE(ABORT, 'events are never deleted but with their whole tree, for which history.pruned stands'); END;"

	/* Sums of `costs` by the day (UTC) on which a task began. They stay when a tree leaves. */
	"CREATE TABLE days (day INTEGER NOT NULL, user TEXT NOT NULL, model TEXT NOT NULL, tasks INTEGER NOT NULL,"
	" unknown INTEGER NOT NULL, turns INTEGER NOT NULL, calls INTEGER NOT NULL, denied INTEGER NOT NULL,"
	" input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,"
	" usd_nanos INTEGER NOT NULL, PRIMARY KEY (day, user, model)) STRICT, WITHOUT ROWID;"
	"INSERT INTO days SELECT t.started_us / 86400000000, t.user, t.model, count(*), sum(c.usd_nanos IS NULL), sum(c.turns),"
	" sum(c.calls), sum(c.denied), sum(c.input), sum(c.cache_read), sum(c.cache_write), sum(c.output),"
	" coalesce(sum(c.usd_nanos), 0) FROM tasks t JOIN costs c ON c.task = t.task GROUP BY 1, 2, 3;"
	"CREATE TRIGGER costs_begin AFTER INSERT ON costs BEGIN"
	" INSERT INTO days SELECT t.started_us / 86400000000, t.user, t.model, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM tasks t"
	" WHERE t.task = NEW.task AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root)"
	" ON CONFLICT (day, user, model) DO UPDATE SET tasks = tasks + 1; END;"
	"CREATE TRIGGER costs_more AFTER UPDATE ON costs BEGIN"
	" UPDATE days SET unknown = unknown + (NEW.usd_nanos IS NULL) - (OLD.usd_nanos IS NULL), turns = turns + NEW.turns - OLD.turns,"
	" calls = calls + NEW.calls - OLD.calls, denied = denied + NEW.denied - OLD.denied, input = input + NEW.input - OLD.input,"
	" cache_read = cache_read + NEW.cache_read - OLD.cache_read, cache_write = cache_write + NEW.cache_write - OLD.cache_write,"
	" output = output + NEW.output - OLD.output,"
	" usd_nanos = usd_nanos + coalesce(NEW.usd_nanos, 0) - coalesce(OLD.usd_nanos, 0)"
	" WHERE (day, user, model) = (SELECT t.started_us / 86400000000, t.user, t.model FROM tasks t WHERE t.task = NEW.task"
	" AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root)); END;"

	/* The words of goals, results, plans, replies, arguments, outputs and of what people said; the texts themselves stay
	 * in the events. rowid: seq of the root << 31 | seq of the event beyond it. Filled behind the events (words.c). */
	"CREATE VIRTUAL TABLE words USING fts5(goal, result, plan, reply, args, output, person, content='', columnsize=0,"
	" tokenize='unicode61 remove_diacritics 2');"
	"CREATE TABLE words_upto (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;"
	"INSERT INTO words_upto VALUES (1, 0);",

	/* Who names a long string: it may go with the last tree that does. */
	"CREATE TABLE blob_refs (digest TEXT NOT NULL, root TEXT NOT NULL, PRIMARY KEY (digest, root)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX blob_refs_root ON blob_refs (root);"
	"CREATE INDEX grants_task ON grants (task);"
	"INSERT OR IGNORE INTO blob_refs SELECT j.value, coalesce((SELECT root FROM tasks t WHERE t.task = e.task), '')"
	" FROM events e, json_each(e.data, '$.blobs') j WHERE e.data LIKE '%,\"blobs\":{%';",

	/* Schedules and their runs, from the events schedule.*, task.created and task.finished. seq: the event that has the
	 * spec; changed: the newest that touched the row. version: how many schedule.* events it has seen. */
	"CREATE TABLE schedules (schedule TEXT PRIMARY KEY, name TEXT NOT NULL, user TEXT NOT NULL, seq INTEGER NOT NULL,"
	" changed INTEGER NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,"
	" cursor_us INTEGER NOT NULL, fired INTEGER NOT NULL, started INTEGER NOT NULL, missed INTEGER NOT NULL,"
	" skipped INTEGER NOT NULL, dropped INTEGER NOT NULL, failed INTEGER NOT NULL, failures INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX schedules_name ON schedules (name) WHERE state <> 'removed';"
	"CREATE INDEX schedules_changed ON schedules (changed);"
	"CREATE TABLE schedule_runs (schedule TEXT NOT NULL, instant_us INTEGER NOT NULL, seq INTEGER NOT NULL, task TEXT NOT NULL,"
	" cause TEXT NOT NULL, engine TEXT NOT NULL, state TEXT NOT NULL, fired_us INTEGER NOT NULL, ended_us INTEGER,"
	" reason TEXT NOT NULL, PRIMARY KEY (schedule, instant_us)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX schedule_runs_task ON schedule_runs (task);"
	"CREATE INDEX schedule_runs_open ON schedule_runs (state, schedule, instant_us);",

	/* Tokens of the API: who shows one acts for its user. hash: SHA-256 of salt and secret; the secret itself is kept nowhere.
	 * requests: which task a request with an Idempotency-Key became; written before the task is, so it may name none. Not made
	 * from events: neither can be told from them. */
	"CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, user TEXT NOT NULL, role TEXT NOT NULL,"
	" salt TEXT NOT NULL, hash TEXT NOT NULL, made_us INTEGER NOT NULL, made_by TEXT NOT NULL, expires_us INTEGER NOT NULL,"
	" revoked_us INTEGER, revoked_by TEXT) STRICT, WITHOUT ROWID;"
	"CREATE TABLE requests (user TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, task TEXT NOT NULL,"
	" made_us INTEGER NOT NULL, PRIMARY KEY (user, key)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX requests_made ON requests (made_us);"
	"CREATE INDEX tasks_running ON tasks (seq) WHERE parent = '' AND state IN ('running', 'parked');",

	/* What people said of tasks: how much one matters, and from where a fork came (the last event that counts). */
	"ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN forked_from TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE tasks ADD COLUMN forked_at INTEGER NOT NULL DEFAULT 0;",

	/* Public halves of keys that sign checkpoints, each signed by the one before it; signatures of the checkpoints' hashes. */
	"CREATE TABLE audit_keys (key TEXT PRIMARY KEY, public TEXT NOT NULL, since INTEGER NOT NULL, by TEXT NOT NULL,"
	" signature TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE signatures (id INTEGER PRIMARY KEY, key TEXT NOT NULL, signature TEXT NOT NULL) STRICT;",

	/* What another model spent that stood in for a task's own: cost is booked where it arose. costs.unknown: replies of unknown
	 * cost, known_nanos: what the others cost; days counts the same way, of each model what it answered itself. */
	"CREATE TABLE stand_ins (task TEXT NOT NULL, model TEXT NOT NULL, turns INTEGER NOT NULL, input INTEGER NOT NULL,"
	" cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL, known_nanos INTEGER NOT NULL,"
	" unknown INTEGER NOT NULL, PRIMARY KEY (task, model)) STRICT, WITHOUT ROWID;"
	"DROP TRIGGER costs_more;"
	"ALTER TABLE costs ADD COLUMN known_nanos INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE costs ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0;"
	"UPDATE costs SET known_nanos = usd_nanos WHERE usd_nanos IS NOT NULL;"
	"UPDATE costs SET (known_nanos, unknown) = (SELECT coalesce(sum(json_extract(e.data, '$.data.usd_nanos')), 0),"
	" count(*) - count(json_extract(e.data, '$.data.usd_nanos')) FROM events e WHERE e.task = costs.task AND e.type = 'model.replied')"
	" WHERE usd_nanos IS NULL;"
	"INSERT INTO days SELECT t.started_us / 86400000000, t.user, t.model, 0, sum(c.unknown) - count(*), 0, 0, 0, 0, 0, 0, 0,"
	" sum(c.known_nanos) FROM tasks t JOIN costs c ON c.task = t.task WHERE c.usd_nanos IS NULL"
	" AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root) GROUP BY 1, 2, 3"
	" ON CONFLICT (day, user, model) DO UPDATE SET unknown = unknown + excluded.unknown, usd_nanos = usd_nanos + excluded.usd_nanos;"
	"CREATE TRIGGER costs_more AFTER UPDATE ON costs BEGIN"
	" UPDATE days SET unknown = unknown + NEW.unknown - OLD.unknown, turns = turns + NEW.turns - OLD.turns,"
	" calls = calls + NEW.calls - OLD.calls, denied = denied + NEW.denied - OLD.denied, input = input + NEW.input - OLD.input,"
	" cache_read = cache_read + NEW.cache_read - OLD.cache_read, cache_write = cache_write + NEW.cache_write - OLD.cache_write,"
	" output = output + NEW.output - OLD.output, usd_nanos = usd_nanos + NEW.known_nanos - OLD.known_nanos"
	" WHERE (day, user, model) = (SELECT t.started_us / 86400000000, t.user, t.model FROM tasks t WHERE t.task = NEW.task"
	" AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root)); END;",

	/* Approvals that have run out while their tasks rested. */
	"CREATE INDEX approvals_expiry ON approvals (expires_us) WHERE state = 'pending' AND expires_us > 0;",

	/* Parts of buckets: what of cache_write is kept for an hour, what of output is reasoning. Of trees that left nobody knows it. */
	"ALTER TABLE costs ADD COLUMN cache_write_1h INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE costs ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE stand_ins ADD COLUMN cache_write_1h INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE stand_ins ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE days ADD COLUMN cache_write_1h INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE days ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;"
	"DROP TRIGGER costs_begin;"
	"DROP TRIGGER costs_more;"
	"UPDATE costs SET (cache_write_1h, reasoning) = (SELECT coalesce(sum(json_extract(e.data, '$.data.usage.cache_write_1h')), 0),"
	" coalesce(sum(json_extract(e.data, '$.data.usage.reasoning')), 0) FROM events e WHERE e.task = costs.task"
	" AND +e.type = 'model.replied') WHERE output > 0;"
	"UPDATE stand_ins SET (cache_write_1h, reasoning) = (SELECT coalesce(sum(json_extract(e.data, '$.data.usage.cache_write_1h')), 0),"
	" coalesce(sum(json_extract(e.data, '$.data.usage.reasoning')), 0) FROM events e WHERE e.task = stand_ins.task"
	" AND +e.type = 'model.replied' AND json_extract(e.data, '$.data.asked') = stand_ins.model);"
	"UPDATE days SET cache_write_1h = p.hour, reasoning = p.thought FROM (SELECT day, user, model, sum(hour) AS hour,"
	" sum(thought) AS thought FROM (SELECT t.started_us / 86400000000 AS day, t.root, t.user, t.model, c.cache_write_1h AS hour,"
	" c.reasoning AS thought FROM tasks t JOIN costs c ON c.task = t.task"
	" UNION ALL SELECT t.started_us / 86400000000, t.root, t.user, t.model, -s.cache_write_1h, -s.reasoning"
	" FROM tasks t JOIN stand_ins s ON s.task = t.task"
	" UNION ALL SELECT t.started_us / 86400000000, t.root, t.user, s.model, s.cache_write_1h, s.reasoning"
	" FROM tasks t JOIN stand_ins s ON s.task = t.task) a WHERE NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = a.root)"
	" GROUP BY 1, 2, 3) p WHERE days.day = p.day AND days.user = p.user AND days.model = p.model;"

	/* Days of all users and models together: as many rows as there are days. */
	"CREATE TABLE day_sums (day INTEGER PRIMARY KEY, tasks INTEGER NOT NULL, unknown INTEGER NOT NULL, turns INTEGER NOT NULL,"
	" calls INTEGER NOT NULL, denied INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL,"
	" cache_write INTEGER NOT NULL, output INTEGER NOT NULL, usd_nanos INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL,"
	" reasoning INTEGER NOT NULL) STRICT;"
	"INSERT INTO day_sums SELECT day, sum(tasks), sum(unknown), sum(turns), sum(calls), sum(denied), sum(input), sum(cache_read),"
	" sum(cache_write), sum(output), sum(usd_nanos), sum(cache_write_1h), sum(reasoning) FROM days GROUP BY day;"
	"CREATE TRIGGER days_begin AFTER INSERT ON days BEGIN INSERT INTO day_sums VALUES (NEW.day, NEW.tasks, NEW.unknown, NEW.turns,"
	" NEW.calls, NEW.denied, NEW.input, NEW.cache_read, NEW.cache_write, NEW.output, NEW.usd_nanos, NEW.cache_write_1h, NEW.reasoning)"
	" ON CONFLICT (day) DO UPDATE SET tasks = tasks + excluded.tasks, unknown = unknown + excluded.unknown,"
	" turns = turns + excluded.turns, calls = calls + excluded.calls, denied = denied + excluded.denied,"
	" input = input + excluded.input, cache_read = cache_read + excluded.cache_read,"
	" cache_write = cache_write + excluded.cache_write, output = output + excluded.output,"
	" usd_nanos = usd_nanos + excluded.usd_nanos, cache_write_1h = cache_write_1h + excluded.cache_write_1h,"
	" reasoning = reasoning + excluded.reasoning; END;"
	"CREATE TRIGGER days_more AFTER UPDATE ON days BEGIN UPDATE day_sums SET tasks = tasks + NEW.tasks - OLD.tasks,"
	" unknown = unknown + NEW.unknown - OLD.unknown, turns = turns + NEW.turns - OLD.turns,"
	" calls = calls + NEW.calls - OLD.calls, denied = denied + NEW.denied - OLD.denied,"
	" input = input + NEW.input - OLD.input, cache_read = cache_read + NEW.cache_read - OLD.cache_read,"
	" cache_write = cache_write + NEW.cache_write - OLD.cache_write, output = output + NEW.output - OLD.output,"
	" usd_nanos = usd_nanos + NEW.usd_nanos - OLD.usd_nanos,"
	" cache_write_1h = cache_write_1h + NEW.cache_write_1h - OLD.cache_write_1h,"
	" reasoning = reasoning + NEW.reasoning - OLD.reasoning WHERE day = NEW.day; END;"
	"CREATE TRIGGER costs_begin AFTER INSERT ON costs BEGIN"
	" INSERT INTO days SELECT t.started_us / 86400000000, t.user, t.model, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM tasks t"
	" WHERE t.task = NEW.task AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root)"
	" ON CONFLICT (day, user, model) DO UPDATE SET tasks = tasks + 1; END;"
	"CREATE TRIGGER costs_more AFTER UPDATE ON costs BEGIN UPDATE days SET"
	" unknown = unknown + NEW.unknown - OLD.unknown, turns = turns + NEW.turns - OLD.turns,"
	" calls = calls + NEW.calls - OLD.calls, denied = denied + NEW.denied - OLD.denied,"
	" input = input + NEW.input - OLD.input, cache_read = cache_read + NEW.cache_read - OLD.cache_read,"
	" cache_write = cache_write + NEW.cache_write - OLD.cache_write, output = output + NEW.output - OLD.output,"
	" usd_nanos = usd_nanos + NEW.known_nanos - OLD.known_nanos,"
	" cache_write_1h = cache_write_1h + NEW.cache_write_1h - OLD.cache_write_1h,"
	" reasoning = reasoning + NEW.reasoning - OLD.reasoning"
	" WHERE (day, user, model) = (SELECT t.started_us / 86400000000, t.user, t.model FROM tasks t WHERE t.task = NEW.task"
	" AND NOT EXISTS (SELECT 1 FROM imported i WHERE i.root = t.root)); END;"

	/* The index of words again, with the beginnings of words in it: the words themselves come in behind, as always. */
	"DROP TABLE words;"
	"CREATE VIRTUAL TABLE words USING fts5(goal, result, plan, reply, args, output, person, content='', columnsize=0,"
	" prefix='2 3 4', tokenize='unicode61 remove_diacritics 2');"
	"UPDATE words_upto SET seq = 0;",
};
enum { VERSION = COUNT(migrations) };

static int read_versions(struct db *db, int64_t *ret_application, int64_t *ret_version, int64_t *ret_objects,
                         struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_VERSIONS, "");
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	*ret_application = query_int(&q, 0);
	*ret_version = query_int(&q, 1);
	*ret_objects = query_int(&q, 2);
	return 0;
}

/* Changing to WAL does not wait for locks by itself. */
static int enter_wal(struct db *db, struct err *err)
{
	int64_t deadline = clock_mono_ms() + LIMIT_STORE_BUSY_MS;
	struct timespec pause = { .tv_nsec = 2000000 };
	int r = db_exec(db, "PRAGMA journal_mode=WAL", err);

	while (r == -EBUSY && clock_mono_ms() < deadline) {
		nanosleep(&pause, NULL);
		r = db_exec(db, "PRAGMA journal_mode=WAL", err);
	}
	return r;
}

static int migrate(struct db *db, struct err *err)
{
	int64_t application, version = 0, objects;
	char stamp[96];
	int r = tx_begin(db, err);

	if (r < 0)
		return r;
	r = read_versions(db, &application, &version, &objects, err);     /* again: another process may have been faster */
	for (size_t i = (size_t)version; r == 0 && i < VERSION; i++)
		r = db_exec(db, migrations[i], err);
	snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION_ID, VERSION);
	if (r == 0 && version < VERSION)
		r = db_exec(db, stamp, err);
	return tx_end(db, r, err);
}

int schema_prepare(struct db *db, bool may_write, struct err *err)
{
	int64_t application, version, objects;
	int r = read_versions(db, &application, &version, &objects, err);

	if (r < 0)
		return r;
	if (application != APPLICATION_ID && (application != 0 || version != 0 || objects != 0))
		return err_set(err, EUCLEAN, "%s: this is a database of another program; give another --data DIR", db->path);
	if (version > VERSION)
		return err_set(err, ENOTSUP, "%s: written by a newer version of mishri (format %lld, this one "
		               "knows %d): install that version, or give another --data DIR", db->path, (long long)version,
		               (int)VERSION);
	if (version == VERSION)
		return 0;
	if (!may_write && version > 0)
		return err_set(err, EAGAIN, "%s: written by an older version of mishri; a command that may write, such as "
		               "'mishri run', brings it up to date", db->path);
	if (!may_write)
		return err_set(err, ENOENT, "%s: nothing has been stored yet", db->path);
	r = enter_wal(db, err);
	return r < 0 ? r : migrate(db, err);
}

static int compare_object(struct db *db, const struct query *want, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_SCHEMA_OBJECT, "t", query_text(want, 0));
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	if (r == 0 || strcmp(query_text(&q, 0), query_text(want, 1)) != 0)
		return err_set(err, EBADMSG, "%s: '%s' is not as mishri made it", db->path, query_text(want, 0));
	return 0;
}

int schema_check_objects(struct db *db, struct err *err)
{
	struct db fresh;
	int r = db_open(&fresh, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);

	if (r < 0)
		return r;
	r = migrate(&fresh, err);
	if (r == 0) {
		AUTO(query_done) struct query want = query_start(&fresh, SQL_SCHEMA_OBJECTS, "");
		while (r == 0 && (r = query_next(&want, err)) > 0)
			r = compare_object(db, &want, err);
	}
	db_close(&fresh);
	if (r < 0)
		return r;
	AUTO(query_done) struct query odd = query_start(db, SQL_SCHEMA_ODD_TRIGGER, "");
	r = query_next(&odd, err);
	return r <= 0 ? r : err_set(err, EBADMSG, "%s: trigger '%s' is not of mishri", db->path, query_text(&odd, 0));
}
