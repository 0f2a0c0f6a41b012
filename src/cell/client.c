/* client.c - the engine's side of cell.h: messages out, callbacks in. It decides nothing and waits for nothing but the
 * start of the warden, a probe and the end of a cell. What comes out of a cell is checked before a callback sees it:
 * a cell that breaks the protocol is killed. */
#include "cell/cell.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cell/nurse.h"
#include "cell/plan.h"
#include "cell/proto.h"
#include "base/banned.h"

struct warden {
	int fd, control;                     /* control: to the nurse */
	pid_t nurse;
	uint32_t last_id;
	struct cell *cells;
	struct cell_builtin *builtins;       /* the names that a run may use */
	size_t builtin_count;
	json_t *probed;
	bool lost, pinged;                   /* pinged: no answer yet */
	int64_t heard_ms;                    /* the last word of this one, monotonic */
	char *room;
};

enum { CELL_OPENING = 1, CELL_OPEN = 2, CELL_LOST = 4 };

struct cell {
	struct warden *warden;
	struct cell *next;
	uint32_t id;
	unsigned state;
	enum cell_level level;
	char *workspace;
	char **hide, **keep;                 /* patterns, for cell_guard; lists that end in NULL, or NULL */
	bool guarding, pinged;
	int64_t heard_ms;                    /* the last word of its pid 1, monotonic */
	json_t *found;                       /* by the last answer to it */
	struct err guard_failure;
	int fd, pidfd, listener;
	uint32_t last_exec;
	uint64_t calls[LIMIT_CELL_CALLS];
	size_t call_count;
	struct cell_callbacks callbacks;
	void *userdata;
};

enum { WARDEN_ALWAYS = 1 };

/* ---- lists of texts ---- */

static struct texts texts_of(const char *const *list)
{
	struct texts texts = { (const char **)list, 0 };

	while (list != NULL && list[texts.count] != NULL)
		texts.count++;
	return texts;
}

static char **texts_copy(const char *const *list)
{
	size_t count = texts_of(list).count;
	char **copy = count > 0 ? xcalloc(count + 1, sizeof *copy) : NULL;

	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(list[i]);
	return copy;
}

static void texts_free(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

/* ---- the list of cells ---- */

static struct cell *cell_find(struct warden *warden, uint64_t id)
{
	struct cell *cell = warden->cells;

	while (cell != NULL && cell->id != id)
		cell = cell->next;
	return cell;
}

static void cell_free(struct cell *cell)
{
	struct cell **at = &cell->warden->cells;

	while (*at != cell)
		at = &(*at)->next;
	*at = cell->next;
	fd_close(&cell->fd);
	fd_close(&cell->pidfd);
	fd_close(&cell->listener);
	texts_free(cell->hide);
	texts_free(cell->keep);
	free(cell->workspace);
	json_decref(cell->found);
	free(cell);
}

/* ---- the end of a cell ---- */

/* Every process is gone when pid 1 is: its pidfd becomes readable after the kernel has reaped the rest. */
static bool wait_gone(int pidfd, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	struct pollfd p = { pidfd, POLLIN, 0 };

	for (;;) {
		int64_t left = until - clock_mono_ms();
		int n = poll(&p, 1, (int)MAX(left, 0));
		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static void processes_end(int fd, int pidfd, enum cell_level level)
{
	/* Without a pid namespace it is pid 1 that ends the others, so it is asked first. */
	if (level != CELL_FULL && msg_send(fd, &(struct msg){ .type = MSG_CLOSE }) == 0 &&
	    wait_gone(pidfd, LIMIT_CELL_GRACE_MS))
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void)wait_gone(pidfd, LIMIT_CELL_GRACE_MS);
}

void cell_close(struct cell *cell)
{
	if (cell == NULL)
		return;
	/* One that is still opening has started nothing; its MADE will find nobody and be ended then. */
	if (cell->pidfd >= 0)
		processes_end(cell->fd, cell->pidfd, cell->level);
	cell_free(cell);
}

void cell_doom(struct cell *cell)
{
	if (cell->pidfd >= 0 && cell->level == CELL_FULL)
		syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
}

/* The last thing a caller's loop does with a cell: the callback may close it. */
static void lose(struct cell *cell, const char *why)
{
	if (cell->state == CELL_LOST)
		return;
	cell->state = CELL_LOST;
	syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
	cell->callbacks.on_lost(cell->userdata, why);
}

/* ---- opening ---- */

static void fail_open(struct cell *cell, const struct err *why)
{
	struct cell_callbacks callbacks = cell->callbacks;
	void *userdata = cell->userdata;

	cell_free(cell);
	callbacks.on_open(userdata, NULL, why);
}

struct cell *cell_open(struct warden *warden, const struct cell_plan *plan, const struct cell_callbacks *callbacks,
                       void *userdata)
{
	struct cell *cell = xcalloc(1, sizeof *cell);

	assert(callbacks->on_open != NULL && callbacks->on_exec != NULL && callbacks->on_exec_gone != NULL &&
	       callbacks->on_exit != NULL && callbacks->on_lost != NULL);
	cell->warden = warden;
	cell->id = ++warden->last_id;
	cell->state = CELL_OPENING;
	cell->level = plan->level;
	cell->fd = cell->pidfd = cell->listener = -1;
	cell->callbacks = *callbacks;
	cell->userdata = userdata;
	cell->workspace = xstrdup(plan->workspace != NULL ? plan->workspace : "");
	cell->hide = texts_copy(plan->hide);
	cell->keep = texts_copy(plan->keep);
	cell->next = warden->cells;
	warden->cells = cell;
	/* A warden that takes no message is dead; its dispatch tells this cell so. A plan with a negative number or
	 * a path that is too long is sent as one that the warden refuses with a sentence. */
	bool fits = plan->workspace != NULL && strlen(plan->workspace) < PATH_MAX;
	int r = msg_send(warden->fd, &(struct msg){
		.type = MSG_OPEN, .id = cell->id, .level = plan->level <= CELL_NONE ? plan->level : CELL_FULL,
		.workspace = fits ? plan->workspace : "", .readonly = plan->workspace_readonly,
		.memory_bytes = MIN(plan->memory_bytes, (uint64_t)INT64_MAX), .tmp_bytes = MIN(plan->tmp_bytes, (uint64_t)INT64_MAX),
		.file_bytes = MIN(plan->file_bytes, (uint64_t)INT64_MAX), .processes = (uint64_t)MAX(plan->processes, 0),
		.open_files = (uint64_t)MAX(plan->open_files, 0), .disk_bytes = MIN(plan->disk_bytes, (uint64_t)INT64_MAX),
		.layer = plan->layer,
		.hide = texts_of(plan->hide), .keep = texts_of(plan->keep), .writable = texts_of(plan->writable),
	});
	if (r < 0)
		shutdown(warden->fd, SHUT_RDWR);
	return cell;
}

static int on_made(void *self, struct msg *made)
{
	struct warden *warden = self;
	struct cell *cell = cell_find(warden, made->id);
	AUTO(json_decrefp) json_t *mechanisms = NULL;

	if (made->id == 0 || made->id > warden->last_id || (cell != NULL && cell->state != CELL_OPENING))
		return -EPROTO;
	if (cell != NULL && made->fd_count != (cell->level == CELL_FULL ? 3 : 2))
		return -EPROTO;
	if (cell == NULL) {                  /* closed meanwhile */
		syscall(SYS_pidfd_send_signal, made->fds[0], SIGKILL, NULL, 0);
		return 0;
	}
	if (json_parse(str_of(made->text), &mechanisms, NULL) < 0)
		return -EPROTO;
	cell->pidfd = made->fds[0];
	cell->fd = made->fds[1];
	cell->listener = made->fd_count > 2 ? made->fds[2] : -1;
	made->fd_count = 0;                  /* they are the cell's now */
	cell->heard_ms = clock_mono_ms();
	struct timeval patience = { .tv_sec = LIMIT_CELL_SEND_MS / 1000 };
	setsockopt(cell->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	cell->state = CELL_OPEN;
	cell->callbacks.on_open(cell->userdata, mechanisms, NULL);
	return 0;
}

static int on_unmade(void *self, struct msg *unmade)
{
	struct warden *warden = self;
	struct cell *cell = cell_find(warden, unmade->id);
	struct err why = { .code = unmade->code > 0 ? (int)unmade->code : EIO };

	if (unmade->id == 0 || unmade->id > warden->last_id || (cell != NULL && cell->state != CELL_OPENING))
		return -EPROTO;
	snprintf(why.text, sizeof why.text, "%s", unmade->text);
	if (cell != NULL)
		fail_open(cell, &why);
	return 0;
}

static int on_probed(void *self, struct msg *probed)
{
	struct warden *warden = self;

	return warden->probed == NULL ? json_parse(str_of(probed->text), &warden->probed, NULL) : -EPROTO;
}

static int on_guarded(void *self, struct msg *guarded)
{
	struct warden *warden = self;
	struct cell *cell = cell_find(warden, guarded->id);

	if (guarded->id == 0 || guarded->id > warden->last_id || (cell != NULL && !cell->guarding))
		return -EPROTO;
	if (cell == NULL)                    /* closed meanwhile */
		return 0;
	cell->guarding = false;
	cell->guard_failure = ERR_NONE;
	if (guarded->code != 0) {
		err_set(&cell->guard_failure, (int)guarded->code, "%s", guarded->text);
		return 0;
	}
	AUTO(json_decrefp) json_t *found = NULL;
	if (json_parse(str_of(guarded->text), &found, NULL) < 0 || !json_is_array(found))
		return -EPROTO;
	if (cell->found == NULL)
		cell->found = json_array();
	json_array_extend(cell->found, found);
	return 0;
}

static int on_pong(void *self, struct msg *msg UNUSED)
{
	struct warden *warden = self;
	bool asked = warden->pinged;

	warden->pinged = false;
	return asked ? 0 : -EPROTO;
}

static const struct msg_rule from_warden[] = {
	{ MSG_PONG, WARDEN_ALWAYS, 0, on_pong },
	{ MSG_GUARDED, WARDEN_ALWAYS, 0, on_guarded },
	{ MSG_MADE,   WARDEN_ALWAYS, 2, on_made },
	{ MSG_MADE,   WARDEN_ALWAYS, 3, on_made },     /* with the listener of a network of its own */
	{ MSG_UNMADE, WARDEN_ALWAYS, 0, on_unmade },
	{ MSG_PROBED, WARDEN_ALWAYS, 0, on_probed },
};

static void lose_warden(struct warden *warden)
{
	static const struct err gone = { .code = EPIPE, .text = "the warden died: start the engine again" };
	struct cell *opening;

	warden->lost = true;
	shutdown(warden->fd, SHUT_RDWR);     /* one that only broke the protocol ends by itself */
	do {
		opening = warden->cells;
		while (opening != NULL && opening->state != CELL_OPENING)
			opening = opening->next;
		if (opening != NULL)
			fail_open(opening, &gone);
	} while (opening != NULL);
}

void warden_dispatch(struct warden *warden)
{
	struct msg msg;
	int r = msg_receive(warden->fd, warden->room, &msg);

	if (r == 1) {
		warden->heard_ms = clock_mono_ms();
		r = msg_dispatch(from_warden, COUNT(from_warden), WARDEN_ALWAYS, warden, &msg);
		msg_done(&msg);
		if (r == 0)
			return;
	} else if (r == -EAGAIN) {
		return;
	}
	lose_warden(warden);
}

/* ---- the warden ---- */

/* A warden at the end of a new socket. */
static int call_for_one(struct warden *warden, struct err *err)
{
	struct timeval patience = { .tv_sec = LIMIT_CELL_SEND_MS / 1000 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot talk to the warden");
	int r = nurse_ask(warden->control, ends[1]);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return err_set(err, -r, "the process that starts wardens is gone: start the engine again");
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	fd_close(&warden->fd);
	warden->fd = ends[0];
	warden->lost = warden->pinged = false;
	warden->heard_ms = clock_mono_ms();
	return 0;
}

static int nurse_start(struct warden *warden, const struct cell_builtin *builtins, size_t count, struct err *err)
{
	pid_t engine = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot talk to the warden");
	warden->nurse = fork();
	if (warden->nurse == 0) {
		close(ends[0]);
		nurse_main(ends[1], builtins, count, engine);
	}
	close(ends[1]);
	warden->control = ends[0];
	return warden->nurse < 0 ? err_sys(err, "cannot start the warden") : 0;
}

int warden_start(const struct cell_builtin *builtins, size_t count, struct warden **ret, struct err *err)
{
	struct warden *warden = xcalloc(1, sizeof *warden);

	warden->fd = warden->control = -1;
	int r = nurse_start(warden, builtins, count, err);
	if (r == 0)
		r = call_for_one(warden, err);
	if (r < 0) {
		warden_stop(warden);
		return r;
	}
	warden->room = xmalloc(LIMIT_CELL_MESSAGE_BYTES);
	warden->builtins = xcalloc(count, sizeof *builtins);
	if (count > 0)
		memcpy(warden->builtins, builtins, count * sizeof *builtins);
	warden->builtin_count = count;
	*ret = warden;
	return 0;
}

static bool wait_ended(pid_t pid, int timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	int pause_us = 100;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (clock_mono_ms() >= until)
			return false;
		usleep((useconds_t)pause_us);
		pause_us = MIN(2 * pause_us, 10000);
	}
	return true;
}

void warden_stop(struct warden *warden)
{
	if (warden == NULL)
		return;
	while (warden->cells != NULL)
		cell_close(warden->cells);
	/* Its own end by itself first: it removes what was made for its cells. The nurse waits for it. */
	fd_close(&warden->fd);
	fd_close(&warden->control);
	if (warden->nurse > 0 && !wait_ended(warden->nurse, 2 * LIMIT_CELL_GROUP_MS)) {
		kill(warden->nurse, SIGKILL);
		while (waitpid(warden->nurse, NULL, 0) < 0 && errno == EINTR)
			;
	}
	json_decref(warden->probed);
	free(warden->builtins);
	free(warden->room);
	free(warden);
}

bool warden_is_lost(const struct warden *warden)
{
	return warden->lost;
}

int warden_restart(struct warden *warden, struct err *err)
{
	lose_warden(warden);                 /* also of cells that were asked for since */
	return call_for_one(warden, err);
}

int64_t warden_ping(struct warden *warden)
{
	if (!warden->lost && !warden->pinged) {
		warden->pinged = true;
		if (msg_send(warden->fd, &(struct msg){ .type = MSG_PING }) < 0)
			shutdown(warden->fd, SHUT_RDWR); /* its dispatch tells */
	}
	return warden->heard_ms;
}

int warden_fd(const struct warden *warden)
{
	return warden->fd;
}

json_t *cell_probe(struct warden *warden)
{
	int64_t until = clock_mono_ms() + LIMIT_CELL_OPEN_MS;

	if (msg_send(warden->fd, &(struct msg){ .type = MSG_PROBE }) < 0)
		warden->lost = true;
	while (warden->probed == NULL && !warden->lost && clock_mono_ms() < until) {
		struct pollfd p = { warden->fd, POLLIN, 0 };
		if (poll(&p, 1, (int)MAX(until - clock_mono_ms(), 0)) > 0)
			warden_dispatch(warden);
	}
	return warden->probed != NULL ? TAKE(warden->probed) : json_array();
}

/* ---- an open cell ---- */

int cell_fd(const struct cell *cell)
{
	return cell->fd;
}

int cell_take_listener(struct cell *cell)
{
	int fd = cell->listener;

	cell->listener = -1;
	return fd;
}

static bool call_runs(const struct cell *cell, uint64_t call)
{
	for (size_t i = 0; i < cell->call_count; i++)
		if (cell->calls[i] == call)
			return true;
	return false;
}

static void call_forget(struct cell *cell, uint64_t call)
{
	for (size_t i = 0; i < cell->call_count; i++)
		if (cell->calls[i] == call)
			cell->calls[i] = cell->calls[--cell->call_count];
}

static int on_exec(void *self, struct msg *exec)
{
	struct cell *cell = self;

	if (exec->id != cell->last_exec + 1 || exec->names.count > LIMIT_CELL_NAMES ||
	    exec->hashes.count > LIMIT_CELL_PROGRAM_HASHES)
		return -EPROTO;
	cell->last_exec++;
	cell->callbacks.on_exec(cell->userdata, &(struct cell_exec){
		.id = (uint32_t)exec->id, .call = exec->call, .first = exec->first, .unpermitted = exec->unpermitted, .pid = (int)exec->pid,
		.program = exec->program, .origin = (int)exec->origin, .names = exec->names.at,
		.name_count = exec->names.count, .trusted_names = exec->trusted_names, .argv = exec->argv.at,
		.argc = exec->argv.count, .cwd = exec->cwd, .why_untrusted = exec->why,
		.hashes = exec->hashes.at, .hash_count = exec->hashes.count,
	});
	return 0;
}

static int on_gone(void *self, struct msg *gone)
{
	struct cell *cell = self;

	if (gone->id == 0 || gone->id > cell->last_exec)
		return -EPROTO;
	cell->callbacks.on_exec_gone(cell->userdata, (uint32_t)gone->id);
	return 0;
}

static struct bound_hit hit_of(const struct msg *msg)
{
	return (struct bound_hit){ (enum bound)msg->limit, (int64_t)msg->reached, (int64_t)msg->most };
}

static int on_limit(void *self, struct msg *msg)
{
	struct cell *cell = self;
	struct bound_hit hit = hit_of(msg);

	if (hit.what == BOUND_NONE)
		return -EPROTO;
	if (cell->callbacks.on_limit != NULL)
		cell->callbacks.on_limit(cell->userdata, msg->call, &hit);
	return 0;
}

static int on_exit_of_run(void *self, struct msg *ended)
{
	struct cell *cell = self;

	if (!call_runs(cell, ended->call))
		return -EPROTO;
	call_forget(cell, ended->call);
	cell->callbacks.on_exit(cell->userdata, &(struct cell_exit){
		.call = ended->call, .status = (int)ended->status, .signal = (int)ended->signal,
		.memory_bytes = (int64_t)ended->memory_bytes, .written_bytes = (int64_t)ended->disk_bytes,
		.processes = (int64_t)ended->processes, .hit = hit_of(ended),
		.cpu_ms = (int64_t)ended->cpu_ms, .max_rss_bytes = (int64_t)ended->max_rss_bytes,
		.execs = (int64_t)ended->execs, .denied = (int64_t)ended->denied,
	});
	return 0;
}

static int on_cell_pong(void *self, struct msg *msg UNUSED)
{
	struct cell *cell = self;
	bool asked = cell->pinged;

	cell->pinged = false;
	return asked ? 0 : -EPROTO;
}

static const struct msg_rule from_cell[] = {
	{ MSG_PONG, CELL_OPEN, 0, on_cell_pong },
	{ MSG_EXEC, CELL_OPEN, 0, on_exec },
	{ MSG_GONE, CELL_OPEN, 0, on_gone },
	{ MSG_LIMIT, CELL_OPEN, 0, on_limit },
	{ MSG_EXIT, CELL_OPEN, 0, on_exit_of_run },
};

/* One message a call, so that a callback may close the cell; the descriptor stays readable while there are more. */
void cell_dispatch(struct cell *cell)
{
	struct msg msg;
	int r;

	if (cell->state != CELL_OPEN)
		return;
	r = msg_receive(cell->fd, cell->warden->room, &msg);
	if (r == -EAGAIN)
		return;
	if (r == 0)
		return lose(cell, "its first process is gone");
	if (r < 0)
		return lose(cell, "it broke the protocol");
	cell->heard_ms = clock_mono_ms();
	r = msg_dispatch(from_cell, COUNT(from_cell), cell->state, cell, &msg);
	msg_done(&msg);
	if (r < 0)          /* no callback has run: each handler checks first */
		lose(cell, "it broke the protocol");
}

static int run_check(const struct cell *cell, const struct cell_run *run, struct err *err)
{
	bool known = run->builtin == NULL;

	if (cell->state != CELL_OPEN)
		return err_set(err, ENOTCONN, "the cell is not open");
	if (cell->call_count == LIMIT_CELL_CALLS)
		return err_set(err, EAGAIN, "%d calls run in this cell already: wait for one to end", LIMIT_CELL_CALLS);
	if (call_runs(cell, run->call))
		return err_set(err, EEXIST, "a call with this tag runs already");
	for (size_t i = 0; i < cell->warden->builtin_count && !known; i++)
		known = strcmp(cell->warden->builtins[i].name, run->builtin) == 0;
	if (!known)
		return err_set(err, EINVAL, "there is no builtin '%s'", run->builtin);
	if (run->builtin == NULL && (run->argv == NULL || run->argv[0] == NULL || run->argv[0][0] == '\0'))
		return err_set(err, EINVAL, "a run needs a program");
	if (run->cwd == NULL || run->cwd[0] != '/')
		return err_set(err, EINVAL, "the directory of a run must be an absolute path");
	return 0;
}

static uint64_t most(int64_t value, int64_t bound)
{
	return (uint64_t)MIN(MAX(value, (int64_t)0), bound);
}

int cell_run(struct cell *cell, const struct cell_run *run, struct err *err)
{
	int r = run_check(cell, run, err);

	if (r < 0)
		return r;
	AUTO(freep) char *args = run->builtin != NULL && run->args != NULL ? json_text(run->args) : xstrdup("{}");
	r = msg_send(cell->fd, &(struct msg){
		.type = MSG_RUN, .call = run->call, .builtin = run->builtin, .text = args, .withheld = run->withheld,
		.hash_system = run->hash_system,
		.argv = texts_of(run->builtin != NULL ? NULL : run->argv), .env = texts_of(run->env), .cwd = run->cwd,
		.cpu_ms = most(run->cpu_ms, INT64_MAX / 1000000), .memory_bytes = most(run->memory_bytes, INT64_MAX),
		.processes = most(run->processes, INT_MAX), .file_bytes = most(run->file_bytes, INT64_MAX),
		.open_files = most(run->open_files, INT_MAX),
		.fds = { run->fds[0], run->fds[1], run->fds[2] }, .fd_count = 3,
	});
	if (r == -EMSGSIZE)
		return err_set(err, E2BIG, "arguments and environment of a run may take %zu bytes together: pass long text in"
		               " a file", LIMIT_CELL_MESSAGE_BYTES);
	if (r < 0)
		return err_set(err, -r, "the cell takes no message: %s", strerror(-r));
	cell->calls[cell->call_count++] = run->call;
	return 0;
}

void cell_guard(struct cell *cell)
{
	struct warden *warden = cell->warden;

	if (cell->state != CELL_OPEN || cell->guarding || (cell->hide == NULL && cell->keep == NULL))
		return;
	cell->guarding = true;
	const struct msg guard = {
		.type = MSG_GUARD, .id = cell->id, .workspace = cell->workspace,
		.hide = texts_of((const char *const *)cell->hide), .keep = texts_of((const char *const *)cell->keep),
	};
	if (msg_send(warden->fd, &guard) < 0)
		shutdown(warden->fd, SHUT_RDWR);
}

int cell_guard_wait(struct cell *cell, json_t **ret_found, struct err *err)
{
	struct warden *warden = cell->warden;
	int64_t until = clock_mono_ms() + LIMIT_CELL_OPEN_MS + LIMIT_CELL_GRACE_MS;

	while (cell->guarding && !warden->lost && clock_mono_ms() < until) {
		struct pollfd p = { warden->fd, POLLIN, 0 };
		if (poll(&p, 1, (int)MAX(until - clock_mono_ms(), 0)) > 0)
			warden_dispatch(warden);
	}
	if (cell->guarding)
		return err_set(err, ETIMEDOUT, "the files that the policy guards could not be looked for in time");
	if (cell->guard_failure.code != 0)
		return err_set(err, cell->guard_failure.code, "%s", cell->guard_failure.text);
	*ret_found = cell->found != NULL ? TAKE(cell->found) : json_array();
	return 0;
}

/* A cell that takes no message is gone; its dispatch says so. */
static void post(struct cell *cell, const struct msg *msg)
{
	if (cell->state == CELL_OPEN && msg_send(cell->fd, msg) < 0)
		shutdown(cell->fd, SHUT_RDWR);
}

int64_t cell_ping(struct cell *cell)
{
	if (cell->state == CELL_OPEN && !cell->pinged) {
		cell->pinged = true;
		post(cell, &(struct msg){ .type = MSG_PING });
	}
	return cell->heard_ms;
}

void cell_give_up(struct cell *cell, const char *why)
{
	lose(cell, why);
}

void cell_exec_answer(struct cell *cell, uint32_t id, bool allow, const char *message)
{
	char line[LIMIT_CELL_DENY_TEXT_BYTES];

	snprintf(line, sizeof line, "%s", message != NULL ? message : "");
	post(cell, &(struct msg){ .type = MSG_ANSWER, .id = id, .allow = allow, .text = line });
}

void cell_kill(struct cell *cell, uint64_t call, int signal)
{
	assert(signal > 0 && signal <= 64);
	post(cell, &(struct msg){ .type = MSG_KILL, .call = call, .signal = (uint64_t)signal });
}
