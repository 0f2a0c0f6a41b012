/* search.c - the tool `search`: lines of files that match a regular expression. It refuses to follow links,
 * to go into .git or what .gitignore names, to read what is no text, and patterns that take too long. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/inside.h"
#include "tools/rows.h"

#include <fcntl.h>
#include <pcre2.h>

#include "base/io.h"
#include "tools/ignore.h"
#include "base/banned.h"

static pcre2_code *compile(struct str pattern, struct err *err)
{
	int code;
	PCRE2_SIZE offset;
	PCRE2_UCHAR why[128];

	if (pattern.len > LIMIT_REGEX_BYTES) {
		err_set(err, EINVAL, "/pattern: has %zu bytes: at most %zu", pattern.len, LIMIT_REGEX_BYTES);
		return NULL;
	}
	pcre2_code *re =
		pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
	                      PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
	if (re == NULL) {
		pcre2_get_error_message(code, why, sizeof why);
		err_set(err, EINVAL,
		        "/pattern: is no regular expression at offset %zu: %s; a backslash takes the special meaning "
		        "from a character, as in \\( and \\.",
		        (size_t)offset, (const char *)why);
	}
	return re;
}

static int search_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	(void)workspace;
	int r = place_lint(args, "path", err);
	if (r < 0)
		return r;
	pcre2_code *re = compile(arg_str(args, "pattern"), err);
	if (re == NULL)
		return -EINVAL;
	pcre2_code_free(re);
	return plan_builtin(&tool_search, ret);
}

struct search {
	pcre2_code *re;
	pcre2_match_data *found;
	pcre2_match_context *limits;
	const char *glob; /* NULL: all files */
	struct ignore ignore;
	struct buf text, file;
	size_t matches, matched_files, files, large, closed;
	bool full;      /* there may be more than what is shown */
	struct err err; /* set: the search is over */
};

static bool is_over(const struct search *s)
{
	return s->full || s->err.code != 0;
}

/* A long line is cut to what is around the match. */
static void show_match(struct search *s, const char *path, size_t number, struct str line, size_t at)
{
	AUTO(buf_done) struct buf shown = BUF_INIT(MIB(1));
	size_t from = line.len <= LIMIT_SEARCH_LINE_BYTES || at < LIMIT_SEARCH_LINE_BYTES / 2
	                      ? 0
	                      : at - LIMIT_SEARCH_LINE_BYTES / 4;
	size_t to = MIN(line.len, from + LIMIT_SEARCH_LINE_BYTES);

	while (from > 0 && ((unsigned char)line.ptr[from] & 0xc0) == 0x80)
		from--;
	while (to < line.len && ((unsigned char)line.ptr[to] & 0xc0) == 0x80)
		to++;
	show_name(path, &shown);
	buf_printf(&shown, ":%zu:%s%.*s%s\n", number, from > 0 ? "..." : "", (int)(to - from), line.ptr + from,
	           to < line.len ? "..." : "");
	if (s->matches >= LIMIT_SEARCH_MATCHES || buf_add_str(&s->text, buf_str(&shown)) < 0)
		s->full = true;
	else
		s->matches++;
}

static void search_text(struct search *s, const char *path)
{
	struct str line;
	size_t number = 1, before = s->matches;

	for (struct str rest = buf_str(&s->file); !is_over(s) && rest.len > 0 && str_next(&rest, '\n', &line);
	     number++) {
		line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
		int r = pcre2_match(s->re, (PCRE2_SPTR)line.ptr, line.len, 0, 0, s->found, s->limits);
		if (r >= 0)
			show_match(s, path, number, line, (size_t)pcre2_get_ovector_pointer(s->found)[0]);
		else if (r != PCRE2_ERROR_NOMATCH)
			err_set(&s->err, EINVAL,
			        "the pattern takes too long at %s, line %zu: make it simpler, without a repeat "
			        "within a repeat",
			        path, number);
	}
	s->matched_files += s->matches > before;
}

static bool wanted(const struct search *s, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (s->glob == NULL)
		return true;
	return ignore_glob(s->glob, strchr(s->glob, '/') != NULL || slash == NULL ? path : slash + 1);
}

static void search_file(struct search *s, int dir, const char *name, const char *path)
{
	AUTO(fd_closep) int fd = open_below(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		s->closed++;
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	buf_reset(&s->file);
	if (st.st_size > (off_t)LIMIT_SEARCH_FILE_BYTES || io_read_fd(fd, &s->file, NULL) < 0) {
		s->large++;
		return;
	}
	if (memchr(buf_text(&s->file), '\0', MIN(s->file.len, (size_t)8192)) != NULL)
		return; /* no text */
	if (++s->files > LIMIT_SEARCH_FILES)
		s->full = true;
	else
		search_text(s, path);
}

static void search_dir(struct search *s, int dir, const char *prefix, int depth)
{
	AUTO(names_done) struct names names = { 0 };

	if (depth > LIMIT_SEARCH_DEPTH || names_read(dir, LIMIT_DIR_ENTRIES, &names) < 0) {
		s->closed++;
		return;
	}
	s->full = s->full || names.more;
	size_t mark = ignore_push(&s->ignore, dir, prefix);
	for (size_t i = 0; i < names.count && !is_over(s); i++) {
		AUTO(freep) char *path = xasprintf("%s%s", prefix, names.list[i]);
		AUTO(freep) char *below = xasprintf("%s/", path);
		struct stat st;
		if (fstatat(dir, names.list[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    ignore_matches(&s->ignore, path, S_ISDIR(st.st_mode)))
			continue;
		if (S_ISREG(st.st_mode) && wanted(s, path))
			search_file(s, dir, names.list[i], path);
		if (!S_ISDIR(st.st_mode) || strcmp(names.list[i], ".git") == 0)
			continue;
		AUTO(fd_closep) int fd = open_below(dir, names.list[i], O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			s->closed++;
		else
			search_dir(s, fd, below, depth + 1);
	}
	ignore_pop(&s->ignore, mark);
}

/* The rules of the directories above the one where the search starts. */
static void push_parents(struct search *s, const struct place *place)
{
	const char *relative = place->relative;

	if (strcmp(relative, ".") == 0)
		return;
	for (const char *end = relative; end != NULL; end = strchr(end, '/')) {
		end += *end == '/';
		AUTO(freep) char *prefix = xstrndup(relative, (size_t)(end - relative));
		AUTO(fd_closep)
		int dir = open_below(place->root, prefix[0] == '\0' ? "." : prefix, O_RDONLY | O_DIRECTORY);
		if (dir >= 0)
			ignore_push(&s->ignore, dir, prefix);
	}
}

static int search_place(struct search *s, const struct place *place, struct err *err)
{
	const char *name;

	if (!S_ISDIR(place->st.st_mode)) {
		AUTO(fd_closep) int parent = place_open_parent(place, false, &name, err);
		if (parent < 0)
			return parent;
		search_file(s, parent, name, place->relative);
		return 0;
	}
	AUTO(fd_closep) int dir = place_open(place, O_RDONLY | O_DIRECTORY, err);
	AUTO(freep) char *prefix = strcmp(place->relative, ".") == 0 ? xstrdup("") : xasprintf("%s/", place->relative);
	if (dir < 0)
		return dir;
	push_parents(s, place);
	search_dir(s, dir, prefix, 1);
	return 0;
}

static int answer_search(const struct search *s)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));

	if (s->err.code != 0)
		return refuse(&s->err);
	buf_printf(&said, "%s%zu matching %s in %zu of %zu %s", s->full ? "the first " : "", s->matches,
	           s->matches == 1 ? "line" : "lines", s->matched_files, s->files, s->files == 1 ? "file" : "files");
	if (s->full)
		buf_add_text(&said, "; there may be more: narrow the pattern, path or glob");
	if (s->large > 0)
		buf_printf(&said, "; %zu of more than %zu MiB not searched", s->large, LIMIT_SEARCH_FILE_BYTES >> 20);
	if (s->closed > 0)
		buf_printf(&said, "; no permission to read %zu", s->closed);
	buf_add_char(&said, '\n');
	buf_add_str(&said, buf_str(&s->text));
	return answer(&said);
}

static int search_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	struct search s = {
		.glob = json_get_text(args, "glob", NULL),
		.text = BUF_INIT(LIMIT_READ_SHOWN_BYTES),
		.file = BUF_INIT(LIMIT_SEARCH_FILE_BYTES),
	};
	struct err err = ERR_NONE;

	if (place_find(workspace, json_get_text(args, "path", "."), &place, &err) < 0)
		return refuse(&err);
	if (!place.exists) {
		(void)place_missing(&place, &err);
		return refuse(&err);
	}
	s.re = compile(arg_str(args, "pattern"), &err);
	if (s.re == NULL)
		return refuse(&err);
	s.found = pcre2_match_data_create_from_pattern(s.re, NULL);
	s.limits = pcre2_match_context_create(NULL);
	if (s.found == NULL || s.limits == NULL)
		abort();
	pcre2_set_match_limit(s.limits, LIMIT_REGEX_STEPS);
	pcre2_set_depth_limit(s.limits, LIMIT_REGEX_STEPS);
	int status = search_place(&s, &place, &err) < 0 ? refuse(&err) : answer_search(&s);
	pcre2_match_context_free(s.limits);
	pcre2_match_data_free(s.found);
	pcre2_code_free(s.re);
	ignore_done(&s.ignore);
	buf_done(&s.text);
	buf_done(&s.file);
	return status;
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"pattern\"],\"additionalProperties\":false,\"properties\":{"
	"\"pattern\":{\"type\":\"string\",\"minLength\":1,"
	"\"description\":\"matched line by line; (?i) at the front ignores case\"},"
	"\"path\":{\"type\":\"string\",\"minLength\":1,\"default\":\".\","
	"\"description\":\"a directory or file to search; the whole workspace where none is given\"},"
	"\"glob\":{\"type\":\"string\",\"minLength\":1,\"description\":\"only these files: *.c by name, "
	"or src/**/*.c by the path below the workspace\"}}}";

const struct tool tool_search = {
	.name = "search",
	.about =
		"Finds lines that match a regular expression (PCRE2) in the files of the workspace, as PATH:LINE:TEXT. "
		"What .gitignore names, .git and files that are no text are passed over.",
	.category = "read",
	.risk = "low",
	.permissions = "fs.read",
	.nature = NATURE_PURE,
	.schema = schema,
	.plan = search_plan,
	.run = search_run,
};
