/* bounds.h - limits of calls and tasks, and how to speak of them. Pure. The list is bounds.def. */
#ifndef MISHRI_CORE_BOUNDS_H
#define MISHRI_CORE_BOUNDS_H

#include "base/json.h"

enum bound {
	BOUND_NONE,
#define BOUND(id, ...) BOUND_##id,
#include "core/bounds.def"
#undef BOUND
	BOUND_COUNT
};

struct bounds {
	int64_t at[BOUND_COUNT];               /* 0: nothing is said */
};

struct bound_row {
	const char *name;                      /* "memory": as agents write it */
	const char *key;                       /* "limits.memory": in the configuration */
	const char *field;                     /* "memory_bytes": in events */
	const char *status;                    /* of a call that was ended by it */
	const char *text;                      /* the default, as a person writes it; NULL: none */
	enum { BOUND_BYTES, BOUND_INT, BOUND_DURATION } unit;
	int64_t otherwise;                     /* the default; 0: none */
	int64_t least, most;
};
const struct bound_row *bound_row(enum bound bound);         /* must be one of the list */
enum bound bound_find(const char *name);                     /* BOUND_NONE: unknown */
size_t bound_names(const char *ret[static BOUND_COUNT]);

/* The value of a text in the unit of its row. -EINVAL: err says what would be right. */
MUST_USE int bound_parse(enum bound bound, const char *text, int64_t *ret, struct err *err);
/* For people: "1.5 GiB", "2 min 00 s", "1024". Returns text. */
enum { BOUND_TEXT_BYTES = 48 };
const char *bound_text(enum bound bound, int64_t value, char text[static BOUND_TEXT_BYTES]);

/* The tightest of both wins. */
void bounds_tighten(struct bounds *to, const struct bounds *with);
void bounds_write(const struct bounds *bounds, json_t *to);  /* sets the fields of what is said */
struct bounds bounds_read(const json_t *from);               /* NULL, absent fields: nothing is said */

/* What a call or a task ran into. */
struct bound_hit {
	enum bound what;                       /* BOUND_NONE: nothing */
	int64_t reached, limit;
};
/* One sentence without a full stop: what was reached, what the limit is, what raises it. by: who set it, where that is
 * not the configuration ("timeout_s of the call"); NULL. */
void bound_describe(const struct bound_hit *hit, const char *by, struct buf *ret);
MUST_USE json_t *bound_json(const struct bound_hit *hit);    /* {"what","reached","limit","key"} */

#endif
