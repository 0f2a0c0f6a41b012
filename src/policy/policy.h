/* policy.h - may this action happen? Text and facts in, decision out: no clock, no globals, no I/O
 * but reading the policy files themselves, and the path resolver that the caller hands in. */
#ifndef MISHRI_POLICY_POLICY_H
#define MISHRI_POLICY_POLICY_H

#include "base/json.h"
#include "policy/address.h"

struct policy;                                             /* opaque, immutable once loaded */

enum effect { EFFECT_DENY, EFFECT_ASK, EFFECT_ALLOW };     /* 0 is the safest */
const char *effect_name(enum effect effect);               /* "deny", "ask", "allow" */

enum layer { LAYER_ADMIN, LAYER_USER, LAYER_PROJECT, LAYER_BUILTIN };

struct policy_source {
	enum layer layer;
	const char *name;        /* the file as errors and decisions name it */
	struct str text;         /* its bytes; borrowed during policy_load only */
};

/* Loads all layers as one set, or none of it. No source at all: the built-in policy `workspace`.
 * tools: the names of the tools that exist (a rule that names another is an error). Borrowed.
 * Success: the caller owns *ret. Failure: -EINVAL, err says "FILE:LINE:COL: what: what would be right". */
MUST_USE int policy_load(const struct policy_source *sources, size_t count, const char *const *tools,
                         size_t tool_count, struct policy **ret, struct err *err);

/* The section `files`, of all layers: what each cell hides, keeps read-only, and may write to beside the workspace. */
enum path_kind { PATH_HIDE, PATH_READONLY, PATH_WRITABLE };
struct path_rule {
	enum path_kind kind;
	const char *pattern;     /* below the workspace, where * stops at '/'; PATH_WRITABLE: an absolute directory */
	const char *source;      /* "FILE:LINE" */
	enum layer layer;
	int line, column;
	bool own;                /* of policy_path_keep: kept where it can be, and no reason to end where it cannot */
};
const char *path_kind_name(enum path_kind kind);           /* "hide" */
size_t policy_paths(const struct policy *policy, const struct path_rule **ret);   /* borrowed; by kind, then pattern */
json_t *policy_paths_json(const struct policy *policy);    /* {hide: [{pattern, layer, source}], ...}; the caller owns it */
/* One more path below the workspace that no tool may change, as it is spelled. why: stands where a rule has its FILE:LINE. */
MUST_USE int policy_path_keep(struct policy *policy, const char *path, const char *why, struct err *err);
/* The rule that is about this path below the workspace, or about a directory on the way to it; NULL: none. */
const struct path_rule *policy_path_find(const struct policy *policy, enum path_kind kind, const char *path);

/* Reads files and loads them; an admin file must be owned by root and not be writable by others. */
struct policy_file { enum layer layer; const char *path; };
MUST_USE int policy_load_files(const struct policy_file *files, size_t count, const char *const *tools,
                               size_t tool_count, struct policy **ret, struct err *err);

void policy_free(struct policy *policy);                   /* NULL is fine */
void policy_freep(struct policy **policy);
const char *policy_digest(const struct policy *policy);    /* SHA-256 of the set, hexadecimal; borrowed */
size_t policy_rule_count(const struct policy *policy);
json_t *policy_sources(const struct policy *policy);       /* [{layer, file, sha256}]; the caller owns it */
/* [{id, effect, kind, layer, source, matches, unless?, reason?, approval?}]; the caller owns it. */
json_t *policy_rules(const struct policy *policy);
size_t policy_test_count(const struct policy *policy);     /* tests in the files; all have passed */
/* What is allowed but unwise: ["FILE:LINE:COL: what: what would be right"]; the caller owns it. */
json_t *policy_lint(const struct policy *policy);

enum action_kind { ACTION_TOOL, ACTION_EXEC, ACTION_NET, ACTION_DELEGATE, ACTION_SCHEDULE, ACTION_MODEL };
enum origin { ORIGIN_UNTRUSTED, ORIGIN_WORKSPACE, ORIGIN_SYSTEM }; /* 0 is the safest */
const char *origin_name(enum origin origin);

struct action {
	enum action_kind kind;
	struct {
		const char *name, *category, *risk;        /* category: read write exec network agent schedule; risk: low high */
		const json_t *args;                        /* object */
	} tool;
	struct {
		const char *program;                       /* the real file, absolute */
		const char *const *names;                  /* all names it goes by: file, link, script, applet; deny and ask look at all */
		size_t name_count;                         /* names[0] is the file's own name */
		size_t trusted_names;                      /* so many, from the first, are beyond forgery: allow looks at these;
		                                            * more than 1 where a link lies on the system */
		enum origin origin;
		const char *const *argv;                   /* argv[0] included */
		size_t argc;
		const char *cwd;
		const char *sha256;                        /* NULL when not known */
		const char *const *also_sha256;            /* of what runs it: interpreter, loader; deny and ask look at these */
		size_t also_count;
	} exec;
	struct {
		const char *host, *scheme;
		int port;
		const char *method;                        /* NULL: not known, as inside a tunnel */
		enum address_class address;                /* where it leads; before it is known, ADDRESS_PUBLIC asks who could */
		const char *resolved;                      /* the address in its one spelling; NULL: not known */
	} net;
	struct { const char *agent; } delegate;            /* NULL in these three: not known */
	struct { const char *cron, *goal; } schedule;
	struct { const char *provider, *model; } model;
	const char *secret;                                /* of a tool call or a connection: the one that it would use; NULL: none */
};

struct facts {
	const char *user, *role, *agent, *channel, *workspace; /* never NULL; "" when unknown */
	const char *session, *root;                        /* of the task; NULL and "": not known */
	bool interactive;
	int depth;
	int64_t calls;                                     /* of the task so far */
	int64_t cost_nanos;                                /* nano-USD that its whole tree has spent; -1: not known */
	const char *const *env;                            /* NAME=VALUE of the engine, NULL at the end; NULL: not known */
	int64_t time_us;                                   /* wall clock */
	const char *const *taints;
	size_t taint_count;
	/* Resolves links and ".." of an absolute path whose end may not exist yet; the caller owns the
	 * result; NULL when it cannot be resolved (then nothing is "within"). NULL: lexical only. */
	char *(*resolve)(void *userdata, const char *path);
	void *userdata;
};

/* What the answer to an `ask` must be like. Borrowed from the policy. */
struct approval_terms {
	const char *from;                /* "group:NAME" or "user:NAME"; NULL: anybody who can reach the task */
	const char *const *members;      /* of the group */
	size_t member_count;
	int count;                       /* so many people must say yes */
	int64_t expires_ms;              /* 0: the rule sets none */
	const char *remember;            /* the widest: never, task, session, or "date" */
	int64_t remember_ms;             /* "date": at most so long */
	bool same_program;               /* a remembered answer covers the program and its subcommand */
};

struct decision {
	enum effect effect;
	const char *rule;            /* NULL: no rule matched, the default decided. Borrowed from the policy */
	const char *source;          /* "FILE:LINE"; NULL with rule. Borrowed */
	char reason[512];            /* for the person and the model; says what would be allowed where known */
	const char *also[16];        /* other rules that matched. Borrowed */
	size_t also_count;
	const char *secret_source;   /* "FILE:LINE" of an allow or ask rule that matched and names the secret; NULL: none. Borrowed */
	bool high_risk;
	unsigned withheld;           /* permissions (base/permission.h) that matching rules leave out; 0: none */
	const char *rule_digest;     /* SHA-256 of the deciding rule's own text; NULL with rule. Borrowed */
	struct approval_terms approval; /* with EFFECT_ASK */
	int64_t ns;                  /* time spent */
};

/* Does a rule ask for the SHA-256 of programs? Then a start whose is not known meets the stricter outcome. */
bool policy_wants_sha256(const struct policy *policy);

/* Pure. Never fails: what cannot be evaluated counts as its stricter outcome. */
void policy_decide(const struct policy *policy, const struct action *action, const struct facts *facts,
                   struct decision *ret);

/* May this model be used without a person's word? Where no layer has a rule that allows a model, all may: a default for
 * tools is not meant for what thinks. Where one does, it is a list, and its default holds for all others. */
bool policy_leaves_model(const struct policy *policy, const struct decision *decision);
/* "RULE (FILE:LINE)", or what stands for it where no rule spoke. Returns text. */
const char *decision_by(const struct decision *decision, char *text, size_t size);
/* {"effect","rule","source","reason","also","policy","ns"}; the caller owns it. */
json_t *decision_json(const struct decision *decision, const struct policy *policy);

/* Is the user a member of this group of the policy? A group that is not there has none. */
bool policy_in_group(const struct policy *policy, const char *group, const char *user);

#endif
