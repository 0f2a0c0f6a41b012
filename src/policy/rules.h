/* rules.h - the loaded form of a policy, shared by the files of this folder only. */
#ifndef MISHRI_POLICY_RULES_H
#define MISHRI_POLICY_RULES_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/hash.h"
#include "base/yaml.h"
#include "policy/policy.h"

/* Does it match? In the order of strictness for and/or. MAYBE: it cannot be said (a pattern took too long, a name
 * can be forged, a path cannot be resolved); it counts as a match in deny and ask, as none in allow, and `unless`
 * and `not` keep it as it is, so that doubt never opens anything. */
enum truth { NO, MAYBE, YES };

enum { KIND_COUNT = ACTION_MODEL + 1, LAYER_COUNT = LAYER_BUILTIN + 1 };

/* How the value of a key is written and compared. */
enum form {
	FORM_TEXT,         /* glob, list, {regex, eq, ne, in, within, not} */
	FORM_PATH,         /* the same; in globs * stops at '/', and ${workspace} is known */
	FORM_HOST,         /* the same; case and spelling of addresses do not matter */
	FORM_TOOL, FORM_GROUP, FORM_CATEGORY, FORM_RISK, FORM_ROLE, FORM_CHANNEL, /* the same; names must be known */
	FORM_PROGRAM,      /* the same, and {from, sha256} */
	FORM_ANY,          /* an argument of a tool: all operators */
	FORM_NUMBER,       /* number, list, {eq, ne, lt, le, gt, ge, in, not} */
	FORM_BOOL,         /* true or false */
	FORM_REGEX,        /* a pattern or a list of them */
	FORM_FLAG,         /* a flag or a list of them */
	FORM_TIME,         /* "HH:MM-HH:MM", UTC */
	FORM_WEEKDAY,      /* mon or mon-fri, UTC */
	FORM_USD,          /* as FORM_NUMBER, in US dollars, compared as nano-USD */
	FORM_ENV,          /* a map: the name of a variable, and what its value must be, as FORM_TEXT */
};

/* Every key that matches something, in matchers.def. */
enum subject {
#define KEY(section, name, kinds, form, subject) SUBJECT_##subject,
#include "policy/matchers.def"
#undef KEY
	SUBJECT_COUNT
};

enum section { SECTION_RULE, SECTION_ARGV, SECTION_WHEN, SECTION_ARGS };

struct key_row {
	enum section section;
	const char *name;
	unsigned kinds;            /* bits: 1 << enum action_kind */
	enum form form;
	enum subject subject;
};
extern const struct key_row key_rows[SUBJECT_COUNT];

enum op {
	OP_ANY, OP_ALL, OP_NOT,    /* of the children */
	OP_LITERAL, OP_GLOB, OP_REGEX, OP_WITHIN,
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
	OP_FROM, OP_SHA256, OP_FLAG, OP_TIME, OP_WEEKDAY,
};

/* Triples of bytes, hashed, without which a pattern matches nothing; sieve.c. */
enum { SIEVE_BITS = 14, SIEVE_SLOTS = 4 };
struct needle {
	uint16_t grams[6];
	uint8_t count;             /* 0: nothing is known */
};

struct matcher {
	enum op op;
	enum form form;
	struct needle needle;      /* literal, glob, regex */
	char *text;                /* literal, glob, directory, flag, digest; the text of a scalar to compare with */
	pcre2_code *regex;
	json_t *scalar;            /* OP_EQ and its kin */
	int from, to;              /* OP_TIME: minutes of the day; OP_WEEKDAY: a mask; OP_FROM: an origin */
	struct matcher *children;
	size_t count;
};

/* One condition of a rule: this subject matches. */
struct term {
	const struct key_row *key;
	char *pointer;             /* SECTION_ARGS: the argument's name or JSON Pointer */
	struct matcher matcher;
	int cost;                  /* cheap ones are tried first */
};

struct clause {
	struct term *terms;
	size_t count;
};

struct approval {
	bool given;
	char *from;                /* "group:NAME", "user:NAME" or NULL: anybody who may answer */
	int count;
	int64_t expires_ms;        /* 0: no own end */
	char *remember;            /* never, task, session, or a duration */
	int64_t remember_ms;       /* of that duration; 0 with a word */
	bool same_program;
};

struct rule {
	char *id, *source, *reason;
	char *means, *exception;   /* the matchers and the `unless` in the words of the file, for reasons */
	char digest[SHA256_HEX_LEN + 1]; /* of the rule as canonical JSON */
	char *shape;               /* the matchers as canonical JSON, for shadowing */
	uint32_t shape_hash;
	enum effect effect;
	enum action_kind kind;
	struct clause clause, unless;
	const struct term *sieve;  /* of the clause: it may be asked first whether its needles are there; NULL: none */
	uint32_t sieve_subject;    /* the same number for all that look at the same text */
	struct approval approval;
	unsigned withheld;         /* what `permissions` leaves out; 0: nothing, or there is none */
	size_t file;
	int line, column;
	bool has_when, has_unless, overridable, high_risk;
	bool opens_private;        /* says private: true */
	bool decided_a_test;
};

struct group {
	char *name;
	char **members;
	size_t count, file;
	int line;
};

struct file {
	enum layer layer;
	char *name;
	char sha256[SHA256_HEX_LEN + 1];
	bool has_default;
	enum effect default_effect;
	char *default_source;      /* "FILE:LINE" */
	char *title;               /* `name`, or NULL */
};

/* What is known of one text of an action. */
struct sieve {
	enum { SIEVE_UNMADE, SIEVE_OPEN, SIEVE_TEXT } state;   /* OPEN: it is no text, and everything passes */
	uint32_t subject;
	uint64_t bits[(1 << SIEVE_BITS) / 64];                 /* with TEXT */
};

/* Names to numbers, by hashing; a name may have several. The text is borrowed. */
struct name_entry {
	const char *text;
	uint32_t value, hash, next;
};

struct name_map {
	struct name_entry *entries;
	uint32_t *heads;           /* 0: none, else 1 + an entry */
	uint32_t count, slots;
};

/* The rules of one kind in their order, and by the names that they are about. */
struct rule_index {
	struct rule **all;
	size_t count;
	struct name_map named;        /* literal name → position in all */
	uint32_t *open;            /* positions of rules that are about no literal names; ascending */
	size_t open_count;
};

/* The rules that could match an action of these names, in their order. */
struct rule_walk {
	const struct rule_index *index;
	const struct name_entry *chains[8];
	size_t chain_count, open;
	uint32_t next;
	bool everything;
};

struct policy {
	struct file *files;
	size_t file_count;
	struct rule **rules;
	size_t rule_count;
	struct group *groups;
	size_t group_count;
	struct rule_index kinds[KIND_COUNT];
	struct path_rule *paths;   /* their texts are owned */
	size_t path_count;
	bool says_writable[LAYER_COUNT];
	struct limit *limits;      /* limits.c */
	size_t limit_count;
	struct budget_row *budgets;
	size_t budget_count;
	size_t test_count;
	char digest[SHA256_HEX_LEN + 1];
};

/* What a loading policy knows besides its text. */
struct loader {
	struct policy *policy;
	const char *const *tools;
	size_t tool_count;
	size_t file;               /* the one that is read now */
	struct name_map ids;          /* of the rules so far */
	struct err *err;
};

extern const char *const kind_names[KIND_COUNT];
extern const char *const layer_names[LAYER_COUNT];

/* matcher.c: YAML to matchers. 0 or -EINVAL. */
MUST_USE int clause_parse(struct loader *l, const struct yaml_node *map, const char *const *also, size_t also_count,
                          enum action_kind kind, struct clause *ret);
size_t operator_names(enum form form, const char **ret, size_t max);   /* that may stand in {} */
void clause_done(struct clause *clause);
bool text_is_plain_list(const struct matcher *m);          /* only literals and globs, any of them */

/* rule.c */
MUST_USE int rule_parse(struct loader *l, const struct yaml_node *node);
void rule_free(struct rule *rule);

/* index.c */
uint32_t name_hash(const char *text);
void name_map_done(struct name_map *names);
void name_map_add(struct name_map *names, const char *text, uint32_t value);
const struct name_entry *name_map_find(const struct name_map *names, const char *text);  /* the newest; NULL: none */
void index_make(struct policy *policy, enum action_kind kind);
void index_done(struct rule_index *index);
/* names: borrowed during the walk's start only. More than it can follow: it walks over all rules. */
void walk_init(struct rule_walk *walk, const struct rule_index *index, const char *const *names, size_t count);
struct rule *walk_next(struct rule_walk *walk);            /* NULL: no more */

/* paths.c: the section `files` of one file; then what of it holds over all layers. */
MUST_USE int paths_read(struct loader *l, const struct yaml_node *root);
MUST_USE int paths_settle(struct loader *l);
void paths_done(struct policy *policy);

/* One line of what a map says, without these keys. The caller owns it. */
char *rule_means(const struct yaml_node *node, const char *const *without, size_t count);
MUST_USE int name_check(struct loader *l, const struct yaml_node *n);   /* may this text be an id? 0 or -EINVAL */

/* limits.c */
MUST_USE int limits_read(struct loader *l, const struct yaml_node *root);
/* wording.c: refuses text that nothing is ever equal to, so that no rule is void in silence. n: where it stands. */
MUST_USE int wording_check(const struct loader *l, const struct yaml_node *n, const struct matcher *matcher, enum subject subject);
MUST_USE int limits_check_ids(struct loader *l);           /* of the whole set */
void limits_done(struct policy *policy);

/* selftest.c: the `tests` of a file, against the rules of this file alone. */
MUST_USE int tests_run(struct loader *l, const struct yaml_node *tests);

/* shadow.c: a rule of the file that can never win is an error. */
MUST_USE int shadow_check(struct loader *l);

/* sieve.c: false only for what certainly does not match. */
void needle_of_regex(const char *pattern, struct needle *ret);
void needle_of_glob(const char *pattern, struct needle *ret);
void needle_of_text(const char *text, struct needle *ret);
void sieve_make(struct policy *policy);                    /* over the rules of all kinds */
void sieve_fill(struct sieve *sieve, struct str text);     /* the bits */
bool sieve_passes(const struct sieve *sieve, const struct matcher *matcher);

/* match.c */
struct eval {
	const struct policy *policy;
	const struct action *action;
	const struct facts *facts;
	struct buf args_text, argv_text;                   /* the words joined by one space; made when asked for */
	char *host;                                        /* in its one spelling; made when asked for */
	pcre2_match_data *match;
	pcre2_match_context *limits;
	int64_t cpu_start_ms, look_at_ms;                  /* what the patterns have taken, and when to look; 0: not begun */
	int stopped;                                       /* patterns that ran into their limit */
	const char *utf_ptr;                               /* a text that is known to be UTF-8; those of an action live as long */
	size_t utf_len;
	struct sieve *sieves;                              /* SIEVE_SLOTS of the caller's; NULL: every rule is looked at whole */
};
void eval_done(struct eval *e);
enum truth rule_matches(struct eval *e, const struct rule *rule);
bool is_private_net(const struct action *action);          /* leads to where only private: true leads */
const char *eval_host(struct eval *e);                     /* of a net action, in its one spelling; NULL: not known */

/* flag.c: is this flag among the words of argv? */
enum truth flag_given(const char *flag, const char *const *argv, size_t argc);

/* host.c: lower case, no brackets, no dot at the end, addresses in their one spelling. The caller owns it. */
char *host_canonical(const char *host);

/* path.c */
char *path_clean(const char *path);                        /* without ".", "..", "//"; absolute; the caller owns it */
const char *base_name(const char *path);                   /* behind the last '/'; borrowed from it */
bool path_is_within(const char *path, const char *dir);    /* both clean */

/* decide.c: as policy_decide(), by the rules of one file, or of all when file is ALL_FILES. */
#define ALL_FILES SIZE_MAX
void decide_by(const struct policy *policy, size_t file, const struct action *action, const struct facts *facts,
               struct decision *ret);

struct str builtin_policy(void);                           /* the one that holds where there is no file */

#endif
