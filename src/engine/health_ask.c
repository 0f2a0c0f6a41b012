/* health_ask.c - how one process asks an engine how it is: a datagram to the engine's socket, answered by one. Who may send to
 * that socket may know; the directory that it lies in is the user's own. Nothing can be changed this way. */
#include "engine/health.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/run.h"

#include "base/banned.h"

static const char question[] = "health";

int health_ask(const char *path, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof to.sun_path)
		return err_set(err, ENOENT, "it has no socket to be asked by");
	memcpy(to.sun_path, path, len);
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* an address of the system's choice, for the answer */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any.sun_family) < 0)
		return err_sys(err, "no socket to ask by");
	if (sendto(fd, question, sizeof question - 1, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to) < 0)
		return err_sys(err, "it cannot be asked by '%s'", path);
	int taken = fd;
	fd = -1;
	return taken;
}

int health_hear(int fd, int64_t until_ms, json_t **ret, struct err *err)
{
	AUTO(freep) char *room = xmalloc(LIMIT_HEALTH_ANSWER_BYTES);
	struct pollfd p = { fd, POLLIN, 0 };

	while (poll(&p, 1, (int)MAX(until_ms - clock_mono_ms(), (int64_t)0)) < 0 && errno == EINTR)
		continue;
	ssize_t n = recv(fd, room, LIMIT_HEALTH_ANSWER_BYTES, MSG_DONTWAIT);
	if (n <= 0)
		return err_set(err, ETIMEDOUT, "it did not answer in time");
	return json_parse((struct str){ room, (size_t)n }, ret, err);
}

bool health_asked(struct engine *engine, struct str message, const void *from, size_t from_len)
{
	if (!str_eq(message, str_of(question)))
		return false;
	AUTO(json_decrefp) json_t *object = health_json(engine);
	AUTO(freep) char *text = json_text(object);
	if (strlen(text) > LIMIT_HEALTH_ANSWER_BYTES) {
		json_put(object, "beats_left_out", json_integer((json_int_t)json_array_size(json_object_get(object, "beats")) +
		                                                json_get_int(object, "beats_left_out", 0)));
		json_put(object, "beats", json_array());
		free(text);
		text = json_text(object);
	}
	if (from_len > sizeof(sa_family_t)) /* else it has no address, and cannot be answered */
		(void)sendto(engine->setup.poke_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, from, (socklen_t)from_len);
	return true;
}

/* ---- from outside ---- */

static void put_status(json_t *object, const char *text)
{
	static const struct { const char *field, *key; } wanted[] = { { "\nState:\t", "state" }, { "\nThreads:\t", "threads" } };

	for (size_t i = 0; i < COUNT(wanted); i++) {
		const char *at = strstr(text, wanted[i].field);
		if (at == NULL)
			continue;
		at += strlen(wanted[i].field);
		json_put_str(object, wanted[i].key, (struct str){ at, strcspn(at, "\n") });
	}
}

json_t *health_process(int64_t pid)
{
	json_t *object = json_object();
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	char path[64];

	snprintf(path, sizeof path, "/proc/%lld/status", (long long)pid);
	if (io_read_file(path, &text, NULL) == 0)
		put_status(object, buf_text(&text));
	buf_reset(&text);
	snprintf(path, sizeof path, "/proc/%lld/wchan", (long long)pid);
	if (io_read_file(path, &text, NULL) == 0 && text.len > 0 && strcmp(buf_text(&text), "0") != 0)
		json_put_str(object, "wchan", buf_str(&text));
	return object;
}
