/* serve_recover.c - the service looks, at its start and then now and then, for tasks whose engine is gone. */
#include "cli/serve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/recover.h"
#include "store/tokens.h"

#include "base/banned.h"

struct recovery {
	struct serve *serve;
	struct watch *timer;
	bool parked_too;               /* at the start: what the service before parked when it ended */
	int64_t words_seen;            /* of serve_wake.c */
};

static void keep(void *userdata, const char *task)
{
	json_array_append_new(userdata, json_string(task));
}

/* Nobody runs it: not this engine, and none that lives. */
static bool is_left(const struct recovery *r, const char *task)
{
	struct task_row row;

	if (engine_has(r->serve->s.engine, task) || store_task_get(r->serve->s.store, task, &row, NULL) < 0)
		return false;
	bool left = row.state == TASK_PARKED || !row.alive || row.holder_pid == (int)getpid();
	task_row_done(&row);
	return left;
}

static void take_over(struct recovery *r, enum task_state state, int *room)
{
	struct store *store = r->serve->s.store;
	AUTO(json_decrefp) json_t *tasks = json_array();
	struct err err = ERR_NONE;

	if (store_tasks_left(store, state, keep, tasks, &err) < 0)
		return; /* it is looked for again */
	for (size_t i = 0; i < json_array_size(tasks) && *room > 0; i++) {
		const char *task = json_string_value(json_array_get(tasks, i));
		if (!is_left(r, task) || (state == TASK_PARKED && !recover_wanted(store, task)))
			continue;
		--*room;
		int e = engine_recover(r->serve->s.engine, task, &err);
		if (e < 0 && e != -EBUSY)
			fprintf(stderr, "mishri: task %s cannot go on yet: %s\n", task, err.text);
		else if (e == 0)
			fprintf(stderr, "mishri: task %s was left by an engine that is gone; taken over\n", task);
	}
}

static void on_timer(void *userdata)
{
	struct recovery *r = userdata;
	int room = LIMIT_RECOVER_AT_ONCE;

	if (engine_draining(r->serve->s.engine))
		return;
	if (r->parked_too)
		take_over(r, TASK_PARKED, &room);
	if (room > 0)
		r->parked_too = false; /* what is parked from now on, others parked */
	take_over(r, TASK_RUNNING, &room);
	serve_wake_look(r->serve, &r->words_seen);
	serve_wake_late(r->serve);
	watch_arm(r->timer, LIMIT_RECOVER_LOOK_MS);
}

static void on_word(void *userdata)
{
	struct serve *serve = userdata;

	if (serve->recovery != NULL && !engine_draining(serve->s.engine))
		serve_wake_look(serve, &((struct recovery *)serve->recovery)->words_seen);
}

void serve_recover_hooks(struct serve *serve)
{
	serve->s.on_word = on_word;
}

int serve_recover_open(struct serve *serve, void **ret, struct err *err)
{
	struct recovery *r = xcalloc(1, sizeof *r);

	(void)err;
	r->serve = serve;
	r->parked_too = true;
	r->timer = watch_timer(serve->s.loop, on_timer, r);
	watch_arm(r->timer, 0);
	serve->recovery = r;
	*ret = r;
	return 0;
}

void serve_recover_close(struct serve *serve, void *part)
{
	struct recovery *r = part;

	serve->recovery = NULL;
	watch_free(r->timer);
	free(r);
}
