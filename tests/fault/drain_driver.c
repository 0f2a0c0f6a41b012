/* drain_driver.c - one engine with COUNT tasks at once, each in a program that ignores every signal. It comes to rest at
 * SIGTERM, and prints how: "parked N of COUNT". usage: drain_driver DIR COUNT DEADLINE_MS */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/engine.h"
#include "engine/stop.h"
#include "engine/watchdog.h"

static const char policy_text[] =
	"version: 1\nname: drain\nrules:\n"
	"  - { id: tools, allow: tool, tool: \"*\" }\n"
	"  - { id: programs, allow: exec, program: { from: system } }\n";

/* Signals ignored, a session of its own, a parent that is gone, the output held open. */
static const char stubborn[] =
	"trap \\\"\\\" TERM INT HUP; (setsid sh -c 'trap \\\"\\\" TERM INT HUP; sleep 600' &); (sh -c 'trap \\\"\\\" TERM; sleep 600' &); "
	"mktemp running.XXXXXXXX; while :; do sleep 1; done";

static int64_t over, parked;

static void on_over(void *unused, struct run *run)
{
	(void)unused;
	over++;
	parked += run_task(run)->phase == PHASE_PARKED && run_failure(run)->code == 0;
}

static void on_stop(void *engine, int signo)
{
	engine_drain(engine, stop_name(signo));
}

static void on_drain(void *unused, int64_t left_ms, const char *waits_for)
{
	(void)unused;
	fprintf(stderr, "%lld ms left; waits for %s\n", (long long)left_ms, waits_for);
}

static char *write_replies(const char *dir, int64_t count)
{
	char *path = xasprintf("%s/replies.jsonl", dir);
	FILE *f = fopen(path, "we");

	if (f == NULL)
		abort();
	for (int64_t i = 0; i < count; i++)
		fprintf(f, "{\"agent\":\"*\",\"text\":\"\",\"calls\":[{\"name\":\"shell\",\"args\":{\"command\":\"%s\"}}]}\n", stubborn);
	fclose(f);
	return path;
}

static void must(int r, const struct err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(2);
}

static void start(struct engine *engine, const char *model, const char *workspace, int64_t count)
{
	const struct task_spec spec = {
		.goal = "stay", .agent = "worker", .role = "worker", .model = model, .workspace = workspace, .plan = "never", .channel = "cli",
		.level = CELL_FULL, .budget_nanos = -1,
		.limits = { LIMIT_TASK_TURNS, LIMIT_TASK_CALLS, LIMIT_TASK_TIMEOUT_MS, LIMIT_CALL_OUTPUT_BYTES },
	};

	for (int64_t i = 0; i < count; i++)
		(void)engine_start(engine, &spec);
}

int main(int argc, char **argv)
{
	struct cell_builtin builtins[64];
	struct engine_setup setup = { .user = "somebody", .on_over = on_over, .on_drain = on_drain, .poke_fd = -1 };
	struct watchdog_setup watch = { 0 };
	struct rlimit files;
	struct err err = ERR_NONE;
	const struct policy_source source = { .layer = LAYER_PROJECT, .name = "drain.yaml", .text = { policy_text, sizeof policy_text - 1 } };
	struct policy *policy;
	struct llm_model *model;
	struct engine *engine;
	uint64_t count, deadline_ms;

	if (argc != 4 || str_to_u64(str_of(argv[2]), &count) < 0 || str_to_u64(str_of(argv[3]), &deadline_ms) < 0)
		return 2;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	AUTO(freep) char *replies = write_replies(argv[1], (int64_t)count), *name = xasprintf("recorded/%s", replies);
	AUTO(freep) char *workspace = xasprintf("%s/ws", argv[1]), *data = xasprintf("%s/data", argv[1]);
	must(warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &setup.warden, &err), &err);
	must(store_open(data, STORE_CREATE, &setup.store, &err), &err);
	must(store_engine_register(setup.store, "", &err), &err);
	must(policy_load(&source, 1, NULL, 0, &policy, &err), &err);
	must(llm_model_open(name, NULL, NULL, &model, &err), &err);
	must(loop_new(&setup.loop, &err), &err);
	must(llm_new(loop_base(setup.loop), &setup.llm, &err), &err);
	setup.policy = policy;
	setup.model = model;
	setup.health.stop_ms = watch.stop_ms = (int64_t)deadline_ms;
	must(watchdog_start(&watch, &setup.watchdog, &err), &err);
	must(engine_new(&setup, &engine, &err), &err);
	must(stop_watch(setup.loop, on_stop, engine, &err), &err);
	start(engine, name, workspace, (int64_t)count);
	engine_loop(engine);
	stop_unwatch();
	watchdog_closing(setup.watchdog);
	engine_free(engine);
	llm_free(setup.llm);
	llm_model_close(model);
	loop_free(setup.loop);
	policy_free(policy);
	store_close(setup.store);
	warden_stop(setup.warden);
	watchdog_stop(setup.watchdog);
	printf("parked %lld of %lld\n", (long long)parked, (long long)count);
	return 0;
}
