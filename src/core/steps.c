/* steps.c - the steps of a master's plan: are they well formed, and may one begin. The order in which
 * they are carried out is the master's; here is only said what cannot be. */
#include "core/task.h"

#include <string.h>

#include "base/banned.h"

static const char *const states[] = { "pending", "running", "done", "failed", "skipped" };

static const json_t *step_find(const json_t *steps, const char *id)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i);
		if (strcmp(json_get_text(step, "id", ""), id) == 0)
			return step;
	}
	return NULL;
}

json_t *steps_find(const struct task *t, const char *id)
{
	return (json_t *)step_find(t->plan, id);
}

static int check_step(const json_t *steps, size_t at, struct err *err)
{
	const json_t *step = json_array_get(steps, at), *after = json_object_get(step, "after");
	const char *id = json_get_text(step, "id", "");

	if (id[0] == '\0' || strlen(id) > LIMIT_PLAN_ID_BYTES)
		return err_set(err, EINVAL, "step %zu: 'id' must be a text of 1 to %d bytes", at + 1, LIMIT_PLAN_ID_BYTES);
	if (step_find(steps, id) != step)
		return err_set(err, EINVAL, "two steps have the id '%s'", id);
	if (name_find(states, COUNT(states), json_get_text(step, "state", "pending")) < 0)
		return err_set(err, EINVAL, "step '%s': 'state' must be pending, running, done, failed or skipped", id);
	for (size_t i = 0; i < json_array_size(after); i++) {
		const char *before = json_string_value(json_array_get(after, i));
		if (before == NULL || step_find(steps, before) == NULL)
			return err_set(err, EINVAL, "step '%s': 'after' names '%s', which is no step", id, before != NULL ? before : "?");
	}
	return 0;
}

/* Takes away, again and again, the steps that wait for nothing that is left; what stays is a circle. */
static int check_circles(const json_t *steps, struct err *err)
{
	size_t count = json_array_size(steps), gone_count = 0;
	AUTO(freep) bool *gone = xcalloc(count, sizeof *gone);

	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			const json_t *after = json_object_get(json_array_get(steps, i), "after");
			bool free_now = !gone[i];
			for (size_t k = 0; k < json_array_size(after) && free_now; k++) {
				const json_t *before = step_find(steps, json_string_value(json_array_get(after, k)));
				for (size_t j = 0; j < count; j++)
					if (json_array_get(steps, j) == before)
						free_now = gone[j];
			}
			if (free_now) {
				gone[i] = more = true;
				gone_count++;
			}
		}
	}
	for (size_t i = 0; i < count && gone_count < count; i++)
		if (!gone[i])
			return err_set(err, EINVAL, "step '%s' waits for itself, by way of its 'after'",
			               json_get_text(json_array_get(steps, i), "id", ""));
	return 0;
}

int steps_check(const json_t *steps, struct err *err)
{
	size_t count = json_array_size(steps);

	if (count == 0 || count > LIMIT_PLAN_STEPS)
		return err_set(err, EINVAL, "a plan has 1 to %d steps", LIMIT_PLAN_STEPS);
	for (size_t i = 0; i < count; i++) {
		int r = check_step(steps, i, err);
		if (r < 0)
			return r;
	}
	return check_circles(steps, err);
}

int steps_may_begin(const struct task *t, const char *id, struct err *err)
{
	const json_t *step = steps_find(t, id), *after = json_object_get(step, "after");

	if (step == NULL)
		return err_set(err, EINVAL, "the plan has no step '%s'; write it into the plan first", id);
	const char *state = json_get_text(step, "state", "pending");
	if (strcmp(state, "running") == 0 || strcmp(state, "done") == 0)
		return err_set(err, EINVAL, "step '%s' is %s already", id, state);
	for (size_t i = 0; i < json_array_size(after); i++) {
		const char *before = json_string_value(json_array_get(after, i));
		const char *is = json_get_text(steps_find(t, before), "state", "pending");
		if (strcmp(is, "done") != 0 && strcmp(is, "skipped") != 0)
			return err_set(err, EINVAL, "step '%s' waits for step '%s', which is %s", id, before, is);
	}
	return 0;
}
