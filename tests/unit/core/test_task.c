/* test_task.c - what comes next in a task: a row is a history and the step that must follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/task.h"

#include "base/banned.h"

/* One word is one event: "created", "asked", "replied:2" (with two calls), "allow:1.1", "started:1.1=pure". */
static json_t *data_of(const char *word, const char *arg, enum event_type *ret)
{
	char call[CALL_ID_BYTES] = "", value[32] = "";

	if (arg != NULL)
		sscanf(arg, "%23[^=]=%31s", call, value);
	static const struct { const char *word; enum event_type type; const char *data; } fixed[] = {
		{ "created", EVENT_TASK_CREATED,
		  "{\"goal\":\"g\",\"agent\":\"a\",\"role\":\"worker\",\"depth\":0,\"model\":\"m/m\",\"workspace\":\"/w\",\"isolation\":\"full\","
		  "\"channel\":\"cli\",\"interactive\":true,\"plan\":\"never\",\"tools\":[],\"policies\":[],"
		  "\"limits\":{\"turns\":2,\"calls\":3,\"timeout_ms\":60000,\"output_bytes\":1000,\"task_cpu_ms\":500}}" },
		{ "chained", EVENT_TASK_CREATED,
		  "{\"goal\":\"g\",\"agent\":\"a\",\"role\":\"worker\",\"depth\":0,\"model\":\"m/m\",\"workspace\":\"/w\",\"isolation\":\"full\","
		  "\"channel\":\"cli\",\"interactive\":true,\"plan\":\"never\",\"tools\":[],\"policies\":[],"
		  "\"limits\":{\"turns\":9,\"calls\":9,\"timeout_ms\":600000,\"output_bytes\":1000},"
		  "\"config\":{\"fallback\":[\"m/b\",\"m/c\"],\"retry\":{\"attempts\":2,\"tool_attempts\":2,\"time_ms\":60000,\"wait_ms\":40000}}}" },
		{ "waits", EVENT_RETRY_SCHEDULED, "{\"turn\":1,\"delay_ms\":5000,\"class\":\"breaker\",\"reason\":\"r\"}" },
		{ "resumed", EVENT_TASK_RESUMED, "{\"engine\":\"e\",\"generation\":2,\"reason\":\"crash\"}" },
		{ "parked", EVENT_TASK_PARKED, "{\"reason\":\"interrupted\"}" },
		{ "asked", EVENT_MODEL_REQUESTED, "{\"turn\":1,\"provider\":\"p\",\"model\":\"m\",\"messages\":1}" },
		{ "retry", EVENT_RETRY_SCHEDULED, "{\"turn\":1,\"delay_ms\":5000,\"class\":\"transient\",\"reason\":\"r\"}" },
	};
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (strcmp(word, fixed[i].word) == 0) {
			json_t *data = NULL;
			*ret = fixed[i].type;
			assert_int_equal(json_parse(str_of(fixed[i].data), &data, NULL), 0);
			return data;
		}
	if (strcmp(word, "replied") == 0) {
		*ret = EVENT_MODEL_REPLIED;
		return json_pack("{s:i, s:s, s:s, s:i, s:{}, s:n, s:i}", "turn", 1, "text", "said", "finish",
		                 value[0] != '\0' ? value : "stop", "calls", arg[0] - '0', "usage", "usd_nanos", "ms", 1);
	}
	if (strcmp(word, "switched") == 0) {
		*ret = EVENT_MODEL_SWITCHED;
		return json_pack("{s:i, s:s, s:s, s:i, s:s, s:s, s:i, s:i}", "turn", 1, "from", "m/x", "to", "m/y", "at", call[0] - '0', "class",
		                 value, "reason", "because", "window", 4096, "stay_ms", 30000);
	}
	if (strcmp(word, "after") == 0) {
		*ret = EVENT_MODEL_FAILED;
		return json_pack("{s:i, s:s, s:i, s:s, s:i, s:i}", "turn", 1, "class", "transient", "status", 429, "message", "because",
		                 "retry_after_ms", (int)strtol(call, NULL, 10) * 1000, "ms", 1);
	}
	if (strcmp(word, "again") == 0) {
		*ret = EVENT_RETRY_SCHEDULED;
		return json_pack("{s:i, s:i, s:s, s:s, s:s}", "turn", 1, "delay_ms", 5000, "class", "transient", "reason", "r", "call", call);
	}
	if (strcmp(word, "failed") == 0) {
		*ret = EVENT_MODEL_FAILED;
		return json_pack("{s:i, s:s, s:i, s:s, s:i, s:i}", "turn", 1, "class", call, "status",
		                 value[0] != '\0' ? 200 : 500, "message", "because", "retry_after_ms", -1, "ms", 1);
	}
	if (strcmp(word, "proposed") == 0) {
		*ret = EVENT_CALL_PROPOSED;
		return json_pack("{s:s, s:i, s:s, s:s, s:{}}", "call", call, "turn", 1, "id", call, "tool", "shell", "args");
	}
	if (strcmp(word, "allow") == 0 || strcmp(word, "ask") == 0 || strcmp(word, "deny") == 0) {
		*ret = EVENT_CALL_DECIDED;
		return json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:[], s:n, s:i}", "call", call, "tool", "shell", "effect",
		                 word, "by", value[0] != '\0' ? value : "policy", "rule", "r1", "source", "reason", "because", "also", "policy", "ns", 1);
	}
	if (strcmp(word, "held") == 0) {
		*ret = EVENT_APPROVAL_REQUESTED;
		return json_pack("{s:s, s:s, s:s, s:{}, s:s, s:n, s:s}", "approval", "q", "call", call, "kind", "tool", "action",
		                 "digest", "d", "rule", "reason", "because");
	}
	if (strcmp(word, "answered") == 0) {
		*ret = EVENT_APPROVAL_DECIDED;
		return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "approval", "q", "call", call, "answer", value, "by", "me",
		                 "digest", "d", "reason", "so");
	}
	if (strcmp(word, "started") == 0) {
		*ret = EVENT_CALL_STARTED;
		return json_pack("{s:s, s:s, s:s}", "call", call, "tool", "shell", "nature", value);
	}
	if (strcmp(word, "killed") == 0) {
		*ret = EVENT_CALL_KILLED;
		return json_pack("{s:s, s:s}", "call", call, "reason", "timeout");
	}
	if (strcmp(word, "exceeded") == 0) {
		*ret = EVENT_RESOURCE_EXCEEDED;
		return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:s}", "call", call, "what", value, "reached", 9, "limit", 8, "key", "k",
		                 "status", "s", "text", "t");
	}
	if (strcmp(word, "used") == 0) {
		*ret = EVENT_CALL_FINISHED;
		return json_pack("{s:s, s:s, s:s, s:n, s:s, s:i, s:i, s:i, s:i, s:{s:i, s:i}}", "call", call, "tool", "shell", "status", "ok",
		                 "exit", "output", "o", "bytes", 1, "execs", 1, "denied_execs", 0, "ms", 1, "used", "cpu_ms",
		                 (int)strtol(value, NULL, 10), "written_bytes", (int)strtol(value, NULL, 10));
	}
	assert_string_equal(word, "finished");
	*ret = EVENT_CALL_FINISHED;
	return json_pack("{s:s, s:s, s:s, s:n, s:s, s:i, s:i, s:i, s:i}", "call", call, "tool", "shell", "status", "ok", "exit",
	                 "output", "o", "bytes", 1, "execs", 1, "denied_execs", 0, "ms", 1);
}

/* Each event comes a second after the one before. */
static int fold(struct task *t, const char *history, int64_t *now_us)
{
	struct str rest = str_of(history), word;

	while (str_next(&rest, ' ', &word)) {
		char text[64], *arg;
		struct event e = { .attempt = 1, .task = "0123456789ab", .trace_id = "0af7651916cd43dd8448eb211c80319c" };
		snprintf(text, sizeof text, "%.*s", STR_ARG(word));
		arg = strchr(text, ':');
		if (arg != NULL)
			*arg++ = '\0';
		e.data = data_of(text, arg, &e.type);
		e.time_us = *now_us += 1000000;
		int r = task_apply(t, &e, NULL);
		event_done(&e);
		if (r < 0)
			return r;
	}
	return 0;
}

static const char *const names[] = {
	[STEP_CHECK_CALL] = "check", [STEP_ASK_PERSON] = "ask", [STEP_RUN_CALL] = "run", [STEP_KILL_CALL] = "kill",
	[STEP_CLOSE_CALL] = "close", [STEP_CALL_MODEL] = "model", [STEP_CANCEL_MODEL] = "cancel-model",
	[STEP_RETRY_MODEL] = "retry", [STEP_SWITCH_MODEL] = "switch", [STEP_PARK] = "park", [STEP_FINISH] = "finish",
};

/* The step in words: "run 1.1", "close 1.1 denied", "finish done 0", "nothing". */
static void describe(const struct step *s, char *text, size_t size)
{
	int n = snprintf(text, size, "%s", names[s->type]);

	if (s->call != NULL)
		n += snprintf(text + n, size - (size_t)n, " %s", s->call->id);
	if (s->type == STEP_SWITCH_MODEL)
		n += snprintf(text + n, size - (size_t)n, " %zu", s->model);
	if (s->status != NULL)
		n += snprintf(text + n, size - (size_t)n, " %s", s->status);
	if (s->type == STEP_FINISH)
		snprintf(text + n, size - (size_t)n, " %s %d", s->state, s->exit);
}

#define FAILS " failed:transient retry asked"
#define ONE_CALL "created asked replied:1 proposed:1.1"
#define AGAIN " resumed started:1.1=pure"
#define RUNS(nature) ONE_CALL " allow:1.1 started:1.1=" nature

static void what_comes_next(void **state)
{
	enum { DRAIN = 1, CANCEL = 2, LATE = 4, OPEN0 = 8, OPEN1 = 16, PROBE0 = 32, BAR1 = 64, HALF = 128 };
	static const struct { const char *history; int input; const char *want; } rows[] = {
		{ "created", 0, "model" },
		{ "created asked", 0, "nothing" },
		{ "created asked resumed", 0, "model" },
		{ "created asked replied:0", 0, "finish done 0" },
		{ "created asked replied:0=length", 0, "finish failed 1" },
		{ "created asked replied:0=content_filter", 0, "finish failed 1" },
		{ ONE_CALL, 0, "check 1.1" },
		{ ONE_CALL " resumed", 0, "check 1.1" },
		{ ONE_CALL " allow:1.1", 0, "run 1.1" },
		{ ONE_CALL " allow:1.1 resumed", 0, "run 1.1" },
		{ ONE_CALL " deny:1.1", 0, "close 1.1 denied" },
		{ ONE_CALL " deny:1.1=schema", 0, "close 1.1 invalid" },
		{ ONE_CALL " ask:1.1", 0, "ask 1.1" },
		{ ONE_CALL " ask:1.1 held:1.1", 0, "nothing" },
		{ ONE_CALL " ask:1.1 held:1.1 resumed", 0, "nothing" },
		{ ONE_CALL " ask:1.1 held:1.1 answered:1.1=allow", 0, "run 1.1" },
		{ ONE_CALL " ask:1.1 held:1.1 answered:1.1=deny", 0, "close 1.1 denied" },
		{ ONE_CALL " ask:1.1 held:1.1 answered:1.1=lapsed finished:1.1 asked replied:0", 0, "finish done 9" },
		{ RUNS("pure"), 0, "nothing" },
		{ RUNS("pure") " resumed", 0, "run 1.1" },
		{ RUNS("idempotent") " resumed", 0, "run 1.1" },
		{ RUNS("at_most_once") " resumed", 0, "close 1.1 unknown" },
		{ RUNS("pure") AGAIN AGAIN AGAIN " resumed", 0, "run 1.1" },
		{ RUNS("pure") AGAIN AGAIN AGAIN AGAIN " resumed", 0, "close 1.1 unknown" },
		{ RUNS("pure") " finished:1.1", 0, "model" },
		/* what a call runs into ends the call; what the task has used up ends the task, after its call */
		{ RUNS("pure") " exceeded:1.1=memory_bytes", 0, "nothing" },
		{ RUNS("pure") " exceeded:1.1=memory_bytes finished:1.1", 0, "model" },
		{ RUNS("pure") " exceeded:1.1=disk_bytes", 0, "kill 1.1 disk_limit" },
		{ RUNS("pure") " exceeded:1.1=disk_bytes killed:1.1", 0, "nothing" },
		{ RUNS("pure") " exceeded:1.1=disk_bytes killed:1.1 finished:1.1", 0, "finish failed 8" },
		{ RUNS("pure") " exceeded:9.1=task_cpu_ms killed:1.1 finished:1.1", 0, "finish failed 8" },
		{ RUNS("pure") " used:1.1=499", 0, "model" },
		{ RUNS("pure") " used:1.1=500", 0, "finish failed 8" },
		{ RUNS("pure") " finished:1.1 resumed", 0, "model" },
		{ "created asked replied:2 proposed:1.1 proposed:1.2 allow:1.1", 0, "run 1.1" },
		{ "created asked replied:2 proposed:1.1 proposed:1.2 deny:1.1 finished:1.1", 0, "check 1.2" },
		{ RUNS("pure") " finished:1.1 asked replied:1 proposed:2.1 deny:2.1 finished:2.1", 0, "finish failed 8" },
		{ "created asked replied:4 proposed:1.1 proposed:1.2 proposed:1.3 proposed:1.4", 0,
		  "close 1.1 cancelled" },
		{ "created asked failed:transient", 0, "retry transient" },
		{ "created asked failed:transient retry", 0, "nothing" },
		{ "created asked failed:transient retry resumed", 0, "nothing" },
		{ "created asked" FAILS FAILS FAILS " failed:transient", 0, "retry transient" },
		{ "created asked" FAILS FAILS FAILS FAILS " failed:transient", 0, "finish failed 5" },
		{ "created asked" FAILS FAILS FAILS " failed:transient resumed asked failed:transient", 0, "retry transient" },
		{ "created asked after:300", 0, "retry transient" },
		{ "created asked after:301", 0, "finish failed 5" },
		{ "created", OPEN0, "retry breaker" },
		{ "created waits", OPEN0, "nothing" },
		{ "created", PROBE0, "nothing" },
		{ "created asked replied:0", PROBE0, "finish done 0" },
		/* a chain: what is a reason to go elsewhere, where to, and when back */
		{ "chained asked failed:transient", 0, "retry transient" },
		{ "chained asked" FAILS " failed:transient", 0, "switch 1 transient" },
		{ "chained asked" FAILS " failed:transient", OPEN1, "switch 2 transient" },
		{ "chained asked" FAILS " failed:transient", BAR1, "switch 2 transient" },
		{ "chained asked after:20", 0, "retry transient" },
		{ "chained asked after:31", 0, "switch 1 transient" },
		{ "chained asked after:41", 0, "switch 1 transient" },
		{ "chained asked failed:quota", 0, "switch 1 quota" },
		{ "chained asked failed:auth", 0, "finish failed 4" },
		{ "chained asked failed:terminal", 0, "finish failed 1" },
		{ "chained asked failed:terminal=html", 0, "switch 1 terminal" },
		{ "chained", OPEN0, "switch 1 breaker" },
		{ "chained", PROBE0, "switch 1 breaker" },
		{ "chained asked failed:quota switched:1=quota", 0, "model" },
		{ "chained asked failed:quota switched:1=quota asked failed:transient", 0, "retry transient" },
		{ "chained asked failed:quota switched:1=quota asked" FAILS " failed:transient", 0, "switch 2 transient" },
		{ "chained asked failed:quota switched:1=quota asked failed:quota switched:2=quota asked failed:quota", 0, "finish failed 5" },
		{ "chained asked failed:quota switched:1=quota asked replied:1 proposed:1.1 deny:1.1 finished:1.1", 0, "model" },
		{ "chained asked failed:quota switched:1=quota asked replied:1 proposed:1.1 deny:1.1 finished:1.1", HALF, "switch 0 return" },
		{ "chained asked failed:quota switched:1=quota asked replied:1 proposed:1.1 deny:1.1 finished:1.1", HALF | OPEN0, "model" },
		{ "chained asked failed:quota switched:1=quota", HALF, "model" },
		{ "chained switched:1=breaker asked replied:1 proposed:1.1 deny:1.1 finished:1.1 switched:0=return asked failed:transient", 0,
		  "switch 1 transient" },
		{ "chained asked failed:quota switched:1=quota resumed", 0, "model" },
		/* calls that may be run again are, after a while */
		{ RUNS("pure") " again:1.1", 0, "nothing" },
		{ RUNS("pure") " again:1.1", HALF, "run 1.1" },
		{ RUNS("pure") " again:1.1 resumed", HALF, "run 1.1" },
		{ RUNS("pure") " again:1.1", DRAIN, "park interrupted" },
		{ RUNS("pure") " again:1.1", CANCEL, "close 1.1 cancelled" },
		{ "created asked failed:quota", 0, "finish failed 5" },
		{ "created asked failed:auth", 0, "finish failed 4" },
		{ "created asked failed:terminal", 0, "finish failed 1" },
		{ "created asked failed:terminal=html", 0, "finish failed 5" },
		{ "created asked failed:cancelled", 0, "model" },
		{ "created", DRAIN, "park interrupted" },
		{ "created asked", DRAIN, "cancel-model" },
		{ "created asked failed:cancelled", DRAIN, "park interrupted" },
		{ RUNS("at_most_once"), DRAIN, "kill 1.1 interrupted" },
		{ RUNS("at_most_once") " killed:1.1", DRAIN, "nothing" },
		{ RUNS("at_most_once") " killed:1.1 finished:1.1", DRAIN, "park interrupted" },
		{ RUNS("at_most_once") " resumed", DRAIN, "close 1.1 unknown" },
		{ RUNS("pure") " resumed", DRAIN, "park interrupted" },
		{ RUNS("pure") " killed:1.1 resumed started:1.1=pure", DRAIN, "kill 1.1 interrupted" },
		{ ONE_CALL, DRAIN, "park interrupted" },
		{ "created parked", 0, "nothing" },
		{ "created parked resumed", 0, "model" },
		{ "created", CANCEL, "finish cancelled 1" },
		{ RUNS("at_most_once"), CANCEL, "kill 1.1 cancelled" },
		{ ONE_CALL, CANCEL, "close 1.1 cancelled" },
		{ "created", LATE, "finish failed 8" },
		{ "created asked", LATE, "cancel-model" },
		{ "created asked failed:transient retry", LATE, "finish failed 5" },
		{ RUNS("at_most_once"), LATE, "kill 1.1 timeout" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct task *t = task_new();
		struct step s;
		int64_t now_us = 0;
		char got[128] = "nothing";
		if (fold(t, rows[i].history, &now_us) < 0)
			fail_msg("row %zu: %s cannot be folded", i, rows[i].history);
		struct task_input input = { .now_us = now_us + ((rows[i].input & LATE) != 0 ? 60000000 : 0),
			                    .draining = (rows[i].input & DRAIN) != 0, .cancelled = (rows[i].input & CANCEL) != 0 };
		input.now_us += (rows[i].input & HALF) != 0 ? 30000000 : 0;
		input.models[0].until_us = (rows[i].input & OPEN0) != 0 ? input.now_us + 1 : 0;
		input.models[0].probing = (rows[i].input & PROBE0) != 0;
		input.models[1].until_us = (rows[i].input & OPEN1) != 0 ? input.now_us + 1 : 0;
		input.models[1].barred = (rows[i].input & BAR1) != 0;
		if (task_decide(t, &input, &s)) {
			describe(&s, got, sizeof got);
			step_done(&s);
		}
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: after '%s' comes '%s', not '%s'", i, rows[i].history, got, rows[i].want);
		task_free(t);
	}
}

static void what_cannot_follow(void **state)
{
	static const char *const rows[] = {
		"asked", "created created", "created asked asked", "created replied:0", "created failed:transient",
		"created retry", RUNS("at_most_once") " again:1.1", ONE_CALL " again:1.1", "created switched:1=quota", "chained switched:3=quota",
		"chained asked switched:1=quota", "created asked waits", "created proposed:1.1", ONE_CALL " started:1.1=pure", ONE_CALL " deny:1.1 started:1.1=pure",
		RUNS("at_most_once") " resumed started:1.1=at_most_once", RUNS("pure") " finished:1.1 finished:1.1",
		ONE_CALL " allow:1.2", "created parked asked", "created parked parked",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct task *t = task_new();
		int64_t now_us = 0;
		if (fold(t, rows[i], &now_us) == 0)
			fail_msg("row %zu: '%s' was folded", i, rows[i]);
		task_free(t);
	}
}

static void waiting_for_a_retry_ends_in_time(void **state)
{
	struct task *t = task_new();
	int64_t now_us = 0;
	struct step s;

	(void)state;
	assert_int_equal(fold(t, "created asked failed:transient retry", &now_us), 0);
	assert_int_equal(task_wakeup_us(t), now_us + 5000000);
	assert_false(task_decide(t, &(struct task_input){ .now_us = now_us + 4999999 }, &s));
	assert_true(task_decide(t, &(struct task_input){ .now_us = now_us + 5000000 }, &s));
	assert_int_equal(s.type, STEP_CALL_MODEL);
	step_done(&s);
	task_free(t);
}

static void time_that_nobody_worked_does_not_count(void **state)
{
	struct task *t = task_new();
	int64_t now_us = 0;

	(void)state;
	assert_int_equal(fold(t, "created parked", &now_us), 0); /* one second of work */
	now_us += 3600000000;
	assert_int_equal(fold(t, "resumed", &now_us), 0);
	assert_int_equal(task_wakeup_us(t), now_us + 59000000);
	task_free(t);
}

static void backoff(void **state)
{
	static const struct { int attempt; int64_t after; uint32_t random; int64_t want; } rows[] = {
		{ 1, -1, 0, 0 },      { 1, -1, 1000, 1000 }, { 1, -1, 1001, 0 },    { 2, -1, 2000, 2000 },
		{ 3, -1, 4000, 4000 }, { 9, -1, 30000, 30000 }, { 99, -1, 30000, 30000 }, { 1, 7000, 0, 7000 },
		{ 1, 7000, 1400, 8400 }, { 1, 7000, 1401, 7000 }, { 1, 0, 5, 5 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(retry_delay_ms(rows[i].attempt, rows[i].after, rows[i].random), rows[i].want);
}

static void spans_follow_from_the_task(void **state)
{
	struct task *t = task_new();
	char a[SPAN_ID_LEN + 1], b[SPAN_ID_LEN + 1], c[SPAN_ID_LEN + 1];
	int64_t now_us = 0;

	(void)state;
	assert_int_equal(fold(t, "created", &now_us), 0);
	task_span(t, "call", "1.1", a);
	task_span(t, "call", "1.1", b);
	task_span(t, "call", "1.2", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_int_equal(strspn(a, "0123456789abcdef"), SPAN_ID_LEN);
	task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_next),
		cmocka_unit_test(what_cannot_follow),
		cmocka_unit_test(waiting_for_a_retry_ends_in_time),
		cmocka_unit_test(time_that_nobody_worked_does_not_count),
		cmocka_unit_test(backoff),
		cmocka_unit_test(spans_follow_from_the_task),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
