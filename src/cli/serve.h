/* serve.h - the parts of `mishri serve`. */
#ifndef MISHRI_CLI_SERVE_H
#define MISHRI_CLI_SERVE_H

#include "cli/common.h"
#include "server/http.h"

enum { SERVE_PARTS_MOST = 16 };

struct api;

struct serve {
	const struct options *o;
	struct session s;              /* loop, store, engine, policy */
	struct config *config;
	char *data;                    /* the data directory */
	char *socket;                  /* path of the Unix socket */
	struct http_server *http;
	struct api *api;               /* NULL: not open */
	void *schedules;               /* of serve_schedules.c; NULL: not open */
	void *recovery;                /* of serve_recover.c; NULL: not open */
	void *parts[SERVE_PARTS_MOST]; /* what each row of the table opened */
	const char *policies[REPEAT_MOST]; /* -p files, absolute */
	size_t policy_count;
	int lock;                      /* held while it runs */
};

/* One row a part, opened in this order when the engine is there and before the loop runs, closed in the other order before
 * the engine goes. open: *ret is handed to close; it may stay NULL. A part that cannot be opened ends the service. */
struct serve_part {
	const char *name;
	int (*open)(struct serve *serve, void **ret, struct err *err);
	void (*close)(struct serve *serve, void *part);
};

/* ---- serve_start.c: a goal that comes from outside becomes a task ---- */

struct serve_who {                     /* who asks */
	char user[USER_LEN + 1];
	bool trusted;                  /* a process of this Unix user or of root, not the bearer of a token */
	bool root;                     /* may act for others */
	const char *channel;           /* "http", "cli", "schedule": what policy sees */
	char traceparent[64], tracestate[512]; /* of the request; "": none */
};

/* body: the request of POST /v1/tasks. The run has begun, and is not durable yet. -EINVAL, -EACCES, -EPERM, -EAGAIN ...: err
 * says what would be right. */
MUST_USE int serve_start(struct serve *serve, const struct serve_who *who, const json_t *body, struct run **ret, struct err *err);
/* The same without a beginning: would it be taken? */
MUST_USE int serve_may_start(struct serve *serve, const struct serve_who *who, const json_t *body, struct err *err);
struct serve_job {                     /* words that were stored earlier; borrowed */
	const char *task;              /* the id that it must have; NULL: a new one */
	const char *user, *channel;
	const json_t *schedule;        /* for task.created; NULL */
	const json_t *spec;            /* as a request's body, and `config`: a list of KEY=VALUE */
};
/* Everything that would be wrong with it is found before the engine gets it. -errno: err says what would be right. */
MUST_USE int serve_job_start(struct serve *serve, const struct serve_job *job, struct run **ret, struct err *err);
/* For engine_setup.load_policy. */
int serve_load_policy(void *userdata, const char *workspace, const json_t *policies, struct policy_home **ret_home,
                      struct policy **ret, struct err *err);
/* Is this a directory in which tasks of tokens may work? -EACCES. */
MUST_USE int serve_workspace_check(const struct serve *serve, const char *workspace, struct err *err);

/* ---- serve_recover.c: tasks that crashed engines left ---- */
void serve_recover_hooks(struct serve *serve);   /* before the engine is made */
int serve_recover_open(struct serve *serve, void **ret, struct err *err);
void serve_recover_close(struct serve *serve, void *part);

/* ---- serve_wake.c: tasks that rest, and a person's word ---- */

/* A root task that no engine runs goes on here. 0: it does, or there was nothing to do; -errno: why it cannot. */
MUST_USE int serve_wake(struct serve *serve, const char *root, struct err *err);
/* Tasks that rest, and what they ask has run out. */
void serve_wake_late(struct serve *serve);
/* Words in inboxes with an id above *seen, which goes up to where all is settled. */
void serve_wake_look(struct serve *serve, int64_t *seen);

/* ---- api.c: the listeners and the API ---- */
void api_hooks(struct serve *serve);    /* before the engine is made */

/* serve_schedules.c: runs what is due */
int serve_schedules_open(struct serve *serve, void **ret, struct err *err);
void serve_schedules_close(struct serve *serve, void *part);
void serve_schedules_over(struct serve *serve, const struct run *run);   /* a task is over; it may be a schedule's */

/* serve_retention.c: old goals leave */
int serve_retention_open(struct serve *serve, void **ret, struct err *err);
void serve_retention_close(struct serve *serve, void *part);

/* serve_metrics.c: GET /metrics */
void serve_metrics(struct serve *serve, struct http_conn *conn, const struct http_request *request);

int serve_http_open(struct serve *serve, void **ret, struct err *err);
MUST_USE int serve_listen_check(const struct serve *serve, struct err *err);   /* is serve.listen an address to listen on? */
void serve_http_close(struct serve *serve, void *part);

#endif
