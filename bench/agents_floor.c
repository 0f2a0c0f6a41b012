/* agents_floor - what bench_agents is compared with: the same requests by a bare libcurl multi loop, and after each reply
 * but the last the same program by posix_spawn. It keeps nothing, asks nobody and encloses nothing.
 *
 *   agents_floor URL AGENTS TURNS none | PROGRAM [ARGUMENT...]     prints the milliseconds
 *
 * A program of its own: what libcurl brings along would weigh on every fork of the engine that is measured. */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"

#include "base/banned.h"

extern char **environ;

struct talk {
	CURL *easy;
	struct buf body, reply;
	size_t turn;
	pid_t pid;                      /* of its program; 0: none runs */
};

struct all {
	CURLM *multi;
	struct talk *talks;
	size_t agents, turns, left;
	char **argv;                    /* NULL: no program */
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "agents_floor: %s\n", what);
	exit(1);
}

static size_t take(char *ptr, size_t size, size_t count, void *to)
{
	return buf_add(to, ptr, size * count) < 0 ? 0 : size * count;
}

static void ask(struct all *a, struct talk *t)
{
	static const char tail[] = "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
	size_t len = t->body.len;

	buf_reset(&t->reply);
	buf_add(&t->body, tail, sizeof tail - 1);
	curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, NULL);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
	curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS, buf_text(&t->body));
	t->body.len = len;
	curl_multi_add_handle(a->multi, t->easy);
}

static void spawn(struct all *a, struct talk *t)
{
	sigset_t none;
	posix_spawnattr_t attributes;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawnp(&t->pid, a->argv[0], NULL, &attributes, a->argv, environ) != 0)
		die(a->argv[0]);
	posix_spawnattr_destroy(&attributes);
}

static void answered(struct all *a, struct talk *t)
{
	if (strstr(buf_text(&t->reply), "data: [DONE]") == NULL)
		die("the mock did not answer");
	if (++t->turn == a->turns) {
		a->left--;
		return;
	}
	buf_printf(&t->body, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_%zu\",\"type\":\"function\","
	           "\"function\":{\"name\":\"shell\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_%zu\","
	           "\"content\":\"exit 0\"}", t->turn, t->turn);
	if (a->argv != NULL)
		spawn(a, t);
	else
		ask(a, t);
}

static void reap(struct all *a)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (size_t i = 0; i < a->agents; i++)
			if (a->talks[i].pid == pid) {
				if (status != 0)
					die("the program failed");
				a->talks[i].pid = 0;
				ask(a, &a->talks[i]);
				break;
			}
}

static void run(struct all *a, int signals)
{
	while (a->left > 0) {
		struct curl_waitfd ended = { .fd = signals, .events = CURL_WAIT_POLLIN };
		struct signalfd_siginfo drained[8];
		int running, queued;

		curl_multi_perform(a->multi, &running);
		for (CURLMsg *m; (m = curl_multi_info_read(a->multi, &queued)) != NULL;) {
			struct talk *t;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
			curl_multi_remove_handle(a->multi, t->easy);
			answered(a, t);
		}
		if (a->left > 0)
			curl_multi_poll(a->multi, &ended, 1, 1000, NULL);
		(void)!read(signals, drained, sizeof drained);
		reap(a);
	}
}

int main(int argc, char **argv)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct all a = { .multi = curl_multi_init() };
	sigset_t child;

	if (argc < 5) {
		fputs("usage: agents_floor URL AGENTS TURNS none | PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	a.agents = a.left = strtoul(argv[2], NULL, 10);
	a.turns = strtoul(argv[3], NULL, 10);
	a.argv = strcmp(argv[4], "none") == 0 ? NULL : argv + 4;
	a.talks = xcalloc(a.agents, sizeof *a.talks);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	int64_t begin = clock_mono_ns();
	for (size_t i = 0; i < a.agents; i++) {
		struct talk *t = &a.talks[i];
		*t = (struct talk){ .easy = curl_easy_init(), .body = BUF_INIT(MIB(4)), .reply = BUF_INIT(MIB(1)) };
		curl_easy_setopt(t->easy, CURLOPT_URL, argv[1]);
		curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*");
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, &t->reply);
		curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
		buf_add_text(&t->body, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"run true\"}");
		ask(&a, t);
	}
	run(&a, signals);
	printf("%.1f\n", (double)(clock_mono_ns() - begin) / 1e6);
	return 0;
}
