/* facts.c - what policy may know about a task, and how decisions are written down. */
#include "engine/run.h"

#include <limits.h>
#include <string.h>

#include "base/banned.h"

/* realpath(3) of the longest part that exists; the rest may hold no "..", for there is nothing that it
 * could be resolved against. */
char *facts_resolve(void *unused, const char *path)
{
	char resolved[PATH_MAX];

	(void)unused;
	if (path[0] != '/')
		return NULL;
	AUTO(freep) char *head = xstrdup(path);
	size_t len = strlen(head);
	while (realpath(len > 0 ? head : "/", resolved) == NULL) {
		if (errno != ENOENT || len == 0)
			return NULL;
		while (len > 0 && head[len - 1] != '/')
			len--;
		while (len > 0 && head[len - 1] == '/')
			len--;
		head[len] = '\0';
	}
	const char *rest = path + len;
	while (*rest == '/')
		rest++;
	struct str parts = str_of(rest), part;
	while (str_next(&parts, '/', &part))
		if (str_eq(part, STR("..")))
			return NULL;
	if (*rest == '\0')
		return xstrdup(resolved);
	return xasprintf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, rest);
}

void facts_of(const struct run *run, struct facts *ret)
{
	const struct task *t = run->task;

	*ret = (struct facts){
		.user = t->user,
		.role = t->role,
		.agent = t->agent,
		.channel = t->channel,
		.workspace = t->workspace,
		.interactive = run->engine->setup.interactive,
		.depth = t->depth,
		.calls = t->calls_total,
		.time_us = clock_wall_us(),
		.resolve = facts_resolve,
	};
}

json_t *effect_fields(const struct decision *d, const struct policy *policy)
{
	json_t *fields = json_object();

	json_put_text(fields, "effect", effect_name(d->effect));
	json_put_text(fields, "rule", d->rule);
	json_put_text(fields, "source", d->source);
	json_put_text(fields, "reason", d->reason);
	json_put_text(fields, "policy", policy_digest(policy));
	json_put_int(fields, "ns", d->ns);
	return fields;
}
