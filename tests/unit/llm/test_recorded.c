/* Scripts of replies: which files are wrong and why, and which line a request gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include <event2/event.h>

#include "llm/llm.h"

#include "base/banned.h"

static const char *no_env(void *userdata UNUSED, const char *name UNUSED)
{
	return NULL;
}

static int open_text(const char *text, struct llm_model **ret, struct err *err)
{
	char path[] = "/tmp/mishri-recorded-XXXXXX", name[64];
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
	snprintf(name, sizeof name, "recorded/%s", path);
	int r = llm_model_open(name, no_env, NULL, ret, err);
	unlink(path);
	return r;
}

static void wrong_files(void **state UNUSED)
{
	static const struct { const char *text, *has; } rows[] = {
		{ "", ":1: no reply in it" },
		{ "\n\n", ":1: no reply in it" },
		{ "{\"agent\":\"*\",\"text\":\"a\"}\n{\"agent\":", ":2: line 1, column" },
		{ "{\"agent\":\"*\",\"text\":\"a\"}\n\n[]\n", ":3: a line must be an object" },
		{ "{\"text\":\"a\"}", ":1: 'agent' must be \"master\", \"worker\" or \"*\"" },
		{ "{\"agent\":\"boss\",\"text\":\"a\"}", ":1: 'agent' must be" },
		{ "{\"agent\":\"*\"}", ":1: a reply must have 'text' or 'calls'" },
		{ "{\"agent\":\"*\",\"calls\":[]}", ":1: a reply must have 'text' or 'calls'" },
		{ "{\"agent\":\"*\",\"text\":1}", "'text' must be a text" },
		{ "{\"agent\":\"*\",\"text\":\"a\\u0000b\"}", "NUL" },
		{ "{\"agent\":\"*\",\"txt\":\"a\"}", "unknown key 'txt': did you mean 'text'?" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"text\":\"b\"}", "duplicate" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"match\":[]}", "'match' must be a text" },
		{ "{\"agent\":\"*\",\"calls\":{}}", "a reply must have" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"calls\":{}}", "'calls' must be a list" },
		{ "{\"agent\":\"*\",\"calls\":[1]}", "each of 'calls' must be" },
		{ "{\"agent\":\"*\",\"calls\":[{\"args\":{}}]}", "'name' of a call" },
		{ "{\"agent\":\"*\",\"calls\":[{\"name\":\"a\",\"arguments\":{}}]}", "unknown key 'arguments'" },
		{ "{\"agent\":\"*\",\"calls\":[{\"name\":\"a\",\"args\":[]}]}", "'args' of call 'a' must be an object" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"usage\":5}", "'usage' must be an object" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"usage\":{\"in\":5}}", "unknown key 'in'" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"usage\":{\"input\":-5}}", "'input' must be a whole number" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"usage\":{\"input\":null}}", "'input' must be a whole number" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"usage\":{\"usd_nanos\":1.5}}", "'usd_nanos' must be a whole number" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"delay_ms\":\"5\"}", "'delay_ms' must be a whole number from 0 to 3600000" },
		{ "{\"agent\":\"*\",\"text\":\"a\",\"delay_ms\":3600001}", "'delay_ms' must be" },
		{ "{\"agent\":\"*\",\"text\":\"\xff\"}", "column" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_model *model = NULL;
		struct err err = ERR_NONE;
		assert_int_equal(open_text(rows[i].text, &model, &err), -EINVAL);
		assert_null(model);
		if (strstr(err.text, rows[i].has) == NULL || strncmp(err.text, "/tmp/mishri-recorded-", 21) != 0)
			fail_msg("row %zu: %s", i, err.text);
	}
}

struct world {
	struct event_base *base;
	struct llm *llm;
	struct llm_model *model;
	struct buf heard, log;
};

static void on_text(void *userdata, struct str text)
{
	struct world *w = userdata;

	buf_add_str(&w->heard, text);
}

static void on_done(void *userdata, struct llm_reply *reply, const struct llm_failure *failure)
{
	struct world *w = userdata;

	if (failure != NULL) {
		buf_printf(&w->log, "%s: %s", failure_name(failure->cls), failure->text);
		return;
	}
	buf_printf(&w->log, "%s %s %s", reply->ref, reply->finish, reply->text);
	for (size_t i = 0; i < reply->call_count; i++)
		buf_printf(&w->log, " %s:%s%s", reply->calls[i].id, reply->calls[i].name, reply->calls[i].args);
	buf_printf(&w->log, " %lld/%lld/%lld/%lld/%lld/%lld", (long long)reply->usage.input,
	           (long long)reply->usage.cache_read, (long long)reply->usage.cache_write,
	           (long long)reply->usage.output, (long long)reply->usage.reasoning, (long long)reply->usage.usd_nanos);
}

static struct world world_open(const char *script)
{
	struct world w = { .base = event_base_new(), .heard = BUF_INIT(KIB(4)), .log = BUF_INIT(KIB(4)) };
	struct err err = ERR_NONE;

	if (llm_new(w.base, &w.llm, &err) < 0 || open_text(script, &w.model, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

static void world_close(struct world *w)
{
	llm_free(w->llm);
	llm_model_close(w->model);
	event_base_free(w->base);
	buf_done(&w->heard);
	buf_done(&w->log);
}

static struct llm_call *ask(struct world *w, const char *agent, const char *said)
{
	json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "text", said);
	struct llm_request request = { .model = w->model, .agent = agent, .messages = messages, .on_text = on_text,
	                               .on_done = on_done, .userdata = w };

	buf_reset(&w->heard);
	buf_reset(&w->log);
	struct llm_call *call = llm_start(w->llm, &request);
	assert_int_equal(w->log.len, 0);
	json_decref(messages);
	return call;
}

static void lines_in_order(void **state UNUSED)
{
	static const char script[] =
		"{\"agent\":\"master\",\"text\":\"plan\",\"usage\":{\"input\":9,\"output\":3,\"usd_nanos\":7}}\n"
		"\n"
		"{\"agent\":\"worker\",\"match\":\"step two\",\"text\":\"two\",\"usage\":{}}\r\n"
		"{\"agent\":\"worker\",\"text\":\"one\",\"calls\":[{\"name\":\"shell\",\"args\":{\"command\":\"ls\"}},{\"name\":\"x\"},"
		"{\"name\":\"y\",\"args\":\"{raw\"}]}\n"
		"{\"agent\":\"*\",\"calls\":[{\"name\":\"done\",\"args\":{}}]}\n"
		"{\"agent\":\"master\",\"match\":\"never said\",\"text\":\"no\"}";
	static const struct { const char *agent, *said, *want; } rows[] = {
		{ "worker", "step one", "line:4 tool_calls one call_line4_1:shell{\"command\":\"ls\"} call_line4_2:x "
		  "call_line4_3:y{raw -1/-1/-1/-1/-1/-1" },
		{ "master", "x", "line:1 stop plan 9/0/0/3/0/7" },
		{ "worker", "now step two", "line:3 stop two 0/0/0/0/0/-1" },
		{ "worker", "x", "line:5 tool_calls  call_line5_1:done{} -1/-1/-1/-1/-1/-1" },
		{ "worker", "x", "terminal: /tmp/mishri-recorded-" },
		{ "master", "never said", "line:6 stop no -1/-1/-1/-1/-1/-1" },
		{ "master", "x", "terminal: /tmp/mishri-recorded-" },
	};
	struct world w = world_open(script);

	for (size_t i = 0; i < COUNT(rows); i++) {
		(void)ask(&w, rows[i].agent, rows[i].said);
		event_base_dispatch(w.base);
		assert_true(str_starts(buf_str(&w.log), str_of(rows[i].want)));
		if (i == 0)
			assert_string_equal(buf_text(&w.heard), "one");
		if (i == 4)
			assert_non_null(strstr(buf_text(&w.log), "expected next was line 6, for agent 'master' whose "
			                       "conversation contains \"never said\""));
		if (i == 6)
			assert_non_null(strstr(buf_text(&w.log), "all 5 replies are used up"));
	}
	world_close(&w);
}

static void used_lines_stay_used(void **state UNUSED)
{
	struct world w = world_open("{\"agent\":\"*\",\"text\":\"a\"}\n{\"agent\":\"*\",\"text\":\"b\"}\n{\"agent\":\"*\",\"text\":\"c\"}\n");

	llm_model_used(w.model, "line:1");
	llm_model_used(w.model, "line:99");
	llm_model_used(w.model, "line:");
	llm_model_used(w.model, "chatcmpl-2");
	llm_model_used(w.model, NULL);
	llm_cancel(ask(&w, "worker", "x"));             /* gives line 2 back */
	(void)ask(&w, "worker", "x");
	event_base_dispatch(w.base);
	assert_true(str_starts(buf_str(&w.log), STR("line:2 stop b")));
	world_close(&w);
}

static void delays(void **state UNUSED)
{
	struct world w = world_open("{\"agent\":\"*\",\"text\":\"late\",\"delay_ms\":150}\n{\"agent\":\"*\",\"text\":\"at once\"}\n");
	int64_t begin_ms = clock_mono_ms();

	(void)ask(&w, "worker", "x");
	(void)ask(&w, "worker", "x");
	event_base_loop(w.base, EVLOOP_ONCE);
	assert_true(str_starts(buf_str(&w.log), STR("line:2 stop at once")));
	event_base_dispatch(w.base);
	assert_in_range(clock_mono_ms() - begin_ms, 145, 5000);
	(void)ask(&w, "worker", "x");                   /* ended by llm_free */
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_files),
		cmocka_unit_test(lines_in_order),
		cmocka_unit_test(used_lines_stay_used),
		cmocka_unit_test(delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
