/* Calls over real connections to the mock model server (tests/e2e/mock/model.mjs; skipped where there is no node). The
 * user's text names the reply in tests/cases/llm/calls.scenario.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <curl/curl.h> /* another client than ours, linked in */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include <event2/event.h>

#include "llm/llm.h"

#include "base/banned.h"

extern char **environ;

static char base_url[64] = "http://127.0.0.1:1/v1";
static const char *key = "sk-test-0123456789";
static pid_t mock_pid;
static int mock_stdin = -1;

static const char *test_env(void *userdata UNUSED, const char *name)
{
	static char root_url[sizeof base_url];

	if (strcmp(name, "OPENAI_BASE_URL") == 0 || strcmp(name, "OPENROUTER_BASE_URL") == 0)
		return base_url;
	if (strcmp(name, "ANTHROPIC_BASE_URL") == 0) {
		snprintf(root_url, sizeof root_url, "%.*s", (int)strlen(base_url) - 3, base_url);
		return root_url;
	}
	return strstr(name, "_API_KEY") != NULL && strstr(name, "_FILE") == NULL ? key : NULL;
}

/* ---- the mock ---- */

static bool start_mock(void)
{
	char program[512], scenario[512], port[16] = "";
	int dir_len = (int)(strrchr(__FILE__, '/') + 1 - __FILE__), in[2], out[2];
	posix_spawn_file_actions_t actions;

	snprintf(program, sizeof program, "%.*s../../e2e/mock/model.mjs", dir_len, __FILE__);
	snprintf(scenario, sizeof scenario, "%.*s../../cases/llm/calls.scenario.json", dir_len, __FILE__);
	char *argv[] = { (char[]){ "node" }, program, scenario, (char[]){ "--until-stdin-ends" }, NULL };
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	int r = posix_spawnp(&mock_pid, "node", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	fd_close(&in[0]);
	fd_close(&out[1]);
	mock_stdin = in[1];
	for (size_t n = 0; r == 0 && n < sizeof port - 1 && read(out[0], port + n, 1) == 1 && port[n] != '\n';)
		n++;
	fd_close(&out[0]);
	snprintf(base_url, sizeof base_url, "http://127.0.0.1:%ld/v1", strtol(port, NULL, 10));
	return r == 0 && port[0] != '\0';
}

static size_t collect(char *ptr, size_t size, size_t count, void *to)
{
	return buf_add(to, ptr, size * count) < 0 ? 0 : size * count;
}

static json_t *mock_get(const char *path)
{
	struct buf text = BUF_INIT(MIB(1));
	struct err err = ERR_NONE;
	char url[128];
	json_t *value;
	CURL *easy = curl_easy_init();

	snprintf(url, sizeof url, "%.*s%s", (int)strlen(base_url) - 3, base_url, path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &text);
	assert_int_equal(curl_easy_perform(easy), CURLE_OK);
	curl_easy_cleanup(easy);
	assert_int_equal(json_parse(buf_str(&text), &value, &err), 0);
	buf_done(&text);
	return value;
}

static int64_t mock_state(const char *name)
{
	AUTO(json_decrefp) json_t *state = mock_get("/__state");

	return json_get_int(state, name, -1);
}

/* ---- one call ---- */

struct outcome {
	struct event_base *base;
	struct llm_reply reply;
	struct llm_failure failure;
	struct buf heard;
	int done;               /* how often on_done came */
	int *left;              /* the loop ends when this many calls are done */
	bool failed;
	struct llm_call *cancel_on_text, *cancel_on_done;
};

static void on_text(void *userdata, struct str text)
{
	struct outcome *outcome = userdata;

	buf_add_str(&outcome->heard, text);
	if (outcome->cancel_on_text != NULL) {
		llm_cancel(TAKE(outcome->cancel_on_text));
		event_base_loopbreak(outcome->base);
	}
}

static void on_done(void *userdata, struct llm_reply *reply, const struct llm_failure *failure)
{
	struct outcome *outcome = userdata;

	assert_true((reply == NULL) != (failure == NULL));
	outcome->done++;
	outcome->failed = failure != NULL;
	if (failure != NULL) {
		outcome->failure = *failure;
	} else {
		outcome->reply = *reply;
		*reply = (struct llm_reply){ 0 };
	}
	if (outcome->cancel_on_done != NULL)
		llm_cancel(TAKE(outcome->cancel_on_done));
	if (--*outcome->left == 0)
		event_base_loopbreak(outcome->base);
}

static void outcome_done(struct outcome *outcome)
{
	llm_reply_done(&outcome->reply);
	buf_done(&outcome->heard);
}

static struct llm_call *start_with(struct llm *llm, struct llm_model *model, const json_t *messages, int64_t idle_ms,
                                   struct outcome *outcome)
{
	struct llm_request request = {
		.model = model, .agent = "worker", .messages = messages, .patience = { .first_ms = idle_ms, .idle_ms = idle_ms }, .on_text = on_text,
		.on_done = on_done, .userdata = outcome,
	};

	outcome->heard = BUF_INIT(KIB(64));
	struct llm_call *call = llm_start(llm, &request);
	assert_int_equal(outcome->done, 0);
	return call;
}

static struct llm_call *start(struct llm *llm, struct llm_model *model, const char *text, int64_t idle_ms,
                              struct outcome *outcome)
{
	json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "text", text);
	struct llm_call *call = start_with(llm, model, messages, idle_ms, outcome);

	json_decref(messages);
	return call;
}

/* Runs the loop until it is broken off; a test that hangs fails after ten seconds. */
static void run(struct event_base *base)
{
	struct timeval limit = { .tv_sec = 10 };

	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	assert_true(event_base_got_break(base));
}

struct world {
	struct event_base *base;
	struct llm *llm;
	struct llm_model *model;
};

static struct world world_open_model(const char *name)
{
	struct world w = { .base = event_base_new() };
	struct err err = ERR_NONE;

	if (llm_new(w.base, &w.llm, &err) < 0 || llm_model_open(name, test_env, NULL, &w.model, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

static struct world world_open(void)
{
	return world_open_model("openai/mock");
}

static void world_close(struct world *w)
{
	llm_free(w->llm);
	llm_model_close(w->model);
	event_base_free(w->base);
}

/* ---- the tests ---- */

static void replies(void **state UNUSED)
{
	static const struct { const char *say, *text, *finish; size_t calls; int64_t input, output; } rows[] = {
		{ "plain-text", "Hello, wörld 🌍", "stop", 0, 25, 30 },
		{ "byte-by-byte", "Hello, wörld 🌍", "stop", 0, -1, -1 },
		{ "with-calls", "Both.", "tool_calls", 2, -1, -1 },
		{ "no-stream", "Hello", "stop", 0, -1, -1 },
		{ "server-closes", "Hello", "stop", 0, -1, -1 },
		{ "no-done", "Hello", "stop", 0, -1, -1 },
		{ "refused", "No.", "refusal", 0, -1, -1 },
		{ "slow-pieces", "0123456789", "stop", 0, -1, -1 },
		{ "hang-last", "Hello", "stop", 0, -1, -1 },
	};
	struct world w = world_open();

	for (size_t i = 0; i < COUNT(rows); i++) {
		int left = 1;
		struct outcome outcome = { .base = w.base, .left = &left };
		int64_t begin_ms = clock_mono_ms();
		(void)start(w.llm, w.model, rows[i].say, 5000, &outcome);
		run(w.base);
		/* Also where the server goes silent after [DONE] instead of ending the body. */
		assert_in_range(clock_mono_ms() - begin_ms, 0, 4000);
		if (outcome.failed)
			fail_msg("%s: %s", rows[i].say, outcome.failure.text);
		assert_string_equal(outcome.reply.text, rows[i].text);
		assert_string_equal(buf_text(&outcome.heard), rows[i].text);
		assert_string_equal(outcome.reply.finish, rows[i].finish);
		assert_int_equal(outcome.reply.call_count, rows[i].calls);
		assert_int_equal(outcome.reply.usage.input, rows[i].input);
		assert_int_equal(outcome.reply.usage.output, rows[i].output);
		assert_in_range(outcome.reply.first_ms, 0, 5000);
		if (rows[i].calls == 2) {
			assert_string_equal(outcome.reply.calls[0].args, "{\"x\":1}");
			assert_string_equal(outcome.reply.calls[1].args, "{no json");
		}
		outcome_done(&outcome);
	}
	world_close(&w);
}

/* What came goes back, with the results, and the service takes it: also a made-up name and arguments without sense. */
static void a_second_turn(void **state UNUSED)
{
	static const struct { const char *model; bool opaque; } rows[] = {
		{ "openai/mock", false },
		{ "openrouter/mock", false },
		{ "anthropic/mock", true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world w = world_open_model(rows[i].model);
		int left = 1;
		struct outcome first = { .base = w.base, .left = &left }, second = first;
		json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "system", "text", "Be brief.", "role", "user",
		                             "text", "first-turn");
		(void)start_with(w.llm, w.model, messages, 0, &first);
		run(w.base);
		assert_false(first.failed);
		assert_string_equal(first.reply.text, "Both.");
		assert_int_equal(first.reply.call_count, 2);
		assert_string_equal(first.reply.calls[0].args, "{\"x\":1}");
		assert_string_equal(first.reply.calls[1].args, "{no json");
		assert_int_equal(first.reply.opaque != NULL, rows[i].opaque);

		json_t *calls = json_array(), *said = json_pack("{s:s,s:s}", "role", "assistant", "text", first.reply.text);
		if (first.reply.opaque != NULL)
			json_put_text(said, "opaque", first.reply.opaque);
		for (size_t k = 0; k < 2; k++)
			json_array_append_new(calls, json_pack("{s:s,s:s,s:s}", "id", first.reply.calls[k].id, "name",
			                                       first.reply.calls[k].name, "args", first.reply.calls[k].args));
		json_put(said, "calls", calls);
		json_array_append_new(messages, said);
		for (size_t k = 0; k < 2; k++)
			json_array_append_new(messages, json_pack("{s:s,s:s,s:s}", "role", "tool", "call", first.reply.calls[k].id,
			                                          "text", k == 0 ? "" : "second-turn"));
		left = 1;
		(void)start_with(w.llm, w.model, messages, 0, &second);
		run(w.base);
		if (second.failed)
			fail_msg("%s: %s", rows[i].model, second.failure.text);
		assert_string_equal(second.reply.text, "Done.");
		json_decref(messages);
		outcome_done(&first);
		outcome_done(&second);
		world_close(&w);
	}
}

static void failures(void **state UNUSED)
{
	static const struct {
		const char *say;
		enum failure want;
		int status;
		int64_t retry_after_ms;
		bool forbidden;
		const char *has;
	} rows[] = {
		{ "cut-late", FAILURE_TRANSIENT, 200, -1, false, "openai: " },
		{ "cut-early", FAILURE_TRANSIENT, 200, -1, false, "openai: " },
		{ "dropped", FAILURE_TRANSIENT, 0, -1, false, "openai: " },
		{ "hang-before", FAILURE_TRANSIENT, 0, -1, false, "no answer began for 3" },
		{ "hang-headers", FAILURE_TRANSIENT, 200, -1, false, "no answer began for 3" },
		{ "hang-first", FAILURE_TRANSIENT, 200, -1, false, "nothing came for 3" },
		{ "malformed-event", FAILURE_TERMINAL, 200, -1, false, "cannot be read" },
		{ "mid-error", FAILURE_TRANSIENT, 200, -1, false, "overloaded today" },
		{ "html-page", FAILURE_TERMINAL, 200, -1, false, "web page" },
		{ "html-502", FAILURE_TRANSIENT, 502, -1, false, "web page" },
		{ "rate-seconds", FAILURE_TRANSIENT, 429, 7000, false, "slow down" },
		{ "rate-ms", FAILURE_TRANSIENT, 429, 250, false, "slow down" },
		{ "rate-date", FAILURE_TRANSIENT, 503, 0, false, "503" },
		{ "quota", FAILURE_QUOTA, 429, -1, false, "pay first" },
		{ "forbidden-retry", FAILURE_TRANSIENT, 500, -1, true, "500" },
		{ "wanted-retry", FAILURE_TRANSIENT, 400, -1, false, "400" },
		{ "echoes-key", FAILURE_TERMINAL, 400, -1, false, "'Bearer [key]'" },
		{ "redirect", FAILURE_TERMINAL, 307, -1, false, "http://127.0.0.2/steal, which is not followed: set OPENAI_BASE_URL" },
		{ "not-found", FAILURE_TERMINAL, 404, -1, false, "no such model" },
	};
	struct world w = world_open();

	for (size_t i = 0; i < COUNT(rows); i++) {
		int left = 1;
		struct outcome outcome = { .base = w.base, .left = &left };
		(void)start(w.llm, w.model, rows[i].say, 300, &outcome);
		run(w.base);
		if (!outcome.failed)
			fail_msg("%s: a reply", rows[i].say);
		if (strstr(outcome.failure.text, rows[i].has) == NULL || strstr(outcome.failure.text, key) != NULL)
			fail_msg("%s: %s", rows[i].say, outcome.failure.text);
		assert_int_equal(outcome.failure.cls, rows[i].want);
		assert_int_equal(outcome.failure.http_status, rows[i].status);
		assert_int_equal(outcome.failure.retry_after_ms, rows[i].retry_after_ms);
		assert_int_equal(outcome.failure.retry_forbidden, rows[i].forbidden);
		outcome_done(&outcome);
	}
	world_close(&w);
}

static void a_wrong_key_is_said_so_and_not_shown(void **state UNUSED)
{
	key = "sk-wrong-9876543210";
	struct world w = world_open();
	int left = 1;
	struct outcome outcome = { .base = w.base, .left = &left };

	(void)start(w.llm, w.model, "plain-text", 0, &outcome);
	run(w.base);
	assert_true(outcome.failed);
	assert_int_equal(outcome.failure.cls, FAILURE_AUTH);
	assert_null(strstr(outcome.failure.text, key));
	outcome_done(&outcome);
	world_close(&w);
	key = "sk-test-0123456789";
}

static void connections_are_used_again(void **state UNUSED)
{
	struct world w = world_open();
	int64_t before = mock_state("connections");

	for (int i = 0; i < 10; i++) {
		int left = 1;
		struct outcome outcome = { .base = w.base, .left = &left };
		(void)start(w.llm, w.model, "plain-text", 0, &outcome);
		run(w.base);
		assert_false(outcome.failed);
		outcome_done(&outcome);
	}
	/* One for all calls, one for this question and one for the question before. */
	assert_int_equal(mock_state("connections") - before, 2);
	world_close(&w);
}

static void many_calls_at_once(void **state UNUSED)
{
	enum { CALLS = 20 };
	struct world w = world_open();
	int left = CALLS;
	struct outcome outcomes[CALLS] = { 0 };

	for (int i = 0; i < CALLS; i++) {
		outcomes[i].base = w.base;
		outcomes[i].left = &left;
		(void)start(w.llm, w.model, i % 2 == 0 ? "slow-pieces" : "with-calls", 0, &outcomes[i]);
	}
	int64_t begin_ms = clock_mono_ms();
	run(w.base);
	/* One slow reply takes 0.9 s: they ran side by side. */
	assert_in_range(clock_mono_ms() - begin_ms, 0, 5000);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(outcomes[i].done, 1);
		assert_false(outcomes[i].failed);
		assert_string_equal(outcomes[i].reply.text, i % 2 == 0 ? "0123456789" : "Both.");
		outcome_done(&outcomes[i]);
	}
	world_close(&w);
}

static void a_cancelled_call_is_silent(void **state UNUSED)
{
	struct world w = world_open();
	int left = 1;
	struct outcome first = { .base = w.base, .left = &left }, second = first, third = first;

	/* From inside on_text, in the middle of the stream. */
	first.cancel_on_text = start(w.llm, w.model, "slow-pieces", 0, &first);
	run(w.base);
	assert_int_equal(first.heard.len, 1);
	/* From inside the on_done of another call; and before anything was sent. */
	third.cancel_on_done = start(w.llm, w.model, "hang-first", 0, &second);
	llm_cancel(start(w.llm, w.model, "plain-text", 0, &second));
	(void)start(w.llm, w.model, "plain-text", 0, &third);
	run(w.base);
	assert_int_equal(third.done, 1);
	assert_false(third.failed);
	/* By the end of everything. */
	(void)start(w.llm, w.model, "hang-first", 0, &second);
	event_base_loop(w.base, EVLOOP_NONBLOCK);
	world_close(&w);
	assert_int_equal(first.done + second.done, 0);
	int64_t open_count = mock_state("open");
	for (int i = 0; i < 100 && open_count > 1; i++) {
		usleep(20000);
		open_count = mock_state("open");
	}
	assert_int_equal(open_count, 1);        /* the one that asks */
	outcome_done(&first);
	outcome_done(&second);
	outcome_done(&third);
}

static void nobody_listens(void **state UNUSED)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	char kept[sizeof base_url];
	int left = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Bound but not listening: nobody else can get this port meanwhile. */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	memcpy(kept, base_url, sizeof kept);
	snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d/v1", ntohs(address.sin_port));
	struct world w = world_open();
	struct outcome outcome = { .base = w.base, .left = &left };
	(void)start(w.llm, w.model, "plain-text", 0, &outcome);
	run(w.base);
	assert_true(outcome.failed);
	assert_int_equal(outcome.failure.cls, FAILURE_TRANSIENT);
	assert_int_equal(outcome.failure.http_status, 0);
	assert_non_null(strstr(outcome.failure.text, "connect"));
	outcome_done(&outcome);
	world_close(&w);
	memcpy(base_url, kept, sizeof kept);
	close(fd);
}

static void a_proxy_is_not_asked_for_this_machine(void **state UNUSED)
{
	int left = 1;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	struct world w = world_open();
	struct outcome outcome = { .base = w.base, .left = &left };
	(void)start(w.llm, w.model, "plain-text", 0, &outcome);
	run(w.base);
	assert_false(outcome.failed);
	outcome_done(&outcome);
	world_close(&w);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void what_was_sent_is_well_formed(void **state UNUSED)
{
	AUTO(json_decrefp) json_t *requests = mock_get("/__requests");
	const json_t *first = json_array_get(requests, 0), *headers = json_object_get(first, "headers");

	assert_int_equal(mock_state("invalid"), 0);
	assert_int_equal(mock_state("missed"), 0);
	assert_string_equal(json_get_text(headers, "authorization", ""), "Bearer sk-test-0123456789");
	assert_string_equal(json_get_text(headers, "content-type", ""), "application/json");
	assert_string_equal(json_get_text(headers, "user-agent", ""), "mishri/" MISHRI_VERSION);
	assert_null(json_object_get(headers, "expect"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies),
		cmocka_unit_test(a_second_turn),
		cmocka_unit_test(failures),
		cmocka_unit_test(a_wrong_key_is_said_so_and_not_shown),
		cmocka_unit_test(connections_are_used_again),
		cmocka_unit_test(many_calls_at_once),
		cmocka_unit_test(a_cancelled_call_is_silent),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_proxy_is_not_asked_for_this_machine),
		cmocka_unit_test(what_was_sent_is_well_formed),
	};

	signal(SIGPIPE, SIG_IGN);
	if (!start_mock()) {
		fputs("skipped: the mock model server needs node\n", stderr);
		return 77;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fd_close(&mock_stdin);
	waitpid(mock_pid, NULL, 0);
	return failed;
}
