/* What a project tells agents: only where a person trusts it, only from inside it, and only what is well formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/dirs.h"
#include "engine/instructions.h"

#include "base/banned.h"

static char dir[64], repo[128], ws[160], data[128];
static struct buf said = BUF_INIT(65536);

static void say(const char *line)
{
	buf_printf(&said, "%s\n", line);
}

static void put(const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", dir, path);
	*strrchr(full, '/') = '\0';
	assert_int_equal(io_mkdirs(full, NULL), 0);
	full[strlen(full)] = '/';
	AUTO(fd_closep) int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mishri-told-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(repo, sizeof repo, "%s/repo", dir);
	snprintf(ws, sizeof ws, "%s/sub/ws", repo);
	snprintf(data, sizeof data, "%s/data", dir);
	assert_int_equal(io_mkdirs(ws, NULL), 0);
	buf_reset(&said);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
	(void)st, (void)flag, (void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&said);
	said = BUF_INIT(65536);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *read_all(void)
{
	AUTO(json_decrefp) json_t *told = instructions_read(data, ws, say);

	return json_text(told);
}

/* What was changed by hand is trusted again by hand. */
static void put_trusted(const char *at, const char *where, const char *text)
{
	put(at, text);
	assert_int_equal(trust_add(data, where, NULL), 0);
}

static void the_closest_one_counts(void **state)
{
	(void)state;
	put("AGENTS.md", "above the repository");
	AUTO(freep) char *none = read_all();
	assert_string_equal(none, "{}"); /* no repository: nothing above the workspace */
	put("repo/.git/HEAD", "ref");
	put("repo/AGENTS.md", "of the repository");
	AUTO(freep) char *untrusted = read_all();
	assert_string_equal(untrusted, "{}");
	assert_non_null(strstr(buf_text(&said), "/repo/AGENTS.md is not read: this directory is not trusted"));
	assert_int_equal(trust_add(data, ws, NULL), 0);
	AUTO(freep) char *other = read_all();
	assert_string_equal(other, "{}"); /* trust in one directory is not trust in another */
	assert_int_equal(trust_add(data, repo, NULL), 0);
	AUTO(freep) char *above = read_all();
	assert_non_null(strstr(above, "of the repository"));
	put_trusted("repo/sub/ws/AGENTS.md", ws, "of the workspace");
	AUTO(freep) char *own = read_all();
	assert_non_null(strstr(own, "of the workspace"));
	assert_null(strstr(own, "of the repository"));
	assert_int_equal(trust_remove(data, ws, NULL), 0);
	AUTO(freep) char *again = read_all();
	assert_string_equal(again, "{}");
}

static void it_is_bounded_and_shows_what_hides(void **state)
{
	AUTO(freep) char *large = xmalloc(200001);

	(void)state;
	for (size_t i = 0; i < 200000; i++)
		large[i] = i % 50 == 49 ? '\n' : 'x';
	large[200000] = '\0';
	assert_int_equal(trust_add(data, ws, NULL), 0);
	put_trusted("repo/sub/ws/AGENTS.md", ws, large);
	AUTO(json_decrefp) json_t *told = instructions_read(data, ws, say);
	const char *text = json_get_text(json_object_get(told, "instructions"), "text", "");
	assert_in_range(strlen(text), LIMIT_INSTRUCTIONS_BYTES - 100, LIMIT_INSTRUCTIONS_BYTES + 100);
	assert_non_null(strstr(text, "bytes left out; the file has them"));
	assert_non_null(strstr(buf_text(&said), "of 200000 bytes are used"));
	memset(large, 'y', 200000); /* one endless line */
	put_trusted("repo/sub/ws/AGENTS.md", ws, large);
	AUTO(json_decrefp) json_t *line = instructions_read(data, ws, say);
	assert_in_range(strlen(json_get_text(json_object_get(line, "instructions"), "text", "")), LIMIT_INSTRUCTIONS_BYTES - 100,
	                LIMIT_INSTRUCTIONS_BYTES + 100);
	put_trusted("repo/sub/ws/AGENTS.md", ws, "be kind\xe2\x80\xae hidden \x1b[2J\n");
	AUTO(freep) char *shown = read_all();
	assert_non_null(strstr(shown, "be kind"));
	assert_null(strstr(shown, "\xe2\x80\xae"));
	assert_null(strstr(shown, "\\u001B"));
}

static void no_link_leads_out(void **state)
{
	char path[256], target[256];

	(void)state;
	assert_int_equal(trust_add(data, ws, NULL), 0);
	put("secret", "a secret");
	snprintf(path, sizeof path, "%s/AGENTS.md", ws);
	snprintf(target, sizeof target, "%s/secret", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(trust_add(data, ws, NULL), 0);
	AUTO(freep) char *out = read_all();
	assert_string_equal(out, "{}");
	assert_non_null(strstr(buf_text(&said), "is not read: it must be a file of this directory"));
	assert_int_equal(unlink(path), 0);
	put("repo/sub/ws/CLAUDE.md", "one text, two names");
	assert_int_equal(symlink("CLAUDE.md", path), 0);
	assert_int_equal(trust_add(data, ws, NULL), 0);
	AUTO(freep) char *inside = read_all();
	assert_non_null(strstr(inside, "one text, two names"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* and does not wait for a writer */
	AUTO(freep) char *pipe = read_all();
	assert_string_equal(pipe, "{}");
}

static void front_matter(void **state)
{
	static const struct { const char *folder, *text, *want; } rows[] = {
		{ "tests", "---\nname: tests\ndescription: How tests are run here\n---\n# Tests\n", NULL },
		{ "tests", "---\r\nname: tests\r\ndescription: x\r\n---\r\n", NULL },
		{ "a-1", "---\nname: a-1\ndescription: >\n  two\n  lines\nlicense: MIT\nmetadata: {a: b}\nwhatever: 1\n---", NULL },
		{ "tests", "# Tests\n", "SKILL.md:1: must begin with a block" },
		{ "tests", "---\nname: tests\n", "must begin with a block" },
		{ "tests", "---\ndescription: x\n---\n", "name: must be 1 to 64 of a-z" },
		{ "other", "---\nname: tests\ndescription: x\n---\n", "name: 'tests' must be the name of its directory, 'other'" },
		{ "Tests", "---\nname: Tests\ndescription: x\n---\n", "name: must be" },
		{ "-a", "---\nname: -a\ndescription: x\n---\n", "name: must be" },
		{ "a--b", "---\nname: a--b\ndescription: x\n---\n", "name: must be" },
		{ "tests", "---\nname: tests\n---\n", "description: must be a text" },
		{ "tests", "---\nname: tests\ndescription: ' '\n---\n", "description: must be a text" },
		{ "tests", "---\nname: tests\ndescription: [a]\n---\n", "description: must be a text" },
		{ "tests", "---\nname: tests\nname: tests\ndescription: x\n---\n", "SKILL.md:" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *skill = NULL;
		struct err err = ERR_NONE;
		int r = skill_parse("SKILL.md", rows[i].folder, str_of(rows[i].text), &skill, &err);
		if ((r == 0) != (rows[i].want == NULL) || (r < 0 && strstr(err.text, rows[i].want) == NULL))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r == 0)
			assert_null(strchr(json_get_text(skill, "description", "\n"), '\n'));
		json_decref(skill);
	}
}

static void the_catalogue(void **state)
{
	(void)state;
	put("repo/sub/ws/.agents/skills/b/SKILL.md", "---\nname: b\ndescription: second\n---\n");
	put("repo/sub/ws/.agents/skills/a/SKILL.md", "---\nname: a\ndescription: first\n---\n");
	put("repo/sub/ws/.agents/skills/bad/SKILL.md", "no block");
	put("repo/sub/ws/.agents/skills/empty/notes.txt", "no skill");
	put("repo/sub/ws/.mishri/skills/b/SKILL.md", "---\nname: b\ndescription: ours\n---\n");
	AUTO(freep) char *untrusted = read_all();
	assert_string_equal(untrusted, "{}");
	assert_non_null(strstr(buf_text(&said), ".agents/skills is not read: this directory is not trusted"));
	assert_int_equal(trust_add(data, ws, NULL), 0);
	buf_reset(&said);
	AUTO(freep) char *all = read_all();
	assert_string_equal(all, "{\"skills\":[{\"name\":\"b\",\"description\":\"ours\",\"path\":\".mishri/skills/b/SKILL.md\"},"
	                         "{\"name\":\"a\",\"description\":\"first\",\"path\":\".agents/skills/a/SKILL.md\"}]}");
	assert_string_equal(buf_text(&said),
	                    "skill .agents/skills/b/SKILL.md is left out: .mishri/skills/b/SKILL.md has the same name and comes first\n"
	                    "skill left out: .agents/skills/bad/SKILL.md:1: must begin with a block between two lines of '---' that has "
	                    "name and description\n");
}

static void trust_ends(void **state)
{
	AUTO(buf_done) struct buf list = BUF_INIT(4096);
	struct err err = ERR_NONE;
	char old[256];

	(void)state;
	snprintf(old, sizeof old, "%s/old", dir);
	assert_int_equal(trust_list(data, &list, &err), 0);
	assert_int_equal(list.len, 0);
	assert_int_equal(trust_remove(data, ws, &err), -ENOENT);
	assert_int_equal(mkdir(old, 0700), 0);
	assert_int_equal(trust_add(data, ws, &err), 0);
	assert_int_equal(trust_add(data, old, &err), 0);
	assert_int_equal(trust_add(data, repo, &err), 0);
	assert_int_equal(rmdir(old), 0);
	assert_int_equal(trust_remove(data, old, &err), 0); /* gone by now */
	assert_true(trust_check(data, ws));
	assert_true(trust_check(data, repo));
	assert_int_equal(trust_remove(data, repo, &err), 0);
	assert_false(trust_check(data, repo));
	assert_true(trust_check(data, ws));
	assert_int_equal(trust_list(data, &list, &err), 0);
	assert_int_equal(list.len, strlen(ws) + 1);
	char path[256];
	snprintf(path, sizeof path, "%s/trusted", data);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(trust_remove(data, ws, &err), -EPERM);
	assert_int_equal(trust_list(data, &list, &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_closest_one_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_bounded_and_shows_what_hides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_link_leads_out, set_up, tear_down),
		cmocka_unit_test(front_matter),
		cmocka_unit_test_setup_teardown(the_catalogue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trust_ends, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
