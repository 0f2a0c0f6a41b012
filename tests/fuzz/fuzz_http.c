/* fuzz_http.c - any bytes, in pieces, as what a client of the service sends, to the real server over a real socket: what reaches
 * the caller is well formed, each request is answered once, and nothing is left when the client has gone. */
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/http.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct http_server *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static size_t heads, requests;

static void check(const struct http_request *r)
{
	assert(r->path.len > 0 && r->path.ptr[0] == '/' && r->peer.local);
	for (size_t i = 0; i < r->path.len; i++)
		assert(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/", r->path.ptr[i]) != NULL && r->path.ptr[i] != '\0');
	assert(memmem(r->path.ptr, r->path.len, "//", 2) == NULL);
	for (size_t i = 0; i < r->query.len; i++)
		assert((unsigned char)r->query.ptr[i] > ' ' && (unsigned char)r->query.ptr[i] < 0x7f);
	assert(r->head->framing == BODY_NONE || r->head->framing == BODY_LENGTH);
	assert(http_header_find(r->head, "host") != NULL);
}

static bool on_head(UNUSED void *userdata, struct http_conn *conn, const struct http_request *r)
{
	check(r);
	heads++;
	if (str_eq(r->path, STR("/no"))) {
		http_problem(conn, 403, "no");
		return false;
	}
	return true;
}

static void on_request(UNUSED void *userdata, struct http_conn *conn, const struct http_request *r)
{
	check(r);
	requests++;
	assert(r->body.len == (r->head->framing == BODY_LENGTH ? r->head->length : 0));
	http_answer(conn, 200, "text/plain", r->body, "");
}

static void nothing(UNUSED void *userdata, UNUSED struct http_conn *conn)
{
}

static void start(void)
{
	static const struct http_calls calls = { .on_head = on_head, .on_request = on_request, .on_gone = nothing, .on_room = nothing };
	struct err err = ERR_NONE;

	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/mishri-fuzz-http-%d", (int)getpid());
	if (loop_new(&loop, &err) < 0)
		abort();
	server = http_server_new(loop, &calls);
	if (http_listen_unix(server, address.sun_path, &err) < 0)
		abort();
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* Answers, one behind the other: as many as there were requests and refusals. */
static void read_answers(int fd, struct buf *all)
{
	char part[4096];
	ssize_t n;

	while ((n = recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0)
		buf_add(all, part, (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_done) struct buf all = BUF_INIT(MIB(4));

	if (server == NULL)
		start();
	heads = requests = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		abort();
	size_t piece = size > 0 && data[0] % 4 > 0 ? (size_t)data[0] % 4 * 97 : SIZE_MAX;
	for (size_t at = size > 0; at < size; at += MIN(piece, size - at)) {
		if (send(fd, data + at, MIN(piece, size - at), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		turn();
		read_answers(fd, &all);
	}
	shutdown(fd, SHUT_WR);
	turn();
	read_answers(fd, &all);
	assert(requests <= heads);
	assert(all.len == 0 || str_starts(buf_str(&all), STR("HTTP/1.1 ")));
	close(fd);
	for (int i = 0; i < 100 && http_server_connections(server) > 0; i++)
		turn();
	assert(http_server_connections(server) == 0);
	return 0;
}
