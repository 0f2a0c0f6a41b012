/* call_again.c - a call that was stopped by something that may pass: is it run again, or what is the model told? The nature of
 * its tool says whether that is harmless; core/decide.c says whether there is patience left. What may have taken effect is
 * never run again here. */
#include "engine/run.h"

#include <string.h>
#include <sysexits.h>

#include "base/banned.h"

/* A shell command may end with any status for any reason; a tool of ours and one by manifest keep the convention. */
static bool says_so(const struct tool *tool)
{
	return tool->run != NULL || tool->own != NULL;
}

bool call_may_pass(const struct tool *tool, const struct cell_exit *ended)
{
	return ended != NULL && ended->signal == 0 && ended->status == EX_TEMPFAIL && says_so(tool);
}

bool call_again(struct run *run, const struct call *c, struct str said, int64_t wait_ms, json_t *used)
{
	int64_t now_us = clock_wall_us();
	uint32_t random;

	if (!call_may_retry(run->task, c, FAILURE_TRANSIENT, wait_ms, now_us))
		return false;
	id_random(&random, sizeof random);
	int64_t delay_ms = retry_delay_ms(c->attempt, wait_ms, random);
	said.len = MIN(said.len > 0 ? strcspn(said.ptr, "\n") : 0, (size_t)500);
	json_t *data = json_pack("{s:I, s:I, s:s, s:I, s:I, s:I, s:o}", "turn", (json_int_t)c->turn, "delay_ms", (json_int_t)delay_ms,
	                         "class", failure_name(FAILURE_TRANSIENT), "attempt", (json_int_t)c->attempt + 1, "attempts",
	                         (json_int_t)run->task->retry.calls, "next_us", (json_int_t)(now_us + delay_ms * 1000), "retry_after_ms",
	                         wait_ms >= 0 ? json_integer(wait_ms) : json_null());
	json_put_text(data, "call", c->id);
	json_put_str(data, "reason", said);
	if (used != NULL)
		json_put(data, "used", json_incref(used));
	run_emit(run, EVENT_RETRY_SCHEDULED, "call", c->id, data);
	return true;
}

void call_tell_attempts(const struct call *c, bool may_pass, struct buf *text, json_t *fields)
{
	if (text->len > 0 && text->ptr[text->len - 1] != '\n' && (may_pass || c->retried_why != NULL))
		buf_add_char(text, '\n');
	if (c->retried_why != NULL)
		buf_printf(text, "[attempt %d; before it: %s]\n", c->attempt, c->retried_why);
	if (may_pass && !c->repeatable)
		buf_add_text(text, "[replay-unsafe: what went wrong may pass, but this was not tried again, because it may have taken effect. "
		             "Find out what happened before you repeat it.]");
	if (may_pass)
		json_put_text(fields, "failure", failure_name(c->repeatable ? FAILURE_TRANSIENT : FAILURE_REPLAY_UNSAFE));
	if (c->attempt > 1)
		json_put_int(fields, "attempts", c->attempt);
}
