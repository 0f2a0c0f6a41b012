/* init.c - pid 1 of a cell: sets the cell up, then one loop over its socket and its children. It parses nothing that
 * the programs of the cell write, and trusts its peer to be the engine only as far as the table of requests goes. With
 * the socket it ends, and with it everything in the cell. */
#include "cell/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/io.h"
#include "cell/enter.h"
#include "cell/gate.h"
#include "cell/launch.h"
#include "cell/meter.h"
#include "base/banned.h"

enum { STATE_SETUP = 1, STATE_SERVING = 2 };
enum { EXIT_CANNOT = 126 };

/* A message that the socket would not take yet. */
struct pending {
	struct pending *next;
	size_t len;
	char bytes[];
};

struct init {
	const struct init_setup *setup;
	struct entered entered;
	struct gate gate;
	struct meter meter;
	unsigned state;
	bool parting;                        /* nobody is told anything any more */
	bool samples;                        /* the kernel tells of each thread */
	int signals;
	struct pending *first, **last;
	char *room;
};

/* The end of pid 1 is the end of the cell: in a full cell the kernel kills the rest, elsewhere the gate does. */
static _Noreturn void part(struct init *init)
{
	if (init->state == STATE_SERVING && init->setup->plan->level != CELL_FULL) {
		init->parting = true;
		fd_close(&init->entered.scratch_fd);     /* its remover is one of those that are waited for */
		gate_end(&init->gate);
	}
	_exit(0);
}

/* ---- to the peer ---- */

/* 0: sent. -EAGAIN: the socket is full. Anything else: the peer is gone. */
static int send_now(const struct init *init, struct str bytes)
{
	return msg_send_bytes(init->setup->socket, bytes, NULL, 0);
}

static void flush_pending(struct init *init)
{
	while (init->first != NULL) {
		struct pending *p = init->first;
		int r = send_now(init, (struct str){ p->bytes, p->len });
		if (r == -EAGAIN)
			return;
		if (r < 0)
			part(init);
		init->first = p->next;
		if (init->first == NULL)
			init->last = &init->first;
		free(p);
	}
}

/* Order is kept; what waits is bounded by the programs that may be held and the processes that may end. */
static void tell(struct init *init, const struct msg *msg)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);

	if (init->parting)
		return;
	int r = msg_encode(msg, &bytes);
	assert(r == 0);
	if (init->first == NULL) {
		r = send_now(init, buf_str(&bytes));
		if (r == 0)
			return;
		if (r != -EAGAIN)
			part(init);
	}
	struct pending *p = xmalloc(sizeof *p + bytes.len);
	p->next = NULL;
	p->len = bytes.len;
	memcpy(p->bytes, buf_text(&bytes), bytes.len);
	*init->last = p;
	init->last = &p->next;
}

static void tell_exec(void *userdata, uint32_t id, const struct gate_run *run, bool first, pid_t pid,
                      const struct inspected *what)
{
	const char *names[LIMIT_CELL_NAMES], *hashes[LIMIT_CELL_PROGRAM_HASHES];
	struct str rest = buf_str(&what->arguments), word;
	size_t count = 0;

	for (size_t i = 0; i < rest.len; i++)
		count += rest.ptr[i] == '\0';
	AUTO(freep) const char **argv = xcalloc(count + 1, sizeof *argv);
	for (size_t i = 0; rest.len > 0 && str_next(&rest, '\0', &word); i++)
		if (i < count)
			argv[i] = word.ptr;
	for (size_t i = 0; i < what->name_count; i++)
		names[i] = what->names[i];
	for (size_t i = 0; i < what->hash_count; i++)
		hashes[i] = what->hashes[i];
	tell(userdata, &(struct msg){
		.type = MSG_EXEC, .id = id, .call = run->call, .first = first, .unpermitted = run->alone && !first, .pid = (uint64_t)pid,
		.program = what->program, .origin = what->origin, .names = { names, what->name_count },
		.trusted_names = what->trusted_names, .argv = { argv, count }, .cwd = what->cwd, .why = what->why,
		.hashes = { hashes, what->hash_count },
	});
}

static void tell_gone(void *userdata, uint32_t id)
{
	tell(userdata, &(struct msg){ .type = MSG_GONE, .id = id });
}

static uint64_t milliseconds(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000 + (uint64_t)tv->tv_usec / 1000;
}

static void add_living(void *userdata, struct gate_run *run, pid_t pid UNUSED, struct sample *last)
{
	const struct gate_run *of = userdata;

	if (run != of)
		return;
	run->now.cpu_ns += last->cpu_ns;
	run->now.written += last->written;
}

static void tell_over(void *userdata, const struct gate_run *run)
{
	tell(userdata, &(struct msg){
		.type = MSG_LIMIT, .call = run->call, .limit = run->hit.what, .reached = (uint64_t)run->hit.reached,
		.most = (uint64_t)run->hit.limit,
	});
}

static bool on_dying(void *userdata, struct gate_run *run, pid_t pid, struct sample *last)
{
	struct init *init = userdata;

	return meter_dying(&init->meter, run, pid, last);
}

static void on_killed(void *userdata, struct gate_run *run)
{
	struct init *init = userdata;

	meter_killed(&init->meter, run);
}

static void tell_ended(void *userdata, struct gate_run *run, int status, const struct rusage *used)
{
	struct init *init = userdata;
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	uint64_t rss = (uint64_t)used->ru_maxrss * 1024;

	if (status != 0)
		meter_check_tmp(&init->meter, run);
	run->now = (struct usage){ 0 };
	gate_each(&init->gate, add_living, run);
	/* a kernel that does not tells of the first process at least */
	uint64_t cpu_ms = MAX((run->used.cpu_ns + run->now.cpu_ns) / 1000000,
	                      init->samples ? 0 : milliseconds(&used->ru_utime) + milliseconds(&used->ru_stime));
	tell(init, &(struct msg){
		.type = MSG_EXIT, .call = run->call, .signal = (uint64_t)signal,
		.status = (uint64_t)(signal != 0 ? 128 + signal : WEXITSTATUS(status)),
		.cpu_ms = cpu_ms, .max_rss_bytes = rss, .execs = run->execs, .denied = run->denied,
		.memory_bytes = MAX(rss, run->used.memory), .disk_bytes = run->used.written + run->now.written,
		.processes = run->used.processes, .limit = run->hit.what, .reached = (uint64_t)run->hit.reached,
		.most = (uint64_t)run->hit.limit,
	});
}

static const struct gate_events events = { tell_exec, tell_gone, tell_ended, tell_over, on_dying, on_killed };

/* ---- from the peer ---- */

static int on_run(void *self, struct msg *run)
{
	struct init *init = self;
	struct err err = ERR_NONE;

	bool program = run->builtin[0] == '\0';
	if ((program && run->argv.count == 0) || init->gate.leaders >= LIMIT_CELL_CALLS)
		return -EPROTO;
	if (launch(&init->gate, init->setup, run, &err) == 0) {
		meter_started(&init->meter);
		return 0;
	}
	dprintf(run->fds[2], "mishri: %s\n", err.text);
	tell(init, &(struct msg){ .type = MSG_EXIT, .call = run->call, .status = EXIT_CANNOT });
	return 0;
}

static int on_answer(void *self, struct msg *answer)
{
	struct init *init = self;

	return gate_answer(&init->gate, (uint32_t)answer->id, answer->allow, answer->text) ? 0 : -EPROTO;
}

static int on_kill(void *self, struct msg *msg)
{
	struct init *init = self;

	gate_kill(&init->gate, msg->call, (int)msg->signal);
	return 0;
}

static int on_close(void *self, struct msg *msg UNUSED)
{
	part(self);
}

static int on_ping(void *self, struct msg *msg UNUSED)
{
	tell(self, &(struct msg){ .type = MSG_PONG });
	return 0;
}

/* The whole of what the engine may ask for. */
static const struct msg_rule requests[] = {
	{ MSG_RUN,    STATE_SERVING, 3, on_run },
	{ MSG_ANSWER, STATE_SERVING, 0, on_answer },
	{ MSG_KILL,   STATE_SERVING, 0, on_kill },
	{ MSG_CLOSE,  STATE_SERVING, 0, on_close },
	{ MSG_PING,   STATE_SERVING, 0, on_ping },
};

static void take_requests(struct init *init)
{
	for (int i = 0; i < LIMIT_CELL_WAIT_BATCH; i++) {
		struct msg msg;
		int r = msg_receive(init->setup->socket, init->room, &msg);
		if (r == -EAGAIN)
			return;
		if (r <= 0)
			part(init);
		r = msg_dispatch(requests, COUNT(requests), init->state, init, &msg);
		msg_done(&msg);
		if (r < 0)
			part(init);
	}
}

static int patience_ms(const struct init *init)
{
	int gate_ms = gate_timeout_ms(&init->gate), meter_ms = meter_timeout_ms(&init->meter);

	return gate_ms < 0 || (meter_ms >= 0 && meter_ms < gate_ms) ? meter_ms : gate_ms;
}

static _Noreturn void serve(struct init *init)
{
	struct signalfd_siginfo drained[8];
	bool more = false;

	for (;;) {
		struct pollfd fds[] = {
			{ init->setup->socket, (short)(POLLIN | (init->first != NULL ? POLLOUT : 0)), 0 },
			{ init->signals, POLLIN, 0 },
		};
		if (poll(fds, COUNT(fds), more ? 0 : patience_ms(init)) < 0 && errno != EINTR)
			part(init);
		if (fds[1].revents != 0)
			(void)!read(init->signals, drained, sizeof drained);
		if (fds[1].revents != 0 || more)
			more = gate_reports(&init->gate);
		if ((fds[0].revents & POLLOUT) != 0)
			flush_pending(init);
		if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			take_requests(init);
		gate_tick(&init->gate);
		meter_tick(&init->meter);
	}
}

/* ---- set-up ---- */

static void signals_take(struct init *init)
{
	sigset_t mask;

	/* What was ignored or handled where this process comes from is not so in a cell, nor in what it starts. */
	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			(void)sigaction(number, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Default action, blocked, read from a descriptor: anything else loses reports of tracees. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	init->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	assert(init->signals >= 0);
}

/* How many places of each kind. */
static json_t *files_in_force(const json_t *guarded)
{
	json_t *files = json_object();
	const json_t *row;
	size_t i, hidden = 0;

	json_array_foreach(guarded, i, row)
		hidden += strcmp(json_get_text(row, "kind", ""), "hide") == 0;
	json_put_int(files, "hidden", (int64_t)hidden);
	json_put_int(files, "kept", (int64_t)(json_array_size(guarded) - hidden));
	return files;
}

static char *mechanisms(const struct init *init)
{
	const struct plan *plan = init->setup->plan;
	AUTO(json_decrefp) json_t *out = json_object();
	static const char *const networks[] = { ("its own loopback and the proxy on " CELL_PROXY), "no sockets but Unix", "the host's" };
	bool full = plan->level == CELL_FULL;

	json_put_text(out, "level", cell_level_name(plan->level));
	json_put_text(out, "namespaces", full ? "user mount pid net ipc uts cgroup" : "");
	json_put_int(out, "landlock_abi", init->entered.landlock_abi);
	json_put_bool(out, "seccomp", init->setup->filters != NULL);
	json_put_text(out, "exec_gate", init->gate.asks ? "ptrace" : "off");
	json_put_text(out, "network", networks[plan->level]);
	json_put_text(out, "workspace", plan->layer[0] != '\0' ? "overlay" : plan->as_root && full ? "idmapped" : "as it is");
	json_put_bool(out, "workspace_readonly", plan->workspace_readonly);
	json_put_int(out, "uid_inside", plan->uid_inside);
	json_put_int(out, "uid_outside", plan->uid_outside);
	json_put_text(out, "tmp", init->entered.scratch);
	json_put(out, "limits", meter_mechanisms(&init->meter));
	if (plan_guards(plan))
		json_put(out, "files", files_in_force(init->entered.guarded));
	return json_text(out);
}

/* Of pid 1 and all that it starts, for good: the filter leaves this limit as it is. 1, not 0: at 0 the kernel still starts
 * the machine's own collector, where cores go to one. */
static int no_cores(struct err *err)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_CORE, &now) < 0)
		return err_sys(err, "cell: limits");
	now.rlim_cur = now.rlim_max = MIN((rlim_t)1, now.rlim_max);
	return setrlimit(RLIMIT_CORE, &now) < 0 ? err_sys(err, "cell: limits") : 0;
}

static int set_up(struct init *init, struct err *err)
{
	const struct init_setup *setup = init->setup;
	int r = setup->plan->level == CELL_FULL ? enter_full(setup->plan, &setup->trees, &init->entered, err)
	                                        : enter_plain(setup->plan, &init->entered, err);

	if (r == 0 && setup->trial)
		r = gate_trial(err);
	if (r == 0)
		r = no_cores(err);
	if (r == 0 && setup->filters != NULL) {
		r = filter_enter(&setup->filters[FILTER_CELL]);
		r = r < 0 ? err_set(err, -r, "cell: its pid 1 cannot put on its filter: %s", strerror(-r)) : 0;
	}
	return r;
}

static _Noreturn void fail(const struct init *init, const struct err *err)
{
	struct msg unable = { .type = MSG_UNABLE, .code = (uint64_t)err->code, .text = err->text };

	_exit(msg_send(init->setup->socket, &unable) < 0 ? 2 : 1);
}

static void wait_for_go(struct init *init)
{
	struct msg msg;
	int r = msg_receive(init->setup->socket, init->room, &msg);

	if (r <= 0 || msg.type != MSG_GO || msg.fd_count != 0)
		_exit(2);
	msg_done(&msg);
}

_Noreturn void init_main(const struct init_setup *setup)
{
	static struct init init;
	struct err err = ERR_NONE;

	init.setup = setup;
	init.state = STATE_SETUP;
	init.last = &init.first;
	init.room = xmalloc(LIMIT_CELL_MESSAGE_BYTES);
	setsid();
	signals_take(&init);
	wait_for_go(&init);
	if (set_up(&init, &err) < 0)
		fail(&init, &err);
	struct trees trees = setup->trees;
	trees_close(&trees);
	init.gate.places = &init.entered.places;
	init.gate.asks = setup->plan->level != CELL_NONE;
	init.gate.max_tracees = setup->plan->processes;
	init.gate.events = &events;
	init.gate.userdata = &init;
	init.samples = sample_works();
	meter_init(&init.meter, setup->plan, &init.gate, setup->group, init.entered.scratch);
	AUTO(freep) char *text = mechanisms(&init);
	/* Still the warden, which reads this and then hands the other end to the engine. */
	if (msg_send(setup->socket, &(struct msg){ .type = MSG_READY, .text = text, .fds = { init.entered.listener },
	                                           .fd_count = init.entered.listener >= 0 }) < 0 ||
	    fd_set_nonblock(setup->socket) < 0)
		_exit(2);
	fd_close(&init.entered.listener);
	init.state = STATE_SERVING;
	serve(&init);
}
