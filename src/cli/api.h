/* api.h - the HTTP API of `serve`: routes, who may use them, and their handlers. One table says which there are; dispatch,
 * openapi.json and docs/api.md are made from it. */
#ifndef MISHRI_CLI_API_H
#define MISHRI_CLI_API_H

#include "cli/serve.h"
#include "engine/control.h"
#include "server/token.h"

struct api {
	struct serve *serve;
	struct token_guard guard;
	struct api_wait *waits;        /* answers that are given later */
	struct api_stream *streams;
	size_t stream_count;
	struct api_rates *rates;       /* of api_rate.c; NULL: nobody asked yet */
	struct api_chat *chats;        /* of api_openai.c */
	int64_t seen;                  /* the newest event that every live stream was told of */
	struct watch *waiting, *look, *alive;
	json_t *tokens_seen;           /* "TOKEN STATE" → true: the record has it */
	struct api_worker *workers;    /* of api_worker.c: those that work and those that wait, in their order */
	int workers_busy;
	struct watch *work;
};

/* api_token.c: a token was shown; state: as of token_look */
void api_token_seen(struct api *api, const struct token_row *row, const char *state);

struct api_call {                      /* one request, while it is handled */
	struct api *api;
	struct http_conn *conn;
	const struct http_request *http;
	struct serve_who who;
	unsigned rights;
	char token[ID_LEN + 1];        /* "" where it came by the Unix socket */
	char id[ID_LEN + 1];           /* of the path, whole and found; "" */
	json_t *query;                 /* {name: text} */
	json_t *body;                  /* NULL: none */
};

/* What a route's {id} is: it is found, and refused where it is another user's, before the handler runs. */
enum api_id { ID_NONE, ID_TASK, ID_APPROVAL, ID_GRANT, ID_SCHEDULE };

struct api_route {
	const char *method, *path;     /* "/v1/tasks/{id}" */
	enum right right;              /* 0: everybody, without a token */
	enum api_id id;
	void (*handle)(struct api_call *call);
	const char *about;
	const char *query;             /* names, separated by blanks; NULL: none */
	const char *body;              /* JSON Schema of it; NULL: it has none */
	const char *gives;             /* what the answer is, in words */
};
const struct api_route *api_route_at(size_t i);                /* NULL behind the last */
MUST_USE json_t *api_openapi(void);                            /* the caller owns it */

/* Answers; a call is answered once. */
void api_json(struct api_call *call, int status, json_t *owned);
void api_fail(struct api_call *call, const struct err *err);   /* by err->code */
bool api_reads_all(const struct api_call *call);
const char *api_query(const struct api_call *call, const char *name);   /* NULL: not given */

/* api_worker.c: another process runs a command that looks, and `then` answers with what it printed: with a call like this one, but
 * without its request. What the command complains of is answered by itself. */
void api_work(struct api_call *call, const struct command *command, const char *const *words, size_t count,
              void (*then)(struct api_call *call, struct str out));
bool api_work_gone(struct api *api, const struct http_conn *conn);   /* false: nothing is done for it */
void api_tell_json(struct api_call *call, struct str out);           /* as it is */
void api_workers_go_on(struct api *api);
void api_workers_open(struct api *api);
void api_workers_close(struct api *api);
/* Runs a command that is quick whatever is stored, here and now, and parses what it prints with --json; NULL: it was answered
 * with its complaint. */
MUST_USE json_t *api_command(struct api_call *call, const struct command *command, const char *const *words, size_t count);

/* api_tasks.c */
void api_tasks_start(struct api_call *call);
void api_tasks_list(struct api_call *call);
void api_task_show(struct api_call *call);
void api_task_tree(struct api_call *call);
void api_task_trace(struct api_call *call);
void api_cost(struct api_call *call);
void api_policy_show(struct api_call *call);
void api_budgets(struct api_call *call);
void api_policy_check(struct api_call *call);
bool api_may_look(struct api_call *call, const char *workspace, char **ret);   /* false: it was answered; the caller owns *ret */
/* --workspace and --policy; room: for words. Returns how many there are. */
size_t api_policy_words(const struct api_call *call, const char *workspace, const char **words, size_t room);
/* api_look.c */
void api_me(struct api_call *call);
void api_task_diff(struct api_call *call);
void api_task_fork(struct api_call *call);
void api_policy_backtest(struct api_call *call);
void api_audit(struct api_call *call);
void api_tools(struct api_call *call);
bool api_key(struct api_call *call, char ret[static 256]);      /* Idempotency-Key, or ""; false: it was answered */
void api_take_header(const struct api_call *call, const char *name, char *ret, size_t size);   /* what is too long is none */
/* api_rate.c: may this user ask once more now? */
bool api_rate_take(struct api *api, const char *user);
void api_rates_close(struct api *api);
/* api_openai.c, api_models.c: what clients of OpenAI's API ask for */
void api_chat(struct api_call *call);
void api_models(struct api_call *call);
void api_chats_event(struct api *api, const struct event *event);
void api_chats_text(struct api *api, const char *task, struct str text);
void api_chats_over(struct api *api, const struct run *run);
void api_chats_alive(struct api *api);
bool api_chat_room(struct api *api, const struct http_conn *conn);  /* false: it is none */
bool api_chat_gone(struct api *api, struct http_conn *conn);   /* false: it is none */
void api_chats_close(struct api *api);
/* api_people.c */
void api_approvals(struct api_call *call);
void api_approval_answer(struct api_call *call);
void api_grants(struct api_call *call);
void api_grant_revoke(struct api_call *call);
/* api_control.c */
void api_task_cancel(struct api_call *call);
void api_task_pause(struct api_call *call);
void api_task_resume(struct api_call *call);
void api_task_steer(struct api_call *call);
void api_task_answer(struct api_call *call);
void api_task_priority(struct api_call *call);
void api_control_tell(struct http_conn *conn, const struct control_sent *sent);
/* api_stream.c */
void api_events(struct api_call *call);
void api_task_events(struct api_call *call);
bool api_token_holds(struct api *api, const char *token);      /* "": nobody needs one */
void api_streams_open(struct api *api);
void api_streams_close(struct api *api);
void api_stream_event(struct api *api);                        /* something became durable here */
bool api_stream_room(struct api *api, struct http_conn *conn); /* false: it is no stream */
bool api_stream_gone(struct api *api, struct http_conn *conn);
/* api_wait.c: answers that come later */
void api_wait_task(struct api_call *call, const char *task);   /* until the task is durable, or cannot begin */
void api_wait_answer(struct api_call *call, const char *word); /* until an approval's engine has said what it makes of it */
/* root: the task that goes on here because of it; "": none. */
void api_wait_control(struct api_call *call, const struct control_sent *sent, const char *root);
void api_wait_gone(struct api *api, struct http_conn *conn);
void api_waits_event(struct api *api, const struct event *event);
void api_waits_over(struct api *api, struct run *run);
void api_waits_look(struct api *api);                          /* now and then */
void api_waits_close(struct api *api);
/* api.c */
void api_health(struct api_call *call);
void api_healthz(struct api_call *call);
void api_metrics(struct api_call *call);
/* api_schedules.c */
void api_schedules(struct api_call *call);
void api_schedule_show(struct api_call *call);
void api_schedule_add(struct api_call *call);
void api_schedule_pause(struct api_call *call);
void api_schedule_resume(struct api_call *call);
void api_schedule_run(struct api_call *call);
void api_schedule_remove(struct api_call *call);
void api_describe(struct api_call *call);

#endif
