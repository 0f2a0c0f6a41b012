/* egress_secret.c - secrets that the engine puts into a request, so that no cell ever holds them. Only for a call that
 * names the secret in its arguments, and so was decided on with it; only to a host that the secret or a person's rule
 * names; only by TLS, which egress_request.c sees to. */
#include "engine/run.h"

#include <string.h>

#include "engine/egress.h"
#include "engine/secrets.h"

#include "base/banned.h"

/* "NAME.WORD": programs of the cell may write the header, too; without the word of the call they are given nothing. */
int egress_secret(struct run *run, const char *name, const struct net_target *target, struct buf *ret, struct err *err)
{
	size_t len = strcspn(name, ".");
	AUTO(freep) char *alone = xstrndup(name, len);
	const struct secret *s = run->engine->setup.secrets != NULL ? secrets_find(run->engine->setup.secrets, alone) : NULL;
	struct decision d;
	struct facts facts;

	if (s == NULL || s->value == NULL || name[len] != '.' || !secret_granted(run, name, len, name + len + 1))
		return err_set(err, ENOENT, "no such secret: '%.64s', for a call that names it", alone);
	facts_of(run, &facts);
	if (!secret_may_go(run, s, target, &facts, &d))
		return err_set(err, EACCES, "%s", d.reason);
	if (d.effect != EFFECT_ALLOW)
		return err_set(err, EACCES, "the secret %s does not go to %.120s unasked: %s", s->name, target->host, d.reason);
	return buf_add(ret, s->value, s->value_len) < 0 ? err_set(err, E2BIG, "the secret %s is too long for a header", s->name) : 0;
}
