/* cmd_init.c - `mishri init`: a configuration and a policy of the person's own, after three questions or from flags. It
 * overwrites nothing that is there unless it is told to, and then keeps the old file beside the new one. */
#include "cli/common.h"
#include "cli/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/dirs.h"
#include "policy/files.h"
#include "tools/tool.h"

#include "base/banned.h"

enum { OFFERS = 64, POLICIES = 16, ASK_COLUMNS = 79, ASK_INDENT = 19 };

static const struct option_row options[] = {
	{ "--model", 'm', "PROVIDER/MODEL", "the model that a run uses where nothing else is said", false },
	{ "--policy", 'p', "NAME", "the ready-made policy to begin with: workspace, readonly, ci, locked-down or open-in-cell", false },
	{ "--budget", 0, "USD", "at most so much a day; a person is asked beyond. 0: no bound", false },
	{ "--yes", 'y', NULL, "ask nothing: take what was found, and what is usual", false },
	{ "--force", 0, NULL, "replace files that are there; the old ones are kept with the ending .old", false },
};

struct plan {
	struct { char *model, *because; } offers[OFFERS];
	size_t offer_count;
	char policies[POLICIES][POLICY_NAME_BYTES];
	size_t policy_count;
	char *model, *policy;      /* model NULL: none yet */
	char budget[24];           /* US dollars a day; "" : none */
};

static void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->offer_count; i++) {
		free(p->offers[i].model);
		free(p->offers[i].because);
	}
	free(p->model);
	free(p->policy);
}

static const char *own_environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

static void keep_offer(void *userdata, const struct llm_offer *offer)
{
	struct plan *p = userdata;

	if (p->offer_count == OFFERS)
		return;
	p->offers[p->offer_count].model = xstrdup(offer->model);
	p->offers[p->offer_count++].because = xstrdup(offer->because);
}

static int check_budget(const char *text, struct err *err)
{
	size_t digits = strspn(text, "0123456789"), fraction = text[digits] == '.' ? 1 + strspn(text + digits + 1, "0123456789") : 0;

	if (digits == 0 || text[digits + fraction] != '\0')
		return err_set(err, EINVAL, "a budget is an amount in US dollars, such as 5 or 2.50, not '%.40s'", text);
	return 0;
}

/* ---- questions ---- */

/* A line from the terminal, without its end; false: there is none. */
static bool read_line(const char *prompt, char *ret, size_t size)
{
	fprintf(stderr, "%s", prompt);
	fflush(stderr);
	if (fgets(ret, (int)size, stdin) == NULL)
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* What a server calls its models is a stranger's text. */
static void print_offer(size_t number, const char *text, const char *more)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(4)), clean_more = BUF_INIT(KIB(4));

	sanitize_shown(str_of(text), &clean);
	sanitize_shown(str_of(more), &clean_more);
	fprintf(stderr, "   %2zu  %s   (%s)\n", number, buf_text(&clean), buf_text(&clean_more));
}

/* What was wrong, before the question comes again. */
static bool fits(int r, const struct err *err)
{
	if (r < 0)
		fprintf(stderr, "   %s\n", err->text);
	return r == 0;
}

static bool ask_model(struct plan *p)
{
	const char *prompt = p->offer_count > 0 ? "   a number, or PROVIDER/MODEL [1]: " : "   model []: ";
	struct err err = ERR_NONE;
	char line[256];
	uint64_t number;

	fprintf(stderr, "1. Which model shall do the work?\n");
	for (size_t i = 0; i < p->offer_count; i++)
		print_offer(i + 1, p->offers[i].model, p->offers[i].because);
	if (p->offer_count == 0)
		fprintf(stderr, "   No key is set and no local server answers. Write PROVIDER/MODEL for later (openai/NAME, anthropic/NAME,\n"
		                "   openrouter/NAME, ollama/NAME), or leave it empty.\n");
	do {
		if (!read_line(prompt, line, sizeof line))
			return false;
	} while (line[0] != '\0' && !(str_to_u64(str_of(line), &number) == 0 && number >= 1 && number <= p->offer_count) &&
	         !fits(llm_model_check(line, &err), &err));
	if (line[0] == '\0' && p->offer_count > 0)
		p->model = xstrdup(p->offers[0].model);
	else if (str_to_u64(str_of(line), &number) == 0 && number >= 1 && number <= p->offer_count)
		p->model = xstrdup(p->offers[number - 1].model);
	else if (line[0] != '\0')
		p->model = xstrdup(line);
	return true;
}

/* What a ready-made policy says of itself: the first lines of its text. */
static void print_policy(size_t number, const char *name)
{
	struct err err = ERR_NONE;
	struct str text, line;
	size_t at = ASK_INDENT;
	bool first = true;

	if (policy_ready_text(name, &text, &err) < 0)
		return;
	fprintf(stderr, "   %2zu  %-12s", number, name);
	for (struct str rest = text; str_next(&rest, '\n', &line) && str_starts(line, STR("# ")); first = false) {
		struct str words = str_skip(line, first ? strlen(name) + strlen("#  - ") : 2), word;
		while (str_next(&words, ' ', &word)) {
			if (at + 1 + text_columns(word) > ASK_COLUMNS) {
				fprintf(stderr, "\n%*s", ASK_INDENT, "");
				at = ASK_INDENT;
			}
			fprintf(stderr, " %.*s", STR_ARG(word));
			at += 1 + text_columns(word);
		}
	}
	fputc('\n', stderr);
}

static bool ask_policy(struct plan *p)
{
	struct err err = ERR_NONE;
	struct str text;
	char line[64];
	uint64_t number;

	fprintf(stderr, "2. What may agents do?\n");
	for (size_t i = 0; i < p->policy_count; i++)
		print_policy(i + 1, p->policies[i]);
	do {
		if (!read_line("   a number or a name [workspace]: ", line, sizeof line))
			return false;
	} while (line[0] != '\0' && !(str_to_u64(str_of(line), &number) == 0 && number >= 1 && number <= p->policy_count) &&
	         !fits(policy_ready_text(line, &text, &err), &err));
	if (str_to_u64(str_of(line), &number) == 0 && number >= 1 && number <= p->policy_count)
		p->policy = xstrdup(p->policies[number - 1]);
	else
		p->policy = xstrdup(line[0] != '\0' ? line : "workspace");
	return true;
}

static bool ask_budget(struct plan *p)
{
	struct err err = ERR_NONE;
	char line[24];

	fprintf(stderr, "3. How many US dollars may all of it cost a day? Beyond that you are asked.\n");
	do {
		if (!read_line("   dollars [no bound]: ", line, sizeof line))
			return false;
	} while (line[0] != '\0' && !fits(check_budget(line, &err), &err));
	snprintf(p->budget, sizeof p->budget, "%s", line);
	return true;
}

/* ---- what is written ---- */

static void write_config(const struct plan *p, struct buf *ret)
{
	buf_add_text(ret, "# Mishri: your own configuration. `mishri config` shows every key, its value and where that comes from;\n"
	                  "# mishri-config(5) and docs/configuration.md explain them.\n\n");
	if (p->model != NULL)
		buf_printf(ret, "model: %s\n", p->model);
	else
		buf_add_text(ret, "# model: openai/gpt-5         # with OPENAI_API_KEY; or a local server: OPENAI_BASE_URL, ollama/NAME\n");
	buf_add_text(ret, "\n# plan: auto                  # auto, always, never: does a master share the work out?\n"
	                  "# max_turns: 100\n"
	                  "# timeout: 1h\n"
	                  "# workspace_mode: overlay     # changes are kept apart until `mishri apply`\n"
	                  "\n# limits:\n#   memory: 4G                # of all processes of a task\n");
}

static int write_policy(const struct plan *p, struct buf *ret, struct err *err)
{
	struct str text;

	if (policy_ready_text(p->policy, &text, err) < 0)
		return -EINVAL;
	buf_printf(ret, "# Your own policy; it began as the ready-made one `%s`. `mishri policy lint FILE` checks it,\n"
	                "# `mishri policy check` asks it, `mishri policy attack` tries it; docs/policy.md explains the language.\n",
	           p->policy);
	buf_add_str(ret, text);
	if (p->budget[0] != '\0')
		buf_printf(ret, "\nbudgets:\n  - { id: daily-money, per: user/day, usd: %s, over: ask }\n", p->budget);
	return 0;
}

/* It must be as Mishri would read it, before anything is written. */
static int check_policy(const struct buf *policy, const struct plan *p, struct err *err)
{
	AUTO(policy_freep) struct policy *loaded = NULL;
	const struct policy_source source = { LAYER_USER, "policy.yaml", buf_str(policy) };
	struct llm_model *model = NULL;
	int r = policy_load(&source, 1, NULL, 0, &loaded, err);

	if (r < 0 || p->model == NULL || p->budget[0] == '\0')
		return r;
	/* A bound on money needs a price. Without a key the model cannot be opened yet, and the run will say so. */
	if (llm_model_open(p->model, own_environment, NULL, &model, NULL) < 0)
		return 0;
	r = engine_check_budgets(loaded, NULL, model, -1, err);
	llm_model_close(model);
	return r;
}

static int write_file(const char *path, const struct buf *text, bool force, struct err *err)
{
	AUTO(freep) char *old = xasprintf("%s.old", path);

	if (force && rename(path, old) < 0 && errno != ENOENT)
		return err_sys(err, "%s cannot be kept as %s", path, old);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "%s cannot be written", path);
	int r = io_write_all(fd, buf_text(text), text->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0) {
		unlink(path);
		return err_set(err, -r, "%s cannot be written: %s", path, strerror(-r));
	}
	fprintf(stderr, "wrote %s\n", path);
	return 0;
}

/* ---- the command ---- */

static int decide(const struct options *o, struct plan *p, struct err *err)
{
	const char *model = option_text(o, "--model", NULL), *policy = option_text(o, "--policy", NULL);
	const char *budget = option_text(o, "--budget", NULL);
	bool asks = !option_given(o, "--yes") && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
	struct str text;

	if (!asks && !option_given(o, "--yes") && (model == NULL || policy == NULL || budget == NULL))
		return err_set(err, EINVAL, "nobody is at a terminal to be asked: give --yes, or --model, --policy and --budget");
	p->policy_count = policy_ready_names(p->policies, POLICIES);
	if (model == NULL)
		llm_offers(own_environment, NULL, keep_offer, p);
	if (model != NULL)
		p->model = xstrdup(model);
	else if (asks && !ask_model(p))
		return err_set(err, ECANCELED, "nothing was written");
	else if (!asks && p->offer_count > 0)
		p->model = xstrdup(p->offers[0].model);
	if (policy != NULL)
		p->policy = xstrdup(policy);
	else if (asks && !ask_policy(p))
		return err_set(err, ECANCELED, "nothing was written");
	else if (!asks)
		p->policy = xstrdup("workspace");
	if (budget != NULL)
		snprintf(p->budget, sizeof p->budget, "%s", budget);
	else if (asks && !ask_budget(p))
		return err_set(err, ECANCELED, "nothing was written");
	if (strspn(p->budget, "0.") == strlen(p->budget))
		p->budget[0] = '\0';
	if (p->budget[0] != '\0' && check_budget(p->budget, err) < 0)
		return -EINVAL;
	if (p->model != NULL && llm_model_check(p->model, err) < 0)
		return -EINVAL;
	return policy_ready_text(p->policy, &text, err);
}

static int check_free(const char *path, bool force, struct err *err)
{
	struct stat st;

	if (!force && lstat(path, &st) == 0)
		return err_set(err, EEXIST, "%s is there already: edit it, or give --force, which keeps it as %s.old", path, path);
	return 0;
}

static void say_next(const struct plan *p)
{
	if (p->model == NULL)
		puts("Next: set a key (OPENAI_API_KEY, ANTHROPIC_API_KEY, OPENROUTER_API_KEY) or start a local server, and\n"
		     "run `mishri init --force` again, or try `mishri demo`, which needs neither.");
	else
		puts("Next, in the directory of a project:\n"
		     "      mishri run \"Say in three sentences what this directory is about\"\n"
		     "      mishri show last");
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *config_path = dirs_user_config();
	AUTO(buf_done) struct buf config = BUF_INIT(KIB(64)), policy = BUF_INIT(KIB(64));
	AUTO(plan_done) struct plan plan = { 0 };
	struct err err = ERR_NONE;

	if (options_parse(&cmd_init, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (config_path == NULL)
		return complain(EXIT_CONFIG, "there is no home directory: set HOME or XDG_CONFIG_HOME");
	bool force = option_given(o, "--force");
	AUTO(freep) char *dir = xstrndup(config_path, (size_t)(strrchr(config_path, '/') - config_path));
	AUTO(freep) char *policy_path = xasprintf("%s/policy.yaml", dir);
	if (check_free(config_path, force, &err) < 0 || check_free(policy_path, force, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = decide(o, &plan, &err);
	if (r < 0)
		return complain(r == -ECANCELED ? EXIT_FAILED : EXIT_USAGE, "%s", err.text);
	write_config(&plan, &config);
	if (write_policy(&plan, &policy, &err) < 0 || check_policy(&policy, &plan, &err) < 0)
		return complain(EXIT_CONFIG, "%s; nothing was written%s", err.text,
		                strtod(plan.budget, NULL) > 0 ? " (`mishri init --budget 0` sets no bound)" : "");
	if (io_mkdirs(dir, &err) < 0 || write_file(config_path, &config, force, &err) < 0 ||
	    write_file(policy_path, &policy, force, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	say_next(&plan);
	return EXIT_DONE;
}

const struct command cmd_init = {
	.name = "init", .args = "", .about = "write a configuration and a policy of your own, after three questions",
	.options = options, .option_count = COUNT(options),
	.examples = "  mishri init\n"
	            "  mishri init --yes --policy readonly\n"
	            "  mishri init --model ollama/qwen3 --policy workspace --budget 0\n",
	.run = run,
};
