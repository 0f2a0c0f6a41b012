/* run.h - one task in the hands of this engine. Internal to engine/. */
#ifndef MISHRI_ENGINE_RUN_H
#define MISHRI_ENGINE_RUN_H

#include "base/hash.h"
#include "core/models.h"
#include "core/slots.h"
#include "engine/engine.h"
#include "tools/redact.h"
#include "engine/files.h"
#include "engine/shared.h"

/* What a durable intent lets happen. */
struct deferred {
	enum {
		DO_SEND_REQUEST, DO_RUN_CALL, DO_BEGIN_CONTROL, DO_START_CHILDREN, DO_ASK_QUESTION, DO_ASK_PERSON, DO_CONNECT, DO_UNLOCK,
	} what;
	char name[CALL_ID_BYTES];      /* of the call; DO_ASK_PERSON: of the approval; DO_CONNECT: number */
};

struct call_limits;
struct live_call;                      /* a call that runs in the cell */

struct secret;

struct background;                     /* a program that runs beside the calls */

struct net;                            /* connections out of the cell */

struct held_exec {                     /* a program that waits at the gate for a person */
	uint32_t id;
	char approval[ID_LEN + 1];
	char *refusal;                 /* for its stderr, should the answer be no; the reason is added */
	json_t *facts;                 /* exec.decided as it will be written */
	json_t *shape;                 /* exec_shape */
	char digest[SHA256_HEX_LEN + 1]; /* what a yes is good for */
	bool by_limit;                 /* what asks is no rule */
	struct held_exec *next;
};

enum run_beat { RUN_BEAT_CELL, RUN_BEAT_TOOL, RUN_BEAT_MODEL, RUN_BEATS };

struct run {
	struct engine *engine;
	struct run *next, *next_by_task;
	bool indexed;                  /* runs.c knows it */
	struct task *task;
	struct policy_place *place;    /* borrowed from the engine: which policy holds */
	struct run *parent;            /* NULL: nobody waits for it here */
	char parent_call[CALL_ID_BYTES];
	struct llm_model *model;       /* borrowed from the engine */
	struct run *children, *sibling; /* that this engine holds; the next one of the same parent */
	size_t active_children;        /* of them, those that were not told of */
	json_t *unlocking;             /* lock → call that gave it back, until that is durable; NULL: none */
	struct slot_seat seat;         /* slots.c */
	bool slot_wanted, slot_used;   /* its next step waits for one; the one it holds was for a step that has begun */
	struct watch *slot_timer;      /* then it tells that it waits */
	int64_t generation;            /* of the lease */
	bool fresh;                    /* the lease comes with the first batch */

	struct event *pending;         /* events of the next batch; applied to the task already */
	size_t pending_count;
	struct deferred *deferred;     /* what waits for it */
	size_t deferred_count;
	bool committing;               /* a batch is on its way */
	bool hurry;                    /* among the pending events is one that something waits for */
	bool patient;                  /* the others lie already, until `patience` ends */
	struct watch *patience;
	bool over;                     /* nothing more will happen here */
	bool told;                     /* on_over was called */
	bool resting;                  /* it parks because it only waits for people: rest.c */

	struct task_input input;
	struct watch *wakeup;
	struct err *failure;           /* NULL: it has not failed */
	enum run_failure_kind failure_kind;

	enum cell_level level;
	char *workspace;
	json_t *policies;              /* -p files, for the children */
	json_t *opening;               /* data of the event that opens this run */
	enum event_type opening_type;  /* task.created or task.resumed */
	int64_t last_seq;              /* of its newest durable event since it is here; 0: there is none yet */
	bool imported;                 /* its tree came out of a file, whose answers have no force here */
	json_t *carried;               /* parts of carry.h, until they are written; NULL: none */

	struct cell *cell;
	struct watch *cell_readable;
	char cell_id[ID_LEN + 1];
	int64_t cell_asked_ns;
	bool cell_ready;
	int cells_lost;                /* in this run */
	bool cell_wanted;              /* reopen.c will open another */
	bool reopening;                /* the task began, and waits for a cell: its first, or another */
	bool had_cell;
	bool awaits_check;             /* it begins when another's cell shows that there are such */
	struct beat *beats[RUN_BEATS]; /* health.c; NULL: nothing to watch */
	char beat_call[CALL_ID_BYTES];
	int tmp_status;                /* of the run that packs or unpacks /tmp; -1: not over yet */
	bool files_dirty;              /* something may have been made since the files of the policy were guarded */
	json_t *files_told;            /* places that an event named */
	struct layer_meter *meter;     /* of the layer of changes; NULL: none */
	char *tmp;                     /* the cell's directory for what is not kept */

	json_t *tools;                 /* what a model is told of them; NULL: not made yet */
	struct llm_call *request;
	int64_t request_ms;            /* monotonic start */
	struct redact_stream *saying;  /* between what its reply says and who listens; NULL: it says nothing */

	struct live_call *live;
	char secret_word[ID_LEN * 2 + 1]; /* of the live call; "" where none may have the proxy use a secret */
	bool exposed[LIMIT_SECRETS];   /* secrets that a program of this cell was given, by their order */
	struct background *background; /* oldest first */
	int64_t stray_execs, stray_denied;
	struct held_exec *held;
	int64_t inbox_seen;            /* the newest message that was taken */
	struct net *net;               /* NULL: the cell has no network */
	struct counted_net *counted_net;   /* net_rate.c */
	struct counted_exec *counted;  /* exec_rate.c */
	struct charging *charging;     /* charge.c: an intent on its way; nothing else is decided meanwhile */
	int64_t max_output;            /* tokens of the next reply; 0: as the provider has it */
};

struct opened_model {
	char *name;
	struct llm_model *model;       /* NULL: it could not be, and this is why */
	struct err why;
	struct opened_model *next;
};

struct health {                        /* health.c */
	struct heartbeats *table;
	struct beat *store, *warden;
	struct watch *tick;
	int64_t ticked_ms, asked_ms;   /* monotonic; asked: for signs of life */
	int64_t since_us, loop_misses;
	int warden_restarts;
	json_t *in_force;              /* by what the newest cell said; NULL: none was opened yet */
};

struct cell_kinds {                    /* cell_late.c: of which a cell has opened here */
	struct cell_kind {
		char *name;
		struct run *checker;   /* NULL: it works */
	} known[LIMIT_CELL_KINDS];
	size_t next;
};

struct engine {
	struct engine_setup setup;
	struct cell_kinds cell_kinds;
	struct shared_values shared;
	struct health health;
	struct watch *reopen_timer, *drain_timer;
	int64_t drain_until_ms;        /* monotonic */
	struct opened_model *models;   /* of the profiles, and of tasks that were taken over */
	struct run *runs;
	struct run **by_task;          /* runs.c */
	size_t by_task_count, by_task_room;
	struct policy_place *places;   /* place.c; the first is the engine's own */
	struct watch *policy_timer;
	int64_t look_again_ms;         /* monotonic */
	bool looking;
	json_t *warned;                /* charge.c: how far budgets were told of; NULL: none */
	json_t *tools_told;            /* what models are told of each tool; NULL: nothing yet */
	size_t active;                 /* runs that were not told of */
	struct slots *slots;
	struct run **granted;          /* that have a slot, and were not told so yet */
	size_t granted_count;
	struct watch *slots_timer;
	struct breaker *breakers;      /* breaker.c */
	struct watch *breaker_timer;
	int drains;                    /* how often engine_drain was called */
	struct watch *store_readable, *warden_readable, *lease_timer, *inbox_readable, *inbox_timer;
	json_t *fresh_grants;          /* on their way to the disk; NULL: there were none */
	int64_t inbox_last;            /* the newest message of all tasks that was looked for */
	bool reaping;                  /* it was asked to look */
	struct watch *rest_timer;      /* rest.c; NULL: nothing is laid down */
	int trims;                     /* rest.c: looks that give memory back still, since trees were laid down */
	struct watch *reaper;          /* service.c; NULL: no service */
};

/* run.c */
struct run *run_new(struct engine *engine, struct task *task, struct run *parent);  /* parent: NULL for a root */
void run_free(struct run *run);
void run_emit(struct run *run, enum event_type type, const char *span_what, const char *span_name, json_t *owned_data);
void run_spans(const struct task *task, const char *what, const char *name, struct event *event);
void run_event(struct run *run, enum event_type type, const char *span_what, const char *span_name, json_t *owned_data,
               struct event *ret);                                /* makes it, and no more: charge.c */
void run_published(struct run *run, const struct event *event);  /* it is durable */
void run_begin(struct run *run, int what, const char *name);     /* an effect whose intent is durable */
bool run_holds(struct run *run);                                 /* false: another engine has it, and the run has failed */
void run_defer(struct run *run, int what, const char *name);     /* once what was emitted so far is durable */
void run_step(struct run *run);                                  /* decide and flush until nothing is left to do */
void run_fail(struct run *run, enum run_failure_kind kind, const struct err *why);
void run_tell(struct run *run);                                  /* on_over, once */

/* runs.c */
void runs_add(struct run *run);                                  /* its task has its id; again does nothing */
void runs_remove(struct run *run);
struct run *runs_find(const struct engine *engine, const char *task);  /* NULL: none that goes on here */
void runs_close(struct engine *engine);                          /* all are freed */

/* place.c */
const struct policy *run_policy(const struct run *run);

/* service.c */
void rest_open(struct engine *engine);                          /* rest.c */
void rest_close(struct engine *engine);
void service_open(struct engine *engine);
void service_close(struct engine *engine);
bool service_stays(struct engine *engine);                       /* a run is over: does the loop go on? */
void service_look(struct engine *engine);                        /* something is over: it may go, soon */
void service_rest(struct engine *engine);                        /* the engine was drained: ends the loop where nothing runs */

/* engine.c */
void engine_emit(struct engine *engine, enum event_type type, json_t *owned_data);  /* of the engine, not of a task */
const struct agent_profile *profile_find(const struct engine *engine, const char *name);
/* The model that a task below `parent` would have; recorded: the one it had before, or NULL. It must be there, and
 * policy must not be against it. Borrowed. */
MUST_USE int engine_agent_model(const struct run *parent, const char *agent, const char *recorded, struct llm_model **ret,
                                struct err *err);
/* A task below `parent`, new or taken over. Failure leaves nothing behind. */
MUST_USE int engine_child(struct run *parent, const struct call *call, const struct child *child, struct err *err);
void run_opened(struct run *run, const json_t *mechanisms);      /* the task begins or goes on; NULL: without a cell as yet */

void engine_emit(struct engine *engine, enum event_type type, json_t *owned_data);   /* a fact about the engine itself */

/* reopen.c */
bool cell_retry(struct run *run);                                /* false: the run cannot go on */
bool cell_replace(struct run *run);                              /* the cell of a task that goes on is gone; the same */
void cell_reopened(struct run *run);
bool run_waits_for_cell(const struct run *run);                  /* nothing is decided meanwhile */
void warden_watch(struct engine *engine);
void warden_look(struct engine *engine);
bool warden_replace(struct engine *engine);                      /* false: there is none any more */

/* health.c */
void health_open(struct engine *engine);
void health_close(struct engine *engine);
void health_leave(struct run *run);                              /* its rows go */
void health_note_cell(struct engine *engine, const json_t *mechanisms);
void health_tell_missed(struct engine *engine, const char *kind, const char *name, int64_t age_ms, int64_t deadline_ms,
                        const char *action);
void health_tell_recovered(struct engine *engine, const char *kind, const char *name, int64_t stood_ms);
bool health_asked(struct engine *engine, struct str message, const void *from, size_t from_len);   /* false: no question */

/* drain.c */
int64_t drain_left_ms(const struct engine *engine);              /* INT64_MAX: nobody asked for an end */
int64_t drain_grace_ms(const struct engine *engine);             /* of a call that was told to end */
int64_t drain_keeping_ms(const struct engine *engine);           /* for a /tmp; may be nothing, or less */
void drain_end_cells(struct engine *engine);

/* cellwork.c */
void run_open_cell(struct run *run);
void run_close_cell(struct run *run, const char *reason);

/* files.c */
const json_t *files_task_config(const struct run *run);          /* also before task.created is written; borrowed */
int64_t files_layer_bytes(const json_t *config);                 /* 0: changes go to the workspace itself */
MUST_USE char *files_layer(const struct run *run);               /* its path, the caller's; NULL: there is none */
void files_config(json_t *config, const char *mode, int64_t layer_bytes, const struct agent_profile *profile);
MUST_USE int files_plan(struct run *run, struct cell_plan *plan, struct cell_files *ret_files, char **ret_layer, struct err *err);
bool files_refuse(const struct run *run, const struct tool *tool, const json_t *args, struct decision *ret);
MUST_USE int files_guard(struct run *run, struct err *err);      /* before a call: what is new is guarded, and told of */
void files_touched(struct run *run);                             /* behind one that may have written */
void files_close(struct run *run);                               /* before the cell is closed */
void files_forget(struct store *store, const struct task *task);  /* the task is over */

/* tmp_kept.c: the cell's /tmp while a task is parked, for its return within LIMIT_TMP_KEPT_MS. Both wait for a few seconds at
 * most. The word is for the event: "kept", "brought back", or why not; NULL where there is nothing to say. */
const char *tmp_kept_save(struct run *run);
const char *tmp_kept_bring(struct run *run);
void tmp_kept_drop(struct store *store, const char *task);       /* the task is over */
bool tmp_kept_ended(struct run *run, const struct cell_exit *ended);   /* false: another run of the cell */

/* layer_meter.c: how much a layer holds, measured while something runs; more than is allowed ends what runs. */
void meter_start(struct run *run, const char *layer, int64_t most_bytes);
void meter_stop(struct run *run);

/* model.c */
void model_compact(struct run *run);                             /* STEP_COMPACT */
void model_ask(struct run *run);                                 /* STEP_CALL_MODEL */
json_t *model_request_data(const struct run *run);               /* of model.requested; the caller owns it */
void model_send(struct run *run);                                /* the effect */
void model_cancel(struct run *run);
void model_cut(struct run *run, int64_t silent_ms);               /* no byte came for so long: as a cut connection */
void model_retry(struct run *run, const char *cls);

/* call.c */
void call_check(struct run *run, struct call *call);
void call_decide(const struct run *run, const struct call *call, struct decision *ret);     /* of a tool that is there */
void call_intend(struct run *run, struct call *call);            /* STEP_RUN_CALL */
void call_run(struct run *run, struct call *call);               /* the effect */
void call_kill(struct run *run, struct call *call, const char *why);
void call_kill_at_once(const struct run *run);                   /* what runs has no grace any more */
void call_close(struct run *run, struct call *call, const char *status, const char *text);
void call_ended(struct run *run, const struct cell_exit *ended); /* from the cell; NULL: the cell is lost */
void call_limit(struct run *run, uint64_t tag, const struct bound_hit *hit); /* from the cell: its run is being ended */
void call_finish(struct run *run, const char *id, const char *status, int exit, struct str output, json_t *owned_counts);
json_t *call_started(const struct call *call);                     /* data of the event; the caller owns it */
json_t *call_counts(int64_t bytes, int64_t execs, int64_t denied, int64_t ms);
/* Starts a plan in the cell, its output into *ret_out (not blocking). mailbox: see tools/seen.h; -1: none. */
MUST_USE int call_launch(struct run *run, uint64_t tag, const struct tool *tool, const json_t *args, struct tool_plan *plan,
                         int mailbox, const struct call_limits *limits, int *ret_out, struct err *err);
const char *call_killed_status(const struct call *call);         /* of call.finished; it was killed */
bool call_drain(int out, struct redact_stream *guard, struct output *output);    /* false at its end */
bool call_note_exec(struct run *run, uint64_t tag, bool denied); /* false: one of too many to be written down */
void call_hold(struct run *run, uint64_t tag, bool held);       /* a program of this call waits: its time stands still, too */
bool call_may_ask(struct run *run, uint64_t tag);                /* false: it was refused too often to be asked for */
uint64_t call_tag(const char *id);                               /* "TURN.INDEX" as a number, and back */
void call_id_of(uint64_t tag, char ret[static CALL_ID_BYTES]);
const char *call_running(const struct run *run);                 /* id of the call that runs in the cell; "" */
struct call_life { const char *id; int64_t since_ms, most_ms; bool held; };   /* most_ms: after `since`, its end is certain */
bool call_life(const struct run *run, struct call_life *ret);    /* of the call that runs; false: none does */
void call_hint(struct run *run, const char *line);               /* a line of ours into its output */
void call_stop(struct run *run, const char *why);                /* what runs now, if anything does */
void call_drop_live(struct run *run);                            /* frees what runs, without an event */

/* call_again.c */
bool call_may_pass(const struct tool *tool, const struct cell_exit *ended);       /* it says itself that what went wrong may pass */
/* Stopped by something that may pass: true, and it is run again after a while. said: what went wrong. wait_ms: see
 * retry_delay_ms. */
bool call_again(struct run *run, const struct call *call, struct str said, int64_t wait_ms, json_t *used);
/* What the model is told of attempts, behind the output. */
void call_tell_attempts(const struct call *call, bool may_pass, struct buf *text, json_t *fields);

/* approvals.c */
struct ask { const char *kind, *call; const json_t *action; const struct decision *decision; };  /* kind: tool, exec, net, model */
/* What a limit or a budget asks, as a decision. */
void limit_decision(const char *id, const char *source, const char *reason, bool high_risk, struct decision *ret);
json_t *approval_action(const struct run *run, const struct call *call);     /* the caller owns it */
void call_ask(struct run *run, struct call *call);               /* STEP_ASK_PERSON */
bool approval_can_wait(const struct run *run);                   /* false: nobody could answer */
/* A remembered answer covers it: grant.used is written. */
bool approval_by_grant(struct run *run, const struct ask *ask, char ret_grant[static ID_LEN + 1]);
void approval_request(struct run *run, const struct ask *ask, char ret[static ID_LEN + 1]);
/* Nobody's answer: lapsed, expired or withdrawn. What is held for it is told by exec_settled. */
void approval_lapse(struct run *run, const char *approval, const char *answer, const char *reason);
void approval_expire(struct run *run, const struct approval *approval);      /* STEP_EXPIRE */
/* One person's word: as approval_judge; what it decides is written. */
int approval_take(struct run *run, const struct answer *answer, struct err *err);
/* Does policy still ask the very same? Then what is said about it counts. */
bool approval_still_asked(const struct approval *approval, const json_t *action, const struct decision *decision);
void approvals_noted(struct run *run, const struct event *event);            /* it became durable */
void approvals_review(struct run *run);                          /* another policy may be in force: is it still asked? */
void approvals_resume(struct run *run);                          /* the same, and what the last engine took with it */

/* asked.c */
void approval_put_question(struct run *run, const char *approval);   /* the effect of approval.requested */

/* inbox.c */
void inbox_open(struct engine *engine);
void inbox_close(struct engine *engine);
void inbox_read(struct run *run);                                /* takes what is there; run_step is the caller's */

/* kept.c */
/* True: there was a secret in what is kept. */
bool kept_write(struct run *run, const char *call, const struct output *whole, const struct output *shown, struct buf *text);
void kept_read(struct run *run, const struct call *call);        /* the tool read_output */

/* memory.c */
void memory_act(struct run *run, const struct call *call);       /* the tool memory */

/* secretuse.c */
#define SECRET_VARIABLE "MISHRI_SECRET_"
MUST_USE int secret_check(const struct run *run, const struct tool *tool, const struct call *call, struct err *err);
/* Makes a decision on the call stricter by what holds for the secrets in it. action: of the call. */
bool secret_wanted(const struct tool *tool, const json_t *args); /* do the arguments name one? */
void secret_decide(const struct run *run, const struct tool *tool, const struct call *call, struct action *action,
                   const struct facts *facts, struct decision *decision);
/* The label `secret` in `taint` of call.started and call.finished, where the call refers to one. */
void secret_taint(const struct tool *tool, const json_t *args, json_t *fields);
/* Puts values into the environment of a program, and variables in the place of references into its command. */
MUST_USE int secret_enter(struct run *run, const struct tool *tool, const json_t *args, struct tool_plan *plan, char ***env,
                          struct err *err);
/* The arguments of a tool of ours in the cell, with a word in each reference that only this call has: what else runs in the
 * cell cannot have the proxy use the secret. The caller owns it. */
MUST_USE json_t *secret_args(struct run *run, const struct tool *tool, const json_t *args);
bool secret_granted(const struct run *run, const char *name, size_t name_len, const char *word);
/* Makes a decision on a connection stricter by the secrets that programs of this cell were given. */
struct net_target;
void secret_net(const struct run *run, const struct net_target *target, const struct facts *facts, struct decision *decision);
bool secret_may_go(const struct run *run, const struct secret *secret, const struct net_target *target, const struct facts *facts,
                   struct decision *ret);
void env_append(char ***env, char *owned);                        /* one more line at its end */
MUST_USE char *secret_command(const char *command);              /* the caller owns it */
void secret_redact(const struct run *run, enum event_type type, json_t *data);   /* in place */
MUST_USE struct redact_stream *secret_guard(const struct run *run);              /* for the output of a call */

/* owntool.c */
size_t owntool_output_bytes(const struct run *run, const char *tool);
const char *owntool_status(const char *tool, const char *status, struct buf *text);   /* text: may get a line more */

/* background.c */
void background_act(struct run *run, const struct call *call, struct tool_plan *plan);   /* the tool background */
bool background_kill(struct run *run, const struct call *call);  /* false: this call waits for no program */
void background_ended(struct run *run, const struct cell_exit *ended);
bool background_counters(const struct run *run, uint64_t tag, int64_t **execs, int64_t **denied);   /* false: not its tag */
/* False: not its tag. */
bool background_limit(struct run *run, uint64_t tag, const struct bound_hit *hit);
void background_stop(struct run *run);                           /* kills them; their ends are told as any */
void background_drop(struct run *run);                           /* all of them; their cell ends */

/* locks.c */
void locks_act(struct run *run, struct call *call);              /* the tools lock and unlock */
void locks_freed(struct run *run, const char *call);             /* the effect of lock.released */
void locks_over(struct run *run);                                /* its end is durable: others may have what it held */
void locks_look(struct run *run);                                /* it waits from now on: will that ever end? */

/* control.c */
MUST_USE int control_check(const struct run *run, const struct tool *tool, const struct call *call, struct err *err);
void control_decide(const struct run *run, const struct tool *tool, const struct call *call, struct decision *ret);
void control_run(struct run *run, struct call *call);            /* with its intent; a delegation begins when durable */
void control_start_children(struct run *run, struct call *call); /* the effect */
void control_kill(struct run *run, struct call *call);
void control_end(struct run *run, struct call *call);            /* every child has reported */
void control_child_over(struct run *child);
void control_put_question(struct run *run, const char *call);      /* the effect of question.asked */
/* False: the question is not open. word: of the message that brought it; "" from the engine's own terminal. */
bool control_answer(struct run *run, const char *question, const char *by, const char *words, const char *word);
void control_withdraw_question(struct run *run, const struct call *call, const char *why);
json_t *control_report(const char *call, const struct task *below);      /* data of task.reported; the caller owns it */
/* Of one that never began. */
json_t *control_no_report(const char *call, const char *child, const char *state, const char *result);
void control_reports(const struct call *call, struct buf *ret);          /* of all its tasks, in words */

/* ask_master.c: the tool of that name. A question is a child that answers with the conversation of the task above. */
MUST_USE int ask_master_check(const struct run *run, struct err *err);
void ask_master_run(struct run *run, struct call *call);
MUST_USE int ask_master_words(const struct run *run, const struct child *child, json_t *ret_parts, struct err *err);
void ask_master_shape(const struct run *run, json_t *created);   /* what is else than with a part that is given out */
void ask_master_end(struct run *run, struct call *call);
json_t *ask_master_told(const struct task *task);                /* `asked` of its report; NULL: it asked nothing */
void ask_master_reports(const struct child *child, struct buf *ret);     /* the same in words, for who was asked */

/* control_take.c */
struct inbox_message;
void control_take(struct run *run, const struct inbox_message *message);
void control_opened(struct run *run);                            /* its first event is there, or that of its return */

/* exec.c */
void exec_arrived(struct run *run, const struct cell_exec *exec);
void exec_gone(struct run *run, uint32_t id);
void exec_settled(struct run *run, const char *approval, bool allow, const char *reason);    /* a held program goes on, or not */
void exec_lapse(struct run *run, const char *reason);            /* all that are held, while the run can still write it down */
void exec_action(const struct cell_exec *exec, struct action *ret);       /* borrowed from exec */
void exec_command(const struct cell_exec *exec, const char *rule, struct buf *ret);   /* "mishri: denied by RULE: PROGRAM ARG..." */
void exec_drop(struct run *run);
void exec_decide_afresh(struct run *run);                        /* what is held: the policy changed */

/* beyond.c */
/* Is this start stopped whatever policy says? Then *d says why. */
bool exec_stopped(const struct cell_exec *exec, struct decision *d);
/* SHA-256 of what counts; NULL: not known. */
const char *exec_digest(const struct cell_exec *exec);
/* The arguments as rules see them where that is a word more than argv, else NULL; the caller frees the list. */
const char **exec_words(const struct cell_exec *exec);

/* permit.c */
/* What the profile of a task, and the task above, leave out; config: of its task.created. above: NULL for a root. */
void permit_task(json_t *config, const json_t *above, const struct agent_profile *profile);
/* What the call is granted. False: it lacks what it needs; the decision is a no then, with the reason. */
bool permit_decide(const struct run *run, const struct tool *tool, const json_t *args, struct decision *d, unsigned *ret_granted);
unsigned permit_granted(const struct call *c, const struct tool *tool);
unsigned permit_withheld(const struct run *run, uint64_t tag, const struct tool *tool);   /* what the kernel takes away */
/* net.c */
void net_open(struct run *run);                                  /* serves the network of the cell, if it has one */
void net_close(struct run *run);                                 /* ends every connection */
void net_settled(struct run *run, const char *approval, bool allow, const char *reason);     /* a held connection goes on, or not */
void net_decide_afresh(struct run *run);                         /* what waits: the policy changed */
void net_lapse(struct run *run, const char *reason);             /* all that are held */
void net_connect(struct run *run, const char *connection);       /* the effect of net.decided */
bool net_comes_in(const struct run *run);                        /* has anything come, by connections that are open? */
/* taint.c */
/* Sets `redactions` and `taint` of call.finished. kept_secret: the output that is kept had one. */
void taint_put(json_t *fields, const struct tool *tool, const struct findings *found, bool kept_secret);

/* facts.c */
void facts_of(const struct run *run, struct facts *ret);         /* borrowed from run */
json_t *effect_fields(const struct decision *decision, const struct policy *policy);  /* effect rule source reason policy ns */

/* prompt.c */
json_t *prompt_messages(const struct run *run);                  /* system prompt and conversation; the caller owns it */
const json_t *prompt_tools(struct run *run);                     /* made once; borrowed */
bool task_has_tool(const struct task *task, const char *name);
/* What a task and all below it may have: what the one above may (NULL: everything), and its profile names (NULL: all). */
MUST_USE json_t *rights_of(const json_t *above, const struct agent_profile *profile);
MUST_USE json_t *tools_of_role(const char *role, const char *plan, bool may_delegate, bool has_master, const json_t *rights);

/* carry.c: writes what the new task goes on with. */
void carry_emit(struct run *run);

#endif
