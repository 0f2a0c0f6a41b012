/* taint.c - the labels of a task, read from its events: for the views, which have no column for them. */
#include "cli/common.h"

#include <stdio.h>

#include "cli/print.h"
#include "core/task.h"

#include "base/banned.h"

static bool take(void *userdata, const struct event_row *row)
{
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	task_taint_event(userdata, &e);
	event_done(&e);
	return true;
}

int cli_taint(struct store *store, const char *task, json_t **ret, struct err *err)
{
	static const char *const types[] = { "task.created", "call.finished", "task.reported", "net." };
	AUTO(task_freep) struct task *t = task_new();
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(types); i++)
		r = store_events(store, &(struct event_filter){ .task = task, .type = types[i] }, take, t, err);
	if (r == 0)
		*ret = task_taint_json(t);
	return r;
}

void print_taint(const json_t *labels)
{
	for (size_t i = 0; i < json_array_size(labels); i++) {
		fputs(i > 0 ? ", " : "", stdout);
		print_line(json_string_value(json_array_get(labels, i)), 32);
	}
}
