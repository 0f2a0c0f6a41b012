/* detach.c - the other end of the service's Unix socket: one request, one answer. It waits, and holds nothing open. */
#include "cli/detach.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/dirs.h"
#include "engine/http_head.h"

#include "base/banned.h"

static int no_service(const char *data, struct err *err)
{
	return err_set(err, ENOENT, "no service runs for %s: start one with `mishri serve`, or leave --detach out", data);
}

/* A goal is told to one's own service or root's, and by root to the one that the data directory belongs to. */
static int check_peer(int fd, const char *path, const char *data, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	struct stat st;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(err, "%s", path);
	if (peer.uid == 0 || peer.uid == geteuid() || (geteuid() == 0 && stat(data, &st) == 0 && st.st_uid == peer.uid))
		return 0;
	return err_set(err, EACCES, "%s: user %u listens there, not you: nothing was sent", path, (unsigned)peer.uid);
}

static int reach(const struct options *o, int *ret, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 60 };
	AUTO(freep) char *data = NULL;

	int r = cli_data_dir(o, &data, err);
	if (r < 0)
		return r;
	AUTO(freep) char *dir = dirs_runtime(option_text(o, "--data", NULL), data);
	AUTO(freep) char *path = xasprintf("%s/serve.sock", dir);
	if (strlen(path) >= sizeof address.sun_path)
		return err_set(err, ENAMETOOLONG, "the socket '%s' has too long a name", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
		return err_sys(err, "a socket cannot be made");
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? no_service(data, err) : err_sys(err, "%s", path);
	r = check_peer(fd, path, data, err);
	if (r < 0)
		return r;
	*ret = fd;
	fd = -1;
	return 0;
}

static int understand(struct str text, json_t **ret, struct err *err)
{
	const char *end = memmem(text.ptr, text.len, "\r\n\r\n", 4);
	struct http_head head;
	json_t *object = NULL;

	if (end == NULL)
		return err_set(err, EIO, "the service ended before it answered");
	size_t len = (size_t)(end - text.ptr) + 4;
	int r = http_response_read((struct str){ text.ptr, len }, false, &head, err);
	if (r == 0)
		r = json_parse(str_skip(text, len), &object, err);
	if (r < 0)
		return err_prefix(err, "the service's answer");
	if (head.status / 100 == 2) {
		*ret = object;
		return 0;
	}
	err_set(err, head.status == 403 ? EACCES : head.status == 422 || head.status == 400 ? EINVAL : EIO, "%s",
	        json_get_text(object, "detail", "the service refused it"));
	json_decref(object);
	return -err->code;
}

int detach_send(const struct options *o, const char *path, const json_t *body, json_t **ret, struct err *err)
{
	AUTO(buf_done) struct buf answer = BUF_INIT(MIB(4));
	AUTO(freep) char *text = json_text(body);
	AUTO(fd_closep) int fd = -1;

	int r = reach(o, &fd, err);
	if (r < 0)
		return r;
	AUTO(freep) char *request = xasprintf("POST %s HTTP/1.1\r\nHost: mishri\r\nContent-Type: application/json\r\n"
	                                      "Content-Length: %zu\r\n"
	                                      "Connection: close\r\n\r\n%s", path, strlen(text), text);
	if (io_write_all(fd, request, strlen(request)) < 0)
		return err_sys(err, "the service");
	r = io_read_fd(fd, &answer, err);
	return r < 0 ? err_prefix(err, "the service") : understand(buf_str(&answer), ret, err);
}
