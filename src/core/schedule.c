/* schedule.c - one step at a time: run this instant, let it wait, pass it over and say why, or sleep. Where several
 * instants are due at once only the newest may run: a machine that was off for a night makes up one run, not a night's. */
#include "core/schedule.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"

#include "base/banned.h"

const char *const overlap_names[OVERLAPS] = {
	[OVERLAP_SKIP] = "skip", [OVERLAP_QUEUE] = "queue", [OVERLAP_CANCEL] = "cancel-previous", [OVERLAP_ALLOW] = "allow",
};
const char *const schedule_cause_names[SCHEDULE_CAUSES] = {
	[CAUSE_DUE] = "due", [CAUSE_LATE] = "late", [CAUSE_QUEUED] = "queued", [CAUSE_HAND] = "hand",
};
const char *const schedule_pass_names[SCHEDULE_PASSES] = {
	[PASS_MISSED] = "missed", [PASS_SKIPPED] = "skipped", [PASS_DROPPED] = "dropped",
};

bool schedule_next(const struct schedule_rule *rule, int64_t after_us, int64_t *ret_us)
{
	int64_t at;

	if (!when_next(&rule->when, MAX(after_us, rule->start_us - 1), &at) || (rule->end_us != 0 && at > rule->end_us))
		return false;
	*ret_us = at;
	return true;
}

int64_t schedule_jitter_us(const struct schedule_rule *rule, const char *id, int64_t instant_us)
{
	int64_t next, most = rule->jitter_us;
	char hex[SHA256_HEX_LEN + 1], word[16 + 1];

	if (most <= 0 || rule->when.kind == WHEN_AT || !when_next(&rule->when, instant_us, &next))
		return 0;
	most = MIN(most, (next - instant_us) / 10);
	sha256_hex((struct str[]){ str_of(id), { (const char *)&instant_us, sizeof instant_us } }, 2, hex);
	memcpy(word, hex, 16);
	word[16] = '\0';
	return most <= 0 ? 0 : (int64_t)(strtoull(word, NULL, 16) % (uint64_t)(most + 1));
}

/* What is due: how many instants, the first, the newest, and the one before the newest. */
struct due { int64_t count, first_us, before_us, newest_us, newest_due_us, wake_us; bool more; };

static void look(const struct schedule_rule *rule, const struct schedule_state *s, int64_t now_us, struct due *d)
{
	int64_t at = s->cursor_us;

	*d = (struct due){ .wake_us = INT64_MAX };
	while (schedule_next(rule, at, &at)) {
		int64_t due = at + schedule_jitter_us(rule, s->id, at);
		if (due > now_us) {
			d->wake_us = due;
			return;
		}
		if (d->count == LIMIT_SCHEDULE_INSTANTS) {
			d->more = true;
			return;
		}
		if (d->count++ == 0)
			d->first_us = at;
		d->before_us = d->newest_us;
		d->newest_us = at;
		d->newest_due_us = due;
	}
}

static void pass(struct schedule_step *ret, enum schedule_pass what, int64_t first_us, int64_t last_us, int64_t count)
{
	ret->act = SCHEDULE_PASS;
	ret->pass = what;
	ret->first_us = first_us;
	ret->last_us = last_us;
	ret->count = count;
}

static void pass_one(struct schedule_step *ret, enum schedule_pass what, int64_t at)
{
	pass(ret, what, at, at, 1);
}

/* An instant is due while runs before it have not ended. */
static void overlap(const struct schedule_rule *rule, const struct schedule_state *s, int64_t at, struct schedule_step *ret)
{
	switch (rule->overlap) {
	case OVERLAP_SKIP:
		pass_one(ret, PASS_SKIPPED, at);
		snprintf(ret->reason, sizeof ret->reason, "the run before it has not ended");
		return;
	case OVERLAP_ALLOW:
		if (s->active < LIMIT_SCHEDULE_RUNNING) {
			ret->act = SCHEDULE_FIRE;
			return;
		}
		pass_one(ret, PASS_SKIPPED, at);
		snprintf(ret->reason, sizeof ret->reason, "%d runs have not ended; that is as many as may be", s->active);
		return;
	case OVERLAP_QUEUE:
	case OVERLAP_CANCEL:
		if (s->queued < (rule->overlap == OVERLAP_QUEUE ? rule->queue : 1)) {
			ret->act = SCHEDULE_QUEUE;
			return;
		}
		pass_one(ret, PASS_DROPPED, at);
		snprintf(ret->reason, sizeof ret->reason, "%d wait already for the run before them to end", s->queued);
		return;
	case OVERLAPS: break;
	}
	assert(false);
}

static void decide_newest(const struct schedule_rule *rule, const struct schedule_state *s, const struct due *d, int64_t now_us,
                          const char *why, struct schedule_step *ret)
{
	int64_t late = now_us - d->newest_due_us, on_time = LIMIT_SCHEDULE_ON_TIME_MS * 1000ll;
	int64_t window = MAX(rule->catch_up_us, on_time);
	char span[32];

	ret->instant_us = d->newest_us;
	ret->cause = late > on_time ? CAUSE_LATE : CAUSE_DUE;
	if (late > window) {
		pass_one(ret, PASS_MISSED, d->newest_us);
		snprintf(ret->reason, sizeof ret->reason, "%s; it is more than %s late", why != NULL ? why : "the engine was busy",
		         clock_span(window / 1000, span, sizeof span));
	} else if (s->active == 0 && s->queued == 0) {
		ret->act = SCHEDULE_FIRE;
	} else {
		overlap(rule, s, d->newest_us, ret);
	}
}

void schedule_decide(const struct schedule_rule *rule, const struct schedule_state *s, int64_t now_us, const char *why,
                     struct schedule_step *ret)
{
	struct due due;

	*ret = (struct schedule_step){ .act = SCHEDULE_WAIT, .wake_us = INT64_MAX };
	if (s->paused)
		return;
	if (rule->failures_most > 0 && s->failures >= rule->failures_most) {
		ret->act = SCHEDULE_PAUSE;
		snprintf(ret->reason, sizeof ret->reason, "%lld runs in a row failed", (long long)s->failures);
		return;
	}
	if (s->queued > 0 && s->active == 0) {
		*ret = (struct schedule_step){ .act = SCHEDULE_FIRE, .instant_us = s->queued_us, .cause = CAUSE_QUEUED };
		return;
	}
	ret->cancel = rule->overlap == OVERLAP_CANCEL && s->queued > 0;
	if (rule->runs_most > 0 && s->runs >= rule->runs_most)
		return;
	look(rule, s, now_us, &due);
	ret->wake_us = due.wake_us;
	if (due.count == 0)
		return;
	if (due.count == 1 && !due.more) {
		decide_newest(rule, s, &due, now_us, why, ret);
		return;
	}
	/* A newer one is due, too: it is decided when these are. */
	pass(ret, PASS_MISSED, due.first_us, due.more ? due.newest_us : due.before_us, due.count - !due.more);
	snprintf(ret->reason, sizeof ret->reason, "%s; of several only the newest runs", why != NULL ? why : "the engine was busy");
}

bool schedule_clock_jumped(const struct schedule_sight *before, const struct schedule_sight *now, char *text, size_t size)
{
	enum { LEAST_US = 2000000 };
	int64_t slept = (now->boot_us - before->boot_us) - (now->mono_us - before->mono_us);
	int64_t set = (now->wall_us - before->wall_us) - (now->boot_us - before->boot_us);
	char span[32];

	if (slept >= LEAST_US)
		snprintf(text, size, "the machine slept for %s", clock_span(slept / 1000, span, sizeof span));
	else if (set >= LEAST_US)
		snprintf(text, size, "the clock was set forward by %s", clock_span(set / 1000, span, sizeof span));
	else if (set <= -LEAST_US)
		snprintf(text, size, "the clock was set back by %s", clock_span(-set / 1000, span, sizeof span));
	else
		return false;
	return true;
}
