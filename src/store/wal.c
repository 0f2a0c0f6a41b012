/* wal.c - carries the write-ahead log into the database between commits, not in one: who waits for a commit must not wait
 * for two more syncs and for pages of earlier ones. It reports no failure, and needs none: what is in the log is durable
 * and is read from there, and the next commit tries again. */
#include "store/wal.h"

#include "base/limits.h"

#include "base/banned.h"

static int on_commit(void *frames, sqlite3 *handle UNUSED, const char *name UNUSED, int in_log)
{
	*(int *)frames = in_log;
	return SQLITE_OK;
}

void wal_watch(struct db *db, int *frames)
{
	sqlite3_wal_hook(db->handle, on_commit, frames);
}

void wal_leave(struct db *db)
{
	sqlite3_wal_autocheckpoint(db->handle, 0);
}

void wal_trim(struct db *db, int *frames, bool idle)
{
	if (*frames < (idle ? LIMIT_STORE_WAL_IDLE_PAGES : LIMIT_STORE_WAL_PAGES))
		return;
	sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	*frames = 0;
}
