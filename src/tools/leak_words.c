/* leak_words.c - all words of the table in one pass over a text: an automaton of Aho and Corasick whose steps are a
 * table, so that a byte costs one look. Nothing of secrets is known here. */
#include "tools/leaks.h"

#include "base/banned.h"

enum { CLASSES = 64, FOUND = 0x8000, STATES_MAX = 0x7fff };

struct out {
	unsigned row;
	size_t len;
	int next; /* -1: the last of this state */
};

struct words {
	unsigned char class_of[256]; /* 0: a byte of no word */
	size_t classes, states, outs;
	uint16_t (*next)[CLASSES]; /* the state to go to; FOUND is set where a word ends there */
	int *out;
	struct out *list;
};

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') : (unsigned char)c;
}

static uint16_t state_new(struct words *w)
{
	assert(w->states < STATES_MAX);
	w->next = xrealloc(w->next, (w->states + 1) * sizeof *w->next);
	w->out = xrealloc(w->out, (w->states + 1) * sizeof *w->out);
	memset(w->next[w->states], 0, sizeof *w->next);
	w->out[w->states] = -1;
	return (uint16_t)w->states++;
}

static void add_word(struct words *w, struct str word, unsigned row)
{
	uint16_t state = 0;

	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = lower(word.ptr[i]);
		if (w->class_of[c] == 0) {
			assert(w->classes < CLASSES);
			w->class_of[c] = (unsigned char)w->classes++;
		}
		if (w->next[state][w->class_of[c]] == 0) {
			uint16_t made = state_new(w); /* moves the table */
			w->next[state][w->class_of[c]] = made;
		}
		state = w->next[state][w->class_of[c]];
	}
	w->list = xrealloc(w->list, (w->outs + 1) * sizeof *w->list);
	w->list[w->outs] = (struct out){ row, word.len, w->out[state] };
	w->out[state] = (int)w->outs++;
}

/* The list of a state ends in the list of the longest word that is its own end. */
static void join_out(struct words *w, uint16_t state, uint16_t fallback)
{
	int *end = &w->out[state];

	while (*end >= 0)
		end = &w->list[*end].next;
	*end = w->out[fallback];
}

/* Breadth first: a missing step is the step of the longest own end, which is known by then. */
static void link_states(struct words *w)
{
	uint16_t *queue = xcalloc(w->states, sizeof *queue), *fallback = xcalloc(w->states, sizeof *fallback);
	size_t head = 0, tail = 0;

	for (size_t c = 0; c < CLASSES; c++)
		if (w->next[0][c] != 0)
			queue[tail++] = w->next[0][c];
	while (head < tail) {
		uint16_t state = queue[head++];
		join_out(w, state, fallback[state]);
		for (size_t c = 0; c < CLASSES; c++) {
			uint16_t to = w->next[state][c];
			if (to == 0) {
				w->next[state][c] = w->next[fallback[state]][c];
			} else {
				fallback[to] = w->next[fallback[state]][c];
				queue[tail++] = to;
			}
		}
	}
	free(queue);
	free(fallback);
}

struct words *words_new(const char *const *words, size_t count)
{
	struct words *w = xcalloc(1, sizeof *w);
	struct str word;

	w->classes = 1;
	state_new(w);
	for (size_t i = 0; i < count; i++)
		for (struct str rest = str_of(words[i]); str_next(&rest, ' ', &word);)
			if (word.len > 0)
				add_word(w, word, (unsigned)i);
	link_states(w);
	for (int c = 'A'; c <= 'Z'; c++)
		w->class_of[c] = w->class_of[c + 'a' - 'A'];
	for (size_t s = 0; s < w->states; s++)
		for (size_t c = 0; c < CLASSES; c++)
			if (w->out[w->next[s][c] & STATES_MAX] >= 0)
				w->next[s][c] |= FOUND;
	return w;
}

void words_free(struct words *words)
{
	if (words == NULL)
		return;
	free(words->next);
	free(words->out);
	free(words->list);
	free(words);
}

void words_find(const struct words *w, struct str text, void (*found)(void *userdata, const struct word_hit *hit), void *userdata)
{
	uint16_t state = 0;

	for (size_t i = 0; i < text.len; i++) {
		state = w->next[state & STATES_MAX][w->class_of[(unsigned char)text.ptr[i]]];
		if ((state & FOUND) == 0)
			continue;
		for (int at = w->out[state & STATES_MAX]; at >= 0; at = w->list[at].next) {
			struct word_hit hit = { i + 1 - w->list[at].len, i + 1, w->list[at].row };
			found(userdata, &hit);
		}
	}
}
