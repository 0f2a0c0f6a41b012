/* bench_agents - many agents in one engine: so many turns each against a model that takes its time, a tool in a sandbox
 * each turn, every event synced. Beside it, in the same run, the floor: the same requests by a bare libcurl multi loop,
 * which keeps nothing, asks nobody and runs no tool.
 *
 *   bench_agents [AGENTS [TURNS [DELAY_MS [TOOL]]]]    200 10 50 shell; TOOL: shell (`true` in a cell), or none
 *
 * Prints one JSON object. The data is left in bench_agents.XXXXXX below TMPDIR, or the current directory. */
#include <curl/curl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "engine/engine.h"
#include "mock_start.h"

#include "base/banned.h"

/* ---- the floor ---- */

struct talk {
	CURL *easy;
	struct buf body, reply;
	size_t turn;
};

static size_t take(char *ptr, size_t size, size_t count, void *to)
{
	return buf_add(to, ptr, size * count) < 0 ? 0 : size * count;
}

static void ask(CURLM *multi, struct talk *t)
{
	static const char tail[] = "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
	size_t len = t->body.len;

	buf_reset(&t->reply);
	buf_add(&t->body, tail, sizeof tail - 1);
	curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, NULL);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
	curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, buf_text(&t->body));
	t->body.len = len;
	curl_multi_add_handle(multi, t->easy);
}

static void answered(struct talk *t)
{
	if (strstr(buf_text(&t->reply), "data: [DONE]") == NULL) {
		fputs("bench_agents: the mock did not answer\n", stderr);
		exit(1);
	}
	t->turn++;
	buf_printf(&t->body, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_%zu\",\"type\":\"function\","
	           "\"function\":{\"name\":\"shell\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_%zu\","
	           "\"content\":\"exit 0\"}", t->turn, t->turn);
}

static double floor_ms(const char *url, size_t agents, size_t turns)
{
	struct talk *talks = xcalloc(agents, sizeof *talks);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLM *multi = curl_multi_init();
	int64_t begin = clock_mono_ns();
	size_t left = agents;

	for (size_t i = 0; i < agents; i++) {
		struct talk *t = &talks[i];
		*t = (struct talk){ .easy = curl_easy_init(), .body = BUF_INIT(MIB(4)), .reply = BUF_INIT(MIB(1)) };
		curl_easy_setopt(t->easy, CURLOPT_URL, url);
		curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*");
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, &t->reply);
		curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
		buf_add_text(&t->body, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"run true\"}");
		ask(multi, t);
	}
	while (left > 0) {
		int running, queued;
		curl_multi_perform(multi, &running);
		for (CURLMsg *m; (m = curl_multi_info_read(multi, &queued)) != NULL;) {
			struct talk *t;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
			curl_multi_remove_handle(multi, t->easy);
			answered(t);
			if (t->turn < turns)
				ask(multi, t);
			else
				left--;
		}
		if (left > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	double ms = (double)(clock_mono_ns() - begin) / 1e6;
	for (size_t i = 0; i < agents; i++) {
		curl_easy_cleanup(talks[i].easy);
		buf_done(&talks[i].body);
		buf_done(&talks[i].reply);
	}
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	free(talks);
	return ms;
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
	double least = floor_ms(url, agents, turns);
	double ms = engine_ms(warden, whole, agents, turns, &count);
	printf("{\"bench\":\"agents\",\"agents\":%zu,\"turns\":%zu,\"delay_ms\":%zu,\"tool\":\"%s\",\"ms\":%.0f,\"floor_ms\":%.0f,"
	       "\"ratio\":%.2f,\"done\":%lld,\"events\":%lld,\"events_per_s\":%.0f,\"peak_rss_kib\":%lld}\n", agents, turns, delay,
	       tool, ms, least, ms / least, (long long)count.done, (long long)count.events, (double)count.events / ms * 1000,
	       (long long)peak_kib());
	mock_stop(&mock);
	warden_stop(warden);
	return count.done == (int64_t)agents ? 0 : 1;
}
