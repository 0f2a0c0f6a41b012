/* rig.h - a cell in a test: opens one, runs something, answers for it by a table of refused names, and tells what
 * came out. */
#ifndef MISHRI_TESTS_CELL_RIG_H
#define MISHRI_TESTS_CELL_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cell/cell.h"

enum { RIG_PATIENCE_MS = 20000, RIG_SEEN = 64 };

struct rig_exec {
	char program[256], names[512], why[128], argv[512], cwd[256];
	int origin;
	size_t trusted;
	uint64_t call;
	bool first;
};

struct rig {
	struct warden *warden;
	struct cell *cell;
	char workspace[256];
	bool opened, failed, lost, ended;
	struct err failure;
	json_t *mechanisms;
	const char *deny;             /* words: refuse a program that goes by one of them */
	bool deny_untrusted, deny_workspace;
	bool hold;                    /* answer nothing; ids are in held */
	uint32_t held[RIG_SEEN];
	size_t held_count, gone_count;
	struct rig_exec seen[RIG_SEEN];
	size_t seen_count;
	struct cell_exit last;
	struct bound_hit hit;         /* the last limit that was reached */
	char output[65536];
	uint64_t next_call;
};

static void rig_on_open(void *userdata, const json_t *mechanisms, const struct err *failure)
{
	struct rig *rig = userdata;

	rig->opened = failure == NULL;
	rig->failed = failure != NULL;
	if (failure != NULL) {
		rig->failure = *failure;
		rig->cell = NULL;
	} else {
		rig->mechanisms = json_deep_copy(mechanisms);
	}
}

static bool rig_refuses(const struct rig *rig, const struct cell_exec *exec)
{
	if ((rig->deny_untrusted && exec->origin == 0) || (rig->deny_workspace && exec->origin <= 1))
		return true;
	for (size_t i = 0; rig->deny != NULL && i < exec->name_count; i++) {
		struct str rest = str_of(rig->deny), word;
		while (str_next(&rest, ' ', &word))
			if (str_eq(word, str_of(exec->names[i])))
				return true;
	}
	return false;
}

static void rig_note(struct rig *rig, const struct cell_exec *exec)
{
	struct rig_exec *seen = &rig->seen[rig->seen_count++ % RIG_SEEN];

	*seen = (struct rig_exec){ .origin = exec->origin, .trusted = exec->trusted_names, .call = exec->call,
	                           .first = exec->first };
	snprintf(seen->program, sizeof seen->program, "%s", exec->program);
	snprintf(seen->why, sizeof seen->why, "%s", exec->why_untrusted);
	snprintf(seen->cwd, sizeof seen->cwd, "%s", exec->cwd);
	for (size_t i = 0, at = 0; i < exec->name_count && at < sizeof seen->names; i++)
		at += (size_t)snprintf(seen->names + at, sizeof seen->names - at, "%s%s", i > 0 ? " " : "", exec->names[i]);
	for (size_t i = 0, at = 0; i < exec->argc && at < sizeof seen->argv; i++)
		at += (size_t)snprintf(seen->argv + at, sizeof seen->argv - at, "%s%s", i > 0 ? " " : "", exec->argv[i]);
}

static void rig_on_exec(void *userdata, const struct cell_exec *exec)
{
	struct rig *rig = userdata;

	rig_note(rig, exec);
	if (rig->hold) {
		rig->held[rig->held_count++ % RIG_SEEN] = exec->id;
		return;
	}
	if (rig_refuses(rig, exec))
		cell_exec_answer(rig->cell, exec->id, false, "mishri: denied by test");
	else
		cell_exec_answer(rig->cell, exec->id, true, NULL);
}

static void rig_on_gone(void *userdata, uint32_t id UNUSED)
{
	((struct rig *)userdata)->gone_count++;
}

static void rig_on_exit(void *userdata, const struct cell_exit *ended)
{
	struct rig *rig = userdata;

	rig->last = *ended;
	rig->ended = true;
}

static void rig_on_lost(void *userdata, const char *why UNUSED)
{
	((struct rig *)userdata)->lost = true;
}

static void rig_on_limit(void *userdata, uint64_t call UNUSED, const struct bound_hit *hit)
{
	((struct rig *)userdata)->hit = *hit;
}

static const struct cell_callbacks rig_callbacks = { rig_on_open, rig_on_exec, rig_on_gone, rig_on_exit, rig_on_lost,
                                                     rig_on_limit };

/* One turn of the loop. */
UNUSED static void rig_turn(struct rig *rig, int timeout_ms)
{
	struct pollfd fds[] = {{warden_fd(rig->warden), POLLIN, 0},
			       {rig->cell != NULL ? cell_fd(rig->cell) : -1, POLLIN, 0}};

	if (poll(fds, COUNT(fds), timeout_ms) <= 0)
		return;
	if (fds[1].revents != 0)
		cell_dispatch(rig->cell);
	else if (fds[0].revents != 0)
		warden_dispatch(rig->warden);
}

UNUSED static bool rig_until(struct rig *rig, const bool *what, int patience_ms)
{
	int64_t until = clock_mono_ms() + patience_ms;

	while (!*what && !rig->lost && !rig->failed && clock_mono_ms() < until)
		rig_turn(rig, 100);
	return *what;
}

UNUSED static bool rig_open_plan(struct rig *rig, const struct cell_plan *plan)
{
	rig->opened = rig->failed = rig->lost = false;
	rig->cell = cell_open(rig->warden, plan, &rig_callbacks, rig);
	bool ok = rig_until(rig, &rig->opened, RIG_PATIENCE_MS);
	if (!ok)
		fprintf(stderr, "no cell: %s\n", rig->failure.text);
	return ok;
}

/* The shadow of an address sanitizer counts as data, and takes terabytes. */
#if defined(__SANITIZE_ADDRESS__)
#define RIG_MEMORY_BYTES INT64_MAX
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_MEMORY_BYTES INT64_MAX
#endif
#endif
#ifndef RIG_MEMORY_BYTES
#define RIG_MEMORY_BYTES 0
#endif

UNUSED static bool rig_open(struct rig *rig, enum cell_level level)
{
	return rig_open_plan(rig, &(struct cell_plan){ .level = level, .workspace = rig->workspace,
	                                               .memory_bytes = RIG_MEMORY_BYTES });
}

UNUSED static void rig_close(struct rig *rig)
{
	cell_close(rig->cell);
	rig->cell = NULL;
	json_decref(rig->mechanisms);
	rig->mechanisms = NULL;
}

static const char *const rig_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", "LANG=C.UTF-8",
				      NULL};

/* Starts something; its output goes to a file in memory whose descriptor is returned (-1: it was refused). */
UNUSED static int rig_start(struct rig *rig, struct cell_run *run)
{
	struct err err = ERR_NONE;
	int out = memfd_create("output", MFD_CLOEXEC), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	run->call = ++rig->next_call;
	run->env = run->env != NULL ? run->env : rig_env;
	run->cwd = run->cwd != NULL ? run->cwd : rig->workspace;
	run->fds[0] = null;
	run->fds[1] = run->fds[2] = out;
	rig->ended = false;
	rig->hit = (struct bound_hit){ 0 };
	rig->seen_count = rig->held_count = rig->gone_count = 0;
	int r = cell_run(rig->cell, run, &err);
	close(null);
	if (r < 0) {
		fprintf(stderr, "cell_run: %s\n", err.text);
		fd_close(&out);
	}
	return out;
}

UNUSED static int rig_finish(struct rig *rig, int out)
{
	bool ok = rig_until(rig, &rig->ended, RIG_PATIENCE_MS);
	ssize_t n = pread(out, rig->output, sizeof rig->output - 1, 0);

	rig->output[n > 0 ? n : 0] = '\0';
	close(out);
	return ok ? rig->last.status : -1;
}

/* Runs to the end: the status, -1 when it never ended. rig->output holds what it wrote. */
UNUSED static int rig_run(struct rig *rig, struct cell_run run)
{
	int out = rig_start(rig, &run);

	return out < 0 ? -1 : rig_finish(rig, out);
}

#define RIG_ARGV(...) (const char *const[]){ __VA_ARGS__, NULL }

UNUSED static int rig_sh(struct rig *rig, const char *text)
{
	return rig_run(rig, (struct cell_run){ .argv = RIG_ARGV("sh", "-c", text) });
}

#endif
