/* cmd_chat.c - `mishri chat`: which conversation, and on which kind of terminal. The parts are opened as for a run. */
#include "cli/chat.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/carry.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--session", 0, "NAME", "the chat to begin or go on with: letters, digits, . _ -", false },
	{ "--resume", 0, "TASK", "go on with the conversation that a task belongs to", false },
	{ "--screen-reader", 0, NULL, "whole lines in and out, nothing is painted over", false },
	{ "--model", 'm', "PROVIDER/MODEL", "the model: openai/NAME, recorded/FILE, ...", false },
	{ "--fallback", 0, "PROVIDER/MODEL,...", "models that stand in when the model cannot be had; may be repeated", true },
	{ "--workspace", 'w', "DIR", "where it works (default: this directory)", false },
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--agent", 'a', "NAME", "the agent that answers (default: master, or worker without a plan)", false },
	{ "--plan", 0, "WHEN", "a master that may plan and delegate (auto), must (always), or one agent (never)", false },
	{ "--budget", 0, "USD", "US dollars that each message may spend at most: 2.50", false },
	{ "--max-turns", 0, "N", "calls of the model for each message at most", false },
	{ "--timeout", 0, "DURATION", "time for each message at most: 90s, 10m, 2h", false },
	{ "--isolation", 0, "LEVEL", "full (default), reduced or none", false },
	{ "--workspace-mode", 0, "MODE", "direct (default), overlay (changes wait for /apply or /undo) or readonly", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
	{ "--wait-for-approval", 0, NULL, "without a terminal, wait for `mishri approve` instead of taking an ask for a no", false },
	{ "--log-level", 0, "LEVEL", "operators' log on stderr: error (default), warning, info or debug", false },
	{ "--log-format", 0, "FORMAT", "its lines: text (default) or json", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key; may be repeated", true },
};

bool chat_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= LIMIT_CHAT_NAME_BYTES && name[0] != '-' && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static enum chat_face face_of(const struct options *o)
{
	const char *term = getenv("TERM");
	bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;

	if (!terminal || option_given(o, "--json"))
		return FACE_LINES;
	if (option_given(o, "--screen-reader") || term == NULL || strcmp(term, "dumb") == 0 || isatty(STDOUT_FILENO) != 1)
		return FACE_SPOKEN;
	return FACE_SCREEN;
}

/* As if what was said when it was begun had been said again, before what is said now. False: it is wrong together. */
static bool say_again(struct chat *c, int argc, char **argv, struct options **o)
{
	size_t count = json_array_size(c->begun), words = count + (size_t)argc;
	char **all = xcalloc(words + 1, sizeof *all);

	for (size_t i = 0; i < words; i++)
		all[i] = i < count ? (char *)json_string_value(json_array_get(c->begun, i)) : argv[i - count];
	options_freep(o);
	*o = NULL;
	int r = options_parse(&cmd_chat, (int)words, all, o);
	free(all);
	c->o = *o;
	return r == 0;
}

static int converse(struct chat *c, int argc, char **argv, struct options **o)
{
	c->o = *o;
	c->begun = option_given(*o, "--session") || option_given(*o, "--resume") ? chat_before(c) : json_array();
	int code = say_again(c, argc, argv, o) ? cli_converse(*o, c) : EXIT_USAGE;
	json_decref(TAKE(c->begun));
	return code;
}

static int chat(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct chat c = { 0 };
	char id[ID_LEN + 1];

	if (options_parse(&cmd_chat, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_given(o, "--session") && option_given(o, "--resume"))
		return complain(EXIT_USAGE, "chat: --session names a conversation and --resume a task of one; give one of them");
	id_new(id);
	AUTO(freep) char *fresh = xasprintf("chat-%.6s", id);
	const char *name = option_text(o, "--session", fresh);
	if (!chat_name_valid(name))
		return complain(EXIT_USAGE, "chat: --session '%.70s' is no name: right are up to %d letters, digits, '.', '_' and '-', and a "
		                "letter or digit first", name, LIMIT_CHAT_NAME_BYTES);
	c.face = face_of(o);
	snprintf(c.name, sizeof c.name, "%s", name);
	return converse(&c, argc, argv, &o);
}

/* A task's id or "last" means its conversation; anything else is a name. */
int chat_choose(struct chat *c, const char *name, struct err *err)
{
	AUTO(task_row_done) struct task_row row = { 0 };
	char task[ID_LEN + 1];

	if (!chat_name_valid(name))
		return err_set(err, EINVAL, "'%.70s' is no name of a chat: right are letters, digits, '.', '_' and '-'", name);
	AUTO(freep) char *own = xstrdup(name); /* it may be the name that it has */
	snprintf(c->name, sizeof c->name, "%s", own);
	if ((!id_valid(own) && strcmp(own, "last") != 0) || store_task_find(c->s->store, own, task, NULL) < 0) {
		carry_session(c->s->user, own, c->session);
		return 0;
	}
	int r = store_task_get(c->s->store, task, &row, err);
	if (r < 0)
		return r;
	snprintf(c->session, sizeof c->session, "%s", row.session);
	snprintf(c->name, sizeof c->name, "%s", row.task);
	return 0;
}

const struct command cmd_chat = {
	.name = "chat", .args = "", .about = "a conversation in the terminal", .options = options, .option_count = COUNT(options),
	.run = chat,
	.examples = "  mishri chat -m openai/gpt-5 --session fix-tests\n"
	            "  mishri chat --session fix-tests          # go on with it, also after a crash\n"
	            "  printf 'what is here?\\n/cost\\n' | mishri chat -m openai/gpt-5\n",
};
