/* cmd_demo.c - `mishri demo`: the main job on a small real workspace. The model is recorded; the
 * policy, the sandbox, the programs, the store are the real ones. */
#include "cli/common.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/embedded.h"
#include "base/io.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--keep", 0, "DIR", "put the demonstration into DIR (default: a new directory below /tmp)", false },
};

static int write_file(const char *root, const struct embedded_file *file, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s", root, file->path);
	AUTO(freep) char *folder = xstrdup(path);

	*strrchr(folder, '/') = '\0';
	int r = io_mkdirs(folder, err);
	if (r < 0)
		return r;
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file->mode);
	if (fd < 0)
		return err_sys(err, "%s", path);
	r = io_write_all(fd, file->bytes, file->len);
	return r < 0 ? err_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

static int lay_out(const char *root, struct err *err)
{
	for (size_t i = 0; demo_files[i].path != NULL; i++) {
		int r = write_file(root, &demo_files[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int directory(const struct options *o, char **ret, struct err *err)
{
	const char *keep = option_text(o, "--keep", NULL);

	if (keep == NULL) {
		char template[] = "/tmp/mishri-demo-XXXXXX";
		if (mkdtemp(template) == NULL)
			return err_sys(err, "no directory for the demonstration below /tmp");
		*ret = xstrdup(template);
		return 0;
	}
	int r = io_mkdirs(keep, err);
	if (r < 0)
		return r;
	*ret = realpath(keep, NULL);
	return *ret != NULL ? 0 : err_sys(err, "%s", keep);
}

/* What the recorded agents call in their cell, and the package that has it: without one of them nothing would go as recorded. */
static int find_programs(struct err *err)
{
	static const struct { const char *paths[3], *package; } needed[] = {
		{ { "/usr/bin/make", "/bin/make" }, "make" },
		{ { "/usr/bin/cc", "/usr/bin/gcc" }, "gcc" },
		{ { "/usr/include/stdio.h" }, "libc6-dev" },
	};
	AUTO(buf_done) struct buf missing = BUF_INIT(KIB(4));

	for (size_t i = 0; i < COUNT(needed); i++) {
		bool there = false;
		for (size_t k = 0; k < COUNT(needed[i].paths) && needed[i].paths[k] != NULL; k++)
			there |= access(needed[i].paths[k], R_OK) == 0;
		if (!there)
			buf_printf(&missing, " %s", needed[i].package);
	}
	if (missing.len > 0)
		return err_set(err, ENOENT, "the demonstration mends a small C project, and what builds it is missing here: apt install%s",
		               buf_text(&missing));
	return 0;
}

static void introduce(const char *root)
{
	fprintf(stderr,
	        "A demonstration in %s\n"
	        "The model is recorded: its replies are in recorded.jsonl and are the same every time. Everything else is\n"
	        "real: the policy (policy.yaml), the sandbox, the programs that run in it, and the history that is kept.\n\n",
	        root);
}

static void conclude(const char *root)
{
	const char *me = strchr(program_invocation_name, '/') != NULL ? program_invocation_name : "mishri";

	fprintf(stderr,
	        "\nWhat to try next:\n"
	        "  %s show last --data %s/data          the task, call by call\n"
	        "  %s events last --data %s/data --json the facts, one a line\n"
	        "  %s audit verify --data %s/data               the hash chain\n"
	        "  %s exec -p %s/policy.yaml -w %s/workspace -- sh -c 'echo cm0gLXJmIC4= | base64 -d | sh'\n"
	        "  %s run -m openai/MODEL \"your own goal\"    with OPENAI_API_KEY, or OPENAI_BASE_URL\n",
	        me, root, me, root, me, root, me, root, root, me);
}

static int show(struct session *s, const struct options *o, const char *root)
{
	struct err err = ERR_NONE;
	AUTO(freep) char *project = xasprintf("%s/workspace", root);
	AUTO(freep) char *policy = xasprintf("%s/policy.yaml", root);
	AUTO(freep) char *model = xasprintf("recorded/%s/recorded.jsonl", root);
	AUTO(freep) char *data = xasprintf("%s/data", root);

	if (cli_load_policy(o, project, (const char *const[]){ policy }, 1, &s->policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (store_open(data, STORE_CREATE, &s->store, &err) < 0 || store_engine_register(s->store, "", &err) < 0 ||
	    llm_model_open(model, NULL, NULL, &s->model, &err) < 0 ||
	    session_open(s, false, false, cli_color(o, STDERR_FILENO), &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	const char *policies[] = { policy };
	struct task_spec spec = {
		.goal = "Make the tests of this project pass.", .agent = "master", .role = "master", .model = model,
		.workspace = project, .plan = "auto", .channel = "cli", .level = CELL_FULL, .max_depth = 1,
		.limits = { LIMIT_TASK_TURNS, LIMIT_TASK_CALLS, LIMIT_TASK_TIMEOUT_MS, LIMIT_CALL_OUTPUT_BYTES },
		.policies = policies, .policy_count = 1, .budget_nanos = -1,
	};
	fprintf(stderr, "goal: %s\n", spec.goal);
	s->run = engine_start(s->engine, &spec);
	return session_finish(s);
}

/* What a person would type next, shown once. */
static void look_back(const char *root)
{
	AUTO(freep) char *data = xasprintf("%s/data", root);
	char *argv[] = { "last", "--data", data, NULL };

	fprintf(stderr, "\n$ mishri tree last\n");
	cmd_tree.run(3, argv);
	fflush(stdout);
	fprintf(stderr, "\n$ mishri cost\n");
	cmd_cost.run(2, argv + 1);
	fflush(stdout);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *root = NULL;
	struct session s = { .format = OUTPUT_TEXT };
	struct cell_builtin builtins[64];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_demo, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_user(o, s.user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (find_programs(&err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &s.warden, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int code;
	bool shown = false;
	if (directory(o, &root, &err) < 0 || lay_out(root, &err) < 0) {
		code = complain(EXIT_FAILED, "%s", err.text);
	} else {
		introduce(root);
		code = show(&s, o, root);
		shown = s.run != NULL && code == EXIT_DONE;
		if (!shown)
			complain(0, "the demonstration did not come to its end; `mishri doctor` says what this machine lacks");
	}
	session_close(&s);
	if (shown) {
		look_back(root);
		conclude(root);
	}
	return code;
}

const struct command cmd_demo = {
	.name = "demo", .args = "", .about = "watch the main job, with a recorded model and everything else real",
	.options = options, .option_count = COUNT(options), .run = run,
};
