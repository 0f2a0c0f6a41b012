/* shared.c - what many tasks have in common is kept once: thousands that wait have the same tools, rights and limits. A value that
 * was given away here is never changed by anybody; it is remembered by the engine, and counted by its users. */
#include "engine/shared.h"

#include "base/banned.h"

json_t *shared_value(struct shared_values *shared, json_t *owned)
{
	for (size_t i = 0; i < COUNT(shared->value); i++)
		if (shared->value[i] != NULL && json_equal(shared->value[i], owned)) {
			json_decref(owned);
			return json_incref(shared->value[i]);
		}
	json_t **place = &shared->value[shared->next++ % COUNT(shared->value)];
	json_decref(*place);
	*place = json_incref(owned);
	return owned;
}

static void share_field(struct shared_values *shared, json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (value != NULL)
		json_put(object, name, shared_value(shared, json_incref(value)));
}

void shared_opening(struct shared_values *shared, json_t *data)
{
	static const char *const fields[] = { "tools", "limits", "policies", "config" };

	share_field(shared, json_object_get(data, "config"), "rights");
	for (size_t i = 0; i < COUNT(fields); i++)
		share_field(shared, data, fields[i]);
}

void shared_forget(struct shared_values *shared)
{
	for (size_t i = 0; i < COUNT(shared->value); i++)
		json_decref(TAKE(shared->value[i]));
}
