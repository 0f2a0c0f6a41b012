/* test_keys.c - bytes of terminals, whole and in pieces, as keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/keys.h"

#include "base/banned.h"

/* What comes out: text as it is, each other key as <number>. */
static void read_all(struct keys *k, struct buf *got)
{
	enum key key;
	size_t before = got->len;

	while (keys_next(k, &key, got)) {
		if (key != KEY_TEXT)
			buf_printf(got, "<%d>", key);
		before = got->len;
	}
	assert_int_equal(before, got->len);
}

static const struct { const char *bytes; const char *want; } rows[] = {
	{ "abc", "abc" },                              { "\xc3\xa9", "\xc3\xa9" },
	{ "\xff" "a", "\xef\xbf\xbd" "a" },            { "a\r", "a<1>" },
	{ "\033[200~x\ry\r\nz\033[A\033[201~!", "x\ny\nz[A!" },  /* pasted: line ends are one kind, the ESC is dropped */
	{ "\033[99;99Zq", "<27>q" },                   { "\033OQ", "<27>" },
	{ "\302\233" "31m", "31m" },                   /* C1 control character */
};

static void as_keys(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int pieces = 0; pieces < 2; pieces++) {
			struct buf got = BUF_INIT(KIB(4));
			struct keys k;
			keys_init(&k);
			for (size_t n = 0, step = pieces != 0 ? 1 : strlen(rows[i].bytes); n < strlen(rows[i].bytes); n += step) {
				keys_add(&k, (struct str){ rows[i].bytes + n, step });
				read_all(&k, &got);
			}
			if (strcmp(buf_text(&got), rows[i].want) != 0)
				fail_msg("row %zu, pieces %d: %s", i, pieces, buf_text(&got));
			keys_done(&k);
			buf_done(&got);
		}
	}
	assert_int_equal(KEY_OTHER, 27);
}

static void escape_alone(void **state UNUSED)
{
	struct keys k;
	enum key key;
	struct buf text = BUF_INIT(KIB(1));

	keys_init(&k);
	keys_add(&k, STR("\033"));
	assert_false(keys_next(&k, &key, &text));
	assert_true(keys_waiting(&k));
	keys_give_up(&k, &key);
	assert_int_equal(key, KEY_ESC);
	assert_false(keys_waiting(&k));
	keys_add(&k, STR("\033[1;5D"));
	assert_true(keys_next(&k, &key, &text));
	assert_int_equal(key, KEY_WORD_LEFT);
	keys_done(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_keys), cmocka_unit_test(escape_alone) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
