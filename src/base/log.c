/* log.c - lines for operators. It keeps nothing, waits for nobody and fails in silence: a full or closed stderr must
 * not stop the work. It refuses to write a text that was not passed through what hides secrets, where there is one. */
#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#include "base/banned.h"

static const char *const level_names[] = {
	[LEVEL_ERROR] = "error", [LEVEL_WARNING] = "warning", [LEVEL_INFO] = "info", [LEVEL_DEBUG] = "debug",
};
_Static_assert(COUNT(level_names) == LOG_LEVELS, "every level has a name");

static struct {
	enum log_level most;
	bool json;
	void (*hide)(const void *userdata, struct str text, struct buf *ret);
	const void *userdata;
} self = { .most = LEVEL_WARNING };

const char *log_level_name(enum log_level level)
{
	return name_of(level_names, COUNT(level_names), level);
}

int log_level_find(const char *name)
{
	return name_find(level_names, COUNT(level_names), name);
}

void log_open(enum log_level most, bool as_json)
{
	self.most = most;
	self.json = as_json;
}

bool log_wanted(enum log_level level)
{
	return level <= self.most;
}

void log_hide(void (*hide)(const void *userdata, struct str text, struct buf *ret), const void *userdata)
{
	self.hide = hide;
	self.userdata = userdata;
}

/* Whole characters of at most LIMIT_LOG_TEXT_BYTES. Hidden first: half a secret would not be found. */
static json_t *clean(struct str text)
{
	AUTO(buf_done) struct buf hidden = BUF_INIT(LIMIT_JSON_BYTES);

	if (self.hide != NULL) {
		self.hide(self.userdata, text, &hidden);
		text = buf_str(&hidden);
	}
	if (text.len > LIMIT_LOG_TEXT_BYTES) {
		text.len = LIMIT_LOG_TEXT_BYTES;
		while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
			text.len--;
	}
	return json_of_str(text);
}

static json_t *clean_value(const json_t *value)
{
	if (json_is_string(value))
		return clean((struct str){ json_string_value(value), json_string_length(value) });
	if (!json_is_object(value) && !json_is_array(value))
		return json_incref((json_t *)value);
	AUTO(freep) char *text = json_text(value);
	return clean(str_of(text));
}

/* A word of plain characters as it is, everything else as a JSON string. */
static void add_value(const json_t *value, struct buf *ret)
{
	const char *text = json_string_value(value);
	bool plain = text != NULL && text[0] != '\0';

	for (const char *c = text; plain && *c != '\0'; c++)
		plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		        strchr("-_./:+@", *c) != NULL;
	if (plain)
		buf_add_text(ret, text);
	else
		json_write(value, ret);
}

/* DEL and the C1 controls are no JSON escapes, and a terminal obeys them. */
static void add_safely(struct str line, struct buf *ret)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i], next = i + 1 < line.len ? (unsigned char)line.ptr[i + 1] : 0;
		if (c == 0x7f) {
			buf_add_text(ret, "\\u007f");
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			buf_printf(ret, "\\u%04x", (unsigned)next);
			i++;
		} else {
			buf_add_char(ret, (char)c);
		}
	}
}

void log_write(enum log_level level, const char *what, const json_t *fields)
{
	AUTO(buf_done) struct buf line = BUF_INIT(LIMIT_JSON_BYTES), safe = BUF_INIT(LIMIT_JSON_BYTES);
	AUTO(json_decrefp) json_t *object = json_object();
	char time[CLOCK_TEXT_BYTES];
	const char *key;
	json_t *value;

	if (!log_wanted(level))
		return;
	clock_format(clock_wall_us(), time);
	AUTO(json_decrefp) json_t *message = clean(str_of(what));
	if (self.json) {
		json_put_text(object, "time", time);
		json_put_text(object, "level", log_level_name(level));
		json_put(object, "message", json_incref(message));
	} else {
		buf_printf(&line, "%s %s %s", time, log_level_name(level), json_string_value(message));
	}
	json_object_foreach((json_t *)fields, key, value) {
		json_put(object, key, clean_value(value));
		if (self.json)
			continue;
		buf_printf(&line, " %s=", key);
		add_value(json_object_get(object, key), &line);
	}
	if (self.json)
		json_write(object, &line);
	add_safely(buf_str(&line), &safe);
	for (size_t i = 0; i < safe.len; i++)
		if (safe.ptr[i] == '\n' || safe.ptr[i] == '\r' || safe.ptr[i] == '\033')
			safe.ptr[i] = ' ';
	buf_add_char(&safe, '\n');
	(void)!io_write_all(STDERR_FILENO, safe.ptr, safe.len);
}
