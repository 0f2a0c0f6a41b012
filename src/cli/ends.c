/* ends.c - what is printed arrives, or the exit code says that it did not; and a closed stream stays closed. It writes
 * nothing anew: what was lost is lost, and said to be. */
#include "cli/ends.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"

#include "base/banned.h"

void ends_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is fd. Opened the wrong way round, reads and writes fail as they would on a closed one. */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILED);
	}
}

static bool reader_left(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

int ends_done(int code)
{
	if ((fflush(stdout) == 0 && ferror(stdout) == 0) || reader_left())
		return code;
	const char *why = (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY ? "it is closed" : "its device is full, or fails";
	return complain(code != EXIT_DONE ? code : EXIT_FAILED, "not all of the output could be written to standard output: %s", why);
}
