/* Waiting times, keys in texts, and the class of a status alone. Error bodies are in tests/cases/llm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "llm/fault.h"

#include "base/banned.h"

static void waiting_times(void **state UNUSED)
{
	static const int64_t now_us = 784111777000000;  /* Sun, 06 Nov 1994 08:49:37 GMT */
	static const int64_t ten_years = INT64_C(315360000000);
	static const struct { const char *ms, *seconds; int64_t want; } rows[] = {
		{ NULL, NULL, -1 },
		{ "250", NULL, 250 },
		{ "250", "7", 250 },
		{ "250.1", NULL, 251 },
		{ "soon", "7", 7000 },
		{ "-5", "7", 7000 },
		{ NULL, "0", 0 },
		{ NULL, " 7 ", 7000 },
		{ NULL, "1.5", 1500 },
		{ NULL, "0.0001", 1 },
		{ NULL, "-1", -1 },
		{ NULL, "", -1 },
		{ NULL, "7 seconds", -1 },
		{ NULL, "0x10", -1 },
		{ NULL, "1e9", -1 },
		{ NULL, "nan", -1 },
		{ NULL, "inf", -1 },
		{ NULL, "99999999999999999999999999", ten_years },
		{ NULL, "Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
		{ NULL, "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ NULL, "Sun, 06 Nov 1994 08:49:27 GMT", 0 },
		{ NULL, "Sunday, 06-Nov-94 08:49:47 GMT", 10000 },
		{ NULL, "Sun Nov  6 08:49:47 1994", 10000 },
		{ NULL, "in a while", -1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(fault_retry_after_ms(rows[i].ms, rows[i].seconds, now_us), rows[i].want);
}

static void keys_are_scrubbed(void **state UNUSED)
{
	static const struct { const char *key, *text, *want; } rows[] = {
		{ NULL, "text", "text" },
		{ "sk-0123456789abcdef", "no key", "no key" },
		{ "sk-0123456789abcdef", "sk-0123456789abcdef", "[key]" },
		{ "sk-0123456789abcdef", "a sk-0123456789abcdef b sk-0123456789abcdefg", "a [key] b [key]g" },
		{ "sk-0123456789abcdef", "cut off: sk-0123456789ab", "cut off: [key]" },
		{ "sk-0123456789abcdef", "masked: sk-0123****cdef", "masked: sk-0123****cdef" },
		{ "12345678", "12345678x1234567", "[key]x1234567" },
		{ "none", "none of it is a secret", "none of it is a secret" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_failure failure;
		fault_set(&failure, LLM_TERMINAL, 0, "%s", rows[i].text);
		fault_scrub(&failure, rows[i].key);
		assert_string_equal(failure.text, rows[i].want);
	}
}

static void a_key_that_the_end_cuts_is_scrubbed(void **state UNUSED)
{
	static const char key[] = "sk-0123456789abcdefghij";
	char text[LIMIT_ERR_TEXT_BYTES + 64];

	for (size_t at = LIMIT_ERR_TEXT_BYTES - 40; at < LIMIT_ERR_TEXT_BYTES; at++) {
		struct llm_failure failure;
		memset(text, '.', sizeof text);
		memcpy(text + at, key, sizeof key);
		fault_set(&failure, LLM_TERMINAL, 0, "%s", text);
		fault_scrub(&failure, key);
		assert_null(strstr(failure.text, "sk-012345678"));
	}
}

static void classes_by_status(void **state UNUSED)
{
	static const struct { int status; enum llm_class want; } rows[] = {
		{ 400, LLM_TERMINAL }, { 401, LLM_AUTH }, { 402, LLM_QUOTA }, { 403, LLM_AUTH }, { 404, LLM_TERMINAL },
		{ 408, LLM_TRANSIENT }, { 409, LLM_TRANSIENT }, { 410, LLM_TERMINAL }, { 413, LLM_TERMINAL },
		{ 418, LLM_TERMINAL }, { 422, LLM_TERMINAL }, { 429, LLM_TRANSIENT }, { 500, LLM_TRANSIENT },
		{ 502, LLM_TRANSIENT }, { 503, LLM_TRANSIENT }, { 504, LLM_TRANSIENT }, { 529, LLM_TRANSIENT },
		{ 307, LLM_TERMINAL }, { 0, LLM_TERMINAL },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(fault_class(rows[i].status), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_times),
		cmocka_unit_test(keys_are_scrubbed),
		cmocka_unit_test(a_key_that_the_end_cuts_is_scrubbed),
		cmocka_unit_test(classes_by_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
