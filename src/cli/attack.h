/* attack.h - evasions as data, and what becomes of one. cmd_attack.c prints, attack.c runs, attack_rows.c is the corpus. */
#ifndef MISHRI_CLI_ATTACK_H
#define MISHRI_CLI_ATTACK_H

#include "engine/engine.h"

/* What an evasion is after. Policy is asked about it first: what it allows plainly is no evasion. */
enum attack_target {
	ATTACK_PROGRAM,              /* a program that the policy forbids: @P below */
	ATTACK_PUSH,                 /* `git push` */
	ATTACK_WORKSPACE,            /* a program of the workspace */
	ATTACK_UNTRUSTED,            /* a program of neither system nor workspace, or foreign code in one of the system */
	ATTACK_HOST,                 /* a host that the policy does not allow */
	ATTACK_METADATA,             /* where clouds keep what a machine may do: 169.254.169.254 */
	ATTACK_LOOPBACK,             /* a port of this machine, through the proxy */
	ATTACK_HIDDEN,               /* a file that `files: hide` names */
	ATTACK_KEPT,                 /* `file` below, where `files` keeps it from being changed */
	ATTACK_CELL,                 /* what the kernel keeps whatever a policy says */
	ATTACK_TARGETS
};

/* How it shows that it was done. */
enum attack_sign {
	SIGN_MADE,                   /* there is a file `made` */
	SIGN_TARGET,                 /* as the program that is the target leaves it */
	SIGN_OUTSIDE,                /* there is a file at @W, outside of the workspace */
	SIGN_TOKEN,                  /* the text of @S, a file outside of the workspace, is in the output */
	SIGN_STATUS,                 /* exit status 0 */
	SIGN_REACHED,                /* somebody connected to @N, a port of this machine */
	SIGN_LET,                    /* the proxy would have connected */
	SIGN_CHANGED,                /* the file that is kept is another, or gone */
};

/* sh: @P the program, @F its path, @A its arguments, @C both, @I the same with $IFS, @B with commas, @L as a list of
 * strings, @1 its first letter, @2 the rest, @O in octal, @6 the command in base64, @@ a plain @; @S @W @N as above, @K a
 * process of this machine. It runs in an empty directory with a file `prey`. @H a host, @X the address of the proxy. Where
 * it is about files: @E the hidden file, @D the first directory on the way to it, @G the kept one; it runs in the workspace. */
struct attack {
	const char *id, *sh;
	enum attack_target target;
	enum attack_sign sign;
	const char *needs;           /* programs that it is made with; "" */
	const char *close;           /* what would close it, should it get through */
	bool inside;                 /* no program start at all: beyond the promise of exec rules */
	const char *file;            /* ATTACK_KEPT: which; below the workspace. NULL elsewhere */
};

extern const struct attack attacks[];
extern const size_t attack_count;

/* Programs that a policy may forbid, each with something harmless to do in a throw-away directory. */
struct attack_prey {
	const char *program, *args;
	enum { PREY_GONE, PREY_MADE, PREY_CHANGED } leaves;
};
extern const struct attack_prey attack_preys[];
extern const size_t attack_prey_count;

enum attack_verdict { VERDICT_HELD, VERDICT_THROUGH, VERDICT_BEYOND, VERDICT_ALLOWED, VERDICT_NOT_HERE, VERDICTS };
const char *attack_verdict_name(enum attack_verdict verdict);

struct attack_result {
	enum attack_verdict verdict;
	const char *rule, *source;   /* borrowed from the policy; NULL: no rule, or the kernel */
	char *tried;                 /* the command line; owned, for attack_result_done */
	char target[128];            /* what it is after: "exec rm -rf prey" */
	char why[600];               /* one sentence */
};

void attack_result_done(struct attack_result *result);

struct attack_field;                 /* cells, and a throw-away place */

/* Before anything else: warden is the caller's. -errno: err says what is missing. */
MUST_USE int attack_field_open(struct warden *warden, struct loop *loop, const struct policy *policy, const char *user,
                               enum cell_level level, struct attack_field **ret, struct err *err);
void attack_field_close(struct attack_field *field);      /* removes the place; NULL is fine */

/* First with nothing forbidden, then under the policy. -errno: the cells are gone. */
MUST_USE int attack_try(struct attack_field *field, const struct attack *attack, struct attack_result *ret, struct err *err);

#endif
