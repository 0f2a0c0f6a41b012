/* approval.h - a person's answer to an `ask`: what it is bound to, whose word counts, and when it is enough.
 * Pure: the engine and the commands ask the same functions, so that both say the same. */
#ifndef MISHRI_CORE_APPROVAL_H
#define MISHRI_CORE_APPROVAL_H

#include "base/hash.h"
#include "core/event.h"

struct task;

/* A question that waits; folded from approval.requested and approval.voted, gone with approval.decided. */
struct approval {
	char id[ID_LEN + 1];
	char *call, *kind;             /* kind: tool, exec, net or model */
	char digest[SHA256_HEX_LEN + 1]; /* approval_bind: what an answer is good for */
	char *rule, *source, *reason;  /* NULL where there is none */
	char *rule_digest;             /* "" where a default asks */
	json_t *action;
	json_t *terms;                 /* as in the event: from, members, count, remember, remember_ms, same, risk */
	int64_t requested_us, expires_us; /* expires 0: never */
	json_t *voters;                /* names of those who said yes */
	char *remember;                /* the narrowest that any of them wished: once, task, session, date */
	int64_t until_us;              /* with session and date; 0: no end */
};

void approval_done(struct approval *approval);

/* SHA-256 of the canonical action (which has its directory in it) and the text of the rule that asks. */
void approval_bind(const json_t *action, const char *rule_digest, char hex[static SHA256_HEX_LEN + 1]);
/* The same for every start of this program with this subcommand. False: it has none that can be told for sure, so
 * that only the very same action is covered. */
bool approval_bind_program(const json_t *action, const char *rule_digest, char hex[static SHA256_HEX_LEN + 1]);
/* "/usr/bin/git push"; NULL with the same condition. The caller owns it. */
MUST_USE char *approval_program(const json_t *action);

enum say { SAY_NO, SAY_YES, SAY_EDIT };

/* One person's word. Borrowed, but what answer_parse made: json_decref(ret->body) frees that. */
struct answer {
	enum say say;
	const char *approval, *digest; /* what the person saw */
	const char *by, *word;         /* word: an id of this answer, so that its sender finds out what became of it */
	const char *reason;            /* "" for none */
	const char *remember;          /* once, task, session, date */
	int64_t until_us;              /* with date */
	const json_t *args;            /* with EDIT: the new arguments */
	int64_t time_us;               /* when it was given */
	json_t *body;
};

/* The message for an inbox, and back. The caller owns it. */
MUST_USE json_t *answer_format(const struct answer *answer);
MUST_USE int answer_parse(const json_t *body, struct answer *ret, struct err *err);

/* Does this word count? 0: it decides; 1: it counts, and more are needed; else err says why it does not:
 * -ETIME expired, -ESTALE not what was shown, -EACCES not this person's to say, -EALREADY said before, -EPERM
 * wider than the rule lets be remembered, -EINVAL. A no counts from everybody. */
MUST_USE int approval_judge(const struct approval *approval, const struct answer *answer, struct err *err);
int approval_needed(const struct approval *approval);            /* how many must say yes */
/* May an answer be remembered so: once, task, session or date? */
bool approval_may_remember(const struct approval *approval, const char *remember);
bool approval_may_answer(const struct approval *approval, const char *user);     /* with a yes */
bool approval_outlives(const char *kind);                        /* the engine that asked: nothing is held meanwhile */
bool approval_high_risk(const struct approval *approval);
/* "anybody", "alice", "2 of the group ops (alice, bob)". Appends to ret. */
void approval_who(const struct approval *approval, struct buf *ret);

/* From the data of approval.requested; votes are added by approval_vote. The caller owns what is in *ret. */
void approval_read(const json_t *data, int64_t time_us, struct approval *ret);
void approval_vote(struct approval *approval, const json_t *data);               /* of approval.voted */

/* What waits in a task. Borrowed; NULL. */
struct approval *task_approval(const struct task *task, const char *id);
const struct approval *task_approval_of(const struct task *task, const char *call);      /* of a tool call */

/* Folding, for task.c. */
void approvals_free(struct task *task);
void approvals_add(struct task *task, const struct event *event);
void approvals_voted(struct task *task, const struct event *event);
void approvals_drop(struct task *task, const char *id, int64_t now_us);
void approvals_drop_call(struct task *task, const char *call, int64_t now_us);   /* its tool approvals */
const struct approval *approvals_expired(const struct task *task, int64_t now_us);       /* the first one; NULL */
int64_t approvals_wakeup_us(const struct task *task);

#endif
