/* meter.c - adds up what all processes of a cell use and ends the run that goes beyond a limit. What the kernel can bound
 * for a whole tree (memory and processes by a control group) it bounds; the rest is looked at again and again, the more
 * often the less is left. It never stops a process to look at it. */
#include "cell/meter.h"

#include <stdio.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "cell/cgroup.h"
#include "base/banned.h"

/* How fast a machine can use things up, at most, per processor: from here follows how long not to look. */
enum { MEMORY_SHIFT = 22, DISK_SHIFT = 22 };           /* 4 GiB/s: 1 << 22 bytes in a millisecond */

void meter_init(struct meter *meter, const struct plan *plan, struct gate *gate, const int *group, const char *scratch)
{
	*meter = (struct meter){ .plan = plan, .gate = gate, .group = group, .scratch = scratch };
	meter->processors = (int)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
	meter->files = xcalloc(1, sizeof *meter->files);
	meter->oom_seen = cgroup_oom_kills(group[CGROUP_OOM]);
}

static bool has_group(const struct meter *meter)
{
	return meter->group[CGROUP_OOM] >= 0;
}

static void over(const struct meter *meter, struct gate_run *run, enum bound what, uint64_t reached, uint64_t limit)
{
	gate_over(meter->gate, run, &(struct bound_hit){ what, (int64_t)MIN(reached, (uint64_t)INT64_MAX), (int64_t)limit });
}

/* ---- one look ---- */

struct look {
	struct meter *meter;
	bool memory;                   /* is it looked at? */
	uint64_t memory_bytes, written;
};

static void add_thread(void *userdata, struct gate_run *run, pid_t pid, struct sample *last)
{
	struct look *look = userdata;
	struct sample before;

	(void)sample_read(pid, last, &before);
	run->used.cpu_ns += before.cpu_ns;
	run->used.written += before.written;
	look->meter->gate->written += before.written;
	run->now.cpu_ns += last->cpu_ns;
	run->now.written += last->written;
	look->written += last->written;
	if (look->memory && (last->process == 0 || last->process == pid)) {
		uint64_t bytes = sample_memory(pid, last) + sample_memory_files(pid, look->meter->files);
		run->now.memory += bytes;
		look->memory_bytes += bytes;
	}
}

static void add_exactly(void *userdata, struct gate_run *run, pid_t pid, struct sample *last)
{
	struct look *look = userdata;

	if (last->process != pid)
		return;
	uint64_t bytes = sample_memory_exactly(pid) + sample_memory_files(pid, look->meter->files);
	run->now.memory += bytes;
	look->memory_bytes += bytes;
}

/* Pages of files in /tmp and /dev/shm, and of segments that no process has mapped. */
static uint64_t memory_of_nobody(const struct meter *meter)
{
	struct statvfs fs;

	if (meter->plan->level != CELL_FULL || statvfs("/tmp", &fs) < 0)
		return 0;
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize + sample_segments();
}

static struct gate_run *largest(const struct meter *meter, uint64_t (*size)(const struct gate_run *))
{
	struct gate_run *most = NULL;

	for (struct gate_run *run = meter->gate->runs; run != NULL; run = run->next)
		if (!run->killed && (most == NULL || size(run) > size(most)))
			most = run;
	return most;
}

static uint64_t memory_of(const struct gate_run *run)
{
	return run->now.memory;
}

static uint64_t written_of(const struct gate_run *run)
{
	return run->used.written + run->now.written;
}

/* ---- what is too much ---- */

static bool memory_is_over(const struct meter *meter, const struct look *look, uint64_t of_nobody)
{
	if (look->memory_bytes + of_nobody > meter->plan->memory_bytes)
		return true;
	for (const struct gate_run *run = meter->gate->runs; run != NULL; run = run->next)
		if (run->bounds.memory_bytes != 0 && run->now.memory > run->bounds.memory_bytes)
			return true;
	return false;
}

/* Shared pages were counted once for each process. Before a run ends for it, they are counted right. */
static void count_again(struct meter *meter, struct look *look)
{
	look->memory_bytes = 0;
	meter->files->count = 0;
	for (struct gate_run *run = meter->gate->runs; run != NULL; run = run->next)
		run->now.memory = 0;
	gate_each(meter->gate, add_exactly, look);
}

/* Segments of System V outlive their makers: nobody would get their memory back before the cell ends. */
static void remove_segments(const struct meter *meter)
{
	struct shmid_ds ds;
	struct shm_info info;
	int last = meter->plan->level == CELL_FULL ? shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info) : -1;

	for (int i = 0; i <= last; i++) {
		int id = shmctl(i, SHM_STAT, &ds);
		if (id >= 0)
			(void)shmctl(id, IPC_RMID, NULL);
	}
}

static void check_memory(struct meter *meter, struct look *look)
{
	uint64_t of_nobody = memory_of_nobody(meter), most = meter->plan->memory_bytes;

	if (memory_is_over(meter, look, of_nobody))
		count_again(meter, look);
	for (struct gate_run *run = meter->gate->runs; run != NULL; run = run->next) {
		run->used.memory = MAX(run->used.memory, run->now.memory);
		if (run->bounds.memory_bytes != 0 && run->now.memory > run->bounds.memory_bytes && !run->killed)
			over(meter, run, BOUND_MEMORY, run->now.memory, run->bounds.memory_bytes);
	}
	look->memory_bytes += of_nobody;
	struct gate_run *run = largest(meter, memory_of);
	if (look->memory_bytes <= most || run == NULL || has_group(meter))
		return;
	over(meter, run, BOUND_MEMORY, look->memory_bytes, most);
	remove_segments(meter);
}

static void check_cpu(const struct meter *meter)
{
	for (struct gate_run *run = meter->gate->runs; run != NULL; run = run->next) {
		uint64_t cpu_ns = run->used.cpu_ns + run->now.cpu_ns;
		if (run->bounds.cpu_ns != 0 && cpu_ns >= run->bounds.cpu_ns && !run->killed)
			over(meter, run, BOUND_CPU, cpu_ns / 1000000, run->bounds.cpu_ns / 1000000);
	}
}

static void check_disk(const struct meter *meter, const struct look *look)
{
	uint64_t written = meter->gate->written + look->written, most = meter->plan->disk_bytes;
	struct gate_run *run = largest(meter, written_of);

	if (most != 0 && written > most && run != NULL)
		over(meter, run, BOUND_DISK, written, most);
}

/* ---- when to look ---- */

static uint64_t left_of(uint64_t most, uint64_t now)
{
	return most > now ? most - now : 0;
}

/* Until the first of them can be used up. */
static int64_t soonest_ms(const struct meter *meter, const struct look *look)
{
	uint64_t ms = LIMIT_CELL_WATCH_MOST_MS, processors = (uint64_t)meter->processors;

	if (look->memory)
		ms = MIN(ms, (left_of(meter->plan->memory_bytes, look->memory_bytes) >> MEMORY_SHIFT) / processors);
	if (meter->plan->disk_bytes != 0)
		ms = MIN(ms, left_of(meter->plan->disk_bytes, meter->gate->written + look->written) >> DISK_SHIFT);
	for (const struct gate_run *run = meter->gate->runs; run != NULL; run = run->next) {
		if (run->bounds.cpu_ns != 0)
			ms = MIN(ms, left_of(run->bounds.cpu_ns, run->used.cpu_ns + run->now.cpu_ns) / 1000000 / processors);
		if (run->bounds.memory_bytes != 0)
			ms = MIN(ms, (left_of(run->bounds.memory_bytes, run->now.memory) >> MEMORY_SHIFT) / processors);
	}
	return (int64_t)MAX(ms, (uint64_t)LIMIT_CELL_WATCH_LEAST_MS);
}

static void look_now(struct meter *meter)
{
	int64_t begun_ns = clock_mono_ns();
	struct look look = { .meter = meter, .memory = !has_group(meter) };

	for (struct gate_run *run = meter->gate->runs; run != NULL; run = run->next) {
		run->now = (struct usage){ 0 };
		look.memory |= run->bounds.memory_bytes != 0;
	}
	meter->files->count = 0;
	gate_each(meter->gate, add_thread, &look);
	if (look.memory)
		check_memory(meter, &look);
	check_cpu(meter);
	check_disk(meter, &look);
	int64_t end_ns = clock_mono_ns(), pause_ms = soonest_ms(meter, &look);
	pause_ms = MAX(pause_ms, (end_ns - begun_ns) * LIMIT_CELL_WATCH_SHARE / 1000000);
	meter->next_ms = end_ns / 1000000 + pause_ms;
}

int meter_timeout_ms(const struct meter *meter)
{
	if (meter->gate->tracee_count == 0)
		return -1;
	return (int)MAX(meter->next_ms - clock_mono_ms(), (int64_t)0);
}

void meter_tick(struct meter *meter)
{
	if (meter->gate->tracee_count > 0 && clock_mono_ms() >= meter->next_ms)
		look_now(meter);
}

void meter_started(struct meter *meter)
{
	int64_t soon = clock_mono_ms() + LIMIT_CELL_WATCH_LEAST_MS;

	if (meter->next_ms > soon || meter->gate->tracee_count <= 1)
		meter->next_ms = soon;
}

/* ---- what the gate tells ---- */

bool meter_dying(struct meter *meter, struct gate_run *run, pid_t pid, struct sample *last)
{
	struct sample before;
	bool all = sample_read(pid, last, &before);

	run->used.cpu_ns += before.cpu_ns;
	run->used.written += before.written;
	meter->gate->written += before.written;
	return all;
}

/* The kernel says how often it killed in the group, not whom: it was one that was killed by nobody else. A limit of the
 * kernel's own on the processor time of one process looks the same. */
void meter_killed(struct meter *meter, struct gate_run *run)
{
	uint64_t kills = cgroup_oom_kills(meter->group[CGROUP_OOM]);
	uint64_t cpu_ns = run->used.cpu_ns;

	if (kills > meter->oom_seen) {
		meter->oom_seen = kills;
		over(meter, run, BOUND_MEMORY, cgroup_used(meter->group[CGROUP_USED]), meter->plan->memory_bytes);
		remove_segments(meter);
	} else if (run->bounds.cpu_ns != 0 && cpu_ns >= run->bounds.cpu_ns) {
		over(meter, run, BOUND_CPU, cpu_ns / 1000000, run->bounds.cpu_ns / 1000000);
	}
}

void meter_check_tmp(const struct meter *meter, struct gate_run *run)
{
	struct statvfs fs;

	if (run->hit.what != BOUND_NONE || meter->plan->level != CELL_FULL || statvfs("/tmp", &fs) < 0 || fs.f_bfree > 0)
		return;
	int64_t size = (int64_t)(fs.f_blocks * fs.f_frsize);
	run->hit = (struct bound_hit){ BOUND_TMP, size, size };
}

json_t *meter_mechanisms(const struct meter *meter)
{
	const struct plan *plan = meter->plan;
	const char *group = plan->cgroup_version == 2 ? "cgroup v2" : "cgroup v1";
	bool pids = has_group(meter) && (plan->cgroup_version == 2 || meter->group[CGROUP_ENTER_PIDS] >= 0);
	json_t *out = json_object();

	json_put_text(out, "memory_by", has_group(meter) ? group : "watchdog");
	json_put_text(out, "processes_by", pids ? group : plan->level == CELL_FULL ? "user namespace" : "gate");
	json_put_text(out, "cpu_by", sample_works() ? "watchdog" : "each process by itself");
	json_put_text(out, "disk_by", sample_works() ? "watchdog" : "nothing");
	bounds_write(&(struct bounds){ .at = {
		[BOUND_MEMORY] = (int64_t)plan->memory_bytes, [BOUND_PROCESSES] = (int64_t)plan->processes,
		[BOUND_OPEN_FILES] = (int64_t)plan->open_files, [BOUND_FILE] = (int64_t)plan->file_bytes,
		[BOUND_TMP] = plan->level == CELL_FULL ? (int64_t)plan->tmp_bytes : 0, [BOUND_DISK] = (int64_t)plan->disk_bytes,
	} }, out);
	return out;
}
