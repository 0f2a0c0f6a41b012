/* secretuse.c - a call that refers to secrets: may it, what it is given, and what becomes of the values in all that is written
 * down. A value goes into the environment of that one call, under MISHRI_SECRET_NAME; the command line, the arguments and
 * the events only have the name. It refuses a reference where no value could be put. */
#include "engine/run.h"
#include "engine/egress.h"
#include "engine/secrets.h"
#include "policy/probe.h"
#include "tools/own.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define OPEN  "{{secret:"
#define CLOSE "}}"

struct refs {
	char names[LIMIT_SECRETS_PER_CALL][LIMIT_SECRET_NAME_BYTES + 1];
	size_t count;
};

static struct secrets *secrets_of(const struct run *run)
{
	return run->engine->setup.secrets;
}

/* ---- references ------------------------------------------------------------------------------------------------ */

static int ref_add(struct refs *refs, const char *name, size_t len, struct err *err)
{
	AUTO(freep) char *text = xstrndup(name, len);

	if (!secret_name_valid(text))
		return err_set(err, EINVAL, "'" OPEN "%.64s" CLOSE "' names no secret: a name has A-Z 0-9 _ and begins with a letter", text);
	for (size_t i = 0; i < refs->count; i++)
		if (strcmp(refs->names[i], text) == 0)
			return 0;
	if (refs->count == LIMIT_SECRETS_PER_CALL)
		return err_set(err, EINVAL, "a call may use %d secrets at most", LIMIT_SECRETS_PER_CALL);
	memcpy(refs->names[refs->count++], text, len + 1);
	return 0;
}

static int refs_in(const char *text, struct refs *refs, struct err *err)
{
	while ((text = strstr(text, OPEN)) != NULL) {
		const char *name = text + strlen(OPEN), *close = strstr(name, CLOSE);
		if (close == NULL)
			return err_set(err, EINVAL, "'" OPEN "' is not closed: write " OPEN "NAME" CLOSE);
		int r = ref_add(refs, name, (size_t)(close - name), err);
		if (r < 0)
			return r;
		text = close;
	}
	return 0;
}

static bool has_ref(const json_t *value)
{
	const char *key;
	size_t i;
	json_t *one;

	if (json_is_string(value))
		return strstr(json_string_value(value), OPEN) != NULL;
	json_array_foreach(value, i, one)
		if (has_ref(one))
			return true;
	json_object_foreach((json_t *)value, key, one)
		if (has_ref(one))
			return true;
	return false;
}

static bool takes_secrets(const struct tool *tool)
{
	return strstr(tool->permissions, "secrets") != NULL;
}

/* In the one argument that may have some; anywhere else nobody could put a value. */
static int refs_of_key(const json_t *args, const char *only, struct refs *refs, struct err *err)
{
	const char *key, *inner;
	json_t *value, *one;
	int r = 0;

	json_object_foreach((json_t *)args, key, value) {
		if (strcmp(key, only) != 0 && has_ref(value))
			return err_set(err, EINVAL, "/%s: no secret can be put in here; a reference may stand in '%s'", key, only);
		if (strcmp(key, only) == 0 && json_is_string(value))
			r = refs_in(json_string_value(value), refs, err);
		json_object_foreach(value, inner, one)
			if (r == 0 && strcmp(key, only) == 0 && json_is_string(one))
				r = refs_in(json_string_value(one), refs, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int refs_of(const struct tool *tool, const json_t *args, struct refs *refs, struct err *err)
{
	refs->count = 0;
	if (!takes_secrets(tool))
		return 0; /* to it, it is text like any other: a file may well have such words in it */
	if (tool->own == NULL)
		return refs_of_key(args, strcmp(tool->category, "network") == 0 ? "headers" : "command", refs, err);
	if (has_ref(args))
		return err_set(err, EINVAL, "this tool is given the secrets that its manifest names, and no others: leave '" OPEN "...' out");
	for (size_t i = 0; i < tool->own->secret_count; i++) {
		int r = ref_add(refs, tool->own->secrets[i], strlen(tool->own->secrets[i]), err);
		if (r < 0)
			return r;
	}
	return 0;
}

int secret_check(const struct run *run, const struct tool *tool, const struct call *c, struct err *err)
{
	struct refs refs;
	int r = refs_of(tool, c->args, &refs, err);

	for (size_t i = 0; r == 0 && i < refs.count; i++) {
		const struct secret *s = secrets_find(secrets_of(run), refs.names[i]);
		const char *near = s == NULL ? secrets_near(secrets_of(run), refs.names[i]) : NULL;
		if (near != NULL)
			r = err_set(err, EINVAL, "there is no secret '%s': did you mean '%s'?", refs.names[i], near);
		else if (s == NULL)
			r = err_set(err, EINVAL, "there is no secret '%s'; the person can define one under `secrets:` in the configuration",
			            refs.names[i]);
		else if (s->value == NULL)
			r = err_set(err, EINVAL, "the secret %s cannot be used: %s", s->name, s->why.text);
	}
	return r;
}

void secret_taint(const struct tool *tool, const json_t *args, json_t *fields)
{
	json_t *labels = json_object_get(fields, "taint");
	struct refs refs;
	size_t i;
	json_t *label;

	if (tool == NULL || refs_of(tool, args, &refs, NULL) < 0 || refs.count == 0)
		return;
	if (labels == NULL)
		json_put(fields, "taint", labels = json_array());
	json_array_foreach(labels, i, label)
		if (strcmp(json_string_value(label), "secret") == 0)
			return;
	json_array_append_new(labels, json_string("secret"));
}

/* ---- may it -------------------------------------------------------------------------------------------------------- */

static void deny(struct decision *d, const struct secret *s, const char *format, ...) PRINTF(3, 4);

static void deny(struct decision *d, const struct secret *s, const char *format, ...)
{
	va_list args;

	*d = (struct decision){ .effect = EFFECT_DENY, .rule = "secrets", .source = s->origin };
	va_start(args, format);
	vsnprintf(d->reason, sizeof d->reason, format, args);
	va_end(args);
}

/* A rule in a file that tools can write opens no secret. */
static bool is_persons(const struct run *run, const char *source)
{
	const char *workspace = run->task->workspace;
	size_t len = strlen(workspace);

	return source != NULL && (strncmp(source, workspace, len) != 0 || source[len] != '/');
}

/* The strictest of all that has a say: the rules, and the secret's own `allow`, beyond which no rule goes. */
bool secret_wanted(const struct tool *tool, const json_t *args)
{
	struct refs refs;

	return refs_of(tool, args, &refs, NULL) == 0 && refs.count > 0;
}

void secret_decide(const struct run *run, const struct tool *tool, const struct call *c, struct action *action,
                   const struct facts *facts, struct decision *d)
{
	struct refs refs;

	if (refs_of(tool, c->args, &refs, NULL) < 0)
		return;
	for (size_t i = 0; i < refs.count && d->effect != EFFECT_DENY; i++) {
		const struct secret *s = secrets_find(secrets_of(run), refs.names[i]);
		struct decision one;
		action->secret = refs.names[i];
		policy_decide(run_policy(run), action, facts, &one);
		action->secret = NULL;
		d->withheld |= one.withheld;
		one.withheld = d->withheld;
		if (one.effect < d->effect)
			*d = one;
		if (s == NULL || d->effect == EFFECT_DENY)
			continue;
		if (s->has_allow && !secret_allows_tool(s, tool->name))
			deny(d, s, "the secret %s is not for the tool %s: its `allow` in the configuration does not name it", s->name, tool->name);
		else if (!s->has_allow && !is_persons(run, one.secret_source))
			deny(d, s, "the secret %s is not open to the tool %s: a person must name the tool in its `allow`, or a rule the secret",
			     s->name, tool->name);
	}
}

/* ---- what the call is given ------------------------------------------------------------------------------------------ */

/* Where in a command line are we? Quotes decide how a variable must be written, so that its value stays one word. A wrong
 * guess costs the quoting of the value, never the value itself: that is nowhere but in the environment. */
enum quotes { PLAIN, SINGLE, DOUBLE };

static enum quotes follow(enum quotes now, const char **at)
{
	char c = **at;

	if (c == '\\' && now != SINGLE && (*at)[1] != '\0')
		*at += 1;
	else if (c == '\'' && now != DOUBLE)
		return now == SINGLE ? PLAIN : SINGLE;
	else if (c == '"' && now != SINGLE)
		return now == DOUBLE ? PLAIN : DOUBLE;
	return now;
}

char *secret_command(const char *command)
{
	struct buf text = BUF_INIT(LIMIT_CALL_ARGS_BYTES * 4);
	enum quotes now = PLAIN;

	for (const char *at = command; *at != '\0';) {
		const char *name = at + strlen(OPEN), *close = strncmp(at, OPEN, strlen(OPEN)) == 0 ? strstr(name, CLOSE) : NULL;
		if (close != NULL) {
			AUTO(freep) char *what = xstrndup(name, (size_t)(close - name));
			switch (now) {
			case PLAIN: buf_printf(&text, "\"${" SECRET_VARIABLE "%s}\"", what); break;
			case SINGLE: buf_printf(&text, "'\"${" SECRET_VARIABLE "%s}\"'", what); break;
			case DOUBLE: buf_printf(&text, "${" SECRET_VARIABLE "%s}", what); break;
			}
			at = close + strlen(CLOSE);
			continue;
		}
		const char *from = at;
		now = follow(now, &at);
		buf_add(&text, from, (size_t)(++at - from));
	}
	return buf_take(&text);
}

void env_append(char ***env, char *owned)
{
	size_t count = 0;

	while ((*env)[count] != NULL)
		count++;
	*env = xrealloc(*env, (count + 2) * sizeof **env);
	(*env)[count] = owned;
	(*env)[count + 1] = NULL;
}

/* The last word of a shell's command line is the command. */
static void rewrite(struct tool_plan *plan)
{
	char **last = plan->argv;

	while (last[1] != NULL)
		last++;
	char *command = secret_command(*last);
	free(*last);
	*last = command;
}

int secret_enter(struct run *run, const struct tool *tool, const json_t *args, struct tool_plan *plan, char ***env, struct err *err)
{
	struct refs refs;
	int r = refs_of(tool, args, &refs, err);

	if (r < 0 || refs.count == 0 || plan->builtin != NULL)
		return r;
	for (size_t i = 0; i < refs.count; i++) {
		const struct secret *s = secrets_find(secrets_of(run), refs.names[i]);
		if (s == NULL || s->value == NULL)
			return err_set(err, EACCES, "the secret %s is not there any more", refs.names[i]);
		for (size_t k = 0; k < secrets_count(secrets_of(run)); k++)
			run->exposed[k] |= secrets_at(secrets_of(run), k) == s;
		env_append(env, xasprintf(SECRET_VARIABLE "%s=%s", s->name, s->value));
	}
	if (tool->own == NULL)
		rewrite(plan);
	return 0;
}

/* ---- by the proxy -------------------------------------------------------------------------------------------------------- */

static json_t *with_word(const char *text, const char *word)
{
	struct buf out = BUF_INIT(LIMIT_CALL_ARGS_BYTES * 2);

	for (const char *open; (open = strstr(text, OPEN)) != NULL;) {
		size_t len = strcspn(open, "}");
		buf_add(&out, text, (size_t)(open - text) + len);
		buf_printf(&out, ".%s", word);
		text = open + len;
	}
	buf_add_text(&out, text);
	json_t *value = json_of_str(buf_str(&out));
	buf_done(&out);
	return value;
}

json_t *secret_args(struct run *run, const struct tool *tool, const json_t *args)
{
	struct refs refs;
	const char *key;
	json_t *value;

	run->secret_word[0] = '\0';
	if (tool->run == NULL || refs_of(tool, args, &refs, NULL) < 0 || refs.count == 0)
		return json_incref((json_t *)args);
	id_new(run->secret_word);
	id_new(run->secret_word + ID_LEN);
	json_t *sent = json_deep_copy(args), *headers = json_object_get(sent, "headers");
	json_object_foreach(headers, key, value)
		if (json_is_string(value) && strstr(json_string_value(value), OPEN) != NULL)
			json_object_set_new(headers, key, with_word(json_string_value(value), run->secret_word));
	return sent;
}

bool secret_granted(const struct run *run, const char *name, size_t name_len, const char *word)
{
	const struct call *c = task_call_find(run->task, call_running(run));
	const struct tool *tool = c != NULL ? tool_find(c->tool) : NULL;
	struct refs refs;

	if (tool == NULL || run->secret_word[0] == '\0' || strcmp(word, run->secret_word) != 0 || refs_of(tool, c->args, &refs, NULL) < 0)
		return false;
	for (size_t i = 0; i < refs.count; i++)
		if (strlen(refs.names[i]) == name_len && memcmp(refs.names[i], name, name_len) == 0)
			return true;
	return false;
}

bool secret_may_go(const struct run *run, const struct secret *s, const struct net_target *target, const struct facts *facts,
                   struct decision *ret)
{
	net_decide(run_policy(run), target, s->name, facts, ret);
	if (ret->effect == EFFECT_DENY)
		return false;
	if (s->has_allow ? secret_allows_host(s, target->host) : is_persons(run, ret->secret_source))
		return true;
	deny(ret, s, "the secret %s is not for %.120s: its `allow` in the configuration must name the host, or a rule for net the secret",
	     s->name, target->host);
	return false;
}

void secret_net(const struct run *run, const struct net_target *target, const struct facts *facts, struct decision *d)
{
	for (size_t i = 0; i < secrets_count(secrets_of(run)) && d->effect != EFFECT_DENY; i++) {
		struct decision one;
		if (run->exposed[i] && (!secret_may_go(run, secrets_at(secrets_of(run), i), target, facts, &one) || one.effect < d->effect))
			*d = one;
	}
}

/* ---- what is written down ---------------------------------------------------------------------------------------------- */

void secret_redact(const struct run *run, enum event_type type, json_t *data)
{
	static const char *const words[] = { "goal", "config" };
	const struct redactor *redactor = secrets_redactor(secrets_of(run));

	if (redactor == NULL)
		return;
	if (type != EVENT_TASK_CREATED) {
		redact_json(redactor, data);
		return;
	}
	/* Its other fields are what a resume works with: paths, names. */
	AUTO(json_decrefp) json_t *part = json_object();
	for (size_t i = 0; i < COUNT(words); i++)
		if (json_object_get(data, words[i]) != NULL)
			json_object_set(part, words[i], json_object_get(data, words[i]));
	redact_json(redactor, part);
	json_object_update(data, part);
}

struct redact_stream *secret_guard(const struct run *run)
{
	return redact_stream_new(secrets_redactor(secrets_of(run)));
}
