/* inbox.c - what people tell a running task from other terminals. Messages lie in the store; a datagram on the
 * engine's socket says that there is one, and carries nothing. Who loses the datagram finds the message by looking every
 * LIMIT_INBOX_POLL_MS. A message is gone from the store in the transaction that has its events. */
#include "engine/charge.h"
#include "engine/run.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"

#include "base/banned.h"

#define SOCKET_PREFIX "engine-"

/* ---- the socket ---- */

static bool address_of(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len >= sizeof ret->sun_path)
		return false;
	memcpy(ret->sun_path, path, len + 1);
	return true;
}

/* A socket that nobody reads belongs to an engine that was killed. */
static void remove_dead(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL) {
		struct sockaddr_un address;
		if (strncmp(entry->d_name, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) != 0)
			continue;
		AUTO(freep) char *path = xasprintf("%s/%s", dir, entry->d_name);
		AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && address_of(path, &address) && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 &&
		    errno == ECONNREFUSED)
			unlink(path);
	}
	closedir(d);
}

int inbox_socket(const char *dir, char **ret_path)
{
	struct sockaddr_un address;
	char id[ID_LEN + 1];

	*ret_path = NULL;
	id_new(id);
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || guarded_dir(dir, true, NULL) < 0)
		return -1;
	remove_dead(dir);
	AUTO(freep) char *path = xasprintf("%s/" SOCKET_PREFIX "%s", dir, id);
	AUTO(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !address_of(path, &address))
		return -1;
	mode_t before = umask(0077);
	int r = bind(fd, (const struct sockaddr *)&address, sizeof address);
	umask(before);
	if (r < 0)
		return -1;
	*ret_path = TAKE(path);
	int taken = fd;
	fd = -1;
	return taken;
}

/* ---- messages ---- */

static void refuse(struct run *run, const struct inbox_message *m, const char *approval, const char *word, const char *why)
{
	const struct approval *a = task_approval(run->task, approval);
	const char *call = a != NULL ? a->call : "";

	run_emit(run, EVENT_APPROVAL_REFUSED, call[0] != '\0' ? "call" : "task", call,
	         json_pack("{s:o, s:s, s:s, s:o, s:o}", "approval", json_of_str(str_of(approval)), "call", call, "by", m->user, "word",
	                   json_of_str(str_of(word)), "reason", json_of_str(str_of(why))));
}

static void take_approval(struct run *run, const struct inbox_message *m)
{
	struct answer w;
	struct err err = ERR_NONE;

	int r = answer_parse(m->body, &w, &err);
	if (r == 0) {
		w.by = m->user;
		w.time_us = m->time_us;
		r = approval_take(run, &w, &err);
		json_decref(w.body);
	}
	if (r < 0)
		refuse(run, m, json_get_text(m->body, "approval", ""), json_get_text(m->body, "word", ""), err.text);
}

/* One row a kind; what no row knows came from a newer version, and is left alone. */
static const struct {
	const char *kind;
	void (*take)(struct run *run, const struct inbox_message *message);
} kinds[] = {
	{ "approval", take_approval },
	{ "cancel", control_take },
	{ "pause", control_take },
	{ "resume", control_take },
	{ "steer", control_take },
	{ "answer", control_take },
	{ "priority", control_take },
};

struct taken {
	struct inbox_message *messages;
	size_t count;
};

static void keep(void *userdata, const struct inbox_message *m)
{
	struct taken *all = userdata;

	all->messages = xrealloc(all->messages, (all->count + 1) * sizeof *all->messages);
	all->messages[all->count] = *m;
	json_incref(all->messages[all->count++].body);
}

void inbox_read(struct run *run)
{
	struct taken all = { 0 };
	struct err err = ERR_NONE;

	if (run->over || run->task->phase != PHASE_ACTIVE || charge_meanwhile(run, false))
		return;
	if (store_inbox_read(run->engine->setup.store, run->task->id, run->inbox_seen, keep, &all, &err) < 0)
		all.count = 0; /* it is looked for again */
	for (size_t i = 0; i < all.count; i++) {
		const struct inbox_message *m = &all.messages[i];
		for (size_t k = 0; k < COUNT(kinds) && !run->over && run->task->phase == PHASE_ACTIVE; k++)
			if (strcmp(kinds[k].kind, m->kind) == 0)
				kinds[k].take(run, m);
		run->inbox_seen = m->id;
		json_decref(m->body);
	}
	free(all.messages);
}

struct news {
	char (*tasks)[ID_LEN + 1];     /* that were told something; one may come more than once */
	size_t count;
	int64_t last;
};

static void note(void *userdata, const struct inbox_note *note)
{
	struct news *news = userdata;

	news->last = note->id;
	if (news->count > 0 && strcmp(news->tasks[news->count - 1], note->task) == 0)
		return;
	news->tasks = xrealloc(news->tasks, (news->count + 1) * sizeof *news->tasks);
	memcpy(news->tasks[news->count++], note->task, sizeof *news->tasks);
}

/* Only those that were told something look; with thousands that wait, all would be seconds. Who begins yet looks then. */
static void look(struct engine *engine)
{
	struct news news = { .last = engine->inbox_last };

	if (store_inbox_news(engine->setup.store, engine->inbox_last, note, &news, NULL) == 0)
		engine->inbox_last = news.last;
	for (size_t i = 0; i < news.count; i++) {
		struct run *run = runs_find(engine, news.tasks[i]);
		if (run == NULL || run->opening != NULL)
			continue;
		inbox_read(run);
		run_step(run);
	}
	free(news.tasks);
}

static void on_poke(void *userdata)
{
	struct engine *engine = userdata;
	char text[16];
	struct sockaddr_un from;
	socklen_t from_len = sizeof from;
	ssize_t n;

	while ((n = recvfrom(engine->setup.poke_fd, text, sizeof text, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len)) >= 0) {
		(void)health_asked(engine, (struct str){ text, (size_t)n }, &from, from_len);
		from_len = sizeof from;
	}
	look(engine);
	if (engine->setup.on_word != NULL)
		engine->setup.on_word(engine->setup.userdata);
}

static void on_timer(void *userdata)
{
	struct engine *engine = userdata;

	look(engine);
	watch_arm(engine->inbox_timer, LIMIT_INBOX_POLL_MS);
}

void inbox_open(struct engine *engine)
{
	if (engine->setup.poke_fd >= 0)
		engine->inbox_readable = watch_fd(engine->setup.loop, engine->setup.poke_fd, on_poke, engine);
	engine->inbox_timer = watch_timer(engine->setup.loop, on_timer, engine);
	watch_arm(engine->inbox_timer, LIMIT_INBOX_POLL_MS);
}

void inbox_close(struct engine *engine)
{
	watch_free(TAKE(engine->inbox_readable));
	watch_free(TAKE(engine->inbox_timer));
}
