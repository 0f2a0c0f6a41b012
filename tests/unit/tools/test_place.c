/* Paths under attack: a link that appears between the look and the opening, and writes that are read
 * while they happen. */
#include "bench.h"

#include "tools/inside.h"

#include "base/banned.h"

static void put_outside(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", outside, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

static bool outside_is(const char *name, const char *text)
{
	char path[512];
	AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));

	snprintf(path, sizeof path, "%s/%s", outside, name);
	return io_read_file(path, &got, NULL) == 0 && str_eq(buf_str(&got), str_of(text));
}

/* The directory is the right one when it is looked at, and a link to another when it is opened. */
static void swap_directory(void)
{
	char path[512], away[512];

	in_workspace("d", path);
	in_workspace("away", away);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(symlink(outside, path), 0);
}

static void a_swapped_directory_leads_nowhere(void **state)
{
	AUTO(place_done) struct place old = PLACE_NONE, new = PLACE_NONE;
	struct err err = ERR_NONE;
	char path[512];

	(void)state;
	put_dir("d");
	put_file("d/f", STR("inside"), 0644);
	put_outside("f", "outside");
	assert_int_equal(place_find(workspace, "d/f", &old, &err), 0);
	assert_int_equal(place_find(workspace, "d/new", &new, &err), 0);
	swap_directory();

	in_workspace("d/f", path);
	AUTO(fd_closep) int plain = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(plain >= 0); /* without the guard the same path leads out */
	assert_true(outside_is("f", "outside"));

	assert_true(place_open_file(&old, &err) < 0);
	assert_non_null(strstr(err.text, "was changed while it was being opened"));
	assert_true(place_write(&old, STR("stolen"), true, &err) < 0);
	assert_true(place_write(&new, STR("stolen"), true, &err) < 0);
	assert_true(outside_is("f", "outside"));
	assert_false(outside_is("new", "stolen"));
}

static void a_swapped_file_leads_nowhere(void **state)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	struct err err = ERR_NONE;
	char path[512], target[512];

	(void)state;
	put_file("f", STR("inside"), 0644);
	put_outside("f", "outside");
	assert_int_equal(place_find(workspace, "f", &place, &err), 0);
	in_workspace("f", path);
	snprintf(target, sizeof target, "%s/f", outside);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_true(file_is("f", "outside")); /* without the guard */
	assert_true(place_open_file(&place, &err) < 0);
	assert_true(place_write(&place, STR("stolen"), true, &err) < 0);
	assert_true(outside_is("f", "outside"));
	/* and a pipe that takes its place holds nobody up */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(place_open_file(&place, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is a named pipe"));
}

enum { WRITES = 300, WRITTEN = 100000 };

/* A reader sees all of one version, whenever it looks. */
static void a_reader_sees_whole_files(void **state)
{
	AUTO(buf_done) struct buf content = BUF_INIT(MIB(1));
	size_t looks = 0;
	int status;

	(void)state;
	for (int i = 0; i < WRITTEN; i++)
		buf_add_char(&content, 'a');
	put_file("f", buf_str(&content), 0644);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < WRITES; i++) {
			AUTO(place_done) struct place place = PLACE_NONE;
			memset(content.ptr, 'a' + i % 26, content.len);
			if (place_find(workspace, "f", &place, NULL) < 0 || place_write(&place, buf_str(&content), false, NULL) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		AUTO(buf_done) struct buf got = BUF_INIT(MIB(1));
		char path[512];
		in_workspace("f", path);
		assert_int_equal(io_read_file(path, &got, NULL), 0);
		assert_int_equal(got.len, WRITTEN);
		assert_int_equal(got.ptr[0], got.ptr[got.len - 1]);
		looks++;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(looks > 0);
}

static void long_paths_leave_room_for_the_reason(void **state)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	AUTO(buf_done) struct buf path = BUF_INIT(KIB(8));
	struct err err = ERR_NONE;

	(void)state;
	buf_add_text(&path, "../");
	while (path.len < 3900)
		buf_add_text(&path, "\xc3\xa4/");
	assert_true(place_find(workspace, buf_text(&path), &place, &err) < 0);
	assert_true(strlen(err.text) < 500);
	assert_non_null(strstr(err.text, "lies outside of the workspace"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_swapped_directory_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_swapped_file_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_sees_whole_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_paths_leave_room_for_the_reason, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
