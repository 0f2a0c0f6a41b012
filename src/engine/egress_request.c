/* egress_request.c - from the head that a client sent to what it wants, and to the head that the server gets. It passes
 * nothing on that it has not taken apart. */
#include "engine/egress_conn.h"

#include <stdio.h>
#include <strings.h>

#include "base/banned.h"

void wish_done(struct wish *wish)
{
	for (size_t i = 0; i < wish->secret_count; i++) {
		free(wish->secrets[i].name);
		free(wish->secrets[i].header);
		free(wish->secrets[i].prefix);
	}
	free(wish->method);
	free(wish->path);
	free(wish->headers);
	*wish = (struct wish){ 0 };
}

/* ---- where to ---- */

static int port_read(struct str text, int *ret, struct err *err)
{
	uint64_t port;

	if (text.len == 0 || text.len > 5 || str_to_u64(text, &port) < 0 || port == 0 || port > 65535)
		return err_set(err, EINVAL, "the port must be a number from 1 to 65535");
	*ret = (int)port;
	return 0;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. otherwise: the port where none is given; 0: one must be. */
static int authority_read(struct str text, int otherwise, struct wish *wish, struct err *err)
{
	const char *colon = NULL;

	if (memchr(text.ptr, '@', text.len) != NULL)
		return err_set(err, EINVAL, "a user name in the target: leave out what stands before '@'");
	if (text.len > 0 && text.ptr[0] == '[') {
		const char *end = memchr(text.ptr, ']', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) + 1 : 0;
		if (end == NULL || (len < text.len && text.ptr[len] != ':'))
			return err_set(err, EINVAL, "an IPv6 address must be written as [ADDRESS]:PORT");
		colon = len < text.len ? text.ptr + len : NULL;
	} else {
		colon = memchr(text.ptr, ':', text.len);
		if (colon != NULL && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.ptr)) != NULL)
			return err_set(err, EINVAL, "an IPv6 address must be written as [ADDRESS]:PORT");
	}
	size_t host = colon != NULL ? (size_t)(colon - text.ptr) : text.len;
	if (colon == NULL && otherwise == 0)
		return err_set(err, EINVAL, "CONNECT wants HOST:PORT");
	wish->port = otherwise;
	int r = host_read((struct str){ text.ptr, host }, &wish->host, err);
	return r == 0 && colon != NULL ? port_read(str_skip(text, host + 1), &wish->port, err) : r;
}

static bool takes_scheme(struct str *rest, const char *scheme)
{
	size_t len = strlen(scheme);

	if (rest->len < len || strncasecmp(rest->ptr, scheme, len) != 0)
		return false;
	*rest = str_skip(*rest, len);
	return true;
}

static int target_read(const struct http_head *head, struct wish *wish, struct err *err)
{
	struct str rest = head->target;
	size_t end = 0;

	if (takes_scheme(&rest, "https://"))
		wish->tls = true;
	else if (!takes_scheme(&rest, "http://"))
		return err_set(err, EINVAL, "this is a proxy: the target must be a whole URL with http or https, or CONNECT HOST:PORT");
	while (end < rest.len && strchr("/?#", rest.ptr[end]) == NULL)
		end++;
	struct str path = str_skip(rest, end);
	if (memchr(path.ptr, '#', path.len) != NULL)
		return err_set(err, EINVAL, "a target has no part behind '#'");
	wish->scheme = wish->tls ? "https" : "http";
	int r = authority_read((struct str){ rest.ptr, end }, wish->tls ? 443 : 80, wish, err);
	if (r < 0)
		return r;
	wish->path = xasprintf("%s%.*s", path.len == 0 || path.ptr[0] != '/' ? "/" : "", STR_ARG(path));
	wish->method = xstrndup(head->method.ptr, head->method.len);
	wish->to_head = str_eq(head->method, STR("HEAD"));
	wish->ancient = head->minor == 0;
	return 0;
}

/* The Host header may only say what the target says. */
static int host_check(const struct http_head *head, const struct wish *wish, struct err *err)
{
	const struct http_header *host = http_header_find(head, "host");
	struct wish other = { 0 };

	if (host == NULL)
		return 0;
	int r = authority_read(host->value, wish->port, &other, err);
	if (r < 0)
		return err_prefix(err, "Host");
	if (strcmp(other.host.name, wish->host.name) != 0 || other.port != wish->port)
		return err_set(err, EINVAL, "the target says %s:%d, and the Host header says %s:%d", wish->host.name, wish->port,
		               other.host.name, other.port);
	return 0;
}

/* ---- headers ---- */

/* What the engine says itself, or what says where a message ends, is no place for a secret. */
static bool may_hold_secret(struct str name)
{
	static const char *const taken[] = { "host", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer",
	                                     "upgrade", "proxy-connection", "keep-alive" };

	for (size_t i = 0; i < COUNT(taken); i++)
		if (http_name_is(name, taken[i]))
			return false;
	return http_is_token(name);
}

/* "NAME HEADER [PREFIX]" */
static int secret_read(struct str value, struct wish *wish, struct err *err)
{
	struct str name = { 0 }, header = { 0 };

	if (!wish->tls)
		return err_set(err, EACCES, "secrets travel by TLS only: ask for https://%s through the proxy", wish->host.name);
	if (!str_next(&value, ' ', &name) || !str_next(&value, ' ', &header) || name.len == 0 || !may_hold_secret(header))
		return err_set(err, EINVAL, "Mishri-Secret must be NAME HEADER [PREFIX], with a header that may hold one");
	if (wish->secret_count == LIMIT_NET_SECRETS)
		return err_set(err, EINVAL, "at most %d secrets in one request", LIMIT_NET_SECRETS);
	wish->secrets[wish->secret_count++] = (struct wanted_secret){
		.name = xstrndup(name.ptr, name.len), .header = xstrndup(header.ptr, header.len),
		.prefix = value.len > 0 ? xstrndup(value.ptr, value.len) : xstrdup(""),
	};
	return 0;
}

static bool is_ours(struct str name)
{
	return name.len >= 7 && strncasecmp(name.ptr, "mishri-", 7) == 0;
}

/* Replaced by what the engine fills in. */
static bool is_secret(const struct wish *wish, struct str name)
{
	for (size_t i = 0; i < wish->secret_count; i++)
		if (http_name_is(name, wish->secrets[i].header))
			return true;
	return false;
}

static int headers_read(const struct http_head *head, struct wish *wish, struct err *err)
{
	AUTO(buf_done) struct buf kept = BUF_INIT(LIMIT_NET_HEAD_BYTES * 2);

	for (size_t i = 0; i < head->count; i++)
		if (http_name_is(head->headers[i].name, "mishri-secret")) {
			int r = secret_read(head->headers[i].value, wish, err);
			if (r < 0)
				return r;
		}
	for (size_t i = 0; i < head->count; i++) {
		const struct http_header *h = &head->headers[i];
		if (http_name_is(h->name, "host") || is_ours(h->name) || http_is_hop(head, h->name) || is_secret(wish, h->name))
			continue;
		buf_printf(&kept, "%.*s: %.*s\r\n", STR_ARG(h->name), STR_ARG(h->value));
	}
	if (head->framing == BODY_CHUNKED)
		buf_add_text(&kept, "Transfer-Encoding: chunked\r\n");
	assert(!kept.full);
	wish->headers = buf_take(&kept);
	return 0;
}

/* ---- the whole ---- */

static int connect_read(const struct http_head *head, struct wish *wish, struct err *err)
{
	int r = authority_read(head->target, 0, wish, err);

	if (r < 0)
		return r;
	if (head->framing != BODY_NONE)
		return err_set(err, EINVAL, "CONNECT has no body");
	wish->kind = KIND_CONNECT;
	wish->scheme = wish->port == 443 ? "https" : "tcp";
	return 0;
}

static int request_read(const struct http_head *head, struct wish *wish, struct err *err)
{
	wish->kind = KIND_REQUEST;
	int r = target_read(head, wish, err);
	if (r == 0)
		r = host_check(head, wish, err);
	if (r == 0)
		r = headers_read(head, wish, err);
	http_body_init(head, false, &wish->body);
	return r;
}

int wish_read(struct str text, struct wish *ret, int *ret_status, struct err *err)
{
	struct http_head head;
	struct wish wish = { 0 };
	int r = http_request_read(text, &head, err);

	if (r == 0)
		r = str_eq(head.method, STR("CONNECT")) ? connect_read(&head, &wish, err) : request_read(&head, &wish, err);
	if (r < 0) {
		wish_done(&wish);
		*ret_status = r == -EACCES ? 403 : 400;
		return r;
	}
	*ret = wish;
	return 0;
}

static void add_authority(const struct wish *wish, struct buf *ret)
{
	bool six = wish->host.address.family == AF_INET6;

	buf_printf(ret, "%s%s%s", six ? "[" : "", wish->host.name, six ? "]" : "");
	if (wish->port != (wish->tls ? 443 : 80))
		buf_printf(ret, ":%d", wish->port);
}

void wish_head(const struct wish *wish, struct str secrets, struct buf *ret)
{
	buf_printf(ret, "%s %s HTTP/1.1\r\nHost: ", wish->method, wish->path);
	add_authority(wish, ret);
	buf_printf(ret, "\r\n%s%.*sConnection: close\r\n\r\n", wish->headers, STR_ARG(secrets));
}

void answer_head(const struct http_head *head, struct buf *ret)
{
	buf_printf(ret, "HTTP/1.1 %d %.*s\r\n", head->status, STR_ARG(head->reason));
	for (size_t i = 0; i < head->count; i++) {
		const struct http_header *h = &head->headers[i];
		bool ours = is_ours(h->name);        /* a server says nothing in our name */
		if (!ours && !http_is_hop(head, h->name))
			buf_printf(ret, "%.*s: %.*s\r\n", STR_ARG(h->name), STR_ARG(h->value));
	}
	if (head->framing == BODY_CHUNKED)
		buf_add_text(ret, "Transfer-Encoding: chunked\r\n");
	if (head->status >= 200)
		buf_add_text(ret, "Connection: close\r\n");
	buf_add_text(ret, "\r\n");
}
