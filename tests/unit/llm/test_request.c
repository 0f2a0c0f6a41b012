/* What is sent, from tests/cases/llm/request.json: the conversation, and the body that it becomes, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/io.h"
#include "llm/provider.h"

#include "base/banned.h"

static const char *env_with_keys(void *userdata UNUSED, const char *name)
{
	return strstr(name, "_API_KEY") != NULL && strstr(name, "_FILE") == NULL ? "sk-test-0123456789" : NULL;
}

static void check_row(const json_t *row)
{
	struct llm_model *model;
	struct err err = ERR_NONE;

	if (llm_model_open(json_get_text(row, "model", ""), env_with_keys, NULL, &model, &err) < 0)
		fail_msg("%s", err.text);
	struct llm_request request = {
		.model = model, .messages = json_object_get(row, "messages"), .tools = json_object_get(row, "tools"),
		.max_output_tokens = json_get_int(row, "max_output_tokens", 0),
	};
	struct buf have = BUF_INIT(LIMIT_REQUEST_BODY_BYTES);
	model->provider->dialect->request(model, &request, &have);
	char *want = json_text(json_object_get(row, "want"));
	assert_string_equal(buf_text(&have), want);
	free(want);
	buf_done(&have);
	llm_model_close(model);
}

static void bodies(void **state UNUSED)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(json_decrefp) json_t *rows = NULL;
	struct err err = ERR_NONE;
	char path[512];
	const json_t *row;
	size_t i;

	snprintf(path, sizeof path, "%.*s../../cases/llm/request.json", (int)(strrchr(__FILE__, '/') + 1 - __FILE__),
	         __FILE__);
	if (io_read_file(path, &text, &err) < 0 || json_parse(buf_str(&text), &rows, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(json_array_size(rows) > 0);
	json_array_foreach(rows, i, row)
		check_row(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bodies) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
