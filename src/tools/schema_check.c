/* schema_check.c - a value against a compiled schema. The table of keywords is the list of what is understood; its
 * order is the order of the questions. It refuses to go on without end: steps and depth are counted, and what is too
 * much is an error, never a match. */
#include "tools/schema_node.h"

#include <stdarg.h>
#include <stdio.h>

#include "tools/tool.h"

#include "base/banned.h"

/* What keywords beside and below have looked at, for unevaluated*. */
struct seen {
	json_t *keys;                /* of an object; NULL: none yet */
	size_t items;                /* of an array: the first so many */
	unsigned char *bits;         /* and these; NULL: none */
};

struct scope {                       /* the schemas with an address that led here */
	const struct scope *up;
	const struct resource *resource;
};

struct walk {
	const struct schema *schema;
	unsigned flags;
	uint64_t steps;
	int depth;
};

struct spot {
	struct walk *walk;
	const json_t *value;
	const struct at *at;
	const struct scope *scope;
	struct seen *seen;           /* NULL: nobody asks */
	struct err *err;             /* NULL: nobody listens */
};

/* ---- sentences ---- */

void pointer_key(const char *key, struct buf *ret)
{
	size_t len = strlen(key);

	buf_add_char(ret, '/');
	for (size_t i = 0; i < MIN(len, (size_t)100); i++) /* keys come from outside */
		if (key[i] == '~' || key[i] == '/')
			buf_add_text(ret, key[i] == '~' ? "~0" : "~1");
		else
			buf_add_char(ret, key[i]);
}

static void add_pointer(const struct at *at, struct buf *ret)
{
	if (at->parent == NULL)
		return;
	add_pointer(at->parent, ret);
	if (at->key != NULL)
		pointer_key(at->key, ret);
	else
		buf_printf(ret, "/%zu", at->index);
}

int schema_wrong(const struct at *at, const char *keyword, struct err *err, const char *format, ...)
{
	AUTO(buf_done) struct buf raw = BUF_INIT(KIB(64)), shown = BUF_INIT(KIB(256));
	char what[LIMIT_ERR_TEXT_BYTES];
	va_list args;

	if (err == NULL)
		return -EINVAL;
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

/* The value is not as the rule says. */
#define WRONG(rule, spot, ...) \
	((spot)->err == NULL ? -EINVAL : schema_wrong((spot)->at, (rule)->keyword->name, (spot)->err, __VA_ARGS__))

/* ---- what was looked at ---- */

static void see_key(struct seen *seen, const char *key)
{
	if (seen == NULL)
		return;
	if (seen->keys == NULL)
		seen->keys = json_object();
	json_object_set_new_nocheck(seen->keys, key, json_true());
}

static void see_item(struct seen *seen, size_t index, size_t size)
{
	if (seen == NULL)
		return;
	if (seen->bits == NULL)
		seen->bits = xcalloc(size / 8 + 1, 1);
	seen->bits[index / 8] |= (unsigned char)(1u << index % 8);
}

static void see_items(struct seen *seen, size_t count)
{
	if (seen != NULL)
		seen->items = MAX(seen->items, count);
}

static bool has_item(const struct seen *seen, size_t index)
{
	return index < seen->items || (seen->bits != NULL && (seen->bits[index / 8] >> index % 8 & 1) != 0);
}

static void see_all(struct seen *to, const struct seen *from, const json_t *value)
{
	if (from->keys != NULL && to->keys == NULL)
		to->keys = json_incref(from->keys);
	else if (from->keys != NULL && to->keys != from->keys) {
		json_t *both = json_copy(to->keys);
		json_object_update(both, from->keys);
		json_decref(to->keys);
		to->keys = both;
	}
	to->items = MAX(to->items, from->items);
	for (size_t i = 0; from->bits != NULL && i < json_array_size(value); i++)
		if (has_item(from, i))
			see_item(to, i, json_array_size(value));
}

static void seen_done(struct seen *seen)
{
	json_decref(seen->keys);
	free(seen->bits);
}

/* ---- going down ---- */

static int too_much(const struct walk *walk)
{
	return walk->steps > LIMIT_SCHEMA_STEPS || walk->depth > LIMIT_SCHEMA_DEPTH ? -E2BIG : 0;
}

static int check(const struct node *node, const struct spot *spot);

/* The same value by another schema; what that looks at counts here. */
static int same_spot(const struct node *node, const struct spot *spot, struct err *err)
{
	struct spot next = *spot;

	next.err = err;
	return check(node, &next);
}

/* A member or item, on its own. */
static int inner(const struct node *node, const struct spot *spot, const json_t *value, const char *key, size_t index)
{
	struct at at = { spot->at, key, index };
	struct spot next = { spot->walk, value, &at, spot->scope, NULL, spot->err };

	return check(node, &next);
}

/* Does it match? 1, 0; -E2BIG. Nobody hears why not. */
static int matches(const struct node *node, const struct spot *spot)
{
	int r = same_spot(node, spot, NULL);

	return r == 0 ? 1 : r == -EINVAL ? 0 : r;
}

/* ---- any value ---- */

static const char *const types[] = { "null", "boolean", "integer", "number", "string", "array", "object" };

static bool has_type(const json_t *value, const char *type)
{
	switch (type[0]) {
	case 'n': return type[2] == 'l' ? json_is_null(value) : json_is_number(value);
	case 'b': return json_is_boolean(value);
	case 'i': return number_whole(value);
	case 's': return json_is_string(value);
	case 'a': return json_is_array(value);
	case 'o': return json_is_object(value);
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

static int check_type(const struct rule *rule, const struct spot *s)
{
	AUTO(buf_done) struct buf wanted = BUF_INIT(KIB(1));
	json_t *one;
	size_t i;

	if (json_is_string(rule->value) && has_type(s->value, json_string_value(rule->value)))
		return 0;
	json_array_foreach(rule->value, i, one)
		if (has_type(s->value, json_string_value(one)))
			return 0;
	if (s->err == NULL)
		return -EINVAL;
	if (json_is_string(rule->value))
		buf_add_text(&wanted, json_string_value(rule->value));
	json_array_foreach(rule->value, i, one)
		buf_printf(&wanted, "%s%s", i > 0 ? " or " : "", json_string_value(one));
	return WRONG(rule, s, "is of type %s; must be %s", type_of(s->value), buf_text(&wanted));
}

static int check_enum(const struct rule *rule, const struct spot *s)
{
	AUTO(buf_done) struct buf listed = BUF_INIT(512);
	char text[BRIEF_BYTES];
	json_t *one;
	size_t i;

	s->walk->steps += json_array_size(rule->value);
	json_array_foreach(rule->value, i, one)
		if (json_same(s->value, one))
			return 0;
	if (s->err == NULL)
		return -EINVAL;
	json_array_foreach(rule->value, i, one)
		if (buf_printf(&listed, "%s%s", i > 0 ? ", " : "", brief(one, text, sizeof text)) < 0)
			break;
	return WRONG(rule, s, "%s is not one of: %s%s", brief(s->value, text, sizeof text), buf_text(&listed), listed.full ? ", ..." : "");
}

static int check_const(const struct rule *rule, const struct spot *s)
{
	char is[BRIEF_BYTES], must[BRIEF_BYTES];

	if (json_same(s->value, rule->value))
		return 0;
	return WRONG(rule, s, "is %s; must be %s", brief(s->value, is, sizeof is), brief(rule->value, must, sizeof must));
}

static int check_ref(const struct rule *rule, const struct spot *s)
{
	return same_spot(rule->target, s, s->err);
}

/* The outermost schema on the way here that has the anchor. */
static int check_dynamic_ref(const struct rule *rule, const struct spot *s)
{
	const struct node *target = rule->target;

	for (const struct scope *scope = s->scope; rule->dynamic != NULL && scope != NULL; scope = scope->up) {
		const struct anchor *anchor = schema_anchor(s->walk->schema, scope->resource, rule->dynamic, true);
		target = anchor != NULL ? anchor->node : target;
	}
	return same_spot(target, s, s->err);
}

static int check_all_of(const struct rule *rule, const struct spot *s)
{
	for (size_t i = 0; i < rule->count; i++) {
		int r = same_spot(rule->subs[i], s, s->err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* How many match; -E2BIG. The first sentence stays in *first. Where what was looked at counts, each is asked. */
static int matching(const struct rule *rule, const struct spot *s, size_t enough, struct err *first)
{
	int count = 0;

	*first = ERR_NONE;
	for (size_t i = 0; i < rule->count && ((size_t)count < enough || s->seen != NULL); i++) {
		int r = same_spot(rule->subs[i], s, s->err != NULL && first->code == 0 ? first : NULL);
		if (r < 0 && r != -EINVAL)
			return r;
		count += r == 0;
	}
	return count;
}

static int check_any_of(const struct rule *rule, const struct spot *s)
{
	struct err first;
	int count = matching(rule, s, 1, &first);

	if (count != 0)
		return MIN(count, 0);
	return WRONG(rule, s, "matches none of %zu forms; the first says: %s", rule->count, first.text);
}

static int check_one_of(const struct rule *rule, const struct spot *s)
{
	struct err first;
	int count = matching(rule, s, SIZE_MAX, &first);

	if (count < 0 || count == 1)
		return MIN(count, 0);
	if (count == 0)
		return WRONG(rule, s, "matches none of %zu forms; the first says: %s", rule->count, first.text);
	return WRONG(rule, s, "matches %d forms; must match exactly one", count);
}

static int check_not(const struct rule *rule, const struct spot *s)
{
	struct spot alone = *s;

	alone.seen = NULL;
	int r = matches(rule->subs[0], &alone);
	return r <= 0 ? r : WRONG(rule, s, "matches a form that it must not match");
}

static int check_if(const struct rule *rule, const struct spot *s)
{
	int r = matches(rule->subs[0], s);
	const struct rule *branch = r > 0 ? rule->node->then : rule->node->otherwise;

	if (r < 0 || branch == NULL)
		return MIN(r, 0);
	return same_spot(branch->subs[0], s, s->err);
}

/* ---- texts ---- */

static int check_pattern(const struct rule *rule, const struct spot *s)
{
	char text[BRIEF_BYTES];
	int r = regex_match(rule->regexes[0], (struct str){ json_string_value(s->value), json_string_length(s->value) });

	if (r < 0) {
		if (s->err != NULL)
			schema_wrong(s->at, "pattern", s->err, "takes too long to compare with %s", json_string_value(rule->value));
		return r;
	}
	return r > 0 ? 0 : WRONG(rule, s, "%s does not match %s", brief(s->value, text, sizeof text), json_string_value(rule->value));
}

static int check_format(const struct rule *rule, const struct spot *s)
{
	char text[BRIEF_BYTES];

	if (rule->format == NULL || (s->walk->flags & SCHEMA_FORMATS) == 0 ||
	    rule->format->check((struct str){ json_string_value(s->value), json_string_length(s->value) }))
		return 0;
	return WRONG(rule, s, "%s is no %s; must be %s", brief(s->value, text, sizeof text), rule->format->name, rule->format->about);
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
static int check_size(const struct rule *rule, const struct spot *s, size_t size, const char *what)
{
	double bound = json_number_value(rule->value);
	bool least = rule->keyword->name[1] == 'i'; /* minX or maxX */

	if (least ? (double)size >= bound : (double)size <= bound)
		return 0;
	return WRONG(rule, s, "has %zu %s; must have at %s %.0f", size, what, least ? "least" : "most", bound);
}

static int check_length(const struct rule *rule, const struct spot *s)
{
	return check_size(rule, s, characters(s->value), "characters");
}

/* ---- numbers ---- */

static int check_bound(const struct rule *rule, const struct spot *s, bool fine, const char *must)
{
	char is[BRIEF_BYTES], bound[BRIEF_BYTES];

	if (fine)
		return 0;
	return WRONG(rule, s, "is %s; must be %s %s", brief(s->value, is, sizeof is), must, brief(rule->value, bound, sizeof bound));
}

static int check_minimum(const struct rule *rule, const struct spot *s)
{
	return check_bound(rule, s, number_compare(s->value, rule->value) >= 0, "at least");
}
static int check_maximum(const struct rule *rule, const struct spot *s)
{
	return check_bound(rule, s, number_compare(s->value, rule->value) <= 0, "at most");
}
static int check_above(const struct rule *rule, const struct spot *s)
{
	return check_bound(rule, s, number_compare(s->value, rule->value) > 0, "more than");
}
static int check_below(const struct rule *rule, const struct spot *s)
{
	return check_bound(rule, s, number_compare(s->value, rule->value) < 0, "less than");
}
static int check_multiple(const struct rule *rule, const struct spot *s)
{
	return check_bound(rule, s, number_multiple(s->value, rule->value), "a multiple of");
}

/* ---- arrays ---- */

static int check_count(const struct rule *rule, const struct spot *s)
{
	return check_size(rule, s, json_array_size(s->value), "items");
}

struct hashed {
	uint64_t hash;
	size_t index;
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->index > y->index) - (x->index < y->index);
}

static int check_unique(const struct rule *rule, const struct spot *s)
{
	size_t count = json_array_size(s->value);

	if (!json_is_true(rule->value) || count < 2)
		return 0;
	AUTO(freep) struct hashed *list = xcalloc(count, sizeof *list);
	for (size_t i = 0; i < count; i++)
		list[i] = (struct hashed){ json_hash(json_array_get(s->value, i)), i };
	qsort(list, count, sizeof *list, by_hash);
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k-- > 0 && list[k].hash == list[i].hash;) {
			if (++s->walk->steps > LIMIT_SCHEMA_STEPS)
				return -E2BIG;
			if (json_same(json_array_get(s->value, list[k].index), json_array_get(s->value, list[i].index)))
				return WRONG(rule, s, "items %zu and %zu are the same; each must be another", list[k].index, list[i].index);
		}
	return 0;
}

static int check_prefix(const struct rule *rule, const struct spot *s)
{
	size_t count = MIN(rule->count, json_array_size(s->value));

	for (size_t i = 0; i < count; i++) {
		int r = inner(rule->subs[i], s, json_array_get(s->value, i), NULL, i);
		if (r < 0)
			return r;
	}
	see_items(s->seen, count);
	return 0;
}

static int check_items(const struct rule *rule, const struct spot *s)
{
	size_t first = rule->node->prefix != NULL ? rule->node->prefix->count : 0;

	for (size_t i = first; i < json_array_size(s->value); i++) {
		int r = inner(rule->subs[0], s, json_array_get(s->value, i), NULL, i);
		if (r < 0)
			return r;
	}
	see_items(s->seen, json_array_size(s->value));
	return 0;
}

/* minContains and maxContains only speak about contains: all three are answered where that is. */
static int count_contained(const struct rule *rule, const struct spot *s)
{
	struct spot quiet = *s;
	int count = 0;

	quiet.err = NULL;
	for (size_t i = 0; i < json_array_size(s->value); i++) {
		int r = inner(rule->subs[0], &quiet, json_array_get(s->value, i), NULL, i);
		if (r < 0 && r != -EINVAL)
			return r;
		if (r == 0)
			see_item(s->seen, i, json_array_size(s->value));
		count += r == 0;
	}
	return count;
}

static int check_contains(const struct rule *rule, const struct spot *s)
{
	int count = count_contained(rule, s);

	if (count < 0 || count > 0 || (rule->node->min_contains != NULL && json_number_value(rule->node->min_contains->value) == 0))
		return MIN(count, 0);
	return WRONG(rule, s, "no item matches; at least one must");
}

static int check_contains_count(const struct rule *rule, const struct spot *s)
{
	struct spot unseen = *s;

	if (rule->node->contains == NULL)
		return 0;
	unseen.seen = NULL;
	int count = count_contained(rule->node->contains, &unseen);
	return count < 0 ? count : check_size(rule, s, (size_t)count, "items that match contains");
}

static int check_unevaluated_items(const struct rule *rule, const struct spot *s)
{
	for (size_t i = 0; i < json_array_size(s->value); i++) {
		if (s->seen == NULL || has_item(s->seen, i))
			continue;
		int r = inner(rule->subs[0], s, json_array_get(s->value, i), NULL, i);
		if (r < 0)
			return r;
	}
	see_items(s->seen, json_array_size(s->value));
	return 0;
}

/* ---- objects ---- */

static int check_members(const struct rule *rule, const struct spot *s)
{
	return check_size(rule, s, json_object_size(s->value), "members");
}

static int missing(const struct rule *rule, const struct spot *s, const char *name, const char *because)
{
	struct at at = { .parent = s->at, .key = name };

	if (s->err == NULL)
		return -EINVAL;
	if (because == NULL)
		return schema_wrong(&at, rule->keyword->name, s->err, "is missing; it must be given");
	return schema_wrong(&at, rule->keyword->name, s->err, "is missing; it must be given beside '%s'", because);
}

static int need(const struct rule *rule, const struct spot *s, const json_t *names, const char *because)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (json_object_get(s->value, json_string_value(name)) == NULL)
			return missing(rule, s, json_string_value(name), because);
	return 0;
}

static int check_required(const struct rule *rule, const struct spot *s)
{
	return need(rule, s, rule->value, NULL);
}

static int check_dependent_required(const struct rule *rule, const struct spot *s)
{
	const char *key;
	json_t *names;

	json_object_foreach((json_t *)rule->value, key, names) {
		int r = json_object_get(s->value, key) != NULL ? need(rule, s, names, key) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* With `dependencies` of older dialects, too, where a list of names may stand for a schema. */
static int check_dependent_schemas(const struct rule *rule, const struct spot *s)
{
	for (size_t i = 0; i < rule->count; i++) {
		if (json_object_get(s->value, rule->names[i]) == NULL)
			continue;
		int r = rule->subs[i] != NULL ? same_spot(rule->subs[i], s, s->err)
		                              : need(rule, s, json_object_get(rule->value, rule->names[i]), rule->names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_properties(const struct rule *rule, const struct spot *s)
{
	for (size_t i = 0; i < rule->count; i++) {
		const json_t *value = json_object_get(s->value, rule->names[i]);
		if (value == NULL)
			continue;
		int r = inner(rule->subs[i], s, value, rule->names[i], 0);
		if (r < 0)
			return r;
		see_key(s->seen, rule->names[i]);
	}
	return 0;
}

static int check_patterns(const struct rule *rule, const struct spot *s)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)s->value, key, value)
		for (size_t i = 0; i < rule->count; i++) {
			int r = regex_match(rule->regexes[i], str_of(key));
			if (r == 0)
				continue;
			r = r < 0 ? r : inner(rule->subs[i], s, value, key, 0);
			if (r < 0)
				return r;
			see_key(s->seen, key);
		}
	return 0;
}

/* Is the member the business of properties or patternProperties? 1, 0; -E2BIG. */
static int is_known(const struct node *node, const char *key)
{
	if (node->properties != NULL && json_object_get(node->properties->value, key) != NULL)
		return 1;
	for (size_t i = 0; node->patterns != NULL && i < node->patterns->count; i++) {
		int r = regex_match(node->patterns->regexes[i], str_of(key));
		if (r != 0)
			return r;
	}
	return 0;
}

enum { NAMES_SHOWN = 64 };

static int unknown_member(const struct rule *rule, const struct spot *s, const char *key)
{
	const struct rule *known = rule->node->properties;
	struct at at = { .parent = s->at, .key = key };
	AUTO(buf_done) struct buf listed = BUF_INIT(512);

	if (s->err == NULL)
		return -EINVAL;
	for (size_t i = 0; known != NULL && i < known->count; i++)
		buf_printf(&listed, "%s%s", i > 0 ? ", " : "", known->names[i]);
	const char *near = known != NULL ? name_nearest(known->names, MIN(known->count, (size_t)NAMES_SHOWN), key) : NULL;
	if (near != NULL)
		return schema_wrong(&at, rule->keyword->name, s->err, "is not known; did you mean '%s'?", near);
	if (listed.len == 0)
		return schema_wrong(&at, rule->keyword->name, s->err, "is not known; there must be none");
	return schema_wrong(&at, rule->keyword->name, s->err, "is not known; there are: %s%s", buf_text(&listed),
	                    listed.full ? ", ..." : "");
}

static int check_additional(const struct rule *rule, const struct spot *s)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)s->value, key, value) {
		int r = is_known(rule->node, key);
		if (r > 0)
			continue;
		if (r == 0)
			r = json_is_false(rule->value) ? unknown_member(rule, s, key) : inner(rule->subs[0], s, value, key, 0);
		if (r < 0)
			return r;
		see_key(s->seen, key);
	}
	return 0;
}

static int check_unevaluated(const struct rule *rule, const struct spot *s)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)s->value, key, value) {
		if (s->seen == NULL || (s->seen->keys != NULL && json_object_get(s->seen->keys, key) != NULL))
			continue;
		int r = json_is_false(rule->value) ? unknown_member(rule, s, key) : inner(rule->subs[0], s, value, key, 0);
		if (r < 0)
			return r;
		see_key(s->seen, key);
	}
	return 0;
}

static int check_names(const struct rule *rule, const struct spot *s)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)s->value, key, value) {
		AUTO(json_decrefp) json_t *name = json_string(key);
		int r = inner(rule->subs[0], s, name, key, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the keywords ---- */

const struct keyword schema_keywords[] = {
	{ "type", NULL, FORM_TYPE, "validation", check_type },
	{ "enum", NULL, FORM_ENUM, "validation", check_enum },
	{ "const", NULL, FORM_ANY, "validation", check_const },
	{ "$ref", NULL, FORM_REF, "core", check_ref },
	{ "$dynamicRef", NULL, FORM_REF, "core", check_dynamic_ref },
	{ "required", "object", FORM_NAMES, "validation", check_required },
	{ "dependentRequired", "object", FORM_DEPENDENT, "validation", check_dependent_required },
	{ "minProperties", "object", FORM_SIZE, "validation", check_members },
	{ "maxProperties", "object", FORM_SIZE, "validation", check_members },
	{ "propertyNames", "object", FORM_SCHEMA, "applicator", check_names },
	{ "additionalProperties", "object", FORM_SCHEMA, "applicator", check_additional },
	{ "properties", "object", FORM_MEMBERS, "applicator", check_properties },
	{ "patternProperties", "object", FORM_PATTERNS, "applicator", check_patterns },
	{ "dependentSchemas", "object", FORM_MEMBERS, "applicator", check_dependent_schemas },
	{ "dependencies", "object", FORM_EITHER, "core", check_dependent_schemas }, /* of older dialects */
	{ "minItems", "array", FORM_SIZE, "validation", check_count },
	{ "maxItems", "array", FORM_SIZE, "validation", check_count },
	{ "prefixItems", "array", FORM_SCHEMAS, "applicator", check_prefix },
	{ "items", "array", FORM_SCHEMA, "applicator", check_items },
	{ "contains", "array", FORM_SCHEMA, "applicator", check_contains },
	{ "minContains", "array", FORM_SIZE, "validation", check_contains_count },
	{ "maxContains", "array", FORM_SIZE, "validation", check_contains_count },
	{ "uniqueItems", "array", FORM_BOOL, "validation", check_unique },
	{ "minLength", "string", FORM_SIZE, "validation", check_length },
	{ "maxLength", "string", FORM_SIZE, "validation", check_length },
	{ "pattern", "string", FORM_REGEX, "validation", check_pattern },
	{ "format", "string", FORM_FORMAT, "format-annotation", check_format },
	{ "minimum", "number", FORM_NUMBER, "validation", check_minimum },
	{ "maximum", "number", FORM_NUMBER, "validation", check_maximum },
	{ "exclusiveMinimum", "number", FORM_NUMBER, "validation", check_above },
	{ "exclusiveMaximum", "number", FORM_NUMBER, "validation", check_below },
	{ "multipleOf", "number", FORM_POSITIVE, "validation", check_multiple },
	{ "allOf", NULL, FORM_SCHEMAS, "applicator", check_all_of },
	{ "anyOf", NULL, FORM_SCHEMAS, "applicator", check_any_of },
	{ "oneOf", NULL, FORM_SCHEMAS, "applicator", check_one_of },
	{ "not", NULL, FORM_SCHEMA, "applicator", check_not },
	{ "if", NULL, FORM_SCHEMA, "applicator", check_if },
	{ "then", NULL, FORM_SCHEMA, "applicator", NULL },
	{ "else", NULL, FORM_SCHEMA, "applicator", NULL },
	{ "unevaluatedItems", "array", FORM_SCHEMA, "unevaluated", check_unevaluated_items },
	{ "unevaluatedProperties", "object", FORM_SCHEMA, "unevaluated", check_unevaluated },
	{ "$schema", NULL, FORM_META, "core", NULL },
	{ "$vocabulary", NULL, FORM_VOCABULARY, "core", NULL },
	{ "$id", NULL, FORM_ID, "core", NULL },
	{ "$anchor", NULL, FORM_ANCHOR, "core", NULL },
	{ "$dynamicAnchor", NULL, FORM_ANCHOR, "core", NULL },
	{ "$defs", NULL, FORM_MEMBERS, "core", NULL },
	{ "definitions", NULL, FORM_MEMBERS, "core", NULL }, /* of older dialects */
	{ "$comment", NULL, FORM_TEXT, "core", NULL },
	{ "title", NULL, FORM_TEXT, "meta-data", NULL },
	{ "description", NULL, FORM_TEXT, "meta-data", NULL },
	{ "default", NULL, FORM_ANY, "meta-data", NULL },
	{ "deprecated", NULL, FORM_BOOL, "meta-data", NULL },
	{ "readOnly", NULL, FORM_BOOL, "meta-data", NULL },
	{ "writeOnly", NULL, FORM_BOOL, "meta-data", NULL },
	{ "examples", NULL, FORM_LIST, "meta-data", NULL },
	{ "contentEncoding", NULL, FORM_TEXT, "content", NULL },
	{ "contentMediaType", NULL, FORM_TEXT, "content", NULL },
	{ "contentSchema", NULL, FORM_CONTENT, "content", NULL },
};
const size_t schema_keyword_count = COUNT(schema_keywords);

/* Where in the schema the rule is that said no: the first that hears of it says so, those above pass it on. */
static void locate(const struct rule *rule, const struct spot *s)
{
	char text[LIMIT_ERR_TEXT_BYTES];

	if (s->err == NULL || s->err->code == 0 || (s->walk->flags & SCHEMA_LOCATE) == 0 || strstr(s->err->text, " (schema: #") != NULL)
		return;
	snprintf(text, sizeof text, "%s", s->err->text);
	err_set(s->err, EINVAL, "%s (schema: #%s/%s)", text, rule->node->where, rule->keyword->name);
}

static int check_rules(const struct node *node, const struct spot *s)
{
	for (size_t i = 0; i < node->rule_count; i++) {
		const struct rule *rule = &node->rules[i];
		if (rule->keyword->check == NULL || (rule->keyword->on != NULL && !has_type(s->value, rule->keyword->on)))
			continue;
		s->walk->steps++;
		int r = too_much(s->walk);
		r = r < 0 ? r : rule->keyword->check(rule, s);
		if (r < 0) {
			locate(rule, s);
			return r;
		}
	}
	return 0;
}

static int check(const struct node *node, const struct spot *spot)
{
	struct spot s = *spot;
	struct scope scope = { spot->scope, node->resource };
	struct seen seen = { 0 };

	if (json_is_boolean(node->json))
		return json_is_true(node->json) ? 0 : schema_wrong(s.at, "false", s.err, "nothing may be given here");
	if (s.scope == NULL || s.scope->resource != node->resource)
		s.scope = &scope;
	if (s.walk->schema->tracks && (json_is_object(s.value) || json_is_array(s.value)))
		s.seen = &seen;
	s.walk->depth++;
	int r = check_rules(node, &s);
	s.walk->depth--;
	if (r == 0 && s.seen == &seen && spot->seen != NULL)
		see_all(spot->seen, &seen, s.value);
	seen_done(&seen);
	return r;
}

int schema_validate(const struct schema *schema, const json_t *value, unsigned flags, struct err *err)
{
	struct walk walk = { .schema = schema, .flags = flags };
	struct at root = { 0 };
	struct err first = ERR_NONE;
	struct spot spot = { &walk, value, &root, NULL, NULL, err != NULL ? &first : NULL };

	int r = check(schema->root, &spot);
	if (r == -E2BIG && first.code == 0)
		return err_set(err, EINVAL, "/: schema: takes too long to compare, or refers to itself without end; "
		               "give a smaller value or a simpler schema");
	if (r < 0 && err != NULL)
		*err = first;
	return r < 0 ? -EINVAL : 0;
}
