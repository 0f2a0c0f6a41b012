/* cmd_secrets.c - `mishri secrets list|check`: which secrets there are, where their values come from, and where they may be used.
 * It never prints a value, nor how long one is. */
#include "cli/common.h"

#include <stdio.h>

#include "engine/secrets.h"

#include "base/banned.h"

static const struct option_row rows[] = {
	{ "--workspace", 'w', "DIR", "as a run there would have it (default: this directory)", false },
};

static void add_texts(struct buf *to, const char *what, char *const *list)
{
	buf_printf(to, "%s", what);
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		buf_printf(to, " %s", list[i]);
	if (list == NULL || list[0] == NULL)
		buf_add_text(to, " none");
}

static void describe(const struct secret *s, struct buf *to)
{
	buf_printf(to, "%-20s %-8s %-24s ", s->name, secret_source_name(s->source), s->from);
	if (s->has_allow) {
		add_texts(to, "tools", s->tools);
		add_texts(to, ", hosts", s->hosts);
	} else {
		buf_add_text(to, "where a rule of the policy names it");
	}
	buf_printf(to, "  %s", s->origin);
}

/* Sources are texts of a file: nothing in them may act on the terminal. */
static void print_clean(const struct buf *line)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(4));

	sanitize_text(buf_str(line), &clean);
	puts(buf_text(&clean));
}

static int load(const struct command *command, int argc, char **argv, struct options **ret, struct config **ret_config)
{
	AUTO(freep) char *workspace = NULL;
	struct err err = ERR_NONE;
	bool usage;

	if (options_parse(command, argc, argv, ret) < 0)
		return EXIT_USAGE;
	if (cli_workspace(option_text(*ret, "--workspace", "."), &workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_config(*ret, workspace, NULL, 0, ret_config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	return 0;
}

static int flushed(int code)
{
	return fflush(stdout) != 0 ? EXIT_FAILED : code;
}

static int run_list(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(config_freep) struct config *config = NULL;
	const char *const *words;

	int code = load(&cmd_secrets_list, argc, argv, &o, &config);
	if (code != 0)
		return code;
	if (option_positionals(o, &words) != 0)
		return complain(EXIT_USAGE, "secrets list: '%s' is one word too many; `mishri secrets check %s` looks at one", words[0], words[0]);
	const struct secrets *secrets = config_secrets(config);
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = secrets_json(secrets);
		AUTO(freep) char *text = json_text(all);
		puts(text);
		return flushed(EXIT_DONE);
	}
	for (size_t i = 0; i < secrets_count(secrets); i++) {
		AUTO(buf_done) struct buf line = BUF_INIT(MIB(1));
		describe(secrets_at(secrets, i), &line);
		print_clean(&line);
	}
	if (secrets_count(secrets) == 0)
		complain(0, "no secrets are defined; the section `secrets:` of ~/.config/mishri/config.yaml is the place");
	return flushed(EXIT_DONE);
}

static int no_secret(const struct secrets *secrets, const char *name)
{
	const char *near = secrets_near(secrets, name);

	if (near != NULL)
		return complain(EXIT_USAGE, "there is no secret '%s': did you mean '%s'?", name, near);
	return complain(EXIT_USAGE, "there is no secret '%s'; `mishri secrets list` shows them", name);
}

static int print_check(const struct options *o, struct secrets *secrets, const struct secret *s)
{
	AUTO(buf_done) struct buf line = BUF_INIT(MIB(1));
	bool there = s->value != NULL;

	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *one = json_pack("{s:s, s:s, s:b}", "name", s->name, "source", secret_source_name(s->source),
		                                           "available", there);
		json_put_text(one, "why", there ? NULL : s->why.text);
		json_put_bool(one, "locked", there && secrets_locked(secrets));
		AUTO(freep) char *text = json_text(one);
		puts(text);
		return flushed(there ? EXIT_DONE : EXIT_FAILED);
	}
	describe(s, &line);
	print_clean(&line);
	if (!there)
		return complain(EXIT_FAILED, "%s", s->why.text);
	printf("its value can be had%s\n", secrets_locked(secrets) ? "" : "; the kernel keeps it out of core dumps, but not out of swap "
	       "(RLIMIT_MEMLOCK)");
	return flushed(EXIT_DONE);
}

static int run_check(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(config_freep) struct config *config = NULL;
	const char *const *words;

	int code = load(&cmd_secrets_check, argc, argv, &o, &config);
	if (code != 0)
		return code;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "secrets check: the name of one secret must be given; `mishri secrets list` shows them");
	struct secrets *secrets = config_secrets(config);
	const struct secret *s = secrets_find(secrets, words[0]);
	if (s == NULL)
		return no_secret(secrets, words[0]);
	secrets_fetch(secrets);
	return print_check(o, secrets, s);
}

const struct command cmd_secrets_list = {
	.name = "secrets list", .args = "", .about = "the secrets there are, and where they may be used",
	.options = rows, .option_count = COUNT(rows), .run = run_list,
	.examples = "  mishri secrets list --json\n",
};

const struct command cmd_secrets_check = {
	.name = "secrets check", .args = "NAME", .about = "can the value of a secret be had? It is not shown",
	.options = rows, .option_count = COUNT(rows), .run = run_check,
	.examples = "  mishri secrets check DEPLOY_TOKEN\n",
};
