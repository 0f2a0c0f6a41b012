/* fault.c - reads error bodies and headers. It never decides whether to ask again: that is the engine's. */
#include "llm/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/banned.h"

static const struct { int first, last; enum failure kind; } statuses[] = {
#define FAULT_STATUS(first, last, kind) { first, last, FAILURE_##kind },
#include "llm/faults.def"
};

static const struct { const char *word; enum failure kind; } words[] = {
#define FAULT_WORD(word, kind) { word, FAILURE_##kind },
#include "llm/faults.def"
};

static const struct { CURLcode code; enum failure kind; } curls[] = {
#define FAULT_CURL(code, kind) { code, FAILURE_##kind },
#include "llm/faults.def"
};

static const enum failure streams[] = {
#define FAULT_STREAM(id, kind, about) [STREAM_##id] = FAILURE_##kind,
#include "llm/faults.def"
};
_Static_assert(COUNT(streams) == STREAM_ENDS, "every end of a stream has a kind");

/* White space and control bytes become one space, bytes that are not UTF-8 become '?', and a sequence that the end
 * of the buffer cut in two is dropped: the text may go to a terminal. */
static void clean_line(char *text)
{
	size_t len = strlen(text), out = 0;
	bool gap = false;

	for (size_t in = 0; in < len;) {
		unsigned char c = (unsigned char)text[in];
		size_t n = utf8_length((const unsigned char *)text + in, len - in);
		bool control = c <= ' ' || c == 0x7f || (c == 0xc2 && (unsigned char)text[in + 1] < 0xa0);
		if (n == 0 && len - in < 4 && len == LIMIT_ERR_TEXT_BYTES - 1)
			break;
		n = MAX(n, (size_t)1);
		if (control) {
			gap = out > 0;
		} else {
			if (gap)
				text[out++] = ' ';
			gap = false;
			if (n == 1 && c >= 0x80)
				text[out++] = '?';
			for (size_t k = 0; k < n && (n > 1 || c < 0x80); k++)
				text[out++] = text[in + k];
		}
		in += n;
	}
	text[out] = '\0';
}

void fault_set(struct llm_failure *ret, enum failure cls, int http_status, const char *format, ...)
{
	struct llm_failure made = { .cls = cls, .http_status = http_status, .retry_after_ms = -1 };
	va_list args;

	va_start(args, format);
	vsnprintf(made.text, sizeof made.text, format, args);
	va_end(args);
	clean_line(made.text);
	*ret = made;
}

enum failure fault_class(int http_status)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (http_status >= statuses[i].first && http_status <= statuses[i].last)
			return statuses[i].kind;
	return FAILURE_TERMINAL;
}

enum failure fault_of_curl(CURLcode code)
{
	for (size_t i = 0; i < COUNT(curls); i++)
		if (code == curls[i].code)
			return curls[i].kind;
	return FAILURE_TRANSIENT;
}

enum failure fault_of_stream(enum stream_end how)
{
	assert(how < STREAM_ENDS);
	return streams[how];
}

/* The parts of an error, borrowed from the body. */
struct error_parts {
	const char *message;
	const char *words[2];   /* code and type; NULL where not given */
	int64_t number;         /* a numeric code; 0 when there is none */
};

static const char *first_message(const json_t *object)
{
	static const char *const keys[] = { "message", "msg", "detail", "error", "errors" };

	for (size_t i = 0; i < COUNT(keys); i++) {
		const json_t *value = json_object_get(object, keys[i]);
		if (json_is_array(value))
			value = json_array_get(value, 0);
		if (json_is_object(value) && i >= 2)
			value = json_object_get(value, json_object_get(value, "message") != NULL ? "message" : "msg");
		if (json_string_length(value) > 0)
			return json_string_value(value);
	}
	return NULL;
}

/* {"error":{...}}, {"error":"text"}, [{"error":...}], {"object":"error","message"}, {"type":"error",...},
 * {"detail":"text"}, {"detail":[{"msg"}]}, {"errors":[{"message"}]}, {"message"}: the last three only in an
 * answer that is an error by its status. */
static bool find_parts(const json_t *body, bool by_status, struct error_parts *ret)
{
	if (json_is_array(body))
		body = json_array_get(body, 0);
	const json_t *error = json_object_get(body, "error");
	bool marked = strcmp(json_get_text(body, "object", ""), "error") == 0 ||
	              strcmp(json_get_text(body, "type", ""), "error") == 0;

	if (error == NULL || json_is_null(error)) {
		if (!marked && !by_status)
			return false;
		error = body;
	}
	if (json_is_string(error)) {
		*ret = (struct error_parts){ .message = json_string_value(error) };
		return true;
	}
	if (!json_is_object(error))
		return false;
	*ret = (struct error_parts){
		.message = first_message(error),
		.words = { json_get_text(error, "code", NULL), json_get_text(error, "type", NULL) },
		.number = json_get_int(error, "code", 0),
	};
	return ret->message != NULL || ret->words[0] != NULL || ret->words[1] != NULL || ret->number != 0;
}

static enum failure class_of_parts(const struct error_parts *parts, int http_status)
{
	enum failure cls = fault_class(http_status);

	if (http_status < 400 && parts->number >= 400 && parts->number < 600)
		cls = fault_class((int)parts->number);
	for (size_t w = 0; w < COUNT(parts->words); w++) {
		for (size_t i = 0; i < COUNT(words); i++) {
			if (parts->words[w] != NULL && strcasecmp(parts->words[w], words[i].word) == 0 &&
			    (http_status < 400 || words[i].kind == FAILURE_QUOTA))
				return words[i].kind;
		}
	}
	/* One provider says this with 400 and a type that says nothing. */
	if (parts->message != NULL && strcasestr(parts->message, "credit balance is too low") != NULL)
		return FAILURE_QUOTA;
	return cls;
}

bool fault_read(const json_t *body, const char *who, int http_status, struct llm_failure *ret)
{
	struct error_parts parts;

	if (!find_parts(body, http_status >= 400, &parts))
		return false;
	const char *word = parts.words[0] != NULL ? parts.words[0] : parts.words[1];
	const char *message = parts.message != NULL ? parts.message : "it gives no reason";
	enum failure cls = class_of_parts(&parts, http_status);

	char named[LIMIT_CALL_NAME_BYTES + 4] = "";
	if (word != NULL && word[0] != '\0')
		snprintf(named, sizeof named, " (%s)", word);
	else if (parts.number != 0 && parts.number != http_status)
		snprintf(named, sizeof named, " (%lld)", (long long)parts.number);
	if (http_status >= 400)
		fault_set(ret, cls, http_status, "%s answered %d%s: %s", who, http_status, named, message);
	else
		fault_set(ret, cls, http_status, "%s broke its reply off%s: %s", who, named, message);
	return true;
}

void fault_of_answer(struct str body, const char *who, int http_status, struct llm_failure *ret)
{
	AUTO(json_decrefp) json_t *value = NULL;
	struct str text = str_trim(body);

	if (text.len > 0 && json_parse(text, &value, NULL) == 0 && fault_read(value, who, http_status, ret))
		return;
	enum failure cls = fault_class(http_status);
	if (text.len == 0)
		fault_set(ret, cls, http_status, "%s answered %d without a body", who, http_status);
	else if (text.ptr[0] == '<')
		fault_set(ret, cls, http_status, "%s answered %d with a web page instead of JSON: is there a proxy in "
		          "between, or is the address not that of an API?", who, http_status);
	else
		fault_set(ret, cls, http_status, "%s answered %d: %.*s", who, http_status,
		          (int)MIN(text.len, (size_t)300), text.ptr);
}

/* A number that is a whole text, not negative; -1 otherwise. Larger than ten years counts as ten years. */
static int64_t read_number_ms(const char *text, double scale)
{
	static const double ten_years_ms = 10.0 * 365 * 86400 * 1000;
	char *end;

	while (*text == ' ' || *text == '\t')
		text++;
	if (*text < '0' || *text > '9')
		return -1;
	size_t digits = strspn(text, "0123456789.");
	double value = strtod(text, &end);
	if (end != text + digits)
		return -1;
	while (*end == ' ' || *end == '\t')
		end++;
	if (*end != '\0')
		return -1;
	return (int64_t)(MIN(value * scale, ten_years_ms) + 0.999);      /* up: a floor must not be undercut */
}

int64_t fault_retry_after_ms(const char *milliseconds, const char *seconds_or_date, int64_t now_wall_us)
{
	if (milliseconds != NULL) {
		int64_t ms = read_number_ms(milliseconds, 1);
		if (ms >= 0)
			return ms;
	}
	if (seconds_or_date == NULL)
		return -1;
	int64_t ms = read_number_ms(seconds_or_date, 1000);
	if (ms >= 0)
		return ms;
	time_t when = curl_load(NULL) == 0 ? curl_getdate(seconds_or_date, NULL) : -1;
	if (when == -1)
		return -1;
	return MAX((int64_t)when * 1000 - now_wall_us / 1000, (int64_t)0);
}

/* "1h2m3.5s" and its like: numbers, each with its unit, one behind the other. */
static int64_t read_span_ms(const char *text)
{
	static const struct { const char *unit; double ms; } units[] = { { "ms", 1 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } };
	static const double year_ms = 365.0 * 86400 * 1000;
	double sum = 0;

	if (*text == '\0')
		return -1;
	while (*text != '\0') {
		char *end;
		size_t i = 0;
		if (*text < '0' || *text > '9')
			return -1;
		double value = strtod(text, &end);
		while (i < COUNT(units) && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
			i++;
		if (end != text + strspn(text, "0123456789.") || i == COUNT(units))
			return -1;
		sum += value * units[i].ms;
		text = end + strlen(units[i].unit);
	}
	return (int64_t)(MIN(sum, year_ms) + 0.999);
}

int64_t fault_reset_ms(const char *text, int64_t now_wall_us)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (end == NULL)
		return read_span_ms(text);
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (strcmp(end, "Z") != 0)
		return -1;
	return MAX((int64_t)(timegm(&tm) + 1) * 1000 - now_wall_us / 1000, (int64_t)0); /* up, as above */
}

/* Also what looks like the first part of the key: a text may have been cut in the middle of it. Shorter keys are
 * words like "none" that local servers take, and no secret. */
void fault_scrub(struct llm_failure *failure, const char *key)
{
	enum { SECRET_BYTES = 8, PART_BYTES = 12 };
	size_t key_len = key != NULL ? strlen(key) : 0;

	if (key_len < SECRET_BYTES)
		return;
	for (char *at = failure->text; *at != '\0'; at++) {
		size_t same = 0;
		while (same < key_len && at[same] == key[same])
			same++;
		if (same < MIN(key_len, (size_t)PART_BYTES))
			continue;
		memcpy(at, "[key]", 5);
		memmove(at + 5, at + same, strlen(at + same) + 1);
		at += 4;
	}
}
