/* inbox.c - messages to a task, from any process: durable first, then a poke that may get lost. */
#include "store/internal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/io.h"

#include "base/banned.h"

static const char *const kinds[] = { "cancel", "pause", "resume", "steer", "approval", "answer", "priority" };

/* Whoever is poked looks by itself every LIMIT_INBOX_POLL_MS, so that no failure here matters. */
static void poke_socket(struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path.len == 0 || path.len >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path.ptr, path.len);
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, "", 0, MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address);
}

/* A task that nobody holds may be one that a service takes up for this word. */
static void poke(struct db *db, const char *task)
{
	AUTO(query_done) struct query holder = query_start(db, SQL_INBOX_SOCKET, "t", task);

	if (query_next(&holder, NULL) > 0) {
		poke_socket(query_str(&holder, 0));
		return;
	}
	AUTO(query_done) struct query engines = query_start(db, SQL_INBOX_SOCKETS, "");
	while (query_next(&engines, NULL) > 0)
		poke_socket(query_str(&engines, 0));
}

static int put(struct db *db, const char *task, const char *kind, const char *user, struct str body, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_INBOX_TASK, "t", task);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "there is no task %s; 'mishri history' lists them", task);
	if (r > 0 && query_int(&q, 0) != 0) /* nobody would ever read it */
		return err_set(err, EALREADY, "task %s has ended", task);
	return r < 0 ? r : db_run(db, err, SQL_INBOX_PUT, "titts", task, clock_wall_us(), kind, user, body);
}

int store_inbox_put(struct store *store, const char *task, const char *kind, const char *user, const json_t *body,
                    struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES);

	assert(store->writer != NULL && strlen(user) <= USER_LEN);
	if (name_find(kinds, COUNT(kinds), kind) < 0)
		return err_set(err, EINVAL, "inbox: there is no message of kind '%s'", kind);
	json_write(body, &text);
	if (text.full)
		return err_set(err, EFBIG, "a message to a task may have %zu bytes at most", LIMIT_EVENT_BYTES);
	int r = tx_begin(&store->db, err);
	if (r < 0)
		return r;
	r = tx_end(&store->db, put(&store->db, task, kind, user, buf_str(&text), err), err);
	if (r == 0)
		poke(&store->db, task);
	return r;
}

int store_inbox_read(struct store *store, const char *task, int64_t after,
		     void (*visit)(void *userdata, const struct inbox_message *message), void *userdata,
		     struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_INBOX_READ, "ti", task, after);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct inbox_message message = { .id = query_int(&q, 0), .time_us = query_int(&q, 1) };
		snprintf(message.kind, sizeof message.kind, "%s", query_text(&q, 2));
		snprintf(message.user, sizeof message.user, "%s", query_text(&q, 3));
		r = json_parse(query_str(&q, 4), &message.body, err);
		if (r < 0)
			return err_prefix(err, "%s: message %lld", store->db.path, (long long)message.id);
		visit(userdata, &message);
		json_decref(message.body);
	}
	return r;
}

int store_inbox_news(struct store *store, int64_t after, void (*visit)(void *userdata, const struct inbox_note *note),
                     void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_INBOX_NEWS, "i", after);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct inbox_note note = { .id = query_int(&q, 0) };
		snprintf(note.kind, sizeof note.kind, "%s", query_text(&q, 1));
		snprintf(note.task, sizeof note.task, "%s", query_text(&q, 2));
		snprintf(note.root, sizeof note.root, "%s", query_text(&q, 3));
		visit(userdata, &note);
	}
	return r;
}
