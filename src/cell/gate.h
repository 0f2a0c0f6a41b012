/* gate.h - the exec gate: traces every process of a cell and asks before each program's first instruction. */
#ifndef MISHRI_CELL_GATE_H
#define MISHRI_CELL_GATE_H

#include <sys/resource.h>

#include "cell/inspect.h"

/* A run: what one call started, with everything that came of it, also what outlives the first process. */
struct gate_run {
	uint64_t call;
	pid_t leader;                 /* 0 once it has ended */
	bool killed;                  /* whatever joins it is killed, too */
	bool started;                 /* the first program has been seen */
	bool alone;                   /* and no other may start: the run lacks the permission */
	uint64_t execs, denied;
	size_t tracees;
	struct gate_run *next;
};

struct tracee;

struct gate_events {
	void (*exec)(void *userdata, uint32_t id, const struct gate_run *run, bool first, pid_t pid,
	             const struct inspected *what);
	void (*gone)(void *userdata, uint32_t id);
	void (*ended)(void *userdata, const struct gate_run *run, int status, const struct rusage *used);
};

enum { GATE_SLOTS = 1024 };

struct gate {
	const struct places *places;
	bool asks;                    /* false: nothing is asked (isolation none), but nothing escapes either */
	size_t max_tracees;
	bool hash_system;             /* files of the system are hashed, too: a rule asks for it */
	const struct gate_events *events;
	void *userdata;
	struct tracee *slots[GATE_SLOTS];
	struct tracee *held[LIMIT_CELL_HELD];
	size_t tracee_count, held_count, ending_count;
	uint32_t last_id;
	int64_t look_ms;              /* when to look at the signals of held programs again */
	struct gate_run *runs;
	size_t leaders;
	bool closing;                 /* whatever appears is killed */
};

/* May this process trace a child at all? Tries it. Call with SIGCHLD blocked. */
MUST_USE int gate_trial(struct err *err);

/* Takes a child that waits before its first own step into the gate, as the leader of a new run. alone: it may start no
 * program but the first. */
MUST_USE int gate_adopt(struct gate *gate, uint64_t call, bool alone, pid_t pid, struct err *err);

/* Takes reports of the kernel. True: there may be more. */
bool gate_reports(struct gate *gate);

/* False: this id was never given out. One that is over is ignored. */
MUST_USE bool gate_answer(struct gate *gate, uint32_t id, bool allow, const char *message);
void gate_kill(struct gate *gate, uint64_t call, int signal);
void gate_end(struct gate *gate);               /* kills everything; returns when the last one is gone */

int gate_timeout_ms(const struct gate *gate);   /* for poll; -1: none */
void gate_tick(struct gate *gate);

#endif
