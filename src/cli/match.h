/* match.h - which events a person asked for: the filters of `mishri events`. */
#ifndef MISHRI_CLI_MATCH_H
#define MISHRI_CLI_MATCH_H

#include "base/json.h"
#include "cli/command.h"

struct match {
	const char *type;            /* a name, or a beginning that ends in a dot; NULL: any; the store looks for it */
	const char *user, *tool, *effect;
	int64_t since_us, until_us;  /* 0: any */
	json_t *calls;               /* "TASK CALL" → true: calls of the tool, as they are met */
};

#define MATCH_OPTIONS \
	{ "--type", 0, "TYPE", "only this type, or all that begin so where it ends in a dot: call.", false }, \
	{ "--user", 0, "NAME", "only of this user", false }, \
	{ "--tool", 0, "NAME", "only of calls of this tool, with what they started and what was decided", false }, \
	{ "--effect", 0, "EFFECT", "only decisions: allow, ask or deny; or how a question was answered", false }, \
	{ "--since", 0, "SPAN|DATE", "within 90m, 12h, 7d, or since 2026-11-22", false }, \
	{ "--until", 0, "SPAN|DATE", "and before that", false }

/* 0, or an exit code after the complaint. match_done releases what is in it. */
MUST_USE int match_read(const struct options *o, struct match *ret);
void match_done(struct match *m);

/* event: as stored, parsed. Events must come in order. */
bool match_event(struct match *m, const json_t *event);
/* Nothing after this one can match. */
bool match_over(const struct match *m, const json_t *event);

#endif
