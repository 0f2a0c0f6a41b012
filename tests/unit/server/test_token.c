/* test_token.c - tokens: made, known again, refused; wrong ones counted; what a role may. */
#include "../store/fixture.h"

#include "base/clock.h"
#include "server/token.h"

#include "base/banned.h"

/* A token of that name; *ret_text as its bearer shows it. */
static struct token_row add(struct fixture *f, const char *name, int64_t expires_us, char ret_text[static TOKEN_TEXT_BYTES])
{
	struct token_row row = { .role = "viewer", .user = "alice", .made_by = "root", .made_us = clock_wall_us(), .expires_us = expires_us };
	struct err err = ERR_NONE;

	snprintf(row.name, sizeof row.name, "%s", name);
	token_make(&row, ret_text);
	if (store_token_add(f->store, &row, &err) < 0)
		fail_msg("%s", err.text);
	return row;
}

static void known_again(UNUSED void **state)
{
	struct fixture f;
	char text[TOKEN_TEXT_BYTES], other[TOKEN_TEXT_BYTES];
	struct token_row found;
	struct err err = ERR_NONE;

	fixture_init(&f);
	struct token_row row = add(&f, "one", 0, text);
	add(&f, "two", 0, other);
	assert_int_equal(token_check(f.store, str_of(text), clock_wall_us(), &found, &err), 0);
	assert_string_equal(found.id, row.id);
	assert_string_equal(found.user, "alice");
	assert_int_equal(store_token_add(f.store, &row, &err), -EEXIST);
	assert_null(strstr(row.hash, text + 7 + ID_LEN + 1)); /* the secret is not what is kept */
	fixture_done(&f);
}

static void refused(UNUSED void **state)
{
	struct fixture f;
	char good[TOKEN_TEXT_BYTES], other[TOKEN_TEXT_BYTES], mixed[TOKEN_TEXT_BYTES], last[TOKEN_TEXT_BYTES], upper[TOKEN_TEXT_BYTES];
	struct token_row found = { .name = "untouched" };

	fixture_init(&f);
	add(&f, "one", 0, good);
	add(&f, "two", 0, other);
	memcpy(mixed, good, sizeof mixed); /* the id of one and the secret of the other */
	memcpy(mixed + 7 + ID_LEN, other + 7 + ID_LEN, sizeof mixed - 7 - ID_LEN);
	memcpy(last, good, sizeof last);
	last[TOKEN_TEXT_BYTES - 2] = last[TOKEN_TEXT_BYTES - 2] == '0' ? '1' : '0';
	memcpy(upper, good, sizeof upper);
	for (size_t i = 7 + ID_LEN + 1; upper[i] != '\0'; i++)
		upper[i] = (char)(upper[i] >= 'a' && upper[i] <= 'f' ? upper[i] - 32 : upper[i]);
	const struct str rows[] = {
		STR(""), STR("mishri-"), str_of(mixed), str_of(last), str_of(upper), { good, TOKEN_TEXT_BYTES - 2 }, { good, TOKEN_TEXT_BYTES },
		{ good + 1, TOKEN_TEXT_BYTES - 2 }, STR("mishri-000000000000-0000000000000000000000000000000000000000000000000000000000000000"),
		STR("mishri-' or 1=1 -0000000000000000000000000000000000000000000000000000000000000000"),
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = ERR_NONE;
		if (token_check(f.store, rows[i], clock_wall_us(), &found, &err) != -EACCES)
			fail_msg("'%.*s' was taken", (int)rows[i].len, rows[i].ptr);
		assert_non_null(strstr(err.text, "mishri token add"));
		assert_null(strstr(err.text, good + 7 + ID_LEN + 1));
	}
	assert_string_equal(found.name, "untouched");
	fixture_done(&f);
}

static void over(UNUSED void **state)
{
	struct fixture f;
	char text[TOKEN_TEXT_BYTES];
	struct token_row found;
	const char *is;
	struct err err = ERR_NONE;
	int64_t now_us = clock_wall_us();

	fixture_init(&f);
	add(&f, "late", now_us + 1000000, text);
	assert_int_equal(token_check(f.store, str_of(text), now_us, &found, &err), 0);
	assert_int_equal(token_check(f.store, str_of(text), now_us + 1000000, &found, &err), -EACCES);
	assert_int_equal(token_look(f.store, str_of(text), now_us + 1000000, &found, &is, &err), 0);
	assert_string_equal(is, "expired");
	assert_int_equal(store_token_revoke(f.store, "late", "root", &err), 0);
	assert_int_equal(token_check(f.store, str_of(text), now_us, &found, &err), -EACCES);
	assert_int_equal(token_look(f.store, str_of(text), now_us, &found, &is, &err), 0);
	assert_string_equal(is, "revoked");
	assert_int_equal(store_token_revoke(f.store, "late", "root", &err), -EALREADY);
	assert_int_equal(store_token_revoke(f.store, "nobody", "root", &err), -ENOENT);
	fixture_done(&f);
}

static void guessing(UNUSED void **state)
{
	struct token_guard g = { 0 };

	for (int i = 0; i < LIMIT_TOKEN_FAILURES; i++) {
		assert_true(token_guard_open(&g, 5000));
		token_guard_failed(&g, 5000);
	}
	assert_false(token_guard_open(&g, 5000 + LIMIT_TOKEN_FAILURE_MS - 1));
	assert_true(token_guard_open(&g, 5000 + LIMIT_TOKEN_FAILURE_MS)); /* one is forgotten, and one may be tried */
	token_guard_failed(&g, 5000 + LIMIT_TOKEN_FAILURE_MS);
	assert_false(token_guard_open(&g, 5000 + LIMIT_TOKEN_FAILURE_MS));
	assert_true(token_guard_open(&g, 5000 + 100 * LIMIT_TOKEN_FAILURE_MS));
	assert_int_equal(g.failures, 0);
}

static void names_and_roles(UNUSED void **state)
{
	static const struct { const char *name; bool valid; } names[] = {
		{ "ci", true }, { "a.b-c_D9", true }, { "", false }, { "a b", false }, { "a/b", false }, { "\xc3\xa4", false }, { "a\n", false },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};
	static const struct { const char *role; unsigned rights; } roles[] = {
		{ "viewer", RIGHT_READ }, { "auditor", RIGHT_READ | RIGHT_READ_ALL }, { "operator", RIGHT_READ | RIGHT_START | RIGHT_CONTROL },
		{ "approver", RIGHT_READ | RIGHT_READ_ALL | RIGHT_APPROVE }, { "admin", 63 },
	};

	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(token_name_valid(names[i].name), names[i].valid);
	for (size_t i = 0; i < COUNT(roles); i++) {
		assert_non_null(role_find(roles[i].role));
		assert_int_equal(role_find(roles[i].role)->rights, roles[i].rights);
	}
	assert_null(role_at(COUNT(roles)));
	assert_null(role_find("Viewer"));
	assert_null(role_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_again), cmocka_unit_test(refused), cmocka_unit_test(over), cmocka_unit_test(guessing),
		cmocka_unit_test(names_and_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
