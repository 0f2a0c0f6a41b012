/* cmd_config.c - `mishri config`: every setting with where it came from, as a run here would get it. */
#include "cli/common.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/agents.h"
#include "engine/config.h"
#include "engine/dirs.h"
#include "tools/tool.h"
#include "base/banned.h"

static const struct option_row rows[] = {
	{ "--config", 'c', "KEY=VALUE", "set a key for this run; may be repeated", true },
	{ "--workspace", 'w', "DIR", "whose .mishri/config.yaml counts, if it is trusted (.)", false },
};

static int load(const struct options *o, const char *data, struct config **ret, struct err *err)
{
	AUTO(config_freep) struct config *config = NULL;
	const char *pairs[REPEAT_MOST];
	size_t count = option_all(o, "--config", pairs, COUNT(pairs));
	const char *workspace = option_text(o, "--workspace", NULL);

	AUTO(freep) char *resolved = NULL;

	int r = workspace != NULL ? cli_workspace(workspace, &resolved, err) : 0;
	if (r == 0)
		r = cli_own_tools(o, workspace != NULL ? workspace : ".", err);
	if (r < 0)
		return r;
	r = config_load_usual(data, workspace != NULL ? workspace : ".", option_given(o, "--no-user-config"),
	                          &config, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = config_set_pair(config, pairs[i], err);
	if (r == 0 && workspace != NULL)
		r = config_set(config, "workspace", workspace, "--workspace", err);
	if (r == 0)
		*ret = TAKE(config);
	return r;
}

/* Values come from files that others may have written: nothing in them may act on the terminal. */
static void print_row(const char *name, const char *value, const char *origin, bool locked)
{
	AUTO(buf_done) struct buf shown = BUF_INIT(MIB(1));

	buf_printf(&shown, "%-14s %-24s %s%s", name, value != NULL ? value : "-", origin, locked ? " (locked)" : "");
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(4));
	sanitize_text(buf_str(&shown), &clean);
	puts(buf_text(&clean));
}

static bool is_trusted(const struct options *o, const char *data)
{
	return trust_check(data, option_text(o, "--workspace", "."));
}

static const char *data_origin(const struct options *o)
{
	const char *variable = getenv("MISHRI_DATA");

	if (option_given(o, "--data"))
		return "--data";
	return variable != NULL && variable[0] != '\0' ? "MISHRI_DATA" : "built-in";
}

/* One line: what is set, nothing of the rest. */
static void print_agent(const struct agents *agents, size_t i, const struct agent_profile *p)
{
	AUTO(buf_done) struct buf about = BUF_INIT(MIB(1));
	AUTO(freep) char *name = xasprintf("agent %s", p->name);
	char span[32];

	buf_add_text(&about, p->role);
	if (p->model != NULL)
		buf_printf(&about, ", %s", p->model);
	for (size_t k = 0; k < p->tool_count; k++)
		buf_printf(&about, "%s%s", k == 0 ? ", tools " : " ", p->tools[k]);
	if (p->tools != NULL && p->tool_count == 0)
		buf_add_text(&about, ", no tools");
	if (p->turns > 0)
		buf_printf(&about, ", %lld turns", (long long)p->turns);
	if (p->slots > 0)
		buf_printf(&about, ", %lld at once", (long long)p->slots);
	if (p->timeout_ms > 0)
		buf_printf(&about, ", %s", clock_span(p->timeout_ms, span, sizeof span));
	if (p->prompt != NULL)
		buf_add_text(&about, ", own prompt");
	print_row(name, buf_text(&about), agents_origin(agents, i), false);
}

static void print_text(const struct options *o, const struct config *config, const char *data)
{
	const struct config_key *key;

	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++)
		print_row(key->name, config_text(config, key->name), config_origin(config, key->name),
		          config_locked(config, key->name));
	print_row("data", data, data_origin(o), false);
	print_row("trusted", is_trusted(o, data) ? "yes" : "no", "data/trusted", false);
	size_t count;
	const struct agent_profile *agents = agents_all(config_agents(config), &count);
	for (size_t i = 0; i < count; i++)
		print_agent(config_agents(config), i, &agents[i]);
}

static void print_json(const struct options *o, const struct config *config, const char *data)
{
	AUTO(json_decrefp) json_t *all = config_json(config);
	json_t *one = json_object();

	json_put_text(one, "value", data);
	json_put_text(one, "origin", data_origin(o));
	json_put_bool(one, "locked", false);
	json_put(all, "data", one);
	json_put(all, "trusted", json_pack("{s:b, s:s, s:b}", "value", is_trusted(o, data), "origin", "data/trusted", "locked", 0));
	json_put(all, "agents", agents_json(config_agents(config)));
	AUTO(freep) char *text = json_text(all);
	puts(text);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(config_freep) struct config *config = NULL;
	AUTO(freep) char *data = NULL;
	const char *const *words;
	struct err err;

	if (options_parse(&cmd_config, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 0)
		return complain(EXIT_USAGE, "config: '%s' is one word too many; `-c KEY=VALUE` sets a key", words[0]);
	if (dirs_data(option_text(o, "--data", NULL), &data, &err) < 0 || load(o, data, &config, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (config_untrusted(config) != NULL)
		complain(0, "%s is not read: this directory is not trusted", config_untrusted(config));
	if (option_given(o, "--json"))
		print_json(o, config, data);
	else
		print_text(o, config, data);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_config = {
	.name = "config",
	.args = "",
	.about = "every setting and where it comes from",
	.options = rows,
	.option_count = COUNT(rows),
	.examples = "  mishri config -c max_turns=20\n  mishri config --json\n",
	.run = run,
};
