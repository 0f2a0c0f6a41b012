/* json.c - a thin skin over jansson that makes the strict choice everywhere. */
#include "base/json_plain.h"

#include "base/banned.h"

/* jansson bounds its recursion at 2048; ours is tighter and is checked before it parses. */
static bool too_deep(struct str text)
{
	size_t depth = 0;
	bool in_text = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (in_text) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_text = false;
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int parse(struct str text, bool any_number, json_t **ret, struct err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
	json_error_t why;

	if (text.len > LIMIT_JSON_BYTES)
		return err_set(err, EFBIG, "JSON of more than %zu bytes", LIMIT_JSON_BYTES);
	json_t *value = json_plain(text);
	if (value != NULL) {
		*ret = value;
		return 0;
	}
	if (too_deep(text))
		return err_set(err, EINVAL, "JSON nested deeper than %d levels", LIMIT_JSON_DEPTH);
	value = json_loadb(text.ptr, text.len, flags, &why);
	if (value == NULL && any_number && json_error_code(&why) == json_error_numeric_overflow)
		value = json_loadb(text.ptr, text.len, flags | JSON_DECODE_INT_AS_REAL, &why);
	if (value == NULL)
		return err_set(err, EINVAL, "line %d, column %d: %s", why.line, why.column, why.text);
	*ret = value;
	return 0;
}

int json_parse(struct str text, json_t **ret, struct err *err)
{
	return parse(text, false, ret, err);
}

int json_parse_any(struct str text, json_t **ret, struct err *err)
{
	return parse(text, true, ret, err);
}

size_t json_depth(const json_t *value)
{
	size_t deepest = 0, i;
	const char *key;
	json_t *inner;

	if (json_is_array(value))
		json_array_foreach(value, i, inner)
			deepest = MAX(deepest, json_depth(inner));
	else if (json_is_object(value))
		json_object_foreach((json_t *)value, key, inner)
			deepest = MAX(deepest, json_depth(inner));
	else
		return 0;
	return deepest + 1;
}

static int add_chunk(const char *chunk, size_t size, void *to)
{
	return buf_add(to, chunk, size) < 0 ? -1 : 0;
}

/* The value is ours and valid; only a full buffer can fail, and that is seen at ret->full. */
void json_write(const json_t *value, struct buf *ret)
{
	(void)json_dump_callback(value, add_chunk, ret, JSON_COMPACT | JSON_ENCODE_ANY);
}

void json_write_canonical(const json_t *value, struct buf *ret)
{
	(void)json_dump_callback(value, add_chunk, ret, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
}

char *json_text(const json_t *value)
{
	struct buf text = BUF_INIT(LIMIT_JSON_BYTES);

	json_write(value, &text);
	return buf_take(&text);
}

const char *json_get_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : otherwise;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

bool json_get_bool(const json_t *object, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

void json_put(json_t *object, const char *key, json_t *owned_value)
{
	if (json_object_set_new(object, key, owned_value) < 0)
		abort();
}

json_t *json_of_str(struct str text)
{
	json_t *value = json_stringn(text.len != 0 ? text.ptr : "", text.len);
	if (value != NULL)
		return value;

	struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);
	for (size_t i = 0; i < text.len;) {
		size_t n = utf8_length((const unsigned char *)text.ptr + i, text.len - i);
		if (n == 0)
			buf_add_text(&clean, "\xef\xbf\xbd");
		else
			buf_add(&clean, text.ptr + i, n);
		i += n != 0 ? n : 1;
	}
	value = json_stringn(buf_text(&clean), clean.len);
	buf_done(&clean);
	if (value == NULL)
		abort();
	return value;
}

void json_put_str(json_t *object, const char *key, struct str text)
{
	json_put(object, key, json_of_str(text));
}

void json_put_text(json_t *object, const char *key, const char *text)
{
	json_put(object, key, text != NULL ? json_of_str(str_of(text)) : json_null());
}

void json_put_int(json_t *object, const char *key, int64_t value)
{
	json_put(object, key, json_integer(value));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
	json_put(object, key, json_boolean(value));
}

int json_only_keys(const json_t *object, const char *const *keys, size_t count, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (name_find(keys, count, key) >= 0)
			continue;
		const char *near = name_nearest(keys, count, key);
		if (near != NULL)
			return err_set(err, EINVAL, "unknown key '%s': did you mean '%s'?", key, near);
		return err_set(err, EINVAL, "unknown key '%s'", key);
	}
	return 0;
}
