/* test_conn.c - one connection, several requests: what a later one is told owes nothing to the one before. */
#include "../store/fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/http.h"

#include "base/banned.h"

struct side {
	struct fixture f;
	struct loop *loop;
	struct http_server *server;
	struct watch *readable, *late;
	int fd;
	const char *second;
	int sent;                      /* requests */
	struct buf got;
};

static bool on_head(void *userdata UNUSED, struct http_conn *c UNUSED, const struct http_request *request UNUSED)
{
	return true;
}

static void on_request(void *userdata UNUSED, struct http_conn *c, const struct http_request *request UNUSED)
{
	http_answer(c, 200, "text/plain", STR("here"), "");
}

static void say(struct side *s, const char *text)
{
	assert_true(write(s->fd, text, strlen(text)) == (ssize_t)strlen(text));
	s->sent++;
}

static void on_answer(void *userdata)
{
	struct side *s = userdata;
	char bytes[4096];
	ssize_t n = read(s->fd, bytes, sizeof bytes);

	if (n <= 0) {
		loop_stop(s->loop);
		return;
	}
	assert_int_equal(buf_add(&s->got, bytes, (size_t)n), 0);
	if (s->sent == 1 && strstr(buf_text(&s->got), "\r\n\r\n") != NULL) {
		buf_reset(&s->got);
		say(s, s->second);
	}
}

static void on_late(void *userdata)
{
	struct side *s = userdata;

	fail_msg("no answer to request %d came", s->sent);
}

static void side_init(struct side *s)
{
	static const struct http_calls calls = { .on_head = on_head, .on_request = on_request };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*s = (struct side){ .got = BUF_INIT(KIB(64)) };
	fixture_init(&s->f);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/http", s->f.dir);
	OK(&s->f, loop_new(&s->loop, &s->f.err));
	s->server = http_server_new(s->loop, &calls);
	OK(&s->f, http_listen_unix(s->server, address.sun_path, &s->f.err));
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(s->fd, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(fcntl(s->fd, F_SETFL, O_NONBLOCK), 0);
	s->readable = watch_fd(s->loop, s->fd, on_answer, s);
	s->late = watch_timer(s->loop, on_late, s);
	watch_arm(s->late, 20000);
}

static void side_done(struct side *s)
{
	watch_free(s->readable);
	watch_free(s->late);
	close(s->fd);
	http_server_free(s->server);
	loop_free(s->loop);
	buf_done(&s->got);
	fixture_done(&s->f);
}

/* The first one's head is gone by then: an answer that still looks at it is a broken promise. */
static void refused_after_another(void **state UNUSED)
{
	static const char *const firsts[] = {
		"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
	};
	AUTO(freep) char *filler = xmalloc(LIMIT_HTTP_HEAD_BYTES + 1);

	memset(filler, 'a', LIMIT_HTTP_HEAD_BYTES);
	filler[LIMIT_HTTP_HEAD_BYTES] = '\0';
	AUTO(freep) char *large = xasprintf("GET /b HTTP/1.1\r\nHost: localhost\r\nX: %s", filler);
	for (size_t i = 0; i < COUNT(firsts); i++) {
		struct side s;
		side_init(&s);
		s.second = large;
		say(&s, firsts[i]);
		loop_run(s.loop);
		assert_int_equal(s.sent, 2);
		assert_true(str_starts(buf_str(&s.got), STR("HTTP/1.1 431 ")));
		assert_non_null(strstr(buf_text(&s.got), "the head is too large"));
		side_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(refused_after_another) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
