/* common.h - what several commands need: where things are kept, and how a run is set up. */
#ifndef MISHRI_CLI_COMMON_H
#define MISHRI_CLI_COMMON_H

#include "cli/command.h"
#include "engine/agents.h"
#include "engine/config.h"
#include "engine/engine.h"
#include "engine/reload.h"

/* Opens the store of --data, MISHRI_DATA or the usual place. flags: of store_open, and of these. Where audit.key says something, a
 * key that cannot be had keeps the store shut for writing. */
enum {
	CLI_STORE_UNSIGNED = 256,      /* no checkpoint will be written: no key is asked for */
	CLI_STORE_SIGN_IF = 512,       /* what stops work goes through without a key, too, and says so */
};
MUST_USE int cli_open_store(const struct options *o, unsigned flags, struct store **ret, struct err *err);

/* The directory itself; the caller owns *ret. */
MUST_USE int cli_data_dir(const struct options *o, char **ret, struct err *err);

/* The Unix user's name, or --user for root. -EPERM otherwise. Writes to user. */
MUST_USE int cli_user(const struct options *o, char user[static USER_LEN + 1], struct err *err);

/* An existing directory, resolved; the caller owns *ret. */
MUST_USE int cli_workspace(const char *path, char **ret, struct err *err);

/* What the proxies of all cells share. The caller owns *ret; it ends before the loop. config: NULL: as built in. */
struct egress_base;
MUST_USE int cli_egress(struct loop *loop, const struct config *config, struct egress_base **ret, struct err *err);
/* The export of spans as the configuration has it; *ret stays as it is where none is wanted. Returns an exit code. The other
 * delivers what waits, says what did not arrive, and frees it; NULL is fine. */
struct otel;
MUST_USE int cli_otel(struct loop *loop, struct store *store, const struct config *config, struct otel **ret);
void cli_otel_close(struct otel *otel);
/* Where the files of a trusted workspace changed and a person is at the terminal: asks whether to trust them again. */
void cli_trust_again(const struct options *o, const char *workspace);

/* The configuration for a workspace (NULL: none), with the flags of `o` that are keys, and -c. `flags`:
 * {option, key} pairs. -EINVAL or -EPERM; *ret_usage says that a flag was wrong, not a file. */
struct config_flag { const char *option, *key; };
MUST_USE int cli_config(const struct options *o, const char *workspace, const struct config_flag *flags, size_t count,
                        struct config **ret, bool *ret_usage, struct err *err);

/* The tools by manifest: the administrator's, the user's, and those of a trusted workspace (NULL: none). Once per process;
 * cli_config and cli_load_policy call it. */
MUST_USE int cli_own_tools(const struct options *o, const char *workspace, struct err *err);

/* Neither the history nor the user's own policy may lie where tools can write: -EINVAL when the data directory or the
 * directory of the user's configuration is inside `workspace`, as it is where that is the home directory. */
MUST_USE int cli_check_data(const struct options *o, const char *workspace, struct err *err);

/* The same as a place that can be looked at again; the caller owns *ret. cli_load_home prints a line about a project
 * file that is passed over. */
MUST_USE int cli_policy_home(const struct options *o, const char *workspace, const char *const *files, size_t count,
                             struct policy_home **ret, struct err *err);
MUST_USE int cli_load_home(struct policy_home *home, struct policy **ret, struct err *err);

/* The policy in force for a workspace: the layers, and the -p files in the place of the project's. */
MUST_USE int cli_load_policy(const struct options *o, const char *workspace, const char *const *files, size_t count,
                             struct policy **ret, struct err *err);

/* As `mishri run --resume TASK`, with the options of `o` that both have. The store must not be open. */
int cli_run_resume(const struct options *o, const char *task);
/* What resume and fork hand on to it is right: 0, or an exit code after the complaint. */
int cli_resume_words(const struct options *o);

bool cli_color(const struct options *o, int fd);        /* a terminal, NO_COLOR unset, no --no-color */

enum output_format { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_STREAM };

/* Everything that a run needs, open. */
struct session {
	struct warden *warden;         /* started by the caller, before anything else */
	struct loop *loop;
	struct store *store;
	struct policy *policy;
	struct policy_home *policy_home; /* where it is from; NULL: it never changes */
	struct llm *llm;
	struct llm_model *model;
	struct engine *engine;
	struct watchdog *watchdog;
	struct progress *progress;     /* NULL: quiet */
	struct asker *asker;           /* NULL: nobody to ask */
	enum output_format format;
	const struct config *config;   /* borrowed; NULL: none */
	struct egress_base *egress;
	struct otel *otel;             /* NULL: no spans are sent */
	struct metrics *metrics;       /* of a service; NULL: nothing is counted */
	struct secrets *secrets;       /* of the configuration, borrowed; NULL: none */
	const struct agents *agents;   /* of the configuration, borrowed; NULL: none */
	const struct prices *prices;   /* of the configuration, borrowed; NULL: the built-in table alone */
	int64_t context_tokens;        /* 0: by the model */
	bool loops_ignored;
	const json_t *fallback;        /* names of models that stand in, borrowed; NULL: as the configuration has it */
	json_t *chain;                 /* the same, by session_open; owned */
	int64_t reply_tokens;          /* 0: by the provider, or as a budget allows */
	bool service;                  /* the engine stays when no task is left */
	void (*on_event)(void *userdata, const struct event *event);  /* beside what is shown; NULL */
	void (*on_over)(void *userdata, struct run *run);             /* NULL */
	void (*on_word)(void *userdata);                              /* NULL */
	void (*on_text)(void *userdata, const char *task, struct str text); /* as engine_setup has it; NULL */
	bool stays;                    /* as `service`, for one person: the engine stays between tasks */
	bool plain;                    /* nothing is painted over, although it is a terminal */
	void (*on_pause)(void *userdata, bool paused);                /* a question is on the screen; NULL */
	bool (*on_signal)(void *userdata, int signo);                 /* true: it is no reason to stop; NULL */
	int (*load_policy)(void *userdata, const char *workspace, const json_t *policies, struct policy_home **ret_home,
	                   struct policy **ret_policy, struct err *err);   /* as engine_setup has it; NULL */
	void *userdata;                /* of these */
	char user[USER_LEN + 1];
	int signo;                     /* the first signal that asked to stop; 0: none */
	struct run *run;               /* the one that is waited for */
	int64_t since_ms;              /* monotonic */
	int poke_fd;                   /* with poke_path, where others say that there is a message */
	char *poke_path;
};

/* The keys watchdog.* and shutdown.deadline. */
struct health_limits cli_health_limits(const struct config *config);

/* Writes this process into the store as an engine, with a socket where one can be had. */
MUST_USE int session_register(struct session *s, const struct options *o, struct err *err);

/* Makes loop, model client and engine of a session whose warden, store, policy, model and user are
 * set. ask: questions may go to the terminal. */
MUST_USE int session_open(struct session *s, bool ask, bool quiet, bool color, struct err *err);
void session_close(struct session *s);

/* Runs the loop to the end of s->run; prints the result in the session's format. Returns the exit code. */
int session_finish(struct session *s);

/* The result object of CLI.md for a task at rest. The caller owns it. */
json_t *result_object(const struct task *task, const char *state, const char *result, int exit, int64_t elapsed_ms);
int print_result(enum output_format format, json_t *owned_object);

/* The labels of a task (docs/sandbox.md); the caller owns *ret. */
MUST_USE int cli_taint(struct store *store, const char *task, json_t **ret, struct err *err);
void print_taint(const json_t *labels);                     /* "secret, network" */

#endif
