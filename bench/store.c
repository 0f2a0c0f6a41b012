/* store.c - what a durable commit costs: batches of 1, 8 and 64 events, one waited for after another and
 * many under way, beside the floors of the same disk, in this run: append of the same bytes and fdatasync, and rows of
 * the same bytes by plain SQLite, one transaction for as many as our writer takes at once. Then durable steps, as tasks
 * take them: a commit of what will be done, and when it is there a commit of what came of it. And what the chain costs.
 *
 *   usage: bench_store [DIR]    (a directory on the disk to be measured; default: the current one)
 *
 * cpu: processor time of this process, all threads, an event. It says more than the rest on a machine that is shared. */
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "store/store.h"

enum { SPAN_MS = 1500, UNDER_WAY = 64, STEP_TASKS = 1000 };

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

static int64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static double last_cpu_us; /* an event, of what was reported last */

static void report(const char *what, int events, struct series *s, int64_t elapsed_ns, int64_t used_ns)
{
	double rate = (double)s->count * 1e9 / (double)elapsed_ns;

	qsort(s->ns, s->count, sizeof *s->ns, compare);
	last_cpu_us = (double)used_ns / 1e3 / (double)(s->count * (size_t)events);
	printf("%-22s %3d  %9.0f commits/s  %9.0f events/s  p50 %6lld us  p99 %6lld us  cpu %5.1f us\n", what, events, rate,
	       rate * events, (long long)s->ns[s->count / 2] / 1000, (long long)s->ns[s->count * 99 / 100] / 1000,
	       last_cpu_us);
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
	int64_t start = clock_mono_ns(), now = start, used = cpu_ns();

	memset(block, 'x', bytes * (size_t)events);
	while (now - start < SPAN_MS * INT64_C(1000000)) {
		int64_t before = now;
		if (io_write_all(fd, block, bytes * (size_t)events) < 0 || fdatasync(fd) < 0)
			abort();
		now = clock_mono_ns();
		add(&s, now - before);
	}
	report("append+fdatasync", events, &s, now - start, cpu_ns() - used);
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
	int64_t start = clock_mono_ns(), used = cpu_ns();

	while (clock_mono_ns() - start < SPAN_MS * INT64_C(1000000) || run->under_way > 0) {
		bool over = clock_mono_ns() - start >= SPAN_MS * INT64_C(1000000);
		while (!over && run->under_way < under_way)
			start_one(run, events);
		struct pollfd p = { store_fd(run->store), POLLIN, 0 };
		if (poll(&p, 1, 10000) <= 0)
			abort();
		store_dispatch(run->store);
	}
	report(what, events, &run->times, clock_mono_ns() - start, cpu_ns() - used);
}

/* Tables of one row an event, without an index, a chain or a projection: what SQLite itself takes. */
static void sqlite_do(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "bench_store: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
}

static void measure_sqlite(int events, size_t bytes)
{
	AUTO(freep) char *path = xasprintf("%s/plain.db", dir), *text = xcalloc(1, bytes + 1);
	struct series s = { 0 };
	sqlite3 *db;
	sqlite3_stmt *put;

	memset(text, 'x', bytes);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite_do(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS e (seq INTEGER PRIMARY KEY, data TEXT)");
	if (sqlite3_prepare_v2(db, "INSERT INTO e (data) VALUES (?1)", -1, &put, NULL) != SQLITE_OK)
		abort();
	int64_t start = clock_mono_ns(), now = start, used = cpu_ns();
	while (now - start < SPAN_MS * INT64_C(1000000)) {
		int64_t before = now;
		sqlite_do(db, "BEGIN IMMEDIATE");
		for (int i = 0; i < events; i++) {
			sqlite3_bind_text(put, 1, text, (int)bytes, SQLITE_STATIC);
			if (sqlite3_step(put) != SQLITE_DONE)
				abort();
			sqlite3_reset(put);
		}
		sqlite_do(db, "COMMIT");
		now = clock_mono_ns();
		add(&s, now - before);
	}
	report("plain SQLite", events, &s, now - start, cpu_ns() - used);
	sqlite3_finalize(put);
	sqlite3_close(db);
	free(s.ns);
}

/* ---- durable steps ---- */

struct stepper { struct steps *all; char task[ID_LEN + 1]; int64_t step, begin; bool over; };
struct steps { struct store *store; struct stepper *tasks; struct series times; int under_way; int64_t until; };

static void put_half(struct stepper *t);

static void half_done(void *userdata, int result, int64_t first_seq UNUSED, const struct err *err)
{
	struct stepper *t = userdata;

	if (result < 0)
		fail(err);
	t->over = !t->over;
	if (!t->over) {
		add(&t->all->times, clock_mono_ns() - t->begin);
		t->step++;
	}
	if (t->over || clock_mono_ns() < t->all->until)
		put_half(t);
	else
		t->all->under_way--;
}

/* Of a step: the intent, or, `over`, what came of it. */
static void put_half(struct stepper *t)
{
	struct event e = { .type = t->over ? EVENT_CALL_FINISHED : EVENT_CALL_STARTED, .time_us = clock_wall_us(), .attempt = 1 };
	char id[24];

	if (!t->over)
		t->begin = clock_mono_ns();
	snprintf(id, sizeof id, "1.%lld", (long long)t->step);
	memcpy(e.task, t->task, sizeof e.task);
	e.data = t->over ? json_pack("{ss ss ss si ss si si si si}", "call", id, "tool", "shell", "status", "ok", "exit", 0,
	                             "output", "done", "bytes", 4, "execs", 1, "denied_execs", 0, "ms", 1) :
	                   json_pack("{ss ss ss}", "call", id, "tool", "shell", "nature", "at_most_once");
	store_append(t->all->store, &(struct store_batch){ .root = t->task, .task = t->task, .generation = 1, .events = &e,
	             .count = 1, .on_commit = half_done, .userdata = t });
}

static void create_task(struct store *store, char task[static ID_LEN + 1]);

static void measure_steps(struct store *store)
{
	struct steps all = { .store = store, .tasks = xcalloc(STEP_TASKS, sizeof *all.tasks) };

	for (size_t i = 0; i < STEP_TASKS; i++) {
		all.tasks[i].all = &all;
		create_task(store, all.tasks[i].task);
	}
	int64_t start = clock_mono_ns(), used = cpu_ns();
	all.until = start + SPAN_MS * INT64_C(1000000);
	all.under_way = STEP_TASKS;
	for (size_t i = 0; i < STEP_TASKS; i++)
		put_half(&all.tasks[i]);
	while (all.under_way > 0) {
		struct pollfd p = { store_fd(store), POLLIN, 0 };
		if (poll(&p, 1, 10000) <= 0)
			abort();
		store_dispatch(store);
	}
	double s = (double)(clock_mono_ns() - start) / 1e9;
	qsort(all.times.ns, all.times.count, sizeof *all.times.ns, compare);
	printf("durable steps of %d tasks: %.0f steps/s (two commits each)  p50 %lld us  p99 %lld us  cpu %.1f us a step\n", STEP_TASKS,
	       (double)all.times.count / s, (long long)all.times.ns[all.times.count / 2] / 1000,
	       (long long)all.times.ns[all.times.count * 99 / 100] / 1000, (double)(cpu_ns() - used) / 1e3 / (double)all.times.count);
	free(all.times.ns);
	free(all.tasks);
}

/* ---- the chain ---- */

/* What is done for it an event: SHA-256 of the hash before and the text. */
static void measure_chain(size_t bytes, double event_us)
{
	enum { ROUNDS = 100000 };
	AUTO(freep) char *text = xcalloc(1, bytes + 1);
	char head[SHA256_HEX_LEN + 1], hash[SHA256_HEX_LEN + 1];

	memset(text, 'x', bytes);
	memset(head, '0', SHA256_HEX_LEN);
	head[SHA256_HEX_LEN] = '\0';
	int64_t used = cpu_ns();
	for (int i = 0; i < ROUNDS; i++) {
		sha256_hex((struct str[]){ str_of(head), { text, bytes } }, 2, hash);
		memcpy(head, hash, sizeof head);
	}
	double us = (double)(cpu_ns() - used) / 1e3 / ROUNDS;
	printf("the chain: %.2f us an event of %zu bytes, %.1f %% of the processor time of an event in batches of 64\n", us, bytes,
	       us / event_us * 100);
}

static void create_task(struct store *store, char task[static ID_LEN + 1])
{
	struct err err = ERR_NONE;

	id_new(task);
	struct event e = { .type = EVENT_TASK_CREATED, .time_us = clock_wall_us(), .attempt = 1 };
	memcpy(e.task, task, sizeof e.task);
	e.data = json_pack("{ss ss ss si ss ss ss ss sb ss s[] s[] s{}}", "goal", "g", "agent", "a", "role", "master", "depth", 0,
	                   "model", "m", "workspace", "/", "isolation", "full", "channel", "cli", "interactive", 0, "plan",
	                   "never", "tools", "policies", "limits");
	if (store_append_wait(store, &(struct store_batch){ .root = task, .task = task, .lease = LEASE_CREATE, .events = &e,
	                      .count = 1 }, NULL, &err) < 0)
		fail(&err);
}

static void open_store(struct run *run)
{
	struct err err = ERR_NONE;

	if (store_open(dir, STORE_CREATE, &run->store, &err) < 0 || store_engine_register(run->store, "", &err) < 0)
		fail(&err);
	create_task(run->store, run->task);
}

static void remove_all(void)
{
	static const char *const names[] = { "mishri.db", "mishri.db-wal", "mishri.db-shm", "plain.db", "plain.db-wal",
	                                      "plain.db-shm", "audit.key", "audit.key.pub" };

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
		measure_sqlite(sizes[i], text.len);
		measure(&run, "store, one by one", sizes[i], 1);
		measure(&run, "store, 64 under way", sizes[i], UNDER_WAY);
	}
	measure_chain(text.len, last_cpu_us);
	measure_steps(run.store);
	event_done(&e);
	buf_done(&text);
	free(run.times.ns);
	store_close(run.store);
	remove_all();
	return 0;
}
