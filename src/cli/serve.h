/* serve.h - the parts of `mishri serve`. */
#ifndef MISHRI_CLI_SERVE_H
#define MISHRI_CLI_SERVE_H

#include "cli/common.h"
#include "server/http.h"

enum { SERVE_PARTS_MOST = 16 };

struct serve {
	const struct options *o;
	struct session s;              /* loop, store, engine, policy */
	struct config *config;
	char *data;                    /* the data directory */
	char *socket;                  /* path of the Unix socket */
	struct http_server *http;
	void *schedules;               /* of serve_schedules.c; NULL: not open */
	void *parts[SERVE_PARTS_MOST]; /* what each row of the table opened */
	int lock;                      /* held while it runs */
};

/* One row a part, opened in this order when the engine is there and before the loop runs, closed in the other order before
 * the engine goes. open: *ret is handed to close; it may stay NULL. A part that cannot be opened ends the service. */
struct serve_part {
	const char *name;
	int (*open)(struct serve *serve, void **ret, struct err *err);
	void (*close)(struct serve *serve, void *part);
};

/* serve_schedules.c: runs what is due */
int serve_schedules_open(struct serve *serve, void **ret, struct err *err);
void serve_schedules_close(struct serve *serve, void *part);
void serve_schedules_over(struct serve *serve, const struct run *run);   /* a task is over; it may be a schedule's */

/* serve_metrics.c: GET /metrics */
void serve_metrics(struct serve *serve, struct http_conn *conn, const struct http_request *request);

/* serve_http.c: the listeners and the API */
int serve_http_open(struct serve *serve, void **ret, struct err *err);
void serve_http_close(struct serve *serve, void *part);

#endif
