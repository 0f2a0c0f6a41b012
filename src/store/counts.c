/* counts.c - how many tasks have not ended. It looks at those alone, by their own index, and writes nothing. */
#include "store/internal.h"

#include "base/banned.h"

int store_task_counts(struct store *store, void (*visit)(void *userdata, const char *state, int64_t count), void *userdata,
                      struct err *err)
{
	static const enum task_state states[] = { TASK_RUNNING, TASK_PARKED };

	for (size_t i = 0; i < COUNT(states); i++) {
		AUTO(query_done) struct query q = query_start(&store->db, SQL_TASKS_OPEN, "t", task_state_name(states[i]));
		int r = query_next(&q, err);
		if (r < 0)
			return r;
		visit(userdata, task_state_name(states[i]), r > 0 ? query_int(&q, 0) : 0);
	}
	return 0;
}
