/* mend.h - what `mishri doctor --fix` can put right: each fault with the steps that mend it, as a person would type them, and
 * how they are taken back. A step is only done when somebody said yes to it. */
#ifndef MISHRI_CLI_MEND_H
#define MISHRI_CLI_MEND_H

#include <sys/types.h>

#include "base/err.h"

enum mend_kind { MEND_DO_WRITE, MEND_DO_SYSCTL, MEND_DO_CHMOD, MEND_DO_CHOWN, MEND_DO_RUN };

struct mend_step {
	enum mend_kind kind;
	char *shown, *undo;            /* commands of a shell; undo may be "" */
	char *path, *text;             /* WRITE, SYSCTL: the file and what it will hold; CHMOD, CHOWN: the file */
	mode_t mode;
	const char *argv[4];           /* RUN: a program that systems have in one place, NULL-terminated */
};

enum { MEND_STEPS = 3, MEND_MOST = 32 };

struct mend {
	char *fault;                   /* one sentence */
	bool administrator;            /* only root can do it, and this is not root */
	struct mend_step steps[MEND_STEPS];
	size_t step_count;
};

/* Where to look: "/proc/sys", "/etc", "/run" but in tests. */
struct machine {
	const char *sys, *etc, *run;
	uid_t uid;                     /* who asks */
	const char *home_config;       /* directory of the user's configuration; NULL: none */
	const char *data;              /* the data directory; NULL: none */
	bool no_cgroup;                /* cells get no control group */
	char *(*profile)(void);        /* the text of the AppArmor profile; the caller owns it; NULL: it cannot be made */
};

/* The faults there are, at most `max`; returns how many. Changes nothing. */
size_t mends_find(const struct machine *machine, struct mend *ret, size_t max);
void mend_done(struct mend *mend);

/* Does one step. 0, or -errno: err says what went wrong; what was done before stays. */
MUST_USE int mend_do(const struct mend_step *step, struct err *err);

#endif
