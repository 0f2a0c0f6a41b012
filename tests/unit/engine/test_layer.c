/* test_layer.c - layers of changes: what is read in them, what is never applied, and that an apply which is killed at any
 * step leaves the workspace as it was or as it should be, once somebody looked after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/layer.h"

static char top[64], ws[128], data[128];
static const char root[] = "task";

/* ---- the calls that change something: the n-th of them ends the process ---- */

static int steps_left;

static void one_step(void)
{
	if (steps_left > 0 && --steps_left == 0)
		kill(getpid(), SIGKILL);
}

#define STEP(type, name, params, call) \
	type name params; \
	type name params \
	{ \
		one_step(); \
		return (type)call; \
	}

STEP(int, renameat2, (int a, const char *b, int c, const char *d, unsigned e), syscall(SYS_renameat2, a, b, c, d, e))
STEP(int, rename, (const char *a, const char *b), syscall(SYS_rename, a, b))
STEP(int, mkdir, (const char *a, mode_t b), syscall(SYS_mkdir, a, b))
STEP(int, mkdirat, (int a, const char *b, mode_t c), syscall(SYS_mkdirat, a, b, c))
STEP(int, unlink, (const char *a), syscall(SYS_unlink, a))
STEP(int, unlinkat, (int a, const char *b, int c), syscall(SYS_unlinkat, a, b, c))
STEP(int, symlinkat, (const char *a, int b, const char *c), syscall(SYS_symlinkat, a, b, c))
STEP(int, chmod, (const char *a, mode_t b), syscall(SYS_chmod, a, b))
STEP(int, fsync, (int a), syscall(SYS_fsync, a))
STEP(int, syncfs, (int a), syscall(SYS_syncfs, a))

/* ---- a workspace and a layer, by hand ---- */

static const char mark_function[] = "mark() { python3 -c 'import os, sys; os.setxattr(sys.argv[1], \"user.overlay.\" + sys.argv[2],"
                                    " b\"y\")' $1 $2; };";

static void sh(const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(top) < 0)
			_exit(99);
		execl("/bin/sh", "sh", "-ec", text, (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: status %d", text, status);
}

/* before: makes the workspace; then time passes; after: makes `upper`, in which `gone NAME` stands for a deleted name. */
static void make(const char *before, const char *upper)
{
	AUTO(freep) char *path = NULL;
	AUTO(freep) char *first = xasprintf("rm -rf ws data; mkdir ws data; cd ws; %s", before);
	AUTO(freep) char *then = xasprintf("cd data/layers/task/upper; gone() { mknod \"$1\" c 0 0; }; %s %s", mark_function, upper);
	struct err err = ERR_NONE;

	sh(first);
	usleep(20000);
	if (layer_begin(data, root, ws, &path, &err) < 0)
		fail_msg("%s", err.text);
	sh(then);
}

static void list(const struct overlay *layer, struct buf *ret)
{
	const json_t *row;
	size_t i;

	for (size_t k = 0; k < layer->count; k++)
		buf_printf(ret, "%s %s%s\n", change_kind_name(layer->changes[k].kind), layer->changes[k].path,
		           layer->changes[k].conflict != NULL ? " !" : "");
	json_array_foreach(layer->refused, i, row)
		buf_printf(ret, "refused %s: %s\n", json_get_text(row, "path", ""), json_get_text(row, "why", ""));
}

static void what_is_read(void **state)
{
	static const struct { const char *before, *upper, *later, *want; } rows[] = {
		{ "echo a > a; echo b > b", "echo 2 > a; echo c > c; gone b", ":", "changed a\ndeleted b\nadded c\n" },
		{ "echo a > a", "echo a > a", ":", "" },
		{ "echo a > a", "echo a > a; chmod 600 a", ":", "mode a\n" },
		{ "mkdir d; echo a > d/a", "mkdir d; echo b > d/b", ":", "added d/b\n" },
		{ "mkdir d; echo a > d/a", "mkdir -m 700 d", ":", "mode d\n" },
		{ "mkdir d; echo a > d/a", "gone d", ":", "deleted d\n" },
		{ "mkdir d; echo a > d/a; echo b > d/b", "mkdir d; mark d opaque; echo c > d/b", ":",
		  "deleted d/a\nchanged d/b\n" },
		{ "mkdir d; echo a > d/a", "echo f > d", ":", "changed d\n" },
		{ "echo a > d", "mkdir d; echo x > d/x", ":", "changed d\nadded d/x\n" },
		{ "echo a > a", "ln -s b a; ln -s /etc/passwd l", ":", "changed a\nadded l\n" },
		{ ":", "gone never", ":", "" },
		/* what others did meanwhile */
		{ "echo a > a; echo b > b", "echo 2 > a; echo 3 > b", "echo x > ws/a", "changed a !\nchanged b\n" },
		{ "echo a > a", "echo 2 > a", "chmod 600 ws/a", "changed a !\n" },
		{ "echo a > a; echo b > b", "gone a", "cp -p ws/b ws/c; mv ws/c ws/a", "deleted a !\n" },
		{ ":", "echo n > n", "echo m > ws/n", "changed n !\n" },
		{ "mkdir d; echo a > d/a", "gone d", "echo b > ws/d/b", "deleted d !\n" },
		{ "mkdir -p d/e; echo a > d/e/a", "gone d", "echo b > ws/d/e/a", "deleted d !\n" },
		{ "echo a > a", "echo 2 > a; mark a origin", "rm ws/a", "added a !\n" },
		{ "mkdir d; echo a > d/a", "mkdir d; echo b > d/b", "echo c > ws/d/c", "added d/b\n" },
		{ "mkdir d; echo a > d/a", "mkdir d; gone d/a; echo a > d/b; mark d/b origin", ":", "deleted d/a\nadded d/b\n" },
		/* what is never applied */
		{ ":", "mkfifo f; echo x > p; chmod 4755 p; echo y > g; chmod 2755 g; echo z > z", ":",
		  "added z\nrefused f: a named pipe\nrefused g: a program with a set-user-ID or set-group-ID bit\n"
		  "refused p: a program with a set-user-ID or set-group-ID bit\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
		struct overlay layer = LAYER_NONE;
		struct err err = ERR_NONE;
		make(rows[i].before, rows[i].upper);
		sh(rows[i].later);
		if (layer_open(data, root, &layer, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		list(&layer, &text);
		if (strstr(rows[i].want, "refused") == NULL ? strcmp(buf_text(&text), rows[i].want) != 0
		    : json_array_size(layer.refused) != 3 || strstr(buf_text(&text), "added z") == NULL)
			fail_msg("row %zu (%s): got\n%s", i, rows[i].upper, buf_text(&text));
		layer_close(&layer);
	}
}

/* A link that is put into the workspace meanwhile leads no step out of it; and all is as it was. */
static void no_step_leaves_the_workspace(void **state)
{
	static const struct { const char *before, *upper, *later; } rows[] = {
		{ "mkdir d; echo a > d/a; echo b > b", "mkdir d; echo x > d/new; echo y > b", "mv ws/d ws/e; ln -s ../out ws/d" },
		{ "mkdir d; echo a > d/a; echo b > b", "mkdir d; gone d/a; echo y > b", "mv ws/d ws/e; ln -s $PWD/out ws/d" },
		{ "mkdir -p d/e; echo a > d/e/a", "mkdir -p d/e; echo x > d/e/a", "mv ws/d/e ws/f; ln -s ../../out ws/d/e" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct overlay layer = LAYER_NONE;
		struct err err = ERR_NONE;
		make(rows[i].before, rows[i].upper);
		sh("rm -rf out; mkdir out; echo outside > out/a; echo > out/unchanged");
		assert_int_equal(layer_open(data, root, &layer, &err), 0);   /* it was looked at before the link came */
		sh(rows[i].later);
		sh("rm -rf kept; cp -a ws kept");
		assert_true(layer_apply(&layer, &err) < 0);
		layer_close(&layer);
		sh("test \"$(ls out | tr '\\n' ' ')\" = 'a unchanged '; grep -q outside out/a; diff -r --no-dereference ws kept;"
		   " test ! -e data/layers/task/journal; test ! -e data/layers/task/stage");
	}
}

static const char before_crash[] = "echo a > a; mkdir -p d/e old; echo 1 > d/e/f; echo 2 > old/x; echo keep > keep; echo m > m;"
                                   " ln -s a l; echo was > kind; ln keep hard";
static const char upper_crash[] = "echo A > a; mkdir -p d/e new/deep; echo 3 > d/e/f; echo 4 > d/g; gone old; echo n > new/deep/n;"
                                  " chmod 555 new; echo m > m; chmod 600 m; ln -s b l; mkdir kind; echo k > kind/k; echo H > hard;"
                                  " gone keep";
static const char wanted[] = "a:A d/e/f:3 d/g:4 hard:H kind/k:k m:m new/deep/n:n l>b ";
static const char original[] = "a:a d/e/f:1 hard:keep keep:keep kind:was m:m old/x:2 l>a ";

static void tree_text(struct buf *ret)
{
	FILE *list_file;

	sh("cd ws; { find . -type f | sed 's|^./||' | LC_ALL=C sort | while read -r f; do printf '%s:%s ' $f $(cat $f); done;"
	   " printf 'l>%s ' $(readlink l); } > ../tree.txt");
	AUTO(freep) char *path = xasprintf("%s/tree.txt", top);
	list_file = fopen(path, "r");
	assert_non_null(list_file);
	assert_int_equal(io_read_fd(fileno(list_file), ret, NULL), 0);
	fclose(list_file);
}

static _Noreturn void apply_in_child(int steps)
{
	AUTO(freep) char *path = layer_path(data, root);
	struct overlay layer = LAYER_NONE;
	json_t *sums = NULL;
	bool applied;
	struct err err = ERR_NONE;

	steps_left = steps;
	if (layer_recover(data, root, &applied, &sums, &err) < 0)
		_exit(3);
	if (!applied && (layer_open(data, root, &layer, &err) < 0 || layer_apply(&layer, &err) < 0)) {
		fprintf(stderr, "apply: %s\n", err.text);
		_exit(1);
	}
	_exit(layer_finish(path, &err) < 0 ? 2 : 0);
}

static int run_child(int steps)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		apply_in_child(steps);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* After a kill at step n: the next one, killed as well a little later, and then one that comes to its end. */
static void killed_anywhere(void **state)
{
	bool ended = false;
	int n;

	(void)state;
	for (n = 1; !ended && n < 500; n++) {
		AUTO(buf_done) struct buf now = BUF_INIT(KIB(16)), after = BUF_INIT(KIB(16));
		make(before_crash, upper_crash);
		int status = run_child(n);
		ended = WIFEXITED(status);
		if (ended && WEXITSTATUS(status) != 0)
			fail_msg("step %d: exit status %d", n, WEXITSTATUS(status));
		if (!ended && n % 3 == 0)
			(void)run_child(n % 7 + 1);
		bool applied = false;
		json_t *sums = NULL;
		struct err err = ERR_NONE;
		if (layer_recover(data, root, &applied, &sums, &err) < 0)
			fail_msg("step %d: %s", n, err.text);
		if (applied && sums != NULL)
			assert_int_equal(json_get_int(sums, "deleted", 0), 2);
		json_decref(sums);
		tree_text(&now);
		if (strcmp(buf_text(&now), wanted) != 0 && strcmp(buf_text(&now), original) != 0)
			fail_msg("step %d: halves are left: %s", n, buf_text(&now));
		if (applied)
			assert_string_equal(buf_text(&now), wanted);
		if (run_child(0) != 0)
			fail_msg("step %d: the next apply did not come to its end", n);
		tree_text(&after);
		assert_string_equal(buf_text(&after), wanted);
		sh("test ! -e data/layers/task/journal; test ! -e data/layers/task/stage; test -z \"$(ls -A data/layers/task/upper)\";"
		   " test $(stat -c %a ws/new) = 555; test $(stat -c %a ws/m) = 600; chmod 755 ws/new");
	}
	assert_true(ended);
	assert_true(n > 30);
}

/* An error in the middle takes back what was done. */
static void an_error_takes_all_back(void **state)
{
	AUTO(buf_done) struct buf now = BUF_INIT(KIB(16));
	struct overlay layer = LAYER_NONE;
	struct err err = ERR_NONE;

	(void)state;
	make(before_crash, upper_crash);
	assert_int_equal(layer_open(data, root, &layer, &err), 0);
	sh("echo other > ws/new");           /* a file where a directory is to be made */
	assert_true(layer_apply(&layer, &err) < 0);
	assert_non_null(strstr(err.text, "nothing was changed"));
	layer_close(&layer);
	sh("grep -q other ws/new; rm ws/new");
	tree_text(&now);
	assert_string_equal(buf_text(&now), original);
}

static int make_top(void **state)
{
	(void)state;
	/* In memory where that can hold the marks of a layer: each step is synced. */
	snprintf(top, sizeof top, "/dev/shm/mishri-layer-XXXXXX");
	if (mkdtemp(top) == NULL || setxattr(top, "user.overlay.probe", "y", 1, 0) < 0) {
		rmdir(top);
		snprintf(top, sizeof top, "/tmp/mishri-layer-XXXXXX");
		if (mkdtemp(top) == NULL)
			return -1;
	}
	snprintf(ws, sizeof ws, "%s/ws", top);
	snprintf(data, sizeof data, "%s/data", top);
	return 0;
}

static int remove_top(void **state)
{
	(void)state;
	sh("chmod -R u+rwx . && rm -rf ./* && rmdir \"$PWD\"");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read), cmocka_unit_test(no_step_leaves_the_workspace), cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(an_error_takes_all_back),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
