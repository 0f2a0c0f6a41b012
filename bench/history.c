/* history.c - does it stay as fast when the history grows? Tasks of ten events each go straight through the store, durable in
 * batches, and at 10 k, 100 k, 1 M ... events the questions of `show`, `tree`, `history` and `cost` are put: p50 and p99 each.
 *
 *   usage: bench_history [DIR [EVENTS [keep]]]    (a directory on the disk to be measured; default: the current one, 100000;
 *          keep: the store stays there, to look at it with the program)
 *          bench_history STORE EVENTS more        (a store that was kept grows up to EVENTS, is asked, and stays)
 *
 * Beside the time on the clock stands the CPU time of the thread: that is what a loaded machine does not change. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/history.h"

enum { PER_TASK = 10, UNDER_WAY = 2000, ASKED = 200, PAGE = 20, USERS = 20, DAYS = 365, WORDS = 4000, TREE = 111 };

static char dir[4096];
static uint64_t seed = 88172645463325252u;

static uint64_t any(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void fail(const struct err *err)
{
	fprintf(stderr, "bench_history: %s\n", err->text);
	exit(1);
}

/* Some words are in many texts, most are in few. */
static const char *words(int count, char text[static 512])
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, 512 - len, "w%llu ", (unsigned long long)(any(any(WORDS) + 1)));
	return text;
}

struct run {
	struct store *store;
	int under_way;
	int64_t events, tasks, text_bytes;
	char (*names)[ID_LEN + 1];    /* of some tasks, to ask for */
	size_t name_count;
	char tree[ID_LEN + 1];
	int64_t begin_us;
	double create_ns;
};

static void done(void *userdata, int result, int64_t first_seq UNUSED, const struct err *err)
{
	struct run *run = userdata;

	if (result < 0)
		fail(err);
	run->under_way--;
}

static struct event make(enum event_type type, const char *task, const char *parent, int user, int64_t at_us, json_t *data)
{
	struct event e = { .type = type, .time_us = at_us, .attempt = 1, .data = data };

	if (data == NULL)
		abort();
	snprintf(e.session, sizeof e.session, "s%011d", user);
	snprintf(e.task, sizeof e.task, "%s", task);
	snprintf(e.parent, sizeof e.parent, "%s", parent);
	snprintf(e.user, sizeof e.user, "user%d", user);
	return e;
}

static json_t *created(const char *role)
{
	char goal[512], model[32];

	snprintf(model, sizeof model, "openai/model-%llu", (unsigned long long)any(5));
	return json_pack("{ss ss ss si ss ss ss ss sb ss s[s] s[] s{}}", "goal", words(8, goal), "agent", "worker", "role", role, "depth", 0,
	                 "model", model, "workspace", "/home/u/project", "isolation", "full", "channel", "cli", "interactive", 0, "plan",
	                 "never", "tools", "shell", "policies", "limits");
}

static json_t *reply(int turn)
{
	char text[512];

	return json_pack("{si ss ss si s{si si si si} sI ss si}", "turn", turn, "text", words(20, text), "finish", "tool_calls", "calls", 1,
	                 "usage", "input", 900, "cache_read", 500, "cache_write", 0, "output", 60, "usd_nanos", (json_int_t)any(3000000),
	                 "price", "builtin table, 2026-11-01", "ms", 900);
}

/* What one task writes after task.created. */
static size_t fill(struct event *e, const char *task, const char *parent, int user, int64_t at_us)
{
	static const char *const tools[] = { "shell", "read_file", "edit_file", "search", "http_fetch" };
	const char *tool = tools[any(any(5) + 1)];
	char args[512], output[512], result[512];
	size_t n = 0;
	bool denied = any(20) == 0;

	e[n++] = make(EVENT_MODEL_REQUESTED, task, parent, user, at_us + 1,
	              json_pack("{si ss ss si}", "turn", 1, "provider", "openai", "model", "m", "messages", 2));
	e[n++] = make(EVENT_MODEL_REPLIED, task, parent, user, at_us + 2, reply(1));
	e[n++] = make(EVENT_CALL_PROPOSED, task, parent, user, at_us + 3,
	              json_pack("{ss si ss ss s{ss}}", "call", "1.1", "turn", 1, "id", "x", "tool", tool, "args", "command", words(6, args)));
	e[n++] = make(EVENT_CALL_DECIDED, task, parent, user, at_us + 4,
	              json_pack("{ss ss ss ss ss sn ss s[] sn si}", "call", "1.1", "tool", tool, "effect", denied ? "deny" : "allow", "by",
	                        "policy", "rule", "tools", "source", "reason", "rule tools says so", "also", "policy", "ns", 900));
	e[n++] = make(EVENT_CALL_STARTED, task, parent, user, at_us + 5,
	              json_pack("{ss ss ss}", "call", "1.1", "tool", tool, "nature", "at_most_once"));
	e[n++] = make(EVENT_CALL_FINISHED, task, parent, user, at_us + 6,
	              json_pack("{ss ss ss si ss si si si si}", "call", "1.1", "tool", tool, "status", "ok", "exit", 0, "output",
	                        words(40, output), "bytes", 300, "execs", 1, "denied_execs", 0, "ms", 5));
	e[n++] = make(EVENT_MODEL_REQUESTED, task, parent, user, at_us + 7,
	              json_pack("{si ss ss si}", "turn", 2, "provider", "openai", "model", "m", "messages", 4));
	e[n++] = make(EVENT_MODEL_REPLIED, task, parent, user, at_us + 8, reply(2));
	e[n++] = make(EVENT_TASK_FINISHED, task, parent, user, at_us + 9,
	              json_pack("{ss si ss}", "state", any(10) == 0 ? "failed" : "done", "exit", 0, "result", words(10, result)));
	return n;
}

static void dispatch(struct run *run, int most)
{
	while (run->under_way > most) {
		struct pollfd p = { store_fd(run->store), POLLIN, 0 };
		if (poll(&p, 1, 600000) <= 0) {
			fprintf(stderr, "bench_history: nothing was written for ten minutes\n");
			exit(1);
		}
		store_dispatch(run->store);
	}
}

static void put_task(struct run *run, const char *root, const char *task, const char *parent, int64_t total_tasks)
{
	struct event first, rest[PER_TASK];
	int user = (int)any(USERS);
	int64_t at_us = run->begin_us + run->tasks * (DAYS * INT64_C(86400000000) / total_tasks);

	first = make(EVENT_TASK_CREATED, task, parent, user, at_us, created(parent[0] == '\0' ? "master" : "worker"));
	run->under_way += 2;
	store_append(run->store, &(struct store_batch){ .root = root, .task = task, .lease = LEASE_CREATE, .events = &first, .count = 1,
	             .on_commit = done, .userdata = run });
	size_t count = fill(rest, task, parent, user, at_us);
	store_append(run->store, &(struct store_batch){ .root = root, .task = task, .generation = 1, .lease = LEASE_RELEASE, .events = rest,
	             .count = count, .checkpoint = parent[0] == '\0', .on_commit = done, .userdata = run });
	run->events += 1 + (int64_t)count;
	if (any(MAX((uint64_t)run->tasks / 1000, (uint64_t)1)) == 0)
		memcpy(run->names[run->name_count++ % 1000], task, ID_LEN + 1);
	run->tasks++;
	dispatch(run, UNDER_WAY);
}

/* One master, ten workers, ten below each. */
static void put_tree(struct run *run, int64_t total_tasks)
{
	char middle[ID_LEN + 1], leaf[ID_LEN + 1];

	id_new(run->tree);
	put_task(run, run->tree, run->tree, "", total_tasks);
	for (int i = 0; i < 10; i++) {
		id_new(middle);
		put_task(run, run->tree, middle, run->tree, total_tasks);
		for (int k = 0; k < 10; k++) {
			id_new(leaf);
			put_task(run, run->tree, leaf, middle, total_tasks);
		}
	}
}

static void grow(struct run *run, int64_t upto, int64_t total_tasks)
{
	char task[ID_LEN + 1];
	int64_t from = run->events, start = clock_mono_ns();

	while (run->events < upto) {
		id_new(task);
		put_task(run, task, task, "", total_tasks);
	}
	dispatch(run, 0);
	double s = (double)(clock_mono_ns() - start) / 1e9;
	printf("\n%lld events, %lld tasks: written at %.0f events/s\n", (long long)run->events, (long long)run->tasks,
	       (double)(run->events - from) / s);
}

/* ---- the questions ---- */

static void see_event(int64_t *n)
{
	++*n;
}
static bool visit_event(void *userdata, const struct event_row *row UNUSED)
{
	see_event(userdata);
	return true;
}
static void visit_call(void *userdata, const struct call_row *row UNUSED) { see_event(userdata); }
static void visit_task(void *userdata, const struct task_row *row UNUSED) { see_event(userdata); }
static void visit_tree(void *userdata, const struct history_row *row UNUSED) { see_event(userdata); }
static void visit_day(void *userdata, const struct day_row *row UNUSED) { see_event(userdata); }

static int ask_history(struct run *run, struct history_filter f, int64_t *n, struct err *err)
{
	bool more;

	f.limit = PAGE;
	return store_history(run->store, &f, visit_tree, n, &more, err);
}

static const char *some(struct run *run)
{
	return run->names[any(MIN(run->name_count, (size_t)1000))];
}

enum question { SHOW, TREE_111, ALL, BY_USER, BY_TOOL, BY_MODEL, BY_STATE, BY_DENIED, BY_TIME, WORD_OFTEN, WORD_RARE, TWO_WORDS, PREFIX, BY_USER_WORD,
	COST_BY_DAY, QUESTIONS };
static const char *const question_names[] = {
	[SHOW] = "show (task, calls, events)", [TREE_111] = "tree of 111 tasks", [ALL] = "history", [BY_USER] = "history by user",
	[BY_TOOL] = "history by tool", [BY_MODEL] = "history by model", [BY_STATE] = "history by state", [BY_DENIED] = "history, denied",
	[BY_TIME] = "history by time", [WORD_OFTEN] = "history, a frequent word", [WORD_RARE] = "history, a rare word",
	[TWO_WORDS] = "history, two words", [PREFIX] = "history, a prefix", [BY_USER_WORD] = "history, user and word",
	[COST_BY_DAY] = "cost by day",
};

static int ask(struct run *run, enum question q, int64_t *n, struct err *err)
{
	char word[64], user[16];
	int64_t day_us = run->begin_us + (int64_t)any(DAYS) * INT64_C(86400000000);
	int r;

	snprintf(user, sizeof user, "user%llu", (unsigned long long)any(USERS));
	switch (q) {
	case SHOW: {
		struct task_row row;
		const char *task = some(run);
		r = store_task_get(run->store, task, &row, err);
		if (r == 0)
			task_row_done(&row);
		if (r == 0)
			r = store_calls(run->store, task, visit_call, n, err);
		return r == 0 ? store_events(run->store, &(struct event_filter){ .task = task }, visit_event, n, err) : r;
	}
	case TREE_111: return store_tree(run->store, run->tree, visit_task, n, err);
	case ALL: return ask_history(run, (struct history_filter){ .before = NULL }, n, err);
	case BY_USER: return ask_history(run, (struct history_filter){ .user = user }, n, err);
	case BY_TOOL: return ask_history(run, (struct history_filter){ .tool = "http_fetch" }, n, err);
	case BY_MODEL: return ask_history(run, (struct history_filter){ .model = "model-3" }, n, err);
	case BY_STATE: return ask_history(run, (struct history_filter){ .state = "failed" }, n, err);
	case BY_DENIED: return ask_history(run, (struct history_filter){ .denied = true }, n, err);
	case BY_TIME: return ask_history(run, (struct history_filter){ .since_us = day_us, .until_us = day_us + INT64_C(86400000000) }, n, err);
	case WORD_OFTEN: snprintf(word, sizeof word, "w%llu", (unsigned long long)any(10)); break;
	case WORD_RARE: snprintf(word, sizeof word, "w%llu", (unsigned long long)(WORDS - 1 - any(200))); break;
	case TWO_WORDS: snprintf(word, sizeof word, "w%llu w%llu", (unsigned long long)any(50), (unsigned long long)any(2000)); break;
	case PREFIX: snprintf(word, sizeof word, "w%llu*", (unsigned long long)(100 + any(290))); break;
	case BY_USER_WORD: snprintf(word, sizeof word, "w%llu", (unsigned long long)any(1000)); break;
	case COST_BY_DAY: return store_day_sums(run->store, &(struct cost_filter){ 0 }, visit_day, n, err);
	case QUESTIONS: break;
	}
	return ask_history(run, (struct history_filter){ .text = word, .user = q == BY_USER_WORD ? user : NULL }, n, err);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void measure(struct run *run)
{
	for (enum question q = 0; q < QUESTIONS; q++) {
		int64_t ns[ASKED], cpu[ASKED], rows = 0;
		struct err err = ERR_NONE;
		for (int i = 0; i < ASKED; i++) {
			int64_t start = clock_mono_ns(), cpu_start = cpu_ns();
			if (ask(run, q, &rows, &err) < 0)
				fail(&err);
			ns[i] = clock_mono_ns() - start;
			cpu[i] = cpu_ns() - cpu_start;
		}
		qsort(ns, ASKED, sizeof *ns, compare);
		qsort(cpu, ASKED, sizeof *cpu, compare);
		printf("  %-28s p50 %8.3f ms  p99 %8.3f ms  cpu p50 %8.3f  p99 %8.3f  (%lld rows each)\n", question_names[q],
		       (double)ns[ASKED / 2] / 1e6, (double)ns[ASKED * 99 / 100] / 1e6, (double)cpu[ASKED / 2] / 1e6,
		       (double)cpu[ASKED * 99 / 100] / 1e6, (long long)rows / ASKED);
	}
}

static void sizes(const struct run *run)
{
	AUTO(freep) char *path = xasprintf("%s/mishri.db", dir), *wal = xasprintf("%s/mishri.db-wal", dir);
	struct stat a, b;

	if (stat(path, &a) < 0)
		abort();
	if (stat(wal, &b) < 0)
		b.st_size = 0;
	printf("  file %.1f MiB (and -wal %.1f), %.0f bytes an event, %.0f a turn\n", (double)a.st_size / 1048576, (double)b.st_size / 1048576,
	       (double)a.st_size / (double)run->events, (double)a.st_size / (double)(run->tasks * 2));
}

/* What the hashes alone take, beside what everything takes. */
static void chain(void)
{
	char text[600], hash[SHA256_HEX_LEN + 1] = "0000000000000000000000000000000000000000000000000000000000000000";
	int64_t start = clock_mono_ns();

	memset(text, 'x', sizeof text);
	for (int i = 0; i < 100000; i++)
		sha256_hex((struct str[]){ str_of(hash), { text, sizeof text } }, 2, hash);
	printf("a link of the chain (64 + %zu bytes): %.2f us\n", sizeof text, (double)(clock_mono_ns() - start) / 1e8);
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

static bool first_event(void *userdata, const struct event_row *row)
{
	struct run *run = userdata;
	AUTO(json_decrefp) json_t *event = NULL;

	if (json_parse(row->text, &event, NULL) < 0 || clock_parse(json_get_text(event, "time", ""), &run->begin_us) < 0)
		abort();
	snprintf(run->tree, sizeof run->tree, "%s", json_get_text(event, "task", ""));
	return false;
}

static void some_name(void *userdata, const struct history_row *row)
{
	struct run *run = userdata;

	memcpy(run->names[run->name_count++ % 1000], row->root->task, ID_LEN + 1);
}

/* What a run needs to know of a store that is there. */
static void look(struct run *run)
{
	struct err err = ERR_NONE;
	bool more;

	if (store_events(run->store, &(struct event_filter){ .limit = 1 }, first_event, run, &err) < 0 ||
	    store_event_newest(run->store, &run->events, &err) < 0)
		fail(&err);
	run->tasks = run->events / PER_TASK;
	for (int day = 1; day < DAYS; day++) {
		struct history_filter f = { .until_us = run->begin_us + day * INT64_C(86400000000), .limit = 3 };
		if (store_history(run->store, &f, some_name, run, &more, &err) < 0)
			fail(&err);
	}
}

static void ask_all(struct run *run, int64_t events, int64_t total_tasks)
{
	struct err err = ERR_NONE;

	grow(run, events, total_tasks);
	int64_t start = clock_mono_ns();
	if (store_words_update(run->store, &err) < 0)
		fail(&err);
	printf("  the rest of the index of words: %.1f s\n", (double)(clock_mono_ns() - start) / 1e9);
	measure(run);
	sizes(run);
}

int main(int argc, char **argv)
{
	struct run run = { .names = xcalloc(1000, sizeof *run.names), .begin_us = clock_wall_us() - DAYS * INT64_C(86400000000) };
	uint64_t events = 100000;
	struct err err = ERR_NONE;

	if (argc > 2 && (str_to_u64(str_of(argv[2]), &events) < 0 || events < 10000)) {
		fprintf(stderr, "usage: bench_history [DIR [EVENTS]], 10000 events at least\n");
		return 2;
	}
	bool more = argc > 3 && strcmp(argv[3], "more") == 0;
	snprintf(dir, sizeof dir, "%s%s", argc > 1 ? argv[1] : ".", more ? "" : "/bench-history-XXXXXX");
	if (!more && mkdtemp(dir) == NULL) {
		fprintf(stderr, "bench_history: cannot make a directory there\n");
		return 1;
	}
	if (store_open(dir, STORE_CREATE, &run.store, &err) < 0 || store_engine_register(run.store, "", &err) < 0)
		fail(&err);
	setvbuf(stdout, NULL, _IOLBF, 0);
	chain();
	if (more)
		look(&run);
	else
		put_tree(&run, (int64_t)events / PER_TASK);
	for (int64_t upto = more ? (int64_t)events : 10000; upto <= (int64_t)events; upto *= 10)
		ask_all(&run, upto, (int64_t)events / PER_TASK);
	free(run.names);
	store_close(run.store);
	if (more || (argc > 3 && strcmp(argv[3], "keep") == 0))
		printf("\nkept: %s\n", dir);
	else
		remove_all();
	return 0;
}
