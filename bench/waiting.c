/* bench_waiting - what a task costs that waits for a person. Tasks are begun at once in one engine, each asks a model and proposes a
 * call that policy wants a person to see; when all wait, memory and processes are read, and more are begun, ten times as many.
 * Nothing is laid down meanwhile as a service would do (serve.rest): what is measured is a task in memory. With `rest` it is laid
 * down at the end, all of it, and memory is read once more.
 *
 *   bench_waiting [MOST [once|rest]]    10000; 1, 10, 100 … MOST tasks one step after another; once: MOST in one step
 *
 * Prints one JSON object a step; kib_a_task: what was added since the first step, over the tasks added. The data is left in
 * bench_waiting.XXXXXX below TMPDIR, or the current directory. */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "engine/engine.h"
#include "engine/loop.h"
#include "mock_start.h"

#include "base/banned.h"

static const char rules[] = "version: 1\nrules:\n  - { id: t, ask: tool, tool: \"*\" }\n"
                            "  - { id: p, allow: exec, program: { from: system } }\n";

enum { SETTLED_MS = 1500, REST_MS = 60000 };

struct waiting {
	struct engine *engine;
	struct task_spec spec;
	int64_t begun, waits, parked, cells, most, first, first_rss_kib, first_heap, since_ns;
	double ms;
	struct watch *settled;
	bool once, rest;
};

static void must(int r, const struct err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench_waiting: %s\n", err->text);
	exit(1);
}

static int64_t status_kib(const char *key)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	const char *at;

	return io_read_file("/proc/self/status", &text, NULL) == 0 && (at = strstr(buf_text(&text), key)) != NULL ?
	       strtoll(at + strlen(key), NULL, 10) : 0;
}

/* Of wardens and cells: all that has this process above it. */
static int processes(void)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	AUTO(freep) char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
	int count = 0;

	if (io_read_file(path, &text, NULL) < 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == ' ';
	return count;
}

static void begin(struct waiting *w, int64_t upto)
{
	w->since_ns = clock_mono_ns();
	for (; w->begun < upto; w->begun++)
		engine_start(w->engine, &w->spec);
}

static void report(struct waiting *w)
{
	int64_t rss = status_kib("VmRSS:"), heap = (int64_t)mallinfo2().uordblks, added = w->waits - w->first;

	if (w->first == 0) {
		w->first = w->waits;
		w->first_rss_kib = rss;
		w->first_heap = heap;
	}
	printf("{\"bench\":\"waiting\",\"tasks\":%lld,\"at_rest\":%lld,\"ms\":%.0f,\"rss_kib\":%lld,\"peak_kib\":%lld,\"kib_a_task\":%.2f,"
	       "\"heap_kib_a_task\":%.2f,\"cells_opened\":%lld,\"processes\":%d}\n", (long long)w->waits,
	       (long long)w->parked, w->ms, (long long)rss, (long long)status_kib("VmHWM:"),
	       added > 0 ? (double)(rss - w->first_rss_kib) / (double)added : 0.0,
	       added > 0 ? (double)(heap - w->first_heap) / 1024 / (double)added : 0.0, (long long)w->cells, processes());
	fflush(stdout);
}

static void on_event(void *userdata, const struct event *e)
{
	struct waiting *w = userdata;

	w->cells += e->type == EVENT_CELL_OPENED;
	w->waits += e->type == EVENT_APPROVAL_REQUESTED;
	w->parked += e->type == EVENT_TASK_PARKED;
	if (e->type == EVENT_TASK_PARKED && w->parked == w->most)
		watch_arm(w->settled, LIMIT_REST_MOST_MS * 2 + SETTLED_MS); /* memory is given back by the look after */
	if (e->type != EVENT_APPROVAL_REQUESTED || w->waits < w->begun)
		return;
	w->ms = (double)(clock_mono_ns() - w->since_ns) / 1e6;
	watch_arm(w->settled, SETTLED_MS);
}

/* Nothing is under way any more. */
static void on_settled(void *userdata)
{
	struct waiting *w = userdata;

	report(w);
	if (w->begun < w->most)
		begin(w, w->once || w->begun * 10 > w->most ? w->most : w->begun * 10);
	else if (!w->rest || w->parked == w->most)
		engine_drain(w->engine, "SIGTERM");
}

static const char *environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

static void run(struct waiting *w, struct warden *warden, const char *dir)
{
	struct engine_setup setup = { .warden = warden, .user = "bench", .on_event = on_event, .userdata = w, .poke_fd = -1,
		.service = w->rest, .rest_ms = w->rest ? REST_MS : 0 };
	struct policy *policy;
	struct err err = ERR_NONE;

	must(loop_new(&setup.loop, &err), &err);
	must(store_open(dir, STORE_CREATE, &setup.store, &err), &err);
	must(store_engine_register(setup.store, "", &err), &err);
	const struct policy_source source = { .name = "bench", .layer = LAYER_USER, .text = str_of(rules) };
	must(policy_load(&source, 1, NULL, 0, &policy, &err), &err);
	must(llm_new(loop_base(setup.loop), &setup.llm, &err), &err);
	must(llm_model_open("openai/mock", environment, NULL, &setup.model, &err), &err);
	setup.policy = policy;
	must(engine_new(&setup, &w->engine, &err), &err);
	w->settled = watch_timer(setup.loop, on_settled, w);
	w->spec = (struct task_spec){
		.goal = "run true", .agent = "worker", .role = "worker", .model = "openai/mock", .workspace = dir, .plan = "never",
		.channel = "cli", .level = CELL_FULL, .budget_nanos = -1, .wait_for_approval = true,
		.limits = { LIMIT_TASK_TURNS, LIMIT_TASK_CALLS, LIMIT_TASK_TIMEOUT_MS, LIMIT_CALL_OUTPUT_BYTES },
	};
	begin(w, w->once ? w->most : 1);
	engine_loop(w->engine);
	watch_free(w->settled);
	engine_free(w->engine);
	llm_free(setup.llm);
	llm_model_close(setup.model);
	store_close(setup.store);
	policy_free(policy);
	loop_free(setup.loop);
}

int main(int argc, char **argv)
{
	struct waiting w = { .most = 10000, .once = argc > 2 && strcmp(argv[2], "once") == 0,
		.rest = argc > 2 && strcmp(argv[2], "rest") == 0 };
	const char *tmp = getenv("TMPDIR");
	struct cell_builtin builtins[64];
	struct warden *warden;
	struct err err = ERR_NONE;
	uint64_t most = 10000;

	if (argc > 1 && (str_to_u64(str_of(argv[1]), &most) < 0 || most == 0 || most > 100000)) {
		fputs("usage: bench_waiting [MOST [once|rest]]: MOST from 1 to 100000\n", stderr);
		return 2;
	}
	w.most = (int64_t)most;
	must(warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &warden, &err), &err);
	AUTO(freep) char *dir = xasprintf("%s/bench_waiting.XXXXXX", tmp != NULL ? tmp : ".");
	if (mkdtemp(dir) == NULL)
		must(err_sys(&err, "%s", dir), &err);
	AUTO(freep) char *whole = realpath(dir, NULL);
	struct mock mock = mock_start(1);
	char base[64];
	snprintf(base, sizeof base, "http://127.0.0.1:%ld/v1", mock.port);
	setenv("OPENAI_BASE_URL", base, 1);
	setenv("OPENAI_API_KEY", "bench", 1);
	run(&w, warden, whole);
	warden_stop(warden);
	mock_stop(&mock);
	return 0;
}
