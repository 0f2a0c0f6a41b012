/* traceparent.c - W3C trace context in and out. What is not well-formed is as if it was not there: a stranger's header must
 * not keep a task from beginning. */
#include "engine/traceparent.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static const char digits[] = "0123456789abcdef";

/* Lower-case digits, and not all of them 0. */
static bool read_id(const char *text, size_t len, char *ret)
{
	if (strspn(text, digits) < len || strspn(text, "0") >= len)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

int traceparent_parse(const char *text, struct traceparent *ret)
{
	struct traceparent found = { 0 };
	size_t len = strlen(text);
	const char *trace = text + 3, *span = trace + TRACE_ID_LEN + 1, *flags = span + SPAN_ID_LEN + 1;

	if (len < TRACEPARENT_LEN || strspn(text, digits) < 2 || strncmp(text, "ff", 2) == 0 || text[2] != '-' ||
	    trace[TRACE_ID_LEN] != '-' || span[SPAN_ID_LEN] != '-' || strspn(flags, digits) < 2)
		return -EINVAL;
	/* a later version may have more behind a further dash, this one has not */
	bool later = strncmp(text, "00", 2) != 0;
	if (len > TRACEPARENT_LEN && (!later || text[TRACEPARENT_LEN] != '-'))
		return -EINVAL;
	if (!read_id(trace, TRACE_ID_LEN, found.trace_id) || !read_id(span, SPAN_ID_LEN, found.span_id))
		return -EINVAL;
	char number[3] = { flags[0], flags[1], '\0' };
	found.flags = (int)strtol(number, NULL, 16);
	*ret = found;
	return 0;
}

bool tracestate_valid(const char *text)
{
	enum { STATE_MOST = 512 };
	size_t len = strnlen(text, STATE_MOST + 1);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return len > 0 && len <= STATE_MOST;
}

void traceparent_enter(const struct task_spec *spec, struct task *task)
{
	struct traceparent above;

	if (spec->traceparent == NULL || traceparent_parse(spec->traceparent, &above) < 0) {
		id_trace(task->trace_id);
		return;
	}
	memcpy(task->trace_id, above.trace_id, sizeof task->trace_id);
	memcpy(task->parent_span_id, above.span_id, sizeof task->parent_span_id);
}

void traceparent_config(const struct task_spec *spec, json_t *config)
{
	struct traceparent above;

	if (spec->traceparent == NULL || traceparent_parse(spec->traceparent, &above) < 0)
		return;
	json_put_int(config, "trace_flags", above.flags);
	if (spec->tracestate != NULL && tracestate_valid(spec->tracestate))
		json_put_text(config, "tracestate", spec->tracestate);
}

static void format(const struct task *t, const char *span, char ret[static TRACEPARENT_LEN + 1])
{
	int64_t flags = json_get_int(t->config, "trace_flags", 1);

	snprintf(ret, TRACEPARENT_LEN + 1, "00-%s-%s-%02x", t->trace_id, span, (unsigned)(flags & 0xff));
}

void traceparent_of_call(const struct task *t, const char *call, char ret[static TRACEPARENT_LEN + 1])
{
	char span[SPAN_ID_LEN + 1];

	task_span(t, "call", call, span);
	format(t, span, ret);
}

void traceparent_of_turn(const struct task *t, char ret[static TRACEPARENT_LEN + 1])
{
	char span[SPAN_ID_LEN + 1], name[24];

	snprintf(name, sizeof name, "%lld", (long long)t->turns + 1);
	task_span(t, "turn", name, span);
	format(t, span, ret);
}

const char *tracestate_of(const struct task *t)
{
	return json_get_text(t->config, "tracestate", NULL);
}
