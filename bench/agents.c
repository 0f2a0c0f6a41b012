/* bench_agents - many agents in one engine: so many turns each against a model that takes its time, a tool in a sandbox
 * each turn, every event synced. Beside it, in the same run, the floors (agents_floor.c): the same requests by a bare
 * libcurl multi loop, which keeps nothing and asks nobody, alone and with posix_spawn of `true`, and of `bash -c true`,
 * which is what the tool runs.
 *
 *   bench_agents [AGENTS [TURNS [DELAY_MS [TOOL]]]]    200 10 50 shell; TOOL: shell (`true` in a cell), or none
 *
 * Prints one JSON object. The data is left in bench_agents.XXXXXX below TMPDIR, or the current directory. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "engine/engine.h"
#include "mock_start.h"

#include "base/banned.h"

/* ---- the floor ---- */

/* The milliseconds that bench/agents_floor.c takes, with what it shall run after each reply. */
static double floor_ms(const char *url, uint64_t agents, uint64_t turns, const char *run)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		abort();
	AUTO(freep) char *command = xasprintf("'%s/agents_floor' '%s' %llu %llu %s", dirname(self), url,
	                                      (unsigned long long)agents, (unsigned long long)turns, run);
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, command, NULL };
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1));
	posix_spawn_file_actions_t actions;
	int out[2], status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (pipe2(out, O_CLOEXEC) < 0 || posix_spawn_file_actions_adddup2(&actions, out[1], 1) != 0 ||
	    posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		abort();
	posix_spawn_file_actions_destroy(&actions);
	fd_close(&out[1]);
	int r = io_read_fd(out[0], &text, NULL);
	fd_close(&out[0]);
	if (r < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fputs("bench_agents: the floor failed\n", stderr);
		exit(1);
	}
	return strtod(buf_text(&text), NULL);
}

/* ---- the engine ---- */

struct count {
	int64_t events, done;
};

static void on_event(void *userdata, const struct event *e)
{
	struct count *count = userdata;

	count->events++;
	count->done += e->type == EVENT_TASK_FINISHED && json_get_int(e->data, "exit", 1) == 0;
}

static int64_t peak_kib(void)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	const char *at;

	return io_read_file("/proc/self/status", &text, NULL) == 0 && (at = strstr(buf_text(&text), "VmHWM:")) != NULL ?
	       strtoll(at + 6, NULL, 10) : 0;
}

static void must(int r, const struct err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench_agents: %s\n", err->text);
	exit(1);
}

static const char *environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

/* Processor time of this process and, once they are reaped, of its wardens, cells and programs. */
static double cpu_ms(void)
{
	double sum = 0;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage used;
		getrusage(who, &used);
		sum += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
		       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
	}
	return sum;
}

static double engine_ms(struct warden *warden, const char *dir, size_t agents, size_t turns, struct count *count)
{
	static const char rules[] = "version: 1\nrules:\n  - { id: t, allow: tool, tool: \"*\" }\n"
	                            "  - { id: p, allow: exec, program: { from: system } }\n";
	struct err err = ERR_NONE;
	struct engine *engine;
	struct engine_setup setup = { .warden = warden, .user = "bench", .on_event = on_event, .userdata = count, .poke_fd = -1,
	                              .loops_ignored = true };
	struct policy *policy;

	must(loop_new(&setup.loop, &err), &err);
	must(store_open(dir, STORE_CREATE, &setup.store, &err), &err);
	must(store_engine_register(setup.store, "", &err), &err);
	const struct policy_source source = { .name = "bench", .layer = LAYER_USER, .text = str_of(rules) };
	must(policy_load(&source, 1, NULL, 0, &policy, &err), &err);
	must(llm_new(loop_base(setup.loop), &setup.llm, &err), &err);
	must(llm_model_open("openai/mock", environment, NULL, &setup.model, &err), &err);
	setup.policy = policy;
	must(engine_new(&setup, &engine, &err), &err);
	const struct task_spec spec = {
		.goal = "run true", .agent = "worker", .role = "worker", .model = "openai/mock", .workspace = dir, .plan = "never",
		.channel = "cli", .level = CELL_FULL, .budget_nanos = -1,
		.limits = { (int64_t)turns + 1, LIMIT_TASK_CALLS, LIMIT_TASK_TIMEOUT_MS, LIMIT_CALL_OUTPUT_BYTES },
	};
	int64_t begin = clock_mono_ns();
	for (size_t i = 0; i < agents; i++)
		engine_start(engine, &spec);
	engine_loop(engine);
	double ms = (double)(clock_mono_ns() - begin) / 1e6;
	engine_free(engine);
	llm_free(setup.llm);
	llm_model_close(setup.model);
	store_close(setup.store);
	policy_free(policy);
	loop_free(setup.loop);
	return ms;
}

static uint64_t number(int argc, char **argv, int at, uint64_t otherwise)
{
	uint64_t n = otherwise;

	if (argc > at && (str_to_u64(str_of(argv[at]), &n) < 0 || n > 100000)) {
		fputs("usage: bench_agents [AGENTS [TURNS [DELAY_MS [shell | none]]]]: numbers up to 100000\n", stderr);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	size_t agents = number(argc, argv, 1, 200), turns = number(argc, argv, 2, 10), delay = number(argc, argv, 3, 50);
	const char *tool = argc > 4 ? argv[4] : "shell", *tmp = getenv("TMPDIR");
	struct cell_builtin builtins[64];
	struct count count = { 0 };
	struct warden *warden;
	struct err err = ERR_NONE;
	char url[128], base[64], text[32];

	must(warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &warden, &err), &err);
	snprintf(text, sizeof text, "%zu", delay);
	setenv("MOCK_DELAY_MS", text, 1);
	if (strcmp(tool, "none") == 0)
		setenv("MOCK_TOOL", "plan", 1);
	AUTO(freep) char *dir = xasprintf("%s/bench_agents.XXXXXX", tmp != NULL ? tmp : ".");
	if (mkdtemp(dir) == NULL)
		must(err_sys(&err, "%s", dir), &err);
	AUTO(freep) char *whole = realpath(dir, NULL);
	struct mock mock = mock_start(turns - 1);
	snprintf(base, sizeof base, "http://127.0.0.1:%ld/v1", mock.port);
	snprintf(url, sizeof url, "%s/chat/completions", base);
	setenv("OPENAI_BASE_URL", base, 1);
	setenv("OPENAI_API_KEY", "bench", 1);
	bool shell = strcmp(tool, "none") != 0;
	double requests = floor_ms(url, agents, turns, "none");
	double floor = shell ? floor_ms(url, agents, turns, "/bin/true") : requests;
	double bash = shell ? floor_ms(url, agents, turns, "/bin/bash -c true") : requests;
	double before = cpu_ms(), ms = engine_ms(warden, whole, agents, turns, &count);
	int64_t peak = peak_kib();
	warden_stop(warden);
	double cpu = cpu_ms() - before;
	mock_stop(&mock);
	printf("{\"bench\":\"agents\",\"agents\":%zu,\"turns\":%zu,\"delay_ms\":%zu,\"tool\":\"%s\",\"ms\":%.0f,"
	       "\"floor_ms\":%.0f,\"floor_bash_ms\":%.0f,\"floor_requests_ms\":%.0f,\"ratio\":%.2f,\"ratio_bash\":%.2f,"
	       "\"done\":%lld,\"events\":%lld,\"events_per_s\":%.0f,\"cpu_ms\":%.0f,\"peak_rss_kib\":%lld}\n",
	       agents, turns, delay, tool, ms, floor, bash, requests, ms / floor, ms / bash, (long long)count.done,
	       (long long)count.events, (double)count.events / ms * 1000, cpu, (long long)peak);
	return count.done == (int64_t)agents ? 0 : 1;
}
