/* probe.h - one action and its facts as a person writes them: behind `tests` in a policy, and on the command line of
 * `mishri policy check`. */
#ifndef MISHRI_POLICY_PROBE_H
#define MISHRI_POLICY_PROBE_H

#include "policy/policy.h"

enum { PROBE_TAINTS = 16, PROBE_NAMES = 4, PROBE_ENV = 64 };

struct probe {
	struct action action;
	struct facts facts;
	const char *taints[PROBE_TAINTS], *names[PROBE_NAMES];
	const char *env[PROBE_ENV + 1];      /* NAME=VALUE; facts.env points here */
	char **owned;                /* text that the two structs point to */
	size_t owned_count;
	json_t *args;
};

/* A worker at depth 1 on the command line, with a person there; no user; time 0, nothing spent, no variable set.
 * The workspace is absolute. */
void probe_init(struct probe *p, const char *workspace);
void probe_done(struct probe *p);

/* KEY=VALUE: user, role, agent, channel, interactive, depth, workspace, taint (again and again), calls, cost_usd, time,
 * env.NAME.
 * 0, or -EINVAL with what would be right. */
MUST_USE int probe_set_fact(struct probe *p, const char *key, const char *value, struct err *err);

/* The action; the last one set counts. argv, args and the other text are copied. */
void probe_set_tool(struct probe *p, const char *name, const char *category, const char *risk, const json_t *args);
/* A name leads to somewhere public, until something else is said. */
MUST_USE int probe_set_net(struct probe *p, const char *host_port, const char *scheme, struct err *err);
/* Behind it: the method of a plain HTTP request, and the address that the name leads to; NULL: nothing is said. */
MUST_USE int probe_add_net(struct probe *p, const char *method, const char *address, struct err *err);

/* argv[0] is a path or a bare name. look: as the file system has it now, a bare name found in CELL_PATH, links
 * resolved, -ENOENT when there is no such program. Otherwise by its spelling alone: a bare name is a system program. */
#define CELL_PATH "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
MUST_USE int probe_set_exec(struct probe *p, const char *const *argv, size_t argc, bool look, struct err *err);

/* Where a program lies, by its real path. */
enum origin origin_of(const char *real_path, const char *workspace);

/* Resolves links and "..", also where the end of the path does not exist yet; for facts.resolve. The caller owns the
 * result; NULL: too many links, or something on the way is no directory or may not be read. */
char *resolve_path(void *unused, const char *path);

#endif
