/* signing.c - the key that signs checkpoints: found anew at each one, so that a rotation needs no restart. A key file that
 * others may read, or that is none, signs nothing, and the log says so: the history goes on without, and verify tells. */
#include "store/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "store/internal.h"

#include "base/banned.h"

static char *key_path(const struct db *db, const char *more)
{
	const char *slash = strrchr(db->path, '/');

	return xasprintf("%.*s/audit.key%s", slash != NULL ? (int)(slash - db->path) : 1, slash != NULL ? db->path : ".", more);
}

static int read_key(int fd, struct sign_key **ret, struct err *err)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(64));
	int r = io_read_fd(fd, &pem, err);

	if (r == 0)
		r = sign_key_parse(buf_str(&pem), true, ret, err);
	if (pem.ptr != NULL)
		explicit_bzero(pem.ptr, pem.len);
	return r;
}

static void complain_key(const char *path, const char *why)
{
	AUTO(json_decrefp) json_t *fields = json_pack("{s:s, s:s}", "file", path, "reason", why);

	log_write(LEVEL_WARNING, "checkpoints are not signed", fields);
}

static void forget_key(struct db *db, int64_t stamp)
{
	sign_key_free(TAKE(db->signer));
	db->signer_stamp = stamp;
}

/* A symbolic link, or a file that cannot be read. Said once, until it is another failure. */
static const struct sign_key *not_opened(struct db *db, const char *path, int error)
{
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		return db->signer; /* says nothing of the file: who signed goes on */
	if (error != ENOENT && db->signer_stamp != -error)
		complain_key(path, strerror(error));
	forget_key(db, error == ENOENT ? 0 : -error);
	return NULL;
}

const struct sign_key *signer_get(struct db *db)
{
	struct stat st;
	struct err err = ERR_NONE;

	if (db->given != NULL)
		return db->given;
	AUTO(freep) char *path = key_path(db, "");
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return not_opened(db, path, errno);
	/* A mode that changes leaves the time of the contents as it was. */
	int64_t stamp = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec + (int64_t)st.st_ino;
	if (stamp == db->signer_stamp)
		return db->signer;
	forget_key(db, stamp);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		complain_key(path, "others may read or write it, or it is no regular file; its mode must be 0600");
	else if (read_key(fd, &db->signer, &err) < 0)
		complain_key(path, err.text);
	return db->signer;
}

static int put_key(struct db *db, const struct sign_key *key, int64_t since, const struct sign_key *by, struct err *err)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(4));
	char id[SIGN_ID_LEN + 1], by_id[SIGN_ID_LEN + 1] = "", signature[SIGN_HEX_LEN + 1] = "";

	sign_key_id(key, id);
	sign_key_public(key, &pem);
	if (by != NULL) {
		sign_key_id(by, by_id);
		sign_text(by, buf_str(&pem), signature);
	}
	return db_run(db, err, SQL_AUDIT_KEY_PUT, "ttitt", id, buf_text(&pem), since, by_id, signature);
}

int signer_put(struct db *db, const struct sign_key *key, int64_t checkpoint, const char *hash, struct err *err)
{
	char id[SIGN_ID_LEN + 1], signature[SIGN_HEX_LEN + 1];
	int r = put_key(db, key, checkpoint, NULL, err);

	sign_key_id(key, id);
	sign_text(key, str_of(hash), signature);
	return r < 0 ? r : db_run(db, err, SQL_SIGNATURE_PUT, "itt", checkpoint, id, signature);
}

/* ---- a new key ---- */

static int write_key(const char *path, const struct sign_key *key, struct err *err)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(4));
	AUTO(fd_closep) int fd = -1;

	(void)unlink(path); /* what a killed rotation left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "%s", path);
	sign_key_private(key, &pem);
	int r = io_write_all(fd, buf_text(&pem), pem.len);
	explicit_bzero(pem.ptr, pem.len);
	if (r < 0 || fsync(fd) < 0)
		return err_set(err, r < 0 ? -r : errno, "%s: it cannot be written", path);
	return 0;
}

void store_sign_with(struct store *store, const struct sign_key *key)
{
	store->db.given = key;
	if (store->writer != NULL)
		writer_sign_with(store->writer, key);
}

const struct sign_key *store_signer(struct store *store)
{
	return signer_get(&store->db);
}

/* Known before it signs anything. */
static int put_first(struct store *store, const struct sign_key *key, const struct sign_key *by, struct err *err)
{
	int64_t since = 1;
	int r = tx_begin(&store->db, err);

	if (r < 0)
		return r;
	struct query q = query_start(&store->db, SQL_CHECKPOINT_COUNT, "");
	r = query_next(&q, err);
	if (r > 0)
		since = query_int(&q, 0) + 1;
	query_done(&q);
	if (r >= 0)
		r = put_key(&store->db, key, since, by, err);
	return tx_end(&store->db, MIN(r, 0), err);
}

int store_audit_key_follow(struct store *store, const struct sign_key *by, struct err *err)
{
	char id[SIGN_ID_LEN + 1];

	assert(store->db.given != NULL);
	sign_key_id(store->db.given, id);
	AUTO(query_done) struct query q = query_start(&store->db, SQL_AUDIT_KEY_GET, "t", id);
	int r = query_next(&q, err);
	if (r > 0)
		return err_set(err, EEXIST, "the key %s has signed already, so it cannot come after another; make a new one", id);
	return r < 0 ? r : put_first(store, store->db.given, by, err);
}

int store_audit_key_new(struct store *store, char ret_id[static SIGN_ID_LEN + 1], struct err *err)
{
	AUTO(freep) char *path = key_path(&store->db, "");
	AUTO(freep) char *fresh = key_path(&store->db, ".new");
	AUTO(sign_key_freep) struct sign_key *key = sign_key_new();
	const struct sign_key *before = signer_get(&store->db);

	if (before == NULL && access(path, F_OK) == 0)
		return err_set(err, EINVAL, "%s: it is there and cannot be used, so it cannot sign a new one; mend it or move it away", path);
	int r = write_key(fresh, key, err);
	if (r == 0)
		r = put_first(store, key, before, err);
	if (r == 0 && rename(fresh, path) < 0)
		r = err_sys(err, "%s", path);
	if (r == 0)
		sign_key_id(key, ret_id);
	return r;
}

/* ---- what there is ---- */

int store_audit_keys(struct store *store, void (*visit)(void *userdata, const struct audit_key_row *row), void *userdata,
                     struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_AUDIT_KEYS, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct audit_key_row row = { query_text(&q, 0), query_text(&q, 1), query_text(&q, 3), query_int(&q, 2) };
		visit(userdata, &row);
	}
	return r;
}

int store_audit_checkpoints(struct store *store, void (*visit)(void *userdata, const struct audit_checkpoint *row), void *userdata,
                            struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_AUDIT_CHECKPOINTS, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct audit_checkpoint row = { query_int(&q, 0), query_str(&q, 1), query_text(&q, 2), query_text(&q, 3), query_text(&q, 4),
		                                query_text(&q, 5) };
		visit(userdata, &row);
	}
	return r;
}
