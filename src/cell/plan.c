/* plan.c - the tables that say what a cell contains, and the checks of a plan. Nothing is done here: applying is
 * enter.c. */
#include "cell/plan.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

const char *const plan_system[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
const size_t plan_system_count = COUNT(plan_system);

/* Each costs every cell a mount: what programs do without is left out. */
const char *const plan_etc[] = {
	"alternatives", "ca-certificates", "crypto-policies", "debian_version", "fonts", "java-11-openjdk",
	"java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "lsb-release",
	"mime.types", "nsswitch.conf", "os-release", "perl", "pki/ca-trust", "pki/tls/certs", "protocols", "python3",
	"python3.11", "redhat-release", "services", "ssl/certs", "ssl/openssl.cnf", "timezone",
};
const size_t plan_etc_count = COUNT(plan_etc);

const char *const plan_devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
const size_t plan_devices_count = COUNT(plan_devices);

const struct plan_link plan_links[] = {
	{ "dev/fd", "/proc/self/fd" },       { "dev/stdin", "/proc/self/fd/0" }, { "dev/stdout", "/proc/self/fd/1" },
	{ "dev/stderr", "/proc/self/fd/2" }, { "dev/ptmx", "pts/ptmx" },         { "etc/mtab", "/proc/self/mounts" },
	{ "var/tmp", "/tmp" },
};
const size_t plan_links_count = COUNT(plan_links);

static const char *const level_names[] = { [CELL_FULL] = "full", [CELL_REDUCED] = "reduced", [CELL_NONE] = "none" };

const char *cell_level_name(enum cell_level level)
{
	return name_of(level_names, COUNT(level_names), level);
}

bool path_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool plan_guards(const struct plan *plan)
{
	return plan->hide.count > 0 || plan->keep.count > 0;
}

bool plan_is_system(const char *path)
{
	if (strstr(path, "/../") != NULL || strstr(path, "/./") != NULL || strstr(path, "//") != NULL)
		return false;
	for (size_t i = 0; i < COUNT(plan_system); i++)
		if (path_within(path, plan_system[i]))
			return true;
	return false;
}

/* A workspace here would hide the system from the cell, or hand it out. */
static bool workspace_is_taken(const char *path)
{
	static const char *const whole[] = { "/etc", "/proc", "/sys", "/dev", "/boot", "/run/systemd" };
	static const char *const exact[] = { "/", "/tmp", "/var", "/var/tmp", "/home", "/run", "/opt", "/mnt", "/srv" };

	if (plan_is_system(path) || name_find(exact, COUNT(exact), path) >= 0)
		return true;
	for (size_t i = 0; i < COUNT(whole); i++)
		if (path_within(path, whole[i]))
			return true;
	return false;
}

static int workspace_check(const char *path, struct stat *ret, struct err *err)
{
	char real[PATH_MAX];

	if (path == NULL || path[0] != '/')
		return err_set(err, EINVAL, "the workspace '%s' must be an absolute path", path != NULL ? path : "");
	if (strlen(path) >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "the path of the workspace is longer than %d bytes", PATH_MAX - 1);
	if (realpath(path, real) == NULL || stat(real, ret) < 0)
		return err_sys(err, "the workspace '%s'", path);
	if (!S_ISDIR(ret->st_mode))
		return err_set(err, ENOTDIR, "the workspace '%s' is not a directory", path);
	if (strcmp(path, real) != 0)
		return err_set(err, EINVAL, "the workspace '%s' must be given without links or dots: '%s'", path, real);
	if (workspace_is_taken(path))
		return err_set(err, EINVAL, "'%s' cannot be a workspace, the system needs it: take a directory below it"
		               " or another one", path);
	return 0;
}

static int numbers_check(uint64_t level, int64_t processes, int64_t open_files, uint64_t memory, struct err *err)
{
	if (level > CELL_NONE)
		return err_set(err, EINVAL, "the isolation level is none of full, reduced, none");
	if (processes < 0 || open_files < 0)
		return err_set(err, EINVAL, "processes and open files of a cell cannot be negative");
	if (open_files != 0 && open_files < 16)
		return err_set(err, EINVAL, "a cell needs 16 open files at least, not %d", (int)open_files);
	if (memory != 0 && memory < MIB(16))
		return err_set(err, EINVAL, "a cell needs 16 MiB of memory at least, not %zu bytes", (size_t)memory);
	return 0;
}

/* Without mounts there is nothing that a rule about files could be kept by. */
static int level_check(const struct msg *open, struct err *err)
{
	const char *level = cell_level_name((enum cell_level)open->level), *what = NULL;

	if (open->level == CELL_FULL)
		return 0;
	if (open->layer[0] != '\0')
		what = "a workspace in mode 'overlay'";
	else if (open->hide.count > 0)
		what = "'files: hide' of the policy";
	else if (open->keep.count > 0)
		what = "'files: readonly' of the policy";
	else if (open->writable.count > 0 && open->level == CELL_NONE)
		what = "'files: writable' of the policy";
	else if (open->readonly && open->level == CELL_NONE)
		what = "a read-only workspace";
	if (what == NULL)
		return 0;
	return err_set(err, ENOTSUP, "isolation '%s' cannot keep %s, which needs mounts of its own: use isolation 'full'"
	               " (`mishri doctor` says what it lacks here), or do without", level, what);
}

static int writable_check(const char *path, const char *workspace, struct err *err)
{
	struct stat st;
	int r = workspace_check(path, &st, err);

	if (r < 0)
		return err_prefix(err, "'files: writable' of the policy, taken like a workspace");
	if (path_within(path, workspace))
		return err_set(err, EINVAL, "'files: writable' names '%s', which lies in the workspace and is writable already:"
		               " take it out", path);
	if (path_within(workspace, path))
		return err_set(err, EINVAL, "'files: writable' names '%s', and the workspace lies in it: name a directory beside"
		               " the workspace", path);
	return 0;
}

static int files_check(const struct msg *open, struct err *err)
{
	int r = level_check(open, err);

	if (r == 0 && open->writable.count > LIMIT_CELL_WRITABLE)
		r = err_set(err, E2BIG, "'files: writable' may name %d directories, not %zu", LIMIT_CELL_WRITABLE,
		            open->writable.count);
	for (size_t i = 0; i < open->writable.count && r == 0; i++)
		r = writable_check(open->writable.at[i], open->workspace, err);
	return r;
}

int plan_check(const struct cell_plan *plan, struct err *err)
{
	struct stat st;
	int r = numbers_check(plan->level, plan->processes, plan->open_files, plan->memory_bytes, err);

	return r < 0 ? r : workspace_check(plan->workspace, &st, err);
}

int plan_make(const struct msg *open, struct plan *ret, struct err *err)
{
	struct stat st;
	int r = numbers_check(open->level, (int64_t)open->processes, (int64_t)open->open_files, open->memory_bytes, err);

	if (r < 0 || (r = workspace_check(open->workspace, &st, err)) < 0)
		return r;
	r = files_check(open, err);
	if (r < 0)
		return r;
	*ret = (struct plan){
		.level = (enum cell_level)open->level,
		.workspace_readonly = open->readonly,
		.hide = open->hide,
		.keep = open->keep,
		.writable = open->writable,
		.memory_bytes = open->memory_bytes != 0 ? open->memory_bytes : LIMIT_CELL_MEMORY_BYTES,
		.tmp_bytes = open->tmp_bytes != 0 ? open->tmp_bytes : LIMIT_CELL_TMP_BYTES,
		.file_bytes = open->file_bytes != 0 ? open->file_bytes : LIMIT_CELL_FILE_BYTES,
		.processes = open->processes != 0 ? open->processes : LIMIT_CELL_PROCESSES,
		.open_files = open->open_files != 0 ? open->open_files : LIMIT_CELL_OPEN_FILES,
		.disk_bytes = open->disk_bytes,
		.as_root = geteuid() == 0,
		.owner = st.st_uid,
		.group = st.st_gid,
	};
	/* Files in memory stay when their makers are ended: a full /tmp must leave room for who removes them. */
	ret->tmp_bytes = MIN(ret->tmp_bytes, ret->memory_bytes / 2);
	memcpy(ret->workspace, open->workspace, strlen(open->workspace) + 1);
	memcpy(ret->layer, open->layer, strlen(open->layer) + 1);
	return 0;
}
