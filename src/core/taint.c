/* taint.c - labels that stay on a task: what it has read. A label comes with an event and never goes; a task that is delegated
 * begins with those of the one above, which gets those of the one below with its report. Policy reads them (`when: {taint: }`). */
#include "core/task.h"

#include <string.h>

#include "base/banned.h"

bool task_has_taint(const struct task *t, const char *label)
{
	for (size_t i = 0; i < t->taint_count; i++)
		if (strcmp(t->taints[i], label) == 0)
			return true;
	return false;
}

void task_taint(struct task *t, const json_t *labels)
{
	size_t i;
	json_t *one;

	json_array_foreach(labels, i, one) {
		const char *label = json_string_value(one);
		if (label != NULL && !task_has_taint(t, label) && t->taint_count < LIMIT_TASK_TAINTS)
			t->taints[t->taint_count++] = xstrdup(label);
	}
}

void task_taint_event(struct task *t, const struct event *e)
{
	task_taint(t, json_object_get(e->data, "taint"));
	if (e->type == EVENT_NET_DECIDED && strcmp(json_get_text(e->data, "effect", ""), "allow") == 0) {
		AUTO(json_decrefp) json_t *labels = json_pack("[s, s]", "network", "untrusted");
		task_taint(t, labels); /* before the first byte came: what it brings is somebody else's */
	}
}

json_t *task_taint_json(const struct task *t)
{
	json_t *all = json_array();

	for (size_t i = 0; i < t->taint_count; i++)
		json_array_append_new(all, json_string(t->taints[i]));
	return all;
}
