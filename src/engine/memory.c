/* memory.c - the tool `memory`: notes in the store, each for the user of the task and nobody else. A note carries the taints that
 * its task had when it wrote; who reads it has them too. It refuses nothing of its own: schema and plan have been here. */
#include "engine/run.h"

#include "store/memory.h"

#include <string.h>

#include "base/banned.h"

struct shown {
	struct buf text;
	json_t *taints;
	size_t count;
};

static void add_taint(json_t *taints, struct str name)
{
	size_t i;
	json_t *one;

	json_array_foreach(taints, i, one)
		if (str_eq(str_of(json_string_value(one)), name))
			return;
	if (name.len > 0)
		json_array_append_new(taints, json_of_str(name));
}

static bool show(void *userdata, const struct note *note)
{
	struct shown *s = userdata;
	char time[CLOCK_TEXT_BYTES];
	struct str rest = str_of(note->taints), name;

	/* Only as much as fits; a note is never cut. */
	if (s->text.len + strlen(note->text) + 256 > LIMIT_READ_OUTPUT_BYTES) {
		buf_add_text(&s->text, "[more notes do not fit into one answer; search for fewer]\n");
		return false;
	}
	buf_printf(&s->text, "note %lld, %.10s%s%s%s\n%s\n\n", (long long)note->id, clock_format(note->time_us, time),
	           note->tags[0] != '\0' ? ", tags " : "", note->tags,
	           note->taints[0] != '\0' ? ", written by a task that had read untrusted things" : "", note->text);
	while (str_next(&rest, ' ', &name))
		add_taint(s->taints, name);
	if (note->taints[0] != '\0') /* whatever its label, its text may be somebody else's */
		add_taint(s->taints, STR("untrusted"));
	s->count++;
	return true;
}

static void join(const json_t *words, struct buf *ret)
{
	size_t i;
	json_t *word;

	json_array_foreach(words, i, word)
		buf_printf(ret, "%s%s", i > 0 ? " " : "", json_string_value(word));
}

static void finish(struct run *run, const struct call *c, const char *status, const char *text, json_t *owned_taints)
{
	json_t *counts = call_counts((int64_t)strlen(text), 0, 0, 0);

	if (json_array_size(owned_taints) > 0)
		json_put(counts, "taint", json_incref(owned_taints));
	json_decref(owned_taints);
	call_finish(run, c->id, status, -1, str_of(text), counts);
}

static void write_note(struct run *run, const struct call *c)
{
	const struct task *t = run->task;
	AUTO(buf_done) struct buf tags = BUF_INIT(KIB(4)), taints = BUF_INIT(KIB(4)), clean = BUF_INIT(LIMIT_NOTE_BYTES * 8);
	AUTO(freep) char *key = xasprintf("%s/%s", t->id, c->id);
	struct err err = ERR_NONE;
	int64_t id = 0;

	AUTO(json_decrefp) json_t *labels = task_taint_json(t);
	join(json_object_get(c->args, "tags"), &tags);
	join(labels, &taints);
	sanitize_text(str_of(json_get_text(c->args, "text", "")), &clean);
	struct note note = {
		.time_us = clock_wall_us(), .task = t->id, .text = buf_text(&clean), .tags = buf_text(&tags), .taints = buf_text(&taints),
	};
	int r = memory_write(run->engine->setup.store, t->user, key, &note, &id, &err);
	AUTO(freep) char *said = r == 0 ? xasprintf("Noted as note %lld.", (long long)id) : xasprintf("Not noted: %s", err.text);
	finish(run, c, r == 0 ? "ok" : "error", said, NULL);
}

static void find_notes(struct run *run, const struct call *c, const char *words)
{
	struct shown s = { .text = BUF_INIT(LIMIT_EVENT_BYTES / 2), .taints = json_array() };
	struct err err = ERR_NONE;

	int r = memory_find(run->engine->setup.store, run->task->user, words, (int)json_get_int(c->args, "limit", 20), show, &s, &err);
	if (r == 0 && s.count == 0)
		buf_add_text(&s.text, words != NULL ? "No note has all of these words." : "There are no notes.");
	finish(run, c, r == 0 ? "ok" : "error", r == 0 ? buf_text(&s.text) : err.text, s.taints);
	buf_done(&s.text);
}

/* It may run again after a crash: gone is gone. */
static void delete_note(struct run *run, const struct call *c)
{
	int64_t id = json_get_int(c->args, "id", 0);
	struct err err = ERR_NONE;

	int r = memory_delete(run->engine->setup.store, run->task->user, id, &err);
	AUTO(freep) char *said = r == 0 ? xasprintf("Note %lld is deleted.", (long long)id) :
		r == -ENOENT ? xasprintf("Note %lld is not there, or not any more.", (long long)id) : xstrdup(err.text);
	finish(run, c, r == 0 || r == -ENOENT ? "ok" : "error", said, NULL);
}

void memory_act(struct run *run, const struct call *c)
{
	const char *action = json_get_text(c->args, "action", "");

	if (strcmp(action, "write") == 0)
		write_note(run, c);
	else if (strcmp(action, "delete") == 0)
		delete_note(run, c);
	else
		find_notes(run, c, strcmp(action, "search") == 0 ? json_get_text(c->args, "query", "") : NULL);
}
