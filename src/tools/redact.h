/* redact.h - secrets that must not be shown are replaced by "[redacted:secret NAME]" in whatever passes: as they are, with
 * escapes of JSON or of URLs in them, in hexadecimal, and in Base64 at each of its three alignments. It is a net under a
 * program that prints what it was given, not a wall: a program can spell a secret in ways that nobody knows. */
#ifndef MISHRI_TOOLS_REDACT_H
#define MISHRI_TOOLS_REDACT_H

#include "base/json.h"

struct redactor;                     /* opaque; knows values that others own */

MUST_USE struct redactor *redactor_new(void);
void redactor_free(struct redactor *redactor);              /* NULL is fine */
/* At least LIMIT_SECRET_LEAST_BYTES; both must outlive the redactor. */
void redactor_add(struct redactor *redactor, const char *name, struct str value);

/* One whole text. Appends to ret; how many were replaced. A redactor that is NULL or empty replaces nothing. */
size_t redact_text(const struct redactor *redactor, struct str text, struct buf *ret);
/* In all texts of a value, in place; keys of objects too. */
size_t redact_json(const struct redactor *redactor, json_t *value);
bool redact_found(const struct redactor *redactor, struct str text);

/* A stream, however it was cut into pieces: what could be the beginning of a secret is held back until it is known. */
struct redact_stream;
typedef void redact_sink(void *userdata, struct str text);
MUST_USE struct redact_stream *redact_stream_new(const struct redactor *redactor);   /* borrowed; NULL: everything passes */
void redact_stream_free(struct redact_stream *stream);      /* NULL is fine; what was held back is gone */
void redact_stream_add(struct redact_stream *stream, struct str bytes, redact_sink *sink, void *userdata);
void redact_stream_end(struct redact_stream *stream, redact_sink *sink, void *userdata);

#endif
