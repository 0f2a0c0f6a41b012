/* Bodies of answers from tests/cases/llm: NAME.body is what came, NAME.want.json what it means. The first word of
 * NAME is the provider ("error" is openai's). Every body is also read in two parts cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "base/io.h"
#include "llm/reader.h"

#include "base/banned.h"

static const char *cases_dir(void)
{
	static char dir[512];

	snprintf(dir, sizeof dir, "%.*s../../cases/llm", (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
	return dir;
}

static void read_case(const char *name, const char *suffix, struct buf *ret)
{
	char path[1024];
	struct err err = ERR_NONE;

	snprintf(path, sizeof path, "%s/%s%s", cases_dir(), name, suffix);
	if (io_read_file(path, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static const char *env_with_keys(void *userdata UNUSED, const char *name)
{
	return strstr(name, "_API_KEY") != NULL && strstr(name, "_FILE") == NULL ? "sk-test-0123456789" : NULL;
}

struct texts {
	struct buf heard;       /* what on_text gave */
};

static void hear(void *userdata, struct str text)
{
	struct texts *texts = userdata;

	assert_true(text.len > 0);
	buf_add_str(&texts->heard, text);
}

static void check_usage(const char *name, const struct llm_usage *have, const json_t *want)
{
	const struct { const char *key; int64_t have; } rows[] = {
		{ "input", have->input }, { "cache_read", have->cache_read }, { "cache_write", have->cache_write },
		{ "output", have->output }, { "reasoning", have->reasoning }, { "usd_nanos", have->usd_nanos },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].have != json_get_int(want, rows[i].key, INT64_MIN))
			fail_msg("%s: %s is %lld", name, rows[i].key, (long long)rows[i].have);
	}
}

static void check_calls(const char *name, const struct llm_reply *have, const json_t *want)
{
	const json_t *call;
	size_t i;

	if (have->call_count != json_array_size(want))
		fail_msg("%s: %zu calls", name, have->call_count);
	json_array_foreach(want, i, call) {
		const char *id = json_string_value(json_array_get(call, 0));
		if (id != NULL)
			assert_string_equal(have->calls[i].id, id);
		else
			assert_true(str_starts(str_of(have->calls[i].id), STR("call_")));
		assert_string_equal(have->calls[i].name, json_string_value(json_array_get(call, 1)));
		assert_string_equal(have->calls[i].args, json_string_value(json_array_get(call, 2)));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(have->calls[k].id, have->calls[i].id);
	}
}

static void check_reply(const char *name, const struct llm_reply *have, const json_t *want)
{
	assert_string_equal(have->text, json_get_text(want, "text", NULL));
	assert_string_equal(have->finish, json_get_text(want, "finish", NULL));
	if (json_is_string(json_object_get(want, "model")))
		assert_string_equal(have->model != NULL ? have->model : "", json_get_text(want, "model", NULL));
	if (json_is_string(json_object_get(want, "response_id")))
		assert_string_equal(have->response_id != NULL ? have->response_id : "",
		                    json_get_text(want, "response_id", NULL));
	const char *opaque = json_get_text(want, "opaque", NULL);
	assert_string_equal(have->opaque != NULL ? have->opaque : "none", opaque != NULL ? opaque : "none");
	check_calls(name, have, json_object_get(want, "calls"));
	check_usage(name, &have->usage, json_object_get(want, "usage"));
}

static void check_failure(const char *name, const struct llm_failure *have, const json_t *want)
{
	const json_t *part;
	size_t i;

	if (strcmp(failure_name(have->cls), json_get_text(want, "class", "")) != 0)
		fail_msg("%s: class %s: %s", name, failure_name(have->cls), have->text);
	json_array_foreach(json_object_get(want, "has"), i, part) {
		if (strstr(have->text, json_string_value(part)) == NULL)
			fail_msg("%s: '%s' not in: %s", name, json_string_value(part), have->text);
	}
	for (const char *c = have->text; *c != '\0'; c++)
		assert_true((unsigned char)*c >= ' ');
}

static void check_split(const char *name, const struct provider *provider, struct str body, size_t cut, size_t step,
                        const json_t *want)
{
	struct texts texts = { BUF_INIT(LIMIT_REPLY_TEXT_BYTES) };
	struct reader reader;
	struct llm_reply reply;
	struct llm_failure failure;
	size_t at = 0;

	reader_init(&reader, provider, (int)json_get_int(want, "status", 200));
	reader.gather.on_text = hear;
	reader.gather.userdata = &texts;
	for (bool go_on = true; go_on && at < body.len; at += at == 0 && cut > 0 ? cut : step) {
		struct str piece = str_skip(body, at);
		piece.len = MIN(piece.len, at == 0 && cut > 0 ? cut : step);
		go_on = reader_feed(&reader, piece);
	}
	if (reader_finish(&reader, NULL, &reply, &failure)) {
		if (json_object_get(want, "reply") == NULL)
			fail_msg("%s: a reply: %s", name, reply.text);
		check_reply(name, &reply, json_object_get(want, "reply"));
		assert_string_equal(buf_text(&texts.heard), reply.text);
		llm_reply_done(&reply);
	} else {
		if (json_object_get(want, "failure") == NULL)
			fail_msg("%s: a failure: %s", name, failure.text);
		check_failure(name, &failure, json_object_get(want, "failure"));
	}
	reader_done(&reader);
	buf_done(&texts.heard);
}

static void check_case(const char *name)
{
	AUTO(buf_done) struct buf body = BUF_INIT(LIMIT_FILE_BYTES), text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(json_decrefp) json_t *want = NULL;
	struct str provider = { name, strcspn(name, "_") };
	struct llm_model *model;
	struct err err = ERR_NONE;
	char model_name[64];

	read_case(name, ".body", &body);
	read_case(name, ".want.json", &text);
	if (json_parse(buf_str(&text), &want, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	if (str_eq(provider, STR("error")))
		provider = STR("openai");
	snprintf(model_name, sizeof model_name, "%.*s/m", STR_ARG(provider));
	if (llm_model_open(model_name, env_with_keys, NULL, &model, &err) < 0)
		fail_msg("%s: %s", name, err.text);

	check_split(name, model->provider, buf_str(&body), 0, MAX(body.len, (size_t)1), want);
	check_split(name, model->provider, buf_str(&body), 0, 1, want);
	size_t stride = body.len / 2000 + 1;
	for (size_t cut = 1; cut < body.len; cut += stride)
		check_split(name, model->provider, buf_str(&body), cut, body.len, want);
	llm_model_close(model);
}

static void every_body_at_every_cut(void **state UNUSED)
{
	DIR *dir = opendir(cases_dir());
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);
		if (len < 6 || strcmp(entry->d_name + len - 5, ".body") != 0)
			continue;
		entry->d_name[len - 5] = '\0';
		check_case(entry->d_name);
		count++;
	}
	closedir(dir);
	assert_true(count > 80);
}

static void feed_many(struct reader *r, const char *first, const char *piece, size_t bytes)
{
	bool go_on = reader_feed(r, str_of(first));

	for (size_t done = 0; go_on && done < bytes; done += strlen(piece))
		go_on = reader_feed(r, str_of(piece));
}

static void nothing_grows_without_end(void **state UNUSED)
{
	static char kilobyte[1025], text_event[1200], args_event[1200];
	const struct { int status; const char *first, *piece; size_t bytes; enum failure want; const char *has; } rows[] = {
		{ 200, "{\"x\":\"", kilobyte, LIMIT_REPLY_BODY_BYTES + 1, FAILURE_TERMINAL, "longer than a reply may be" },
		{ 200, "data: ", kilobyte, LIMIT_REPLY_BODY_BYTES + 1, FAILURE_TERMINAL, "longer than it may be" },
		{ 200, ":\n", text_event, LIMIT_REPLY_BODY_BYTES, FAILURE_TERMINAL, "text is longer" },
		{ 200, ":\n", args_event, LIMIT_REPLY_BODY_BYTES, FAILURE_TERMINAL, "arguments of a call are longer" },
		{ 200, "<", kilobyte, LIMIT_REPLY_BODY_BYTES + 1, FAILURE_TERMINAL, "longer than a reply may be" },
		{ 500, "x", kilobyte, LIMIT_REPLY_BODY_BYTES + 1, FAILURE_TRANSIENT, "500: xaaaa" },
	};
	static const struct provider provider = { .name = "openai", .dialect = &openai_dialect };

	memset(kilobyte, 'a', sizeof kilobyte - 1);
	snprintf(text_event, sizeof text_event, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", kilobyte);
	snprintf(args_event, sizeof args_event, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,"
	         "\"function\":{\"arguments\":\"%s\"}}]}}]}\n\n", kilobyte);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reader reader;
		struct llm_reply reply;
		struct llm_failure failure;
		reader_init(&reader, &provider, rows[i].status);
		feed_many(&reader, rows[i].first, rows[i].piece, rows[i].bytes);
		assert_false(reader_finish(&reader, NULL, &reply, &failure));
		assert_int_equal(failure.cls, rows[i].want);
		assert_non_null(strstr(failure.text, rows[i].has));
		reader_done(&reader);
	}
}

static void a_broken_connection_is_transient(void **state UNUSED)
{
	static const struct { const char *body; bool reply; } rows[] = {
		{ "", false },
		{ "{\"choices\":[", false },
		{ "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n", false },
		{ "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\n", true },
	};
	static const struct provider provider = { .name = "openai", .dialect = &openai_dialect };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reader reader;
		struct llm_reply reply;
		struct llm_failure failure;
		reader_init(&reader, &provider, 200);
		reader_feed(&reader, str_of(rows[i].body));
		bool whole = reader_finish(&reader, "connection reset", &reply, &failure);
		assert_int_equal(whole, rows[i].reply);
		if (whole) {
			llm_reply_done(&reply);
		} else {
			assert_int_equal(failure.cls, FAILURE_TRANSIENT);
			assert_string_equal(failure.text, "openai: connection reset");
		}
		reader_done(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_body_at_every_cut),
		cmocka_unit_test(nothing_grows_without_end),
		cmocka_unit_test(a_broken_connection_is_transient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
