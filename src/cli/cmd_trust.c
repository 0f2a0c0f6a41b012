/* cmd_trust.c - `mishri trust`: which project directories may bring their own configuration, policy, AGENTS.md and
 * skills, and how these changed since. */
#include "cli/common.h"

#include <stdio.h>
#include <string.h>

#include "engine/dirs.h"
#include "engine/trust.h"
#include "tools/tool.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--remove", 0, NULL, "trust it no longer", false },
	{ "--list", 0, NULL, "show what is trusted", false },
	{ "--show", 0, NULL, "show the files that the trust is bound to, and whether they changed: exit 1 if so", false },
	{ "--diff", 0, NULL, "show how they changed since they were trusted", false },
};

static int list(const struct options *o, const char *data)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES), clean = BUF_INIT(LIMIT_FILE_BYTES * 4);
	AUTO(json_decrefp) json_t *all = json_array();
	struct str line;
	struct err err;

	if (trust_list(data, &text, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);)
		if (line.len > 0)
			json_array_append_new(all, json_of_str(line));
	if (option_given(o, "--json")) {
		AUTO(freep) char *json = json_text(all);
		puts(json);
	} else {
		sanitize_text(buf_str(&text), &clean);
		fputs(buf_text(&clean), stdout);
	}
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Lines of a text from anybody, each behind a mark. */
static void print_lines(const char *mark, struct str text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_TRUST_BYTES * 8);
	struct str line;

	sanitize_text(text, &clean);
	for (struct str rest = buf_str(&clean); str_next(&rest, '\n', &line);)
		if (line.len > 0 || rest.len > 0)
			printf("%s%.*s\n", mark, STR_ARG(line));
}

static size_t line_end(struct str text, size_t at)
{
	const char *end = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;

	return end != NULL ? (size_t)(end - text.ptr) + 1 : text.len;
}

/* What lies between the lines that both begin with and the lines that both end with. */
static void print_change(struct str a, struct str b)
{
	size_t from = 0, tail = 0, number = 1;

	for (size_t end; from < MIN(a.len, b.len); from = end, number++) {
		end = line_end(a, from);
		if (end != line_end(b, from) || memcmp(a.ptr + from, b.ptr + from, end - from) != 0)
			break;
	}
	while (tail < MIN(a.len, b.len) - from && a.ptr[a.len - 1 - tail] == b.ptr[b.len - 1 - tail])
		tail++;
	while (tail > 0 && !(a.len - tail == from || a.ptr[a.len - tail - 1] == '\n'))
		tail--;
	printf("@@ line %zu @@\n", number);
	print_lines("-", (struct str){ a.ptr + from, a.len - tail - from });
	print_lines("+", (struct str){ b.ptr + from, b.len - tail - from });
}

static void print_diff(const json_t *row)
{
	const char *state = json_get_text(row, "state", "");
	const char *before = json_get_text(row, "before", NULL), *now = json_get_text(row, "now", NULL);
	bool shown = (strcmp(state, "new") == 0 || before != NULL) && (strcmp(state, "gone") == 0 || now != NULL);

	if (strcmp(state, "unchanged") == 0)
		return;
	AUTO(buf_done) struct buf name = BUF_INIT(KIB(64));
	sanitize_text(str_of(json_get_text(row, "file", "")), &name);
	printf("%s: %s%s\n", buf_text(&name), state, shown ? "" : " (no text, or too long to show)");
	if (shown)
		print_change(str_of(before), str_of(now));
}

static const char *state_word(enum trust state)
{
	return state == TRUST_OK ? "trusted" : state == TRUST_CHANGED ? "changed since it was trusted" : "not trusted";
}

static int show(const struct options *o, const char *data, const char *dir)
{
	AUTO(freep) char *real = realpath(dir, NULL);
	AUTO(json_decrefp) json_t *rows = NULL;
	struct err err = ERR_NONE;
	size_t i;
	json_t *row;

	if (real == NULL)
		return complain(EXIT_USAGE, "trust: '%s': %s; give a directory that is there", dir, strerror(errno));
	enum trust state = trust_state(data, real);
	if (trust_compare(data, real, &rows, &err) < 0)
		return complain(EXIT_CONFIG, "trust: %s", err.text);
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_object();
		json_put_text(all, "directory", real);
		json_put_text(all, "state", state == TRUST_OK ? "trusted" : state == TRUST_CHANGED ? "changed" : "none");
		json_put(all, "files", json_incref(rows));
		AUTO(freep) char *text = json_text(all);
		puts(text);
	} else {
		if (!option_given(o, "--diff"))
			printf("%s: %s\n", real, state_word(state));
		json_array_foreach(rows, i, row) {
			if (option_given(o, "--diff")) {
				print_diff(row);
				continue;
			}
			AUTO(buf_done) struct buf name = BUF_INIT(KIB(64));
			sanitize_text(str_of(json_get_text(row, "file", "")), &name);
			printf("  %-10s %.12s  %s\n", json_get_text(row, "state", ""), json_get_text(row, "sha256", ""), buf_text(&name));
		}
	}
	if (fflush(stdout) != 0)
		return EXIT_FAILED;
	return state == TRUST_OK ? EXIT_DONE : EXIT_FAILED;
}

/* The record has it before it takes effect. What is not there is for trust_add and trust_remove to refuse. */
static int record(const struct options *o, const char *data, const char *dir, bool remove, struct err *err)
{
	AUTO(store_closep) struct store *store = NULL;
	AUTO(freep) char *real = realpath(dir, NULL);
	char user[USER_LEN + 1], hex[SHA256_HEX_LEN + 1] = "";
	struct event e = { .type = remove ? EVENT_TRUST_TAKEN : EVENT_TRUST_GIVEN, .time_us = clock_wall_us(), .attempt = 1 };
	int64_t seq;

	if (real == NULL || (!remove && trust_bind(data, real, hex, NULL) < 0))
		return 0;
	int r = cli_user(o, user, err);
	if (r == 0)
		r = cli_open_store(o, STORE_CREATE, &store, err);
	if (r < 0)
		return r;
	e.data = json_pack("{s:s, s:s}", "directory", real, "by", user);
	if (!remove)
		json_put_text(e.data, "digest", hex);
	memcpy(e.user, user, sizeof e.user);
	const struct store_batch batch = { .root = "", .task = "", .events = &e, .count = 1, .checkpoint = true };
	return store_append_wait(store, &batch, &seq, err);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *data = NULL;
	const char *const *words;
	struct err err;

	if (options_parse(&cmd_trust, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (count > 1 || (count == 1 && option_given(o, "--list")))
		return complain(EXIT_USAGE, "trust: '%s' is one word too many; right would be `mishri trust [DIR]` or `mishri trust --list`",
		                words[count - 1]);
	static const char *const ways[] = { "--list", "--remove", "--show", "--diff" };
	const char *way = NULL;
	for (size_t i = 0; i < COUNT(ways); i++) {
		if (!option_given(o, ways[i]))
			continue;
		if (way != NULL)
			return complain(EXIT_USAGE, "trust: %s and %s do not go together", way, ways[i]);
		way = ways[i];
	}
	if (cli_data_dir(o, &data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (option_given(o, "--list"))
		return list(o, data);
	const char *dir = count == 1 ? words[0] : ".";
	if (option_given(o, "--show") || option_given(o, "--diff"))
		return show(o, data, dir);
	int r = record(o, data, dir, option_given(o, "--remove"), &err);
	if (r == 0)
		r = option_given(o, "--remove") ? trust_remove(data, dir, &err) : trust_add(data, dir, &err);
	if (r < 0)
		return complain(r == -ENOENT || r == -ENOTDIR || r == -EINVAL ? EXIT_USAGE : EXIT_CONFIG, "trust: %s", err.text);
	return EXIT_DONE;
}

const struct command cmd_trust = {
	.name = "trust", .args = "[DIR]", .about = "let a project bring its own configuration, policy, AGENTS.md and skills",
	.options = options, .option_count = COUNT(options), .run = run,
	.examples = "  mishri trust ~/project\n  mishri trust --list\n"
	            "  mishri trust --diff ~/project\n  mishri trust --remove ~/project\n",
};
