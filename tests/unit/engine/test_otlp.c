/* test_otlp.c - what comes from outside and is no one's friend: traceparent, variables of the standard, answers of receivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "engine/otel.h"
#include "engine/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID "00f067aa0ba902b7"

static void rows_of_traceparents(void **state)
{
	static const struct { const char *text; bool good; } rows[] = {
		{ "00-" TRACE "-" SPAN_ID "-01", true },
		{ "00-" TRACE "-" SPAN_ID "-ff", true },
		{ "01-" TRACE "-" SPAN_ID "-01", true },
		{ "01-" TRACE "-" SPAN_ID "-01-more", true },
		{ "01-" TRACE "-" SPAN_ID "-01more", false },
		{ "00-" TRACE "-" SPAN_ID "-01-more", false },
		{ "ff-" TRACE "-" SPAN_ID "-01", false },
		{ "00-" TRACE "-" SPAN_ID "-0", false },
		{ "00-" TRACE "-" SPAN_ID "-0g", false },
		{ "00-" TRACE "-" SPAN_ID, false },
		{ "00-00000000000000000000000000000000-" SPAN_ID "-01", false },
		{ "00-" TRACE "-0000000000000000-01", false },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01", false },
		{ "00_" TRACE "-" SPAN_ID "-01", false },
		{ "", false },
		{ "00", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct traceparent ret = { 0 };
		assert_int_equal(traceparent_parse(rows[i].text, &ret) == 0, rows[i].good);
		if (rows[i].good) {
			assert_string_equal(ret.trace_id, TRACE);
			assert_string_equal(ret.span_id, SPAN_ID);
		} else {
			assert_string_equal(ret.trace_id, "");
		}
	}
}

struct said { char text[200]; };

static int note(void *userdata, const char *key, const char *value, const char *variable)
{
	struct said *said = userdata;
	size_t len = strlen(said->text);

	(void)variable;
	snprintf(said->text + len, sizeof said->text - len, "%s=%s;", key, value);
	return 0;
}

static void rows_of_variables(void **state)
{
	static const struct { const char *variable, *want, *wrong; } rows[] = {
		{ "OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "otel.endpoint=http://x;", NULL },
		{ "OTEL_EXPORTER_OTLP_ENDPOINT=", "", NULL },
		{ "OTEL_EXPORTER_OTLP_TIMEOUT=2500", "otel.timeout=2500ms;", NULL },
		{ "OTEL_EXPORTER_OTLP_TIMEOUT=2.5", "", "milliseconds" },
		{ "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "", "http/protobuf http/json" },
		{ "OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "otel.compression=gzip;", NULL },
		{ "OTEL_SDK_DISABLED=TRUE", "otel.export=off;", NULL },
		{ "OTEL_SDK_DISABLED=1", "", NULL },
		{ "OTEL_TRACES_EXPORTER=none", "otel.export=off;", NULL },
		{ "OTEL_TRACES_EXPORTER=console,otlp", "", NULL },
		{ "OTEL_SEMCONV_STABILITY_OPT_IN=http/dup, gen_ai_latest_experimental", "otel.names=latest;", NULL },
		{ "OTEL_SEMCONV_STABILITY_OPT_IN=http", "", NULL },
		{ "OTEL_EXPORTER_OTLP_HEADERS=a=b", "", NULL },
		{ "OTEL_TRACES_SAMPLER=jaeger_remote", "", "always_on" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *env[] = { "PATH=/bin", rows[i].variable, NULL };
		struct said said = { "" };
		struct err err = ERR_NONE;
		int r = otel_env_read(env, note, &said, &err);
		assert_string_equal(said.text, rows[i].want);
		assert_int_equal(r == 0, rows[i].wrong == NULL);
		if (rows[i].wrong != NULL)
			assert_non_null(strstr(err.text, rows[i].wrong));
	}
}

static void rows_of_answers(void **state)
{
	static const struct { struct str body; bool json; int64_t rejected; const char *message; } rows[] = {
		{ STR(""), false, 0, "" },
		{ STR(""), true, 0, "" },
		{ STR("{}"), true, 0, "" },
		{ STR("<html>"), true, 0, "" },
		{ STR("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"old\"}}"), true, 3, "old" },
		{ STR("{\"partialSuccess\":{\"rejectedSpans\":3}}"), true, 3, "" },
		{ STR("{\"partialSuccess\":7}"), true, 0, "" },
		{ STR("\x0a\x07\x08\x03\x12\x03old"), false, 3, "old" },
		{ STR("\x0a\x07\x08\x03\x12\x7fold"), false, 3, "" },      /* longer than there is */
		{ STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false, 0, "" },
		{ STR("\x0f"), false, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct otlp_answer answer;
		otlp_answer_read(rows[i].body, rows[i].json, &answer);
		assert_int_equal(answer.rejected, rows[i].rejected);
		assert_string_equal(answer.message, rows[i].message);
	}
}

/* The share of made-up ids that is taken, and that all who know the id take the same. */
static void a_part_is_a_part(void **state)
{
	static const double ratios[] = { 0, 0.25, 0.5, 1 };
	enum { TRACES = 4000 };

	(void)state;
	for (size_t i = 0; i < COUNT(ratios); i++) {
		const struct otel_setup setup = { .sampler = SAMPLE_RATIO, .ratio = ratios[i], .by_parent = true };
		int taken = 0;
		for (uint64_t n = 0; n < TRACES; n++) {
			char id[TRACE_ID_LEN + 1];
			snprintf(id, sizeof id, "%016llx%016llx", 0xabcull, (unsigned long long)(n * 0x9e3779b97f4a7c15ull));
			taken += otel_sampled(&setup, id, -1);
			assert_true(otel_sampled(&setup, id, 1));
			assert_false(otel_sampled(&setup, id, 0));
		}
		assert_in_range(taken, (int)(ratios[i] * TRACES * 0.95), (int)(ratios[i] * TRACES * 1.05));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_traceparents),
		cmocka_unit_test(rows_of_variables),
		cmocka_unit_test(rows_of_answers),
		cmocka_unit_test(a_part_is_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
