/* layer_meter.c - how much a layer of changes holds. No kernel bounds a directory for an ordinary user, so it is measured
 * while something runs, a little at a time so that the loop is not held up; what makes it grow beyond its limit is ended.
 * Deleting is always possible: only growing ends a call. */
#include "engine/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

struct level {
	DIR *dir;
};

struct layer_meter {
	struct run *run;
	char *upper;
	struct watch *timer;
	struct level levels[LIMIT_FILES_DEPTH];
	size_t depth;                  /* of the walk that is under way; 0: none */
	uint64_t most, sum, last;            /* bytes, by the blocks they take */
};

static void walk_end(struct layer_meter *m)
{
	while (m->depth > 0)
		closedir(m->levels[--m->depth].dir);
}

static void descend(struct layer_meter *m, int at, const char *name)
{
	AUTO(fd_closep) int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 && m->depth < COUNT(m->levels) ? fdopendir(fd) : NULL;

	if (dir == NULL)
		return;
	fd = -1;
	m->levels[m->depth++].dir = dir;
}

static void step(struct layer_meter *m)
{
	DIR *dir = m->levels[m->depth - 1].dir;
	struct dirent *e = readdir(dir);
	struct stat st;

	if (e == NULL) {
		closedir(dir);
		m->depth--;
		return;
	}
	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return;
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	m->sum += (uint64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode))
		descend(m, dirfd(dir), e->d_name);
}

static void measured(struct layer_meter *m)
{
	struct run *run = m->run;
	bool grew = m->sum > m->most && m->sum > m->last;

	m->last = m->sum;
	if (!grew || !run->cell_ready)
		return;
	background_stop(run);
	call_stop(run, "layer_limit");
}

static void on_timer(void *userdata)
{
	struct layer_meter *m = userdata;
	struct watch *timer = m->timer;

	if (m->depth == 0) {
		m->sum = 0;
		descend(m, AT_FDCWD, m->upper);
	}
	for (int i = 0; i < LIMIT_LAYER_LOOK_ENTRIES && m->depth > 0; i++)
		step(m);
	bool whole = m->depth == 0;
	watch_arm(timer, whole ? LIMIT_LAYER_LOOK_MS : 1);
	if (whole)
		measured(m);           /* it may end the run, and with it this meter */
}

void meter_start(struct run *run, const char *layer, int64_t most_bytes)
{
	struct layer_meter *m = xcalloc(1, sizeof *m);

	meter_stop(run);
	m->run = run;
	m->most = (uint64_t)most_bytes;
	m->upper = xasprintf("%s/upper", layer);
	m->timer = watch_timer(run->engine->setup.loop, on_timer, m);
	watch_arm(m->timer, LIMIT_LAYER_LOOK_MS);
	run->meter = m;
}

void meter_stop(struct run *run)
{
	struct layer_meter *m = TAKE(run->meter);

	if (m == NULL)
		return;
	walk_end(m);
	watch_free(m->timer);
	free(m->upper);
	free(m);
}
