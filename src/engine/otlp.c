/* otlp.c - spans and resources as the JSON of the OpenTelemetry protocol. Which of our names are called what by which version
 * of the conventions is a table here. It gives nothing away that was said, unless asked to. */
#include "engine/otlp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#include "base/banned.h"

enum { KIND_INTERNAL = 1, KIND_CLIENT = 3, STATUS_ERROR = 2, FLAGS_SAMPLED = 0x101, FLAGS_REMOTE = 0x200 };

/* The conventions that the names follow: those of the last release with GenAI names in it. The newest draft has no URL. */
static const char schema_url[] = "https://opentelemetry.io/schemas/1.41.1";

/* What was renamed after the last release. */
static const struct { const char *released, *latest; } renamed[] = {
	{ "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens" },
};

/* ---- values ---- */

static json_t *value_of(const json_t *value)
{
	size_t i;
	json_t *one;
	char number[32];

	switch (json_typeof(value)) {
	case JSON_STRING: return json_pack("{s:O}", "stringValue", value);
	case JSON_INTEGER:
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
		return json_pack("{s:s}", "intValue", number);
	case JSON_REAL: return json_pack("{s:O}", "doubleValue", value);
	case JSON_TRUE:
	case JSON_FALSE: return json_pack("{s:O}", "boolValue", value);
	case JSON_ARRAY: {
		json_t *values = json_array();
		json_array_foreach(value, i, one)
			json_array_append_new(values, value_of(one));
		return json_pack("{s:{s:o}}", "arrayValue", "values", values);
	}
	case JSON_OBJECT: {
		AUTO(freep) char *text = json_text(value);
		return json_pack("{s:s}", "stringValue", text);
	}
	case JSON_NULL: break;
	}
	return json_object();
}

static void put(json_t *attributes, const char *key, const json_t *value)
{
	if (value != NULL && !json_is_null(value))
		json_array_append_new(attributes, json_pack("{s:s, s:o}", "key", key, "value", value_of(value)));
}

static void put_text(json_t *attributes, const char *key, const char *text)
{
	AUTO(json_decrefp) json_t *value = json_of_str(str_of(text));

	put(attributes, key, value);
}

static void put_time(json_t *object, const char *key, int64_t us)
{
	char number[32];

	snprintf(number, sizeof number, "%lld000", (long long)us);
	json_put_text(object, key, number);
}

/* ---- the resource ---- */

static int unescape(struct str text, struct buf *ret)
{
	for (size_t i = 0; i < text.len; i++) {
		char hex[3] = "";
		if (text.ptr[i] != '%') {
			buf_add_char(ret, text.ptr[i]);
			continue;
		}
		if (i + 2 >= text.len || !isxdigit((unsigned char)text.ptr[i + 1]) || !isxdigit((unsigned char)text.ptr[i + 2]))
			return -EINVAL;
		memcpy(hex, text.ptr + i + 1, 2);
		buf_add_char(ret, (char)strtol(hex, NULL, 16));
		i += 2;
	}
	return 0;
}

/* A key is a name, of a header too, and no value ends a line. */
static bool is_pair(struct str key, struct str value)
{
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
			return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return false;
	return key.len > 0;
}

int otlp_pairs(const char *text, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *object = json_object();
	struct str one;

	for (struct str rest = str_of(text); str_next(&rest, ',', &one);) {
		AUTO(buf_done) struct buf key = BUF_INIT(KIB(4));
		AUTO(buf_done) struct buf value = BUF_INIT(KIB(8));
		one = str_trim(one);
		const char *equals = memchr(one.ptr, '=', one.len);
		if (one.len == 0)
			continue;
		if (equals == NULL || equals == one.ptr)
			return err_set(err, EINVAL, "must be KEY=VALUE,KEY=VALUE with commas and other special characters as %%XX");
		struct str name = str_trim((struct str){ one.ptr, (size_t)(equals - one.ptr) });
		struct str said = str_trim((struct str){ equals + 1, one.len - (size_t)(equals - one.ptr) - 1 });
		if (unescape(name, &key) < 0 || unescape(said, &value) < 0 || key.full || value.full)
			return err_set(err, EINVAL, "a '%%' must be followed by two hexadecimal digits");
		if (!is_pair(buf_str(&key), buf_str(&value)))
			return err_set(err, EINVAL, "a key must be printable ASCII without blanks, and a value has no control characters");
		json_put_str(object, buf_text(&key), buf_str(&value));
	}
	*ret = TAKE(object);
	return 0;
}

json_t *otlp_resource(const char *service_name, const json_t *extra)
{
	json_t *attributes = json_array();
	const char *key;
	json_t *value;

	put_text(attributes, "service.name", service_name);
	if (json_object_get(extra, "service.version") == NULL)
		put_text(attributes, "service.version", MISHRI_VERSION);
	json_object_foreach((json_t *)extra, key, value)
		if (strcmp(key, "service.name") != 0)
			put(attributes, key, value);
	return json_pack("{s:o}", "attributes", attributes);
}

/* ---- spans ---- */

static void put_renamed(json_t *attributes, const char *key, const json_t *value, const struct otlp_style *style)
{
	for (size_t i = 0; i < COUNT(renamed); i++)
		if (strcmp(key, renamed[i].released) == 0) {
			put(attributes, renamed[i].latest, value);
			if (style->latest)
				return;
		}
	put(attributes, key, value);
}

static json_t *message(const char *role, json_t *text, const char *finish)
{
	json_t *one = json_pack("{s:s, s:[{s:s, s:O}]}", "role", role, "parts", "type", "text", "content", text);

	if (finish != NULL)
		json_put_text(one, "finish_reason", strcmp(finish, "tool_calls") == 0 ? "tool_call" : finish);
	return one;
}

static void put_content(json_t *attributes, const struct span *s)
{
	json_t *goal = json_object_get(s->content, "goal"), *text = json_object_get(s->content, "text");
	const json_t *args = json_object_get(s->content, "args");

	if (goal != NULL) {
		AUTO(json_decrefp) json_t *all = json_pack("[o]", message("user", goal, NULL));
		AUTO(freep) char *said = json_text(all);
		put_text(attributes, "gen_ai.input.messages", said);
	}
	if (text != NULL) {
		AUTO(json_decrefp) json_t *all = json_pack("[o]", message("assistant", text, s->status));
		AUTO(freep) char *said = json_text(all);
		put_text(attributes, "gen_ai.output.messages", said);
	}
	if (args != NULL) {
		AUTO(freep) char *said = json_text(args);
		put_text(attributes, "gen_ai.tool.call.arguments", said);
	}
	put(attributes, "gen_ai.tool.call.result", json_object_get(s->content, "output"));
	if (s->kind == SPAN_EXEC && s->text != NULL)
		put_text(attributes, "process.command_line", s->text);
}

static const struct span *task_of(const struct span *s)
{
	while (s != NULL && s->kind != SPAN_TASK)
		s = s->parent;
	return s;
}

static json_t *attributes_of(const struct span *s, const struct otlp_style *style)
{
	json_t *attributes = json_array();
	const struct span *task = task_of(s);
	const char *key;
	json_t *value;

	json_object_foreach(s->attributes, key, value) {
		if (json_is_null(value) && strcmp(key, "mishri.cost.usd_nanos") == 0)
			json_array_append_new(attributes, json_pack("{s:s, s:{s:b}}", "key", "mishri.cost.unknown", "value", "boolValue", 1));
		put_renamed(attributes, key, value, style);
	}
	if (s->kind == SPAN_CALL && style->latest && task != NULL) {
		put(attributes, "gen_ai.conversation.id", json_object_get(task->attributes, "gen_ai.conversation.id"));
		put(attributes, "gen_ai.agent.name", json_object_get(task->attributes, "gen_ai.agent.name"));
	}
	if (task != NULL && task != s)
		put(attributes, "mishri.task.id", json_object_get(task->attributes, "mishri.task.id"));
	if (s->status != NULL && s->kind != SPAN_TASK)
		put_text(attributes, "mishri.status", s->status);
	if (s->denied)
		json_array_append_new(attributes, json_pack("{s:s, s:{s:b}}", "key", "mishri.denied", "value", "boolValue", 1));
	if (style->content)
		put_content(attributes, s);
	return attributes;
}

/* What policy decided about a call, as moments of the call. */
static json_t *events_of(const struct span *s)
{
	json_t *events = json_array();

	for (const struct span *k = s->first; k != NULL; k = k->next) {
		if (k->kind != SPAN_DECISION)
			continue;
		json_t *event = json_object(), *attributes = json_array();
		const char *key;
		json_t *value;
		put_time(event, "timeUnixNano", k->start_us);
		json_put_text(event, "name", "mishri.policy.decided");
		json_object_foreach(k->attributes, key, value)
			put(attributes, key, value);
		json_put(event, "attributes", attributes);
		json_array_append_new(events, event);
	}
	return events;
}

static json_t *links_of(const struct trace *t, const struct span *s)
{
	json_t *links = json_array();

	for (size_t i = 0; i < s->edge_count; i++) {
		json_t *attributes = json_array();
		put_text(attributes, "mishri.edge", edge_kind_name(s->edges[i].kind));
		json_array_append_new(links, json_pack("{s:s, s:s, s:o}", "traceId", t->trace_id, "spanId", s->edges[i].from, "attributes",
		                                       attributes));
	}
	return links;
}

static json_t *status_of(const struct span *s, const struct otlp_style *style)
{
	json_t *status = json_object();

	if (!s->failed && !s->denied)
		return status;
	json_put_int(status, "code", STATUS_ERROR);
	if (s->why != NULL && (s->denied || style->content))
		json_put_text(status, "message", s->why);
	return status;
}

static json_t *bare_span(const struct trace *t, const char *id, const char *parent_id, const char *name, bool remote)
{
	json_t *span = json_object();

	json_put_text(span, "traceId", t->trace_id);
	json_put_text(span, "spanId", id);
	if (t->tracestate != NULL)
		json_put_text(span, "traceState", t->tracestate);
	if (parent_id[0] != '\0')
		json_put_text(span, "parentSpanId", parent_id);
	json_put_int(span, "flags", FLAGS_SAMPLED | (remote ? FLAGS_REMOTE : 0));
	json_put_text(span, "name", name);
	return span;
}

json_t *otlp_span(const struct trace *t, const struct span *s, const struct otlp_style *style)
{
	AUTO(freep) char *name = span_full_name(s);
	bool remote = s->parent == NULL && s->parent_id[0] != '\0';
	json_t *span = bare_span(t, s->id, s->parent_id, name, remote);

	json_put_int(span, "kind", s->kind == SPAN_MODEL || s->kind == SPAN_NET ? KIND_CLIENT : KIND_INTERNAL);
	put_time(span, "startTimeUnixNano", s->start_us);
	put_time(span, "endTimeUnixNano", span_end(t, s));
	json_put(span, "attributes", attributes_of(s, style));
	if (s->end_us == 0)
		json_array_append_new(json_object_get(span, "attributes"),
		                      json_pack("{s:s, s:{s:b}}", "key", "mishri.running", "value", "boolValue", 1));
	json_put(span, "events", events_of(s));
	json_put(span, "links", links_of(t, s));
	json_put(span, "status", status_of(s, style));
	return span;
}

json_t *otlp_running(const struct trace *t, const struct span *s, const struct otlp_style *style, int64_t now_us)
{
	AUTO(freep) char *full = span_full_name(s);
	AUTO(freep) char *name = xasprintf("running: %s", full);
	char hex[SHA256_HEX_LEN + 1];
	const struct str parts[] = { str_of(s->id), STR("/running") };

	sha256_hex(parts, COUNT(parts), hex);
	hex[SPAN_ID_LEN] = '\0';
	json_t *span = bare_span(t, hex, s->id, name, false);
	json_t *attributes = attributes_of(s, &(struct otlp_style){ .latest = style->latest });
	json_array_append_new(attributes, json_pack("{s:s, s:{s:b}}", "key", "mishri.running", "value", "boolValue", 1));
	put_text(attributes, "mishri.running.span_id", s->id);
	if (s->parent_id[0] != '\0')
		put_text(attributes, "mishri.running.parent_span_id", s->parent_id);
	json_put_int(span, "kind", KIND_INTERNAL);
	put_time(span, "startTimeUnixNano", s->start_us);
	put_time(span, "endTimeUnixNano", MAX(now_us, s->start_us));
	json_put(span, "attributes", attributes);
	return span;
}

json_t *otlp_request(const json_t *resource, json_t *owned_spans, const struct otlp_style *style)
{
	json_t *scope = json_pack("{s:{s:s, s:s}, s:o}", "scope", "name", "mishri", "version", MISHRI_VERSION, "spans", owned_spans);

	if (!style->latest)
		json_put_text(scope, "schemaUrl", schema_url);
	return json_pack("{s:[{s:O, s:[o]}]}", "resourceSpans", "resource", resource, "scopeSpans", scope);
}
