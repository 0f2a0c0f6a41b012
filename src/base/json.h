/* json.h - JSON by jansson, with our rules: UTF-8, no duplicate keys, bounded depth and size. */
#ifndef MISHRI_BASE_JSON_H
#define MISHRI_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* jansson's own json_decrefp() fits AUTO(json_decrefp). */

/* One whole value; any value, not only objects. The caller owns *ret. err: "line L, column C: why". */
MUST_USE int json_parse(struct str text, json_t **ret, struct err *err);

/* The same for JSON that others define: where an integer is beyond 64 bits all numbers become reals, nearest to what they were. */
MUST_USE int json_parse_any(struct str text, json_t **ret, struct err *err);

/* How deep arrays and objects are nested: 0 for a plain value. */
size_t json_depth(const json_t *value);

/* Compact text. canonical: keys sorted, so that equal values have equal bytes. */
void json_write(const json_t *value, struct buf *ret);
void json_write_canonical(const json_t *value, struct buf *ret);
MUST_USE char *json_text(const json_t *value);          /* compact; the caller owns it */

/* Readers with defaults: a missing key, null or another type gives the default. Borrowed. */
const char *json_get_text(const json_t *object, const char *key, const char *otherwise);
int64_t json_get_int(const json_t *object, const char *key, int64_t otherwise);
bool json_get_bool(const json_t *object, const char *key, bool otherwise);

/* Builders: set a key of an object. Text that is not UTF-8 is stored with U+FFFD for each bad byte;
 * a NULL text stores null. */
void json_put(json_t *object, const char *key, json_t *owned_value);
void json_put_text(json_t *object, const char *key, const char *text);
void json_put_str(json_t *object, const char *key, struct str text);
void json_put_int(json_t *object, const char *key, int64_t value);
void json_put_bool(json_t *object, const char *key, bool value);
MUST_USE json_t *json_of_str(struct str text);          /* the caller owns it; NUL becomes U+0000 */

/* A reader that collects what is wrong with an object: names the key, the type, the nearest key. */
MUST_USE int json_only_keys(const json_t *object, const char *const *keys, size_t count, struct err *err);

#endif
