/* asked.c - what a person is told about a question besides the action itself: who asks, and how policy came to ask.
 * It decides nothing, and hands out text as it came: whoever shows it makes it harmless. */
#include "engine/run.h"

#include <string.h>

#include "base/banned.h"

static void add_path(const struct run *run, struct buf *ret)
{
	if (run->parent != NULL) {
		add_path(run->parent, ret);
		buf_add_text(ret, " > ");
	}
	buf_printf(ret, "%s %s", run->task->agent, run->task->id);
}

static char *approval_path(const struct run *run)
{
	struct buf text = BUF_INIT(KIB(4));

	add_path(run, &text);
	return buf_take(&text);
}

/* The decision as policy makes it now. For a program that is held only what was written down then is known. */
static void explain(const struct run *run, const struct approval *a, struct buf *ret)
{
	const struct call *c = task_call_find(run->task, a->call);
	struct facts f;
	struct decision d = { .effect = EFFECT_ASK };
	char time[CLOCK_TEXT_BYTES];

	facts_of(run, &f);
	buf_printf(ret, "ask by %s (%s): %s\n", a->rule != NULL ? a->rule : "the default", a->source != NULL ? a->source : "no rule",
	           a->reason);
	if (strcmp(a->kind, "tool") == 0 && c != NULL)
		call_decide(run, c, &d);
	for (size_t i = 0; i < d.also_count; i++)
		buf_printf(ret, "  also: %s\n", d.also[i]);
	buf_printf(ret, "  facts: user %s, role %s, agent %s, channel %s, depth %d, calls %lld, workspace %s\n", f.user, f.role,
	           f.agent, f.channel, f.depth, (long long)f.calls, f.workspace);
	for (size_t i = 0; i < f.taint_count; i++)
		buf_printf(ret, "  taint: %s\n", f.taints[i]);
	buf_printf(ret, "  policy: %s\n  bound to: %s\n", policy_digest(run_policy(run)), a->digest);
	if (a->expires_us > 0)
		buf_printf(ret, "  no answer until %s is a no\n", clock_format(a->expires_us, time));
}

static char *taints_of(const struct run *run)
{
	struct buf text = BUF_INIT(KIB(4));
	struct facts f;

	facts_of(run, &f);
	for (size_t i = 0; i < f.taint_count; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "", f.taints[i]);
	return buf_take(&text);
}

void approval_put_question(struct run *run, const char *approval)
{
	const struct engine_setup *setup = &run->engine->setup;
	const struct approval *a = task_approval(run->task, approval);

	if (a != NULL && !setup->interactive && setup->ask_open != NULL && a->requested_us < run->task->run_since_us)
		setup->ask_open(setup->userdata, a->id);
	if (a == NULL || setup->ask == NULL || !setup->interactive)
		return;
	const struct call *c = task_call_find(run->task, a->call);
	AUTO(buf_done) struct buf why = BUF_INIT(KIB(64));
	AUTO(freep) char *path = approval_path(run);
	AUTO(freep) char *taints = taints_of(run);
	AUTO(freep) char *layer = files_layer(run);
	explain(run, a, &why);
	setup->ask(setup->userdata, &(struct question){
		.approval = a->id, .task = run->task->id, .user = run->task->user, .kind = a->kind, .request = a, .path = path,
		.workspace = run->task->workspace, .layer = layer, .explanation = buf_text(&why), .taints = taints,
		.tool = c != NULL ? tool_find(c->tool) : NULL });
}
