/* mend.c - the faults that `mishri doctor --fix` knows. It loosens no more than a cell needs, touches only files of its own name
 * and modes, and asks nobody: that is for the command to do, before each of them. */
#include "cli/mend.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

static const char *sudo(const struct machine *m)
{
	return m->uid == 0 ? "" : "sudo ";
}

static struct mend_step *step_add(struct mend *mend, enum mend_kind kind, char *owned_shown, char *owned_undo)
{
	struct mend_step *s = &mend->steps[mend->step_count++];

	assert(mend->step_count <= MEND_STEPS);
	s->kind = kind;
	s->shown = owned_shown;
	s->undo = owned_undo;
	return s;
}

void mend_done(struct mend *mend)
{
	for (size_t i = 0; i < mend->step_count; i++) {
		free(mend->steps[i].shown);
		free(mend->steps[i].undo);
		free(mend->steps[i].path);
		free(mend->steps[i].text);
	}
	free(mend->fault);
	*mend = (struct mend){ 0 };
}

/* ---- settings of the kernel ---- */

/* Cells need these so; a value that is not there needs no mending. */
static const struct {
	const char *file, *name, *bad, *good, *fault;
} sysctls[] = {
	{ "user/max_user_namespaces", "user.max_user_namespaces", "0", "10000", "user namespaces are turned off" },
	{ "kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0", "1", "user namespaces are root's alone" },
	{ "kernel/yama/ptrace_scope", "kernel.yama.ptrace_scope", "2", "1",
	  "only administrators may trace, and the exec gate is a tracer" },
};

static bool reads(const char *dir, const char *file, const char *value)
{
	AUTO(freep) char *path = xasprintf("%s/%s", dir, file);
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));

	return io_read_file(path, &text, NULL) == 0 && str_eq(str_trim(buf_str(&text)), str_of(value));
}

static bool find_sysctl(const struct machine *m, size_t i, struct mend *ret)
{
	if (!reads(m->sys, sysctls[i].file, sysctls[i].bad))
		return false;
	const char *name = sysctls[i].name, *good = sysctls[i].good, *as = sudo(m);
	AUTO(freep) char *file = xasprintf("%s/sysctl.d/60-mishri-%s.conf", m->etc, strrchr(name, '.') + 1);
	ret->fault = xasprintf("%s (sysctl %s is %s)", sysctls[i].fault, name, sysctls[i].bad);
	ret->administrator = m->uid != 0;
	struct mend_step *s = step_add(ret, MEND_DO_WRITE, xasprintf("echo '%s = %s' | %stee %s", name, good, as, file),
	                          xasprintf("%srm %s", as, file));
	s->path = xstrdup(file);
	s->text = xasprintf("%s = %s\n", name, good);
	s->mode = 0644;
	s = step_add(ret, MEND_DO_SYSCTL, xasprintf("%ssysctl -w %s=%s", as, name, good),
	             xasprintf("%ssysctl -w %s=%s", as, name, sysctls[i].bad));
	s->path = xasprintf("%s/%s", m->sys, sysctls[i].file);
	s->text = xasprintf("%s\n", good);
	return true;
}

static bool find_apparmor(const struct machine *m, struct mend *ret)
{
	AUTO(freep) char *file = xasprintf("%s/apparmor.d/mishri", m->etc);

	if (!reads(m->sys, "kernel/apparmor_restrict_unprivileged_userns", "1") || access(file, F_OK) == 0)
		return false;
	AUTO(freep) char *profile = m->profile();
	if (profile == NULL)
		return false;
	ret->fault = xstrdup("AppArmor gives user namespaces only to programs with a profile, and this one has none");
	ret->administrator = m->uid != 0;
	struct mend_step *s = step_add(ret, MEND_DO_WRITE, xasprintf("mishri doctor --apparmor | %stee %s", sudo(m), file),
	                          xasprintf("%srm %s", sudo(m), file));
	s->path = xstrdup(file);
	s->text = TAKE(profile);
	s->mode = 0644;
	s = step_add(ret, MEND_DO_RUN, xasprintf("%sapparmor_parser -r %s", sudo(m), file),
	             xasprintf("%sapparmor_parser -R %s", sudo(m), file));
	s->path = TAKE(file);
	s->argv[0] = "/sbin/apparmor_parser";
	s->argv[1] = "-r";
	s->argv[2] = s->path;
	return true;
}

/* ---- control groups ---- */

static bool find_delegation(const struct machine *m, struct mend *ret)
{
	static const char text[] = "# So that programs of users may limit what they start: mishri doctor --fix.\n"
	                           "[Service]\nDelegate=cpu memory pids\n";
	AUTO(freep) char *systemd = xasprintf("%s/systemd/system", m->run);
	AUTO(freep) char *file = xasprintf("%s/systemd/system/user@.service.d/mishri.conf", m->etc);

	if (!m->no_cgroup || access(systemd, F_OK) < 0 || access(file, F_OK) == 0)
		return false;
	ret->fault = xstrdup("cells get no control group, so limits of memory are kept by a watchdog, which is later and less exact");
	ret->administrator = m->uid != 0;
	char *shown = xasprintf("printf '[Service]\\nDelegate=cpu memory pids\\n' | %sinstall -D -m 644 /dev/stdin %s", sudo(m), file);
	struct mend_step *s = step_add(ret, MEND_DO_WRITE, shown, xasprintf("%srm %s", sudo(m), file));
	s->path = TAKE(file);
	s->text = xstrdup(text);
	s->mode = 0644;
	s = step_add(ret, MEND_DO_RUN, xasprintf("%ssystemctl daemon-reload    # and log in again", sudo(m)),
	             xasprintf("%ssystemctl daemon-reload", sudo(m)));
	s->argv[0] = "/usr/bin/systemctl";
	s->argv[1] = "daemon-reload";
	return true;
}

/* ---- modes of files ---- */

/* Bits that a file of this user must not have. */
static bool find_mode(const struct machine *m, const char *path, mode_t forbidden, const char *fault, struct mend *ret)
{
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode) || (st.st_mode & forbidden) == 0)
		return false;
	mode_t mode = st.st_mode & 07777, good = mode & ~forbidden;
	bool own = st.st_uid == m->uid || m->uid == 0;
	ret->fault = xasprintf("%s: %s", path, fault);
	ret->administrator = !own;
	struct mend_step *s = step_add(ret, MEND_DO_CHMOD, xasprintf("%schmod %o %s", own ? "" : "sudo ", good, path),
	                          xasprintf("%schmod %o %s", own ? "" : "sudo ", mode, path));
	s->path = xstrdup(path);
	s->mode = good;
	return true;
}

/* The administrator's file is passed over with an error where somebody else could have written it. */
static bool find_admin(const struct machine *m, const char *name, struct mend *ret)
{
	AUTO(freep) char *path = xasprintf("%s/mishri/%s", m->etc, name);
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid == 0)
		return find_mode(m, path, 022, "others than the administrator can write it", ret);
	ret->fault = xasprintf("%s: is not root's", path);
	ret->administrator = m->uid != 0;
	struct mend_step *s = step_add(ret, MEND_DO_CHOWN, xasprintf("%schown root:root %s", sudo(m), path),
	                          xasprintf("%schown %u:%u %s", sudo(m), st.st_uid, st.st_gid, path));
	s->path = xstrdup(path);
	if ((st.st_mode & 022) != 0) {
		s = step_add(ret, MEND_DO_CHMOD, xasprintf("%schmod %o %s", sudo(m), st.st_mode & 07777 & ~022u, path),
		             xasprintf("%schmod %o %s", sudo(m), st.st_mode & 07777, path));
		s->path = xstrdup(path);
		s->mode = st.st_mode & 07777 & ~022u;
	}
	return true;
}

static size_t find_files(const struct machine *m, struct mend *ret, size_t max)
{
	static const char *const keys[] = { "OPENAI_API_KEY_FILE", "ANTHROPIC_API_KEY_FILE", "OPENROUTER_API_KEY_FILE" };
	const struct { const char *dir, *name; mode_t forbidden; const char *fault; } rows[] = {
		{ m->data, ".", 077, "others can look into the history" },
		{ m->data, "mishri.db", 077, "others can read the history" },
		{ m->home_config, ".", 022, "others can write your configuration" },
		{ m->home_config, "config.yaml", 022, "others can write your configuration" },
		{ m->home_config, "policy.yaml", 022, "others can write your policy" },
	};
	size_t found = 0;

	for (size_t i = 0; i < COUNT(rows) && found < max; i++) {
		if (rows[i].dir == NULL)
			continue;
		AUTO(freep) char *path = strcmp(rows[i].name, ".") == 0 ? xstrdup(rows[i].dir)
		                                                        : xasprintf("%s/%s", rows[i].dir, rows[i].name);
		found += find_mode(m, path, rows[i].forbidden, rows[i].fault, &ret[found]);
	}
	for (size_t i = 0; i < COUNT(keys) && found < max; i++)
		if (getenv(keys[i]) != NULL)
			found += find_mode(m, getenv(keys[i]), 077, "others can read a key", &ret[found]);
	if (found < max)
		found += find_admin(m, "config.yaml", &ret[found]);
	return found;
}

size_t mends_find(const struct machine *m, struct mend *ret, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < max; i++)
		ret[i] = (struct mend){ 0 };
	for (size_t i = 0; i < COUNT(sysctls) && found < max; i++)
		found += find_sysctl(m, i, &ret[found]);
	if (found < max)
		found += find_apparmor(m, &ret[found]);
	if (found < max)
		found += find_delegation(m, &ret[found]);
	return found + find_files(m, ret + found, max - found);
}

/* ---- doing it ---- */

static int write_file(const struct mend_step *s, struct err *err)
{
	AUTO(freep) char *dir = xstrndup(s->path, (size_t)(strrchr(s->path, '/') - s->path));

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "%s cannot be made", dir);
	AUTO(fd_closep) int fd = open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, s->mode);
	if (fd < 0)
		return err_sys(err, "%s cannot be written", s->path);
	int r = io_write_all(fd, s->text, strlen(s->text));
	if (r == 0 && fchmod(fd, s->mode) < 0)
		r = -errno;
	return r < 0 ? err_set(err, -r, "%s cannot be written: %s", s->path, strerror(-r)) : 0;
}

static int write_sysctl(const struct mend_step *s, struct err *err)
{
	AUTO(fd_closep) int fd = open(s->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "%s cannot be written", s->path);
	int r = io_write_all(fd, s->text, strlen(s->text));
	return r < 0 ? err_set(err, -r, "%s cannot be written: %s", s->path, strerror(-r)) : 0;
}

static int run_program(const struct mend_step *s, struct err *err)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const env[] = { path, NULL };
	int status = 0;

	if (access(s->argv[0], X_OK) < 0)
		return err_sys(err, "%s is not there; type it where it is: %s", s->argv[0], s->shown);
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(err, "%s cannot be started", s->argv[0]);
	if (pid == 0) {
		execve(s->argv[0], (char *const *)s->argv, env);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : err_set(err, EIO, "`%s` failed; it said why above", s->shown);
}

int mend_do(const struct mend_step *s, struct err *err)
{
	switch (s->kind) {
	case MEND_DO_WRITE: return write_file(s, err);
	case MEND_DO_SYSCTL: return write_sysctl(s, err);
	case MEND_DO_CHMOD: return chmod(s->path, s->mode) < 0 ? err_sys(err, "%s", s->path) : 0;
	case MEND_DO_CHOWN: return lchown(s->path, 0, 0) < 0 ? err_sys(err, "%s", s->path) : 0;
	case MEND_DO_RUN: return run_program(s, err);
	}
	return 0;
}
