/* ask.h - questions to the person at the terminal: one at a time, never blocking the loop. Silence and everything but a
 * clear yes is a no, and what was typed before a question was on the screen is no answer to it. */
#ifndef MISHRI_CLI_ASK_H
#define MISHRI_CLI_ASK_H

#include "engine/engine.h"

struct asker;

struct asker_calls {
	int (*answer)(void *userdata, const struct answer *answer, struct err *err);   /* as engine_answer */
	void (*say)(void *userdata, const char *question, const char *words);
	void (*pause)(void *userdata, bool paused);            /* nothing else may draw meanwhile */
	void *userdata;
};

/* Reads stdin, writes stderr; both must be terminals. */
MUST_USE struct asker *asker_new(struct loop *loop, const struct asker_calls *calls);
void asker_free(struct asker *asker);
void asker_ask(struct asker *asker, const struct question *question);
void asker_withdraw(struct asker *asker, const char *approval, const char *why);

#endif
