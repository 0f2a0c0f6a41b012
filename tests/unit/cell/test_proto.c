/* test_proto.c - what one side encodes the other decodes; everything else is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cell/proto.h"

static const char *words[] = { "git", "", "push --force" };

static const struct msg samples[] = {
	{.type = MSG_OPEN, .id = 7, .level = 2, .workspace = "/w", .readonly = 1, .memory_bytes = 5, .processes = 9, .layer = "/l",
	 .hide = {words, 3}, .keep = {words, 2}, .writable = {words, 1}},
	{.type = MSG_PROBE},
	{.type = MSG_MADE, .id = UINT32_MAX, .text = "{}"},
	{.type = MSG_UNMADE, .id = 1, .code = 2, .text = "no"},
	{.type = MSG_PROBED, .text = "[]"},
	{.type = MSG_PING},
	{.type = MSG_PONG},
	{.type = MSG_GO},
	{.type = MSG_READY, .text = "{}"},
	{.type = MSG_UNABLE, .code = 38, .text = "no Landlock"},
	{.type = MSG_RUN,
	 .call = UINT64_MAX,
	 .builtin = "b",
	 .text = "{}",
	 .argv = {words, 3},
	 .env = {words, 2},
	 .cwd = "/w"},
	{.type = MSG_ANSWER, .id = 3, .allow = 1, .text = ""},
	{.type = MSG_KILL, .call = 3, .signal = 9},
	{.type = MSG_CLOSE},
	{.type = MSG_EXEC,
	 .id = 1,
	 .program = "/usr/bin/git",
	 .origin = 2,
	 .names = {words, 1},
	 .trusted_names = 1,
	 .argv = {words, 3},
	 .cwd = "/w",
	 .why = ""},
	{.type = MSG_GONE, .id = 1},
	{.type = MSG_LIMIT, .call = 1, .limit = 2, .reached = 300, .most = 200},
	{.type = MSG_GUARD, .id = 4, .workspace = "/w", .hide = {words, 3}, .keep = {words, 1}},
	{.type = MSG_GUARDED, .id = 4, .code = 7, .text = "[]"},
	{.type = MSG_EXIT, .call = 1, .status = 255, .signal = 9, .execs = 3, .limit = 2, .reached = 41, .most = 40},
};

static const char *shown(const char *text)
{
	return text != NULL ? text : "";
}

static void round_trip(void **state)
{
	(void)state;
	assert_int_equal(COUNT(samples), MSG_COUNT - 1);
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);
		struct msg got;
		assert_int_equal(msg_encode(&samples[i], &bytes), 0);
		assert_int_equal(msg_decode(bytes.ptr, bytes.len, &got), 0);
		assert_int_equal(got.type, samples[i].type);
		assert_int_equal(got.id, samples[i].id);
		assert_int_equal(got.call, samples[i].call);
		assert_int_equal(got.status, samples[i].status);
		assert_int_equal(got.argv.count, samples[i].argv.count);
		assert_int_equal(got.hide.count, samples[i].hide.count);
		assert_int_equal(got.keep.count, samples[i].keep.count);
		assert_int_equal(got.writable.count, samples[i].writable.count);
		assert_string_equal(shown(got.layer), shown(samples[i].layer));
		for (size_t n = 0; n < got.argv.count; n++)
			assert_string_equal(got.argv.at[n], words[n]);
		assert_string_equal(shown(got.text), shown(samples[i].text));
		assert_string_equal(shown(got.cwd), shown(samples[i].cwd));
		msg_done(&got);
		buf_done(&bytes);
	}
}

/* Cut anywhere, or with a byte too many, none of them is a message. */
static void no_other_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);
		struct msg got;
		assert_int_equal(msg_encode(&samples[i], &bytes), 0);
		for (size_t len = 0; len < bytes.len; len++) {
			char *exact = xmalloc(len);       /* so that a sanitizer sees a read past the end */
			memcpy(exact, bytes.ptr, len);
			assert_int_equal(msg_decode(exact, len, &got), -EPROTO);
			free(exact);
		}
		buf_add(&bytes, "", 1);
		assert_int_equal(msg_decode(bytes.ptr, bytes.len, &got), -EPROTO);
		buf_done(&bytes);
	}
}

static void not_encoded(void **state)
{
	static char long_text[LIMIT_CELL_MESSAGE_BYTES + 1];
	const struct msg rows[] = {
		{ .type = MSG_OPEN, .level = 3 },
		{ .type = MSG_KILL, .signal = 65 },
		{ .type = MSG_ANSWER, .allow = 2 },
		{ .type = MSG_GONE, .id = UINT64_C(1) << 32 },
		{ .type = MSG_ANSWER, .text = long_text },
		{ .type = MSG_RUN, .text = long_text },
	};

	(void)state;
	memset(long_text, 'x', sizeof long_text - 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);
		assert_int_equal(msg_encode(&rows[i], &bytes), -EMSGSIZE);
		buf_done(&bytes);
	}
}

#define BYTES(text) text, sizeof(text) - 1

static void forged(void **state)
{
	static const struct { const char *what, *bytes; size_t len; } rows[] = {
		{ "nothing", BYTES("") },
		{ "type 0", BYTES("\0\0\0\0") },
		{ "unknown type", BYTES("\x63\0\0\0") },
		{ "allow is 2", BYTES("\x0a\0\0\0" "\1\0\0\0\0\0\0\0" "\2\0\0\0\0\0\0\0" "\0\0\0\0" "\0") },
		{ "text holds a NUL", BYTES("\x04\0\0\0" "\x02\0\0\0" "\0\0" "\0") },
		{ "text does not end in NUL", BYTES("\x05\0\0\0" "\1\0\0\0" "xx") },
		{ "length beyond the end", BYTES("\x05\0\0\0" "\xff\xff\xff\xff" "x\0") },
		{ "count that cannot be true",
		  BYTES("\x09\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0" "\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\xff\xff\xff\x7f") },
	};
	struct msg got;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (msg_decode(rows[i].bytes, rows[i].len, &got) != -EPROTO)
			fail_msg("taken: %s", rows[i].what);
}

static int accept_it(void *self, struct msg *msg)
{
	(void)msg;
	++*(int *)self;
	return 0;
}

static void only_what_is_permitted(void **state)
{
	static const struct msg_rule rules[] = { { MSG_RUN, 2, 3, accept_it }, { MSG_CLOSE, 1 | 2, 0, accept_it } };
	static const struct { struct msg msg; unsigned state; int want; } rows[] = {
		{ { .type = MSG_CLOSE }, 1, 0 },
		{ { .type = MSG_CLOSE }, 2, 0 },
		{ { .type = MSG_CLOSE }, 4, -EPROTO },
		{ { .type = MSG_CLOSE, .fd_count = 1 }, 1, -EPROTO },
		{ { .type = MSG_RUN, .fd_count = 3 }, 2, 0 },
		{ { .type = MSG_RUN, .fd_count = 3 }, 1, -EPROTO },
		{ { .type = MSG_RUN, .fd_count = 2 }, 2, -EPROTO },
		{ { .type = MSG_EXEC }, 2, -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct msg msg = rows[i].msg;
		int taken = 0;
		assert_int_equal(msg_dispatch(rules, COUNT(rules), rows[i].state, &taken, &msg), rows[i].want);
		assert_int_equal(taken, rows[i].want == 0);
	}
}

static void descriptors_travel(void **state)
{
	char *room = xmalloc(LIMIT_CELL_MESSAGE_BYTES);
	int ends[2], pipes[2];
	struct msg got;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(msg_receive(ends[1], room, &got), -EAGAIN);
	assert_int_equal(
		msg_send(ends[0], &(struct msg){.type = MSG_MADE, .id = 1, .fds = {pipes[0], pipes[1]}, .fd_count = 2}),
		0);
	assert_int_equal(msg_receive(ends[1], room, &got), 1);
	assert_int_equal(got.fd_count, 2);
	assert_int_equal(write(got.fds[1], "x", 1), 1);
	int first = got.fds[0];
	msg_done(&got);
	assert_int_equal(close(first), -1);      /* msg_done closed it */
	/* A datagram that is no message loses its descriptors, too. */
	assert_int_equal(msg_send_bytes(ends[0], STR("junk"), pipes, 2), 0);
	assert_int_equal(msg_receive(ends[1], room, &got), -EPROTO);
	int next = dup(0);
	assert_int_equal(next, first);
	close(next);
	close(ends[0]);
	assert_int_equal(msg_receive(ends[1], room, &got), 0);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(no_other_length), cmocka_unit_test(not_encoded),
		cmocka_unit_test(forged), cmocka_unit_test(only_what_is_permitted), cmocka_unit_test(descriptors_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
