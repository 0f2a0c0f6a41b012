/* print.c - text for people. Whatever a model, a tool or a person wrote passes sanitize_shown() first. */
#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/text.h"
#include "tools/tool.h"

#include "base/banned.h"

bool print_colour(const struct options *o)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) == 1 && !option_given(o, "--no-color") &&
	       (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

const char *ink(bool colour, enum ink ink)
{
	static const char *const codes[] = {
		[INK_PLAIN] = "\033[0m", [INK_BOLD] = "\033[1m", [INK_FAINT] = "\033[2m",
		[INK_GOOD] = "\033[32m", [INK_WARN] = "\033[33m", [INK_BAD] = "\033[31m",
	};

	return colour ? codes[ink] : "";
}

enum ink ink_of_state(const struct task_row *row)
{
	switch (row->state) {
	case TASK_DONE: return INK_GOOD;
	case TASK_RUNNING: return row->alive ? INK_BOLD : INK_WARN;
	case TASK_PARKED:
	case TASK_PAUSED:
	case TASK_CANCELLED: return INK_WARN;
	case TASK_FAILED:
	case TASK_DENIED:
	case TASK_STATES: break;
	}
	return INK_BAD;
}

void print_line(const char *text, size_t max)
{
	AUTO(buf_done) struct buf line = BUF_INIT(LIMIT_JSON_BYTES);

	text_add(&line, text, max);
	fputs(buf_text(&line), stdout);
}

void print_block(const char *indent, const char *text, size_t max_lines)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);
	size_t lines = 0;

	sanitize_shown(str_trim(str_of(text)), &clean);
	if (clean.len == 0)
		return;
	for (struct str rest = buf_str(&clean), line; str_next(&rest, '\n', &line); lines++)
		if (lines < max_lines)
			printf("%s%.*s\n", indent, STR_ARG(line));
	if (lines > max_lines)
		printf("%s[%zu more lines; all of it: mishri events TASK --content --json]\n", indent,
		       lines - max_lines);
}

void print_count(int64_t n, const char *noun)
{
	printf("%lld %s%s", (long long)n, noun, n == 1 ? "" : "s");
}

const char *time_text(int64_t wall_us, char text[static TIME_TEXT_BYTES])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, TIME_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

const char *cost_text(int64_t usd_nanos, char text[static COST_TEXT_BYTES])
{
	if (usd_nanos < 0)
		snprintf(text, COST_TEXT_BYTES, "unknown");
	else if (usd_nanos == 0)
		snprintf(text, COST_TEXT_BYTES, "$0");
	else
		snprintf(text, COST_TEXT_BYTES, usd_nanos < 100000000 ? "$%.6f" : "$%.2f", (double)usd_nanos / 1e9);
	return text;
}

int64_t usd_add(int64_t a, int64_t b)
{
	return a < 0 || b < 0 ? -1 : a + b;
}

const char *span_text(const struct task_row *row, char text[static SPAN_TEXT_BYTES])
{
	int64_t end = row->ended_us != 0 ? row->ended_us : clock_wall_us();

	return clock_span(MAX(end - row->started_us, (int64_t)0) / 1000, text, SPAN_TEXT_BYTES);
}

const char *state_text(const struct task_row *row)
{
	return row->state == TASK_RUNNING && !row->alive ? "lost" : task_state_name(row->state);
}

json_t *json_cost(const struct task_row *row)
{
	json_t *cost = json_object();

	json_put(cost, "usd_nanos", row->usd_nanos < 0 ? json_null() : json_integer(row->usd_nanos));
	json_put_int(cost, "input", row->input);
	json_put_int(cost, "cache_read", row->cache_read);
	json_put_int(cost, "cache_write", row->cache_write);
	json_put_int(cost, "cache_write_1h", row->cache_write_1h);
	json_put_int(cost, "output", row->output);
	json_put_int(cost, "reasoning", row->reasoning);
	return cost;
}

json_t *json_time(int64_t wall_us)
{
	char text[CLOCK_TEXT_BYTES];

	return wall_us == 0 ? json_null() : json_string(clock_format(wall_us, text));
}

void print_json(const json_t *value)
{
	AUTO(freep) char *text = json_text(value);

	puts(text);
}

int task_argument(const struct options *o, struct store *store, char ret[static ID_LEN + 1])
{
	const char *const *names;
	struct err err = ERR_NONE;

	if (option_positionals(o, &names) != 1)
		return complain(EXIT_USAGE, "name one task: its id, the beginning of it, or 'last'; `mishri history` lists them");
	int r = store_task_find(store, names[0], ret, &err);
	if (r == -ENOENT || r == -EEXIST)
		return complain(EXIT_USAGE, "%s", err.text);
	return r < 0 ? complain(EXIT_FAILED, "%s", err.text) : 0;
}
