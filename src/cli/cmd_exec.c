/* cmd_exec.c - `mishri exec`: one program in a fresh cell under the policy, without a model and without
 * a history. Its descriptors are the program's; what the gate says goes to stderr. */
#include "cli/changes.h"
#include "base/permission.h"
#include "engine/egress.h"
#include "engine/files.h"
#include "policy/probe.h"
#include "tools/tool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/limits.h"
#include "base/banned.h"

static const struct option_row options[] = {
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "what the program may see and change (default: this directory)", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key, such as limits.memory=512M or net.resolver=IP; may be repeated", true },
	{ "--isolation", 0, "LEVEL", "full (default), reduced or none", false },
	{ "--permissions", 0, "LIST", "what the kernel lets it do, of fs.read, fs.write, exec, net (default: all of them)", false },
	{ "--workspace-mode", 0, "MODE", "direct (default), overlay (changes are listed and thrown away) or readonly", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

struct execution {
	struct loop *loop;
	struct warden *warden;
	struct policy *policy;
	struct config *config;
	struct egress_base *egress_base;
	struct egress *egress;
	struct cell *cell;
	struct watch *warden_readable, *cell_readable, *sigint, *sigterm;
	const char *workspace;
	bool readonly;
	char *data, *layer;            /* of mode overlay; NULL: none */
	char layer_id[ID_LEN + 1];
	char user[USER_LEN + 1];
	const char *const *argv;
	int code;
	int signals;
	unsigned withheld;             /* permissions */
	struct cell_exit ended;
	bool refused;                  /* the first program itself was */
	struct bounds bounds;
	struct bound_hit hit;
};

static void on_warden(void *userdata)
{
	struct execution *x = userdata;

	warden_dispatch(x->warden);
}

static void on_cell(void *userdata)
{
	struct execution *x = userdata;

	cell_dispatch(x->cell);
}

static void facts_of_execution(const struct execution *x, struct facts *ret)
{
	*ret = (struct facts){
		.user = x->user, .role = "", .agent = "", .channel = "cli", .workspace = x->workspace,
		.time_us = clock_wall_us(), .resolve = resolve_path,
	};
}

/* ---- connections ---- */

static void on_net_decide(void *userdata, const struct net_target *target, struct decision *ret)
{
	const struct execution *x = userdata;
	struct facts facts;

	facts_of_execution(x, &facts);
	net_decide(x->policy, target, NULL, &facts, ret);
	if (ret->effect == EFFECT_ASK) {
		ret->effect = EFFECT_DENY;
		snprintf(ret->reason, sizeof ret->reason, "it needs a person's approval, and `mishri exec` asks nobody");
	}
}

static void on_net_decided(void *userdata, uint32_t id, const struct net_target *target, const struct decision *d)
{
	const struct execution *x = userdata;
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(4));

	if (d->effect == EFFECT_ALLOW) {
		egress_go(x->egress, id);
		return;
	}
	egress_message(target, d, &line);
	fprintf(stderr, "%s\n", buf_text(&line));
}

static void on_net_gone(void *userdata UNUSED, uint32_t id UNUSED)
{
}

static void on_net_finished(void *userdata UNUSED, uint32_t id UNUSED, const struct net_end *end UNUSED)
{
}

static int on_secret(void *userdata UNUSED, const char *name, const struct net_target *target UNUSED, struct buf *ret UNUSED,
                     struct err *err)
{
	return err_set(err, ENOENT, "no such secret: '%.64s'; `mishri exec` gives none", name);
}

static void open_network(struct execution *x)
{
	const struct egress_callbacks callbacks = {
		.decide = on_net_decide, .decided = on_net_decided, .gone = on_net_gone, .finished = on_net_finished, .secret = on_secret,
		.userdata = x,
	};
	int listener = cell_take_listener(x->cell);

	if (listener >= 0)
		x->egress = egress_new(x->egress_base, listener, NULL, &callbacks);
}

/* ---- the program ---- */

static void on_open(void *userdata, const json_t *mechanisms, const struct err *failure)
{
	struct execution *x = userdata;
	struct err err = ERR_NONE;

	if (failure != NULL) {
		x->cell = NULL;
		x->code = complain(EXIT_CONFIG, "%s", failure->text);
		loop_stop(x->loop);
		return;
	}
	x->cell_readable = watch_fd(x->loop, cell_fd(x->cell), on_cell, x);
	open_network(x);
	char **env = tool_environment(x->workspace, x->user, json_get_text(mechanisms, "tmp", "/tmp"), x->egress != NULL);
	struct cell_run what = {
		.call = 1, .argv = x->argv, .env = (const char *const *)env, .cwd = x->workspace, .withheld = x->withheld,
		.hash_system = policy_wants_sha256(x->policy),
		.fds = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO }, .cpu_ms = x->bounds.at[BOUND_CPU],
	};
	int r = cell_run(x->cell, &what, &err);
	tool_environment_free(env);
	if (r < 0) {
		x->code = complain(EXIT_FAILED, "%s", err.text);
		loop_stop(x->loop);
	}
}

static void on_exec(void *userdata, const struct cell_exec *exec)
{
	struct execution *x = userdata;
	struct facts facts;
	struct decision d;
	struct buf message = BUF_INIT(KIB(8));

	facts_of_execution(x, &facts);
	exec_decide(x->policy, exec, &facts, &d);
	if (d.effect == EFFECT_ASK)
		snprintf(d.reason, sizeof d.reason, "it needs a person's approval, and `mishri exec` asks nobody");
	if (d.effect != EFFECT_ALLOW)
		exec_message(exec, &d, &message);
	if (d.effect != EFFECT_ALLOW && exec->first) {
		x->refused = true;
		x->code = d.effect == EFFECT_ASK ? EXIT_NOBODY : EXIT_DENIED;
	}
	cell_exec_answer(x->cell, exec->id, d.effect == EFFECT_ALLOW, buf_text(&message));
	buf_done(&message);
}

/* Each is answered at once: an answer and the end of a program may meet on the way. */
static void on_exec_gone(void *userdata UNUSED, uint32_t id UNUSED)
{
}

static void on_limit(void *userdata, uint64_t call UNUSED, const struct bound_hit *hit)
{
	struct execution *x = userdata;
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1));

	x->hit = *hit;
	bound_describe(hit, NULL, &text);
	fprintf(stderr, "mishri: %s%s\n", hit->what != BOUND_TMP ? "stopped: " : "", buf_text(&text));
}

static void on_ended(void *userdata, const struct cell_exit *ended)
{
	struct execution *x = userdata;

	x->ended = *ended;
	if (x->hit.what == BOUND_NONE && ended->hit.what != BOUND_NONE)
		on_limit(x, ended->call, &ended->hit);
	if (!x->refused)
		x->code = ended->status;
	loop_stop(x->loop);
}

static void on_lost(void *userdata, const char *why)
{
	struct execution *x = userdata;

	x->code = complain(EXIT_FAILED, "the sandbox ended: %s", why);
	loop_stop(x->loop);
}

static void pass_signal(struct execution *x, int signo)
{
	if (x->signals++ == 0 && x->cell_readable != NULL) {
		cell_kill(x->cell, 1, signo);
		return;
	}
	x->code = 128 + signo; /* a second one ends at once */
	loop_stop(x->loop);
}

static void on_sigint(void *userdata)
{
	pass_signal(userdata, SIGINT);
}

static void on_sigterm(void *userdata)
{
	pass_signal(userdata, SIGTERM);
}

static void report(const struct execution *x)
{
	AUTO(json_decrefp) json_t *object = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "exit", x->code, "signal",
		x->ended.signal, "cpu_ms", (json_int_t)x->ended.cpu_ms, "max_rss_bytes", (json_int_t)x->ended.max_rss_bytes,
		"memory_bytes", (json_int_t)x->ended.memory_bytes, "written_bytes", (json_int_t)x->ended.written_bytes,
		"processes", (json_int_t)x->ended.processes, "execs", (json_int_t)x->ended.execs, "denied", (json_int_t)x->ended.denied);
	if (x->hit.what != BOUND_NONE) {
		json_put(object, "limit", bound_json(&x->hit));
		json_put_text(object, "status", bound_row(x->hit.what)->status);
	}
	AUTO(freep) char *text = json_text(object);

	fprintf(stderr, "%s\n", text);
}

/* What came to be where the policy hides or keeps files. */
static void say_violations(struct execution *x)
{
	AUTO(json_decrefp) json_t *found = NULL;
	struct err err = ERR_NONE;
	const json_t *row;
	size_t i;

	if (x->cell == NULL || x->cell_readable == NULL)
		return;
	cell_guard(x->cell);
	if (cell_guard_wait(x->cell, &found, &err) < 0)
		complain(0, "%s", err.text);
	json_array_foreach(found, i, row) {
		AUTO(buf_done) struct buf path = BUF_INIT(KIB(64));
		sanitize_text(str_of(json_get_text(row, "path", "")), &path);
		complain(0, "new where the policy says files.%s: %s (%s)", json_get_text(row, "kind", ""), buf_text(&path),
		         json_get_text(row, "pattern", ""));
	}
}

/* Changes go to a layer of this run alone; the data directory is only its place. 0, or an exit code. */
static int layer_open_for(struct execution *x, const struct options *o)
{
	struct err err = ERR_NONE;

	id_new(x->layer_id);
	if (cli_data_dir(o, &x->data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (layer_begin(x->data, x->layer_id, x->workspace, &x->layer, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return 0;
}

/* What it changed is told, and thrown away. */
static void layer_end(struct execution *x)
{
	AUTO(layer_close) struct overlay layer = LAYER_NONE;
	struct err err = ERR_NONE;

	if (x->layer == NULL)
		return;
	if (layer_open(x->data, x->layer_id, &layer, &err) < 0)
		complain(0, "%s", err.text);
	if (layer.count > 0)
		fprintf(stderr, "mishri: what it changed, thrown away now:\n");
	changes_list(&layer, stderr);
	if (layer_remove(x->layer, &err) < 0)
		complain(0, "%s", err.text);
	free(x->layer);
	free(x->data);
}

static int execute(struct execution *x, enum cell_level level)
{
	static const struct cell_callbacks callbacks = {
		.on_open = on_open, .on_exec = on_exec, .on_exec_gone = on_exec_gone, .on_exit = on_ended, .on_lost = on_lost,
		.on_limit = on_limit,
	};
	const int64_t *most = x->bounds.at;
	struct cell_plan plan = {
		.level = level, .workspace = x->workspace, .memory_bytes = (uint64_t)most[BOUND_MEMORY],
		.tmp_bytes = (uint64_t)most[BOUND_TMP], .file_bytes = (uint64_t)most[BOUND_FILE],
		.disk_bytes = (uint64_t)most[BOUND_DISK], .processes = (int)most[BOUND_PROCESSES],
		.open_files = (int)most[BOUND_OPEN_FILES], .workspace_readonly = x->readonly, .layer = x->layer,
	};
	AUTO(cell_files_done) struct cell_files files = { 0 };
	struct err err = ERR_NONE;

	if (loop_new(&x->loop, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (cli_egress(x->loop, x->config, &x->egress_base, &err) < 0) {
		loop_free(x->loop);
		return complain(EXIT_CONFIG, "%s", err.text);
	}
	cell_files_of(x->policy, level, &files);
	cell_files_put(&files, &plan);
	x->warden_readable = watch_fd(x->loop, warden_fd(x->warden), on_warden, x);
	x->sigint = watch_signal(x->loop, SIGINT, on_sigint, x);
	x->sigterm = watch_signal(x->loop, SIGTERM, on_sigterm, x);
	x->cell = cell_open(x->warden, &plan, &callbacks, x);
	loop_run(x->loop);
	watch_free(x->cell_readable);
	egress_free(x->egress);
	say_violations(x);
	cell_close(x->cell);
	watch_free(x->sigint);
	watch_free(x->sigterm);
	watch_free(x->warden_readable);
	egress_base_free(x->egress_base);
	loop_free(x->loop);
	return x->code;
}

/* Of the configuration only the limits count here: who waits for the program sees its time and its output. */
static int read_limits(struct execution *x, const struct options *o)
{
	AUTO(config_freep) struct config *config = NULL;
	struct err err = ERR_NONE;
	bool usage;

	if (cli_config(o, x->workspace, NULL, 0, &config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	x->bounds = config_bounds(config);
	return 0;
}

static int prepare(struct execution *x, const struct options *o, char **ret_workspace, enum cell_level *ret_level)
{
	static const char *const levels[] = { "full", "reduced", "none" }, *const modes[] = { "direct", "overlay", "readonly" };
	const char *policies[REPEAT_MOST];
	struct err err = ERR_NONE;
	bool usage;

	int level = name_find(levels, COUNT(levels), option_text(o, "--isolation", "full"));
	if (level < 0)
		return complain(EXIT_USAGE, "--isolation: '%s' is not known; right would be full, reduced or none",
		                option_text(o, "--isolation", ""));
	*ret_level = (enum cell_level)level;
	if (option_given(o, "--permissions")) {
		unsigned granted = 0;
		if (permissions_parse(str_of(option_text(o, "--permissions", "")), &granted, &err) < 0)
			return complain(EXIT_USAGE, "--permissions: %s", err.text);
		x->withheld = PERMISSIONS_ALL & ~granted;
	}
	int mode = name_find(modes, COUNT(modes), option_text(o, "--workspace-mode", "direct"));
	if (mode < 0)
		return complain(EXIT_USAGE, "--workspace-mode: '%s' is not known; right would be direct, overlay or readonly",
		                option_text(o, "--workspace-mode", ""));
	x->readonly = mode == 2;
	if (option_positionals(o, &x->argv) == 0)
		return complain(EXIT_USAGE, "exec: a program is wanted: mishri exec -- ls -l");
	if (cli_user(o, x->user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_workspace(option_text(o, "--workspace", "."), ret_workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	x->workspace = *ret_workspace;
	int code = read_limits(x, o);
	if (code != 0)
		return code;
	size_t count = option_all(o, "--policy", policies, COUNT(policies));
	if (cli_check_data(o, x->workspace, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (cli_config(o, x->workspace, NULL, 0, &x->config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	if (cli_load_policy(o, x->workspace, policies, count, &x->policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (policy_has_limits(x->policy, ACTION_EXEC) || policy_has_limits(x->policy, ACTION_NET))
		complain(0, "the limits of the policy count what tasks do; exec keeps no history, and is not counted");
	return mode == 1 ? layer_open_for(x, o) : 0;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *workspace = NULL;
	struct execution x = { 0 };
	enum cell_level level = CELL_FULL;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_exec, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (warden_start(NULL, 0, &x.warden, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int code = prepare(&x, o, &workspace, &level);
	if (code == 0) {
		code = execute(&x, level);
		if (option_given(o, "--json"))
			report(&x);
	}
	layer_end(&x);
	policy_free(x.policy);
	config_free(x.config);
	warden_stop(x.warden);
	return code;
}

const struct command cmd_exec = {
	.name = "exec", .args = "-- PROGRAM ARG...", .about = "run one program in a fresh cell under the policy",
	.options = options, .option_count = COUNT(options), .flags = COMMAND_STOPS, .run = run,
	.examples = "  mishri exec -- make test\n"
	            "  mishri exec -p policy.yaml -w ~/project -- sh -c 'ls | wc -l'\n"
	            "  mishri exec --permissions fs.read,exec -- make -n\n",
};
