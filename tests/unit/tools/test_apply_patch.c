/* apply_patch: what fits, what is refused, and that a refusal leaves every file as it was. */
#include "bench.h"

#include <dirent.h>

#include "base/banned.h"

static int apply(const char *patch, struct buf *said)
{
	char text[8192];
	AUTO(json_decrefp) json_t *args = json_object();

	json_put_text(args, "patch", filled(patch, text, sizeof text));
	AUTO(freep) char *json = json_text(args);
	return call("apply_patch", json, said);
}

#define GIT(name) "diff --git a/" name " b/" name "\nindex 1111111..2222222 100644\n--- a/" name "\n+++ b/" name "\n"
#define TEN "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"
#define OPEN "\\ No newline at end of file\n"

/* One file f: before, patch, what is said, after. status 1: after is before. */
static const struct {
	const char *before, *patch;
	int status;
	const char *says, *after;
} rows[] = {
	{ TEN, GIT("f") "@@ -2,3 +2,3 @@\n 2\n-3\n+three\n 4\n", 0, "f: 1 hunk, +1 -1 lines; now 25 bytes", "1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n" },
	{ TEN, "--- a/f\t2026-01-01\n+++ b/f\t2026-01-02\n@@ -1 +1,2 @@ int main(void)\n+0\n 1\n", 0, "+1 -0", "0\n" TEN },
	{ TEN, "--- f\n+++ f\n@@ -10,1 +10,0 @@\n-10\n", 0, "-1 lines", "1\n2\n3\n4\n5\n6\n7\n8\n9\n" },
	{ TEN, "--- %W/f\n+++ %W/f\n@@ -10,1 +10,0 @@\n-10\n", 0, "-1 lines", "1\n2\n3\n4\n5\n6\n7\n8\n9\n" },
	{ TEN, "--- a/f\r\n+++ b/f\r\n@@ -1 +1 @@\r\n-1\n+x\n", 0, "+1 -1", "x\n2\n3\n4\n5\n6\n7\n8\n9\n10\n" },
	{ TEN, "diff -u old/f new/f\n--- f\n+++ f\n@@ -1 +1 @@\n-1\n+x\n", 0, "+1 -1", "x\n2\n3\n4\n5\n6\n7\n8\n9\n10\n" },
	/* several hunks, the second where it says in the old file */
	{ TEN, "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n 1\n+1.5\n 2\n@@ -9,2 +10,2 @@\n 9\n-10\n+ten\n", 0, "2 hunks, +2 -1", "1\n1.5\n2\n3\n4\n5\n6\n7\n8\n9\nten\n" },
	/* insertions without context */
	{ TEN, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+0\n", 0, "+1", "0\n" TEN },
	{ TEN, "--- a/f\n+++ b/f\n@@ -10,0 +11 @@\n+11\n", 0, "+1", TEN "11\n" },
	{ TEN, "--- a/f\n+++ b/f\n@@ -11,0 +12 @@\n+11\n", 1, "hunk 1 (line 3 of the patch): goes behind line 11, and the file has 10", NULL },
	{ "x", "--- a/f\n+++ b/f\n@@ -1,0 +2 @@\n+y\n", 1, "does not end in a newline", NULL },
	/* some lines off, at one place only */
	{ TEN, "--- a/f\n+++ b/f\n@@ -5,2 +5,2 @@\n 2\n-3\n+x\n", 0, "1 of them not at the line where the patch says", "1\n2\nx\n4\n5\n6\n7\n8\n9\n10\n" },
	{ TEN, "--- a/f\n+++ b/f\n@@ -99,2 +99,2 @@\n 2\n-3\n+x\n", 0, "not at the line", "1\n2\nx\n4\n5\n6\n7\n8\n9\n10\n" },
	{ TEN, "--- a/f\n+++ b/f\n@@ -150,2 +150,2 @@\n 2\n-3\n+x\n", 1, "it fits nowhere within 100 lines", NULL },
	{ "a\nb\nx\na\nb\n", "--- a/f\n+++ b/f\n@@ -3,2 +3,2 @@\n a\n-b\n+c\n", 1, "does not fit at line 3, where it says, and fits at 2 places near it", NULL },
	{ "a\nb\nx\na\nb\n", "--- a/f\n+++ b/f\n@@ -4,2 +4,2 @@\n a\n-b\n+c\n", 0, "+1 -1", "a\nb\nx\na\nc\n" },
	/* no fuzz: the hunk and what is there are shown */
	{ TEN, "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n 2\n-drei\n+x\n 4\n", 1, "f: hunk 1 (line 3 of the patch) does not fit: the first difference is at line 3 of the file", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n 2\n-drei\n+x\n 4\n", 1, "the hunk wants:\n2\ndrei\n4\nthe file has, from line 2:\n2\n3\n4\nNo file was changed.\n", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1 \n+x\n", 1, "does not fit", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -5 +5 @@\n-5\n+x\n@@ -1 +1 @@\n-1\n+y\n", 1, "hunk 2 (line 6 of the patch): lies before the end of the hunk before it", NULL },
	/* the end of the file */
	{ "a\nb", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n" OPEN "+c\n" OPEN, 0, "now 3 bytes", "a\nc" },
	{ "a\nb", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n" OPEN "+b\n", 0, "now 4 bytes", "a\nb\n" },
	{ "a\nb\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n" OPEN, 0, "now 3 bytes", "a\nb" },
	{ "a\nb", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n" OPEN, 0, "now 3 bytes", "c\nb" },
	{ "a\nb", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n", 1, "the newline at the end of the file", NULL },
	{ "a\nb\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+c\n" OPEN, 1, "says that the file ends here, and 1 more lines follow", NULL },
	{ "a\nb\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n" OPEN " b\n+c\n", 1, "a line follows one that is said to end the file", NULL },
	{ "a\n", "--- a/f\n+++ b/f\n@@ -1,0 +1,0 @@\n", 1, "line 3: a hunk of no lines changes nothing", NULL },
	{ "a\nb\n", "--- a/f\n+++ b/f\n@@ -2 +2 @@\n-b\n+c\n" OPEN "@@ -1 +1 @@\n-a\n+d\n", 1, "line 7: a hunk follows one that is said to end the file",
	  NULL },
	/* CR LF is kept, whether the patch has it or not */
	{ "a\r\nb\r\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n a\r\n+x\r\n b\r\n", 0, "+1", "a\r\nx\r\nb\r\n" },
	{ "a\r\nb\r\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n a\n+x\n b\n", 0, "+1", "a\r\nx\r\nb\r\n" },
	{ "a\r\nb\r\n", "--- a/f\n+++ b/f\n@@ -2,0 +3 @@\n+c\n", 0, "+1", "a\r\nb\r\nc\r\n" },
	{ "a\r\nb\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", 1, "does not fit", NULL },
	{ "a\nb\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n", 1, "does not fit", NULL },
	/* an editor strips the blank of an empty line */
	{ "a\n\nb\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", 0, "+1 -1", "a\n\nc\n" },
	/* what looks like a head, within a hunk */
	{ "-- a\nb\n", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n--- a\n+++ b\n b\n", 0, "+1 -1", "++ b\nb\n" },
	/* what has no meaning is refused */
	{ TEN, "*** Begin Patch\n", 1, "the patch: line 1: means nothing in a patch", NULL },
	{ TEN, "\n\n", 1, "the patch is empty", NULL },
	{ TEN, "--- a/f\n", 1, "line 2: '+++ b/NAME' must follow", NULL },
	{ TEN, "--- a/f\n+++ b/f\n", 1, "line 3: a hunk must follow", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ 1,2 @@\n", 1, "line 3: a hunk begins with", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -0,1 +1 @@\n-1\n+2\n", 1, "line 3: a hunk begins with", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n 1\n", 1, "line 3: this hunk has 1 old and 1 new lines, and its header says 2 and 2", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+x\n 2\n", 1, "line 3: this hunk has 2 old and 2 new lines, and its header says 1 and 1", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n*x\n", 1, "line 5: a line of a hunk begins with", NULL },
	{ TEN, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+x\ntrailing\n", 1, "line 6: means nothing in a patch", NULL },
	{ TEN, "--- a/f\n+++ b/g\n@@ -1 +1 @@\n-1\n+x\n", 1, "a rename is not made here", NULL },
	{ TEN, "diff --git a/f b/f\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-1\n+x\n", 1, "the names of this part differ", NULL },
	{ TEN, "diff --git a/f b/g\nsimilarity index 90%\nrename from f\nrename to g\n", 1, "line 2: renames and copies are not made here", NULL },
	{ TEN, "diff --git a/f b/g\nrename from f\nrename to g\n", 1, "line 2: a rename is not made here", NULL },
	{ TEN, "diff --git a/f b/g\ncopy from f\ncopy to g\n", 1, "line 2: a copy is not made here", NULL },
	{ TEN, "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", 1, "line 2: a change of mode is not made here: use chmod", NULL },
	{ TEN, "diff --git a/f b/f\nindex 1..2\n", 1, "this part changes nothing", NULL },
	{ TEN, "diff --git a/f b/f\nBinary files a/f and b/f differ\n", 1, "line 2: a binary patch is refused", NULL },
	{ TEN, "diff --git a/f b/f\nGIT binary patch\nliteral 0\n", 1, "line 2: a binary patch is refused", NULL },
	{ TEN, "--- \"a/f\"\n+++ \"b/f\"\n@@ -1 +1 @@\n-1\n+x\n", 1, "a name in quotes: write it as it is", NULL },
	{ TEN, "--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", 1, "both sides are /dev/null", NULL },
	{ TEN, GIT("f") "@@ -1 +1 @@\n-1\n+x\n" GIT("f") "@@ -2 +2 @@\n-2\n+y\n", 1, "f: is in the patch twice", NULL },
	{ TEN, GIT("f") "@@ -1 +1 @@\n-1\n+x\n" GIT("./f") "@@ -2 +2 @@\n-2\n+y\n", 1, "is in the patch twice", NULL },
	{ TEN, "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n", 1, "f: is to be made, and is there already", NULL },
	{ TEN, "--- a/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n", 1, "f: is to be deleted, and the patch does not name all of its lines", NULL },
	{ TEN, "--- a/F\n+++ b/F\n@@ -1 +1 @@\n-1\n+x\n", 1, "F: there is no such file; did you mean 'f'?", NULL },
	{ TEN, "--- a/../f\n+++ b/../f\n@@ -1 +1 @@\n-1\n+x\n", 1, "../f: lies outside of the workspace", NULL },
	{ TEN, "--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-1\n+x\n", 1, "lies outside of the workspace", NULL },
	{ TEN, "--- /dev/null\n+++ b/out/new\n@@ -0,0 +1 @@\n+x\n", 1, "out/new: lies outside of the workspace", NULL },
	{ TEN, "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n" , 1, "line 2: only regular files", NULL },
	{ TEN, "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+x\n", 1, "a deleted one '+++ /dev/null'", NULL },
};

static void one_file(void **state)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));

	for (size_t i = 0; i < COUNT(rows); i++) {
		set_up(state);
		put_file("f", str_of(rows[i].before), 0640);
		put_link("out", outside);
		int status = apply(rows[i].patch, &said);
		if (status != rows[i].status || strstr(buf_text(&said), rows[i].says) == NULL)
			fail_msg("row %zu: %s\nstatus %d\nsaid: %s", i, rows[i].patch, status, buf_text(&said));
		if (!file_is("f", rows[i].after != NULL ? rows[i].after : rows[i].before))
			fail_msg("row %zu: %s\nf is something else", i, rows[i].patch);
		tear_down(state);
	}
}

static size_t entries(const char *name)
{
	char path[512];
	size_t count = 0;

	in_workspace(name, path);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

static mode_t mode_of(const char *name)
{
	char path[512];
	struct stat st;

	in_workspace(name, path);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static const char several[] =
	GIT("a") "@@ -1 +1 @@\n-a\n+A\n"
	"diff --git a/new/deep/b b/new/deep/b\nnew file mode 100755\nindex 0000000..1111111\n--- /dev/null\n+++ b/new/deep/b\n@@ -0,0 +1,2 @@\n+#!/bin/sh\n+exit\n"
	"diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
	"diff --git a/c b/c\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/c\n+++ /dev/null\n@@ -1 +0,0 @@\n-c\n"
	"diff --git a/hollow b/hollow\ndeleted file mode 100644\nindex e69de29..0000000\n";

static void put_several(void)
{
	put_file("a", STR("a\n"), 0600);
	put_file("c", STR("c\n"), 0644);
	put_file("hollow", STR(""), 0644);
}

static void several_files(void **state)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));

	(void)state;
	put_several();
	int status = apply(several, &said);
	if (status != 0)
		fail_msg("%s", buf_text(&said));
	assert_string_equal(buf_text(&said), "a: 1 hunk, +1 -1 lines; now 2 bytes\nnew/deep/b: a new file, 1 hunk, +2 -0 lines; now 15 bytes\n"
	                    "empty: a new file, 0 hunks, +0 -0 lines; now 0 bytes\nc: deleted\nhollow: deleted\n");
	assert_true(file_is("a", "A\n") && file_is("new/deep/b", "#!/bin/sh\nexit\n") && file_is("empty", ""));
	assert_int_equal(mode_of("a"), 0600);
	assert_int_equal(mode_of("new/deep/b"), 0755);
	assert_int_equal(entries("."), 3);
	assert_int_equal(entries("new/deep"), 1);
	assert_int_equal(apply(several, &said), 1);     /* not a second time */
}

/* The last part fails, early or late: nothing of the others is left. */
static void all_or_none(void **state)
{
	static const char *const spoilers[] = {
		GIT("c2") "@@ -1 +1 @@\n-x\n+y\n",                                          /* does not fit */
		GIT("gone") "@@ -1 +1 @@\n-x\n+y\n",
		GIT("locked") "@@ -1 +1 @@\n-k\n+y\n",
		"--- /dev/null\n+++ b/closed/x\n@@ -0,0 +1 @@\n+x\n",                     /* fails when it is staged */
		"--- a/closed/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-o\n",                   /* fails when names change */
		"--- /dev/null\n+++ b/new/deep\n@@ -0,0 +1 @@\n+x\n",                     /* a directory by then */
	};
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	char path[512];

	for (size_t i = 0; i < COUNT(spoilers); i++) {
		set_up(state);
		put_several();
		put_file("c2", STR("c\n"), 0644);
		put_file("locked", STR("k\n"), 0444);
		put_dir("closed");
		put_file("closed/old", STR("o\n"), 0644);
		in_workspace("closed", path);
		assert_int_equal(chmod(path, 0555), 0);
		AUTO(freep) char *patch = xasprintf("%s%s", several, spoilers[i]);
		int status = apply(patch, &said);
		if (status != 1 || strstr(buf_text(&said), "No file was changed.\n") == NULL)
			fail_msg("spoiler %zu: status %d, said %s", i, status, buf_text(&said));
		assert_true(file_is("a", "a\n") && file_is("c", "c\n") && file_is("hollow", "") && file_is("closed/old", "o\n"));
		assert_int_equal(mode_of("a"), 0600);
		if (entries(".") != 6 || entries("closed") != 1)
			fail_msg("spoiler %zu: %zu and %zu entries: %s", i, entries("."), entries("closed"), buf_text(&said));
		assert_int_equal(chmod(path, 0755), 0);
		tear_down(state);
	}
}

static void bounds(void **state)
{
	AUTO(buf_done) struct buf patch = BUF_INIT(MIB(4)), said = BUF_INIT(MIB(1));

	(void)state;
	for (int i = 0; i <= LIMIT_PATCH_FILES; i++)
		buf_printf(&patch, "--- /dev/null\n+++ b/f%d\n@@ -0,0 +1 @@\n+x\n", i);
	AUTO(json_decrefp) json_t *args = json_object();
	json_put_str(args, "patch", buf_str(&patch));
	AUTO(freep) char *text = json_text(args);
	assert_int_equal(call("apply_patch", text, &said), 1);
	assert_non_null(strstr(buf_text(&said), "a patch may change at most 100 files"));
	assert_int_equal(entries("."), 0);
	while (patch.len <= LIMIT_PATCH_BYTES)
		buf_add_text(&patch, "+more and more and more and more and more\n");
	json_put_str(args, "patch", buf_str(&patch));
	AUTO(freep) char *big = json_text(args);
	assert_int_equal(call("apply_patch", big, &said), -1);
	assert_non_null(strstr(buf_text(&said), "at most 1048576; give it in parts"));
	assert_int_equal(call("apply_patch", "{\"patch\":\"a\\u0000b\"}", &said), -1);
	assert_non_null(strstr(buf_text(&said), "binary patches are refused"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_file),
		cmocka_unit_test_setup_teardown(several_files, set_up, tear_down),
		cmocka_unit_test(all_or_none),
		cmocka_unit_test_setup_teardown(bounds, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
