/* chat_cost.c - /cost: what a chat cost, by model, in a table that fits 80 columns. The numbers are those of
 * `mishri cost --json`; it adds none up. */
#include "cli/chat.h"

#include <stdio.h>

#include "cli/capture.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

enum { NAME_COLUMNS = 22 };

static void add_row(struct buf *text, const char *name, const json_t *row)
{
	static const struct { const char *keys[2]; int columns; } numbers[] = {
		{ { "turns" }, 6 }, { { "calls" }, 6 }, { { "input" }, 10 }, { { "cache_read", "cache_write" }, 10 }, { { "output" }, 9 },
	};
	bool unknown = json_is_null(json_object_get(row, "usd_nanos"));
	AUTO(buf_done) struct buf cut = BUF_INIT(KIB(4));
	char cost[COST_TEXT_BYTES];

	text_add(&cut, name, NAME_COLUMNS);
	buf_printf(text, "  %s", buf_text(&cut));
	for (size_t i = text_columns(buf_str(&cut)); i < NAME_COLUMNS; i++)
		buf_add_char(text, ' ');
	for (size_t i = 0; i < COUNT(numbers); i++) {
		int64_t sum = json_get_int(row, numbers[i].keys[0], 0);
		if (numbers[i].keys[1] != NULL)
			sum += json_get_int(row, numbers[i].keys[1], 0);
		buf_printf(text, " %*lld", numbers[i].columns, (long long)sum);
	}
	buf_printf(text, "  %s\n", cost_text(unknown ? -1 : json_get_int(row, "usd_nanos", 0), cost));
}

void chat_cost(struct chat *c)
{
	const char *words[] = { "--data", option_text(c->o, "--data", ""), "--json", "--by", "model", "--session", c->session };
	size_t from = option_given(c->o, "--data") ? 0 : 2, len, i;
	AUTO(freep) char *out = NULL;
	AUTO(freep) char *complaint = NULL;
	AUTO(json_decrefp) json_t *cost = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	char most[COST_TEXT_BYTES];
	const json_t *rows, *row;

	if (command_capture(&cmd_cost, words + from, COUNT(words) - from, &out, &len, &complaint) != EXIT_DONE ||
	    json_parse((struct str){ out, len }, &cost, NULL) < 0) {
		chat_tell(c, "%s", complaint != NULL && complaint[0] != '\0' ? complaint : "The cost cannot be read.");
		return;
	}
	rows = json_object_get(cost, "rows");
	buf_printf(&text, "  %-*s %6s %6s %10s %10s %9s  %s\n", NAME_COLUMNS, "model", "turns", "calls", "input", "cached", "output",
	           "cost");
	json_array_foreach((json_t *)rows, i, row)
		add_row(&text, json_get_text(row, "model", "?"), row);
	add_row(&text, "total", json_object_get(cost, "total"));
	if (c->spec->budget_nanos >= 0)
		buf_printf(&text, "  Each message may spend %s.\n", cost_text(c->spec->budget_nanos, most));
	chat_paint(c, buf_str(&text));
}
