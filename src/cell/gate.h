/* gate.h - the exec gate: traces every process of a cell and asks before each program's first instruction. */
#ifndef MISHRI_CELL_GATE_H
#define MISHRI_CELL_GATE_H

#include <sys/resource.h>

#include "cell/inspect.h"
#include "cell/sample.h"
#include "core/bounds.h"

/* What a run used, or uses now; processes: at most at once. */
struct usage {
	uint64_t cpu_ns, written, memory;
	size_t processes;
};

/* What one run may use beyond what holds for the whole cell; 0: nothing more is said. */
struct run_bounds {
	uint64_t cpu_ns, memory_bytes, processes;
	uint64_t file_bytes;          /* as it holds; kept by the kernel */
};

/* A run: what one call started, with everything that came of it, also what outlives the first process. */
struct gate_run {
	uint64_t call;
	pid_t leader;                 /* 0 once it has ended */
	bool killed;                  /* whatever joins it is killed, too */
	bool started;                 /* the first program has been seen */
	uint64_t execs, denied;
	size_t tracees;
	struct run_bounds bounds;
	struct usage used, now;       /* of what has ended, and at the last look of what lives */
	struct bound_hit hit;         /* the limit that ended it */
	struct gate_run *next;
};

struct tracee;

struct gate_events {
	void (*exec)(void *userdata, uint32_t id, const struct gate_run *run, bool first, pid_t pid,
	             const struct inspected *what);
	void (*gone)(void *userdata, uint32_t id);
	void (*ended)(void *userdata, struct gate_run *run, int status, const struct rusage *used);
	void (*over)(void *userdata, const struct gate_run *run);              /* it went beyond a limit, and is killed */
	/* For the meter: a thread ends (false: what it wrote cannot be known any more); SIGKILL came from nobody here. */
	bool (*dying)(void *userdata, struct gate_run *run, pid_t pid, struct sample *last);
	void (*killed)(void *userdata, struct gate_run *run);
};

enum { GATE_SLOTS = 1024 };

struct gate {
	const struct places *places;
	bool asks;                    /* false: nothing is asked (isolation none), but nothing escapes either */
	size_t max_tracees;
	const struct gate_events *events;
	void *userdata;
	struct tracee *slots[GATE_SLOTS];
	struct tracee *held[LIMIT_CELL_HELD];
	size_t tracee_count, held_count, ending_count;
	uint64_t written;             /* to disks, by all that has ended */
	uint32_t last_id;
	int64_t look_ms;              /* when to look at the signals of held programs again */
	struct gate_run *runs;
	size_t leaders;
	bool closing;                 /* whatever appears is killed */
};

/* May this process trace a child at all? Tries it. Call with SIGCHLD blocked. */
MUST_USE int gate_trial(struct err *err);

/* Takes a child that waits before its first own step into the gate, as the leader of a new run. */
MUST_USE int gate_adopt(struct gate *gate, uint64_t call, pid_t pid, const struct run_bounds *bounds, struct err *err);

/* Takes reports of the kernel. True: there may be more. */
bool gate_reports(struct gate *gate);

/* False: this id was never given out. One that is over is ignored. */
MUST_USE bool gate_answer(struct gate *gate, uint32_t id, bool allow, const char *message);
void gate_kill(struct gate *gate, uint64_t call, int signal);
/* Ends a run for good, because of a limit. Nothing, when it is being killed already. */
void gate_over(struct gate *gate, struct gate_run *run, const struct bound_hit *hit);
/* Every thread with its run and with what was seen of it last. */
void gate_each(struct gate *gate, void (*visit)(void *userdata, struct gate_run *run, pid_t pid, struct sample *last),
               void *userdata);
void gate_end(struct gate *gate);               /* kills everything; returns when the last one is gone */

int gate_timeout_ms(const struct gate *gate);   /* for poll; -1: none */
void gate_tick(struct gate *gate);

#endif
