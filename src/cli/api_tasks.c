/* api_tasks.c - tasks by the API: begun, listed, shown. What is shown is what the commands show with --json. */
#include <stdio.h>
#include <string.h>

#include "cli/api_openai.h"
#include "cli/capture.h"
#include "cli/print.h"
#include "store/tokens.h"

#include "base/banned.h"

/* ---- POST /v1/tasks ---- */

bool api_key(struct api_call *c, char ret[static 256])
{
	const struct http_header *h = http_header_find(c->http->head, "idempotency-key");

	ret[0] = '\0';
	if (h == NULL)
		return true;
	if (h->value.len == 0 || h->value.len > 255) {
		http_problem(c->conn, 400, "Idempotency-Key: 1 to 255 characters are wanted");
		return false;
	}
	memcpy(ret, h->value.ptr, h->value.len);
	ret[h->value.len] = '\0';
	return true;
}

/* True: the same request came before, and is answered with its task. */
static bool came_before(struct api_call *c, const char *key, const char *digest)
{
	char before[SHA256_HEX_LEN + 1], task[ID_LEN + 1];
	struct err err = ERR_NONE;
	bool there = false;

	int r = store_request_get(c->api->serve->s.store, c->who.user, key, before, task, &there, &err);
	if (r < 0) {
		api_fail(c, &err);
		return true;
	}
	bool begins = r > 0 && !there && engine_has(c->api->serve->s.engine, task);
	if (r == 0 || (!there && !begins))
		return false; /* or the service ended before its task was there */
	if (strcmp(before, digest) != 0)
		http_problem(c->conn, 422, "this Idempotency-Key came with another body before; a new request wants a new key");
	else if (begins)
		api_wait_task(c, task);
	else
		api_json(c, 200, json_pack("{s:s, s:s}", "task", task, "state", "known"));
	return true;
}

/* What is too long is none. */
void api_take_header(const struct api_call *c, const char *name, char *ret, size_t size)
{
	const struct http_header *h = http_header_find(c->http->head, name);

	if (h == NULL || h->value.len >= size)
		return;
	memcpy(ret, h->value.ptr, h->value.len);
	ret[h->value.len] = '\0';
}

void api_tasks_start(struct api_call *c)
{
	struct serve *serve = c->api->serve;
	char key[256], digest[SHA256_HEX_LEN + 1];
	struct run *run = NULL;
	struct err err = ERR_NONE;

	if (!api_key(c, key))
		return;
	if (engine_draining(serve->s.engine)) {
		http_problem(c->conn, 503, "the service is ending; nothing new begins");
		return;
	}
	sha256_hex1(c->http->body, digest);
	if (key[0] != '\0' && came_before(c, key, digest))
		return;
	api_take_header(c, "traceparent", c->who.traceparent, sizeof c->who.traceparent);
	api_take_header(c, "tracestate", c->who.tracestate, sizeof c->who.tracestate);
	int r = serve_start(serve, &c->who, c->body, &run, &err);
	if (r == 0 && key[0] != '\0')
		r = store_request_put(serve->s.store, c->who.user, key, digest, run_task(run)->id, &err);
	if (r < 0 && run == NULL) {
		err.code = err.code == ENOENT ? EINVAL : err.code; /* what the body names is not there; the route is */
		api_fail(c, &err);
		return;
	}
	api_wait_task(c, run_task(run)->id);
}

/* ---- lists ---- */

/* Options of a command from the query; "" for a switch. words: room for two each. */
static size_t options_of(const struct api_call *c, const char *const *names, size_t count, char **owned,
                         const char **words, size_t n)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = api_query(c, names[i]);
		if (value == NULL)
			continue;
		owned[i] = xasprintf("--%s=%s", names[i], value);
		words[n++] = owned[i];
	}
	return n;
}

static void free_all(char **owned, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(owned[i]);
}

/* False: it was answered. */
static bool limit_of(struct api_call *c, uint64_t *ret)
{
	const char *limit = api_query(c, "limit");

	*ret = 100;
	if (limit == NULL || (str_to_u64(str_of(limit), ret) == 0 && *ret > 0 && *ret <= LIMIT_PAGE_ROWS))
		return true;
	http_problem(c->conn, 422, "limit: a number from 1 to 1000 is wanted");
	return false;
}

static void tell_tasks(struct api_call *c, struct str out)
{
	AUTO(json_decrefp) json_t *rows = NULL;
	struct err err = ERR_NONE;
	uint64_t most;

	if (!limit_of(c, &most))
		return;
	if (json_parse_any(out, &rows, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	size_t count = json_array_size(rows);
	const char *last = count == most ? json_get_text(json_array_get(rows, count - 1), "task", NULL) : NULL;
	api_json(c, 200, json_pack("{s:O, s:s?}", "tasks", rows, "next", last));
}

void api_tasks_list(struct api_call *c)
{
	static const char *const names[] = { "state", "session", "tool", "agent", "model", "since", "until", "before" };
	char *owned[COUNT(names)] = { NULL };
	const char *words[32], *user = api_reads_all(c) ? api_query(c, "user") : c->who.user;
	uint64_t most;

	if (!limit_of(c, &most))
		return;
	size_t n = options_of(c, names, COUNT(names), owned, words, 1);
	AUTO(freep) char *limited = xasprintf("--limit=%llu", (unsigned long long)most);
	AUTO(freep) char *of = user != NULL ? xasprintf("--user=%s", user) : NULL;
	words[n++] = limited;
	if (of != NULL)
		words[n++] = of;
	if (api_query(c, "denied") != NULL)
		words[n++] = "--denied";
	if (api_query(c, "q") != NULL) {
		words[n++] = "--";
		words[n++] = api_query(c, "q");
	}
	words[0] = "--json";
	api_work(c, &cmd_history, words, n, tell_tasks);
	free_all(owned, COUNT(names));
}

static void show_by(struct api_call *c, const struct command *command)
{
	const char *words[] = { "--json", "--", c->id };

	api_work(c, command, words, COUNT(words), api_tell_json);
}

void api_task_show(struct api_call *c)
{
	show_by(c, &cmd_show);
}

void api_task_tree(struct api_call *c)
{
	show_by(c, &cmd_tree);
}

static const struct { const char *format, *type; } trace_types[] = {
	{ "json", "application/json" }, { "text", "text/plain; charset=utf-8" }, { "dot", "text/vnd.graphviz; charset=utf-8" },
	{ "mermaid", "text/plain; charset=utf-8" }, { "html", "text/html; charset=utf-8" }, { "view", "application/json" },
	{ "perfetto", "application/octet-stream" },
	{ "otlp", "application/json" },
};

/* NULL: there is no such format. */
static const char *trace_type(const struct api_call *c, const char **ret_format)
{
	*ret_format = api_query(c, "format") != NULL ? api_query(c, "format") : "json";
	for (size_t i = 0; i < COUNT(trace_types); i++)
		if (strcmp(trace_types[i].format, *ret_format) == 0)
			return trace_types[i].type;
	return NULL;
}

static void tell_trace(struct api_call *c, struct str out)
{
	const char *format, *type = trace_type(c, &format);

	http_answer(c->conn, 200, type != NULL ? type : "application/json", out, "");
}

void api_task_trace(struct api_call *c)
{
	const char *format, *type = trace_type(c, &format);
	const char *words[] = { "--no-color", "--format", format, "--", c->id };

	if (type == NULL)
		http_problem(c->conn, 422, "format: right would be json, text, dot, mermaid, html, view, perfetto or otlp");
	else
		api_work(c, &cmd_trace, words, COUNT(words), tell_trace);
}

void api_cost(struct api_call *c)
{
	static const char *const names[] = { "by", "since", "until", "session", "model" };
	char *owned[COUNT(names)] = { NULL };
	const char *words[16], *user = api_reads_all(c) ? api_query(c, "user") : c->who.user;
	size_t n = options_of(c, names, COUNT(names), owned, words, 1);
	AUTO(freep) char *of = user != NULL ? xasprintf("--user=%s", user) : NULL;

	if (of != NULL)
		words[n++] = of;
	words[0] = "--json";
	api_work(c, &cmd_cost, words, n, api_tell_json);
	free_all(owned, COUNT(names));
}

/* ---- policy ---- */

/* Tokens look into the workspaces in which they may work, and no others. False: it was answered. */
bool api_may_look(struct api_call *c, const char *workspace, char **ret)
{
	struct err err = ERR_NONE;
	char *resolved = workspace != NULL && workspace[0] == '/' ? realpath(workspace, NULL) : NULL;

	if (workspace == NULL || workspace[0] != '/')
		http_problem(c->conn, 422, "workspace: an absolute path is wanted");
	else if (!c->who.trusted && serve_workspace_check(c->api->serve, resolved != NULL ? resolved : workspace, &err) < 0)
		api_fail(c, &err);
	else if (cli_workspace(workspace, ret, &err) < 0)
		http_problem(c->conn, 422, err.text);
	else {
		free(resolved);
		return true;
	}
	free(resolved);
	return false;
}

size_t api_policy_words(const struct api_call *c, const char *workspace, const char **words, size_t room)
{
	const struct serve *serve = c->api->serve;
	size_t n = 0;

	words[n++] = "--workspace";
	words[n++] = workspace;
	for (size_t i = 0; i < serve->policy_count && n + 2 < room; i++) {
		words[n++] = "--policy";
		words[n++] = serve->policies[i];
	}
	return n;
}

void api_policy_show(struct api_call *c)
{
	AUTO(freep) char *workspace = NULL;
	const char *words[48];

	if (!api_may_look(c, api_query(c, "workspace"), &workspace))
		return;
	size_t n = api_policy_words(c, workspace, words, COUNT(words));
	json_t *value = api_command(c, &cmd_policy_show, words, n);
	if (value != NULL)
		api_json(c, 200, value);
}

/* Of the caller, or of another where one may see everybody's tasks. */
void api_budgets(struct api_call *c)
{
	AUTO(json_decrefp) json_t *first = json_object();
	AUTO(freep) char *workspace = NULL;
	const char *words[52], *user = api_reads_all(c) && api_query(c, "user") != NULL ? api_query(c, "user") : c->who.user;

	chat_workspace(c->api, first);
	const char *wanted = api_query(c, "workspace") != NULL ? api_query(c, "workspace") : json_get_text(first, "workspace", NULL);
	if (wanted == NULL && c->who.trusted)
		wanted = "/";
	if (!api_may_look(c, wanted, &workspace))
		return;
	size_t n = api_policy_words(c, workspace, words, COUNT(words) - 1);
	AUTO(freep) char *of = xasprintf("--user=%s", user);
	words[n++] = of;
	json_t *value = api_command(c, &cmd_policy_budgets, words, n);
	if (value != NULL)
		api_json(c, 200, value);
}

enum { WORDS_MOST = 56 };

/* The action of the body as words of `policy check`; NULL: fine. */
static const char *action_words(const struct api_call *c, const char **words, size_t *n, char **ret_args)
{
	const json_t *exec = json_object_get(c->body, "exec"), *word, *args = json_object_get(c->body, "args");
	static const char *const copied[] = { "tool", "net" };
	size_t i;

	for (i = 0; i < COUNT(copied); i++) {
		const char *value = json_get_text(c->body, copied[i], NULL);
		if (value == NULL)
			continue;
		words[(*n)++] = i == 0 ? "--tool" : "--net";
		words[(*n)++] = value;
	}
	if (args != NULL) {
		*ret_args = json_text(args);
		words[(*n)++] = "--args";
		words[(*n)++] = *ret_args;
	}
	if (exec == NULL)
		return NULL;
	if (!json_is_array(exec) || json_array_size(exec) == 0 || json_array_size(exec) > WORDS_MOST - *n - 2)
		return "exec: a list of the program and its arguments is wanted, not longer than this route takes";
	words[(*n)++] = "--exec";
	json_array_foreach((json_t *)exec, i, word) {
		if (!json_is_string(word))
			return "exec: the program and its arguments are texts";
		words[(*n)++] = json_string_value(word);
	}
	return NULL;
}

void api_policy_check(struct api_call *c)
{
	static const char *const known[] = { "workspace", "tool", "args", "net", "exec", "when" };
	AUTO(freep) char *workspace = NULL;
	AUTO(freep) char *args = NULL;
	const char *words[WORDS_MOST + 8];
	char *facts[16] = { NULL };
	const json_t *when = json_object_get(c->body, "when");
	struct err err = ERR_NONE;
	size_t count = 0;
	const char *key;
	json_t *value;

	if (json_only_keys(c->body, known, COUNT(known), &err) < 0) {
		http_problem(c->conn, 422, err.text);
		return;
	}
	if (!api_may_look(c, json_get_text(c->body, "workspace", NULL), &workspace))
		return;
	size_t n = api_policy_words(c, workspace, words, 32);
	words[n++] = "--user";
	words[n++] = c->who.user;
	json_object_foreach((json_t *)when, key, value)
		if (count < 8 && json_is_string(value)) {
			facts[count] = xasprintf("%s=%s", key, json_string_value(value));
			words[n++] = "--when";
			words[n++] = facts[count++];
		}
	const char *wrong = action_words(c, words, &n, &args);
	json_t *answer = wrong == NULL ? api_command(c, &cmd_policy_check, words, n) : NULL;
	if (wrong != NULL)
		http_problem(c->conn, 422, wrong);
	else if (answer != NULL)
		api_json(c, 200, answer);
	free_all(facts, count);
}
