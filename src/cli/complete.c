/* complete.c - candidates for the completions of shells, from the tables of commands, options and keys, and from what there
 * is: tasks, approvals, schedules, agents, tools. It asks no server, runs no command of the configuration, changes nothing. */
#include "cli/complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/chat.h"
#include "engine/secrets.h"
#include "policy/files.h"
#include "store/schedules.h"
#include "store/tokens.h"
#include "tools/tool.h"

#include "base/banned.h"

enum { ABOUT_BYTES = 60, SEEN_BYTES = KIB(64), READY_MOST = 16 };

/* What is being completed. */
struct line {
	const struct command *command;
	char *const *words;            /* those before the one that is typed, behind the command's own */
	int count;
	const char *typed;             /* the value as far as it is typed */
	const char *prefix;            /* "--plan=", or "" */
	struct buf *ret;
	struct buf seen;               /* "\nWORD\n": what was offered */
};

static bool harmless(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:=@%+,-";

	return word[0] != '\0' && strspn(word, safe) == strlen(word);
}

static void offer(struct line *l, const char *word, const char *about)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(64));
	AUTO(freep) char *mark = xasprintf("\n%s\n", word);
	struct str first = str_of(about), line;

	if (strncmp(word, l->typed, strlen(l->typed)) != 0 || !harmless(word) || strstr(buf_text(&l->seen), mark) != NULL)
		return;
	buf_add_text(&l->seen, mark);
	if (!str_next(&first, '\n', &line))
		line = STR("");
	sanitize_shown((struct str){ line.ptr, MIN(line.len, (size_t)4 * ABOUT_BYTES) }, &clean);
	size_t keep = 0, taken = 0;
	while (keep < clean.len && taken++ < ABOUT_BYTES)
		keep += MAX(utf8_length((const unsigned char *)buf_text(&clean) + keep, clean.len - keep), 1);
	buf_printf(l->ret, "%s%s", l->prefix, word);
	if (keep > 0) {
		buf_add_char(l->ret, '\t');
		for (size_t i = 0; i < keep; i++)
			buf_add_char(l->ret, buf_text(&clean)[i] == '\t' ? ' ' : buf_text(&clean)[i]);
	}
	buf_add_char(l->ret, '\n');
}

static void offer_words(struct line *l, const char *words)
{
	struct str rest = str_of(words), one;

	while (str_next(&rest, ' ', &one)) {
		AUTO(freep) char *word = xstrndup(one.ptr, one.len);
		offer(l, word, "");
	}
}

/* ---- what there is ---- */

/* The value of an option among the words; NULL. */
static const char *given(const struct line *l, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < l->count; i++) {
		if (strcmp(l->words[i], name) == 0 && i + 1 < l->count)
			return l->words[i + 1];
		if (strncmp(l->words[i], name, len) == 0 && l->words[i][len] == '=')
			return l->words[i] + len + 1;
	}
	return NULL;
}

/* The options that say where things are kept. */
static int places(const struct line *l, struct options **ret)
{
	const char *data = given(l, "--data");
	char name[] = "--data", *argv[] = { name, (char *)data };

	return options_parse(&cmd_version, data != NULL ? 2 : 0, argv, ret);
}

static struct store *store_of(const struct line *l)
{
	AUTO(options_freep) struct options *o = NULL;
	struct store *store = NULL;
	struct err err = ERR_NONE;

	if (places(l, &o) < 0 || cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return NULL;
	return store;
}

static struct config *config_of(const struct line *l)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *workspace = NULL;
	struct config *config = NULL;
	struct err err = ERR_NONE;
	bool usage;
	const char *where = given(l, "--workspace");

	if (where == NULL)
		where = given(l, "-w");
	if (places(l, &o) < 0 || cli_workspace(where != NULL ? where : ".", &workspace, &err) < 0)
		return NULL;
	return cli_config(o, workspace, NULL, 0, &config, &usage, &err) < 0 ? NULL : config;
}

static void offer_task(void *userdata, const struct task_row *row)
{
	offer(userdata, row->task, row->goal);
}

static void offer_session(void *userdata, const struct task_row *row)
{
	offer(userdata, row->session, row->goal);
}

static void offer_model_of(void *userdata, const struct task_row *row)
{
	offer(userdata, row->model, "of an earlier task");
}

static void from_tasks(struct line *l, void (*visit)(void *userdata, const struct task_row *row), const char *states)
{
	AUTO(store_closep) struct store *store = store_of(l);
	struct str rest = str_of(states), one;
	struct err err = ERR_NONE;

	while (store != NULL && str_next(&rest, ' ', &one)) {
		AUTO(freep) char *state = xstrndup(one.ptr, one.len);
		const struct task_filter filter = { .state = state, .limit = COMPLETE_MOST };
		(void)!store_tasks(store, &filter, visit, l, &err);
	}
}

static void tasks(struct line *l)
{
	static const struct { const char *command, *states; } rows[] = {
		{ "cancel", "running parked paused" }, { "pause", "running" }, { "resume", "paused parked running" },
		{ "steer", "running parked paused" }, { "answer", "running parked paused" }, { "priority", "running parked paused" },
		{ "run", "paused parked running" },
	};
	const char *states = "running paused parked done failed denied cancelled";

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].command, l->command->name) == 0)
			states = rows[i].states;
	from_tasks(l, offer_task, states);
	if (strcmp(l->command->name, "run") != 0)
		offer(l, "last", "the newest");
}

static void sessions(struct line *l)
{
	from_tasks(l, offer_session, "running paused parked done failed");
}

static void offer_chat(void *userdata, const char *name, const char *goal)
{
	offer(userdata, name, goal);
}

static void chats(struct line *l)
{
	AUTO(store_closep) struct store *store = store_of(l);
	AUTO(options_freep) struct options *o = NULL;
	char user[USER_LEN + 1];

	if (store != NULL && places(l, &o) == 0 && cli_user(o, user, NULL) == 0)
		chat_names(store, user, offer_chat, l);
}

static void models(struct line *l)
{
	struct config *config = config_of(l);
	size_t count = 0;

	if (config != NULL) {
		const struct agent_profile *all = agents_all(config_agents(config), &count);
		const char *model = config_text(config, "model");
		if (model != NULL)
			offer(l, model, "of the configuration");
		for (size_t i = 0; i < count; i++)
			if (all[i].model != NULL)
				offer(l, all[i].model, all[i].name);
		config_free(config);
	}
	from_tasks(l, offer_model_of, "running done failed");
	offer_words(l, "openai/ anthropic/ openrouter/ ollama/ recorded/");
}

static void agents(struct line *l)
{
	struct config *config = config_of(l);
	size_t count = 0;

	if (config != NULL) {
		const struct agent_profile *all = agents_all(config_agents(config), &count);
		for (size_t i = 0; i < count; i++)
			offer(l, all[i].name, all[i].role);
		config_free(config);
	}
	offer(l, "master", "plans and delegates");
	offer(l, "worker", "does the work itself");
}

/* The tools by manifest are known once the configuration is read. */
static void tools(struct line *l)
{
	const struct tool *tool;

	config_free(config_of(l));
	for (size_t i = 0; (tool = tool_at(i)) != NULL; i++)
		offer(l, tool->name, tool->about);
}

static void secrets(struct line *l)
{
	struct config *config = config_of(l);

	for (size_t i = 0; config != NULL && i < secrets_count(config_secrets(config)); i++)
		offer(l, secrets_at(config_secrets(config), i)->name, "");
	config_free(config);
}

static void keys(struct line *l)
{
	const struct config_key *key;

	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
		AUTO(freep) char *word = xasprintf("%s=", key->name);
		offer(l, word, key->about);
		struct str rest = str_of(key->choices), one;
		while (strncmp(l->typed, word, strlen(word)) == 0 && str_next(&rest, ' ', &one)) {
			AUTO(freep) char *whole = xasprintf("%s%.*s", word, STR_ARG(one));
			offer(l, whole, "");
		}
	}
}

static void offer_approval(void *userdata, const struct approval_row *row)
{
	offer(userdata, row->approval, row->kind);
}

static void approvals(struct line *l)
{
	AUTO(store_closep) struct store *store = store_of(l);
	struct err err = ERR_NONE;

	if (store != NULL)
		(void)!store_approvals(store, true, COMPLETE_MOST, offer_approval, l, &err);
}

static void offer_grant(void *userdata, const struct grant_row *row)
{
	if (row->revoked_us == 0)
		offer(userdata, row->grant, row->scope);
}

static void grants(struct line *l)
{
	AUTO(store_closep) struct store *store = store_of(l);
	struct err err = ERR_NONE;

	if (store != NULL)
		(void)!store_grants(store, COMPLETE_MOST, offer_grant, l, &err);
}

static void offer_schedule(void *userdata, const struct schedule_row *row)
{
	offer(userdata, row->name, row->state);
}

static void schedules(struct line *l)
{
	AUTO(store_closep) struct store *store = store_of(l);
	struct err err = ERR_NONE;

	if (store != NULL)
		(void)!store_schedules(store, offer_schedule, l, &err);
}

static void offer_token(void *userdata, const struct token_row *row)
{
	if (row->revoked_us == 0)
		offer(userdata, row->name, row->role);
}

static void tokens(struct line *l)
{
	AUTO(store_closep) struct store *store = store_of(l);
	struct err err = ERR_NONE;

	if (store != NULL)
		(void)!store_tokens(store, offer_token, l, &err);
}

static void ready_policies(struct line *l)
{
	char names[READY_MOST][POLICY_NAME_BYTES];
	size_t count = policy_ready_names(names, READY_MOST);

	for (size_t i = 0; i < count; i++)
		offer(l, names[i], "");
}

static void policy_files(struct line *l)
{
	char names[READY_MOST][POLICY_NAME_BYTES];
	size_t count = policy_ready_names(names, READY_MOST);

	for (size_t i = 0; i < count; i++) {
		AUTO(freep) char *word = xasprintf("builtin:%s", names[i]);
		offer(l, word, "ready-made");
	}
	buf_add_text(l->ret, ":files\n");
}

static void event_types(struct line *l)
{
	for (int type = 0; type < EVENT_TYPES; type++)
		offer(l, event_name((enum event_type)type), event_about((enum event_type)type));
}

static void files(struct line *l)
{
	buf_add_text(l->ret, ":files\n");
}

static void directories(struct line *l)
{
	buf_add_text(l->ret, ":directories\n");
}

static void commands(struct line *l)
{
	const struct command_row *r;
	const char *family = "";

	for (size_t i = 0; (r = command_row_at(i)) != NULL; i++) {
		if (r->family != NULL) {
			family = r->family;
			offer(l, family, r->about);
		}
		if (r->command != NULL && strchr(r->command->name, ' ') == NULL)
			offer(l, r->command->name, r->command->about);
	}
}

/* The second words of a family. */
static bool family(struct line *l, const char *first)
{
	const struct command *c;
	size_t len = strlen(first);
	bool any = false;

	for (size_t i = 0; (c = command_at(i)) != NULL; i++) {
		if (strncmp(c->name, first, len) != 0 || c->name[len] != ' ')
			continue;
		offer(l, c->name + len + 1, c->about);
		any = true;
	}
	return any;
}

/* ---- which of it ---- */

/* Rows in order; command and option NULL: any; option "": a word that is no option. value: what it is called in help. */
static const struct {
	const char *command, *option, *value;
	void (*list)(struct line *l);
	const char *words;
} sources[] = {
	{ NULL, "--isolation", NULL, NULL, "full reduced none" },
	{ NULL, "--plan", NULL, NULL, "auto always never" },
	{ NULL, "--workspace-mode", NULL, NULL, "direct overlay readonly" },
	{ NULL, "--output-format", NULL, NULL, "text json stream-json" },
	{ NULL, "--log-level", NULL, NULL, "error warning info debug" },
	{ NULL, "--log-format", NULL, NULL, "text json" },
	{ NULL, "--effect", NULL, NULL, "allow ask deny" },
	{ NULL, "--overlap", NULL, NULL, "skip queue cancel-previous allow" },
	{ NULL, "--scheme", NULL, NULL, "http https tcp" },
	{ NULL, "--remember", NULL, NULL, "task session" },
	{ "cost", "--by", NULL, NULL, "task session user model day" },
	{ "trace", "--format", NULL, NULL, "text json dot mermaid html perfetto otlp" },
	{ "metrics", "--format", NULL, NULL, "prometheus openmetrics" },
	{ "history", "--state", NULL, NULL, "running parked paused done failed denied cancelled" },
	{ "vacuum", "--state", NULL, NULL, "done failed denied cancelled" },
	{ "token add", "--role", NULL, NULL, "viewer auditor operator approver admin" },
	{ "completion", "", NULL, NULL, "bash zsh fish" },
	{ "init", "--policy", NULL, ready_policies, NULL },
	{ NULL, "--policy", NULL, policy_files, NULL },
	{ NULL, "--agent", NULL, agents, NULL },
	{ NULL, "--tool", NULL, tools, NULL },
	{ NULL, "--secret", NULL, secrets, NULL },
	{ "chat", "--session", NULL, chats, NULL },
	{ NULL, "--session", NULL, sessions, NULL },
	{ NULL, "--type", NULL, event_types, NULL },
	{ NULL, "--config", NULL, keys, NULL },
	{ NULL, "--model", "PROVIDER/MODEL", models, NULL },
	{ NULL, "--fallback", NULL, models, NULL },
	{ "approve", "", "ID", approvals, NULL },
	{ "deny", "", "ID", approvals, NULL },
	{ "revoke", "", "ID", grants, NULL },
	{ "token revoke", "", "NAME", tokens, NULL },
	{ "secrets check", "", "NAME", secrets, NULL },
	{ "tools show", "", "NAME", tools, NULL },
	{ "tools check", "", "NAME", tools, NULL },
	{ "policy show", "", "NAME", ready_policies, NULL },
	{ "schedule show", "", "NAME", schedules, NULL },
	{ "schedule pause", "", "NAME", schedules, NULL },
	{ "schedule resume", "", "NAME", schedules, NULL },
	{ "schedule run", "", "NAME", schedules, NULL },
	{ "schedule remove", "", "NAME", schedules, NULL },
	{ "help", "", "COMMAND", commands, NULL },
	{ NULL, NULL, "TASK", tasks, NULL },
	{ NULL, NULL, "DIR", directories, NULL },
	{ NULL, NULL, "FILE", files, NULL },
	{ NULL, NULL, "OLD", files, NULL },
	{ NULL, NULL, "NEW", files, NULL },
	{ NULL, NULL, "SCHEMA.json", files, NULL },
	{ NULL, NULL, "PROGRAM", files, NULL },
	{ NULL, NULL, "ARG", files, NULL },
};

static void values(struct line *l, const char *option, const char *value)
{
	for (size_t i = 0; i < COUNT(sources); i++) {
		if ((sources[i].command != NULL && strcmp(sources[i].command, l->command->name) != 0) ||
		    (sources[i].option != NULL && strcmp(sources[i].option, option) != 0) ||
		    (sources[i].value != NULL && strcmp(sources[i].value, value) != 0))
			continue;
		if (sources[i].words != NULL)
			offer_words(l, sources[i].words);
		else
			sources[i].list(l);
		return;
	}
}

/* The word of `args` for the k-th word that is no option; the last one goes on where it ends in "...". */
static char *argument_name(const char *args, int k)
{
	struct str rest = str_of(args), one, last = STR("");

	for (int at = 0; str_next(&rest, ' ', &one);) {
		if (str_eq(one, STR("--")))
			continue;
		last = one;
		if (at++ == k)
			break;
		if (rest.len == 0 && memmem(one.ptr, one.len, "...", 3) == NULL)
			return xstrdup("");
	}
	while (last.len > 0 && strchr("[.", last.ptr[0]) != NULL)
		last = str_skip(last, 1);
	while (last.len > 0 && strchr("].", last.ptr[last.len - 1]) != NULL)
		last.len--;
	return xstrndup(last.ptr, last.len);
}

static const struct option_row *row_of(const struct command *c, const char *word, size_t len)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(c, i)) != NULL; i++)
		if ((strlen(row->name) == len && strncmp(row->name, word, len) == 0) ||
		    (len == 2 && word[0] == '-' && word[1] != '-' && row->short_name == word[1]))
			return row;
	return NULL;
}

static void option_names(struct line *l)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(l->command, i)) != NULL; i++) {
		bool there = false;
		for (int k = 0; k < l->count && !row->repeat; k++)
			there |= strcmp(l->words[k], row->name) == 0;
		if (!there)
			offer(l, row->name, row->help);
	}
}

/* The words behind the command's own. */
static void argument(struct line *l)
{
	const struct option_row *pending = NULL;
	bool only_words = false;
	int positionals = 0;

	for (int i = 0; i < l->count; i++) {
		const char *word = l->words[i];
		if (pending != NULL) {
			pending = NULL;
		} else if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
		} else if (!only_words && word[0] == '-' && word[1] != '\0') {
			const struct option_row *row = row_of(l->command, word, strlen(word));
			pending = row != NULL && row->value != NULL ? row : NULL;
		} else {
			positionals++;
			only_words |= (l->command->flags & COMMAND_STOPS) != 0;
		}
	}
	const char *equals = strchr(l->typed, '=');
	if (pending != NULL) {
		values(l, pending->name, pending->value);
	} else if (!only_words && l->typed[0] == '-' && l->typed[1] == '-' && equals != NULL) {
		const struct option_row *row = row_of(l->command, l->typed, (size_t)(equals - l->typed));
		AUTO(freep) char *prefix = xstrndup(l->typed, (size_t)(equals - l->typed) + 1);
		l->prefix = prefix;
		l->typed = equals + 1;
		if (row != NULL && row->value != NULL)
			values(l, row->name, row->value);
	} else if (!only_words && l->typed[0] == '-') {
		option_names(l);
	} else {
		AUTO(freep) char *name = argument_name(l->command->args, positionals);
		values(l, "", name);
	}
}

void complete(int count, char **words, struct buf *ret)
{
	struct line l = { .typed = count > 0 ? words[count - 1] : "", .prefix = "", .ret = ret, .seen = BUF_INIT(SEEN_BYTES) };
	int used = 0;

	if (count <= 1) {
		commands(&l);
		if (l.typed[0] == '-')
			offer_words(&l, "--help --version");
	} else if ((l.command = command_find(count - 1, words, &used)) != NULL) {
		l.words = words + used;
		l.count = count - 1 - used;
		if (l.command == &cmd_help && l.count == 1 && family(&l, l.words[0]))
			l.count = 0;
		else
			argument(&l);
	} else if (count == 2) {
		(void)family(&l, words[0]);
	}
	buf_done(&l.seen);
}
