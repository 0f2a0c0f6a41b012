/* resume.c - how long does a long task need until its first step, after a crash or a pause? A task of many turns goes through the
 * store; then it is read and folded again and again: by engine_load, as a resume does it, and by the general reader of events.
 * It opens no cell and asks no model: `run --resume` does that afterwards, whatever the length.
 *
 *   usage: bench_resume [DIR [EVENTS]]    (default: the current directory, 10000) */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "store/store.h"

enum { TIMES = 21, PER_TURN = 6, LONG_EVERY = 10, LONG_BYTES = 12000 };

static char dir[4096], task_id[ID_LEN + 1];
static int64_t under_way, written;

static void fail(const struct err *err)
{
	fprintf(stderr, "bench_resume: %s\n", err->text);
	exit(1);
}

static void done(void *userdata UNUSED, int result, int64_t first_seq UNUSED, const struct err *err)
{
	if (result < 0)
		fail(err);
	under_way--;
}

static void dispatch(struct store *store, int64_t most)
{
	while (under_way > most) {
		struct pollfd p = { store_fd(store), POLLIN, 0 };
		if (poll(&p, 1, 60000) <= 0)
			abort();
		store_dispatch(store);
	}
}

static struct event make(enum event_type type, json_t *data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = data };

	if (data == NULL)
		abort();
	memcpy(e.task, task_id, sizeof e.task);
	memcpy(e.session, task_id, sizeof e.session);
	snprintf(e.user, sizeof e.user, "bench");
	return e;
}

static void put(struct store *store, struct event *events, size_t count, enum lease_action lease)
{
	under_way++;
	store_append(store, &(struct store_batch){ .root = task_id, .task = task_id, .generation = lease == LEASE_CREATE ? 0 : 1,
	             .lease = lease, .events = events, .count = count, .on_commit = done });
	written += (int64_t)count;
	dispatch(store, 200);
}

static void begin(struct store *store)
{
	struct event e = make(EVENT_TASK_CREATED,
		json_pack("{ss ss ss si ss ss ss ss sb ss s[s] s[] s{sI sI sI sI}}", "goal", "a long piece of work", "agent", "worker", "role",
	                  "worker", "depth", 0, "model", "openai/m", "workspace", "/home/u/project", "isolation", "full", "channel", "cli",
	                  "interactive", 0, "plan", "never", "tools", "shell", "policies", "limits", "turns", (json_int_t)1000000, "calls",
	                  (json_int_t)1000000, "timeout_ms", (json_int_t)86400000, "output_bytes", (json_int_t)100000));

	put(store, &e, 1, LEASE_CREATE);
}

static void turn(struct store *store, int number, const char *output)
{
	struct event e[PER_TURN];
	char call[32];

	snprintf(call, sizeof call, "%d.1", number);
	e[0] = make(EVENT_MODEL_REQUESTED, json_pack("{si ss ss si}", "turn", number, "provider", "openai", "model", "m", "messages", 2));
	e[1] = make(EVENT_MODEL_REPLIED,
	            json_pack("{si ss ss si s{si si si si} sI ss si}", "turn", number, "text", "The next step is to see what is there.", "finish",
	                      "tool_calls", "calls", 1, "usage", "input", 900, "cache_read", 500, "cache_write", 0, "output", 60, "usd_nanos",
	                      (json_int_t)3000, "price", "builtin table, 2026-11-01", "ms", 900));
	e[2] = make(EVENT_CALL_PROPOSED, json_pack("{ss si ss ss s{ss}}", "call", call, "turn", number, "id", call, "tool", "shell", "args",
	                                           "command", "ls -l src | head -20 && make test"));
	e[3] = make(EVENT_CALL_DECIDED,
	            json_pack("{ss ss ss ss ss sn ss s[] sn si}", "call", call, "tool", "shell", "effect", "allow", "by", "policy", "rule", "tools",
	                      "source", "reason", "rule tools says so", "also", "policy", "ns", 900));
	e[4] = make(EVENT_CALL_STARTED, json_pack("{ss ss ss}", "call", call, "tool", "shell", "nature", "at_most_once"));
	e[5] = make(EVENT_CALL_FINISHED, json_pack("{ss ss ss si ss si si si si}", "call", call, "tool", "shell", "status", "ok", "exit", 0,
	                                           "output", output, "bytes", 300, "execs", 1, "denied_execs", 0, "ms", 5));
	put(store, e, PER_TURN, LEASE_HOLD);
}

static bool fold(void *userdata, const struct event_row *row)
{
	struct event e;
	struct err err = ERR_NONE;

	if (event_parse(row->text, &e, &err) < 0 || task_apply(userdata, &e, &err) < 0)
		fail(&err);
	event_done(&e);
	return true;
}

static struct task *load(struct store *store, bool general)
{
	struct event_filter filter = { .task = task_id, .with_content = true };
	struct task *task = general ? task_new() : NULL;
	struct err err = ERR_NONE;

	int r = general ? store_events(store, &filter, fold, task, &err) : engine_load(store, task_id, &task, &err);
	if (r < 0)
		fail(&err);
	return task;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(struct store *store, const char *name, bool general)
{
	int64_t ns[TIMES];

	for (int i = 0; i < TIMES; i++) {
		int64_t start = clock_mono_ns();
		struct task *task = load(store, general);
		struct task_input input = { .now_us = clock_wall_us() };
		struct step step;
		if (!task_decide(task, &input, &step))
			abort();
		ns[i] = clock_mono_ns() - start;
		step_done(&step);
		task_free(task);
	}
	qsort(ns, TIMES, sizeof *ns, compare);
	printf("{\"bench\":\"resume\",\"reader\":\"%s\",\"events\":%lld,\"median_ms\":%.1f,\"worst_ms\":%.1f,\"us_per_event\":%.2f}\n", name,
	       (long long)written, (double)ns[TIMES / 2] / 1e6, (double)ns[TIMES - 1] / 1e6, (double)ns[TIMES / 2] / 1e3 / (double)written);
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
	static char brief[301], longer[LONG_BYTES + 1];
	uint64_t events = 10000;
	struct store *store;
	struct err err = ERR_NONE;

	if (argc > 2 && (str_to_u64(str_of(argv[2]), &events) < 0 || events < PER_TURN || events > 1000000)) {
		fprintf(stderr, "usage: bench_resume [DIR [EVENTS]], %d to 1000000 events\n", PER_TURN);
		return 2;
	}
	snprintf(dir, sizeof dir, "%s/bench-resume-XXXXXX", argc > 1 ? argv[1] : ".");
	if (mkdtemp(dir) == NULL) {
		fprintf(stderr, "bench_resume: cannot make a directory there\n");
		return 1;
	}
	if (store_open(dir, STORE_CREATE, &store, &err) < 0 || store_engine_register(store, "", &err) < 0)
		fail(&err);
	memset(brief, 'x', sizeof brief - 1);
	memset(longer, 'y', sizeof longer - 1);
	id_new(task_id);
	begin(store);
	for (int i = 1; written + PER_TURN <= (int64_t)events; i++)
		turn(store, i, i % LONG_EVERY == 0 ? longer : brief);
	dispatch(store, 0);
	measure(store, "resume", false);
	measure(store, "general", true);
	store_close(store);
	remove_all();
	return 0;
}
