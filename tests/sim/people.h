/* people.h - the people of the simulator: what they say about what they were shown, and what they truly agreed to,
 * which no crash can touch. */
#ifndef MISHRI_SIM_PEOPLE_H
#define MISHRI_SIM_PEOPLE_H

#include "core/approval.h"

enum { WORDS = 64, TRUTHS = 512 };

struct word {                          /* lies in an inbox until the events that it brought are durable */
	char approval[ID_LEN + 1], digest[SHA256_HEX_LEN + 1], by[2];
	enum say say;
	bool remember, taken;
	int64_t time_us;
};

struct truth { char digest[SHA256_HEX_LEN + 1]; unsigned yes; bool remembered, revoked; };

struct people {
	struct word words[WORDS];
	size_t word_count;
	struct truth truths[TRUTHS];
	size_t truth_count;
	long refused, voted, drifted, late, twice;
};

/* Somebody among a, b, c (who may) and d (who may not) says something; now and then about other bytes, or too late. */
void people_speak(struct people *p, const struct approval *about, int64_t now_us, uint64_t random);
void people_forget(struct people *p);                   /* the words that were taken, once that is durable */
void people_crash(struct people *p);                    /* what was taken, and is not durable, lies there again */
struct truth *people_truth(struct people *p, const char *digest);
int people_agreed(const struct truth *truth);           /* how many of those who may have said yes to it */

#endif
