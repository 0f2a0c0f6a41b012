/* man.c - manual pages in mdoc(7) from the tables of commands, options and configuration keys. It says nothing that
 * `--help` and `mishri config` do not know: where a page is wrong, a row is. */
#include "cli/man.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cli/command.h"
#include "engine/config.h"

#include "base/banned.h"

enum { PAGE_MOST = MIB(1), FAMILY_MOST = 64, LINE_COLUMNS = 72 };

static const struct { int code; const char *about; } exits[] = {
	{ EXIT_DONE, "done" },
	{ EXIT_FAILED, "the task failed, or the command did" },
	{ EXIT_USAGE, "usage: a wrong option, word or directory" },
	{ EXIT_CONFIG, "the configuration or a policy is invalid" },
	{ EXIT_AUTH, "no key for the model, or it was refused" },
	{ EXIT_PROVIDER, "the model's provider cannot be reached, or its quota is used up" },
	{ EXIT_DENIED, "the run itself was denied" },
	{ EXIT_BUDGET, "the budget is used up" },
	{ EXIT_LIMIT, "the limit of turns or of time" },
	{ EXIT_NOBODY, "it ended with a question that nobody was there to answer" },
	{ EXIT_LOOP, "a loop or a deadlock stopped it" },
	{ EXIT_SIGHUP, "interrupted by SIGHUP, after an orderly stop" },
	{ EXIT_SIGINT, "interrupted by SIGINT, after an orderly stop" },
	{ EXIT_SIGTERM, "interrupted by SIGTERM, after an orderly stop" },
};

static const struct { const char *name, *about; } variables[] = {
	{ "MISHRI_DATA", "the directory of the history, as --data" },
	{ "MISHRI_KEY", "any key of the configuration: MISHRI_MAX_TURNS=20; see mishri-config(5)" },
	{ "OPENAI_API_KEY", "the key for openai/ models; OPENAI_API_KEY_FILE and OPENAI_API_KEY_COMMAND say where it is instead" },
	{ "OPENAI_BASE_URL", "another server that speaks chat completions" },
	{ "ANTHROPIC_API_KEY", "the key for anthropic/ models" },
	{ "OPENROUTER_API_KEY", "the key for openrouter/ models" },
	{ "NO_COLOR", "no colour" },
};

static const struct { const char *path, *about; } files[] = {
	{ "/etc/mishri/config.yaml", "the administrator's configuration; may lock keys" },
	{ "/etc/mishri/policy.d", "the administrator's policies" },
	{ "~/.config/mishri/config.yaml", "the user's configuration" },
	{ "~/.config/mishri/policy.yaml", "the user's policy" },
	{ ".mishri/", "a project's own configuration and policy, where the directory is trusted" },
	{ "~/.local/state/mishri/mishri.db", "the history" },
};

/* ---- mdoc ---- */

/* Text as it stands: nothing in it is a request or an escape. */
static void text(struct buf *page, const char *s)
{
	static const struct { char c; const char *as; } special[] = {
		{ '\\', "\\e" }, { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" }, { '-', "\\-" },
	};

	for (bool begins = true; *s != '\0'; begins = *s++ == '\n') {
		const char *as = NULL;
		for (size_t i = 0; i < COUNT(special) && as == NULL; i++)
			as = special[i].c == *s ? special[i].as : NULL;
		if (begins && (*s == '.' || *s == '\''))
			buf_add_text(page, "\\&");
		if (as != NULL && (*s != '-' || s[1] == '-' || (!begins && s[-1] == '-')))
			buf_add_text(page, as);
		else
			buf_add_char(page, *s);
	}
}

/* A paragraph, with `end` behind it, in lines that a person can read. */
static void prose(struct buf *page, const char *s, const char *end)
{
	struct str rest = str_of(s), one;
	size_t at = 0;

	while (str_next(&rest, ' ', &one)) {
		AUTO(freep) char *whole = xasprintf("%.*s%s", STR_ARG(one), rest.len == 0 ? end : "");
		buf_add_text(page, at == 0 ? "" : at + strlen(whole) > LINE_COLUMNS ? "\n" : " ");
		at = at == 0 || at + strlen(whole) > LINE_COLUMNS ? 0 : at + 1;
		size_t start = page->len;
		text(page, whole);
		at += page->len - start;
	}
	buf_add_char(page, '\n');
}

/* An argument of a macro: one word, that is no macro itself. */
static void word(struct buf *page, const char *s)
{
	buf_add_text(page, " \"\\&");
	for (; *s != '\0'; s++) {
		if (*s == '"')
			buf_add_text(page, "\\(dq");
		else if (*s == '\\')
			buf_add_text(page, "\\e");
		else if (*s == '~')
			buf_add_text(page, "\\(ti");
		else
			buf_add_char(page, *s);
	}
	buf_add_char(page, '"');
}

static void page_begin(struct buf *page, const char *title, int section)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t given;
	char date[32];
	struct tm tm;
	time_t at = (time_t)(clock_wall_us() / 1000000);

	if (epoch != NULL && str_to_u64(str_of(epoch), &given) == 0)
		at = (time_t)given;
	gmtime_r(&at, &tm);
	strftime(date, sizeof date, "%B", &tm);
	buf_printf(page, ".\\\" Made by mishri help --man.\n.Dd %s %d, %d\n.Dt %s %d\n.Os\n.Sh NAME\n", date, tm.tm_mday,
	           tm.tm_year + 1900, title, section);
}

/* "policy check" -> "mishri-policy-check" */
static char *page_name(const struct command *c)
{
	char *name = xasprintf("mishri-%s", c->name);

	for (char *p = name; *p != '\0'; p++)
		if (*p == ' ')
			*p = '-';
	return name;
}

static void exit_rows(struct buf *page)
{
	buf_add_text(page, ".Sh EXIT STATUS\n.Bl -tag -width 4n -compact\n");
	for (size_t i = 0; i < COUNT(exits); i++) {
		buf_printf(page, ".It %d\n", exits[i].code);
		prose(page, exits[i].about, "");
	}
	buf_add_text(page, ".El\n");
}

static void option(struct buf *page, const struct option_row *o)
{
	buf_add_text(page, ".It");
	if (o->short_name != 0)
		buf_printf(page, " Fl %c ,", o->short_name);
	buf_printf(page, " Fl \\&%s", o->name + 1);
	if (o->value != NULL) {
		buf_add_text(page, " Ar");
		word(page, o->value);
	}
	buf_add_char(page, '\n');
	prose(page, o->help, "");
}

/* ---- the pages ---- */

/* .Nm mishri run, .Op Ar GOAL: the words of `args` in brackets are optional ones. */
static void synopsis(struct buf *page, const struct command *c)
{
	struct str rest = str_of(c->args), one;

	buf_printf(page, ".Sh SYNOPSIS\n.Nm mishri %s\n", c->name);
	if (command_option(c, 0) != NULL)
		buf_add_text(page, ".Op Ar options\n");
	while (str_next(&rest, ' ', &one)) {
		if (one.len == 0)
			continue;
		bool optional = one.ptr[0] == '[' && one.ptr[one.len - 1] == ']';
		AUTO(freep) char *arg = xstrndup(one.ptr + optional, one.len - (optional ? 2 : 0));
		buf_add_text(page, str_eq(one, STR("--")) ? ".Fl \\&-" : optional ? ".Op Ar" : ".Ar");
		if (!str_eq(one, STR("--")))
			word(page, arg);
		buf_add_char(page, '\n');
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The others of its family, in the order of the alphabet, as mdoc wants them. */
static void see_also(struct buf *page, const struct command *c)
{
	size_t family = strcspn(c->name, " "), count = 0;
	const struct command *other;
	char *names[FAMILY_MOST] = { 0 };

	buf_add_text(page, ".Sh SEE ALSO\n.Xr mishri 1");
	for (size_t i = 0; (other = command_at(i)) != NULL && count < FAMILY_MOST; i++)
		if (c->name[family] != '\0' && other != c && strncmp(other->name, c->name, family + 1) == 0)
			names[count++] = page_name(other);
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count; i++) {
		buf_printf(page, " ,\n.Xr %s 1", names[i]);
		free(names[i]);
	}
	buf_add_text(page, strncmp(c->name, "policy ", 7) == 0 ? " ,\n.Xr mishri-policy 5\n" : "\n");
}

static void command_page(const struct command *c, struct buf *page)
{
	const struct option_row *o;
	AUTO(freep) char *name = page_name(c), *title = xstrdup(name);

	for (char *p = title; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	page_begin(page, title, 1);
	buf_printf(page, ".Nm %s\n.Nd ", name);
	prose(page, c->about, "");
	synopsis(page, c);
	buf_add_text(page, ".Sh DESCRIPTION\n");
	AUTO(freep) char *about = xasprintf("%c%s", c->about[0] >= 'a' && c->about[0] <= 'z' ? c->about[0] - 'a' + 'A'
	                                                                                     : c->about[0], c->about + 1);
	prose(page, about, ".");
	buf_add_text(page, ".Pp\nThe options are:\n.Bl -tag -width Ds\n");
	for (size_t i = 0; (o = command_option(c, i)) != NULL; i++)
		option(page, o);
	buf_add_text(page, ".El\n.Sh EXIT STATUS\nThe codes are those of\n.Xr mishri 1 .\n");
	if (c->examples != NULL) {
		buf_add_text(page, ".Sh EXAMPLES\n.Bd -literal -compact\n");
		text(page, c->examples);
		buf_add_text(page, ".Ed\n");
	}
	see_also(page, c);
}

static void main_page(struct buf *page)
{
	const struct command_row *r;
	bool open = false;

	page_begin(page, "MISHRI", 1);
	buf_add_text(page, ".Nm mishri\n.Nd a governed runtime for AI agents: what they may do, did, and cost\n"
	             ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar words\n.Sh DESCRIPTION\n"
	             "Mishri runs AI agents that are allowed to act.\nEvery tool runs in a cell that the kernel keeps;\n"
	             "a policy decides on each tool call, on each connection,\n"
	             "and on each program before its first instruction;\n"
	             "each step is on the disk before it happens, in a record that can be checked.\n.Pp\nBegin with\n"
	             ".Ic mishri demo ,\nwhich needs no key, or with\n.Ic mishri init .\n");
	for (size_t i = 0; (r = command_row_at(i)) != NULL; i++) {
		if (r->group != NULL) {
			buf_add_text(page, open ? ".El\n" : "");
			buf_printf(page, ".Ss %s\n.Bl -tag -width Ds -compact\n", r->group);
			open = true;
		}
		if (r->command == NULL)
			continue;
		AUTO(freep) char *name = page_name(r->command);
		buf_printf(page, ".It Xr %s 1\n", name);
		prose(page, r->command->about, "");
	}
	buf_add_text(page, ".El\n.Sh ENVIRONMENT\n.Bl -tag -width Ds -compact\n");
	for (size_t i = 0; i < COUNT(variables); i++) {
		buf_printf(page, ".It Ev %s\n", variables[i].name);
		prose(page, variables[i].about, "");
	}
	buf_add_text(page, ".El\n.Sh FILES\n.Bl -tag -width Ds -compact\n");
	for (size_t i = 0; i < COUNT(files); i++) {
		buf_add_text(page, ".It Pa");
		word(page, files[i].path);
		buf_add_char(page, '\n');
		prose(page, files[i].about, "");
	}
	buf_add_text(page, ".El\n");
	exit_rows(page);
	buf_add_text(page, ".Sh EXAMPLES\n.Bd -literal -compact\n"
	             "mishri demo\nmishri init\nmishri run \"make the tests pass\"\nmishri show last\nmishri audit verify\n"
	             ".Ed\n.Sh SEE ALSO\n.Xr mishri-config 5 ,\n.Xr mishri-policy 5\n");
}

static const char *type_text(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_TEXT: return "text";
	case CONFIG_MODEL: return "PROVIDER/MODEL";
	case CONFIG_MODELS: return "PROVIDER/MODEL, ...";
	case CONFIG_CHOICE: return key->choices;
	case CONFIG_INT: return "a whole number";
	case CONFIG_DURATION: return "a time, such as 90s, 10m or 2h";
	case CONFIG_BYTES: return "a size, such as 64k, 16M or 4G";
	case CONFIG_MONEY: return "US dollars";
	}
	return "text";
}

static void config_page(struct buf *page)
{
	const struct config_key *key;

	page_begin(page, "MISHRI-CONFIG", 5);
	buf_add_text(page, ".Nm mishri-config\n.Nd settings of mishri\n.Sh DESCRIPTION\n"
	             "A setting has its value from the strongest of these, weakest first:\nwhat is built in,\n"
	             ".Pa /etc/mishri/config.yaml ,\n.Pa \\(ti/.config/mishri/config.yaml ,\n.Pa .mishri/config.yaml\n"
	             "of a trusted project, the environment\n.Pq Ev MISHRI_MAX_TURNS Ns =20 ,\nflags\n.Pq Fl c Ar KEY Ns = Ns Ar VALUE .\n"
	             "The administrator's file may say\n.Ql locked: [KEY, ...] ;\nnothing changes such a key.\n"
	             "What is wrong in any file is an error that says what would be right.\n.Pp\n.Ic mishri config\n"
	             "shows every value, and where it comes from.\n.Pp\nFiles are YAML: a key with a dot is a map in a map.\n"
	             ".Bd -literal -offset indent\nmodel: openai/gpt-5\nlimits:\n  memory: 4G\n.Ed\n.Sh KEYS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
		buf_add_text(page, ".It Cm");
		word(page, key->name);
		buf_add_char(page, '\n');
		prose(page, key->about, ".");
		AUTO(freep) char *value = xasprintf("Value: %s%s%s", type_text(key), key->otherwise != NULL ? "; " : "",
		                                    key->otherwise != NULL ? key->otherwise : "");
		buf_add_text(page, ".br\n");
		prose(page, value, key->otherwise != NULL ? " where nothing is said." : ".");
		if (key->project)
			buf_add_text(page, "A trusted project may set it.\n");
	}
	buf_add_text(page, ".El\n.Pp\nThe sections\n.Cm agents ,\n.Cm prices ,\n.Cm secrets\nand\n.Cm trust\n"
	             "are explained in\n.Pa configuration.md\nof the documents.\n.Sh SEE ALSO\n.Xr mishri 1 ,\n.Xr mishri-policy 5\n");
}

/* ---- writing ---- */

static int page_write(const char *dir, const char *name, int section, struct buf *page, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s.%d", dir, name, section);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (page->full)
		return err_set(err, ENOBUFS, "%s: the page is longer than %d bytes", name, PAGE_MOST);
	if (fd < 0)
		return err_sys(err, "%s cannot be written", path);
	int r = io_write_all(fd, buf_text(page), page->len);
	buf_reset(page);
	return r < 0 ? err_set(err, -r, "%s cannot be written: %s", path, strerror(-r)) : 0;
}

int man_write(const char *dir, struct err *err)
{
	AUTO(buf_done) struct buf page = BUF_INIT(PAGE_MOST);
	const struct command *c;

	if (io_mkdirs(dir, err) < 0)
		return -EIO;
	main_page(&page);
	if (page_write(dir, "mishri", 1, &page, err) < 0)
		return -EIO;
	for (size_t i = 0; (c = command_at(i)) != NULL; i++) {
		AUTO(freep) char *name = page_name(c);
		command_page(c, &page);
		if (page_write(dir, name, 1, &page, err) < 0)
			return -EIO;
	}
	config_page(&page);
	return page_write(dir, "mishri-config", 5, &page, err);
}
