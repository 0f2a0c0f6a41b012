/* api_table.c - the routes of the API. This table is the only list of them. */
#include "cli/api.h"

#include <string.h>

#include "base/banned.h"

#define TASK_BODY \
	"{\"type\":\"object\",\"required\":[\"goal\",\"workspace\"],\"additionalProperties\":false,\"properties\":{" \
	"\"goal\":{\"type\":\"string\",\"minLength\":1}," \
	"\"workspace\":{\"type\":\"string\",\"description\":\"an absolute path\"}," \
	"\"agent\":{\"type\":\"string\"},\"model\":{\"type\":\"string\",\"description\":\"PROVIDER/MODEL\"}," \
	"\"plan\":{\"enum\":[\"auto\",\"always\",\"never\"]},\"isolation\":{\"enum\":[\"full\",\"reduced\",\"none\"]}," \
	"\"workspace_mode\":{\"enum\":[\"direct\",\"overlay\",\"readonly\"]}," \
	"\"budget\":{\"type\":[\"string\",\"integer\"],\"description\":\"US dollars for it and all below\"}," \
	"\"max_turns\":{\"type\":\"integer\"},\"max_calls\":{\"type\":\"integer\"}," \
	"\"timeout\":{\"type\":\"string\",\"description\":\"90s, 10m, 2h\"}," \
	"\"session\":{\"type\":\"string\"},\"wait_for_approval\":{\"type\":\"boolean\",\"default\":true}," \
	"\"policies\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"not for tokens\"}," \
	"\"user\":{\"type\":\"string\",\"description\":\"for root on the Unix socket alone\"}}}"
#define ANSWER_BODY \
	"{\"type\":\"object\",\"required\":[\"answer\"],\"additionalProperties\":false,\"properties\":{" \
	"\"answer\":{\"enum\":[\"approve\",\"deny\"]},\"reason\":{\"type\":\"string\",\"description\":\"for the model, with deny\"}," \
	"\"remember\":{\"type\":\"string\",\"description\":\"task, session, 7d, 2027-01-31; with approve\"}," \
	"\"args\":{\"type\":\"object\",\"description\":\"other arguments, with approve; policy decides about them afresh\"}," \
	"\"digest\":{\"type\":\"string\",\"description\":\"only if this is what it is bound to\"}}}"
#define CHECK_BODY \
	"{\"type\":\"object\",\"required\":[\"workspace\"],\"additionalProperties\":false,\"properties\":{" \
	"\"workspace\":{\"type\":\"string\"},\"tool\":{\"type\":\"string\"},\"args\":{\"type\":\"object\"}," \
	"\"net\":{\"type\":\"string\",\"description\":\"HOST:PORT\"},\"exec\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}," \
	"\"when\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}}"

#define STRING_KEY(name) "\"" name "\":{\"type\":\"string\"}"
#define SCHEDULE_BODY \
	"{\"type\":\"object\",\"required\":[\"name\",\"goal\",\"workspace\"],\"additionalProperties\":false,\"properties\":{" \
	STRING_KEY("name") "," STRING_KEY("goal") "," STRING_KEY("workspace") "," STRING_KEY("cron") "," STRING_KEY("every") "," \
	STRING_KEY("at") "," STRING_KEY("zone") "," STRING_KEY("overlap") "," STRING_KEY("catch-up") "," STRING_KEY("jitter") "," \
	STRING_KEY("start") "," STRING_KEY("end") "," STRING_KEY("model") "," STRING_KEY("agent") "," STRING_KEY("plan") "," \
	STRING_KEY("budget") "," STRING_KEY("timeout") "," STRING_KEY("isolation") "," STRING_KEY("workspace-mode") "}}"

#define NO_EFFECT(name) "\"" name "\":{\"description\":\"without effect\"}"
#define CHAT_BODY \
	"{\"type\":\"object\",\"required\":[\"model\",\"messages\"],\"additionalProperties\":false,\"properties\":{" \
	"\"model\":{\"type\":\"string\",\"description\":\"mishri, agent:NAME or PROVIDER/MODEL\"}," \
	"\"messages\":{\"type\":\"array\"," \
	"\"description\":\"of system, developer, user and assistant, in text; the last one is the user's\"}," \
	"\"stream\":{\"type\":\"boolean\"},\"stream_options\":{\"type\":\"object\",\"description\":\"include_usage\"}," \
	"\"n\":{\"enum\":[1]}," \
	"\"mishri\":{\"type\":\"object\",\"description\":\"fields of POST /v1/tasks: workspace, budget, timeout and so on\"}," \
	NO_EFFECT("temperature") "," NO_EFFECT("top_p") "," NO_EFFECT("max_tokens") "," NO_EFFECT("max_completion_tokens") "," \
	NO_EFFECT("seed") "," NO_EFFECT("user") "," NO_EFFECT("metadata") "," NO_EFFECT("store") "," NO_EFFECT("presence_penalty") "," \
	NO_EFFECT("frequency_penalty") "," NO_EFFECT("reasoning_effort") "," NO_EFFECT("service_tier") "," \
	NO_EFFECT("safety_identifier") "," NO_EFFECT("prompt_cache_key") "}}"

#define CONTROL_GIVES "{task, outcome: done, kept, nothing or waiting, said}"

static const struct api_route routes[] = {
	{ "POST", "/v1/tasks", RIGHT_START, ID_NONE, api_tasks_start, "starts a task; with Idempotency-Key once, however often it is sent",
	  NULL, TASK_BODY, "{task, session, state}" },
	{ "GET", "/v1/tasks", RIGHT_READ, ID_NONE, api_tasks_list, "tasks, newest first; `next` is the `before` of the next page",
	  "q user state session tool agent model denied since until before limit", NULL, "{tasks, next}; rows as `history --json`" },
	{ "GET", "/v1/tasks/{id}", RIGHT_READ, ID_TASK, api_task_show, "one task", NULL, NULL, "as `show --json`" },
	{ "GET", "/v1/tasks/{id}/tree", RIGHT_READ, ID_TASK, api_task_tree, "it and the tasks below it", NULL, NULL, "as `tree --json`" },
	{ "GET", "/v1/tasks/{id}/events", RIGHT_READ, ID_TASK, api_task_events,
	  "its events; with Accept: text/event-stream as a stream that goes on, from Last-Event-ID", "after limit type alone", NULL,
	  "{events, next}, or a stream" },
	{ "GET", "/v1/tasks/{id}/trace", RIGHT_READ, ID_TASK, api_task_trace, "when what happened, inside what", "format", NULL,
	  "as `trace --format`: json, text, dot, mermaid, html, view, perfetto, otlp" },
	{ "GET", "/v1/tasks/{id}/diff", RIGHT_READ, ID_TASK, api_task_diff, "what it changed in its layer of the workspace", NULL, NULL,
	  "as `diff --json`" },
	{ "POST", "/v1/tasks/{id}/fork", RIGHT_START, ID_TASK, api_task_fork, "a new task from a point of this one", NULL,
	  "{\"type\":\"object\",\"required\":[\"event\"],\"additionalProperties\":false,\"properties\":{\"event\":{\"type\":\"integer\","
	  "\"description\":\"the last event that counts\"},\"text\":{\"type\":\"string\"}}}", "{task, event}" },
	{ "POST", "/v1/tasks/{id}/cancel", RIGHT_CONTROL, ID_TASK, api_task_cancel, "ends it and all below it; a second one at once", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"now\":{\"type\":\"boolean\"}}}", CONTROL_GIVES },
	{ "POST", "/v1/tasks/{id}/pause", RIGHT_CONTROL, ID_TASK, api_task_pause, "nothing new of it begins", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"now\":{\"type\":\"boolean\"}}}", CONTROL_GIVES },
	{ "POST", "/v1/tasks/{id}/resume", RIGHT_CONTROL, ID_TASK, api_task_resume, "a paused one goes on", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false}", CONTROL_GIVES },
	{ "POST", "/v1/tasks/{id}/steer", RIGHT_CONTROL, ID_TASK, api_task_steer, "words for the model", NULL,
	  "{\"type\":\"object\",\"required\":[\"text\"],\"additionalProperties\":false,\"properties\":{\"text\":{\"type\":\"string\"},"
	  "\"now\":{\"type\":\"boolean\"},\"replan\":{\"type\":\"boolean\"}}}", CONTROL_GIVES },
	{ "POST", "/v1/tasks/{id}/answer", RIGHT_CONTROL, ID_TASK, api_task_answer, "words for a question of the model's", NULL,
	  "{\"type\":\"object\",\"required\":[\"text\"],\"additionalProperties\":false,\"properties\":{\"text\":{\"type\":\"string\"},"
	  "\"question\":{\"type\":\"string\"}}}", CONTROL_GIVES },
	{ "POST", "/v1/tasks/{id}/priority", RIGHT_CONTROL, ID_TASK, api_task_priority, "who goes first where slots are few", NULL,
	  "{\"type\":\"object\",\"required\":[\"priority\"],\"additionalProperties\":false,"
	  "\"properties\":{\"priority\":{\"type\":\"integer\"}}}",
	  CONTROL_GIVES },
	{ "GET", "/v1/events", RIGHT_READ, ID_NONE, api_events, "events of all tasks that one may see, in the same two forms",
	  "after limit type", NULL, "{events, next}, or a stream" },
	{ "GET", "/v1/approvals", RIGHT_READ, ID_NONE, api_approvals, "what waits for a person", "all", NULL,
	  "{approvals}; rows as `approvals --json`" },
	{ "POST", "/v1/approvals/{id}", RIGHT_APPROVE, ID_APPROVAL, api_approval_answer, "yes or no", NULL, ANSWER_BODY,
	  "{approval, state, by}" },
	{ "GET", "/v1/grants", RIGHT_READ, ID_NONE, api_grants, "answers that are remembered", "all", NULL,
	  "{grants}; rows as `grants --json`" },
	{ "DELETE", "/v1/grants/{id}", RIGHT_APPROVE, ID_GRANT, api_grant_revoke, "ends one", NULL, NULL, "nothing" },
	{ "GET", "/v1/schedules", RIGHT_READ, ID_NONE, api_schedules, "goals at times", NULL, NULL,
	  "{schedules}; rows as `schedule list --json`" },
	{ "POST", "/v1/schedules", RIGHT_CONTROL, ID_NONE, api_schedule_add, "adds one; by the Unix socket alone", NULL, SCHEDULE_BODY,
	  "{name, next, spec}" },
	{ "GET", "/v1/schedules/{id}", RIGHT_READ, ID_SCHEDULE, api_schedule_show, "one, by name or id, with its last runs", NULL, NULL,
	  "as `schedule show --json`" },
	{ "POST", "/v1/schedules/{id}/pause", RIGHT_CONTROL, ID_SCHEDULE, api_schedule_pause,
	  "it starts nothing until it is resumed", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"reason\":{\"type\":\"string\"}}}", "{schedule}" },
	{ "POST", "/v1/schedules/{id}/resume", RIGHT_CONTROL, ID_SCHEDULE, api_schedule_resume, "it goes on from now", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false}", "{schedule}" },
	{ "POST", "/v1/schedules/{id}/run", RIGHT_CONTROL, ID_SCHEDULE, api_schedule_run, "one run, now", NULL,
	  "{\"type\":\"object\",\"additionalProperties\":false}", "{schedule, task}" },
	{ "DELETE", "/v1/schedules/{id}", RIGHT_CONTROL, ID_SCHEDULE, api_schedule_remove, "ends it; its runs and events stay", NULL, NULL,
	  "{schedule}" },
	{ "POST", "/v1/chat/completions", RIGHT_START, ID_NONE, api_chat,
	  "a goal as a conversation, for clients of OpenAI's API; docs/openai.md says what is different", NULL, CHAT_BODY,
	  "chat.completion, or chat.completion.chunk as Server-Sent Events" },
	{ "GET", "/v1/models", RIGHT_READ, ID_NONE, api_models,
	  "what `model` may say there: the models that the caller may use in the first workspace of tokens, or in another",
	  "workspace", NULL, "{object: list, data}" },
	{ "GET", "/v1/cost", RIGHT_READ, ID_NONE, api_cost, "tokens and money", "by since until user session model", NULL,
	  "as `cost --json`" },
	{ "GET", "/v1/budgets", RIGHT_READ, ID_NONE, api_budgets,
	  "what the budgets in force have left today, in the first workspace of tokens or in another", "workspace user", NULL,
	  "as `policy budgets --json`" },
	{ "GET", "/v1/policy", RIGHT_READ, ID_NONE, api_policy_show, "the policy in force in a workspace, all layers", "workspace", NULL,
	  "as `policy show --json`" },
	{ "POST", "/v1/policy/check", RIGHT_READ, ID_NONE, api_policy_check, "what would the policy say to this?", NULL, CHECK_BODY,
	  "as `policy check --json`" },
	{ "GET", "/v1/policy/backtest", RIGHT_READ_ALL, ID_NONE, api_policy_backtest,
	  "what the policy in force would say to what was decided, and how often each rule is the one that says it",
	  "workspace since task", NULL, "as `policy backtest --json`" },
	{ "GET", "/v1/tools", RIGHT_READ, ID_NONE, api_tools, "what agents can do", NULL, NULL, "{tools}; rows as `tools list --json`" },
	{ "GET", "/v1/audit", RIGHT_READ_ALL, ID_NONE, api_audit, "is the record as it was written? It reads all of it", NULL, NULL,
	  "as `audit verify --json`" },
	{ "GET", "/v1/me", RIGHT_READ, ID_NONE, api_me, "who asks, and what he may", NULL, NULL, "{user, rights, version, newest_event}" },
	{ "GET", "/v1/health", RIGHT_READ, ID_NONE, api_health, "how the service is", NULL, NULL,
	  "{status, version, connections, streams}; with all that `health --json` has, where one may see everybody's tasks" },
	{ "GET", "/metrics", RIGHT_ADMIN, ID_NONE, api_metrics, "numbers for Prometheus", NULL, NULL, "text" },
	{ "GET", "/healthz", 0, ID_NONE, api_healthz, "says that it lives, to everybody", NULL, NULL, "{status}" },
	{ "GET", "/openapi.json", 0, ID_NONE, api_describe, "this, as OpenAPI 3.1", NULL, NULL, "OpenAPI" },
};

const struct api_route *api_route_at(size_t i)
{
	return i < COUNT(routes) ? &routes[i] : NULL;
}

/* ---- the description ---- */

static json_t *parameter(const char *name, const char *in)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", in, "required", strcmp(in, "path") == 0, "schema",
	                 "type", "string");
}

static json_t *parameters_of(const struct api_route *r)
{
	json_t *list = json_array();
	struct str rest = str_of(r->query), one;

	if (r->id != ID_NONE)
		json_array_append_new(list, parameter("id", "path"));
	while (rest.len > 0 && str_next(&rest, ' ', &one)) {
		AUTO(freep) char *name = xstrndup(one.ptr, one.len);
		json_array_append_new(list, parameter(name, "query"));
	}
	if (r->handle == api_tasks_start || r->handle == api_chat)
		json_array_append_new(list, parameter("Idempotency-Key", "header"));
	if (strstr(r->about, "stream") != NULL || r->handle == api_events)
		json_array_append_new(list, parameter("Last-Event-ID", "header"));
	return list;
}

/* What a refusal has, for every route. */
static json_t *problem_schema(void)
{
	return json_pack("{s:s, s:[s, s, s, s], s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}", "type", "object",
	                 "required", "type", "title", "status", "detail", "properties", "type", "type", "string",
	                 "title", "type", "string", "status", "type", "integer", "detail", "type", "string", "error", "type", "object");
}

static json_t *responses_of(const struct api_route *r)
{
	const char *status = r->handle == api_tasks_start ? "201" : r->handle == api_grant_revoke ? "204" : "200";
	json_t *all = json_pack("{s:{s:s}, s:{s:s, s:{s:{s:o}}}}", status, "description", r->gives, "default", "description",
	                        "what would be right", "content", "application/problem+json", "schema", problem_schema());

	if (r->handle == api_tasks_start)
		json_put(all, "200", json_pack("{s:s}", "description", "the same, of the task that this Idempotency-Key began before"));
	return all;
}

static json_t *operation_of(const struct api_route *r)
{
	json_t *operation = json_pack("{s:s, s:o, s:o}", "summary", r->about, "parameters", parameters_of(r),
	                              "responses", responses_of(r));
	json_t *body = NULL;
	if (r->body != NULL && json_parse(str_of(r->body), &body, NULL) == 0)
		json_put(operation, "requestBody", json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content", "application/json", "schema", body));
	json_put(operation, "security", r->right == 0 ? json_array() : json_pack("[{s:[]}]", "bearer"));
	return operation;
}

json_t *api_openapi(void)
{
	json_t *paths = json_object();

	for (size_t i = 0; i < COUNT(routes); i++) {
		char method[8] = "";
		for (size_t k = 0; routes[i].method[k] != '\0' && k < sizeof method - 1; k++)
			method[k] = (char)(routes[i].method[k] | 0x20);
		if (json_object_get(paths, routes[i].path) == NULL)
			json_put(paths, routes[i].path, json_object());
		json_put(json_object_get(paths, routes[i].path), method, operation_of(&routes[i]));
	}
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.1.0", "info", "title", "mishri", "version",
	                 MISHRI_VERSION, "paths", paths, "components", "securitySchemes", "bearer", "type", "http", "scheme", "bearer");
}
