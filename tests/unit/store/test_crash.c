/* test_crash.c - processes that die, and processes that write at once. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"

/* Runs `work` in a child, which must not come back. Its pipe is *ret_fd. The store is closed
 * meanwhile: a database must not be carried through a fork. */
static pid_t in_child(struct fixture *f, void (*work)(struct fixture *f, int fd), int *ret_fd)
{
	bool was_open = f->store != NULL;
	int fds[2];

	fixture_close(f);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		work(f, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	if (was_open)
		fixture_open(f);
	*ret_fd = fds[0];
	return pid;
}

static void must(bool ok)
{
	if (!ok)
		_exit(9);
}

static void open_in_child(struct fixture *f)
{
	must(store_open(f->dir, STORE_CREATE, &f->store, &f->err) == 0);
	must(store_engine_register(f->store, "", &f->err) == 0);
}

static int append(struct fixture *f, const char *task, enum lease_action lease, struct event e, int64_t *ret_seq)
{
	return store_append_wait(f->store, &(struct store_batch){ .root = task, .task = task, .generation = 1, .lease = lease,
	                         .events = &e, .count = 1 }, ret_seq, &f->err);
}

/* Creates a task of its own and proposes calls for ever; says what is acknowledged. */
static void propose_until_killed(struct fixture *f, int fd)
{
	char task[ID_LEN + 1], call[24];
	int64_t seq;

	open_in_child(f);
	id_new(task);
	must(append(f, task, LEASE_CREATE, created(task, "", "x"), &seq) == 0);
	for (int i = 0; i < 100000; i++) {
		must(write(fd, &seq, sizeof seq) == sizeof seq);
		snprintf(call, sizeof call, "1.%d", i);
		must(append(f, task, LEASE_HOLD, proposed(task, call, "ls"), &seq) == 0);
	}
}

static bool is_there(void *userdata, const struct event_row *row)
{
	*(bool *)userdata = row->seq > 0;
	return false;
}

static void acknowledged_is_durable(void **state UNUSED)
{
	enum { KILLS = 50 };
	struct fixture f;
	struct store_report report;
	int64_t total = 0;

	fixture_init(&f);
	fixture_close(&f);
	for (int i = 0; i < KILLS; i++) {
		int fd, status;
		int64_t seq, last = 0;
		pid_t pid = in_child(&f, propose_until_killed, &fd);
		must(read(fd, &seq, sizeof seq) == sizeof seq);         /* it is at work */
		nanosleep(&(struct timespec){ .tv_nsec = (i * 7919 % 23) * 500000 }, NULL);
		kill(pid, SIGKILL);
		total++;
		for (last = seq; read(fd, &seq, sizeof seq) == sizeof seq; total++)
			last = seq;
		close(fd);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		bool there = false;
		OK(&f, store_open(f.dir, STORE_READ_ONLY, &f.store, &f.err));
		OK(&f, store_events(f.store, &(struct event_filter){ .after_seq = last - 1, .limit = 1 }, is_there, &there, &f.err));
		assert_true(there);
		fixture_close(&f);
	}
	assert_true(total >= KILLS);
	fixture_open(&f);
	OK(&f, store_verify(f.store, &report, &f.err));
	assert_true(report.events >= total);
	assert_true(report.chains <= KILLS && report.chains > 0);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM engines"), 1);        /* the dead were taken out */
	fixture_done(&f);
}

static void hold_and_tell(struct fixture *f, int fd)
{
	int64_t seq;

	open_in_child(f);
	must(append(f, A, LEASE_CREATE, created(A, "", "x"), &seq) == 0);
	must(write(fd, &seq, sizeof seq) == sizeof seq);
	for (;;)
		pause();
}

static void the_dead_give_up_their_tasks_at_once(void **state UNUSED)
{
	struct fixture f;
	struct task_row row;
	int fd, status;
	int64_t seq, generation = 0;

	fixture_init(&f);
	pid_t pid = in_child(&f, hold_and_tell, &fd);
	assert_int_equal(read(fd, &seq, sizeof seq), sizeof seq);
	assert_int_equal(store_lease_take(f.store, A, &generation, &f.err), -EBUSY);
	char text[32];
	snprintf(text, sizeof text, "process %d ", pid);
	assert_non_null(strstr(f.err.text, text));
	OK(&f, store_task_get(f.store, A, &row, &f.err));
	assert_true(row.alive);
	assert_int_equal(row.holder_pid, pid);
	task_row_done(&row);

	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	OK(&f, store_task_get(f.store, A, &row, &f.err));               /* dead, though nobody has buried it */
	assert_false(row.alive);
	task_row_done(&row);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	OK(&f, store_lease_take(f.store, A, &generation, &f.err));
	assert_int_equal(generation, 2);
	assert_int_equal(put(&f, A, parked(A)), -ESTALE);               /* generation 1 is over */
	OK(&f, put_with(&f, (struct store_batch){ .root = A, .task = A, .generation = 2 }, parked(A), NULL));
	close(fd);
	fixture_done(&f);
}

/* Holds A until it is woken after its lease was taken, then tries to go on. */
static void sleep_through_a_takeover(struct fixture *f, int fd)
{
	int64_t seq;

	open_in_child(f);
	must(append(f, A, LEASE_CREATE, created(A, "", "x"), &seq) == 0);
	must(write(fd, &seq, sizeof seq) == sizeof seq);
	raise(SIGSTOP);
	int64_t result = append(f, A, LEASE_HOLD, proposed(A, "1.1", "rm"), &seq);
	must(write(fd, &result, sizeof result) == sizeof result);
}

static void a_sleeper_that_wakes_late_harms_nothing(void **state UNUSED)
{
	struct fixture f;
	int fd, status;
	int64_t seq, generation = 0, result = 0;

	fixture_init(&f);
	pid_t pid = in_child(&f, sleep_through_a_takeover, &fd);
	assert_int_equal(read(fd, &seq, sizeof seq), sizeof seq);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(store_lease_take(f.store, A, &generation, &f.err), -EBUSY);
	tamper(&f, "UPDATE leases SET until_ms = 0");                   /* 45 seconds later */
	OK(&f, store_lease_take(f.store, A, &generation, &f.err));
	kill(pid, SIGCONT);
	assert_int_equal(read(fd, &result, sizeof result), sizeof result);
	assert_int_equal(result, -ESTALE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), 1);
	close(fd);
	fixture_done(&f);
}

enum { EACH = 200 };

/* Its own root, and the parent's root: a child task under B. */
static void write_much(struct fixture *f, int fd)
{
	char own[ID_LEN + 1], child[ID_LEN + 1], call[24];
	int64_t seq;

	open_in_child(f);
	id_new(own);
	id_new(child);
	must(append(f, own, LEASE_CREATE, created(own, "", "x"), &seq) == 0);
	struct event e = created(child, B, "part of B");
	must(store_append_wait(f->store, &(struct store_batch){ .root = B, .task = child, .lease = LEASE_CREATE, .events = &e,
	                       .count = 1 }, &seq, &f->err) == 0);
	for (int i = 0; i < EACH; i++) {
		snprintf(call, sizeof call, "1.%d", i);
		must(append(f, own, LEASE_HOLD, proposed(own, call, "ls"), &seq) == 0);
		e = proposed(child, call, "ls");
		must(store_append_wait(f->store, &(struct store_batch){ .root = B, .task = child, .generation = 1, .events = &e,
		                       .count = 1 }, &seq, &f->err) == 0);
	}
	store_close(f->store);
	must(write(fd, &seq, sizeof seq) == sizeof seq);
}

static void processes_write_at_once(void **state UNUSED)
{
	enum { PROCESSES = 3 };
	struct fixture f;
	struct store_report report;
	pid_t pids[PROCESSES];
	int fds[PROCESSES], status;

	fixture_init(&f);
	make_task(&f, B, B, "shared");
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = in_child(&f, write_much, &fds[i]);
	/* Reading meanwhile: whatever is seen is whole. */
	for (int i = 0; i < 20; i++) {
		OK(&f, store_verify(f.store, &report, &f.err));
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		close(fds[i]);
	}
	OK(&f, store_verify(f.store, &report, &f.err));
	assert_int_equal(report.events, 1 + PROCESSES * (2 + 2 * EACH));
	assert_int_equal(report.chains, 1 + PROCESSES);
	fixture_done(&f);
}

static void make_the_store(struct fixture *f, int fd)
{
	int64_t done = 1;

	open_in_child(f);
	store_close(f->store);
	must(write(fd, &done, sizeof done) == sizeof done);
}

static void processes_make_the_store_at_once(void **state UNUSED)
{
	enum { PROCESSES = 6 };

	for (int round = 0; round < 5; round++) {
		struct fixture f = { .dir = "/tmp/mishri-test-XXXXXX" };
		struct store_report report;
		pid_t pids[PROCESSES];
		int fds[PROCESSES], status;
		assert_non_null(mkdtemp(f.dir));
		for (int i = 0; i < PROCESSES; i++)
			pids[i] = in_child(&f, make_the_store, &fds[i]);
		for (int i = 0; i < PROCESSES; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			close(fds[i]);
		}
		fixture_open(&f);
		OK(&f, store_verify(f.store, &report, &f.err));
		fixture_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledged_is_durable),
		cmocka_unit_test(the_dead_give_up_their_tasks_at_once),
		cmocka_unit_test(a_sleeper_that_wakes_late_harms_nothing),
		cmocka_unit_test(processes_write_at_once),
		cmocka_unit_test(processes_make_the_store_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
