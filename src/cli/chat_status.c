/* chat_status.c - how a chat stands, in one line: what its message cost until now and may cost, what the whole chat did, whose
 * turn it is. All sums are those of events; where a price is unknown, tokens are told and no money. */
#include "cli/chat.h"

#include <stdio.h>

#include "cli/sums.h"
#include "cli/text.h"
#include "tools/tool.h"
#include "tui/status.h"

#include "base/banned.h"

void chat_spent_reset(struct chat *c, const struct task *t)
{
	c->spent = (struct chat_spent){ .unknown = false };
	if (t == NULL)
		return;
	c->spent.nanos = t->usd_nanos + t->below.usd_nanos;
	c->spent.unknown = t->usd_unknown || t->below.usd_unknown;
	c->spent.tokens = t->input + t->cache_read + t->cache_write + t->output + t->below.input + t->below.cache_read +
	                  t->below.cache_write + t->below.output;
}

void chat_spent_event(struct chat *c, const struct event *e)
{
	static const char *const kinds[] = { "input", "cache_read", "cache_write", "output" };
	const json_t *usage = json_object_get(e->data, "usage");
	int64_t nanos = json_get_int(e->data, "usd_nanos", -1);

	if (e->type != EVENT_MODEL_REPLIED)
		return;
	c->spent.unknown |= nanos < 0;
	c->spent.nanos += MAX(nanos, (int64_t)0);
	for (size_t i = 0; i < COUNT(kinds); i++)
		c->spent.tokens += MAX(json_get_int(usage, kinds[i], 0), (int64_t)0);
}

void chat_spent_sum(struct chat *c)
{
	AUTO(json_decrefp) json_t *sums = NULL;
	AUTO(task_row_done) struct task_row row = { 0 };

	if (c->task[0] != '\0' && store_task_get(c->s->store, c->task, &row, NULL) == 0 && sums_read(c->s->store, &row, &sums, NULL) == 0)
		c->chat_nanos = json_get_int(json_object_get(sums, "session"), "usd_nanos_known", 0);
}

static const char *money(int64_t nanos, char *text, size_t size)
{
	snprintf(text, size, nanos == 0 ? "$0" : nanos % 10000000 == 0 ? "$%.2f" : "$%.4f", (double)nanos / 1e9);
	return text;
}

static void message_cost(const struct chat *c, char *ret, size_t size)
{
	char spent[32], most[32];

	if (c->run == NULL)
		return;
	if (c->spent.unknown)
		snprintf(ret, size, "%lld tokens, cost unknown", (long long)c->spent.tokens);
	else if (c->spec->budget_nanos >= 0)
		snprintf(ret, size, "%s of %s", money(c->spent.nanos, spent, sizeof spent), money(c->spec->budget_nanos, most, sizeof most));
	else if (c->spent.nanos > 0)
		snprintf(ret, size, "%s", money(c->spent.nanos, spent, sizeof spent));
}

void chat_status(const struct chat *c, size_t columns, struct buf *ret)
{
	char cost[80] = "", whole[48] = "", budget[48] = "", waiting[32] = "", amount[32];
	size_t waits = json_array_size(c->queue);
	AUTO(buf_done) struct buf model = BUF_INIT(KIB(4));

	sanitize_shown(str_of(c->model_name != NULL ? c->model_name : c->spec->model), &model);
	message_cost(c, cost, sizeof cost);
	if (c->chat_nanos > 0)
		snprintf(whole, sizeof whole, "chat %s", money(c->chat_nanos, amount, sizeof amount));
	if (c->run == NULL && c->spec->budget_nanos >= 0)
		snprintf(budget, sizeof budget, "%s a message", money(c->spec->budget_nanos, amount, sizeof amount));
	if (waits > 0)
		snprintf(waiting, sizeof waiting, "%zu waiting", waits);
	const struct status_part parts[] = {
		{ c->name, 4 }, { buf_text(&model), 2 }, { cost, 6 }, { budget, 1 }, { whole, 3 },
		{ c->stopped ? "stopped" : c->run != NULL ? "works" : "ready", 7 }, { waiting, 4 },
		{ c->stopped ? "Enter goes on" : c->run != NULL ? "Esc stops" : "/help", 5 },
	};
	status_line(parts, COUNT(parts), columns, ret);
}
