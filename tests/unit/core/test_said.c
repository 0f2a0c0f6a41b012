/* test_said.c - what people say to a task: a row is a history and the step that follows, or the conversation that it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/task.h"

#include "base/banned.h"

/* What one word stands for. @ is the call. */
static const struct { const char *word; enum event_type type; const char *data; } words[] = {
	{ "created", EVENT_TASK_CREATED,
	  "{\"goal\":\"g\",\"agent\":\"a\",\"role\":\"worker\",\"depth\":0,\"model\":\"m/m\",\"workspace\":\"/w\",\"isolation\":\"full\","
	  "\"channel\":\"cli\",\"interactive\":true,\"plan\":\"never\",\"tools\":[],\"policies\":[],\"limits\":{\"turns\":9,\"calls\":9,"
	  "\"timeout_ms\":60000,\"output_bytes\":1000},\"config\":{\"wait_for_approval\":true}}" },
	{ "resumed", EVENT_TASK_RESUMED, "{\"engine\":\"e\",\"generation\":2,\"reason\":\"crash\"}" },
	{ "parked", EVENT_TASK_PARKED, "{\"reason\":\"interrupted\"}" },
	{ "asked", EVENT_MODEL_REQUESTED, "{\"turn\":1,\"provider\":\"p\",\"model\":\"m\",\"messages\":1}" },
	{ "stopped", EVENT_MODEL_FAILED, "{\"turn\":1,\"class\":\"cancelled\",\"status\":null,\"message\":\"m\",\"ms\":1}" },
	{ "done", EVENT_MODEL_REPLIED,
	  "{\"turn\":1,\"text\":\"said\",\"finish\":\"stop\",\"calls\":0,\"usage\":{},\"usd_nanos\":null,\"ms\":1}" },
	{ "replied", EVENT_MODEL_REPLIED,
	  "{\"turn\":1,\"text\":\"said\",\"finish\":\"tool_calls\",\"calls\":2,\"usage\":{},\"usd_nanos\":null,\"ms\":1}" },
	{ "proposed", EVENT_CALL_PROPOSED, "{\"call\":\"@\",\"turn\":1,\"id\":\"@\",\"tool\":\"shell\",\"args\":{}}" },
	{ "allow", EVENT_CALL_DECIDED, "{\"call\":\"@\",\"tool\":\"shell\",\"effect\":\"allow\",\"by\":\"policy\",\"rule\":null,"
	  "\"source\":null,\"reason\":\"r\",\"also\":[],\"policy\":null,\"ns\":1}" },
	{ "started", EVENT_CALL_STARTED, "{\"call\":\"@\",\"tool\":\"shell\",\"nature\":\"at_most_once\"}" },
	{ "asks", EVENT_QUESTION_ASKED, "{\"call\":\"@\",\"question\":\"why?\",\"id\":\"q00000000000\"}" },
	{ "answered", EVENT_QUESTION_ANSWERED, "{\"call\":\"@\",\"answer\":\"so\",\"by\":\"me\",\"id\":\"q00000000000\"}" },
	{ "killed", EVENT_CALL_KILLED, "{\"call\":\"@\",\"reason\":\"steered\"}" },
	{ "finished", EVENT_CALL_FINISHED, "{\"call\":\"@\",\"tool\":\"shell\",\"status\":\"ok\",\"exit\":null,\"output\":\"o\",\"bytes\":1,"
	  "\"execs\":1,\"denied_execs\":0,\"ms\":1}" },
	{ "cancel", EVENT_TASK_CANCELLED, "{\"by\":\"me\"}" },
	{ "pause", EVENT_TASK_PAUSED, "{\"by\":\"me\",\"now\":false}" },
	{ "pause!", EVENT_TASK_PAUSED, "{\"by\":\"me\",\"now\":true}" },
	{ "go-on", EVENT_TASK_CONTINUED, "{\"by\":\"me\"}" },
	{ "steer", EVENT_TASK_STEERED, "{\"by\":\"me\",\"text\":\"hear\",\"now\":false,\"replan\":false}" },
	{ "steer!", EVENT_TASK_STEERED, "{\"by\":\"me\",\"text\":\"hear\",\"now\":true,\"replan\":false}" },
};

/* Each event comes a second after the one before; "+N" lets N seconds pass. */
static void fold(struct task *t, const char *history, int64_t *now_us)
{
	struct str rest = str_of(history), word;

	while (str_next(&rest, ' ', &word)) {
		AUTO(freep) char *name = xstrndup(word.ptr, word.len);
		char *call = strchr(name, ':');
		struct event e = { .attempt = 1, .task = "0123456789ab", .trace_id = "0af7651916cd43dd8448eb211c80319c" };
		struct err err = ERR_NONE;
		size_t i = 0;
		if (name[0] == '+') {
			*now_us += strtol(name + 1, NULL, 10) * 1000000;
			continue;
		}
		if (call != NULL)
			*call++ = '\0';
		while (i < COUNT(words) && strcmp(words[i].word, name) != 0)
			i++;
		if (i == COUNT(words))
			fail_msg("there is no word '%s'", name);
		struct buf text = BUF_INIT(KIB(4));
		for (const char *at = words[i].data; *at != '\0'; at++)
			if (*at == '@')
				buf_add_text(&text, call);
			else
				buf_add_char(&text, *at);
		assert_int_equal(json_parse(buf_str(&text), &e.data, &err), 0);
		buf_done(&text);
		e.type = words[i].type;
		e.time_us = *now_us += 1000000;
		assert_int_equal(event_check(e.type, e.data, &err), 0);
		if (task_apply(t, &e, &err) < 0)
			fail_msg("%s", err.text);
		event_done(&e);
	}
}

#define TURN "created asked replied proposed:1.1 proposed:1.2 allow:1.1 "

enum { NOTHING = -1 };

static void what_follows(void **state)
{
	static const struct { const char *history; int want; const char *detail; bool draining; } rows[] = {
		/* a cancel ends what runs, closes what was to come, and holds over a crash */
		{ "created cancel", STEP_FINISH, "cancelled", false },
		{ "created asked cancel", STEP_CANCEL_MODEL, NULL, false },
		{ TURN "started:1.1 cancel", STEP_KILL_CALL, "cancelled", false },
		{ TURN "started:1.1 cancel resumed", STEP_CLOSE_CALL, "unknown", false },
		{ TURN "started:1.1 cancel finished:1.1", STEP_CLOSE_CALL, "cancelled", false },
		{ TURN "cancel pause", STEP_CLOSE_CALL, "cancelled", false },
		{ "created pause cancel", STEP_FINISH, "cancelled", false },
		{ "created parked cancel resumed", STEP_FINISH, "cancelled", true },
		/* a pause begins nothing; what runs goes on, unless it is said at once */
		{ "created pause", NOTHING, NULL, false },
		{ "created asked pause", NOTHING, NULL, false },
		{ "created asked pause!", STEP_CANCEL_MODEL, NULL, false },
		{ TURN "pause", NOTHING, NULL, false },
		{ TURN "started:1.1 pause", NOTHING, NULL, false },
		{ TURN "started:1.1 pause!", STEP_KILL_CALL, "paused", false },
		{ TURN "started:1.1 pause pause!", STEP_KILL_CALL, "paused", false },
		{ TURN "started:1.1 pause finished:1.1", NOTHING, NULL, false },
		{ TURN "pause resumed", NOTHING, NULL, false },
		{ TURN "started:1.1 pause resumed", NOTHING, NULL, false },
		{ TURN "pause go-on", STEP_RUN_CALL, NULL, false },
		{ "created pause go-on", STEP_CALL_MODEL, NULL, false },
		{ "created pause", STEP_PARK, "paused", true },
		/* time stands still, also over a restart */
		{ "created pause +100", NOTHING, NULL, false },
		{ "created pause +100 go-on", STEP_CALL_MODEL, NULL, false },
		{ "created pause +100 go-on +61", STEP_FINISH, "failed", false },
		{ "created pause +100 parked +100 resumed +100 go-on", STEP_CALL_MODEL, NULL, false },
		{ "created +50 pause +100 go-on +20", STEP_FINISH, "failed", false },
		/* words wait for their place, or make it */
		{ "created steer", STEP_CALL_MODEL, NULL, false },
		{ "created asked steer", NOTHING, NULL, false },
		{ "created asked steer!", STEP_CANCEL_MODEL, NULL, false },
		{ "created asked steer! stopped", STEP_CALL_MODEL, NULL, false },
		{ "created asked done", STEP_FINISH, "done", false },
		{ "created asked steer done", STEP_CALL_MODEL, NULL, false },
		{ "created asked done steer", STEP_CALL_MODEL, NULL, false },
		{ TURN "steer", STEP_RUN_CALL, NULL, false },
		{ TURN "steer!", STEP_CLOSE_CALL, "cancelled", false },
		{ TURN "started:1.1 steer!", STEP_KILL_CALL, "steered", false },
		{ TURN "started:1.1 steer! killed:1.1", STEP_CLOSE_CALL, "cancelled", false },
		{ TURN "started:1.1 steer! resumed", STEP_CLOSE_CALL, "unknown", false },
		/* a question stays where it is: its time is nobody's, and an answer may come before it is asked again */
		{ TURN "started:1.1 asks:1.1", NOTHING, NULL, false },
		{ TURN "started:1.1 asks:1.1 +100", NOTHING, NULL, false },
		{ TURN "started:1.1 asks:1.1", STEP_PARK, "waiting", true },
		{ TURN "started:1.1 asks:1.1 cancel", STEP_KILL_CALL, "cancelled", false },
		{ TURN "started:1.1 asks:1.1 pause!", NOTHING, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(task_freep) struct task *t = task_new();
		int64_t now_us = 1000000;
		struct step s = { .type = STEP_PARK };
		fold(t, rows[i].history, &now_us);
		struct task_input input = { .now_us = now_us, .draining = rows[i].draining };
		bool any = task_decide(t, &input, &s);
		const char *detail = s.type == STEP_FINISH ? s.state : s.status;
		if ((any ? (int)s.type : NOTHING) != rows[i].want)
			fail_msg("%s: step %d, not %d", rows[i].history, any ? (int)s.type : NOTHING, rows[i].want);
		if (any && rows[i].detail != NULL)
			assert_string_equal(detail, rows[i].detail);
		if (any)
			step_done(&s);
		else if (rows[i].want == NOTHING && t->paused)
			assert_true(task_wakeup_us(t) == INT64_MAX);
	}
}

/* g: the goal, a: a reply, t: a result, u: the word. */
static void where_words_stand(void **state)
{
	static const struct { const char *history, *want; } rows[] = {
		{ "created steer", "gu" },
		{ "created steer steer", "guu" },
		{ "created asked steer", "g" },
		{ "created asked steer done", "gau" },
		{ "created asked steer! stopped", "gu" },
		{ "created asked steer resumed", "gu" },
		{ "created asked steer replied", "ga" },
		{ "created asked replied proposed:1.1 steer", "ga" },
		{ "created asked replied proposed:1.1 proposed:1.2 steer finished:1.1", "gat" },
		{ "created asked replied proposed:1.1 proposed:1.2 steer finished:1.1 finished:1.2", "gattu" },
		{ "created asked replied proposed:1.1 proposed:1.2 finished:1.1 finished:1.2 steer", "gattu" },
		{ "created pause steer", "gu" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(task_freep) struct task *t = task_new();
		int64_t now_us = 1000000;
		char got[32] = "";
		fold(t, rows[i].history, &now_us);
		for (size_t k = 0; k < json_array_size(t->messages); k++) {
			const char *role = json_get_text(json_array_get(t->messages, k), "role", "");
			got[k] = k == 0 ? 'g' : role[0];
			got[k + 1] = '\0';
		}
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].history, got, rows[i].want);
	}
}

static void an_answer_comes_before_the_question_is_put_again(void **state)
{
	AUTO(task_freep) struct task *t = task_new();
	int64_t now_us = 1000000;

	(void)state;
	fold(t, TURN "started:1.1 asks:1.1 resumed", &now_us);
	assert_int_equal(t->questions, 1);
	assert_string_equal(task_call_find(t, "1.1")->question, "q00000000000");
	fold(t, "answered:1.1", &now_us);
	assert_int_equal(t->questions, 0);
	assert_string_equal(task_call_find(t, "1.1")->answer, "so");
}

static void where_a_fork_may_begin(void **state)
{
	static const struct { const char *history; bool want; } rows[] = {
		{ "created", true }, { "created asked", false }, { "created asked done", true }, { "created asked replied", false },
		{ "created asked replied proposed:1.1", false }, { TURN "started:1.1", false },
		{ TURN "finished:1.1", false }, { TURN "finished:1.1 finished:1.2", true },
		{ TURN "finished:1.1 finished:1.2 asked", false }, { TURN "finished:1.1 finished:1.2 parked", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(task_freep) struct task *t = task_new();
		int64_t now_us = 1000000;
		fold(t, rows[i].history, &now_us);
		if (task_may_fork(t) != rows[i].want)
			fail_msg("%s", rows[i].history);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_follows),
		cmocka_unit_test(where_words_stand),
		cmocka_unit_test(an_answer_comes_before_the_question_is_put_again),
		cmocka_unit_test(where_a_fork_may_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
