/* Hosts in every spelling: what they are, where they lead, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/address.h"

#include "base/banned.h"

static const struct { const char *written, *name; enum address_class class; } hosts[] = {
	{ "127.0.0.1", "127.0.0.1", ADDRESS_PRIVATE },
	{ "127.0.0.1.", "127.0.0.1", ADDRESS_PRIVATE },
	{ "2130706433", "127.0.0.1", ADDRESS_PRIVATE },
	{ "0x7f000001", "127.0.0.1", ADDRESS_PRIVATE },
	{ "0x7f.1", "127.0.0.1", ADDRESS_PRIVATE },
	{ "0177.0.0.1", "127.0.0.1", ADDRESS_PRIVATE },
	{ "017700000001", "127.0.0.1", ADDRESS_PRIVATE },
	{ "127.1", "127.0.0.1", ADDRESS_PRIVATE },
	{ "127.0.1", "127.0.0.1", ADDRESS_PRIVATE },
	{ "127.255.255.254", "127.255.255.254", ADDRESS_PRIVATE },
	{ "128.0.0.1", "128.0.0.1", ADDRESS_PUBLIC },
	{ "10.1.2.3", "10.1.2.3", ADDRESS_PRIVATE },
	{ "11.0.0.0", "11.0.0.0", ADDRESS_PUBLIC },
	{ "172.15.255.255", "172.15.255.255", ADDRESS_PUBLIC },
	{ "172.16.0.0", "172.16.0.0", ADDRESS_PRIVATE },
	{ "172.31.255.255", "172.31.255.255", ADDRESS_PRIVATE },
	{ "172.32.0.0", "172.32.0.0", ADDRESS_PUBLIC },
	{ "192.168.0.1", "192.168.0.1", ADDRESS_PRIVATE },
	{ "100.63.255.255", "100.63.255.255", ADDRESS_PUBLIC },
	{ "100.64.0.1", "100.64.0.1", ADDRESS_PRIVATE },
	{ "100.127.255.255", "100.127.255.255", ADDRESS_PRIVATE },
	{ "100.128.0.0", "100.128.0.0", ADDRESS_PUBLIC },
	{ "100.100.100.200", "100.100.100.200", ADDRESS_LINK },
	{ "168.63.129.16", "168.63.129.16", ADDRESS_LINK },
	{ "169.254.169.254", "169.254.169.254", ADDRESS_LINK },
	{ "0xa9fea9fe", "169.254.169.254", ADDRESS_LINK },
	{ "2852039166", "169.254.169.254", ADDRESS_LINK },
	{ "192.0.0.192", "192.0.0.192", ADDRESS_LINK },
	{ "192.0.2.1", "192.0.2.1", ADDRESS_PRIVATE },
	{ "198.19.255.255", "198.19.255.255", ADDRESS_PRIVATE },
	{ "198.20.0.0", "198.20.0.0", ADDRESS_PUBLIC },
	{ "0", "0.0.0.0", ADDRESS_NEVER },
	{ "0.1.2.3", "0.1.2.3", ADDRESS_NEVER },
	{ "224.0.0.1", "224.0.0.1", ADDRESS_NEVER },
	{ "255.255.255.255", "255.255.255.255", ADDRESS_NEVER },
	{ "223.255.255.255", "223.255.255.255", ADDRESS_PUBLIC },
	{ "1.1.1.1", "1.1.1.1", ADDRESS_PUBLIC },
	{ "::", "::", ADDRESS_NEVER },
	{ "::1", "::1", ADDRESS_PRIVATE },
	{ "[::1]", "::1", ADDRESS_PRIVATE },
	{ "[0:0:0:0:0:0:0:1]", "::1", ADDRESS_PRIVATE },
	{ "[::ffff:127.0.0.1]", "127.0.0.1", ADDRESS_PRIVATE },
	{ "::FFFF:1.1.1.1", "1.1.1.1", ADDRESS_PUBLIC },
	{ "::ffff:0:127.0.0.1", "::ffff:0:7f00:1", ADDRESS_PRIVATE },
	{ "::127.0.0.1", "::127.0.0.1", ADDRESS_PRIVATE },
	{ "::169.254.169.254", "::169.254.169.254", ADDRESS_LINK },
	{ "64:ff9b::7f00:1", "64:ff9b::7f00:1", ADDRESS_PRIVATE },
	{ "64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe", ADDRESS_LINK },
	{ "64:ff9b::101:101", "64:ff9b::101:101", ADDRESS_PUBLIC },
	{ "64:ff9b:1::101:101", "64:ff9b:1::101:101", ADDRESS_PRIVATE },
	{ "2002:7f00:1::", "2002:7f00:1::", ADDRESS_PRIVATE },
	{ "2002:101:101::1", "2002:101:101::1", ADDRESS_PUBLIC },
	{ "2001::1", "2001::1", ADDRESS_NEVER },
	{ "2001:db8::1", "2001:db8::1", ADDRESS_PRIVATE },
	{ "2606:4700::1111", "2606:4700::1111", ADDRESS_PUBLIC },
	{ "2606:4700::5efe:10.0.0.1", "2606:4700::5efe:a00:1", ADDRESS_PRIVATE },
	{ "2606:4700::200:5efe:a9fe:a9fe", "2606:4700::200:5efe:a9fe:a9fe", ADDRESS_LINK },
	{ "fe80::1", "fe80::1", ADDRESS_LINK },
	{ "fec0::1", "fec0::1", ADDRESS_PRIVATE },
	{ "fc00::1", "fc00::1", ADDRESS_PRIVATE },
	{ "fd00:ec2::254", "fd00:ec2::254", ADDRESS_LINK },
	{ "fd20:ce::254", "fd20:ce::254", ADDRESS_LINK },
	{ "ff02::1", "ff02::1", ADDRESS_NEVER },
	{ "100::1", "100::1", ADDRESS_PRIVATE },
	{ "4000::1", "4000::1", ADDRESS_PRIVATE },
};

static void every_spelling_leads_where_it_leads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct host host;
		struct err err = ERR_NONE;
		if (host_read(str_of(hosts[i].written), &host, &err) < 0)
			fail_msg("%s: %s", hosts[i].written, err.text);
		enum address_class class = address_class_of(&host.address);
		if (strcmp(host.name, hosts[i].name) != 0 || class != hosts[i].class)
			fail_msg("%s: %s, %s; not %s, %s", hosts[i].written, host.name, address_class_name(class), hosts[i].name,
			         address_class_name(hosts[i].class));
	}
}

static const struct { const char *written, *name; } names[] = {
	{ "Example.COM.", "example.com" }, { "a-b_c.x1", "a-b_c.x1" }, { "xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "localhost", "localhost" }, { "1.2.3.4.example", "1.2.3.4.example" }, { "0x7f.example", "0x7f.example" },
};

static void names_have_one_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct host host;
		assert_int_equal(host_read(str_of(names[i].written), &host, NULL), 0);
		assert_string_equal(host.name, names[i].name);
		assert_int_equal(host.address.family, 0);
	}
}

static const struct str refused[] = {
	STR(""), STR("."), STR(".."), STR("a..b"), STR(".a"), STR("a b"), STR("a\0b"), STR("a\tb"), STR("127.0.0.1\0.example.com"),
	STR("user@host"), STR("a/b"), STR("a%2eb"), STR("b\xc3\xbc" "cher.example"), STR("\xef\xbc\x91.1.1.1"), STR("fe80::1%eth0"),
	STR("[::1"), STR("::1]"), STR("[127.0.0.1]"), STR("[localhost]"), STR("1.2.3.4.5"), STR("256.256.256.256"), STR("1.2.3.0x"),
	STR("127.0.0.08"), STR("0x100000000"), STR("4294967296"), STR("::ffff:127.0.0.1.2"), STR("12345::1"), STR("a:b"), STR("localhost.."),
	STR("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.example"), STR("\xe2\x91\xa0.example"), STR("a#b"), STR("a?b"), STR("a\\b"),
};

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct host host;
		struct err err = ERR_NONE;
		if (host_read(refused[i], &host, &err) == 0)
			fail_msg("'%.*s' was read as '%s'", STR_ARG(refused[i]), host.name);
		assert_int_equal(err.code, EINVAL);
	}
	struct str longest = { .ptr = (char[300]){ 0 }, .len = 300 };
	memset((char *)longest.ptr, 'a', longest.len);
	assert_int_equal(host_read(longest, &(struct host){ 0 }, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_leads_where_it_leads),
		cmocka_unit_test(names_have_one_spelling),
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
