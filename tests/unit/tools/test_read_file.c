/* read_file: what it shows, how it says to read on, and everything that it refuses. */
#include "bench.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/banned.h"

static void shows_lines(void **state)
{
	(void)state;
	put_dir("sub");
	put_file("three", STR("one\ntwo\nthree\n"), 0644);
	put_file("sub/open", STR("a\nb"), 0644);
	put_file("one", STR("only\n"), 0644);
	put_file("empty", STR(""), 0644);
	put_file("dos", STR("a\r\nb\r\n"), 0644);
	put_file("elf", STR("\x7f" "ELF\2\1\1\0\0\0"), 0644);
	put_file("zeros", STR("text\0more"), 0644);
	put_file("latin1", STR("caf\xe9\n"), 0644);
	put_link("link", "sub/open");
	put_link("absolute", "sub");
	put_file("new\nline", STR("x\n"), 0644);
	static const struct row rows[] = {
		{ "{\"path\":\"three\"}", 0, "three: all of it, 3 lines\none\ntwo\nthree\n" },
		{ "{\"path\":\"./sub/../three\"}", 0, "3 lines\none\n" },
		{ "{\"path\":\"%W/three\"}", 0, "%W/three: all of it, 3 lines\n" },
		{ "{\"path\":\"three\",\"limit_lines\":1}", 0, "three: lines 1 to 1 of 3; read on with offset_line 2\none\n" },
		{ "{\"path\":\"three\",\"offset_line\":2,\"limit_lines\":1}", 0, "lines 2 to 2 of 3; read on with offset_line 3\ntwo\n" },
		{ "{\"path\":\"three\",\"offset_line\":2.0}", 0, "three: lines 2 to 3 of 3\ntwo\nthree\n" },
		{ "{\"path\":\"three\",\"offset_line\":4}", 1, "three: has 3 lines: offset_line must be at most that" },
		{ "{\"path\":\"sub/open\"}", 0, "sub/open: all of it, 2 lines; no newline at the end\na\nb" },
		{ "{\"path\":\"sub/open\",\"limit_lines\":1}", 0, "lines 1 to 1 of 2; read on with offset_line 2\na\n" },
		{ "{\"path\":\"link\"}", 0, "link: all of it, 2 lines" },
		{ "{\"path\":\"absolute/open\"}", 0, "2 lines" },
		{ "{\"path\":\"one\"}", 0, "one: all of it, 1 line\nonly\n" },
		{ "{\"path\":\"empty\"}", 0, "empty: an empty file\n" },
		{ "{\"path\":\"empty\",\"offset_line\":2}", 1, "has 0 lines" },
		{ "{\"path\":\"dos\"}", 0, "dos: all of it, 2 lines; lines end in CR LF\na\r\nb\r\n" },
		{ "{\"path\":\"elf\"}", 0, "elf: a program or library (ELF), 10 bytes; it is not shown" },
		{ "{\"path\":\"zeros\"}", 0, "zeros: binary data, 9 bytes" },
		{ "{\"path\":\"latin1\"}", 0, "caf\xe9\n" },
		{ "{\"path\":\"new\\nline\"}", 0, "new\\x0aline: all of it" },
	};
	check_rows("read_file", rows, COUNT(rows));
}

static void refuses(void **state)
{
	char path[512];
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	put_dir("sub");
	put_file("main.c", STR("x\n"), 0644);
	put_file("secret", STR("x\n"), 0000);
	put_link("dangling", "nowhere");
	put_link("circle", "circle");
	put_link("out", outside);
	put_link("passwd", "/etc/passwd");
	put_link("null", "/dev/null");
	in_workspace("pipe", path);
	assert_int_equal(mkfifo(path, 0666), 0);
	in_workspace("socket", path);
	assert_true(strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path));
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	in_workspace("huge", path);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	assert_int_equal(truncate(path, (off_t)LIMIT_READ_FILE_BYTES + 1), 0);
	static const struct row rows[] = {
		{ "{}", -1, "/path: required: is missing" },
		{ "{\"path\":\"\"}", -1, "/path: minLength" },
		{ "{\"path\":\"a\\u0000b\"}", -1, "/path: has a NUL" },
		{ "{\"path\":\"main.c\",\"ofset_line\":1}", -1, "did you mean 'offset_line'?" },
		{ "{\"path\":\"main.c\",\"offset_line\":0}", -1, "/offset_line: minimum: is 0; must be at least 1" },
		{ "{\"path\":\"mian.c\"}", 1, "mian.c: there is no such file; did you mean 'main.c'?" },
		{ "{\"path\":\"zzzzzzzzzz\"}", 1, "zzzzzzzzzz: there is no such file or directory" },
		{ "{\"path\":\"nodir/x\"}", 1, "nodir/x: there is no directory 'nodir'" },
		{ "{\"path\":\"nodir/../main.c\"}", 1, "there is no such file or directory" },
		{ "{\"path\":\"main.c/x\"}", 1, "a part of this path is a file" },
		{ "{\"path\":\"sub\"}", 1, "sub: is a directory; list_dir shows" },
		{ "{\"path\":\".\"}", 1, ".: is a directory" },
		{ "{\"path\":\"secret\"}", 1, "secret: no permission to read it" },
		{ "{\"path\":\"dangling\"}", 1, "dangling: there is no such file" },
		{ "{\"path\":\"circle\"}", 1, "circle: symbolic links that lead in a circle" },
		{ "{\"path\":\"pipe\"}", 1, "pipe: is a named pipe, not a regular file" },
		{ "{\"path\":\"socket\"}", 1, "socket: is a socket, not a regular file" },
		{ "{\"path\":\"huge\"}", 1, "huge: has 64 MiB, and read_file takes at most 64" },
		{ "{\"path\":\"null\"}", 1, "null: lies outside of the workspace; give a path below %W" },
		{ "{\"path\":\"passwd\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"out\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"/etc/passwd\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"../../etc/passwd\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"sub/../../../etc/passwd\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"%Wx/y\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"/proc/self/root/etc/passwd\"}", 1, "lies outside of the workspace" },
	};
	check_rows("read_file", rows, COUNT(rows));
}

/* Reading on line by line gives the file back, and one answer always fits into an output. */
static void reads_on_to_the_end(void **state)
{
	AUTO(buf_done) struct buf file = BUF_INIT(MIB(1)), said = BUF_INIT(MIB(1)), together = BUF_INIT(MIB(1));
	char args[128];
	int64_t from = 1;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_printf(&file, "%d %.*s\n", i, i % 50, "..................................................");
	put_file("long", buf_str(&file), 0644);
	for (int calls = 0; calls < 20; calls++) {
		snprintf(args, sizeof args, "{\"path\":\"long\",\"offset_line\":%lld}", (long long)from);
		assert_int_equal(call("read_file", args, &said), 0);
		assert_true(said.len <= LIMIT_CALL_OUTPUT_BYTES);
		const char *next = strstr(buf_text(&said), "offset_line "), *end = strchr(buf_text(&said), '\n');
		buf_add_text(&together, end + 1);
		if (next == NULL || next > end)
			break;
		from = strtoll(next + strlen("offset_line "), NULL, 10);
	}
	assert_true(str_eq(buf_str(&file), buf_str(&together)));
}

static void shortens_a_line_that_fits_nowhere(void **state)
{
	AUTO(buf_done) struct buf file = BUF_INIT(MIB(1)), said = BUF_INIT(MIB(1));

	(void)state;
	for (int i = 0; i < 40000; i++)
		buf_add_text(&file, "\xc3\xa4");
	buf_add_text(&file, "\nnext\n");
	put_file("wide", buf_str(&file), 0644);
	assert_int_equal(call("read_file", "{\"path\":\"wide\"}", &said), 0);
	assert_true(said.len <= LIMIT_CALL_OUTPUT_BYTES);
	assert_non_null(strstr(buf_text(&said), "wide: lines 1 to 1 of 2; read on with offset_line 2; the last 22657 bytes"));
	assert_int_equal((unsigned char)said.ptr[said.len - 1], 0xa4); /* no half character */
	assert_int_equal(call("read_file", "{\"path\":\"wide\",\"offset_line\":2}", &said), 0);
	assert_non_null(strstr(buf_text(&said), "wide: lines 2 to 2 of 2\nnext\n"));
	/* behind a line that fits, it waits for the next call */
	AUTO(buf_done) struct buf later = BUF_INIT(MIB(1));
	buf_printf(&later, "short\n%s", buf_text(&file));
	put_file("later", buf_str(&later), 0644);
	assert_int_equal(call("read_file", "{\"path\":\"later\"}", &said), 0);
	assert_string_equal(buf_text(&said), "later: lines 1 to 1 of 3; read on with offset_line 2\nshort\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shows_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_on_to_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shortens_a_line_that_fits_nowhere, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
