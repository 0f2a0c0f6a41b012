/* cmd_health.c - `mishri health`: asks every engine of this data directory how it is, and looks at the store itself. What does not
 * answer is described by what the system says of it. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

struct asked {                         /* one engine */
	char *engine, *user;
	int64_t pid, leases, renewed_ms;
	int life, fd;
	struct err why;                /* it could not be asked, or did not answer */
	json_t *answer;                /* NULL: none */
};

struct all {
	struct asked *engines;
	size_t count;
};

static void ask(void *userdata, const struct engine_row *row)
{
	struct all *all = userdata;

	if (row->life == ENGINE_GONE)
		return;                /* what it left is named by `mishri ps` */
	all->engines = xrealloc(all->engines, (all->count + 1) * sizeof *all->engines);
	struct asked *a = &all->engines[all->count++];
	*a = (struct asked){ .engine = xstrdup(row->engine), .user = xstrdup(row->user), .pid = row->pid, .leases = row->leases,
	                     .renewed_ms = row->renewed_ms, .life = row->life, .fd = -1 };
	if (row->life == ENGINE_UNKNOWN) {
		err_set(&a->why, EHOSTUNREACH, "it belongs to another machine or container, where it has to be asked");
		return;
	}
	a->fd = health_ask(row->socket, &a->why);
}

static void all_done(struct all *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->engines[i].engine);
		free(all->engines[i].user);
		fd_close(&all->engines[i].fd);
		json_decref(all->engines[i].answer);
	}
	free(all->engines);
}

/* All were asked before the first is waited for: they share the time. */
static void hear(struct all *all)
{
	int64_t until_ms = clock_mono_ms() + LIMIT_HEALTH_ANSWER_MS;

	for (size_t i = 0; i < all->count; i++) {
		struct asked *a = &all->engines[i];
		if (a->fd >= 0 && health_hear(a->fd, until_ms, &a->answer, &a->why) < 0)
			a->answer = NULL;
	}
}

/* ---- as JSON ---- */

static json_t *engine_object(const struct asked *a)
{
	if (a->answer != NULL) {
		json_t *object = json_copy(a->answer);
		json_put_bool(object, "answered", true);
		json_put_int(object, "leases", a->leases);
		return object;
	}
	json_t *object = json_object();
	json_put_bool(object, "healthy", a->life == ENGINE_UNKNOWN);
	json_put_bool(object, "answered", false);
	json_put_text(object, "engine", a->engine);
	json_put_int(object, "pid", a->pid);
	json_put_text(object, "user", a->user);
	json_put_int(object, "leases", a->leases);
	json_put_text(object, "reason", a->why.text);
	json_put(object, "silent_ms", a->renewed_ms >= 0 ? json_integer(MAX(clock_mono_ms() - a->renewed_ms, (int64_t)0)) : json_null());
	json_put(object, "process", a->life == ENGINE_ALIVE ? health_process(a->pid) : json_null());
	return object;
}

static json_t *store_object(const char *path, const struct store_health *h)
{
	json_t *object = json_object();
	bool low = h->free_bytes >= 0 && h->free_bytes < (int64_t)LIMIT_HEALTH_DISK_BYTES;

	json_put_text(object, "path", path);
	json_put_bool(object, "healthy", !low);
	json_put_int(object, "events", h->events);
	json_put_int(object, "db_bytes", h->db_bytes);
	json_put_int(object, "wal_bytes", h->wal_bytes);
	json_put(object, "free_bytes", h->free_bytes >= 0 ? json_integer(h->free_bytes) : json_null());
	return object;
}

/* ---- as text ---- */

static const char *bytes_text(int64_t bytes, char text[static 24])
{
	if (bytes < 0)
		snprintf(text, 24, "unknown");
	else if (bytes < (int64_t)MIB(1))
		snprintf(text, 24, "%lld KiB", (long long)(bytes + 1023) / 1024);
	else if (bytes < (int64_t)MIB(10240))
		snprintf(text, 24, "%.1f MiB", (double)bytes / (double)MIB(1));
	else
		snprintf(text, 24, "%.1f GiB", (double)bytes / (double)MIB(1024));
	return text;
}

static void print_beat(const json_t *beat, bool colour)
{
	const char *state = json_get_text(beat, "state", "");
	bool late = strcmp(state, "late") == 0;
	char age[32], deadline[32];
	const json_t *age_ms = json_object_get(beat, "age_ms");

	printf("  %s%-5s%s %-10s ", ink(colour, late ? INK_BAD : INK_GOOD), state, ink(colour, INK_PLAIN), json_get_text(beat, "kind", ""));
	AUTO(buf_done) struct buf name = BUF_INIT(KIB(1));
	text_add(&name, json_get_text(beat, "name", ""), 20);
	printf("%-20s ", buf_text(&name));
	if (json_is_integer(age_ms))
		printf("%9s of %s", clock_span(json_integer_value(age_ms), age, sizeof age),
		       clock_span(json_get_int(beat, "deadline_ms", 0), deadline, sizeof deadline));
	else
		printf("%9s of %s", "-", clock_span(json_get_int(beat, "deadline_ms", 0), deadline, sizeof deadline));
	if (late)
		printf(", %s", json_get_text(beat, "action", ""));
	if (json_get_int(beat, "misses", 0) > 0)
		printf(" (missed %lld)", (long long)json_get_int(beat, "misses", 0));
	putchar('\n');
}

static void print_silent(const json_t *e)
{
	const json_t *process = json_object_get(e, "process"), *silent = json_object_get(e, "silent_ms");
	char span[32];

	printf("  %s", json_get_text(e, "reason", ""));
	if (json_is_object(process)) {
		const char *wchan = json_get_text(process, "wchan", "");
		printf("; its process is in state %s%s%s", json_get_text(process, "state", "unknown"), wchan[0] != '\0' ? " at " : "", wchan);
	}
	if (json_is_integer(silent))
		printf("; it last renewed its leases %s ago", clock_span(json_integer_value(silent), span, sizeof span));
	putchar('\n');
}

/* Who keeps which limit: "memory_by": "cgroup v2" ... */
static void print_keepers(const json_t *limits)
{
	static const char *const kinds[] = { "memory", "processes", "cpu", "disk" };

	fputs("  limits:", stdout);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		AUTO(freep) char *key = xasprintf("%s_by", kinds[i]);
		printf("%s %s by %s", i > 0 ? "," : "", kinds[i], json_get_text(limits, key, "unknown"));
	}
	putchar('\n');
}

/* Models that failed lately; the others are not worth a line. */
static void print_model(const json_t *model, bool colour)
{
	const char *state = json_get_text(model, "state", "");
	AUTO(buf_done) struct buf reason = BUF_INIT(KIB(4));

	if (json_get_int(model, "failures", 0) == 0)
		return;
	sanitize_shown(str_of(json_get_text(model, "reason", "")), &reason);
	printf("  model %s: %s%lld failures in a row, breaker %s%s: %s\n", json_get_text(model, "model", ""),
	       ink(colour, strcmp(state, "closed") == 0 ? INK_PLAIN : INK_BAD), (long long)json_get_int(model, "failures", 0), state,
	       ink(colour, INK_PLAIN), buf_text(&reason));
}

static void print_engine(const json_t *e, bool colour)
{
	bool well = json_get_bool(e, "healthy", false);
	const json_t *tasks = json_object_get(e, "tasks"), *in_force = json_object_get(e, "in_force");
	size_t i;
	json_t *beat, *model;

	printf("engine %s  pid %lld  %s  %s%s%s%s\n", json_get_text(e, "engine", ""), (long long)json_get_int(e, "pid", 0),
	       json_get_text(e, "user", ""), ink(colour, well ? INK_GOOD : INK_BAD), well ? "healthy" : "NOT HEALTHY",
	       ink(colour, INK_PLAIN), json_get_bool(e, "draining", false) ? ", stopping" : "");
	if (!json_get_bool(e, "answered", false)) {
		print_silent(e);
		return;
	}
	printf("  tasks %lld, cells %lld, calls %lld, model requests %lld, leases %lld, batches for the store %lld\n",
	       (long long)json_get_int(tasks, "here", 0), (long long)json_get_int(tasks, "cells", 0),
	       (long long)json_get_int(tasks, "calls", 0), (long long)json_get_int(tasks, "model_requests", 0),
	       (long long)json_get_int(e, "leases", 0), (long long)json_get_int(json_object_get(e, "store"), "waiting", 0));
	if (json_get_bool(json_object_get(e, "store"), "broken", false))
		printf("  %sthe store can write nothing more: mend the disk and start this engine again%s\n", ink(colour, INK_BAD),
		       ink(colour, INK_PLAIN));
	if (json_is_object(in_force)) {
		printf("  in force: isolation %s, exec gate %s, network: %s\n", json_get_text(in_force, "level", ""),
		       json_get_text(in_force, "exec_gate", ""), json_get_text(in_force, "network", ""));
		print_keepers(json_object_get(in_force, "limits"));
	}
	json_array_foreach(json_object_get(e, "models"), i, model)
		print_model(model, colour);
	json_array_foreach(json_object_get(e, "beats"), i, beat)
		print_beat(beat, colour);
	if (json_get_int(e, "beats_left_out", 0) > 0)
		printf("  and %lld more, in time\n", (long long)json_get_int(e, "beats_left_out", 0));
}

static void print_text(const json_t *whole, bool colour)
{
	const json_t *store = json_object_get(whole, "store");
	char db[24], wal[24], left[24];
	size_t i;
	json_t *e;

	json_array_foreach(json_object_get(whole, "engines"), i, e)
		print_engine(e, colour);
	if (json_array_size(json_object_get(whole, "engines")) == 0)
		puts("no engine runs");
	printf("store  %s: %lld events, %s, log %s, %s free%s\n", json_get_text(store, "path", ""),
	       (long long)json_get_int(store, "events", 0), bytes_text(json_get_int(store, "db_bytes", 0), db),
	       bytes_text(json_get_int(store, "wal_bytes", 0), wal), bytes_text(json_get_int(store, "free_bytes", -1), left),
	       json_get_bool(store, "healthy", true) ? "" : ": NOT ENOUGH, make room");
}

static int look(struct store *store, const struct options *o, struct err *err)
{
	struct all all = { 0 };
	struct store_health health;
	json_t *engines = json_array();
	bool well = true;

	int r = store_health(store, &health, err);
	if (r == 0)
		r = store_engines(store, ask, &all, err);
	hear(&all);
	for (size_t i = 0; i < all.count; i++) {
		json_t *object = engine_object(&all.engines[i]);
		well &= json_get_bool(object, "healthy", false);
		json_array_append_new(engines, object);
	}
	all_done(&all);
	if (r < 0) {
		json_decref(engines);
		return r;
	}
	AUTO(json_decrefp) json_t *whole = json_object();
	json_t *about = store_object(store_path(store), &health);
	well &= json_get_bool(about, "healthy", true);
	json_put_bool(whole, "healthy", well);
	json_put(whole, "engines", engines);
	json_put(whole, "store", about);
	if (option_given(o, "--json"))
		print_json(whole);
	else
		print_text(whole, print_colour(o));
	return well ? EXIT_DONE : EXIT_FAILED;
}

static int health(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_health, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "health: takes no argument; it asks every engine of the data directory");
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r == -ENOENT) {                             /* no store yet: nothing runs, and nothing is wrong */
		if (option_given(o, "--json"))
			puts("{\"healthy\":true,\"engines\":[],\"store\":null}");
		else
			puts("no engine runs, and nothing is stored yet");
		return EXIT_DONE;
	}
	r = r < 0 ? r : look(store, o, &err);
	return r < 0 ? complain(EXIT_FAILED, "%s", err.text) : r;
}

const struct command cmd_health = {
	.name = "health", .args = "", .about = "how the engines are that run now: heartbeats, what is in force, what waits",
	.run = health,
	.examples = "  mishri health\n  mishri health --json | jq '.engines[].beats[] | select(.state == \"late\")'\n",
};
