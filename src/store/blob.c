/* blob.c - makes the text of an event, with long strings moved out; and puts them back.
 * It never touches JSON that somebody else may hold: what changes is a copy. */
#include "store/internal.h"

#include "base/banned.h"

struct walk {
	struct buf pointer;          /* JSON Pointer of where we are */
	json_t *refs, *blobs;
};

static void add_key(struct buf *pointer, const char *key)
{
	buf_add_char(pointer, '/');
	for (; *key != '\0'; key++) {
		if (*key == '~' || *key == '/')
			buf_add_text(pointer, *key == '~' ? "~0" : "~1");
		else
			buf_add_char(pointer, *key);
	}
}

static void cut(struct buf *pointer, size_t len)
{
	pointer->len = len;
	pointer->ptr[len] = '\0';
}

static bool is_long(const json_t *value)
{
	return json_string_length(value) > LIMIT_EVENT_INLINE_BYTES;
}

/* Is there a long string below, and does the nesting stay within what json_parse will read again? */
static int inspect(const json_t *value, int depth, bool *found)
{
	const char *key;
	json_t *item;
	size_t i;

	if (depth > LIMIT_JSON_DEPTH)
		return -EINVAL;
	*found = *found || is_long(value);
	json_object_foreach((json_t *)value, key, item)
		if (inspect(item, depth + 1, found) < 0)
			return -EINVAL;
	json_array_foreach(value, i, item)
		if (inspect(item, depth + 1, found) < 0)
			return -EINVAL;
	return 0;
}

static json_t *move_out(struct walk *w, const json_t *string)
{
	char digest[SHA256_HEX_LEN + 1];

	sha256_hex1((struct str){ json_string_value(string), json_string_length(string) }, digest);
	json_put(w->blobs, digest, json_incref((json_t *)string));
	json_put_text(w->refs, buf_text(&w->pointer), digest);
	return json_string("");
}

static json_t *shorten(struct walk *w, const json_t *value)
{
	size_t before = w->pointer.len, i;
	const char *key;
	json_t *item, *copy;

	if (is_long(value))
		return move_out(w, value);
	if (!json_is_object(value) && !json_is_array(value))
		return json_incref((json_t *)value);
	copy = json_is_object(value) ? json_object() : json_array();
	json_object_foreach((json_t *)value, key, item) {
		add_key(&w->pointer, key);
		json_put(copy, key, shorten(w, item));
		cut(&w->pointer, before);
	}
	json_array_foreach(value, i, item) {
		buf_printf(&w->pointer, "/%zu", i);
		json_array_append_new(copy, shorten(w, item));
		cut(&w->pointer, before);
	}
	return copy;
}

static int format(struct stored *s, struct err *err)
{
	struct buf text = BUF_INIT(LIMIT_EVENT_BYTES);

	event_format(&s->event, &text);
	if (s->refs != NULL && !text.full) {
		text.len--;                                     /* the last brace */
		buf_add_text(&text, ",\"blobs\":");
		json_write(s->refs, &text);
		buf_add_char(&text, '}');
	}
	bool full = text.full;
	s->len = text.len;
	s->text = buf_take(&text);
	return full ? err_set(err, EFBIG, "event %s: more than %zu bytes without its long strings",
	                      event_name(s->event.type), LIMIT_EVENT_BYTES) : 0;
}

int stored_make(struct event *event, struct stored *ret, struct err *err)
{
	bool found = false;

	*ret = (struct stored){ .event = *event };
	event->data = NULL;
	int r = event_check(ret->event.type, ret->event.data, err);
	if (r < 0)
		return r;
	/* Depth 2: the event's own braces are around. */
	if (inspect(ret->event.data, 2, &found) < 0)
		return err_set(err, EINVAL, "event %s: data nested deeper than %d levels could not be read again",
		               event_name(ret->event.type), LIMIT_JSON_DEPTH - 1);
	if (found) {
		struct walk w = { BUF_INIT(LIMIT_EVENT_BYTES), .refs = json_object(), .blobs = json_object() };
		buf_add_text(&w.pointer, "/data");
		json_t *copy = shorten(&w, ret->event.data);
		json_decref(ret->event.data);
		ret->event.data = copy;
		ret->refs = w.refs;
		ret->blobs = w.blobs;
		buf_done(&w.pointer);
	}
	return format(ret, err);
}

void stored_done(struct stored *s)
{
	event_done(&s->event);
	free(TAKE(s->text));
	json_decref(TAKE(s->refs));
	json_decref(TAKE(s->blobs));
}

static json_t *child_of(json_t *parent, const char *key)
{
	uint64_t i;

	if (json_is_object(parent))
		return json_object_get(parent, key);
	return str_to_u64(str_of(key), &i) == 0 ? json_array_get(parent, (size_t)i) : NULL;
}

static void set_child(json_t *parent, const char *key, json_t *owned)
{
	uint64_t i;

	if (json_is_object(parent))
		json_put(parent, key, owned);
	else if (str_to_u64(str_of(key), &i) < 0 || json_array_set_new(parent, (size_t)i, owned) < 0)
		abort();                                        /* it was found there just before */
}

/* "~1" is "/", "~0" is "~". */
static void unescape(char *key)
{
	char *to = key;

	while (*key != '\0') {
		bool escaped = key[0] == '~' && key[1] != '\0';
		*to++ = !escaped ? key[0] : key[1] == '1' ? '/' : '~';
		key += escaped ? 2 : 1;
	}
	*to = '\0';
}

/* Puts `owned` at the pointer, where "" stands. False: nothing like that is there. */
static bool put_at(json_t *event, const char *pointer, json_t *owned)
{
	AUTO(freep) char *copy = xstrdup(pointer);
	json_t *at = event;
	char *key = copy[0] == '/' ? copy + 1 : NULL;

	while (key != NULL && at != NULL) {
		char *next = strchr(key, '/');
		if (next != NULL)
			*next++ = '\0';
		unescape(key);
		json_t *child = child_of(at, key);
		if (next == NULL && json_is_string(child) && json_string_length(child) == 0) {
			set_child(at, key, owned);
			return true;
		}
		at = child;
		key = next;
	}
	json_decref(owned);
	return false;
}

bool blobs_fit(json_t *event)
{
	json_t *refs = json_object_get(event, "blobs"), *digest;
	const char *pointer;

	json_object_foreach(refs, pointer, digest)
		if (strncmp(pointer, "/data/", 6) != 0 || !put_at(event, pointer, json_string("x")))
			return false;
	return true;
}

static int restore_one(struct db *db, json_t *event, const char *pointer, const char *digest, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_BLOB_GET, "t", digest);
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	if (!put_at(event, pointer, json_of_str(r > 0 ? query_str(&q, 0) : STR(REMOVED))))
		return err_set(err, EBADMSG, "%s: an event names a long string at '%s', where none belongs", db->path,
		               pointer);
	return 0;
}

int blobs_restore(struct db *db, json_t *event, struct err *err)
{
	json_t *refs = json_object_get(event, "blobs"), *digest;
	const char *pointer;

	json_object_foreach(refs, pointer, digest) {
		const char *text = json_string_value(digest);
		int r = restore_one(db, event, pointer, text != NULL ? text : "", err);
		if (r < 0)
			return r;
	}
	json_object_del(event, "blobs");
	return 0;
}
