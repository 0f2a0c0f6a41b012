/* test_log.c - the operators' log: what is written at which level, how it looks, and that no secret gets into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

/* What one call leaves on stderr, without the time. */
static char *written(enum log_level most, bool as_json, enum log_level level, const char *what, json_t *owned_fields)
{
	struct buf text = BUF_INIT(MIB(1));
	char path[] = "/tmp/mishri-log-XXXXXX";
	int fd = mkstemp(path), before = dup(STDERR_FILENO);

	assert_true(fd >= 0 && before >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	log_open(most, as_json);
	log_write(level, what, owned_fields);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	close(before);
	assert_int_equal(io_read_file(path, &text, NULL), 0);
	close(fd);
	unlink(path);
	json_decref(owned_fields);
	if (text.len == 0)
		return buf_take(&text);
	const char *rest = as_json ? strchr(buf_text(&text), ',') : strchr(buf_text(&text), ' ');
	assert_non_null(rest);
	char *copy = xstrdup(rest + 1);
	buf_done(&text);
	return copy;
}

static void lines_and_levels(void **state UNUSED)
{
	static const struct { enum log_level most, level; bool json; const char *what, *key, *value, *want; } rows[] = {
		{ LEVEL_ERROR, LEVEL_WARNING, false, "quiet", "a", "b", "" },
		{ LEVEL_WARNING, LEVEL_WARNING, false, "call denied", "tool", "shell", "warning call denied tool=shell\n" },
		{ LEVEL_DEBUG, LEVEL_ERROR, false, "x", "reason", "two words", "error x reason=\"two words\"\n" },
		{ LEVEL_DEBUG, LEVEL_INFO, false, "x", "k", "a\nb\033[31m", "info x k=\"a\\nb\\u001B[31m\"\n" },
		{ LEVEL_DEBUG, LEVEL_INFO, false, "x", "k", "\x7f\xc2\x9b" "2J", "info x k=\"\\u007f\\u009b2J\"\n" },
		{ LEVEL_DEBUG, LEVEL_INFO, false, "x", "k", "", "info x k=\"\"\n" },
		{ LEVEL_INFO, LEVEL_INFO, true, "task.created", "task", "k3f9",
		  "\"level\":\"info\",\"message\":\"task.created\",\"task\":\"k3f9\"}\n" },
		{ LEVEL_INFO, LEVEL_DEBUG, true, "x", "a", "b", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *got = written(rows[i].most, rows[i].json, rows[i].level, rows[i].what,
		                                json_pack("{ss}", rows[i].key, rows[i].value));
		assert_string_equal(got, rows[i].want);
	}
}

static void star(const void *userdata, struct str text, struct buf *ret)
{
	const char *secret = userdata, *at = memmem(text.ptr, text.len, secret, strlen(secret));

	if (at == NULL) {
		buf_add(ret, text.ptr, text.len);
		return;
	}
	buf_add(ret, text.ptr, (size_t)(at - text.ptr));
	buf_add_char(ret, '*');
	buf_add_text(ret, at + strlen(secret));
}

/* In a field, in the sentence, inside an object, and where it lies across the place where long texts are cut. */
static void secrets_are_hidden(void **state UNUSED)
{
	AUTO(freep) char *longer = xmalloc(LIMIT_LOG_TEXT_BYTES + 64);

	memset(longer, 'x', LIMIT_LOG_TEXT_BYTES - 4);
	memcpy(longer + LIMIT_LOG_TEXT_BYTES - 4, "hunter2hunter2", 15);
	for (int hidden = 0; hidden < 2; hidden++) {
		log_hide(hidden ? star : NULL, "hunter2hunter2");
		AUTO(freep) char *a = written(LEVEL_DEBUG, false, LEVEL_INFO, "x", json_pack("{ss}", "k", "hunter2hunter2"));
		AUTO(freep) char *b = written(LEVEL_DEBUG, true, LEVEL_INFO, "say hunter2hunter2", NULL);
		AUTO(freep) char *c = written(LEVEL_DEBUG, true, LEVEL_INFO, "x", json_pack("{s{ss}}", "k", "in", "hunter2hunter2"));
		AUTO(freep) char *d = written(LEVEL_DEBUG, false, LEVEL_INFO, "x", json_pack("{ss}", "k", longer));
		assert_int_equal(strstr(a, "hunter2") == NULL, hidden);
		assert_int_equal(strstr(b, "hunter2") == NULL, hidden);
		assert_int_equal(strstr(c, "hunter2") == NULL, hidden);
		assert_int_equal(strstr(d, "hunt") == NULL, hidden);
	}
	log_hide(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines_and_levels), cmocka_unit_test(secrets_are_hidden) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
