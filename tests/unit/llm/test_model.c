/* From a name and an environment to an address and a key, or to a sentence that says what to set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/clock.h"
#include "llm/key_command.h"
#include "llm/provider.h"

#include "base/banned.h"

/* An environment as a list "NAME=value", ended by NULL. */
static const char *list_env(void *userdata, const char *name)
{
	const char *const *list = userdata;
	size_t len = strlen(name);

	for (; *list != NULL; list++) {
		if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
			return *list + len + 1;
	}
	return NULL;
}

static void names_and_addresses(void **state UNUSED)
{
	static const struct {
		const char *name, *env[4];
		int want;
		const char *base, *key;         /* or, when it fails, what the sentence has */
	} rows[] = {
		{ "openai/gpt-5", { "OPENAI_API_KEY=sk-1" }, 0, "https://api.openai.com/v1", "sk-1" },
		{ "openai/gpt-5", { "OPENAI_API_KEY= sk-1\n" }, 0, "https://api.openai.com/v1", "sk-1" },
		{ "openai/a/b:c", { "OPENAI_API_KEY=k", "OPENAI_BASE_URL=https://example.org/v1/" }, 0, "https://example.org/v1",
		  "k" },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1:8000/v1" }, 0, "http://127.0.0.1:8000/v1", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.1.2.3" }, 0, "http://127.1.2.3", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://localhost:1/v1//" }, 0, "http://localhost:1/v1", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://[::1]:1/v1" }, 0, "http://[::1]:1/v1", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1:1", "OPENAI_API_KEY=local" }, 0, "http://127.0.0.1:1", "local" },
		{ "openrouter/v/m", { "OPENROUTER_API_KEY=or" }, 0, "https://openrouter.ai/api/v1", "or" },
		{ "ollama/llama3:8b", { NULL }, 0, "http://127.0.0.1:11434/v1", NULL },
		{ "ollama/m", { "OLLAMA_HOST=gpu" }, 0, "http://gpu:11434/v1", NULL },
		{ "ollama/m", { "OLLAMA_HOST=0.0.0.0:99" }, 0, "http://0.0.0.0:99/v1", NULL },
		{ "ollama/m", { "OLLAMA_HOST=https://gpu.example" }, 0, "https://gpu.example/v1", NULL },
		{ "ollama/m", { "OLLAMA_HOST=https://gpu.example/x/" }, 0, "https://gpu.example/x", NULL },

		{ "", { NULL }, -EINVAL, "write PROVIDER/MODEL", NULL },
		{ "gpt-5", { NULL }, -EINVAL, "such as openai/gpt-5", NULL },
		{ "openai/", { "OPENAI_API_KEY=k" }, -EINVAL, "write openai/MODEL", NULL },
		{ "openai/a b", { "OPENAI_API_KEY=k" }, -EINVAL, "without spaces", NULL },
		{ "openai/\xff", { "OPENAI_API_KEY=k" }, -EINVAL, "printable ASCII", NULL },
		{ "opena/m", { NULL }, -EINVAL, "did you mean 'openai'", NULL },
		{ "/m", { NULL }, -EINVAL, "a model is one of openai/", NULL },
		{ "OpenAI/m", { "OPENAI_API_KEY=k" }, -EINVAL, "unknown model provider 'OpenAI'", NULL },
		{ "openai/m", { NULL }, -EACCES, "set OPENAI_API_KEY, OPENAI_API_KEY_FILE to a file of mode 0600, or OPENAI_API_KEY_COMMAND", NULL },
		{ "openai/m", { "OPENAI_API_KEY=" }, -EACCES, "set OPENAI_API_KEY", NULL },
		{ "openai/m", { "OPENAI_API_KEY=  " }, -EACCES, "OPENAI_API_KEY: a key has", NULL },
		{ "openai/m", { "OPENAI_API_KEY=secret word" }, -EACCES, "one word", NULL },
		{ "openai/m", { "OPENAI_API_KEY=secret\r\nX: y" }, -EACCES, "one word", NULL },
		{ "openai/m", { "OPENAI_API_KEY_FILE=/does/not/exist" }, -EACCES, "cannot read '/does/not/exist'", NULL },
		{ "openai/m", { "OPENAI_API_KEY_FILE=/" }, -EACCES, "must be a file", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1.example.org" }, -EACCES, "no key", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://localhost.example.org" }, -EACCES, "no key", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://10.0.0.1" }, -EACCES, "no key", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=127.0.0.1:1" }, -EINVAL, "OPENAI_BASE_URL must be an address such as https://",
		  NULL },
		{ "openai/m", { "OPENAI_BASE_URL=ftp://127.0.0.1" }, -EINVAL, "must be an address", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=file:///etc/passwd" }, -EINVAL, "must be an address", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://u:p@127.0.0.1" }, -EINVAL, "without user", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1@example.org" }, -EINVAL, "without user", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1/?a=b" }, -EINVAL, "'?'", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://127.0.0.1/#x" }, -EINVAL, "'#'", NULL },
		{ "openai/m", { "OPENAI_BASE_URL=http://a b/" }, -EINVAL, "must be an address", NULL },
		{ "recorded/", { NULL }, -EINVAL, "write recorded/FILE", NULL },
		{ "recorded//does/not/exist", { NULL }, -EINVAL, "/does/not/exist", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_model *model = NULL;
		struct err err = ERR_NONE;
		int r = llm_model_open(rows[i].name, list_env, (void *)rows[i].env, &model, &err);
		if (r != rows[i].want)
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r < 0) {
			assert_null(model);
			if (strstr(err.text, rows[i].base) == NULL || strstr(err.text, "secret") != NULL)
				fail_msg("row %zu: %s", i, err.text);
			continue;
		}
		assert_string_equal(model->base, rows[i].base);
		assert_string_equal(model->key != NULL ? model->key : "", rows[i].key != NULL ? rows[i].key : "");
		assert_string_equal(llm_model_name(model), strchr(rows[i].name, '/') + 1);
		assert_true(str_starts(str_of(rows[i].name), str_of(llm_model_provider(model))));
		llm_model_close(model);
	}
}

static void key_commands(void **state UNUSED)
{
	static const struct { const char *env[3]; int want; const char *has; } rows[] = {
		{ { "OPENAI_API_KEY_COMMAND=echo sk-command" }, 0, "sk-command" },
		{ { "OPENAI_API_KEY_COMMAND=printf 'sk-%s\\n\\n' two | cat" }, 0, "sk-two" },
		{ { "OPENAI_API_KEY_COMMAND=cat; echo sk-no-stdin" }, 0, "sk-no-stdin" },
		{ { "OPENAI_API_KEY=sk-own", "OPENAI_API_KEY_COMMAND=touch /nonexistent/x" }, 0, "sk-own" },
		{ { "OPENAI_API_KEY_COMMAND=true" }, -EACCES, "OPENAI_API_KEY_COMMAND: a key has" },
		{ { "OPENAI_API_KEY_COMMAND=echo secret; exit 3" }, -EACCES, "exit status 3" },
		{ { "OPENAI_API_KEY_COMMAND=echo secret; kill -9 $$" }, -EACCES, "signal 9" },
		{ { "OPENAI_API_KEY_COMMAND=echo secret; echo secret" }, -EACCES, "one word" },
		{ { "OPENAI_API_KEY_COMMAND=yes secret" }, -EACCES, "must print one key of at most" },
		{ { "OPENAI_API_KEY_COMMAND=no-such-program-here 2>/dev/null" }, -EACCES, "exit status 127" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_model *model;
		struct err err = ERR_NONE;
		int r = llm_model_open("openai/m", list_env, (void *)rows[i].env, &model, &err);
		if (r != rows[i].want)
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r < 0 && (strstr(err.text, rows[i].has) == NULL || strstr(err.text, "secret") != NULL))
			fail_msg("row %zu: %s", i, err.text);
		if (r < 0)
			continue;
		assert_string_equal(model->key, rows[i].has);
		llm_model_close(model);
	}
}

/* It ends with all that it started, and in time. */
static void a_key_command_is_not_waited_for(void **state UNUSED)
{
	static const char *const commands[] = { "sleep 60", "sleep 60 & wait", "exec >&-; sleep 60", "trap '' TERM; sleep 60" };

	for (size_t i = 0; i < COUNT(commands); i++) {
		AUTO(buf_done) struct buf text = BUF_INIT(100);
		struct err err = ERR_NONE;
		int64_t since_ms = clock_mono_ms();
		assert_int_equal(key_command_run("K", commands[i], 200, &text, &err), -EACCES);
		assert_non_null(strstr(err.text, "did not end within"));
		assert_true(clock_mono_ms() - since_ms < 10000);
	}
}

static void windows_by_name(void **state UNUSED)
{
	static const struct { const char *name; int64_t want; } rows[] = {
		{ "openai/gpt-5-mini", 272000 }, { "openrouter/anthropic/claude-sonnet-4.5", 200000 }, { "openai/gpt-4o-mini", 128000 },
		{ "openai/gpt-4-0613", 8192 },   { "ollama/llama3", 128000 }, { "recorded/gpt-4.jsonl", 128000 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(llm_window_tokens(rows[i].name), rows[i].want);
}

static void key_files(void **state UNUSED)
{
	static const struct { mode_t mode; const char *text; int want; const char *has; } rows[] = {
		{ 0600, "sk-file\n", 0, "sk-file" },
		{ 0400, "sk-file", 0, "sk-file" },
		{ 0640, "sk-file\n", -EACCES, "(mode 0640): chmod 600" },
		{ 0604, "sk-file\n", -EACCES, "chmod 600" },
		{ 0660, "sk-file\n", -EACCES, "chmod 600" },
		{ 0610, "sk-file\n", -EACCES, "chmod 600" },
		{ 0600, "", -EACCES, "OPENAI_API_KEY_FILE: a key has" },
		{ 0600, "sk-file\nsk-other\n", -EACCES, "one word" },
	};
	char path[] = "/tmp/mishri-key-XXXXXX", env_text[64];
	const char *env[] = { env_text, NULL };
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(env_text, sizeof env_text, "OPENAI_API_KEY_FILE=%s", path);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_model *model;
		struct err err = ERR_NONE;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(io_write_all(fd, rows[i].text, strlen(rows[i].text)), 0);
		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		int r = llm_model_open("openai/m", list_env, env, &model, &err);
		assert_int_equal(r, rows[i].want);
		if (r == 0) {
			assert_string_equal(model->key, rows[i].has);
			llm_model_close(model);
		} else {
			if (strstr(err.text, rows[i].has) == NULL)
				fail_msg("row %zu: %s", i, err.text);
			assert_null(strstr(err.text, "sk-file"));
		}
	}
	close(fd);
	unlink(path);
}

static void certificates(void **state UNUSED)
{
	static const struct { const char *env[5], *file, *dir; } rows[] = {
		{ { "OPENAI_API_KEY=k" }, "", "" },
		{ { "OPENAI_API_KEY=k", "SSL_CERT_FILE=/f", "SSL_CERT_DIR=/d" }, "/f", "/d" },
		{ { "OPENAI_API_KEY=k", "CURL_CA_BUNDLE=/b", "SSL_CERT_FILE=/f", "SSL_CERT_DIR=/d" }, "/b", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_model *model;
		assert_int_equal(llm_model_open("openai/m", list_env, (void *)rows[i].env, &model, NULL), 0);
		assert_string_equal(model->ca_file != NULL ? model->ca_file : "", rows[i].file);
		assert_string_equal(model->ca_dir != NULL ? model->ca_dir : "", rows[i].dir);
		llm_model_close(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses),
		cmocka_unit_test(key_files),
		cmocka_unit_test(key_commands),
		cmocka_unit_test(a_key_command_is_not_waited_for),
		cmocka_unit_test(windows_by_name),
		cmocka_unit_test(certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
