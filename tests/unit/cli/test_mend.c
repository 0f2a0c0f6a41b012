/* test_mend.c - faults of a machine that is made here, with directories in the place of /proc/sys, /etc and /run: each is found,
 * mended, and not found again; and what is well is left alone. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "cli/mend.h"

#include "base/banned.h"

static char *profile(void)
{
	return xstrdup("profile mishri {\n}\n");
}

static void put(const char *root, const char *path, const char *text, mode_t mode)
{
	AUTO(freep) char *whole = xasprintf("%s/%s", root, path), *dir = xstrdup(whole);
	struct err err = ERR_NONE;

	*strrchr(dir, '/') = '\0';
	assert_int_equal(io_mkdirs(dir, &err), 0);
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(whole, mode), 0);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int kind UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

struct row {
	const char *path, *text;       /* a file of the machine */
	mode_t mode;
	bool other;                    /* asked by somebody who is neither root nor the owner */
	const char *fault;             /* part of the sentence; NULL: none is found */
	const char *step;              /* part of the first command */
	const char *after, *holds;     /* mended: this file holds that; NULL: not tried here */
};

static const struct row rows[] = {
	{ "sys/user/max_user_namespaces", "0\n", 0644, false, "are turned off", "user.max_user_namespaces = 10000",
	  "sys/user/max_user_namespaces", "10000\n" },
	{ "sys/user/max_user_namespaces", "0\n", 0644, true, "are turned off", "| sudo tee", NULL, NULL },
	{ "sys/user/max_user_namespaces", "15000\n", 0644, false, NULL, NULL, NULL, NULL },
	{ "sys/kernel/unprivileged_userns_clone", "0\n", 0644, false, "root's alone", "unprivileged_userns_clone = 1",
	  "etc/sysctl.d/60-mishri-unprivileged_userns_clone.conf", "kernel.unprivileged_userns_clone = 1\n" },
	{ "sys/kernel/yama/ptrace_scope", "2\n", 0644, false, "tracer", "ptrace_scope = 1", "sys/kernel/yama/ptrace_scope", "1\n" },
	{ "sys/kernel/yama/ptrace_scope", "1\n", 0644, false, NULL, NULL, NULL, NULL },
	{ "sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", 0644, true, "AppArmor", "| sudo tee", NULL, NULL },
	{ "sys/kernel/apparmor_restrict_unprivileged_userns", "0\n", 0644, true, NULL, NULL, NULL, NULL },
	{ "run/systemd/system/x", "", 0644, true, "control group", "Delegate=cpu memory pids", NULL, NULL },
	{ "config/policy.yaml", "version: 1\n", 0666, false, "write your policy", "chmod 644", NULL, NULL },
	{ "config/policy.yaml", "version: 1\n", 0644, false, NULL, NULL, NULL, NULL },
	{ "data/mishri.db", "", 0640, false, "read the history", "chmod 600", NULL, NULL },
	{ "data/mishri.db", "", 0640, true, "read the history", "sudo chmod 600", NULL, NULL },
	{ "data/mishri.db", "", 0600, false, NULL, NULL, NULL, NULL },
};

static void check(const char *root, const struct row *row, size_t number)
{
	AUTO(freep) char *sys = xasprintf("%s/sys", root), *etc = xasprintf("%s/etc", root), *run = xasprintf("%s/run", root);
	AUTO(freep) char *config = xasprintf("%s/config", root), *data = xasprintf("%s/data", root);
	const struct machine machine = { sys, etc, run, row->other ? 12345 : geteuid(), config, data, true, profile };
	struct mend mends[MEND_MOST];
	struct err err = ERR_NONE;

	size_t count = mends_find(&machine, mends, COUNT(mends));
	if (count != (row->fault != NULL))
		fail_msg("row %zu: %zu faults", number, count);
	if (count == 0)
		return;
	if (strstr(mends[0].fault, row->fault) == NULL || strstr(mends[0].steps[0].shown, row->step) == NULL)
		fail_msg("row %zu: '%s', '%s'", number, mends[0].fault, mends[0].steps[0].shown);
	assert_true(mends[0].steps[0].undo[0] != '\0');
	bool ours = strstr(mends[0].steps[0].shown, "sudo ") == NULL;
	assert_int_equal(mends[0].administrator, !ours);
	for (size_t i = 0; ours && i < mends[0].step_count; i++)
		if (mend_do(&mends[0].steps[i], &err) < 0)
			fail_msg("row %zu: %s", number, err.text);
	mend_done(&mends[0]);
	if (ours)
		assert_int_equal(mends_find(&machine, mends, COUNT(mends)), 0);
	if (ours && row->after != NULL) {
		AUTO(freep) char *path = xasprintf("%s/%s", root, row->after);
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));
		assert_int_equal(io_read_file(path, &text, &err), 0);
		assert_string_equal(buf_text(&text), row->holds);
	}
}

static void each_fault_is_found_and_mended(void **state UNUSED)
{
	struct err err = ERR_NONE;

	for (size_t i = 0; i < COUNT(rows); i++) {
		char root[] = "/tmp/mishri-mend-XXXXXX";
		assert_non_null(mkdtemp(root));
		for (const char *const *dir = (const char *const[]){ "etc/sysctl.d", "etc/apparmor.d", "data", "config", NULL }; *dir != NULL; dir++) {
			AUTO(freep) char *path = xasprintf("%s/%s", root, *dir);
			assert_int_equal(io_mkdirs(path, &err), 0);
		}
		put(root, rows[i].path, rows[i].text, rows[i].mode);
		check(root, &rows[i], i);
		assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
}

/* A link in the place of a file is not followed: what it leads to is not ours to change. */
static void a_link_is_left_alone(void **state UNUSED)
{
	char root[] = "/tmp/mishri-mend-XXXXXX";
	struct mend mends[MEND_MOST];
	struct err err = ERR_NONE;

	assert_non_null(mkdtemp(root));
	put(root, "elsewhere", "x", 0666);
	AUTO(freep) char *link = xasprintf("%s/policy.yaml", root), *to = xasprintf("%s/elsewhere", root);
	assert_int_equal(symlink(to, link), 0);
	const struct machine machine = { root, root, root, geteuid(), root, NULL, false, profile };
	assert_int_equal(mends_find(&machine, mends, COUNT(mends)), 0);
	struct mend_step step = { .kind = MEND_DO_WRITE, .path = link, .text = to, .mode = 0644 };
	assert_int_equal(mend_do(&step, &err), -ELOOP);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(mend_do(&step, &err), 0);
	assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_found_and_mended),
		cmocka_unit_test(a_link_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
