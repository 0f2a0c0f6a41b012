/* wording.c - what was read right and means nothing: blanks that nobody sees, a line break that a block of YAML brings along, a
 * word that no action ever has. Such a rule would never match, and one that denies would be open in silence. */
#include <string.h>

#include "policy/rules.h"

#include "base/banned.h"

enum blanks {
	BLANKS_FREE,                 /* its value is anything */
	BLANKS_LINES,                /* a word of a command line: what a block of YAML adds at its end was not meant */
	BLANKS_INSIDE,               /* a name that may have blanks in it */
	BLANKS_NEVER,
};

static enum blanks blanks_of(const struct matcher *m, enum subject subject)
{
	switch (subject) {
	case SUBJECT_PROGRAM:
		return strchr(m->text, '/') != NULL ? BLANKS_INSIDE : BLANKS_NEVER;
	case SUBJECT_TOOL: case SUBJECT_HOST: case SUBJECT_SCHEME: case SUBJECT_METHOD: case SUBJECT_SECRET:
	case SUBJECT_PROVIDER: case SUBJECT_TAINT:
		return BLANKS_NEVER;
	case SUBJECT_CWD: case SUBJECT_WORKSPACE: case SUBJECT_DELEGATE_AGENT: case SUBJECT_MODEL: case SUBJECT_USER:
	case SUBJECT_AGENT: case SUBJECT_CATEGORY: case SUBJECT_RISK: case SUBJECT_ROLE: case SUBJECT_CHANNEL: case SUBJECT_GROUP:
		return BLANKS_INSIDE;
	case SUBJECT_ARGV_CONTAINS:
		return BLANKS_LINES;
	case SUBJECT_ARGS: case SUBJECT_ARGV_FLAG: case SUBJECT_ARGV_REGEX: case SUBJECT_ARGV_COUNT:
	case SUBJECT_PORT: case SUBJECT_PRIVATE: case SUBJECT_CRON: case SUBJECT_GOAL: case SUBJECT_INTERACTIVE: case SUBJECT_DEPTH:
	case SUBJECT_CALLS: case SUBJECT_TIME: case SUBJECT_WEEKDAY: case SUBJECT_COST: case SUBJECT_ENV: case SUBJECT_COUNT:
		break;
	}
	return BLANKS_FREE;
}

/* How many bytes of white space stand here; also what Unicode has of it. */
static size_t blank_at(const char *p)
{
	static const char *const wide[] = { "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
	                                    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000" };

	if (*p == ' ' || (*p >= '\t' && *p <= '\r') || strncmp(p, "\xc2\x85", 2) == 0)
		return *p == '\xc2' ? 2 : 1;
	for (size_t i = 0; i < COUNT(wide); i++)
		if (strncmp(p, wide[i], strlen(wide[i])) == 0)
			return strlen(wide[i]);
	return 0;
}

static int check_blanks(const struct loader *l, const struct yaml_node *n, const char *text, enum blanks may)
{
	const char *first = NULL, *end = text + strlen(text);
	bool last = false;

	if (may != BLANKS_FREE && end > text && end[-1] == '\n')
		return yaml_err(n, l->err, "the text ends with a line break, and nothing that is compared with it does: write it on one line, "
		                "or after '|-' instead of '|' or '>'");
	for (const char *p = text; *p != '\0' && may > BLANKS_LINES; p += last ? blank_at(p) : 1) {
		last = blank_at(p) > 0;
		if (last && first == NULL)
			first = p;
	}
	if (first == NULL)
		return 0;
	if (first == text || last)
		return yaml_err(n, l->err, "'%.80s' has white space around it: leave it out", text);
	if (may == BLANKS_NEVER)
		return yaml_err(n, l->err, "'%.80s' is one name with white space in it: write several as [a, b], the words behind a program "
		                "under 'argv', and '?' for a blank that is really there", text);
	return 0;
}

static int check_port(const struct loader *l, const struct yaml_node *n, const struct matcher *m)
{
	json_int_t port = json_is_integer(m->scalar) ? json_integer_value(m->scalar) : -1;

	if (m->scalar == NULL || (port >= (m->op == OP_EQ) && port <= 65535))
		return 0;
	return yaml_err(n, l->err, "there is no port '%.40s': write a whole number from 1 to 65535", m->text != NULL ? m->text : "");
}

static int check_leaf(const struct loader *l, const struct yaml_node *n, const struct matcher *m, enum subject subject)
{
	static const char *const schemes[] = { "http", "https", "tcp" };
	bool literal = m->op == OP_LITERAL;

	if (subject == SUBJECT_PORT)
		return check_port(l, n, m);
	if (!literal && m->op != OP_GLOB)
		return 0;
	if (subject == SUBJECT_SCHEME && literal && name_find(schemes, COUNT(schemes), m->text) < 0)
		return yaml_err(n, l->err, "there is no scheme '%.40s': write http, https, or tcp for what is neither", m->text);
	if (subject == SUBJECT_METHOD && strpbrk(m->text, "abcdefghijklmnopqrstuvwxyz") != NULL)
		return yaml_err(n, l->err, "the method '%.40s' is not in capitals, as requests have it: write GET, POST, ...", m->text);
	return check_blanks(l, n, m->text, blanks_of(m, subject));
}

int wording_check(const struct loader *l, const struct yaml_node *n, const struct matcher *m, enum subject subject)
{
	int r = check_leaf(l, n, m, subject);

	for (size_t i = 0; i < m->count && r == 0; i++)
		r = wording_check(l, n, &m->children[i], subject);
	return r;
}
