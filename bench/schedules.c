/* schedules.c - 10,000 schedules: what the next instant costs, how long a scheduler needs until it has looked at all of them, and
 * what they weigh. A store of its own in /tmp; nothing is started. One JSON object. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/scheduler.h"

#include "base/banned.h"

enum { COUNT_OF = 10000, CHUNK = 500 };

static int64_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0, all;

	if (f == NULL || fscanf(f, "%ld %ld", &all, &pages) != 2)
		abort();
	fclose(f);
	return pages * (int64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static double next_us(const char *expression, const char *zone_name)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	struct when w = { .kind = WHEN_CRON };
	int64_t at = 1795000000ll * 1000000, begun;

	if (zone_load(zone_name, &zone, NULL) < 0 || cron_parse(str_of(expression), &w.cron, NULL) < 0)
		abort();
	w.zone = zone;
	begun = clock_mono_ns();
	for (int i = 0; i < 20000; i++)
		if (!when_next(&w, at, &at) || at > 4000000000ll * 1000000)
			at = 1795000000ll * 1000000;
	return (double)(clock_mono_ns() - begun) / 1000 / 20000;
}

static int start(void *userdata, const struct scheduler_job *job, struct err *err)
{
	(void)userdata, (void)job;
	return err_set(err, EIO, "nothing is due in this bench");
}

static void stop_at_first_look(void *userdata)
{
	loop_stop(userdata);
}

static void fill(struct store *store)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe" };
	struct event events[CHUNK];
	int64_t seq;
	struct err err;

	for (int i = 0; i < COUNT_OF; i++) {
		char name[32], id[ID_LEN + 1], cron[64];
		snprintf(name, sizeof name, "bench-%d", i);
		snprintf(cron, sizeof cron, "%d %d * * *", i % 60, i / 60 % 24);
		id_new(id);
		events[i % CHUNK] = schedule_event(EVENT_SCHEDULE_ADDED, "bench", id, name, 0,
		                                   json_pack("{s:{s:s, s:s, s:{s:s}}, s:I, s:s}", "spec", "cron", cron, "zone", zones[i % 5], "task", "goal",
		                                             "look at the queue and report", "cursor_us", (json_int_t)clock_wall_us(), "by", "bench"));
		if (i % CHUNK == CHUNK - 1 &&
		    store_append_wait(store, &(struct store_batch){ .root = "", .task = "", .events = events, .count = CHUNK }, &seq, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			exit(1);
		}
	}
}

int main(void)
{
	char dir[] = "/tmp/mishri-bench-XXXXXX";
	struct store *store = NULL;
	struct scheduler *scheduler = NULL;
	struct loop *loop = NULL;
	struct err err;

	if (mkdtemp(dir) == NULL || store_open(dir, STORE_CREATE, &store, &err) < 0 || store_engine_register(store, "", &err) < 0 ||
	    loop_new(&loop, &err) < 0)
		return 1;
	fill(store);
	int64_t before_kib = resident_kib(), begun = clock_mono_ns();
	struct scheduler_setup setup = { .loop = loop, .store = store, .user = "bench", .start = start, .beat = stop_at_first_look, .userdata = loop };
	if (scheduler_open(&setup, &scheduler, &err) < 0)
		return 1;
	loop_run(loop);
	double open_ms = (double)(clock_mono_ns() - begun) / 1e6;
	int64_t open_kib = resident_kib() - before_kib;
	begun = clock_mono_ns();
	loop_run(loop);
	printf("{\"schedules\":%d,\"first_look_ms\":%.1f,\"kib\":%lld,\"bytes_each\":%lld,\"next_us\":{\"minutely\":%.2f,\"daily\":%.2f,\"leap_day\":%.2f}}\n",
	       COUNT_OF, open_ms, (long long)open_kib, (long long)(open_kib * 1024 / COUNT_OF), next_us("* * * * *", "Europe/Berlin"),
	       next_us("30 2 * * *", "Europe/Berlin"), next_us("0 0 29 2 *", "Europe/Berlin"));
	scheduler_close(scheduler);
	loop_free(loop);
	store_close(store);
	fprintf(stderr, "the store lies in %s\n", dir);
	return 0;
}
