/* taint.c - what a call's result says about where it came from: labels for call.finished. The tool's row names those that
 * every result of it has; `secret` comes with a secret that the sanitiser found, also in what the model is not shown. */
#include "engine/run.h"

#include "base/banned.h"

static void add(json_t *labels, struct str label)
{
	size_t i;
	json_t *is;

	json_array_foreach(labels, i, is)
		if (str_eq(str_of(json_string_value(is)), label))
			return;
	json_array_append_new(labels, json_of_str(label));
}

void taint_put(json_t *fields, const struct tool *tool, const struct findings *found, bool kept_secret)
{
	AUTO(json_decrefp) json_t *labels = json_array();
	json_t *redactions = findings_redactions(found);
	struct str label;

	if (redactions != NULL)
		json_put(fields, "redactions", redactions);
	for (struct str rest = str_of(tool != NULL ? tool->taints : NULL); str_next(&rest, ' ', &label);)
		if (label.len > 0)
			add(labels, label);
	if (redactions != NULL || kept_secret)
		add(labels, STR("secret"));
	if (json_array_size(labels) > 0)
		json_put(fields, "taint", json_incref(labels));
}
