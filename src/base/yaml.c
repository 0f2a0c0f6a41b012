/* yaml.c - text to a tree of typed nodes, by the events of libfyaml. It works on events and not on libfyaml's
 * documents, so that an anchor, an alias or a tag is refused before anything could resolve it. It refuses whatever a
 * reader of the file could understand differently than the program. */
#include "base/yaml.h"

#include <libfyaml.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

enum { CHUNK_BYTES = 16384, ALIGN = 16 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char bytes[];
};

struct yaml_node {
	struct yaml *yaml;
	struct yaml_node *next, *key;
	struct yaml_node *first, *last;                    /* children */
	const char *text;
	size_t count;
	union { bool b; int64_t i; double d; } value;
	int line, column;
	enum yaml_type type;
	bool plain;
};

struct yaml {
	char *name;
	struct chunk *chunks;
	struct yaml_node *root;
};

/* What is being built. stack[depth - 1] is the innermost open list or map. */
struct build {
	struct yaml *yaml;
	struct yaml_node *stack[LIMIT_POLICY_DEPTH];
	struct yaml_node *key[LIMIT_POLICY_DEPTH];         /* the key that waits for its value */
	size_t depth;
	int line, column;                                  /* of the last event that had a place */
	size_t documents;
	struct err *err;
};

static void *take_bytes(struct yaml *yaml, size_t size)
{
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	struct chunk *c = yaml->chunks;

	if (c == NULL || c->size - c->used < size) {
		size_t bytes = MAX(size, (size_t)CHUNK_BYTES);
		c = xcalloc(1, sizeof *c + bytes);
		c->size = bytes;
		c->next = yaml->chunks;
		yaml->chunks = c;
	}
	void *p = c->bytes + c->used;
	c->used += size;
	return p;
}

void yaml_free(struct yaml *yaml)
{
	if (yaml == NULL)
		return;
	while (yaml->chunks != NULL) {
		struct chunk *next = yaml->chunks->next;
		free(yaml->chunks);
		yaml->chunks = next;
	}
	free(yaml->name);
	free(yaml);
}

void yaml_freep(struct yaml **yaml)
{
	yaml_free(*yaml);
}

static int err_at(const struct yaml *yaml, int line, int column, struct err *err, const char *format, ...)
	PRINTF(5, 6);

static int err_at(const struct yaml *yaml, int line, int column, struct err *err, const char *format, ...)
{
	if (err == NULL)
		return -EINVAL;
	va_list args;
	va_start(args, format);
	char text[LIMIT_ERR_TEXT_BYTES];
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_set(err, EINVAL, "%s:%d:%d: %s", yaml->name, line, column, text);
}

/* Characters that a person cannot see or that change the order of what is seen. */
static bool is_hidden(uint32_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0 && c != 0x85) ||
	       c == 0x200b || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f) || c == 0x61c;
}

static uint32_t utf8_value(const unsigned char *s, size_t len)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = s[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (s[i] & 0x3fu);
	return c;
}

static int check_characters(const struct yaml *yaml, struct str text, struct err *err)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < text.len;) {
		const unsigned char *s = (const unsigned char *)text.ptr + i;
		size_t len = utf8_length(s, text.len - i);
		if (len == 0)
			return err_at(yaml, line, column, err,
			              "a byte 0x%02x that is not UTF-8: save the file as UTF-8", (unsigned)*s);
		uint32_t c = utf8_value(s, len);
		if (is_hidden(c))
			return err_at(yaml, line, column, err,
			              "a character that cannot be seen: write it as \"\\u%04x\" in double quotes", c);
		if (c == '\r' && (i + 1 == text.len || s[1] != '\n'))
			return err_at(yaml, line, column, err, "a carriage return: end lines with a line feed");
		i += len;
		column = c == '\n' ? 1 : column + 1;
		line += c == '\n';
	}
	return 0;
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
	return name_find(words, count, text) >= 0;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?   (YAML 1.2.2, 10.3.2) */
static bool is_float(const char *s)
{
	s += *s == '-' || *s == '+';
	size_t whole = digits(s);
	s += whole;
	if (*s == '.') {
		size_t part = digits(++s);
		if (whole == 0 && part == 0)
			return false;
		s += part;
	} else if (whole == 0) {
		return false;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (digits(s) == 0)
			return false;
		s += digits(s);
	}
	return *s == '\0';
}

static bool is_int(const char *s)
{
	s += *s == '-' || *s == '+';
	return *s != '\0' && s[digits(s)] == '\0';
}

static int read_int(struct yaml_node *n, struct err *err)
{
	const char *s = n->text + (*n->text == '-' || *n->text == '+');

	if (s[0] == '0' && s[1] != '\0')
		return yaml_err(n, err, "'%s' is a number with a leading zero, which some read as octal: "
		                        "leave the zero out, or quote it if it is text", n->text);
	errno = 0;
	n->value.i = strtoll(n->text, NULL, 10);
	if (errno == ERANGE)
		return yaml_err(n, err, "the number %.40s is too large: at most 64 bits; quote it if it is text", n->text);
	n->type = YAML_INT;
	return 0;
}

/* 0x1f, 0o17 */
static bool is_based(const char *s)
{
	if (s[0] != '0' || (s[1] != 'x' && s[1] != 'o') || s[2] == '\0')
		return false;
	return s[2 + strspn(s + 2, s[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567")] == '\0';
}

static int type_scalar(struct yaml_node *n, struct err *err)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const trues[] = { "true", "True", "TRUE" };
	static const char *const falses[] = { "false", "False", "FALSE" };
	static const char *const strange[] = { ".inf", ".Inf", ".INF", "-.inf", "-.Inf", "-.INF", "+.inf", "+.Inf",
	                                       "+.INF", ".nan", ".NaN", ".NAN" };
	const char *s = n->text;

	n->type = YAML_TEXT;
	if (!n->plain)
		return 0;
	if (is_one_of(s, nulls, COUNT(nulls))) {
		n->type = YAML_NULL;
	} else if (is_one_of(s, trues, COUNT(trues)) || is_one_of(s, falses, COUNT(falses))) {
		n->type = YAML_BOOL;
		n->value.b = is_one_of(s, trues, COUNT(trues));
	} else if (is_one_of(s, strange, COUNT(strange)) || is_based(s)) {
		return yaml_err(n, err, "'%s' is no plain number: write a decimal one, or quote it if it is text", s);
	} else if (is_int(s)) {
		return read_int(n, err);
	} else if (is_float(s)) {
		n->type = YAML_FLOAT;
		n->value.d = strtod(s, NULL);
		if (!isfinite(n->value.d))
			return yaml_err(n, err, "the number %.40s is too large: quote it if it is text", s);
	}
	return 0;
}

/* ---- events to nodes ---- */

static void note_place(struct build *b, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);

	if (mark != NULL) {
		b->line = mark->line + 1;
		b->column = mark->column + 1;
	}
}

static int refuse(struct build *b, const char *sentence)
{
	return err_at(b->yaml, b->line, b->column, b->err, "%s", sentence);
}

static struct yaml_node *node_new(struct build *b, enum yaml_type type)
{
	struct yaml_node *n = take_bytes(b->yaml, sizeof *n);

	n->yaml = b->yaml;
	n->type = type;
	n->line = b->line;
	n->column = b->column;
	return n;
}

static int check_key(struct build *b, const struct yaml_node *n)
{
	if (n->type == YAML_LIST || n->type == YAML_MAP)
		return refuse(b, "a list or a map as a key: a key is one word");
	if (n->text[0] == '\0')
		return refuse(b, "an empty key: a key is one word before ':'");
	if (n->plain && strcmp(n->text, "<<") == 0)
		return refuse(b, "a merge key '<<': write the keys out");
	return 0;
}

/* Hangs a node into the tree: as the root, an item, a key, or the value of the waiting key. */
static int place(struct build *b, struct yaml_node *n)
{
	if (b->depth == 0) {
		b->yaml->root = n;
		return 0;
	}
	struct yaml_node *parent = b->stack[b->depth - 1];
	struct yaml_node **key = &b->key[b->depth - 1];
	if (parent->type == YAML_MAP && *key == NULL) {
		if (check_key(b, n) != 0)
			return -EINVAL;
		n->type = YAML_TEXT;
		*key = n;
		return 0;
	}
	n->key = *key;
	*key = NULL;
	if (parent->last != NULL)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	parent->count++;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a, *y = *(const struct yaml_node *const *)b;
	int order = strcmp(x->key->text, y->key->text);

	if (order == 0)
		order = x->line != y->line ? (x->line > y->line) - (x->line < y->line) : x->column - y->column;
	return order;
}

/* Sorted, because a hostile file may have a hundred thousand keys. Reports the first second use. */
static int check_unique(const struct yaml_node *map, struct err *err)
{
	if (map->count < 2)
		return 0;
	const struct yaml_node *twice = NULL, *once = NULL;
	AUTO(freep) const struct yaml_node **sorted = xcalloc(map->count, sizeof(struct yaml_node *));
	size_t i = 0;
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
		sorted[i++] = n;
	qsort(sorted, map->count, sizeof *sorted, compare_keys);
	for (i = 1; i < map->count; i++) {
		const struct yaml_node *n = sorted[i];
		if (strcmp(n->key->text, sorted[i - 1]->key->text) != 0)
			continue;
		if (twice == NULL || n->key->line < twice->key->line ||
		    (n->key->line == twice->key->line && n->key->column < twice->key->column)) {
			twice = n;
			once = sorted[i - 1];
		}
	}
	if (twice == NULL)
		return 0;
	return yaml_err(twice->key, err, "the key '%.80s' stands here twice: it is already on line %d; leave one",
	                twice->key->text, once->key->line);
}

static int add_scalar(struct build *b, struct fy_event *event)
{
	size_t len = 0;
	const char *text = event->scalar.value != NULL ? fy_token_get_text(event->scalar.value, &len) : "";
	enum fy_scalar_style style = event->scalar.value != NULL ? fy_token_scalar_style(event->scalar.value) : FYSS_PLAIN;

	if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
		b->column--;                               /* the mark is behind the quote */
	struct yaml_node *n = node_new(b, YAML_TEXT);
	n->plain = style == FYSS_PLAIN;
	if (text == NULL)
		return refuse(b, "text that cannot be read: check the quotes");
	if (memchr(text, '\0', len) != NULL)
		return refuse(b, "a NUL character in text: leave it out");
	char *copy = take_bytes(b->yaml, len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (size_t i = 0, step; i < len; i += step) {     /* an escape may have made what the file did not hold */
		step = utf8_length((const unsigned char *)copy + i, len - i);
		if (step == 0)
			return refuse(b, "an escape that makes no valid Unicode character: write the character itself");
	}
	n->text = copy;

	bool is_key = b->depth > 0 && b->stack[b->depth - 1]->type == YAML_MAP && b->key[b->depth - 1] == NULL;
	if (!is_key && type_scalar(n, b->err) != 0)
		return -EINVAL;
	return place(b, n);
}

static int open_node(struct build *b, enum yaml_type type)
{
	if (b->depth == LIMIT_POLICY_DEPTH)
		return err_at(b->yaml, b->line, b->column, b->err, "nested too deeply: at most %d levels", LIMIT_POLICY_DEPTH);
	struct yaml_node *n = node_new(b, type);
	if (place(b, n) != 0)
		return -EINVAL;
	b->stack[b->depth] = n;
	b->key[b->depth++] = NULL;
	return 0;
}

static int close_node(struct build *b)
{
	assert(b->depth > 0);
	const struct yaml_node *n = b->stack[--b->depth];
	return n->type == YAML_MAP ? check_unique(n, b->err) : 0;
}

static int open_document(struct build *b, struct fy_event *event)
{
	struct fy_document_state *state = event->document_start.document_state;

	if (++b->documents > 1)
		return refuse(b, "a second document: one file holds one document; remove the '---'");
	if (state != NULL && (fy_document_state_version_explicit(state) || fy_document_state_tags_explicit(state)))
		return err_at(b->yaml, 1, 1, b->err, "a '%%' directive: leave it out");
	return 0;
}

static int refuse_extras(struct build *b, struct fy_token *anchor, struct fy_token *tag)
{
	struct fy_token *token = anchor != NULL ? anchor : tag;

	if (token == NULL)
		return 0;
	const struct fy_mark *mark = fy_token_start_mark(token);
	if (mark != NULL) {
		b->line = mark->line + 1;
		b->column = mark->column + (anchor == NULL); /* an anchor's mark is behind its '&' */
	}
	return refuse(b, anchor != NULL ? "an anchor '&': write the value out" :
	                 "a tag '!': leave it out; quote what is to be text");
}

static int take_event(struct build *b, struct fy_event *event)
{
	note_place(b, event);
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return open_document(b, event);
	case FYET_ALIAS:
		b->column--;                               /* the mark is behind the '*' */
		return refuse(b, "an alias '*': write the value out; quote a '*' that is meant as text");
	case FYET_SCALAR:
		if (refuse_extras(b, event->scalar.anchor, event->scalar.tag) != 0)
			return -EINVAL;
		return add_scalar(b, event);
	case FYET_SEQUENCE_START:
		if (refuse_extras(b, event->sequence_start.anchor, event->sequence_start.tag) != 0)
			return -EINVAL;
		return open_node(b, YAML_LIST);
	case FYET_MAPPING_START:
		if (refuse_extras(b, event->mapping_start.anchor, event->mapping_start.tag) != 0)
			return -EINVAL;
		return open_node(b, YAML_MAP);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		return close_node(b);
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		return 0;
	}
	return refuse(b, "not YAML: check quotes, brackets and indentation");
}

/* The first thing that libfyaml complained about, as our error. */
static int report(struct build *b, struct fy_diag *diag)
{
	void *at = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &at);

	if (e == NULL || e->msg == NULL)
		return refuse(b, "not YAML: check quotes, brackets and indentation");
	size_t len = strcspn(e->msg, "\n");
	return err_at(b->yaml, MAX(e->line, 1), MAX(e->column, 1), b->err,
	              "not YAML: %.*s: check quotes, brackets and indentation", (int)MIN(len, (size_t)300), e->msg);
}

static int read_events(struct build *b, struct str text)
{
	struct fy_diag_cfg quiet;
	fy_diag_cfg_default(&quiet);
	quiet.fp = NULL;
	quiet.colorize = false;
	struct fy_diag *diag = fy_diag_create(&quiet);
	if (diag == NULL)
		abort();                                   /* out of memory, as in xmalloc() */
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag };
	struct fy_parser *parser = fy_parser_create(&cfg);
	if (parser == NULL)
		abort();

	int r = fy_parser_set_string(parser, text.ptr, text.len) != 0 ? refuse(b, "not YAML") : 0;
	bool ended = false;
	while (r == 0 && !ended) {
		struct fy_event *event = fy_parser_parse(parser);
		if (event == NULL)
			break;
		ended = event->type == FYET_STREAM_END;
		r = take_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (r == 0 && (!ended || fy_diag_got_error(diag)))
		r = report(b, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return r;
}

int yaml_parse(const char *name, struct str text, size_t max_bytes, struct yaml **ret, struct err *err)
{
	AUTO(yaml_freep) struct yaml *y = xcalloc(1, sizeof *y);

	y->name = xstrdup(name);
	if (text.len > max_bytes)
		return err_at(y, 1, 1, err, "%zu bytes are too many: at most %zu", text.len, max_bytes);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	if (check_characters(y, text, err) != 0)
		return -EINVAL;
	struct build b = { .yaml = y, .line = 1, .column = 1, .err = err };
	if (str_trim(text).len > 0 && read_events(&b, text) != 0)
		return -EINVAL;
	if (y->root == NULL || y->root->type == YAML_NULL)
		return err_at(y, 1, 1, err, "the file is empty: write at least one key");
	*ret = TAKE(y);
	return 0;
}

/* ---- reading the tree ---- */

const struct yaml_node *yaml_root(const struct yaml *yaml)
{
	return yaml->root;
}

const char *yaml_name(const struct yaml_node *node)
{
	return node->yaml->name;
}

int yaml_line(const struct yaml_node *node)
{
	return node->line;
}

int yaml_column(const struct yaml_node *node)
{
	return node->column;
}

enum yaml_type yaml_type(const struct yaml_node *node)
{
	return node->type;
}

const char *yaml_type_name(enum yaml_type type)
{
	static const char *const names[] = {
		[YAML_NULL] = "nothing", [YAML_BOOL] = "true or false", [YAML_INT] = "a whole number",
		[YAML_FLOAT] = "a number", [YAML_TEXT] = "text", [YAML_LIST] = "a list", [YAML_MAP] = "a map of keys",
	};
	return name_of(names, COUNT(names), type);
}

bool yaml_is_text(const struct yaml_node *node)
{
	return node->type == YAML_TEXT;
}

bool yaml_is_scalar(const struct yaml_node *node)
{
	return node->type != YAML_LIST && node->type != YAML_MAP;
}

const char *yaml_text(const struct yaml_node *node)
{
	return node->text;
}

bool yaml_bool(const struct yaml_node *node)
{
	assert(node->type == YAML_BOOL);
	return node->value.b;
}

int64_t yaml_int(const struct yaml_node *node)
{
	assert(node->type == YAML_INT);
	return node->value.i;
}

double yaml_float(const struct yaml_node *node)
{
	assert(node->type == YAML_FLOAT || node->type == YAML_INT);
	return node->type == YAML_INT ? (double)node->value.i : node->value.d;
}

const struct yaml_node *yaml_first(const struct yaml_node *parent)
{
	return parent->first;
}

const struct yaml_node *yaml_next(const struct yaml_node *node)
{
	return node->next;
}

size_t yaml_count(const struct yaml_node *parent)
{
	return parent->count;
}

const struct yaml_node *yaml_key(const struct yaml_node *value)
{
	return value->key;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (map->type != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
		if (strcmp(n->key->text, key) == 0)
			return n;
	return NULL;
}

int yaml_err(const struct yaml_node *node, struct err *err, const char *format, ...)
{
	if (err == NULL)
		return -EINVAL;
	va_list args;
	va_start(args, format);
	char text[LIMIT_ERR_TEXT_BYTES];
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_at(node->yaml, node->line, node->column, err, "%s", text);
}

int yaml_want(const struct yaml_node *node, enum yaml_type type, const char *what, struct err *err)
{
	if (node->type == type || (type == YAML_FLOAT && node->type == YAML_INT))
		return 0;
	if (type == YAML_TEXT && yaml_is_scalar(node) && node->type != YAML_NULL)
		return yaml_err(node, err, "%s is %s here: write it as text, in quotes: \"%.60s\"", what,
		                yaml_type_name(node->type), node->text);
	return yaml_err(node, err, "%s is %s here: write %s", what, yaml_type_name(node->type), yaml_type_name(type));
}

int yaml_only_keys(const struct yaml_node *map, const char *const *keys, size_t count, struct err *err)
{
	if (yaml_want(map, YAML_MAP, "this", err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
		if (name_find(keys, count, n->key->text) >= 0)
			continue;
		const char *near = name_nearest(keys, count, n->key->text);
		if (near != NULL)
			return yaml_err(n->key, err, "unknown key '%.80s': did you mean '%s'?", n->key->text, near);
		AUTO(buf_done) struct buf known = BUF_INIT(512);
		for (size_t i = 0; i < count; i++)
			buf_printf(&known, "%s%s", i > 0 ? ", " : "", keys[i]);
		return yaml_err(n->key, err, "unknown key '%.80s': known here: %s", n->key->text, buf_text(&known));
	}
	return 0;
}

json_t *yaml_to_json(const struct yaml_node *node)
{
	json_t *value = NULL;

	switch (node->type) {
	case YAML_NULL:
		return json_null();
	case YAML_BOOL:
		return json_boolean(node->value.b);
	case YAML_INT:
		return json_integer(node->value.i);
	case YAML_FLOAT:
		return json_real(node->value.d);
	case YAML_TEXT:
		return json_of_str(str_of(node->text));
	case YAML_LIST:
		value = json_array();
		for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
			json_array_append_new(value, yaml_to_json(n));
		return value;
	case YAML_MAP:
		value = json_object();
		for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
			json_put(value, n->key->text, yaml_to_json(n));
		return value;
	}
	return value;
}
