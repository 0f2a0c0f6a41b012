/* model.c - from "provider/model" to an address and a key. Keys come from the environment, from a file that nobody
 * else can read, or from a command; they never appear in a text that this file makes. */
#include "llm/llm.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "llm/curl.h"
#include "llm/key_command.h"
#include "llm/provider.h"
#include "llm/recorded.h"

#include "base/banned.h"

/* One row per provider. A key variable NAME also has NAME_FILE and NAME_COMMAND. */
const struct provider providers[] = {
	{ .name = "openai", .dialect = &openai_dialect, .key_var = "OPENAI_API_KEY", .base_var = "OPENAI_BASE_URL",
	  .base = "https://api.openai.com/v1", .usual = "gpt-5", .max_tokens_key = "max_completion_tokens" },
	{ .name = "anthropic", .dialect = &anthropic_dialect, .key_var = "ANTHROPIC_API_KEY",
	  .base_var = "ANTHROPIC_BASE_URL", .base = "https://api.anthropic.com", .usual = "claude-sonnet-4-5" },
	{ .name = "openrouter", .dialect = &openai_dialect, .key_var = "OPENROUTER_API_KEY",
	  .base_var = "OPENROUTER_BASE_URL", .base = "https://openrouter.ai/api/v1",
	  .usual = "anthropic/claude-sonnet-4.5", .max_tokens_key = "max_tokens",
	  .reports_usd = true },
	{ .name = "ollama", .dialect = &openai_dialect, .base_var = "OLLAMA_HOST", .base = "http://127.0.0.1:11434/v1",
	  .host_port = "11434", .host_path = "/v1", .max_tokens_key = "max_tokens" },
	{ .name = "recorded" },
};

const size_t provider_count = COUNT(providers);

static const struct provider *find_provider(struct str name)
{
	for (size_t i = 0; i < COUNT(providers); i++) {
		if (str_eq(name, str_of(providers[i].name)))
			return &providers[i];
	}
	return NULL;
}

static int unknown_provider(struct str name, struct err *err)
{
	const char *names[COUNT(providers)];
	AUTO(buf_done) struct buf list = BUF_INIT(KIB(1));
	char text[64];

	for (size_t i = 0; i < COUNT(providers); i++) {
		names[i] = providers[i].name;
		buf_printf(&list, "%s%s/…", i > 0 ? ", " : "", names[i]);
	}
	snprintf(text, sizeof text, "%.*s", STR_ARG(name));
	const char *near = name_nearest(names, COUNT(names), text);
	if (near != NULL)
		return err_set(err, EINVAL, "unknown model provider '%s': did you mean '%s'?", text, near);
	return err_set(err, EINVAL, "unknown model provider '%s': a model is one of %s", text, buf_text(&list));
}

static const char *env_get(llm_getenv *env, void *userdata, const char *name)
{
	const char *value = name != NULL ? env(userdata, name) : NULL;

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* ---- the key ---- */

static int read_key_file(const char *path, const char *var, struct buf *ret, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(err, "%s_FILE: cannot read '%s'", var, path);
		return -EACCES;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, EACCES, "%s_FILE: '%s' must be a file", var, path);
	if ((st.st_mode & 077) != 0)
		return err_set(err, EACCES, "%s_FILE: others may use '%s' (mode %04o): chmod 600 it", var, path,
		               (unsigned)(st.st_mode & 07777));
	if (io_read_fd(fd, ret, NULL) < 0)
		return err_set(err, EACCES, "%s_FILE: '%s' must hold one key of at most %zu bytes", var, path,
		               LIMIT_API_KEY_BYTES);
	return 0;
}

/* Printable and without white space, so that it can break out of no header line. */
static int take_key(struct str text, const char *var, char **ret, struct err *err)
{
	struct str key = str_trim(text);

	if (key.len == 0 || key.len > LIMIT_API_KEY_BYTES)
		return err_set(err, EACCES, "%s: a key has 1 to %zu characters", var, LIMIT_API_KEY_BYTES);
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
			return err_set(err, EACCES, "%s: a key is one word of printable ASCII characters", var);
	}
	*ret = xstrndup(key.ptr, key.len);
	return 0;
}

/* From a file or a command; var: which of both variables says so. */
static int fetch_key(struct llm_model *model, const char *var, const char *path, const char *command, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_API_KEY_BYTES + 2);
	int r = path != NULL ? read_key_file(path, model->provider->key_var, &text, err)
	                     : key_command_run(var, command, LIMIT_KEY_COMMAND_MS, &text, err);

	if (r == 0)
		r = take_key(buf_str(&text), var, &model->key, err);
	if (text.ptr != NULL)
		explicit_bzero(text.ptr, text.cap);
	return r;
}

bool llm_key_is_command(const char *name, llm_getenv *env, void *userdata)
{
	AUTO(freep) char *var = xasprintf("%.*s_API_KEY", (int)MIN(strcspn(name, "/"), (size_t)32), name);

	for (char *c = var; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	AUTO(freep) char *file_var = xasprintf("%s_FILE", var), *command_var = xasprintf("%s_COMMAND", var);
	bool other = env_get(env, userdata, var) != NULL || env_get(env, userdata, file_var) != NULL;
	return !other && env_get(env, userdata, command_var) != NULL;
}

static int find_key(struct llm_model *model, llm_getenv *env, void *userdata, struct err *err)
{
	const char *var = model->provider->key_var;
	char file_var[64], command_var[64];

	if (var == NULL)
		return 0;
	snprintf(file_var, sizeof file_var, "%s_FILE", var);
	snprintf(command_var, sizeof command_var, "%s_COMMAND", var);
	const char *key = env_get(env, userdata, var), *path = env_get(env, userdata, file_var);
	const char *command = env_get(env, userdata, command_var);
	if (key != NULL)
		return take_key(str_of(key), var, &model->key, err);
	if (path != NULL || command != NULL)
		return fetch_key(model, path != NULL ? file_var : command_var, path, command, err);
	if (model->loopback)
		return 0;
	return err_set(err, EACCES, "no key for %s: set %s, %s to a file of mode 0600, or %s to a command that prints it%s%s%s; "
	               "`mishri demo` needs none",
	               model->provider->name, var, file_var, command_var, model->provider->base_var != NULL ? ", or " : "",
	               model->provider->base_var != NULL ? model->provider->base_var : "",
	               model->provider->base_var != NULL ? " to a server on this machine" : "");
}

/* ---- the address ---- */

static bool is_loopback(const char *host)
{
	struct str h = str_of(host);

	return str_eq(h, STR("localhost")) || str_eq(h, STR("[::1]")) ||
	       (str_starts(h, STR("127.")) && strspn(host, "0123456789.") == h.len);
}

static void curl_url_cleanupp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_freep(char **text)
{
	curl_free(*text);
}

static int check_url(CURLU *url, const char *where, struct llm_model *model, struct err *err)
{
	AUTO(curl_freep) char *host = NULL, *scheme = NULL, *user = NULL, *query = NULL, *fragment = NULL;
	const char *example = model->provider->base;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return err_set(err, EINVAL, "%s must be an address such as %s", where, example);
	curl_url_get(url, CURLUPART_USER, &user, 0);
	curl_url_get(url, CURLUPART_QUERY, &query, 0);
	curl_url_get(url, CURLUPART_FRAGMENT, &fragment, 0);
	if (user != NULL || query != NULL || fragment != NULL)
		return err_set(err, EINVAL, "%s must be an address such as %s, without user, '?' or '#'", where,
		               example);
	model->loopback = is_loopback(host);
	return 0;
}

/* OLLAMA_HOST and its like: "host", "host:port" or an address without a path. */
static void complete_url(CURLU *url, const struct provider *provider, bool bare)
{
	AUTO(curl_freep) char *port = NULL, *path = NULL;

	if (bare && curl_url_get(url, CURLUPART_PORT, &port, 0) != CURLUE_OK)
		curl_url_set(url, CURLUPART_PORT, provider->host_port, 0);
	if (curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK || strcmp(path, "/") == 0)
		curl_url_set(url, CURLUPART_PATH, provider->host_path, 0);
}

int model_find_base(struct llm_model *model, llm_getenv *env, void *userdata, struct err *err)
{
	int r = curl_load(err);
	if (r < 0)
		return r;
	AUTO(curl_url_cleanupp) CURLU *url = curl_url();
	AUTO(curl_freep) char *whole = NULL;
	const struct provider *provider = model->provider;
	const char *value = env_get(env, userdata, provider->base_var);
	const char *where = value != NULL ? provider->base_var : provider->name;
	bool bare = value != NULL && provider->host_port != NULL && strstr(value, "://") == NULL;

	if (url == NULL)
		abort();
	AUTO(freep) char *text = xasprintf("%s%s", bare ? "http://" : "", value != NULL ? value : provider->base);
	if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return err_set(err, EINVAL, "%s must be an address such as %s", where, provider->base);
	r = check_url(url, where, model, err);
	if (r < 0)
		return r;
	if (provider->host_port != NULL)
		complete_url(url, provider, bare);
	if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		abort();
	size_t len = strlen(whole);
	while (len > 0 && whole[len - 1] == '/')
		len--;
	model->base = xstrndup(whole, len);
	return 0;
}

static void find_certificates(struct llm_model *model, llm_getenv *env, void *userdata)
{
	const char *bundle = env_get(env, userdata, "CURL_CA_BUNDLE");
	const char *dir = env_get(env, userdata, "SSL_CERT_DIR");
	const char *file = env_get(env, userdata, "SSL_CERT_FILE");

	if (bundle != NULL)
		file = bundle;
	if (file != NULL)
		model->ca_file = xstrdup(file);
	if (bundle == NULL && dir != NULL)
		model->ca_dir = xstrdup(dir);
}

/* ---- opening ---- */

static int check_name(struct str name, const struct provider *provider, struct err *err)
{
	if (name.len == 0)
		return err_set(err, EINVAL, "no model named: write %s/%s", provider->name,
		               provider->dialect != NULL ? "MODEL" : "FILE");
	if (name.len > LIMIT_MODEL_NAME_BYTES && provider->dialect != NULL)
		return err_set(err, EINVAL, "a model name has at most %d bytes", LIMIT_MODEL_NAME_BYTES);
	for (size_t i = 0; i < name.len && provider->dialect != NULL; i++) {
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return err_set(err, EINVAL, "a model name is printable ASCII without spaces");
	}
	return 0;
}

/* The provider, and the name behind it. */
static int take_apart(const char *whole, const struct provider **ret, struct str *ret_name, struct err *err)
{
	struct str rest = str_of(whole), provider;

	if (strchr(whole, '/') == NULL || !str_next(&rest, '/', &provider))
		return err_set(err, EINVAL, "'%.100s' is no model: write PROVIDER/MODEL, such as openai/gpt-5", whole);
	const struct provider *found = find_provider(provider);
	if (found == NULL)
		return unknown_provider(provider, err);
	int r = check_name(rest, found, err);
	if (r < 0)
		return r;
	*ret = found;
	*ret_name = rest;
	return 0;
}

int llm_model_check(const char *name, struct err *err)
{
	const struct provider *provider;
	struct str rest;

	return take_apart(name, &provider, &rest, err);
}

static void model_closep(struct llm_model **model)
{
	llm_model_close(*model);
}

int llm_model_open(const char *name, llm_getenv *env, void *userdata, struct llm_model **ret, struct err *err)
{
	AUTO(model_closep) struct llm_model *model = xcalloc(1, sizeof *model);
	struct str rest;
	int r = take_apart(name, &model->provider, &rest, err);

	if (r < 0)
		return r;
	model->name = xstrndup(rest.ptr, rest.len);
	if (model->provider->dialect == NULL) {
		if (script_open(model->name, &model->script, err) < 0)
			return -EINVAL;
	} else {
		if ((r = model_find_base(model, env, userdata, err)) < 0 || (r = find_key(model, env, userdata, err)) < 0)
			return r;
		find_certificates(model, env, userdata);
	}
	*ret = TAKE(model);
	return 0;
}

void llm_model_close(struct llm_model *model)
{
	if (model == NULL)
		return;
	if (model->key != NULL)
		explicit_bzero(model->key, strlen(model->key));
	free(model->key);
	free(model->name);
	free(model->base);
	free(model->ca_file);
	free(model->ca_dir);
	script_free(model->script);
	free(model);
}

const char *llm_model_provider(const struct llm_model *model)
{
	return model->provider->name;
}

const char *llm_model_name(const struct llm_model *model)
{
	return model->name;
}

bool llm_model_recorded_worst(const struct llm_model *model, int64_t *ret_nanos, int64_t *ret_tokens)
{
	if (model->script == NULL)
		return false;
	script_worst(model->script, ret_nanos, ret_tokens);
	return true;
}

void llm_model_used(struct llm_model *model, const char *ref)
{
	if (model->script != NULL && ref != NULL)
		script_mark_used(model->script, ref);
}
