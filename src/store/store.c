/* store.c - opening, closing, and the calling thread's side of appending. */
#include "store/internal.h"
#include "store/wal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"

#include "base/banned.h"

/* A new file is made before SQLite sees it, so that it and its -wal and -shm never have another mode.
 * Only a new one: closing a descriptor of an open database would drop its locks. */
static int make_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the store '%s'", path);
	fd_close(&fd);
	return 0;
}

/* What is in the store opens the API, spares questions and says what runs: whoever can put another in its place decides that. */
static int must_be_guarded(const char *dir, const char *path, struct err *err)
{
	struct stat st;
	int r = guarded_dir(dir, true, err);

	if (r < 0 || stat(path, &st) < 0)
		return r;
	if ((st.st_mode & 022) != 0 || (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0))
		return guarded_check(&st, path, err);
	/* as a copy is that was put back; by its name, since closing it would drop the locks of an open one */
	if ((st.st_mode & 077) != 0 && st.st_uid == geteuid() && chmod(path, 0600) < 0)
		return err_sys(err, "%s: others may read it", path);
	return 0;
}

static int look(const char *path, unsigned flags, struct err *err)
{
	struct stat st;
	int wanted = (flags & STORE_READ_ONLY) != 0 ? R_OK : R_OK | W_OK;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return err_set(err, ENOENT, "%s: there is no store yet; 'mishri run' or 'mishri demo' makes one", path);
	if (access(path, wanted) < 0)
		return err_sys(err, "cannot open the store '%s': run as its owner, or give another --data DIR", path);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, EUCLEAN, "%s: is no file; move it away, or give another --data DIR", path);
	return 0;
}

/* SQLite writes -shm even to read. Where nobody can write and nothing waits in -wal, the file is complete. */
static bool is_frozen(const char *dir, const char *path)
{
	AUTO(freep) char *wal = xasprintf("%s-wal", path);
	struct statvfs fs;
	struct stat st;

	return statvfs(dir, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0 && (stat(wal, &st) < 0 || st.st_size == 0);
}

static int open_frozen(const char *path, struct db *ret, struct err *err)
{
	AUTO(buf_done) struct buf uri = BUF_INIT(LIMIT_FILE_BYTES);

	buf_add_text(&uri, "file:");
	for (const char *c = path; *c != '\0'; c++) {
		if (strchr("%?#", *c) != NULL)
			buf_printf(&uri, "%%%02x", (unsigned char)*c);
		else
			buf_add_char(&uri, *c);
	}
	buf_add_text(&uri, "?immutable=1");
	int r = db_open(ret, buf_text(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
	if (r == 0) {
		free(ret->path);
		ret->path = xstrdup(path);
	}
	return r;
}

static int open_to_read(const char *dir, const char *path, struct db *ret, struct err *err)
{
	if (is_frozen(dir, path))
		return open_frozen(path, ret, err);
	int r = db_open(ret, path, SQLITE_OPEN_READONLY, err);
	if (r < 0 && r != -EUCLEAN && access(dir, W_OK) < 0)
		return err_set(err, EACCES,
			       "%s: even reading writes into '%s' (the -shm beside the file): run as its owner, "
			       "or copy the folder and give it with --data",
			       path, dir);
	return r;
}

int store_open(const char *dir, unsigned flags, struct store **ret, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/mishri.db", dir);
	bool may_write = (flags & STORE_READ_ONLY) == 0, create = may_write && (flags & STORE_CREATE) != 0;
	AUTO(store_closep) struct store *store = NULL;

	int r = create ? io_mkdirs(dir, err) : 0;
	if (r == 0 && may_write && access(dir, F_OK) == 0)
		r = must_be_guarded(dir, path, err);
	if (r == 0 && create)
		r = make_file(path, err);
	if (r == 0)
		r = look(path, flags, err);
	if (r < 0)
		return r;
	store = xcalloc(1, sizeof *store);
	r = may_write ? db_open(&store->db, path, SQLITE_OPEN_READWRITE, err)
	              : open_to_read(dir, path, &store->db, err);
	if (r == 0)
		r = schema_prepare(&store->db, may_write, err);
	if (r == 0 && may_write)
		r = writer_start(path, &store->writer, err);
	if (r < 0)
		return r;
	if (may_write)
		wal_leave(&store->db);
	*ret = TAKE(store);
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	writer_stop(store->writer);
	/* What fails here is found by others: the process is gone. */
	if (store->engine[0] != '\0')
		(void)!db_run(&store->db, NULL, SQL_ENGINE_DROP, "t", store->engine);
	db_close(&store->db);
	free(store);
}

void store_closep(struct store **store)
{
	store_close(*store);
}

const char *store_path(const struct store *store)
{
	return store->db.path;
}

void store_append(struct store *store, const struct store_batch *batch)
{
	assert(store->writer != NULL);
	writer_queue(store->writer, pending_new(batch, store->engine));
}

int store_fd(const struct store *store)
{
	assert(store->writer != NULL);
	return writer_fd(store->writer);
}

void store_dispatch(struct store *store)
{
	assert(store->writer != NULL);
	for (struct pending *p = writer_collect(store->writer), *next; p != NULL; p = next) {
		next = p->next;
		if (p->charge != NULL)
			charge_answer(p->charge, p->charge_out);
		if (p->on_commit != NULL)
			p->on_commit(p->userdata, p->result, p->first_seq, &p->err);
		pending_free(p);
	}
	struct retain *round = writer_retained(store->writer);
	if (round != NULL)
		retain_finish(round);
}

int store_append_wait(struct store *store, const struct store_batch *batch, int64_t *ret_first_seq, struct err *err)
{
	assert(store->writer != NULL);
	struct pending *p = pending_new(batch, store->engine);
	p->waited_for = true;
	writer_queue(store->writer, p);
	writer_wait(store->writer, p);
	int r = p->result;
	if (p->charge != NULL)
		charge_answer(p->charge, p->charge_out);
	if (r == 0 && ret_first_seq != NULL)
		*ret_first_seq = p->first_seq;
	if (r < 0 && err != NULL)
		*err = p->err;
	pending_free(p);
	return r;
}
