/* cmd_approvals.c - `mishri approvals`, `approve`, `deny`: what waits for a person, and the person's word from any
 * terminal. They write to the task's inbox and wait for what its engine makes of it; they decide nothing. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/ask_show.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"
#include "cli/visible.h"

#include "base/banned.h"

static const struct option_row list_rows[] = {
	{ "--all", 0, NULL, "those that were answered, too", false },
};
static const struct option_row approve_rows[] = {
	{ "--edit", 0, "JSON", "other arguments in the place of the model's; policy decides about them afresh", false },
	{ "--remember", 0, "SPAN", "task, session, or until a date: 7d, 2027-01-31; as far as the rule allows", false },
	{ "--digest", 0, "SHA-256", "only if this is what it is bound to, as `approvals --json` shows", false },
	{ "--user", 0, "NAME", "answer for this user (root only)", false },
};
static const struct option_row deny_rows[] = {
	{ "--reason", 0, "TEXT", "a sentence for the model", false },
	{ "--user", 0, "NAME", "answer for this user (root only)", false },
};

/* ---- the list ---- */

struct list {
	json_t *json;                  /* NULL: text */
	size_t count, width;
	bool colour;
};

static const char *state_of(const struct approval_row *row, int64_t now_us)
{
	if (strcmp(row->state, "pending") != 0)
		return row->state;
	if (approval_is_gone(row))
		return "gone";
	return row->expires_us > 0 && now_us >= row->expires_us ? "expired" : "pending";
}

static void add_json(json_t *list, const struct approval_row *row)
{
	json_t *o = json_object();

	json_put_text(o, "approval", row->approval);
	json_put_text(o, "task", row->task);
	json_put_text(o, "call", row->call);
	json_put_text(o, "kind", row->kind);
	json_put_text(o, "state", state_of(row, clock_wall_us()));
	json_put_text(o, "user", row->user);
	json_put_text(o, "goal", row->goal);
	json_put(o, "requested", json_time(row->requested_us));
	json_put(o, "expires", json_time(row->expires_us));
	json_put_int(o, "votes", row->votes);
	json_put_text(o, "voters", row->voters);
	json_put_text(o, "by", row->by[0] != '\0' ? row->by : NULL);
	json_put_bool(o, "engine", row->alive);
	static const char *const copied[] = { "action", "digest", "rule", "source", "reason", "terms", "question" };
	for (size_t i = 0; i < COUNT(copied); i++) {
		json_t *value = json_object_get(row->request, copied[i]);
		json_put(o, copied[i], value != NULL ? json_incref(value) : json_null());
	}
	json_t *shown = json_object(); /* for eyes: no character that hides or passes for another */
	json_put(shown, "goal", row->goal != NULL ? visible_json(json_object_get(o, "goal")) : json_null());
	static const char *const seen[] = { "action", "question", "reason" };
	for (size_t i = 0; i < COUNT(seen); i++)
		json_put(shown, seen[i], visible_json(json_object_get(o, seen[i])));
	json_put(o, "visible", shown);
	json_array_append_new(list, o);
}

/* Any words are an answer, but a yes. */
static void add_question(const struct list *list, const struct approval_row *row)
{
	bool waits = strcmp(row->state, "pending") == 0;

	printf("%s%s%s  %s%-9s%s asks: ", ink(list->colour, INK_BOLD), row->approval, ink(list->colour, INK_PLAIN),
	       ink(list->colour, waits ? INK_WARN : INK_FAINT), row->state, ink(list->colour, INK_PLAIN));
	print_line(json_get_text(row->request, "question", ""), 300);
	printf("\n    task %s, for %s", row->task, row->user);
	if (waits)
		printf("; answer with: mishri answer %s TEXT", row->approval);
	else if (row->by[0] != '\0')
		printf("; %s", row->by);
	if (waits && !row->alive)
		printf("; no engine runs it: mishri run --resume %s", row->task);
	putchar('\n');
}

static void add_text(struct list *list, const struct approval_row *row)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(64)), reason = BUF_INIT(KIB(8)), who = BUF_INIT(KIB(8));
	struct approval a;
	char span[32];
	const char *state = state_of(row, clock_wall_us());
	bool waits = strcmp(state, "pending") == 0;

	if (strcmp(row->kind, "question") == 0) {
		add_question(list, row);
		return;
	}
	approval_read(row->request, row->requested_us, &a);
	ask_line(a.action, list->width > 32 ? list->width - 32 : 40, &line);
	text_add(&reason, a.reason, 300);
	approval_who(&a, &who);
	printf("%s%s%s  %s%-9s%s %s\n", ink(list->colour, INK_BOLD), row->approval, ink(list->colour, INK_PLAIN),
	       ink(list->colour, waits ? INK_WARN : INK_FAINT), state, ink(list->colour, INK_PLAIN), buf_text(&line));
	printf("    by rule %s: %s\n", a.rule != NULL ? a.rule : "(default)", buf_text(&reason));
	printf("    task %s, for %s", row->task, row->user);
	if (waits) {
		AUTO(buf_done) struct buf people = BUF_INIT(KIB(8));
		text_add(&people, buf_text(&who), 200);
		printf("; wants %s", buf_text(&people));
		if (row->votes > 0)
			printf("; yes from %s", row->voters);
		if (row->expires_us > 0)
			printf("; expires in %s", clock_span((row->expires_us - clock_wall_us()) / 1000, span, sizeof span));
		if (!row->alive)
			printf("; no engine runs it: mishri run --resume %s", row->task);
	} else if (row->by[0] != '\0') {
		printf("; %s", row->by);
		if (row->reason[0] != '\0')
			fputs(": ", stdout), print_line(row->reason, 200);
	}
	putchar('\n');
	approval_done(&a);
}

static void add_row(void *userdata, const struct approval_row *row)
{
	struct list *list = userdata;

	list->count++;
	if (list->json != NULL)
		add_json(list->json, row);
	else
		add_text(list, row);
}

static int approvals(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_approvals, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "approvals: '%s' is one word too many; one of them is answered by `mishri approve %s`",
		                words[0], words[0]);
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r < 0 && r != -ENOENT)
		return complain(EXIT_FAILED, "%s", err.text);
	if (option_given(o, "--json"))
		json = json_array();
	struct list list = { .json = json, .width = text_width(STDOUT_FILENO), .colour = print_colour(o) };
	if (store != NULL && store_approvals(store, !option_given(o, "--all"), LIMIT_APPROVALS_SHOWN, add_row, &list, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (json != NULL)
		print_json(json);
	else if (list.count == 0)
		puts(option_given(o, "--all") ? "nobody was ever asked" : "nothing waits for a person");
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- an answer ---- */

struct wish {
	const struct command *command;
	const struct options *o;
	struct store *store;
	struct answer answer;
	json_t *args, *body;           /* body: the message, once it was judged */
	char user[USER_LEN + 1], id[ID_LEN + 1], word[ID_LEN + 1], task[ID_LEN + 1];
	bool alive, decided, counted;
	char *said;                    /* who decided, and how */
};

static void keep_id(void *userdata, const struct approval_row *row)
{
	json_array_append_new(userdata, json_string(row->approval));
}

/* One that is not there: the nearest of those that wait. */
static int no_such(const struct wish *w, const char *name, const struct err *why)
{
	AUTO(json_decrefp) json_t *ids = json_array();
	const char *names[64];
	size_t count = 0;

	if (why->code == EEXIST || store_approvals(w->store, true, COUNT(names), keep_id, ids, NULL) < 0)
		return complain(EXIT_USAGE, "%s: %s", w->command->name, why->text);
	for (size_t i = 0; i < json_array_size(ids) && count < COUNT(names); i++)
		names[count++] = json_string_value(json_array_get(ids, i));
	const char *near = name_nearest(names, count, name);
	if (near != NULL || count == 1)
		return complain(EXIT_USAGE, "%s: %s; did you mean %s?", w->command->name, why->text, near != NULL ? near : names[0]);
	return complain(EXIT_USAGE, "%s: %s; `mishri approvals` lists those that wait%s", w->command->name, why->text,
	                count == 0 ? " (none does)" : "");
}

static int read_answer(struct wish *w)
{
	const char *edit = option_text(w->o, "--edit", NULL), *remember = option_text(w->o, "--remember", "once");
	struct err err = ERR_NONE;

	w->answer.say = edit != NULL ? SAY_EDIT : w->command == &cmd_approve ? SAY_YES : SAY_NO;
	w->answer.reason = option_text(w->o, "--reason", "");
	if (str_trim(str_of(w->answer.reason)).len == 0 && option_given(w->o, "--reason"))
		return complain(EXIT_USAGE, "deny: --reason is empty; it is a sentence for the model, or left out");
	if (strlen(w->answer.reason) > LIMIT_REASON_BYTES)
		return complain(EXIT_USAGE, "deny: --reason has more than %zu bytes", LIMIT_REASON_BYTES);
	if (edit != NULL && option_given(w->o, "--remember"))
		return complain(EXIT_USAGE, "approve: --edit and --remember do not go together: what was changed holds once");
	if (edit != NULL && (json_parse(str_of(edit), &w->args, &err) < 0 || !json_is_object(w->args)))
		return complain(EXIT_USAGE, "approve: --edit: %s; it is the new arguments as a JSON object: '{\"path\": \"a\"}'",
		                err.code != 0 ? err.text : "this is no object");
	w->answer.args = w->args;
	w->answer.remember = remember;
	if (strcmp(remember, "once") == 0 || strcmp(remember, "task") == 0 || strcmp(remember, "session") == 0)
		return 0;
	w->answer.remember = "date";
	if (until_parse(remember, &w->answer.until_us) < 0)
		return complain(EXIT_USAGE, "approve: --remember '%.60s': right would be task, session, a time (7d) or a date "
		                "(2027-01-31)", remember);
	return 0;
}

/* The same judge as the engine's, so that most wrong answers never get to it. Returns an exit code. */
static int judge(struct wish *w)
{
	struct answer_wish wish = { .store = w->store, .answer = w->answer, .digest = option_text(w->o, "--digest", NULL) };
	struct err err = ERR_NONE;

	int r = answer_judge(&wish, &err);
	memcpy(w->task, wish.task, sizeof w->task);
	w->alive = wish.alive;
	w->body = wish.body;
	if (r == 0)
		return 0;
	if (r == -EBADMSG)
		return complain(EXIT_USAGE, "approve: --edit: %s", err.text);
	if (r == -EOPNOTSUPP)
		return complain(EXIT_USAGE, "%s: %s", w->command->name, err.text);
	return complain(r == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: %s", w->command->name, err.text);
}

static void look(void *userdata, const struct approval_row *row)
{
	struct wish *w = userdata;

	w->decided = strcmp(row->state, "pending") != 0;
	w->counted = strcmp(row->word, w->word) == 0;
	w->alive = row->alive;
	free(TAKE(w->said));
	if (w->decided && !w->counted)
		w->said = xasprintf("already answered by %s: %s", row->by, strcmp(row->state, "allow") == 0 ? "yes" : row->state);
	else if (!w->decided && w->counted)
		w->said = xasprintf("counted: yes from %s; others must say yes, too", row->voters);
}

/* What became of it, by the engine's own word; where none runs, what will. */
static int await(struct wish *w)
{
	int64_t deadline = clock_mono_ms() + LIMIT_ANSWER_WAIT_MS;
	struct timespec pause = { .tv_nsec = 20000000 };
	AUTO(freep) char *refused = NULL;
	struct err err = ERR_NONE;

	for (;;) {
		if (store_approval_get(w->store, w->id, look, w, &err) < 0 ||
		    store_answer_refused(w->store, w->task, w->word, &refused, &err) < 0)
			return complain(EXIT_FAILED, "%s: %s", w->command->name, err.text);
		if (w->counted || w->decided || refused != NULL || !w->alive || clock_mono_ms() > deadline)
			break;
		nanosleep(&pause, NULL);
	}
	if (refused != NULL && !w->counted)
		return complain(EXIT_FAILED, "%s: %s", w->command->name, w->said != NULL ? w->said : refused);
	if (w->decided && !w->counted)
		return complain(EXIT_FAILED, "%s: %s", w->command->name, w->said);
	if (w->counted && !w->decided)
		puts(w->said);
	else if (w->counted)
		printf("%s: %s\n", w->id, w->answer.say == SAY_NO ? "denied" :
		       w->answer.say == SAY_EDIT ? "changed, and decided afresh" : "approved");
	else if (!w->alive)
		printf("%s: kept; it takes effect when the task goes on: mishri run --resume %s\n", w->id, w->task);
	else
		printf("%s: kept; the engine of task %s has not taken it yet\n", w->id, w->task);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int answer(struct wish *w, int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(w->command, argc, argv, &o) < 0)
		return EXIT_USAGE;
	w->o = o;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE,
		                "%s: one approval is wanted: mishri %s ID; `mishri approvals` lists those that wait",
		                w->command->name, w->command->name);
	if (cli_user(o, w->user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	int code = read_answer(w);
	if (code != 0)
		return code;
	if (cli_open_store(o, 0, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	w->store = store;
	if (store_approval_find(store, words[0], w->id, &err) < 0)
		return no_such(w, words[0], &err);
	id_new(w->word);
	w->answer.approval = w->id;
	w->answer.by = w->user;
	w->answer.word = w->word;
	w->answer.time_us = clock_wall_us();
	code = judge(w);
	if (code != 0)
		return code;
	/* Not before the reading is over: what was read then may be old by now, and the store would refuse. */
	if (store_inbox_put(store, w->task, "approval", w->user, w->body, &err) < 0)
		return complain(EXIT_FAILED, "%s: %s", w->command->name, err.text);
	return await(w);
}

static int run_answer(const struct command *command, int argc, char **argv)
{
	struct wish w = { .command = command };
	int code = answer(&w, argc, argv);

	json_decref(w.args);
	json_decref(w.body);
	free(w.said);
	return code;
}

static int approve(int argc, char **argv)
{
	return run_answer(&cmd_approve, argc, argv);
}

static int deny(int argc, char **argv)
{
	return run_answer(&cmd_deny, argc, argv);
}

const struct command cmd_approvals = {
	.name = "approvals", .args = "", .about = "what waits for a person", .options = list_rows, .option_count = COUNT(list_rows),
	.run = approvals, .examples = "  mishri approvals\n  mishri approvals --all --json\n",
};
const struct command cmd_approve = {
	.name = "approve", .args = "ID", .about = "say yes to what waits", .options = approve_rows, .option_count = COUNT(approve_rows),
	.run = approve, .examples = "  mishri approve 7k2p\n  mishri approve 7k2p --remember session\n"
	                            "  mishri approve 7k2p --edit '{\"path\": \"notes.txt\", \"content\": \"short\"}'\n",
};
const struct command cmd_deny = {
	.name = "deny", .args = "ID", .about = "say no to what waits", .options = deny_rows, .option_count = COUNT(deny_rows), .run = deny,
	.examples = "  mishri deny 7k2p --reason \"use the test database\"\n",
};
