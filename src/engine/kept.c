/* kept.c - long outputs. The model gets head and tail of what a call printed; the rest is in the record, so that it survives
 * the engine, and read_output shows it. What is kept is bounded: per call, and for the task as a whole. */
#include "engine/run.h"

#include <string.h>

#include "base/banned.h"

static const char *why_not(const struct run *run, const struct buf *all)
{
	if (run->task->kept_bytes + (int64_t)all->len > (int64_t)LIMIT_KEPT_OUTPUTS_BYTES)
		return "this task has kept as much output as it may";
	return NULL;
}

/* Keeps the whole output where `shown` leaves some out, and says first in `text` how to read it. */
bool kept_write(struct run *run, const char *call, const struct output *whole, const struct output *shown, struct buf *text)
{
	struct buf all = BUF_INIT(LIMIT_KEPT_OUTPUTS_BYTES);
	struct findings found;

	if (!output_cut(shown))
		return false;
	output_render_found(whole, &all, &found);
	const char *why = why_not(run, &all);
	if (why != NULL) {
		buf_printf(text, "[head and tail; what is left out is not kept: %s]\n", why);
	} else {
		json_t *data = json_pack("{s:s, s:I}", "call", call, "size", (json_int_t)all.len);
		json_put_str(data, "text", buf_str(&all));
		run_emit(run, EVENT_OUTPUT_KEPT, "call", call, data);
		buf_printf(text, "[head and tail; read_output with call \"%s\" shows the rest]\n", call);
	}
	buf_done(&all);
	return found.redacted > 0;
}

/* ---- read_output ------------------------------------------------------------------------------------ */

struct lookup {
	const char *call, *field;
	int64_t seq;                   /* of the event; 0: not found yet */
	char *text;                    /* its field, on the second look */
};

static bool find_seq(void *userdata, const struct event_row *row)
{
	struct lookup *l = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	if (strcmp(json_get_text(e.data, "call", ""), l->call) == 0)
		l->seq = row->seq;
	event_done(&e);
	return l->seq == 0;
}

static bool take_text(void *userdata, const struct event_row *row)
{
	struct lookup *l = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return false;
	l->text = xstrdup(json_get_text(e.data, l->field, ""));
	event_done(&e);
	return false;
}

/* First without long texts, to find the event; then that one with its text. */
static int look_up(const struct run *run, const char *type, struct lookup *l, struct err *err)
{
	struct event_filter filter = { .task = run->task->id, .type = type };

	l->seq = 0;
	int r = store_events(run->engine->setup.store, &filter, find_seq, l, err);
	if (r < 0 || l->seq == 0)
		return r;
	filter.after_seq = l->seq - 1;
	filter.limit = 1;
	filter.with_content = true;
	return store_events(run->engine->setup.store, &filter, take_text, l, err);
}

static bool inside_character(struct str text, size_t at)
{
	return at > 0 && at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80;
}

static void show_part(struct run *run, const struct call *c, struct str all)
{
	size_t most = MIN((size_t)run->task->limits.output_bytes, LIMIT_READ_OUTPUT_BYTES);
	size_t from = (size_t)json_get_int(c->args, "offset", 0);
	size_t length = MIN((size_t)json_get_int(c->args, "length", (int64_t)most), most), to;
	struct buf text = BUF_INIT(LIMIT_EVENT_BYTES);
	const char *call = json_get_text(c->args, "call", "");

	if (from > 0 && from >= all.len) {
		AUTO(freep) char *why = xasprintf("The output of %s has %zu bytes: offset must be below that.", call, all.len);
		call_close(run, (struct call *)c, "error", why);
		return;
	}
	while (inside_character(all, from))
		from--;
	for (to = MIN(from + length, all.len); to > from + 1 && inside_character(all, to);)
		to--;
	buf_printf(&text, "output of %s: bytes %zu to %zu of %zu", call, from, to, all.len);
	if (to < all.len)
		buf_printf(&text, "; read on with offset %zu", to);
	buf_add_char(&text, '\n');
	buf_add(&text, all.ptr + from, to - from);
	call_close(run, (struct call *)c, "ok", buf_text(&text));
	buf_done(&text);
}

void kept_read(struct run *run, const struct call *c)
{
	struct lookup l = { .call = json_get_text(c->args, "call", ""), .field = "text" };
	struct err err = ERR_NONE;

	int r = look_up(run, "output.kept", &l, &err);
	l.field = "output";
	if (r == 0 && l.text == NULL)
		r = look_up(run, "call.finished", &l, &err);
	if (r == 0 && l.text == NULL)
		err_set(&err, ENOENT, "this task has no call %s that has ended; ids are TURN.NUMBER, from 1.1", l.call);
	if (l.text == NULL)
		call_close(run, (struct call *)c, "error", err.text);
	else
		show_part(run, c, str_of(l.text));
	free(l.text);
}
