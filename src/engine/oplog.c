/* oplog.c - events as lines for operators. A row names the fields that are written: ids, names, numbers and reasons,
 * never content. Of what is in no row the type, and the call where there is one, are written at level debug. */
#include "engine/oplog.h"

#include "engine/secrets.h"
#include "tools/redact.h"

#include "base/banned.h"

static const struct {
	enum event_type type;
	enum log_level level;
	const char *fields[6];
} rows[] = {
	{ EVENT_ENGINE_STARTED, LEVEL_INFO, { "engine", "pid", "version" } },
	{ EVENT_ENGINE_DRAINING, LEVEL_INFO, { "engine", "signal" } },
	{ EVENT_ENGINE_STOPPED, LEVEL_INFO, { "engine", "reason" } },
	{ EVENT_POLICY_LOADED, LEVEL_INFO, { "policy", "rules" } },
	{ EVENT_POLICY_REFUSED, LEVEL_ERROR, { "policy", "message" } },
	{ EVENT_TASK_CREATED, LEVEL_INFO, { "agent", "role", "model", "channel" } },
	{ EVENT_TASK_RESUMED, LEVEL_INFO, { "engine", "reason", "generation" } },
	{ EVENT_TASK_PARKED, LEVEL_INFO, { "reason" } },
	{ EVENT_TASK_CANCELLED, LEVEL_WARNING, { "by" } },
	{ EVENT_TASK_PAUSED, LEVEL_INFO, { "by", "now" } },
	{ EVENT_TASK_CONTINUED, LEVEL_INFO, { "by" } },
	{ EVENT_TASK_STEERED, LEVEL_INFO, { "by", "now", "replan" } },
	{ EVENT_TASK_PRIORITIZED, LEVEL_INFO, { "by", "priority" } },
	{ EVENT_TASK_FORKED, LEVEL_INFO, { "from", "event" } },
	{ EVENT_CONTROL_REFUSED, LEVEL_WARNING, { "command", "by", "reason" } },
	{ EVENT_TASK_FINISHED, LEVEL_INFO, { "state", "exit" } },
	{ EVENT_SLOT_WAITING, LEVEL_INFO, { "scope", "name", "running", "limit" } },
	{ EVENT_DEADLOCK_DETECTED, LEVEL_WARNING, { "cycle", "call" } },
	{ EVENT_LOOP_DETECTED, LEVEL_WARNING, { "kind", "level", "length", "count" } },
	{ EVENT_MODEL_REQUESTED, LEVEL_DEBUG, { "turn", "provider", "model", "messages" } },
	{ EVENT_MODEL_REPLIED, LEVEL_DEBUG, { "turn", "finish", "calls", "ms", "usd_nanos" } },
	{ EVENT_MODEL_FAILED, LEVEL_WARNING, { "turn", "class", "status", "message", "ms" } },
	{ EVENT_RETRY_SCHEDULED, LEVEL_WARNING, { "turn", "delay_ms", "class", "reason" } },
	{ EVENT_CALL_DECIDED, LEVEL_DEBUG, { "call", "tool", "effect", "rule", "by" } },
	{ EVENT_APPROVAL_REQUESTED, LEVEL_INFO, { "approval", "call", "kind", "rule" } },
	{ EVENT_APPROVAL_DECIDED, LEVEL_INFO, { "approval", "call", "answer", "by" } },
	{ EVENT_GRANT_MADE, LEVEL_INFO, { "grant", "scope" } },
	{ EVENT_GRANT_REVOKED, LEVEL_INFO, { "grant", "by" } },
	{ EVENT_TOKEN_USED, LEVEL_INFO, { "token", "name", "user", "state" } },
	{ EVENT_LIMIT_REACHED, LEVEL_WARNING, { "limit", "over", "call" } },
	{ EVENT_BUDGET_WARNED, LEVEL_WARNING, { "budget", "percent", "unit" } },
	{ EVENT_BUDGET_EXCEEDED, LEVEL_WARNING, { "budget", "over", "call" } },
	{ EVENT_BUDGET_RAISED, LEVEL_INFO, { "budget", "unit", "amount", "by" } },
	{ EVENT_CALL_STARTED, LEVEL_DEBUG, { "call", "tool", "nature" } },
	{ EVENT_CALL_KILLED, LEVEL_WARNING, { "call", "reason" } },
	{ EVENT_RESOURCE_EXCEEDED, LEVEL_WARNING, { "call", "status" } },
	{ EVENT_CALL_FINISHED, LEVEL_DEBUG, { "call", "tool", "status", "exit", "ms" } },
	{ EVENT_EXEC_DECIDED, LEVEL_DEBUG, { "call", "program", "effect", "rule" } },
	{ EVENT_NET_DECIDED, LEVEL_DEBUG, { "call", "host", "port", "effect", "rule" } },
	{ EVENT_CELL_OPENED, LEVEL_DEBUG, { "cell", "level", "ms" } },
	{ EVENT_CELL_CLOSED, LEVEL_DEBUG, { "cell", "reason" } },
	{ EVENT_FILES_VIOLATED, LEVEL_WARNING, { "cell" } },
	{ EVENT_SCHEDULE_ADDED, LEVEL_INFO, { "name", "by" } },
	{ EVENT_SCHEDULE_CHANGED, LEVEL_INFO, { "name", "by" } },
	{ EVENT_SCHEDULE_PAUSED, LEVEL_WARNING, { "name", "by", "reason" } },
	{ EVENT_SCHEDULE_RESUMED, LEVEL_INFO, { "name", "by" } },
	{ EVENT_SCHEDULE_REMOVED, LEVEL_INFO, { "name", "by" } },
	{ EVENT_SCHEDULE_FIRED, LEVEL_INFO, { "name", "cause", "task" } },
	{ EVENT_SCHEDULE_QUEUED, LEVEL_INFO, { "name" } },
	{ EVENT_SCHEDULE_PASSED, LEVEL_WARNING, { "name", "what", "count", "reason" } },
	{ EVENT_SCHEDULE_FAILED, LEVEL_ERROR, { "name", "task", "reason" } },
};

static void hide(const void *userdata, struct str text, struct buf *ret)
{
	(void)redact_text(userdata, text, ret);
}

void oplog_open(const struct config *config, const struct secrets *secrets, enum log_level otherwise)
{
	const char *level = config != NULL ? config_text(config, "log.level") : NULL;

	log_open(level != NULL ? (enum log_level)log_level_find(level) : otherwise,
	         config != NULL && strcmp(config_text(config, "log.format"), "json") == 0);
	if (secrets != NULL)
		log_hide(hide, secrets_redactor(secrets));
}

/* A refusal is worth a warning, whatever refused. */
static enum log_level level_of(const struct event *e, enum log_level usual)
{
	bool denied = strcmp(json_get_text(e->data, "effect", ""), "deny") == 0;

	return denied && usual > LEVEL_WARNING ? LEVEL_WARNING : usual;
}

static void put(json_t *fields, const struct event *e, const char *name)
{
	json_t *value = json_object_get(e->data, name);

	if (value != NULL && !json_is_null(value))
		json_object_set(fields, name, value);
}

void oplog_event(const struct event *e)
{
	static const char *const usual[] = { "call", "child" };
	const char *const *names = usual;
	size_t count = COUNT(usual);
	enum log_level level = LEVEL_DEBUG;

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].type != e->type)
			continue;
		names = rows[i].fields;
		count = COUNT(rows[i].fields);
		level = rows[i].level;
	}
	level = level_of(e, level);
	if (!log_wanted(level))
		return;
	AUTO(json_decrefp) json_t *fields = json_object();
	if (e->task[0] != '\0')
		json_put_text(fields, "task", e->task);
	if (e->user[0] != '\0')
		json_put_text(fields, "user", e->user);
	for (size_t i = 0; i < count && names[i] != NULL; i++)
		put(fields, e, names[i]);
	log_write(level, event_name(e->type), fields);
}
