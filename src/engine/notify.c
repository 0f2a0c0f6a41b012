/* notify.c - the protocol of sd_notify(3), sender's side: one datagram a message. It reads two variables and nothing else
 * of the service manager. */
#include "engine/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"

#include "base/banned.h"

static void notify(const char *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;

	if (len < 2 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@') /* the abstract namespace */
		address.sun_path[0] = '\0';
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
		             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

void notify_ready(void)
{
	notify("READY=1");
}

void notify_stopping(void)
{
	notify("STOPPING=1");
}

void notify_status(const char *text)
{
	AUTO(freep) char *message = xasprintf("STATUS=%s", text);

	message[strcspn(message, "\n")] = '\0';
	notify(message);
}

void notify_alive(void)
{
	notify("WATCHDOG=1");
}

int64_t notify_alive_every_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t number, whose;

	if (us == NULL || str_to_u64(str_of(us), &number) < 0 || number == 0 || number / 1000 > INT64_MAX)
		return 0;
	if (pid != NULL && (str_to_u64(str_of(pid), &whose) < 0 || whose != (uint64_t)getpid()))
		return 0;
	return MAX((int64_t)(number / 2000), (int64_t)1);
}
