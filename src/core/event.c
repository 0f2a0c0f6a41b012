/* event.c - the one text form of events, and what the catalogue (event_rows.c) says, as checks, schemas and a document.
 * It knows the shape of each fact and nothing of what follows from it (that is task.c). */
#include "core/event_rows.h"

#include <string.h>

#include "base/banned.h"

const char *event_name(enum event_type type)
{
	assert((size_t)type < EVENT_TYPES);
	return event_rows[type].name;
}

int event_find(const char *name)
{
	for (size_t i = 0; i < EVENT_TYPES; i++)
		if (strcmp(event_rows[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *event_about(enum event_type type)
{
	assert((size_t)type < EVENT_TYPES);
	return event_rows[type].about;
}

void event_done(struct event *event)
{
	json_decref(event->data);
	event->data = NULL;
}

static bool has_type(const json_t *value, enum field_type type)
{
	switch (type) {
	case TEXT: return json_is_string(value);
	case INT: return json_is_integer(value);
	case BOOL: return json_is_boolean(value);
	case OBJECT: return json_is_object(value);
	case ARRAY: return json_is_array(value);
	case ANY: return true;
	}
	return false;
}

static const char *const type_names[] = {
	[TEXT] = "string", [INT] = "integer", [BOOL] = "boolean", [OBJECT] = "object", [ARRAY] = "array",
};

static int check_field(const char *event, const struct event_field *f, const json_t *value, struct err *err)
{
	if (value == NULL && (f->flags & OPTIONAL) == 0)
		return err_set(err, EINVAL, "%s: '%s' is missing", event, f->name);
	if (value == NULL || (json_is_null(value) && (f->flags & NULLABLE) != 0) || has_type(value, f->type))
		return 0;
	return err_set(err, EINVAL, "%s: '%s' must be of type %s", event, f->name,
	               name_of(type_names, COUNT(type_names), f->type));
}

int event_check(enum event_type type, const json_t *data, struct err *err)
{
	const struct event_row_spec *row = &event_rows[type];
	size_t seen = 0;

	if (!json_is_object(data))
		return err_set(err, EINVAL, "%s: data must be an object", row->name);
	for (size_t i = 0; i < row->field_count; i++) {
		const json_t *value = json_object_get(data, row->fields[i].name);
		int r = check_field(row->name, &row->fields[i], value, err);
		if (r < 0)
			return r;
		seen += value != NULL;
	}
	if (seen != json_object_size(data))
		return err_set(err, EINVAL, "%s: a field that the catalogue does not have", row->name);
	return 0;
}

/* Is its JSON text itself between quotes? */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text == '"' || *text == '\\' || *text == 0x7f)
			return false;
	return true;
}

static void add_quoted(struct buf *ret, const char *key, const char *text, bool or_null)
{
	buf_add_char(ret, '"');
	buf_add_text(ret, key);
	buf_add_text(ret, "\":");
	if (or_null && text[0] == '\0') {
		buf_add_text(ret, "null,");
		return;
	}
	if (is_plain(text)) {
		buf_add_char(ret, '"');
		buf_add_text(ret, text);
		buf_add_char(ret, '"');
	} else {
		AUTO(json_decrefp) json_t *value = json_of_str(str_of(text));
		json_write(value, ret);
	}
	buf_add_char(ret, ',');
}

void event_format(const struct event *event, struct buf *ret)
{
	char time[CLOCK_TEXT_BYTES];

	buf_add_char(ret, '{');
	add_quoted(ret, "time", clock_format(event->time_us, time), false);
	add_quoted(ret, "type", event_name(event->type), false);
	add_quoted(ret, "session", event->session, true);
	add_quoted(ret, "task", event->task, true);
	add_quoted(ret, "parent", event->parent, true);
	add_quoted(ret, "user", event->user, true);
	add_quoted(ret, "trace_id", event->trace_id, true);
	add_quoted(ret, "span_id", event->span_id, true);
	add_quoted(ret, "parent_span_id", event->parent_span_id, true);
	buf_printf(ret, "\"attempt\":%d,\"data\":", event->attempt);
	json_write(event->data, ret);
	buf_add_char(ret, '}');
}

/* Copies a text field of bounded length; null and absence give "". */
static int read_text(const json_t *object, const char *key, char *to, size_t size, struct err *err)
{
	const char *text = json_get_text(object, key, "");
	size_t len = strlen(text);

	if (len >= size)
		return err_set(err, EINVAL, "event: '%s' is longer than %zu characters", key, size - 1);
	memcpy(to, text, len + 1);
	return 0;
}

static int read_common(const json_t *object, struct event *e, struct err *err)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		{ "session", e->session, sizeof e->session },
		{ "task", e->task, sizeof e->task },
		{ "parent", e->parent, sizeof e->parent },
		{ "user", e->user, sizeof e->user },
		{ "trace_id", e->trace_id, sizeof e->trace_id },
		{ "span_id", e->span_id, sizeof e->span_id },
		{ "parent_span_id", e->parent_span_id, sizeof e->parent_span_id },
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		int r = read_text(object, texts[i].key, texts[i].to, texts[i].size, err);
		if (r < 0)
			return r;
	}
	if (clock_parse(json_get_text(object, "time", ""), &e->time_us) < 0)
		return err_set(err, EINVAL, "event: 'time' is no RFC 3339 time");
	e->attempt = (int)json_get_int(object, "attempt", 1);
	return 0;
}

int event_read(const json_t *object, struct event *ret, struct err *err)
{
	struct event e = { 0 };

	const char *name = json_get_text(object, "type", "");
	int type = event_find(name);
	if (type < 0)
		return err_set(err, ENOTSUP, "event: unknown type '%s': was it written by a newer version?", name);
	e.type = (enum event_type)type;
	int r = read_common(object, &e, err);
	if (r < 0)
		return r;
	json_t *data = json_object_get(object, "data");
	r = event_check(e.type, data, err);
	if (r < 0)
		return r;
	e.data = json_incref(data);
	*ret = e;
	return 0;
}

int event_parse(struct str text, struct event *ret, struct err *err)
{
	AUTO(json_decrefp) json_t *object = NULL;

	int r = json_parse(text, &object, err);
	return r < 0 ? r : event_read(object, ret, err);
}

static json_t *field_schema(const struct event_field *f)
{
	json_t *schema = json_object();

	if (f->type != ANY && (f->flags & NULLABLE) != 0)
		json_put(schema, "type", json_pack("[ss]", type_names[f->type], "null"));
	else if (f->type != ANY)
		json_put_text(schema, "type", type_names[f->type]);
	json_put_text(schema, "description", f->about);
	return schema;
}

json_t *event_schema(enum event_type type)
{
	const struct event_row_spec *row = &event_rows[type];
	json_t *schema = json_object(), *properties = json_object(), *required = json_array();

	json_put_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_put_text(schema, "title", row->name);
	json_put_text(schema, "description", row->about);
	json_put_text(schema, "type", "object");
	for (size_t i = 0; i < row->field_count; i++) {
		json_put(properties, row->fields[i].name, field_schema(&row->fields[i]));
		if ((row->fields[i].flags & OPTIONAL) == 0)
			json_array_append_new(required, json_string(row->fields[i].name));
	}
	json_put(schema, "properties", properties);
	json_put(schema, "required", required);
	json_put_bool(schema, "additionalProperties", false);
	return schema;
}

json_t *event_line_schema(enum event_type type)
{
	static const struct { const char *name, *json; bool required; } common[] = {
		{ "seq", "{\"type\":\"integer\",\"minimum\":1}", false },
		{ "time", "{\"type\":\"string\",\"format\":\"date-time\"}", true },
		{ "session", "{\"type\":[\"string\",\"null\"]}", true }, { "task", "{\"type\":[\"string\",\"null\"]}", true },
		{ "parent", "{\"type\":[\"string\",\"null\"]}", true },  { "user", "{\"type\":[\"string\",\"null\"]}", true },
		{ "trace_id", "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{32}$\"}", true },
		{ "span_id", "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{16}$\"}", true },
		{ "parent_span_id", "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{16}$\"}", true },
		{ "attempt", "{\"type\":\"integer\",\"minimum\":1}", true },
		{ "blobs", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}}", false },
		{ "prev", "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}", false },
		{ "hash", "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}", false },
	};
	json_t *schema = json_object(), *properties = json_object(), *required = json_pack("[ss]", "type", "data"), *value;

	json_put_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_put_text(schema, "title", event_rows[type].name);
	json_put_text(schema, "type", "object");
	for (size_t i = 0; i < COUNT(common); i++) {
		if (json_parse(str_of(common[i].json), &value, NULL) < 0)
			abort();
		json_put(properties, common[i].name, value);
		if (common[i].required)
			json_array_append_new(required, json_string(common[i].name));
	}
	json_put(properties, "type", json_pack("{ss}", "const", event_rows[type].name));
	json_put(properties, "data", event_schema(type));
	json_put(schema, "properties", properties);
	json_put(schema, "required", required);
	json_put_bool(schema, "additionalProperties", false);
	return schema;
}

void event_document(struct buf *ret)
{
	for (size_t i = 0; i < EVENT_TYPES; i++) {
		buf_printf(ret, "\n### %s\n\n%s\n\n| field | type | |\n| --- | --- | --- |\n", event_rows[i].name,
		           event_rows[i].about);
		for (size_t k = 0; k < event_rows[i].field_count; k++) {
			const struct event_field *f = &event_rows[i].fields[k];
			buf_printf(ret, "| `%s` | %s%s%s | %s |\n", f->name,
			           f->type == ANY ? "any" : type_names[f->type],
			           (f->flags & NULLABLE) != 0 ? " or null" : "",
			           (f->flags & OPTIONAL) != 0 ? ", optional" : "", f->about);
		}
	}
}
