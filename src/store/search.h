/* search.h - what a person types to find tasks, as terms for the index of words. Pure: no database.
 *
 *   invoice paid        both words, anywhere in the tree       "not found"   one after the other, in one text
 *   invo*               what begins so                         -draft        trees in which it is nowhere
 *   invoice OR bill     one of the two                         goal:invoice  only in goals (result, plan, reply, args,
 *                                                                            output, person) */
#ifndef MISHRI_STORE_SEARCH_H
#define MISHRI_STORE_SEARCH_H

#include "base/err.h"
#include "base/str.h"

struct search_term {
	char *match;                 /* for FTS5: nothing of the person's is syntax in it */
	char *word;                  /* the first word, to show a text around it */
	bool without, prefix;        /* prefix: some part of it is one */
};
struct search { struct search_term terms[LIMIT_HISTORY_TERMS]; size_t count; };

/* -EINVAL: err says what would be right. The caller owns *ret. */
MUST_USE int search_parse(const char *text, struct search *ret, struct err *err);
void search_done(struct search *search);

/* Where `word` stands in the text, without regard to ASCII case; text.len where it does not. */
size_t search_find(struct str text, const char *word);

#endif
