/* wal.h - when the write-ahead log goes into the database. */
#ifndef MISHRI_STORE_WAL_H
#define MISHRI_STORE_WAL_H

#include "store/sqlite.h"

/* The connection of the writer counts what lies in the log; from now on no commit of it carries the log over. */
void wal_watch(struct db *db, int *frames);

/* Another connection of a process that has a writer: it leaves the log to it. */
void wal_leave(struct db *db);

/* Carries the log over where it has grown enough; idle: nobody waits for the writer now. */
void wal_trim(struct db *db, int *frames, bool idle);

#endif
