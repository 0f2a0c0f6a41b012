/* writer.c - the thread that commits. Whatever waits when it comes round is one transaction, so that
 * a busy store costs one sync for many batches. After a failure it writes nothing more: what an
 * engine believes and what is stored must not drift apart. */
#include "store/internal.h"
#include "store/wal.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/heartbeat.h"
#include "base/io.h"

#include "base/banned.h"

struct list { struct pending *first, **end; size_t count; };

struct writer {
	struct db db;                           /* of the thread */
	struct err broken;                      /* of the thread: why nothing is written any more */
	int frames;                             /* of the thread: pages in the log */
	size_t unindexed;                       /* of the thread: events of this process since the last look */
	bool ended, words_broken;               /* of the thread: a task came to rest; the index could not be written */
	pthread_t thread;
	int fd;                                 /* eventfd: something is finished */

	pthread_mutex_t lock;                   /* of what follows */
	pthread_cond_t work, progress;          /* something to do; something was done */
	struct list queue, finished;
	struct retain *retain, *retained;       /* the round under way, which the thread uses without the lock; one that is over */
	struct beat *beat;                      /* NULL: nobody watches it */
	bool is_broken;                          /* nothing can be written any more */
	size_t writing;                         /* batches in the transaction that is under way */
	char renew[ID_LEN + 1];                 /* lengthen the leases of this engine; "": no */
	int64_t sure_until_ms;
	bool stop;
};

static void list_add(struct list *list, struct pending *p)
{
	if (list->first == NULL)
		list->end = &list->first;
	p->next = NULL;
	*list->end = p;
	list->end = &p->next;
	list->count++;
}

static struct pending *list_take(struct list *list)
{
	struct pending *p = list->first;

	list->first = p->next;
	list->count--;
	return p;
}

/* ---- one transaction; runs on the thread, without the lock ---- */

static void fail(struct pending *p, const struct err *why)
{
	p->err = *why;
	p->result = -why->code;
}

/* Anything but a fence or a limit ends writing. */
static int write_one(struct writer *w, struct pending *p)
{
	int r = p->result;

	if (r < 0) {
		w->broken = p->err;
		return r;
	}
	r = db_run(&w->db, &p->err, SQL_SAVE, "");
	if (r == 0)
		r = batch_write(&w->db, p);
	p->result = r;
	if (r < 0)
		project_forget(&w->db);
	if (r < 0 && sqlite3_get_autocommit(w->db.handle) == 0 && db_run(&w->db, &w->broken, SQL_UNDO, "") < 0)
		return -w->broken.code;
	if (r < 0 && r != -ESTALE && r != -EDQUOT && r != -EALREADY && r != -ECANCELED && r != -EEXIST) {
		w->broken = p->err;
		return r;
	}
	return db_run(&w->db, &w->broken, SQL_SAVED, "");
}

/* How many were written or refused before writing broke. */
static size_t write_all(struct writer *w, struct list *group)
{
	size_t done = 0;

	for (struct pending *p = group->first; p != NULL; p = p->next, done++)
		if (write_one(w, p) < 0)
			break;
	return done;
}

/* The leases of the engine `renew`, unless it is "", last until `until_ms` then. Returns whether it was done. */
static bool write_group(struct writer *w, struct list *group, const char *renew, int64_t until_ms)
{
	size_t done = 0, i = 0;
	bool renewed = false;

	if (w->broken.code == 0 && tx_begin(&w->db, &w->broken) == 0) {
		renewed = renew[0] != '\0' && db_run(&w->db, &w->broken, SQL_LEASE_RENEW, "ti", renew, until_ms) == 0;
		if (renew[0] == '\0' || renewed)
			done = write_all(w, group);
		if (sqlite3_get_autocommit(w->db.handle) != 0 || tx_end(&w->db, 0, &w->broken) < 0) {
			done = 0;
			renewed = false;
		}
	}
	for (struct pending *p = group->first; p != NULL; p = p->next, i++)
		if (p->result >= 0 && i >= done)
			fail(p, &w->broken);
	return renewed;
}

/* The index of words follows behind: when there is nothing else to do, or when it is too far behind. It can be made again,
 * so that its failure ends nothing but itself. */
static void write_words(struct writer *w, bool idle)
{
	struct err err = ERR_NONE;
	bool due = w->unindexed >= LIMIT_WORDS_BEHIND || (idle && (w->ended || w->unindexed >= LIMIT_WORDS_IDLE)), more = true;

	if (!due || w->words_broken || w->broken.code != 0)
		return;
	/* As much as came since: a busy writer does not fall further behind. */
	for (size_t done = 0; done <= w->unindexed && more && !w->words_broken; done += LIMIT_WORDS_BATCH)
		w->words_broken = words_step(&w->db, &more, &err) < 0;
	w->unindexed = 0;
	w->ended = false;
}

/* ---- the thread ---- */

static void take_group(struct writer *w, struct list *group)
{
	size_t events = 0;

	while (w->queue.first != NULL && events < LIMIT_STORE_GROUP_EVENTS) {
		events += w->queue.first->count;
		w->ended |= w->queue.first->checkpoint;
		list_add(group, list_take(&w->queue));
	}
	w->unindexed += events;
}

static void finish_group(struct writer *w, struct list *group)
{
	bool tell = false;

	while (group->first != NULL) {
		struct pending *p = list_take(group);
		p->done = true;
		if (p->waited_for)
			continue;               /* from here on it is the waiter's */
		list_add(&w->finished, p);
		tell = true;
	}
	pthread_cond_broadcast(&w->progress);
	if (tell && eventfd_write(w->fd, 1) < 0 && errno != EAGAIN)
		abort();
}

/* One step of a round of retention, without the lock. Returns with it. */
static void let_go(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	struct retain *t = w->queue.first == NULL && w->broken.code == 0 && !w->stop ? w->retain : NULL;
	if (t == NULL)
		return;
	beat_now(w->beat, clock_mono_ms());
	pthread_mutex_unlock(&w->lock);
	bool more = retain_step(t, &w->db);
	pthread_mutex_lock(&w->lock);
	beat_rest(w->beat);
	if (more)
		return;
	w->retain = NULL;
	w->retained = t;
	if (eventfd_write(w->fd, 1) < 0 && errno != EAGAIN)
		abort();
}

static void *writer_main(void *argument)
{
	struct writer *w = argument;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		char renew[ID_LEN + 1];
		struct list group = { 0 };
		while (w->queue.first == NULL && w->renew[0] == '\0' && !w->stop && (w->retain == NULL || w->broken.code != 0))
			pthread_cond_wait(&w->work, &w->lock);
		if (w->queue.first == NULL && w->renew[0] == '\0' && w->stop)
			break;
		take_group(w, &group);
		memcpy(renew, w->renew, sizeof renew);
		w->renew[0] = '\0';
		w->writing = group.count;
		beat_now(w->beat, clock_mono_ms());
		pthread_mutex_unlock(&w->lock);
		int64_t until_ms = clock_mono_ms() + LIMIT_LEASE_MS;
		bool renewed = (group.count > 0 || renew[0] != '\0') && write_group(w, &group, renew, until_ms);
		pthread_mutex_lock(&w->lock);
		w->writing = 0;
		w->is_broken = w->broken.code != 0;
		beat_rest(w->beat);
		if (renewed)
			w->sure_until_ms = until_ms;
		finish_group(w, &group);
		bool idle = w->queue.first == NULL;
		pthread_mutex_unlock(&w->lock);
		write_words(w, idle);
		wal_trim(&w->db, &w->frames, idle);
		let_go(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are the business of the thread that has the event loop. */
static int start_thread(struct writer *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -code;
}

int writer_start(const char *path, struct writer **ret, struct err *err)
{
	struct writer *w = xcalloc(1, sizeof *w);
	int r = db_open(&w->db, path, SQLITE_OPEN_READWRITE, err);

	if (r == 0) /* 16 MiB: a group is not written twice for want of room */
		r = db_exec(&w->db, "PRAGMA cache_size=-16384", err);
	if (r == 0)
		wal_watch(&w->db, &w->frames);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->progress, NULL);
	if (r == 0 && w->fd < 0)
		r = err_sys(err, "store: eventfd");
	if (r == 0 && (r = start_thread(w)) < 0)
		err_set(err, -r, "store: cannot start the writer thread: %s", strerror(-r));
	if (r < 0) {
		fd_close(&w->fd);
		db_close(&w->db);
		free(w);
		return r;
	}
	w->sure_until_ms = clock_mono_ms() + LIMIT_LEASE_MS; /* what is taken from now on lasts longer */
	*ret = w;
	return 0;
}

/* ---- from the calling thread ---- */

void writer_queue(struct writer *w, struct pending *p)
{
	pthread_mutex_lock(&w->lock);
	while (w->queue.count >= LIMIT_STORE_QUEUE_BATCHES)
		pthread_cond_wait(&w->progress, &w->lock);
	list_add(&w->queue, p);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

void writer_renew(struct writer *w, const char *engine)
{
	pthread_mutex_lock(&w->lock);
	snprintf(w->renew, sizeof w->renew, "%s", engine);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

int64_t writer_sure_until_ms(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	int64_t until = w->sure_until_ms;
	pthread_mutex_unlock(&w->lock);
	return until;
}

void writer_wait(struct writer *w, const struct pending *p)
{
	pthread_mutex_lock(&w->lock);
	while (!p->done)
		pthread_cond_wait(&w->progress, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void writer_sign_with(struct writer *w, const struct sign_key *key)
{
	pthread_mutex_lock(&w->lock);
	w->db.given = key;
	pthread_mutex_unlock(&w->lock);
}

void writer_watch(struct writer *w, struct beat *beat)
{
	pthread_mutex_lock(&w->lock);
	w->beat = beat;
	pthread_mutex_unlock(&w->lock);
}

bool writer_retain(struct writer *w, struct retain *t)
{
	pthread_mutex_lock(&w->lock);
	bool free = w->retain == NULL && w->retained == NULL;
	if (free)
		w->retain = t;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	return free;
}

void writer_retain_alone(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->retain != NULL)
		retain_forget(w->retain);
	if (w->retained != NULL)
		retain_forget(w->retained);
	pthread_mutex_unlock(&w->lock);
}

struct retain *writer_retained(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	struct retain *t = w->retained;
	w->retained = NULL;
	pthread_mutex_unlock(&w->lock);
	return t;
}

size_t writer_waiting(struct writer *w, bool *ret_broken)
{
	pthread_mutex_lock(&w->lock);
	size_t waiting = w->queue.count + w->writing;
	*ret_broken = w->is_broken;
	pthread_mutex_unlock(&w->lock);
	return waiting;
}

int writer_fd(const struct writer *w)
{
	return w->fd;
}

struct pending *writer_collect(struct writer *w)
{
	eventfd_t count;

	(void)eventfd_read(w->fd, &count);                      /* nothing there: EAGAIN, and the list is empty */
	pthread_mutex_lock(&w->lock);
	struct pending *first = w->finished.first;
	w->finished = (struct list){ 0 };
	pthread_mutex_unlock(&w->lock);
	return first;
}

void writer_stop(struct writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	for (struct pending *p = writer_collect(w), *next; p != NULL; p = next) {
		next = p->next;
		pending_free(p);
	}
	retain_free(w->retain);
	retain_free(w->retained);
	fd_close(&w->fd);
	db_close(&w->db);
	pthread_cond_destroy(&w->progress);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
