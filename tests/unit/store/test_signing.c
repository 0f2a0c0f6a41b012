/* test_signing.c - the key file is looked at anew whenever it signs: what made it unfit, and what mends it, counts at once. */
#include "fixture.h"

#include "store/audit.h"

#include "base/banned.h"

enum state { KEY_NONE, KEY_PRIVATE, KEY_SHARED, KEY_LINK, KEY_FIFO };

static void path_of(const struct fixture *f, const char *name, char ret[static 128])
{
	snprintf(ret, 128, "%s/%s", f->dir, name);
}

/* The key itself lies aside where it must not be found. */
static void put_state(const struct fixture *f, enum state state)
{
	char path[128], aside[128];

	path_of(f, "audit.key", path);
	path_of(f, "aside", aside);
	if (access(aside, F_OK) == 0) {
		(void)unlink(path);
		assert_int_equal(rename(aside, path), 0);
	}
	if (state == KEY_PRIVATE || state == KEY_SHARED) {
		assert_int_equal(chmod(path, state == KEY_PRIVATE ? 0600 : 0644), 0);
		return;
	}
	assert_int_equal(rename(path, aside), 0);
	if (state == KEY_LINK)
		assert_int_equal(symlink("aside", path), 0);
	if (state == KEY_FIFO)
		assert_int_equal(mkfifo(path, 0600), 0);
}

static void signs_as_the_file_is(void **state UNUSED)
{
	static const struct { enum state state; bool signs; } rows[] = {
		{ KEY_PRIVATE, true }, { KEY_SHARED, false }, { KEY_PRIVATE, true }, { KEY_LINK, false }, { KEY_PRIVATE, true },
		{ KEY_NONE, false }, { KEY_PRIVATE, true }, { KEY_FIFO, false }, { KEY_PRIVATE, true },
	};
	char id[SIGN_ID_LEN + 1], now[SIGN_ID_LEN + 1];
	struct fixture f;

	fixture_init(&f);
	OK(&f, store_audit_key_new(f.store, id, &f.err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_state(&f, rows[i].state);
		const struct sign_key *key = store_signer(f.store);
		if ((key != NULL) != rows[i].signs)
			fail_msg("row %zu: %s", i, key != NULL ? "it signs" : "it does not sign");
		if (key == NULL)
			continue;
		sign_key_id(key, now);
		assert_string_equal(now, id);
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(signs_as_the_file_is) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
