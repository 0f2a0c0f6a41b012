/* schedule.c - schedules under disasters: several engines that look at one store at once, die between any two steps, wake
 * up late with what they saw long ago, while the wall clock is set to and fro and the machine sleeps. The store is a model
 * of the real one: one event is taken where its version is the newest, and an instant has one row. After all of it: no
 * instant ran twice, and each ran, waits, or has a reason. A failure prints its seed; `schedule SEED` replays it; `schedule FIRST COUNT` takes others. */
#include <stdio.h>
#include <string.h>

#include "core/schedule.h"

#include "base/banned.h"

enum { ENGINES = 3, RUNS_MOST = 8192, STEPS = 500, S = 1000000 };

static uint64_t seed_now;
static uint64_t chance(uint64_t n)
{
	seed_now ^= seed_now << 13;
	seed_now ^= seed_now >> 7;
	seed_now ^= seed_now << 17;
	return seed_now % n;
}

enum run_state { RUN_QUEUED, RUN_CLAIMED, RUN_RUNNING, RUN_ENDED };
struct run { int64_t instant_us; enum run_state state; int engine, starts; };

struct world {
	struct schedule_rule rule;
	struct schedule_state s;               /* durable; active and queued are counted from runs */
	int64_t version;
	struct run runs[RUNS_MOST];
	size_t count;
	int64_t passed_to[RUNS_MOST], passed_from[RUNS_MOST];
	size_t passes;
	int64_t begun_us, wall_us, high_us;
	uint64_t seed;
};

struct engine { bool alive; struct schedule_state seen; int64_t version; struct schedule_step step; bool decided; };

static void broken(const struct world *w, const char *what)
{
	printf("seed %llu: %s\n", (unsigned long long)w->seed, what);
	exit(1);
}

static void count(struct world *w)
{
	w->s.active = w->s.queued = 0;
	w->s.queued_us = 0;
	for (size_t i = 0; i < w->count; i++) {
		const struct run *r = &w->runs[i];
		w->s.active += r->state == RUN_CLAIMED || r->state == RUN_RUNNING;
		if (r->state == RUN_QUEUED && w->s.queued++ == 0)
			w->s.queued_us = r->instant_us;
	}
}

static struct run *find(struct world *w, int64_t instant_us)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->runs[i].instant_us == instant_us)
			return &w->runs[i];
	return NULL;
}

static struct run *add(struct world *w, int64_t instant_us, enum run_state state, int engine)
{
	if (w->count == RUNS_MOST || find(w, instant_us) != NULL)
		return NULL;
	w->runs[w->count] = (struct run){ .instant_us = instant_us, .state = state, .engine = engine };
	return &w->runs[w->count++];
}

/* What the store does with an event: all of it or nothing. */
static bool commit(struct world *w, const struct engine *e, int number)
{
	const struct schedule_step *step = &e->step;
	struct run *run;

	if (e->version != w->version)
		return false;
	switch (step->act) {
	case SCHEDULE_WAIT: return true;
	case SCHEDULE_FIRE:
		run = find(w, step->instant_us);
		if (step->cause == CAUSE_QUEUED) {
			if (run == NULL || run->state != RUN_QUEUED)
				return false;
			run->state = RUN_CLAIMED;
			run->engine = number;
		} else if (add(w, step->instant_us, RUN_CLAIMED, number) == NULL) {
			return false;
		} else {
			w->s.runs++;
		}
		break;
	case SCHEDULE_QUEUE:
		if (add(w, step->instant_us, RUN_QUEUED, -1) == NULL)
			return false;
		w->s.runs++;
		break;
	case SCHEDULE_PASS:
		if (step->reason[0] == '\0' || w->passes == RUNS_MOST)
			broken(w, "passed over without a reason");
		w->passed_from[w->passes] = step->first_us;
		w->passed_to[w->passes++] = step->last_us;
		break;
	case SCHEDULE_PAUSE:
		w->s.paused = true;
		break;
	}
	w->version++;
	if (step->act == SCHEDULE_PASS)
		w->s.cursor_us = MAX(w->s.cursor_us, step->last_us);
	else if (step->act == SCHEDULE_QUEUE || (step->act == SCHEDULE_FIRE && step->cause != CAUSE_QUEUED))
		w->s.cursor_us = MAX(w->s.cursor_us, step->instant_us);
	return true;
}

static void start(struct world *w, int64_t instant_us, int engine)
{
	struct run *run = find(w, instant_us);

	/* task.created of an id is taken once. */
	if (run == NULL || run->state != RUN_CLAIMED || run->engine != engine)
		return;
	run->state = RUN_RUNNING;
	if (++run->starts > 1)
		broken(w, "an instant ran twice");
}

static void take_over(struct world *w, const struct engine *engines, int number)
{
	for (size_t i = 0; i < w->count; i++) {
		struct run *run = &w->runs[i];
		if (run->state != RUN_CLAIMED || (run->engine >= 0 && engines[run->engine].alive && run->engine != number))
			continue;
		run->engine = number;
		w->version++;
		if (chance(4) != 0)
			start(w, run->instant_us, number);
	}
}

static void engine_step(struct world *w, struct engine *engines, int number)
{
	struct engine *e = &engines[number];

	if (!e->alive) {
		if (chance(3) == 0)
			*e = (struct engine){ .alive = true };
		return;
	}
	switch (chance(8)) {
	case 0:                            /* kill -9 */
		e->alive = false;
		return;
	case 1:                            /* it decides on what it sees now, and acts much later */
	case 2:
		count(w);
		e->seen = w->s;
		e->version = w->version;
		schedule_decide(&w->rule, &e->seen, w->wall_us, "no engine ran the schedules then", &e->step);
		e->decided = true;
		return;
	case 3: take_over(w, engines, number); return;
	default: break;
	}
	if (!e->decided) {
		count(w);
		e->seen = w->s;
		e->version = w->version;
		schedule_decide(&w->rule, &e->seen, w->wall_us, NULL, &e->step);
	}
	e->decided = false;
	bool written = commit(w, e, number);
	if (written && e->step.act == SCHEDULE_FIRE && chance(6) != 0) /* else: killed between the two */
		start(w, e->step.instant_us, number);
	else if (written && e->step.act == SCHEDULE_FIRE)
		e->alive = false;
	if (w->s.active > LIMIT_SCHEDULE_RUNNING || w->s.queued > w->rule.queue)
		broken(w, "more at once than may be");
}

static void world_step(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->runs[i].state == RUN_RUNNING && chance(12) == 0) {
			w->runs[i].state = RUN_ENDED;
			w->version++;      /* task.finished touches the row as other events do */
		}
	w->wall_us += (int64_t)chance(40) * S;
	switch (chance(60)) {
	case 0: w->wall_us += 3600ll * S; break;
	case 1: w->wall_us -= 3600ll * S; break;
	case 2: w->wall_us += (int64_t)chance(86400) * S; break; /* asleep, or off */
	default: break;
	}
	w->high_us = MAX(w->high_us, w->wall_us);
}

/* Every instant up to the cursor ran, waits or was passed over, and none of them twice. */
static void check(struct world *w)
{
	int64_t at = w->begun_us;
	size_t p = 0, r = 0;

	while (schedule_next(&w->rule, at, &at) && at <= w->s.cursor_us) {
		while (p < w->passes && w->passed_to[p] < at)
			p++;
		bool ran = r < w->count && w->runs[r].instant_us == at, passed = p < w->passes && w->passed_from[p] <= at;
		if (ran == passed)
			broken(w, ran ? "an instant was decided twice" : "an instant was lost");
		r += ran;
	}
	if (r != w->count)
		broken(w, "a run of no instant");
	for (size_t i = 0; i < w->count; i++)
		if (w->runs[i].instant_us > w->high_us || w->runs[i].starts > 1)
			broken(w, "an instant ran before its time, or twice");
	if (w->rule.overlap != OVERLAP_ALLOW && w->s.active > 1)
		broken(w, "two runs overlap");
}

static void live(uint64_t seed, const struct zone *zone)
{
	static const char *const crons[] = { "*/5 * * * *", "30 2 * * *", "*/30 1-3 * * *", "0 * * * *" };
	struct engine engines[ENGINES] = { { .alive = true }, { .alive = true }, { .alive = true } };
	struct world *w = xcalloc(1, sizeof *w);

	seed_now = seed * 0x9e3779b97f4a7c15u + 1;
	w->seed = seed;
	w->begun_us = w->wall_us = w->high_us = (1774656000ll + (int64_t)chance(86400)) * S; /* the day before summer time begins */
	w->rule = (struct schedule_rule){
		.overlap = (enum overlap)chance(OVERLAPS), .catch_up_us = (int64_t)chance(7200) * S, .jitter_us = (int64_t)chance(10) * S,
	};
	w->rule.queue = w->rule.overlap == OVERLAP_QUEUE ? (int)chance(5) + 1 : 1;
	if (chance(2) == 0)
		w->rule.when = (struct when){ .kind = WHEN_EVERY, .every_us = (int64_t)(chance(600) + 1) * S, .anchor_us = w->begun_us };
	else {
		w->rule.when = (struct when){ .kind = WHEN_CRON, .zone = zone };
		if (cron_parse(str_of(crons[chance(COUNT(crons))]), &w->rule.when.cron, NULL) < 0)
			abort();
	}
	memcpy(w->s.id, "simulated000", sizeof w->s.id);
	w->s.cursor_us = w->begun_us;
	for (int i = 0; i < STEPS; i++) {
		world_step(w);
		for (int e = 0; e < ENGINES; e++)
			engine_step(w, engines, (int)chance(ENGINES));
		count(w);
	}
	check(w);
	free(w);
}

int main(int argc, char **argv)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 1000;

	if (zone_load("Europe/Berlin", &zone, NULL) < 0) {
		puts("no zone Europe/Berlin: the package tzdata is missing");
		return 1;
	}
	for (uint64_t seed = first; seed < first + count; seed++)
		live(seed, zone);
	printf("%llu lives of a schedule\n", (unsigned long long)count);
	return 0;
}
