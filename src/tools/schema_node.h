/* schema_node.h - a compiled schema, between schema_compile.c, which makes it, and schema_check.c, which reads it. */
#ifndef MISHRI_TOOLS_SCHEMA_NODE_H
#define MISHRI_TOOLS_SCHEMA_NODE_H

#include "tools/schema.h"

/* ---- parts that know nothing of schemas ---- */

struct regex;                                                /* ECMA-262, with the u flag (schema_regex.c) */
MUST_USE int regex_new(struct str pattern, struct regex **ret, struct err *err);
void regex_free(struct regex *regex);
MUST_USE int regex_match(const struct regex *regex, struct str text);   /* 1, 0; -E2BIG: it takes too long */

typedef bool format_fn(struct str text);                     /* schema_format.c */
struct format {
	const char *name, *about;    /* about: what would be right */
	format_fn *check;
};
const struct format *format_find(const char *name);          /* NULL: unknown, which is an annotation */

int number_compare(const json_t *a, const json_t *b);        /* -1, 0, 1; exact (schema_number.c) */
bool number_multiple(const json_t *value, const json_t *of); /* exact in decimals; of > 0 */
bool number_whole(const json_t *value);
bool json_same(const json_t *a, const json_t *b);            /* 1 and 1.0 are the same */
uint64_t json_hash(const json_t *value);                     /* the same for what is the same */

/* RFC 3986, 5.2: ref as seen from base; the caller frees it. Without a base it is ref. */
MUST_USE char *uri_resolve(const char *base, const char *ref);

/* ---- the compiled form ---- */

enum form { FORM_ANY, FORM_TYPE, FORM_TEXT, FORM_REGEX, FORM_NUMBER, FORM_POSITIVE, FORM_SIZE, FORM_BOOL, FORM_NAMES, FORM_LIST,
	FORM_ENUM, FORM_SCHEMA, FORM_SCHEMAS, FORM_MEMBERS, FORM_PATTERNS, FORM_DEPENDENT, FORM_EITHER, FORM_REF, FORM_ID, FORM_ANCHOR,
	FORM_META, FORM_VOCABULARY, FORM_FORMAT, FORM_CONTENT };

struct node;
struct rule;
struct spot;

struct keyword {
	const char *name, *on;       /* on: the type that it speaks about; NULL: all */
	enum form form;
	const char *vocabulary;      /* "core", "applicator", ... */
	int (*check)(const struct rule *rule, const struct spot *spot);   /* NULL: it only tells something */
};
extern const struct keyword schema_keywords[];
extern const size_t schema_keyword_count;

struct rule {
	const struct keyword *keyword;
	const json_t *value;
	const struct node *node;     /* whose it is */
	struct node **subs;          /* schemas in it, by FORM; names: of the members they stand for */
	const char **names;
	struct regex **regexes;
	size_t count;
	struct node *target;         /* of a reference */
	const char *dynamic;         /* name of the dynamic anchor that it means; NULL: an ordinary one */
	const struct format *format;
};

struct resource {                    /* a schema with an address of its own */
	char *uri;                   /* without fragment; "" where it has none */
	struct node *root;
	struct resource *next;
};

struct anchor {
	const char *name;
	const struct resource *resource;
	struct node *node;
	bool dynamic;
	struct anchor *next;
};

struct node {
	const json_t *json;
	char *where;                 /* "/properties/a" */
	struct resource *resource;
	struct rule *rules;
	size_t rule_count;
	/* siblings that others look at */
	const struct rule *properties, *patterns, *prefix, *contains, *min_contains, *then, *otherwise;
	struct node *next;           /* all of the schema */
};

struct schema {
	const json_t *json;
	unsigned flags;
	struct node *root, *nodes;
	struct resource *resources;
	struct anchor *anchors;
	struct node **by_json;       /* hash table */
	size_t slots, node_count;
	json_t *meta;                /* the built-in meta-schemas, once one is named */
	bool tracks;                 /* somewhere is an unevaluated*: what was looked at must be kept */
	struct { char *pointer; const char *known; } *doubts;
	size_t doubt_count;
};

json_t *schema_meta(void);                                   /* made from the table of keywords; the caller owns it */
const struct anchor *schema_anchor(const struct schema *schema, const struct resource *resource, const char *name, bool dynamic);

/* ---- sentences ---- */

struct at {                          /* where in a value; a chain up to the root */
	const struct at *parent;
	const char *key;             /* NULL: index */
	size_t index;
};
int schema_wrong(const struct at *at, const char *keyword, struct err *err, const char *format, ...) PRINTF(4, 5);
void pointer_key(const char *key, struct buf *ret);          /* "/key", by RFC 6901, and kept short */

#endif
