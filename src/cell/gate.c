/* gate.c - the ptrace state machine. It keeps no state that needs reports to come in one order: a child may be seen
 * before or after the report of its parent's fork, each is handled alone. It decides nothing: it asks, and what it
 * cannot ask it refuses. A held program holds nothing else. */
#include "cell/gate.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cell/deny.h"
#include "base/banned.h"

struct tracee {
	pid_t pid;                    /* a thread has one of its own */
	struct gate_run *run;
	uint32_t held;                /* id of the open question; 0: none */
	struct named_file *named;     /* of a held script: what was looked at; NULL: nothing that could change */
	int64_t ending_ms;            /* refused: when it should have ended; 0: not */
	struct sample last;           /* what it used, when the meter looked */
	bool told, unread;            /* the meter looked at its end; it could not, and this is a process */
	struct tracee *next;
};

#define BIT(signal) (UINT64_C(1) << ((signal) - 1))

/* ---- the table ---- */

static struct tracee **slot_of(struct gate *gate, pid_t pid)
{
	struct tracee **at = &gate->slots[(unsigned)pid % GATE_SLOTS];

	while (*at != NULL && (*at)->pid != pid)
		at = &(*at)->next;
	return at;
}

static struct gate_run *run_find(const struct gate *gate, uint64_t call)
{
	struct gate_run *run = gate->runs;

	while (run != NULL && run->call != call)
		run = run->next;
	return run;
}

static struct tracee *tracee_add(struct gate *gate, pid_t pid, struct gate_run *run)
{
	struct tracee **slot = slot_of(gate, pid);

	assert(*slot == NULL);
	*slot = xcalloc(1, sizeof **slot);
	(*slot)->pid = pid;
	(*slot)->run = run;
	run->tracees++;
	run->used.processes = MAX(run->used.processes, run->tracees);
	gate->tracee_count++;
	return *slot;
}

static struct gate_run *most_crowded(const struct gate *gate)
{
	struct gate_run *most = gate->runs;

	for (struct gate_run *run = gate->runs; run != NULL; run = run->next)
		if (most->killed || (!run->killed && run->tracees > most->tracees))
			most = run;
	return most;
}

/* A newcomer by descent. One of a run that is being killed does not live; one too many ends its run. */
static struct tracee *tracee_admit(struct gate *gate, pid_t pid, struct gate_run *run)
{
	struct tracee *t = tracee_add(gate, pid, run);

	if (run->killed)
		kill(pid, SIGKILL);
	else if (run->bounds.processes != 0 && run->tracees > run->bounds.processes)
		gate_over(gate, run, &(struct bound_hit){ BOUND_PROCESSES, (int64_t)run->tracees, (int64_t)run->bounds.processes });
	else if (gate->tracee_count > gate->max_tracees)
		gate_over(gate, most_crowded(gate), &(struct bound_hit){ BOUND_PROCESSES, (int64_t)gate->tracee_count,
		                                                         (int64_t)gate->max_tracees });
	return t;
}

static void run_free_if_over(struct gate *gate, struct gate_run *run)
{
	struct gate_run **at = &gate->runs;

	if (run->tracees > 0 || run->leader != 0)
		return;
	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	free(run);
}

static void release(struct gate *gate, struct tracee *t)
{
	for (size_t i = 0; i < gate->held_count; i++)
		if (gate->held[i] == t)
			gate->held[i] = gate->held[--gate->held_count];
	t->held = 0;
	free(TAKE(t->named));
}

/* What it used is its run's from now on. */
static void tracee_settle(struct gate *gate, struct tracee *t)
{
	t->run->used.cpu_ns += t->last.cpu_ns;
	t->run->used.written += t->last.written;
	gate->written += t->last.written;
	t->last = (struct sample){ 0 };
}

static void tracee_forget(struct gate *gate, pid_t pid)
{
	struct tracee **slot = slot_of(gate, pid), *t = *slot;

	if (t == NULL)
		return;
	*slot = t->next;
	if (t->held != 0) {
		uint32_t id = t->held;
		release(gate, t);
		gate->events->gone(gate->userdata, id);
	}
	if (t->ending_ms != 0)
		gate->ending_count--;
	tracee_settle(gate, t);
	gate->tracee_count--;
	t->run->tracees--;
	run_free_if_over(gate, t->run);
	free(t);
}

/* ---- what the kernel tells about a process ---- */

static uint64_t status_number(const struct buf *status, const char *key, int base)
{
	const char *at = strstr(buf_text(status), key);

	return at != NULL ? strtoull(at + strlen(key), NULL, base) : 0;
}

static bool status_read(pid_t pid, struct buf *ret)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	return io_read_file(path, ret, NULL) == 0;
}

/* A tracee that no fork report has named yet: it belongs where its process or its parent belongs. An orphan at this
 * point had a parent that was killed in the middle of the fork; NULL: it shall share that fate. */
static struct gate_run *run_by_kin(struct gate *gate, pid_t pid)
{
	AUTO(buf_done) struct buf status = BUF_INIT(KIB(16));

	if (!status_read(pid, &status))
		return NULL;
	struct tracee *process = *slot_of(gate, (pid_t)status_number(&status, "\nTgid:", 10));
	struct tracee *parent = *slot_of(gate, (pid_t)status_number(&status, "\nPPid:", 10));
	if (process != NULL)
		return process->run;
	return parent != NULL ? parent->run : NULL;
}

static bool is_process(pid_t pid)
{
	AUTO(buf_done) struct buf status = BUF_INIT(KIB(16));

	return status_read(pid, &status) && (pid_t)status_number(&status, "\nTgid:", 10) == pid;
}

/* Only short of processor time: neither asleep nor stopped. */
static bool is_on_its_way(pid_t pid)
{
	AUTO(buf_done) struct buf status = BUF_INIT(KIB(16));

	return status_read(pid, &status) && (strstr(buf_text(&status), "\nState:\tR") != NULL ||
	                                     strstr(buf_text(&status), "\nState:\tt") != NULL);
}

static uint64_t signals_pending(const struct buf *status)
{
	uint64_t pending = status_number(status, "\nSigPnd:", 16) | status_number(status, "\nShdPnd:", 16);
	uint64_t barred = status_number(status, "\nSigBlk:", 16) | status_number(status, "\nSigIgn:", 16);

	return pending & ~barred;
}

/* Is a signal waiting that will end this program before its first instruction? */
static bool fatal_pending(pid_t pid)
{
	AUTO(buf_done) struct buf status = BUF_INIT(KIB(16));
	const uint64_t harmless = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT) | BIT(SIGSTOP) |
	                          BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

	return status_read(pid, &status) && (signals_pending(&status) & ~harmless) != 0;
}

/* Is one waiting that will stop it there, for as long as whoever sent it likes? */
static bool stop_pending(pid_t pid)
{
	AUTO(buf_done) struct buf status = BUF_INIT(KIB(16));
	const uint64_t stops = BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

	return !status_read(pid, &status) || (signals_pending(&status) & stops) != 0;
}

/* ---- one program start ---- */

static void let_go(pid_t pid, int signal)
{
	/* ESRCH: it was killed meanwhile, its exit is reported next. */
	ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal);
}

static void refuse(struct gate *gate, struct tracee *t, const char *message)
{
	if (deny_inject(t->pid, message) < 0) {
		kill(t->pid, SIGKILL);
		return;
	}
	if (t->ending_ms == 0)
		gate->ending_count++;
	t->ending_ms = clock_mono_ms() + LIMIT_CELL_DENY_STUB_MS;
	let_go(t->pid, 0);
}

static void on_exec(struct gate *gate, struct tracee *t)
{
	struct inspected what;
	bool first = !t->run->started;

	t->run->started = true;
	t->run->execs++;
	inspected_init(&what);
	inspect(t->pid, gate->places, gate->hash_system, &what);
	if (what.arguments_too_long || gate->held_count == LIMIT_CELL_HELD) {
		t->run->denied++;
		refuse(gate, t, what.arguments_too_long
		       ? "mishri: denied: the arguments are too long to be checked: pass them in a file"
		       : "mishri: denied: too many programs wait for a decision: try again later");
	} else {
		if (gate->held_count == 0)      /* most questions are answered before it is time to look */
			gate->look_ms = clock_mono_ms() + LIMIT_CELL_HELD_CHECK_MS;
		t->held = ++gate->last_id;
		gate->held[gate->held_count++] = t;
		if (what.named.is) {
			t->named = xmalloc(sizeof *t->named);
			*t->named = what.named;
		}
		gate->events->exec(gate->userdata, t->held, t->run, first, t->pid, &what);
	}
	inspected_done(&what);
}

/* Of a script, or what a loader is to run: what was allowed is not what would be read. NULL: it is. */
static const char *why_not_as_named(const struct tracee *t)
{
	if (!named_is_same(t->pid, t->named))
		return "mishri: denied: the script was changed while its start was decided: start it again";
	/* stopped before it reads the script, it would leave all the time in the world to change that */
	if (stop_pending(t->pid))
		return "mishri: denied: the script was stopped while its start was decided: start it again";
	return NULL;
}

bool gate_answer(struct gate *gate, uint32_t id, bool allow, const char *message)
{
	if (id == 0 || id > gate->last_id)
		return false;
	for (size_t i = 0; i < gate->held_count; i++) {
		struct tracee *t = gate->held[i];
		if (t->held != id)
			continue;
		const char *changed = allow && t->named != NULL ? why_not_as_named(t) : NULL;
		release(gate, t);
		if (changed != NULL) {
			t->run->denied++;
			refuse(gate, t, changed);
		} else if (allow) {
			let_go(t->pid, 0);
		} else {
			t->run->denied++;
			refuse(gate, t, message);
		}
		return true;
	}
	return true;
}

/* ---- reports ---- */

static void on_fork(struct gate *gate, struct tracee *parent)
{
	unsigned long child = 0;
	siginfo_t info;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &child) < 0 || *slot_of(gate, (pid_t)child) != NULL)
		return;
	/* Seen, run and over already? Then there is nothing to remember. */
	if (waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0)
		tracee_admit(gate, (pid_t)child, parent->run);
}

/* A thread that starts a program takes over its process's id; its own is over without a report. */
static void on_thread_exec(struct gate *gate, pid_t pid)
{
	unsigned long former = 0;

	if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &former) == 0 && (pid_t)former != pid)
		tracee_forget(gate, (pid_t)former);
}

static void on_stop(struct gate *gate, struct tracee *t, int event, int signal)
{
	switch (event) {
	case PTRACE_EVENT_EXEC:
		on_thread_exec(gate, t->pid);
		on_exec(gate, t);
		return;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_fork(gate, t);
		let_go(t->pid, 0);
		return;
	case PTRACE_EVENT_EXIT:
		t->told = gate->events->dying(gate->userdata, t->run, t->pid, &t->last);
		let_go(t->pid, 0);
		return;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
			ptrace(PTRACE_LISTEN, t->pid, NULL, NULL);
		else
			let_go(t->pid, 0);
		return;
	default:
		/* The kernel sends it to who would make a file too large, also to who does not listen. */
		if (event == 0 && signal == SIGXFSZ)
			gate_over(gate, t->run, &(struct bound_hit){ BOUND_FILE, (int64_t)t->run->bounds.file_bytes,
			                                                (int64_t)t->run->bounds.file_bytes });
		let_go(t->pid, event == 0 ? signal : 0);
		return;
	}
}

static void on_end(struct gate *gate, pid_t pid, int status, const struct rusage *used)
{
	struct tracee *t = *slot_of(gate, pid);
	struct gate_run *run = t != NULL && t->run->leader == pid ? t->run : NULL;

	/* The kernel's sum has its children in it, too: too much is better than nothing. */
	if (t != NULL && t->unread)
		t->last.written = MAX(t->last.written, (uint64_t)used->ru_oublock * 512);
	if (t != NULL)
		tracee_settle(gate, t);
	if (t != NULL && !t->run->killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		gate->events->killed(gate->userdata, t->run);
	if (run == NULL) {
		tracee_forget(gate, pid);
		return;
	}
	/* The question of a leader that was held is withdrawn before its end is told. */
	if (t->held != 0) {
		uint32_t id = t->held;
		release(gate, t);
		gate->events->gone(gate->userdata, id);
	}
	gate->events->ended(gate->userdata, run, status, used);
	run->leader = 0;
	gate->leaders--;
	tracee_forget(gate, pid);
}

/* Who stands at his end already is woken by no signal. */
static void end_for_certain(pid_t pid, int event)
{
	if (event == PTRACE_EVENT_EXIT)
		let_go(pid, 0);
	else
		kill(pid, SIGKILL);
}

static void on_report(struct gate *gate, pid_t pid, int status, const struct rusage *used)
{
	if (WIFEXITED(status) || WIFSIGNALED(status))
		return on_end(gate, pid, status, used);
	struct tracee *t = *slot_of(gate, pid);
	if (t == NULL) {
		struct gate_run *run = run_by_kin(gate, pid);
		if (run == NULL) {
			end_for_certain(pid, status >> 16);
			return;
		}
		t = tracee_admit(gate, pid, run);
	}
	if (t->run->killed || gate->closing)
		end_for_certain(pid, status >> 16);
	else
		on_stop(gate, t, status >> 16, WSTOPSIG(status));
}

/* Who has something to report. Of one that was killed, and so did not stop at its end, the kernel still tells a part of
 * what it used, until it is reaped. */
static pid_t peek(struct gate *gate)
{
	siginfo_t info = { 0 };

	if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) < 0 || info.si_pid == 0)
		return 0;
	struct tracee *t = *slot_of(gate, info.si_pid);
	bool over = info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
	if (t != NULL && over && !t->told)
		t->unread = !gate->events->dying(gate->userdata, t->run, t->pid, &t->last) && is_process(t->pid);
	return info.si_pid;
}

bool gate_reports(struct gate *gate)
{
	struct rusage used;
	int status;

	for (int i = 0; i < LIMIT_CELL_WAIT_BATCH; i++) {
		pid_t pid = peek(gate);
		if (pid > 0)
			pid = wait4(pid, &status, WNOHANG | __WALL, &used);
		if (pid <= 0)
			return false;
		on_report(gate, pid, status, &used);
	}
	return true;
}

/* ---- from outside ---- */

static int seize(const struct gate *gate, pid_t pid)
{
	long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT |
	               PTRACE_O_EXITKILL |
	               (gate->asks ? PTRACE_O_TRACEEXEC : 0);

	return ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0 ? -errno : 0;
}

/* A traced process stops once more at its exit, and must be let go; else it would stay, with all it has open. */
static void end_trial(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	for (;;) {
		pid_t got = waitpid(pid, &status, __WALL);
		if (got == pid && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, NULL, NULL);
		else if (got == pid || errno != EINTR)
			return;
	}
}

int gate_trial(struct err *err)
{
	struct gate gate = { .asks = true };
	int ends[2], r;
	char byte = 0;

	if (pipe(ends) < 0)
		return err_sys(err, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		(void)!write(ends[1], &byte, 1);
		for (;;)
			pause();
	}
	close(ends[1]);
	r = pid < 0 ? -errno : io_read_all(ends[0], &byte, 1);
	if (r == 0)
		r = seize(&gate, pid);
	close(ends[0]);
	if (pid > 0)
		end_trial(pid);
	return r == 0 ? 0 : err_set(err, -r, "the exec gate cannot trace its own children (%s): set the sysctl"
	                            " kernel.yama.ptrace_scope to 0 or 1, and allow ptrace where a container forbids it",
	                            strerror(-r));
}

int gate_adopt(struct gate *gate, uint64_t call, bool alone, pid_t pid, const struct run_bounds *bounds, struct err *err)
{
	int r = seize(gate, pid);

	if (r < 0)
		return err_set(err, -r, "the exec gate cannot trace a new program: %s", strerror(-r));
	struct gate_run *run = xcalloc(1, sizeof *run);
	run->call = call;
	run->alone = alone;
	run->leader = pid;
	run->bounds = *bounds;
	run->next = gate->runs;
	gate->runs = run;
	gate->leaders++;
	tracee_add(gate, pid, run);
	return 0;
}

static void kill_all_of(struct gate *gate, const struct gate_run *run, int signal)
{
	for (size_t i = 0; i < GATE_SLOTS; i++)
		for (struct tracee *t = gate->slots[i]; t != NULL; t = t->next)
			if ((run == NULL || t->run == run) && (signal == SIGKILL || is_process(t->pid)))
				kill(t->pid, signal);
}

void gate_kill(struct gate *gate, uint64_t call, int signal)
{
	struct gate_run *run = run_find(gate, call);

	if (run == NULL)
		return;
	if (signal == SIGKILL)
		run->killed = true;
	kill_all_of(gate, run, signal);
}

void gate_over(struct gate *gate, struct gate_run *run, const struct bound_hit *hit)
{
	if (run->killed || gate->closing)
		return;
	run->hit = *hit;
	run->killed = true;
	kill_all_of(gate, run, SIGKILL);
	gate->events->over(gate->userdata, run);
}

void gate_each(struct gate *gate, void (*visit)(void *userdata, struct gate_run *run, pid_t pid, struct sample *last),
               void *userdata)
{
	for (size_t i = 0; i < GATE_SLOTS; i++)
		for (struct tracee *t = gate->slots[i]; t != NULL; t = t->next)
			visit(userdata, t->run, t->pid, &t->last);
}

void gate_end(struct gate *gate)
{
	int status;
	struct rusage used;

	gate->closing = true;
	kill_all_of(gate, NULL, SIGKILL);
	for (;;) {
		pid_t pid = wait4(-1, &status, __WALL, &used);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0)
			on_report(gate, pid, status, &used);
	}
}

int gate_timeout_ms(const struct gate *gate)
{
	if (gate->ending_count > 0)
		return LIMIT_CELL_DENY_STUB_MS / 4;
	return gate->held_count > 0 ? LIMIT_CELL_HELD_CHECK_MS : -1;
}

void gate_tick(struct gate *gate)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < GATE_SLOTS && gate->ending_count > 0; i++)
		for (struct tracee *t = gate->slots[i]; t != NULL; t = t->next)
			if (t->ending_ms != 0 && now >= t->ending_ms &&
			    (now >= t->ending_ms + LIMIT_CELL_DENY_STARVED_MS || !is_on_its_way(t->pid)))
				kill(t->pid, SIGKILL);
	if (gate->held_count == 0 || now < gate->look_ms)
		return;
	gate->look_ms = now + LIMIT_CELL_HELD_CHECK_MS;
	for (size_t i = gate->held_count; i-- > 0;) {
		struct tracee *t = gate->held[i];
		uint32_t id = t->held;
		if (!fatal_pending(t->pid))
			continue;
		release(gate, t);
		gate->events->gone(gate->userdata, id);
		/* The signal comes first; should it not, the program still never begins. */
		refuse(gate, t, "mishri: ended by a signal while it waited for a decision");
	}
}
