/* dashboard.c - the page at /: files that are in the binary, for everybody who reaches the listener. There is nothing of anybody's
 * in them: what the page shows it asks the API for, with the token of whoever looks. It reads no file of the machine. */
#include "cli/dashboard.h"

#include <string.h>

#include "base/embedded.h"
#include "base/hash.h"
#include "base/util.h"

#include "base/banned.h"

static const char page_headers[] =
	"Cache-Control: no-cache\r\nVary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n";

static const struct { const char *ending, *type; } types[] = {
	{ ".html", "text/html; charset=utf-8" }, { ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" }, { ".svg", "image/svg+xml" },
};

/* NULL: a name of none of them; packed ones have no name of their own. */
static const char *type_of(struct str name)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		size_t len = strlen(types[i].ending);
		if (name.len > len && memcmp(name.ptr + name.len - len, types[i].ending, len) == 0)
			return types[i].type;
	}
	return NULL;
}

static struct str name_at(struct str path)
{
	static const char below[] = "/ui/";
	size_t len = strlen(below);

	if (str_eq(path, STR("/")))
		return STR("index.html");
	return path.len > len && memcmp(path.ptr, below, len) == 0 ? str_skip(path, len) : (struct str){ "", 0 };
}

static const struct embedded_file *find(struct str name)
{
	for (size_t i = 0; type_of(name) != NULL && dashboard_files[i].path != NULL; i++)
		if (str_eq(name, str_of(dashboard_files[i].path)))
			return &dashboard_files[i];
	return NULL;
}

static bool names(const struct http_request *request, const char *header, struct str wanted)
{
	const struct http_header *h = http_header_find(request->head, header);
	struct str rest = h != NULL ? h->value : (struct str){ "", 0 }, one;

	while (rest.len > 0 && str_next(&rest, ',', &one))
		if (str_eq(str_trim(one), wanted))
			return true;
	return false;
}

bool dashboard_has(const struct http_request *request)
{
	return find(name_at(request->path)) != NULL;
}

void dashboard_answer(struct http_conn *conn, const struct http_request *request)
{
	struct str name = name_at(request->path), method = request->head->method;
	const struct embedded_file *file = find(name);
	bool packed = names(request, "accept-encoding", STR("gzip"));
	char digest[SHA256_HEX_LEN + 1];

	if (!str_eq(method, STR("GET")) && !str_eq(method, STR("HEAD"))) {
		http_problem(conn, 405, "this is a page; here goes GET");
		return;
	}
	file += packed;        /* the packed one is the next row of the table */
	struct str body = { (const char *)file->bytes, file->len };
	sha256_hex1(body, digest);
	AUTO(freep) char *tag = xasprintf("\"%.32s\"", digest);
	AUTO(freep) char *headers = xasprintf("ETag: %s\r\n%s%s", tag, packed ? "Content-Encoding: gzip\r\n" : "", page_headers);
	http_answer_as(conn, names(request, "if-none-match", str_of(tag)) ? 304 : 200, type_of(name), body, headers);
}
