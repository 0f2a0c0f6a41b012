/* test_compact.c - a conversation that outgrows its window: a row is a conversation, and what is left of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/task.h"

#include "base/banned.h"

static void apply(struct task *t, enum event_type type, json_t *data)
{
	struct event e = { .type = type, .attempt = 1, .task = "0123456789ab", .trace_id = "0af7651916cd43dd8448eb211c80319c", .data = data };
	struct err err = ERR_NONE;

	if (event_check(type, data, &err) < 0 || task_apply(t, &e, &err) < 0)
		fail_msg("%s", err.text);
	event_done(&e);
}

static void create(struct task *t, int window, const char *tool)
{
	apply(t, EVENT_TASK_CREATED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:[s], s:[], s:{}, s:{s:i}}",
		"goal", "the goal", "agent", "a", "role", "worker", "depth", 0, "model", "m/m", "workspace", "/w", "isolation", "full",
		"channel", "cli", "interactive", 0, "plan", "never", "tools", tool, "policies", "limits", "config", "context_tokens",
		window));
}

/* One turn: `calls` calls with outputs of `bytes` each; tokens: what the provider counted, 0: nothing. */
static void turn(struct task *t, int calls, size_t bytes, int tokens)
{
	int number = (int)t->turns + 1;
	AUTO(freep) char *output = xmalloc(bytes + 1);
	json_t *usage = tokens > 0 ? json_pack("{s:i}", "input", tokens) : json_object();

	memset(output, 'o', bytes);
	output[bytes] = '\0';
	apply(t, EVENT_MODEL_REQUESTED, json_pack("{s:i, s:s, s:s, s:i}", "turn", number, "provider", "p", "model", "m", "messages", 1));
	apply(t, EVENT_MODEL_REPLIED, json_pack("{s:i, s:s, s:s, s:i, s:o, s:n, s:i}", "turn", number, "text", "I look.\nAnd think.",
		"finish", "tool_calls", "calls", calls, "usage", usage, "usd_nanos", "ms", 1));
	for (int i = 1; i <= calls; i++) {
		char id[CALL_ID_BYTES];
		snprintf(id, sizeof id, "%d.%d", number, i);
		apply(t, EVENT_CALL_PROPOSED, json_pack("{s:s, s:i, s:s, s:s, s:{s:s}}", "call", id, "turn", number, "id", id, "tool",
			"shell", "args", "command", "ls"));
	}
	for (int i = 1; i <= calls; i++) {
		char id[CALL_ID_BYTES];
		snprintf(id, sizeof id, "%d.%d", number, i);
		apply(t, EVENT_CALL_FINISHED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i}", "call", id, "tool", "shell",
			"status", "ok", "exit", 0, "output", output, "bytes", 1, "execs", 1, "denied_execs", 0, "ms", 1));
	}
}

static void compact(struct task *t)
{
	struct compaction c = compact_plan(t);

	apply(t, EVENT_CONVERSATION_COMPACTED, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "turn",
		(json_int_t)1, "tokens", (json_int_t)1, "window", (json_int_t)1, "dropped", (json_int_t)c.dropped, "stubbed",
		(json_int_t)c.stubbed, "kept", (json_int_t)c.kept, "bytes_before", (json_int_t)c.bytes_before, "bytes_after",
		(json_int_t)c.bytes_after, "drop_to", (json_int_t)c.drop_to, "stub_to", (json_int_t)c.stub_to, "summary", c.lines));
	assert_int_equal(t->context.bytes, c.bytes_after);
	assert_int_equal(json_array_size(t->messages), c.kept);
	compaction_done(&c);
}

static const char *text_at(const struct task *t, size_t i)
{
	return json_get_text(json_array_get(t->messages, i), "text", "");
}

static void when_and_how_much(void **state)
{
	static const struct { int window, turns, calls; size_t bytes; int tokens; bool wanted; size_t dropped, stubbed; } rows[] = {
		{ 0, 50, 1, 60000, 0, false, 0, 0 },             /* nobody said how large it is */
		{ 128000, 2, 1, 60000, 0, false, 0, 0 },
		{ 128000, 7, 1, 60000, 0, true, 0, 6 },          /* outputs alone are enough */
		{ 128000, 2, 1, 1000, 100000, false, 0, 0 },     /* the provider counts; but nothing was added that is worth it */
		{ 20000, 60, 1, 1000, 0, true, 0, 50 },
		{ 8000, 60, 1, 1000, 0, true, 90, 14 },
		{ 20000, 1, 20, 10000, 0, true, 0, 19 },         /* within the one turn: every pair stays */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct task *t = task_new();
		create(t, rows[i].window, "shell");
		for (int k = 0; k < rows[i].turns; k++)
			turn(t, rows[i].calls, rows[i].bytes, k == rows[i].turns - 1 ? rows[i].tokens : 0);
		struct compaction c = compact_plan(t);
		bool wanted = compact_wanted(t);
		if (wanted != rows[i].wanted || (wanted && (c.dropped != rows[i].dropped || c.stubbed != rows[i].stubbed)))
			fail_msg("row %zu: %d, dropped %zu, stubbed %zu of %zu, %lld to %lld\n", i, wanted, c.dropped, c.stubbed,
		              json_array_size(t->messages), (long long)c.bytes_before, (long long)c.bytes_after);
		compaction_done(&c);
		task_free(t);
	}
}

static void what_stays(void **state)
{
	struct task *t = task_new();

	(void)state;
	create(t, 8000, "shell");
	json_t *steps = json_pack("[{s:s, s:s, s:[], s:s}]", "id", "s1", "title", "look", "after", "state", "done");
	apply(t, EVENT_PLAN_UPDATED, json_pack("{s:s, s:o}", "call", "1.1", "steps", steps));
	for (int i = 0; i < 60; i++)
		turn(t, 1, 1000, 0);
	assert_true(compact_wanted(t));
	compact(t);
	assert_false(compact_wanted(t));
	const char *first = text_at(t, 0);
	assert_true(str_starts(str_of(first), STR("the goal\n\n[")));
	assert_non_null(strstr(first, "- s1 (done): look"));
	assert_non_null(strstr(first, "{\"command\":\"ls\"}"));
	assert_non_null(strstr(first, "(older lines are left out)")); /* bounded */
	assert_string_equal(json_get_text(json_array_get(t->messages, 1), "role", ""), "assistant");
	assert_non_null(strstr(text_at(t, 2), "is left out: `mishri show` has it"));
	assert_int_equal(strlen(text_at(t, json_array_size(t->messages) - 1)), 1000); /* the last output */
	/* Again, much later: what was told before is told on, and the goal is there once. */
	for (int i = 0; i < 60; i++)
		turn(t, 1, 1000, 0);
	compact(t);
	assert_null(strstr(text_at(t, 0) + 1, "the goal"));
	assert_false(compact_wanted(t));
	task_free(t);
}

static void outputs_that_can_be_read_again(void **state)
{
	struct task *t = task_new();

	(void)state;
	create(t, 128000, "read_output");
	for (int i = 0; i < 7; i++)
		turn(t, 1, 60000, 0);
	compact(t);
	assert_string_equal(text_at(t, 2), "[the output of call 1.1 (shell), 60000 bytes, is left out: read it again with read_output]");
	task_free(t);
}

/* What the provider counted is believed, and shrinks with the conversation. */
static void counted_tokens(void **state)
{
	struct task *t = task_new();

	(void)state;
	create(t, 128000, "shell");
	turn(t, 1, 200000, 0);
	turn(t, 1, 40, 90000);
	assert_in_range(task_context_tokens(t), 90000, 90200);
	assert_false(compact_wanted(t));
	turn(t, 1, 40, 99000);
	assert_true(compact_wanted(t));
	compact(t);
	assert_in_range(task_context_tokens(t), 1, 2000);
	task_free(t);
}

static void a_damaged_cut_is_refused(void **state)
{
	static const struct { size_t drop_to, stub_to; } rows[] = { { 0, 1 }, { 2, 2 }, { 6, 6 }, { 3, 2 }, { 1, 6 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct task *t = task_new();
		create(t, 20000, "shell");
		turn(t, 1, 10, 0);
		turn(t, 1, 10, 0);
		assert_int_equal(compact_apply(t, rows[i].drop_to, rows[i].stub_to, "", NULL), -EINVAL);
		assert_int_equal(compact_apply(t, 3, 4, "", NULL), 0);
		task_free(t);
	}
}

/* A thousand turns cost what their bytes cost: the work of all compactions stays below a few times what was said. */
static void many_turns(void **state)
{
	struct task *t = task_new();
	int64_t said = 0, worked = 0;

	(void)state;
	create(t, 20000, "shell");
	for (int i = 0; i < 1000; i++) {
		turn(t, 1, 1000, 0);
		said += 1000;
		if (compact_wanted(t)) {
			worked += t->context.bytes;
			compact(t);
		}
	}
	assert_true(worked > 0 && worked < 5 * said);
	task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_and_how_much),
		cmocka_unit_test(what_stays),
		cmocka_unit_test(outputs_that_can_be_read_again),
		cmocka_unit_test(counted_tokens),
		cmocka_unit_test(a_damaged_cut_is_refused),
		cmocka_unit_test(many_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
