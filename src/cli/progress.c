/* progress.c - turns events into lines for people. It prints facts that are durable already. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

#include "base/banned.h"

enum { TICK_MS = 200, WIDTH = 100 };

struct progress {
	struct watch *tick;
	FILE *to;                      /* stderr; while a question is on the screen, `held` */
	char *held;                    /* lines that came in the meantime; shown after the answer */
	size_t held_len;
	bool terminal, color, status_shown;
	char doing[WIDTH + 1];         /* "" when nothing runs */
	int64_t since_ms, streamed;
	int64_t turns, calls, tokens, usd_nanos;
	struct {
		char call[24], *line;
	} proposed[LIMIT_CALLS_PER_REPLY]; /* of this turn; shown when their time comes */
	size_t proposed_count;
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
		fputs("\r\033[K", p->to);
	p->status_shown = false;
}

static void show_status(struct progress *p)
{
	char span[32];

	if (!p->terminal || p->to != stderr || p->doing[0] == '\0')
		return;
	clear_status(p);
	fprintf(p->to, "%s  %s %s  (turn %lld, %lld calls, %lld tokens", DIM(p), p->doing,
	        clock_span(clock_mono_ms() - p->since_ms, span, sizeof span), (long long)p->turns, (long long)p->calls,
	        (long long)p->tokens);
	if (!p->usd_unknown && p->usd_nanos > 0)
		fprintf(p->to, ", $%.4f", (double)p->usd_nanos / 1e9);
	fprintf(p->to, ")%s", PLAIN(p));
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

	p->to = stderr;
	p->terminal = terminal;
	p->color = color;
	if (terminal) {
		p->tick = watch_timer(loop, on_tick, p);
		watch_arm(p->tick, TICK_MS);
	}
	return p;
}

static void forget_proposed(struct progress *p)
{
	while (p->proposed_count > 0)
		free(p->proposed[--p->proposed_count].line);
}

void progress_pause(struct progress *p, bool paused)
{
	clear_status(p);
	if (paused && p->to == stderr) {
		FILE *held = open_memstream(&p->held, &p->held_len);
		p->to = held != NULL ? held : stderr;
	} else if (!paused && p->to != stderr) {
		fclose(p->to);
		p->to = stderr;
		fputs(p->held, stderr);
		free(TAKE(p->held));
	}
}

void progress_free(struct progress *p)
{
	if (p == NULL)
		return;
	progress_pause(p, false);
	forget_proposed(p);
	watch_free(p->tick);
	free(p);
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

	fprintf(p->to, "%stask %s%s  %s, in %s, isolation %s\n", BOLD(p), e->task, PLAIN(p),
	        json_get_text(e->data, "model", ""), workspace, json_get_text(e->data, "isolation", ""));
}

static void on_replied(struct progress *p, const struct event *e)
{
	const json_t *usage = json_object_get(e->data, "usage");
	static const char *const buckets[] = { "input", "cache_read", "cache_write", "output" };

	p->turns = json_get_int(e->data, "turn", 0);
	forget_proposed(p);
	for (size_t i = 0; i < COUNT(buckets); i++)
		p->tokens += json_get_int(usage, buckets[i], 0);
	p->usd_unknown |= json_is_null(json_object_get(e->data, "usd_nanos"));
	p->usd_nanos += json_get_int(e->data, "usd_nanos", 0);
	p->doing[0] = '\0';
	const char *text = json_get_text(e->data, "text", "");
	if (json_get_int(e->data, "calls", 0) == 0 || text[0] == '\0')
		return; /* the last reply is the result, and is printed as such */
	AUTO(freep) char *line = brief(text, 160);
	fprintf(p->to, "%s\n", line);
}

static void on_proposed(struct progress *p, const struct event *e)
{
	AUTO(freep) char *tool = brief(json_get_text(e->data, "tool", ""), 40);
	AUTO(freep) char *what = gist(json_object_get(e->data, "args"));

	p->calls++;
	if (p->proposed_count == COUNT(p->proposed))
		return;
	snprintf(p->proposed[p->proposed_count].call, sizeof p->proposed[0].call, "%s", json_get_text(e->data, "call", ""));
	p->proposed[p->proposed_count++].line = xasprintf("%s  %s", tool, what);
}

/* Calls are decided and run one after another: now it is this one's turn. */
static void on_decided(struct progress *p, const struct event *e)
{
	const char *call = json_get_text(e->data, "call", "");

	for (size_t i = 0; i < p->proposed_count; i++)
		if (strcmp(p->proposed[i].call, call) == 0)
			fprintf(p->to, "  %s%s%s  %s\n", BOLD(p), call, PLAIN(p), p->proposed[i].line);
}

static void on_exec(struct progress *p, const struct event *e)
{
	if (strcmp(json_get_text(e->data, "effect", ""), "allow") == 0)
		return;
	AUTO(freep) char *argv = json_text(json_object_get(e->data, "argv"));
	AUTO(freep) char *words = brief(argv, 80);
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);
	fprintf(p->to, "       %sstopped at the exec gate%s by %s: %s as %s (%s)\n", RED(p), PLAIN(p),
	        json_get_text(e->data, "rule", "default"), json_get_text(e->data, "program", ""), words, reason);
}

static void on_call_finished(struct progress *p, const struct event *e)
{
	const char *status = json_get_text(e->data, "status", "");
	bool ok = strcmp(status, "ok") == 0;
	char span[32];

	p->doing[0] = '\0';
	fprintf(p->to, "       %s%s%s", ok ? GREEN(p) : RED(p), status, PLAIN(p));
	if (json_get_int(e->data, "exit", 0) > 0)
		fprintf(p->to, ", exit status %lld", (long long)json_get_int(e->data, "exit", 0));
	if (json_is_integer(json_object_get(e->data, "exit")))
		fprintf(p->to, ", %s", clock_span(json_get_int(e->data, "ms", 0), span, sizeof span));
	if (!ok) {
		AUTO(freep) char *text = brief(json_get_text(e->data, "output", ""), 120);
		fprintf(p->to, ": %s", text);
	}
	fputc('\n', p->to);
}

static void on_retry(struct progress *p, const struct event *e)
{
	char span[32];
	AUTO(freep) char *reason = brief(json_get_text(e->data, "reason", ""), 160);

	p->doing[0] = '\0';
	fprintf(p->to, "  the model could not be asked: %s; again in %s\n", reason,
	        clock_span(json_get_int(e->data, "delay_ms", 0), span, sizeof span));
}

void progress_event(struct progress *p, const struct event *e)
{
	clear_status(p);
	switch (e->type) {
	case EVENT_TASK_CREATED: on_created(p, e); break;
	case EVENT_TASK_RESUMED: fprintf(p->to, "%stask %s%s  goes on (%s)\n", BOLD(p), e->task, PLAIN(p), json_get_text(e->data, "reason", "")); break;
	case EVENT_TASK_PARKED: fprintf(p->to, "task %s is parked; go on with: mishri run --resume %s\n", e->task, e->task); break;
	case EVENT_MODEL_REQUESTED: doing(p, "waiting for the model"); break;
	case EVENT_MODEL_REPLIED: on_replied(p, e); break;
	case EVENT_RETRY_SCHEDULED: on_retry(p, e); break;
	case EVENT_CALL_PROPOSED: on_proposed(p, e); break;
	case EVENT_CALL_DECIDED: on_decided(p, e); break;
	case EVENT_CALL_STARTED: doing(p, "running"); break;
	case EVENT_EXEC_DECIDED: on_exec(p, e); break;
	case EVENT_CALL_FINISHED: on_call_finished(p, e); break;
	case EVENT_ENGINE_STARTED:
	case EVENT_ENGINE_DRAINING:
	case EVENT_ENGINE_STOPPED:
	case EVENT_POLICY_LOADED:
	case EVENT_TASK_CANCELLED:
	case EVENT_TASK_FINISHED:
	case EVENT_MODEL_FAILED:
	case EVENT_APPROVAL_REQUESTED:
	case EVENT_APPROVAL_DECIDED:
	case EVENT_CALL_KILLED:
	case EVENT_CELL_OPENED:
	case EVENT_CELL_CLOSED:
	case EVENT_TYPES: break;
	}
	show_status(p);
}
