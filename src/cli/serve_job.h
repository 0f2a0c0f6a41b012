/* serve_job.h - a task that the service starts by itself, from words that were stored earlier. */
#ifndef MISHRI_CLI_SERVE_JOB_H
#define MISHRI_CLI_SERVE_JOB_H

#include "cli/serve.h"

struct serve_job {                     /* borrowed */
	const char *task;              /* the id that it must have; NULL: a new one */
	const char *user, *channel;
	const json_t *schedule;        /* for task.created; NULL */
	/* goal, workspace, model, policies, agent, plan, budget, max_turns, timeout, isolation, workspace_mode, config (list
	 * of KEY=VALUE): what `mishri run` takes, each as text. */
	const json_t *spec;
};

/* Everything that would be wrong with it is found before the engine gets it. -errno: err says what would be right. */
MUST_USE int serve_job_start(struct serve *serve, const struct serve_job *job, struct run **ret, struct err *err);

#endif
