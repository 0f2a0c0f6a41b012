/* turn_floor - what a turn costs at least on this machine: a POST to the model on a kept connection, its reply read to
 * the end, one program started and awaited. No policy, no store, no cell, no parsing: bench/turn is compared with it.
 *
 *   turn_floor [TURNS]        prints {"bench":"turn_floor","turns":N,"median_us":…,"p99_us":…, …}
 *
 * The conversation grows as a real one does: each turn adds the call and its result. */
#include <curl/curl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "mock_start.h"

#include "base/banned.h"

extern char **environ;

enum { TURNS_MAX = 100000, WARM_UP = 20 };

static size_t take(char *ptr, size_t size, size_t count, void *to)
{
	return buf_add(to, ptr, size * count) < 0 ? 0 : size * count;
}

static void ask(CURL *easy, const struct buf *body, struct buf *reply)
{
	buf_reset(reply);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(body));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	if (curl_easy_perform(easy) != CURLE_OK || strstr(buf_text(reply), "data: [DONE]") == NULL) {
		fputs("turn_floor: the mock did not answer\n", stderr);
		exit(1);
	}
}

static void run_true(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fputs("turn_floor: /bin/true failed\n", stderr);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static int64_t turn_ns[TURNS_MAX], model_ns[TURNS_MAX];
	static const char tail[] = "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
	uint64_t turns = 1000;
	char url[64];

	if (argc > 1 && (str_to_u64(str_of(argv[1]), &turns) < 0 || turns == 0 || turns > TURNS_MAX)) {
		fprintf(stderr, "usage: turn_floor [TURNS]: a number from 1 to %d\n", TURNS_MAX);
		return 2;
	}
	struct mock mock = mock_start(turns + WARM_UP);
	struct buf body = BUF_INIT(LIMIT_REQUEST_BODY_BYTES), reply = BUF_INIT(MIB(1));
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *easy = curl_easy_init();

	headers = curl_slist_append(headers, "Expect:");
	snprintf(url, sizeof url, "http://127.0.0.1:%ld/v1/chat/completions", mock.port);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply);
	buf_add_text(&body, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"run true\"}");
	for (size_t i = 0; i < turns + WARM_UP; i++) {
		size_t len = body.len, k = i < WARM_UP ? 0 : i - WARM_UP;
		buf_add(&body, tail, sizeof tail - 1);
		int64_t begin = clock_mono_ns();
		ask(easy, &body, &reply);
		int64_t asked = clock_mono_ns();
		run_true();
		turn_ns[k] = clock_mono_ns() - begin;
		model_ns[k] = asked - begin;
		body.len = len;
		buf_printf(&body, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_%zu\",\"type\":\"function\","
		           "\"function\":{\"name\":\"shell\",\"arguments\":\"{\\\"command\\\":\\\"true\\\"}\"}}]},"
		           "{\"role\":\"tool\",\"tool_call_id\":\"call_%zu\",\"content\":\"exit 0\"}", i, i);
	}
	printf("{\"bench\":\"turn_floor\",\"turns\":%llu,\"median_us\":%.1f,\"p99_us\":%.1f,\"model_median_us\":%.1f,"
	       "\"model_p99_us\":%.1f}\n", (unsigned long long)turns, time_at_us(turn_ns, turns, 0.5), time_at_us(turn_ns, turns, 0.99),
	       time_at_us(model_ns, turns, 0.5), time_at_us(model_ns, turns, 0.99));
	mock_stop(&mock);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	buf_done(&body);
	buf_done(&reply);
	return 0;
}
