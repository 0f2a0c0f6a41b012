/* progress.c - turns events into lines for people. It prints facts that are durable already. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

#include "base/banned.h"

enum { TICK_MS = 200, WIDTH = 100 };

struct worker {                        /* a task whose lines are shown */
	char task[ID_LEN + 1];
	int number;                    /* 0: the root task */
	struct {
		char call[24], *line;
	} proposed[LIMIT_CALLS_PER_REPLY]; /* of this turn; shown when their time comes */
	size_t proposed_count;
	struct worker *next;
};

struct progress {
	struct watch *tick;
	bool terminal, color, paused, status_shown;
	char doing[WIDTH + 1];         /* "" when nothing runs */
	int64_t since_ms, streamed;
	int64_t turns, calls, tokens, usd_nanos;
	struct worker *workers;        /* newest first */
	int worker_count;
	bool usd_unknown;
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

static void clear_status(struct progress *p)
{
	if (p->status_shown)
		fputs("\r\033[K", stderr);
	p->status_shown = false;
}

static void show_status(struct progress *p)
{
	char span[32];

	if (!p->terminal || p->paused || p->doing[0] == '\0')
		return;
	clear_status(p);
	fprintf(stderr, "%s  %s %s  (turn %lld, %lld calls, %lld tokens", DIM(p), p->doing,
	        clock_span(clock_mono_ms() - p->since_ms, span, sizeof span), (long long)p->turns, (long long)p->calls,
	        (long long)p->tokens);
	if (!p->usd_unknown && p->usd_nanos > 0)
		fprintf(stderr, ", $%.4f", (double)p->usd_nanos / 1e9);
	fprintf(stderr, ")%s", PLAIN(p));
	p->status_shown = true;
}

static void on_tick(void *userdata)
{
	struct progress *p = userdata;

	show_status(p);
	watch_arm(p->tick, TICK_MS);
}

struct progress *progress_new(struct loop *loop, bool terminal, bool color)
{
	struct progress *p = xcalloc(1, sizeof *p);

	p->terminal = terminal;
	p->color = color;
	if (terminal) {
		p->tick = watch_timer(loop, on_tick, p);
		watch_arm(p->tick, TICK_MS);
	}
	return p;
}

static void forget_proposed(struct worker *w)
{
	while (w->proposed_count > 0)
		free(w->proposed[--w->proposed_count].line);
}

static struct worker *worker_of(struct progress *p, const struct event *e)
{
	for (struct worker *w = p->workers; w != NULL; w = w->next)
		if (strcmp(w->task, e->task) == 0)
			return w;
	struct worker *w = xcalloc(1, sizeof *w);
	memcpy(w->task, e->task, sizeof w->task);
	w->number = e->parent[0] != '\0' ? ++p->worker_count : 0;
	w->next = p->workers;
	p->workers = w;
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
	clear_status(p);
	while (p->workers != NULL) {
		struct worker *w = p->workers;
		p->workers = w->next;
		forget_proposed(w);
		free(w);
	}
	watch_free(p->tick);
	free(p);
}

void progress_pause(struct progress *p, bool paused)
{
	clear_status(p);
	p->paused = paused;
}

void progress_text(struct progress *p, struct str text)
{
	p->streamed += (int64_t)text.len;
}

static void doing(struct progress *p, const char *what)
{
	snprintf(p->doing, sizeof p->doing, "%s", what);
	p->since_ms = clock_mono_ms();
	show_status(p);
}

/* The first line of a text, harmless and short. The caller frees it. */
static char *brief(const char *text, size_t width)
{
	struct buf clean = BUF_INIT(MIB(4));
	const char *start = text + strspn(text, " \n\t");
	size_t line = strcspn(start, "\n");
	bool more = start[line] != '\0' && start[line + 1] != '\0';

	sanitize_text((struct str){ start, line }, &clean);
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

	if (w->number > 0)
		fprintf(stderr, "%s[w%d]%s task %s: %s\n", BOLD(p), w->number, PLAIN(p), e->task, goal);
	else
		fprintf(stderr, "%stask %s%s  %s, in %s, isolation %s\n", BOLD(p), e->task, PLAIN(p),
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
	p->doing[0] = '\0';
	const char *text = json_get_text(e->data, "text", "");
	if (json_get_int(e->data, "calls", 0) == 0 || text[0] == '\0')
		return; /* the last reply is the result, and is printed as such */
	AUTO(freep) char *line = brief(text, 160);
	fprintf(stderr, "%s%s\n", who(w, prefix, sizeof prefix), line);
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
	w->proposed[w->proposed_count++].line = leads ? xstrdup(tool) : xasprintf("%s  %s", tool, what);
}

/* Calls are decided and run one after another: now it is this one's turn. */
static void on_decided(struct progress *p, const struct worker *w, const struct event *e)
{
	const char *call = json_get_text(e->data, "call", "");
	char prefix[16];

	for (size_t i = 0; i < w->proposed_count; i++)
		if (strcmp(w->proposed[i].call, call) == 0)
			fprintf(stderr, "  %s%s%s%s  %s\n", who(w, prefix, sizeof prefix), BOLD(p), call, PLAIN(p), w->proposed[i].line);
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
	fprintf(stderr, "       %s%sstopped at the exec gate%s by %s: %s as %s (%s)\n", who(w, prefix, sizeof prefix), RED(p),
	        PLAIN(p), json_get_text(e->data, "rule", "default"), program, words, reason);
}

static void on_call_finished(struct progress *p, const struct worker *w, const struct event *e)
{
	const char *status = json_get_text(e->data, "status", "");
	bool ok = strcmp(status, "ok") == 0;
	char span[32], prefix[16];

	p->doing[0] = '\0';
	fprintf(stderr, "       %s%s%s%s", who(w, prefix, sizeof prefix), ok ? GREEN(p) : RED(p), status, PLAIN(p));
	if (json_get_int(e->data, "exit", 0) > 0)
		fprintf(stderr, ", exit status %lld", (long long)json_get_int(e->data, "exit", 0));
	if (json_is_integer(json_object_get(e->data, "exit")))
		fprintf(stderr, ", %s", clock_span(json_get_int(e->data, "ms", 0), span, sizeof span));
	if (!ok) {
		AUTO(freep) char *text = brief(json_get_text(e->data, "output", ""), 120);
		fprintf(stderr, ": %s", text);
	}
	fputc('\n', stderr);
}

static void on_retry(struct progress *p, const struct worker *w, const struct event *e)
{
	char span[32], prefix[16];
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);

	p->doing[0] = '\0';
	fprintf(stderr, "  %sthe model could not be asked: %s; again in %s\n", who(w, prefix, sizeof prefix), reason,
	        clock_span(json_get_int(e->data, "delay_ms", 0), span, sizeof span));
}

static void on_plan(struct progress *p, const struct event *e)
{
	const json_t *steps = json_object_get(e->data, "steps");

	fprintf(stderr, "  %splan%s\n", BOLD(p), PLAIN(p));
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i), *after = json_object_get(step, "after");
		AUTO(freep) char *id = brief(json_get_text(step, "id", ""), 32);
		AUTO(freep) char *title = brief(json_get_text(step, "title", ""), 100);
		fprintf(stderr, "    %-4s %-8s %s", id, json_get_text(step, "state", ""), title);
		for (size_t k = 0; k < json_array_size(after); k++) {
			AUTO(freep) char *before = brief(json_string_value(json_array_get(after, k)), 32);
			fprintf(stderr, "%s%s", k == 0 ? "  (after " : ", ", before);
		}
		fputs(json_array_size(after) > 0 ? ")\n" : "\n", stderr);
	}
}

static void on_reported(struct progress *p, const struct event *e)
{
	struct event child = *e;
	const char *state = json_get_text(e->data, "state", "");
	bool done = strcmp(state, "done") == 0;
	AUTO(freep) char *result = brief(json_get_text(e->data, "result", ""), 140);

	snprintf(child.task, sizeof child.task, "%s", json_get_text(e->data, "child", ""));
	snprintf(child.parent, sizeof child.parent, "%s", e->task);
	fprintf(stderr, "%s[w%d]%s %s%s%s: %s\n", BOLD(p), worker_of(p, &child)->number, PLAIN(p), done ? GREEN(p) : RED(p),
	        state, PLAIN(p), result);
}

void progress_event(struct progress *p, const struct event *e)
{
	struct worker *w = e->task[0] != '\0' ? worker_of(p, e) : NULL;

	clear_status(p);
	switch (e->type) {
	case EVENT_TASK_CREATED: on_created(p, e); break;
	case EVENT_TASK_RESUMED:
		fprintf(stderr, "%stask %s%s  goes on (%s)\n", BOLD(p), e->task, PLAIN(p), json_get_text(e->data, "reason", ""));
		break;
	case EVENT_TASK_PARKED:
		if (w->number == 0)
			fprintf(stderr, "task %s is parked\n", e->task);
		break;
	case EVENT_PLAN_UPDATED: on_plan(p, e); break;
	case EVENT_TASK_REPORTED: on_reported(p, e); break;
	case EVENT_MODEL_REQUESTED: doing(p, "waiting for the model"); break;
	case EVENT_MODEL_REPLIED: on_replied(p, w, e); break;
	case EVENT_RETRY_SCHEDULED: on_retry(p, w, e); break;
	case EVENT_CALL_PROPOSED: on_proposed(p, w, e); break;
	case EVENT_CALL_DECIDED: on_decided(p, w, e); break;
	case EVENT_CALL_STARTED: doing(p, "running"); break;
	case EVENT_EXEC_DECIDED: on_exec(p, w, e); break;
	case EVENT_CALL_FINISHED: on_call_finished(p, w, e); break;
	case EVENT_ENGINE_STARTED:
	case EVENT_ENGINE_DRAINING:
	case EVENT_ENGINE_STOPPED:
	case EVENT_POLICY_LOADED:
	case EVENT_TASK_DELEGATED:
	case EVENT_QUESTION_ASKED:
	case EVENT_QUESTION_ANSWERED:
	case EVENT_TASK_CANCELLED:
	case EVENT_TASK_FINISHED:
	case EVENT_MODEL_FAILED:
	case EVENT_APPROVAL_REQUESTED:
	case EVENT_APPROVAL_DECIDED:
	case EVENT_CALL_KILLED:
	case EVENT_OUTPUT_KEPT:
	case EVENT_CELL_OPENED:
	case EVENT_CELL_CLOSED:
	case EVENT_TYPES: break;
	}
	show_status(p);
}
