/* people.c - see people.h. It keeps count of every yes to every digest, apart from the events. */
#include "people.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct truth *people_truth(struct people *p, const char *digest)
{
	for (size_t i = 0; i < p->truth_count; i++)
		if (strcmp(p->truths[i].digest, digest) == 0)
			return &p->truths[i];
	if (p->truth_count == TRUTHS)
		abort();
	struct truth *t = &p->truths[p->truth_count++];
	snprintf(t->digest, sizeof t->digest, "%s", digest);
	return t;
}

int people_agreed(const struct truth *t)
{
	return __builtin_popcount(t->yes & 7u); /* a, b and c */
}

void people_speak(struct people *p, const struct approval *a, int64_t now_us, uint64_t random)
{
	if (p->word_count == WORDS)
		return;
	struct word *w = &p->words[p->word_count++];
	unsigned who = (unsigned)(random % 4), how = (unsigned)(random / 4 % 16);

	*w = (struct word){ .by = { (char)('a' + who), '\0' }, .time_us = now_us, .remember = random / 64 % 4 == 0 };
	w->say = how < 2 ? SAY_NO : how == 2 ? SAY_EDIT : SAY_YES;
	snprintf(w->approval, sizeof w->approval, "%s", a->id);
	snprintf(w->digest, sizeof w->digest, "%s", a->digest);
	if (how == 3) { /* one byte of it is another */
		w->digest[random / 256 % SHA256_HEX_LEN] ^= 1;
		p->drifted++;
	}
	if (how == 4 && a->expires_us > 0) {
		w->time_us = a->expires_us + 1;
		p->late++;
	}
	if (w->say == SAY_YES && how > 4)
		people_truth(p, w->digest)->yes |= 1u << who;
}

void people_forget(struct people *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->word_count; i++)
		if (!p->words[i].taken)
			p->words[kept++] = p->words[i];
	p->word_count = kept;
}

void people_crash(struct people *p)
{
	for (size_t i = 0; i < p->word_count; i++)
		p->words[i].taken = false;
}
