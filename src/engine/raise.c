/* raise.c - a person's yes beyond a limit or a budget. One yes is good for one thing, once: it is spent in the transaction
 * that gives the budget more, so that neither a crash nor a second yes to the same want makes two gifts of it. It asks nobody
 * and lifts no deny. */
#include "engine/raise.h"

#include <string.h>

#include "base/banned.h"

/* What a person said yes to; NULL: nobody did. */
static const json_t *yes_of(const struct charging *g)
{
	const struct task *t = g->run->task;

	if (g->call[0] == '\0')
		return t->model_waived ? t->over : NULL;
	const struct call *c = task_call_find((struct task *)t, g->call);
	return c != NULL && c->waived ? c->over : NULL;
}

bool raise_waives(const struct charging *g, enum over over)
{
	return over == OVER_ASK && json_get_text(yes_of(g), "limit", NULL) != NULL;
}

bool raise_is_due(const struct charging *g, const struct charge_budget *b)
{
	const json_t *yes = yes_of(g);
	char scope[160];

	return json_get_text(yes, "budget", NULL) != NULL && !json_get_bool(yes, "raised", false) &&
	       strcmp(json_get_text(yes, "budget", ""), b->budget.id) == 0 &&
	       strcmp(json_get_text(yes, "unit", ""), budget_unit_name(b->unit)) == 0 &&
	       strcmp(json_get_text(yes, "scope", ""), budget_scope_key(&b->budget, b->key, g->charge.day, scope)) == 0;
}

void raise_begin(const struct charging *g, const struct charge_budget *b)
{
	struct charging *gift = charging_new(g->run, -1);
	int64_t wants = g->charge.wants[b->unit], amount = MAX(wants, b->budget.most[b->unit]);
	char scope[160];
	json_t *data = json_pack("{s:s, s:s, s:s, s:I}", "budget", b->budget.id, "scope",
		budget_scope_key(&b->budget, b->key, g->charge.day, scope), "unit", budget_unit_name(b->unit), "amount", (json_int_t)amount);

	if (g->call[0] != '\0')
		json_put_text(data, "call", g->call);
	memcpy(gift->call, g->call, sizeof gift->call);
	gift->charge.raises = true;
	gift->charge.wants[b->unit] = wants;
	gift->charge.budget_count = 1;
	gift->charge.budgets[0] = (struct charge_budget){ .budget = b->budget };
	memcpy(gift->charge.budgets[0].key, b->key, sizeof b->key);
	charge_begin(gift, EVENT_BUDGET_RAISED, "task", "", data);
}
