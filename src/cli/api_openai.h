/* api_openai.h - a client of OpenAI's API that waits for the end of a task, and what it was told until now. */
#ifndef MISHRI_CLI_API_OPENAI_H
#define MISHRI_CLI_API_OPENAI_H

#include "base/hash.h"
#include "cli/api.h"
#include "cli/reveal.h"

struct ending {                        /* how a task ended */
	const char *state;             /* "cancelled" or "" */
	char *result;                  /* owned */
	int exit;
	int64_t input, output;
};

struct api_chat {
	struct api_chat *next;
	struct http_conn *conn;
	char task[ID_LEN + 1], user[USER_LEN + 1], token[ID_LEN + 1];
	char *model;                   /* as the client named it */
	int64_t created_s;
	bool stream, usage;
	bool begun;                    /* the stream */
	bool kept;                     /* came with an Idempotency-Key: the task outlives its client */
	bool over;                     /* the task; `end` says how */
	struct ending end;

	/* api_said.c: the text of a stream */
	struct reveal text;
	bool any;                      /* some was told */
	bool behind;                   /* replies that are durable were not told whole yet */
	int64_t seq;                   /* of the newest reply that was told whole */
	int64_t told;                  /* bytes of the one after it */
	int64_t said;                  /* bytes that came of the reply that is being written; -1: its beginning was missed */
	char shown[SHA256_HEX_LEN + 1]; /* of the newest reply that was told whole; "" */
};

/* api_models.c. What a task is given for the name of a model; false: there is none of that name. */
bool chat_model(const char *name, const struct agents *agents, json_t *spec);
/* Without a workspace it is the first that is open to tokens. */
void chat_workspace(const struct api *api, json_t *spec);

void chat_forget(struct api_chat *chat);
void chat_content(const struct api_chat *chat, struct str clean);   /* to the client, in chunks */

/* A piece of a reply that is being written. A client that does not take what comes is told when the reply is durable. */
void said_live(struct api_chat *chat, struct str text);
/* An event of its task. True: there may be something to tell by said_again. */
bool said_event(struct api_chat *chat, const struct event *event);
/* It comes to a task that works already. */
void said_missed(struct api_chat *chat);
/* What is durable and was not told, as far as there is room; `behind` says whether that was all. */
void said_again(struct api *api, struct api_chat *chat);
/* The task's result, where it is not what was said last. */
void said_result(struct api_chat *chat, const char *result);

#endif
