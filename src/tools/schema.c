/* schema.c - does a value match a JSON Schema? A subset of 2020-12: every keyword is a row below, and a
 * schema with another one is refused, because a keyword that is passed over checks nothing. It refuses
 * $ref and remote schemas: a schema is one tree of bounded depth.
 *
 * Errors are "POINTER: KEYWORD: what is wrong and what would be right". POINTER is the JSON Pointer of the
 * value, "/" for the whole of it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/tool.h"

#include <math.h>
#include <pcre2.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

struct at { /* where in the value; a chain up to the root */
	const struct at *parent;
	const char *key; /* NULL: index */
	size_t index;
};

static void add_pointer(const struct at *at, struct buf *ret)
{
	if (at->parent == NULL)
		return;
	add_pointer(at->parent, ret);
	buf_add_char(ret, '/');
	if (at->key == NULL) {
		buf_printf(ret, "%zu", at->index);
		return;
	}
	size_t len = strlen(at->key);
	for (size_t i = 0; i < MIN(len, (size_t)100); i++) /* keys come from outside: RFC 6901, and kept short */
		if (at->key[i] == '~' || at->key[i] == '/')
			buf_add_text(ret, at->key[i] == '~' ? "~0" : "~1");
		else
			buf_add_char(ret, at->key[i]);
}

static int wrong(const struct at *at, const char *keyword, struct err *err, const char *format, ...) PRINTF(4, 5);

static int wrong(const struct at *at, const char *keyword, struct err *err, const char *format, ...)
{
	AUTO(buf_done) struct buf raw = BUF_INIT(KIB(64)), shown = BUF_INIT(KIB(256));
	char what[LIMIT_ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	add_pointer(at, &raw);
	if (raw.len == 0)
		buf_add_char(&raw, '/');
	buf_printf(&raw, ": %s: %s", keyword, what);
	sanitize_text(buf_str(&raw), &shown);
	return err_set(err, EINVAL, "%s", buf_text(&shown));
}

/* A value as a sentence shows it: short. */
static const char *brief(const json_t *value, char *text, size_t size)
{
	AUTO(freep) char *all = json_text(value);
	size_t len = strlen(all);
	struct str s = { all, MIN(len, size - 4) };

	while (s.len < len && s.len > 0 && ((unsigned char)all[s.len] & 0xc0) == 0x80)
		s.len--;
	snprintf(text, size, "%.*s%s", STR_ARG(s), s.len < len ? "..." : "");
	return text;
}

enum { BRIEF_BYTES = 80 };

static bool is_whole(const json_t *value)
{
	if (json_is_integer(value))
		return true;
	double number = json_real_value(value);
	return json_is_real(value) && fabs(number) < 9007199254740992.0 && floor(number) == number;
}

static const char *const types[] = { "null", "boolean", "integer", "number", "string", "array", "object" };

static bool has_type(const json_t *value, const char *type)
{
	switch (name_find(types, COUNT(types), type)) {
	case 0: return json_is_null(value);
	case 1: return json_is_boolean(value);
	case 2: return is_whole(value);
	case 3: return json_is_number(value);
	case 4: return json_is_string(value);
	case 5: return json_is_array(value);
	case 6: return json_is_object(value);
	default: return false;
	}
}

static const char *type_of(const json_t *value)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (has_type(value, types[i]))
			return types[i];
	return "?";
}

/* -1, 0, 1. Integers are compared as such: a double cannot tell large ones apart. */
static int compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);
		return (x > y) - (x < y);
	}
	double x = json_number_value(a), y = json_number_value(b);
	return (x > y) - (x < y);
}

/* Equal as JSON Schema has it: 1 and 1.0 are the same number. */
static bool same(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_number(a) && json_is_number(b))
		return compare(a, b) == 0;
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, value)
			if (!same(value, json_array_get(b, i)))
				return false;
		return true;
	}
	if (json_is_object(a)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach((json_t *)a, key, value)
			if (json_object_get(b, key) == NULL || !same(value, json_object_get(b, key)))
				return false;
		return true;
	}
	return json_equal(a, b) != 0;
}

static pcre2_code *compile(const json_t *pattern, struct err *err)
{
	int code;
	PCRE2_SIZE offset;
	PCRE2_UCHAR why[128];

	if (json_string_length(pattern) > LIMIT_REGEX_BYTES) {
		err_set(err, EINVAL, "has %zu bytes: at most %zu", json_string_length(pattern), LIMIT_REGEX_BYTES);
		return NULL;
	}
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)json_string_value(pattern), json_string_length(pattern),
	                               PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C,
	                               &code, &offset, NULL);
	if (re == NULL) {
		pcre2_get_error_message(code, why, sizeof why);
		err_set(err, EINVAL, "is no regular expression at offset %zu: %s", (size_t)offset, (const char *)why);
	}
	return re;
}

struct check {
	const json_t *schema; /* the object that holds the keyword */
	const json_t *rule;   /* the keyword's value */
	const json_t *value;
	const struct at *at;
	struct err *err;
};

static int check(const json_t *schema, const json_t *value, const struct at *at, struct err *err);

static int check_type(const struct check *c)
{
	AUTO(buf_done) struct buf wanted = BUF_INIT(KIB(1));
	json_t *one;
	size_t i;

	if (json_is_string(c->rule)) {
		if (has_type(c->value, json_string_value(c->rule)))
			return 0;
		buf_add_text(&wanted, json_string_value(c->rule));
	}
	json_array_foreach(c->rule, i, one) {
		if (has_type(c->value, json_string_value(one)))
			return 0;
		buf_printf(&wanted, "%s%s", i > 0 ? " or " : "", json_string_value(one));
	}
	return wrong(c->at, "type", c->err, "is of type %s; must be %s", type_of(c->value), buf_text(&wanted));
}

static int check_enum(const struct check *c)
{
	AUTO(buf_done) struct buf listed = BUF_INIT(512);
	char text[BRIEF_BYTES];
	json_t *one;
	size_t i;

	json_array_foreach(c->rule, i, one) {
		if (same(c->value, one))
			return 0;
		if (buf_printf(&listed, "%s%s", i > 0 ? ", " : "", brief(one, text, sizeof text)) < 0)
			break;
	}
	for (; i < json_array_size(c->rule); i++) /* what is too much to list still counts */
		if (same(c->value, json_array_get(c->rule, i)))
			return 0;
	return wrong(c->at, "enum", c->err, "%s is not one of: %s%s", brief(c->value, text, sizeof text),
	             buf_text(&listed), listed.full ? ", ..." : "");
}

static int check_const(const struct check *c)
{
	char is[BRIEF_BYTES], must[BRIEF_BYTES];

	if (same(c->value, c->rule))
		return 0;
	return wrong(c->at, "const", c->err, "is %s; must be %s", brief(c->value, is, sizeof is),
	             brief(c->rule, must, sizeof must));
}

static int check_pattern(const struct check *c)
{
	struct err why;
	char text[BRIEF_BYTES];
	pcre2_code *re = compile(c->rule, &why);

	if (re == NULL)
		return wrong(c->at, "pattern", c->err, "%s", why.text);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *found = pcre2_match_data_create(1, NULL);
	if (limits == NULL || found == NULL)
		abort();
	pcre2_set_match_limit(limits, LIMIT_REGEX_STEPS);
	pcre2_set_depth_limit(limits, LIMIT_REGEX_STEPS);
	int r = pcre2_match(re, (PCRE2_SPTR)json_string_value(c->value), json_string_length(c->value), 0, 0, found,
	                    limits);
	pcre2_match_data_free(found);
	pcre2_match_context_free(limits);
	pcre2_code_free(re);
	if (r >= 0)
		return 0;
	if (r != PCRE2_ERROR_NOMATCH)
		return wrong(c->at, "pattern", c->err, "takes too long to compare with %s", json_string_value(c->rule));
	return wrong(c->at, "pattern", c->err, "%s does not match %s", brief(c->value, text, sizeof text),
	             json_string_value(c->rule));
}

static size_t characters(const json_t *text)
{
	const char *at = json_string_value(text);
	size_t count = 0;

	for (size_t i = 0; i < json_string_length(text); i++)
		count += ((unsigned char)at[i] & 0xc0) != 0x80;
	return count;
}

/* The keywords that bound a size: how large it is, in what. */
static int check_size(const struct check *c, const char *keyword, size_t size, const char *what)
{
	json_int_t bound = json_integer_value(c->rule);
	bool least = keyword[1] == 'i'; /* minX or maxX */

	if (least ? (json_int_t)size >= bound : (json_int_t)size <= bound)
		return 0;
	return wrong(c->at, keyword, c->err, "has %zu %s; must have at %s %lld", size, what, least ? "least" : "most",
	             (long long)bound);
}

static int check_min_length(const struct check *c)
{
	return check_size(c, "minLength", characters(c->value), "characters");
}
static int check_max_length(const struct check *c)
{
	return check_size(c, "maxLength", characters(c->value), "characters");
}
static int check_min_items(const struct check *c)
{
	return check_size(c, "minItems", json_array_size(c->value), "items");
}
static int check_max_items(const struct check *c)
{
	return check_size(c, "maxItems", json_array_size(c->value), "items");
}

static int check_bound(const struct check *c, const char *keyword, bool fine, const char *must)
{
	char is[BRIEF_BYTES], bound[BRIEF_BYTES];

	if (fine)
		return 0;
	return wrong(c->at, keyword, c->err, "is %s; must be %s %s", brief(c->value, is, sizeof is), must,
	             brief(c->rule, bound, sizeof bound));
}

static int check_minimum(const struct check *c)
{
	return check_bound(c, "minimum", compare(c->value, c->rule) >= 0, "at least");
}

static int check_maximum(const struct check *c)
{
	return check_bound(c, "maximum", compare(c->value, c->rule) <= 0, "at most");
}

static int check_above(const struct check *c)
{
	return check_bound(c, "exclusiveMinimum", compare(c->value, c->rule) > 0, "more than");
}

static int check_below(const struct check *c)
{
	return check_bound(c, "exclusiveMaximum", compare(c->value, c->rule) < 0, "less than");
}

static int check_items(const struct check *c)
{
	json_t *item;
	size_t i;

	json_array_foreach(c->value, i, item) {
		struct at at = { .parent = c->at, .index = i };
		int r = check(c->rule, item, &at, c->err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_required(const struct check *c)
{
	json_t *name;
	size_t i;

	json_array_foreach(c->rule, i, name)
		if (json_object_get(c->value, json_string_value(name)) == NULL) {
			struct at at = { .parent = c->at, .key = json_string_value(name) };
			return wrong(&at, "required", c->err, "is missing; it must be given");
		}
	return 0;
}

static int check_properties(const struct check *c)
{
	const char *name;
	json_t *rule;

	json_object_foreach((json_t *)c->rule, name, rule) {
		struct at at = { .parent = c->at, .key = name };
		const json_t *value = json_object_get(c->value, name);
		int r = value != NULL ? check(rule, value, &at, c->err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

enum { NAMES_SHOWN = 64 };

static int unknown_property(const struct check *c, const struct at *at, const json_t *known)
{
	const char *names[NAMES_SHOWN];
	AUTO(buf_done) struct buf listed = BUF_INIT(512);
	size_t count = 0;
	const char *name;
	json_t *rule;

	json_object_foreach((json_t *)known, name, rule) {
		if (count < COUNT(names))
			names[count++] = name;
		buf_printf(&listed, "%s%s", listed.len > 0 ? ", " : "", name);
	}
	const char *near = name_nearest(names, count, at->key);
	if (near != NULL)
		return wrong(at, "additionalProperties", c->err, "is not known; did you mean '%s'?", near);
	if (count == 0)
		return wrong(at, "additionalProperties", c->err, "is not known; there must be none");
	return wrong(at, "additionalProperties", c->err, "is not known; there are: %s%s", buf_text(&listed),
	             listed.full ? ", ..." : "");
}

static int check_additional(const struct check *c)
{
	const json_t *known = json_object_get(c->schema, "properties");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)c->value, name, value) {
		struct at at = { .parent = c->at, .key = name };
		if (json_object_get(known, name) != NULL)
			continue;
		int r = json_is_false(c->rule) ? unknown_property(c, &at, known) : check(c->rule, value, &at, c->err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* How many of the schemas match; the first failure stays in *first. */
static size_t matching(const struct check *c, struct err *first)
{
	size_t i, count = 0;
	json_t *schema;

	*first = ERR_NONE;
	json_array_foreach(c->rule, i, schema)
		count += check(schema, c->value, c->at, first->code == 0 ? first : NULL) == 0;
	return count;
}

static int check_all_of(const struct check *c)
{
	size_t i;
	json_t *schema;

	json_array_foreach(c->rule, i, schema) {
		int r = check(schema, c->value, c->at, c->err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_any_of(const struct check *c)
{
	struct err first;

	if (matching(c, &first) > 0)
		return 0;
	return wrong(c->at, "anyOf", c->err, "matches none of %zu forms; the first says: %s", json_array_size(c->rule),
	             first.text);
}

static int check_one_of(const struct check *c)
{
	struct err first;
	size_t count = matching(c, &first);

	if (count == 1)
		return 0;
	if (count == 0)
		return wrong(c->at, "oneOf", c->err, "matches none of %zu forms; the first says: %s",
		             json_array_size(c->rule), first.text);
	return wrong(c->at, "oneOf", c->err, "matches %zu forms; must match exactly one", count);
}

/* What a keyword's own value must be. */
/* clang-format off */
enum form { FORM_ANY, FORM_TYPE, FORM_TEXT, FORM_REGEX, FORM_NUMBER, FORM_SIZE, FORM_NAMES, FORM_LIST, FORM_SCHEMA,
            FORM_SCHEMAS, FORM_MEMBERS };
/* clang-format on */

/* `on`: the type of value that it speaks about, NULL for all. No check: it only tells people something. */
static const struct keyword {
	const char *name, *on;
	enum form form;
	int (*check)(const struct check *c);
} keywords[] = {
	{ "type", NULL, FORM_TYPE, check_type },
	{ "enum", NULL, FORM_LIST, check_enum },
	{ "const", NULL, FORM_ANY, check_const },
	{ "required", "object", FORM_NAMES, check_required },
	{ "additionalProperties", "object", FORM_SCHEMA, check_additional },
	{ "properties", "object", FORM_MEMBERS, check_properties },
	{ "minItems", "array", FORM_SIZE, check_min_items },
	{ "maxItems", "array", FORM_SIZE, check_max_items },
	{ "items", "array", FORM_SCHEMA, check_items },
	{ "minLength", "string", FORM_SIZE, check_min_length },
	{ "maxLength", "string", FORM_SIZE, check_max_length },
	{ "pattern", "string", FORM_REGEX, check_pattern },
	{ "minimum", "number", FORM_NUMBER, check_minimum },
	{ "maximum", "number", FORM_NUMBER, check_maximum },
	{ "exclusiveMinimum", "number", FORM_NUMBER, check_above },
	{ "exclusiveMaximum", "number", FORM_NUMBER, check_below },
	{ "allOf", NULL, FORM_SCHEMAS, check_all_of },
	{ "anyOf", NULL, FORM_SCHEMAS, check_any_of },
	{ "oneOf", NULL, FORM_SCHEMAS, check_one_of },
	{ "$schema", NULL, FORM_TEXT, NULL },
	{ "$id", NULL, FORM_TEXT, NULL },
	{ "$comment", NULL, FORM_TEXT, NULL },
	{ "title", NULL, FORM_TEXT, NULL },
	{ "description", NULL, FORM_TEXT, NULL },
	{ "format", NULL, FORM_TEXT, NULL }, /* an annotation, as 2020-12 has it */
	{ "default", NULL, FORM_ANY, NULL },
	{ "examples", NULL, FORM_ANY, NULL },
};

static int check(const json_t *schema, const json_t *value, const struct at *at, struct err *err)
{
	if (json_is_boolean(schema))
		return json_is_true(schema) ? 0 : wrong(at, "false", err, "nothing may be given here");
	for (size_t i = 0; i < COUNT(keywords); i++) {
		const struct keyword *k = &keywords[i];
		struct check c = { schema, json_object_get(schema, k->name), value, at, err };
		if (c.rule == NULL || k->check == NULL || (k->on != NULL && !has_type(value, k->on)))
			continue;
		int r = k->check(&c);
		if (r < 0)
			return r;
	}
	return 0;
}

static int lint(const json_t *schema, const struct at *at, struct err *err);

/* Every member of an array or object is a schema. */
static int lint_each(const json_t *value, const struct at *at, struct err *err)
{
	const char *key;
	json_t *one;
	size_t i;
	int r = 0;

	json_array_foreach(value, i, one) {
		struct at below = { .parent = at, .index = i };
		r = r < 0 ? r : lint(one, &below, err);
	}
	json_object_foreach((json_t *)value, key, one) {
		struct at below = { .parent = at, .key = key };
		r = r < 0 ? r : lint(one, &below, err);
	}
	return r;
}

static bool only_texts(const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!json_is_string(one))
			return false;
	return json_is_array(list);
}

static bool only_types(const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!json_is_string(one) || name_find(types, COUNT(types), json_string_value(one)) < 0)
			return false;
	return json_array_size(list) > 0;
}

static int lint_type(const json_t *rule, const struct at *at, struct err *err)
{
	const char *name = json_string_value(rule);

	if (only_types(rule) || (name != NULL && name_find(types, COUNT(types), name) >= 0))
		return 0;
	return wrong(at, "type", err,
	             "must be one of, or a list of: null, boolean, integer, number, string, array, object");
}

static int lint_regex(const json_t *rule, const struct at *at, struct err *err)
{
	struct err why = ERR_NONE;
	pcre2_code *re = json_is_string(rule) ? compile(rule, &why) : NULL;

	if (re == NULL)
		return wrong(at, "pattern", err, "%s", why.code != 0 ? why.text : "must be a string");
	pcre2_code_free(re);
	return 0;
}

static int lint_form(const struct keyword *k, const json_t *rule, const struct at *at, struct err *err)
{
	static const char *const musts[] = {
		[FORM_TEXT] = "a string",
		[FORM_NUMBER] = "a number",
		[FORM_SIZE] = "a whole number of at least 0",
		[FORM_NAMES] = "a list of strings",
		[FORM_LIST] = "a list of at least one value",
		[FORM_SCHEMAS] = "a list of at least one schema",
		[FORM_MEMBERS] = "an object of schemas",
	};
	bool fine = true;

	switch (k->form) {
	case FORM_ANY: return 0;
	case FORM_TYPE: return lint_type(rule, at, err);
	case FORM_REGEX: return lint_regex(rule, at, err);
	case FORM_SCHEMA: return lint(rule, at, err);
	case FORM_TEXT: fine = json_is_string(rule); break;
	case FORM_NUMBER: fine = json_is_number(rule); break;
	case FORM_SIZE: fine = json_is_integer(rule) && json_integer_value(rule) >= 0; break;
	case FORM_NAMES: fine = only_texts(rule); break;
	case FORM_LIST: fine = json_array_size(rule) > 0; break;
	case FORM_SCHEMAS: fine = json_array_size(rule) > 0; break;
	case FORM_MEMBERS: fine = json_is_object(rule); break;
	}
	if (!fine)
		return wrong(at, k->name, err, "must be %s", musts[k->form]);
	return k->form == FORM_SCHEMAS || k->form == FORM_MEMBERS ? lint_each(rule, at, err) : 0;
}

static int lint(const json_t *schema, const struct at *at, struct err *err)
{
	const char *names[COUNT(keywords)], *key;
	json_t *rule;
	int depth = 0;

	for (const struct at *up = at; up != NULL; up = up->parent)
		if (++depth > LIMIT_JSON_DEPTH)
			return wrong(at, "schema", err, "is nested deeper than %d levels", LIMIT_JSON_DEPTH);
	if (json_is_boolean(schema))
		return 0;
	if (!json_is_object(schema))
		return wrong(at, "schema", err, "is of type %s; must be an object, true or false", type_of(schema));
	for (size_t i = 0; i < COUNT(keywords); i++)
		names[i] = keywords[i].name;
	json_object_foreach((json_t *)schema, key, rule) {
		struct at below = { .parent = at, .key = key };
		int found = name_find(names, COUNT(names), key);
		if (found < 0) {
			const char *near = name_nearest(names, COUNT(names), key);
			return wrong(&below, "schema", err, "is no keyword that is understood here%s%s%s",
			             near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			             near != NULL ? "'?" : "");
		}
		int r = lint_form(&keywords[found], rule, &below, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int schema_lint(const json_t *schema, struct err *err)
{
	struct at root = { 0 };

	return lint(schema, &root, err);
}

int schema_check(const json_t *schema, const json_t *value, struct err *err)
{
	struct at root = { 0 };
	int r = lint(schema, &root, err); /* what is not understood must not pass for a match */

	if (r < 0)
		return err_prefix(err, "the schema itself");
	return check(schema, value, &root, err);
}
