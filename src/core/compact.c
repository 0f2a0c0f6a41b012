/* compact.c - makes a conversation fit the model's window again. It calls no model: the oldest outputs become one
 * line each, and where that is not enough whole turns are dropped and told of in a few lines behind the goal.
 * It never parts a call from its result, and never touches the goal and the last turn's words.
 *
 * What is done stands in the event (where to cut, and the words that stay), so a replay does the same
 * whatever the rules of a later version are. */
#include "core/task.h"

#include <string.h>

#include "base/banned.h"

enum { BYTES_PER_TOKEN = 4, MESSAGE_BYTES = 16 };

static size_t text_bytes(const json_t *object, const char *key)
{
	return json_string_length(json_object_get(object, key));
}

int64_t message_bytes(const json_t *m)
{
	const json_t *calls = json_object_get(m, "calls");
	size_t bytes = MESSAGE_BYTES + text_bytes(m, "text") + text_bytes(m, "opaque") + text_bytes(m, "call");

	for (size_t i = 0; i < json_array_size(calls); i++) {
		const json_t *call = json_array_get(calls, i);
		bytes += MESSAGE_BYTES + text_bytes(call, "id") + text_bytes(call, "name") + text_bytes(call, "args");
	}
	return (int64_t)bytes;
}

int64_t task_context_tokens(const struct task *t)
{
	if (t->context.reported_tokens > 0)
		return t->context.reported_tokens + (t->context.bytes - t->context.reported_bytes) / BYTES_PER_TOKEN;
	return (t->context.bytes + t->context.prompt_bytes) / BYTES_PER_TOKEN;
}

/* Three quarters of the window are full, and since the last time enough was added that it is worth the while. */
bool compact_wanted(const struct task *t)
{
	int64_t window = t->context.window_tokens;

	if (window <= 0 || json_array_size(t->messages) < 3 || task_context_tokens(t) < window / 4 * 3)
		return false;
	return t->context.bytes - t->context.compacted_bytes >= window * BYTES_PER_TOKEN / 8;
}

/* ---- what stays of an output ------------------------------------------------------------------------- */

static bool is_role(const json_t *m, const char *role)
{
	return strcmp(json_get_text(m, "role", ""), role) == 0;
}

static char *stub_of(const struct task *t, const json_t *m)
{
	const char *again = "`mishri show` has it; call again if you need it";

	for (size_t i = 0; i < json_array_size(t->tools); i++)
		if (strcmp(json_string_value(json_array_get(t->tools, i)), "read_output") == 0)
			again = "read it again with read_output";
	return xasprintf("[the output of call %s (%s), %zu bytes, is left out: %s]", json_get_text(m, "ref", "?"),
	                 json_get_text(m, "tool", "?"), text_bytes(m, "text"), again);
}

/* The line in the place of an output, or NULL where that would be no shorter (or was done before). */
static char *stub_if_shorter(const struct task *t, const json_t *m)
{
	if (!is_role(m, "tool"))
		return NULL;
	AUTO(freep) char *stub = stub_of(t, m);
	return strlen(stub) < text_bytes(m, "text") ? TAKE(stub) : NULL;
}

/* ---- what is told of dropped turns --------------------------------------------------------------------- */

/* The first line, cut short; for a list of what was done. */
static void add_short(struct buf *to, const char *text, size_t most)
{
	size_t len = strcspn(text, "\n"), n = 0, step;

	while (n < len && n < most && (step = utf8_length((const unsigned char *)text + n, len - n)) > 0)
		n += step;
	buf_add(to, text, n);
	if (text[n] != '\0')
		buf_add_text(to, " ...");
}

static void tell_message(const json_t *m, struct buf *to)
{
	const json_t *calls = json_object_get(m, "calls");
	const char *text = json_get_text(m, "text", "");

	if (is_role(m, "tool")) {
		buf_printf(to, "- result of %s: ", json_get_text(m, "ref", "?"));
		add_short(to, text, 100);
		buf_add_char(to, '\n');
		return;
	}
	if (text[0] != '\0') {
		buf_printf(to, "- %s: ", is_role(m, "assistant") ? "you" : "to you");
		add_short(to, text, 160);
		buf_add_char(to, '\n');
	}
	for (size_t i = 0; i < json_array_size(calls); i++) {
		const json_t *call = json_array_get(calls, i);
		buf_printf(to, "- call %s %s ", json_get_text(call, "ref", "?"), json_get_text(call, "name", "?"));
		add_short(to, json_get_text(call, "args", ""), 120);
		buf_add_char(to, '\n');
	}
}

/* The newest lines that fit; how much is missing is said. */
static void add_tail(struct buf *to, struct str lines, size_t most)
{
	if (lines.len > most) {
		struct str rest = str_skip(lines, lines.len - most), half;
		str_next(&rest, '\n', &half);
		lines = rest.ptr != NULL ? rest : STR("");
		buf_add_text(to, "- (older lines are left out)\n");
	}
	buf_add_str(to, lines);
}

static char *lines_of(const struct task *t, size_t drop_to, size_t most)
{
	AUTO(buf_done) struct buf all = BUF_INIT(LIMIT_EVENT_BYTES), kept = BUF_INIT(LIMIT_EVENT_BYTES);

	buf_add_text(&all, t->context.summary != NULL ? t->context.summary : "");
	for (size_t i = 1; i < drop_to; i++)
		tell_message(json_array_get(t->messages, i), &all);
	add_tail(&kept, buf_str(&all), most);
	return xstrdup(buf_text(&kept));
}

static void add_plan(const struct task *t, struct buf *to)
{
	size_t i;
	json_t *step;

	if (t->plan != NULL)
		buf_add_text(to, "The plan, as it stands:\n");
	json_array_foreach(t->plan, i, step) {
		buf_printf(to, "- %s (%s): ", json_get_text(step, "id", ""), json_get_text(step, "state", "pending"));
		add_short(to, json_get_text(step, "title", ""), 200);
		buf_add_char(to, '\n');
	}
}

static char *opening_of(const struct task *t, const char *lines)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_GOAL_BYTES + LIMIT_EVENT_BYTES);

	buf_add_text(&text, t->goal);
	if (lines[0] != '\0') {
		buf_add_text(&text, "\n\n[Your conversation became too long, so its beginning was left out. What happened in it:\n");
		buf_add_text(&text, lines);
		add_plan(t, &text);
		buf_add_char(&text, ']');
	}
	return xstrdup(buf_text(&text));
}

/* ---- where to cut -------------------------------------------------------------------------------------- */

/* In bytes of messages: half of what makes it wanted, and less where a token has fewer bytes than we guess. */
static int64_t goal_bytes(const struct task *t)
{
	int64_t window_bytes = t->context.window_tokens * BYTES_PER_TOKEN;
	int64_t guess = (t->context.bytes + t->context.prompt_bytes) / BYTES_PER_TOKEN, tokens = task_context_tokens(t);
	int64_t aim = MAX(window_bytes / 8 * 3 - t->context.prompt_bytes, window_bytes / 8);

	return tokens > guess && guess > 0 ? (int64_t)((double)aim * (double)guess / (double)tokens) : aim;
}

static int64_t bytes_with_stub(const struct task *t, const json_t *m)
{
	AUTO(freep) char *stub = stub_if_shorter(t, m);

	return message_bytes(m) - (stub != NULL ? (int64_t)(text_bytes(m, "text") - strlen(stub)) : 0);
}

struct compaction compact_plan(const struct task *t)
{
	size_t count = json_array_size(t->messages), i = count;
	int64_t aim = goal_bytes(t), bytes = 0;
	struct compaction c = { .drop_to = 1, .bytes_before = t->context.bytes };

	/* From the end: outputs stay as they are for the first half of the room. */
	while (i > 1) {
		int64_t one = message_bytes(json_array_get(t->messages, i - 1));
		if (i < count && bytes + one > aim / 2)
			break;
		bytes += one;
		i--;
	}
	c.stub_to = i;
	/* Then with their outputs left out, as long as there is room; turns go as a whole, the last one never. */
	bool last_turn = true;
	size_t turn_at = count;
	for (size_t k = count; k > i; k--)
		if (is_role(json_array_get(t->messages, k - 1), "assistant")) {
			last_turn = false;
			turn_at = k - 1;
		}
	for (; i > 1 && (last_turn || bytes <= aim); i--) {
		const json_t *m = json_array_get(t->messages, i - 1);
		int64_t one = bytes_with_stub(t, m);
		if (!last_turn && bytes + one > aim)
			break;
		bytes += one;
		if (is_role(m, "assistant")) {
			last_turn = false;
			turn_at = i - 1;
		}
	}
	c.drop_to = i > 1 ? turn_at : 1;
	c.stub_to = MAX(c.stub_to, c.drop_to);
	for (size_t k = c.drop_to; k < c.stub_to; k++) {
		AUTO(freep) char *stub = stub_if_shorter(t, json_array_get(t->messages, k));
		c.stubbed += stub != NULL;
	}
	int64_t gone = t->context.summary != NULL ? (int64_t)strlen(t->context.summary) : 0;
	for (size_t k = 1; k < c.drop_to; k++)
		gone += message_bytes(json_array_get(t->messages, k)) / 2;
	/* Never more words about what went than half of what went. */
	int64_t most = MIN(MIN(MAX(aim / 8, 512), gone), (int64_t)LIMIT_COMPACT_LINES_BYTES);
	c.lines = lines_of(t, c.drop_to, (size_t)most);
	AUTO(freep) char *opening = opening_of(t, c.lines);
	c.bytes_after = MESSAGE_BYTES + (int64_t)strlen(opening);
	for (size_t k = c.drop_to; k < count; k++) {
		const json_t *m = json_array_get(t->messages, k);
		c.bytes_after += k < c.stub_to ? bytes_with_stub(t, m) : message_bytes(m);
	}
	c.dropped = c.drop_to - 1;
	c.kept = count - c.dropped;
	return c;
}

void compaction_done(struct compaction *c)
{
	free(c->lines);
	c->lines = NULL;
}

int compact_apply(struct task *t, size_t drop_to, size_t stub_to, const char *lines, struct err *err)
{
	size_t count = json_array_size(t->messages);
	int64_t before = MAX(t->context.bytes, 1);

	if (count == 0 || drop_to < 1 || drop_to > count || stub_to < drop_to || stub_to > count ||
	    (drop_to > 1 && drop_to < count && !is_role(json_array_get(t->messages, drop_to), "assistant")))
		return err_set(err, EINVAL, "a conversation of %zu messages cannot be cut at %zu and %zu", count, drop_to, stub_to);
	for (size_t i = drop_to; i < stub_to; i++) {
		json_t *m = json_array_get(t->messages, i);
		AUTO(freep) char *stub = stub_if_shorter(t, m);
		if (stub != NULL)
			json_put_text(m, "text", stub);
	}
	free(t->context.summary);
	t->context.summary = xstrdup(lines);
	AUTO(freep) char *opening = opening_of(t, lines);
	json_put_text(json_array_get(t->messages, 0), "text", opening);
	json_t *kept = json_array();
	json_array_append(kept, json_array_get(t->messages, 0));
	for (size_t i = drop_to; i < count; i++)
		json_array_append(kept, json_array_get(t->messages, i));
	json_decref(t->messages);
	t->messages = kept;

	t->context.bytes = 0;
	for (size_t i = 0; i < json_array_size(kept); i++)
		t->context.bytes += message_bytes(json_array_get(kept, i));
	t->context.compacted_bytes = t->context.bytes;
	/* What the provider counted shrinks in proportion, until it counts again. */
	t->context.reported_tokens = (int64_t)((double)t->context.reported_tokens * (double)t->context.bytes / (double)before);
	t->context.reported_bytes = (int64_t)((double)t->context.reported_bytes * (double)t->context.bytes / (double)before);
	return 0;
}
