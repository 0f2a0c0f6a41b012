/* model_end.c - one connection, one request at a time, blocking: nothing here can take long beside what is measured. */
#include "model_end.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

#include "base/banned.h"

enum { WAIT_MS = 20000 };

int model_end_open(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		fputs("bench: cannot listen on loopback\n", stderr);
		exit(1);
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void add_event(struct buf *out, const char *choices, const char *usage)
{
	buf_printf(out, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"
	           "\"model\":\"mock\",\"choices\":%s,\"usage\":%s}\n\n", choices, usage);
}

static void make_reply(size_t n, bool last, struct buf *ret)
{
	struct buf events = BUF_INIT(KIB(16)), piece = BUF_INIT(KIB(4));

	if (last)
		buf_add_text(&piece, "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Done.\"},\"finish_reason\":null}]");
	else
		buf_printf(&piece, "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,"
		           "\"id\":\"call_%zu\",\"type\":\"function\",\"function\":{\"name\":\"shell\","
		           "\"arguments\":\"{\\\"command\\\":\\\"true\\\"}\"}}]},\"finish_reason\":null}]", n);
	add_event(&events, buf_text(&piece), "null");
	add_event(&events, last ? "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"
	                        : "[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]", "null");
	add_event(&events, "[]", "{\"prompt_tokens\":100,\"completion_tokens\":10,\"total_tokens\":110}");
	buf_add_text(&events, "data: [DONE]\n\n");
	buf_printf(ret, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	           "%zx\r\n%s\r\n0\r\n\r\n", events.len, buf_text(&events));
	buf_done(&piece);
	buf_done(&events);
}

/* Reads one whole request; false when the client went away or is silent for too long. */
static bool take_request(int fd, struct buf *in)
{
	char bytes[65536];

	for (;;) {
		const char *end = memmem(buf_text(in), in->len, "\r\n\r\n", 4);
		const char *length = end != NULL ? strcasestr(buf_text(in), "\r\ncontent-length:") : NULL;
		if (end != NULL) {
			size_t head = (size_t)(end - in->ptr) + 4;
			size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
			if (in->len >= head + body) {
				buf_consume(in, head + body);
				return true;
			}
		}
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&ready, 1, WAIT_MS) == 1 ? read(fd, bytes, sizeof bytes) : -1;
		if (n <= 0 || buf_add(in, bytes, (size_t)n) < 0)
			return false;
	}
}

static int accept_one(int listener)
{
	struct pollfd ready = { .fd = listener, .events = POLLIN };
	int one = 1;

	if (poll(&ready, 1, WAIT_MS) != 1)
		return -1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

size_t model_end_serve(int listener, size_t calls, struct exchange *ret)
{
	AUTO(fd_closep) int fd = accept_one(listener);
	AUTO(buf_done) struct buf in = BUF_INIT(LIMIT_REQUEST_BODY_BYTES), out = BUF_INIT(KIB(32));
	size_t n = 0;

	while (fd >= 0 && n <= calls && take_request(fd, &in)) {
		ret[n].received_us = clock_wall_us();
		buf_reset(&out);
		make_reply(n, n == calls, &out);
		if (io_write_all(fd, out.ptr, out.len) < 0)
			break;
		ret[n++].sent_us = clock_wall_us();
	}
	return n;
}
