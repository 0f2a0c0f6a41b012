/* gather.h - a reply in the making. Dialects put pieces in; the bounds are kept here, once for all of them. */
#ifndef MISHRI_LLM_GATHER_H
#define MISHRI_LLM_GATHER_H

#include "llm/fault.h"

struct gathered_call {
	int64_t index;          /* the provider's number for it; -1 when it gave none */
	char *id;               /* NULL until one came */
	char *name;
	struct buf args;
};

/* A part of the content whose place among the others matters. */
struct gathered_block {
	int64_t index;          /* the provider's number for it */
	json_t *block;          /* as it began */
	size_t text_from;       /* where in the text of the reply it began */
	struct buf text;        /* what was added that is no text of the reply */
	struct buf signature;
};

struct gather {
	const char *who;        /* the provider's name, for sentences; borrowed */
	int http_status;
	bool reports_usd;       /* see provider.h */
	struct buf text;
	struct gathered_call *calls;
	size_t call_count;
	struct gathered_block *blocks;
	size_t block_count;
	char *finish, *model, *response_id, *opaque;
	struct llm_usage usage;
	bool begun;             /* something of a reply was seen */
	bool spoke;             /* the first token came */
	bool refused;
	bool whole;             /* the provider said that the reply is complete; usage may still come */
	bool ended;             /* it said that nothing more comes */
	bool failed;            /* `failure` is set; what comes after it is ignored */
	struct llm_failure failure;
	void (*on_text)(void *userdata, struct str text);   /* may be NULL */
	void *userdata;
};

void gather_init(struct gather *g, const char *who, int http_status);
void gather_done(struct gather *g);

/* The first failure stays. */
void gather_fail(struct gather *g, const struct llm_failure *failure);
void gather_unreadable(struct gather *g, const char *what);

/* All texts are copied. Values of another JSON type are ignored, except where it says otherwise. */
void gather_text(struct gather *g, const json_t *text);
void gather_word(char **word, const json_t *text);          /* finish, model, response_id: the last one counts */

/* The call that a piece belongs to; NULL when there are more than may be kept. Any of the parts may be NULL. The
 * first name and the first id count, arguments are joined; arguments that are no text are taken as their JSON. */
struct gathered_call *gather_call(struct gather *g, int64_t index, const json_t *id, const json_t *name);
void gather_args(struct gather *g, struct gathered_call *call, const json_t *args);

/* Remembers a block; its bytes count towards what a reply may have. `block` is copied. */
void gather_block(struct gather *g, int64_t index, const json_t *block);
struct gathered_block *gather_block_find(struct gather *g, int64_t index);      /* the newest; may be NULL */
void gather_block_add(struct gather *g, struct buf *to, const json_t *text);

/* A count of tokens: -1 unless it is an integer that can be one. */
int64_t gather_tokens(const json_t *object, const char *key);

/* Hands everything over. Ids that are missing or occur twice in the reply are made up. */
void gather_reply(struct gather *g, struct llm_reply *ret);

#endif
