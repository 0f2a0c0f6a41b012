/* loop.c - libevent behind four verbs. It knows nothing of tasks. */
#include "engine/loop.h"

#include <event2/event.h>

#include "base/clock.h"

#include "base/banned.h"

struct loop {
	struct event_base *base;
	int64_t window_ns;             /* when the window that `longest_ns` is of began */
	int64_t longest_ns, before_ns; /* of one callback, in this window and in the one before */
};

enum { WINDOW_S = 60 };

struct watch {
	struct loop *loop;
	struct event *event;
	watch_fn *fn;
	void *userdata;
};

int loop_new(struct loop **ret, struct err *err)
{
	struct event_config *config = event_config_new();

	if (config == NULL)
		abort();
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		return err_set(err, ENOMEM, "cannot make an event loop");
	struct loop *loop = xcalloc(1, sizeof *loop);
	loop->base = base;
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	event_base_free(loop->base);
	free(loop);
}

void loop_freep(struct loop **loop)
{
	loop_free(*loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

void loop_run(struct loop *loop)
{
	event_base_dispatch(loop->base);
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

static void turn_window(struct loop *loop, int64_t now_ns)
{
	int64_t window_ns = (int64_t)WINDOW_S * 1000000000;

	if (now_ns - loop->window_ns < window_ns)
		return;
	loop->before_ns = now_ns - loop->window_ns < 2 * window_ns ? loop->longest_ns : 0;
	loop->longest_ns = 0;
	loop->window_ns = now_ns;
}

int64_t loop_longest_us(struct loop *loop)
{
	turn_window(loop, clock_mono_ns());
	return MAX(loop->longest_ns, loop->before_ns) / 1000;
}

static void fired(evutil_socket_t fd, short what, void *userdata)
{
	struct watch *w = userdata;
	struct loop *loop = w->loop;   /* the watch may be gone behind its callback */
	int64_t since_ns = clock_mono_ns();

	(void)fd, (void)what;
	turn_window(loop, since_ns);
	w->fn(w->userdata);
	loop->longest_ns = MAX(loop->longest_ns, clock_mono_ns() - since_ns);
}

static struct watch *watch_new(struct loop *loop, int fd, short what, watch_fn *fn, void *userdata)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->loop = loop;
	w->fn = fn;
	w->userdata = userdata;
	w->event = event_new(loop->base, fd, what, fired, w);
	if (w->event == NULL || (fd >= 0 && event_add(w->event, NULL) < 0))
		abort();
	return w;
}

struct watch *watch_fd(struct loop *loop, int fd, watch_fn *fn, void *userdata)
{
	assert(fd >= 0);
	return watch_new(loop, fd, EV_READ | EV_PERSIST, fn, userdata);
}

struct watch *watch_timer(struct loop *loop, watch_fn *fn, void *userdata)
{
	return watch_new(loop, -1, 0, fn, userdata);
}

struct watch *watch_signal(struct loop *loop, int signo, watch_fn *fn, void *userdata)
{
	return watch_new(loop, signo, EV_SIGNAL | EV_PERSIST, fn, userdata);
}

void watch_arm(struct watch *w, int64_t ms)
{
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms < 0)
		event_del(w->event);
	else if (event_add(w->event, &after) < 0)
		abort();
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	event_free(w->event);
	free(w);
}
