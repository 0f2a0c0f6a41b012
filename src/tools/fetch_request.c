/* fetch_request.c - one request of plain HTTP/1.1 to the proxy of the cell, and the whole answer. TLS, names and the decision
 * are the proxy's. It refuses answers whose end cannot be known for certain, and keeps everything bounded. */
#include "tools/fetch.h"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

void reply_done(struct reply *reply)
{
	buf_done(&reply->head);
	buf_done(&reply->body);
}

static int connect_proxy(const char *proxy, struct err *err)
{
	char host[64];
	unsigned port;
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (sscanf(proxy, "http://%63[0-9.]:%5u", host, &port) != 2 || port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return err_set(err, EINVAL, "HTTP_PROXY must be http://ADDRESS:PORT in a cell");
	address.sin_port = htons((uint16_t)port);
	AUTO(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return err_sys(err, "the proxy of this cell cannot be reached");
	int taken = fd;
	fd = -1;
	return taken;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

struct stream {
	int fd;
	char bytes[16384];
	size_t at, end;
};

/* One more byte block; 0 at the end. */
static int fill(struct stream *s, struct err *err)
{
	ssize_t n;

	do
		n = read(s->fd, s->bytes, sizeof s->bytes);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "the connection broke");
	s->at = 0;
	s->end = (size_t)n;
	return n > 0;
}

/* A line without its end. -EIO at the end of the stream. */
static int read_line(struct stream *s, struct buf *line, struct err *err)
{
	buf_reset(line);
	for (;;) {
		if (s->at == s->end) {
			int r = fill(s, err);
			if (r <= 0)
				return r < 0 ? r : err_set(err, EIO, "the connection ended in the middle of the answer");
		}
		char c = s->bytes[s->at++];
		if (c == '\n')
			break;
		if (buf_add_char(line, c) < 0)
			return err_set(err, EINVAL, "a line of the answer's head is too long");
	}
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->ptr[--line->len] = '\0';
	return 0;
}

/* Up to `want` bytes of body; what is beyond the bound is not kept. 0 at the end of the stream, else 1. */
static int read_some(struct stream *s, uint64_t want, uint64_t *ret_got, struct reply *reply, struct err *err)
{
	if (s->at == s->end) {
		int r = fill(s, err);
		if (r <= 0)
			return r;
	}
	size_t n = (size_t)MIN(want, (uint64_t)(s->end - s->at));
	if (buf_add(&reply->body, s->bytes + s->at, n) < 0)
		reply->cut = true;
	s->at += n;
	*ret_got = n;
	return 1;
}

static int read_exactly(struct stream *s, uint64_t len, struct reply *reply, struct err *err)
{
	while (len > 0 && !reply->cut) {
		uint64_t got = 0;
		int r = read_some(s, len, &got, reply, err);
		if (r <= 0)
			return r < 0 ? r : err_set(err, EIO, "the connection ended %llu bytes before the end of the answer", (unsigned long long)len);
		len -= got;
	}
	return 0;
}

static int read_chunks(struct stream *s, struct reply *reply, struct err *err)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(4));

	for (;;) {
		uint64_t len = 0;
		size_t digits = 0;
		int r = read_line(s, &line, err);
		if (r < 0)
			return r;
		for (; digits < line.len && digits < 15; digits++) {
			static const char hex[] = "0123456789abcdef";
			const char *digit = memchr(hex, line.ptr[digits] | 32, 16);
			if (digit == NULL)
				break;
			len = len * 16 + (uint64_t)(digit - hex);
		}
		if (digits == 0)
			return err_set(err, EINVAL, "the answer comes in chunks that are not well formed");
		if (len == 0)
			return 0;
		r = read_exactly(s, len, reply, err);
		if (r < 0 || reply->cut)
			return r;
		r = read_line(s, &line, err);
		if (r < 0)
			return r;
	}
}

static int read_rest(struct stream *s, struct reply *reply, struct err *err)
{
	uint64_t got;
	int r;

	while (!reply->cut && (r = read_some(s, UINT64_MAX, &got, reply, err)) != 0)
		if (r < 0)
			return r;
	return 0;
}

struct str reply_header(const struct reply *reply, const char *name)
{
	struct str rest = buf_str(&reply->head), line;
	size_t len = strlen(name);

	while (str_next(&rest, '\n', &line))
		if (line.len > len && strncasecmp(line.ptr, name, len) == 0 && line.ptr[len] == ':')
			return str_trim(str_skip(line, len + 1));
	return STR("");
}

static int read_head(struct stream *s, struct reply *reply, struct err *err)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(16));
	int minor, r;

	do { /* 100 Continue and its like come before the answer */
		r = read_line(s, &line, err);
		if (r < 0)
			return r;
		if (sscanf(buf_text(&line), "HTTP/1.%1d %3d", &minor, &reply->status) != 2)
			return err_set(err, EINVAL, "the answer is no HTTP/1.1");
		buf_reset(&reply->head);
		while ((r = read_line(s, &line, err)) == 0 && line.len > 0)
			if (buf_add_str(&reply->head, buf_str(&line)) < 0 || buf_add_char(&reply->head, '\n') < 0)
				return err_set(err, EINVAL, "the head of the answer is too long");
		if (r < 0)
			return r;
	} while (reply->status >= 100 && reply->status < 200);
	return 0;
}

static int read_reply(struct stream *s, const char *method, struct reply *reply, struct err *err)
{
	uint64_t length;
	int r = read_head(s, reply, err);

	if (r < 0)
		return r;
	struct str coding = reply_header(reply, "transfer-encoding"), size = reply_header(reply, "content-length");
	if (strcmp(method, "HEAD") == 0 || reply->status == 204 || reply->status == 304)
		return 0;
	if (coding.len > 0 && (coding.len != 7 || strncasecmp(coding.ptr, "chunked", 7) != 0))
		return err_set(err, EINVAL, "the answer comes in the coding '%.*s', which is not known", (int)MIN(coding.len, 40), coding.ptr);
	if (coding.len > 0)
		return read_chunks(s, reply, err);
	if (size.len == 0)
		return read_rest(s, reply, err);
	if (str_to_u64(size, &length) < 0)
		return err_set(err, EINVAL, "the answer's Content-Length is no number");
	return read_exactly(s, length, reply, err);
}

int fetch_request(const char *proxy, const char *method, const struct url *url, const char *headers, struct str body,
                  struct reply *ret, struct err *err)
{
	AUTO(buf_done) struct buf head = BUF_INIT(LIMIT_FETCH_HEAD_BYTES * 2);
	AUTO(reply_done) struct reply reply = { .head = BUF_INIT(LIMIT_FETCH_HEAD_BYTES), .body = BUF_INIT(LIMIT_FETCH_BODY_BYTES) };
	AUTO(fd_closep) int fd = connect_proxy(proxy, err);

	if (fd < 0)
		return fd;
	buf_printf(&head, "%s ", method);
	url_format(url, &head);
	buf_printf(&head, " HTTP/1.1\r\nHost: %s", url->host);
	if (url->port != (url->tls ? 443 : 80))
		buf_printf(&head, ":%d", url->port);
	buf_printf(&head, "\r\nConnection: close\r\nAccept-Encoding: gzip, deflate\r\n%s", headers);
	if (body.len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0)
		buf_printf(&head, "Content-Length: %zu\r\n", body.len);
	buf_add_text(&head, "\r\n");
	if (head.full)
		return err_set(err, EINVAL, "the headers have more than %zu bytes together", LIMIT_FETCH_HEAD_BYTES);
	struct stream s = { .fd = fd };
	/* Who refuses a request may answer before it has read all of it. */
	if (io_write_all(fd, head.ptr, head.len) == 0)
		(void)!io_write_all(fd, body.ptr, body.len);
	int r = read_reply(&s, method, &reply, err);
	if (r < 0)
		return r;
	*ret = reply;
	reply = (struct reply){ 0 };
	return 0;
}
