/* store.h - the durable truth: events in, queries out. One interface for every database; this header
 * names none. The file format is in README.md beside this file.
 *
 * Threads: one writer thread inside commits batches in groups. Everything else runs on the thread
 * that calls; a struct store is used by one thread only. Any number of processes may share a store. */
#ifndef MISHRI_STORE_STORE_H
#define MISHRI_STORE_STORE_H

#include "core/event.h"
#include "policy/limits.h"

struct store;                                                   /* opaque */

enum store_flags {
	STORE_CREATE = 1,            /* make the directory and the database when missing */
	STORE_READ_ONLY = 2,         /* no writer thread; append is refused */
};

/* dir: the data directory. Failure: -ENOENT no store and no STORE_CREATE, -EACCES, -ENOSPC, -EROFS as
 * the system says, -ENOTSUP written by a newer version, -EAGAIN by an older one and may not be written, -EUCLEAN damaged.
 * err names the file and what to do. */
MUST_USE int store_open(const char *dir, unsigned flags, struct store **ret, struct err *err);
void store_close(struct store *store);                          /* commits what is queued first; NULL is fine */
void store_closep(struct store **store);
const char *store_path(const struct store *store);              /* the database file; borrowed */

/* ---- engines and leases ---------------------------------------------------------------------- */

/* Writes this process into `engines` (pid, start time, boot id, socket, user), so that others can see
 * whether it lives. socket_path may be "". Call once; store_close takes it out again. */
MUST_USE int store_engine_register(struct store *store, const char *socket_path, struct err *err);
const char *store_engine_id(const struct store *store);         /* "" before registration */

/* Takes the lease of an existing task: at once where none is held, it has expired, or its holder's
 * process is gone. *ret_generation is higher than every one before and fences every later batch.
 * -EBUSY: a living engine holds it (err names its pid); -ENOENT: no such task; -EPERM: imported, only to be looked at. */
MUST_USE int store_lease_take(struct store *store, const char *task, int64_t *ret_generation, struct err *err);

/* Gives a lease back that was taken, and for which nothing was written: the task could not be gone on with. */
void store_lease_drop(struct store *store, const char *task, int64_t generation);

/* Lengthens all leases of this engine by LIMIT_LEASE_MS. Asynchronous; a lease that was lost is
 * reported by the next batch of its task (-ESTALE). */
void store_lease_renew(struct store *store);

/* Is this lease still this engine's? Costs nothing while the last renewal says so; after a time in which this process
 * did not run, the store is asked, and the lease lengthened. -ESTALE: another engine has taken the task over. */
MUST_USE int store_lease_check(struct store *store, const char *task, int64_t generation, struct err *err);

/* ---- appending --------------------------------------------------------------------------------- */

enum lease_action { LEASE_HOLD, LEASE_CREATE, LEASE_RELEASE };

/* What must be had in the very transaction in which the events become durable, or they do not: uses of rates, and
 * room in budgets. What the events themselves spend and reserve is counted from them (see README.md). */
struct store_charge {
	struct charge_rate {
		struct rate rate;
		char key[LIMIT_KEY_BYTES];
		int64_t uses;
		bool forced;                   /* a person said yes to this one: it is counted and not refused */
		bool refused;
		int64_t wait_us;               /* refused: until then; INT64_MAX: it can never be had */
	} rates[LIMIT_POLICY_HITS];
	size_t rate_count;
	struct charge_budget {
		struct budget budget;
		char key[USER_LEN + 1];        /* root task, session or user; "" for the whole store */
		bool refused;
		enum budget_unit unit;         /* refused: of what there is too little */
		int64_t spent, reserved, most; /* of that unit; most: with what was raised */
	} budgets[LIMIT_POLICY_HITS];
	size_t budget_count;
	int64_t wants[BUDGET_UNITS];           /* what the events will spend or reserve */
	bool raises;                           /* the event gives its budget more: only where that has no room, -EALREADY else */
	int64_t day;                           /* answer: the day, UTC, that the first event falls on and budgets were asked about */
	bool refused;                          /* any of them: nothing was written, and no rate was used */
};

/* "root", "user/day" ...: by what raises are known. */
const char *budget_scope_key(const struct budget *budget, const char *key, int64_t day, char text[static 160]);
struct store_batch {
	const char *root;            /* the chain that the events extend: id of the root task; "" for engine events */
	const char *task;            /* whose lease fences the batch; "" for engine events: no fence */
	int64_t generation;          /* of that lease; ignored with LEASE_CREATE, which makes generation 1 */
	enum lease_action lease;     /* CREATE with task.created; RELEASE with the last batch of a task */
	struct event *events;        /* an array of `count`; the store takes each event's data over */
	size_t count;                /* 1 .. LIMIT_BATCH_EVENTS */
	bool checkpoint;             /* also note the chain's head in the checkpoint chain (task ended or parked) */
	struct store_charge *charge; /* NULL: none. The caller's, until on_commit; the answer is in it. Refused: -EDQUOT */
	int64_t inbox_upto;          /* messages of the task up to this id are done with; 0: none */
	/* Once, from store_dispatch, in the order of appending within a task. result 0: durable, and
	 * events' seq were given (first_seq, rising by one each). -ESTALE: the lease is lost, nothing was written.
	 * Others: nothing was written, err says why; all later batches of this store fail the same way. */
	void (*on_commit)(void *userdata, int result, int64_t first_seq, const struct err *err);
	void *userdata;
};

/* Queues a batch: all of it or nothing becomes durable. Never blocks for the disk, except when
 * LIMIT_STORE_QUEUE_BATCHES are waiting. The batch struct is copied; strings and the array too. */
void store_append(struct store *store, const struct store_batch *batch);

int store_fd(const struct store *store);                        /* readable when store_dispatch has work */
void store_dispatch(struct store *store);                       /* calls on_commit of finished batches */

/* Appends and waits. 0 or the batch's result. */
MUST_USE int store_append_wait(struct store *store, const struct store_batch *batch, int64_t *ret_first_seq, struct err *err);

/* ---- health ------------------------------------------------------------------------------------- */

struct beat;                            /* base/heartbeat.h */
/* The writer thread beats while it commits and rests in between. Borrowed until the next call; NULL: no more. */
void store_watch(struct store *store, struct beat *beat);

struct store_health {
	int64_t db_bytes, wal_bytes;
	int64_t free_bytes;          /* for this user, where the file lies; -1: cannot be known */
	int64_t events;
	int64_t waiting;             /* batches of this process that are not durable yet */
	bool broken;                 /* this process can write nothing more */
};
MUST_USE int store_health(struct store *store, struct store_health *ret, struct err *err);

struct engine_row {               /* borrowed */
	const char *engine, *socket, *user;
	int64_t pid;
	enum { ENGINE_GONE, ENGINE_UNKNOWN, ENGINE_ALIVE } life;   /* unknown: of another machine or namespace */
	int64_t leases;              /* tasks that it holds */
	int64_t renewed_ms;          /* when it last lengthened them, monotonic; -1: it holds none */
};
MUST_USE int store_engines(struct store *store, void (*visit)(void *userdata, const struct engine_row *row), void *userdata,
                           struct err *err);

/* ---- inbox: messages to a task, from any process --------------------------------------------------- */

struct inbox_message { int64_t id; int64_t time_us; char kind[24]; char user[USER_LEN + 1]; json_t *body; };

/* Kinds: cancel, pause, resume, steer, approval, answer, priority. Durable on return; then the task's engine
 * is poked on its socket, where it has one. */
MUST_USE int store_inbox_put(struct store *store, const char *task, const char *kind, const char *user,
                             const json_t *body, struct err *err);
/* Messages with id > after, oldest first; the visitor must not keep the message. */
MUST_USE int store_inbox_read(struct store *store, const char *task, int64_t after,
                              void (*visit)(void *userdata, const struct inbox_message *message), void *userdata, struct err *err);

struct inbox_note { int64_t id; char kind[24], task[ID_LEN + 1], root[ID_LEN + 1]; };
/* All messages with an id above `after`, whoever's, in their order, without what they say. */
MUST_USE int store_inbox_news(struct store *store, int64_t after, void (*visit)(void *userdata, const struct inbox_note *note),
                              void *userdata, struct err *err);

/* ---- approvals and grants ------------------------------------------------------------------------ */

struct approval_row {             /* borrowed, but `request`, which the row owns */
	char approval[ID_LEN + 1], task[ID_LEN + 1], call[24], kind[16], state[16];
	const char *user, *task_state, *goal; /* of the task */
	const char *voters, *by, *reason; /* who said yes so far, separated by ", "; who decided, "" before */
	char word[ID_LEN + 1];            /* id of the newest answer that counted */
	int64_t expires_us, decided_us;   /* 0: never; not yet */
	int votes;
	bool alive;                       /* an engine that lives holds the task */
	int64_t requested_us;
	json_t *request;                  /* data of approval.requested, whole */
};
/* pending: those that wait, oldest first; else all, newest first. The row is the visitor's to read, not to keep. */
MUST_USE int store_approvals(struct store *store, bool pending, int64_t limit,
                             void (*visit)(void *userdata, const struct approval_row *row), void *userdata, struct err *err);
/* Root tasks that are parked, of whose tree an approval that waits has run out before that time. */
MUST_USE int store_approvals_late(struct store *store, int64_t now_us, void (*visit)(void *userdata, const char *root),
                                  void *userdata, struct err *err);
/* A whole id or an unambiguous beginning of at least 3 characters. -ENOENT, -EEXIST; err suggests. */
MUST_USE int store_approval_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err);
MUST_USE int store_approval_get(struct store *store, const char *approval,
                                void (*visit)(void *userdata, const struct approval_row *row), void *userdata, struct err *err);
/* Whose it is: -ENOENT. */
MUST_USE int store_approval_task(struct store *store, const char *approval, char ret[static ID_LEN + 1], struct err *err);
/* Why the engine did not count an answer; *ret NULL: it said nothing about it. The caller owns it. */
MUST_USE int store_answer_refused(struct store *store, const char *task, const char *word, char **ret, struct err *err);

struct grant_row {                /* borrowed, but `made`, which the row owns */
	char grant[ID_LEN + 1], approval[ID_LEN + 1], task[ID_LEN + 1], root[ID_LEN + 1], session[ID_LEN + 1];
	const char *user, *scope, *revoked_by;
	int64_t made_us, until_us, used_us, revoked_us; /* 0: no end, not yet, not */
	int64_t uses;
	json_t *made;                     /* data of grant.made */
};
MUST_USE int store_grants(struct store *store, int64_t limit, void (*visit)(void *userdata, const struct grant_row *row),
                          void *userdata, struct err *err);
MUST_USE int store_grant_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err);
MUST_USE int store_grant_get(struct store *store, const char *grant, void (*visit)(void *userdata, const struct grant_row *row),
                             void *userdata, struct err *err);
struct grant_wish { const char *digest, *program_digest, *user, *root, *session; int64_t now_us; }; /* program_digest: or NULL */
/* A grant in force that covers this: 1 and its id, or 0. */
MUST_USE int store_grant_match(struct store *store, const struct grant_wish *wish, char ret[static ID_LEN + 1], struct err *err);

/* ---- reading ------------------------------------------------------------------------------------ */

enum task_state { TASK_RUNNING, TASK_PARKED, TASK_PAUSED, TASK_DONE, TASK_FAILED, TASK_DENIED, TASK_CANCELLED, TASK_STATES };
const char *task_state_name(enum task_state state);             /* "running", "parked", "done", ... */

struct task_row {                 /* one row of the projection; all text owned by the row */
	char task[ID_LEN + 1], root[ID_LEN + 1], parent[ID_LEN + 1], session[ID_LEN + 1];
	char *goal, *agent, *role, *user, *model, *workspace, *result;   /* result: NULL before the end */
	enum task_state state;
	bool alive;                   /* running or paused, and the engine that holds its lease lives, and has renewed it in time */
	int holder_pid;               /* 0: nobody holds it */
	int exit;                     /* -1 before the end */
	int64_t started_us, ended_us; /* ended 0: not yet */
	int64_t priority;             /* higher goes first; 0 where nobody said anything */
	char forked_from[ID_LEN + 1]; /* "": no fork */
	int64_t forked_at;            /* the last event of that task that counts */
	int64_t turns, calls, denied;
	int64_t input, cache_read, cache_write, output;
	int64_t cache_write_1h, reasoning; /* parts of cache_write and of output */
	int64_t usd_nanos;            /* -1: unknown, because at least one reply's cost is */
};
void task_row_done(struct task_row *row);

/* A whole id or an unambiguous beginning of at least 4 characters; "last": the newest root task.
 * -ENOENT, -EEXIST (ambiguous; err lists candidates). */
MUST_USE int store_task_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err);
MUST_USE int store_task_get(struct store *store, const char *task, struct task_row *ret, struct err *err); /* -ENOENT */

struct task_filter {
	const char *parent;           /* children of this task; NULL: root tasks, for which a state must be given */
	const char *state;            /* NULL: any */
	int64_t limit;                /* 0: 100 */
};
/* Newest first (children: oldest first), without what was imported to be looked at. The row is the visitor's to read, not to
 * keep. */
MUST_USE int store_tasks(struct store *store, const struct task_filter *filter,
                         void (*visit)(void *userdata, const struct task_row *row), void *userdata, struct err *err);

/* Root tasks that have not ended, by state: running and parked, each once. */
MUST_USE int store_task_counts(struct store *store, void (*visit)(void *userdata, const char *state, int64_t count), void *userdata,
                               struct err *err);

struct cost_row {                 /* what one task spent itself, without its children */
	const char *root, *task, *session, *user, *model;
	const char *goal;             /* of the root */
	int64_t started_us;
	int64_t turns, calls, denied;
	int64_t input, cache_read, cache_write, output;
	int64_t cache_write_1h, reasoning; /* parts of cache_write and of output */
	int64_t usd_nanos;            /* -1: unknown */
	int64_t known_nanos, unknown; /* what the replies of known cost cost; how many others there were */
	bool stand_in;                /* of `model`, which stood in for the task's own: a part of a task, not one more */
};
struct cost_filter {              /* NULL and 0: any */
	int64_t since_us, until_us;   /* the root task began at or after, and before */
	const char *user, *session;
	const char *root;             /* this tree alone; then nothing else counts */
};
/* Every task of the trees that fit, with what its own model spent, and before it a row for each model that stood in. The tasks
 * of one tree come together, newest tree first. Trees that came out of a file were paid for elsewhere and are left out, but
 * where one is asked for. */
MUST_USE int store_costs(struct store *store, const struct cost_filter *filter,
                         void (*visit)(void *userdata, const struct cost_row *row), void *userdata, struct err *err);

struct day_row {                  /* what a model did for a user's tasks that began on a day (UTC; since 1970) */
	int64_t day;
	const char *user, *model;
	int64_t tasks, unknown;       /* tasks: whose own model it is; unknown: replies of unknown cost, of the model that gave them */
	int64_t turns, calls, denied, input, cache_read, cache_write, output;
	int64_t cache_write_1h, reasoning; /* parts of cache_write and of output */
	int64_t usd_nanos;            /* of the others */
};
/* Newest day first; of filter, days, user and nothing else. What retention took away is still in it. */
MUST_USE int store_days(struct store *store, const struct cost_filter *filter,
                        void (*visit)(void *userdata, const struct day_row *row), void *userdata, struct err *err);
/* The same, one row a day for all users and models together (""); of filter, days and nothing else. */
MUST_USE int store_day_sums(struct store *store, const struct cost_filter *filter,
                            void (*visit)(void *userdata, const struct day_row *row), void *userdata, struct err *err);

struct call_row {
	char call[24];
	int64_t turn;
	const char *tool, *args, *effect, *rule, *status, *output;   /* "" where not yet; args and output as JSON text and text */
	int exit;                     /* -1: none */
	int64_t started_us, ms;
};
MUST_USE int store_calls(struct store *store, const char *task,
                         void (*visit)(void *userdata, const struct call_row *row), void *userdata, struct err *err);

struct event_filter {
	const char *task;             /* NULL: all */
	bool tree;                    /* with task: the whole tree below its root */
	const char *type;             /* a name, or a prefix ending in '.', NULL: all */
	int64_t after_seq;
	int64_t limit;                /* 0: no limit */
	bool with_content;            /* put blobs back in their places */
};
struct event_row { int64_t seq; struct str text; const char *prev, *hash; }; /* text: as stored, or with blobs put back */
/* Oldest first. The visitor returns false to stop. */
MUST_USE int store_events(struct store *store, const struct event_filter *filter,
                          bool (*visit)(void *userdata, const struct event_row *row), void *userdata, struct err *err);
/* All events of one task with their content, oldest first, each parsed once: what a resume reads. The event is borrowed for
 * the visit. A visitor's -errno ends it and is returned; it has said why. */
MUST_USE int store_replay(struct store *store, const char *task,
                          int (*visit)(void *userdata, const struct event *event, struct err *err), void *userdata,
                          struct err *err);
/* A number that changes with every commit of another connection, of whatever process. Cheap. */
MUST_USE int store_version(struct store *store, int64_t *ret, struct err *err);
/* seq of the newest event of all (0: none), and of one before which none is newer than that time, as far as the clock went
 * forwards. */
MUST_USE int store_event_newest(struct store *store, int64_t *ret_seq, struct err *err);
MUST_USE int store_event_before(struct store *store, int64_t time_us, int64_t *ret_seq, struct err *err);
/* The newest event of a task; without content. -ENOENT: it has none. */
MUST_USE int store_event_last(struct store *store, const char *task, struct event *ret, struct err *err);

struct store_spent { int64_t spent[BUDGET_UNITS], reserved[BUDGET_UNITS], raised[BUDGET_UNITS]; };
/* What a budget has seen so far; `without`: a task whose reservation is left out, or "". key: as in struct charge_budget. */
MUST_USE int store_spent(struct store *store, const struct budget *budget, const char *key, int64_t day, const char *without,
                         struct store_spent *ret, struct err *err);

/* ---- upkeep --------------------------------------------------------------------------------------- */

struct store_report {
	int64_t events, chains, checkpoints, blobs;
	int64_t pruned;               /* trees that left by retention */
	int64_t signatures;           /* of checkpoints; the others were made while there was no key */
};
/* Recomputes every hash, compares columns with texts, blobs with digests, heads with checkpoints.
 * -EBADMSG: err names the first event that is not as it was written. */
MUST_USE int store_verify(struct store *store, struct store_report *ret, struct err *err);
/* Makes all projections anew from the events, in one transaction. */
MUST_USE int store_rebuild(struct store *store, struct err *err);

#endif
