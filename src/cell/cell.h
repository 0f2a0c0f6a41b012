/* cell.h - sandboxes for tasks. The engine's side: it asks the warden for a cell, tells the cell what
 * to run, and answers for every program that wants to start. What the kernel then holds is in
 * README.md beside this file; the messages are in PROTOCOL.md.
 *
 * No function here blocks for longer than a message takes, but warden_start and cell_close. Nothing
 * here reads a clock for policy or decides anything: decisions are the caller's. */
#ifndef MISHRI_CELL_CELL_H
#define MISHRI_CELL_CELL_H

#include "base/json.h"
#include "core/bounds.h"

struct warden;
struct cell;

/* A tool that runs inside the cell without starting a program: called in a fresh process of the cell,
 * already confined and traced. Writes its output to fd 1 and returns an exit status. */
struct cell_builtin {
	const char *name;
	int (*run)(const json_t *args, const char *workspace);
};

/* Forks the warden. Before any thread, key, library start-up or open store. The table lives on in it.
 * -errno: err says what is missing. */
MUST_USE int warden_start(const struct cell_builtin *builtins, size_t count, struct warden **ret, struct err *err);
void warden_stop(struct warden *warden);            /* closes every cell; NULL is fine */
int warden_fd(const struct warden *warden);         /* readable: call warden_dispatch */
void warden_dispatch(struct warden *warden);        /* may call on_open and on_lost */

/* Once it is lost, every cell that it made ends, and on_lost tells of each; cells that were being opened fail with EPIPE. */
bool warden_is_lost(const struct warden *warden);
/* Another one in its place, at another warden_fd; one that still lives is ended first, with its cells. It does not fork:
 * a process from before does. -errno: that one is gone, too. */
MUST_USE int warden_restart(struct warden *warden, struct err *err);
/* Asks for a sign of life, unless it still owes one; returns when it last gave one, in monotonic milliseconds. */
int64_t warden_ping(struct warden *warden);

enum cell_level { CELL_FULL, CELL_REDUCED, CELL_NONE };
const char *cell_level_name(enum cell_level level);

struct cell_plan {                   /* what the cell shall be: data, checked before anything is done */
	enum cell_level level;
	const char *workspace;       /* absolute, resolved; visible and writable at this very path */
	bool workspace_readonly;
	const char *layer;           /* a directory (engine/layer.h) that takes all changes; NULL: the workspace itself does */
	/* Patterns below the workspace (or below "${workspace}/"), lists that end in NULL; NULL: none. What is hidden is
	 * there and cannot be read; what is kept cannot be written. writable: directories beside the workspace. */
	const char *const *hide, *const *keep, *const *writable;
	uint64_t memory_bytes, tmp_bytes, file_bytes;      /* 0: the default of limits.h */
	uint64_t disk_bytes;                               /* that may be written; 0: no limit */
	int processes, open_files;                         /* 0: the default */
};

struct cell_exec {                   /* a program stands before its first instruction */
	uint32_t id;                 /* for cell_exec_answer */
	uint64_t call;               /* the tag of the run it belongs to */
	bool first;                  /* the program that cell_run itself asked for */
	bool unpermitted;            /* `exec` is withheld from the run, and this is not its first program */
	int pid;                     /* inside the cell */
	const char *program;         /* the real file; "" when unreadable (then origin is untrusted) */
	int origin;                  /* 0 untrusted, 1 workspace, 2 system */
	const char *const *names;    /* see struct action in policy.h */
	size_t name_count, trusted_names;
	const char *const *argv;
	size_t argc;
	const char *cwd;
	const char *const *hashes;   /* SHA-256 of what counts, then of what runs it; "" where one is not known; may be none */
	size_t hash_count;
	const char *why_untrusted;   /* "" or a phrase: "LD_PRELOAD is set", "the file is deleted" */
};

struct cell_exit {
	uint64_t call;
	int status;                  /* exit status, or 128 + signal */
	int signal;                  /* 0: it exited by itself */
	int64_t cpu_ms;              /* of all that it started, as the next two */
	int64_t memory_bytes, written_bytes;               /* at most at once; to disks */
	int64_t processes;           /* at most at once */
	int64_t max_rss_bytes;       /* of its largest process */
	int64_t execs, denied;
	struct bound_hit hit;        /* what ended it */
};

struct cell_callbacks {
	/* Once. failure != NULL: there is no cell; it says what is missing and how to mend it, and the
	 * struct cell is gone after the callback. mechanisms: what is in force, for the event; borrowed. */
	void (*on_open)(void *userdata, const json_t *mechanisms, const struct err *failure);
	void (*on_exec)(void *userdata, const struct cell_exec *exec);     /* answer now or later */
	void (*on_exec_gone)(void *userdata, uint32_t id);                 /* a held one died; do not answer */
	void (*on_exit)(void *userdata, const struct cell_exit *ended);    /* the run's first process ended */
	void (*on_lost)(void *userdata, const char *why);                  /* the cell died by itself; cell_close it */
	/* A run went beyond a limit and is being ended, its first process or what that left behind. May be NULL. */
	void (*on_limit)(void *userdata, uint64_t call, const struct bound_hit *hit);
};

/* Asks for a cell; on_open follows. The plan is copied. */
MUST_USE struct cell *cell_open(struct warden *warden, const struct cell_plan *plan,
                                const struct cell_callbacks *callbacks, void *userdata);
int cell_fd(const struct cell *cell);               /* -1 before on_open; readable: call cell_dispatch */
void cell_dispatch(struct cell *cell);

/* The socket that listens on CELL_PROXY in the network of the cell, of which it is the only way out; not blocking.
 * The caller's from then on. -1: the cell has none (not full), or it was taken already. From on_open on. */
#define CELL_PROXY "127.0.0.1:3128"
MUST_USE int cell_take_listener(struct cell *cell);

struct cell_run {
	uint64_t call;               /* a tag of the caller's, unique among running ones */
	const char *builtin;         /* name of a builtin; NULL: a program */
	const json_t *args;          /* for the builtin */
	unsigned withheld;           /* permissions (base/permission.h) that the kernel takes from this run; 0: none */
	bool hash_system;            /* a rule asks for the SHA-256 of programs: also of the system's */
	const char *const *argv;     /* NULL-terminated; argv[0] is looked up in PATH of env unless it has a slash */
	const char *const *env;      /* NULL-terminated, complete; nothing is inherited */
	const char *cwd;             /* inside the workspace */
	int fds[3];                  /* stdin, stdout, stderr: handed over (copied); the caller keeps its own */
	/* Of all that it starts together; 0: as the cell has it. */
	int64_t cpu_ms, memory_bytes, processes;
	int64_t file_bytes, open_files;      /* of each process */
};
/* 0, or -errno when the cell cannot take it (err says why); the end comes by on_exit. A program that
 * cannot be started at all ends with status 127 (not found) or 126 and a line on its stderr. */
MUST_USE int cell_run(struct cell *cell, const struct cell_run *run, struct err *err);

/* Lets the program go on, or ends it with status 126 and `message` (one line) on its own stderr. */
void cell_exec_answer(struct cell *cell, uint32_t id, bool allow, const char *message);

/* Guards what came to be since the cell was opened or last guarded and fits a pattern of its plan. cell_guard asks,
 * and does nothing where an answer is still to come or the plan has no pattern; cell_guard_wait waits for the answer.
 * found: [{"path", "kind": "hide"|"readonly", "pattern", "held": bool}]; empty: nothing. -errno: it could not be
 * guarded, and err says why. The caller owns *ret_found. */
void cell_guard(struct cell *cell);
MUST_USE int cell_guard_wait(struct cell *cell, json_t **ret_found, struct err *err);

/* As warden_ping, of pid 1 of an open cell. */
int64_t cell_ping(struct cell *cell);
/* Kills an open cell that gives no sign of life; on_lost follows from inside. */
void cell_give_up(struct cell *cell, const char *why);

/* signal to every process of a run; SIGKILL is certain. Unknown runs are ignored. */
void cell_kill(struct cell *cell, uint64_t call, int signal);

/* Ends it without waiting; cell_close does that, and follows. No callback comes meanwhile. */
void cell_doom(struct cell *cell);

/* Ends everything in the cell and waits until the kernel says so (milliseconds). NULL is fine. No callback follows. */
void cell_close(struct cell *cell);

/* What this machine offers, for doctor: [{"name","ok":bool,"detail","fix"}]. The caller owns it. */
MUST_USE json_t *cell_probe(struct warden *warden);

#endif
