/* token.h - who may do what by the API: roles, and tokens, which stand for a user in a role. */
#ifndef MISHRI_SERVER_TOKEN_H
#define MISHRI_SERVER_TOKEN_H

#include "store/tokens.h"

/* What a role lets its bearer do. */
enum right {
	RIGHT_READ = 1,                /* tasks of the own user, and what belongs to them */
	RIGHT_READ_ALL = 2,            /* of everybody */
	RIGHT_START = 4,               /* tasks for the own user */
	RIGHT_CONTROL = 8,             /* cancel, pause, steer ...: what one may read */
	RIGHT_APPROVE = 16,            /* answer for what waits; who counts is the rule's word */
	RIGHT_ADMIN = 32,              /* grants of others, the policy in force, metrics */
};

struct role { const char *name; unsigned rights; const char *about; };
const struct role *role_at(size_t i);                          /* NULL behind the last */
const struct role *role_find(const char *name);                /* NULL */

enum { TOKEN_TEXT_BYTES = 7 + ID_LEN + 1 + 64 + 1 };           /* "mishri-ID-SECRET" */

/* A new secret for `row` (id, salt and hash are filled in), as its bearer will show it. Nobody else ever has it. */
void token_make(struct token_row *row, char ret[static TOKEN_TEXT_BYTES]);

/* Is it the token of a row that counts now? `text` is a stranger's. -EACCES: it is not, whatever the reason; the same time
 * passes for a wrong secret as for a right one. */
MUST_USE int token_check(struct store *store, struct str text, int64_t now_us, struct token_row *ret, struct err *err);
#define TOKEN_IN_FORCE "in force"
/* The same, but one that is known and does not count any more is no failure: *ret_state says TOKEN_IN_FORCE, "revoked" or
 * "expired". */
MUST_USE int token_look(struct store *store, struct str text, int64_t now_us, struct token_row *ret, const char **ret_state,
                        struct err *err);

/* Wrong tokens, counted over all clients: who guesses has to wait. Pure. */
struct token_guard { int64_t failures, since_ms; };
bool token_guard_open(struct token_guard *guard, int64_t now_ms);
void token_guard_failed(struct token_guard *guard, int64_t now_ms);

bool token_name_valid(const char *name);                       /* letters, digits and -._ */

#endif
