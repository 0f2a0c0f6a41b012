/* internal.h - what the files of this folder share; nobody else includes it. */
#ifndef MISHRI_STORE_INTERNAL_H
#define MISHRI_STORE_INTERNAL_H

#include <pthread.h>

#include "base/hash.h"
#include "store/schema.h"
#include "store/store.h"

#define GENESIS "0000000000000000000000000000000000000000000000000000000000000000"
#define REMOVED "[content removed]"

/* ---- blob.c: long strings out of events and in again ---- */

/* An event as it is stored. The caller owns what is in it. */
struct stored {
	struct event event;          /* data: without long strings */
	char *text;
	size_t len;
	json_t *refs;                /* JSON Pointer → digest; NULL: nothing was moved */
	json_t *blobs;               /* digest → string */
};
/* Takes event->data over in any case. -EINVAL: not of the catalogue; -EFBIG. */
MUST_USE int stored_make(struct event *event, struct stored *ret, struct err *err);
void stored_done(struct stored *s);

/* Puts the strings of `refs` back into a parsed event (text → object) and removes the key "blobs". */
MUST_USE int blobs_restore(struct db *db, json_t *event, struct err *err);
/* Do all of `refs` lead to places in data where a string was moved out? Fills those places. */
bool blobs_fit(json_t *event);

/* ---- project.c ---- */

struct fact {
	int64_t seq, time_us;
	const char *task, *parent, *session, *user;
	const json_t *data, *refs;
	int64_t calls;               /* a proposed call: how many it counts for; 0: one behind it counts for it, too */
	bool imported;               /* it happened elsewhere */
};
void fact_bind(sqlite3_stmt *stmt, const struct fact *fact);   /* its parameters, by their names */
void project_forget(struct db *db);                            /* what was written was undone: nothing is known of it */
MUST_USE int project(struct db *db, enum event_type type, const struct fact *fact, struct err *err);

/* ---- schedules.c: what schedules and their runs become by an event. -ECANCELED: it was decided on a state that is past;
 * -EEXIST: the name is taken, or the instant has had its run; -ESTALE: the task is no longer wanted. Nothing is
 * written then. ---- */

MUST_USE int schedule_project(struct db *db, enum event_type type, const struct fact *fact, struct err *err);

/* ---- signing.c ---- */

/* The key in the data directory; NULL: none that can be used. Borrowed. */
const struct sign_key *signer_get(struct db *db);
MUST_USE int signer_put(struct db *db, const struct sign_key *key, int64_t checkpoint, const char *hash, struct err *err);

/* ---- approvals.c ---- */

/* The data of the stored event in a column, its blobs in place; the caller owns it. */
MUST_USE int event_data(const struct query *q, int column, json_t **ret, int64_t *ret_time_us, struct err *err);

/* ---- batch.c: a batch, and its way into a transaction ---- */

struct pending {
	struct pending *next;
	char root[ID_LEN + 1], task[ID_LEN + 1], engine[ID_LEN + 1];
	int64_t generation, inbox_upto;
	struct store_charge *charge, *charge_out;   /* the thread's own, and the caller's, which gets the answer */
	enum lease_action lease;
	bool checkpoint;
	struct stored *events;
	size_t count;
	void (*on_commit)(void *userdata, int result, int64_t first_seq, const struct err *err);
	void *userdata;
	bool waited_for;             /* store_append_wait looks at `done` itself */
	bool done;
	int result;                  /* < 0 already when queued: it was not fit to be stored */
	int64_t first_seq;
	struct err err;
};
struct pending *pending_new(const struct store_batch *batch, const char *engine);
void pending_free(struct pending *p);

/* charge.c: inside a transaction. 0, or -EDQUOT with what is in *c; nothing is changed then. */
MUST_USE int charge_write(struct db *db, struct store_charge *c, const char *task, int64_t time_us, struct err *err);
void charge_answer(const struct store_charge *from, struct store_charge *to);

/* Notes the head of a chain in the chain of checkpoints, inside a transaction. seq: of its last event. */
MUST_USE int checkpoint_write(struct db *db, const char *root, int64_t seq, struct err *err);

/* Inside a transaction. Failure: the caller undoes what was written. -ESTALE: fenced. */
MUST_USE int batch_write(struct db *db, struct pending *p);

/* ---- query.c ---- */

/* The current row of TASK_COLUMNS (statements.def); task_row_done releases it. */
void task_row_read(const struct query *q, struct task_row *row);

/* ---- words.c ---- */

enum { WORDS_SHIFT = 31 };           /* a rowid of `words`: seq of the root, then how far the event is behind it */
int64_t words_rowid(int64_t root_seq, int64_t seq);
const char *words_place(size_t i);   /* "goal" ...; NULL behind the last */
/* What is indexed of an event's text: 1 with its place and words, 0 nothing is. */
MUST_USE int words_text(struct db *db, const char *type, struct str stored, const char **ret_place, struct buf *ret,
                        struct err *err);
/* Takes an indexed event out, inside a transaction. */
MUST_USE int words_take(struct db *db, int64_t seq, int64_t root_seq, const char *type, struct str stored,
                        struct err *err);
MUST_USE int words_upto(struct db *db, int64_t *ret_seq, int64_t *ret_last, struct err *err);
/* One batch in a transaction of its own. */
MUST_USE int words_step(struct db *db, bool *ret_more, struct err *err);

/* ---- prune.c ---- */

/* One event of the engine chain, with a checkpoint, inside a transaction. Takes the data over. */
MUST_USE int engine_event_write(struct db *db, enum event_type type, const char *user, json_t *owned_data, struct err *err);
struct prune_rule;
/* Root tasks that the rule names, oldest first; stays: why one cannot leave, or NULL. The visitor returns false to stop. */
MUST_USE int prune_walk(struct db *db, const struct prune_rule *rule,
                        bool (*visit)(void *userdata, const struct task_row *root, const char *stays), void *userdata,
                        struct err *err);
/* One tree leaves, in a transaction of its own. -EBUSY: it stays. */
MUST_USE int prune_tree(struct db *db, const char *root, const char *by, const char *reason, int64_t *ret_events, struct err *err);

/* ---- retain.c: a round of retention, step by step on the writer's thread ---- */

struct retain;
bool retain_step(struct retain *t, struct db *db);       /* one look or one tree; false: the round is over */
void retain_finish(struct retain *t);                    /* from the calling thread: tells, and frees */
/* on_end is not called; what it borrowed has to last until the store is closed. */
void retain_forget(struct retain *t);
void retain_free(struct retain *t);                      /* without telling; NULL is fine */

/* ---- lease.c ---- */

/* A process as it can be recognised again. */
struct process { int64_t pid, start, pid_namespace; char boot[40]; };
void process_self(struct process *ret);
enum life { LIFE_GONE, LIFE_UNKNOWN, LIFE_ALIVE };
enum life process_life(const struct process *p);
/* Columns from `first` on: pid, start, boot, pid_namespace. A null pid is gone. */
enum life holder_life(const struct query *q, int first);

/* ---- writer.c ---- */

struct writer;
MUST_USE int writer_start(const char *path, struct writer **ret, struct err *err);
void writer_stop(struct writer *w);                     /* after what is queued; NULL is fine */
void writer_queue(struct writer *w, struct pending *p); /* takes p over, unless it is waited for */
void writer_renew(struct writer *w, const char *engine);
int64_t writer_sure_until_ms(struct writer *w);         /* monotonic; no lease of this engine expires before */
void writer_wait(struct writer *w, const struct pending *p);
void writer_sign_with(struct writer *w, const struct sign_key *key);   /* before anything is queued; borrowed */
void writer_watch(struct writer *w, struct beat *beat);  /* borrowed until the next call; NULL: no more */
size_t writer_waiting(struct writer *w, bool *ret_broken); /* batches that are not durable yet */
MUST_USE bool writer_retain(struct writer *w, struct retain *t); /* takes t over; false: one is under way, t stays the caller's */
void writer_retain_alone(struct writer *w);             /* nobody wants to hear of the round that is under way */
struct retain *writer_retained(struct writer *w);       /* a round that is over, once; NULL: none. The caller owns it */
int writer_fd(const struct writer *w);
struct pending *writer_collect(struct writer *w);       /* finished ones, oldest first; the caller owns them */

struct store {
	struct db db;                /* of the calling thread */
	struct writer *writer;       /* NULL: read-only */
	char engine[ID_LEN + 1];
};

#endif
