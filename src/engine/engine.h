/* engine.h - carries tasks out: turns the steps of the core into effects and effects into events.
 *
 * One thread, one event loop. Nothing starts before the event that says so is durable; every program
 * that starts in a cell asks here first. The engine neither prints nor reads a terminal: what there is
 * to see and to ask goes through the callbacks. */
#ifndef MISHRI_ENGINE_ENGINE_H
#define MISHRI_ENGINE_ENGINE_H

#include "cell/cell.h"
#include "core/slots.h"
#include "core/task.h"
#include "engine/health.h"
#include "engine/loop.h"
#include "llm/llm.h"
#include "policy/policy.h"
#include "store/store.h"
#include "tools/tool.h"

struct engine;
struct watchdog;                       /* watchdog.h */
struct otel;                           /* otel.h */
struct metrics;                        /* metrics.h */
struct secrets;                        /* secrets.h */
struct run;                            /* a task that this engine holds */

/* What a configuration says of an agent; NULL and 0: as the run has it. What `tools` leaves out, no task below has either. */
struct agent_profile {
	const char *name, *role;       /* role: master or worker */
	const char *model, *prompt;
	const char *const *fallback;   /* models that stand in for its own, in memory of its owner; NULL: those of the run */
	size_t fallback_count;
	const char *const *tools;      /* names, in memory of its owner; NULL: all that the role has */
	size_t tool_count;
	unsigned withheld;             /* permissions that it leaves out, for itself and all below */
	bool readonly;                 /* sees the workspace, and changes nothing in it; nor does a task below */
	int64_t turns, timeout_ms;     /* at most; a parent's limits hold all the same */
	struct bounds bounds;          /* the same */
	int64_t slots;                 /* tasks of it that work at once; 0: as for every agent */
};

struct question {                      /* an action that needs a person's answer, or a question of the model's; borrowed */
	const char *approval;          /* id, for engine_answer or engine_say */
	const char *task, *user;
	const char *kind;              /* "tool", "exec", "net", or "question": any words are an answer */
	const char *text;              /* of a question */
	const struct approval *request; /* of the others: action, rule, terms */
	const struct tool *tool;       /* that is called, or in whose call the program or connection is held; NULL */
	const char *path, *workspace;  /* path: who asks, from the root task down */
	const char *layer;             /* that lies over the workspace; NULL: none */
	const char *explanation, *taints; /* how policy came to ask; labels of the task, "" for none */
};

/* How much is borne of models and tools that fail; each 0: as base/limits.h has it. */
struct engine_patience {
	int64_t attempts, tool_attempts;
	int64_t time_ms, wait_ms;      /* of asking again; the longest Retry-After */
	int64_t failures, open_ms;     /* of a breaker */
	int64_t stay_ms;               /* with a model that stands in */
	struct llm_patience model;
};

/* How much may work at once; each 0: as base/limits.h has it. */
struct engine_slots {
	int64_t at[SLOT_SCOPES];       /* by scope, each name */
	const char *providers;         /* "NAME=N, NAME=N": others for some; borrowed while the engine is made; NULL */
};

struct engine_setup {
	struct loop *loop;             /* all borrowed; must outlive the engine */
	struct store *store;           /* registered as an engine already */
	struct warden *warden;
	const struct policy *policy;   /* at the start */
	struct egress_base *egress;    /* NULL: no cell has a network */
	struct policy_home *policy_home; /* of reload.h: where its files are; NULL: it never changes */
	/* A service, whose tasks are in several workspaces: the policy for one of them. NULL: `policy` holds for all. */
	int (*load_policy)(void *userdata, const char *workspace, const json_t *policies, struct policy_home **ret_home,
	                   struct policy **ret, struct err *err);
	struct llm *llm;
	struct llm_model *model;
	const char *user;
	const struct agent_profile *profiles;
	size_t profile_count;
	struct engine_slots slots;
	const struct prices *prices;   /* of the configuration; NULL: the built-in table alone */
	struct secrets *secrets;       /* fetched; NULL: none */
	int64_t context_tokens;        /* of every model; 0: by the model's name */
	bool loops_ignored;            /* nobody looks whether a task goes round in circles */
	int64_t reply_tokens;          /* at most, of one reply; 0: as the provider has it, or as a budget allows */
	int64_t cancel_grace_ms;       /* from a cancel to SIGKILL; 0: LIMIT_CELL_GRACE_MS */
	struct engine_patience patience;
	const json_t *fallback;        /* names of models that stand in for `model`; NULL: none */
	bool fallback_auth;            /* also where the key of `model` is not accepted */
	bool interactive;              /* `ask` may be called */
	bool service;                  /* it stays when no task is left, and frees what is over */
	int64_t rest_ms;               /* of a service: what only waits for people for so long is parked meanwhile; 0: nothing is */
	/* Callbacks; any may be NULL. Events come once they are durable; text comes as it is said, without the values of secrets, and
	 * is nothing yet: a reply that fails is asked for anew. */
	void (*on_event)(void *userdata, const struct event *event);
	void (*on_text)(void *userdata, const char *task, struct str text);
	void (*on_word)(void *userdata);                    /* somebody said something to some task, perhaps to one that rests */
	void (*on_over)(void *userdata, struct run *run);   /* ended, parked or failed; the last word about a run */
	void (*ask)(void *userdata, const struct question *question);
	/* Asked before a resume, and nobody is here: it waits still. Or NULL. */
	void (*ask_open)(void *userdata, const char *approval);
	void (*ask_withdrawn)(void *userdata, const char *approval, const char *why);
	/* It was asked to stop and has so long; waits_for: "call 1.1 (shell) of task ... to end". Now and then. */
	void (*on_drain)(void *userdata, int64_t left_ms, const char *waits_for);
	struct watchdog *watchdog;     /* of watchdog.h; NULL: nobody watches the loop */
	struct health_limits health;
	struct otel *otel;             /* NULL: no spans are sent */
	struct metrics *metrics;       /* NULL: nothing is counted */
	bool trace_programs, trace_models; /* programs in cells get TRACEPARENT; requests to models carry traceparent */
	int poke_fd;                   /* of inbox_socket, borrowed; -1: the inbox is looked at now and then */
	void *userdata;
};

MUST_USE int engine_new(const struct engine_setup *setup, struct engine **ret, struct err *err);
void engine_free(struct engine *engine);          /* closes cells; what runs is as after a crash */

struct policy_place;
/* The policy for a task in this workspace with these -p files (a list of paths). What is wrong with it is said in err. */
MUST_USE int engine_place(struct engine *engine, const char *workspace, const json_t *policies, struct policy_place **ret,
                          struct err *err);
const struct policy *place_policy(const struct policy_place *place);   /* in force now */
/* A model by name, opened once; borrowed. A key that comes from a command is fetched before the loop runs, so such a model is
 * opened before. -errno as llm_model_open. */
MUST_USE int engine_model(struct engine *engine, const char *name, struct llm_model **ret, struct err *err);

struct task_spec {
	const char *task;              /* the id that it must have, of a run that a schedule announced; NULL: a new one */
	const json_t *schedule;        /* whose run it is, for task.created; NULL: none's */
	const char *user;              /* who it is for; NULL: the engine's user */
	struct policy_place *place;    /* of engine_place; NULL: the engine's own */
	struct llm_model *opened;      /* of engine_model; NULL: the engine's own */
	const char *goal, *agent, *role, *model, *workspace, *plan, *channel, *session; /* session: NULL makes one */
	enum cell_level level;
	const char *mode;              /* of the workspace: direct, overlay or readonly; NULL: direct */
	int64_t layer_bytes;           /* in mode overlay, at most; 0: LIMIT_LAYER_MOST_BYTES */
	struct task_limits limits;
	const char *const *policies;   /* -p files, absolute */
	size_t policy_count;
	int max_depth;                 /* of delegation; 0: none */
	bool wait_for_approval;        /* although nobody is at a terminal */
	int64_t budget_nanos;          /* nano-USD for the whole tree; -1: no bound */
	const json_t *carried;         /* parts of carry.h: the conversation that it goes on with; NULL: it begins one */
	const json_t *taint;           /* labels that go on with it; NULL: none */
	const json_t *flags;           /* words of a command line that the next task of its session is to have, too; NULL: none */
	const json_t *told;            /* of instructions_read, for this task and all below; NULL: nothing */
	const char *traceparent, *tracestate; /* W3C: what the task is a part of; NULL, or not well-formed: nothing */
};

/* Budgets of money want models whose price is known. -EINVAL: err says how to give one. budget_nanos: as in task_spec. */
MUST_USE int engine_check_budgets(const struct policy *policy, const struct prices *prices, const struct llm_model *model,
                                  int64_t budget_nanos, struct err *err);

/* Starts a new root task; on_over follows. */
struct run *engine_start(struct engine *engine, const struct task_spec *spec);

/* Takes over a task that no living engine holds, by replay; `policies`: the -p files of its task.created.
 * -EBUSY, -ENOENT; -EALREADY: it has ended. */
MUST_USE int engine_resume(struct engine *engine, const char *task, const json_t *policies, bool wait_for_approval,
                           struct run **ret, struct err *err);

/* A datagram socket in `dir` on which other processes say that there is a message (inbox.c). -1: there is none, and the
 * engine looks for messages by itself. The caller owns both, and removes the file at its end. */
int inbox_socket(const char *dir, char **ret_path);

/* The state of a task by replay, without taking it over. The caller owns *ret. */
MUST_USE int engine_load(struct store *store, const char *task, struct task **ret, struct err *err);

/* Runs the loop until no task is left; of a service, until it was drained. */
void engine_loop(struct engine *engine);

/* Come to rest: nothing new begins, tasks park, all within health.stop_ms. A second call, or the deadline, ends the loop at
 * once; engine_free then leaves every task as after a crash. */
void engine_drain(struct engine *engine, const char *signal);
bool engine_draining(const struct engine *engine);     /* no new task is to be started */

/* The answer of the engine's own user, who is at its terminal; `by` and the time are filled in here. 0: decided; 1: more
 * people are needed; -errno: it does not count, and err says why (-ENOENT: it does not wait any more). */
int engine_answer(struct engine *engine, const struct answer *answer, struct err *err);
/* The words that answer a question of the model's. Unknown ids are ignored: it was withdrawn. */
void engine_say(struct engine *engine, const char *question, const char *words);

bool engine_has(const struct engine *engine, const char *task);  /* it is here, maybe not durable yet */
size_t engine_task_count(const struct engine *engine);           /* that it holds now */
const struct task *run_task(const struct run *run);              /* borrowed */
const struct err *run_failure(const struct run *run);            /* code 0: none; else it stopped, to be resumed */
enum run_failure_kind { RUN_OK, RUN_NO_CELL, RUN_CELL_LOST, RUN_STORE, RUN_INTERRUPTED };
enum run_failure_kind run_failure_kind(const struct run *run);

/* May this program start? Shared by tasks and `mishri exec`. facts may be NULL-free defaults. */
void exec_decide(const struct policy *policy, const struct cell_exec *exec, const struct facts *facts, struct decision *ret);
/* The line that a refused program leaves on its stderr. Appends to ret. */
void exec_message(const struct cell_exec *exec, const struct decision *decision, struct buf *ret);

struct net_target;
/* May this connection be made? The same. secret: that it would carry; NULL: none. */
void net_decide(const struct policy *policy, const struct net_target *target, const char *secret, const struct facts *facts,
                struct decision *ret);

/* The environment of tools: complete, nothing inherited. tmp: the cell's own directory for what is not
 * kept, as its mechanisms say. proxy: it has a network, by egress.h. The caller frees the array and its texts. */
MUST_USE char **tool_environment(const char *workspace, const char *user, const char *tmp, bool proxy);
void tool_environment_free(char **env);

#endif
