/* schema.h - the tables, and how they came to be; private to this folder. */
#ifndef MISHRI_STORE_SCHEMA_H
#define MISHRI_STORE_SCHEMA_H

#include "store/sqlite.h"

/* Brings a file of any version up to this one, or makes it, when `may_write`; otherwise only looks.
 * -ENOENT: holds no store yet (and may not be written); -ENOTSUP: a newer version; -EUCLEAN: something else. */
MUST_USE int schema_prepare(struct db *db, bool may_write, struct err *err);

/* Are all tables, indexes and triggers as the migrations make them, and no other trigger there?
 * -EBADMSG: err names the first that is not. */
MUST_USE int schema_check_objects(struct db *db, struct err *err);

#endif
