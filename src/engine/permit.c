/* permit.c - what a call may do of that which its tool can: the tool's row, less what the task's profiles leave out, less
 * what the rules of the policy leave out. It only computes; the kernel keeps it (cell/narrow.c), for the call and all that
 * it starts. A call that lacks what its tool cannot do without is refused before anything runs. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "base/permission.h"

#include "base/banned.h"

static unsigned withheld_of_task(const json_t *config)
{
	const json_t *list = json_object_get(config, "permissions");

	return list != NULL ? PERMISSIONS_ALL & ~permissions_of_json(list) : 0;
}

void permit_task(json_t *config, const json_t *above, const struct agent_profile *profile)
{
	unsigned withheld = withheld_of_task(above) | (profile != NULL ? profile->withheld : 0);

	if (withheld != 0)
		json_put(config, "permissions", permissions_json(PERMISSIONS_ALL & ~withheld));
}

/* Who left it out, in words that the model can act on. */
static void explain(const struct tool *tool, unsigned missing, bool by_task, const char *agent, struct decision *d)
{
	struct buf words = BUF_INIT(128);

	permissions_print(missing, &words);
	if (by_task)
		snprintf(d->reason, sizeof d->reason, "the tool '%s' needs %s, which the agent '%s' was not given", tool->name,
		         buf_text(&words), agent);
	else
		snprintf(d->reason, sizeof d->reason, "the tool '%s' needs %s, which the rules that allow it do not grant (see their"
		         " `permissions`)", tool->name, buf_text(&words));
	buf_done(&words);
	d->effect = EFFECT_DENY;
	if (by_task)
		d->rule = d->source = NULL;
}

bool permit_decide(const struct run *run, const struct tool *tool, const json_t *args, struct decision *d, unsigned *ret_granted)
{
	unsigned needed, all = permissions_of_row(tool->permissions, &needed), lost = withheld_of_task(run->task->config);

	if (secret_wanted(tool, args))           /* what it does without otherwise, this call does not */
		needed |= PERMISSION(SECRETS);
	*ret_granted = all & ~lost & ~d->withheld;
	if (d->effect == EFFECT_DENY || (needed & ~*ret_granted) == 0)
		return true;
	bool by_task = (needed & lost) != 0;
	explain(tool, needed & (by_task ? lost : d->withheld), by_task, run->task->agent, d);
	return false;
}

unsigned permit_granted(const struct call *c, const struct tool *tool)
{
	return permissions_of_row(tool->permissions, NULL) & ~c->withheld;
}

unsigned permit_withheld(const struct run *run, uint64_t tag, const struct tool *tool)
{
	char id[CALL_ID_BYTES];

	call_id_of(tag, id);
	const struct call *c = task_call_find(run->task, id);
	return PERMISSIONS_ALL & ~(c != NULL ? permit_granted(c, tool) : 0);
}
