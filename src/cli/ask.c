/* ask.c - the queue of questions, and the keys that answer the first of them. How an action looks is ask_show.c's
 * business; whether an answer counts is the engine's. It offers only what the rule permits, and takes no other. */
#include "cli/ask.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/ask_show.h"
#include "cli/command.h"
#include "cli/editor.h"
#include "cli/text.h"
#include "cli/visible.h"

#include "base/banned.h"

enum mode { MODE_KEYS, MODE_REASON, MODE_PAGE, MODE_EDITOR };

struct pending {
	char approval[ID_LEN + 1], digest[SHA256_HEX_LEN + 1];
	char *brief, *full, *explanation;
	bool question;                 /* of the model's: any words are an answer */
	bool may_yes, may_edit, high;
	bool task, session, date;      /* how an answer may be remembered */
	char *args;                    /* as they are, or as the person left them in the editor */
	bool answering;                /* its answer is on the way: a withdrawal now is our own */
	struct pending *next;
};

struct asker {
	struct loop *loop;
	struct watch *readable, *continued;
	struct pending *first;
	struct buf line;
	struct asker_calls calls;
	enum mode mode;
	struct str rest;               /* MODE_PAGE: what is not shown yet; within first->full */
	struct editor *editor;
};

static void on_line(void *userdata);
static void on_continued(void *userdata);

struct asker *asker_new(struct loop *loop, const struct asker_calls *calls)
{
	struct asker *a = xcalloc(1, sizeof *a);

	*a = (struct asker){ .loop = loop, .line = BUF_INIT(KIB(64)), .calls = *calls };
	a->continued = watch_signal(loop, SIGCONT, on_continued, a);
	return a;
}

static void pending_free(struct pending *p)
{
	free(p->brief);
	free(p->full);
	free(p->explanation);
	free(p->args);
	free(p);
}

static void drop_first(struct asker *a)
{
	struct pending *p = a->first;

	a->first = p->next;
	a->mode = MODE_KEYS;
	editor_free(TAKE(a->editor));
	pending_free(p);
}

void asker_free(struct asker *a)
{
	if (a == NULL)
		return;
	watch_free(a->continued);
	while (a->first != NULL)
		drop_first(a);
	watch_free(a->readable);
	buf_done(&a->line);
	free(a);
}

/* ---- on the screen ---- */

/* What was typed before this was on the screen is no answer to it. */
static void forget_typed(struct asker *a)
{
	buf_reset(&a->line);
	tcflush(STDIN_FILENO, TCIFLUSH);
}

static void show_keys(struct asker *a)
{
	const struct pending *p = a->first;

	forget_typed(a);
	a->mode = MODE_KEYS;
	if (p->question) {
		fputs("> ", stderr);
		return;
	}
	fprintf(stderr, "  r = no, and say why%s · d = all of it · ? = why it is asked\n", p->may_edit ? " · e = other arguments" : "");
	if (p->may_yes && p->task)
		fprintf(stderr, "  t = yes, for this task%s%s\n", p->session ? " · s = for this session" : "",
		        p->date ? " · u DATE = until then (7d, 2027-01-31)" : "");
	if (p->may_yes)
		fprintf(stderr, "  y = yes, once · n = no%s · n SENTENCE = no, and tell the model why\n> ", p->high ? " (Enter)" : "");
	else
		fputs("  n = no · n SENTENCE = no, and tell the model why (a yes is for others: mishri approve)\n> ", stderr);
}

static void show(struct asker *a)
{
	if (a->first == NULL) /* what is typed now is for others */
		watch_free(TAKE(a->readable));
	a->calls.pause(a->calls.userdata, a->first != NULL);
	if (a->first == NULL)
		return;
	fputs(a->first->brief, stderr);
	show_keys(a);
}

static void show_page(struct asker *a)
{
	size_t rows = text_height(STDERR_FILENO) - 2;
	struct str line;

	for (size_t i = 0; i < rows && str_next(&a->rest, '\n', &line); i++)
		fprintf(stderr, "%.*s\n", STR_ARG(line));
	if (a->rest.len == 0) {
		show_keys(a);
		return;
	}
	a->mode = MODE_PAGE;
	forget_typed(a);
	fputs("  Enter = more · q = enough > ", stderr);
}

/* ---- answers ---- */

static void give(struct asker *a, struct answer *w)
{
	struct pending *p = a->first;
	struct err err = ERR_NONE;
	char word[ID_LEN + 1];

	id_new(word);
	w->approval = p->approval;
	w->digest = p->digest;
	w->word = word;
	if (w->remember == NULL)
		w->remember = "once";
	if (w->reason == NULL)
		w->reason = "";
	p->answering = true;
	int r = a->calls.answer(a->calls.userdata, w, &err);
	p->answering = false;
	if (r < 0 && r != -ENOENT) {
		fprintf(stderr, "  %s\n", err.text);
		show_keys(a);
		return;
	}
	if (r == 1)
		fputs("  Counted. Others must say yes, too.\n", stderr);
	else if (r < 0)
		fprintf(stderr, "  %s\n", err.text);
	if (a->first == p)
		drop_first(a);
	show(a);
}

static void say_no(struct asker *a, struct str reason)
{
	AUTO(freep) char *sentence = xstrndup(reason.ptr, reason.len);

	give(a, &(struct answer){ .say = SAY_NO, .reason = sentence });
}

static void say_edit(struct asker *a, const char *text)
{
	AUTO(json_decrefp) json_t *args = NULL, *before = NULL;
	struct err err = ERR_NONE;

	if (json_parse(str_trim(str_of(text)), &args, &err) < 0 || !json_is_object(args)) {
		fprintf(stderr, "  These are no arguments: %s\n", err.code != 0 ? err.text : "a JSON object is wanted: {\"name\": value}");
		show_keys(a);
		return;
	}
	if (json_parse(str_of(a->first->args), &before, NULL) == 0 && json_equal(before, args)) {
		fputs("  The arguments are as they were. Say y or n.\n", stderr);
		show_keys(a);
		return;
	}
	give(a, &(struct answer){ .say = SAY_EDIT, .args = args });
}

static void on_edited(void *userdata, const char *text, const char *why)
{
	struct asker *a = userdata;

	a->editor = NULL;
	a->readable = watch_fd(a->loop, STDIN_FILENO, on_line, a);
	forget_typed(a);
	if (text == NULL) {
		fprintf(stderr, "  %s; nothing was changed.\n", why);
		show_keys(a);
		return;
	}
	say_edit(a, text);
}

static void start_editor(struct asker *a)
{
	AUTO(json_decrefp) json_t *args = NULL;
	struct err err = ERR_NONE;

	AUTO(freep) char *text = json_parse(str_of(a->first->args), &args, NULL) == 0
		? json_dumps(args, JSON_INDENT(2)) : xstrdup(a->first->args);
	if (editor_start(a->loop, text, on_edited, a, &a->editor, &err) < 0) {
		fprintf(stderr, "  %s\n", err.text);
		show_keys(a);
		return;
	}
	watch_free(TAKE(a->readable));
	a->mode = MODE_EDITOR;
}

/* "t", "s", "u DATE" where the rule lets them be. */
static bool remembered(struct asker *a, char key, struct str rest)
{
	const struct pending *p = a->first;
	AUTO(freep) char *date = xstrndup(rest.ptr, rest.len);
	struct answer w = { .say = SAY_YES };

	if (!p->may_yes || (key == 't' && (!p->task || rest.len > 0)) || (key == 's' && (!p->session || rest.len > 0)) ||
	    (key == 'u' && !p->date))
		return false;
	w.remember = key == 't' ? "task" : key == 's' ? "session" : "date";
	if (key == 'u' && until_parse(date, &w.until_us) < 0) {
		fputs("  Until when? u 7d, u 2027-01-31 or u 2027-01-31T15:04\n", stderr);
		show_keys(a);
		return true;
	}
	give(a, &w);
	return true;
}

/* False: the key means nothing here. */
static bool act_on(struct asker *a, struct str key, struct str rest)
{
	const struct pending *p = a->first;

	if (str_eq(key, STR("n")) || str_eq(key, STR("no"))) {
		say_no(a, rest);
	} else if (str_eq(key, STR("r"))) {
		if (rest.len > 0) {
			say_no(a, rest);
			return true;
		}
		a->mode = MODE_REASON;
		fputs("  no, because: ", stderr);
	} else if (rest.len == 0 && p->may_yes && (str_eq(key, STR("y")) || str_eq(key, STR("yes")))) {
		give(a, &(struct answer){ .say = SAY_YES });
	} else if (str_eq(key, STR("e")) && p->may_edit) {
		AUTO(freep) char *json = xstrndup(rest.ptr, rest.len);
		if (rest.len > 0)
			say_edit(a, json);
		else
			start_editor(a);
	} else if (str_eq(key, STR("d")) && rest.len == 0) {
		a->rest = str_of(p->full);
		show_page(a);
	} else if (str_eq(key, STR("?")) && rest.len == 0) {
		fputs(p->explanation, stderr);
		show_keys(a);
	} else {
		return key.len == 1 && strchr("tsu", key.ptr[0]) != NULL && remembered(a, key.ptr[0], rest);
	}
	return true;
}

static void answered(struct asker *a, struct str word)
{
	struct pending *p = a->first;
	size_t len = 0;

	if (p->question) {
		AUTO(freep) char *words = xstrndup(word.ptr, word.len);
		AUTO(freep) char *id = xstrdup(p->approval);
		drop_first(a);
		show(a);
		a->calls.say(a->calls.userdata, id, words);
		return;
	}
	switch (a->mode) {
	case MODE_EDITOR: return;
	case MODE_REASON: say_no(a, word); return;
	case MODE_PAGE:
		if (word.len == 0)
			show_page(a);
		else
			show_keys(a);
		return;
	case MODE_KEYS: break;
	}
	while (len < word.len && word.ptr[len] != ' ')
		len++;
	if (word.len == 0 && p->high)
		say_no(a, (struct str){ "", 0 });
	else if (word.len == 0 || !act_on(a, (struct str){ word.ptr, len }, str_trim(str_skip(word, len))))
		fputs("  y or n? > ", stderr);
}

/* The terminal is gone: nobody here can say yes any more. */
static void closed(struct asker *a)
{
	watch_free(TAKE(a->readable));
	while (a->first != NULL) {
		struct pending *p = a->first;
		struct answer w = { .say = SAY_NO, .approval = p->approval, .digest = p->digest, .word = "", .remember = "once",
		                    .reason = "the terminal was closed" };
		p->answering = true;
		if (p->question)
			a->calls.say(a->calls.userdata, p->approval, w.reason);
		else if (a->calls.answer(a->calls.userdata, &w, NULL) < 0)
			p->answering = false;
		if (a->first == p)
			drop_first(a);
	}
	a->calls.pause(a->calls.userdata, false); /* whoever else reads it sees for himself whether it is gone */
}

static void on_line(void *userdata)
{
	struct asker *a = userdata;
	char chunk[1024];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n <= 0) {
		closed(a);
		return;
	}
	buf_add(&a->line, chunk, (size_t)n);
	const char *end;
	while (a->first != NULL && a->line.len > 0 && (end = memchr(a->line.ptr, '\n', a->line.len)) != NULL) {
		size_t len = (size_t)(end - a->line.ptr);
		AUTO(freep) char *word = xstrndup(a->line.ptr, len);
		buf_consume(&a->line, len + 1);
		answered(a, str_trim(str_of(word)));
	}
	if (a->line.full)
		buf_reset(&a->line);
}

/* After Ctrl-Z and fg: what the shell wrote stands below the question. */
static void on_continued(void *userdata)
{
	struct asker *a = userdata;

	if (a->first != NULL && a->mode == MODE_KEYS)
		show_keys(a);
}

/* ---- questions ---- */

static char *render_question(const struct question *q)
{
	struct buf text = BUF_INIT(MIB(1));
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(128));

	visible_text(str_of(q->text), &clean);
	buf_add_text(&text, "\nThe agent asks you something (your next line is the answer):\n");
	struct str rest = buf_str(&clean), line;
	while (str_next(&rest, '\n', &line))
		buf_printf(&text, "  | %.*s\n", STR_ARG(line));
	return buf_take(&text);
}

static char *framed(const char *text)
{
	struct buf ret = BUF_INIT(LIMIT_JSON_BYTES);
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);

	visible_text(str_of(text != NULL ? text : ""), &clean);
	struct str rest = buf_str(&clean), line;
	while (str_next(&rest, '\n', &line))
		buf_printf(&ret, "  | %.*s\n", STR_ARG(line));
	return buf_take(&ret);
}

static void render(struct pending *p, const struct question *q)
{
	const struct approval *r = q->request;
	struct buf brief = BUF_INIT(LIMIT_JSON_BYTES), full = BUF_INIT(LIMIT_JSON_BYTES);
	struct ask_about about = { .user = q->user, .path = q->path, .workspace = q->workspace, .layer = q->layer,
	                           .taints = q->taints, .tool = q->tool, .width = text_width(STDERR_FILENO),
	                           .height = text_height(STDERR_FILENO) };

	ask_show(r, &about, &brief, &full);
	p->brief = buf_take(&brief);
	p->full = buf_take(&full);
	p->explanation = framed(q->explanation);
	memcpy(p->digest, r->digest, sizeof p->digest);
	p->high = approval_high_risk(r);
	p->may_yes = approval_may_answer(r, q->user);
	p->may_edit = p->may_yes && strcmp(r->kind, "tool") == 0;
	p->task = approval_may_remember(r, "task");
	p->session = approval_may_remember(r, "session");
	p->date = approval_may_remember(r, "date");
	p->args = json_text(json_object_get(r->action, "args"));
}

void asker_ask(struct asker *a, const struct question *q)
{
	for (const struct pending *p = a->first; p != NULL; p = p->next)
		if (strcmp(p->approval, q->approval) == 0)
			return; /* it was asked before, and still is */
	struct pending *p = xcalloc(1, sizeof *p), **end = &a->first;

	memcpy(p->approval, q->approval, MIN(strlen(q->approval), (size_t)ID_LEN));
	p->question = strcmp(q->kind, "question") == 0;
	if (p->question)
		p->brief = render_question(q);
	else
		render(p, q);
	while (*end != NULL)
		end = &(*end)->next;
	*end = p;
	if (a->readable == NULL && a->editor == NULL)
		a->readable = watch_fd(a->loop, STDIN_FILENO, on_line, a);
	if (a->first == p)
		show(a);
}

void asker_withdraw(struct asker *a, const char *approval, const char *why)
{
	for (struct pending **at = &a->first; *at != NULL; at = &(*at)->next) {
		struct pending *p = *at;
		if (strcmp(p->approval, approval) != 0)
			continue;
		if (p->answering)
			return;
		bool shown = p == a->first, edited = shown && a->editor != NULL;
		AUTO(buf_done) struct buf clean = BUF_INIT(KIB(8));
		text_add(&clean, why != NULL ? why : "", 200);
		if (!shown) {
			*at = p->next;
			pending_free(p);
			return;
		}
		drop_first(a);
		if (edited)
			a->readable = watch_fd(a->loop, STDIN_FILENO, on_line, a);
		fprintf(stderr, "\n  (no answer is needed any more: %s)\n", buf_text(&clean));
		show(a);
		return;
	}
}
