/* test_approval.c - whose word counts for what, and what an answer is bound to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/approval.h"

#include "base/banned.h"

#define S 1000000
#define ANYBODY "\"count\":1,\"remember\":\"session\",\"risk\":\"low\""
#define TWO_OF_OPS "\"from\":\"group:ops\",\"members\":[\"alice\",\"bob\"],\"count\":2,\"remember\":\"never\",\"risk\":\"low\""
#define RISKY "\"count\":1,\"remember\":\"date\",\"remember_ms\":86400000,\"risk\":\"high\""
#define A_DAY "\"count\":1,\"remember\":\"date\",\"remember_ms\":86400000,\"risk\":\"low\""
#define ALICE "\"from\":\"user:alice\",\"count\":1,\"remember\":\"never\",\"risk\":\"low\""

static struct approval asked(const char *terms, const char *kind, const char *voters)
{
	AUTO(freep) char *text = xasprintf("{\"approval\":\"0123456789ab\",\"call\":\"1.1\",\"kind\":\"%s\",\"action\":{},\"digest\":\"d\","
		"\"rule\":\"r\",\"reason\":\"b\",\"expires_us\":%d,\"terms\":{%s}}", kind, 100 * S, terms);
	json_t *data = json_loads(text, 0, NULL);
	struct approval a;
	struct str rest = str_of(voters), name;

	assert_non_null(data);
	approval_read(data, 0, &a);
	json_decref(data);
	while (rest.len > 0 && str_next(&rest, ' ', &name)) {
		json_t *vote = json_pack("{s:s%, s:s}", "by", name.ptr, name.len, "remember", "once");
		approval_vote(&a, vote);
		json_decref(vote);
	}
	return a;
}

static void a_word_counts_where_it_may(void **state UNUSED)
{
	static const struct {
		const char *terms, *voters, *kind, *by, *digest, *remember;
		enum say say;
		int at_s, until_s, want;
	} rows[] = {
		{ ANYBODY, "", "tool", "alice", "d", "once", SAY_YES, 1, 0, 0 },
		{ ANYBODY, "", "tool", "alice", "e", "once", SAY_YES, 1, 0, -ESTALE },
		{ ANYBODY, "", "tool", "alice", "", "once", SAY_YES, 1, 0, -ESTALE },
		{ ANYBODY, "", "tool", "alice", "e", "once", SAY_NO, 1, 0, 0 },
		{ ANYBODY, "", "tool", "alice", "d", "once", SAY_YES, 99, 0, 0 },
		{ ANYBODY, "", "tool", "alice", "d", "once", SAY_YES, 100, 0, -ETIME },
		{ ANYBODY, "", "tool", "alice", "d", "once", SAY_NO, 100, 0, -ETIME },
		{ ANYBODY, "", "tool", "alice", "d", "task", SAY_YES, 1, 0, 0 },
		{ ANYBODY, "", "tool", "alice", "d", "session", SAY_YES, 1, 0, 0 },
		{ ANYBODY, "", "tool", "alice", "d", "date", SAY_YES, 1, 50, -EPERM },
		{ ANYBODY, "", "tool", "alice", "d", "for ever", SAY_YES, 1, 0, -EPERM },
		{ ANYBODY, "", "tool", "alice", "d", "once", SAY_EDIT, 1, 0, 0 },
		{ ANYBODY, "", "exec", "alice", "d", "once", SAY_EDIT, 1, 0, -EINVAL },
		{ "", "", "tool", "alice", "d", "task", SAY_YES, 1, 0, -EPERM },      /* no terms: the narrowest */
		{ TWO_OF_OPS, "", "tool", "alice", "d", "once", SAY_YES, 1, 0, 1 },
		{ TWO_OF_OPS, "alice", "tool", "bob", "d", "once", SAY_YES, 1, 0, 0 },
		{ TWO_OF_OPS, "alice", "tool", "alice", "d", "once", SAY_YES, 1, 0, -EALREADY },
		{ TWO_OF_OPS, "alice", "tool", "carol", "d", "once", SAY_YES, 1, 0, -EACCES },
		{ TWO_OF_OPS, "alice", "tool", "carol", "d", "once", SAY_NO, 1, 0, 0 },
		{ TWO_OF_OPS, "", "tool", "carol", "d", "once", SAY_EDIT, 1, 0, -EACCES },
		{ TWO_OF_OPS, "", "tool", "alice", "d", "task", SAY_YES, 1, 0, -EPERM },
		{ ALICE, "", "tool", "alice", "d", "once", SAY_YES, 1, 0, 0 },
		{ ALICE, "", "tool", "alic", "d", "once", SAY_YES, 1, 0, -EACCES },
		{ ALICE, "", "tool", "alice2", "d", "once", SAY_YES, 1, 0, -EACCES },
		{ RISKY, "", "tool", "alice", "d", "once", SAY_YES, 1, 0, 0 },
		{ RISKY, "", "tool", "alice", "d", "task", SAY_YES, 1, 0, -EPERM },
		{ A_DAY, "", "tool", "alice", "d", "date", SAY_YES, 1, 86400, 0 },
		{ A_DAY, "", "tool", "alice", "d", "date", SAY_YES, 1, 86402, -EPERM },
		{ A_DAY, "", "tool", "alice", "d", "date", SAY_YES, 2, 1, -EINVAL },
		{ A_DAY, "", "tool", "alice", "d", "session", SAY_YES, 1, 0, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct approval a = asked(rows[i].terms, rows[i].kind, rows[i].voters);
		struct answer w = { .say = rows[i].say, .approval = a.id, .digest = rows[i].digest, .by = rows[i].by, .word = "", .reason = "",
		                    .remember = rows[i].remember, .until_us = rows[i].until_s * (int64_t)S, .time_us = rows[i].at_s * (int64_t)S };
		struct err err = ERR_NONE;
		int r = approval_judge(&a, &w, &err);
		approval_done(&a);
		if (r != rows[i].want || (r < 0) != (err.text[0] != '\0'))
			fail_msg("row %zu: %d, not %d: %s", i, r, rows[i].want, err.text);
	}
}

static json_t *exec_action(const char *words)
{
	json_t *argv = json_loads(words, 0, NULL);

	assert_non_null(argv);
	return json_pack("{s:s, s:s, s:s, s:o, s:s}", "kind", "exec", "program", "/usr/bin/git", "origin", "system", "argv", argv, "cwd", "/w");
}

static void a_program_is_its_plain_subcommand(void **state UNUSED)
{
	static const struct { const char *one, *other; bool named, same; } rows[] = {
		{ "[\"git\",\"push\"]", "[\"git\",\"push\",\"origin\"]", true, true },
		{ "[\"git\",\"push\"]", "[\"git\",\"pull\"]", true, false },
		{ "[\"git\",\"push\"]", "[\"git\",\"-c\",\"core.pager=x\",\"push\"]", true, false },
		{ "[\"git\",\"-C\",\"x\",\"push\"]", "[\"git\",\"push\"]", false, false },
		{ "[\"git\"]", "[\"git\",\"push\"]", true, false },
		{ "[\"git\",\"\"]", "[\"git\"]", false, false },
		{ "[]", "[\"git\"]", false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *one = exec_action(rows[i].one), *other = exec_action(rows[i].other);
		char a[SHA256_HEX_LEN + 1] = "", b[SHA256_HEX_LEN + 1] = "-";
		bool named = approval_bind_program(one, "r", a);
		bool both = approval_bind_program(other, "r", b);
		if (named != rows[i].named || (named && both && strcmp(a, b) == 0) != rows[i].same)
			fail_msg("row %zu", i);
	}
}

/* A program that an agent can write to: same: program is about its bytes, too. */
static void a_program_of_the_workspace_is_its_bytes(void **state UNUSED)
{
	static const struct { const char *origin, *one, *other; bool named, same; } rows[] = {
		{ "workspace", "aa", "aa", true, true },
		{ "workspace", "aa", "bb", true, false },
		{ "untrusted", "aa", "bb", true, false },
		{ "workspace", NULL, NULL, false, false },       /* too large to be known */
		{ "system", NULL, NULL, true, true },
		{ "system", "aa", NULL, true, true },            /* another rule wanted to know */
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *one = exec_action("[\"x\",\"y\"]"), *other = exec_action("[\"x\",\"y\",\"z\"]");
		char a[SHA256_HEX_LEN + 1] = "", b[SHA256_HEX_LEN + 1] = "-";
		json_put_text(one, "origin", rows[i].origin);
		json_put_text(other, "origin", rows[i].origin);
		if (rows[i].one != NULL)
			json_put_text(one, "sha256", rows[i].one);
		if (rows[i].other != NULL)
			json_put_text(other, "sha256", rows[i].other);
		bool named = approval_bind_program(one, "r", a);
		bool both = approval_bind_program(other, "r", b);
		if (named != rows[i].named || (named && both && strcmp(a, b) == 0) != rows[i].same)
			fail_msg("row %zu", i);
	}
}

static void any_drift_is_another_digest(void **state UNUSED)
{
	static const struct { const char *action, *rule; bool same; } rows[] = {
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1,\"b\":\"x\"},\"cwd\":\"/w\"}", "r", true },
		{ "{\"cwd\":\"/w\",\"args\":{\"b\":\"x\",\"a\":1},\"kind\":\"tool\"}", "r", true },      /* the order of keys is none */
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1,\"b\":\"y\"},\"cwd\":\"/w\"}", "r", false },
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1,\"b\":\"x \"},\"cwd\":\"/w\"}", "r", false },
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1.0,\"b\":\"x\"},\"cwd\":\"/w\"}", "r", false },
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1,\"b\":\"x\"},\"cwd\":\"/v\"}", "r", false },
		{ "{\"kind\":\"tool\",\"args\":{\"a\":1,\"b\":\"x\"},\"cwd\":\"/w\"}", "s", false },
	};
	char first[SHA256_HEX_LEN + 1], hex[SHA256_HEX_LEN + 1];

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *action = json_loads(rows[i].action, 0, NULL);
		approval_bind(action, rows[i].rule, hex);
		if (i == 0)
			memcpy(first, hex, sizeof first);
		if ((strcmp(first, hex) == 0) != rows[i].same)
			fail_msg("row %zu", i);
	}
}

static void an_answer_is_read_as_it_was_written(void **state UNUSED)
{
	static const struct { const char *body; bool fits; } rows[] = {
		{ "{\"approval\":\"0123456789ab\",\"say\":\"yes\",\"digest\":\"d\",\"word\":\"w\"}", true },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"maybe\"}", false },
		{ "{\"approval\":\"0123\",\"say\":\"yes\"}", false },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"edit\"}", false },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"edit\",\"args\":[]}", false },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"yes\",\"args\":{}}", false },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"edit\",\"args\":{}}", true },
		{ "{\"approval\":\"0123456789ab\",\"say\":\"yes\",\"remember\":\"ever\"}", false },
		{ "[]", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *body = json_loads(rows[i].body, 0, NULL);
		struct answer w = { 0 };
		struct err err = ERR_NONE;
		int r = answer_parse(body, &w, &err);
		if ((r == 0) != rows[i].fits)
			fail_msg("row %zu: %s", i, err.text);
		json_decref(w.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_counts_where_it_may),
		cmocka_unit_test(a_program_is_its_plain_subcommand),
		cmocka_unit_test(a_program_of_the_workspace_is_its_bytes), cmocka_unit_test(any_drift_is_another_digest),
		cmocka_unit_test(an_answer_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
