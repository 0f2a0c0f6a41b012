/* store.c - what a durable commit costs: batches of 1, 8 and 64 events, one waited for after another and
 * many under way, beside the floor of the same disk: append of the same bytes and fdatasync, in this run.
 *
 *   usage: bench_store [DIR]    (a directory on the disk to be measured; default: the current one) */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "store/store.h"

enum { SPAN_MS = 1500, UNDER_WAY = 64 };

static char dir[4096];

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

struct series { int64_t *ns; size_t count, cap; };

static void add(struct series *s, int64_t ns)
{
	if (s->count == s->cap) {
		s->cap = MAX(s->cap * 2, (size_t)1024);
		s->ns = xrealloc(s->ns, s->cap * sizeof *s->ns);
	}
	s->ns[s->count++] = ns;
}

static void report(const char *what, int events, struct series *s, int64_t elapsed_ns)
{
	double rate = (double)s->count * 1e9 / (double)elapsed_ns;

	qsort(s->ns, s->count, sizeof *s->ns, compare);
	printf("%-22s %3d  %9.0f commits/s  %9.0f events/s  p50 %6lld us  p99 %6lld us\n", what, events, rate, rate * events,
	       (long long)s->ns[s->count / 2] / 1000, (long long)s->ns[s->count * 99 / 100] / 1000);
	s->count = 0;
}

static struct event call(const char *task, int64_t n)
{
	struct event e = { .type = EVENT_CALL_PROPOSED, .time_us = clock_wall_us(), .attempt = 1 };
	char id[24], text[520];

	snprintf(id, sizeof id, "1.%lld", (long long)n);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	memcpy(e.task, task, sizeof e.task);
	e.data = json_pack("{ss si ss ss s{ss}}", "call", id, "turn", 1, "id", "x", "tool", "shell", "args", "command", text);
	return e;
}

/* The same number of bytes as the events have, without a database. */
static void measure_floor(int events, size_t bytes)
{
	AUTO(freep) char *block = xmalloc(bytes * (size_t)events);
	AUTO(freep) char *path = xasprintf("%s/floor", dir);
	struct series s = { 0 };
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	int64_t start = clock_mono_ns(), now = start;

	memset(block, 'x', bytes * (size_t)events);
	while (now - start < SPAN_MS * INT64_C(1000000)) {
		int64_t before = now;
		if (io_write_all(fd, block, bytes * (size_t)events) < 0 || fdatasync(fd) < 0)
			abort();
		now = clock_mono_ns();
		add(&s, now - before);
	}
	report("append+fdatasync", events, &s, now - start);
	fd_close(&fd);
	unlink(path);
	free(s.ns);
}

struct run { struct store *store; char task[ID_LEN + 1]; int64_t next; struct series times; int under_way; };
struct one { struct run *run; int64_t start; };

static void fail(const struct err *err)
{
	fprintf(stderr, "bench_store: %s\n", err->text);
	exit(1);
}

static void finish(void *userdata, int result, int64_t first_seq UNUSED, const struct err *err)
{
	struct one *one = userdata;

	if (result < 0)
		fail(err);
	add(&one->run->times, clock_mono_ns() - one->start);
	one->run->under_way--;
	free(one);
}

static void start_one(struct run *run, int events)
{
	struct event batch[64];
	struct one *one = xmalloc(sizeof *one);

	*one = (struct one){ run, clock_mono_ns() };
	for (int i = 0; i < events; i++)
		batch[i] = call(run->task, run->next++);
	run->under_way++;
	store_append(run->store, &(struct store_batch){ .root = run->task, .task = run->task, .generation = 1, .events = batch,
	             .count = (size_t)events, .on_commit = finish, .userdata = one });
}

static void measure(struct run *run, const char *what, int events, int under_way)
{
	int64_t start = clock_mono_ns();

	while (clock_mono_ns() - start < SPAN_MS * INT64_C(1000000) || run->under_way > 0) {
		bool over = clock_mono_ns() - start >= SPAN_MS * INT64_C(1000000);
		while (!over && run->under_way < under_way)
			start_one(run, events);
		struct pollfd p = { store_fd(run->store), POLLIN, 0 };
		if (poll(&p, 1, 10000) <= 0)
			abort();
		store_dispatch(run->store);
	}
	report(what, events, &run->times, clock_mono_ns() - start);
}

static void open_store(struct run *run)
{
	struct err err = ERR_NONE;

	id_new(run->task);
	struct event e = { .type = EVENT_TASK_CREATED, .time_us = clock_wall_us(), .attempt = 1 };
	memcpy(e.task, run->task, sizeof e.task);
	e.data = json_pack("{ss ss ss si ss ss ss ss sb ss s[] s[] s{}}", "goal", "g", "agent", "a", "role", "master", "depth", 0,
	                   "model", "m", "workspace", "/", "isolation", "full", "channel", "cli", "interactive", 0, "plan",
	                   "never", "tools", "policies", "limits");
	if (store_open(dir, STORE_CREATE, &run->store, &err) < 0 || store_engine_register(run->store, "", &err) < 0 ||
	    store_append_wait(run->store, &(struct store_batch){ .root = run->task, .task = run->task, .lease = LEASE_CREATE,
	                      .events = &e, .count = 1 }, NULL, &err) < 0)
		fail(&err);
}

static void remove_all(void)
{
	static const char *const names[] = { "mishri.db", "mishri.db-wal", "mishri.db-shm" };

	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(freep) char *path = xasprintf("%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(int argc, char **argv)
{
	static const int sizes[] = { 1, 8, 64 };
	struct run run = { 0 };

	snprintf(dir, sizeof dir, "%s/bench-store-XXXXXX", argc > 1 ? argv[1] : ".");
	if (mkdtemp(dir) == NULL) {
		fprintf(stderr, "bench_store: cannot make a directory there\n");
		return 1;
	}
	open_store(&run);
	struct event e = call(run.task, 0);
	struct buf text = BUF_INIT(KIB(64));
	event_format(&e, &text);
	printf("%-22s %3s  (events of %zu bytes)\n", "", "n", text.len);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		measure_floor(sizes[i], text.len);
		measure(&run, "store, one by one", sizes[i], 1);
		measure(&run, "store, 64 under way", sizes[i], UNDER_WAY);
	}
	event_done(&e);
	buf_done(&text);
	free(run.times.ns);
	store_close(run.store);
	remove_all();
	return 0;
}
