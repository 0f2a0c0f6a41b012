/* yaml.h - a strict subset of YAML 1.2 as a tree: what a person sees is what is read. Refused, with line and
 * column: anchors, aliases, tags, merge keys, directives, duplicate keys, keys that are no plain text, a second
 * document, an empty document, text that is not UTF-8 or hides characters, nesting beyond LIMIT_POLICY_DEPTH. */
#ifndef MISHRI_BASE_YAML_H
#define MISHRI_BASE_YAML_H

#include "base/err.h"
#include "base/json.h"

struct yaml;                                               /* opaque; owns all nodes and their text */
struct yaml_node;                                          /* opaque; lives as long as its struct yaml */

/* A scalar without quotes is null, bool, int or float where the YAML 1.2 core schema says so (yes, no, on and
 * off are text); a quoted or block scalar is always text. Numbers that people read in two ways (0755) are refused. */
enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT, YAML_LIST, YAML_MAP };
const char *yaml_type_name(enum yaml_type type);           /* "nothing", "a number", "a list" ... for sentences */

/* One document of at most max_bytes. `name` is what errors call the file; it is copied. Success: the caller owns
 * *ret. Failure: -EINVAL, err says "NAME:LINE:COLUMN: what: what would be right". */
MUST_USE int yaml_parse(const char *name, struct str text, size_t max_bytes, struct yaml **ret, struct err *err);
void yaml_free(struct yaml *yaml);                         /* NULL is fine */
void yaml_freep(struct yaml **yaml);

const struct yaml_node *yaml_root(const struct yaml *yaml);   /* never NULL */
const char *yaml_name(const struct yaml_node *node);       /* of the file */
int yaml_line(const struct yaml_node *node);               /* from 1 */
int yaml_column(const struct yaml_node *node);             /* from 1, in characters */

enum yaml_type yaml_type(const struct yaml_node *node);
bool yaml_is_text(const struct yaml_node *node);
bool yaml_is_scalar(const struct yaml_node *node);         /* all but list and map */
const char *yaml_text(const struct yaml_node *node);       /* any scalar as it is written, without quotes; never NULL for one */
bool yaml_bool(const struct yaml_node *node);              /* only for YAML_BOOL */
int64_t yaml_int(const struct yaml_node *node);            /* only for YAML_INT */
double yaml_float(const struct yaml_node *node);           /* for YAML_INT and YAML_FLOAT */

/* Children of a list or a map, in the order of the file:
 *     for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n)) */
const struct yaml_node *yaml_first(const struct yaml_node *parent);   /* NULL: none, or a scalar */
const struct yaml_node *yaml_next(const struct yaml_node *node);
size_t yaml_count(const struct yaml_node *parent);
const struct yaml_node *yaml_key(const struct yaml_node *value);      /* the key of a value of a map, with its own place */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL: not there, or no map */

/* Errors at a node: "FILE:LINE:COLUMN: " and the sentence. Returns -EINVAL. */
int yaml_err(const struct yaml_node *node, struct err *err, const char *format, ...) PRINTF(3, 4);
/* The node is of this type (an int passes as a float). `what` names it in the sentence. 0 or -EINVAL. */
MUST_USE int yaml_want(const struct yaml_node *node, enum yaml_type type, const char *what, struct err *err);
/* The node is a map and has no other keys; names the nearest one. 0 or -EINVAL. */
MUST_USE int yaml_only_keys(const struct yaml_node *map, const char *const *keys, size_t count, struct err *err);

/* The same value as JSON; the caller owns it. */
MUST_USE json_t *yaml_to_json(const struct yaml_node *node);

#endif
