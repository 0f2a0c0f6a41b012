/* ask.h - questions to the person at the terminal: one at a time, never blocking the loop. Silence and
 * everything but a clear yes is a no. */
#ifndef MISHRI_CLI_ASK_H
#define MISHRI_CLI_ASK_H

#include "engine/engine.h"

struct asker;

/* answer: called with the person's word. Reads stdin, writes stderr. */
typedef void answer_fn(void *userdata, const char *approval, bool allow, const char *reason);
MUST_USE struct asker *asker_new(struct loop *loop, answer_fn *answer,
                                 void (*pause)(void *userdata, bool paused), void *userdata);
void asker_free(struct asker *asker);
void asker_ask(struct asker *asker, const struct question *question);
void asker_withdraw(struct asker *asker, const char *approval);

#endif
