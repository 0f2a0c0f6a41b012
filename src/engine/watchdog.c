/* watchdog.c - a thread that watches the loop. It takes no lock that the loop holds for long, calls nothing of the engine,
 * and while the loop stands it writes with write(2) alone: the loop may hold any lock of any library.
 *
 * Where the loop stands is asked of its own thread, by a signal whose handler collects addresses; names are made here.
 * An end that was asked for is waited for a while beyond its deadline; then the process ends from here, as by a crash:
 * cells die with it, and every task can be resumed. */
#include "engine/watchdog.h"

#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "engine/notify.h"
#include "engine/stop.h"
#include "engine/symbols.h"

#include "base/banned.h"

struct watchdog {
	struct heartbeats *table;
	struct beat *row;
	int64_t loop_ms, stop_ms, alive_every_ms;
	pthread_t thread, loop;
	pid_t loop_tid;
	int end_fd;                    /* eventfd: the thread shall end */
	struct symbols *symbols;
	_Atomic int64_t beat_ms;
	atomic_bool closing;

	pthread_mutex_t lock;          /* of what follows */
	bool has_stood;
	int64_t longest_ms;
	struct stood stood;
};

/* ---- the stack, collected by the thread that stands ---- */

static void *frames[WATCHDOG_FRAMES];
static atomic_int frame_count;         /* -1: asked for; 0: nobody asks */

static int stack_signal(void)
{
	return SIGRTMIN + 2;
}

/* backtrace(3) was called once before, so that its library is there; then it neither allocates nor locks. */
static void on_stack_signal(int signo UNUSED)
{
	int before = errno;

	if (atomic_load(&frame_count) == -1)
		atomic_store(&frame_count, backtrace(frames, WATCHDOG_FRAMES));
	errno = before;
}

static void say(const char *text)
{
	(void)!io_write_all(STDERR_FILENO, text, strlen(text));
}

/* A word of the kernel about the thread: state and where it waits. */
static void kernel_state(const struct watchdog *w, char ret[static 80])
{
	AUTO(buf_done) struct buf text = BUF_INIT(4096);
	char path[64], wchan[48] = "";

	snprintf(path, sizeof path, "/proc/self/task/%d/wchan", (int)w->loop_tid);
	if (io_read_file(path, &text, NULL) == 0 && text.len > 0)
		snprintf(wchan, sizeof wchan, "%.40s", buf_text(&text));
	buf_reset(&text);
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)w->loop_tid);
	const char *bracket = io_read_file(path, &text, NULL) == 0 ? strrchr(buf_text(&text), ')') : NULL;
	snprintf(ret, 80, "state %c%s%s", bracket != NULL && bracket[1] == ' ' ? bracket[2] : '?',
	         wchan[0] != '\0' && strcmp(wchan, "0") != 0 ? ", in the kernel at " : "",
	         strcmp(wchan, "0") != 0 ? wchan : "");
}

/* The frames of the handler and of the return from it say nothing. */
static int collect(const struct watchdog *w)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	int n = -1;

	atomic_store(&frame_count, -1);
	if (pthread_kill(w->loop, stack_signal()) != 0)
		return 0;
	for (int i = 0; i < LIMIT_HEALTH_STACK_MS / 5 && (n = atomic_load(&frame_count)) == -1; i++)
		nanosleep(&pause, NULL);
	return MAX(n, 0);
}

static void write_down(struct watchdog *w, int64_t age_ms)
{
	enum { OF_HANDLER = 2 };
	char line[256], state[80];
	struct stood found = { 0 };

	kernel_state(w, state);
	snprintf(line, sizeof line, "mishri: the event loop has stood for %lld ms (%s); it was at\n", (long long)age_ms, state);
	say(line);
	int n = collect(w);
	for (int i = OF_HANDLER; i < n; i++) {
		char *name = found.frames[found.frame_count++];
		symbols_name(w->symbols, frames[i], name);
		snprintf(line, sizeof line, "mishri:   #%d %s\n", i - OF_HANDLER, name);
		say(line);
	}
	if (n == 0)
		say("mishri:   (the thread takes no signal: it waits inside the kernel)\n");
	atomic_store(&frame_count, 0);
	pthread_mutex_lock(&w->lock);
	w->stood = found;
	w->has_stood = true;
	pthread_mutex_unlock(&w->lock);
}

/* ---- an end that does not come ---- */

static void end_if_late(const struct watchdog *w, int64_t now_ms)
{
	struct stop_state asked = stop_asked();
	bool late = asked.count > 0 && now_ms - asked.first_ms > w->stop_ms + LIMIT_STOP_GUARD_MS;
	bool at_once = asked.count > 1 && now_ms - asked.second_ms > LIMIT_STOP_GUARD_MS;
	char line[256];

	if (!late && !at_once)
		return;
	snprintf(line, sizeof line, "mishri: %s, and it is not over: %s. It ends at once, as after a crash; "
	         "`mishri ps` names what can be resumed.\n", late ? "the deadline of the stop is over" : "a second signal came",
	         atomic_load(&w->closing) ? "the store does not answer" : "the event loop stands");
	say(line);
	_exit(128 + asked.first_signo);
}

/* ---- the thread ---- */

static void look(struct watchdog *w, int64_t *told_beat_ms)
{
	int64_t now_ms = clock_mono_ms(), beat_ms = atomic_load(&w->beat_ms);

	end_if_late(w, now_ms);
	if (atomic_load(&w->closing) || now_ms - beat_ms <= w->loop_ms || beat_ms == *told_beat_ms)
		return;
	*told_beat_ms = beat_ms;       /* once each time */
	write_down(w, now_ms - beat_ms);
}

static void *watchdog_main(void *argument)
{
	struct watchdog *w = argument;
	int64_t alive_at_ms = 0, told_beat_ms = -1;
	struct pollfd end = { w->end_fd, POLLIN, 0 };
	int wait_ms = (int)MIN(watchdog_tick_ms(w), w->alive_every_ms > 0 ? w->alive_every_ms : INT32_MAX);

	while (poll(&end, 1, wait_ms) <= 0) {
		look(w, &told_beat_ms);
		int64_t now_ms = clock_mono_ms();
		if (w->alive_every_ms > 0 && now_ms - alive_at_ms >= w->alive_every_ms && heartbeats_vital(w->table, now_ms)) {
			alive_at_ms = now_ms;
			notify_alive();
		}
	}
	return NULL;
}

static int start_thread(struct watchdog *w, struct err *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&w->thread, NULL, watchdog_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code == 0 ? 0 : err_set(err, code, "cannot start the watchdog thread: %s", strerror(code));
}

int watchdog_start(const struct watchdog_setup *setup, struct watchdog **ret, struct err *err)
{
	struct sigaction action = { .sa_handler = on_stack_signal, .sa_flags = SA_RESTART };
	struct watchdog *w = xcalloc(1, sizeof *w);
	void *once[4];

	w->loop_ms = setup->loop_ms > 0 ? setup->loop_ms : LIMIT_HEALTH_LOOP_MS;
	w->stop_ms = setup->stop_ms > 0 ? setup->stop_ms : LIMIT_STOP_MS;
	w->alive_every_ms = notify_alive_every_ms();
	w->loop = pthread_self();
	w->loop_tid = gettid();
	w->end_fd = eventfd(0, EFD_CLOEXEC);
	w->symbols = symbols_open();
	w->beat_ms = clock_mono_ms();
	w->table = heartbeats_new();
	pthread_mutex_init(&w->lock, NULL);
	w->row = beat_new(w->table, &(struct beat_spec){ .kind = "loop", .name = "", .action = BEAT_ALARM,
	                                                 .deadline_ms = w->loop_ms, .vital = true });
	beat_now(w->row, w->beat_ms);
	(void)backtrace(once, COUNT(once));
	sigemptyset(&action.sa_mask);
	sigaction(stack_signal(), &action, NULL);
	int r = w->end_fd < 0 ? err_sys(err, "no descriptor for the watchdog") : start_thread(w, err);
	if (r == 0) {
		*ret = w;
		return 0;
	}
	fd_close(&w->end_fd);
	symbols_free(w->symbols);
	heartbeats_free(w->table);
	free(w);
	return r;
}

void watchdog_stop(struct watchdog *w)
{
	if (w == NULL)
		return;
	if (eventfd_write(w->end_fd, 1) < 0)
		abort();
	pthread_join(w->thread, NULL);
	fd_close(&w->end_fd);
	symbols_free(w->symbols);
	heartbeats_free(w->table);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void watchdog_closing(struct watchdog *w)
{
	if (w != NULL)
		atomic_store(&w->closing, true);
}

struct heartbeats *watchdog_table(struct watchdog *w)
{
	return w->table;
}

void watchdog_beat(struct watchdog *w, int64_t now_ms)
{
	int64_t age_ms = now_ms - atomic_load(&w->beat_ms);

	pthread_mutex_lock(&w->lock);
	if (w->has_stood && w->stood.ms == 0) {
		w->stood.ms = MAX(age_ms, (int64_t)1);
		w->longest_ms = MAX(w->longest_ms, age_ms);
	}
	pthread_mutex_unlock(&w->lock);
	atomic_store(&w->beat_ms, now_ms);
	beat_now(w->row, now_ms);
}

bool watchdog_stood(struct watchdog *w, struct stood *ret)
{
	pthread_mutex_lock(&w->lock);
	bool stood = w->has_stood && w->stood.ms > 0;
	if (stood) {
		*ret = w->stood;
		w->has_stood = false;
	}
	pthread_mutex_unlock(&w->lock);
	return stood;
}

int64_t watchdog_longest_ms(const struct watchdog *w)
{
	return w->longest_ms;
}

int64_t watchdog_tick_ms(const struct watchdog *w)
{
	return MIN(w->loop_ms / 4, (int64_t)LIMIT_HEALTH_TICK_MS);
}
