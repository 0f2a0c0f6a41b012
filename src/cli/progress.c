/* progress.c - turns events into lines for people. It prints facts that are durable already. On a terminal a
 * block below them shows what is going on: the plan, who works on what, and the sums so far. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/stream.h"
#include "cli/sums.h"
#include "cli/text.h"
#include "policy/limits.h"
#include "tools/tool.h"
#include "tui/columns.h"
#include "tui/screen.h"

#include "base/banned.h"

enum { TICK_MS = 200, DOING_BYTES = 160, STEPS_SHOWN = 8, WORKERS_SHOWN = 8, TYPING_ROWS = 6, DIFF_ROWS = 40,
       BLOCK_LINES = 32, BLOCK_LINE_BYTES = 512 };

struct worker {                        /* a task whose lines are shown */
	char task[ID_LEN + 1];
	int number;                    /* 0: the root task */
	char step[LIMIT_PLAN_ID_BYTES + 1]; /* of the plan above it; "": none */
	char doing[DOING_BYTES];       /* "" when nothing runs */
	int64_t since_ms;              /* of that */
	struct {
		char call[24], *line, *tool;
		json_t *args;
	} proposed[LIMIT_CALLS_PER_REPLY]; /* of this turn; shown when their time comes */
	size_t proposed_count;
	struct worker *next;
};

struct progress {
	struct watch *tick;
	bool terminal, color, paused, ended;
	bool patient;                  /* it waits for answers although nobody is here */
	struct buf out;                /* lines that are not printed yet */
	struct screen screen;
	progress_painter *painter;     /* NULL: we paint */
	void *userdata;                /* of it */
	struct stream stream;          /* what the root task's model says */
	char *shown;                   /* its last whole reply that was seen as it came; NULL: none */
	char *workspace;
	bool layered;                  /* changes lie elsewhere: how they look is not known here */
	json_t *plan;                  /* steps of the root task; NULL: none */
	int64_t since_ms;
	int64_t turns, calls, tokens, usd_nanos;
	int64_t budget_nanos;          /* of the root task; -1: none */
	struct worker *workers;        /* in the order of their numbers */
	int worker_count;
	bool usd_unknown;
	char totals[SUMS_TEXT_BYTES];
};

static const char *paint(const struct progress *p, const char *code)
{
	return p->color ? code : "";
}

#define BOLD(p)  paint(p, "\033[1m")
#define DIM(p)   paint(p, "\033[2m")
#define RED(p)   paint(p, "\033[31m")
#define GREEN(p) paint(p, "\033[32m")
#define PLAIN(p) paint(p, "\033[0m")

/* ---- the block ---- */

struct block { char lines[BLOCK_LINES][BLOCK_LINE_BYTES]; size_t count; };

static char *next_line(struct block *b)
{
	assert(b->count < BLOCK_LINES);
	return b->lines[b->count++];
}

static void add_step(struct block *b, const json_t *step)
{
	static const struct { const char *state, *mark; } marks[] = {
		{ "running", ">" }, { "done", "x" }, { "failed", "!" }, { "skipped", "-" },
	};
	AUTO(buf_done) struct buf text = BUF_INIT(BLOCK_LINE_BYTES - 16); /* it takes whole characters only */
	const char *mark = " ";

	for (size_t i = 0; i < COUNT(marks); i++)
		if (strcmp(json_get_text(step, "state", ""), marks[i].state) == 0)
			mark = marks[i].mark;
	text_add(&text, json_get_text(step, "id", ""), 12);
	buf_add_text(&text, "  ");
	text_add(&text, json_get_text(step, "title", ""), 100);
	snprintf(next_line(b), BLOCK_LINE_BYTES, "  [%s] %s", mark, buf_text(&text));
}

/* A long plan: what is done is counted, the rest shown as far as there is room. */
static void add_plan(struct block *b, const json_t *plan)
{
	size_t count = json_array_size(plan), done = 0, shown = 0;
	bool all = count <= STEPS_SHOWN;

	for (size_t i = 0; i < count; i++) {
		const json_t *step = json_array_get(plan, i);
		bool over = strcmp(json_get_text(step, "state", ""), "done") == 0;
		done += over;
		if (all || (!over && shown < STEPS_SHOWN)) {
			add_step(b, step);
			shown++;
		}
	}
	if (!all)
		snprintf(next_line(b), BLOCK_LINE_BYTES, "      (%zu of %zu steps are done)", done, count);
}

static void add_worker(struct block *b, const struct worker *w)
{
	char span[32], prefix[24] = "";

	if (w->number > 0)
		snprintf(prefix, sizeof prefix, "[w%d] ", w->number);
	clock_span(clock_mono_ms() - w->since_ms, span, sizeof span);
	snprintf(next_line(b), BLOCK_LINE_BYTES, "  %-10s %s%s", span, prefix, w->doing);
}

static void add_sums(struct block *b, const struct progress *p)
{
	char span[32], cost[80] = "", most[40];

	if (p->usd_unknown)
		snprintf(cost, sizeof cost, ", cost unknown");
	else if (p->budget_nanos >= 0)
		snprintf(cost, sizeof cost, ", $%.4f of %s", (double)p->usd_nanos / 1e9,
		         budget_amount(BUDGET_USD, p->budget_nanos, most, sizeof most));
	else if (p->usd_nanos > 0)
		snprintf(cost, sizeof cost, ", $%.4f", (double)p->usd_nanos / 1e9);
	snprintf(next_line(b), BLOCK_LINE_BYTES, "  %s: %lld turns, %lld calls, %lld tokens%s%s%s",
	         clock_span(clock_mono_ms() - p->since_ms, span, sizeof span), (long long)p->turns, (long long)p->calls,
	         (long long)p->tokens, cost, p->totals[0] != '\0' ? "; " : "", p->totals);
}

static void add_workers(struct block *b, const struct progress *p)
{
	size_t busy = 0, shown = 0;

	for (const struct worker *w = p->workers; w != NULL; w = w->next)
		busy += w->doing[0] != '\0';
	for (const struct worker *w = p->workers; w != NULL; w = w->next)
		if (w->doing[0] != '\0' && shown++ < WORKERS_SHOWN)
			add_worker(b, w);
	if (busy > WORKERS_SHOWN)
		snprintf(next_line(b), BLOCK_LINE_BYTES, "  (%zu more are at work)", busy - WORKERS_SHOWN);
}
_Static_assert(TYPING_ROWS + STEPS_SHOWN + 1 + WORKERS_SHOWN + 1 + 1 < BLOCK_LINES, "the block has room for the most there is");

/* The last rows of the line that is being written. */
static void add_typing(struct block *b, const struct progress *p)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(4));
	size_t rows = 0, n = 0;
	struct str line;

	stream_peek(&p->stream, &text);
	for (size_t i = 0; i < text.len; i++)
		rows += text.ptr[i] == '\n';
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line); n++) {
		AUTO(buf_done) struct buf cut = BUF_INIT(BLOCK_LINE_BYTES - 8);
		columns_cut(line, text_width(STDERR_FILENO) - 1, &cut);
		if (n < rows && n + TYPING_ROWS >= rows)
			snprintf(next_line(b), BLOCK_LINE_BYTES, "%s%s", buf_text(&cut), p->color ? "\033[0m" : "");
	}
}

static void paint_self(struct progress *p, struct str above, const char *const *lines, size_t count)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(MIB(16));
	const char *rows[BLOCK_LINES + 1];

	for (size_t i = 0; i < count; i++)
		rows[i] = lines[i];
	rows[count] = ""; /* where the cursor rests, and others may write */
	const struct screen_look look = { .above = above, .lines = rows, .count = count > 0 ? count + 1 : 0,
	                                  .width = text_width(STDERR_FILENO), .row = count };
	if (p->terminal)
		screen_show(&p->screen, &look, &bytes);
	else
		buf_add_str(&bytes, above);
	if (bytes.len > 0)
		fwrite(bytes.ptr, 1, bytes.len, stderr);
}

/* Prints what waits, and the block as it is now. The last lines say most where the terminal is low. */
static void show(struct progress *p)
{
	const char *lines[BLOCK_LINES];
	struct block block = { .count = 0 };
	AUTO(buf_done) struct buf above = p->out;

	if (p->terminal && !p->paused && !p->ended && p->workers != NULL) {
		add_typing(&block, p);
		add_plan(&block, p->plan);
		add_workers(&block, p);
		add_sums(&block, p);
	}
	p->out = BUF_INIT(MIB(16)); /* a painter may come back here */
	size_t most = MAX(text_height(STDERR_FILENO), (size_t)3) - 2, skip = block.count - MIN(block.count, most);
	for (size_t i = skip; i < block.count; i++)
		lines[i - skip] = block.lines[i];
	if (p->painter != NULL)
		p->painter(p->userdata, buf_str(&above), lines, block.count - skip);
	else
		paint_self(p, buf_str(&above), lines, block.count - skip);
}

void progress_paint_by(struct progress *p, progress_painter *painter, void *userdata)
{
	p->painter = painter;
	p->userdata = userdata;
}

void progress_text(struct progress *p, const char *task, struct str text)
{
	if (!p->terminal || p->workers == NULL || strcmp(p->workers->task, task) != 0)
		return; /* of one agent at a time; what workers say is in their reports */
	stream_add(&p->stream, text, text_width(STDERR_FILENO), &p->out);
	if (!p->paused)
		show(p);
}

bool progress_has_shown(const struct progress *p, const char *result)
{
	return p->shown != NULL && strcmp(p->shown, result) == 0;
}

static void on_tick(void *userdata)
{
	struct progress *p = userdata;

	if (!p->paused)
		show(p);
	watch_arm(p->tick, TICK_MS);
}

struct progress *progress_new(struct loop *loop, bool terminal, bool color)
{
	struct progress *p = xcalloc(1, sizeof *p);

	p->terminal = terminal;
	p->color = color;
	p->out = BUF_INIT(MIB(16));
	stream_init(&p->stream, color);
	p->since_ms = clock_mono_ms();
	p->budget_nanos = -1;
	if (terminal) {
		p->tick = watch_timer(loop, on_tick, p);
		watch_arm(p->tick, TICK_MS);
	}
	return p;
}

static void forget_proposed(struct worker *w)
{
	while (w->proposed_count > 0) {
		free(w->proposed[--w->proposed_count].line);
		free(w->proposed[w->proposed_count].tool);
		json_decref(w->proposed[w->proposed_count].args);
	}
}

static void forget_workers(struct progress *p)
{
	while (p->workers != NULL) {
		struct worker *w = p->workers;
		p->workers = w->next;
		forget_proposed(w);
		free(w);
	}
	p->worker_count = 0;
	json_decref(TAKE(p->plan));
}

static struct worker *worker_of(struct progress *p, const struct event *e)
{
	for (struct worker *w = p->workers; w != NULL; w = w->next)
		if (strcmp(w->task, e->task) == 0)
			return w;
	if (e->parent[0] == '\0' && p->workers != NULL) { /* of a conversation: the message before this one is over */
		forget_workers(p);
		p->since_ms = clock_mono_ms();
		p->turns = p->calls = p->tokens = p->usd_nanos = 0;
		p->usd_unknown = false;
	}
	struct worker *w = xcalloc(1, sizeof *w);
	memcpy(w->task, e->task, sizeof w->task);
	w->number = e->parent[0] != '\0' ? ++p->worker_count : 0;
	struct worker **end = &p->workers;
	while (*end != NULL)
		end = &(*end)->next;
	*end = w;
	return w;
}

/* What stands before each line: who it is about, where more than one work. */
static const char *who(const struct worker *w, char *text, size_t size)
{
	if (w->number == 0)
		text[0] = '\0';
	else
		snprintf(text, size, "[w%d] ", w->number);
	return text;
}

void progress_free(struct progress *p)
{
	if (p == NULL)
		return;
	p->ended = true;
	show(p);
	forget_workers(p);
	watch_free(p->tick);
	buf_done(&p->out);
	screen_done(&p->screen);
	stream_done(&p->stream);
	free(p->shown);
	free(p->workspace);
	free(p);
}

void progress_note(struct progress *p, const char *line)
{
	buf_printf(&p->out, "mishri: %s\n", line);
	if (!p->paused)
		show(p);
}

bool progress_live(const struct progress *p)
{
	return p->terminal;
}

void progress_totals(struct progress *p, const char *text)
{
	snprintf(p->totals, sizeof p->totals, "%.*s", (int)sizeof p->totals - 1, text);
}

void progress_pause(struct progress *p, bool paused)
{
	p->paused = paused;
	show(p);
}

static void doing(struct worker *w, const char *what)
{
	snprintf(w->doing, sizeof w->doing, "%s", what);
	w->since_ms = clock_mono_ms();
}

/* The first line of a text, harmless and short. The caller frees it. */
static char *brief(const char *text, size_t width)
{
	struct buf clean = BUF_INIT(MIB(4));
	const char *start = text + strspn(text, " \n\t");
	size_t line = strcspn(start, "\n");
	bool more = start[line] != '\0' && start[line + 1] != '\0';

	sanitize_shown((struct str){ start, line }, &clean);
	if (clean.len > width) {
		size_t cut = width;
		while (cut > 0 && ((unsigned char)clean.ptr[cut] & 0xc0) == 0x80)
			cut--;
		clean.len = cut;
		clean.ptr[cut] = '\0';
		more = true;
	}
	if (more)
		buf_add_text(&clean, " ...");
	return buf_take(&clean);
}

/* What a call is about: the argument that says most. */
static char *gist(const json_t *args)
{
	static const char *const keys[] = { "command", "path", "pattern", "url" };

	for (size_t i = 0; i < COUNT(keys); i++) {
		const char *text = json_get_text(args, keys[i], NULL);
		if (text != NULL)
			return brief(text, 90);
	}
	AUTO(freep) char *text = json_text(args);
	return brief(text, 90);
}

static void on_created(struct progress *p, const struct event *e)
{
	AUTO(freep) char *workspace = brief(json_get_text(e->data, "workspace", ""), 200);
	AUTO(freep) char *goal = brief(json_get_text(e->data, "goal", ""), 120);
	const struct worker *w = worker_of(p, e);

	if (w->number == 0) {
		free(p->workspace);
		p->workspace = xstrdup(json_get_text(e->data, "workspace", ""));
		p->layered = json_get_int(json_object_get(e->data, "config"), "layer_bytes", 0) > 0;
		p->budget_nanos = json_get_int(json_object_get(e->data, "config"), "budget_usd_nanos", -1);
	}
	if (w->number > 0)
		buf_printf(&p->out, "%s[w%d]%s task %s: %s\n", BOLD(p), w->number, PLAIN(p), e->task, goal);
	else
		buf_printf(&p->out, "%stask %s%s  %s, in %s, isolation %s\n", BOLD(p), e->task, PLAIN(p),
		        json_get_text(e->data, "model", ""), workspace, json_get_text(e->data, "isolation", ""));
}

static void on_replied(struct progress *p, struct worker *w, const struct event *e)
{
	const json_t *usage = json_object_get(e->data, "usage");
	static const char *const buckets[] = { "input", "cache_read", "cache_write", "output" };
	char prefix[16];

	p->turns++;
	forget_proposed(w);
	for (size_t i = 0; i < COUNT(buckets); i++)
		p->tokens += json_get_int(usage, buckets[i], 0);
	p->usd_unknown |= json_is_null(json_object_get(e->data, "usd_nanos"));
	p->usd_nanos += json_get_int(e->data, "usd_nanos", 0);
	w->doing[0] = '\0';
	const char *text = json_get_text(e->data, "text", "");
	if (w == p->workers) {
		bool seen = p->stream.any;
		stream_end(&p->stream, true, &p->out);
		free(TAKE(p->shown));
		p->shown = seen ? xstrdup(text) : NULL;
		if (seen)
			return;
	}
	if (json_get_int(e->data, "calls", 0) == 0 || text[0] == '\0')
		return; /* the last reply is the result, and is printed as such */
	AUTO(freep) char *line = brief(text, 160);
	buf_printf(&p->out, "%s%s\n", who(w, prefix, sizeof prefix), line);
}

static void on_proposed(struct progress *p, struct worker *w, const struct event *e)
{
	AUTO(freep) char *tool = brief(json_get_text(e->data, "tool", ""), 40);
	AUTO(freep) char *what = gist(json_object_get(e->data, "args"));
	bool leads = strcmp(tool, "plan") == 0 || strcmp(tool, "delegate") == 0; /* their own events say more */

	p->calls++;
	if (w->proposed_count == COUNT(w->proposed))
		return;
	snprintf(w->proposed[w->proposed_count].call, sizeof w->proposed[0].call, "%s", json_get_text(e->data, "call", ""));
	w->proposed[w->proposed_count].tool = xstrdup(tool);
	w->proposed[w->proposed_count].args = json_incref(json_object_get(e->data, "args"));
	w->proposed[w->proposed_count++].line = leads ? xstrdup(tool) : xasprintf("%s  %s", tool, what);
}

/* What a file tool is about to do, against the files as they are now. Only for a person who looks at it. */
static void add_diff(struct progress *p, const char *tool, const json_t *args)
{
	AUTO(buf_done) struct buf diff = BUF_INIT(LIMIT_DIFF_FILE_BYTES), clean = BUF_INIT(LIMIT_DIFF_FILE_BYTES * 2),
		lines = BUF_INIT(LIMIT_DIFF_FILE_BYTES * 4);
	const struct change_in in = { .workspace = p->workspace };
	struct str line;
	size_t rows = 0, more = 0;

	if (!p->terminal || p->layered || p->workspace == NULL || !change_show(tool, args, &in, &diff))
		return;
	sanitize_shown(buf_str(&diff), &clean);
	markdown_diff(buf_str(&clean), "       ", text_width(STDERR_FILENO), p->color, &lines);
	for (struct str rest = buf_str(&lines); str_next(&rest, '\n', &line); rows++) {
		if (rows < DIFF_ROWS && line.len > 0)
			buf_printf(&p->out, "%.*s\n", STR_ARG(line));
		else
			more += line.len > 0;
	}
	if (more > 0)
		buf_printf(&p->out, "       (%zu more lines)\n", more);
}

/* Calls are decided and run one after another: now it is this one's turn. */
static void on_decided(struct progress *p, struct worker *w, const struct event *e)
{
	const char *call = json_get_text(e->data, "call", "");
	char prefix[16];

	for (size_t i = 0; i < w->proposed_count; i++) {
		if (strcmp(w->proposed[i].call, call) != 0)
			continue;
		doing(w, w->proposed[i].line);
		buf_printf(&p->out, "  %s%s%s%s  %s\n", who(w, prefix, sizeof prefix), BOLD(p), call, PLAIN(p), w->proposed[i].line);
		if (strcmp(json_get_text(e->data, "effect", ""), "allow") == 0)
			add_diff(p, w->proposed[i].tool, w->proposed[i].args);
	}
}

static void on_exec(struct progress *p, const struct worker *w, const struct event *e)
{
	char prefix[16];

	if (strcmp(json_get_text(e->data, "effect", ""), "allow") == 0)
		return;
	AUTO(freep) char *argv = json_text(json_object_get(e->data, "argv"));
	AUTO(freep) char *words = brief(argv, 80);
	AUTO(freep) char *program = brief(json_get_text(e->data, "program", ""), 120);
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);
	buf_printf(&p->out, "       %s%sstopped at the exec gate%s by %s: %s as %s (%s)\n", who(w, prefix, sizeof prefix), RED(p),
	        PLAIN(p), json_get_text(e->data, "rule", "default"), program, words, reason);
}

static void on_exceeded(struct progress *p, const struct worker *w, const struct event *e)
{
	char prefix[16];

	buf_printf(&p->out, "       %s%slimit reached%s: %s\n", who(w, prefix, sizeof prefix), RED(p), PLAIN(p),
	           json_get_text(e->data, "text", ""));
}

static void on_net(struct progress *p, const struct worker *w, const struct event *e)
{
	char prefix[16];

	if (strcmp(json_get_text(e->data, "effect", ""), "allow") == 0)
		return;
	AUTO(freep) char *host = brief(json_get_text(e->data, "host", ""), 120);
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);
	buf_printf(&p->out, "       %s%sno connection%s by %s: %s:%lld (%s)\n", who(w, prefix, sizeof prefix), RED(p), PLAIN(p),
	           json_get_text(e->data, "rule", "default"), host, (long long)json_get_int(e->data, "port", 0), reason);
}

static void on_call_finished(struct progress *p, struct worker *w, const struct event *e)
{
	const char *status = json_get_text(e->data, "status", "");
	bool ok = strcmp(status, "ok") == 0;
	char span[32], prefix[16];

	w->doing[0] = '\0';
	buf_printf(&p->out, "       %s%s%s%s", who(w, prefix, sizeof prefix), ok ? GREEN(p) : RED(p), status, PLAIN(p));
	if (json_get_int(e->data, "exit", 0) > 0)
		buf_printf(&p->out, ", exit status %lld", (long long)json_get_int(e->data, "exit", 0));
	if (json_is_integer(json_object_get(e->data, "exit")))
		buf_printf(&p->out, ", %s", clock_span(json_get_int(e->data, "ms", 0), span, sizeof span));
	if (!ok) {
		AUTO(freep) char *text = brief(json_get_text(e->data, "output", ""), 120);
		buf_printf(&p->out, ": %s", text);
	}
	buf_add_char(&p->out, '\n');
}

static void on_retry(struct progress *p, struct worker *w, const struct event *e)
{
	char span[32], prefix[16], count[48] = "";
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);
	AUTO(freep) char *call = brief(json_get_text(e->data, "call", ""), 24);
	AUTO(freep) char *what = call[0] != '\0' ? xasprintf("call %s did not work", call) : xstrdup("the model could not be asked");

	doing(w, call[0] != '\0' ? "waiting to run a call again" : "waiting to ask the model again");
	if (json_get_int(e->data, "attempt", 0) > 1)
		snprintf(count, sizeof count, ", attempt %lld of %lld", (long long)json_get_int(e->data, "attempt", 0),
		         (long long)json_get_int(e->data, "attempts", 0));
	buf_printf(&p->out, "  %s%s: %s; again in %s%s\n", who(w, prefix, sizeof prefix), what, reason,
	        clock_span(json_get_int(e->data, "delay_ms", 0), span, sizeof span), count);
}

/* What was seen of a reply that did not become whole is no reply. */
static void on_failed(struct progress *p, struct worker *w, const struct event *e)
{
	char prefix[16];

	w->doing[0] = '\0';
	if (w == p->workers)
		stream_end(&p->stream, true, &p->out);
	if (json_get_int(e->data, "shown", 0) > 0 && strcmp(json_get_text(e->data, "class", ""), "cancelled") != 0)
		buf_printf(&p->out, "  %sthe reply was cut off after %lld bytes; nothing of it is kept\n", who(w, prefix, sizeof prefix),
		           (long long)json_get_int(e->data, "shown", 0));
}

static void on_switched(struct progress *p, struct worker *w, const struct event *e)
{
	AUTO(freep) char *to = brief(json_get_text(e->data, "to", ""), 80);
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);
	char prefix[16];

	w->doing[0] = '\0';
	buf_printf(&p->out, "  %sasks %s%s%s from here on: %s\n", who(w, prefix, sizeof prefix), BOLD(p), to, PLAIN(p), reason);
}

/* What people said from elsewhere, and a question that can be answered from there. */
static void on_said(struct progress *p, struct worker *w, const struct event *e)
{
	char prefix[16];
	const char *by = json_get_text(e->data, "by", "");
	AUTO(freep) char *text = brief(json_get_text(e->data, "text", json_get_text(e->data, "reason", "")), 200);

	who(w, prefix, sizeof prefix);
	if (e->type == EVENT_QUESTION_ASKED && p->patient)
		buf_printf(&p->out, "  %sasks a person; answer with: mishri answer %s TEXT\n", prefix, json_get_text(e->data, "id", e->task));
	else if (e->type == EVENT_TASK_CANCELLED)
		buf_printf(&p->out, "  %scancelled by %s\n", prefix, by);
	else if (e->type == EVENT_TASK_PAUSED)
		buf_printf(&p->out, "  %spaused by %s; go on with: mishri resume %s\n", prefix, by, e->task);
	else if (e->type == EVENT_TASK_CONTINUED)
		buf_printf(&p->out, "  %sgoes on, says %s\n", prefix, by);
	else if (e->type == EVENT_TASK_STEERED)
		buf_printf(&p->out, "  %s%s says: %s\n", prefix, by, text);
	else if (e->type == EVENT_CONTROL_REFUSED)
		buf_printf(&p->out, "  %s%s wanted to %s this and may not, or cannot: %s\n", prefix, by,
		           json_get_text(e->data, "command", ""), text);
	if (e->type == EVENT_TASK_PAUSED)
		doing(w, "paused");
}

static void on_compacted(struct progress *p, const struct worker *w, const struct event *e)
{
	char prefix[16];

	buf_printf(&p->out, "  %sthe conversation was compacted: %lld messages dropped, %lld outputs left out, "
	           "%lld KiB of %lld KiB stay\n", who(w, prefix, sizeof prefix), (long long)json_get_int(e->data, "dropped", 0),
	           (long long)json_get_int(e->data, "stubbed", 0), (long long)(json_get_int(e->data, "bytes_after", 0) + 1023) / 1024,
	           (long long)(json_get_int(e->data, "bytes_before", 0) + 1023) / 1024);
}

static void on_violated(struct progress *p, const struct worker *w, const struct event *e)
{
	const json_t *places = json_object_get(e->data, "places"), *row;
	const char *unknown = json_get_text(e->data, "unknown", NULL);
	char prefix[16];
	size_t i;

	if (unknown != NULL) {
		AUTO(freep) char *why = brief(unknown, 200);
		buf_printf(&p->out, "  %sthe files that the policy guards could not be looked at: %s\n", who(w, prefix, sizeof prefix), why);
	}
	json_array_foreach(places, i, row) {
		AUTO(freep) char *path = brief(json_get_text(row, "path", ""), 120);
		buf_printf(&p->out, "  %s%snew where the policy says files.%s%s: %s (%s)%s\n", who(w, prefix, sizeof prefix), RED(p),
		           json_get_text(row, "kind", ""), PLAIN(p), path, json_get_text(row, "pattern", ""),
		           json_is_true(json_object_get(row, "held")) ? "; guarded from now on" : "");
		if (i == 9 && json_array_size(places) > 10) {
			buf_printf(&p->out, "  ... and %zu more\n", json_array_size(places) - 10);
			break;
		}
	}
}

static void on_deadlock(struct progress *p, const struct worker *w, const struct event *e)
{
	char prefix[16];

	buf_printf(&p->out, "  %s%sdeadlock%s: %s; the wait for lock %s was ended\n", who(w, prefix, sizeof prefix), RED(p), PLAIN(p),
	           json_get_text(e->data, "cycle", ""), json_get_text(e->data, "lock", ""));
}

static void on_loop(struct progress *p, const struct worker *w, const struct event *e)
{
	static const struct { const char *level, *text; } rows[] = {
		{ "nudge", "the agent was told so" }, { "replan", "the agent was told to plan anew" }, { "stop", "it is stopped" },
	};
	const char *level = json_get_text(e->data, "level", "");
	long long length = json_get_int(e->data, "length", 1), count = json_get_int(e->data, "count", 0);
	char prefix[16];

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].level, level) == 0)
			buf_printf(&p->out, "  %sgoes round in circles (%s: %lld call%s, %lld times): %s\n", who(w, prefix, sizeof prefix),
			           json_get_text(e->data, "kind", ""), length, length == 1 ? "" : "s", count, rows[i].text);
}

static void on_plan(struct progress *p, const struct event *e)
{
	const json_t *steps = json_object_get(e->data, "steps");

	json_decref(p->plan);
	p->plan = json_deep_copy(steps);
	buf_printf(&p->out, "  %splan%s\n", BOLD(p), PLAIN(p));
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i), *after = json_object_get(step, "after");
		AUTO(freep) char *id = brief(json_get_text(step, "id", ""), 32);
		AUTO(freep) char *title = brief(json_get_text(step, "title", ""), 100);
		buf_printf(&p->out, "    %-4s %-8s %s", id, json_get_text(step, "state", ""), title);
		for (size_t k = 0; k < json_array_size(after); k++) {
			AUTO(freep) char *before = brief(json_string_value(json_array_get(after, k)), 32);
			buf_printf(&p->out, "%s%s", k == 0 ? "  (after " : ", ", before);
		}
		buf_add_text(&p->out, json_array_size(after) > 0 ? ")\n" : "\n");
	}
}

static void set_step(struct progress *p, const char *id, const char *state)
{
	for (size_t i = 0; i < json_array_size(p->plan); i++)
		if (strcmp(json_get_text(json_array_get(p->plan, i), "id", ""), id) == 0)
			json_put_text(json_array_get(p->plan, i), "state", state);
}

/* The worker of a delegation, which is numbered with it. */
static struct worker *child_of(struct progress *p, const struct event *e)
{
	struct event child = *e;

	snprintf(child.task, sizeof child.task, "%s", json_get_text(e->data, "child", ""));
	snprintf(child.parent, sizeof child.parent, "%s", e->task);
	return worker_of(p, &child);
}

static void on_delegated(struct progress *p, const struct event *e)
{
	struct worker *w = child_of(p, e);

	snprintf(w->step, sizeof w->step, "%s", json_get_text(e->data, "step", ""));
	set_step(p, w->step, "running");
	doing(w, json_get_bool(e->data, "question", false) ? "answers a worker" : "begins");
}

static void on_reported(struct progress *p, const struct event *e)
{
	struct worker *w = child_of(p, e);
	const char *state = json_get_text(e->data, "state", "");
	bool done = strcmp(state, "done") == 0;
	AUTO(freep) char *result = brief(json_get_text(e->data, "result", ""), 140);

	w->doing[0] = '\0';
	set_step(p, w->step, done ? "done" : "failed");
	buf_printf(&p->out, "%s[w%d]%s %s%s%s: %s\n", BOLD(p), w->number, PLAIN(p), done ? GREEN(p) : RED(p),
	        state, PLAIN(p), result);
}

/* What waits for people is named, so that another terminal can answer. */
static void on_approval(struct progress *p, struct worker *w, const struct event *e)
{
	const char *id = json_get_text(e->data, "approval", "");
	AUTO(freep) char *by = brief(json_get_text(e->data, "by", ""), 60);
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 140);
	AUTO(freep) char *covers = brief(json_get_text(e->data, "covers", ""), 100);

	if (e->type == EVENT_APPROVAL_REQUESTED && p->patient) {
		doing(w, "waiting for a person");
		buf_printf(&p->out, "  %swaits for approval %s%s: mishri approvals · mishri approve %s\n", BOLD(p), id, PLAIN(p), id);
	} else if (e->type == EVENT_APPROVAL_VOTED && json_get_int(e->data, "votes", 0) < json_get_int(e->data, "needed", 0)) {
		buf_printf(&p->out, "  %s says yes to %s; %lld of %lld\n", by, id, (long long)json_get_int(e->data, "votes", 0),
		           (long long)json_get_int(e->data, "needed", 0));
	} else if (e->type == EVENT_APPROVAL_REFUSED) {
		buf_printf(&p->out, "  %sthe answer of %s does not count%s: %s\n", BOLD(p), by, PLAIN(p), reason);
	} else if (e->type == EVENT_GRANT_MADE) {
		buf_printf(&p->out, "  remembered as grant %s: %s\n", json_get_text(e->data, "grant", ""), covers);
	} else if (e->type == EVENT_GRANT_USED) {
		buf_printf(&p->out, "  allowed as remembered (grant %s)\n", json_get_text(e->data, "grant", ""));
	}
}

static void on_warned(struct progress *p, const struct event *e)
{
	enum budget_unit unit = BUDGET_USD;
	char spent[40], most[40];

	while (unit + 1 < BUDGET_UNITS && strcmp(budget_unit_name(unit), json_get_text(e->data, "unit", "")) != 0)
		unit++;
	buf_printf(&p->out, "  %sbudget %s%s: %lld %% is spent, %s of %s per %s\n", BOLD(p),
	           json_get_text(e->data, "budget", ""), PLAIN(p), (long long)json_get_int(e->data, "percent", 0),
	           budget_amount(unit, json_get_int(e->data, "spent", 0), spent, sizeof spent),
	           budget_amount(unit, json_get_int(e->data, "most", 0), most, sizeof most),
	           json_get_text(e->data, "per", ""));
}

static void on_over(struct progress *p, struct worker *w, const struct event *e)
{
	bool waits = strcmp(json_get_text(e->data, "over", ""), "wait") == 0;
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 400);
	char prefix[16];

	if (waits)
		doing(w, "waiting for a limit");
	buf_printf(&p->out, "  %s%s%s%s: %s\n", who(w, prefix, sizeof prefix), RED(p), waits ? "waits" : "stopped", PLAIN(p), reason);
}

void progress_event(struct progress *p, const struct event *e)
{
	if (e->task[0] == '\0')
		return; /* of the engine, not of a task */
	struct worker *w = worker_of(p, e);

	p->patient |= json_get_bool(e->type == EVENT_TASK_CREATED ? json_object_get(e->data, "config") : e->data,
	                            "wait_for_approval", false);
	switch (e->type) {
	case EVENT_TASK_CREATED: on_created(p, e); break;
	case EVENT_TASK_RESUMED:
		buf_printf(&p->out, "%stask %s%s  goes on (%s)\n", BOLD(p), e->task, PLAIN(p), json_get_text(e->data, "reason", ""));
		break;
	case EVENT_TASK_CANCELLED:
	case EVENT_TASK_PAUSED:
	case EVENT_TASK_CONTINUED:
	case EVENT_TASK_STEERED:
	case EVENT_CONTROL_REFUSED:
	case EVENT_QUESTION_ASKED: on_said(p, w, e); break;
	case EVENT_TASK_PARKED:
		w->doing[0] = '\0';
		if (w->number == 0)
			buf_printf(&p->out, "task %s is parked; go on with: mishri run --resume %s\n", e->task, e->task);
		break;
	case EVENT_PLAN_UPDATED: on_plan(p, e); break;
	case EVENT_TASK_DELEGATED: on_delegated(p, e); break;
	case EVENT_TASK_REPORTED: on_reported(p, e); break;
	case EVENT_MODEL_REQUESTED: doing(w, "waiting for the model"); break;
	case EVENT_MODEL_REPLIED: on_replied(p, w, e); break;
	case EVENT_RETRY_SCHEDULED: on_retry(p, w, e); break;
	case EVENT_MODEL_FAILED: on_failed(p, w, e); break;
	case EVENT_MODEL_SWITCHED: on_switched(p, w, e); break;
	case EVENT_CALL_PROPOSED: on_proposed(p, w, e); break;
	case EVENT_CALL_DECIDED: on_decided(p, w, e); break;
	case EVENT_EXEC_DECIDED: on_exec(p, w, e); break;
	case EVENT_RESOURCE_EXCEEDED: on_exceeded(p, w, e); break;
	case EVENT_NET_DECIDED: on_net(p, w, e); break;
	case EVENT_CALL_FINISHED: on_call_finished(p, w, e); break;
	case EVENT_CONVERSATION_COMPACTED: on_compacted(p, w, e); break;
	case EVENT_APPROVAL_REQUESTED:
	case EVENT_APPROVAL_VOTED:
	case EVENT_APPROVAL_REFUSED:
	case EVENT_GRANT_MADE:
	case EVENT_GRANT_USED: on_approval(p, w, e); break;
	case EVENT_FILES_VIOLATED: on_violated(p, w, e); break;
	case EVENT_LOOP_DETECTED: on_loop(p, w, e); break;
	case EVENT_SLOT_WAITING: doing(w, "waiting for a worker slot"); break;
	case EVENT_LOCK_WAITING: doing(w, "waiting for a lock"); break;
	case EVENT_DEADLOCK_DETECTED: on_deadlock(p, w, e); break;
	case EVENT_TASK_FINISHED: w->doing[0] = '\0'; break;
	case EVENT_BUDGET_WARNED: on_warned(p, e); break;
	case EVENT_LIMIT_REACHED:
	case EVENT_BUDGET_EXCEEDED: on_over(p, w, e); break;
	case EVENT_POLICY_REFUSED:
		if (w->number == 0)
			buf_printf(&p->out, "  %sthe changed policy is refused%s, the old one holds: %s\n", RED(p), PLAIN(p),
			           json_get_text(e->data, "message", ""));
		break;
	case EVENT_BUDGET_RAISED:
	case EVENT_RECOVERY_STARTED:
	case EVENT_ENGINE_STARTED:
	case EVENT_ENGINE_DRAINING:
	case EVENT_ENGINE_STOPPED:
	case EVENT_HEALTH_MISSED:
	case EVENT_HEALTH_RECOVERED:
	case EVENT_POLICY_LOADED:
	case EVENT_LOCK_TAKEN:
	case EVENT_LOCK_RELEASED:
	case EVENT_QUESTION_ANSWERED:
	case EVENT_TASK_PRIORITIZED:
	case EVENT_TASK_FORKED:
	case EVENT_BREAKER_OPENED:
	case EVENT_BREAKER_CLOSED:
	case EVENT_APPROVAL_DECIDED:
	case EVENT_GRANT_REVOKED:
	case EVENT_CALL_KILLED:
	case EVENT_CALL_STARTED:
	case EVENT_OUTPUT_KEPT:
	case EVENT_NET_FINISHED:
	case EVENT_CELL_OPENED:
	case EVENT_CELL_CLOSED:
	case EVENT_CHANGES_APPLIED:
	case EVENT_CHANGES_DROPPED:
	case EVENT_HISTORY_IMPORTED:
	case EVENT_HISTORY_PRUNED:
	case EVENT_TOKEN_ADDED:
	case EVENT_TOKEN_REVOKED:
	case EVENT_TOKEN_USED:
	case EVENT_TRUST_GIVEN:
	case EVENT_TRUST_TAKEN:
	case EVENT_SCHEDULE_ADDED:
	case EVENT_SCHEDULE_CHANGED:
	case EVENT_SCHEDULE_PAUSED:
	case EVENT_SCHEDULE_RESUMED:
	case EVENT_SCHEDULE_REMOVED:
	case EVENT_SCHEDULE_FIRED:
	case EVENT_SCHEDULE_QUEUED:
	case EVENT_SCHEDULE_PASSED:
	case EVENT_SCHEDULE_FAILED:
	case EVENT_TYPES: break;
	}
	if (!p->paused) /* what happens while a question is on the screen is told after the answer */
		show(p);
}
