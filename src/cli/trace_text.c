/* trace_text.c - the spans as a time line: what on the left, when and how long in the middle, a bar on the
 * right. One line a span, never wider than asked for. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/text.h"
#include "cli/trace.h"

#include "base/banned.h"

enum { TIME_COLUMNS = 8, BAR_LEAST = 10, INDENT_MOST = 24 };

struct page {
	const struct trace *trace;
	size_t label, bar;           /* columns */
	bool colour;
	int64_t start_us, span_us;
};

/* "12 ms", "1.5 s", "3m05s", "2h05m": at most 7 columns. */
static void time_short(int64_t us, char text[static 24])
{
	long long ms = us / 1000, s = ms / 1000;

	if (ms < 1000)
		snprintf(text, 24, "%lld ms", ms);
	else if (s < 100)
		snprintf(text, 24, "%lld.%lld s", s, ms % 1000 / 100);
	else if (s < 6000)
		snprintf(text, 24, "%lldm%02llds", s / 60, s % 60);
	else
		snprintf(text, 24, "%lldh%02lldm", s / 3600, s / 60 % 60);
}

static void add_bar(const struct page *p, const struct span *s, struct buf *ret)
{
	static const char marks[] = {
		[SPAN_TASK] = '-', [SPAN_MODEL] = '=', [SPAN_CALL] = '#', [SPAN_DECISION] = '|', [SPAN_EXEC] = '|',
		[SPAN_NET] = '~', [SPAN_PERSON] = '?', [SPAN_PARKED] = '.',
	};
	int64_t columns = (int64_t)p->bar;
	int64_t from = (s->start_us - p->start_us) * columns / p->span_us;
	int64_t upto = (span_end(p->trace, s) - p->start_us) * columns / p->span_us;

	from = MAX(MIN(from, columns - 1), (int64_t)0);
	upto = MAX(MIN(upto, columns - 1), from);
	for (int64_t i = 0; i <= upto; i++)
		buf_add_char(ret, i < from ? ' ' : s->denied && s->kind != SPAN_TASK ? 'x' : marks[s->kind]);
	if (s->end_us == 0)
		buf_add_char(ret, '>');
}

static void add_model(const struct span *s, struct buf *ret)
{
	const json_t *a = s->attributes, *cost = json_object_get(a, "mishri.cost.usd_nanos");
	char text[COST_TEXT_BYTES];

	buf_printf(ret, "%s", s->name);
	if (s->status == NULL)
		buf_add_text(ret, "  no reply yet");
	if (json_object_get(a, "gen_ai.usage.output_tokens") != NULL)
		buf_printf(ret, "  %lld in, %lld out", (long long)json_get_int(a, "gen_ai.usage.input_tokens", 0),
		           (long long)json_get_int(a, "gen_ai.usage.output_tokens", 0));
	if (json_is_integer(cost))
		buf_printf(ret, ", %s", cost_text(json_integer_value(cost), text));
	else if (json_is_null(cost))
		buf_add_text(ret, ", cost unknown");
	const json_t *first = json_object_get(a, "gen_ai.response.time_to_first_chunk");
	if (json_is_real(first)) {
		char span[24];
		time_short((int64_t)(json_real_value(first) * 1e6), span);
		buf_printf(ret, ", first %s", span);
	}
	int64_t retries = json_get_int(a, "mishri.model.retries", 0);
	if (retries > 0)
		buf_printf(ret, ", %lld %s", (long long)retries, retries == 1 ? "retry" : "retries");
}

/* Everything of a span but its why; not cleaned yet. */
static void describe(const struct span *s, struct buf *ret)
{
	switch (s->kind) {
	case SPAN_TASK:
		buf_printf(ret, "%s %s %s", s->label, s->name, s->status);
		break;
	case SPAN_MODEL: add_model(s, ret); break;
	case SPAN_CALL:
		buf_printf(ret, "%s %s %s", s->label, s->name,
		           s->denied ? "DENIED" : s->status != NULL ? s->status : "no result yet");
		break;
	case SPAN_DECISION:
		buf_printf(ret, "policy: %s by %s", s->name, json_get_text(s->attributes, "mishri.policy.rule",
		                                                           json_get_text(s->attributes, "mishri.policy.by", "the default")));
		break;
	case SPAN_EXEC:
		if (s->denied)
			buf_printf(ret, "exec %s DENIED", s->name);
		else
			buf_add_text(ret, strcmp(s->status, "ask") == 0 ? "exec asked for" : "exec");
		break;
	case SPAN_NET:
		buf_printf(ret, "net %s %s", s->name, s->denied ? "DENIED" : s->status != NULL ? s->status : "open");
		break;
	case SPAN_PERSON: buf_printf(ret, "%s %s", s->name, s->status != NULL ? s->status : "waits"); break;
	case SPAN_PARKED: buf_add_text(ret, s->name); break;
	case SPAN_KINDS: break;
	}
	if (s->why != NULL)
		buf_printf(ret, " %s", s->why);
	if (s->text != NULL && s->text[0] != '\0')
		buf_printf(ret, ": %s", s->text);
}

static void print_span(const struct page *p, const struct span *s, size_t depth)
{
	AUTO(buf_done) struct buf raw = BUF_INIT(LIMIT_JSON_BYTES);
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(64));
	char at[24], took[24];
	size_t indent = MIN(depth * 2, MIN(p->label / 2, (size_t)INDENT_MOST));
	enum ink shade = s->denied || s->failed ? INK_BAD : s->kind == SPAN_TASK ? INK_BOLD : INK_PLAIN;

	describe(s, &raw);
	time_short(s->start_us - p->start_us, at);
	time_short(span_end(p->trace, s) - s->start_us, took);
	for (size_t i = 0; i < indent; i++)
		buf_add_char(&line, ' ');
	text_add(&line, buf_text(&raw), p->label - indent);
	text_pad(&line, 0, p->label);
	printf("%s%s%s %*s %*s%c", ink(p->colour, shade), buf_text(&line), ink(p->colour, INK_PLAIN), TIME_COLUMNS, at, TIME_COLUMNS,
	       s->kind == SPAN_EXEC || s->kind == SPAN_DECISION ? "" : took, s->critical ? '*' : ' ');
	buf_reset(&line);
	add_bar(p, s, &line);
	printf("%s\n", buf_text(&line));
}

/* What was simply permitted stands in the line of the call, in no line of its own. */
static bool is_plain(const struct span *s)
{
	return s->kind == SPAN_DECISION && (strcmp(s->name, "allow") == 0 || (s->parent != NULL && s->parent->denied));
}

/* Children; of many permitted program starts only the first. */
static void print_below(const struct page *p, const struct span *s, size_t depth)
{
	size_t execs = 0;

	print_span(p, s, depth);
	for (const struct span *child = s->first; child != NULL; child = child->next) {
		bool more = child->kind == SPAN_EXEC && !child->denied && ++execs > EXECS_SHOWN;
		if (!more && !is_plain(child))
			print_below(p, child, depth + 1);
	}
	if (execs > EXECS_SHOWN)
		printf("%*s(%zu more program starts; all of them: --format json)\n", (int)MIN((depth + 1) * 2, (size_t)INDENT_MOST), "",
		       execs - EXECS_SHOWN);
}

static void print_sums(const struct trace *t)
{
	static const char *const nouns[SPAN_KINDS] = {
		[SPAN_TASK] = "task", [SPAN_MODEL] = "turn", [SPAN_CALL] = "call", [SPAN_EXEC] = "program start",
		[SPAN_NET] = "connection", [SPAN_PERSON] = "question",
	};
	int64_t counts[SPAN_KINDS] = { 0 }, denied = 0;

	for (size_t i = 0; i < t->count; i++) {
		counts[t->spans[i]->kind]++;
		denied += t->spans[i]->denied && (t->spans[i]->kind == SPAN_CALL || t->spans[i]->kind == SPAN_EXEC ||
		                                  t->spans[i]->kind == SPAN_NET);
	}
	for (size_t kind = 0; kind < SPAN_KINDS; kind++) {
		if (counts[kind] == 0 || nouns[kind] == NULL)
			continue;
		print_count(counts[kind], nouns[kind]);
		fputs(", ", stdout);
	}
	printf("%lld denied\n", (long long)denied);
	if (t->left_out > 0)
		printf("%zu more steps are not shown: a trace has at most %d\n", t->left_out, LIMIT_TRACE_SPANS);
}

void trace_print_text(const struct trace *trace, size_t width, bool colour)
{
	size_t bar = MAX(width / 4, (size_t)BAR_LEAST) - 2;     /* an open end takes one more column */
	const struct page page = {
		.trace = trace, .colour = colour, .bar = bar, .label = width - bar - 2 - 2 * (TIME_COLUMNS + 1),
		.start_us = trace->start_us, .span_us = MAX(trace->end_us - trace->start_us, (int64_t)1),
	};
	char whole[24];

	time_short(trace->end_us - trace->start_us, whole);
	printf("%s%-*s %*s %*s 0%*s%s\n", ink(colour, INK_FAINT), (int)page.label, "WHAT", TIME_COLUMNS, "AT", TIME_COLUMNS, "TOOK",
	       (int)bar - 1, whole, ink(colour, INK_PLAIN));
	for (size_t i = 0; i < trace->count; i++)
		if (trace->spans[i]->parent == NULL)
			print_below(&page, trace->spans[i], 0);
	printf("%s- task  = model  # tool call  | program start  ? a person  x denied  > not ended  * critical path%s\n",
	       ink(colour, INK_FAINT),
	       ink(colour, INK_PLAIN));
	print_sums(trace);
}
