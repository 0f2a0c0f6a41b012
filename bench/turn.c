/* turn.c - what a turn costs beyond the model: from the last byte of a reply to the last byte of the next request, with
 * `true` run by the tool `shell` in its cell and every event durable (synchronous=FULL). Beside it, before and after in
 * the same run, the floor of this machine: libcurl on a kept connection and posix_spawn of true. And, once, the start:
 * from the start of the program to its first request, and the most memory that the engine took.
 *
 *   bench_turn [TURNS [DIR]]     DIR: on the disk to be measured; prints one JSON object
 *
 * The parts come from the times of the events and from bench/sync_clock.c, so their sum is the whole. */
#include <curl/curl.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "mock_start.h"
#include "model_end.h"
#include "store/store.h"

#include "base/banned.h"

extern char **environ;

enum { TURNS_MAX = 2000, WARM_UP = 5, STARTS = 21, SHORT_RUN = 11 };

/* Where the time of a turn goes, in its order. */
enum part { READ_REPLY, DECIDE, BEGIN, RUN, ASK_NEXT, PARTS };
static const char *const part_names[] = {
	[READ_REPLY] = "reply read and parsed",
	[DECIDE] = "schema, policy, intent",
	[BEGIN] = "commit, start in the cell, to the gate",
	[RUN] = "gate, the program, its end",
	[ASK_NEXT] = "commit, next request built and sent",
};

struct place { char root[PATH_MAX], program[PATH_MAX], preload[PATH_MAX], sync[PATH_MAX + 16], policy[PATH_MAX + 16]; };

struct turn_events { int64_t replied, started, gate, finished; };

static void die(const char *what)
{
	fprintf(stderr, "bench_turn: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the floor -------------------------------------------------------------------------------------------- */

static size_t take(char *ptr, size_t size, size_t count, void *to)
{
	return buf_add(to, ptr, size * count) < 0 ? 0 : size * count;
}

static void spawn_and_wait(char *const *argv)
{
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0)
		die(argv[0]);
}

static void floor_client(int port, size_t turns, char *const *argv)
{
	static const char tail[] = "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
	struct buf body = BUF_INIT(LIMIT_REQUEST_BODY_BYTES), reply = BUF_INIT(MIB(1));
	struct curl_slist *headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
	CURL *easy = curl_easy_init();
	char url[64];

	snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/chat/completions", port);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply);
	buf_add_text(&body, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"run true\"}");
	for (size_t i = 0; i <= turns; i++) {
		size_t len = body.len;
		buf_add(&body, tail, sizeof tail - 1);
		buf_reset(&reply);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&body));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		if (curl_easy_perform(easy) != CURLE_OK || strstr(buf_text(&reply), "data: [DONE]") == NULL)
			die("no answer");
		if (i < turns)
			spawn_and_wait(argv);
		body.len = len;
		buf_printf(&body, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_%zu\",\"type\":\"function\","
		           "\"function\":{\"name\":\"shell\",\"arguments\":\"{\\\"command\\\":\\\"true\\\"}\"}}]},"
		           "{\"role\":\"tool\",\"tool_call_id\":\"call_%zu\",\"content\":\"[no output]\"}", i, i);
	}
	_exit(0);
}

/* Times of `turns` turns of the floor, appended to ns. */
static void measure_floor(size_t turns, char *const *argv, int64_t *ns)
{
	struct exchange *got = xcalloc(turns + 1, sizeof *got);
	int port, status, listener = model_end_open(&port);
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		floor_client(port, turns, argv);
	if (model_end_serve(listener, turns, got) != turns + 1)
		die("the floor stopped early");
	waitpid(pid, &status, 0);
	fd_close(&listener);
	for (size_t i = 0; i < turns; i++)
		ns[i] = (got[i + 1].received_us - got[i].sent_us) * 1000;
	free(got);
}

/* ---- the program ---------------------------------------------------------------------------------------------- */

static pid_t start_mishri(const struct place *place, const char *data, int port, bool clocked)
{
	static char base[64], clock_file[PATH_MAX + 64], preload[PATH_MAX + 64];
	char workspace[PATH_MAX + 16];
	pid_t pid;

	snprintf(base, sizeof base, "OPENAI_BASE_URL=http://127.0.0.1:%d/v1", port);
	snprintf(clock_file, sizeof clock_file, "SYNC_CLOCK=%s", place->sync);
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", place->preload);
	snprintf(workspace, sizeof workspace, "%s/ws", place->root);
	char *env[] = { base, (char[]){ "OPENAI_API_KEY=sk-bench" }, (char[]){ "PATH=/usr/bin:/bin" },
	                clocked ? preload : NULL, clock_file, NULL };
	const char *argv[] = { place->program, "run", "--data", data, "--no-user-config", "-w", workspace, "-p", place->policy,
	                       "-m", "openai/mock", "--plan", "never", "--max-turns", "100000", "-c", "max_calls=100000", "-c", "loop.detect=off", "run true",
	                       NULL };
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, place->program, &actions, NULL, (char *const *)argv, env) != 0)
		die(place->program);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static bool visit(void *userdata, const struct event_row *row)
{
	struct turn_events *turns = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	const char *call = json_get_text(e.data, "call", "");
	long turn = call[0] != '\0' ? strtol(call, NULL, 10) : (long)json_get_int(e.data, "turn", 0);
	if (turn >= 1 && turn <= TURNS_MAX) {
		struct turn_events *t = &turns[turn - 1];
		if (e.type == EVENT_MODEL_REPLIED)
			t->replied = e.time_us;
		else if (e.type == EVENT_CALL_STARTED)
			t->started = e.time_us;
		else if (e.type == EVENT_EXEC_DECIDED && t->gate == 0)
			t->gate = e.time_us;
		else if (e.type == EVENT_CALL_FINISHED)
			t->finished = e.time_us;
	}
	event_done(&e);
	return true;
}

static void read_events(const char *data, struct turn_events *ret)
{
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;
	struct event_filter filter = { 0 };

	if (store_open(data, STORE_READ_ONLY, &store, &err) < 0 || store_events(store, &filter, visit, ret, &err) < 0) {
		fprintf(stderr, "bench_turn: %s\n", err.text);
		exit(1);
	}
}

struct measured {
	int64_t own[TURNS_MAX], part[PARTS][TURNS_MAX], sync[PARTS][TURNS_MAX];
	size_t turns, syncs;
};

/* How much of [from, to] was spent waiting for the disk. */
static int64_t synced(const int64_t (*spans)[2], size_t count, int64_t from, int64_t to)
{
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += MAX(MIN(spans[i][1], to) - MAX(spans[i][0], from), 0);
	return sum;
}

static void take_apart(const struct place *place, const char *data, const struct exchange *got, struct measured *m)
{
	static struct turn_events events[TURNS_MAX];
	AUTO(buf_done) struct buf spans = BUF_INIT(MIB(16));

	read_events(data, events);
	if (io_read_file(place->sync, &spans, NULL) < 0)
		die(place->sync);
	size_t count = spans.len / 16;
	for (size_t i = WARM_UP; i + 1 < m->turns; i++) {
		const struct turn_events *e = &events[i];
		int64_t at[PARTS + 1] = { got[i].sent_us, e->replied, e->started, e->gate, e->finished, got[i + 1].received_us };
		size_t k = i - WARM_UP;
		m->own[k] = (at[PARTS] - at[0]) * 1000;
		for (int p = 0; p < PARTS; p++) {
			m->part[p][k] = (at[p + 1] - at[p]) * 1000;
			m->sync[p][k] = synced((const int64_t (*)[2])(const void *)spans.ptr, count, at[p], at[p + 1]) * 1000;
		}
	}
	m->syncs = count;
	m->turns -= WARM_UP + 1;
}

static void measure_mishri(const struct place *place, size_t turns, struct measured *m)
{
	struct exchange *got = xcalloc(turns + 1, sizeof *got);
	char data[PATH_MAX + 16];
	int port, status, listener = model_end_open(&port);

	snprintf(data, sizeof data, "%s/data", place->root);
	pid_t pid = start_mishri(place, data, port, true);
	if (model_end_serve(listener, turns, got) != turns + 1)
		die("mishri stopped early");
	waitpid(pid, &status, 0);
	if (status != 0)
		die("mishri failed");
	fd_close(&listener);
	m->turns = turns;
	take_apart(place, data, got, m);
	free(got);
}

/* ---- start and size --------------------------------------------------------------------------------------------- */

static int64_t status_kib(pid_t pid, const char *key)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (io_read_file(path, &text, NULL) < 0)
		return -1;
	const char *at = strstr(buf_text(&text), key);
	return at != NULL ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* From posix_spawn to the first whole request, with a store that is there already. */
static void measure_starts(const struct place *place, int64_t *ns)
{
	char data[PATH_MAX + 16];

	snprintf(data, sizeof data, "%s/data", place->root);
	for (int i = 0; i < STARTS; i++) {
		struct exchange got[1];
		int port, status, listener = model_end_open(&port);
		int64_t begin = clock_wall_us();
		pid_t pid = start_mishri(place, data, port, false);
		if (model_end_serve(listener, 0, got) != 1)
			die("mishri did not start");
		ns[i] = (got[0].received_us - begin) * 1000;
		waitpid(pid, &status, 0);
		fd_close(&listener);
	}
}

/* The most resident memory at the end of a short run, when its last request is there. */
static void measure_size(const struct place *place, int64_t *ret_peak, int64_t *ret_own)
{
	struct exchange got[SHORT_RUN];
	char data[PATH_MAX + 16];
	int port, status, listener = model_end_open(&port);

	snprintf(data, sizeof data, "%s/data", place->root);
	pid_t pid = start_mishri(place, data, port, false);
	if (model_end_serve(listener, SHORT_RUN - 1, got) != SHORT_RUN)
		die("mishri stopped early");
	*ret_peak = status_kib(pid, "VmHWM:");
	*ret_own = status_kib(pid, "RssAnon:");
	waitpid(pid, &status, 0);
	fd_close(&listener);
}

/* ---- the report ------------------------------------------------------------------------------------------------------ */

static void find_place(struct place *p, const char *dir)
{
	static const char policy[] = "version: 1\nrules:\n  - { id: t, allow: tool, tool: shell }\n"
	                             "  - { id: e, allow: exec, program: { from: system } }\n";
	char self[PATH_MAX] = "", there[PATH_MAX];

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || realpath(dir, there) == NULL)
		die(dir);
	const char *bench = dirname(self);
	snprintf(p->program, sizeof p->program, "%.4000s/../mishri", bench);
	snprintf(p->preload, sizeof p->preload, "%.4000s/libsync_clock.so", bench);
	snprintf(p->root, sizeof p->root, "%.4000s/bench-turn-XXXXXX", there);
	if (mkdtemp(p->root) == NULL)
		die(p->root);
	snprintf(p->sync, sizeof p->sync, "%s/sync", p->root);
	snprintf(p->policy, sizeof p->policy, "%s/policy", p->root);
	char workspace[PATH_MAX + 16];
	snprintf(workspace, sizeof workspace, "%s/ws", p->root);
	FILE *f = fopen(p->policy, "we");
	if (f == NULL || fputs(policy, f) < 0 || fclose(f) != 0 || mkdir(workspace, 0755) < 0 || chmod(p->root, 0755) < 0)
		die(p->policy);
}

static void put(json_t *o, const char *key, int64_t *ns, size_t count)
{
	json_put(o, key, json_pack("{s:f, s:f}", "median_us", time_at_us(ns, count, 0.5), "p99_us", time_at_us(ns, count, 0.99)));
}

static void report(struct measured *m, int64_t *floor_ns, size_t floors, int64_t *bash_ns, size_t bashes, int64_t *start_ns,
                   int64_t peak, int64_t own)
{
	json_t *o = json_object(), *parts = json_array();

	json_put_text(o, "bench", "turn");
	json_put_int(o, "turns", (int64_t)m->turns);
	put(o, "turn", m->own, m->turns);
	put(o, "floor", floor_ns, floors);
	put(o, "floor_bash", bash_ns, bashes);
	json_put(o, "ratio", json_real(time_at_us(m->own, m->turns, 0.5) / time_at_us(floor_ns, floors, 0.5)));
	for (int p = 0; p < PARTS; p++) {
		json_t *part = json_object();
		json_put_text(part, "part", part_names[p]);
		json_put(part, "median_us", json_real(time_at_us(m->part[p], m->turns, 0.5)));
		json_put(part, "p99_us", json_real(time_at_us(m->part[p], m->turns, 0.99)));
		json_put(part, "disk_median_us", json_real(time_at_us(m->sync[p], m->turns, 0.5)));
		json_array_append_new(parts, part);
	}
	json_put(o, "parts", parts);
	json_put(o, "syncs_per_turn", json_real((double)m->syncs / (double)(m->turns + WARM_UP + 1)));
	put(o, "start", start_ns, STARTS);
	json_put_int(o, "peak_rss_kib", peak);
	json_put_int(o, "anon_rss_kib", own);
	AUTO(freep) char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
	puts(text);
	json_decref(o);
}

static void remove_place(const struct place *p)
{
	char *argv[] = { (char[]){ "/bin/rm" }, (char[]){ "-rf" }, (char *)p->root, NULL };

	spawn_and_wait(argv);
}

int main(int argc, char **argv)
{
	static struct measured m;
	static int64_t floor_ns[TURNS_MAX], bash_ns[TURNS_MAX], start_ns[STARTS];
	char *plain[] = { (char[]){ "/bin/true" }, NULL };
	char *bash[] = { (char[]){ "/bin/bash" }, (char[]){ "-c" }, (char[]){ "true" }, NULL };
	struct place place;
	uint64_t turns = 250;
	int64_t peak, own;

	if (argc > 1 && (str_to_u64(str_of(argv[1]), &turns) < 0 || turns < 20 || turns > TURNS_MAX)) {
		fprintf(stderr, "usage: bench_turn [TURNS [DIR]]: TURNS from 20 to %d\n", TURNS_MAX);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	find_place(&place, argc > 2 ? argv[2] : ".");
	measure_floor(turns / 2, plain, floor_ns);
	measure_floor(turns / 4, bash, bash_ns);
	measure_mishri(&place, turns, &m);
	measure_floor(turns / 2, plain, floor_ns + turns / 2);
	measure_floor(turns / 4, bash, bash_ns + turns / 4);
	measure_starts(&place, start_ns);
	measure_size(&place, &peak, &own);
	remove_place(&place);
	report(&m, floor_ns, turns / 2 * 2, bash_ns, turns / 4 * 2, start_ns, peak, own);
	return 0;
}
