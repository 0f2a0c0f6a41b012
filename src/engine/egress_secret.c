/* egress_secret.c - secrets that the engine puts into a request, so that no cell ever holds them. Only for a call that
 * names the secret in its arguments, and so was decided on with it; only to a host that the secret or a person's rule
 * names; only by TLS, which egress_request.c sees to. */
#include "engine/run.h"

#include <string.h>

#include "engine/egress.h"
#include "engine/secrets.h"

#include "base/banned.h"

/* Programs of the cell may write the header, too: without a call that names the secret, they are given nothing. */
static bool call_names(const struct run *run, const char *name)
{
	const struct call *c = task_call_find(run->task, call_running(run));
	const struct tool *tool = c != NULL ? tool_find(c->tool) : NULL;
	AUTO(freep) char *args = tool != NULL ? json_text(c->args) : NULL;
	AUTO(freep) char *reference = xasprintf("{{secret:%s}}", name);

	return tool != NULL && strcmp(tool->category, "network") == 0 && strstr(args, reference) != NULL;
}

/* A rule in a file that tools can write opens no secret. */
static bool is_persons(const struct run *run, const char *source)
{
	size_t len = strlen(run->task->workspace);

	return source != NULL && (strncmp(source, run->task->workspace, len) != 0 || source[len] != '/');
}

int egress_secret(struct run *run, const char *name, const struct net_target *target, struct buf *ret, struct err *err)
{
	const struct secret *s = run->engine->setup.secrets != NULL ? secrets_find(run->engine->setup.secrets, name) : NULL;
	struct decision d;
	struct facts facts;

	if (s == NULL || s->value == NULL || !call_names(run, name))
		return err_set(err, ENOENT, "no such secret: '%.64s', for a call that names it", name);
	facts_of(run, &facts);
	net_decide(run->engine->setup.policy, target, name, &facts, &d);
	if (d.effect != EFFECT_ALLOW)
		return err_set(err, EACCES, "the secret %s does not go to %.120s: %s", s->name, target->host, d.reason);
	if (s->has_allow ? !secret_allows_host(s, target->host) : !is_persons(run, d.secret_source))
		return err_set(err, EACCES, "the secret %s is not for %.120s: its `allow` in the configuration must name the host, or a "
		               "rule for net the secret", s->name, target->host);
	return buf_add(ret, s->value, s->value_len) < 0 ? err_set(err, E2BIG, "the secret %s is too long for a header", s->name) : 0;
}
