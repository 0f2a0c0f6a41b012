/* digest.c - the SHA-256 of a file that is about to run. One number is kept for each of the last files, by inode, size and
 * times: the change time is the kernel's, nobody sets it. A file that changed so lately that its time could still be the
 * same after another write is not kept. It refuses files that would hold the gate up for long. */
#include "cell/digest.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/banned.h"

enum { SETTLED_MS = 50 };                /* longer than the coarsest tick by which kernels set times */

static struct kept {
	struct file_state state;
	char hex[SHA256_HEX_LEN + 1];
} kept[LIMIT_CELL_HASHES];
static size_t next_place;

struct file_state file_state_of(const struct statx *stx)
{
	struct file_state state;

	memset(&state, 0, sizeof state);         /* compared as bytes */
	state.inode = stx->stx_ino;
	state.size = stx->stx_size;
	state.dev_major = stx->stx_dev_major;
	state.dev_minor = stx->stx_dev_minor;
	state.mtime_s = stx->stx_mtime.tv_sec;
	state.ctime_s = stx->stx_ctime.tv_sec;
	state.mtime_ns = stx->stx_mtime.tv_nsec;
	state.ctime_ns = stx->stx_ctime.tv_nsec;
	return state;
}

bool file_state_equal(const struct file_state *a, const struct file_state *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static bool look(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) == 0 && S_ISREG(ret->stx_mode);
}

static const struct kept *find(const struct file_state *state)
{
	for (size_t i = 0; i < COUNT(kept); i++)
		if (kept[i].hex[0] != '\0' && file_state_equal(&kept[i].state, state))
			return &kept[i];
	return NULL;
}

static bool is_settled(const struct file_state *state)
{
	return clock_wall_us() / 1000 - (state->ctime_s * 1000 + state->ctime_ns / 1000000) > SETTLED_MS;
}

/* Opens without waiting: a named pipe, or a file that somebody wants to be asked about, has no digest. */
static int open_regular(const char *path, struct statx *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && (!look(fd, ret) || ret->stx_size > LIMIT_CELL_HASH_BYTES))
		fd_close(&fd);
	return fd;
}

static bool read_all(int fd, const struct file_state *before, char hex[static SHA256_HEX_LEN + 1])
{
	struct statx stx;

	if (sha256_fd(fd, hex) == 0 && look(fd, &stx)) {
		struct file_state after = file_state_of(&stx);
		if (file_state_equal(before, &after))
			return true;
	}
	hex[0] = '\0';
	return false;
}

bool digest_anew(const char *path, char hex[static SHA256_HEX_LEN + 1])
{
	struct statx stx;
	AUTO(fd_closep) int fd = open_regular(path, &stx);

	hex[0] = '\0';
	if (fd < 0)
		return false;
	struct file_state state = file_state_of(&stx);
	return read_all(fd, &state, hex);
}

bool digest_of(const char *path, char hex[static SHA256_HEX_LEN + 1])
{
	struct statx stx;
	AUTO(fd_closep) int fd = open_regular(path, &stx);

	hex[0] = '\0';
	if (fd < 0)
		return false;
	struct file_state state = file_state_of(&stx);
	const struct kept *known = find(&state);
	if (known != NULL) {
		memcpy(hex, known->hex, sizeof known->hex);
		return true;
	}
	if (!read_all(fd, &state, hex))
		return false;
	if (is_settled(&state)) {
		struct kept *place = &kept[next_place++ % COUNT(kept)];
		place->state = state;
		memcpy(place->hex, hex, sizeof place->hex);
	}
	return true;
}
