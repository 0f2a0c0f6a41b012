/* otlp_pack.c - the protobuf bytes of a request that is there as JSON, by the documented field numbers, and the two fields of
 * an answer. A table says all: https://github.com/open-telemetry/opentelemetry-proto (trace/v1, common/v1, resource/v1,
 * collector/trace/v1). It writes and reads no other message. */
#include <stdio.h>
#include <string.h>

#include "engine/otlp.h"

#include "base/banned.h"

enum field_type { TEXT, HEX, VARINT, FIXED64, FIXED32, DOUBLE, MESSAGE };

enum message_type {
	REQUEST, RESOURCE_SPANS, RESOURCE, SCOPE_SPANS, SCOPE, SPAN, EVENT, LINK, STATUS, KEY_VALUE, ANY_VALUE, ARRAY_VALUE, MESSAGES
};

struct field {
	const char *name;
	unsigned number;
	enum field_type type;
	enum message_type of;        /* of a MESSAGE; a JSON array is one message after another */
};

static const struct field
	request[] = { { "resourceSpans", 1, MESSAGE, RESOURCE_SPANS } },
	resource_spans[] = { { "resource", 1, MESSAGE, RESOURCE }, { "scopeSpans", 2, MESSAGE, SCOPE_SPANS } },
	resource[] = { { "attributes", 1, MESSAGE, KEY_VALUE } },
	scope_spans[] = { { "scope", 1, MESSAGE, SCOPE }, { "spans", 2, MESSAGE, SPAN }, { "schemaUrl", 3, TEXT } },
	scope[] = { { "name", 1, TEXT }, { "version", 2, TEXT } },
	span[] = { { "traceId", 1, HEX }, { "spanId", 2, HEX }, { "traceState", 3, TEXT }, { "parentSpanId", 4, HEX }, { "name", 5, TEXT },
	           { "kind", 6, VARINT }, { "startTimeUnixNano", 7, FIXED64 }, { "endTimeUnixNano", 8, FIXED64 },
	           { "attributes", 9, MESSAGE, KEY_VALUE }, { "events", 11, MESSAGE, EVENT }, { "links", 13, MESSAGE, LINK },
	           { "status", 15, MESSAGE, STATUS }, { "flags", 16, FIXED32 } },
	event[] = { { "timeUnixNano", 1, FIXED64 }, { "name", 2, TEXT }, { "attributes", 3, MESSAGE, KEY_VALUE } },
	link_[] = { { "traceId", 1, HEX }, { "spanId", 2, HEX }, { "attributes", 4, MESSAGE, KEY_VALUE } },
	status[] = { { "message", 2, TEXT }, { "code", 3, VARINT } },
	key_value[] = { { "key", 1, TEXT }, { "value", 2, MESSAGE, ANY_VALUE } },
	any_value[] = { { "stringValue", 1, TEXT }, { "boolValue", 2, VARINT }, { "intValue", 3, VARINT }, { "doubleValue", 4, DOUBLE },
	                { "arrayValue", 5, MESSAGE, ARRAY_VALUE } },
	array_value[] = { { "values", 1, MESSAGE, ANY_VALUE } };

#define ROW(fields) { fields, COUNT(fields) }
static const struct { const struct field *fields; size_t count; } messages[MESSAGES] = {
	[REQUEST] = ROW(request), [RESOURCE_SPANS] = ROW(resource_spans), [RESOURCE] = ROW(resource), [SCOPE_SPANS] = ROW(scope_spans),
	[SCOPE] = ROW(scope), [SPAN] = ROW(span), [EVENT] = ROW(event), [LINK] = ROW(link_), [STATUS] = ROW(status),
	[KEY_VALUE] = ROW(key_value), [ANY_VALUE] = ROW(any_value), [ARRAY_VALUE] = ROW(array_value),
};

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void add_varint(struct buf *b, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_add_char(b, (char)(n | 0x80));
	buf_add_char(b, (char)n);
}

static void add_fixed(struct buf *b, uint64_t n, int bytes)
{
	for (int i = 0; i < bytes; i++, n >>= 8)
		buf_add_char(b, (char)(n & 0xff));
}

static void add_tag(struct buf *b, const struct field *f, enum wire wire)
{
	add_varint(b, (uint64_t)f->number << 3 | wire);
}

/* Integers of 64 bits are decimal texts in JSON. */
static uint64_t integer_of(const json_t *value)
{
	if (json_is_string(value))
		return (uint64_t)strtoll(json_string_value(value), NULL, 10);
	return json_is_true(value) ? 1 : (uint64_t)json_integer_value(value);
}

static void add_hex(struct buf *b, const char *text)
{
	size_t len = strlen(text) / 2;

	add_varint(b, len);
	for (size_t i = 0; i < len; i++) {
		const char digits[] = { text[2 * i], text[2 * i + 1], '\0' };
		buf_add_char(b, (char)strtol(digits, NULL, 16));
	}
}

static void add_message(const json_t *object, enum message_type type, struct buf *ret);

static void add_field(const json_t *value, const struct field *f, struct buf *ret)
{
	AUTO(buf_done) struct buf inner = BUF_INIT(ret->max);
	uint64_t bits;
	double number;

	switch (f->type) {
	case TEXT:
		add_tag(ret, f, WIRE_BYTES);
		add_varint(ret, json_string_length(value));
		buf_add(ret, json_string_value(value), json_string_length(value));
		break;
	case HEX:
		add_tag(ret, f, WIRE_BYTES);
		add_hex(ret, json_string_value(value));
		break;
	case VARINT:
		add_tag(ret, f, WIRE_VARINT);
		add_varint(ret, integer_of(value));
		break;
	case FIXED64:
		add_tag(ret, f, WIRE_FIXED64);
		add_fixed(ret, integer_of(value), 8);
		break;
	case FIXED32:
		add_tag(ret, f, WIRE_FIXED32);
		add_fixed(ret, integer_of(value), 4);
		break;
	case DOUBLE:
		number = json_number_value(value);
		memcpy(&bits, &number, sizeof bits);
		add_tag(ret, f, WIRE_FIXED64);
		add_fixed(ret, bits, 8);
		break;
	case MESSAGE:
		add_message(value, f->of, &inner);
		add_tag(ret, f, WIRE_BYTES);
		add_varint(ret, inner.len);
		buf_add_str(ret, buf_str(&inner));
		break;
	}
}

static void add_message(const json_t *object, enum message_type type, struct buf *ret)
{
	for (size_t i = 0; i < messages[type].count; i++) {
		const struct field *f = &messages[type].fields[i];
		const json_t *value = json_object_get(object, f->name);
		json_t *one;
		size_t k;
		if (json_is_array(value)) {
			json_array_foreach(value, k, one)
				add_field(one, f, ret);
		} else if (value != NULL) {
			add_field(value, f, ret);
		}
	}
}

void otlp_pack_span(const json_t *object, struct buf *ret)
{
	add_message(object, SPAN, ret);
}

static void add_bytes(const struct field *f, struct str bytes, struct buf *ret)
{
	add_tag(ret, f, WIRE_BYTES);
	add_varint(ret, bytes.len);
	buf_add_str(ret, bytes);
}

void otlp_add_span(struct str bytes, bool json, bool first, struct buf *ret)
{
	if (!json) {
		add_bytes(&scope_spans[1], bytes, ret);
		return;
	}
	buf_add_text(ret, first ? "" : ",");
	buf_add_str(ret, bytes);
}

/* The request without spans, and the spans put into its innermost message or list. */
void otlp_wrap(const json_t *resource_, struct str spans, bool json, const struct otlp_style *style, struct buf *ret)
{
	AUTO(json_decrefp) json_t *empty = otlp_request(resource_, json_array(), style);
	const json_t *outer = json_array_get(json_object_get(empty, "resourceSpans"), 0);
	const json_t *inner = json_array_get(json_object_get(outer, "scopeSpans"), 0);

	if (json) {
		AUTO(freep) char *text = json_text(empty);
		const char *at = strstr(text, "\"spans\":[") + strlen("\"spans\":[");
		buf_add(ret, text, (size_t)(at - text));
		buf_add_str(ret, spans);
		buf_add_text(ret, at);
		return;
	}
	AUTO(buf_done) struct buf scope_ = BUF_INIT(ret->max);
	AUTO(buf_done) struct buf whole = BUF_INIT(ret->max);
	add_message(inner, SCOPE_SPANS, &scope_);
	buf_add_str(&scope_, spans);
	add_field(json_object_get(outer, "resource"), &resource_spans[0], &whole);
	add_bytes(&resource_spans[1], buf_str(&scope_), &whole);
	add_bytes(&request[0], buf_str(&whole), ret);
}

/* ---- the answer ---- */

static bool read_varint(struct str *at, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; at->len > 0 && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)*at->ptr++;
		at->len--;
		n |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*ret = n;
			return true;
		}
	}
	return false;
}

/* The next field; of bytes: where they are. False at the end, and where it cannot be read. */
static bool read_field(struct str *at, uint64_t *ret_number, uint64_t *ret_value, struct str *ret_bytes)
{
	uint64_t tag, len;

	if (!read_varint(at, &tag))
		return false;
	*ret_number = tag >> 3;
	*ret_value = 0;
	*ret_bytes = (struct str){ at->ptr, 0 };
	switch (tag & 7) {
	case WIRE_VARINT: return read_varint(at, ret_value);
	case WIRE_FIXED64: len = 8; break;
	case WIRE_FIXED32: len = 4; break;
	case WIRE_BYTES:
		if (!read_varint(at, &len))
			return false;
		break;
	default: return false;
	}
	if (len > at->len)
		return false;
	*ret_bytes = (struct str){ at->ptr, (size_t)len };
	at->ptr += len;
	at->len -= (size_t)len;
	return true;
}

static void read_partial(struct str at, struct otlp_answer *ret)
{
	uint64_t number, value;
	struct str bytes;

	while (read_field(&at, &number, &value, &bytes)) {
		if (number == 1)
			ret->rejected = (int64_t)value;
		else if (number == 2)
			snprintf(ret->message, sizeof ret->message, "%.*s", (int)MIN(bytes.len, sizeof ret->message - 1), bytes.ptr);
	}
}

static void read_json(struct str body, struct otlp_answer *ret)
{
	AUTO(json_decrefp) json_t *object = NULL;

	if (json_parse(body, &object, NULL) < 0)
		return;
	const json_t *partial = json_object_get(object, "partialSuccess"), *rejected = json_object_get(partial, "rejectedSpans");
	ret->rejected = rejected != NULL ? (int64_t)integer_of(rejected) : 0;
	snprintf(ret->message, sizeof ret->message, "%s", json_get_text(partial, "errorMessage", ""));
}

void otlp_answer_read(struct str body, bool json, struct otlp_answer *ret)
{
	uint64_t number, value;
	struct str bytes;

	*ret = (struct otlp_answer){ 0 };
	if (json) {
		if (body.len > 0)
			read_json(body, ret);
		return;
	}
	while (read_field(&body, &number, &value, &bytes))
		if (number == 1)
			read_partial(bytes, ret);
}
