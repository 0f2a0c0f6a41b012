/* schema_uri.c - references as seen from a base (RFC 3986, 5.2). Text in, text out; nothing is opened. */
#include "tools/schema_node.h"

#include "base/banned.h"

struct uri {
	struct str scheme, authority, path, query, fragment;
	bool has_scheme, has_authority, has_query, has_fragment;
};

static size_t until(struct str s, const char *set)
{
	size_t n = 0;

	while (n < s.len && strchr(set, s.ptr[n]) == NULL)
		n++;
	return n;
}

static struct uri split(struct str s)
{
	struct uri u = { 0 };
	size_t n = until(s, ":/?#");

	if (n > 0 && n < s.len && s.ptr[n] == ':') {
		u.scheme = (struct str){ s.ptr, n };
		u.has_scheme = true;
		s = str_skip(s, n + 1);
	}
	if (str_starts(s, STR("//"))) {
		s = str_skip(s, 2);
		n = until(s, "/?#");
		u.authority = (struct str){ s.ptr, n };
		u.has_authority = true;
		s = str_skip(s, n);
	}
	n = until(s, "?#");
	u.path = (struct str){ s.ptr, n };
	s = str_skip(s, n);
	if (s.len > 0 && s.ptr[0] == '?') {
		n = until(s, "#");
		u.query = (struct str){ s.ptr + 1, n - 1 };
		u.has_query = true;
		s = str_skip(s, n);
	}
	if (s.len > 0) {
		u.fragment = str_skip(s, 1);
		u.has_fragment = true;
	}
	return u;
}

/* 5.2.4: "/a/./b/../c" is "/a/c". */
static void add_path(struct str path, struct buf *ret)
{
	size_t start = ret->len;

	while (path.len > 0) {
		size_t n = 1;
		while (n < path.len && path.ptr[n] != '/')
			n++;
		struct str part = { path.ptr, n };
		path = str_skip(path, n);
		bool dot = str_eq(part, STR("/.")), up = str_eq(part, STR("/.."));
		if (!dot && !up) {
			buf_add_str(ret, part);
			continue;
		}
		while (up && ret->len > start && ret->ptr[--ret->len] != '/')
			;
		if (path.len == 0)
			buf_add_char(ret, '/');
	}
}

static void merge_path(const struct uri *base, struct str ref, struct buf *ret)
{
	size_t keep = base->path.len;

	while (keep > 0 && base->path.ptr[keep - 1] != '/')
		keep--;
	if (keep == 0 && base->has_authority)
		buf_add_char(ret, '/');
	buf_add(ret, base->path.ptr, keep);
	buf_add_str(ret, ref);
}

char *uri_resolve(const char *base_text, const char *ref_text)
{
	struct uri base = split(str_of(base_text)), ref = split(str_of(ref_text));
	struct buf all = BUF_INIT(KIB(64)), path = BUF_INIT(KIB(64));
	struct uri *scheme = ref.has_scheme ? &ref : &base;
	struct uri *authority = ref.has_scheme || ref.has_authority ? &ref : &base;
	bool own_path = authority == &ref || ref.path.len > 0;
	struct uri *query = own_path || ref.has_query ? &ref : &base;

	if (scheme->has_scheme)
		buf_printf(&all, "%.*s:", STR_ARG(scheme->scheme));
	if (authority->has_authority)
		buf_printf(&all, "//%.*s", STR_ARG(authority->authority));
	if (!own_path) {
		buf_add_str(&all, base.path);
	} else {
		if (authority == &ref || ref.path.ptr[0] == '/')
			buf_add_str(&path, ref.path);
		else
			merge_path(&base, ref.path, &path);
		add_path(buf_str(&path), &all);
	}
	if (query->has_query)
		buf_printf(&all, "?%.*s", STR_ARG(query->query));
	if (ref.has_fragment)
		buf_printf(&all, "#%.*s", STR_ARG(ref.fragment));
	buf_done(&path);
	return buf_take(&all);
}
