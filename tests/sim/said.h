/* said.h - what the people of the simulator tell a task from other terminals: in an inbox until the events that it brought are
 * durable. */
#ifndef MISHRI_SIM_SAID_H
#define MISHRI_SIM_SAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SAID_MOST = 64 };

struct said_word {
	enum { SAY_CANCEL, SAY_PAUSE, SAY_GO_ON, SAY_STEER, SAY_ANSWER } what;
	bool now, taken;
	int number;
};

struct said {
	struct said_word words[SAID_MOST];
	size_t count;
	int numbers;                   /* handed out */
	bool cancelled;                /* a cancel is durable */
	long cancels, pauses, steers, answers;
};

/* Somebody says something; random: what. */
void said_anything(struct said *s, uint64_t random);
void said_put(struct said *s, int what, bool now);
void said_forget(struct said *s);                       /* what was taken, once that is durable */
void said_crash(struct said *s);                        /* what was taken, and is not durable, lies there again */

#endif
