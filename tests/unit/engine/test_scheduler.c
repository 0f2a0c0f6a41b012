/* test_scheduler.c - two engines that run the schedules of one store at once, on the real store: every instant gets one
 * task, whichever was faster; what a gone engine announced is begun by another, with the same id. */
#include "../store/fixture.h"

#include "engine/scheduler.h"

#include "base/banned.h"

struct side { struct fixture *f; struct loop *loop; struct scheduler *scheduler; struct watch *store, *end; int started, refused; bool dead; };

static void on_created(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct side *side = userdata;

	(void)first_seq, (void)err;
	if (result == 0)
		side->started++;
	else
		side->refused++;
}

/* What the engine does: task.created with the id that it was told, and at once its end. */
static int begin(void *userdata, const struct scheduler_job *job, struct err *err)
{
	struct side *side = userdata;
	struct event events[2] = { created(job->task, "", json_get_text(job->spec, "goal", "")), ended(job->task, "done") };

	(void)err;
	if (side->dead) {                       /* killed between the two */
		json_decref(events[0].data);
		json_decref(events[1].data);
		return 0;
	}
	json_put(events[0].data, "schedule", json_deep_copy(job->mark));
	store_append(side->f->store, &(struct store_batch){ .root = job->task, .task = job->task, .lease = LEASE_CREATE, .events = events,
	                                                    .count = 2, .on_commit = on_created, .userdata = side });
	return 0;
}

static void on_store(void *userdata)
{
	const struct side *side = userdata;

	store_dispatch(side->f->store);
}

static void on_end(void *userdata)
{
	loop_stop(userdata);
}

static void open_side(struct side *side, struct fixture *f, struct loop *loop)
{
	struct scheduler_setup setup = { .loop = loop, .store = f->store, .user = "amal", .start = begin, .userdata = side };

	side->f = f;
	side->loop = loop;
	side->store = watch_fd(loop, store_fd(f->store), on_store, side);
	OK(f, scheduler_open(&setup, &side->scheduler, &f->err));
}

/* What it had on its way to the disk comes back, too: all that was queued before an event that is waited for. */
static void close_side(struct side *side)
{
	struct fixture *f = side->f;

	scheduler_close(side->scheduler);
	watch_free(side->store);
	OK(f, put(f, "", stopped(store_engine_id(f->store))));
	store_dispatch(f->store);
}

static void add(struct fixture *f, const char *name, const char *spec)
{
	AUTO(json_decrefp) json_t *object = NULL;
	int64_t next;

	OK(f, json_parse(str_of(spec), &object, &f->err));
	OK(f, schedule_add(f->store, "amal", name, object, false, &next, &f->err));
}

static void run_for(struct loop *loop, int64_t ms)
{
	struct watch *end = watch_timer(loop, on_end, loop);

	watch_arm(end, ms);
	loop_run(loop);
	watch_free(end);
}

#define SPEC "{\"every\":\"1s\",\"overlap\":\"allow\",\"jitter\":\"off\",\"task\":{\"goal\":\"x\"}}"

static void two_engines_and_each_instant_once(void **state UNUSED)
{
	struct fixture f, g;
	struct side a = { 0 }, b = { 0 };
	struct loop *loop;

	fixture_init(&f);
	g = (struct fixture){ 0 };
	memcpy(g.dir, f.dir, sizeof g.dir);
	fixture_open(&g);
	assert_int_equal(loop_new(&loop, NULL), 0);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof name, "s%d", i);
		add(&f, name, SPEC);
	}
	open_side(&a, &f, loop);
	open_side(&b, &g, loop);
	run_for(loop, 4200);
	close_side(&a);
	close_side(&b);
	fixture_close(&g);
	fixture_close(&f);
	assert_true(tamper(&f, "SELECT count(*) FROM events WHERE type = 'task.created'") >= 40);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events WHERE type = 'task.created'"),
	                 tamper(&f, "SELECT count(DISTINCT json_extract(data, '$.data.schedule')) FROM events WHERE type = 'task.created'"));
	assert_int_equal(tamper(&f, "SELECT count(*) FROM (SELECT 1 FROM events WHERE type = 'schedule.fired'"
	                            " GROUP BY json_extract(data, '$.data.schedule'), json_extract(data, '$.data.instant_us') HAVING count(*) > 1)"), 0);
	loop_free(loop);
	fixture_done(&f);
}

static void what_a_gone_engine_announced(void **state UNUSED)
{
	struct fixture f;
	struct side a = { .dead = true }, b = { 0 };
	struct loop *loop;

	fixture_init(&f);
	assert_int_equal(loop_new(&loop, NULL), 0);
	add(&f, "one", "{\"every\":\"1s\",\"runs\":1,\"jitter\":\"off\",\"task\":{\"goal\":\"x\"}}");
	open_side(&a, &f, loop);
	run_for(loop, 1800);
	close_side(&a);
	fixture_close(&f);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM schedule_runs WHERE state = 'claimed'"), 1);
	fixture_open(&f);                       /* the engine that announced it is gone from `engines` */
	open_side(&b, &f, loop);
	run_for(loop, 1000);
	close_side(&b);
	assert_int_equal(b.started, 1);
	fixture_close(&f);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM schedule_runs WHERE state = 'done'"), 1);
	assert_int_equal(tamper(&f, "SELECT count(DISTINCT json_extract(data, '$.data.task')) FROM events WHERE type = 'schedule.fired'"), 1);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events WHERE type = 'schedule.fired'"), 2);
	loop_free(loop);
	fixture_done(&f);
}

/* What is announced for a schedule that was removed does not begin, and a version that is past is refused. */
static void the_store_refuses(void **state UNUSED)
{
	struct fixture f;
	char id[ID_LEN + 1], task[ID_LEN + 1], none[ID_LEN + 1];

	fixture_init(&f);
	add(&f, "one", SPEC);
	OK(&f, store_schedule_find(f.store, "one", id, &f.err));
	OK(&f, schedule_order(f.store, SCHEDULE_ORDER_RUN, "amal", "one", NULL, task, &f.err));
	struct event late = schedule_event(EVENT_SCHEDULE_PASSED, "amal", id, "one", 1,
	                                   json_pack("{ss si si si ss}", "what", "missed", "first_us", 1, "last_us", 1, "count", 1, "reason", "x"));
	assert_int_equal(put(&f, "", late), -ECANCELED);
	OK(&f, schedule_order(f.store, SCHEDULE_ORDER_REMOVE, "amal", "one", NULL, none, &f.err));
	struct event begun = created(task, "", "x");
	json_put(begun.data, "schedule", json_pack("{ss ss si}", "schedule", id, "name", "one", "instant_us", 1));
	assert_int_equal(put_with(&f, (struct store_batch){ .root = task, .task = task, .lease = LEASE_CREATE }, begun, NULL), -ESTALE);
	OK(&f, schedule_order(f.store, SCHEDULE_ORDER_RUN, "amal", "one", NULL, task, &f.err) == -ENOENT ? 0 : -1);
	/* The refusals left nothing, and everything can be made again. */
	add(&f, "one", SPEC);
	OK(&f, store_rebuild(f.store, &f.err));
	OK(&f, store_schedule_find(f.store, "one", id, &f.err));
	assert_int_equal(tamper(&f, "SELECT count(*) FROM schedules"), 2);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM schedule_runs WHERE state = 'dropped'"), 1);
	fixture_done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_engines_and_each_instant_once),
		cmocka_unit_test(what_a_gone_engine_announced),
		cmocka_unit_test(the_store_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
