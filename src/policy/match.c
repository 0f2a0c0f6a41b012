/* match.c - does a rule match an action? Never fails: what cannot be said is MAYBE (see enum truth). It reads the
 * action and the facts, and asks the caller's resolver about paths; nothing else. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "policy/glob.h"
#include "policy/rules.h"

#include "base/banned.h"

#define WORKSPACE "${workspace}"

/* Bytes that a pattern is tried on at once; patterns of one decision that may run into their limit. */
enum { MANY = 512, STOPPED_MOST = 50 };

/* What a key looks at, ready to be compared. */
struct value {
	enum { VALUE_ABSENT, VALUE_UNKNOWN, VALUE_TEXT, VALUE_TEXTS, VALUE_NUMBER, VALUE_JSON, VALUE_PROGRAM } type;
	struct str text;
	const char *const *texts;                          /* any of them */
	size_t count;
	int64_t number;
	const json_t *json;
};

void eval_done(struct eval *e)
{
	buf_done(&e->args_text);
	buf_done(&e->argv_text);
	free(e->host);
	pcre2_match_data_free(e->match);
	pcre2_match_context_free(e->limits);
}

static enum truth truth_of(bool b)
{
	return b ? YES : NO;
}

/* ---- leaves on text ---- */

static int64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void regex_ready(struct eval *e)
{
	if (e->match != NULL)
		return;
	e->match = pcre2_match_data_create(1, NULL);
	e->limits = pcre2_match_context_create(NULL);
	if (e->match == NULL || e->limits == NULL)
		abort();                                   /* out of memory, as in xmalloc() */
	pcre2_set_match_limit(e->limits, LIMIT_POLICY_REGEX_STEPS);
	pcre2_set_depth_limit(e->limits, LIMIT_POLICY_REGEX_STEPS);
	pcre2_set_heap_limit(e->limits, (uint32_t)(LIMIT_POLICY_REGEX_HEAP_BYTES / 1024));
}

static void start_clocks(struct eval *e)
{
	if (e->look_at_ms != 0)
		return;
	e->cpu_start_ms = cpu_ms();
	e->look_at_ms = clock_mono_ms() + LIMIT_POLICY_REGEX_MS;
}

/* Have the patterns of this decision had their time? Counted is what this thread ran, so that a busy machine denies
 * nothing; the other clock only says when it is worth asking, because it is cheaper. */
static bool out_of_time(struct eval *e)
{
	if (clock_mono_ms() < e->look_at_ms)
		return false;
	int64_t used = cpu_ms() - e->cpu_start_ms;
	e->look_at_ms = clock_mono_ms() + LIMIT_POLICY_REGEX_MS - used;
	return used >= LIMIT_POLICY_REGEX_MS;
}

/* The same text goes by many patterns: whether it is UTF-8 is looked at once. */
static enum truth regex_once(struct eval *e, const pcre2_code *code, struct str text, uint32_t how)
{
	if (e->stopped >= STOPPED_MOST)
		return MAYBE;
	uint32_t checked = e->utf_ptr == text.ptr && e->utf_len == text.len ? PCRE2_NO_UTF_CHECK | how : how;

	pcre2_set_offset_limit(e->limits, text.len);
	int r = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, 0, checked, e->match, e->limits);
	if (r == PCRE2_ERROR_JIT_STACKLIMIT)
		r = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, 0, checked | PCRE2_NO_JIT, e->match, e->limits);
	if (r >= 0 || r == PCRE2_ERROR_NOMATCH) {
		e->utf_ptr = text.ptr;
		e->utf_len = text.len;
	} else {
		e->stopped++;
	}
	return r >= 0 ? YES : r == PCRE2_ERROR_NOMATCH ? NO : MAYBE;
}

/* PCRE2 bounds the steps from one place of the text, not those from all places. So the places are tried some at a
 * time, and the clock is read between: a text of 1 MiB must not hold up the engine. */
static enum truth regex_find(struct eval *e, const pcre2_code *code, struct str text, uint32_t how)
{
	enum { FEW = 16, SLOW_MS = 2 };
	uint32_t options = 0;
	int r = PCRE2_ERROR_NOMATCH;

	regex_ready(e);
	if (text.len <= MANY) /* one go, too short to be slow */
		return regex_once(e, code, text, how);
	start_clocks(e);
	pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
	size_t places = options & PCRE2_ANCHORED ? text.len + 1 : MANY;
	for (size_t from = 0; from <= text.len && r == PCRE2_ERROR_NOMATCH;) {
		uint32_t checked = from > 0 ? PCRE2_NO_UTF_CHECK | how : how;
		size_t to = MIN(from + places, text.len);
		while (to < text.len && ((unsigned char)text.ptr[to] & 0xc0) == 0x80)
			to++;
		pcre2_set_offset_limit(e->limits, to);
		int64_t start_ms = clock_mono_ms();
		r = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, from, checked, e->match, e->limits);
		if (r == PCRE2_ERROR_JIT_STACKLIMIT)
			r = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, from, checked | PCRE2_NO_JIT, e->match, e->limits);
		if (to == text.len)
			break;
		if (r == PCRE2_ERROR_NOMATCH && out_of_time(e))
			return MAYBE;
		places = clock_mono_ms() - start_ms > SLOW_MS ? FEW : MANY;
		from = to;
	}
	return r >= 0 ? YES : r == PCRE2_ERROR_NOMATCH ? NO : MAYBE;
}

/* `$` also fits before a newline at the end, and few who write it mean that: which it was is not said. */
static enum truth regex_match(struct eval *e, const pcre2_code *code, struct str text)
{
	enum truth found = regex_find(e, code, text, 0);

	if (found != YES || text.len == 0 || text.ptr[text.len - 1] != '\n')
		return found;
	return regex_find(e, code, text, PCRE2_NOTEOL) == YES ? YES : MAYBE;
}

/* What follows the workspace in a path; NULL ptr: the path is not in it. */
static struct str behind_workspace(const struct eval *e, struct str path)
{
	struct str base = str_of(e->facts->workspace);

	while (base.len > 1 && base.ptr[base.len - 1] == '/')
		base.len--;
	if (base.len == 0 || !str_starts(path, base) || (path.len > base.len && path.ptr[base.len] != '/'))
		return (struct str){ NULL, 0 };
	return str_skip(path, base.len);
}

/* A pattern that may begin with ${workspace}. */
static enum truth path_match(const struct eval *e, const struct matcher *m, struct str path)
{
	size_t prefix = strlen(WORKSPACE);

	if (strncmp(m->text, WORKSPACE, prefix) != 0)
		return truth_of(m->op == OP_LITERAL ? str_eq(str_of(m->text), path) :
		                glob_is_everything(m->text) || glob_match(m->text, path, true));
	if (e->facts->workspace[0] == '\0')
		return MAYBE;
	struct str rest = behind_workspace(e, path);
	if (rest.ptr == NULL)
		return NO;
	if (m->text[prefix] == '\0')
		return truth_of(rest.len == 0);
	return truth_of(m->op == OP_LITERAL ? str_eq(str_of(m->text + prefix), rest) :
	                                      glob_match(m->text + prefix, rest, true));
}

/* ".." in a path steps out of what a pattern before it seemed to say: /src/../etc fits "/src/" and a star. */
static bool climbs(struct str text)
{
	struct str rest = text, part;

	while (str_next(&rest, '/', &part))
		if (str_eq(part, STR("..")))
			return true;
	return false;
}

static char *resolved(const struct eval *e, const char *path)
{
	if (e->facts->resolve != NULL)
		return e->facts->resolve(e->facts->userdata, path);
	return path_clean(path);
}

static char *absolute(const struct eval *e, const char *dir, struct str path)
{
	if (dir == NULL || path.ptr[0] == '/')
		return xstrndup(path.ptr, path.len);
	return e->facts->workspace[0] != '/' ? NULL : xasprintf("%s/%.*s", dir, STR_ARG(path));
}

static enum truth within_match(const struct eval *e, const struct matcher *m, struct str path)
{
	AUTO(freep) char *dir = NULL;

	if (path.len == 0 || memchr(path.ptr, '\0', path.len) != NULL)
		return MAYBE;
	if (m->text[0] == '/')
		dir = xstrdup(m->text);
	else if (e->facts->workspace[0] == '/')
		dir = xasprintf("%s%s", e->facts->workspace, m->text + strlen(WORKSPACE));
	AUTO(freep) char *asked = absolute(e, e->facts->workspace, path);
	if (dir == NULL || asked == NULL)
		return MAYBE;
	AUTO(freep) char *real_dir = resolved(e, dir);
	AUTO(freep) char *real = resolved(e, asked);
	if (real_dir == NULL || real == NULL)
		return MAYBE;
	return truth_of(path_is_within(real, real_dir));
}

static enum truth text_match(struct eval *e, const struct matcher *m, struct str text)
{
	switch (m->op) {
	case OP_LITERAL:
		if (m->form == FORM_PATH)
			return path_match(e, m, text);
		return truth_of(str_eq(str_of(m->text), text));
	case OP_GLOB:
		if (m->form == FORM_PATH)
			return path_match(e, m, text);
		if (!glob_match(m->text, text, false))
			return NO;
		return strchr(m->text, '/') != NULL && climbs(text) ? MAYBE : YES;
	case OP_REGEX:
		return regex_match(e, m->regex, text);
	case OP_WITHIN:
		return within_match(e, m, text);
	case OP_EQ:                                        /* a number in the rule, text in the call: "5" */
		if (json_is_string(m->scalar))
			return truth_of(str_eq(str_of(m->text), text));
		return str_eq(str_of(m->text), text) ? MAYBE : NO;
	case OP_NE:
		if (json_is_string(m->scalar))
			return truth_of(!str_eq(str_of(m->text), text));
		return str_eq(str_of(m->text), text) ? MAYBE : YES;
	case OP_LT: case OP_LE: case OP_GT: case OP_GE:
		return MAYBE;                              /* text where a number was meant */
	case OP_ANY: case OP_ALL: case OP_NOT: case OP_FROM: case OP_SHA256: case OP_FLAG: case OP_TIME: case OP_WEEKDAY:
		break;
	}
	return MAYBE;
}

/* ---- leaves on other values ---- */

/* -1, 0, 1 */
static int compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);
		return (x > y) - (x < y);
	}
	long double x = json_is_integer(a) ? (long double)json_integer_value(a) : (long double)json_real_value(a);
	long double y = json_is_integer(b) ? (long double)json_integer_value(b) : (long double)json_real_value(b);
	return (x > y) - (x < y);
}

static enum truth number_match(const struct matcher *m, const json_t *value)
{
	if (!json_is_number(m->scalar))
		return m->op == OP_EQ ? NO : m->op == OP_NE ? YES : MAYBE;
	int order = compare(value, m->scalar);
	switch (m->op) {
	case OP_EQ:
		return truth_of(order == 0);
	case OP_NE:
		return truth_of(order != 0);
	case OP_LT:
		return truth_of(order < 0);
	case OP_LE:
		return truth_of(order <= 0);
	case OP_GT:
		return truth_of(order > 0);
	case OP_GE:
		return truth_of(order >= 0);
	case OP_ANY: case OP_ALL: case OP_NOT: case OP_LITERAL: case OP_GLOB: case OP_REGEX: case OP_WITHIN: case OP_FROM:
	case OP_SHA256: case OP_FLAG: case OP_TIME: case OP_WEEKDAY:
		break;
	}
	return MAYBE;
}

/* A number or a boolean of a tool's arguments. Where the rule wants text, its text is compared. */
static enum truth scalar_match(struct eval *e, const struct matcher *m, const json_t *value)
{
	if (m->op == OP_WITHIN)
		return MAYBE;                              /* a number is no path */
	if (m->scalar == NULL || json_is_string(m->scalar)) {
		AUTO(freep) char *text = json_text(value);
		return text_match(e, m, str_of(text));
	}
	if (json_is_number(value) && json_is_number(m->scalar))
		return number_match(m, value);
	if (m->op == OP_EQ || m->op == OP_NE)
		return truth_of(json_equal(value, m->scalar) == (m->op == OP_EQ));
	return MAYBE;
}

/* A bare name says which program only where the system says what carries this name: anything can be called git in a
 * workspace. The names that can be forged count only for what is forbidden. */
static enum truth name_match(struct eval *e, const struct matcher *m)
{
	enum truth best = NO;

	if (m->op == OP_GLOB && glob_is_everything(m->text))
		return YES;
	for (size_t i = 0; i < e->action->exec.name_count; i++) {
		struct str base = str_of(base_name(e->action->exec.names[i]));
		enum truth t = m->op == OP_LITERAL ? truth_of(str_eq(str_of(m->text), base)) :
		               m->op == OP_GLOB ? truth_of(glob_match(m->text, base, false)) : text_match(e, m, base);
		bool sure = i < MAX(e->action->exec.trusted_names, 1u) && e->action->exec.origin == ORIGIN_SYSTEM;
		best = MAX(best, sure ? t : MIN(t, MAYBE));
	}
	return best;
}

/* Is the file of the program what the path of a rule leads to? `/bin/rm` is /usr/bin/rm on a system with one /usr, and
 * /usr/bin/vi is whatever its link says. Links can change, so this counts only for what is forbidden. */
static enum truth other_path_match(const struct eval *e, const struct matcher *m, const char *program)
{
	const struct str usr = STR("/usr");

	if (str_starts(str_of(program), usr) && program[usr.len] == '/' &&
	    path_match(e, m, str_of(program + usr.len)) != NO)
		return MAYBE;
	if (m->op != OP_LITERAL || m->text[0] != '/')
		return NO;
	AUTO(freep) char *real = resolved(e, m->text);
	return real != NULL && strcmp(real, program) == 0 ? MAYBE : NO;   /* NULL: no program is reached by it */
}

/* By path: the real file; other names that are paths count only for what is forbidden. */
static enum truth program_path_match(struct eval *e, const struct matcher *m)
{
	enum truth best = path_match(e, m, str_of(e->action->exec.program));

	for (size_t i = 0; best == NO && i < e->action->exec.name_count; i++)
		if (strchr(e->action->exec.names[i], '/') != NULL)
			best = MIN(path_match(e, m, str_of(e->action->exec.names[i])), MAYBE);
	return best != NO ? best : other_path_match(e, m, e->action->exec.program);
}

/* What runs a script is forbidden with it, but does not allow it. */
static enum truth digest_match(const struct eval *e, const struct matcher *m)
{
	const char *own = e->action->exec.sha256;

	if (own == NULL)
		return MAYBE;
	if (strcmp(own, m->text) == 0)
		return YES;
	for (size_t i = 0; i < e->action->exec.also_count; i++)
		if (strcmp(e->action->exec.also_sha256[i], m->text) == 0 || e->action->exec.also_sha256[i][0] == '\0')
			return MAYBE;
	return NO;
}

static enum truth program_match(struct eval *e, const struct matcher *m)
{
	const char *program = e->action->exec.program;

	if (m->op == OP_FROM)
		return truth_of((int)e->action->exec.origin == m->from);
	if (m->op == OP_SHA256)
		return digest_match(e, m);
	if (program == NULL)
		return MAYBE;
	if (m->op == OP_WITHIN)
		return within_match(e, m, str_of(program));
	if (m->op == OP_REGEX)
		return MAX(regex_match(e, m->regex, str_of(program)), name_match(e, m));
	return strchr(m->text, '/') != NULL ? program_path_match(e, m) : name_match(e, m);
}

static bool wants_sha256(const struct matcher *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (wants_sha256(&m->children[i]))
			return true;
	return m->op == OP_SHA256;
}

static bool clause_wants_sha256(const struct clause *clause)
{
	for (size_t i = 0; i < clause->count; i++)
		if (clause->terms[i].key->subject == SUBJECT_PROGRAM && wants_sha256(&clause->terms[i].matcher))
			return true;
	return false;
}

bool policy_wants_sha256(const struct policy *policy)
{
	const struct rule_index *rules = &policy->kinds[ACTION_EXEC];

	for (size_t i = 0; i < rules->count; i++)
		if (clause_wants_sha256(&rules->all[i]->clause) || clause_wants_sha256(&rules->all[i]->unless))
			return true;
	return false;
}

static enum truth clock_match(const struct matcher *m, int64_t time_us)
{
	int64_t minutes = time_us / 60000000 - (time_us % 60000000 < 0);
	int64_t days = minutes / 1440 - (minutes % 1440 < 0);
	int minute = (int)(minutes - days * 1440);

	if (m->op == OP_TIME)
		return truth_of(m->from < m->to ? minute >= m->from && minute < m->to : minute >= m->from || minute < m->to);
	int weekday = (int)(((days + 4) % 7 + 7) % 7);     /* 1970-01-01 was a Thursday */
	return truth_of((m->from & 1 << weekday) != 0);
}

static enum truth leaf_match(struct eval *e, const struct matcher *m, const struct value *v)
{
	enum truth best = NO;

	if (m->op == OP_TIME || m->op == OP_WEEKDAY)
		return clock_match(m, e->facts->time_us);
	if (m->op == OP_FLAG)
		return flag_given(m->text, e->action->exec.argv, e->action->exec.argc);
	switch (v->type) {
	case VALUE_ABSENT:
		return NO;
	case VALUE_UNKNOWN:
		return MAYBE;
	case VALUE_TEXT:
		return text_match(e, m, v->text);
	case VALUE_TEXTS:
		for (size_t i = 0; i < v->count; i++)
			best = MAX(best, text_match(e, m, str_of(v->texts[i])));
		return best;
	case VALUE_NUMBER: {
		AUTO(json_decrefp) json_t *number = json_integer(v->number);
		return number_match(m, number);
	}
	case VALUE_JSON:
		return scalar_match(e, m, v->json);
	case VALUE_PROGRAM:
		return program_match(e, m);
	}
	return MAYBE;
}

/* ---- trees ---- */

static enum truth tree_match(struct eval *e, const struct matcher *m, const struct value *v)
{
	enum truth t;

	switch (m->op) {
	case OP_ANY:
		t = NO;
		for (size_t i = 0; i < m->count && t != YES; i++)
			t = MAX(t, tree_match(e, &m->children[i], v));
		return t;
	case OP_ALL:
		t = YES;
		for (size_t i = 0; i < m->count && t != NO; i++)
			t = MIN(t, tree_match(e, &m->children[i], v));
		return t;
	case OP_NOT:
		return (enum truth)(YES - tree_match(e, m->children, v));
	case OP_LITERAL: case OP_GLOB: case OP_REGEX: case OP_WITHIN: case OP_EQ: case OP_NE: case OP_LT: case OP_LE:
	case OP_GT: case OP_GE: case OP_FROM: case OP_SHA256: case OP_FLAG: case OP_TIME: case OP_WEEKDAY:
		break;
	}
	return leaf_match(e, m, v);
}

/* An argument of any type. Of a list or an object all parts must agree, else it cannot be said. */
static enum truth json_match(struct eval *e, const struct matcher *m, const json_t *value, int depth)
{
	enum truth low = YES, high = NO;
	const char *key;
	size_t i;
	json_t *part;

	if (depth > LIMIT_JSON_DEPTH)
		return MAYBE;
	if (value == NULL || json_is_null(value) ||
	    (json_is_array(value) && json_array_size(value) == 0) || (json_is_object(value) && json_object_size(value) == 0))
		return tree_match(e, m, &(struct value){ .type = VALUE_ABSENT });
	if (json_is_array(value)) {
		json_array_foreach(value, i, part) {
			enum truth t = json_match(e, m, part, depth + 1);
			low = MIN(low, t);
			high = MAX(high, t);
		}
		return low == high ? low : MAYBE;
	}
	if (json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, key, part) {   /* jansson's macro wants it mutable */
			enum truth t = json_match(e, m, part, depth + 1);
			low = MIN(low, t);
			high = MAX(high, t);
		}
		return low == high && low == NO ? NO : MAYBE;
	}
	if (json_is_string(value)) {
		struct value text = { VALUE_TEXT, .text = { json_string_value(value), json_string_length(value) } };
		return tree_match(e, m, &text);
	}
	return tree_match(e, m, &(struct value){ .type = VALUE_JSON, .json = value });
}

/* One step of a JSON Pointer; `part` is still escaped. */
static const json_t *pointer_step(const json_t *at, struct str part)
{
	AUTO(freep) char *key = xmalloc(part.len + 1);
	size_t len = 0;
	uint64_t index;

	for (size_t i = 0; i < part.len; i++) {
		if (part.ptr[i] == '~' && i + 1 < part.len) {
			i++;
			key[len++] = part.ptr[i] == '0' ? '~' : '/';
		} else {
			key[len++] = part.ptr[i];
		}
	}
	key[len] = '\0';
	if (json_is_array(at))
		return str_to_u64((struct str){ key, len }, &index) == 0 ? json_array_get(at, (size_t)index) : NULL;
	return json_object_get(at, key);
}

static const json_t *argument(const json_t *args, const char *pointer)
{
	if (pointer[0] != '/')
		return json_object_get(args, pointer);
	struct str rest = str_of(pointer + 1), part;
	bool more = true;
	while (args != NULL && more) {
		const char *slash = memchr(rest.ptr, '/', rest.len);
		more = slash != NULL;
		part = more ? (struct str){ rest.ptr, (size_t)(slash - rest.ptr) } : rest;
		rest = str_skip(rest, part.len + 1);
		args = pointer_step(args, part);
	}
	return args;
}

/* ---- subjects ---- */

static struct value text_value(const char *text)
{
	if (text == NULL)
		return (struct value){ .type = VALUE_UNKNOWN };
	return (struct value){ VALUE_TEXT, .text = str_of(text) };
}

static struct value fact_value(const char *text)
{
	return text_value(text[0] != '\0' ? text : NULL);
}

static struct value number_value(int64_t number)
{
	return (struct value){ VALUE_NUMBER, .number = number };
}

static struct str join(struct buf *b, const char *const *words, size_t count)
{
	if (b->max == 0) {
		buf_init(b, LIMIT_JSON_BYTES);
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				buf_add_char(b, ' ');
			buf_add_text(b, words[i]);
		}
	}
	return buf_str(b);
}

/* Over the words behind the program. Over all words it is MAYBE, because argv[0] is the caller's choice. */
static enum truth argv_regex_match(struct eval *e, const struct matcher *m)
{
	const char *const *argv = e->action->exec.argv;
	size_t argc = e->action->exec.argc;
	struct value args = { VALUE_TEXT, .text = join(&e->args_text, argv + (argc > 0), argc - (argc > 0)) };
	enum truth t = tree_match(e, m, &args);

	if (t != NO)
		return t;
	struct value all = { VALUE_TEXT, .text = join(&e->argv_text, argv, argc) };
	return MIN(tree_match(e, m, &all), MAYBE);
}

static bool is_member(const struct group *g, const char *user)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->members[i], user) == 0)
			return true;
	return false;
}

static enum truth group_match(struct eval *e, const struct matcher *m)
{
	const struct policy *p = e->policy;
	AUTO(freep) const char **names = xcalloc(p->group_count, sizeof *names);
	struct value v = { VALUE_TEXTS, .texts = names };

	if (e->facts->user[0] == '\0')
		return MAYBE;
	for (size_t i = 0; i < p->group_count; i++)
		if (is_member(&p->groups[i], e->facts->user))
			names[v.count++] = p->groups[i].name;
	return tree_match(e, m, &v);
}

const char *eval_host(struct eval *e)
{
	if (e->host == NULL && e->action->net.host != NULL)
		e->host = host_canonical(e->action->net.host);
	return e->host;
}

static struct value env_value(const struct facts *f, const char *name)
{
	size_t len = strlen(name);

	if (f->env == NULL)
		return (struct value){ .type = VALUE_UNKNOWN };
	for (const char *const *e = f->env; *e != NULL; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return text_value(*e + len + 1);
	return (struct value){ .type = VALUE_ABSENT };
}

static struct value subject_value(struct eval *e, enum subject subject)
{
	const struct action *a = e->action;
	const struct facts *f = e->facts;

	switch (subject) {
	case SUBJECT_TOOL:
		return text_value(a->tool.name);
	case SUBJECT_CATEGORY:
		return text_value(a->tool.category);
	case SUBJECT_RISK:
		return text_value(a->tool.risk);
	case SUBJECT_PROGRAM:
		return (struct value){ .type = VALUE_PROGRAM };
	case SUBJECT_CWD:
		return text_value(a->exec.cwd);
	case SUBJECT_ARGV_CONTAINS:
		return (struct value){ VALUE_TEXTS, .texts = a->exec.argv + (a->exec.argc > 0),
		                       .count = a->exec.argc - (a->exec.argc > 0) };
	case SUBJECT_ARGV_COUNT:
		return number_value((int64_t)a->exec.argc - (a->exec.argc > 0));
	case SUBJECT_PORT:
		return number_value(a->net.port);
	case SUBJECT_SCHEME:
		return text_value(a->net.scheme);
	case SUBJECT_METHOD:
		return text_value(a->net.method);
	case SUBJECT_SECRET:
		return text_value(a->secret);
	case SUBJECT_DELEGATE_AGENT:
		return text_value(a->delegate.agent);
	case SUBJECT_CRON:
		return text_value(a->schedule.cron);
	case SUBJECT_GOAL:
		return text_value(a->schedule.goal);
	case SUBJECT_PROVIDER:
		return text_value(a->model.provider);
	case SUBJECT_MODEL:
		return text_value(a->model.model);
	case SUBJECT_USER:
		return fact_value(f->user);
	case SUBJECT_ROLE:
		return fact_value(f->role);
	case SUBJECT_AGENT:
		return fact_value(f->agent);
	case SUBJECT_CHANNEL:
		return fact_value(f->channel);
	case SUBJECT_WORKSPACE:
		return fact_value(f->workspace);
	case SUBJECT_TAINT:
		return (struct value){ VALUE_TEXTS, .texts = f->taints, .count = f->taint_count };
	case SUBJECT_DEPTH:
		return number_value(f->depth);
	case SUBJECT_CALLS:
		return number_value(f->calls);
	case SUBJECT_COST:
		return f->cost_nanos >= 0 ? number_value(f->cost_nanos) : (struct value){ .type = VALUE_UNKNOWN };
	case SUBJECT_HOST: case SUBJECT_PRIVATE:
	case SUBJECT_ARGS: case SUBJECT_ARGV_FLAG: case SUBJECT_ARGV_REGEX: case SUBJECT_GROUP: case SUBJECT_INTERACTIVE:
	case SUBJECT_TIME: case SUBJECT_WEEKDAY: case SUBJECT_ENV: case SUBJECT_COUNT:
		break;
	}
	return (struct value){ .type = VALUE_UNKNOWN };
}

bool is_private_net(const struct action *action)
{
	return action->kind == ACTION_NET && action->net.address != ADDRESS_PUBLIC;
}

/* The name, and for what is forbidden also the address that it leads to. */
static enum truth host_match(struct eval *e, const struct matcher *m)
{
	struct value name = text_value(eval_host(e)), address = text_value(e->action->net.resolved);
	enum truth t = tree_match(e, m, &name);

	if (t != NO || e->action->net.resolved == NULL)
		return t;
	return MIN(tree_match(e, m, &address), MAYBE);
}

static bool names_literally(const struct matcher *m, const char *host)
{
	if (m->op == OP_LITERAL)
		return strcmp(m->text, host) == 0;
	for (size_t i = 0; m->op == OP_ANY && i < m->count; i++)
		if (names_literally(&m->children[i], host))
			return true;
	return false;
}

/* Nothing but a rule that says so opens what is not public, and a link-local address it must call by its name. */
static bool may_open(struct eval *e, const struct rule *rule)
{
	if (rule->effect == EFFECT_DENY || !is_private_net(e->action))
		return true;
	if (!rule->opens_private || e->action->net.address == ADDRESS_NEVER || eval_host(e) == NULL)
		return false;
	if (e->action->net.address == ADDRESS_PRIVATE)
		return true;
	for (size_t i = 0; i < rule->clause.count; i++)
		if (rule->clause.terms[i].key->subject == SUBJECT_HOST)
			return names_literally(&rule->clause.terms[i].matcher, e->host) &&
			       e->action->net.resolved != NULL && strcmp(e->host, e->action->net.resolved) == 0;
	return false;
}

static enum truth term_match(struct eval *e, const struct term *t)
{
	enum subject subject = t->key->subject;

	if (subject == SUBJECT_SECRET && e->action->secret == NULL)
		return NO;                                 /* also under `not`: the rule is about calls with a secret */
	if (subject == SUBJECT_ARGS)
		return json_match(e, &t->matcher, argument(e->action->tool.args, t->pointer), 0);
	if (subject == SUBJECT_ARGV_REGEX)
		return argv_regex_match(e, &t->matcher);
	if (subject == SUBJECT_GROUP)
		return group_match(e, &t->matcher);
	if (subject == SUBJECT_INTERACTIVE)
		return truth_of(json_is_true(t->matcher.scalar) == e->facts->interactive);
	if (subject == SUBJECT_PRIVATE)
		return truth_of(json_is_true(t->matcher.scalar) == is_private_net(e->action));
	if (subject == SUBJECT_HOST)
		return host_match(e, &t->matcher);
	struct value v = subject == SUBJECT_ENV ? env_value(e->facts, t->pointer) : subject_value(e, subject);
	return tree_match(e, &t->matcher, &v);
}

static enum truth clause_match(struct eval *e, const struct clause *c)
{
	enum truth t = YES;

	for (size_t i = 0; i < c->count && t != NO; i++)
		t = MIN(t, term_match(e, &c->terms[i]));
	return t;
}

/* The text that a rule's sieve is about. */
static void sieve_ready(struct eval *e, const struct rule *rule, struct sieve *ret)
{
	const struct term *t = rule->sieve;
	struct str text = { "", 0 };

	ret->subject = rule->sieve_subject;
	ret->state = SIEVE_TEXT;
	if (t->key->subject == SUBJECT_ARGV_REGEX) {
		text = join(&e->argv_text, e->action->exec.argv, e->action->exec.argc);
	} else {
		const json_t *value = argument(e->action->tool.args, t->pointer);
		if (json_is_string(value))
			text = (struct str){ json_string_value(value), json_string_length(value) };
		else if (value != NULL)
			ret->state = SIEVE_OPEN;
	}
	if (text.len > LIMIT_POLICY_SIEVE_BYTES)
		ret->state = SIEVE_OPEN;
	if (ret->state == SIEVE_TEXT)
		sieve_fill(ret, text);
}

static bool is_sifted_out(struct eval *e, const struct rule *rule)
{
	if (rule->sieve == NULL || e->sieves == NULL)
		return false;
	struct sieve *s = &e->sieves[rule->sieve_subject % SIEVE_SLOTS];
	if (s->state == SIEVE_UNMADE || s->subject != rule->sieve_subject)
		sieve_ready(e, rule, s);
	return s->state == SIEVE_TEXT && !sieve_passes(s, &rule->sieve->matcher);
}

enum truth rule_matches(struct eval *e, const struct rule *rule)
{
	if (is_sifted_out(e, rule))
		return NO;
	enum truth t = may_open(e, rule) ? clause_match(e, &rule->clause) : NO;

	if (t == NO || !rule->has_unless)
		return t;
	return MIN(t, (enum truth)(YES - clause_match(e, &rule->unless)));
}
