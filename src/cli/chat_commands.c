/* chat_commands.c - the lines that begin with a slash. Most are a command of the command line, about the task of this chat;
 * what it prints goes above the block. None reaches the model. */
#include "cli/chat.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/capture.h"
#include "engine/carry.h"
#include "tools/tool.h"

#include "base/banned.h"

/* ---- what the command line has, too ---- */

static void show_command(struct chat *c, const struct command *command, const char *const *more, size_t count)
{
	const char *words[16];
	size_t n = 0, len;
	AUTO(freep) char *out = NULL;
	AUTO(freep) char *complaint = NULL;

	if (option_given(c->o, "--data")) {
		words[n++] = "--data";
		words[n++] = option_text(c->o, "--data", "");
	}
	if (option_given(c->o, "--no-user-config"))
		words[n++] = "--no-user-config";
	if (!cli_color(c->o, STDERR_FILENO))
		words[n++] = "--no-color";
	for (size_t i = 0; i < count && n < COUNT(words); i++)
		words[n++] = more[i];
	int code = command_capture(command, words, n, &out, &len, &complaint);
	if (len > 0 && c->face == FACE_LINES)
		fwrite(out, 1, len, stdout);
	else if (len > 0)
		chat_show(c, (struct str){ out, len });
	if (code != EXIT_DONE && complaint[0] != '\0')
		chat_tell(c, "%s", complaint);
	else if (len == 0)
		chat_tell(c, "There is nothing to show.");
}

static bool has_task(struct chat *c)
{
	if (c->task[0] == '\0')
		chat_tell(c, "Nothing was done in this chat yet.");
	return c->task[0] != '\0';
}

static void about_task(struct chat *c, const struct command *command)
{
	const char *words[] = { "--", c->task };

	if (has_task(c))
		show_command(c, command, words, COUNT(words));
}

static void on_tree(struct chat *c, const char *rest) { (void)rest; about_task(c, &cmd_tree); }
static void on_diff(struct chat *c, const char *rest) { (void)rest; about_task(c, &cmd_diff); }
static void on_approvals(struct chat *c, const char *rest) { (void)rest; show_command(c, &cmd_approvals, NULL, 0); }
static void on_tools(struct chat *c, const char *rest) { (void)rest; show_command(c, &cmd_tools_list, NULL, 0); }

static void on_cost(struct chat *c, const char *rest)
{
	const char *words[] = { "--session", c->session };

	(void)rest;
	if (has_task(c) && c->face == FACE_LINES)
		show_command(c, &cmd_cost, words, COUNT(words));
	else if (c->task[0] != '\0')
		chat_cost(c);
}

static void on_policy(struct chat *c, const char *rest)
{
	const char *words[12];
	size_t n = 0;

	(void)rest;
	words[n++] = "-w";
	words[n++] = c->spec->workspace;
	for (size_t i = 0; i < c->spec->policy_count && n + 2 < COUNT(words); i++) {
		words[n++] = "-p";
		words[n++] = c->spec->policies[i];
	}
	show_command(c, &cmd_policy_show, words, n);
}

/* ---- the plan, from the events of the newest task ---- */

static void on_plan(struct chat *c, const char *rest)
{
	AUTO(task_freep) struct task *t = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	struct err err = ERR_NONE;
	json_t *step;
	size_t i;

	(void)rest;
	if (!has_task(c))
		return;
	if (engine_load(c->s->store, c->task, &t, &err) < 0) {
		chat_tell(c, "%s", err.text);
		return;
	}
	json_array_foreach(t->plan, i, step) {
		AUTO(buf_done) struct buf title = BUF_INIT(KIB(64));
		sanitize_shown(str_of(json_get_text(step, "title", "")), &title);
		buf_printf(&text, "  %-8s %s\n", json_get_text(step, "state", ""), buf_text(&title));
	}
	if (text.len > 0)
		chat_show(c, buf_str(&text));
	else
		chat_tell(c, "There is no plan: the agent made none.");
}

/* ---- changes ---- */

static bool is_layered(const struct chat *c)
{
	return c->spec->mode != NULL && strcmp(c->spec->mode, "overlay") == 0;
}

static void on_undo(struct chat *c, const char *rest)
{
	(void)rest;
	if (!is_layered(c))
		chat_tell(c, "There is nothing that can be undone: changes went to the workspace itself. With `mishri chat "
		          "--workspace-mode overlay` they stay in a layer until you take them.");
	else if (c->run != NULL)
		chat_tell(c, "The task still works; stop it with Esc, or wait.");
	else
		about_task(c, &cmd_drop);
}

static void on_apply(struct chat *c, const char *rest)
{
	(void)rest;
	if (!is_layered(c))
		chat_tell(c, "Changes go to the workspace itself: there is nothing to apply.");
	else if (c->run != NULL)
		chat_tell(c, "The task still works; stop it with Esc, or wait.");
	else
		about_task(c, &cmd_apply);
}

/* ---- the conversation ---- */

static void on_model(struct chat *c, const char *name)
{
	struct llm_model *model = NULL;
	char by[256];
	struct decision d;
	struct err err = ERR_NONE;
	struct facts facts = { .user = c->s->user, .role = c->spec->role, .agent = c->spec->agent, .channel = "cli",
	                       .workspace = c->spec->workspace, .time_us = clock_wall_us() };
	struct action action = { .kind = ACTION_MODEL };

	if (name[0] == '\0') {
		chat_tell(c, "The model is %s. Another one: /model PROVIDER/MODEL", c->model_name != NULL ? c->model_name : c->spec->model);
		return;
	}
	if (engine_model(c->s->engine, name, &model, &err) < 0) {
		chat_tell(c, "%s", err.text);
		return;
	}
	action.model.provider = llm_model_provider(model);
	action.model.model = llm_model_name(model);
	policy_decide(c->s->policy, &action, &facts, &d);
	if (!policy_leaves_model(c->s->policy, &d)) {
		chat_tell(c, "The model %s is not allowed here by %s: %s", name, decision_by(&d, by, sizeof by), d.reason);
	} else if (engine_check_budgets(c->s->policy, c->s->prices, model, c->spec->budget_nanos, &err) < 0) {
		chat_tell(c, "%s", err.text);
	} else {
		free(c->model_name);
		c->model_name = xstrdup(name);
		c->model = model;
		chat_tell(c, "From the next message on: %s", name);
	}
}

static bool works(struct chat *c)
{
	if (c->run != NULL)
		chat_tell(c, "The task still works; stop it with Esc Esc, or wait.");
	return c->run != NULL;
}

static void on_clear(struct chat *c, const char *rest)
{
	char id[ID_LEN + 1];

	(void)rest;
	if (works(c))
		return;
	id_new(id);
	snprintf(c->name, sizeof c->name, "chat-%.6s", id);
	carry_session(c->s->user, c->name, c->session);
	c->task[0] = '\0';
	c->chat_nanos = 0;
	chat_tell(c, "A new conversation, %s. The old one stays where it was.", c->name);
}

static void on_resume(struct chat *c, const char *name)
{
	struct err err = ERR_NONE;
	char before[ID_LEN + 1], old[sizeof c->name];

	if (works(c))
		return;
	memcpy(before, c->session, sizeof before);
	memcpy(old, c->name, sizeof old);
	if (name[0] != '\0' && chat_choose(c, name, &err) < 0)
		chat_tell(c, "%s", err.text);
	else if (chat_go_on(c, &err) == -ENOENT)
		chat_tell(c, "There is no chat of that name yet; your next message begins it.");
	else if (err.code != 0)
		chat_tell(c, "%s", err.text);
	else
		chat_tell(c, "This is chat %s%s.", c->name, c->run != NULL ? "; it goes on with what was not finished" : "");
	AUTO(freep) char *elsewhere = err.code == 0 ? chat_other_workspace(c) : NULL;
	if (elsewhere != NULL) {
		AUTO(buf_done) struct buf clean = BUF_INIT(KIB(64));
		sanitize_shown(str_of(elsewhere), &clean);
		chat_tell(c, "It was in %s; your next message works in %s, under the policy and model of the chat you came from.",
		          buf_text(&clean), c->spec->workspace);
	}
	if (err.code != 0 && err.code != ENOENT) {
		memcpy(c->session, before, sizeof before);
		memcpy(c->name, old, sizeof old);
	}
}

static void on_queue(struct chat *c, const char *rest)
{
	if (rest[0] == '\0') {
		chat_tell(c, "%zu waiting. /queue TEXT says it when the task is over.", json_array_size(c->queue));
		return;
	}
	json_array_append_new(c->queue, json_of_str(str_of(rest)));
	chat_next(c);
}

static void on_exit_command(struct chat *c, const char *rest) { (void)rest; chat_end(c); }
static void on_stop(struct chat *c, const char *rest) { (void)rest; chat_stop(c, c->stopped); }
static void on_help(struct chat *c, const char *rest);

static const struct {
	const char *name, *args, *about;
	void (*act)(struct chat *c, const char *rest);
} commands[] = {
	{ "/help", "", "this list", on_help },
	{ "/plan", "", "the steps, and how far they are", on_plan },
	{ "/tree", "", "the task and its parts", on_tree },
	{ "/cost", "", "what this chat cost", on_cost },
	{ "/approvals", "", "what waits for an answer", on_approvals },
	{ "/policy", "", "what is allowed", on_policy },
	{ "/tools", "", "what the agent can call", on_tools },
	{ "/diff", "", "what changed, with --workspace-mode overlay", on_diff },
	{ "/apply", "", "take these changes", on_apply },
	{ "/undo", "", "throw them away", on_undo },
	{ "/queue", "TEXT", "say it when the task is over", on_queue },
	{ "/stop", "", "as Esc: stop what runs; twice: end the task", on_stop },
	{ "/model", "NAME", "another model from the next message on", on_model },
	{ "/resume", "[NAME]", "go on with another chat, or with what was left", on_resume },
	{ "/clear", "", "a new conversation", on_clear },
	{ "/exit", "", "leave; what works can be resumed", on_exit_command },
};

static void on_help(struct chat *c, const char *rest)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(8));

	(void)rest;
	for (size_t i = 0; i < COUNT(commands); i++)
		buf_printf(&text, "  %-10s %-7s %s\n", commands[i].name, commands[i].args, commands[i].about);
	buf_add_text(&text, "  While it works, what you write is told to it. Esc stops it, Esc again ends it; Ctrl-C twice leaves.\n"
	                    "  Enter sends; a backslash before it, Alt-Enter or Ctrl-J begins a new line; Ctrl-R searches.\n");
	chat_show(c, buf_str(&text));
}

void chat_command(struct chat *c, struct str text)
{
	const char *names[COUNT(commands)];
	size_t len = 0;

	while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\n')
		len++;
	struct str tail = str_trim(str_skip(text, len));
	AUTO(freep) char *name = xstrndup(text.ptr, len), *rest = xstrndup(tail.ptr, tail.len);
	if (strcmp(name, "/quit") == 0)
		memcpy(name, "/exit", 5);
	for (size_t i = 0; i < COUNT(commands); i++) {
		names[i] = commands[i].name;
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (rest[0] != '\0' && commands[i].args[0] == '\0')
			chat_tell(c, "%s takes nothing behind it.", commands[i].name);
		else
			commands[i].act(c, rest);
		return;
	}
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(4));
	sanitize_shown((struct str){ name, MIN(len, (size_t)40) }, &clean);
	const char *near = name_nearest(names, COUNT(commands), name);
	chat_tell(c, "There is no command %s%s%s. /help lists what there is.", buf_text(&clean), near != NULL ? "; did you mean " : "",
	          near != NULL ? near : "");
	if (c->face == FACE_LINES)
		c->exit = EXIT_USAGE;
}

struct fitting { const char *begin; struct buf all; char *last; size_t count; };

static void note_fitting(void *userdata, const char *name, const char *goal UNUSED)
{
	struct fitting *f = userdata;

	if (!str_starts(str_of(name), str_of(f->begin)))
		return;
	buf_printf(&f->all, "  %s", name);
	free(f->last);
	f->last = xstrdup(name);
	f->count++;
}

/* "/resume fix" → the chat of that name. */
static void complete_name(struct chat *c, const char *begin)
{
	struct fitting f = { .begin = begin, .all = BUF_INIT(KIB(16)) };

	chat_names(c->s->store, c->s->user, note_fitting, &f);
	buf_add_char(&f.all, '\n');
	if (f.count == 1) {
		AUTO(freep) char *whole = xasprintf("/resume %s", f.last);
		lineedit_set(c->line, str_of(whole));
	} else if (f.count > 1) {
		chat_show(c, buf_str(&f.all));
	}
	free(f.last);
	buf_done(&f.all);
}

/* The one command that begins like this; or those that do, above the block. */
void chat_complete(struct chat *c)
{
	struct str text = lineedit_text(c->line);
	AUTO(freep) char *line = xstrndup(text.ptr, text.len);

	if (str_starts(text, STR("/resume "))) {
		complete_name(c, line + strlen("/resume "));
		return;
	}
	AUTO(buf_done) struct buf all = BUF_INIT(KIB(4));
	size_t found = 0, last = 0;

	if (text.len == 0 || *text.ptr != '/' || memchr(text.ptr, ' ', text.len) != NULL)
		return;
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!str_starts(str_of(commands[i].name), text))
			continue;
		buf_printf(&all, "  %s", commands[i].name);
		found++;
		last = i;
	}
	buf_add_char(&all, '\n');
	if (found == 1) {
		AUTO(freep) char *whole = xasprintf("%s%s", commands[last].name, commands[last].args[0] != '\0' ? " " : "");
		lineedit_set(c->line, str_of(whole));
	} else if (found > 1) {
		chat_show(c, buf_str(&all));
	}
}

bool chat_changes_wait(struct chat *c)
{
	const char *words[] = { "--data", option_text(c->o, "--data", ""), "--json", "--stat", "--", c->task };
	size_t from = option_given(c->o, "--data") ? 0 : 2, len;
	AUTO(freep) char *out = NULL;
	AUTO(freep) char *complaint = NULL;
	AUTO(json_decrefp) json_t *found = NULL;

	if (!is_layered(c) || c->task[0] == '\0' ||
	    command_capture(&cmd_diff, words + from, COUNT(words) - from, &out, &len, &complaint) != EXIT_DONE)
		return false;
	return json_parse((struct str){ out, len }, &found, NULL) == 0 && json_array_size(json_object_get(found, "changes")) > 0;
}
