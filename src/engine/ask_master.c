/* ask_master.c - a worker asks the task above it while both are at work. The one above waits for its workers, so it is not woken:
 * a task of its own answers in its name, with its conversation as it is now, its model and agent, and no tools. It waits for
 * nobody, so a question never closes a circle; it is found again after a crash, paid for, traced and ended like any
 * delegation. What was asked and answered is part of the worker's report. It refuses to answer twice, and to guess. */
#include "engine/carry.h"
#include "engine/run.h"

#include <string.h>

#include "base/banned.h"

int ask_master_check(const struct run *run, struct err *err)
{
	size_t asked = json_array_size(run->task->asked);

	if (run->parent == NULL)
		return err_set(err, EINVAL, "there is nobody above this task to ask: decide yourself, and say in your report what you assumed");
	if (asked >= LIMIT_QUESTIONS_UP)
		return err_set(err, EINVAL, "this task has asked %zu times, which is the most: decide yourself, or end and report what is open",
		               asked);
	return 0;
}

void ask_master_run(struct run *run, struct call *c)
{
	char id[ID_LEN + 1];

	if (c->child_count > 0)
		return; /* taken up again after a crash */
	id_new(id);
	run_emit(run, EVENT_TASK_DELEGATED, "call", c->id,
	         json_pack("{s:s, s:s, s:s, s:s, s:n, s:b}", "call", c->id, "child", id, "goal", json_get_text(c->args, "question", ""),
	                   "agent", run->parent->task->agent, "step", "question", 1));
}

/* ---- the task that answers ---- */

static bool has_result(const json_t *messages, const char *call)
{
	for (size_t i = json_array_size(messages); i-- > 0;)
		if (strcmp(json_get_text(json_array_get(messages, i), "call", ""), call) == 0)
			return true;
	return false;
}

/* A model takes no conversation with a call that has no result. */
static void close_open_calls(const json_t *messages, json_t *more)
{
	const json_t *calls = NULL;

	for (size_t i = json_array_size(messages); i-- > 0 && calls == NULL;)
		calls = json_object_get(json_array_get(messages, i), "calls");
	for (size_t i = 0; i < json_array_size(calls); i++) {
		const char *id = json_get_text(json_array_get(calls, i), "id", "");
		if (!has_result(messages, id))
			json_array_append_new(more, json_pack("{s:s, s:s, s:s}", "role", "tool", "call", id, "text",
			                                      "[this has not ended yet: your workers are at work]"));
	}
}

int ask_master_words(const struct run *run, const struct child *child, json_t *ret_parts, struct err *err)
{
	const struct task *worker = run->task;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES);
	AUTO(json_decrefp) json_t *more = json_array();

	if (run->parent == NULL)
		return err_set(err, ENOENT, "the task above is not at work here");
	const struct task *master = run->parent->task;
	close_open_calls(master->messages, more);
	buf_printf(&text, "Your worker %s asks you while it works. What you gave it to do:\n%s\n\n", worker->id, worker->goal);
	for (size_t i = 0; i < json_array_size(worker->asked); i++) {
		const json_t *one = json_array_get(worker->asked, i);
		buf_printf(&text, "It asked before: %s\nYou answered: %s\n\n", json_get_text(one, "question", ""),
		           json_get_text(one, "answer", "(nothing came)"));
	}
	buf_printf(&text, "Its question:\n%s", child->goal);
	json_array_append_new(more, json_pack("{s:s, s:o}", "role", "user", "text", json_of_str(buf_str(&text))));
	return carry_parts(master, run->parent->last_seq, more, ret_parts, err);
}

void ask_master_shape(const struct run *run, json_t *created)
{
	const struct task *master = run->parent->task;
	json_t *limits = json_object_get(created, "limits"), *labels = json_object_get(created, "taint");

	json_put_text(created, "role", "master");
	json_put(created, "tools", json_array());
	json_put_text(json_object_get(created, "config"), "answers", run->task->id);
	json_put_int(limits, "turns", LIMIT_ANSWER_TURNS);
	json_put_int(limits, "timeout_ms", MIN(json_get_int(limits, "timeout_ms", LIMIT_ANSWER_MS), LIMIT_ANSWER_MS));
	if (master->taint_count == 0)
		return;
	if (labels == NULL)
		json_put(created, "taint", labels = json_array());
	for (size_t i = 0; i < master->taint_count; i++)
		if (!task_has_taint(run->task, master->taints[i]))
			json_array_append_new(labels, json_string(master->taints[i]));
}

/* ---- what comes of it ---- */

void ask_master_end(struct run *run, struct call *c)
{
	const struct child *child = &c->children[0];
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES / 2);
	struct str words = str_of(child->result);
	bool done = strcmp(child->state, "done") == 0 && words.len > 0;

	if (!done)
		buf_printf(&text, "Your master did not answer (%s): ", child->state);
	buf_add(&text, words.ptr, MIN(words.len, (size_t)LIMIT_REPORT_BYTES));
	if (words.len > LIMIT_REPORT_BYTES)
		buf_printf(&text, "\n[... %zu bytes left out ...]", words.len - LIMIT_REPORT_BYTES);
	if (!done)
		buf_add_text(&text, "\nDecide yourself, and say in your report what you assumed.");
	call_close(run, c, done ? "ok" : "error", buf_text(&text));
}

static json_t *shortened(const char *text)
{
	size_t len = strlen(text);

	for (bool whole = len <= LIMIT_ASKED_BYTES; !whole; whole = ((unsigned char)text[len] & 0xc0) != 0x80) /* no letter is cut */
		len = MIN(len - 1, LIMIT_ASKED_BYTES);
	return json_of_str((struct str){ text, len });
}

json_t *ask_master_told(const struct task *t)
{
	json_t *told = json_array(), *one;
	size_t i;

	json_array_foreach(t->asked, i, one) {
		const char *answer = json_get_text(one, "answer", NULL);
		json_array_append_new(told, json_pack("{s:o, s:o}", "question", shortened(json_get_text(one, "question", "")), "answer",
		                                      answer != NULL ? shortened(answer) : json_null()));
	}
	return told;
}

void ask_master_reports(const struct child *child, struct buf *ret)
{
	json_t *one;
	size_t i;

	json_array_foreach(child->asked, i, one)
		buf_printf(ret, "%sIt asked you: %s\nYou answered: %s\n", i == 0 ? "\n\n" : "", json_get_text(one, "question", ""),
		           json_get_text(one, "answer", "(nothing came)"));
}
