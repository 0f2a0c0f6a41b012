/* trace_edges.c - what led to what in a trace, besides what lies in what: order, results that went in, waiting. That a
 * result went to the next turn is certain. That it fed a call is inferred: the arguments repeat a word that stood in it
 * and nowhere before. It never guesses from common words, and keeps no text. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/trace.h"

#include "base/banned.h"

const char *edge_kind_name(enum edge_kind kind)
{
	static const char *const names[] = { [EDGE_SEQUENCE] = "sequence", [EDGE_DATA] = "data", [EDGE_WAIT] = "wait" };

	_Static_assert(COUNT(names) == EDGE_KINDS, "every kind has a name");
	return name_of(names, COUNT(names), kind);
}

static void add_edge(struct span *to, const char *from_id, enum edge_kind kind)
{
	for (size_t i = 0; i < to->edge_count; i++)
		if (to->edges[i].kind == kind && strcmp(to->edges[i].from, from_id) == 0)
			return;
	to->edges = xrealloc(to->edges, (to->edge_count + 1) * sizeof *to->edges);
	struct edge *edge = &to->edges[to->edge_count++];
	edge->kind = kind;
	snprintf(edge->from, sizeof edge->from, "%s", from_id);
}

void trace_edge(struct span *to, const struct span *from, enum edge_kind kind)
{
	add_edge(to, from->id, kind);
}

/* The results of all calls of the turn before are in its conversation; where there were none, it only came after it. */
void trace_turn_edges(struct span *turn)
{
	struct span *task = turn->parent;
	size_t fed = 0;

	if (task == NULL)
		return;
	for (const struct span *s = task->turn != NULL ? task->turn->first : NULL; s != NULL; s = s->next)
		if (s->kind == SPAN_CALL) {
			trace_edge(turn, s, EDGE_DATA);
			fed++;
		}
	if (task->turn != NULL && fed == 0)
		trace_edge(turn, task->turn, EDGE_SEQUENCE);
	task->turn = turn;
}

/* ---- words ---- */

enum { WORD_LEAST = 5, WORD_MOST = 200 };

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '/';
}

/* Names of files, ids and numbers tell where they come from; words of a language do not. */
static bool is_telling(struct str word)
{
	size_t letters = 0, others = 0;

	for (size_t i = 0; i < word.len; i++) {
		letters += isalpha((unsigned char)word.ptr[i]) != 0;
		others += isdigit((unsigned char)word.ptr[i]) || strchr("_-./", word.ptr[i]) != NULL;
	}
	return word.len >= WORD_LEAST && word.len <= WORD_MOST && letters > 0 && others > 0;
}

/* The next such word of *text, which moves on. */
static bool next_word(struct str *text, char ret[static WORD_MOST + 1])
{
	while (text->len > 0) {
		size_t from = 0, len = 0;
		while (from < text->len && !in_word(text->ptr[from]))
			from++;
		while (from + len < text->len && in_word(text->ptr[from + len]))
			len++;
		struct str word = { text->ptr + from, len };
		text->ptr += from + len;
		text->len -= from + len;
		while (word.len > 0 && strchr(".-/", word.ptr[word.len - 1]) != NULL)
			word.len--;
		while (word.len > 1 && word.ptr[0] == '.' && word.ptr[1] == '/') {
			word.ptr += 2;
			word.len -= 2;
		}
		if (!is_telling(word))
			continue;
		memcpy(ret, word.ptr, word.len);
		ret[word.len] = '\0';
		return true;
	}
	return false;
}

void trace_output_words(struct trace *t, const struct span *call, const char *output)
{
	struct str text = { output, strnlen(output, LIMIT_TRACE_WORD_BYTES) };
	char word[WORD_MOST + 1];

	while (json_object_size(t->words) < t->words_most && next_word(&text, word))
		if (json_object_get(t->words, word) == NULL)
			json_put_text(t->words, word, call->id);
}

void trace_call_edges(struct trace *t, struct span *call, const json_t *args)
{
	AUTO(freep) char *whole = json_text(args);
	struct str text = { whole, strnlen(whole, LIMIT_TRACE_WORD_BYTES) };
	struct span *turn = call->parent;
	char word[WORD_MOST + 1];
	size_t fed = 0;

	if (turn != NULL && turn->call != NULL)
		trace_edge(call, turn->call, EDGE_SEQUENCE);
	if (turn != NULL)
		turn->call = call;
	while (next_word(&text, word)) {
		const json_t *known = json_object_get(t->words, word);
		const char *id = json_string_value(known);
		const struct span *from = id != NULL ? trace_find(t, id) : NULL;   /* NULL also where it was pruned: an earlier turn */
		if (known == NULL && json_object_size(t->words) < t->words_most)
			json_put(t->words, word, json_null());
		if (id != NULL && from != call && (from == NULL || from->parent != turn) && fed++ < LIMIT_TRACE_CALL_EDGES)
			add_edge(call, id, EDGE_DATA);
	}
}
