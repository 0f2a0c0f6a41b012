/* tmp_kept.c - the /tmp of a parked task. It is packed and unpacked inside the cell, by builtins; here it is only a file,
 * DIR/tmp/TASK, that nobody reads. It is gone when the task came back, ended, or stayed away too long. */
#include "engine/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/layer.h"
#include "tools/tmp_kept.h"

#include "base/banned.h"

static const uint64_t TAG = UINT64_MAX;      /* no call has it */

static char *dir_of(const struct run *run)
{
	AUTO(freep) char *data = layer_data_dir(run->engine->setup.store);

	return xasprintf("%s/tmp", data);
}

static char *path_of(const struct run *run)
{
	AUTO(freep) char *dir = dir_of(run);

	return xasprintf("%s/%s", dir, run->task->id);
}

bool tmp_kept_ended(struct run *run, const struct cell_exit *ended)
{
	if (ended->call != TAG)
		return false;
	run->tmp_status = ended->status;
	return true;
}

/* Nothing else of this task goes on meanwhile; other tasks wait for as long. */
static bool carry_out(struct run *run, const char *builtin, int in, int out)
{
	AUTO(fd_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char *const env[] = { NULL };
	const struct cell_run what = { .call = TAG, .builtin = builtin, .env = env, .cwd = "/tmp",
	                               .fds = { in >= 0 ? in : null, out >= 0 ? out : null, null } };
	int64_t until_ms = clock_mono_ms() + drain_keeping_ms(run->engine);

	run->tmp_status = -1;
	if (null < 0 || cell_run(run->cell, &what, NULL) < 0)
		return false;
	while (run->tmp_status < 0 && !run->over && clock_mono_ms() < until_ms) {
		struct pollfd p = { cell_fd(run->cell), POLLIN, 0 };
		if (poll(&p, 1, (int)MAX(until_ms - clock_mono_ms(), 0)) > 0)
			cell_dispatch(run->cell);
	}
	return run->tmp_status == 0;
}

static bool is_too_old(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (clock_wall_us() / 1000 - (int64_t)st.st_mtim.tv_sec * 1000) > LIMIT_TMP_KEPT_MS;
}

/* Of tasks that did not come back. */
static void sweep(const struct run *run)
{
	AUTO(freep) char *path = dir_of(run);
	DIR *dir = opendir(path);

	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
		AUTO(freep) char *file = xasprintf("%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' && is_too_old(file))
			unlink(file);
	}
	if (dir != NULL)
		closedir(dir);
}

const char *tmp_kept_save(struct run *run)
{
	AUTO(freep) char *dir = dir_of(run);
	AUTO(freep) char *path = path_of(run);
	AUTO(freep) char *part = xasprintf("%s.part", path);

	if (!run->cell_ready || run->level != CELL_FULL)
		return NULL;
	background_drop(run);                /* they end with the cell; nobody waits for them */
	if (drain_keeping_ms(run->engine) <= 0)
		return "not kept: there was no time";
	if (io_mkdirs(dir, NULL) < 0)
		return "not kept: there is no place for it";
	AUTO(fd_closep) int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return "not kept: there is no place for it";
	if (!carry_out(run, TMP_KEEP, -1, fd)) {
		unlink(part);
		return run->tmp_status > 0 ? "not kept: too large" : "not kept: it took too long";
	}
	return rename(part, path) < 0 ? "not kept: there is no place for it" : "kept";
}

const char *tmp_kept_bring(struct run *run)
{
	AUTO(freep) char *path = path_of(run);

	sweep(run);
	if (run->opening_type != EVENT_TASK_RESUMED || run->level != CELL_FULL)
		return NULL;
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	unlink(path);
	return carry_out(run, TMP_BRING, fd, -1) ? "brought back" : "brought back in part";
}

void tmp_kept_drop(struct store *store, const char *task)
{
	AUTO(freep) char *data = layer_data_dir(store);
	AUTO(freep) char *path = xasprintf("%s/tmp/%s", data, task);

	unlink(path);
}
