/* matcher.c - what stands behind the keys of a rule, from YAML to matchers. Whatever could be read in two ways, or
 * could never match, is refused here and not found out at run time. */
#include <stdio.h>

#include "policy/glob.h"
#include "policy/limits.h"
#include "policy/rules.h"

#include "base/banned.h"

#define BIT(x) (1u << (x))

const struct key_row key_rows[SUBJECT_COUNT] = {
#define KEY(section, name, kinds, form, subject) \
	[SUBJECT_##subject] = { SECTION_##section, name, kinds, FORM_##form, SUBJECT_##subject },
#include "policy/matchers.def"
#undef KEY
};

enum {
	NAMES_ = BIT(FORM_TEXT) | BIT(FORM_PATH) | BIT(FORM_HOST) | BIT(FORM_TOOL) | BIT(FORM_GROUP) |
	         BIT(FORM_CATEGORY) | BIT(FORM_RISK) | BIT(FORM_ROLE) | BIT(FORM_CHANNEL) | BIT(FORM_PROGRAM),
	VALUES_ = BIT(FORM_ANY) | BIT(FORM_NUMBER) | BIT(FORM_USD),
};

/* Every operator that may stand in {}: its name, what it makes, where it may stand. */
static const struct operator { const char *name; enum op op; unsigned forms; } operators[] = {
	{ "regex",  OP_REGEX,  NAMES_ | BIT(FORM_ANY) },
	{ "within", OP_WITHIN, BIT(FORM_PATH) | BIT(FORM_PROGRAM) | BIT(FORM_ANY) },
	{ "eq",     OP_EQ,     NAMES_ | VALUES_ },
	{ "ne",     OP_NE,     NAMES_ | VALUES_ },
	{ "lt",     OP_LT,     VALUES_ },
	{ "le",     OP_LE,     VALUES_ },
	{ "gt",     OP_GT,     VALUES_ },
	{ "ge",     OP_GE,     VALUES_ },
	{ "in",     OP_ANY,    NAMES_ | VALUES_ },
	{ "not",    OP_NOT,    NAMES_ | VALUES_ },
	{ "from",   OP_FROM,   BIT(FORM_PROGRAM) },
	{ "sha256", OP_SHA256, BIT(FORM_PROGRAM) },
};

static const char *const categories[] = { "read", "write", "exec", "network", "agent", "schedule" };
static const char *const risks[] = { "low", "high" };
static const char *const roles[] = { "master", "worker" };
static const char *const channels[] = { "cli", "http", "schedule", "mcp" };
static const char *const origins[] = { "untrusted", "workspace", "system" };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

size_t operator_names(enum form form, const char **ret, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(operators) && count < max; i++)
		if (operators[i].forms & BIT(form))
			ret[count++] = operators[i].name;
	return count;
}

/* ---- lifetime ---- */

static void matcher_done(struct matcher *m)
{
	for (size_t i = 0; i < m->count; i++)
		matcher_done(&m->children[i]);
	free(m->children);
	free(m->text);
	json_decref(m->scalar);
	pcre2_code_free(m->regex);
}

void clause_done(struct clause *clause)
{
	for (size_t i = 0; i < clause->count; i++) {
		free(clause->terms[i].pointer);
		matcher_done(&clause->terms[i].matcher);
	}
	free(clause->terms);
	*clause = (struct clause){ 0 };
}

/* ---- names that must be known ---- */

static int check_word(const struct yaml_node *n, const char *what, const char *word, const char *const *words,
                      size_t count, struct err *err)
{
	if (name_find(words, count, word) >= 0)
		return 0;
	const char *near = name_nearest(words, count, word);
	if (near != NULL)
		return yaml_err(n, err, "unknown %s '%.80s': did you mean '%s'?", what, word, near);
	AUTO(buf_done) struct buf known = BUF_INIT(512);
	for (size_t i = 0; i < count; i++)
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", words[i]);
	return yaml_err(n, err, "unknown %s '%.80s': %s%s", what, word, count > 0 ? "known: " : "there is none here",
	                buf_text(&known));
}

static int check_group(const struct loader *l, const struct yaml_node *n, const char *word)
{
	AUTO(freep) const char **names = xcalloc(l->policy->group_count, sizeof *names);

	for (size_t i = 0; i < l->policy->group_count; i++)
		names[i] = l->policy->groups[i].name;
	return check_word(n, "group", word, names, l->policy->group_count, l->err);
}

static int check_name(const struct loader *l, enum form form, const struct yaml_node *n, const char *word)
{
	switch (form) {
	case FORM_TOOL:
		if (l->tools == NULL || l->policy->files[l->file].layer == LAYER_BUILTIN)
			return 0;
		return check_word(n, "tool", word, l->tools, l->tool_count, l->err);
	case FORM_GROUP:
		return check_group(l, n, word);
	case FORM_CATEGORY:
		return check_word(n, "category", word, categories, COUNT(categories), l->err);
	case FORM_RISK:
		return check_word(n, "risk", word, risks, COUNT(risks), l->err);
	case FORM_ROLE:
		return check_word(n, "role", word, roles, COUNT(roles), l->err);
	case FORM_CHANNEL:
		return check_word(n, "channel", word, channels, COUNT(channels), l->err);
	case FORM_TEXT: case FORM_PATH: case FORM_HOST: case FORM_PROGRAM: case FORM_ANY: case FORM_NUMBER:
	case FORM_BOOL: case FORM_REGEX: case FORM_FLAG: case FORM_TIME: case FORM_WEEKDAY: case FORM_USD: case FORM_ENV:
		break;
	}
	return 0;
}

/* ---- leaves ---- */

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "${workspace}" alone or before a '/'; and no other variable anywhere. */
static int check_variables(const struct yaml_node *n, const char *text, bool known, struct err *err)
{
	const char *rest = text;

	if (known && has_prefix(text, "${workspace}")) {
		rest = text + strlen("${workspace}");
		if (*rest != '\0' && *rest != '/')
			return yaml_err(n, err, "'%.80s': after ${workspace} comes '/' or nothing", text);
	}
	const char *at = strstr(rest, known ? "${" : "${workspace}");
	if (at == NULL)
		return 0;
	if (!known)
		return yaml_err(n, err, "${workspace} is not known in this text: write {within: \"${workspace}\"}");
	return yaml_err(n, err, "unknown variable in '%.80s': only ${workspace} is known, at the front", text);
}

static int check_path(const struct yaml_node *n, const char *text, struct err *err)
{
	if (check_variables(n, text, true, err) != 0)
		return -EINVAL;
	if (text[0] == '/' || has_prefix(text, "${workspace}") || has_prefix(text, "**/") || glob_is_everything(text))
		return 0;
	return yaml_err(n, err, "'%.80s' is no absolute path: begin with '/', ${workspace} or **/", text);
}

static int check_host(const struct yaml_node *n, const char *text, struct err *err)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return yaml_err(n, err, "the host '%.80s' is not ASCII: write it as DNS knows it, xn--...", text);
		if (*p == '/' || *p == '@')
			return yaml_err(n, err, "the host '%.80s' is no URL: write the name alone; the port has its own key", text);
	}
	const char *colon = strrchr(text, ':');
	if (colon != NULL && strchr(text, ':') == colon)
		return yaml_err(n, err, "the host '%.80s' has a port: write it behind the key 'port'", text);
	return 0;
}

static int leaf_glob(const struct loader *l, const struct yaml_node *n, enum form form, struct matcher *ret)
{
	if (yaml_want(n, YAML_TEXT, "what is to match", l->err) != 0)
		return -EINVAL;
	const char *text = yaml_text(n), *problem = glob_problem(text);
	if (problem != NULL)
		return yaml_err(n, l->err, "the pattern '%.80s' is wrong: %s", text, problem);

	int r = 0;
	if (form == FORM_PATH || (form == FORM_PROGRAM && (strchr(text, '/') != NULL || strchr(text, '$') != NULL)))
		r = check_path(n, text, l->err);
	else if (form == FORM_HOST)
		r = check_host(n, text, l->err);
	else
		r = check_variables(n, text, false, l->err);
	if (r != 0)
		return r;

	char *plain = xmalloc(strlen(text) + 1);
	ret->op = glob_is_literal(text, plain) ? OP_LITERAL : OP_GLOB;
	if (ret->op == OP_LITERAL && check_name(l, form, n, plain) != 0) {
		free(plain);
		return -EINVAL;
	}
	if (ret->op == OP_GLOB) {
		free(plain);
		plain = xstrdup(text);
		needle_of_glob(text, &ret->needle);
	} else {
		needle_of_text(plain, &ret->needle);
	}
	if (form == FORM_HOST) {
		ret->text = host_canonical(plain);
		free(plain);
	} else {
		ret->text = plain;
	}
	return 0;
}

static int leaf_regex(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	int code;
	PCRE2_SIZE at;

	if (yaml_want(n, YAML_TEXT, "a regex", l->err) != 0)
		return -EINVAL;
	const char *text = yaml_text(n);
	if (*text == '\0')
		return yaml_err(n, l->err, "the regex is empty and matches everything: write what is to match");
	if (strstr(text, "\\G") != NULL)                   /* the text is searched in pieces */
		return yaml_err(n, l->err, "the regex '%.80s' has \\G: write ^ or \\A for the beginning", text);
	ret->op = OP_REGEX;
	ret->regex = pcre2_compile((PCRE2_SPTR)text, strlen(text),
	                           PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code, &at, NULL);
	if (ret->regex == NULL) {
		char why[160];
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
		return yaml_err(n, l->err, "the regex '%.80s' is wrong at character %zu: %s", text, (size_t)at + 1, why);
	}
	(void)pcre2_jit_compile(ret->regex, PCRE2_JIT_COMPLETE);   /* without it the matcher is slower, not other */
	needle_of_regex(text, &ret->needle);
	return 0;
}

static int leaf_within(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	if (yaml_want(n, YAML_TEXT, "'within'", l->err) != 0)
		return -EINVAL;
	const char *text = yaml_text(n);
	if (text[0] != '/' && !has_prefix(text, "${workspace}"))
		return yaml_err(n, l->err, "'%.80s' is no directory: write an absolute path or ${workspace}", text);
	if (check_variables(n, text, true, l->err) != 0)
		return -EINVAL;
	if (strpbrk(text, "*?[") != NULL)
		return yaml_err(n, l->err, "'within' takes a directory, no pattern: '%.80s'", text);
	AUTO(freep) char *slashed = xasprintf("%s/", text);
	if (strstr(slashed, "/../") != NULL || strstr(slashed, "/./") != NULL)
		return yaml_err(n, l->err, "'%.80s' has '.' or '..': write the directory itself", text);
	ret->op = OP_WITHIN;
	ret->text = xstrdup(text);
	return 0;
}

static int leaf_usd(const struct loader *l, const struct yaml_node *n, enum op op, struct matcher *ret)
{
	int64_t nanos;

	if ((yaml_type(n) != YAML_INT && yaml_type(n) != YAML_FLOAT) || usd_parse(str_of(yaml_text(n)), &nanos) != 0)
		return yaml_err(n, l->err, "no money: write US dollars such as 2.50, from 0 to 1000000000");
	ret->op = op;
	ret->scalar = json_integer(nanos);
	ret->text = xstrdup(yaml_text(n));
	return 0;
}

static int leaf_compare(const struct loader *l, const struct yaml_node *n, enum form form, enum op op,
                        struct matcher *ret)
{
	bool ordered = op != OP_EQ && op != OP_NE;

	if (form == FORM_USD)
		return leaf_usd(l, n, op, ret);
	if (!yaml_is_scalar(n) || yaml_type(n) == YAML_NULL)
		return yaml_want(n, ordered || form == FORM_NUMBER ? YAML_FLOAT : YAML_TEXT, "what to compare with", l->err);
	if ((ordered || form == FORM_NUMBER) && yaml_want(n, YAML_FLOAT, "what to compare with", l->err) != 0)
		return -EINVAL;
	if (form != FORM_NUMBER && form != FORM_ANY) {
		if (yaml_want(n, YAML_TEXT, "what to compare with", l->err) != 0 ||
		    check_name(l, form, n, yaml_text(n)) != 0 || (form == FORM_PATH && check_path(n, yaml_text(n), l->err) != 0))
			return -EINVAL;
		ret->op = OP_LITERAL;
		ret->text = form == FORM_HOST ? host_canonical(yaml_text(n)) : xstrdup(yaml_text(n));
		return 0;
	}
	ret->op = op;
	ret->scalar = yaml_to_json(n);
	ret->text = xstrdup(yaml_text(n));
	return 0;
}

static int leaf_flag(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	if (yaml_want(n, YAML_TEXT, "a flag", l->err) != 0)
		return -EINVAL;
	const char *text = yaml_text(n);
	if (text[0] != '-' || text[1] == '\0' || strcmp(text, "--") == 0 || strpbrk(text, "=*? ") != NULL)
		return yaml_err(n, l->err, "'%.80s' is no flag: write one as -f or --force, without value or pattern", text);
	ret->op = OP_FLAG;
	ret->text = xstrdup(text);
	return 0;
}

static int read_minutes(const char *s, int *ret)
{
	for (int i = 0; i < 5; i++)
		if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
			return -EINVAL;
	int hours = (s[0] - '0') * 10 + s[1] - '0', minutes = (s[3] - '0') * 10 + s[4] - '0';
	if (hours > 24 || minutes > 59 || (hours == 24 && minutes != 0))
		return -EINVAL;
	*ret = hours * 60 + minutes;
	return 0;
}

static int leaf_time(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	const char *s = yaml_is_text(n) ? yaml_text(n) : "";

	if (strlen(s) != 11 || s[5] != '-' || read_minutes(s, &ret->from) != 0 || read_minutes(s + 6, &ret->to) != 0 ||
	    ret->from == ret->to)
		return yaml_err(n, l->err, "no span of time: write \"08:00-18:30\" (UTC; the end is not in it)");
	ret->op = OP_TIME;
	return 0;
}

static int leaf_weekday(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	if (yaml_want(n, YAML_TEXT, "a weekday", l->err) != 0)
		return -EINVAL;
	struct str rest = str_of(yaml_text(n)), part;
	int days[2] = { -1, -1 }, count = 0;
	while (str_next(&rest, '-', &part) && count < 3) {
		char day[4] = "";
		if (part.len == 3)
			memcpy(day, part.ptr, 3);
		if (count < 2)
			days[count] = name_find(weekdays, COUNT(weekdays), day);
		count++;
	}
	if (count < 1 || count > 2 || days[0] < 0 || (count == 2 && days[1] < 0))
		return yaml_err(n, l->err, "'%.40s' is no weekday: write mon, tue, wed, thu, fri, sat, sun, or mon-fri",
		                yaml_text(n));
	ret->op = OP_WEEKDAY;
	int last = count == 2 ? days[1] : days[0];
	for (int day = days[0];; day = (day + 1) % 7) {
		ret->from |= 1 << day;
		if (day == last)
			break;
	}
	return 0;
}

static int leaf_bool(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	if (yaml_want(n, YAML_BOOL, "this", l->err) != 0)
		return -EINVAL;
	ret->op = OP_EQ;
	ret->scalar = yaml_to_json(n);
	ret->text = xstrdup(yaml_text(n));
	return 0;
}

static int leaf_from(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	if (yaml_want(n, YAML_TEXT, "'from'", l->err) != 0 ||
	    check_word(n, "origin", yaml_text(n), origins, COUNT(origins), l->err) != 0)
		return -EINVAL;
	ret->op = OP_FROM;
	ret->from = name_find(origins, COUNT(origins), yaml_text(n));
	return 0;
}

static int leaf_sha256(const struct loader *l, const struct yaml_node *n, struct matcher *ret)
{
	const char *text = yaml_is_text(n) ? yaml_text(n) : "";

	if (strlen(text) != SHA256_HEX_LEN || text[strspn(text, "0123456789abcdef")] != '\0')
		return yaml_err(n, l->err, "no SHA-256: write its 64 digits in lower case, in quotes");
	ret->op = OP_SHA256;
	ret->text = xstrdup(text);
	return 0;
}

/* ---- values with structure ---- */

static int value_parse(const struct loader *l, const struct yaml_node *n, enum form form, struct matcher *ret);

static int leaf_parse(const struct loader *l, const struct yaml_node *n, enum form form, struct matcher *ret)
{
	switch (form) {
	case FORM_NUMBER:
	case FORM_USD:
		return leaf_compare(l, n, form, OP_EQ, ret);
	case FORM_BOOL:
		return leaf_bool(l, n, ret);
	case FORM_REGEX:
		return leaf_regex(l, n, ret);
	case FORM_FLAG:
		return leaf_flag(l, n, ret);
	case FORM_TIME:
		return leaf_time(l, n, ret);
	case FORM_WEEKDAY:
		return leaf_weekday(l, n, ret);
	case FORM_ANY:
		return yaml_is_text(n) ? leaf_glob(l, n, form, ret) : leaf_compare(l, n, form, OP_EQ, ret);
	case FORM_TEXT: case FORM_PATH: case FORM_HOST: case FORM_TOOL: case FORM_GROUP: case FORM_CATEGORY:
	case FORM_RISK: case FORM_ROLE: case FORM_CHANNEL: case FORM_PROGRAM: case FORM_ENV:
		break;
	}
	return leaf_glob(l, n, form, ret);
}

/* One operator of a map, for one value (a list behind it means any of). */
static int operand_parse(const struct loader *l, const struct operator *o, const struct yaml_node *n, enum form form,
                         struct matcher *ret)
{
	ret->form = form;
	if (o->op == OP_NOT) {
		ret->op = OP_NOT;
		ret->children = xcalloc(1, sizeof *ret->children);
		ret->count = 1;
		return value_parse(l, n, form, ret->children);
	}
	bool list = o->op == OP_ANY || o->op == OP_REGEX || o->op == OP_WITHIN || o->op == OP_FROM || o->op == OP_SHA256;
	if (o->op == OP_ANY && yaml_type(n) != YAML_LIST)
		return yaml_err(n, l->err, "'in' takes a list: write [a, b]");
	if (list && yaml_type(n) == YAML_LIST) {
		if (yaml_count(n) == 0)
			return yaml_err(n, l->err, "an empty list matches nothing: name what is to match");
		struct operator each = { o->name, o->op == OP_ANY ? OP_EQ : o->op, o->forms };
		ret->op = OP_ANY;
		ret->children = xcalloc(yaml_count(n), sizeof *ret->children);
		for (const struct yaml_node *c = yaml_first(n); c != NULL; c = yaml_next(c)) {
			if (yaml_type(c) == YAML_LIST)
				return yaml_err(c, l->err, "a list in a list: write one list");
			if (operand_parse(l, &each, c, form, &ret->children[ret->count++]) != 0)
				return -EINVAL;
		}
		return 0;
	}
	if (o->op == OP_REGEX)
		return leaf_regex(l, n, ret);
	if (o->op == OP_WITHIN)
		return leaf_within(l, n, ret);
	if (o->op == OP_FROM)
		return leaf_from(l, n, ret);
	if (o->op == OP_SHA256)
		return leaf_sha256(l, n, ret);
	if (o->op == OP_NE && form != FORM_NUMBER && form != FORM_USD && form != FORM_ANY) {
		const struct operator equal = { "eq", OP_EQ, o->forms };
		ret->op = OP_NOT;
		ret->children = xcalloc(1, sizeof *ret->children);
		ret->count = 1;
		return operand_parse(l, &equal, n, form, ret->children);
	}
	return leaf_compare(l, n, form, o->op, ret);
}

static int map_parse(const struct loader *l, const struct yaml_node *n, enum form form, struct matcher *ret)
{
	const char *names[COUNT(operators)];
	size_t count = operator_names(form, names, COUNT(names));

	if (count == 0)
		return yaml_err(n, l->err, "a map of keys here: write the value itself, or a list of them");
	if (yaml_count(n) == 0)
		return yaml_err(n, l->err, "an empty {} matches nothing in particular: write an operator, such as {%s: ...}",
		                names[0]);
	if (yaml_only_keys(n, names, count, l->err) != 0)
		return -EINVAL;
	ret->op = OP_ALL;
	ret->children = xcalloc(yaml_count(n), sizeof *ret->children);
	for (const struct yaml_node *c = yaml_first(n); c != NULL; c = yaml_next(c)) {
		const struct operator *o = operators;
		while (strcmp(o->name, yaml_text(yaml_key(c))) != 0)
			o++;
		if (operand_parse(l, o, c, form, &ret->children[ret->count++]) != 0)
			return -EINVAL;
	}
	return 0;
}

static int value_parse(const struct loader *l, const struct yaml_node *n, enum form form, struct matcher *ret)
{
	ret->form = form;
	if (yaml_type(n) == YAML_MAP)
		return map_parse(l, n, form, ret);
	if (yaml_type(n) != YAML_LIST)
		return leaf_parse(l, n, form, ret);
	if (yaml_count(n) == 0)
		return yaml_err(n, l->err, "an empty list matches nothing: name what is to match");
	ret->op = OP_ANY;
	ret->children = xcalloc(yaml_count(n), sizeof *ret->children);
	for (const struct yaml_node *c = yaml_first(n); c != NULL; c = yaml_next(c)) {
		if (yaml_type(c) == YAML_LIST)
			return yaml_err(c, l->err, "a list in a list: write one list");
		if (value_parse(l, c, form, &ret->children[ret->count++]) != 0)
			return -EINVAL;
	}
	return 0;
}

/* ---- clauses ---- */

static int cost_of(const struct matcher *m)
{
	int cost = 0;

	for (size_t i = 0; i < m->count; i++)
		cost += cost_of(&m->children[i]);
	switch (m->op) {
	case OP_REGEX:
		return 32;
	case OP_WITHIN:
		return 16;
	case OP_FLAG:
		return 8;
	case OP_GLOB:
		return 4;
	case OP_ANY: case OP_ALL: case OP_NOT:
		return cost;
	case OP_LITERAL: case OP_EQ: case OP_NE: case OP_LT: case OP_LE: case OP_GT: case OP_GE: case OP_FROM:
	case OP_SHA256: case OP_TIME: case OP_WEEKDAY:
		break;
	}
	return 1;
}

static int compare_cost(const void *a, const void *b)
{
	const struct term *x = a, *y = b;
	return x->cost - y->cost;
}

static int term_add(struct loader *l, const struct yaml_node *n, const struct key_row *key, const char *pointer,
                    struct clause *c)
{
	c->terms = xrealloc(c->terms, (c->count + 1) * sizeof *c->terms);
	struct term *t = &c->terms[c->count++];
	*t = (struct term){ .key = key, .pointer = pointer != NULL ? xstrdup(pointer) : NULL };
	if (value_parse(l, n, key->form, &t->matcher) != 0 || wording_check(l, n, &t->matcher, key->subject) != 0)
		return -EINVAL;
	t->cost = cost_of(&t->matcher);
	return 0;
}

static int args_parse(struct loader *l, const struct yaml_node *map, struct clause *c)
{
	if (yaml_want(map, YAML_MAP, "'args'", l->err) != 0)
		return -EINVAL;
	if (yaml_count(map) == 0)
		return yaml_err(map, l->err, "'args' is empty: name an argument, such as {path: ...}");
	for (const struct yaml_node *n = yaml_first(map); n != NULL; n = yaml_next(n)) {
		const char *name = yaml_text(yaml_key(n));
		for (const char *p = name; *name == '/' && *p != '\0'; p++)
			if (*p == '~' && p[1] != '0' && p[1] != '1')
				return yaml_err(yaml_key(n), l->err, "'%.80s' is no JSON Pointer: write ~0 for '~' and ~1 for '/'", name);
		if (term_add(l, n, &key_rows[SUBJECT_ARGS], name, c) != 0)
			return -EINVAL;
	}
	return 0;
}

/* A variable is named as the shell names it; its value is text, so `CI: true` must be in quotes. */
static int env_parse(struct loader *l, const struct yaml_node *map, const struct key_row *row, struct clause *c)
{
	if (yaml_want(map, YAML_MAP, "'env'", l->err) != 0)
		return -EINVAL;
	if (yaml_count(map) == 0)
		return yaml_err(map, l->err, "'env' is empty: name a variable, such as {CI: \"true\"}");
	for (const struct yaml_node *n = yaml_first(map); n != NULL; n = yaml_next(n)) {
		const char *name = yaml_text(yaml_key(n));
		if (*name == '\0' || strchr(name, '=') != NULL)
			return yaml_err(yaml_key(n), l->err, "'%.80s' is no name of a variable: write {NAME: \"value\"}", name);
		struct key_row text = *row;
		text.form = FORM_TEXT;
		if (term_add(l, n, &text, name, c) != 0)
			return -EINVAL;
		c->terms[c->count - 1].key = row;
	}
	return 0;
}

static int section_term(struct loader *l, const struct yaml_node *n, const struct key_row *row, struct clause *c)
{
	return row->form == FORM_ENV ? env_parse(l, n, row, c) : term_add(l, n, row, NULL, c);
}

/* The keys of `argv` and of `when`. */
static int section_parse(struct loader *l, const struct yaml_node *map, const char *name, enum section section,
                         struct clause *c)
{
	const char *names[SUBJECT_COUNT];
	size_t count = 0;

	if (yaml_want(map, YAML_MAP, name, l->err) != 0)
		return -EINVAL;
	for (size_t i = 0; i < SUBJECT_COUNT; i++)
		if (key_rows[i].section == section)
			names[count++] = key_rows[i].name;
	if (yaml_count(map) == 0)
		return yaml_err(map, l->err, "%s is empty: name a condition, such as {%s: ...}", name, names[0]);
	if (yaml_only_keys(map, names, count, l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(map); n != NULL; n = yaml_next(n))
		for (size_t i = 0; i < SUBJECT_COUNT; i++)
			if (key_rows[i].section == section && strcmp(key_rows[i].name, yaml_text(yaml_key(n))) == 0 &&
			    section_term(l, n, &key_rows[i], c) != 0)
				return -EINVAL;
	return 0;
}

static int unknown_key(struct loader *l, const struct yaml_node *n, const char *const *also, size_t also_count,
                       enum action_kind kind)
{
	const char *names[SUBJECT_COUNT + 32], *name = yaml_text(yaml_key(n));
	size_t count = 0;

	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		const struct key_row *row = &key_rows[i];
		bool here = row->section == SECTION_RULE || row->section == SECTION_ARGS;
		if (here && strcmp(row->name, name) == 0)
			return yaml_err(yaml_key(n), l->err, "'%s' says nothing about %s: leave it out, or make this another rule",
			                name, kind_names[kind]);
		if (here && (row->kinds & BIT(kind)))
			names[count++] = row->name;
	}
	names[count++] = "when";
	if (kind == ACTION_EXEC)
		names[count++] = "argv";
	else if (strcmp(name, "argv") == 0)
		return yaml_err(yaml_key(n), l->err, "'argv' says nothing about %s: it belongs to a rule for exec",
		                kind_names[kind]);
	for (size_t i = 0; i < also_count && count < COUNT(names); i++)
		names[count++] = also[i];
	const char *near = name_nearest(names, count, name);
	if (near != NULL)
		return yaml_err(yaml_key(n), l->err, "unknown key '%.80s': did you mean '%s'?", name, near);
	AUTO(buf_done) struct buf known = BUF_INIT(512);
	for (size_t i = 0; i < count; i++)
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
	return yaml_err(yaml_key(n), l->err, "unknown key '%.80s': known here: %s", name, buf_text(&known));
}

static int key_parse(struct loader *l, const struct yaml_node *n, const char *const *also, size_t also_count,
                     enum action_kind kind, struct clause *ret)
{
	const char *name = yaml_text(yaml_key(n));

	if (strcmp(name, "when") == 0)
		return section_parse(l, n, "'when'", SECTION_WHEN, ret);
	if (strcmp(name, "argv") == 0 && kind == ACTION_EXEC)
		return section_parse(l, n, "'argv'", SECTION_ARGV, ret);
	if (strcmp(name, "args") == 0 && kind == ACTION_TOOL)
		return args_parse(l, n, ret);
	for (size_t i = 0; i < SUBJECT_COUNT; i++)
		if (key_rows[i].section == SECTION_RULE && (key_rows[i].kinds & BIT(kind)) &&
		    strcmp(key_rows[i].name, name) == 0)
			return term_add(l, n, &key_rows[i], NULL, ret);
	return unknown_key(l, n, also, also_count, kind);
}

int clause_parse(struct loader *l, const struct yaml_node *map, const char *const *also, size_t also_count,
                 enum action_kind kind, struct clause *ret)
{
	for (const struct yaml_node *n = yaml_first(map); n != NULL; n = yaml_next(n))
		if (name_find(also, also_count, yaml_text(yaml_key(n))) < 0 &&
		    key_parse(l, n, also, also_count, kind, ret) != 0)
			return -EINVAL;
	if (ret->count > 1)
		qsort(ret->terms, ret->count, sizeof *ret->terms, compare_cost);
	return 0;
}

bool text_is_plain_list(const struct matcher *m)
{
	if (m->op != OP_ANY)
		return m->op == OP_LITERAL || m->op == OP_GLOB;
	for (size_t i = 0; i < m->count; i++)
		if (!text_is_plain_list(&m->children[i]))
			return false;
	return true;
}
