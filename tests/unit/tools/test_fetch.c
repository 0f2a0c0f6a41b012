/* Addresses, bodies and pages, as http_fetch takes them apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#include "tools/fetch.h"

#include "base/banned.h"

static void addresses(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "https://example.com", "https://example.com/" },
		{ "HTTP://Example.COM:80/A?b#c", "http://example.com/A?b" },
		{ "https://example.com:8443?x=1", "https://example.com:8443/?x=1" },
		{ "http://[::1]:8080/x", "http://[::1]:8080/x" },
		{ " https://a/b ", "https://a/b" },
		{ "ftp://a/", NULL }, { "example.com", NULL }, { "https://", NULL }, { "https:///x", NULL }, { "https://u:p@a/", NULL },
		{ "https://a b/", NULL }, { "https://a/b c", NULL }, { "https://a\\b/", NULL }, { "https://a:0/", NULL }, { "https://a:99999/", NULL },
		{ "https://a:80x/", NULL }, { "https://[::1/", NULL }, { "https://a/\r\nHost: b", NULL }, { "file:///etc/passwd", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(url_done) struct url url = URL_NONE;
		AUTO(buf_done) struct buf out = BUF_INIT(KIB(64));
		struct err err = ERR_NONE;
		int r = url_parse(str_of(rows[i].in), &url, &err);
		if ((r == 0) != (rows[i].out != NULL))
			fail_msg("%s: %d %s", rows[i].in, r, err.text);
		if (r < 0)
			continue;
		url_format(&url, &out);
		assert_string_equal(buf_text(&out), rows[i].out);
	}
}

/* RFC 3986, 5.4, as far as http has it. */
static void references(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "g", "http://a/b/c/g" }, { "./g", "http://a/b/c/g" }, { "g/", "http://a/b/c/g/" }, { "/g", "http://a/g" },
		{ "//g", "http://g/" }, { "?y", "http://a/b/c/d;p?y" }, { "g?y", "http://a/b/c/g?y" }, { "", "http://a/b/c/d;p?q" },
		{ ".", "http://a/b/c/" }, { "..", "http://a/b/" }, { "../", "http://a/b/" }, { "../g", "http://a/b/g" }, { "../..", "http://a/" },
		{ "../../g", "http://a/g" }, { "../../../g", "http://a/g" }, { "/./g", "http://a/g" }, { "/../g", "http://a/g" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" }, { "g#s/../x", "http://a/b/c/g" }, { "https://h/x", "https://h/x" },
		{ "javascript:x", NULL }, { "mailto:a@b", NULL }, { "//u@h/", NULL },
	};
	AUTO(url_done) struct url base = URL_NONE;

	(void)state;
	assert_int_equal(url_parse(STR("http://a/b/c/d;p?q"), &base, NULL), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(url_done) struct url url = URL_NONE;
		AUTO(buf_done) struct buf out = BUF_INIT(KIB(64));
		int r = url_resolve(&base, str_of(rows[i].in), &url, NULL);
		assert_int_equal(r == 0, rows[i].out != NULL);
		if (r < 0)
			continue;
		url_format(&url, &out);
		if (strcmp(buf_text(&out), rows[i].out) != 0)
			fail_msg("%s: want %s, got %s", rows[i].in, rows[i].out, buf_text(&out));
	}
}

static struct reply reply_of(const char *head, struct str body)
{
	struct reply r = { .status = 200, .head = BUF_INIT(KIB(64)), .body = BUF_INIT(LIMIT_FETCH_BODY_BYTES) };

	buf_add_text(&r.head, head);
	buf_add_str(&r.body, body);
	return r;
}

static void characters(void **state)
{
	static const struct { const char *head; struct str body; const char *out; } rows[] = {
		{ "Content-Type: text/plain\n", { "gr\xc3\xbc\xc3\x9f" "e", 8 }, "gr\xc3\xbc\xc3\x9f" "e" },
		{ "Content-Type: text/plain\n", { "gr\xfc\xdf" "e", 6 }, "gr\xc3\xbc\xc3\x9f" "e" },
		{ "Content-Type: text/plain; charset=ISO-8859-15\n", { "\xa4", 1 }, "\xe2\x82\xac" },
		{ "Content-Type: text/html\n", { "<meta charset='koi8-r'>\xc1", 24 }, "<meta charset='koi8-r'>\xd0\xb0" },
		{ "Content-Type: text/plain\n", { "\xff\xfe" "a\0b\0", 6 }, "ab" },
		{ "Content-Type: text/plain\n", { "\xef\xbb\xbf" "a", 4 }, "a" },
		{ "Content-Type: text/plain; charset=utf-8\n", { "a\xff" "b", 3 }, "a\xef\xbf\xbd" "b" },
		{ "Content-Type: text/plain; charset=../../x\n", { "a", 1 }, "a" },
		{ "Content-Type: text/plain; charset=nothing-known\n", { "\xe9", 1 }, "\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(reply_done) struct reply r = reply_of(rows[i].head, rows[i].body);
		AUTO(buf_done) struct buf out = BUF_INIT(KIB(64));
		body_text(&r, body_kind_of(&r) == BODY_HTML, &out);
		if (strcmp(buf_text(&out), rows[i].out) != 0)
			fail_msg("row %zu: %s", i, buf_text(&out));
	}
}

/* gzip, into memory. */
static struct buf packed(size_t zeros, bool cut)
{
	struct buf out = BUF_INIT(MIB(1));
	AUTO(freep) unsigned char *in = xcalloc(1, zeros);
	static unsigned char room[262144];
	z_stream z = { .next_in = in, .avail_in = (unsigned)zeros, .next_out = room, .avail_out = sizeof room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(&out, room, sizeof room - z.avail_out - (cut ? 12 : 0));
	deflateEnd(&z);
	return out;
}

static void bombs(void **state)
{
	static const struct { size_t bytes; bool cut; int want; } rows[] = {
		{ 1000, false, 0 }, { LIMIT_FETCH_BODY_BYTES, false, 0 }, { LIMIT_FETCH_BODY_BYTES + 1, false, -EFBIG },
		{ 64u << 20, false, -EFBIG }, { 1000, true, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf body = packed(rows[i].bytes, rows[i].cut);
		AUTO(reply_done) struct reply r = reply_of("content-encoding: gzip\n", buf_str(&body));
		assert_int_equal(body_unpack(&r, NULL), rows[i].want);
		if (rows[i].want == 0)
			assert_int_equal(r.body.len, rows[i].bytes);
	}
	AUTO(reply_done) struct reply odd = reply_of("Content-Encoding: br\n", STR("x"));
	assert_int_equal(body_unpack(&odd, NULL), -EINVAL);
}

static void pages(void **state)
{
	static const struct { const char *html, *out; } rows[] = {
		{ "<p>one</p><p>two  <b>three</b></p>", "one\n\ntwo three\n" },
		{ "<title>T</title><h1>Head</h1>text", "# T\n\n# Head\n\ntext\n" },
		{ "<a href='/x?a=1&amp;b=2'>there</a>", "[there](http://a/x?a=1&b=2)\n" },
		{ "<a href='javascript:alert(1)'>no</a> <a href='#x'>here</a>", "no here\n" },
		{ "<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul>", "- a\n- b\n  1. c\n  2. d\n" },
		{ "<pre>a\n  b</pre>", "```\na\n  b\n```\n" },
		{ "x<script>alert(1)</script><style>p{}</style><noscript>n</noscript>y", "xy\n" },
		{ "<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2\n" },
		{ "<img alt='a cat' src=x> <code>f()</code>", "![a cat] `f()`\n" },
		{ "&lt;tag&gt; &euro; &#x263a;", "<tag> \xe2\x82\xac \xe2\x98\xba\n" },
		{ "<p>unclosed <b>and <i>crossed</b></i", "unclosed and crossed\n" },
		{ "", "\n" },
	};
	AUTO(url_done) struct url base = URL_NONE;

	(void)state;
	assert_int_equal(url_parse(STR("http://a/b/"), &base, NULL), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf out = BUF_INIT(MIB(1));
		struct err err = ERR_NONE;
		if (html_read(str_of(rows[i].html), &base, &out, &err) < 0)
			fail_msg("%s", err.text);
		if (strcmp(buf_text(&out), rows[i].out) != 0)
			fail_msg("%s\nwant %s\ngot  %s", rows[i].html, rows[i].out, buf_text(&out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses), cmocka_unit_test(references), cmocka_unit_test(characters), cmocka_unit_test(bombs),
		cmocka_unit_test(pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
