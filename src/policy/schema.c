/* schema.c - the policy language as a JSON Schema, so that editors complete and check as somebody types. Made from
 * matchers.def and the operators; it says what a file may look like, and the loader alone says whether it is right. */
#include "policy/schema.h"

#include "base/permission.h"
#include "policy/rules.h"

#include "base/banned.h"

static json_t *ref(const char *name)
{
	AUTO(freep) char *path = xasprintf("#/$defs/%s", name);

	return json_pack("{s:s}", "$ref", path);
}

static json_t *typed(const char *type, const char *about)
{
	json_t *o = json_pack("{s:s}", "type", type);

	if (about != NULL)
		json_put_text(o, "description", about);
	return o;
}

static json_t *words(const char *const *list, size_t count)
{
	json_t *all = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(all, json_string(list[i]));
	return json_pack("{s:o}", "enum", all);
}

static json_t *one_or_many(json_t *owned_one)
{
	return json_pack("{s:[O, {s:s, s:i, s:o}]}", "anyOf", owned_one, "type", "array", "minItems", 1, "items", owned_one);
}

/* Closed: a key that is not here is a slip of the finger. */
static json_t *object_of(json_t *owned_properties)
{
	return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", owned_properties);
}

static json_t *scalar_of(enum form form)
{
	static const char *const money = "US dollars";

	switch (form) {
	case FORM_NUMBER: return typed("number", NULL);
	case FORM_USD: return typed("number", money);
	case FORM_BOOL: return typed("boolean", NULL);
	case FORM_REGEX: return typed("string", "PCRE2, finds anywhere");
	case FORM_FLAG: return json_pack("{s:s, s:s}", "type", "string", "pattern", "^-");
	case FORM_TIME: return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$");
	case FORM_WEEKDAY:
		return json_pack("{s:s, s:s}", "type", "string", "pattern",
		                 "^(sun|mon|tue|wed|thu|fri|sat)(-(sun|mon|tue|wed|thu|fri|sat))?$");
	case FORM_ANY: return json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
	case FORM_TEXT: case FORM_PATH: case FORM_HOST: case FORM_TOOL: case FORM_GROUP: case FORM_CATEGORY: case FORM_RISK:
	case FORM_ROLE: case FORM_CHANNEL: case FORM_PROGRAM: case FORM_ENV: break;
	}
	return typed("string", NULL);
}

static const char *name_of_form(enum form form)
{
	static const char *const names[] = {
		[FORM_TEXT] = "text", [FORM_PATH] = "path", [FORM_HOST] = "host", [FORM_TOOL] = "tool", [FORM_GROUP] = "group",
		[FORM_CATEGORY] = "category", [FORM_RISK] = "risk", [FORM_ROLE] = "role", [FORM_CHANNEL] = "channel",
		[FORM_PROGRAM] = "program", [FORM_ANY] = "argument", [FORM_NUMBER] = "number", [FORM_BOOL] = "bool",
		[FORM_REGEX] = "regex", [FORM_FLAG] = "flag", [FORM_TIME] = "time", [FORM_WEEKDAY] = "weekday", [FORM_USD] = "usd",
		[FORM_ENV] = "env",
	};

	return names[form];
}

/* A value, a list of them, or operators in {}. */
static json_t *matcher_schema(enum form form)
{
	const char *names[32];
	size_t count = operator_names(form, names, COUNT(names));
	json_t *any = json_array(), *self = ref(name_of_form(form)), *one = scalar_of(form), *operators = json_object();

	if (form == FORM_ENV) {
		json_decref(any);
		json_decref(self);
		json_decref(one);
		json_decref(operators);
		return json_pack("{s:s, s:i, s:o}", "type", "object", "minProperties", 1, "additionalProperties", ref("text"));
	}
	for (size_t i = 0; i < count; i++)
		json_put(operators, names[i], strcmp(names[i], "not") == 0 ? json_incref(self)
			: one_or_many(strcmp(names[i], "regex") == 0 || strcmp(names[i], "within") == 0 ? typed("string", NULL) : scalar_of(form)));
	json_array_append_new(any, one);
	json_array_append_new(any, json_pack("{s:s, s:i, s:o}", "type", "array", "minItems", 1, "items", self));
	if (count > 0) {
		json_t *map = object_of(operators);
		json_put_int(map, "minProperties", 1);
		json_array_append_new(any, map);
	} else {
		json_decref(operators);
	}
	return json_pack("{s:o}", "anyOf", any);
}

static json_t *section_schema(enum section section)
{
	json_t *properties = json_object();

	for (size_t i = 0; i < SUBJECT_COUNT; i++)
		if (key_rows[i].section == section)
			json_put(properties, key_rows[i].name, ref(name_of_form(key_rows[i].form)));
	json_t *o = object_of(properties);
	json_put_int(o, "minProperties", 1);
	return o;
}

/* The keys that match something, of one kind of action. */
static void add_matchers(json_t *properties, enum action_kind kind)
{
	for (size_t i = 0; i < SUBJECT_COUNT; i++)
		if (key_rows[i].section == SECTION_RULE && (key_rows[i].kinds & 1u << kind))
			json_put(properties, key_rows[i].name, ref(name_of_form(key_rows[i].form)));
	if (kind == ACTION_TOOL)
		json_put(properties, "args", json_pack("{s:s, s:i, s:o}", "type", "object", "minProperties", 1,
		                                       "additionalProperties", ref("argument")));
	if (kind == ACTION_EXEC)
		json_put(properties, "argv", ref("argv"));
	json_put(properties, "when", ref("when"));
}

static json_t *unless_schema(enum action_kind kind)
{
	json_t *properties = json_object();

	add_matchers(properties, kind);
	json_t *o = object_of(properties);
	json_put_int(o, "minProperties", 1);
	return o;
}

static json_t *id_schema(void)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[A-Za-z0-9_.-]{1,64}$");
}

static json_t *permissions_schema(void)
{
	const char *names[PERMISSION_COUNT];

	for (int i = 0; i < PERMISSION_COUNT; i++)
		names[i] = permission_name((enum permission)i);
	return json_pack("{s:s, s:o}", "type", "array", "items", words(names, COUNT(names)));
}

static json_t *rule_schema(enum action_kind kind, enum effect effect)
{
	json_t *properties = json_object();

	json_put(properties, "id", id_schema());
	json_put(properties, effect_name(effect), json_pack("{s:s}", "const", kind_names[kind]));
	add_matchers(properties, kind);
	json_put(properties, "unless", unless_schema(kind));
	json_put(properties, "reason", json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength", 300));
	if (effect != EFFECT_ALLOW)
		json_put(properties, "overridable", typed("boolean", NULL));
	if (kind == ACTION_TOOL && effect != EFFECT_DENY)
		json_put(properties, "permissions", permissions_schema());
	if (effect == EFFECT_ASK)
		json_put(properties, "approval", typed("object", "from, count, expires, remember"));
	json_t *o = object_of(properties);
	json_put(o, "required", json_pack("[s, s]", "id", effect_name(effect)));
	return o;
}

static json_t *rules_schema(void)
{
	json_t *any = json_array();

	for (int kind = 0; kind < KIND_COUNT; kind++)
		for (int effect = EFFECT_DENY; effect <= EFFECT_ALLOW; effect++)
			json_array_append_new(any, rule_schema((enum action_kind)kind, (enum effect)effect));
	return json_pack("{s:s, s:{s:o}}", "type", "array", "items", "anyOf", any);
}

static json_t *limit_schema(enum action_kind kind)
{
	static const char *const pers[] = { "tool", "user", "session", "task", "agent", "store" };
	static const char *const overs[] = { "deny", "ask", "wait" };
	json_t *properties = json_object();

	json_put(properties, "id", id_schema());
	json_put(properties, "on", json_pack("{s:s}", "const", kind_names[kind]));
	add_matchers(properties, kind);
	json_put(properties, "unless", unless_schema(kind));
	json_put(properties, "per", one_or_many(words(pers, COUNT(pers))));
	json_put(properties, "rate", json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+/(s|min|h|day|[0-9]+(ms|s|m|h|d)?)$"));
	json_put(properties, "burst", json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
	json_put(properties, "over", words(overs, COUNT(overs)));
	json_t *o = object_of(properties);
	json_put(o, "required", json_pack("[s, s, s, s, s]", "id", "on", "per", "rate", "over"));
	return o;
}

static json_t *limits_schema(void)
{
	static const enum action_kind kinds[] = { ACTION_TOOL, ACTION_EXEC, ACTION_NET, ACTION_MODEL, ACTION_DELEGATE };
	json_t *any = json_array();

	for (size_t i = 0; i < COUNT(kinds); i++)
		json_array_append_new(any, limit_schema(kinds[i]));
	return json_pack("{s:s, s:{s:o}}", "type", "array", "items", "anyOf", any);
}

static json_t *budgets_schema(void)
{
	static const char *const pers[] = { "task", "session", "user/day", "store/day" }, *const overs[] = { "deny", "ask", "wait" };
	json_t *properties = json_object();

	json_put(properties, "id", id_schema());
	json_put(properties, "per", words(pers, COUNT(pers)));
	json_put(properties, "usd", json_pack("{s:s, s:i}", "type", "number", "minimum", 0));
	json_put(properties, "tokens", json_pack("{s:s, s:i}", "type", "integer", "minimum", 0));
	json_put(properties, "calls", json_pack("{s:s, s:i}", "type", "integer", "minimum", 0));
	json_put(properties, "time", typed("string", "90s, 30m, 2h"));
	json_put(properties, "over", words(overs, COUNT(overs)));
	json_t *o = object_of(properties);
	json_put(o, "required", json_pack("[s, s, s]", "id", "per", "over"));
	json_put_int(o, "minProperties", 4);
	return json_pack("{s:s, s:o}", "type", "array", "items", o);
}

static json_t *tests_schema(void)
{
	static const char *const effects[] = { "deny", "ask", "allow" };
	json_t *o = object_of(json_pack("{s:{s:s, s:i}, s:{s:s}, s:o, s:o}", "call", "type", "object", "minProperties", 1,
	                                "when", "type", "object", "expect", words(effects, COUNT(effects)), "rule", id_schema()));

	json_put(o, "required", json_pack("[s, s]", "call", "expect"));
	return json_pack("{s:s, s:o}", "type", "array", "items", o);
}

static json_t *files_schema(void)
{
	static const char *const keys[] = { "hide", "readonly", "writable" };
	json_t *properties = json_object();

	for (size_t i = 0; i < COUNT(keys); i++)
		json_put(properties, keys[i], json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string"));
	return object_of(properties);
}

json_t *policy_schema(void)
{
	static const char *const effects[] = { "deny", "ask", "allow" };
	json_t *defs = json_object(), *properties = json_object();

	for (int form = FORM_TEXT; form <= FORM_ENV; form++)
		json_put(defs, name_of_form((enum form)form), matcher_schema((enum form)form));
	json_put(defs, "argv", section_schema(SECTION_ARGV));
	json_put(defs, "when", section_schema(SECTION_WHEN));
	json_put(properties, "version", json_pack("{s:i}", "const", 1));
	json_put(properties, "name", typed("string", NULL));
	json_put(properties, "default", words(effects, COUNT(effects)));
	json_put(properties, "groups", json_pack("{s:s, s:{s:s, s:i, s:{s:s}}}", "type", "object", "additionalProperties", "type", "array",
	                                         "minItems", 1, "items", "type", "string"));
	json_put(properties, "rules", rules_schema());
	json_put(properties, "files", files_schema());
	json_put(properties, "limits", limits_schema());
	json_put(properties, "budgets", budgets_schema());
	json_put(properties, "tests", tests_schema());
	json_t *o = object_of(properties);
	json_put_text(o, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_put_text(o, "title", "Mishri policy");
	json_put(o, "$defs", defs);
	json_put(o, "required", json_pack("[s]", "version"));
	return o;
}
