/* history.h - past task trees, found by what is known of them. Each property is a sorted list of trees, and a question is
 * a walk down all of its lists at once, so that it takes as long for ten million events as for ten thousand. */
#ifndef MISHRI_STORE_HISTORY_H
#define MISHRI_STORE_HISTORY_H

#include "store/store.h"

struct history_filter {           /* NULL, 0 and false: any */
	const char *text;             /* in the language of search.h */
	const char *user, *state, *session;
	const char *tool, *agent;     /* of it or a task below it */
	const char *model;            /* the same: part of the name */
	bool denied;                  /* something in it was denied */
	int64_t since_us, until_us;   /* began at or after; before */
	int64_t cost_nanos;           /* it and all below cost at least this; unknown costs do not count */
	const char *before;           /* trees older than this one: the next page */
	int64_t limit;                /* 0: 100 */
	bool ranked;                  /* best first, of the newest LIMIT_HISTORY_RANKED that fit */
};

struct history_row {
	const struct task_row *root;  /* the visitor's to read, not to keep */
	int64_t tasks, denied, turns, calls;  /* of the whole tree */
	int64_t asks;                 /* questions of the tree that are open: it waits for a person */
	int64_t usd_nanos;            /* -1: unknown */
	const json_t *found;          /* [{seq, in, text}] the newest texts that fit; NULL without text */
	bool imported;
};

/* Newest first. *ret_more: there may be older ones. -EINVAL: the text is no search; err says what would be right. */
MUST_USE int store_history(struct store *store, const struct history_filter *filter,
                           void (*visit)(void *userdata, const struct history_row *row), void *userdata, bool *ret_more,
                           struct err *err);

/* Brings the index of words up to the newest event; how many events it is behind. */
MUST_USE int store_words_update(struct store *store, struct err *err);
MUST_USE int store_words_behind(struct store *store, int64_t *ret, struct err *err);

/* A tree, in the order in which its tasks began: each after the one above it. */
MUST_USE int store_tree(struct store *store, const char *task, void (*visit)(void *userdata, const struct task_row *row),
                        void *userdata, struct err *err);

#endif
