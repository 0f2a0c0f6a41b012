/* warden.c - the process that makes cells. Forked before the engine has keys, threads or a store, it stays small, so
 * that a cell costs little, and holds nothing that a cell could leak. It runs no program, reads no file of the user's
 * and opens no connection; it answers two requests, and dies with the engine. */
#include "cell/warden.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cell/ids.h"
#include "cell/entries.h"
#include "cell/init.h"
#include "cell/layer.h"
#include "cell/probe.h"
#include "cell/userns.h"
#include "cell/wards.h"
#include "base/banned.h"

/* A cell that is being set up, or one that is being guarded. Once a cell is READY the engine has it, and the warden only
 * reaps. */
struct nursling {
	uint32_t id;
	bool guards;                         /* a process that guards the cell of this id */
	enum cell_level level;
	pid_t pid;
	int pidfd, socket;
	int64_t until_ms;
	struct nursling *next;
};

struct keeper {
	struct entry *entries;
	struct layer *layers;
	int engine, signals;
	const struct cell_builtin *builtins;
	size_t builtin_count;
	struct filter filters[2][FILTER_PARTS]; /* [inet]; made when first needed */
	bool proven[CELL_NONE + 1];          /* a cell of this level has traced its children */
	struct nursling *nurslings;
	struct cgroup_root groups;
	bool looked;                         /* for a place of groups */
	struct wards wards;
	char *room;
};

enum { ALWAYS = 1 };

static void tell_engine(const struct keeper *w, const struct msg *msg)
{
	if (msg_send(w->engine, msg) < 0)
		_exit(1);
}

static void tell_unmade(const struct keeper *w, uint32_t id, const struct err *err)
{
	tell_engine(w, &(struct msg){ .type = MSG_UNMADE, .id = id, .code = (uint64_t)err->code, .text = err->text });
}

/* ---- making one ---- */

static int clone_failed(enum cell_level level, struct err *err)
{
	if (level != CELL_FULL || (errno != EPERM && errno != ENOSPC && errno != EACCES && errno != EINVAL))
		return err_sys(err, "cannot make the first process of a cell");
	return userns_explain("/proc/sys", errno, err);
}

static int filters_get(struct keeper *w, enum cell_level level, const struct filter **ret, struct err *err)
{
	bool inet = level == CELL_FULL;
	struct filter *filters = level != CELL_NONE ? w->filters[inet] : NULL;
	int r = 0;

	for (enum filter_part part = 0; filters != NULL && part < FILTER_PARTS && r == 0; part++)
		if (filters[part].code == NULL)
			r = filter_make(part, inet, &filters[part], err);
	*ret = filters;
	return r;
}

/* Memory is bounded for each process only, and not at all where it is a file in memory: when the machine runs out of
 * it, the kernel shall take it from cells and from nobody else. A wish: a /proc that cannot be written ends no cell. */
static void be_first_to_go(void)
{
	static const char most[] = "1000";
	AUTO(fd_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, most, sizeof most - 1);
}

/* In the new process: nothing of the warden's but what a cell needs. */
static _Noreturn void nursling_main(const struct keeper *w, const struct plan *plan, const struct filter *filters,
                                    int socket, const struct trees *trees, const int *group)
{
	enum { SOCKET_FD = 3, OTHERS_FD = 4, TREES = 1 + LIMIT_CELL_WRITABLE, OTHERS = TREES + CGROUP_FDS };
	struct init_setup setup = {
		.socket = SOCKET_FD, .trial = !w->proven[plan->level],
		.plan = plan, .filters = filters, .builtins = w->builtins, .builtin_count = w->builtin_count,
	};
	int others[OTHERS], *places[OTHERS], next = OTHERS_FD;

	for (int i = 0; i < OTHERS; i++) {
		others[i] = i < TREES ? trees->at[i] : group[i - TREES];
		places[i] = i < TREES ? &setup.trees.at[i] : &setup.group[i - TREES];
	}

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(2);
	be_first_to_go();
	/* First out of the way of each other, then into place. */
	int high = fcntl(socket, F_DUPFD_CLOEXEC, 64), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < COUNT(others); i++)
		if (others[i] >= 0 && (others[i] = fcntl(others[i], F_DUPFD_CLOEXEC, 64)) < 0)
			_exit(2);
	if (high < 0 || null < 0 || dup2(null, 2) < 0 || dup3(high, SOCKET_FD, O_CLOEXEC) < 0)
		_exit(2);
	for (size_t i = 0; i < COUNT(others); i++)
		if ((*places[i] = others[i] >= 0 ? next++ : -1) >= 0 && dup3(others[i], *places[i], O_CLOEXEC) < 0)
			_exit(2);
	close_range((unsigned)next, ~0u, 0);
	init_main(&setup);
}

static int spawn(struct keeper *w, const struct plan *plan, const struct trees *trees, const int *group,
                 struct nursling *child, struct err *err)
{
	const struct filter *filters = NULL;
	int ends[2], pidfd = -1, r = filters_get(w, plan->level, &filters, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD };
	if (plan->level == CELL_FULL)
		args.flags |= CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		              CLONE_NEWCGROUP;
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		nursling_main(w, plan, filters, ends[1], trees, group);
	if (pid < 0)
		r = clone_failed(plan->level, err);
	close(ends[1]);
	child->pid = (pid_t)pid;
	child->pidfd = pidfd;
	child->socket = ends[0];
	if (r == 0 && plan->level == CELL_FULL)
		r = ids_write(plan, child->pid, err);
	if (r == 0 && plan_guards(plan))
		r = entries_keep(&w->entries, child->id, child->pid, plan, err);
	if (r == 0 && msg_send(child->socket, &(struct msg){ .type = MSG_GO }) < 0)
		r = err_sys(err, "the first process of a cell is gone");
	return r;
}

static void nursling_free(struct nursling *child)
{
	fd_close(&child->pidfd);             /* pid 1 loses its peer with the socket, and exits */
	fd_close(&child->socket);
	free(child);
}

/* What the cell cannot open itself: translated owners, and the layer that it shares with others. */
static int trees_open(struct keeper *w, const struct plan *plan, struct trees *ret, struct err *err)
{
	bool mapped = plan->as_root && plan->level == CELL_FULL;
	int r = 0;

	if (plan->layer[0] != '\0')
		r = layer_tree(&w->layers, plan, &ret->at[0], err);
	else if (mapped)
		r = ids_map_workspace(plan, &ret->at[0], err);
	for (size_t i = 0; i < plan->writable.count && mapped && r == 0; i++)
		r = ids_map_directory(plan, plan->writable.at[i], &ret->at[i + 1], err);
	return r;
}

/* A cell without one is watched instead, and says so. */
static void group_make(struct keeper *w, struct plan *plan, struct cgroup *ret, int fds[static CGROUP_FDS])
{
	if (!w->looked)
		cgroup_look(&w->groups);
	w->looked = true;
	if (cgroup_make(&w->groups, plan, ret, fds, NULL) == 0)
		plan->cgroup_version = w->groups.version;
}

static int on_open(void *self, struct msg *open)
{
	struct keeper *w = self;
	struct err err = ERR_NONE;
	struct plan plan;
	AUTO(trees_close) struct trees trees;
	struct cgroup group = { 0 };
	int group_fds[CGROUP_FDS] = { -1, -1, -1, -1 };
	struct nursling *child = xcalloc(1, sizeof *child);

	child->id = (uint32_t)open->id;
	child->pidfd = child->socket = -1;
	child->level = (enum cell_level)open->level;
	child->until_ms = clock_mono_ms() + LIMIT_CELL_OPEN_MS;
	memset(&trees, 0xff, sizeof trees);
	int r = plan_make(open, &plan, &err);
	if (r == 0)
		r = ids_choose(&plan, (unsigned)getpid(), &err);
	if (r == 0)
		r = trees_open(w, &plan, &trees, &err);
	if (r == 0) {
		group_make(w, &plan, &group, group_fds);
		r = spawn(w, &plan, &trees, group_fds, child, &err);
	}
	for (size_t i = 0; i < CGROUP_FDS; i++)
		fd_close(&group_fds[i]);
	if (child->pid > 0)
		wards_add(&w->wards, child->pid, &group);
	else
		cgroup_end(&w->groups, &group);
	if (r < 0) {
		tell_unmade(w, child->id, &err);
		nursling_free(child);
		return 0;
	}
	child->next = w->nurslings;
	w->nurslings = child;
	return 0;
}

/* ---- guarding one ---- */

static void tell_guarded(const struct keeper *w, uint32_t id, const struct err *err, const char *text)
{
	tell_engine(w, &(struct msg){ .type = MSG_GUARDED, .id = id, .code = err != NULL ? (uint64_t)err->code : 0,
	                              .text = err != NULL ? err->text : text });
}

static int on_guard(void *self, struct msg *guard)
{
	struct keeper *w = self;
	struct err err = ERR_NONE;
	struct nursling *child = xcalloc(1, sizeof *child);

	child->id = (uint32_t)guard->id;
	child->guards = true;
	child->pidfd = child->socket = -1;
	child->until_ms = clock_mono_ms() + LIMIT_CELL_OPEN_MS;
	if (entries_guard(entries_find(w->entries, guard->id), guard, &child->socket, &child->pid, &err) < 0) {
		tell_guarded(w, child->id, &err, NULL);
		free(child);
		return 0;
	}
	child->next = w->nurslings;
	w->nurslings = child;
	return 0;
}

static int on_probe(void *self, struct msg *msg UNUSED)
{
	const struct keeper *w = self;
	AUTO(freep) char *text = probe_text();

	tell_engine(w, &(struct msg){ .type = MSG_PROBED, .text = text });
	return 0;
}

static int on_ping(void *self, struct msg *msg UNUSED)
{
	tell_engine(self, &(struct msg){ .type = MSG_PONG });
	return 0;
}

/* The whole of what the engine may ask for. */
static const struct msg_rule requests[] = {
	{ MSG_OPEN,  ALWAYS, 0, on_open },
	{ MSG_PROBE, ALWAYS, 0, on_probe },
	{ MSG_GUARD, ALWAYS, 0, on_guard },
	{ MSG_PING,  ALWAYS, 0, on_ping },
};

/* ---- what pid 1 says while it is set up ---- */

static void hand_over(struct keeper *w, const struct nursling *child, const struct msg *ready)
{
	w->proven[child->level] = true;
	tell_engine(w, &(struct msg){ .type = MSG_MADE, .id = child->id, .text = ready->text,
	                              .fds = { child->pidfd, child->socket, ready->fds[0] }, .fd_count = 2 + ready->fd_count });
}

static void give_up(const struct keeper *w, const struct nursling *child, const struct err *err)
{
	kill(child->pid, SIGKILL);
	if (child->guards)
		tell_guarded(w, child->id, err, NULL);
	else
		tell_unmade(w, child->id, err);
}

static void on_nursling(struct keeper *w, struct nursling *child)
{
	struct err err = { .code = EIO, .text = "the first process of the cell died while it was set up" };
	struct msg msg = { 0 };
	int r = msg_receive(child->socket, w->room, &msg);

	if (r == 1 && msg.type == MSG_READY && msg.fd_count == (child->level == CELL_FULL && !child->guards)) {
		if (child->guards)
			tell_guarded(w, child->id, NULL, msg.text);
		else
			hand_over(w, child, &msg);
	} else {
		if (r == 1 && msg.type == MSG_UNABLE && msg.fd_count == 0) {
			err.code = msg.code > 0 ? (int)msg.code : EIO;
			snprintf(err.text, sizeof err.text, "%s", msg.text);
		}
		give_up(w, child, &err);
	}
	if (r == 1)
		msg_done(&msg);
}

/* Takes one out of the list when it is no nursling any more. */
static void look_after(struct keeper *w, const struct pollfd *fds)
{
	struct nursling **at = &w->nurslings;
	int64_t now = clock_mono_ms();

	for (size_t i = 0; *at != NULL; i++) {
		struct nursling *child = *at;
		bool late = now >= child->until_ms;
		if (fds[i].revents == 0 && !late) {
			at = &child->next;
			continue;
		}
		if (fds[i].revents != 0) {
			on_nursling(w, child);
		} else {
			give_up(w, child, &(struct err){ ETIMEDOUT, "the cell was not ready in time" });
		}
		*at = child->next;
		nursling_free(child);
	}
}

/* ---- the process ---- */

/* Arguments and environment lie at the top of the stack, where every cell would inherit them: keys and goals may be in
 * there, and a cell can read the arguments of its pid 1. */
void warden_forget_arguments(void)
{
	enum { FIRST = 48, COUNT_OF = 4 };       /* proc(5): arg_start, arg_end, env_start, env_end; the name is field 2 */
	static const char title[] = "mishri: cell";
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(8));
	static char *empty[] = { NULL };

	for (char **at = environ; *at != NULL; at++)
		explicit_bzero(*at, strlen(*at));
	environ = empty;
	if (io_read_file("/proc/self/stat", &text, NULL) < 0)
		_exit(1);
	const char *after_name = strrchr(buf_text(&text), ')');
	struct str rest = str_of(after_name != NULL ? after_name + 2 : ""), field;
	uint64_t range[COUNT_OF] = { 0 };
	for (int i = 3; i < FIRST + COUNT_OF && str_next(&rest, ' ', &field); i++)
		if (i >= FIRST && str_to_u64(field, &range[i - FIRST]) < 0)
			_exit(1);
	for (int i = 0; i < COUNT_OF; i += 2)
		if (range[i] != 0 && range[i + 1] > range[i])
			explicit_bzero((void *)(uintptr_t)range[i], (size_t)(range[i + 1] - range[i]));
	if (range[0] != 0 && range[1] > range[0] + sizeof title)
		memcpy((void *)(uintptr_t)range[0], title, sizeof title);
}

static void keeper_init(struct keeper *w, int socket)
{
	sigset_t mask;

	warden_forget_arguments();
	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	setsid();                            /* ^C is the engine's affair */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || chdir("/") < 0)
		_exit(1);
	if (dup3(socket, 3, O_CLOEXEC) < 0 && socket != 3)
		_exit(1);
	close_range(4, ~0u, 0);
	/* An ordinary user may write the id maps of his children only while they are dumpable. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_NAME, "mishri-warden", 0, 0, 0);
	if (geteuid() == 0 && unshare(CLONE_NEWNET) < 0 && errno != EPERM)
		_exit(1);
	w->engine = 3;
	w->wards.root = &w->groups;
	w->room = xmalloc(LIMIT_CELL_MESSAGE_BYTES);
	w->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		_exit(1);
}

/* The engine is gone, or done: its cells are over, and nothing of them stays. */
static _Noreturn void part(struct keeper *w, int status)
{
	wards_end(&w->wards);
	_exit(status);
}

static void take_request(struct keeper *w)
{
	struct msg msg;
	int r = msg_receive(w->engine, w->room, &msg);

	if (r <= 0)
		part(w, r == 0 ? 0 : 1);
	r = msg_dispatch(requests, COUNT(requests), ALWAYS, w, &msg);
	msg_done(&msg);
	if (r < 0)
		part(w, 1);
}

static size_t poll_list(const struct keeper *w, struct pollfd **fds, size_t *room)
{
	size_t n = 2;

	for (const struct nursling *c = w->nurslings; c != NULL; c = c->next)
		n++;
	if (n > *room)
		*fds = xrealloc(*fds, (*room = n * 2) * sizeof **fds);
	(*fds)[0] = (struct pollfd){ w->engine, POLLIN, 0 };
	(*fds)[1] = (struct pollfd){ w->signals, POLLIN, 0 };
	n = 2;
	for (const struct nursling *c = w->nurslings; c != NULL; c = c->next)
		(*fds)[n++] = (struct pollfd){ c->socket, POLLIN, 0 };
	return n;
}

_Noreturn void warden_main(int socket, const struct cell_builtin *builtins, size_t count, pid_t nurse)
{
	static struct keeper w;
	struct signalfd_siginfo drained[8];
	struct pollfd *fds = NULL;
	size_t room = 0;

	w.builtins = builtins;
	w.builtin_count = count;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != nurse)
		_exit(1);
	keeper_init(&w, socket);
	for (;;) {
		size_t n = poll_list(&w, &fds, &room);
		int timeout_ms = wards_timeout_ms(&w.wards);
		if (timeout_ms < 0 && w.nurslings != NULL)
			timeout_ms = LIMIT_CELL_OPEN_MS / 10;
		if (poll(fds, n, timeout_ms) < 0 && errno != EINTR)
			_exit(1);
		if (fds[1].revents != 0) {
			(void)!read(w.signals, drained, sizeof drained);
			for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
				entries_drop(&w.entries, pid);
				wards_ended(&w.wards, pid);
			}
		}
		wards_tick(&w.wards);
		look_after(&w, fds + 2);
		if (fds[0].revents != 0)
			take_request(&w);
	}
}
