/* schema_compile.c - from JSON to a compiled schema: every keyword's own value is looked at once, patterns are
 * compiled, references led to where they point. It refuses what cannot be compared: a keyword with a wrong value, a
 * reference out of the document, a dialect that is not 2020-12. */
#include "tools/schema_node.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "tools/tool.h"

#include "base/banned.h"

static const char dialect[] = "https://json-schema.org/draft/2020-12/schema";

struct compile {
	struct schema *schema;
	struct err *err;
	int depth;
};

static int build(struct compile *c, const json_t *json, const char *where, struct resource *resource, struct node **ret);

/* "WHERE: KEYWORD: what". */
static int bad(const struct compile *c, const char *where, const char *keyword, const char *format, ...) PRINTF(4, 5);

static int bad(const struct compile *c, const char *where, const char *keyword, const char *format, ...)
{
	AUTO(buf_done) struct buf raw = BUF_INIT(KIB(64)), shown = BUF_INIT(KIB(256));
	char what[LIMIT_ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	buf_printf(&raw, "%s: %s: %s", where[0] != '\0' ? where : "/", keyword, what);
	sanitize_text(buf_str(&raw), &shown);
	return err_set(c->err, EINVAL, "%s", buf_text(&shown));
}

static char *below(const char *where, const char *key)
{
	struct buf text = BUF_INIT(KIB(64));

	buf_add_text(&text, where);
	pointer_key(key, &text);
	return buf_take(&text);
}

static char *below_at(const char *where, size_t index)
{
	return xasprintf("%s/%zu", where, index);
}

/* ---- the tables of a schema ---- */

static size_t slot_of(const struct schema *s, const json_t *json)
{
	size_t at = ((uintptr_t)json >> 4) * 0x9e3779b97f4a7c15u & (s->slots - 1);

	while (s->by_json[at] != NULL && s->by_json[at]->json != json)
		at = (at + 1) & (s->slots - 1);
	return at;
}

static struct node *node_find(const struct schema *s, const json_t *json)
{
	return s->slots > 0 ? s->by_json[slot_of(s, json)] : NULL;
}

static void node_keep(struct schema *s, struct node *node)
{
	node->next = s->nodes;
	s->nodes = node;
	s->node_count++;
	if (s->node_count * 2 > s->slots) {
		free(s->by_json);
		s->slots = MAX(s->slots * 2, (size_t)16);
		s->by_json = xcalloc(s->slots, sizeof *s->by_json);
		for (struct node *n = s->nodes; n != NULL; n = n->next)
			s->by_json[slot_of(s, n->json)] = n;
		return;
	}
	s->by_json[slot_of(s, node->json)] = node;
}

static struct resource *resource_find(const struct schema *s, struct str uri)
{
	for (struct resource *r = s->resources; r != NULL; r = r->next)
		if (str_eq(str_of(r->uri), uri))
			return r;
	return NULL;
}

static struct resource *resource_new(struct schema *s, char *owned_uri)
{
	struct resource *r = xcalloc(1, sizeof *r);

	*r = (struct resource){ .uri = owned_uri, .next = s->resources };
	s->resources = r;
	return r;
}

const struct anchor *schema_anchor(const struct schema *s, const struct resource *resource, const char *name, bool dynamic)
{
	for (const struct anchor *a = s->anchors; a != NULL; a = a->next)
		if (a->resource == resource && (!dynamic || a->dynamic) && strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* ---- the values of keywords ---- */

static const char *const types[] = { "null", "boolean", "integer", "number", "string", "array", "object" };

static bool is_type(const json_t *value)
{
	const char *name = json_string_value(value);

	return name != NULL && name_find(types, COUNT(types), name) >= 0;
}

static bool all_are(const json_t *list, bool (*is)(const json_t *value), bool may_be_empty)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!is(one))
			return false;
	return json_is_array(list) && (may_be_empty || i > 0);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool names_in_members(const json_t *value)
{
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)value, key, one)
		if (!all_are(one, is_text, true))
			return false;
	return json_is_object(value);
}

static bool is_anchor(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || (!isalpha((unsigned char)text[0]) && text[0] != '_'))
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && strchr("-._", *text) == NULL)
			return false;
	return true;
}

static bool is_vocabulary(const json_t *value)
{
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)value, key, one)
		if (!json_is_boolean(one))
			return false;
	return json_is_object(value);
}

static bool is_size(const json_t *value)
{
	return json_is_number(value) && number_whole(value) && json_number_value(value) >= 0;
}

static bool is_form(const json_t *value, enum form form)
{
	switch (form) {
	case FORM_TYPE: return is_type(value) || all_are(value, is_type, false);
	case FORM_TEXT:
	case FORM_REGEX:
	case FORM_REF:
	case FORM_FORMAT: return json_is_string(value);
	case FORM_NUMBER: return json_is_number(value);
	case FORM_POSITIVE: return json_is_number(value) && json_number_value(value) > 0;
	case FORM_SIZE: return is_size(value);
	case FORM_BOOL: return json_is_boolean(value);
	case FORM_NAMES: return all_are(value, is_text, true);
	case FORM_LIST: return json_is_array(value);
	case FORM_ENUM: return json_is_array(value) && json_array_size(value) > 0;
	case FORM_SCHEMAS: return json_array_size(value) > 0;
	case FORM_MEMBERS:
	case FORM_PATTERNS:
	case FORM_EITHER: return json_is_object(value);
	case FORM_DEPENDENT: return names_in_members(value);
	case FORM_ID: return json_is_string(value) && strcspn(json_string_value(value), "#") + 1 >= json_string_length(value);
	case FORM_ANCHOR: return is_anchor(value);
	case FORM_META: return json_is_string(value) && strncmp(json_string_value(value), dialect, sizeof dialect - 1) == 0 &&
		strspn(json_string_value(value) + sizeof dialect - 1, "#") == strlen(json_string_value(value) + sizeof dialect - 1);
	case FORM_VOCABULARY: return is_vocabulary(value);
	case FORM_ANY:
	case FORM_SCHEMA:
	case FORM_CONTENT: return true;
	}
	return false;
}

static const char *const musts[] = {
	[FORM_TYPE] = "one of, or a list of: null, boolean, integer, number, string, array, object", [FORM_TEXT] = "a string",
	[FORM_REGEX] = "a string", [FORM_REF] = "a string", [FORM_FORMAT] = "a string", [FORM_NUMBER] = "a number",
	[FORM_POSITIVE] = "a number of more than 0", [FORM_SIZE] = "a whole number of at least 0", [FORM_BOOL] = "true or false",
	[FORM_NAMES] = "a list of strings", [FORM_LIST] = "a list", [FORM_ENUM] = "a list of at least one value",
	[FORM_SCHEMAS] = "a list of at least one schema", [FORM_MEMBERS] = "an object of schemas",
	[FORM_PATTERNS] = "an object of schemas",
	[FORM_EITHER] = "an object of schemas and lists of strings", [FORM_DEPENDENT] = "an object of lists of strings",
	[FORM_ID] = "a URI reference without a fragment", [FORM_ANCHOR] = "a name: a letter or _, then letters, digits, - _ and .",
	[FORM_META] = "https://json-schema.org/draft/2020-12/schema, the only dialect that is understood",
	[FORM_VOCABULARY] = "an object of true and false",
	[FORM_CONTENT] = NULL,
};

/* ---- schemas in a keyword ---- */

static void add_sub(struct rule *rule, struct node *sub, const char *name, struct regex *regex)
{
	rule->subs = xrealloc(rule->subs, (rule->count + 1) * sizeof *rule->subs);
	rule->names = xrealloc(rule->names, (rule->count + 1) * sizeof *rule->names);
	rule->regexes = xrealloc(rule->regexes, (rule->count + 1) * sizeof *rule->regexes);
	rule->subs[rule->count] = sub;
	rule->names[rule->count] = name;
	rule->regexes[rule->count++] = regex;
}

static int build_list(struct compile *c, struct rule *rule, const char *where)
{
	json_t *one;
	size_t i;

	json_array_foreach(rule->value, i, one) {
		AUTO(freep) char *at = below_at(where, i);
		struct node *sub;
		int r = build(c, one, at, rule->node->resource, &sub);
		if (r < 0)
			return r;
		add_sub(rule, sub, NULL, NULL);
	}
	return 0;
}

static int build_members(struct compile *c, struct rule *rule, const char *where)
{
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)rule->value, key, one) {
		AUTO(freep) char *at = below(where, key);
		struct regex *regex = NULL;
		struct node *sub = NULL;
		struct err why;
		bool names = rule->keyword->form == FORM_EITHER && json_is_array(one);
		if (names && !all_are(one, is_text, true))
			return bad(c, at, rule->keyword->name, "must be a schema or a list of strings");
		int r = names ? 0 : build(c, one, at, rule->node->resource, &sub);
		if (r < 0)
			return r;
		if (rule->keyword->form == FORM_PATTERNS && regex_new(str_of(key), &regex, &why) < 0)
			return bad(c, at, "patternProperties", "%s", why.text);
		add_sub(rule, sub, key, regex);
	}
	return 0;
}

static int build_pattern(struct compile *c, struct rule *rule, const char *where)
{
	struct regex *regex = NULL;
	struct err why;

	if (regex_new((struct str){ json_string_value(rule->value), json_string_length(rule->value) }, &regex, &why) < 0)
		return bad(c, where, "pattern", "%s", why.text);
	add_sub(rule, NULL, NULL, regex);
	return 0;
}

static int build_rule(struct compile *c, struct rule *rule)
{
	const struct keyword *k = rule->keyword;
	AUTO(freep) char *where = below(rule->node->where, k->name);
	struct node *sub;
	int r;

	bool empty_enum = k->form == FORM_ENUM && json_is_array(rule->value) && (c->schema->flags & SCHEMA_STRICT) == 0;
	if (!is_form(rule->value, k->form) && !empty_enum)
		return bad(c, where, k->name, "must be %s", musts[k->form]);
	switch (k->form) {
	case FORM_REGEX: return build_pattern(c, rule, where);
	case FORM_SCHEMAS: return build_list(c, rule, where);
	case FORM_MEMBERS:
	case FORM_PATTERNS:
	case FORM_EITHER: return build_members(c, rule, where);
	case FORM_SCHEMA:
	case FORM_CONTENT:
		r = build(c, rule->value, where, rule->node->resource, &sub);
		if (r == 0)
			add_sub(rule, sub, NULL, NULL);
		return r;
	case FORM_FORMAT: rule->format = format_find(json_string_value(rule->value)); return 0;
	case FORM_ANY: case FORM_TYPE: case FORM_TEXT: case FORM_NUMBER: case FORM_POSITIVE: case FORM_SIZE:
	case FORM_BOOL: case FORM_NAMES: case FORM_LIST: case FORM_ENUM: case FORM_DEPENDENT: case FORM_REF: case FORM_ID:
	case FORM_ANCHOR: case FORM_META:
	case FORM_VOCABULARY: break;
	}
	return 0;
}

/* ---- one schema ---- */

static const struct rule *rule_of(const struct node *node, const char *name)
{
	for (size_t i = 0; i < node->rule_count; i++)
		if (strcmp(node->rules[i].keyword->name, name) == 0)
			return &node->rules[i];
	return NULL;
}

static int unknown_keyword(struct compile *c, const struct node *node, const char *key)
{
	struct schema *s = c->schema;
	const char *names[64];
	AUTO(freep) char *where = below(node->where, key);

	assert(schema_keyword_count <= COUNT(names));
	for (size_t i = 0; i < schema_keyword_count; i++)
		names[i] = schema_keywords[i].name;
	const char *near = name_nearest(names, schema_keyword_count, key);
	if ((s->flags & SCHEMA_STRICT) != 0)
		return bad(c, where, "schema", "is no keyword that is understood here%s%s%s", near != NULL ? "; did you mean '" : "",
		           near != NULL ? near : "", near != NULL ? "'?" : "");
	if (near != NULL && s->doubt_count < LIMIT_SCHEMA_DOUBTS) {
		s->doubts = xrealloc(s->doubts, (s->doubt_count + 1) * sizeof *s->doubts);
		s->doubts[s->doubt_count].pointer = TAKE(where);
		s->doubts[s->doubt_count++].known = near;
	}
	return 0;
}

static int check_keywords(struct compile *c, const struct node *node)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)node->json, key, value) {
		bool known = false;
		for (size_t i = 0; i < schema_keyword_count && !known; i++)
			known = strcmp(schema_keywords[i].name, key) == 0;
		int r = known ? 0 : unknown_keyword(c, node, key);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_resource(struct compile *c, struct node *node)
{
	const char *id = json_string_value(json_object_get(node->json, "$id"));
	AUTO(freep) char *where = below(node->where, "$id");

	if (id == NULL || !is_form(json_object_get(node->json, "$id"), FORM_ID))
		return 0; /* a wrong one is refused where the keyword is looked at */
	char *uri = uri_resolve(node->resource != NULL ? node->resource->uri : "", id);
	uri[strcspn(uri, "#")] = '\0';
	if (uri[0] == '\0' && node->resource != NULL) {
		free(uri);
		return 0;
	}
	if (resource_find(c->schema, str_of(uri)) != NULL) {
		int r = bad(c, where, "$id", "'%.200s' is used twice; each schema must have an address of its own", uri);
		free(uri);
		return r;
	}
	node->resource = resource_new(c->schema, uri);
	node->resource->root = node;
	return 0;
}

static void keep_anchors(struct schema *s, struct node *node)
{
	static const char *const keys[] = { "$anchor", "$dynamicAnchor" };

	for (size_t i = 0; i < COUNT(keys); i++) {
		const json_t *value = json_object_get(node->json, keys[i]);
		if (!is_anchor(value))
			continue;
		struct anchor *a = xcalloc(1, sizeof *a);
		*a = (struct anchor){ json_string_value(value), node->resource, node, i == 1, s->anchors };
		s->anchors = a;
	}
}

static void link_siblings(struct schema *s, struct node *node)
{
	node->properties = rule_of(node, "properties");
	node->patterns = rule_of(node, "patternProperties");
	node->prefix = rule_of(node, "prefixItems");
	node->contains = rule_of(node, "contains");
	node->min_contains = rule_of(node, "minContains");
	node->then = rule_of(node, "then");
	node->otherwise = rule_of(node, "else");
	s->tracks |= rule_of(node, "unevaluatedProperties") != NULL || rule_of(node, "unevaluatedItems") != NULL;
}

static int build_rules(struct compile *c, struct node *node)
{
	int r = check_keywords(c, node);

	if (r < 0)
		return r;
	node->rules = xcalloc(json_object_size(node->json) + 1, sizeof *node->rules);
	for (size_t i = 0; i < schema_keyword_count; i++) {
		const json_t *value = json_object_get(node->json, schema_keywords[i].name);
		if (value == NULL)
			continue;
		struct rule *rule = &node->rules[node->rule_count++];
		*rule = (struct rule){ .keyword = &schema_keywords[i], .value = value, .node = node };
		if ((r = build_rule(c, rule)) < 0)
			return r;
	}
	link_siblings(c->schema, node);
	return 0;
}

static const char *kind_of(const json_t *json)
{
	static const char *const names[] = { [JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string",
		[JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "boolean", [JSON_FALSE] = "boolean", [JSON_NULL] = "null" };

	return names[json_typeof(json)];
}

static int build(struct compile *c, const json_t *json, const char *where, struct resource *resource, struct node **ret)
{
	if (c->depth > LIMIT_JSON_DEPTH)
		return bad(c, where, "schema", "is nested deeper than %d levels", LIMIT_JSON_DEPTH);
	if (!json_is_object(json) && !json_is_boolean(json))
		return bad(c, where, "schema", "is of type %s; must be an object, true or false", kind_of(json));
	if (c->schema->node_count >= LIMIT_SCHEMA_NODES)
		return bad(c, where, "schema", "has more than %d schemas in it", LIMIT_SCHEMA_NODES);
	struct node *node = xcalloc(1, sizeof *node);
	*node = (struct node){ .json = json, .where = xstrdup(where), .resource = resource };
	node_keep(c->schema, node);
	*ret = node;
	int r = open_resource(c, node);
	if (r < 0)
		return r;
	if (node->resource == NULL) { /* the document itself, without an address */
		node->resource = resource_new(c->schema, xstrdup(""));
		node->resource->root = node;
	}
	keep_anchors(c->schema, node);
	c->depth++;
	r = build_rules(c, node);
	c->depth--;
	return r;
}

/* ---- references ---- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* "a%25b~1c" → "a%b/c" */
static char *token(struct str s)
{
	struct buf plain = BUF_INIT(KIB(64)), text = BUF_INIT(KIB(64));

	for (size_t i = 0; i < s.len; i++) {
		bool coded = s.ptr[i] == '%' && i + 2 < s.len && hex_digit(s.ptr[i + 1]) >= 0 && hex_digit(s.ptr[i + 2]) >= 0;
		buf_add_char(&plain, coded ? (char)(hex_digit(s.ptr[i + 1]) * 16 + hex_digit(s.ptr[i + 2])) : s.ptr[i]);
		i += coded ? 2 : 0;
	}
	for (size_t i = 0; i < plain.len; i++) {
		bool tilde = plain.ptr[i] == '~' && i + 1 < plain.len && (plain.ptr[i + 1] == '0' || plain.ptr[i + 1] == '1');
		buf_add_char(&text, tilde ? (plain.ptr[i + 1] == '0' ? '~' : '/') : plain.ptr[i]);
		i += tilde;
	}
	buf_done(&plain);
	return buf_take(&text);
}

/* From the root of a resource along a pointer. What lies in no known keyword is compiled now. */
static int follow_pointer(struct compile *c, struct resource *resource, struct str pointer, struct node **ret)
{
	const json_t *json = resource->root->json;
	struct node *node = resource->root;
	AUTO(buf_done) struct buf where = BUF_INIT(KIB(64));
	struct str part;

	buf_add_text(&where, node->where);
	for (struct str rest = str_skip(pointer, 1); str_next(&rest, '/', &part);) {
		AUTO(freep) char *key = token(part);
		uint64_t index;
		pointer_key(key, &where);
		if (json_is_array(json))
			json = str_to_u64(str_of(key), &index) == 0 ? json_array_get(json, (size_t)index) : NULL;
		else
			json = json_object_get(json, key);
		if (json == NULL)
			return -ENOENT;
		if (node_find(c->schema, json) != NULL)
			node = node_find(c->schema, json);
	}
	*ret = node_find(c->schema, json);
	return *ret != NULL ? 0 : build(c, json, buf_text(&where), node->resource, ret);
}

static int load_meta(struct compile *c)
{
	const char *key;
	json_t *one;
	int r = 0;

	if (c->schema->meta != NULL)
		return 0;
	c->schema->meta = schema_meta();
	json_object_foreach(c->schema->meta, key, one) {
		struct node *ignored;
		if (r == 0 && resource_find(c->schema, str_of(key)) == NULL)
			r = build(c, one, key, c->schema->root->resource, &ignored);
	}
	return r;
}

static int resolve(struct compile *c, struct rule *rule)
{
	const char *ref = json_string_value(rule->value), *keyword = rule->keyword->name;
	AUTO(freep) char *where = below(rule->node->where, keyword);
	AUTO(freep) char *uri = uri_resolve(rule->node->resource->uri, ref);
	struct str address = { uri, strcspn(uri, "#") }, fragment = str_skip(str_of(uri), address.len + 1);
	struct resource *resource = resource_find(c->schema, address);
	int r = 0;

	if (resource == NULL && str_starts(address, STR("https://json-schema.org/draft/2020-12/"))) {
		r = load_meta(c);
		resource = resource_find(c->schema, address);
	}
	if (r < 0)
		return r;
	if (resource == NULL)
		return bad(c, where, keyword, "'%.200s' leads out of this document, and nothing is fetched; "
		           "put the schema under $defs, with that $id", uri);
	AUTO(freep) char *name = token(fragment);
	if (fragment.len == 0) {
		rule->target = resource->root;
	} else if (name[0] == '/') {
		r = follow_pointer(c, resource, fragment, &rule->target);
	} else {
		const struct anchor *anchor = schema_anchor(c->schema, resource, name, false);
		r = anchor != NULL ? 0 : -ENOENT;
		rule->target = anchor != NULL ? anchor->node : NULL;
		if (anchor != NULL && strcmp(keyword, "$dynamicRef") == 0 &&
		    (anchor = schema_anchor(c->schema, resource, name, true)) != NULL) {
			rule->target = anchor->node;
			rule->dynamic = anchor->name;
		}
	}
	if (r == -ENOENT)
		return bad(c, where, keyword, "'%.200s' leads nowhere: there is no such place in this document", ref);
	return r;
}

/* Following one may compile more schemas, with references of their own; those are put in front. */
static int resolve_all(struct compile *c)
{
	for (struct node *done = NULL, *first = c->schema->nodes; first != done; first = c->schema->nodes) {
		for (struct node *n = first; n != done; n = n->next)
			for (size_t i = 0; i < n->rule_count; i++) {
				struct rule *rule = &n->rules[i];
				int r = rule->keyword->form == FORM_REF && rule->target == NULL ? resolve(c, rule) : 0;
				if (r < 0)
					return r;
			}
		done = first;
	}
	return 0;
}

int schema_compile(const json_t *json, unsigned flags, struct schema **ret, struct err *err)
{
	AUTO(schema_freep) struct schema *s = xcalloc(1, sizeof *s);
	struct compile c = { .schema = s, .err = err };

	s->json = json;
	s->flags = flags;
	int r = build(&c, json, "", NULL, &s->root);
	if (r == 0)
		r = resolve_all(&c);
	if (r < 0)
		return -EINVAL;
	*ret = TAKE(s);
	return 0;
}

static void rule_done(struct rule *rule)
{
	for (size_t i = 0; i < rule->count; i++)
		regex_free(rule->regexes[i]);
	free(rule->subs);
	free(rule->names);
	free(rule->regexes);
}

void schema_free(struct schema *s)
{
	if (s == NULL)
		return;
	for (struct node *next; s->nodes != NULL; s->nodes = next) {
		next = s->nodes->next;
		for (size_t i = 0; i < s->nodes->rule_count; i++)
			rule_done(&s->nodes->rules[i]);
		free(s->nodes->rules);
		free(s->nodes->where);
		free(s->nodes);
	}
	for (struct resource *next; s->resources != NULL; s->resources = next) {
		next = s->resources->next;
		free(s->resources->uri);
		free(s->resources);
	}
	for (struct anchor *next; s->anchors != NULL; s->anchors = next) {
		next = s->anchors->next;
		free(s->anchors);
	}
	for (size_t i = 0; i < s->doubt_count; i++)
		free(s->doubts[i].pointer);
	free(s->doubts);
	free(s->by_json);
	json_decref(s->meta);
	free(s);
}

void schema_freep(struct schema **schema)
{
	schema_free(*schema);
}

void schema_doubts(const struct schema *s, void (*found)(void *userdata, const char *pointer, const char *known), void *userdata)
{
	for (size_t i = 0; i < s->doubt_count; i++)
		found(userdata, s->doubts[i].pointer, s->doubts[i].known);
}
