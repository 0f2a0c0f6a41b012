/* approvals.c - actions that wait for a person: asked, answered, remembered, expired. The rules of who may say what
 * are the core's (core/approval.c). A yes counts only for the digest that was shown, and only while policy still asks
 * for it; nothing here lifts a deny. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "store/transfer.h"

#include "base/banned.h"

json_t *approval_action(const struct run *run, const struct call *c)
{
	return json_pack("{s:s, s:s, s:O, s:s}", "kind", "tool", "tool", c->tool, "args", c->args, "cwd", run->task->workspace);
}

static const char *digest_of_rule(const struct decision *d)
{
	return d->rule_digest != NULL ? d->rule_digest : "";
}

bool approval_can_wait(const struct run *run)
{
	const struct engine_setup *setup = &run->engine->setup;

	return (setup->interactive && setup->ask != NULL) || run->task->patient;
}

/* The events of an action that belongs to no call are the task's. */
static void emit(struct run *run, enum event_type type, const char *call, json_t *owned_data)
{
	run_emit(run, type, call[0] != '\0' ? "call" : "task", call, owned_data);
}

void limit_decision(const char *id, const char *source, const char *reason, bool high_risk, struct decision *ret)
{
	*ret = (struct decision){ .effect = EFFECT_ASK, .rule = id, .source = source, .high_risk = high_risk, .rule_digest = id,
	                          .approval = { .count = 1, .remember = "never" } };
	snprintf(ret->reason, sizeof ret->reason, "%s", reason);
}

/* Who asks about a call: a limit that it met, or policy. */
static void who_asks(const struct run *run, const struct call *c, struct decision *ret)
{
	if (c->over != NULL && !c->waived)
		limit_decision(json_get_text(c->over, "limit", json_get_text(c->over, "budget", "")), json_get_text(c->over, "source", NULL),
		               json_get_text(c->over, "reason", ""), false, ret);
	else
		call_decide(run, c, ret);
}

/* ---- grants ---- */

/* Programs do not wait for the disk: what was agreed to a moment ago holds before the store can say so. */
static bool find_fresh(const struct run *run, const struct grant_wish *wish, char ret[static ID_LEN + 1])
{
	size_t i;
	json_t *g;

	json_array_foreach(run->engine->fresh_grants, i, g) {
		const char *digest = json_get_text(g, "digest", ""), *scope = json_get_text(g, "scope", ""), *of = json_get_text(g, "of", "");
		int64_t until = json_get_int(g, "until_us", 0);
		bool covers = strcmp(digest, wish->digest) == 0 || (wish->program_digest != NULL && strcmp(digest, wish->program_digest) == 0);
		bool here = strcmp(of, strcmp(scope, "task") == 0 ? wish->root : strcmp(scope, "session") == 0 ? wish->session : wish->user) == 0;
		if (!covers || !here || strcmp(json_get_text(g, "user", ""), wish->user) != 0 || (until > 0 && until <= wish->now_us))
			continue;
		snprintf(ret, ID_LEN + 1, "%s", json_get_text(g, "grant", ""));
		return true;
	}
	return false;
}

static void keep_fresh(struct run *run, const json_t *made)
{
	const struct task *t = run->task;
	const char *scope = json_get_text(made, "scope", "");
	json_t *g = json_pack("{s:O, s:O, s:O, s:O, s:s, s:s}", "grant", json_object_get(made, "grant"),
	                      "digest", json_object_get(made, "digest"), "scope", json_object_get(made, "scope"),
	                      "until_us", json_object_get(made, "until_us"), "user", t->user, "of",
	                      strcmp(scope, "task") == 0 ? t->root : strcmp(scope, "session") == 0 ? t->session : t->user);

	if (run->engine->fresh_grants == NULL)
		run->engine->fresh_grants = json_array();
	json_array_append_new(run->engine->fresh_grants, g);
}

void approvals_noted(struct run *run, const struct event *e)
{
	size_t i;
	json_t *g;

	if (e->type != EVENT_GRANT_MADE)
		return;
	json_array_foreach(run->engine->fresh_grants, i, g)
		if (strcmp(json_get_text(g, "grant", ""), json_get_text(e->data, "grant", "")) == 0) {
			json_array_remove(run->engine->fresh_grants, i);
			return;
		}
}

static bool find_grant(struct run *run, const struct ask *ask, const char *digest, char ret[static ID_LEN + 1])
{
	char program[SHA256_HEX_LEN + 1];
	bool by_program = ask->decision->approval.same_program &&
	                  approval_bind_program(ask->action, digest_of_rule(ask->decision), program);
	struct grant_wish wish = {
		.digest = digest, .program_digest = by_program ? program : NULL, .user = run->task->user, .root = run->task->root,
		.session = run->task->session, .now_us = clock_wall_us(),
	};

	/* A store that cannot be read has no grants: the person is asked. */
	return !ask->decision->high_risk && strcmp(ask->decision->approval.remember, "never") != 0 &&
	       (find_fresh(run, &wish, ret) || store_grant_match(run->engine->setup.store, &wish, ret, NULL) > 0);
}

static void use_grant(struct run *run, const char *grant, const char *call, const char *kind, const char *digest)
{
	emit(run, EVENT_GRANT_USED, call, json_pack("{s:s, s:s, s:s, s:s}", "grant", grant, "call", call, "kind", kind, "digest", digest));
}

bool approval_by_grant(struct run *run, const struct ask *ask, char ret_grant[static ID_LEN + 1])
{
	char digest[SHA256_HEX_LEN + 1];

	approval_bind(ask->action, digest_of_rule(ask->decision), digest);
	if (!find_grant(run, ask, digest, ret_grant))
		return false;
	use_grant(run, ret_grant, ask->call, ask->kind, digest);
	return true;
}

static json_t *names_of(const char *const *names, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_of_str(str_of(names[i])));
	return list;
}

static json_t *terms_of(const struct decision *d)
{
	const struct approval_terms *t = &d->approval;
	json_t *terms = json_pack("{s:i, s:s, s:s, s:s}", "count", MAX(t->count, 1), "remember", t->remember != NULL ? t->remember :
	                          "never", "same", t->same_program ? "program" : "action", "risk", d->high_risk ? "high" : "low");

	if (t->from != NULL)
		json_put_text(terms, "from", t->from);
	if (t->member_count > 0)
		json_put(terms, "members", names_of(t->members, t->member_count));
	if (t->remember_ms > 0)
		json_put_int(terms, "remember_ms", t->remember_ms);
	return terms;
}

/* What everybody who said yes agreed to: the narrowest wish, within what the rule lets be remembered. */
static void make_grant(struct run *run, const struct approval *a, char ret[static ID_LEN + 1])
{
	char digest[SHA256_HEX_LEN + 1];
	AUTO(freep) char *program = NULL;
	AUTO(buf_done) struct buf by = BUF_INIT(KIB(64));
	int64_t most_ms = json_get_int(a->terms, "remember_ms", 0), until = a->until_us;
	bool same = strcmp(json_get_text(a->terms, "same", ""), "program") == 0 &&
	            approval_bind_program(a->action, a->rule_digest, digest);
	size_t i;
	json_t *name;

	if (strcmp(a->remember, "session") == 0 && most_ms > 0)
		until = clock_wall_us() + most_ms * 1000;
	if (same)
		program = approval_program(a->action);
	json_array_foreach(a->voters, i, name)
		buf_printf(&by, "%s%s", i > 0 ? ", " : "", json_string_value(name));
	const char *of = strcmp(a->kind, "exec") == 0 ? json_get_text(a->action, "program", "") :
	                 strcmp(a->kind, "net") == 0 ? json_get_text(a->action, "host", "") : json_get_text(a->action, "tool", "");
	AUTO(freep) char *covers = same ? xasprintf("program %s", program)
	                                : xasprintf("%s %s, this very action", strcmp(a->kind, "exec") == 0 ? "program" : a->kind, of);
	id_new(ret);
	json_t *data = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:O, s:s}", "grant", ret, "approval", a->id, "scope", a->remember,
	                         "until_us", until > 0 ? json_integer(until) : json_null(), "digest", same ? digest : a->digest,
	                         "covers", json_of_str(str_of(covers)), "same", same ? "program" : "action", "action", a->action,
	                         "by", buf_text(&by));
	json_put_text(data, "rule", a->rule);
	keep_fresh(run, data);
	emit(run, EVENT_GRANT_MADE, a->call, data);
}

/* ---- asked ---- */

void approval_request(struct run *run, const struct ask *ask, char ret[static ID_LEN + 1])
{
	const struct decision *d = ask->decision;
	char digest[SHA256_HEX_LEN + 1];
	int64_t ms = d->approval.expires_ms > 0 ? d->approval.expires_ms : LIMIT_APPROVAL_MS;

	id_new(ret);
	approval_bind(ask->action, digest_of_rule(d), digest);
	json_t *data = json_pack("{s:s, s:s, s:s, s:O, s:s, s:s, s:o, s:I}", "approval", ret, "call", ask->call, "kind", ask->kind,
	                         "action", ask->action, "digest", digest, "reason", d->reason, "terms", terms_of(d), "expires_us",
	                         (json_int_t)(clock_wall_us() + MIN(ms, LIMIT_APPROVAL_MOST_MS) * 1000));
	json_put_text(data, "rule", d->rule);
	json_put_text(data, "source", d->source);
	json_put_text(data, "rule_digest", d->rule_digest);
	emit(run, EVENT_APPROVAL_REQUESTED, ask->call, data);
}

static void withdraw(const struct run *run, const char *approval, const char *why)
{
	const struct engine_setup *setup = &run->engine->setup;

	if (setup->ask_withdrawn != NULL)
		setup->ask_withdrawn(setup->userdata, approval, why);
}

/* The approval is gone after it, and so is `a`. */
static void settle(struct run *run, const struct approval *a, const char *answer, const struct answer *w, const char *by,
                   const char *reason)
{
	AUTO(freep) char *id = xstrdup(a->id), *call = xstrdup(a->call), *kind = xstrdup(a->kind);
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "approval", id, "call", call, "answer", answer, "by", by, "digest",
	                         a->digest, "reason", json_of_str(str_of(reason)));

	if (w != NULL && w->word[0] != '\0')
		json_put_text(data, "word", w->word);
	if (w != NULL && w->say == SAY_EDIT)
		json_put(data, "args", json_incref((json_t *)w->args));
	bool allow = strcmp(answer, "allow") == 0;
	AUTO(freep) char *words = xstrdup(reason), *who = xstrdup(by);
	emit(run, EVENT_APPROVAL_DECIDED, call, data);
	if (strcmp(kind, "exec") == 0)
		exec_settled(run, id, allow, words);
	else if (strcmp(kind, "net") == 0)
		net_settled(run, id, allow, words);
	AUTO(freep) char *why = xasprintf("%s by %s", allow ? "approved" : strcmp(answer, "deny") == 0 ? "denied" : answer, who);
	withdraw(run, id, w == NULL ? words : why);
}

void approval_lapse(struct run *run, const char *approval, const char *answer, const char *reason)
{
	const struct approval *a = task_approval(run->task, approval);

	if (a != NULL)
		settle(run, a, answer, NULL, "nobody", reason);
}

void approval_expire(struct run *run, const struct approval *a)
{
	settle(run, a, "expired", NULL, "nobody", "nobody approved it in time, and no answer is a no");
}

/* A change of the arguments counts as a yes of whoever made it, where the very same rule asks about the result and one
 * yes is enough: the person wrote exactly these bytes. Any other rule asks anew. */
static void count_edit(struct run *run, const struct call *c, const char *approval, const struct decision *d)
{
	const struct approval *a = task_approval(run->task, approval);

	if (run->imported || c->edited_by == NULL || a == NULL || strcmp(c->edited_rule, digest_of_rule(d)) != 0)
		return;
	AUTO(freep) char *by = xstrdup(c->edited_by), *digest = xstrdup(a->digest);
	struct answer w = { .say = SAY_YES, .approval = approval, .digest = digest, .by = by, .word = "", .reason = "",
	                    .remember = "once", .time_us = clock_wall_us() };
	if (approval_take(run, &w, NULL) < 0)
		return; /* then it waits as every other */
}

void call_ask(struct run *run, struct call *c)
{
	AUTO(json_decrefp) json_t *action = approval_action(run, c);
	struct decision d;
	char id[ID_LEN + 1];

	who_asks(run, c, &d);
	if (d.effect != EFFECT_ASK) { /* the policy changed since */
		call_check(run, c);
		return;
	}
	struct ask ask = { .kind = "tool", .call = c->id, .action = action, .decision = &d };
	if (approval_by_grant(run, &ask, id))
		return;
	approval_request(run, &ask, id);
	if (!approval_can_wait(run)) {
		approval_lapse(run, id, "lapsed", "it needs a person's approval, and nobody is there to ask");
		return;
	}
	count_edit(run, c, id, &d);
	if (task_approval(run->task, id) != NULL)
		run_defer(run, DO_ASK_PERSON, id);
}

/* ---- answered ---- */

/* Others that wait for the very same are answered by what was just agreed to. */
static void apply_grant(struct run *run, const char *grant, const char *covers, bool by_program)
{
	for (size_t i = 0; i < run->task->approval_count;) {
		const struct approval *a = &run->task->approvals[i];
		char digest[SHA256_HEX_LEN + 1];
		bool fits = by_program ? approval_bind_program(a->action, a->rule_digest, digest) && strcmp(digest, covers) == 0
		                       : strcmp(a->digest, covers) == 0;
		if (!fits || approval_high_risk(a)) {
			i++;
			continue;
		}
		AUTO(freep) char *call = xstrdup(a->call), *kind = xstrdup(a->kind), *what = xstrdup(a->digest);
		AUTO(freep) char *reason = xasprintf("as remembered: grant %s", grant);
		settle(run, a, "allow", NULL, run->task->user, reason);
		if (strcmp(kind, "exec") == 0)
			use_grant(run, grant, call, kind, what);
		i = 0;
	}
}

static void say_yes(struct run *run, const char *approval, const struct answer *w, bool enough)
{
	const struct approval *a = task_approval(run->task, approval);
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "approval", approval, "call", a->call, "by", w->by, "digest",
	                         w->digest, "remember", w->remember, "word", w->word, "votes", (int)json_array_size(a->voters) + 1,
	                         "needed", approval_needed(a));
	char grant[ID_LEN + 1] = "";

	if (strcmp(w->remember, "date") == 0)
		json_put_int(data, "until_us", w->until_us);
	emit(run, EVENT_APPROVAL_VOTED, a->call, data);
	if (!enough)
		return;
	a = task_approval(run->task, approval);
	char covers[SHA256_HEX_LEN + 1];
	bool by_program = false;
	if (strcmp(a->remember, "once") != 0) {
		make_grant(run, a, grant);
		by_program = strcmp(json_get_text(a->terms, "same", ""), "program") == 0 &&
		             approval_bind_program(a->action, a->rule_digest, covers);
		if (!by_program)
			memcpy(covers, a->digest, sizeof covers);
	}
	settle(run, a, "allow", w, w->by, w->reason[0] != '\0' ? w->reason : "approved");
	if (grant[0] != '\0')
		apply_grant(run, grant, covers, by_program);
}

static int check_edit(const struct run *run, const struct approval *a, const json_t *args, struct err *err)
{
	const struct call *c = task_call_find((struct task *)run->task, a->call);
	const struct tool *tool = c != NULL ? tool_find(c->tool) : NULL;

	if (tool == NULL)
		return err_set(err, EINVAL, "its tool is not there any more: say no");
	AUTO(json_decrefp) json_t *schema = tool_schema_of(tool);
	return schema_check(schema, args, err);
}

int approval_take(struct run *run, const struct answer *w, struct err *err)
{
	const struct approval *a = task_approval(run->task, w->approval);

	if (a == NULL)
		return err_set(err, ENOENT, "it does not wait any more");
	int r = approval_judge(a, w, err);
	if (r >= 0 && w->say == SAY_EDIT) {
		int checked = check_edit(run, a, w->args, err);
		r = checked < 0 ? checked : r;
	}
	if (r < 0)
		return r;
	switch (w->say) {
	case SAY_NO: settle(run, a, "deny", w, w->by, w->reason[0] != '\0' ? w->reason : "the person said no"); break;
	case SAY_EDIT: settle(run, a, "edit", w, w->by, w->reason[0] != '\0' ? w->reason : "with other arguments"); break;
	case SAY_YES: say_yes(run, w->approval, w, r == 0); break;
	}
	return r;
}

/* ---- looked at again ---- */

bool approval_still_asked(const struct approval *a, const json_t *action, const struct decision *d)
{
	AUTO(json_decrefp) json_t *terms = terms_of(d);
	char digest[SHA256_HEX_LEN + 1];

	approval_bind(action, digest_of_rule(d), digest);
	return d->effect == EFFECT_ASK && strcmp(digest, a->digest) == 0 && json_equal(terms, a->terms);
}

/* Said yes to, by the rules or a person, and not begun, or to be begun again. */
static bool will_run(const struct call *c)
{
	return c->phase == CALL_ALLOWED || c->phase == CALL_WAITING ||
	       (c->phase == CALL_LOST && c->repeatable && c->child_count == 0 && !c->asks_person);
}

/* Questions and answers in a file are a story about elsewhere, whoever they name: only what was asked here is known here. */
static bool is_story(const struct run *run, const struct call *c)
{
	char task[ID_LEN + 1] = "";

	return run->imported &&
	       (c->approval[0] == '\0' || store_approval_task(run->engine->setup.store, c->approval, task, NULL) < 0 ||
	        strcmp(task, run->task->id) != 0);
}

/* A limit asks about a call that policy had allowed, or a person: is that as it was? */
static bool is_agreed(const struct call *c, const struct decision *d, const json_t *action)
{
	char digest[SHA256_HEX_LEN + 1];

	approval_bind(action, digest_of_rule(d), digest);
	return d->effect == EFFECT_ALLOW || (d->effect == EFFECT_ASK && strcmp(digest, c->approved) == 0);
}

static void review_call(struct run *run, struct call *c)
{
	const struct approval *a = task_approval_of(run->task, c->id);
	AUTO(json_decrefp) json_t *action = approval_action(run, c);
	struct decision d, by_rules;

	if (c->phase == CALL_HELD && a != NULL) {
		bool by_limit = c->over != NULL && !c->waived;
		who_asks(run, c, &d);
		call_decide(run, c, &by_rules);
		if (is_story(run, c))
			approval_lapse(run, a->id, "withdrawn", "it came out of a file, and the call is decided afresh");
		else if (!approval_still_asked(a, action, &d) || (by_limit && !is_agreed(c, &by_rules, action)))
			approval_lapse(run, a->id, "withdrawn", "the policy has changed, and the call is decided afresh");
		else if (!approval_can_wait(run))
			approval_lapse(run, a->id, "lapsed", "it needs a person's approval, and nobody is there to ask");
		else
			run_defer(run, DO_ASK_PERSON, a->id);
	} else if (will_run(c)) {
		call_decide(run, c, &d);
		if (is_story(run, c) || !is_agreed(c, &d, action))
			call_check(run, c);
	}
}

void approvals_review(struct run *run)
{
	struct task *t = run->task;

	for (size_t i = 0; i < t->call_count; i++)
		review_call(run, &t->calls[i]);
	if (t->model_phase != MODEL_HELD)
		return;
	if (approval_can_wait(run))
		run_defer(run, DO_ASK_PERSON, t->model_approval);
	else
		approval_lapse(run, t->model_approval, "lapsed", "it needs a person's approval, and nobody is there to ask");
}

/* What an engine that is gone had held is gone with it. */
void approvals_resume(struct run *run)
{
	const struct task *t = run->task;

	for (size_t i = 0; i < t->approval_count;) {
		const struct approval *a = &t->approvals[i];
		if (approval_outlives(a->kind))
			i++;
		else
			approval_lapse(run, a->id, "withdrawn", "it ended with the engine that held it");
	}
	if (store_is_imported(run->engine->setup.store, t->root, &run->imported, NULL) < 0)
		run->imported = true;
	inbox_read(run); /* what was said while no engine ran was said in time */
	approvals_review(run);
}
