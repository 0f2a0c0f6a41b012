/* store_driver.c - appends COUNT batches to the store in DIR and prints the last seq of each when it is
 * acknowledged. Exit 0, or the errno of what failed. What it prints must survive whatever happens to it. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "store/store.h"

struct run {
	struct store *store;
	char task[ID_LEN + 1];
	long acknowledged;
	int result;
};

static void acknowledge(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct run *run = userdata;
	char line[32];

	run->acknowledged++;
	if (result < 0) {
		if (run->result == 0)
			fprintf(stderr, "%s\n", err->text);
		run->result = result;
		return;
	}
	if (run->result < 0)
		abort();                        /* something was written after a failure */
	int n = snprintf(line, sizeof line, "%lld\n", (long long)first_seq);
	if (write(1, line, (size_t)n) != n)
		abort();
}

static struct event event_of(const struct run *run, enum event_type type, json_t *data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = data };

	memcpy(e.task, run->task, sizeof e.task);
	return e;
}

static void append(struct run *run, enum lease_action lease, struct event e)
{
	store_append(run->store, &(struct store_batch){ .root = run->task, .task = run->task, .generation = 1,
	             .lease = lease, .events = &e, .count = 1, .on_commit = acknowledge, .userdata = run });
}

static void await(struct run *run, long wanted)
{
	while (run->acknowledged < wanted) {
		struct pollfd p = { store_fd(run->store), POLLIN, 0 };
		if (poll(&p, 1, 20000) <= 0)
			abort();
		store_dispatch(run->store);
	}
}

/* Every tenth output is long; every third batch waits for company. */
static void work(struct run *run, long count)
{
	AUTO(freep) char *text = xmalloc(20001);

	id_new(run->task);
	append(run, LEASE_CREATE,
	       event_of(run, EVENT_TASK_CREATED,
	                json_pack("{ss ss ss si ss ss ss ss sb ss s[] s[] s{}}", "goal", "g", "agent", "a", "role", "master",
	                          "depth", 0, "model", "m", "workspace", "/", "isolation", "full", "channel", "cli",
	                          "interactive", 0, "plan", "never", "tools", "policies", "limits")));
	for (long i = 1; i < count && run->result == 0; i++) {
		memset(text, 'a' + (int)(i % 26), 20000);
		text[i % 10 == 0 ? 20000 : 100] = '\0';
		append(run, LEASE_HOLD, event_of(run, EVENT_TASK_PARKED, json_pack("{ss ss}", "reason", "x", "detail", text)));
		if (i % 3 != 0)
			await(run, i + 1);
	}
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	struct err err = ERR_NONE;
	uint64_t count;

	if (argc != 3 || str_to_u64(str_of(argv[2]), &count) < 0) {
		fprintf(stderr, "usage: store_driver DIR COUNT\n");
		return 2;
	}
	int r = store_open(argv[1], STORE_CREATE, &run.store, &err);
	if (r == 0)
		r = store_engine_register(run.store, "", &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		store_close(run.store);
		return -r;
	}
	work(&run, (long)count);
	if (run.result == 0)
		await(&run, (long)count);
	store_close(run.store);
	return -run.result;
}
