/* event.h - immutable facts: the catalogue, and the text that is stored and hashed.
 * Pure. The catalogue is a table; documentation, JSON Schemas and checks are made from it. */
#ifndef MISHRI_CORE_EVENT_H
#define MISHRI_CORE_EVENT_H

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"

/* Names in the catalogue are in this order. Stored texts carry names, never these numbers. */
enum event_type {
	EVENT_ENGINE_STARTED,
	EVENT_ENGINE_DRAINING,
	EVENT_ENGINE_STOPPED,
	EVENT_HEALTH_MISSED,
	EVENT_HEALTH_RECOVERED,
	EVENT_POLICY_LOADED,
	EVENT_POLICY_REFUSED,
	EVENT_RECOVERY_STARTED,
	EVENT_TASK_CREATED,
	EVENT_TASK_DELEGATED,
	EVENT_TASK_REPORTED,
	EVENT_TASK_RESUMED,
	EVENT_TASK_PARKED,
	EVENT_TASK_CANCELLED,
	EVENT_TASK_PAUSED,
	EVENT_TASK_CONTINUED,
	EVENT_TASK_STEERED,
	EVENT_TASK_PRIORITIZED,
	EVENT_TASK_FORKED,
	EVENT_CONTROL_REFUSED,
	EVENT_TASK_FINISHED,
	EVENT_PLAN_UPDATED,
	EVENT_QUESTION_ASKED,
	EVENT_QUESTION_ANSWERED,
	EVENT_CONVERSATION_COMPACTED,
	EVENT_LOOP_DETECTED,
	EVENT_SLOT_WAITING,
	EVENT_LOCK_WAITING,
	EVENT_LOCK_TAKEN,
	EVENT_LOCK_RELEASED,
	EVENT_DEADLOCK_DETECTED,
	EVENT_MODEL_REQUESTED,
	EVENT_MODEL_REPLIED,
	EVENT_MODEL_FAILED,
	EVENT_MODEL_SWITCHED,
	EVENT_BREAKER_OPENED,
	EVENT_BREAKER_CLOSED,
	EVENT_RETRY_SCHEDULED,
	EVENT_CALL_PROPOSED,
	EVENT_CALL_DECIDED,
	EVENT_APPROVAL_REQUESTED,
	EVENT_APPROVAL_VOTED,
	EVENT_APPROVAL_REFUSED,
	EVENT_APPROVAL_DECIDED,
	EVENT_GRANT_MADE,
	EVENT_GRANT_USED,
	EVENT_GRANT_REVOKED,
	EVENT_LIMIT_REACHED,
	EVENT_BUDGET_WARNED,
	EVENT_BUDGET_EXCEEDED,
	EVENT_BUDGET_RAISED,
	EVENT_CALL_STARTED,
	EVENT_CALL_KILLED,
	EVENT_RESOURCE_EXCEEDED,
	EVENT_OUTPUT_KEPT,
	EVENT_CALL_FINISHED,
	EVENT_EXEC_DECIDED,
	EVENT_NET_DECIDED,
	EVENT_NET_FINISHED,
	EVENT_CELL_OPENED,
	EVENT_CELL_CLOSED,
	EVENT_FILES_VIOLATED,
	EVENT_CHANGES_APPLIED,
	EVENT_CHANGES_DROPPED,
	EVENT_HISTORY_IMPORTED,
	EVENT_HISTORY_PRUNED,
	EVENT_TOKEN_ADDED,
	EVENT_TOKEN_REVOKED,
	EVENT_TOKEN_USED,
	EVENT_TRUST_GIVEN,
	EVENT_TRUST_TAKEN,
	EVENT_SCHEDULE_ADDED,
	EVENT_SCHEDULE_CHANGED,
	EVENT_SCHEDULE_PAUSED,
	EVENT_SCHEDULE_RESUMED,
	EVENT_SCHEDULE_REMOVED,
	EVENT_SCHEDULE_FIRED,
	EVENT_SCHEDULE_QUEUED,
	EVENT_SCHEDULE_PASSED,
	EVENT_SCHEDULE_FAILED,
	EVENT_TYPES
};

const char *event_name(enum event_type type);              /* "call.proposed" */
int event_find(const char *name);                          /* -1: unknown (a newer version wrote it) */
const char *event_about(enum event_type type);             /* one sentence */

enum { USER_LEN = 64 };

struct event {
	enum event_type type;
	int64_t time_us;                       /* wall clock */
	int64_t seq;                           /* given by the store; 0 before */
	char session[ID_LEN + 1];              /* "" where there is none: engine events */
	char task[ID_LEN + 1];                 /* "" where there is none */
	char parent[ID_LEN + 1];               /* the task's parent; "" for a root */
	char user[USER_LEN + 1];
	char trace_id[TRACE_ID_LEN + 1];
	char span_id[SPAN_ID_LEN + 1];         /* the span that this event belongs to */
	char parent_span_id[SPAN_ID_LEN + 1];
	int attempt;                           /* from 1 */
	json_t *data;                          /* owned object; its keys are in the catalogue */
};

void event_done(struct event *event);                      /* releases data */

/* The stored text: one line of JSON with the common fields and "data", in a fixed order of keys,
 * without seq, prev and hash. Appends to ret. */
void event_format(const struct event *event, struct buf *ret);

/* What event_format wrote. -EINVAL: no event, or err says which field; -ENOTSUP: a type that this
 * version does not know. The caller owns what is in *ret (event_done). */
MUST_USE int event_parse(struct str text, struct event *ret, struct err *err);
/* The same of text that was parsed already; data is shared with it, and not copied. */
MUST_USE int event_read(const json_t *object, struct event *ret, struct err *err);

/* Does data have every required field, each of its type, and no other? 0 or -EINVAL. */
MUST_USE int event_check(enum event_type type, const json_t *data, struct err *err);

/* JSON Schema 2020-12 of the event's data. The caller owns it. */
MUST_USE json_t *event_schema(enum event_type type);

/* The same of a whole line as `mishri events --json` prints it. */
MUST_USE json_t *event_line_schema(enum event_type type);

/* The catalogue as Markdown, for docs/events.md. */
void event_document(struct buf *ret);

#endif
