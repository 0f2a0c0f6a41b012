/* http_listen.c - sockets that wait for connections. They are taken a few at a time, and when no descriptor is left, after a
 * pause. It reads nothing. */
#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

static void listener_free(struct http_listener *l)
{
	watch_free(l->readable);
	close(l->fd);
	if (l->path != NULL)
		unlink(l->path);
	free(l->path);
	for (size_t i = 0; i < l->host_count; i++)
		free(l->hosts[i]);
	free(l);
}

static void on_readable(void *userdata)
{
	struct http_listener *l = userdata;

	for (int i = 0; i < LIMIT_NET_ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			http_conn_open(l, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			watch_free(TAKE(l->readable));
			watch_arm(l->server->backoff, LIMIT_NET_BACKOFF_MS);
		}
		return;
	}
}

static void on_backoff(void *userdata)
{
	struct http_server *s = userdata;

	for (struct http_listener *l = s->listeners; l != NULL; l = l->next)
		if (l->readable == NULL)
			l->readable = watch_fd(s->loop, l->fd, on_readable, l);
}

struct http_server *http_server_new(struct loop *loop, const struct http_calls *calls)
{
	struct http_server *s = xcalloc(1, sizeof *s);

	s->loop = loop;
	s->calls = *calls;
	s->backoff = watch_timer(loop, on_backoff, s);
	return s;
}

static void listeners_close(struct http_server *s)
{
	watch_arm(s->backoff, -1);
	while (s->listeners != NULL) {
		struct http_listener *l = s->listeners;
		s->listeners = l->next;
		listener_free(l);
	}
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	s->calls.on_gone = NULL;
	while (s->conns != NULL) {
		http_conn_last_words(s->conns);
		http_conn_free(s->conns);
	}
	listeners_close(s);
	watch_free(s->backoff);
	free(s);
}

void http_server_closing(struct http_server *s)
{
	s->closing = true;
	for (struct http_listener *l = s->listeners; l != NULL; l = l->next) {
		watch_free(TAKE(l->readable));
		shutdown(l->fd, SHUT_RDWR);
	}
	watch_arm(s->backoff, -1);
	http_conns_rest(s);
}

size_t http_server_connections(const struct http_server *s)
{
	return s->count;
}

static struct http_listener *listener_add(struct http_server *s, int fd)
{
	struct http_listener *l = xcalloc(1, sizeof *l), **at = &s->listeners;

	l->server = s;
	l->fd = fd;
	while (*at != NULL)
		at = &(*at)->next;
	*at = l;
	l->readable = watch_fd(s->loop, fd, on_readable, l);
	return l;
}

static void host_add(struct http_listener *l, char *owned)
{
	if (l->host_count < LIMIT_HTTP_HOSTS)
		l->hosts[l->host_count++] = owned;
	else
		free(owned);
}

static int socket_taken(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int http_listen_unix(struct http_server *s, const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof address.sun_path)
		return err_set(err, ENAMETOOLONG, "the socket '%s' has a name of more than %zu bytes: give --data or XDG_RUNTIME_DIR"
		               " a shorter one",
		               path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, len + 1);
	AUTO(fd_closep) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof address) == 0)
		return err_set(err, EADDRINUSE, "another program listens on %s", path);
	struct stat st;
	if (lstat(path, &st) == 0 && (!S_ISSOCK(st.st_mode) || unlink(path) < 0))
		return err_set(err, EEXIST, "%s is there and is no socket that could be replaced: remove it", path);
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, "a Unix socket cannot be made");
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)&address, sizeof address);
	umask(before);
	if (r < 0 || listen(fd, LIMIT_HTTP_CONNECTIONS) < 0)
		return err_sys(err, "cannot listen on %s", path);
	struct http_listener *l = listener_add(s, socket_taken(&fd));
	l->local = true;
	l->path = xstrdup(path);
	host_add(l, xstrdup("localhost"));
	host_add(l, xstrdup("mishri"));
	return 0;
}

/* The same bytes for both families. */
union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static socklen_t address_make(const char *text, uint16_t port, union address *ret)
{
	*ret = (union address){ 0 };
	if (inet_pton(AF_INET, text, &ret->four.sin_addr) == 1) {
		ret->four.sin_family = AF_INET;
		ret->four.sin_port = htons(port);
		return sizeof ret->four;
	}
	if (inet_pton(AF_INET6, text, &ret->six.sin6_addr) == 1) {
		ret->six.sin6_family = AF_INET6;
		ret->six.sin6_port = htons(port);
		return sizeof ret->six;
	}
	return 0;
}

int http_address_parse(const char *text, char ret_address[static 64], uint16_t *ret_port, bool *ret_loopback, struct err *err)
{
	const char *colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
	union address address;
	uint64_t number;

	snprintf(ret_address, 64, "%.*s", colon != NULL ? (int)MIN(colon - text, 63) : 9, colon != NULL ? text : "127.0.0.1");
	size_t len = strlen(ret_address);
	bool six = ret_address[0] == '[' && len > 2 && ret_address[len - 1] == ']';
	if (six) {
		memmove(ret_address, ret_address + 1, len - 2);
		ret_address[len - 2] = '\0';
	} else if (strcmp(ret_address, "localhost") == 0) {
		memcpy(ret_address, "127.0.0.1", sizeof "127.0.0.1");
	}
	if (str_to_u64(str_of(port), &number) < 0 || number > UINT16_MAX)
		return err_set(err, EINVAL, "'%.80s' has no port: right would be 127.0.0.1:8080 or [::1]:8080", text);
	if (address_make(ret_address, 0, &address) == 0 || (address.any.sa_family == AF_INET6) != six)
		return err_set(err, EINVAL, "'%.80s' is no address: right would be 127.0.0.1:8080 or [::1]:8080", text);
	*ret_port = (uint16_t)number;
	*ret_loopback = six ? IN6_IS_ADDR_LOOPBACK(&address.six.sin6_addr) : (ntohl(address.four.sin_addr.s_addr) >> 24) == 127;
	return 0;
}

static uint16_t port_of(int fd)
{
	union address address = { 0 };
	socklen_t len = sizeof address;

	if (getsockname(fd, &address.any, &len) < 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

int http_listen_tcp(struct http_server *s, const char *text, uint16_t port, const char *const *hosts, size_t host_count,
                    struct err *err)
{
	union address address;
	socklen_t len = address_make(text, port, &address);
	int on = 1;

	assert(len > 0);
	AUTO(fd_closep) int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    (len == sizeof address.six && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
	    bind(fd, &address.any, len) < 0 || listen(fd, LIMIT_HTTP_CONNECTIONS) < 0)
		return err_sys(err, "cannot listen on %s, port %u", text, port);
	bool six = len == sizeof address.six;
	unsigned number = port_of(fd);
	struct http_listener *l = listener_add(s, socket_taken(&fd));
	host_add(l, xasprintf(six ? "[%s]:%u" : "%s:%u", text, number));
	host_add(l, xasprintf("localhost:%u", number));
	for (size_t i = 0; i < host_count; i++)
		host_add(l, xstrdup(hosts[i]));
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	for (const struct http_listener *l = s->listeners; l != NULL; l = l->next)
		if (!l->local)
			return port_of(l->fd);
	return 0;
}
