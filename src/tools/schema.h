/* schema.h - JSON Schema 2020-12, the whole of it: compiled once, then compared with any number of values. Bounded in
 * depth, time and size; nothing is ever fetched: a reference must lead to the same document or to the 2020-12
 * meta-schemas, which are built in.
 *
 * Sentences have the form "POINTER: KEYWORD: what is wrong and what would be right". POINTER is the JSON Pointer of the
 * value, "/" for the whole of it; of a bad schema it is the place in the schema. */
#ifndef MISHRI_TOOLS_SCHEMA_H
#define MISHRI_TOOLS_SCHEMA_H

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"

struct schema;                       /* opaque; may be used by several threads at once */

enum {
	SCHEMA_STRICT = 1,           /* compile: a keyword that nobody knows is an error, because it checks nothing */
	SCHEMA_FORMATS = 2,          /* validate: `format` asserts; else it annotates */
	SCHEMA_LOCATE = 4,           /* validate: the sentence ends in " (schema: #/place)" */
};

/* json is borrowed and must outlive *ret, unchanged. -EINVAL: err says where and what would be right. */
MUST_USE int schema_compile(const json_t *json, unsigned flags, struct schema **ret, struct err *err);
void schema_free(struct schema *schema);                    /* NULL is fine */
void schema_freep(struct schema **schema);

/* 0 or -EINVAL. */
MUST_USE int schema_validate(const struct schema *schema, const json_t *value, unsigned flags, struct err *err);

/* Unknown keywords that look like a known one: calls found(POINTER, the known one) for each. */
void schema_doubts(const struct schema *schema, void (*found)(void *userdata, const char *pointer, const char *known),
                   void *userdata);

/* ---- for tools: strict, with formats ---- */

/* Does the value match? 0 or -EINVAL; a schema that is none lets nothing pass. */
MUST_USE int schema_check(const json_t *schema, const json_t *value, struct err *err);
MUST_USE int schema_lint(const json_t *schema, struct err *err);
/* The same for the text of a tool's schema, compiled at its first use and kept. */
MUST_USE int schema_check_text(const char *text, const json_t *value, struct err *err);

#endif
