/* lease.c - who runs what: engines as processes that can be recognised, leases with generations.
 * It never kills and never waits: it looks, and takes what nobody living holds. */
#include "store/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

/* State and start time (in ticks since boot) from /proc/PID/stat. 0 or -errno. */
static int read_stat(int64_t pid, char *ret_state, int64_t *ret_start)
{
	AUTO(buf_done) struct buf text = BUF_INIT(4096);
	unsigned long long start;
	char path[64];

	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = io_read_fd(fd, &text, NULL);
	if (r < 0)
		return r;
	/* The second field is the program's name in brackets and may hold anything. */
	const char *rest = strrchr(buf_text(&text), ')');
	if (rest == NULL ||
	    sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", ret_state,
		   &start) != 2)
		return -EIO;
	*ret_start = (int64_t)start;
	return 0;
}

static void read_boot(char boot[static 40])
{
	AUTO(buf_done) struct buf text = BUF_INIT(256);

	if (io_read_file("/proc/sys/kernel/random/boot_id", &text, NULL) < 0)
		buf_reset(&text);
	snprintf(boot, 40, "%.36s", buf_text(&text));
}

void process_self(struct process *ret)
{
	struct stat ns;
	char state;

	*ret = (struct process){ .pid = getpid() };
	if (read_stat(ret->pid, &state, &ret->start) < 0)
		ret->start = 0;
	if (stat("/proc/self/ns/pid", &ns) == 0)
		ret->pid_namespace = (int64_t)ns.st_ino;
	read_boot(ret->boot);
}

enum life process_life(const struct process *p)
{
	struct process self;
	int64_t start;
	char state;

	process_self(&self);
	if (strcmp(p->boot, self.boot) != 0)
		return LIFE_GONE;                       /* the machine was started again */
	if (p->pid_namespace != self.pid_namespace)
		return LIFE_UNKNOWN;                    /* its number means nothing here */
	int r = read_stat(p->pid, &state, &start);
	if (r == 0)
		return start == p->start && state != 'Z' && state != 'X' ? LIFE_ALIVE : LIFE_GONE;
	/* /proc may hide the processes of others; the kernel still answers. */
	if (kill((pid_t)p->pid, 0) < 0 && errno == ESRCH)
		return LIFE_GONE;
	return LIFE_UNKNOWN;
}

enum life holder_life(const struct query *q, int first)
{
	struct process p = { 0 };

	if (query_is_null(q, first))
		return LIFE_GONE;
	p.pid = query_int(q, first);
	p.start = query_int(q, first + 1);
	snprintf(p.boot, sizeof p.boot, "%s", query_text(q, first + 2));
	p.pid_namespace = query_int(q, first + 3);
	return process_life(&p);
}

/* ---- engines ---- */

static int drop_dead(struct db *db, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_ENGINES, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		if (holder_life(&q, 0) != LIFE_GONE)
			continue;
		r = db_run(db, err, SQL_ENGINE_DROP, "t", query_text(&q, 4));
		if (r < 0)
			return r;
	}
	return r;
}

int store_engine_register(struct store *store, const char *socket_path, struct err *err)
{
	char engine[ID_LEN + 1];
	struct process self;

	assert(store->writer != NULL && store->engine[0] == '\0');
	id_new(engine);
	process_self(&self);
	int r = tx_begin(&store->db, err);
	if (r < 0)
		return r;
	r = drop_dead(&store->db, err);
	if (r == 0)
		r = db_run(&store->db, err, SQL_ENGINE_PUT, "tiititi", engine, self.pid, self.start, self.boot,
		           self.pid_namespace, socket_path, (int64_t)geteuid());
	r = tx_end(&store->db, r, err);
	if (r == 0)
		memcpy(store->engine, engine, sizeof engine);
	return r;
}

const char *store_engine_id(const struct store *store)
{
	return store->engine;
}

/* ---- leases ---- */

/* 0: free to take; *ret_generation: the last one. */
static int may_take(struct store *store, const char *task, int64_t *ret_generation, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_LEASE_HOLDER, "t", task);
	int r = query_next(&q, err);

	*ret_generation = r > 0 ? query_int(&q, 5) : 0;
	if (r <= 0)
		return r;
	bool expired = query_int(&q, 4) <= clock_mono_ms(), ours = strcmp(query_text(&q, 6), store->engine) == 0;
	if (expired || ours || holder_life(&q, 0) == LIFE_GONE)
		return 0;
	return err_set(err, EBUSY, "task %s: process %lld runs it; cancel it there, or end that process", task,
	               (long long)query_int(&q, 0));
}

static int task_must_exist(struct db *db, const char *task, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_TASK_ROOT, "t", task);
	int r = query_next(&q, err);

	return r != 0 ? MIN(r, 0) : err_set(err, ENOENT, "there is no task %s; 'mishri history' lists them", task);
}

/* What came out of a file is there to be looked at, unless whoever imported it said more. */
static int must_be_ours(struct db *db, const char *task, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_LEASE_FOREIGN, "t", task);
	int r = query_next(&q, err);

	return r <= 0 ? r : err_set(err, EPERM, "task %s was imported to be looked at; 'mishri import --resumable' lets it be resumed",
	                            task);
}

static int take(struct store *store, const char *task, int64_t *ret_generation, struct err *err)
{
	int64_t generation = 0;
	int r = task_must_exist(&store->db, task, err);

	if (r == 0)
		r = must_be_ours(&store->db, task, err);

	if (r == 0)
		r = may_take(store, task, &generation, err);
	if (r == 0)
		r = db_run(&store->db, err, SQL_LEASE_SET, "ttii", task, store->engine, generation + 1,
		           clock_mono_ms() + LIMIT_LEASE_MS);
	if (r == 0)
		*ret_generation = generation + 1;
	return r;
}

int store_lease_take(struct store *store, const char *task, int64_t *ret_generation, struct err *err)
{
	int64_t generation = 0;

	assert(store->engine[0] != '\0');
	int r = tx_begin(&store->db, err);
	if (r < 0)
		return r;
	r = tx_end(&store->db, take(store, task, &generation, err), err);
	if (r == 0)
		*ret_generation = generation;
	return r;
}

void store_lease_drop(struct store *store, const char *task, int64_t generation)
{
	if (tx_begin(&store->db, NULL) < 0 ||
	    tx_end(&store->db, db_run(&store->db, NULL, SQL_LEASE_DROP, "tti", task, store->engine, generation), NULL) < 0)
		return; /* then it runs out */
}

static int keep(struct store *store, const char *task, int64_t generation, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_LEASE_KEEP, "ttii", task, store->engine, generation,
	                                              clock_mono_ms() + LIMIT_LEASE_MS);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ESTALE, "task %s: another engine has taken it over; nothing more happens here", task);
	return MIN(r, 0);
}

int store_lease_check(struct store *store, const char *task, int64_t generation, struct err *err)
{
	if (clock_mono_ms() < writer_sure_until_ms(store->writer))
		return 0;
	int r = tx_begin(&store->db, err);
	return r < 0 ? r : tx_end(&store->db, keep(store, task, generation, err), err);
}

void store_lease_renew(struct store *store)
{
	assert(store->engine[0] != '\0');
	writer_renew(store->writer, store->engine);
}
