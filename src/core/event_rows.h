/* event_rows.h - what the catalogue of events says of one. Internal to core/. */
#ifndef MISHRI_CORE_EVENT_ROWS_H
#define MISHRI_CORE_EVENT_ROWS_H

#include "core/event.h"

enum field_type { TEXT, INT, BOOL, OBJECT, ARRAY, ANY };
enum { OPTIONAL = 1, NULLABLE = 2 };

struct event_field {
	const char *name;
	enum field_type type;
	unsigned flags;
	const char *about;
};

struct event_row_spec {
	const char *name, *about;
	const struct event_field *fields;
	size_t field_count;
};

extern const struct event_row_spec event_rows[]; /* by enum event_type */

#endif
