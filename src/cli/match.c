/* match.c - is this an event that was asked for? It refuses filters that can never fit, with what would be right. */
#include "cli/match.h"

#include <string.h>

#include "base/clock.h"
#include "core/event.h"

#include "base/banned.h"

/* What a decision or an answer can be. */
static const char *const effects[] = { "allow", "ask", "deny", "edit", "expired", "lapsed", "withdrawn" };

static int check_type(const char *type)
{
	const char *names[EVENT_TYPES];
	size_t len = strlen(type);

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		names[i] = event_name((enum event_type)i);
		if (strcmp(names[i], type) == 0 || (len > 1 && type[len - 1] == '.' && strncmp(names[i], type, len) == 0))
			return 0;
	}
	const char *near = name_nearest(names, EVENT_TYPES, type);
	return near != NULL ? complain(EXIT_USAGE, "events: there is no type '%s': did you mean '%s'?", type, near)
	                    : complain(EXIT_USAGE, "events: there is no type '%s'; `mishri events --schema` lists them, and "
	                               "'call.' is all that begin so", type);
}

int match_read(const struct options *o, struct match *ret)
{
	struct match m = {
		.type = option_text(o, "--type", NULL), .user = option_text(o, "--user", NULL),
		.tool = option_text(o, "--tool", NULL), .effect = option_text(o, "--effect", NULL),
	};
	int code = m.type != NULL ? check_type(m.type) : 0;

	if (code != 0)
		return code;
	if (m.effect != NULL && name_find(effects, COUNT(effects), m.effect) < 0)
		return complain(EXIT_USAGE, "events: --effect is one of allow, ask, deny, edit, expired, lapsed, withdrawn");
	if (option_since_us(o, "--since", &m.since_us) < 0 || option_since_us(o, "--until", &m.until_us) < 0)
		return EXIT_USAGE;
	if (m.until_us > 0 && m.since_us >= m.until_us)
		return complain(EXIT_USAGE, "events: --until is not after --since: no time is between them");
	if (m.until_us > 0 && option_given(o, "--follow"))
		return complain(EXIT_USAGE, "events: --until looks back, --follow forwards: give one of them");
	if (m.tool != NULL)
		m.calls = json_object();
	*ret = m;
	return 0;
}

void match_done(struct match *m)
{
	json_decref(TAKE(m->calls));
}

/* Of the tool itself, or of a call of it: program starts, connections, answers. */
static bool is_of_tool(struct match *m, const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	const char *tool = json_get_text(data, "tool", NULL), *call = json_get_text(data, "call", "");
	AUTO(freep) char *key = xasprintf("%s %s", json_get_text(event, "task", ""), call);

	if (tool != NULL && strcmp(tool, m->tool) == 0) {
		json_put_bool(m->calls, key, true);
		return true;
	}
	return tool == NULL && call[0] != '\0' && json_object_get(m->calls, key) != NULL;
}

static int64_t time_of(const json_t *event)
{
	int64_t time_us;

	return clock_parse(json_get_text(event, "time", ""), &time_us) == 0 ? time_us : 0;
}

bool match_event(struct match *m, const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	bool of_tool = m->tool == NULL || is_of_tool(m, event); /* always asked: it learns */

	if (!of_tool || (m->user != NULL && strcmp(json_get_text(event, "user", ""), m->user) != 0))
		return false;
	if (m->effect != NULL && strcmp(json_get_text(data, "effect", json_get_text(data, "answer", "")), m->effect) != 0)
		return false;
	if (m->since_us == 0 && m->until_us == 0)
		return true;
	int64_t at_us = time_of(event);
	return at_us >= m->since_us && (m->until_us == 0 || at_us < m->until_us);
}

bool match_over(const struct match *m, const json_t *event)
{
	return m->until_us > 0 && time_of(event) > m->until_us + LIMIT_CLOCK_STEP_US;
}
