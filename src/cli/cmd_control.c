/* cmd_control.c - `mishri cancel`, `pause`, `resume`, `steer`, `answer`, `priority`: a word to a task, from any terminal. They
 * store it and tell what became of it; what it means is decided by the engine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/detach.h"
#include "cli/print.h"
#include "engine/control.h"

#include "base/banned.h"

static const struct option_row cancel_rows[] = {
	{ "--now", 0, NULL, "without grace, as a second cancel", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};
static const struct option_row pause_rows[] = {
	{ "--now", 0, NULL, "interrupt what runs, instead of letting it come to its end", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};
static const struct option_row resume_rows[] = {
	{ "--here", 0, NULL, "carry it on in this terminal, also where a service runs", false },
	{ "--output-format", 0, "FORMAT", "where it goes on here: text (default), json or stream-json", false },
	{ "--wait-for-approval", 0, NULL, "where it goes on here: wait for `mishri approve` instead of taking an ask for a no", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};
static const struct option_row steer_rows[] = {
	{ "--now", 0, NULL, "interrupt what runs, instead of waiting for the model's next turn", false },
	{ "--replan", 0, NULL, "the plan is to be made anew", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};
static const struct option_row word_rows[] = {
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

struct wish {
	const struct command *command;
	struct options *o;
	struct store *store;
	struct policy *policy;
	struct control control;
	char user[USER_LEN + 1];
};

static int code_of(const struct control_sent *sent)
{
	if (sent->outcome == CONTROL_WAITING)
		return EXIT_FAILED;
	if (sent->outcome != CONTROL_REFUSED)
		return EXIT_DONE;
	return sent->code == -EACCES ? EXIT_DENIED : sent->code == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static const char *outcome_name(enum control_outcome outcome)
{
	static const char *const names[] = {
		[CONTROL_WAITING] = "waiting", [CONTROL_DONE] = "done", [CONTROL_KEPT] = "kept", [CONTROL_NOTHING] = "nothing",
		[CONTROL_REFUSED] = "refused",
	};

	return name_of(names, COUNT(names), outcome);
}

/* What became of it, in the form that was asked for. */
static int tell(const struct wish *w, const struct control_sent *sent)
{
	static const char not_yet[] = "kept; the engine has not come to it yet";
	const char *said = sent->outcome == CONTROL_WAITING ? not_yet : sent->said;

	if (option_given(w->o, "--json")) {
		AUTO(json_decrefp) json_t *o = json_pack("{s:s, s:s, s:s, s:o}", "task", sent->task, "command", w->command->name, "outcome",
		                                         outcome_name(sent->outcome), "message", json_of_str(str_of(said)));
		print_json(o);
		return code_of(sent);
	}
	if (code_of(sent) != EXIT_DONE)
		return complain(code_of(sent), "%s: task %s: %s", w->command->name, sent->task, said);
	printf("%s: ", sent->task);
	print_line(said, SIZE_MAX);
	putchar('\n');
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* Only for somebody whose word would not count otherwise: the group `control` is in the policy. */
static void load_policy(struct wish *w)
{
	AUTO(task_row_done) struct task_row row = { 0 };

	policy_free(TAKE(w->policy));
	w->control.policy = NULL;
	if (store_task_get(w->store, w->control.task, &row, NULL) < 0 || control_may(NULL, row.user, w->user))
		return;
	if (cli_load_policy(w->o, row.workspace, NULL, 0, &w->policy, NULL) < 0)
		return; /* then it names nobody */
	w->control.policy = w->policy;
}

static int send_to(struct wish *w, const char *task)
{
	struct control_sent sent;
	struct err err = ERR_NONE;
	int64_t most_ms = w->control.command == CONTROL_CANCEL ? LIMIT_CANCEL_WAIT_MS : LIMIT_ANSWER_WAIT_MS;

	w->control.task = task;
	load_policy(w);
	int r = control_send(w->store, &w->control, &sent, &err);
	if (r == 0)
		r = control_wait(w->store, &w->control, most_ms, &sent, &err);
	if (r < 0)
		return complain(EXIT_FAILED, "%s: %s", w->command->name, err.text);
	return tell(w, &sent);
}

static int find(const struct wish *w, const char *name, char ret[static ID_LEN + 1])
{
	struct err err = ERR_NONE;
	int r = store_task_find(w->store, name, ret, &err);

	return r == 0 ? 0 : complain(r == -ENOENT || r == -EEXIST ? EXIT_USAGE : EXIT_FAILED, "%s: %s", w->command->name, err.text);
}

static int begin(struct wish *w, int argc, char **argv)
{
	struct err err = ERR_NONE;

	if (options_parse(w->command, argc, argv, &w->o) < 0)
		return EXIT_USAGE;
	if (cli_user(w->o, w->user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	w->control.user = w->user;
	w->control.now = w->command->option_count > 1 && strcmp(w->command->options[0].name, "--now") == 0 && option_given(w->o, "--now");
	w->control.replan = w->control.command == CONTROL_STEER && option_given(w->o, "--replan");
	if (cli_open_store(w->o, CLI_STORE_SIGN_IF, &w->store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return 0;
}

static void end(struct wish *w)
{
	store_close(w->store);
	policy_free(w->policy);
	options_freep(&w->o);
}

/* `cancel` and `pause` take several tasks; the worst outcome is the exit code. */
static int each(struct wish *w, int argc, char **argv)
{
	const char *const *names;
	char task[ID_LEN + 1];
	int worst = begin(w, argc, argv);
	size_t count = worst == 0 ? option_positionals(w->o, &names) : 0;

	if (worst == 0 && count == 0)
		worst = complain(EXIT_USAGE, "%s: name a task: its id, the beginning of it, or 'last'; `mishri ps` lists them", w->command->name);
	for (size_t i = 0; i < count; i++) {
		int code = find(w, names[i], task);
		if (code == 0)
			code = send_to(w, task);
		worst = MAX(worst, code);
	}
	end(w);
	return worst;
}

static int cancel(int argc, char **argv)
{
	struct wish w = { .command = &cmd_cancel, .control = { .command = CONTROL_CANCEL } };

	return each(&w, argc, argv);
}

static int pause_tasks(int argc, char **argv)
{
	struct wish w = { .command = &cmd_pause, .control = { .command = CONTROL_PAUSE } };

	return each(&w, argc, argv);
}

/* ---- one task, and something with it ---- */

static int two_words(struct wish *w, const char *what, const char **ret)
{
	const char *const *words;
	size_t count = option_positionals(w->o, &words);

	if (count > 2)
		return complain(EXIT_USAGE, "%s: %zu words were given; put the text in quotes: mishri %s TASK \"...\"", w->command->name, count,
		                w->command->name);
	if (count < 2)
		return complain(EXIT_USAGE, "%s: a task and %s are wanted: mishri %s %s", w->command->name, what, w->command->name,
		                w->command->args);
	*ret = words[0];
	w->control.text = words[1];
	return 0;
}

static int steer(int argc, char **argv)
{
	struct wish w = { .command = &cmd_steer, .control = { .command = CONTROL_STEER } };
	char task[ID_LEN + 1];
	const char *name = NULL;
	int code = begin(&w, argc, argv);

	if (code == 0)
		code = two_words(&w, "what it is to be told", &name);
	if (code == 0)
		code = find(&w, name, task);
	if (code == 0)
		code = send_to(&w, task);
	end(&w);
	return code;
}

struct asked { const char *root; char task[ID_LEN + 1], approval[ID_LEN + 1]; size_t count; struct store *store; };

static void note_question(void *userdata, const struct approval_row *row)
{
	struct asked *asked = userdata;
	AUTO(task_row_done) struct task_row task = { 0 };

	if (strcmp(row->kind, "question") != 0 || store_task_get(asked->store, row->task, &task, NULL) < 0 ||
	    (strcmp(task.root, asked->root) != 0 && strcmp(task.task, asked->root) != 0))
		return;
	asked->count++;
	memcpy(asked->task, row->task, sizeof asked->task);
	memcpy(asked->approval, row->approval, sizeof asked->approval);
}

/* NAME is a question, as `mishri approvals` shows it, or a task: then the only question of it and the tasks below. */
static int find_question(struct wish *w, const char *name, char task[static ID_LEN + 1], char question[static ID_LEN + 1])
{
	struct asked asked = { .store = w->store };
	struct err err = ERR_NONE;

	if (store_task_find(w->store, name, task, &err) < 0) {
		struct err why = ERR_NONE;
		if (store_approval_find(w->store, name, question, &why) < 0)
			return complain(EXIT_USAGE, "answer: '%.40s' is neither a task nor a question; `mishri approvals` lists open questions", name);
		asked.root = "";
		w->control.question = question;
		int r = store_approval_task(w->store, question, task, &why);
		return r < 0 ? complain(EXIT_FAILED, "answer: %s", why.text) : 0;
	}
	asked.root = task;
	if (store_approvals(w->store, true, INT64_MAX, note_question, &asked, &err) < 0)
		return complain(EXIT_FAILED, "answer: %s", err.text);
	if (asked.count > 1)
		return complain(EXIT_USAGE, "answer: task %s has %zu open questions; name one, as `mishri approvals` lists them", task,
		                asked.count);
	if (asked.count == 1) {
		memcpy(task, asked.task, sizeof asked.task);
		memcpy(question, asked.approval, sizeof asked.approval);
		w->control.question = question;
	}
	return 0;
}

static int answer(int argc, char **argv)
{
	struct wish w = { .command = &cmd_answer, .control = { .command = CONTROL_ANSWER } };
	char task[ID_LEN + 1], question[ID_LEN + 1];
	const char *name = NULL;
	int code = begin(&w, argc, argv);

	if (code == 0)
		code = two_words(&w, "the answer", &name);
	if (code == 0)
		code = find_question(&w, name, task, question);
	if (code == 0)
		code = send_to(&w, task);
	end(&w);
	return code;
}

static bool read_priority(const char *text, int64_t *ret)
{
	bool negative = text[0] == '-';
	uint64_t value;

	if (str_to_u64(str_of(text + (negative || text[0] == '+')), &value) < 0 || value > LIMIT_PRIORITY)
		return false;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static int priority(int argc, char **argv)
{
	struct wish w = { .command = &cmd_priority, .control = { .command = CONTROL_PRIORITY } };
	char task[ID_LEN + 1];
	const char *name = NULL;
	int code = begin(&w, argc, argv);

	if (code == 0)
		code = two_words(&w, "a number", &name);
	if (code == 0 && !read_priority(w.control.text, &w.control.priority))
		code = complain(EXIT_USAGE, "priority: '%.40s' is none; it is a whole number from -%d to %d, higher goes first: mishri priority "
		                "TASK 10, mishri priority TASK -- -10", w.control.text, LIMIT_PRIORITY, LIMIT_PRIORITY);
	w.control.text = NULL;
	if (code == 0)
		code = find(&w, name, task);
	if (code == 0)
		code = send_to(&w, task);
	end(&w);
	return code;
}

/* ---- resume ---- */

int cli_resume_words(const struct options *o)
{
	static const char *const formats[] = { "text", "json", "stream-json" };
	const char *format = option_text(o, "--output-format", "text");

	if (name_find(formats, COUNT(formats), format) >= 0)
		return 0;
	return complain(EXIT_USAGE, "--output-format: '%s' is not known; right would be text, json or stream-json", format);
}

int cli_run_resume(const struct options *o, const char *task)
{
	static const char *const switches[] = { "--no-user-config", "--json", "--no-color", "--wait-for-approval" };
	static const char *const values[] = { "--data", "--user", "--output-format" };
	char *argv[24] = { (char *)"run", (char *)"--resume", (char *)task };
	int argc = 3;

	for (size_t i = 0; i < COUNT(switches); i++)
		if (option_given(o, switches[i]))
			argv[argc++] = (char *)switches[i];
	for (size_t i = 0; i < COUNT(values); i++) {
		const char *value = option_text(o, values[i], NULL);
		if (value == NULL)
			continue;
		argv[argc++] = (char *)values[i];
		argv[argc++] = (char *)value;
	}
	return cmd_run.run(argc, argv);
}

/* The service takes it up, where one runs. False: none does, or it is to be carried on here; else *ret_code. */
static bool hand_over(struct wish *w, const char *task, int *ret_code)
{
	static const char *const only_here[] = { "--here", "--output-format", "--wait-for-approval", "--user" };
	AUTO(freep) char *path = xasprintf("/v1/tasks/%s/resume", task);
	AUTO(json_decrefp) json_t *body = json_object();
	AUTO(json_decrefp) json_t *answer = NULL;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < COUNT(only_here); i++)
		if (option_given(w->o, only_here[i]))
			return false;
	int r = detach_send(w->o, path, body, &answer, &err);
	if (r == -ENOENT)
		return false;
	if (r < 0) {
		*ret_code = complain(r == -EACCES ? EXIT_DENIED : EXIT_FAILED, "resume: the service: %s", err.text);
		return true;
	}
	struct control_sent sent = { .command = CONTROL_RESUME, .outcome = CONTROL_DONE };
	const char *outcome = json_get_text(answer, "outcome", "");
	for (enum control_outcome i = CONTROL_WAITING; i <= CONTROL_REFUSED; i++)
		if (strcmp(outcome_name(i), outcome) == 0)
			sent.outcome = i;
	snprintf(sent.task, sizeof sent.task, "%s", task);
	snprintf(sent.said, sizeof sent.said, "%s%s", json_get_text(answer, "said", ""),
	         sent.outcome == CONTROL_DONE ? ", in the service" : "");
	*ret_code = tell(w, &sent);
	return true;
}

/* Where an engine runs it, it goes on there; else in the service; else here. */
static int resume(int argc, char **argv)
{
	struct wish w = { .command = &cmd_resume, .control = { .command = CONTROL_RESUME } };
	AUTO(task_row_done) struct task_row row = { 0 };
	const char *const *names;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];
	int code = begin(&w, argc, argv);

	if (code == 0 && option_positionals(w.o, &names) != 1)
		code = complain(EXIT_USAGE, "resume: name one task: its id, the beginning of it, or 'last'; `mishri ps` lists them");
	if (code == 0)
		code = cli_resume_words(w.o);
	if (code == 0)
		code = find(&w, names[0], task);
	if (code == 0 && store_task_get(w.store, task, &row, &err) < 0)
		code = complain(EXIT_FAILED, "resume: %s", err.text);
	bool here = code == 0 && !row.alive && row.ended_us == 0;
	if (code == 0 && !here)
		code = send_to(&w, task);
	if (here && !hand_over(&w, task, &code)) {
		store_close(TAKE(w.store)); /* the run opens it again, after its sandbox's parent has begun */
		code = cli_run_resume(w.o, task);
	}
	end(&w);
	return code;
}

const struct command cmd_cancel = {
	.name = "cancel", .args = "TASK...", .about = "end a task and all below it", .options = cancel_rows,
	.option_count = COUNT(cancel_rows), .run = cancel,
	.examples = "  mishri cancel last\n  mishri cancel 4f7k 9x2m --now\n",
};
const struct command cmd_pause = {
	.name = "pause", .args = "TASK...", .about = "let a task and all below it rest", .options = pause_rows,
	.option_count = COUNT(pause_rows), .run = pause_tasks, .examples = "  mishri pause last\n  mishri pause 4f7k --now\n",
};
const struct command cmd_resume = {
	.name = "resume", .args = "TASK", .about = "let a task go on: where it is paused, in the service, or here",
	.options = resume_rows, .option_count = COUNT(resume_rows), .run = resume, .examples = "  mishri resume last\n",
};
const struct command cmd_steer = {
	.name = "steer", .args = "TASK TEXT", .about = "tell a task something while it works", .options = steer_rows,
	.option_count = COUNT(steer_rows), .run = steer,
	.examples = "  mishri steer last \"use the test database\"\n  mishri steer 4f7k \"stop: the build is broken\" --now --replan\n",
};
const struct command cmd_answer = {
	.name = "answer", .args = "TASK TEXT", .about = "answer a question of the model's", .options = word_rows,
	.option_count = COUNT(word_rows), .run = answer, .examples = "  mishri answer last \"the blue one\"\n",
};
const struct command cmd_priority = {
	.name = "priority", .args = "TASK N", .about = "how much a task matters: -100 to 100, higher goes first", .options = word_rows,
	.option_count = COUNT(word_rows), .run = priority, .examples = "  mishri priority 4f7k 10\n  mishri priority 4f7k -- -10\n",
};
