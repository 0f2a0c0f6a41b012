/* What a client may say to the proxy: requests, bodies, SOCKS. Each row is one shape; what could be read in two ways is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/egress_conn.h"
#include "engine/socks.h"

#include "base/banned.h"

#define HOST "Host: a.example\r\n"
#define GET "GET http://a.example/x HTTP/1.1\r\n"
#define POST "POST http://a.example/x HTTP/1.1\r\n" HOST
#define OUT "GET /x HTTP/1.1\r\nHost: a.example\r\n"
#define END "Connection: close\r\n\r\n"

/* out: the head for the server; NULL: refused. */
static const struct { struct str in; const char *out; } requests[] = {
	{ STR(GET HOST "\r\n"), OUT END },
	{ STR("GET HTTP://A.Example.:80/x HTTP/1.1\r\nHOST: a.EXAMPLE\r\n\r\n"), OUT END },
	{ STR("GET http://a.example HTTP/1.0\r\n\r\n"), "GET / HTTP/1.1\r\nHost: a.example\r\n" END },
	{ STR("GET http://a.example?q HTTP/1.1\r\n" HOST "\r\n"), "GET /?q HTTP/1.1\r\nHost: a.example\r\n" END },
	{ STR("GET http://[::2]:81/x HTTP/1.1\r\nHost: [::2]:81\r\n\r\n"), "GET /x HTTP/1.1\r\nHost: [::2]:81\r\n" END },
	{ STR("GET https://a.example/x HTTP/1.1\r\n" HOST "\r\n"), OUT END },
	{ STR("GET https://a.example:80/x HTTP/1.1\r\nHost: a.example:80\r\n\r\n"), "GET /x HTTP/1.1\r\nHost: a.example:80\r\n" END },
	{ STR(GET HOST "A:\t b \r\n\r\n"), OUT "A: b\r\n" END },
	{ STR(GET HOST "Proxy-Connection: keep-alive\r\nTE: x\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\n\r\n"), OUT END },
	{ STR(GET HOST "Connection: A, keep-alive\r\na: 1\r\nb: 2\r\n\r\n"), OUT "b: 2\r\n" END },
	{ STR(GET HOST "Mishri-Rule: x\r\nmishri-anything: y\r\n\r\n"), OUT END },
	{ STR(POST "Content-Length: 3\r\n\r\n"), "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n" END },
	{ STR(POST "Transfer-Encoding: Chunked\r\n\r\n"), "POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n" END },
	/* who it is for */
	{ STR("GET /x HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET * HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET ftp://a.example/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http:///x HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example:/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example:0/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example:65536/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example:080x/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://u@a.example/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://u:p@a.example/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://b.example\\@a.example/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/#f HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://::2/ HTTP/1.1\r\nHost: [::2]\r\n\r\n"), NULL },
	{ STR("GET http://[::2/ HTTP/1.1\r\nHost: [::2]\r\n\r\n"), NULL },
	{ STR("GET http://[::2]x/ HTTP/1.1\r\nHost: [::2]\r\n\r\n"), NULL },
	{ STR("GET http://[fe80::1%25eth0]/ HTTP/1.1\r\nHost: x\r\n\r\n"), NULL },
	{ STR("GET http://a.example/x\0y HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR(GET "\r\n"), NULL },
	{ STR(GET HOST HOST "\r\n"), NULL },
	{ STR(GET "Host: b.example\r\n\r\n"), NULL },
	{ STR(GET "Host: a.example:81\r\n\r\n"), NULL },
	{ STR(GET "Host: a.example, b.example\r\n\r\n"), NULL },
	{ STR(GET "Host:\r\n\r\n"), NULL },
	/* lines */
	{ STR("GET  http://a.example/x HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/x HTTP/1.1 \r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/x\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/x HTTP/2.0\r\n" HOST "\r\n"), NULL },
	{ STR("GET http://a.example/x HTTP/1.11\r\n" HOST "\r\n"), NULL },
	{ STR("G(T http://a.example/x HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("\r\n" GET HOST "\r\n"), NULL },
	{ STR("GET http://a.example/x HTTP/1.1\n" HOST "\r\n"), NULL },
	{ STR(GET "Host: a.example\n\r\n"), NULL },
	{ STR(GET HOST "A: b\rC: d\r\n\r\n"), NULL },
	{ STR(GET HOST "A: b\r\n c\r\n\r\n"), NULL },
	{ STR(GET HOST "A : b\r\n\r\n"), NULL },
	{ STR(GET HOST "A b\r\n\r\n"), NULL },
	{ STR(GET HOST ": b\r\n\r\n"), NULL },
	{ STR(GET HOST "A\0: b\r\n\r\n"), NULL },
	{ STR(GET HOST "A: \0b\r\n\r\n"), NULL },
	{ STR(GET HOST "A: b\x7f\r\n\r\n"), NULL },
	{ STR(GET HOST "\r\nmore"), NULL },
	/* where it ends */
	{ STR(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: 3, 3\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: +3\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: -1\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: 0x3\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: 3 \t4\r\n\r\n"), NULL },
	{ STR(POST "Content-Length:\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: 9999999999999999999\r\n\r\n"), NULL },
	{ STR(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), NULL },
	{ STR(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), NULL },
	{ STR(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), NULL },
	{ STR(POST "Transfer-Encoding: identity\r\n\r\n"), NULL },
	{ STR(POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n"), NULL },
	{ STR("POST http://a.example/x HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"), NULL },
	{ STR(POST "Connection: content-length\r\nContent-Length: 3\r\n\r\n"), NULL },
	{ STR(GET HOST "Connection: x, Host\r\n\r\n"), NULL },
	/* tunnels */
	{ STR("CONNECT a.example HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("CONNECT http://a.example:443 HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("CONNECT a.example:443/ HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("CONNECT u@a.example:443 HTTP/1.1\r\n" HOST "\r\n"), NULL },
	{ STR("CONNECT a.example:443 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n"), NULL },
	/* secrets */
	{ STR(GET HOST "Mishri-Secret: token Authorization Bearer\r\n\r\n"), NULL },
	{ STR("GET https://a.example/x HTTP/1.1\r\n" HOST "Mishri-Secret: token Host\r\n\r\n"), NULL },
	{ STR("GET https://a.example/x HTTP/1.1\r\n" HOST "Mishri-Secret: token\r\n\r\n"), NULL },
	{ STR("GET https://a.example/x HTTP/1.1\r\n" HOST "Mishri-Secret: token a:b\r\n\r\n"), NULL },
	{ STR("GET https://a.example/x HTTP/1.1\r\n" HOST "Mishri-Secret: token X-Key\r\nX-KEY: mine\r\nY: 1\r\n\r\n"), OUT "Y: 1\r\n" END },
};

static void requests_are_what_they_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct wish wish;
		struct err err = ERR_NONE;
		int status = 0;
		AUTO(buf_done) struct buf out = BUF_INIT(KIB(8));
		int r = wish_read(requests[i].in, &wish, &status, &err);
		if (r < 0 && requests[i].out != NULL)
			fail_msg("row %zu: %s", i, err.text);
		if (r < 0) {
			assert_true(status == 400 || status == 403);
			assert_true(err.text[0] != '\0');
			continue;
		}
		wish_head(&wish, STR(""), &out);
		if (requests[i].out == NULL)
			fail_msg("row %zu was taken: %s", i, buf_text(&out));
		assert_string_equal(buf_text(&out), requests[i].out);
		wish_done(&wish);
	}
}

static void a_tunnel_has_a_scheme(void **state)
{
	static const struct { const char *in, *host, *scheme; int port; } rows[] = {
		{ "CONNECT A.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", "a.example", "https", 443 },
		{ "CONNECT [::ffff:1.2.3.4]:22 HTTP/1.1\r\nHost: x\r\n\r\n", "1.2.3.4", "tcp", 22 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct wish wish;
		int status;
		assert_int_equal(wish_read(str_of(rows[i].in), &wish, &status, NULL), 0);
		assert_int_equal(wish.kind, KIND_CONNECT);
		assert_string_equal(wish.host.name, rows[i].host);
		assert_string_equal(wish.scheme, rows[i].scheme);
		assert_int_equal(wish.port, rows[i].port);
		assert_null(wish.method);
		wish_done(&wish);
	}
}

/* used: bytes of the body; -1: broken. */
static const struct { const char *in; int used; bool trailers, open; } chunked[] = {
	{ "0\r\n\r\n", 5 }, { "3\r\nabc\r\n0\r\n\r\nGET", 13 }, { "A\r\n0123456789\r\n00\r\n\r\n", 21 }, { "1;x=y\r\na\r\n0\r\n\r\n", 15 },
	{ "3\r\nabc", 6, .open = true }, { "0\r\nA: b\r\n\r\n", 11, .trailers = true }, { "0\r\nA: b\r\n\r\n", -1 },
	{ "\r\n", -1 }, { " 3\r\nabc\r\n", -1 }, { "+3\r\n", -1 }, { "0x3\r\n", -1 }, { "3\nabc\r\n", -1 }, { "3\r\nabcd\r\n", -1 },
	{ "3\r\nabc\n", -1 }, { "3 \r\n", -1 }, { "-1\r\n", -1 }, { "11111111111111111\r\n", -1 }, { ";\r\n", -1 }, { "1;\n\r\n", -1 },
	{ "0\r\n\n", -1 }, { "0\r\n\rx", -1 }, { "1\r\r\n", -1 },
};

static void chunks_are_well_formed_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(chunked); i++)
		for (size_t step = 1; step <= 64; step *= 2) {   /* the pieces it comes in make no difference */
			struct http_body body = { .framing = BODY_CHUNKED, .trailers = chunked[i].trailers };
			size_t len = strlen(chunked[i].in), at = 0;
			int r = 0;
			while (at < len && r == 0 && !body.done) {
				size_t used = 0;
				r = http_body_feed(&body, chunked[i].in + at, MIN(step, len - at), &used, NULL);
				at += used;
			}
			if (chunked[i].used < 0 ? r == 0 : r < 0 || (int)at != chunked[i].used || body.done == chunked[i].open)
				fail_msg("row %zu by %zu: result %d, %zu bytes, done %d", i, step, r, at, body.done);
		}
}

static const struct { const char *in; int framing; } answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", BODY_LENGTH }, { "HTTP/1.0 200 OK\r\n\r\n", BODY_UNTIL_END },
	{ "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", BODY_NONE }, { "HTTP/1.1 100 \r\n\r\n", BODY_NONE },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", BODY_CHUNKED }, { "HTTP/1.1 200\r\n\r\n", BODY_UNTIL_END },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", -1 }, { "HTTP/1.1 20 OK\r\n\r\n", -1 },
	{ "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\n", -1 },
	{ "HTTP/1.1 099 OK\r\n\r\n", -1 }, { "ICY 200 OK\r\n\r\n", -1 }, { "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", -1 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", -1 },
};

static void answers_end_in_one_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct http_head head;
		int r = http_response_read(str_of(answers[i].in), false, &head, NULL);
		if (answers[i].framing < 0 ? r == 0 : r < 0 || (int)head.framing != answers[i].framing)
			fail_msg("row %zu", i);
		assert_true(answers[i].framing < 0 || (http_response_read(str_of(answers[i].in), true, &head, NULL) == 0 && head.framing == BODY_NONE));
	}
}

/* r: bytes; 0: not whole; -1: refused. */
static const struct { struct str in; int r; const char *host; int port; enum socks_reply refusal; } socks[] = {
	{ STR("\5\1\0\3\11a.EXAMPLE\0\120"), 16, "a.example", 80, SOCKS_OK },
	{ STR("\5\1\0\1\177\0\0\1\1\273"), 10, "127.0.0.1", 443, SOCKS_OK },
	{ STR("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\377\377\1\2\3\4\0\26"), 22, "1.2.3.4", 22, SOCKS_OK },
	{ STR("\5\1\0\3\011" "127.0.0.1\0\120more"), 16, "127.0.0.1", 80, SOCKS_OK },
	{ STR("\5\2\0\1\1\2\3\4\0\120"), 10, "", 0, SOCKS_NO_COMMAND },
	{ STR("\5\3\0\1\1\2\3\4\0\120"), 10, "", 0, SOCKS_NO_COMMAND },
	{ STR("\5\1\0\2\1\2\3\4\0\120"), 10, "", 0, SOCKS_NO_ADDRESS_TYPE },
	{ STR("\5\1\0\3\11a.exam"), 0 }, { STR("\5\1\0"), 0 },
	{ STR("\4\1\0\120\1\2\3\4"), -1 }, { STR("\5\1\1\1\1\2\3\4\0\120"), -1 }, { STR("\5\1\0\1\1\2\3\4\0\0"), -1 },
	{ STR("\5\1\0\3\0\0\120\0"), -1 }, { STR("\5\1\0\3\3a\0b\0\120"), -1 }, { STR("\5\1\0\3\7fe80::1\0\120"), 14, "fe80::1", 80, SOCKS_OK },
};

static void socks_says_a_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(socks); i++) {
		struct socks_request request = { 0 };
		struct err err = ERR_NONE;
		int r = socks_request_read((const unsigned char *)socks[i].in.ptr, socks[i].in.len, &request, &err);
		if (r != (socks[i].r < 0 ? -EINVAL : socks[i].r))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r <= 0)
			continue;
		assert_int_equal(request.refusal, socks[i].refusal);
		assert_string_equal(request.host.name, socks[i].host);
		assert_int_equal(request.port, socks[i].port);
	}
	bool open = true;
	assert_int_equal(socks_greeting_read((const unsigned char *)"\5\1\2", 3, &open), 3);
	assert_false(open);
	assert_int_equal(socks_greeting_read((const unsigned char *)"\5\2\2\0", 4, &open), 4);
	assert_true(open);
	assert_int_equal(socks_greeting_read((const unsigned char *)"\5\2\2", 3, &open), 0);
	assert_int_equal(socks_greeting_read((const unsigned char *)"\4\1\0", 3, &open), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_what_they_say),
		cmocka_unit_test(a_tunnel_has_a_scheme),
		cmocka_unit_test(chunks_are_well_formed_or_refused),
		cmocka_unit_test(answers_end_in_one_way),
		cmocka_unit_test(socks_says_a_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
