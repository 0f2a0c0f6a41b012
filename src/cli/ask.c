/* ask.c - shows the exact action and reads the answer. Nothing in the action can draw outside its
 * lines: control, bidirectional and invisible characters are escaped before they are printed. */
#include "cli/ask.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/banned.h"

struct pending {
	char approval[ID_LEN + 1];
	char *text;                    /* what to show */
	bool question;                 /* of the model's: any words are an answer */
	struct pending *next;
};

struct asker {
	struct loop *loop;
	struct watch *readable;
	struct pending *first;
	struct buf line;
	answer_fn *answer;
	void (*pause)(void *userdata, bool paused);
	void *userdata;
};

enum { SHOWN_BYTES = 8192 };

struct asker *asker_new(struct loop *loop, answer_fn *answer,
                        void (*pause)(void *userdata, bool paused), void *userdata)
{
	struct asker *a = xcalloc(1, sizeof *a);

	*a = (struct asker){ .loop = loop, .line = BUF_INIT(KIB(4)), .answer = answer, .pause = pause, .userdata = userdata };
	return a;
}

static void drop_first(struct asker *a)
{
	struct pending *p = a->first;

	a->first = p->next;
	free(p->text);
	free(p);
}

void asker_free(struct asker *a)
{
	if (a == NULL)
		return;
	while (a->first != NULL)
		drop_first(a);
	watch_free(a->readable);
	buf_done(&a->line);
	free(a);
}

static void add_field(struct buf *text, const char *key, const json_t *value)
{
	AUTO(freep) char *json = json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
	struct buf clean = BUF_INIT(MIB(8));

	sanitize_text(str_of(json), &clean);
	struct str rest = buf_str(&clean), line;
	if (rest.len > SHOWN_BYTES)
		buf_printf(text, "  (%s: the first %d of %zu bytes; say no to see all in `mishri events`)\n", key, SHOWN_BYTES, rest.len);
	rest.len = MIN(rest.len, (size_t)SHOWN_BYTES);
	for (bool first = true; str_next(&rest, '\n', &line); first = false)
		buf_printf(text, "  | %-9s %.*s\n", first ? key : "", STR_ARG(line));
	buf_done(&clean);
}

static const char *asked_for(const char *kind)
{
	static const struct { const char *kind, *words; } rows[] = {
		{ "exec", "program start" }, { "net", "connection" }, { "model", "task go on" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(kind, rows[i].kind) == 0)
			return rows[i].words;
	return "tool run";
}

static char *render(const struct question *q)
{
	struct buf text = BUF_INIT(MIB(1));
	struct buf reason = BUF_INIT(KIB(8));
	const char *key;
	json_t *value;

	sanitize_text(str_of(q->reason), &reason);
	buf_printf(&text, "\nMay this %s? Asked by rule %s: %s\n", asked_for(q->kind),
	           q->rule != NULL ? q->rule : "(default)", buf_text(&reason));
	json_object_foreach((json_t *)q->action, key, value)
		if (strcmp(key, "kind") != 0)
			add_field(&text, key, value);
	buf_printf(&text, "%s  y = yes, once · n = no · n SENTENCE = no, and tell the model why\n> ",
	           q->high_risk ? "  This is a high-risk action.\n" : "");
	buf_done(&reason);
	return buf_take(&text);
}

static char *render_question(const struct question *q)
{
	struct buf text = BUF_INIT(MIB(1)), clean = BUF_INIT(KIB(128));

	sanitize_text(str_of(q->reason), &clean);
	buf_add_text(&text, "\nThe agent asks you something (your next line is the answer):\n");
	struct str rest = buf_str(&clean), line;
	while (str_next(&rest, '\n', &line))
		buf_printf(&text, "  | %.*s\n", STR_ARG(line));
	buf_add_text(&text, "> ");
	buf_done(&clean);
	return buf_take(&text);
}

/* What was typed before the question was on the screen is no answer to it. */
static void show(struct asker *a)
{
	a->pause(a->userdata, a->first != NULL);
	if (a->first == NULL)
		return;
	buf_reset(&a->line);
	tcflush(STDIN_FILENO, TCIFLUSH);
	fputs(a->first->text, stderr);
}

static void answered(struct asker *a, struct str word)
{
	char approval[ID_LEN + 1];
	if (a->first->question) {
		AUTO(freep) char *words = xstrndup(word.ptr, word.len);
		memcpy(approval, a->first->approval, sizeof approval);
		drop_first(a);
		show(a);
		a->answer(a->userdata, approval, true, words);
		return;
	}
	bool yes = str_eq(word, STR("y")) || str_eq(word, STR("yes"));
	bool no = str_eq(word, STR("n")) || str_eq(word, STR("no")) || str_starts(word, STR("n ")) || str_starts(word, STR("no "));

	if (!yes && !no) {
		fputs("  y or n? > ", stderr);
		return;
	}
	struct str reason = { "", 0 };
	if (no && memchr(word.ptr, ' ', word.len) != NULL)
		reason = str_trim(str_skip(word, (size_t)((const char *)memchr(word.ptr, ' ', word.len) - word.ptr)));
	AUTO(freep) char *sentence = xstrndup(reason.ptr, reason.len);
	memcpy(approval, a->first->approval, sizeof approval);
	drop_first(a);
	show(a);
	a->answer(a->userdata, approval, yes, sentence);
}

static void on_line(void *userdata)
{
	struct asker *a = userdata;
	char chunk[1024];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n <= 0) { /* the terminal is gone: nobody can say yes any more */
		watch_free(TAKE(a->readable));
		while (a->first != NULL) {
			char approval[ID_LEN + 1];
			memcpy(approval, a->first->approval, sizeof approval);
			drop_first(a);
			a->answer(a->userdata, approval, false, "the terminal was closed");
		}
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

void asker_ask(struct asker *a, const struct question *q)
{
	struct pending *p = xcalloc(1, sizeof *p), **end = &a->first;

	memcpy(p->approval, q->approval, MIN(strlen(q->approval), (size_t)ID_LEN));
	p->question = strcmp(q->kind, "question") == 0;
	p->text = p->question ? render_question(q) : render(q);
	while (*end != NULL)
		end = &(*end)->next;
	*end = p;
	if (a->readable == NULL)
		a->readable = watch_fd(a->loop, STDIN_FILENO, on_line, a);
	if (a->first == p)
		show(a);
}

void asker_withdraw(struct asker *a, const char *approval)
{
	for (struct pending **at = &a->first; *at != NULL; at = &(*at)->next) {
		struct pending *p = *at;
		if (strcmp(p->approval, approval) != 0)
			continue;
		bool shown = p == a->first;
		*at = p->next;
		free(p->text);
		free(p);
		if (shown) {
			fputs("\n  (no answer is needed any more)\n", stderr);
			show(a);
		}
		return;
	}
}
