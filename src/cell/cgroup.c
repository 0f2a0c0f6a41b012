/* cgroup.c - finds a place for control groups, makes one for each cell, removes it. It takes what is there: it mounts
 * nothing, moves no process that is not ours, and never goes above what the groups on the way up allow. */
#include "cell/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

enum { LINES_MAX_BYTES = MIB(1) };

/* ---- small files ---- */

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 512];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_number(const char *dir, const char *file, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	return write_text(dir, file, text);
}

static bool read_text(const char *dir, const char *file, struct buf *ret)
{
	char path[PATH_MAX + 512];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	buf_reset(ret);
	return io_read_file(path, ret, NULL) == 0;
}

static bool has_file(const char *dir, const char *file)
{
	char path[PATH_MAX + 512];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	return access(path, W_OK) == 0;
}

/* "max", or a number. */
static uint64_t most_of(const char *dir, const char *file)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1));
	uint64_t number;

	if (!read_text(dir, file, &text) || str_to_u64(str_trim(buf_str(&text)), &number) < 0)
		return UINT64_MAX;
	return number;
}

static bool has_word(struct str words, const char *word, char between)
{
	struct str one;

	while (str_next(&words, between, &one))
		if (str_eq(str_trim(one), str_of(word)))
			return true;
	return false;
}

/* ---- where is it? ---- */

static int open_at(const char *dir, const char *name, const char *file, int flags)
{
	char path[PATH_MAX + 256];

	snprintf(path, sizeof path, "%s/%s/%s", dir, name, file);
	return open(path, flags | O_CLOEXEC);
}

/* The group that this process is in: "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers there. */
static bool own_path(const char *controller, char ret[static PATH_MAX])
{
	AUTO(buf_done) struct buf text = BUF_INIT(LINES_MAX_BYTES);
	struct str rest, line, number, controllers;

	if (!read_text("/proc/self", "cgroup", &text))
		return false;
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		if (!str_next(&line, ':', &number) || !str_next(&line, ':', &controllers))
			continue;
		bool it = controller != NULL ? has_word(controllers, controller, ',') : controllers.len == 0;
		if (it && line.len < PATH_MAX && line.len > 0) {
			memcpy(ret, line.ptr, line.len);
			ret[line.len] = '\0';
			return true;
		}
	}
	return false;
}

/* mountinfo: "ID PARENT DEVICE ROOT PLACE OPTIONS... - TYPE SOURCE SUPEROPTIONS". */
static bool mount_line(struct str line, const char *type, const char *controller, struct str *root, struct str *place)
{
	struct str field[6], word;

	for (size_t i = 0; i < COUNT(field); i++)
		if (!str_next(&line, ' ', &field[i]))
			return false;
	while (str_next(&line, ' ', &word) && !str_eq(word, STR("-")))
		;
	if (!str_next(&line, ' ', &word) || !str_eq(word, str_of(type)) || !str_next(&line, ' ', &word))
		return false;
	*root = field[3];
	*place = field[4];
	return controller == NULL || has_word(line, controller, ',');
}

/* The directory of our own group, and the mount that it lies in. */
static bool own_dir(const char *type, const char *controller, char ret[static PATH_MAX], char ret_top[static PATH_MAX])
{
	AUTO(buf_done) struct buf text = BUF_INIT(LINES_MAX_BYTES);
	struct str rest, line, root, place;
	char path[PATH_MAX];

	if (!own_path(controller, path) || !read_text("/proc/self", "mountinfo", &text))
		return false;
	rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		if (!mount_line(line, type, controller, &root, &place))
			continue;
		struct str below = str_of(path);
		if (root.len > 1) {            /* a part of the hierarchy is shown */
			if (!str_starts(below, root))
				continue;
			below = str_skip(below, root.len);
		}
		if (strncmp(below.ptr, "/..", 3) == 0)
			continue;
		bool top = str_eq(below, STR("/")) || below.len == 0;
		snprintf(ret_top, PATH_MAX, "%.*s", STR_ARG(place));
		return (size_t)snprintf(ret, PATH_MAX, "%.*s%s", STR_ARG(place), top ? "" : below.ptr) < PATH_MAX - 256;
	}
	return false;
}

/* Does it let us? Nothing but trying tells. */
static bool can_make(const char *dir, const char *prefix, const char *needs)
{
	char path[PATH_MAX + 128];

	if (dir[0] == '\0' || access(dir, W_OK) < 0)
		return false;
	snprintf(path, sizeof path, "%s/%strial", dir, prefix);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return false;
	bool ok = has_file(path, needs) && has_file(path, "cgroup.procs");
	rmdir(path);
	return ok;
}

/* ---- version 2 ---- */

static bool passes_on(const char *dir, const char *file)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));

	return read_text(dir, file, &text) && has_word(str_trim(buf_str(&text)), "memory", ' ') &&
	       has_word(str_trim(buf_str(&text)), "pids", ' ');
}

/* A group that has processes passes no controller on. Where all of them are ours, they can go one level down. */
static bool make_room(const char *dir, const char *prefix)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	char leaf[PATH_MAX + 128];
	struct str rest, line;
	uint64_t pid;

	if (!read_text(dir, "cgroup.procs", &text))
		return false;
	for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
		if (str_to_u64(line, &pid) == 0 && (pid_t)pid != getpid() && (pid_t)pid != getppid())
			return false;
	snprintf(leaf, sizeof leaf, "%s/%sengine", dir, prefix);
	if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
		return false;
	return write_number(leaf, "cgroup.procs", (uint64_t)getppid()) == 0 &&
	       write_number(leaf, "cgroup.procs", (uint64_t)getpid()) == 0;
}

static bool usable_v2(const char *dir, const char *prefix, bool own)
{
	if (access(dir, W_OK) < 0 || !has_file(dir, "cgroup.procs") || !passes_on(dir, "cgroup.controllers"))
		return false;
	if (!passes_on(dir, "cgroup.subtree_control")) {
		int r = write_text(dir, "cgroup.subtree_control", "+memory +pids");
		if (r == -EBUSY && own && make_room(dir, prefix))
			r = write_text(dir, "cgroup.subtree_control", "+memory +pids");
		if (r < 0)
			return false;
	}
	return can_make(dir, prefix, "memory.max") && can_make(dir, prefix, "pids.max");
}

/* Our own group; or, for an ordinary user, one above that belongs to him (what systemd gives to each user). Root goes no
 * higher: everything belongs to him, but he was put where he is. */
static bool look_v2(struct cgroup_root *root)
{
	char dir[PATH_MAX], top[PATH_MAX];
	struct stat st;

	if (!own_dir("cgroup2", NULL, dir, top))
		return false;
	root->memory_most = root->pids_most = UINT64_MAX;
	for (bool own = true; strlen(dir) >= strlen(top); own = false) {
		if (stat(dir, &st) < 0 || (!own && (st.st_uid != geteuid() || geteuid() == 0)))
			return false;
		if (usable_v2(dir, root->prefix, own)) {
			memcpy(root->memory, dir, sizeof dir);
			memcpy(root->pids, dir, sizeof dir);
			return true;
		}
		root->memory_most = MIN(root->memory_most, most_of(dir, "memory.max"));
		root->memory_most = MIN(root->memory_most, most_of(dir, "memory.high"));
		root->pids_most = MIN(root->pids_most, most_of(dir, "pids.max"));
		char *slash = strrchr(dir, '/');
		if (slash == NULL || slash == dir)
			return false;
		*slash = '\0';
	}
	return false;
}

/* ---- version 1 ---- */

static bool look_v1(struct cgroup_root *root)
{
	char top[PATH_MAX];

	root->memory_most = root->pids_most = UINT64_MAX;
	if (!own_dir("cgroup", "memory", root->memory, top) ||
	    !can_make(root->memory, root->prefix, "memory.limit_in_bytes"))
		root->memory[0] = '\0';
	if (!own_dir("cgroup", "pids", root->pids, top) || !can_make(root->pids, root->prefix, "pids.max"))
		root->pids[0] = '\0';
	return root->memory[0] != '\0';
}

/* ---- what a dead warden left ---- */

/* proc(5): field 22; the name is field 2 and may hold anything. 0 for who is dead, also where nobody buries him. */
static uint64_t started(pid_t pid)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(8));
	struct str rest, field = { 0 };
	uint64_t ticks = 0;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d", pid);
	if (!read_text(path, "stat", &text) || strrchr(buf_text(&text), ')') == NULL)
		return 0;
	rest = str_of(strrchr(buf_text(&text), ')') + 2);
	for (int i = 3; i <= 22; i++)
		if (!str_next(&rest, ' ', &field) || (i == 3 && (field.ptr[0] == 'Z' || field.ptr[0] == 'X')))
			return 0;
	return str_to_u64(field, &ticks) == 0 ? ticks : 0;
}

static uint64_t process_space(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* "mishri-SPACE-PID-STARTED-...": only who sees the same processes can tell whether that one is gone. */
static bool is_left_over(const char *name)
{
	unsigned long long space, ticks;
	int pid;

	if (sscanf(name, "mishri-%llu-%d-%llu-", &space, &pid, &ticks) != 3)
		return false;
	return space == process_space() && started(pid) != ticks;
}

/* Only empty ones go: the kernel removes no other. */
static void sweep(const char *dir)
{
	char path[PATH_MAX + 300];
	DIR *d = dir[0] != '\0' ? opendir(dir) : NULL;

	if (d == NULL)
		return;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
		if (!is_left_over(entry->d_name))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		rmdir(path);
	}
	closedir(d);
}

void cgroup_look(struct cgroup_root *ret)
{
	*ret = (struct cgroup_root){ 0 };
	snprintf(ret->prefix, sizeof ret->prefix, "mishri-%llu-%d-%llu-", (unsigned long long)process_space(), getpid(),
	         (unsigned long long)started(getpid()));
	if (look_v2(ret))
		ret->version = 2;
	else if (look_v1(ret))
		ret->version = 1;
	else
		snprintf(ret->why, sizeof ret->why, "no control group that we may divide");
	if (ret->version == 0)
		return;
	sweep(ret->memory);
	sweep(ret->pids);
}

/* ---- one group ---- */

static int dir_make(const char *dir, const char *name, struct err *err)
{
	char path[PATH_MAX + 256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return mkdir(path, 0755) == 0 ? 0 : err_sys(err, "cannot make the control group '%s'", path);
}

static int put(const char *dir, const char *name, const char *file, uint64_t number, struct err *err)
{
	char path[PATH_MAX + 256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	int r = write_number(path, file, number);
	return r == 0 ? 0 : err_set(err, -r, "cannot set %s of the control group '%s': %s", file, path, strerror(-r));
}

static int limits_v1(const struct cgroup_root *root, const char *name, uint64_t memory, uint64_t pids, struct err *err)
{
	int r = dir_make(root->memory, name, err);

	if (r == 0)
		r = put(root->memory, name, "memory.limit_in_bytes", memory, err);
	/* swap would only put the end off; a kernel without swap accounting has no such file */
	if (r == 0 && put(root->memory, name, "memory.memsw.limit_in_bytes", memory, err) == -ENOENT)
		r = 0;
	if (r == 0 && root->pids[0] != '\0')
		r = dir_make(root->pids, name, err);
	return r == 0 && root->pids[0] != '\0' ? put(root->pids, name, "pids.max", pids, err) : r;
}

static int limits_v2(const struct cgroup_root *root, const char *name, uint64_t memory, uint64_t pids, struct err *err)
{
	int r = dir_make(root->memory, name, err);

	if (r == 0)
		r = put(root->memory, name, "memory.max", memory, err);
	if (r == 0 && put(root->memory, name, "memory.swap.max", 0, err) == -ENOENT)
		r = 0;
	return r == 0 ? put(root->pids, name, "pids.max", pids, err) : r;
}

static int open_fds(const struct cgroup_root *root, const char *name, int fds[static CGROUP_FDS], struct err *err)
{
	bool v1 = root->version == 1;
	int used = v1 ? -1 : open_at(root->memory, name, "memory.peak", O_RDONLY);

	fds[CGROUP_ENTER_MEMORY] = open_at(root->memory, name, "cgroup.procs", O_WRONLY);
	if (v1 && root->pids[0] != '\0')
		fds[CGROUP_ENTER_PIDS] = open_at(root->pids, name, "cgroup.procs", O_WRONLY);
	fds[CGROUP_OOM] = open_at(root->memory, name, v1 ? "memory.oom_control" : "memory.events", O_RDONLY);
	if (used < 0)
		used = open_at(root->memory, name, v1 ? "memory.max_usage_in_bytes" : "memory.current", O_RDONLY);
	fds[CGROUP_USED] = used;
	if (fds[CGROUP_ENTER_MEMORY] < 0 || fds[CGROUP_OOM] < 0 || used < 0 ||
	    (v1 && root->pids[0] != '\0' && fds[CGROUP_ENTER_PIDS] < 0))
		return err_sys(err, "cannot open the control group of a cell");
	return 0;
}

int cgroup_make(const struct cgroup_root *root, const struct plan *plan, struct cgroup *ret, int ret_fds[static CGROUP_FDS],
                struct err *err)
{
	static unsigned last;
	struct cgroup group;
	int fds[CGROUP_FDS] = { -1, -1, -1, -1 };
	uint64_t memory = MIN(plan->memory_bytes, MIN(root->memory_most, (uint64_t)INT64_MAX));
	uint64_t pids = MIN(plan->processes + LIMIT_CELL_SPARE_PROCESSES, root->pids_most);

	if (root->version == 0)
		return err_set(err, ENOENT, "%s", root->why);
	snprintf(group.name, sizeof group.name, "%s%u", root->prefix, ++last);
	int r = root->version == 1 ? limits_v1(root, group.name, memory, pids, err)
	                           : limits_v2(root, group.name, memory, pids, err);
	if (r == 0)
		r = open_fds(root, group.name, fds, err);
	if (r < 0) {
		for (size_t i = 0; i < CGROUP_FDS; i++)
			fd_close(&fds[i]);
		cgroup_end(root, &group);
		return r;
	}
	*ret = group;
	memcpy(ret_fds, fds, sizeof fds);
	return 0;
}

/* Each by its number, again until nobody is left: who is killed in the middle of a fork leaves a child behind. Nobody new
 * can be made, for the limit of processes is 0 by now. */
static void kill_listed(const char *path)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LINES_MAX_BYTES);
	struct str rest, line;
	uint64_t pid;

	if (!read_text(path, "cgroup.procs", &text))
		return;
	for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
		if (str_to_u64(line, &pid) == 0 && pid > 1)
			kill((pid_t)pid, SIGKILL);
}

static bool end_one(const char *dir, const char *name)
{
	char path[PATH_MAX + 256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (dir[0] == '\0' || rmdir(path) == 0 || errno == ENOENT)
		return true;
	(void)!write_text(path, "pids.max", "0");
	if (write_text(path, "cgroup.kill", "1") < 0)
		kill_listed(path);
	return rmdir(path) == 0;
}

bool cgroup_end(const struct cgroup_root *root, const struct cgroup *group)
{
	if (group->name[0] == '\0')
		return true;
	bool pids = end_one(root->pids, group->name);

	return end_one(root->memory, group->name) && pids;
}

/* ---- in the cell ---- */

int cgroup_enter(const int fds[static CGROUP_FDS])
{
	for (int i = CGROUP_ENTER_MEMORY; i <= CGROUP_ENTER_PIDS; i++)
		if (fds[i] >= 0 && write(fds[i], "0", 1) < 0)
			return -errno;
	return 0;
}

static bool read_fd(int fd, char *text, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;

	text[MAX(n, 0)] = '\0';
	return n > 0;
}

uint64_t cgroup_oom_kills(int fd)
{
	char text[512];
	const char *at = read_fd(fd, text, sizeof text) ? strstr(text, "oom_kill ") : NULL;

	return at != NULL ? strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

uint64_t cgroup_used(int fd)
{
	char text[64];

	return read_fd(fd, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}
