/* http_head.c - reads HTTP/1 as narrowly as the standard lets it. A message that two readers could take apart in two
 * ways is refused: that is what request smuggling is made of. */
#include "engine/http_head.h"

#include <stdio.h>
#include <strings.h>

#include "base/banned.h"

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.ptr[i]))
			return false;
	return s.len > 0;
}

bool http_name_is(struct str name, const char *other)
{
	return name.len == strlen(other) && strncasecmp(name.ptr, other, name.len) == 0;
}

const struct http_header *http_header_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->count; i++)
		if (http_name_is(head->headers[i].name, name))
			return &head->headers[i];
	return NULL;
}

static size_t count_of(const struct http_head *head, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < head->count; i++)
		count += http_name_is(head->headers[i].name, name);
	return count;
}

static struct str trim(struct str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = str_skip(s, 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool names(struct str list, struct str name)
{
	struct str one;

	while (str_next(&list, ',', &one)) {
		one = trim(one);
		if (one.len == name.len && strncasecmp(one.ptr, name.ptr, one.len) == 0)
			return true;
	}
	return false;
}

bool http_is_hop(const struct http_head *head, struct str name)
{
	static const char *const hops[] = { "connection", "proxy-connection", "keep-alive", "te", "trailer", "upgrade",
	                                    "proxy-authorization", "proxy-authenticate", "transfer-encoding" };

	for (size_t i = 0; i < COUNT(hops); i++)
		if (http_name_is(name, hops[i]))
			return true;
	for (size_t i = 0; i < head->count; i++)
		if (http_name_is(head->headers[i].name, "connection") && names(head->headers[i].value, name))
			return true;
	return false;
}

/* ---- lines ---- */

/* A line up to CR LF, which are taken too. A lone CR or LF is neither an end nor a character. */
static int line_take(struct str *rest, struct str *ret, struct err *err)
{
	for (size_t i = 0; i < rest->len; i++) {
		unsigned char c = (unsigned char)rest->ptr[i];
		if (c == '\r' && i + 1 < rest->len && rest->ptr[i + 1] == '\n') {
			*ret = (struct str){ rest->ptr, i };
			*rest = str_skip(*rest, i + 2);
			return 0;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, EINVAL, "a control character (0x%02x) in a header: lines end with CR LF", c);
	}
	return err_set(err, EINVAL, "a header line without an end: lines end with CR LF");
}

static int header_take(struct str line, struct http_head *head, struct err *err)
{
	const char *colon = memchr(line.ptr, ':', line.len);

	if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
		return err_set(err, EINVAL, "a header goes on in the next line: write it on one");
	struct str name = { line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : 0 };
	if (!http_is_token(name))
		return err_set(err, EINVAL, "a line is no header: write NAME: VALUE, without a space before the colon");
	if (head->count == LIMIT_NET_HEADERS)
		return err_set(err, EINVAL, "more than %d headers", LIMIT_NET_HEADERS);
	head->headers[head->count++] = (struct http_header){ name, trim(str_skip(line, name.len + 1)) };
	return 0;
}

static int headers_take(struct str *rest, struct http_head *head, struct err *err)
{
	struct str line;

	for (;;) {
		int r = line_take(rest, &line, err);
		if (r < 0)
			return r;
		if (line.len == 0)
			break;
		if ((r = header_take(line, head, err)) < 0)
			return r;
	}
	return rest->len == 0 ? 0 : err_set(err, EINVAL, "something stands behind the empty line");
}

static int version_read(struct str s, int *ret, struct err *err)
{
	if (!str_eq(s, STR("HTTP/1.1")) && !str_eq(s, STR("HTTP/1.0")))
		return err_set(err, EINVAL, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	*ret = s.ptr[7] - '0';
	return 0;
}

/* ---- framing ---- */

static int length_read(struct str value, uint64_t *ret, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return err_set(err, EINVAL, "Content-Length is no plain number");
	if (value.len == 0 || value.len > 18 || str_to_u64(value, ret) < 0)
		return err_set(err, EINVAL, "Content-Length is no plain number");
	return 0;
}

static int framing_read(struct http_head *head, struct err *err)
{
	const struct http_header *length = http_header_find(head, "content-length");
	const struct http_header *coding = http_header_find(head, "transfer-encoding");

	if (count_of(head, "content-length") > 1)
		return err_set(err, EINVAL, "Content-Length is given twice");
	if (count_of(head, "transfer-encoding") > 1)
		return err_set(err, EINVAL, "Transfer-Encoding is given twice");
	if (length != NULL && coding != NULL)
		return err_set(err, EINVAL, "Content-Length and Transfer-Encoding together");
	if (coding != NULL) {
		if (!http_name_is(coding->value, "chunked") || head->minor == 0)
			return err_set(err, EINVAL, "the only Transfer-Encoding is chunked, in HTTP/1.1");
		head->framing = BODY_CHUNKED;
	}
	if (length != NULL) {
		head->framing = BODY_LENGTH;
		return length_read(length->value, &head->length, err);
	}
	return 0;
}

/* What Connection names is left out; it may not name what says where a message ends or whom it is for. */
static int connection_check(const struct http_head *head, struct err *err)
{
	static const char *const vital[] = { "host", "content-length", "transfer-encoding", "authorization", "cookie" };

	for (size_t i = 0; i < head->count; i++)
		for (size_t k = 0; http_name_is(head->headers[i].name, "connection") && k < COUNT(vital); k++)
			if (names(head->headers[i].value, str_of(vital[k])))
				return err_set(err, EINVAL, "Connection names '%s'", vital[k]);
	return 0;
}

int http_request_read(struct str text, struct http_head *ret, struct err *err)
{
	struct http_head head = { 0 };
	struct str line, version;
	int r = line_take(&text, &line, err);

	if (r < 0)
		return r;
	const char *end = line.ptr + line.len;
	if (!str_next(&line, ' ', &head.method) || !http_is_token(head.method) || !str_next(&line, ' ', &head.target) ||
	    head.target.len == 0 || !str_next(&line, ' ', &version) || version.ptr + version.len != end)
		return err_set(err, EINVAL, "the first line must be METHOD TARGET HTTP/1.1");
	for (size_t i = 0; i < head.target.len; i++)
		if ((unsigned char)head.target.ptr[i] <= 0x20 || (unsigned char)head.target.ptr[i] >= 0x7f)
			return err_set(err, EINVAL, "the target has a character that must be written with a percent sign");
	r = version_read(version, &head.minor, err);
	if (r == 0)
		r = headers_take(&text, &head, err);
	if (r == 0)
		r = framing_read(&head, err);
	if (r == 0)
		r = connection_check(&head, err);
	if (r == 0 && (count_of(&head, "host") > 1 || (head.minor == 1 && count_of(&head, "host") == 0)))
		r = err_set(err, EINVAL, "HTTP/1.1 wants one Host header");
	if (r == 0)
		*ret = head;
	return r;
}

static int status_read(struct str s, int *ret, struct err *err)
{
	uint64_t status;

	if (s.len != 3 || str_to_u64(s, &status) < 0 || status < 100)
		return err_set(err, EINVAL, "the answer's status is no number of three digits");
	*ret = (int)status;
	return 0;
}

int http_response_read(struct str text, bool to_head, struct http_head *ret, struct err *err)
{
	struct http_head head = { 0 };
	struct str line, version, status = { 0 };
	int r = line_take(&text, &line, err);

	if (r < 0)
		return r;
	if (!str_next(&line, ' ', &version) || !str_next(&line, ' ', &status))
		return err_set(err, EINVAL, "the answer does not begin with HTTP/1.1 STATUS");
	head.reason = line;
	r = version_read(version, &head.minor, err);
	if (r == 0)
		r = status_read(status, &head.status, err);
	if (r == 0)
		r = headers_take(&text, &head, err);
	if (r == 0)
		r = framing_read(&head, err);
	if (r == 0)
		r = connection_check(&head, err);
	if (r < 0)
		return r;
	if (to_head || head.status < 200 || head.status == 204 || head.status == 304)
		head.framing = BODY_NONE;
	else if (head.framing == BODY_NONE)
		head.framing = BODY_UNTIL_END;
	*ret = head;
	return 0;
}

/* ---- bodies ---- */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_TEXT, TRAILER_LF, LAST_LF };
enum { LINE_MOST = 4096, DIGITS_MOST = 15 };

void http_body_init(const struct http_head *head, bool trailers, struct http_body *ret)
{
	*ret = (struct http_body){ .framing = head->framing, .trailers = trailers, .left = head->length, .state = SIZE };
	ret->done = head->framing == BODY_NONE || (head->framing == BODY_LENGTH && head->length == 0);
	if (head->framing == BODY_CHUNKED)
		ret->left = 0;
}

static int hex_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(char c)
{
	return c == '\t' || (unsigned char)c >= 0x20;
}

/* The line that says how long a chunk is. -1: broken. */
static int size_char(struct http_body *b, char c)
{
	int digit = hex_of(c);

	if (b->state == SIZE && digit >= 0) {
		b->left = b->left << 4 | (uint64_t)digit;
		return b->line > DIGITS_MOST ? -1 : SIZE;
	}
	if (b->line == 1)       /* it began with no digit */
		return -1;
	if (c == '\r')
		return SIZE_LF;
	return (b->state == EXTENSION ? is_text(c) && c != 0x7f : c == ';') ? EXTENSION : -1;
}

/* One byte that is not data. The next state; -1: broken. */
static int next_state(struct http_body *b, char c)
{
	b->line++;
	if (b->line > LINE_MOST)
		return -1;
	switch (b->state) {
	case SIZE:
	case EXTENSION:
		return size_char(b, c);
	case SIZE_LF:
		b->line = 0;
		return c != '\n' ? -1 : b->left > 0 ? DATA : TRAILER;
	case DATA_CR:
		return c == '\r' ? DATA_LF : -1;
	case DATA_LF:
		b->line = 0;
		return c == '\n' ? SIZE : -1;
	case TRAILER:
		return c == '\r' ? LAST_LF : b->trailers && is_token_char(c) ? TRAILER_TEXT : -1;
	case TRAILER_TEXT:
		return c == '\r' ? TRAILER_LF : is_text(c) && c != 0x7f ? TRAILER_TEXT : -1;
	case TRAILER_LF:
		return c == '\n' ? TRAILER : -1;
	case LAST_LF:
		b->done = c == '\n';
		return c == '\n' ? LAST_LF : -1;
	default:
		return -1;
	}
}

static int chunked_feed(struct http_body *b, const char *ptr, size_t len, size_t *ret_used, struct err *err)
{
	size_t at = 0;

	while (at < len && !b->done) {
		if (b->state == DATA) {
			uint64_t n = MIN(b->left, (uint64_t)(len - at));
			at += (size_t)n;
			b->left -= n;
			if (b->left == 0)
				b->state = DATA_CR;
			continue;
		}
		b->state = next_state(b, ptr[at++]);
		if (b->state < 0)
			return err_set(err, EINVAL, "the chunks of the body are not well formed");
	}
	*ret_used = at;
	return 0;
}

int http_body_feed(struct http_body *body, const char *ptr, size_t len, size_t *ret_used, struct err *err)
{
	if (body->done) {
		*ret_used = 0;
		return 0;
	}
	if (body->framing == BODY_CHUNKED)
		return chunked_feed(body, ptr, len, ret_used, err);
	if (body->framing == BODY_UNTIL_END) {
		*ret_used = len;
		return 0;
	}
	uint64_t n = MIN(body->left, (uint64_t)len);
	body->left -= n;
	body->done = body->left == 0;
	*ret_used = (size_t)n;
	return 0;
}
