/* stop.c - signals that ask for an end, counted where they arrive. The handler only counts and wakes: what an end means is
 * decided on the loop, and by the watchdog where the loop cannot. */
#include "engine/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

static const struct { int signo; const char *name; } signals[] = {
	{ SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" },
};

static atomic_int count, first_signo, latest_signo;
static _Atomic int64_t first_ms, second_ms;
static int wake_fd = -1;

static struct {
	struct watch *readable;
	int seen;
	void (*fn)(void *userdata, int signo);
	void *userdata;
} watched;

/* Async-signal-safe, every line of it. */
static void on_signal(int signo)
{
	int before = errno, nth = atomic_fetch_add(&count, 1);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (nth == 0) {
		atomic_store(&first_signo, signo);
		atomic_store(&first_ms, ms);
	} else if (nth == 1) {
		atomic_store(&second_ms, ms);
	}
	atomic_store(&latest_signo, signo);
	uint64_t one = 1;
	(void)!write(wake_fd, &one, sizeof one);
	errno = before;
}

static void on_wake(void *unused UNUSED)
{
	eventfd_t n;

	(void)eventfd_read(wake_fd, &n);
	for (int now = atomic_load(&count); watched.seen < now; watched.seen++)
		watched.fn(watched.userdata, atomic_load(&latest_signo));
}

int stop_watch(struct loop *loop, void (*fn)(void *userdata, int signo), void *userdata, struct err *err)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;

	assert(watched.readable == NULL);
	if (wake_fd < 0)
		wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return err_sys(err, "no descriptor for signals");
	watched.fn = fn;
	watched.userdata = userdata;
	watched.readable = watch_fd(loop, wake_fd, on_wake, NULL);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++) {
		if (sigaction(signals[i].signo, NULL, &before) == 0 && signals[i].signo == SIGHUP && before.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i].signo, &action, NULL);
	}
	return 0;
}

void stop_unwatch(void)
{
	watch_free(TAKE(watched.readable));
}

struct stop_state stop_asked(void)
{
	return (struct stop_state){ .count = atomic_load(&count), .first_signo = atomic_load(&first_signo),
	                            .first_ms = atomic_load(&first_ms), .second_ms = atomic_load(&second_ms) };
}

const char *stop_name(int signo)
{
	for (size_t i = 0; i < COUNT(signals); i++)
		if (signals[i].signo == signo)
			return signals[i].name;
	return "a signal";
}
