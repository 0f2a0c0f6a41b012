/* cmd_serve.c - `mishri serve`: the engine as a service. It holds the parts together and decides nothing about tasks. */
#include "cli/api.h"
#include "cli/print.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"
#include "engine/dirs.h"
#include "engine/notify.h"
#include "policy/files.h"
#include "tools/tool.h"

#include "base/banned.h"

static const struct serve_part parts[] = {
	{ "http", serve_http_open, serve_http_close },
	{ "recovery", serve_recover_open, serve_recover_close },
	{ "schedules", serve_schedules_open, serve_schedules_close },
	{ "retention", serve_retention_open, serve_retention_close },
};
_Static_assert(COUNT(parts) <= SERVE_PARTS_MOST, "every part has its place");

static const struct option_row options[] = {
	{ "--listen", 0, "ADDR:PORT", "also take requests on this loopback address: 127.0.0.1:8080; port 0: any", false },
	{ "--openapi", 0, NULL, "print what the API is, as OpenAPI 3.1, and serve nothing", false },
	{ "--policy", 'p', "FILE", "a policy file for every task, in the place of the project's; may be repeated", true },
	{ "--model", 'm', "PROVIDER/MODEL", "the model of tasks that name none", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key; may be repeated", true },
};

static const struct config_flag config_flags[] = { { "--model", "model" }, { "--listen", "serve.listen" } };

/* ---- one service per data directory ---- */

static int lock_data(struct serve *serve, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/serve.lock", serve->data);
	char pid[32] = "";

	serve->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (serve->lock < 0)
		return err_sys(err, "%s", path);
	if (flock(serve->lock, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = pread(serve->lock, pid, sizeof pid - 1, 0);
		pid[MAX(n, 0)] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return err_set(err, EBUSY, "process %s serves %s already; end it first, or give another --data", pid, serve->data);
	}
	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(serve->lock, 0) < 0 || pwrite(serve->lock, pid, strlen(pid), 0) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

/* ---- opening ---- */

/* Many clients and cells at once; what is started gets its own limits. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static const char *own_environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

static int open_parts(struct serve *serve, struct err *err)
{
	for (size_t i = 0; i < COUNT(parts); i++) {
		int r = parts[i].open(serve, &serve->parts[i], err);
		if (r < 0) {
			while (i-- > 0)
				parts[i].close(serve, serve->parts[i]);
			return r;
		}
	}
	return 0;
}

static void close_parts(struct serve *serve)
{
	for (size_t i = COUNT(parts); i-- > 0;)
		parts[i].close(serve, serve->parts[i]);
}

static void of_config(struct serve *serve)
{
	struct session *s = &serve->s;
	const struct config *c = serve->config;

	s->config = c;
	s->agents = config_agents(c);
	s->secrets = config_secrets(c);
	s->prices = config_prices(c);
	s->context_tokens = config_number(c, "context_tokens");
	s->loops_ignored = strcmp(config_text(c, "loop.detect"), "off") == 0;
	s->reply_tokens = config_number(c, "reply_tokens");
	s->service = true;
	s->load_policy = serve_load_policy;
	s->userdata = serve;
}

/* The policy of tasks whose workspace has none; it must be right before anything is taken on. */
static int load_policy(struct serve *serve, struct err *err)
{
	const char *files[REPEAT_MOST];
	size_t count = option_all(serve->o, "--policy", files, COUNT(files));

	for (size_t i = 0; i < count; i++) {
		char *path = policy_is_ready_made(files[i]) ? xstrdup(files[i]) : realpath(files[i], NULL);
		if (path == NULL)
			return err_sys(err, "policy '%s' (a file, or builtin:NAME, such as builtin:readonly)", files[i]);
		serve->policies[serve->policy_count++] = path;
	}
	int r = cli_policy_home(serve->o, NULL, serve->policies, serve->policy_count, &serve->s.policy_home, err);

	return r < 0 ? r : cli_load_home(serve->s.policy_home, &serve->s.policy, err);
}

static int open_model(struct serve *serve, struct err *err)
{
	const char *name = config_text(serve->config, "model");

	if (name == NULL || name[0] == '\0')
		return 0; /* each task names its own */
	return llm_model_open(name, own_environment, NULL, &serve->s.model, err);
}

/* Returns an exit code. */
static int open_all(struct serve *serve)
{
	struct err err = ERR_NONE;
	bool usage;

	if (cli_config(serve->o, NULL, config_flags, COUNT(config_flags), &serve->config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "serve: %s", err.text);
	of_config(serve);
	if (serve_listen_check(serve, &err) < 0)
		return complain(option_given(serve->o, "--listen") ? EXIT_USAGE : EXIT_CONFIG, "serve: %s", err.text);
	if (load_policy(serve, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (cli_data_dir(serve->o, &serve->data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (cli_open_store(serve->o, STORE_CREATE, &serve->s.store, &err) < 0 || lock_data(serve, &err) < 0)
		return complain(EXIT_FAILED, "serve: %s", err.text);
	if (session_register(&serve->s, serve->o, &err) < 0)
		return complain(EXIT_FAILED, "serve: %s", err.text);
	int r = open_model(serve, &err);
	if (r < 0)
		return complain(r == -EACCES ? EXIT_AUTH : EXIT_CONFIG, "serve: %s", err.text);
	api_hooks(serve);
	serve_recover_hooks(serve);
	r = session_open(&serve->s, false, true, false, &err);
	if (r < 0)
		return complain(r == -EINVAL ? EXIT_CONFIG : EXIT_FAILED, "serve: %s", err.text);
	AUTO(freep) char *dir = dirs_runtime(option_text(serve->o, "--data", NULL), serve->data);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return complain(EXIT_FAILED, "serve: %s: %s", dir, strerror(errno));
	if (guarded_dir(dir, strcmp(dir, serve->data) == 0, &err) < 0)
		return complain(EXIT_FAILED, "serve: %s", err.text);
	serve->socket = xasprintf("%s/serve.sock", dir);
	return 0;
}

static int run_loop(struct serve *serve)
{
	struct err err = ERR_NONE;

	if (open_parts(serve, &err) < 0)
		return complain(EXIT_FAILED, "serve: %s", err.text);
	printf("mishri: serving %s\n  socket %s\n", serve->data, serve->socket);
	if (http_server_port(serve->http) != 0)
		printf("  port %u\n  dashboard http://localhost:%u/\n", http_server_port(serve->http), http_server_port(serve->http));
	fflush(stdout);
	notify_ready();
	engine_loop(serve->s.engine);
	close_parts(serve);
	return EXIT_DONE;
}

static int serve_run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct serve serve = { .lock = -1 };
	struct cell_builtin builtins[64];
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_serve, argc, argv, &o) < 0)
		return EXIT_USAGE;
	serve.o = o;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "serve: '%s' is one word too many; tasks come by the API, or by `mishri run --detach`", words[0]);
	if (option_given(o, "--openapi")) {
		AUTO(json_decrefp) json_t *described = api_openapi();
		print_json(described);
		return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	if (cli_user(o, serve.s.user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &serve.s.warden, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	raise_files();
	int code = open_all(&serve);
	if (code == 0)
		code = run_loop(&serve);
	session_close(&serve.s);
	config_free(serve.config);
	fd_close(&serve.lock);
	for (size_t i = 0; i < serve.policy_count; i++)
		free((char *)serve.policies[i]);
	free(serve.socket);
	free(serve.data);
	return code;
}

const struct command cmd_serve = {
	.name = "serve", .args = "", .about = "the engine as a service, with an HTTP API",
	.options = options, .option_count = COUNT(options), .run = serve_run,
	.examples = "  mishri serve\n  mishri serve --listen 127.0.0.1:8080 -p /etc/mishri/agents.yaml\n"
	            "  curl --unix-socket $XDG_RUNTIME_DIR/mishri/serve.sock http://localhost/healthz\n",
};
