/* test_loops.c - tasks that go round in circles, and tasks that only look so: tests/cases/loops/corpus.jsonl, row by
 * row. Prints how many of each were told right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
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

static struct task *create(bool off, bool below)
{
	struct task *t = task_new();
	struct event e = {
		.type = EVENT_TASK_CREATED, .attempt = 1, .task = "0123456789ab", .trace_id = "0af7651916cd43dd8448eb211c80319c",
		.data = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:[s], s:[], s:{}, s:{s:b}}",
			"goal", "the goal", "agent", "a", "role", "worker", "depth", 0, "model", "m/m", "workspace", "/w", "isolation",
			"full", "channel", "cli", "interactive", 0, "plan", "never", "tools", "shell", "policies", "limits", "config",
			"loop_detect", !off),
	};
	struct err err;

	if (below)
		snprintf(e.parent, sizeof e.parent, "ba9876543210");
	assert_int_equal(task_apply(t, &e, &err), 0);
	event_done(&e);
	return t;
}

/* {i} in any text becomes the number of the round. */
static char *numbered(const char *text, size_t round)
{
	AUTO(buf_done) struct buf out = BUF_INIT(MIB(1));
	struct str rest = str_of(text);

	while (rest.len > 0) {
		if (str_starts(rest, STR("{i}"))) {
			buf_printf(&out, "%zu", round);
			rest = str_skip(rest, 3);
		} else {
			buf_add_char(&out, rest.ptr[0]);
			rest = str_skip(rest, 1);
		}
	}
	return xstrdup(buf_text(&out));
}

static enum loop_level loudest;

/* What the engine would do, until the model is to be asked. Returns whether the task goes on. */
static bool settle(struct task *t)
{
	struct task_input input = { .now_us = 1 };
	struct step step;

	while (task_decide(t, &input, &step)) {
		bool on = step.type == STEP_CALL_MODEL;
		if (step.type == STEP_WARN_LOOP) {
			assert_int_equal(step.loop.level, t->loops.told + 1);
			loudest = MAX(loudest, step.loop.level);
			apply(t, EVENT_LOOP_DETECTED, json_pack("{s:s, s:s, s:i, s:i, s:s}", "kind", step.loop.kind, "level",
				loop_level_name(step.loop.level), "length", (int)step.loop.length, "count", (int)step.loop.count, "text", step.text));
			step_done(&step);
			continue;
		}
		step_done(&step);
		return on;
	}
	return false;
}

static void reply(struct task *t, const char *text, size_t calls)
{
	int number = (int)t->turns + 1;

	apply(t, EVENT_MODEL_REQUESTED, json_pack("{s:i, s:s, s:s, s:i}", "turn", number, "provider", "p", "model", "m", "messages", 1));
	apply(t, EVENT_MODEL_REPLIED, json_pack("{s:i, s:s, s:s, s:i, s:{}, s:n, s:i}", "turn", number, "text", text, "finish",
		calls > 0 ? "tool_calls" : "stop", "calls", (int)calls, "usage", "usd_nanos", "ms", 1));
}

static void one_turn(struct task *t, const json_t *calls, size_t round)
{
	size_t i;
	json_t *call;

	reply(t, "I go on.", json_array_size(calls));
	json_array_foreach(calls, i, call) {
		char id[CALL_ID_BYTES];
		AUTO(freep) char *raw = json_text(json_array_get(call, 1)), *args_text = numbered(raw, round);
		const char *tool = json_string_value(json_array_get(call, 0));
		json_t *args;
		snprintf(id, sizeof id, "%d.%zu", (int)t->turns, i + 1);
		assert_int_equal(json_parse(str_of(args_text), &args, NULL), 0);
		apply(t, EVENT_CALL_PROPOSED, json_pack("{s:s, s:i, s:s, s:s, s:o}", "call", id, "turn", (int)t->turns, "id", id, "tool",
			tool, "args", args));
	}
	json_array_foreach(calls, i, call) {
		char id[CALL_ID_BYTES];
		const char *tool = json_string_value(json_array_get(call, 0)), *status = json_string_value(json_array_get(call, 2));
		AUTO(freep) char *output = numbered(json_string_value(json_array_get(call, 3)), round);
		json_t *ms = json_array_get(call, 4);
		snprintf(id, sizeof id, "%d.%zu", (int)t->turns, i + 1);
		if (strcmp(status, "ok") == 0 || strcmp(status, "error") == 0) {
			apply(t, EVENT_CALL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:n, s:n, s:s, s:[], s:n, s:i}", "call", id, "tool", tool,
				"effect", "allow", "by", "policy", "rule", "source", "reason", "", "also", "policy", "ns", 1));
			apply(t, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s, s:b}", "call", id, "tool", tool, "nature", "at_most_once",
				"polls", strcmp(tool, "background") == 0));
		}
		apply(t, EVENT_CALL_FINISHED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:I}", "call", id, "tool", tool, "status",
			status, "exit", 0, "output", output, "bytes", 1, "execs", 1, "denied_execs", 0, "ms",
			ms != NULL ? json_integer_value(ms) : (json_int_t)20));
	}
}

/* One row, as a model would go on with it that does not listen. Returns whether the task was still going at the end. */
static bool play(struct task *t, const json_t *row)
{
	const char *text = json_get_text(row, "text", NULL);
	json_t *turn;
	size_t i;

	json_array_foreach(json_object_get(row, "before"), i, turn) {
		one_turn(t, turn, 1000 + i);
		if (!settle(t))
			return false;
	}
	for (size_t round = 0; round < (size_t)json_get_int(row, "repeat", 1); round++)
		json_array_foreach(json_object_get(row, "turns"), i, turn) {
			one_turn(t, turn, round);
			if (!settle(t))
				return false;
		}
	if (text != NULL) {
		AUTO(buf_done) struct buf whole = BUF_INIT(MIB(1));
		for (size_t k = 0; k < (size_t)json_get_int(row, "times", 1); k++) {
			AUTO(freep) char *part = numbered(text, k);
			buf_add_text(&whole, part);
		}
		reply(t, buf_text(&whole), 0);
		return settle(t);
	}
	return true;
}

static void read_corpus(struct buf *ret)
{
	AUTO(fd_closep) int fd = open(TEST_CASES "/loops/corpus.jsonl", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_read_fd(fd, ret, NULL), 0);
}

static void loops_and_what_only_looks_so(UNUSED void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	size_t found = 0, missed = 0, false_alarms = 0, quiet = 0;
	struct str rest, line;

	read_corpus(&text);
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line) && line.len > 0) {
		json_t *row;
		assert_int_equal(json_parse(line, &row, NULL), 0);
		AUTO(task_freep) struct task *t = create(false, false);
		bool loop = json_get_bool(row, "loop", false), calls = json_array_size(json_object_get(row, "turns")) > 0;
		loudest = LOOP_NONE;
		bool goes_on = play(t, row);
		found += loop && loudest > LOOP_NONE;
		missed += loop && loudest == LOOP_NONE;
		false_alarms += !loop && loudest > LOOP_NONE;
		quiet += !loop && loudest == LOOP_NONE;
		if (loop != (loudest > LOOP_NONE) || (calls && loop && goes_on))
			print_error("%s: %s, %s\n", json_get_text(row, "name", ""), loop_level_name(loudest), goes_on ? "goes on" : "ended");
		assert_int_equal(loop, loudest > LOOP_NONE);
		assert_false(calls && loop && goes_on); /* who never listens is stopped */
		json_decref(row);
	}
	printf("loops: recall %zu of %zu, precision %zu of %zu (%zu rows that are none)\n", found, found + missed, found,
	       found + false_alarms, quiet + false_alarms);
	assert_true(found >= 15 && quiet >= 15);
}

static void same_turns(struct task *t, size_t count)
{
	AUTO(json_decrefp) json_t *calls = json_pack("[[s, {s:s}, s, s]]", "shell", "command", "ls", "ok", "a");

	for (size_t i = 0; i < count; i++) {
		one_turn(t, calls, 0);
		if (!settle(t))
			return;
	}
}

static void a_whole_task_rests_and_a_part_fails(UNUSED void **state)
{
	struct task_input input = { .now_us = 1 };
	struct step step;

	AUTO(task_freep) struct task *root = create(false, false);
	same_turns(root, 9);
	assert_int_equal(root->turns, 5);
	assert_true(task_decide(root, &input, &step));
	assert_int_equal(step.type, STEP_PARK);
	assert_string_equal(step.status, "loop");
	step_done(&step);

	AUTO(task_freep) struct task *part = create(false, true);
	same_turns(part, 9);
	assert_true(task_decide(part, &input, &step));
	assert_int_equal(step.type, STEP_FINISH);
	assert_int_equal(step.exit, 10);
	assert_non_null(strstr(step.text, "round in circles"));
	step_done(&step);
}

static void who_listens_goes_on(UNUSED void **state)
{
	AUTO(json_decrefp) json_t *other = json_pack("[[s, {s:s}, s, s]]", "shell", "command", "cat {i}", "ok", "text {i}");
	AUTO(task_freep) struct task *t = create(false, false);

	for (size_t round = 0; round < 10; round++) {
		loudest = LOOP_NONE;
		same_turns(t, 3);
		assert_int_equal(loudest, LOOP_NUDGE);
		one_turn(t, other, round);
		assert_true(settle(t));
		assert_int_equal(t->loops.told, LOOP_NONE);
	}
}

static void switched_off_or_resumed(UNUSED void **state)
{
	AUTO(task_freep) struct task *off = create(true, false);
	loudest = LOOP_NONE;
	same_turns(off, 50);
	assert_int_equal(loudest, LOOP_NONE);

	AUTO(task_freep) struct task *t = create(false, false);
	same_turns(t, 5);
	apply(t, EVENT_TASK_PARKED, json_pack("{s:s}", "reason", "loop"));
	apply(t, EVENT_TASK_RESUMED, json_pack("{s:s, s:i, s:s}", "engine", "e", "generation", 2, "reason", "parked"));
	assert_true(settle(t)); /* the model is asked again */
	loudest = LOOP_NONE;
	same_turns(t, 2);
	assert_int_equal(loudest, LOOP_NONE);
}

/* Each letter is a delegation of two parts: d one was done, f none. */
static void work_that_does_not_get_done(UNUSED void **state)
{
	static const struct { const char *rounds; enum loop_level want; } rows[] = {
		{ "ff", LOOP_NONE },     { "fff", LOOP_NUDGE },     { "fffff", LOOP_NUDGE }, { "ffffff", LOOP_REPLAN },
		{ "fffffffff", LOOP_STOP }, { "ffdff", LOOP_NONE }, { "ffffffd", LOOP_NONE }, { "ddddddddd", LOOP_NONE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct loops loops = { 0 }, off = { .off = true };
		struct loop_finding found = { 0 };
		for (const char *c = rows[i].rounds; *c != '\0'; c++) {
			struct child parts[] = { { .reported = true, .state = (char *)"failed" },
			                         { .reported = true, .state = (char *)(*c == 'd' ? "done" : "denied") } };
			loops_delegated(&loops, &(struct call){ .children = parts, .child_count = COUNT(parts) });
			loops_delegated(&loops, &(struct call){ .tool = (char *)"shell" });
			loops_delegated(&off, &(struct call){ .children = parts, .child_count = COUNT(parts) });
		}
		assert_int_equal(loops_find(&loops, &found) ? found.level : LOOP_NONE, rows[i].want);
		assert_true(rows[i].want == LOOP_NONE || strcmp(found.kind, "no_progress") == 0);
		assert_false(loops_find(&off, &found));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops_and_what_only_looks_so),
		cmocka_unit_test(a_whole_task_rests_and_a_part_fails),
		cmocka_unit_test(who_listens_goes_on),
		cmocka_unit_test(switched_off_or_resumed),
		cmocka_unit_test(work_that_does_not_get_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
