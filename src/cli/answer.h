/* answer.h - a person's answer to what waits, before it is put into the task's inbox: the same judge for every front. */
#ifndef MISHRI_CLI_ANSWER_H
#define MISHRI_CLI_ANSWER_H

#include "core/approval.h"
#include "store/store.h"

struct answer_wish {
	struct store *store;
	struct answer answer;          /* who, when and what; digest is filled in */
	const char *digest;            /* only if it is bound to this; NULL: to whatever it is bound to */
	/* what came of it */
	char task[ID_LEN + 1];
	bool alive;                    /* an engine that lives holds the task */
	json_t *body;                  /* the message for the inbox; the caller owns it */
};

/* 0: it may be put. -EALREADY: it is over, was answered, or is gone; -EACCES: not by this person; -EBADMSG: arguments that
 * do not fit the tool; -EOPNOTSUPP: a question, which wants words; others as approval_judge. */
MUST_USE int answer_judge(struct answer_wish *wish, struct err *err);

/* What was held by an engine that is gone cannot be answered any more. */
bool approval_is_gone(const struct approval_row *row);

/* Ends a grant. -EALREADY: it is over. */
MUST_USE int grant_revoke(struct store *store, const char *grant, const char *by, struct err *err);

#endif
