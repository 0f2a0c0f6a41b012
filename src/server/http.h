/* http.h - a small server of HTTP/1.1 on the loop: listeners, connections, answers and streams. What a request means is the
 * caller's business.
 *
 * A request reaches the caller only when the strict reader (engine/http_head.h) has taken all of it: on_head once its head is
 * known to be well formed and addressed to one of the listener's names, on_request with its whole body. */
#ifndef MISHRI_SERVER_HTTP_H
#define MISHRI_SERVER_HTTP_H

#include <sys/types.h>

#include "base/json.h"
#include "engine/http_head.h"
#include "engine/loop.h"

struct http_server;
struct http_conn;

struct http_peer {
	bool local;                    /* came by a Unix socket, and the kernel says whose process it is */
	uid_t uid;
};

struct http_request {                    /* borrowed; gone when the callback returns */
	const struct http_head *head;
	struct str path, query;        /* path: letters, digits and -._~ between slashes; query without its mark */
	struct str body;               /* of on_request; "" in on_head */
	struct http_peer peer;
};

struct http_calls {
	/* May it go on? false: it was answered. Before the body is read. */
	bool (*on_head)(void *userdata, struct http_conn *conn, const struct http_request *request);
	/* Answers at once, or later by http_answer, or begins a stream. */
	void (*on_request)(void *userdata, struct http_conn *conn, const struct http_request *request);
	/* An open answer or stream has nobody any more; the connection is gone after this. */
	void (*on_gone)(void *userdata, struct http_conn *conn);
	/* All that was written to a stream was taken. */
	void (*on_room)(void *userdata, struct http_conn *conn);
	void *userdata;
};

MUST_USE struct http_server *http_server_new(struct loop *loop, const struct http_calls *calls);
void http_server_free(struct http_server *server);      /* closes listeners and connections; no callback follows */
void http_server_closing(struct http_server *server);   /* takes no more connections; those that are there end with their answer */
size_t http_server_unsent(const struct http_server *server);    /* bytes of answers that were not taken yet */
size_t http_server_connections(const struct http_server *server);

/* path: replaced where nobody listens on it. Mode 0600. -EADDRINUSE, -ENAMETOOLONG; err says what to do. */
MUST_USE int http_listen_unix(struct http_server *server, const char *path, struct err *err);
/* address: a literal one. port 0: any. Beside ADDRESS:PORT and localhost:PORT, `hosts` may be what Host says. */
MUST_USE int http_listen_tcp(struct http_server *server, const char *address, uint16_t port, const char *const *hosts,
                             size_t host_count, struct err *err);
uint16_t http_server_port(const struct http_server *server);   /* of the first TCP listener; 0: there is none */
/* "127.0.0.1:8080", "[::1]:8080", "8080" for the first of them. -EINVAL. *ret_loopback: only this machine reaches it. */
MUST_USE int http_address_parse(const char *text, char ret_address[static 64], uint16_t *ret_port, bool *ret_loopback,
                                struct err *err);

/* more: header lines, each with CR LF, or "". A HEAD gets no body. */
void http_answer(struct http_conn *conn, int status, const char *type, struct str body, const char *more);
/* All headers but those of the body and the connection are the caller's. 304 has no body. */
void http_answer_as(struct http_conn *conn, int status, const char *type, struct str body, const char *headers);
/* RFC 9457; detail: what would be right. It has also the member `error` that clients of OpenAI's API look for. */
void http_problem(struct http_conn *conn, int status, const char *detail);
/* code: one word for programs; param: the field that is wrong; NULL: none. more: as with http_answer. */
void http_problem_about(struct http_conn *conn, int status, const char *detail, const char *code, const char *param,
                        const char *more);
MUST_USE json_t *http_error_object(int status, const char *message, const char *code, const char *param);   /* the caller owns it */
const char *http_status_text(int status);

/* An answer that comes later: on_gone says when its client leaves before. Without this it is found out when it is written. */
void http_conn_watch(struct http_conn *conn);

void http_stream_begin(struct http_conn *conn, const char *type, const char *more);   /* more: as with http_answer */
void http_stream_write(struct http_conn *conn, struct str text);
size_t http_stream_waiting(const struct http_conn *conn);      /* bytes that were not taken yet */
void http_stream_end(struct http_conn *conn);                  /* the connection ends with it; on_gone does not follow */

void http_conn_note(struct http_conn *conn, void *note);       /* the caller's own, kept with an open answer */
void *http_conn_noted(const struct http_conn *conn);

/* ---- inside the server ---- */

struct http_listener {
	struct http_server *server;
	struct http_listener *next;
	struct watch *readable;
	int fd;
	bool local;
	char *path;                    /* of a Unix socket, to be removed */
	char *hosts[LIMIT_HTTP_HOSTS];
	size_t host_count;
};

struct http_server {
	struct loop *loop;
	struct http_calls calls;
	struct http_listener *listeners;
	struct http_conn *conns;
	size_t count, body_bytes;
	struct watch *backoff;         /* no descriptor was left */
	bool closing;
};

void http_conn_open(struct http_listener *listener, int fd);
void http_conn_free(struct http_conn *conn);
void http_conn_last_words(struct http_conn *conn);     /* what it was told and has not taken, before it is freed */
/* Closes those that wait for a request. */
void http_conns_rest(struct http_server *server);

#endif
