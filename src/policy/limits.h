/* limits.h - which rates and budgets of a policy concern an action, and who shares them. Pure: what was used is kept by
 * the store, and whether there is room is decided there, in the transaction of the intent. */
#ifndef MISHRI_POLICY_LIMITS_H
#define MISHRI_POLICY_LIMITS_H

#include "policy/policy.h"
#include "policy/rate.h"

enum over { OVER_DENY, OVER_ASK, OVER_WAIT };              /* what happens beyond; 0 is the safest */
const char *over_name(enum over over);

enum { LIMIT_KEY_BYTES = 512 };

struct limit_hit {
	const char *id, *source;     /* borrowed from the policy; source: "FILE:LINE" */
	struct rate rate;
	enum over over;
	char key[LIMIT_KEY_BYTES];   /* whose uses are counted together */
};

/* The limits that concern this action. It cannot be said whether: then they do. -1: more than `max`. */
int policy_limits(const struct policy *policy, const struct action *action, const struct facts *facts,
                  struct limit_hit *ret, size_t max);
/* Is there any for this kind of action? */
bool policy_has_limits(const struct policy *policy, enum action_kind kind);

enum budget_scope { BUDGET_TASK, BUDGET_SESSION, BUDGET_USER_DAY, BUDGET_STORE_DAY, BUDGET_SCOPES };
enum budget_unit { BUDGET_USD, BUDGET_TOKENS, BUDGET_CALLS, BUDGET_TIME, BUDGET_UNITS };
const char *budget_scope_name(enum budget_scope scope);    /* "task", "session", "user/day", "store/day" */
const char *budget_unit_name(enum budget_unit unit);       /* "usd", "tokens", "calls", "time" */
/* "$2.00", "1000 tokens", "30 min"; returns text. usd in nano-USD, time in milliseconds. */
const char *budget_amount(enum budget_unit unit, int64_t amount, char *text, size_t size);

struct budget {
	const char *id, *source;     /* source NULL: not of a policy */
	enum budget_scope scope;
	int64_t most[BUDGET_UNITS];  /* nano-USD, tokens, calls, milliseconds; -1: not bounded */
	enum over over;
};

size_t policy_budget_count(const struct policy *policy);
const struct budget *policy_budget(const struct policy *policy, size_t i);   /* borrowed */

/* [{id, on, matches, per, rate, over, layer, source}] and [{id, per, usd_nanos?, tokens?, calls?, ms?, over, layer,
 * source}]; the caller owns them. */
json_t *policy_limits_json(const struct policy *policy);
json_t *policy_budgets_json(const struct policy *policy);

/* "2", "2.50": US dollars to nano-USD, exactly. 0 or -EINVAL. */
MUST_USE int usd_parse(struct str text, int64_t *ret_nanos);

#endif
