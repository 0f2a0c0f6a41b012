/* ignore.c - which files a search passes over, as git would mostly have it. It refuses what git adds from
 * elsewhere: .git/info/exclude and a person's own list are not read. */
#include "tools/ignore.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "tools/inside.h"
#include "base/banned.h"

/* One "[...]" at the front of *pattern against one byte; takes it off. An unfinished one is a plain '['. */
static bool match_class(struct str *pattern, char c, bool *ret_finished)
{
	struct str p = str_skip(*pattern, 1);
	bool negated = p.len > 0 && (p.ptr[0] == '!' || p.ptr[0] == '^'), found = false;
	unsigned char byte = (unsigned char)c;

	p = str_skip(p, negated);
	for (bool first = true; p.len > 0 && (first || p.ptr[0] != ']'); first = false) {
		p = str_skip(p, p.ptr[0] == '\\' && p.len > 1);
		unsigned char low = (unsigned char)p.ptr[0], high = low;
		p = str_skip(p, 1);
		if (p.len > 1 && p.ptr[0] == '-' && p.ptr[1] != ']') {
			high = (unsigned char)p.ptr[1];
			p = str_skip(p, 2);
		}
		found = found || (byte >= low && byte <= high);
	}
	*ret_finished = p.len > 0;
	if (p.len > 0)
		*pattern = str_skip(p, 1);
	return found != negated;
}

/* One item of the pattern that is no '*' against the front of the name; takes both off. */
static bool match_one(struct str *pattern, struct str *name)
{
	bool finished = false;

	if (name->len == 0)
		return false;
	if (pattern->ptr[0] == '?') {
		size_t n = utf8_length((const unsigned char *)name->ptr, name->len);
		*pattern = str_skip(*pattern, 1);
		*name = str_skip(*name, MAX(n, (size_t)1));
		return true;
	}
	if (pattern->ptr[0] == '[') {
		bool found = match_class(pattern, name->ptr[0], &finished);
		if (finished) {
			*name = str_skip(*name, 1);
			return found;
		}
	}
	*pattern = str_skip(*pattern, pattern->ptr[0] == '\\' && pattern->len > 1);
	if (pattern->ptr[0] != name->ptr[0])
		return false;
	*pattern = str_skip(*pattern, 1);
	*name = str_skip(*name, 1);
	return true;
}

/* Only the last '*' is ever gone back to: an earlier one could not find more. */
static bool match_name(struct str pattern, struct str name)
{
	struct str star = { NULL, 0 }, from = name;

	for (;;) {
		if (pattern.len > 0 && pattern.ptr[0] == '*') {
			pattern = str_skip(pattern, 1);
			star = pattern;
			from = name;
		} else if (pattern.len == 0 && name.len == 0) {
			return true;
		} else if (pattern.len > 0 && match_one(&pattern, &name)) {
			continue;
		} else if (star.ptr != NULL && from.len > 0) {
			from = str_skip(from, 1);
			name = from;
			pattern = star;
		} else {
			return false;
		}
	}
}

static struct str first_name(struct str path)
{
	const char *slash = path.len > 0 ? memchr(path.ptr, '/', path.len) : NULL;

	return (struct str){ path.ptr, slash != NULL ? (size_t)(slash - path.ptr) : path.len };
}

static struct str after_name(struct str path, struct str name)
{
	return str_skip(path, name.len + 1);
}

bool ignore_glob(const char *pattern_text, const char *path_text)
{
	struct str pattern = str_of(pattern_text), path = str_of(path_text), from = path;
	struct str deep = { NULL, 0 }; /* what follows the last "**" */

	for (;;) {
		struct str p = first_name(pattern), n = first_name(path);
		if (str_eq(p, STR("**"))) {
			pattern = after_name(pattern, p);
			if (pattern.len == 0)
				return path.len > 0;
			deep = pattern;
			from = path;
		} else if (pattern.len == 0 && path.len == 0) {
			return true;
		} else if (pattern.len > 0 && path.len > 0 && match_name(p, n)) {
			pattern = after_name(pattern, p);
			path = after_name(path, n);
		} else if (deep.ptr != NULL && from.len > 0) {
			from = after_name(from, first_name(from));
			path = from;
			pattern = deep;
		} else {
			return false;
		}
	}
}

struct ignore_rule {
	char *pattern;
	size_t base; /* length of the directory that it speaks about, with '/' */
	bool keeps, only_dirs, anywhere;
};

static void drop_rules(struct ignore *ignore, size_t keep)
{
	while (ignore->count > keep)
		free(ignore->rules[--ignore->count].pattern);
}

void ignore_done(struct ignore *ignore)
{
	drop_rules(ignore, 0);
	free(ignore->rules);
	*ignore = (struct ignore){ 0 };
}

void ignore_pop(struct ignore *ignore, size_t mark)
{
	drop_rules(ignore, mark);
}

static void add_rule(struct ignore *ignore, struct str line, size_t base)
{
	struct ignore_rule rule = { .base = base };

	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	while (line.len > 0 && line.ptr[line.len - 1] == ' ' && !(line.len > 1 && line.ptr[line.len - 2] == '\\'))
		line.len--;
	if (line.len == 0 || line.ptr[0] == '#' || ignore->count >= LIMIT_IGNORE_RULES)
		return;
	rule.keeps = line.ptr[0] == '!';
	line = str_skip(line, rule.keeps);
	rule.only_dirs = line.len > 0 && line.ptr[line.len - 1] == '/';
	line.len -= rule.only_dirs;
	rule.anywhere = line.len > 0 && memchr(line.ptr, '/', line.len) == NULL;
	line = str_skip(line, line.len > 0 && line.ptr[0] == '/');
	if (line.len == 0)
		return;
	if (ignore->count == ignore->room) {
		ignore->room = ignore->room * 2 + 16;
		ignore->rules = xrealloc(ignore->rules, ignore->room * sizeof *ignore->rules);
	}
	rule.pattern = xstrndup(line.ptr, line.len);
	ignore->rules[ignore->count++] = rule;
}

size_t ignore_push(struct ignore *ignore, int dir, const char *relative)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_IGNORE_FILE_BYTES);
	AUTO(fd_closep) int fd = open_below(dir, ".gitignore", O_RDONLY | O_NONBLOCK);
	size_t mark = ignore->count;
	struct stat st;
	struct str line;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || io_read_fd(fd, &text, NULL) < 0)
		return mark;
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);)
		add_rule(ignore, line, strlen(relative));
	return mark;
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = ignore->count; i > 0; i--) {
		const struct ignore_rule *rule = &ignore->rules[i - 1];
		if (rule->only_dirs && !is_dir)
			continue;
		if (ignore_glob(rule->pattern, rule->anywhere ? (slash != NULL ? slash + 1 : path) : path + rule->base))
			return !rule->keeps;
	}
	return false;
}
