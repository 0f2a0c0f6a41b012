/* recorded.c - reads a script of replies and hands its lines out. A line that is wrong in any way makes the whole
 * file wrong, and a request that no line fits fails at once: a script never improvises. */
#include "llm/recorded.h"

#include <stdio.h>

#include "base/io.h"
#include "llm/fault.h"

#include "base/banned.h"

enum { LINES_MAX = 100000, SHOWN_BYTES = 80 };
static const int64_t delay_ms_max = 3600000;

struct script_line {
	int64_t number;         /* in the file, from 1 */
	json_t *value;          /* checked */
	bool used;
};

struct script {
	char *path;
	struct script_line *lines;
	size_t count;
};

/* ---- reading the file ---- */

static const char *const line_keys[] = { "agent", "match", "text", "calls", "usage", "delay_ms" };
static const char *const call_keys[] = { "name", "args" };
static const char *const usage_keys[] = { "input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning",
                                           "usd_nanos" };
static const char *const agents[] = { "master", "worker", "*" };

static int check_text(const json_t *line, const char *key, struct err *err)
{
	const json_t *value = json_object_get(line, key);

	if (value == NULL)
		return 0;
	if (!json_is_string(value))
		return err_set(err, EINVAL, "'%s' must be a text", key);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, EINVAL, "'%s' must not hold a NUL character", key);
	if (json_string_length(value) > LIMIT_REPLY_TEXT_BYTES)
		return err_set(err, EINVAL, "'%s' must not be longer than %zu bytes", key, LIMIT_REPLY_TEXT_BYTES);
	return 0;
}

static int check_call(const json_t *call, struct err *err)
{
	const json_t *args = json_object_get(call, "args");
	const char *name = json_get_text(call, "name", "");

	if (!json_is_object(call))
		return err_set(err, EINVAL, "each of 'calls' must be {\"name\":\"…\",\"args\":{…}}");
	int r = json_only_keys(call, call_keys, COUNT(call_keys), err);
	if (r < 0)
		return r;
	if (name[0] == '\0' || strlen(name) > LIMIT_CALL_NAME_BYTES)
		return err_set(err, EINVAL, "'name' of a call must be a text of 1 to %d bytes", LIMIT_CALL_NAME_BYTES);
	if (args != NULL && !json_is_object(args) && !json_is_string(args))
		return err_set(err, EINVAL, "'args' of call '%s' must be an object (or a text, which is passed "
		               "on as it is)", name);
	return check_text(json_is_string(args) ? call : NULL, "args", err);
}

static int check_calls(const json_t *line, struct err *err)
{
	const json_t *calls = json_object_get(line, "calls"), *call;
	size_t i;

	if (calls != NULL && !json_is_array(calls))
		return err_set(err, EINVAL, "'calls' must be a list of {\"name\":\"…\",\"args\":{…}}");
	if (json_array_size(calls) > LIMIT_CALLS_PER_REPLY + 1)
		return err_set(err, EINVAL, "'calls' must not be more than %d", LIMIT_CALLS_PER_REPLY + 1);
	json_array_foreach(calls, i, call) {
		int r = check_call(call, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_count(const json_t *object, const char *key, int64_t max, bool may_be_null, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	if (value == NULL || (may_be_null && json_is_null(value)))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
		return err_set(err, EINVAL, "'%s' must be a whole number from 0 to %lld", key, (long long)max);
	return 0;
}

static int check_usage(const json_t *line, struct err *err)
{
	const json_t *usage = json_object_get(line, "usage");

	if (usage == NULL)
		return 0;
	if (!json_is_object(usage))
		return err_set(err, EINVAL, "'usage' must be an object such as {\"input\":0,\"output\":0}");
	int r = json_only_keys(usage, usage_keys, COUNT(usage_keys), err);
	for (size_t i = 0; r == 0 && i < COUNT(usage_keys); i++)
		r = check_count(usage, usage_keys[i], 1000000000000000, strcmp(usage_keys[i], "usd_nanos") == 0, err);
	return r;
}

static int check_line(const json_t *line, struct err *err)
{
	const char *agent = json_get_text(line, "agent", NULL);

	if (!json_is_object(line))
		return err_set(err, EINVAL, "a line must be an object such as {\"agent\":\"*\",\"text\":\"…\"}");
	int r = json_only_keys(line, line_keys, COUNT(line_keys), err);
	if (r < 0)
		return r;
	if (agent == NULL || name_find(agents, COUNT(agents), agent) < 0)
		return err_set(err, EINVAL, "'agent' must be \"master\", \"worker\" or \"*\"");
	if (json_object_get(line, "text") == NULL && json_array_size(json_object_get(line, "calls")) == 0)
		return err_set(err, EINVAL, "a reply must have 'text' or 'calls', or both");
	if ((r = check_text(line, "match", err)) < 0 || (r = check_text(line, "text", err)) < 0)
		return r;
	if ((r = check_calls(line, err)) < 0 || (r = check_usage(line, err)) < 0)
		return r;
	return check_count(line, "delay_ms", delay_ms_max, false, err);
}

static int read_line(struct script *script, int64_t number, struct str text, struct err *err)
{
	AUTO(json_decrefp) json_t *value = NULL;

	int r = json_parse(text, &value, err);
	if (r == 0)
		r = check_line(value, err);
	if (r == 0 && script->count == LINES_MAX)
		r = err_set(err, EINVAL, "a script must not have more than %d replies", LINES_MAX);
	if (r < 0)
		return r;
	script->lines = xrealloc(script->lines, (script->count + 1) * sizeof *script->lines);
	script->lines[script->count++] = (struct script_line){ .number = number, .value = TAKE(value) };
	return 0;
}

static void script_freep(struct script **script)
{
	script_free(*script);
}

int script_open(const char *path, struct script **ret, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(script_freep) struct script *script = xcalloc(1, sizeof *script);
	struct str line;
	int64_t number = 0;

	int r = io_read_file(path, &text, err);
	if (r < 0)
		return r;
	script->path = xstrdup(path);
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);) {
		number++;
		if (str_trim(line).len == 0)
			continue;
		if (read_line(script, number, line, err) < 0)
			return err_prefix(err, "%s:%lld", path, (long long)number);
	}
	if (script->count == 0)
		return err_set(err, EINVAL, "%s:1: no reply in it: a line is {\"agent\":\"*\",\"text\":\"…\"}", path);
	*ret = TAKE(script);
	return 0;
}

void script_free(struct script *script)
{
	if (script == NULL)
		return;
	for (size_t i = 0; i < script->count; i++)
		json_decref(script->lines[i].value);
	free(script->lines);
	free(script->path);
	free(script);
}

void script_worst(const struct script *script, int64_t *ret_nanos, int64_t *ret_tokens)
{
	static const char *const buckets[] = { "input", "cache_read", "cache_write", "output" };
	int64_t nanos = 0, tokens = 0;

	for (size_t i = 0; i < script->count; i++) {
		const json_t *usage = json_object_get(script->lines[i].value, "usage");
		int64_t cost = json_get_int(usage, "usd_nanos", -1), sum = 0;
		if (script->lines[i].used)
			continue;
		for (size_t k = 0; k < COUNT(buckets); k++)
			sum += json_get_int(usage, buckets[k], 0);
		nanos = cost < 0 || nanos < 0 ? -1 : MAX(nanos, cost);
		tokens = MAX(tokens, sum);
	}
	*ret_nanos = nanos;
	*ret_tokens = tokens;
}

/* ---- handing lines out ---- */

static bool contains(const json_t *text, const char *part)
{
	return json_is_string(text) && strstr(json_string_value(text), part) != NULL;
}

static bool conversation_contains(const json_t *messages, const char *part)
{
	const json_t *message, *call;
	size_t i, k;

	json_array_foreach(messages, i, message) {
		if (contains(json_object_get(message, "text"), part))
			return true;
		json_array_foreach(json_object_get(message, "calls"), k, call) {
			if (contains(json_object_get(call, "args"), part))
				return true;
		}
	}
	return false;
}

static bool line_fits(const struct script_line *line, const struct llm_request *request)
{
	const char *agent = json_get_text(line->value, "agent", "*");
	const char *match = json_get_text(line->value, "match", NULL);

	if (strcmp(agent, "*") != 0 && (request->agent == NULL || strcmp(agent, request->agent) != 0))
		return false;
	return match == NULL || conversation_contains(request->messages, match);
}

static void describe_miss(const struct script *script, const struct llm_request *request, struct llm_failure *ret)
{
	const char *agent = request->agent != NULL ? request->agent : "";
	size_t i = 0;

	while (i < script->count && script->lines[i].used)
		i++;
	if (i == script->count) {
		fault_set(ret, FAILURE_TERMINAL, 0, "%s: all %zu replies are used up, and agent '%s' asks once more: "
		          "add a line", script->path, script->count, agent);
		return;
	}
	const struct script_line *next = &script->lines[i];
	const char *match = json_get_text(next->value, "match", NULL);
	char matching[SHOWN_BYTES + 64] = "";
	if (match != NULL)
		snprintf(matching, sizeof matching, " whose conversation contains \"%.*s\"", SHOWN_BYTES, match);
	fault_set(ret, FAILURE_TERMINAL, 0, "%s: no unused line fits this request of agent '%s'; expected next was line "
	          "%lld, for agent '%s'%s", script->path, agent, (long long)next->number,
	          json_get_text(next->value, "agent", "*"), matching);
}

const struct script_line *script_take(struct script *script, const struct llm_request *request,
                                      struct llm_failure *ret_failure)
{
	for (size_t i = 0; i < script->count; i++) {
		struct script_line *line = &script->lines[i];
		if (!line->used && line_fits(line, request)) {
			line->used = true;
			return line;
		}
	}
	describe_miss(script, request, ret_failure);
	return NULL;
}

void script_give_back(struct script *script, const struct script_line *line)
{
	script->lines[line - script->lines].used = false;
}

void script_mark_used(struct script *script, const char *ref)
{
	uint64_t number;

	if (!str_starts(str_of(ref), STR("line:")) || str_to_u64(str_skip(str_of(ref), 5), &number) < 0)
		return;
	for (size_t i = 0; i < script->count; i++) {
		if ((uint64_t)script->lines[i].number == number)
			script->lines[i].used = true;
	}
}

int64_t script_line_delay_ms(const struct script_line *line)
{
	return json_get_int(line->value, "delay_ms", 0);
}

static struct llm_usage line_usage(const struct script_line *line)
{
	const json_t *usage = json_object_get(line->value, "usage");
	int64_t otherwise = usage != NULL ? 0 : -1;

	return (struct llm_usage){
		.input = json_get_int(usage, "input", otherwise),
		.cache_read = json_get_int(usage, "cache_read", otherwise),
		.cache_write = json_get_int(usage, "cache_write", otherwise),
		.cache_write_1h = json_get_int(usage, "cache_write_1h", otherwise),
		.output = json_get_int(usage, "output", otherwise),
		.reasoning = json_get_int(usage, "reasoning", otherwise),
		.usd_nanos = json_get_int(usage, "usd_nanos", -1),
	};
}

void script_line_reply(const struct script_line *line, struct llm_reply *ret)
{
	const json_t *calls = json_object_get(line->value, "calls"), *call;
	struct llm_reply reply = { .usage = line_usage(line), .first_ms = -1 };
	size_t i;

	reply.text = xstrdup(json_get_text(line->value, "text", ""));
	if (json_array_size(calls) > 0)
		reply.calls = xcalloc(json_array_size(calls), sizeof *reply.calls);
	json_array_foreach(calls, i, call) {
		const json_t *args = json_object_get(call, "args");
		reply.calls[i].id = xasprintf("call_line%lld_%zu", (long long)line->number, i + 1);
		reply.calls[i].name = xstrdup(json_get_text(call, "name", ""));
		if (json_is_object(args))
			reply.calls[i].args = json_text(args);
		else
			reply.calls[i].args = xstrdup(json_get_text(call, "args", ""));
		reply.call_count++;
	}
	reply.finish = xstrdup(reply.call_count > 0 ? "tool_calls" : "stop");
	reply.ref = xasprintf("line:%lld", (long long)line->number);
	*ret = reply;
}
