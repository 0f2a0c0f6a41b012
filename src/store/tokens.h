/* tokens.h - tokens of the API as they are kept, the requests that became tasks, and tasks that an engine left behind. */
#ifndef MISHRI_STORE_TOKENS_H
#define MISHRI_STORE_TOKENS_H

#include "base/hash.h"
#include "store/store.h"

enum { TOKEN_SALT_LEN = 32 };

struct token_row {                /* texts are borrowed in visits, owned by nobody else */
	char id[ID_LEN + 1], name[LIMIT_TOKEN_NAME_BYTES + 1], user[USER_LEN + 1], role[16];
	char made_by[USER_LEN + 1], revoked_by[USER_LEN + 1];
	char salt[TOKEN_SALT_LEN + 1], hash[SHA256_HEX_LEN + 1];
	int64_t made_us, expires_us, revoked_us;  /* expires 0: never; revoked 0: not */
};

/* -EEXIST: there is one of that name. -ENOSPC: there are LIMIT_TOKENS. Durable on return, with its event. */
MUST_USE int store_token_add(struct store *store, const struct token_row *token, struct err *err);
MUST_USE int store_token_get(struct store *store, const char *id, struct token_row *ret, struct err *err);  /* -ENOENT */
MUST_USE int store_tokens(struct store *store, void (*visit)(void *userdata, const struct token_row *row), void *userdata,
                          struct err *err);
/* -ENOENT: no such name; -EALREADY: it was revoked before. */
MUST_USE int store_token_revoke(struct store *store, const char *name, const char *by, struct err *err);

/* What the request with this key became: 1 with its task, 0 none that lives on. */
MUST_USE int store_request_get(struct store *store, const char *user, const char *key, char ret_digest[static SHA256_HEX_LEN + 1],
                               char ret_task[static ID_LEN + 1], bool *ret_there, struct err *err);
MUST_USE int store_request_put(struct store *store, const char *user, const char *key, const char *digest, const char *task,
                               struct err *err);

/* Root tasks that are running, or parked, oldest first; whether somebody runs them is not asked here. */
MUST_USE int store_tasks_left(struct store *store, enum task_state state, void (*visit)(void *userdata, const char *task),
                              void *userdata, struct err *err);

/* Whose session it is: 1, or 0 where it has no task yet. */
MUST_USE int store_session_user(struct store *store, const char *session, char ret[static USER_LEN + 1], struct err *err);

#endif
