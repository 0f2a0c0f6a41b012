/* options.c - reads options from rows. What an option means is its command's business. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/buf.h"
#include "base/str.h"
#include "tools/tool.h"

#include "base/banned.h"

static const struct option_row global_rows[] = {
	{ "--data", 0, "DIR", "keep everything under DIR (or MISHRI_DATA)", false },
	{ "--no-user-config", 0, NULL, "read no configuration and policy but flags and DIR", false },
	{ "--json", 0, NULL, "print JSON", false },
	{ "--no-color", 0, NULL, "no colour, as with NO_COLOR", false },
	{ "--help", 'h', NULL, "show this help", false },
};

enum { GIVEN_MOST = 256, COMPLAINT_BEGIN = 2048, COMPLAINT_END = 1024 };

struct options {
	struct {
		const struct option_row *row;
		const char *value;
	} given[GIVEN_MOST];
	size_t given_count;
	const char **positionals;
	size_t positional_count;
};

/* What was typed is in it, however long and whatever it is; the end says what would be right. */
int complain(int code, const char *format, ...)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(16));
	AUTO(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	sanitize_text(len >= 0 ? str_of(text) : str_of(format), &clean);
	const char *said = buf_text(&clean);
	size_t end = clean.len > COMPLAINT_BEGIN + COMPLAINT_END ? clean.len - COMPLAINT_END : clean.len;
	size_t begin = end < clean.len ? COMPLAINT_BEGIN : end;
	while (begin < clean.len && begin > 0 && (said[begin] & 0xc0) == 0x80)
		begin--;                /* not within a character */
	while (end < clean.len && (said[end] & 0xc0) == 0x80)
		end++;
	fprintf(stderr, "mishri: %.*s%s%s\n", (int)begin, said, end < clean.len ? " ... " : "", said + end);
	return code;
}

const struct option_row *command_option(const struct command *c, size_t i)
{
	if (i < c->option_count)
		return &c->options[i];
	i -= c->option_count;
	return i < COUNT(global_rows) ? &global_rows[i] : NULL;
}

static const struct option_row *row_find(const struct command *c, struct str name)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(c, i)) != NULL; i++)
		if (str_eq(str_of(row->name), name))
			return row;
	return NULL;
}

static const struct option_row *row_short(const struct command *c, char name)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(c, i)) != NULL; i++)
		if (row->short_name == name)
			return row;
	return NULL;
}

static int unknown(const struct command *c, const char *written)
{
	const char *names[GIVEN_MOST];
	size_t count = 0;
	const struct option_row *row;
	AUTO(freep) char *word = xstrndup(written, strcspn(written, "="));

	for (size_t i = 0; (row = command_option(c, i)) != NULL && count < COUNT(names); i++)
		names[count++] = row->name;
	const char *near = name_nearest(names, count, word);
	if (near != NULL)
		return complain(-EINVAL, "%s: unknown option '%s': did you mean '%s'?", c->name, word, near);
	return complain(-EINVAL, "%s: unknown option '%s'; see `mishri %s --help`", c->name, word, c->name);
}

static int give(const struct command *c, struct options *o, const struct option_row *row, const char *value)
{
	size_t before = 0;

	for (size_t i = 0; i < o->given_count; i++)
		before += o->given[i].row == row;
	if (before > 0 && !row->repeat && row->value != NULL)
		return complain(-EINVAL, "%s: %s is given twice; once would be right", c->name, row->name);
	if (before == REPEAT_MOST)
		return complain(-EINVAL, "%s: %s is given more than %d times", c->name, row->name, REPEAT_MOST);
	if (o->given_count == GIVEN_MOST)
		return complain(-EINVAL, "%s: more than %d options", c->name, GIVEN_MOST);
	o->given[o->given_count].row = row;
	o->given[o->given_count++].value = value;
	return 0;
}

/* One option word; *i moves on when its value is the next word. */
static int parse_one(const struct command *c, struct options *o, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *value = NULL;
	const struct option_row *row;

	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		struct str name = { word, equals != NULL ? (size_t)(equals - word) : strlen(word) };
		row = row_find(c, name);
		value = equals != NULL ? equals + 1 : NULL;
	} else {
		row = row_short(c, word[1]);
		value = word[2] != '\0' ? word + 2 : NULL;
	}
	if (row == NULL)
		return unknown(c, word);
	if (row->value == NULL && value != NULL)
		return complain(-EINVAL, "%s: %s takes no value", c->name, row->name);
	if (row->value != NULL && value == NULL) {
		if (*i + 1 >= argc)
			return complain(-EINVAL, "%s: %s wants a value: %s %s", c->name, row->name, row->name, row->value);
		value = argv[++*i];
	}
	return give(c, o, row, value);
}

int options_parse(const struct command *c, int argc, char **argv, struct options **ret)
{
	AUTO(options_freep) struct options *o = xcalloc(1, sizeof *o);
	bool only_words = false;

	o->positionals = xcalloc((size_t)argc + 1, sizeof *o->positionals);
	for (int i = 0; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (parse_one(c, o, argc, argv, &i) < 0)
				return -EINVAL;
		} else {
			o->positionals[o->positional_count++] = argv[i];
			only_words |= (c->flags & COMMAND_STOPS) != 0;
		}
	}
	if (o->positional_count > 0 && c->args[0] == '\0')
		return complain(-EINVAL, "%s: '%s' is one word too many; see `mishri %s --help`", c->name, o->positionals[0], c->name);
	*ret = TAKE(o);
	return 0;
}

void options_freep(struct options **o)
{
	if (*o == NULL)
		return;
	free(*o != NULL ? (void *)(*o)->positionals : NULL);
	free(*o);
}

const char *option_text(const struct options *o, const char *name, const char *otherwise)
{
	for (size_t i = o->given_count; i-- > 0;)
		if (strcmp(o->given[i].row->name, name) == 0)
			return o->given[i].value;
	return otherwise;
}

bool option_given(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->given_count; i++)
		if (strcmp(o->given[i].row->name, name) == 0)
			return true;
	return false;
}

size_t option_all(const struct options *o, const char *name, const char **ret, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < o->given_count && count < max; i++)
		if (strcmp(o->given[i].row->name, name) == 0)
			ret[count++] = o->given[i].value;
	return count;
}

size_t option_positionals(const struct options *o, const char *const **ret)
{
	*ret = (const char *const *)o->positionals;
	return o->positional_count;
}

int option_duration_ms(const struct options *o, const char *name, int64_t otherwise, int64_t *ret)
{
	const char *text = option_text(o, name, NULL);
	int64_t ms = otherwise;

	if (text != NULL && (str_to_duration_ms(str_of(text), &ms) < 0 || ms <= 0))
		return complain(-EINVAL, "%s: '%s' is no duration; right would be 90s, 10m or 2h", name, text);
	*ret = ms;
	return 0;
}

int option_count(const struct options *o, const char *name, int64_t otherwise, int64_t *ret)
{
	const char *text = option_text(o, name, NULL);
	uint64_t count = (uint64_t)otherwise;

	if (text != NULL && (str_to_u64(str_of(text), &count) < 0 || count == 0 || count > INT32_MAX))
		return complain(-EINVAL, "%s: '%s' is no count; right would be a whole number from 1", name, text);
	*ret = (int64_t)count;
	return 0;
}

/* The whole text is a date that there is. */
static bool read_date(const char *text, int64_t *ret_us)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		int day = tm.tm_mday;
		time_t seconds = mktime(&tm);
		if (seconds < 0 || tm.tm_mday != day)   /* 30 February would be 2 March */
			return false;
		*ret_us = (int64_t)seconds * 1000000;
		return true;
	}
	return false;
}

int option_since_us(const struct options *o, const char *name, int64_t *ret)
{
	const char *text = option_text(o, name, NULL);
	int64_t ms, us = 0;

	if (text != NULL && str_to_duration_ms(str_of(text), &ms) == 0 && ms > 0 && ms < clock_wall_us() / 1000)
		us = clock_wall_us() - ms * 1000;
	else if (text != NULL && !read_date(text, &us))
		return complain(-EINVAL, "%s: '%s' is neither a time span nor a date; right would be 90m, 7d, 2026-11-22 or "
		                "2026-11-22T15:04", name, text);
	*ret = us;
	return 0;
}

int until_parse(const char *text, int64_t *ret)
{
	int64_t ms;

	if (str_to_duration_ms(str_of(text), &ms) == 0 && ms > 0 && ms <= LIMIT_APPROVAL_MOST_MS)
		*ret = clock_wall_us() + ms * 1000;
	else if (!read_date(text, ret))
		return -EINVAL;
	return 0;
}
