/* exec.c - the exec gate's policy side: a program stands before its first instruction, and here is
 * decided whether it may go on. Reading the program is the cell's work (cell/inspect.c). */
#include "engine/charge.h"
#include "engine/exec_like.h"
#include "engine/reload.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

void exec_action(const struct cell_exec *exec, struct action *ret)
{
	*ret = (struct action){
		.kind = ACTION_EXEC,
		.exec = {
			.program = exec->program,
			.names = exec->names,
			.name_count = exec->name_count,
			.trusted_names = exec->trusted_names,
			.origin = (enum origin)exec->origin,
			.argv = exec->argv,
			.argc = exec->argc,
			.cwd = exec->cwd,
			.sha256 = exec_digest(exec),
			.also_sha256 = exec->hash_count > 1 ? exec->hashes + 1 : NULL,
			.also_count = exec->hash_count > 1 ? exec->hash_count - 1 : 0,
		},
	};
}

void exec_decide(const struct policy *policy, const struct cell_exec *exec, const struct facts *facts, struct decision *ret)
{
	struct action action;

	if (exec_stopped(exec, ret))
		return;
	AUTO(freep) const char **words = exec_words(exec);
	exec_action(exec, &action);
	if (words != NULL) {
		action.exec.argv = words;
		action.exec.argc = exec->argc + 1;
	}
	policy_decide(policy, &action, facts, ret);
}

static void one_line(struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->ptr[i] == '\n' || text->ptr[i] == '\t')
			text->ptr[i] = ' ';
}

void exec_command(const struct cell_exec *exec, const char *rule, struct buf *ret)
{
	struct buf words = BUF_INIT(KIB(4));
	struct decision stopped;

	buf_add_text(&words, exec->program[0] != '\0' ? exec->program : "(unreadable program)");
	for (size_t i = 1; i < exec->argc && words.len < 160; i++)
		buf_printf(&words, " %.80s", exec->argv[i]);
	buf_printf(ret, "mishri: denied by %s: ", rule != NULL ? rule : exec_stopped(exec, &stopped) ? "the gate" : "default");
	sanitize_text(buf_str(&words), ret);
	buf_done(&words);
	one_line(ret);
}

void exec_message(const struct cell_exec *exec, const struct decision *d, struct buf *ret)
{
	exec_command(exec, d->rule, ret);
	buf_add_text(ret, " (");
	sanitize_text(str_of(d->reason), ret);
	if (exec->why_untrusted[0] != '\0')
		buf_printf(ret, "; %s", exec->why_untrusted);
	buf_add_char(ret, ')');
	one_line(ret);
}

static json_t *exec_event(const struct run *run, const struct cell_exec *exec, const struct decision *d)
{
	static const char *const origins[] = { "untrusted", "workspace", "system" };
	json_t *data = effect_fields(d, run_policy(run));
	json_t *argv = json_array();
	char call[CALL_ID_BYTES];

	call_id_of(exec->call, call);
	for (size_t i = 0; i < exec->argc; i++)
		json_array_append_new(argv, json_of_str(str_of(exec->argv[i])));
	json_put_text(data, "call", call);
	json_put_int(data, "pid", exec->pid);
	json_put_text(data, "program", exec->program);
	json_put_text(data, "origin", name_of(origins, COUNT(origins), (size_t)exec->origin));
	json_put(data, "argv", argv);
	json_put_text(data, "cwd", exec->cwd);
	if (exec_digest(exec) != NULL)
		json_put_text(data, "sha256", exec_digest(exec));
	secret_redact(run, EVENT_EXEC_DECIDED, data); /* a person is shown it before it is an event */
	return data;
}

static void write_down(struct run *run, json_t *owned_data)
{
	AUTO(freep) char *call = xstrdup(json_get_text(owned_data, "call", ""));

	run_emit(run, EVENT_EXEC_DECIDED, "call", call, owned_data);
}

static void held_free(struct held_exec *h)
{
	free(h->refusal);
	json_decref(h->facts);
	json_decref(h->shape);
	free(h);
}

void exec_drop(struct run *run)
{
	const struct engine_setup *setup = &run->engine->setup;

	while (run->held != NULL) {
		struct held_exec *h = run->held;
		run->held = h->next;
		if (setup->ask_withdrawn != NULL)
			setup->ask_withdrawn(setup->userdata, h->approval, "the program is gone");
		held_free(h);
	}
}

void exec_lapse(struct run *run, const char *reason)
{
	while (run->held != NULL && task_approval(run->task, run->held->approval) != NULL)
		approval_lapse(run, run->held->approval, "withdrawn", reason);
}

static struct held_exec *unlink_held(struct run *run, const char *approval, uint32_t id)
{
	for (struct held_exec **at = &run->held; *at != NULL; at = &(*at)->next) {
		struct held_exec *h = *at;
		if (approval != NULL ? strcmp(h->approval, approval) != 0 : h->id != id)
			continue;
		*at = h->next;
		return h;
	}
	return NULL;
}

static void answer(struct run *run, uint32_t id, json_t *owned_facts, const char *refusal, bool allow, const char *reason)
{
	AUTO(freep) char *call = xstrdup(json_get_text(owned_facts, "call", ""));
	AUTO(freep) char *message = xasprintf("%s (%s)", refusal, reason);

	cell_exec_answer(run->cell, id, allow, message);
	call_note_exec(run, call_tag(call), !allow);
	json_put_text(owned_facts, "effect", allow ? "allow" : "deny");
	json_put_text(owned_facts, "reason", reason);
	write_down(run, owned_facts);
}

/* Somebody said yes: policy is content, and the limits are asked as for every other program. */
static void go_on(struct run *run, const struct held_exec *h, const char *reason)
{
	json_t *facts = json_incref(h->facts);

	json_put_text(facts, "effect", "allow");
	json_put_text(facts, "reason", reason);
	if (!exec_rate_held(run, h, facts))
		answer(run, h->id, facts, h->refusal, true, reason);
}

void exec_settled(struct run *run, const char *approval, bool allow, const char *reason)
{
	struct held_exec *h = unlink_held(run, approval, 0);

	if (h == NULL) /* it is gone already */
		return;
	call_hold(run, call_tag(json_get_text(h->facts, "call", "")), false);
	if (allow)
		go_on(run, h, reason);
	else
		answer(run, h->id, TAKE(h->facts), h->refusal, false, reason);
	held_free(h);
}

void exec_gone(struct run *run, uint32_t id)
{
	struct held_exec *h = unlink_held(run, NULL, id);

	if (h == NULL) {
		exec_rate_gone(run, id);
		return;
	}
	call_hold(run, call_tag(json_get_text(h->facts, "call", "")), false);
	approval_lapse(run, h->approval, "withdrawn", "the program ended while it waited");
	held_free(h);
	run_step(run);
}

static json_t *action_of(const json_t *facts)
{
	json_t *action = json_pack("{s:s, s:O, s:O, s:O, s:O}", "kind", "exec", "program", json_object_get(facts, "program"), "origin",
		json_object_get(facts, "origin"), "argv", json_object_get(facts, "argv"), "cwd", json_object_get(facts, "cwd"));

	if (json_object_get(facts, "sha256") != NULL) /* an answer counts for these very bytes */
		json_put(action, "sha256", json_incref(json_object_get(facts, "sha256")));
	return action;
}

void exec_bind(const json_t *facts, const struct decision *d, char ret[static SHA256_HEX_LEN + 1])
{
	AUTO(json_decrefp) json_t *action = action_of(facts);

	approval_bind(action, d->rule_digest != NULL ? d->rule_digest : "", ret);
}

/* A person must say: the program stands still, nothing else does. Without a person the answer is no. */
void exec_hold(struct run *run, uint32_t id, char *owned_refusal, json_t *owned_data, json_t *owned_shape,
               const struct decision *d)
{
	const char *call = json_get_text(owned_data, "call", "");
	AUTO(json_decrefp) json_t *action = action_of(owned_data);
	struct ask ask = { .kind = "exec", .call = call, .action = action, .decision = d };
	struct held_exec *h = xcalloc(1, sizeof *h);
	char grant[ID_LEN + 1];

	*h = (struct held_exec){ .id = id, .refusal = owned_refusal, .facts = owned_data, .shape = owned_shape,
	                         .by_limit = d->rule_digest != NULL && d->rule_digest == d->rule };
	exec_bind(owned_data, d, h->digest);
	if (approval_by_grant(run, &ask, grant)) {
		AUTO(freep) char *reason = xasprintf("as remembered: grant %s", grant);
		go_on(run, h, reason);
		held_free(h);
		return;
	}
	approval_request(run, &ask, h->approval);
	h->next = run->held;
	run->held = h;
	call_hold(run, call_tag(call), true);
	if (approval_can_wait(run))
		run_defer(run, DO_ASK_PERSON, h->approval);
	else
		approval_lapse(run, h->approval, "lapsed", "it needs a person's approval, and nobody is there to ask");
}

/* A limit asks beside the rules: a no of theirs is one here too, and a question of theirs comes first. */
static bool is_still_asked(const struct run *run, const struct held_exec *h, const struct decision *d)
{
	const struct approval *a = task_approval(run->task, h->approval);

	if (h->by_limit)
		return d->effect == EFFECT_ALLOW;
	return a == NULL || approval_still_asked(a, a->action, d);
}

/* What a new policy allows or denies needs no person; what the same rule asks is asked already, and another asks anew. */
void exec_decide_afresh(struct run *run)
{
	struct held_exec *next;

	for (struct held_exec *h = run->held; h != NULL; h = next) {
		struct exec_like like;
		struct decision d;
		next = h->next;
		exec_like_init(&like, h->id, h->facts, h->shape);
		exec_like_decide(run, &like, &d);
		exec_like_done(&like);
		if (is_still_asked(run, h, &d))
			continue;
		unlink_held(run, h->approval, 0);
		call_hold(run, call_tag(json_get_text(h->facts, "call", "")), false);
		json_put_text(h->facts, "rule", d.rule);
		json_put_text(h->facts, "source", d.source);
		json_put_text(h->facts, "policy", policy_digest(run_policy(run)));
		approval_lapse(run, h->approval, "withdrawn", "the policy has changed, and the program is decided on afresh");
		AUTO(freep) char *why = xasprintf("the policy changed: %s", d.reason);
		if (d.effect == EFFECT_ASK)
			exec_hold(run, h->id, TAKE(h->refusal), TAKE(h->facts), TAKE(h->shape), &d);
		else if (d.effect == EFFECT_ALLOW)
			go_on(run, h, why);
		else
			answer(run, h->id, TAKE(h->facts), h->refusal, false, why);
		held_free(h);
	}
	exec_rate_afresh(run);
}

static void hold(struct run *run, const struct cell_exec *exec, const struct decision *d, json_t *owned_data)
{
	struct buf words = BUF_INIT(KIB(8));

	exec_command(exec, d->rule, &words);
	exec_hold(run, exec->id, buf_take(&words), owned_data, exec_shape(exec), d);
}

void exec_arrived(struct run *run, const struct cell_exec *exec)
{
	struct decision d;
	struct facts facts;
	struct buf message = BUF_INIT(KIB(8));

	engine_look_at_policy(run->engine);
	facts_of(run, &facts);
	exec_decide(run_policy(run), exec, &facts, &d);
	if (d.effect == EFFECT_ASK && !call_may_ask(run, exec->call)) {
		d.effect = EFFECT_DENY;
		snprintf(d.reason, sizeof d.reason, "%d programs of this call were refused; no more is asked for", LIMIT_EXEC_EVENTS);
	}
	json_t *data = exec_event(run, exec, &d);
	if (d.effect == EFFECT_ASK) {
		hold(run, exec, &d, data);
		run_step(run);
		return;
	}
	bool allow = d.effect == EFFECT_ALLOW;
	if (allow && exec_rate(run, exec, &d, data)) {
		run_step(run);
		return;
	}
	if (!allow)
		exec_message(exec, &d, &message);
	cell_exec_answer(run->cell, exec->id, allow, buf_text(&message));
	if (call_note_exec(run, exec->call, !allow))
		write_down(run, data);
	else
		json_decref(data);
	buf_done(&message);
	run_step(run);
}
