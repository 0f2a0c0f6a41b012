/* bench.h - a workspace in /tmp and a tool that is called in it, as the cell does: in a process of its
 * own with no rights of root, fd 1 a pipe. */
#ifndef MISHRI_TESTS_TOOLS_BENCH_H
#define MISHRI_TESTS_TOOLS_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "tools/seen.h"
#include "tools/tool.h"

enum { NOBODY = 65534, CALL_MS = 10000 };

static char workspace[128], outside[128];
static json_t *seen;           /* what the task of a test has seen: path → SHA-256 or null */

static inline void hand_over(const char *path)
{
	if (geteuid() == 0)
		assert_int_equal(lchown(path, NOBODY, NOBODY), 0);
}

static inline void in_workspace(const char *name, char path[static 512])
{
	snprintf(path, 512, "%s/%s", workspace, name);
}

static inline void put_file(const char *name, struct str content, mode_t mode)
{
	char path[512];

	in_workspace(name, path);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, content.ptr, content.len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	hand_over(path);
}

static inline void put_dir(const char *name)
{
	char path[512];

	in_workspace(name, path);
	assert_int_equal(mkdir(path, 0755), 0);
	hand_over(path);
}

static inline void put_link(const char *name, const char *target)
{
	char path[512];

	in_workspace(name, path);
	assert_int_equal(symlink(target, path), 0);
}

static inline bool file_is(const char *name, const char *content)
{
	char path[512];
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(64));

	in_workspace(name, path);
	return io_read_file(path, &text, NULL) == 0 && str_eq(buf_str(&text), str_of(content));
}

static inline int set_up(void **state)
{
	(void)state;
	umask(022);
	snprintf(workspace, sizeof workspace, "/tmp/mishri-tools-XXXXXX");
	snprintf(outside, sizeof outside, "/tmp/mishri-other-XXXXXX");
	assert_non_null(mkdtemp(workspace));
	assert_non_null(mkdtemp(outside));
	json_decref(seen);
	seen = json_object();
	hand_over(workspace);
	hand_over(outside);
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static inline int tear_down(void **state)
{
	(void)state;
	nftw(workspace, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	nftw(outside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* As the engine does, from what a tool told. */
static inline void see(json_t *owned_files)
{
	size_t i;
	json_t *file;

	json_array_foreach(owned_files, i, file)
		json_put(seen, json_get_text(file, "path", ""), json_incref(json_object_get(file, "sha256")));
	json_decref(owned_files);
}

/* The whole way of a call: schema, plan, run. `said` gets the output, or what the refusal says. The
 * status is -1 when the arguments were refused before anything ran. */
static inline int call(const char *name, const char *args_text, struct buf *said)
{
	const struct tool *tool = tool_find(name);
	AUTO(json_decrefp) json_t *schema = tool_schema_of(tool);
	AUTO(json_decrefp) json_t *args = NULL;
	struct tool_plan plan = { 0 };
	struct err err = ERR_NONE;
	int ends[2], status, r;

	buf_reset(said);
	if (json_parse(str_of(args_text), &args, &err) < 0)
		fail_msg("%s: %s", args_text, err.text);
	if (schema_check(schema, args, &err) < 0 || tool->plan(args, workspace, &plan, &err) < 0) {
		buf_add_text(said, err.text);
		return -1;
	}
	assert_string_equal(plan.builtin, name);
	tool_plan_done(&plan);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	AUTO(fd_closep) int mailbox = -1;
	int64_t from;
	assert_int_equal(seen_open(seen, &mailbox, &from, &err), 0);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(CALL_MS / 1000); /* a tool that hangs is a failure, not a wait */
		if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
			_exit(99);
		dup2(ends[1], STDOUT_FILENO);
		dup2(mailbox, STDIN_FILENO);
		_exit(tool->run(args, workspace));
	}
	close(ends[1]);
	r = io_read_fd(ends[0], said, &err);
	close(ends[0]);
	assert_int_equal(r, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	see(seen_collect(mailbox, from));
	return WEXITSTATUS(status);
}

/* %W in a text becomes the workspace, %O the other directory. */
static inline const char *filled(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++)
		if (text[0] == '%' && (text[1] == 'W' || text[1] == 'O'))
			n += (size_t)snprintf(ret + n, size - n, "%s", *++text == 'W' ? workspace : outside);
		else
			ret[n++] = *text;
	ret[n] = '\0';
	return ret;
}

static inline void have_read(const char *name)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	AUTO(freep) char *args = xasprintf("{\"path\":\"%s\"}", name);

	assert_int_equal(call("read_file", args, &said), 0);
}

struct row {
	const char *args;
	int status;
	const char *says;            /* somewhere in the answer */
};

static inline void check_rows(const char *tool, const struct row *rows, size_t count)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	char args[4096], says[4096];

	for (size_t i = 0; i < count; i++) {
		int status = call(tool, filled(rows[i].args, args, sizeof args), &said);
		filled(rows[i].says, says, sizeof says);
		if (status != rows[i].status || strstr(buf_text(&said), says) == NULL)
			fail_msg("%s %s\nstatus %d, want %d\nsaid: %s\nwant: %s", tool, args, status, rows[i].status,
			         buf_text(&said), says);
	}
}

#endif
