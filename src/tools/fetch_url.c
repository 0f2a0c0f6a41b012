/* fetch_url.c - addresses of http and https. It refuses what is understood in two ways by two programs: user names, control
 * characters, blanks, backslashes. What a name leads to is the proxy's affair. */
#include "tools/fetch.h"

#include <ctype.h>

#include "base/banned.h"

void url_done(struct url *url)
{
	free(url->host);
	free(url->path);
	*url = URL_NONE;
}

static struct str until(struct str text, const char *ends)
{
	size_t len = 0;

	while (len < text.len && strchr(ends, text.ptr[len]) == NULL)
		len++;
	return (struct str){ text.ptr, len };
}

static bool starts_like(struct str text, const char *prefix)
{
	return text.len >= strlen(prefix) && strncasecmp(text.ptr, prefix, strlen(prefix)) == 0;
}

static int check_characters(struct str text, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c <= 0x20 || c == 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
			return err_set(err, EINVAL, "the address has a blank or another character in it that must be written as %%%02X", c);
	}
	return 0;
}

/* "host", "host:port", "[v6]:port" */
static int read_place(struct str place, struct url *ret, struct err *err)
{
	struct str host = place.len > 0 && place.ptr[0] == '[' ? until(place, "]") : until(place, ":");
	uint64_t port = ret->tls ? 443 : 80;

	if (memchr(place.ptr, '@', place.len) != NULL)
		return err_set(err, EINVAL, "the address has a user name in it; give an Authorization header instead");
	if (place.len > 0 && place.ptr[0] == '[') {
		if (host.len == place.len)
			return err_set(err, EINVAL, "the address has '[' without ']'");
		host.len++;
	}
	struct str rest = str_skip(place, host.len);
	if (host.len == 0 || host.len > 255)
		return err_set(err, EINVAL, "the address names no host: write https://HOST/PATH");
	if (rest.len > 0 && (rest.ptr[0] != ':' || str_to_u64(str_skip(rest, 1), &port) < 0 || port == 0 || port > 65535))
		return err_set(err, EINVAL, "the port must be a number from 1 to 65535");
	ret->host = xstrndup(host.ptr, host.len);
	for (char *c = ret->host; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	ret->port = (int)port;
	return 0;
}

int url_parse(struct str text, struct url *ret, struct err *err)
{
	AUTO(url_done) struct url url = URL_NONE;

	text = until(str_trim(text), "#");
	if (text.len > LIMIT_FETCH_URL_BYTES)
		return err_set(err, EINVAL, "the address has more than %d bytes", LIMIT_FETCH_URL_BYTES);
	if (check_characters(text, err) < 0)
		return -EINVAL;
	url.tls = starts_like(text, "https://");
	if (!url.tls && !starts_like(text, "http://"))
		return err_set(err, EINVAL, "the address must begin with https:// or http://");
	text = str_skip(text, url.tls ? 8 : 7);
	struct str place = until(text, "/?");
	int r = read_place(place, &url, err);
	if (r < 0)
		return r;
	text = str_skip(text, place.len);
	url.path = text.len > 0 && text.ptr[0] == '/' ? xstrndup(text.ptr, text.len) : xasprintf("/%.*s", STR_ARG(text));
	*ret = url;
	url = URL_NONE;
	return 0;
}

void url_format(const struct url *url, struct buf *ret)
{
	buf_printf(ret, "http%s://%s", url->tls ? "s" : "", url->host);
	if (url->port != (url->tls ? 443 : 80))
		buf_printf(ret, ":%d", url->port);
	buf_add_text(ret, url->path);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* "." and ".." of the path, not of the query (RFC 3986, 5.2.4). */
static void add_clean_path(struct str path, struct buf *ret)
{
	struct str query = until(path, "?"), rest = { path.ptr, query.len }, part;
	const size_t from = ret->len;
	bool slash = true;

	query = str_skip(path, query.len);
	rest = str_skip(rest, rest.len > 0 && rest.ptr[0] == '/' ? 1 : 0);
	while (str_next(&rest, '/', &part)) {
		slash = part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR(".."));
		if (str_eq(part, STR("..")))
			while (ret->len > from && ret->ptr[--ret->len] != '/')
				continue;
		else if (!str_eq(part, STR(".")) && (part.len > 0 || rest.len > 0))
			buf_printf(ret, "/%.*s", STR_ARG(part));
	}
	if (slash || ret->len == from)
		buf_add_char(ret, '/');
	buf_add_str(ret, query);
}

int url_resolve(const struct url *base, struct str text, struct url *ret, struct err *err)
{
	AUTO(buf_done) struct buf whole = BUF_INIT((size_t)LIMIT_FETCH_URL_BYTES * 4);
	struct str scheme = until(text, ":/?#");

	text = until(str_trim(text), "#");
	if (scheme.len < text.len && scheme.len > 0 && text.ptr[scheme.len] == ':')
		return url_parse(text, ret, err);
	buf_printf(&whole, "http%s:", base->tls ? "s" : "");
	if (starts_like(text, "//")) {
		buf_add_str(&whole, text);
		return url_parse(buf_str(&whole), ret, err);
	}
	buf_printf(&whole, "//%s:%d", base->host, base->port);
	if (text.len > 0 && text.ptr[0] == '/') {
		add_clean_path(text, &whole);
		return url_parse(buf_str(&whole), ret, err);
	}
	struct str path = until(str_of(base->path), "?");
	if (text.len == 0)
		path = str_of(base->path);
	while (text.len > 0 && text.ptr[0] != '?' && path.len > 0 && path.ptr[path.len - 1] != '/')
		path.len--;
	AUTO(freep) char *joined = xasprintf("%.*s%.*s", STR_ARG(path), STR_ARG(text));
	add_clean_path(str_of(joined), &whole);
	return url_parse(buf_str(&whole), ret, err);
}
