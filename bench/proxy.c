/* proxy.c - what the way out of a cell costs: connections and bytes through the proxy, against the same without it, on
 * loopback. Policy is asked as in a run; events are not written. Usage: bench_proxy [CONNECTIONS [MEGABYTES]] */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "engine/egress.h"

#include "base/banned.h"

enum { CHUNK = 1 << 16 };

static const char *const no_tools[1];
static struct policy *policy;
static struct egress *egress;
static int64_t megabytes = 256, connections = 2000;

static int listener_open(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		abort();
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static int connect_to(int port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
		abort();
	return fd;
}

/* 'e': gives the byte back. 'd': sends all it has. */
static _Noreturn void serve(int listener)
{
	static char chunk[CHUNK];

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		char what = 0;
		if (fd < 0)
			_exit(1);
		if (read(fd, &what, 1) == 1 && what == 'd')
			for (int64_t left = megabytes << 20; left > 0 && io_write_all(fd, chunk, CHUNK) == 0;)
				left -= CHUNK;
		else
			(void)!write(fd, &what, 1);
		close(fd);
	}
}

static int reach(int proxy, int port)
{
	static const char done[] = "\r\n\r\n";
	char text[512];
	size_t len = 0;
	int fd = connect_to(proxy != 0 ? proxy : port);

	if (proxy == 0)
		return fd;
	int n = snprintf(text, sizeof text, "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port, port);
	if (io_write_all(fd, text, (size_t)n) < 0)
		abort();
	while (len < sizeof text && read(fd, text + len, 1) == 1)
		if (++len >= 4 && memcmp(text + len - 4, done, 4) == 0)
			break;
	if (len < 12 || memcmp(text + 9, "200", 3) != 0)
		abort();
	return fd;
}

static int64_t connect_us(int proxy, int port)
{
	int64_t start = clock_mono_ns();

	for (int64_t i = 0; i < connections; i++) {
		char byte = 'e';
		int fd = reach(proxy, port);
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			abort();
		close(fd);
	}
	return (clock_mono_ns() - start) / 1000 / connections;
}

static int64_t bytes_per_s(int proxy, int port)
{
	static char chunk[CHUNK];
	int fd = reach(proxy, port);
	int64_t start = clock_mono_ns(), total = 0;

	if (write(fd, "d", 1) != 1)
		abort();
	for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;)
		total += n;
	close(fd);
	if (total != megabytes << 20)
		abort();
	return total * 1000 / ((clock_mono_ns() - start) / 1000000 + 1);
}

static _Noreturn void measure(int proxy, int port)
{
	int64_t direct = connect_us(0, port), through = connect_us(proxy, port);
	int64_t fast = bytes_per_s(0, port), by_proxy = bytes_per_s(proxy, port);

	printf("{\"connections\":%lld,\"direct_us\":%lld,\"proxy_us\":%lld,\"times\":%.2f,\"megabytes\":%lld,\"direct_mb_s\":%lld,"
	       "\"proxy_mb_s\":%lld,\"share\":%.2f}\n", (long long)connections, (long long)direct, (long long)through,
	       (double)through / (double)direct, (long long)megabytes, (long long)(fast >> 20), (long long)(by_proxy >> 20),
	       (double)by_proxy / (double)fast);
	fflush(stdout);
	_exit(0);
}

static void on_decide(void *userdata, const struct net_target *target, struct decision *ret)
{
	const struct facts facts = { .user = "", .role = "", .agent = "", .channel = "cli", .workspace = "" };
	struct action action = { .kind = ACTION_NET };

	(void)userdata;
	action.net.host = target->host;
	action.net.port = target->port;
	action.net.scheme = target->scheme;
	action.net.address = target->class;
	action.net.resolved = target->address;
	policy_decide(policy, &action, &facts, ret);
}

static void on_decided(void *userdata, uint32_t id, const struct net_target *target, const struct decision *d)
{
	(void)userdata, (void)target, (void)d;
	egress_go(egress, id);
}

static void on_gone(void *userdata, uint32_t id)
{
	(void)userdata, (void)id;
}

static void on_finished(void *userdata, uint32_t id, const struct net_end *end)
{
	(void)userdata, (void)id, (void)end;
}

static void on_child(void *userdata)
{
	loop_stop(userdata);
}

int main(int argc, char **argv)
{
	static const char rules[] = "version: 1\nrules:\n  - { id: here, allow: net, host: 127.0.0.1, private: true }\n";
	const struct egress_callbacks callbacks = { .decide = on_decide, .decided = on_decided, .gone = on_gone, .finished = on_finished };
	const struct egress_limits limits = { .task_connections = INT64_MAX, .bytes = INT64_MAX, .task_bytes = INT64_MAX };
	struct policy_source source = { LAYER_PROJECT, "bench", STR("") };
	struct egress_base *base;
	struct loop *loop;
	struct err err;
	int port, proxy;

	if (argc > 1)
		connections = strtol(argv[1], NULL, 10);
	if (argc > 2)
		megabytes = strtol(argv[2], NULL, 10);
	source.text = str_of(rules);
	int listener = listener_open(&port), ours = listener_open(&proxy);
	pid_t server = fork();
	if (server == 0)
		serve(listener);
	if (policy_load(&source, 1, no_tools, 0, &policy, &err) < 0 || loop_new(&loop, &err) < 0 ||
	    egress_base_new(loop, NULL, NULL, &limits, &base, &err) < 0 || fd_set_nonblock(ours) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	egress = egress_new(base, ours, NULL, &callbacks);
	struct watch *child = watch_signal(loop, SIGCHLD, on_child, loop);
	pid_t client = fork();
	if (client == 0)
		measure(proxy, port);
	loop_run(loop);
	kill(server, SIGKILL);
	while (wait(NULL) > 0)
		;
	watch_free(child);
	egress_free(egress);
	egress_base_free(base);
	loop_free(loop);
	policy_free(policy);
	return 0;
}
