/* test_files.c - attempts to read what the policy hides and to change what it keeps. Each row is done twice: in a cell with
 * the rules, where it must fail, and in one without, where it must work, or the row would prove nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "rig.h"

#include "base/banned.h"

static struct rig rig;
static char writable[64], layer[64];

static const char *const hide[] = { "**/.env", "keys", "link", NULL };
static const char *const keep[] = { ".git/hooks", ".git/config", "**/*.lock", ".mishri", NULL };

static void host_sh(const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(rig.workspace) < 0)
			_exit(99);
		execle("/bin/sh", "sh", "-ec", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("on the host: %s: status %d", text, status);
}

static void workspace_make(void)
{
	host_sh("find . -mindepth 1 -delete; mkdir -p sub keys/deep .git/hooks a/b; echo secret > .env; echo secret > sub/.env;"
	        " echo secret > keys/one; echo secret > keys/deep/two; ln .env other; ln -s sub/.env link; echo conf > .git/config;"
	        " ln .git/config conf2; echo 1 > a/b/x.lock; ln keys/one key1");
}

static bool open_with(const char *const *hidden, const char *const *kept)
{
	return rig_open_plan(&rig, &(struct cell_plan){ .level = CELL_FULL, .workspace = rig.workspace, .hide = hidden,
	                                                .keep = kept, .memory_bytes = RIG_MEMORY_BYTES });
}

/* Status 0: the act succeeded. */
static const char *const reading[] = {
	"grep -q secret .env",
	"grep -q secret sub/.env",
	"grep -q secret other",
	"grep -q secret key1",
	"grep -q secret link",
	"grep -q secret keys/one",
	"grep -q secret keys/deep/two",
	"ls keys | grep -q one",
	"mv sub moved && grep -q secret moved/.env",
	"mv .env x && grep -q secret x",
	"ln .env x && grep -q secret x",
	"cp .env x && grep -q secret x",
	"ln -s .env x && grep -q secret x",
	"exec 3< .env && grep -q secret <&3",
	"grep -q secret /proc/self/cwd/.env",
	"grep -q secret /proc/self/root$PWD/.env",
	"sleep 5 & p=$!; grep -q secret /proc/$p/root$PWD/.env /proc/$p/cwd/sub/.env; r=$?; kill $p; exit $r",
	"cd sub && grep -q secret ../.env",
	"chmod 644 .env && grep -q secret .env",
	"tar cf - . 2> /dev/null | grep -q secret",
	"mkdir /tmp/c && cp -r . /tmp/c 2> /dev/null; grep -rq secret /tmp/c",
	"python3 -c 'import os; d = os.open(\".\", os.O_PATH); assert b\"secret\" in os.read(os.open(\".env\", os.O_RDONLY, dir_fd=d), 99)'",
	"python3 -c 'import mmap, os; m = mmap.mmap(os.open(\".env\", os.O_RDONLY), 0, prot=mmap.PROT_READ); assert b\"secret\" in m[:]'",
	"rm .env",
	"rm -r keys",
	"mv keys k2 && grep -q secret k2/one",
	"echo new > .env",
};

static const char *const changing[] = {
	"echo x >> .git/config",
	"echo x >> conf2",
	"sed -i s/conf/x/ .git/config",
	"truncate -s 0 .git/config",
	"chmod 777 .git/config",
	"touch .git/config",
	"rm .git/config",
	"mv .git/config c",
	"ln .git/config c && echo x >> c",
	"echo x > y && mv y .git/config",
	"touch .git/hooks/pre-commit",
	"mkdir .git/hooks/d",
	"rmdir .git/hooks",
	"mv .git/hooks h",
	"mv .git g && mkdir -p .git/hooks && touch .git/hooks/pre-commit",
	"rm -rf .git && mkdir -p .git/hooks && touch .git/hooks/pre-commit",
	"echo 2 > a/b/x.lock",
	"mv a/b a/c",
	"mv a c",
	"cd .git/hooks && touch pre-commit",
	"touch /proc/self/cwd/.git/hooks/pre-commit",
	"python3 -c 'import os; os.utime(\".git/config\", (1, 1))'",
	"python3 -c 'import ctypes, os; os.close(os.open(\".git/config\", os.O_RDWR))'",
};

static void try_one(const char *act, const char *const *hidden, const char *const *kept)
{
	workspace_make();
	assert_true(open_with(hidden, kept));
	int status = rig_sh(&rig, act);
	rig_close(&rig);
	if (status == 0)
		fail_msg("with the rules: %s: it was done: %s", act, rig.output);
	workspace_make();
	assert_true(open_with(NULL, NULL));
	status = rig_sh(&rig, act);
	rig_close(&rig);
	if (status != 0)
		fail_msg("without: %s: status %d: this row proves nothing: %s", act, status, rig.output);
}

static void nothing_hidden_is_read(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(reading); i++)
		try_one(reading[i], hide, NULL);
}

static void nothing_kept_is_changed(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(changing); i++)
		try_one(changing[i], NULL, keep);
}

/* What is not hidden or kept is as ever, in the same cell. */
static void the_rest_is_free(void **state UNUSED)
{
	workspace_make();
	assert_true(open_with(hide, keep));
	assert_int_equal(rig_sh(&rig, "cat .git/config a/b/x.lock && echo x > a/new && mv a/new sub/new && rm sub/new && touch .git/HEAD &&"
	                              " git init -q r && ls .git/hooks"), 0);
	rig_close(&rig);
}

static const json_t *found_at(const json_t *found, const char *path)
{
	const json_t *row;
	size_t i;

	json_array_foreach(found, i, row)
		if (strcmp(json_get_text(row, "path", ""), path) == 0)
			return row;
	return NULL;
}

/* No mount can be there before the name is: it is found, told of, and guarded from then on. */
static void what_comes_later_is_guarded_next(void **state UNUSED)
{
	AUTO(json_decrefp) json_t *found = NULL;
	AUTO(json_decrefp) json_t *again = NULL;
	struct err err = ERR_NONE;

	workspace_make();
	assert_true(open_with(hide, keep));
	assert_int_equal(rig_sh(&rig, "mkdir .mishri n && echo secret > n/.env && ln -s n/.env a/y.lock && echo 1 > n/z.lock"), 0);
	cell_guard(rig.cell);
	assert_int_equal(cell_guard_wait(rig.cell, &found, &err), 0);
	if (json_array_size(found) != 4) {
		AUTO(freep) char *text = json_text(found);
		fail_msg("found: %s", text);
	}
	assert_true(json_is_true(json_object_get(found_at(found, ".mishri"), "held")));
	assert_true(json_is_true(json_object_get(found_at(found, "n/.env"), "held")));
	assert_true(json_is_true(json_object_get(found_at(found, "n/z.lock"), "held")));
	assert_int_not_equal(rig_sh(&rig, "touch .mishri/policy.yaml"), 0);
	assert_int_not_equal(rig_sh(&rig, "grep secret n/.env"), 0);
	assert_int_not_equal(rig_sh(&rig, "mv n o"), 0);
	cell_guard(rig.cell);
	assert_int_equal(cell_guard_wait(rig.cell, &again, &err), 0);
	if (found_at(again, ".mishri") != NULL || found_at(again, "n/.env") != NULL)
		fail_msg("found twice");
	rig_close(&rig);
}

static void another_directory_can_be_written(void **state UNUSED)
{
	const char *const more[] = { writable, NULL };
	char text[400];

	workspace_make();
	snprintf(text, sizeof text, "echo x > %s/f && cat %s/f", writable, writable);
	assert_true(open_with(NULL, NULL));
	assert_int_not_equal(rig_sh(&rig, text), 0);
	rig_close(&rig);
	for (int reduced = 0; reduced < 2; reduced++) {
		struct cell_plan plan = { .level = reduced ? CELL_REDUCED : CELL_FULL, .workspace = rig.workspace, .writable = more,
		                          .memory_bytes = RIG_MEMORY_BYTES };
		if (reduced && geteuid() == 0)           /* a root engine has no reduced cell over a workspace of root's */
			break;
		assert_true(rig_open_plan(&rig, &plan));
		assert_int_equal(rig_sh(&rig, text), 0);
		rig_close(&rig);
	}
	snprintf(text, sizeof text, "test \"$(stat -c %%u %s/f)\" = \"$(id -u)\" && rm %s/f", writable, writable);
	host_sh(text);
}

/* A cell that cannot keep a rule is not made. */
static void what_cannot_be_kept_is_an_error(void **state UNUSED)
{
	static const char *const one[] = { "link2", NULL };
	const char *const inside[] = { "/var/tmp", NULL };
	const struct { struct cell_plan plan; const char *says; } rows[] = {
		{ { .level = CELL_REDUCED, .hide = hide }, "isolation 'reduced' cannot keep 'files: hide'" },
		{ { .level = CELL_REDUCED, .keep = keep }, "isolation 'reduced' cannot keep 'files: readonly'" },
		{ { .level = CELL_NONE, .hide = hide }, "isolation 'none' cannot keep 'files: hide'" },
		{ { .level = CELL_REDUCED, .layer = layer }, "cannot keep a workspace in mode 'overlay'" },
		{ { .level = CELL_NONE, .workspace_readonly = true }, "cannot keep a read-only workspace" },
		{ { .level = CELL_FULL, .keep = one }, "is a symbolic link" },
		{ { .level = CELL_FULL, .writable = inside }, "cannot be a workspace" },
	};

	workspace_make();
	host_sh("ln -s a link2");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_plan plan = rows[i].plan;
		plan.workspace = rig.workspace;
		assert_false(rig_open_plan(&rig, &plan));
		if (strstr(rig.failure.text, rows[i].says) == NULL)
			fail_msg("row %zu says '%s'", i, rig.failure.text);
	}
}

static void changes_go_to_the_layer_alone(void **state UNUSED)
{
	struct cell_plan plan = { .level = CELL_FULL, .workspace = rig.workspace, .layer = layer, .hide = hide, .keep = keep,
	                          .memory_bytes = RIG_MEMORY_BYTES };
	static struct rig other;
	char text[400];

	workspace_make();
	snprintf(text, sizeof text, "mkdir -p %s/upper %s/work && touch new.env", layer, layer);
	host_sh(text);
	other.warden = rig.warden;
	memcpy(other.workspace, rig.workspace, sizeof other.workspace);
	assert_true(rig_open_plan(&rig, &plan));
	assert_true(rig_open_plan(&other, &plan));
	assert_int_equal(rig_sh(&rig, "echo more >> conf3 && rm a/b/../../new.env && echo y > sub/y && mkdir n && mv sub/y n/y"), 0);
	assert_int_equal(rig_sh(&other, "cat conf3 n/y && test ! -e new.env && echo z >> conf3"), 0);
	assert_int_equal(rig_sh(&rig, "grep z conf3"), 0);
	assert_int_not_equal(rig_sh(&rig, "grep secret .env"), 0);
	assert_int_not_equal(rig_sh(&rig, "touch .mishri"), 0);
	assert_int_not_equal(rig_sh(&rig, "mkdir .mishri"), 0);
	assert_int_not_equal(rig_sh(&rig, "mknod w c 0 0"), 0);
	rig_close(&rig);
	rig_close(&other);
	host_sh("test ! -e conf3 && test -e new.env && test ! -e n && test ! -e .mishri");
	plan.workspace_readonly = true;
	assert_true(rig_open_plan(&rig, &plan));
	assert_int_equal(rig_sh(&rig, "grep z conf3"), 0);
	assert_int_not_equal(rig_sh(&rig, "touch conf3"), 0);
	rig_close(&rig);
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;

	snprintf(rig.workspace, sizeof rig.workspace, "/tmp/mishri-files-XXXXXX");
	snprintf(writable, sizeof writable, "/var/tmp/mishri-files-XXXXXX");
	snprintf(layer, sizeof layer, "/var/tmp/mishri-layer-XXXXXX");
	if (mkdtemp(rig.workspace) == NULL || mkdtemp(writable) == NULL || mkdtemp(layer) == NULL)
		return -1;
	return warden_start(NULL, 0, &rig.warden, &err);
}

static int remove_all(void **state UNUSED)
{
	char text[600];

	warden_stop(rig.warden);
	snprintf(text, sizeof text, "chmod -R u+rwx %s; rm -rf %s %s %s", layer, rig.workspace, writable, layer);
	host_sh(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_hidden_is_read), cmocka_unit_test(nothing_kept_is_changed), cmocka_unit_test(the_rest_is_free),
		cmocka_unit_test(what_comes_later_is_guarded_next), cmocka_unit_test(another_directory_can_be_written),
		cmocka_unit_test(what_cannot_be_kept_is_an_error), cmocka_unit_test(changes_go_to_the_layer_alone),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
