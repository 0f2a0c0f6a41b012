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
		fault_set(&failure, FAILURE_TERMINAL, 0, "%s", rows[i].text);
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
		fault_set(&failure, FAILURE_TERMINAL, 0, "%s", text);
		fault_scrub(&failure, key);
		assert_null(strstr(failure.text, "sk-012345678"));
	}
}

static void classes_by_status(void **state UNUSED)
{
	static const struct { int status; enum failure want; } rows[] = {
		{ 400, FAILURE_TERMINAL }, { 401, FAILURE_AUTH }, { 402, FAILURE_QUOTA }, { 403, FAILURE_AUTH }, { 404, FAILURE_TERMINAL },
		{ 408, FAILURE_TRANSIENT }, { 409, FAILURE_TRANSIENT }, { 410, FAILURE_TERMINAL }, { 413, FAILURE_TERMINAL },
		{ 418, FAILURE_TERMINAL }, { 422, FAILURE_TERMINAL }, { 429, FAILURE_TRANSIENT }, { 500, FAILURE_TRANSIENT },
		{ 502, FAILURE_TRANSIENT }, { 503, FAILURE_TRANSIENT }, { 504, FAILURE_TRANSIENT }, { 529, FAILURE_TRANSIENT },
		{ 307, FAILURE_TERMINAL }, { 0, FAILURE_TERMINAL },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(fault_class(rows[i].status), rows[i].want);
}

/* The rows of faults.def, as somebody else would write them down. */
static void classes_by_word(void **state UNUSED)
{
	static const struct { int status; const char *body; enum failure want; } rows[] = {
		{ 429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"m\"}}", FAILURE_QUOTA },
		{ 400, "{\"error\":{\"code\":\"billing_hard_limit_reached\"}}", FAILURE_QUOTA },
		{ 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low\"}}", FAILURE_QUOTA },
		{ 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"error\":{\"type\":\"rate_limit_error\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"error\":{\"type\":\"server_error\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"error\":{\"type\":\"a_new_word\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"error\":{\"type\":\"invalid_request_error\"}}", FAILURE_TERMINAL },
		{ 200, "{\"error\":{\"code\":\"context_length_exceeded\"}}", FAILURE_TERMINAL },
		{ 200, "{\"error\":{\"type\":\"authentication_error\"}}", FAILURE_AUTH },
		{ 200, "{\"error\":{\"code\":502,\"message\":\"upstream\"}}", FAILURE_TRANSIENT },
		{ 200, "{\"error\":{\"code\":402,\"message\":\"pay\"}}", FAILURE_QUOTA },
		{ 500, "{\"error\":{\"type\":\"invalid_request_error\"}}", FAILURE_TRANSIENT },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_failure failure;
		AUTO(json_decrefp) json_t *body = NULL;
		assert_int_equal(json_parse(str_of(rows[i].body), &body, NULL), 0);
		if (!fault_read(body, "x", rows[i].status, &failure) || failure.cls != rows[i].want)
			fail_msg("%d %s is %s", rows[i].status, rows[i].body, failure_name(failure.cls));
	}
}

static void classes_by_curl_and_stream(void **state UNUSED)
{
	static const struct { CURLcode code; enum failure want; } codes[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, FAILURE_TRANSIENT }, { CURLE_COULDNT_CONNECT, FAILURE_TRANSIENT },
		{ CURLE_OPERATION_TIMEDOUT, FAILURE_TRANSIENT }, { CURLE_RECV_ERROR, FAILURE_TRANSIENT }, { CURLE_SEND_ERROR, FAILURE_TRANSIENT },
		{ CURLE_GOT_NOTHING, FAILURE_TRANSIENT }, { CURLE_PARTIAL_FILE, FAILURE_TRANSIENT }, { CURLE_HTTP2_STREAM, FAILURE_TRANSIENT },
		{ CURLE_SSL_CONNECT_ERROR, FAILURE_TRANSIENT }, { CURLE_FTP_ACCEPT_FAILED, FAILURE_TRANSIENT }, /* no row */
		{ CURLE_PEER_FAILED_VERIFICATION, FAILURE_TERMINAL }, { CURLE_URL_MALFORMAT, FAILURE_TERMINAL },
		{ CURLE_UNSUPPORTED_PROTOCOL, FAILURE_TERMINAL }, { CURLE_SSL_CACERT_BADFILE, FAILURE_TERMINAL },
	};
	static const enum failure streams[] = {
		[STREAM_CUT] = FAILURE_TRANSIENT, [STREAM_EMPTY] = FAILURE_TRANSIENT, [STREAM_UNANSWERED] = FAILURE_TRANSIENT,
		[STREAM_UNFINISHED] = FAILURE_TRANSIENT, [STREAM_PAGE] = FAILURE_TERMINAL, [STREAM_FOREIGN] = FAILURE_TERMINAL,
		[STREAM_UNREADABLE] = FAILURE_TERMINAL,
	};

	for (size_t i = 0; i < COUNT(codes); i++)
		assert_int_equal(fault_of_curl(codes[i].code), codes[i].want);
	assert_int_equal(COUNT(streams), STREAM_ENDS);
	for (enum stream_end how = STREAM_CUT; how < STREAM_ENDS; how++)
		assert_int_equal(fault_of_stream(how), streams[how]);
}

static void when_a_limit_is_full_again(void **state UNUSED)
{
	static const int64_t now_us = 784111777000000;  /* 1994-11-06T08:49:37Z */
	static const struct { const char *text; int64_t want; } rows[] = {
		{ "1s", 1000 }, { "6m0s", 360000 }, { "20ms", 20 }, { "1h0m30.5s", 3630500 }, { "0s", 0 }, { "1.2345s", 1235 },
		{ "1994-11-06T08:49:47Z", 11000 }, { "1994-11-06T08:49:47.500Z", 11000 }, { "1994-11-06T08:00:00Z", 0 },
		{ "", -1 }, { "soon", -1 }, { "5", -1 }, { "-5s", -1 }, { "1s2", -1 }, { "1e3s", -1 }, { "1994-11-06T08:49:47", -1 },
		{ "1994-11-06T08:49:47+01:00", -1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (fault_reset_ms(rows[i].text, now_us) != rows[i].want)
			fail_msg("'%s' is %lld", rows[i].text, (long long)fault_reset_ms(rows[i].text, now_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_times),
		cmocka_unit_test(keys_are_scrubbed),
		cmocka_unit_test(a_key_that_the_end_cuts_is_scrubbed),
		cmocka_unit_test(classes_by_status),
		cmocka_unit_test(classes_by_word),
		cmocka_unit_test(classes_by_curl_and_stream),
		cmocka_unit_test(when_a_limit_is_full_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
