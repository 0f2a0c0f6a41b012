/* task.h - the state of one task, and what comes next. Pure: no I/O, no clock, no randomness.
 *
 *   task_apply(task, event)    fold one event into the state
 *   task_decide(task, input)   what to do now, step by step
 *
 * The engine turns every step into events (the intent), makes them durable, and only then lets the
 * effect happen; what the effect brings is an event again. Because its event changes the state
 * so that the step is not given again, the engine may ask until nothing is left to do. */
#ifndef MISHRI_CORE_TASK_H
#define MISHRI_CORE_TASK_H

#include "core/approval.h"
#include "core/bounds.h"
#include "core/event.h"
#include "core/failure.h"

enum task_phase { PHASE_NEW, PHASE_ACTIVE, PHASE_PARKED, PHASE_ENDED };
enum model_phase {
	MODEL_IDLE, MODEL_ASKED, MODEL_FAILED, MODEL_WAITING,
	MODEL_OVER,                    /* a limit or a budget wants a person's word; nobody was asked yet */
	MODEL_HELD,                    /* a person is being asked */
};
enum call_phase {
	CALL_PROPOSED,                 /* nobody looked at it yet */
	CALL_REFUSED,                  /* decided: no */
	CALL_ASKED,                    /* decided: a person must say; not asked yet */
	CALL_HELD,                     /* a person is being asked */
	CALL_ALLOWED,
	CALL_WAITING,                  /* allowed, and too soon for a limit */
	CALL_RUNNING,
	CALL_LOST,                     /* ran when the engine went; what became of it is unknown */
	CALL_CLOSED,                   /* has its result */
};

enum { CALL_ID_BYTES = 24 };

struct child {                         /* a task that a call delegated to */
	char id[ID_LEN + 1];
	char *goal, *agent, *step;     /* step: NULL where it belongs to none */
	bool question;                 /* it is asked by this task, and answers in the name of the one above */
	bool reported;
	char *state, *result;          /* NULL before the report */
	json_t *asked;                 /* what it asked this task, as in task.reported; NULL: nothing */
};

struct call {
	char id[CALL_ID_BYTES];        /* "TURN.INDEX", from 1.1 */
	char *provider_id, *tool;
	json_t *args;
	int turn, attempt;             /* attempt: how often it was started */
	enum call_phase phase;
	bool repeatable;               /* its nature is pure or idempotent */
	bool polls;                    /* it is made to be called again and again */
	bool killing;                  /* the engine is ending it */
	char *killed_why;              /* NULL: not killed */
	bool invalid;                  /* refused by schema, not by policy */
	unsigned withheld;             /* permissions that it was not granted; 0 where nothing was said */
	char *reason;                  /* why it was refused or asked; NULL before */
	char *rule;                    /* NULL: none */
	char approval[ID_LEN + 1];     /* of the question, once asked */
	char approved[SHA256_HEX_LEN + 1]; /* what a person or a grant said yes to; "" where nobody was asked */
	char *retried_why;             /* what stopped the attempt before this one; NULL: nothing did */
	char *edited_by, *edited_rule; /* who changed the arguments, when which rule asked; NULL */
	int64_t wait_until_us;         /* with CALL_WAITING */
	json_t *over;                  /* the limit.reached or budget.exceeded that it met; NULL: none */
	bool waived;                   /* a person allowed it nevertheless */
	struct child *children;        /* of a delegation */
	size_t child_count;
	bool asks_person;              /* a question to the person is out, also over a restart of the engine */
	char question[ID_LEN + 1];     /* its id; "" before */
	char *answer;                  /* NULL: none yet */
	char *wants_lock;              /* waits for this lock; NULL: it does not */
	int64_t wait_since_us;         /* with wants_lock */
};

/* ---- loops (loops.c) ---- */

enum loop_level { LOOP_NONE, LOOP_NUDGE, LOOP_REPLAN, LOOP_STOP };

struct loop_sign {                     /* one call that ended */
	uint64_t args, result;         /* of tool and canonical arguments; of tool, status and output */
	int turn;
	bool failed, slow;             /* slow: it took its time and was content, as one that waits */
};

struct loops {
	bool off;
	struct loop_sign *signs;       /* LIMIT_LOOP_WINDOW of them; NULL: no call has ended */
	size_t count;
	int stalled;                   /* delegations in a row that brought no part to a good end */
	int chants;                    /* replies in a row whose text repeats itself */
	enum loop_level told;          /* of the loop that goes on now */
	int64_t told_turn;             /* once a turn: the model must have read it */
	bool answers_due;              /* something was said since the last reply */
};

struct loop_finding {
	enum loop_level level;
	const char *kind;              /* repeat, cycle, same_error, repeated_text, no_progress */
	size_t length, count;          /* calls of the cycle, and how often it came */
};

struct task_limits {
	int64_t turns, calls, timeout_ms, output_bytes;
	struct bounds bounds;          /* of its cell and of each call; 0: the default */
};

struct task {
	/* who and what: from task.created */
	char id[ID_LEN + 1], root[ID_LEN + 1], parent[ID_LEN + 1], session[ID_LEN + 1];
	char user[USER_LEN + 1], trace_id[TRACE_ID_LEN + 1], parent_span_id[SPAN_ID_LEN + 1];
	char *goal, *agent, *role, *model, *workspace, *isolation, *channel;
	int depth;
	char *plan_mode;               /* auto, always, never */
	json_t *tools;                 /* names of the tools it has */
	bool interactive;
	struct task_limits limits;
	json_t *config;                /* as task.created had it; object */

	/* where it stands */
	enum task_phase phase;
	enum model_phase model_phase;
	json_t *messages;              /* the conversation in the neutral form of llm.h, without the system prompt */
	struct call *calls;            /* of the current turn */
	size_t call_count;
	struct approval *approvals;    /* those that wait, of calls and of programs at the gate */
	size_t approval_count;
	int64_t recoveries;            /* attempts to take it over since it last got on */
	bool patient;                  /* nobody is there, and it waits for an answer from elsewhere */
	int64_t waiting_since_us, waited_us; /* for people, in this run */
	json_t *plan;                  /* array of steps as in plan.updated; NULL: none */
	bool replan_due;               /* a person wants another one, and there is none yet */
	json_t *seen;                  /* path → SHA-256 of the bytes that a tool showed or wrote; null: nothing was there */
	json_t *background;            /* id of each that was started → did its cell last until now */
	char *taints[LIMIT_TASK_TAINTS]; /* labels of what it has read; they stay */
	size_t taint_count;
	int64_t kept_bytes;            /* of outputs, by output.kept */
	struct { int64_t connections, up, down; } net;    /* out of its cells; bytes */
	json_t *locks;                 /* name → the call that took it; NULL: it never took one (held.c) */
	size_t questions;              /* of the model's to a person, that are open */
	json_t *asked;                 /* what it asked the task above: [{question, answer}]; NULL: nothing yet */
	char *cancelled_by;            /* it is to end; NULL: nobody said so */
	bool paused, pause_now;        /* nothing new begins; now: what runs is interrupted */
	char pause_of[ID_LEN + 1];     /* the task that this was said to: it, or one above */
	int64_t paused_since_us, paused_us; /* paused_us: in this run, until the last time that it went on */
	json_t *said;                  /* words of people that wait for their place in the conversation */
	bool interrupting;             /* for these words, what runs is ended */
	int64_t priority;              /* higher goes first; 0 where nobody said anything */
	char forked_from[ID_LEN + 1];  /* "": it is no fork */
	int64_t forked_at;             /* seq of the last event that counts */
	size_t calls_due;              /* of the current turn: they are proposed one by one */
	char *last_word;               /* of `finish`; NULL: not said */
	char *park_reason;             /* of the last task.parked; NULL: never */
	int64_t dropped_calls;         /* of the current turn, beyond LIMIT_CALLS_PER_REPLY */
	char *reply;                   /* text of the last reply */
	char *finish;                  /* its finish reason */
	struct {                       /* how much of the model's window it takes */
		int64_t window_tokens;          /* 0: nobody said; never compacted */
		int64_t bytes;                  /* of messages, as message_bytes counts */
		int64_t prompt_bytes;           /* of what is told beside the conversation, about */
		int64_t reported_tokens, reported_bytes; /* what the provider counted at the last reply, and `bytes` then; 0: not said */
		int64_t compacted_bytes;        /* `bytes` after the last compaction */
		char *summary;                  /* lines about what was dropped; NULL: nothing was */
	} context;

	struct loops loops;

	/* a failing model */
	struct {                       /* how patient it is; models.c */
		int64_t attempts, calls, time_ms, wait_ms;
		bool auth_elsewhere;   /* a key that is not accepted is a reason to ask another model */
	} retry;
	struct {                       /* which model is asked */
		size_t at;             /* place in the chain of task_model; 0: its own */
		unsigned tried;        /* a bit for each that failed for good since the last reply */
		bool trial;            /* it came back to its own, which has one attempt */
		int64_t stay_until_us; /* with at > 0: then its own is asked again */
		int64_t failing_since_us; /* 0: nothing failed since the last reply */
	} models;
	int failures;                  /* of the model in use, since the last reply, switch or resume */
	char *failure_class, *failure_text;
	int failure_status;            /* HTTP; 0: none */
	int64_t retry_after_ms;        /* -1: not given */
	int64_t retry_at_us;           /* with MODEL_WAITING */

	/* a limit or a budget that a model call met */
	json_t *over;                  /* the newest limit.reached or budget.exceeded; NULL: none */
	char model_approval[ID_LEN + 1]; /* with MODEL_HELD */
	bool model_waived;             /* a person allowed the next model call nevertheless */
	char *over_text;               /* the task ends because of one, and this is why; NULL: it does not */
	int over_exit;

	/* sums */
	int64_t turns, calls_total, denied, unanswered;
	int64_t input, cache_read, cache_write, output, usd_nanos;
	int64_t cache_write_1h, reasoning; /* parts of cache_write and of output */
	bool usd_unknown;
	struct {                       /* the same, of all tasks below */
		int64_t turns, calls, denied, input, cache_read, cache_write, output, usd_nanos, cache_write_1h, reasoning;
		int64_t cpu_ms, written;
		bool usd_unknown;
	} below;
	struct {                       /* by the calls that have ended */
		int64_t cpu_ms, written;
	} used;
	struct bound_hit spent;        /* a limit of the whole task that was reached */
	int64_t created_us, last_us;   /* first and newest event */
	int64_t active_us;             /* time spent in runs that ended */
	int64_t run_since_us;          /* start of this run */

	/* the end */
	char state[16];                /* "done", "failed", "denied", "cancelled" */
	int exit;
	char *result;
};

MUST_USE struct task *task_new(void);
void task_free(struct task *task);
void task_freep(struct task **task);

/* Folds one event of this task. Events come in the order of their seq. -EINVAL: the event cannot
 * follow this state (a damaged history); err says why, the task is unusable then. */
MUST_USE int task_apply(struct task *task, const struct event *event, struct err *err);

enum step_type {
	STEP_CHECK_CALL,            /* schema, limits, policy → call.decided */
	STEP_ASK_PERSON,            /* → approval.requested, or grant.used */
	STEP_EXPIRE,                /* nobody answered in time → approval.decided */
	STEP_RUN_CALL,              /* → call.started, then run it */
	STEP_KILL_CALL,             /* → call.killed, then end it; its end brings call.finished */
	STEP_END_DELEGATION,        /* every child has reported → call.finished with their reports */
	STEP_CLOSE_CALL,            /* → call.finished with status and text, nothing is run */
	STEP_WARN_LOOP,             /* → loop.detected with level and text of the step */
	STEP_COMPACT,               /* → conversation.compacted, by compact_plan */
	STEP_ASK_MODEL,             /* → approval.requested of kind model */
	STEP_CALL_MODEL,            /* → model.requested, then send it */
	STEP_CANCEL_MODEL,          /* stop the request → model.failed, class cancelled */
	STEP_RETRY_MODEL,           /* → retry.scheduled of class `status`: by retry_delay_ms, or until the breaker lets one pass */
	STEP_SWITCH_MODEL,          /* → model.switched to `model`, of class `status` */
	STEP_PARK,                  /* → task.parked */
	STEP_FINISH,                /* → task.finished with state, exit and text */
};

struct step {
	enum step_type type;
	struct call *call;             /* the *_CALL steps and ASK_PERSON; borrowed from the task */
	const struct approval *approval; /* EXPIRE; borrowed from the task */
	const char *status;            /* CLOSE_CALL: of call.finished; KILL_CALL: the reason; RETRY_MODEL, SWITCH_MODEL: the class */
	size_t model;                  /* SWITCH_MODEL: place in the chain */
	const char *state;             /* FINISH */
	int exit;                      /* FINISH */
	struct loop_finding loop;      /* WARN_LOOP */
	char *text;                    /* CLOSE_CALL, FINISH, PARK, WARN_LOOP: owned by the step */
};
void step_done(struct step *step);

struct model_sight {                   /* of one model of the chain */
	int64_t until_us;              /* its breaker is open until then; 0: it is not */
	bool probing;                  /* it was, and another task tries just now */
	bool barred;                   /* policy or a budget is against it */
};

struct task_input {
	int64_t now_us;                /* wall clock */
	bool draining;                 /* the engine was asked to stop: come to rest and park */
	bool cancelled;                /* a person ended the task, or the task above it did */
	bool children_active;          /* a task below has not come to rest yet */
	struct model_sight models[LIMIT_FALLBACKS + 1];
};

/* The next step, or false when the task waits for something (or has ended). It is given
 * again until the event that it calls for was applied. */
bool task_decide(const struct task *task, const struct task_input *input, struct step *ret);

/* When task_decide must be asked again although nothing happened; INT64_MAX: never. */
int64_t task_wakeup_us(const struct task *task);

/* Labels (taint.c); a list of texts. What is no text, and more than LIMIT_TASK_TAINTS, is passed over. */
void task_taint(struct task *task, const json_t *labels);
void task_taint_event(struct task *task, const struct event *event);   /* those that an event brings */
bool task_has_taint(const struct task *task, const char *label);
json_t *task_taint_json(const struct task *task);           /* the caller owns it */

struct call *task_call_find(struct task *task, const char *id);   /* of the current turn; NULL */

/* Waiting for people (said.c): approvals and questions. `begins` before one is added, `ended` after one is gone. */
bool task_waits(const struct task *task);
void task_wait_begins(struct task *task, int64_t now_us);
void task_wait_ended(struct task *task, int64_t now_us);
/* May a fork begin with this state: is every call of the last reply closed, and no reply under way? */
bool task_may_fork(const struct task *task);

/* ---- the conversation and the model's window (compact.c) ---- */

int64_t message_bytes(const json_t *message);
/* How many tokens the next request has, about: what the provider counted last, and a quarter of the bytes since. */
int64_t task_context_tokens(const struct task *task);
bool compact_wanted(const struct task *task);             /* cheap: may be asked at every step */

struct compaction {                    /* of messages, counted from 0 (the goal) */
	size_t drop_to;                /* 1 .. drop_to - 1 are dropped */
	size_t stub_to;                /* drop_to .. stub_to - 1: outputs become one line each */
	size_t dropped, stubbed, kept;
	int64_t bytes_before, bytes_after;
	char *lines;                   /* what is told of all that was ever dropped; "" where nothing was */
};
MUST_USE struct compaction compact_plan(const struct task *task);
void compaction_done(struct compaction *compaction);
MUST_USE int compact_apply(struct task *task, size_t drop_to, size_t stub_to, const char *lines, struct err *err);

/* ---- going round in circles ---- */

void loops_reset(struct loops *loops);                    /* a person has spoken: nothing counts that was before */
void loops_add(struct loops *loops, const struct call *call, const struct event *finished);
void loops_reply(struct loops *loops, const char *text);
void loops_delegated(struct loops *loops, const struct call *call);  /* its parts have all reported */
bool loops_find(const struct loops *loops, struct loop_finding *ret);
MUST_USE char *loop_text(const struct loop_finding *finding, enum loop_level level);   /* for the model, or the person */
const char *loop_level_name(enum loop_level level);       /* "nudge", "replan", "stop" */
enum loop_level loop_level_find(const char *name);

/* A step of the plan by its id; borrowed; NULL. */
json_t *steps_find(const struct task *task, const char *id);
/* Are the steps well formed: ids unique, `after` known and without a circle, states known? 0 or -EINVAL. */
MUST_USE int steps_check(const json_t *steps, struct err *err);
/* May this step begin: is it there, and is all that it waits for done? 0 or -EINVAL. */
MUST_USE int steps_may_begin(const struct task *task, const char *step, struct err *err);

/* Span ids follow from the task, so that a resumed engine finds the same ones.
 * what: "task", "turn" with the turn's number, "call" with the call's id. */
void task_span(const struct task *task, const char *what, const char *name, char ret[static SPAN_ID_LEN + 1]);

/* A running call was stopped by something of this kind: may the same be run again at the end of the wait? */
bool call_may_retry(const struct task *task, const struct call *call, enum failure kind, int64_t retry_after_ms, int64_t now_us);

#endif
