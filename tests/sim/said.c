/* said.c - see said.h. */
#include "said.h"

#include "base/util.h"
#include "base/banned.h"

void said_put(struct said *s, int what, bool now)
{
	if (s->count == SAID_MOST)
		return;
	s->words[s->count] = (struct said_word){ .now = now, .number = ++s->numbers };
	s->words[s->count++].what = what;
}

void said_anything(struct said *s, uint64_t random)
{
	static const int often[] = { SAY_PAUSE, SAY_PAUSE, SAY_GO_ON, SAY_STEER, SAY_STEER, SAY_STEER, SAY_ANSWER };

	if (random % 15 == 0)
		said_put(s, SAY_CANCEL, random / 64 % 4 == 0);
	else
		said_put(s, often[random / 64 % COUNT(often)], random / 1024 % 2 == 0);
}

void said_forget(struct said *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		s->cancelled |= s->words[i].taken && s->words[i].what == SAY_CANCEL;
		if (!s->words[i].taken)
			s->words[kept++] = s->words[i];
	}
	s->count = kept;
}

void said_crash(struct said *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->words[i].taken = false;
}
