/* test_address.c - what `--listen` may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "server/http.h"

#include "base/banned.h"

static void addresses(UNUSED void **state)
{
	static const struct { const char *text, *address; uint16_t port; bool loopback; } rows[] = {
		{ "127.0.0.1:8080", "127.0.0.1", 8080, true }, { "8080", "127.0.0.1", 8080, true }, { "0", "127.0.0.1", 0, true },
		{ "[::1]:8080", "::1", 8080, true }, { "localhost:1", "127.0.0.1", 1, true }, { "127.9.9.9:65535", "127.9.9.9", 65535, true },
		{ "0.0.0.0:80", "0.0.0.0", 80, false }, { "[::]:80", "::", 80, false }, { "10.0.0.1:80", "10.0.0.1", 80, false },
		{ "[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, false },
	};
	char address[64];
	uint16_t port;
	bool loopback;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (http_address_parse(rows[i].text, address, &port, &loopback, &err) != 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_string_equal(address, rows[i].address);
		assert_int_equal(port, rows[i].port);
		assert_int_equal(loopback, rows[i].loopback);
	}
}

static void what_is_none(UNUSED void **state)
{
	static const char *const rows[] = { "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x", "::1:80", "[::1]",
		"[::1:80", "::1]:80", "example.org:80", "127.1:80", "0x7f.0.0.1:80", "127.0.0.1 :80", "[127.0.0.1]:80", "[]:80",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
		"99999999999999999999", "http://127.0.0.1:80" };
	char address[64];
	uint16_t port;
	bool loopback;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = ERR_NONE;
		if (http_address_parse(rows[i], address, &port, &loopback, &err) != -EINVAL || strstr(err.text, "127.0.0.1:8080") == NULL)
			fail_msg("'%s' was taken as %s port %u: %s", rows[i], address, port, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(what_is_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
