/* mock_model - the fastest model server that still speaks the real format, so that what is measured around it is ours.
 *
 *   mock_model [CALLS [NAME [ARGS]]]        prints its port; ends when stdin ends
 *
 * A conversation with fewer than CALLS (1) results gets one call of NAME ("shell") with ARGS ({"command":"true"}), any
 * other gets a final text. MOCK_DELAY_MS in the environment: so long it takes before each answer; MOCK_TOOL: as NAME. It keeps connections, answers in one write, checks nothing, and stores nothing. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#include "base/banned.h"

enum { CLIENTS_MAX = 1024, EVENTS_MAX = 64 };

static struct { struct buf in; } clients[CLIENTS_MAX];
static uint64_t calls_per_conversation = 1;
static const char *call_name = "shell";
static char *call_args;                 /* as a JSON text inside JSON */

static size_t count_results(struct str body)
{
	static const char mark[] = "\"role\":\"tool\"";
	size_t count = 0;

	for (const char *at; (at = memmem(body.ptr, body.len, mark, sizeof mark - 1)) != NULL; count++)
		body = str_skip(body, (size_t)(at - body.ptr) + sizeof mark - 1);
	return count;
}

static void add_event(struct buf *out, const char *choices, const char *usage)
{
	buf_printf(out, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"
	           "\"model\":\"mock\",\"choices\":%s,\"usage\":%s}\n\n", choices, usage);
}

static void make_reply(size_t results, struct buf *out)
{
	struct buf piece = BUF_INIT(KIB(64));

	if (results < calls_per_conversation)
		buf_printf(&piece, "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,"
		           "\"id\":\"call_%zu\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":%s}}]},"
		           "\"finish_reason\":null}]", results, call_name, call_args);
	else
		buf_add_text(&piece, "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Done.\"},"
		             "\"finish_reason\":null}]");
	add_event(out, buf_text(&piece), "null");
	add_event(out, results < calls_per_conversation ?
	          "[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]" :
	          "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "null");
	add_event(out, "[]", "{\"prompt_tokens\":100,\"completion_tokens\":10,\"total_tokens\":110}");
	buf_add_text(out, "data: [DONE]\n\n");
	buf_done(&piece);
}

static int answer(int fd, struct str body)
{
	struct buf reply = BUF_INIT(KIB(128)), out = BUF_INIT(KIB(256));

	make_reply(count_results(body), &reply);
	buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	           "%zx\r\n%s\r\n0\r\n\r\n", reply.len, buf_text(&reply));
	int r = io_write_all(fd, out.ptr, out.len);
	buf_done(&reply);
	buf_done(&out);
	return r;
}

/* ---- answers that take their time: all the same, so the oldest is due first ---- */

static struct later {
	int64_t due_ns;
	int fd;                        /* -1: gone meanwhile */
	struct buf body;
} later[CLIENTS_MAX * 4];
static size_t later_first, later_count;
static int64_t delay_ns;

static int later_ms(void)
{
	return later_count == 0 ? -1 : (int)MAX((later[later_first].due_ns - clock_mono_ns() + 999999) / 1000000, 0);
}

static int answer_later(int fd, struct str body)
{
	if (later_count == COUNT(later))
		return -ENOBUFS;
	struct later *l = &later[(later_first + later_count++) % COUNT(later)];
	*l = (struct later){ .due_ns = clock_mono_ns() + delay_ns, .fd = fd, .body = BUF_INIT(LIMIT_REQUEST_BODY_BYTES) };
	return buf_add(&l->body, body.ptr, body.len);
}

static void answer_due(void)
{
	for (; later_count > 0 && later[later_first].due_ns <= clock_mono_ns(); later_count--) {
		struct later *l = &later[later_first];
		later_first = (later_first + 1) % COUNT(later);
		if (l->fd >= 0 && answer(l->fd, buf_str(&l->body)) < 0)
			shutdown(l->fd, SHUT_RDWR);
		buf_done(&l->body);
	}
}

/* Answers every whole request in the buffer. */
static int serve(int fd, struct buf *in)
{
	for (;;) {
		const char *end = memmem(buf_text(in), in->len, "\r\n\r\n", 4);
		const char *length = strcasestr(buf_text(in), "\r\ncontent-length:");
		if (end == NULL)
			return 0;
		size_t head = (size_t)(end - in->ptr) + 4;
		size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
		if (in->len - head < body)
			return 0;
		struct str text = { in->ptr + head, body };
		int r = delay_ns > 0 ? answer_later(fd, text) : answer(fd, text);
		if (r < 0)
			return r;
		buf_consume(in, head + body);
	}
}

static void drop(int fd)
{
	buf_done(&clients[fd].in);
	for (size_t i = 0; i < later_count; i++)
		if (later[(later_first + i) % COUNT(later)].fd == fd)
			later[(later_first + i) % COUNT(later)].fd = -1;
	close(fd);
}

static void on_readable(int fd)
{
	static char bytes[65536];
	ssize_t n = read(fd, bytes, sizeof bytes);

	if (n <= 0 || buf_add(&clients[fd].in, bytes, (size_t)n) < 0 || serve(fd, &clients[fd].in) < 0)
		drop(fd);
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		abort();
}

static void accept_one(int epoll, int listener)
{
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= CLIENTS_MAX)
		close(fd);
	if (fd < 0 || fd >= CLIENTS_MAX)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	clients[fd].in = BUF_INIT(LIMIT_REQUEST_BODY_BYTES);
	watch(epoll, fd);
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		abort();
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (argc > 1 && str_to_u64(str_of(argv[1]), &calls_per_conversation) < 0) {
		fputs("usage: mock_model [CALLS [NAME [ARGS]]]: CALLS is a number\n", stderr);
		return 2;
	}
	const char *delay = getenv("MOCK_DELAY_MS"), *tool = getenv("MOCK_TOOL");
	if (delay != NULL)
		delay_ns = strtol(delay, NULL, 10) * 1000000;
	if (tool != NULL)
		call_name = tool;
	if (argc > 2)
		call_name = argv[2];
	json_t *args = json_of_str(str_of(argc > 3 ? argv[3] : "{\"command\":\"true\"}"));
	call_args = json_text(args);
	json_decref(args);
	signal(SIGPIPE, SIG_IGN);
	int listener = listen_on_loopback();
	watch(epoll, listener);
	watch(epoll, STDIN_FILENO);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, later_ms());

		answer_due();
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			char byte;
			if (fd == listener)
				accept_one(epoll, listener);
			else if (fd != STDIN_FILENO)
				on_readable(fd);
			else if (read(STDIN_FILENO, &byte, 1) <= 0)
				return 0;
		}
	}
}
