/* retries.c - lines about what was tried again, and with which model. It reads events and decides nothing. */
#include "cli/retries.h"

#include <stdio.h>

#include "cli/print.h"

#include "base/banned.h"

bool retries_concern(const struct event *e)
{
	return e->type == EVENT_RETRY_SCHEDULED || e->type == EVENT_MODEL_SWITCHED;
}

void retries_note(json_t *target, const struct event *e)
{
	static const char *const keys[] = { "class", "reason", "delay_ms", "attempt", "attempts", "to" };
	char time[CLOCK_TEXT_BYTES];
	json_t *one = json_object();

	json_put_text(one, "time", clock_format(e->time_us, time));
	for (size_t i = 0; i < COUNT(keys); i++)
		if (json_object_get(e->data, keys[i]) != NULL)
			json_put(one, keys[i], json_incref(json_object_get(e->data, keys[i])));
	if (json_object_get(target, "retries") == NULL)
		json_put(target, "retries", json_array());
	json_array_append_new(json_object_get(target, "retries"), one);
}

void retries_print(const json_t *target, const char *indent)
{
	char span[32];
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(target, "retries"), i, one) {
		const char *to = json_get_text(one, "to", NULL);
		fputs(indent, stdout);
		if (to != NULL) {
			fputs("asked of ", stdout);
			print_line(to, 60);
		} else {
			printf("again after %s", clock_span(json_get_int(one, "delay_ms", 0), span, sizeof span));
		}
		fputs(": ", stdout);
		print_line(json_get_text(one, "reason", ""), 120);
		putchar('\n');
	}
}
