/* nurse.c - the process that starts wardens. It was forked as the warden once was, before keys, threads and the store, so
 * that a warden that died can be replaced by one that knows as little. It does nothing else: one request, no answer; it
 * reads no data and runs no program. */
#include "cell/nurse.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/warden.h"
#include "base/banned.h"

enum { CONTROL_FD = 3 };

int nurse_ask(int control, int socket)
{
	char byte = 0;
	struct iovec part = { &byte, 1 };
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int))]; } with = { 0 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = with.room, .msg_controllen = sizeof with.room };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof socket);
	memcpy(CMSG_DATA(head), &socket, sizeof socket);
	ssize_t n;
	do
		n = sendmsg(control, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The next descriptor; -1: the engine is gone. */
static int next_socket(void)
{
	char byte;
	struct iovec part = { &byte, 1 };
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int))]; } with;
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = with.room, .msg_controllen = sizeof with.room };
	int fd = -1;
	ssize_t n;

	do
		n = recvmsg(CONTROL_FD, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	const struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (head != NULL && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(head), sizeof fd);
	return fd;
}

static void wait_for(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void settle_down(int control, pid_t engine)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != engine)
		_exit(1);
	warden_forget_arguments();
	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	setsid();                            /* ^C is the engine's affair */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || chdir("/") < 0)
		_exit(1);
	if (dup3(control, CONTROL_FD, O_CLOEXEC) < 0 && control != CONTROL_FD)
		_exit(1);
	close_range(CONTROL_FD + 1, ~0u, 0);
	prctl(PR_SET_NAME, "mishri-nurse", 0, 0, 0);
}

_Noreturn void nurse_main(int control, const struct cell_builtin *builtins, size_t count, pid_t engine)
{
	pid_t warden = 0, self = getpid();
	int socket;

	settle_down(control, engine);
	while ((socket = next_socket()) >= 0) {
		if (warden > 0) /* it died, or it hangs: its cells end with it */
			kill(warden, SIGKILL);
		wait_for(warden);
		warden = fork();
		if (warden == 0)
			warden_main(socket, builtins, count, self);
		close(socket);               /* where there was no fork, the engine sees that nobody is there */
	}
	wait_for(warden);
	_exit(0);
}
