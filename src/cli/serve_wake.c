/* serve_wake.c - tasks that rest, and of which a person has said what lets them go on: `resume`, or the answer, or the word, that
 * they rest for. It takes nothing that a living engine holds, and what a person let rest, it leaves until a person says. */
#include "cli/serve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/recover.h"

#include "base/banned.h"

/* Which word lets a task go on that was parked for which reason. */
static const struct { const char *kind, *reason; } rows[] = {
	{ "resume", NULL },            /* any; also one that is paused, and whose engine is gone */
	{ "answer", "waiting" },
	{ "approval", "waiting" },
	{ "steer", "loop" },
};

static bool lets_go_on(struct store *store, const struct inbox_note *note)
{
	char reason[24];

	if (recover_rests(store, note->root))
		return true;
	recover_reason(store, note->task, reason);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].kind, note->kind) == 0 && (rows[i].reason == NULL || strcmp(rows[i].reason, reason) == 0))
			return true;
	return false;
}

enum rest { RESTS, RUNS, OVER };

static enum rest look_at(const struct serve *serve, const char *root)
{
	AUTO(task_row_done) struct task_row row = { 0 };

	if (engine_has(serve->s.engine, root))
		return RUNS;
	if (store_task_get(serve->s.store, root, &row, NULL) < 0 || row.ended_us != 0)
		return OVER;
	if (row.state == TASK_PARKED)
		return RESTS;
	bool held = row.alive && row.holder_pid != (int)getpid();
	return row.state == TASK_PAUSED && !held ? RESTS : RUNS;
}

int serve_wake(struct serve *serve, const char *root, struct err *err)
{
	if (engine_draining(serve->s.engine))
		return err_set(err, ESHUTDOWN, "the service is ending");
	if (look_at(serve, root) != RESTS)
		return 0;
	int r = engine_wake(serve->s.engine, root, err);
	if (r == 0)
		fprintf(stderr, "mishri: task %s goes on: a person said so\n", root);
	return r;
}

/* ---- words that were said elsewhere ---- */

struct news { struct inbox_note *notes; size_t count; };

static void keep(void *userdata, const struct inbox_note *note)
{
	struct news *news = userdata;

	if (news->count % 64 == 0)
		news->notes = xrealloc(news->notes, (news->count + 64) * sizeof *news->notes);
	news->notes[news->count++] = *note;
}

/* False: who holds the task may still take the word. */
static bool settle(struct serve *serve, const struct inbox_note *note)
{
	struct err err = ERR_NONE;
	enum rest rest = look_at(serve, note->root);

	if (rest == RESTS && lets_go_on(serve->s.store, note) && serve_wake(serve, note->root, &err) < 0 && err.code != EBUSY)
		fprintf(stderr, "mishri: task %s cannot go on here: %s\n", note->root, err.text);
	return rest != RUNS;
}

static void keep_root(void *userdata, const char *root)
{
	json_array_append_new(userdata, json_string(root));
}

void serve_wake_late(struct serve *serve)
{
	AUTO(json_decrefp) json_t *roots = json_array();
	struct err err = ERR_NONE;

	if (store_approvals_late(serve->s.store, clock_wall_us(), keep_root, roots, &err) < 0)
		return; /* it is looked for again */
	for (size_t i = 0; i < json_array_size(roots); i++) {
		const char *root = json_string_value(json_array_get(roots, i));
		if (look_at(serve, root) != RESTS || !recover_rests(serve->s.store, root))
			continue;
		int r = engine_wake(serve->s.engine, root, &err);
		if (r < 0 && r != -EBUSY)
			fprintf(stderr, "mishri: task %s cannot go on here: %s\n", root, err.text);
	}
}

void serve_wake_look(struct serve *serve, int64_t *seen)
{
	struct news news = { 0 };
	bool all = true;

	if (store_inbox_news(serve->s.store, *seen, keep, &news, NULL) < 0)
		news.count = 0; /* it is looked for again */
	for (size_t i = 0; i < news.count; i++) {
		all &= settle(serve, &news.notes[i]);
		if (all)
			*seen = news.notes[i].id;
	}
	free(news.notes);
}
