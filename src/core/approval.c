/* approval.c - whose word counts for what. It reads no clock and no policy: what the rule wants stands in the event
 * that asked, and the time in the answer. It refuses every answer that is not about exactly what was shown. */
#include "core/approval.h"

#include <string.h>

#include "core/task.h"

#include "base/banned.h"

void approval_done(struct approval *a)
{
	char **texts[] = { &a->call, &a->kind, &a->rule, &a->source, &a->reason, &a->rule_digest, &a->remember };

	for (size_t i = 0; i < COUNT(texts); i++)
		free(TAKE(*texts[i]));
	json_decref(TAKE(a->action));
	json_decref(TAKE(a->terms));
	json_decref(TAKE(a->voters));
}

/* ---- what it is bound to ---- */

static void digest_of(json_t *owned_what, const char *rule_digest, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(json_decrefp) json_t *bound = json_object();
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);

	json_put(bound, "action", owned_what);
	json_put_text(bound, "rule", rule_digest);
	json_write_canonical(bound, &text);
	sha256_hex1(buf_str(&text), hex);
}

void approval_bind(const json_t *action, const char *rule_digest, char hex[static SHA256_HEX_LEN + 1])
{
	digest_of(json_incref((json_t *)action), rule_digest, hex);
}

/* The word behind the program's name, where it is a plain one: behind a flag nobody can say whether the next word
 * belongs to it. */
static const char *subcommand(const json_t *action)
{
	const json_t *argv = json_object_get(action, "argv");
	const char *second = json_string_value(json_array_get(argv, 1));

	if (json_array_size(argv) == 1)
		return "";
	return second != NULL && second[0] != '-' && second[0] != '\0' ? second : NULL;
}

static bool is_of_system(const json_t *action)
{
	return strcmp(json_get_text(action, "origin", ""), "system") == 0;
}

static const char *bytes_of(const json_t *action)
{
	return json_get_text(action, "sha256", "");
}

/* A file that an agent can write to is known by its bytes; where they are not known, it is no program to remember. */
static bool names_program(const json_t *action)
{
	return strcmp(json_get_text(action, "kind", ""), "exec") == 0 && json_get_text(action, "program", "")[0] == '/' &&
	       subcommand(action) != NULL && (is_of_system(action) || bytes_of(action)[0] != '\0');
}

bool approval_bind_program(const json_t *action, const char *rule_digest, char hex[static SHA256_HEX_LEN + 1])
{
	if (!names_program(action))
		return false;
	json_t *program = json_pack("{s:s, s:s, s:s, s:s}", "kind", "exec", "program", json_get_text(action, "program", ""), "origin",
	                            json_get_text(action, "origin", ""), "subcommand", subcommand(action));
	if (!is_of_system(action))
		json_put_text(program, "sha256", bytes_of(action));
	digest_of(program, rule_digest, hex);
	return true;
}

char *approval_program(const json_t *action)
{
	const char *sub = names_program(action) ? subcommand(action) : NULL;

	if (sub == NULL)
		return NULL;
	return xasprintf("%s%s%s", json_get_text(action, "program", ""), sub[0] != '\0' ? " " : "", sub);
}

/* ---- an answer as a message ---- */

static const char *const says[] = { [SAY_NO] = "no", [SAY_YES] = "yes", [SAY_EDIT] = "edit" };
static const char *const spans[] = { "once", "task", "session", "date" };

json_t *answer_format(const struct answer *w)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "approval", w->approval, "digest", w->digest, "say",
	                         name_of(says, COUNT(says), w->say), "word", w->word, "remember", w->remember, "until_us",
	                         (json_int_t)w->until_us);

	json_put_str(body, "reason", str_of(w->reason));
	if (w->args != NULL)
		json_put(body, "args", json_incref((json_t *)w->args));
	return body;
}

int answer_parse(const json_t *body, struct answer *ret, struct err *err)
{
	int say = name_find(says, COUNT(says), json_get_text(body, "say", ""));
	const char *remember = json_get_text(body, "remember", "once");
	const json_t *args = json_object_get(body, "args");

	if (say < 0 || name_find(spans, COUNT(spans), remember) < 0 || !id_valid(json_get_text(body, "approval", "")) ||
	    (say == SAY_EDIT) != json_is_object(args))
		return err_set(err, EINVAL, "this is no answer: it wants approval, digest and say (yes, no or edit with args)");
	*ret = (struct answer){
		.say = (enum say)say, .approval = json_get_text(body, "approval", ""), .digest = json_get_text(body, "digest", ""),
		.word = json_get_text(body, "word", ""), .reason = json_get_text(body, "reason", ""), .remember = remember,
		.until_us = json_get_int(body, "until_us", 0), .args = args, .by = "", .body = json_incref((json_t *)body),
	};
	return 0;
}

/* ---- whose word counts ---- */

int approval_needed(const struct approval *a)
{
	return (int)MAX(json_get_int(a->terms, "count", 1), 1);
}

bool approval_outlives(const char *kind)
{
	return strcmp(kind, "tool") == 0 || strcmp(kind, "model") == 0 || strcmp(kind, "question") == 0;
}

bool approval_high_risk(const struct approval *a)
{
	return strcmp(json_get_text(a->terms, "risk", "high"), "high") == 0;
}

static bool is_among(const json_t *names, const char *name)
{
	size_t i;
	json_t *one;

	json_array_foreach(names, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	return false;
}

bool approval_may_answer(const struct approval *a, const char *user)
{
	const char *from = json_get_text(a->terms, "from", "");

	if (str_starts(str_of(from), STR("user:")))
		return strcmp(from + 5, user) == 0;
	return from[0] == '\0' || is_among(json_object_get(a->terms, "members"), user);
}

void approval_who(const struct approval *a, struct buf *ret)
{
	const char *from = json_get_text(a->terms, "from", "");
	int needed = approval_needed(a);
	size_t i;
	json_t *name;

	if (str_starts(str_of(from), STR("user:"))) {
		buf_add_text(ret, from + 5);
	} else if (str_starts(str_of(from), STR("group:"))) {
		buf_printf(ret, "%d of the group %s (", needed, from + 6);
		json_array_foreach(json_object_get(a->terms, "members"), i, name)
			buf_printf(ret, "%s%s", i > 0 ? ", " : "", json_string_value(name));
		buf_add_char(ret, ')');
	} else if (needed > 1) {
		buf_printf(ret, "%d people", needed);
	} else {
		buf_add_text(ret, "anybody who may reach this task");
	}
}

bool approval_may_remember(const struct approval *a, const char *remember)
{
	int wanted = name_find(spans, COUNT(spans), remember);
	int widest = name_find(spans, COUNT(spans), json_get_text(a->terms, "remember", "never"));

	if (wanted == 0)
		return true;
	return wanted > 0 && widest > 0 && wanted <= widest && !approval_high_risk(a);
}

/* The end that a remembered answer has at the latest; 0: none. */
static int64_t latest_us(const struct approval *a, int64_t now_us)
{
	int64_t ms = json_get_int(a->terms, "remember_ms", 0);

	return ms > 0 && ms < INT64_MAX / 2000 ? now_us + ms * 1000 : 0;
}

static int judge_remember(const struct approval *a, const struct answer *w, struct err *err)
{
	char time[CLOCK_TEXT_BYTES];
	int64_t latest = latest_us(a, w->time_us);

	if (!approval_may_remember(a, w->remember)) {
		if (approval_high_risk(a))
			return err_set(err, EPERM, "an approval of high risk is never remembered: leave --remember out");
		return err_set(err, EPERM, "rule %s lets an answer be remembered for: %s; not for: %s", a->rule != NULL ? a->rule :
		               "(default)", json_get_text(a->terms, "remember", "never"), w->remember);
	}
	if (strcmp(w->remember, "date") != 0)
		return 0;
	if (w->until_us <= w->time_us)
		return err_set(err, EINVAL, "the date until which it is to be remembered is over: give a later one");
	if (latest > 0 && w->until_us > latest)
		return err_set(err, EPERM, "rule %s lets an answer be remembered until %s at the latest", a->rule != NULL ? a->rule :
		               "(default)", clock_format(latest, time));
	return 0;
}

static int judge_person(const struct approval *a, const struct answer *w, struct err *err)
{
	AUTO(buf_done) struct buf who = BUF_INIT(KIB(64));

	if (!approval_may_answer(a, w->by)) {
		approval_who(a, &who);
		return err_set(err, EACCES, "%s may not say yes to this; rule %s wants %.600s", w->by, a->rule != NULL ? a->rule :
		               "(default)", buf_text(&who));
	}
	if (is_among(a->voters, w->by))
		return err_set(err, EALREADY, "%s has said yes already, and counts once; somebody else must (%zu of %d said yes)", w->by,
		               json_array_size(a->voters), approval_needed(a));
	return 0;
}

static int judge_edit(const struct approval *a, struct err *err)
{
	if (strcmp(a->kind, "tool") == 0)
		return 0;
	if (strcmp(a->kind, "exec") == 0)
		return err_set(err, EINVAL, "the arguments of a program that stands ready cannot be changed: say no with a reason, "
		               "so that another is proposed");
	return err_set(err, EINVAL, "there are no arguments to change: this is about a %s; say yes or no",
	               strcmp(a->kind, "net") == 0 ? "connection" : "model call");
}

int approval_judge(const struct approval *a, const struct answer *w, struct err *err)
{
	char time[CLOCK_TEXT_BYTES];

	if (a->expires_us > 0 && w->time_us >= a->expires_us)
		return err_set(err, ETIME, "too late: it expired at %s, and no answer is a no", clock_format(a->expires_us, time));
	if (w->say == SAY_NO)
		return 0;
	if (strcmp(w->digest, a->digest) != 0)
		return err_set(err, ESTALE, "what is asked is not what was shown: look at it again");
	int r = judge_person(a, w, err);
	if (r < 0)
		return r;
	if (w->say == SAY_EDIT)
		return judge_edit(a, err);
	r = judge_remember(a, w, err);
	if (r < 0)
		return r;
	return json_array_size(a->voters) + 1 < (size_t)approval_needed(a) ? 1 : 0;
}

/* ---- folding ---- */

static char *text_or_null(const json_t *data, const char *key)
{
	const char *text = json_get_text(data, key, NULL);

	return text != NULL ? xstrdup(text) : NULL;
}

void approval_read(const json_t *data, int64_t time_us, struct approval *ret)
{
	const char *digest = json_get_text(data, "digest", ""), *id = json_get_text(data, "approval", "");
	json_t *terms = json_object_get(data, "terms");

	*ret = (struct approval){
		.call = xstrdup(json_get_text(data, "call", "")),
		.kind = xstrdup(json_get_text(data, "kind", "tool")),
		.rule = text_or_null(data, "rule"),
		.source = text_or_null(data, "source"),
		.reason = xstrdup(json_get_text(data, "reason", "")),
		.rule_digest = xstrdup(json_get_text(data, "rule_digest", "")),
		.action = json_incref(json_object_get(data, "action")),
		.terms = terms != NULL ? json_incref(terms) : json_object(),
		.requested_us = time_us,
		.expires_us = json_get_int(data, "expires_us", 0),
		.voters = json_array(),
		.remember = xstrdup("date"),
	};
	memcpy(ret->id, id, MIN(strlen(id), sizeof ret->id - 1));
	memcpy(ret->digest, digest, MIN(strlen(digest), sizeof ret->digest - 1));
}

void approval_vote(struct approval *a, const json_t *data)
{
	const char *remember = json_get_text(data, "remember", "once");
	int64_t until = json_get_int(data, "until_us", 0);

	json_array_append_new(a->voters, json_of_str(str_of(json_get_text(data, "by", ""))));
	if (name_find(spans, COUNT(spans), remember) <= name_find(spans, COUNT(spans), a->remember)) {
		free(a->remember);
		a->remember = xstrdup(remember);
	}
	if (until > 0 && (a->until_us == 0 || until < a->until_us))
		a->until_us = until;
}

struct approval *task_approval(const struct task *t, const char *id)
{
	for (size_t i = 0; i < t->approval_count; i++)
		if (strcmp(t->approvals[i].id, id) == 0)
			return &t->approvals[i];
	return NULL;
}

const struct approval *task_approval_of(const struct task *t, const char *call)
{
	for (size_t i = 0; i < t->approval_count; i++)
		if (strcmp(t->approvals[i].call, call) == 0 && strcmp(t->approvals[i].kind, "tool") == 0)
			return &t->approvals[i];
	return NULL;
}

void approvals_free(struct task *t)
{
	for (size_t i = 0; i < t->approval_count; i++)
		approval_done(&t->approvals[i]);
	free(TAKE(t->approvals));
	t->approval_count = 0;
}

void approvals_add(struct task *t, const struct event *e)
{
	task_wait_begins(t, e->time_us);
	t->approvals = xrealloc(t->approvals, (t->approval_count + 1) * sizeof *t->approvals);
	approval_read(e->data, e->time_us, &t->approvals[t->approval_count++]);
}

void approvals_voted(struct task *t, const struct event *e)
{
	struct approval *a = task_approval(t, json_get_text(e->data, "approval", ""));

	if (a != NULL)
		approval_vote(a, e->data);
}

static void drop_at(struct task *t, size_t at, int64_t now_us)
{
	approval_done(&t->approvals[at]);
	t->approvals[at] = t->approvals[--t->approval_count];
	task_wait_ended(t, now_us);
}

void approvals_drop(struct task *t, const char *id, int64_t now_us)
{
	const struct approval *a = task_approval(t, id);

	if (a != NULL)
		drop_at(t, (size_t)(a - t->approvals), now_us);
}

void approvals_drop_call(struct task *t, const char *call, int64_t now_us)
{
	const struct approval *a;

	while ((a = task_approval_of(t, call)) != NULL)
		drop_at(t, (size_t)(a - t->approvals), now_us);
}

const struct approval *approvals_expired(const struct task *t, int64_t now_us)
{
	for (size_t i = 0; i < t->approval_count; i++)
		if (t->approvals[i].expires_us > 0 && now_us >= t->approvals[i].expires_us)
			return &t->approvals[i];
	return NULL;
}

int64_t approvals_wakeup_us(const struct task *t)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < t->approval_count; i++)
		if (t->approvals[i].expires_us > 0)
			at = MIN(at, t->approvals[i].expires_us);
	return at;
}
