/* transfer.h - a task tree as one file, and back.
 *
 * JSON Lines. First {"mishri":"tree","version":1,"root":ID,"head":HASH,"events":N,"blobs":M,"exported":TIME,"by":USER}; then M
 * lines {"blob":DIGEST,"data":TEXT}; then N lines {"hash":HASH,"event":STORED TEXT}, in the order of the chain. Nothing else,
 * so that the file can be checked without Mishri: each hash is SHA-256 of the hash before it (at first 64 zeros) and the text. */
#ifndef MISHRI_STORE_TRANSFER_H
#define MISHRI_STORE_TRANSFER_H

#include "base/hash.h"
#include "store/store.h"

/* The tree that a task belongs to, line by line, each with its line break. Checked while it is read: -EBADMSG. */
MUST_USE int store_export(struct store *store, const char *task, const char *by,
                          int (*write)(void *userdata, struct str line, struct err *err), void *userdata, struct err *err);

struct transfer {                 /* what a file holds; a value */
	char root[ID_LEN + 1];
	char head[SHA256_HEX_LEN + 1], digest[SHA256_HEX_LEN + 1];  /* digest: of the file */
	int64_t events, tasks, blobs;
	char exported[40], by[USER_LEN + 1];
};

/* Is the whole file as it was exported? Reads `file` and nothing else. -EINVAL, -ENOTSUP (of a newer version), -EBADMSG (changed):
 * err says which line and what would be right. */
MUST_USE int transfer_check(struct str file, struct transfer *ret, struct err *err);

/* Takes the tree in, in one transaction, after the same check. resumable: it may be resumed here.
 * -EEXIST: it is here already, as it is in the file; -ENOTUNIQ: here is, or was, another one with a task of that name. Its
 * answers, grants and budgets have no force here. */
MUST_USE int store_import(struct store *store, struct str file, const char *by, bool resumable, struct transfer *ret,
                          struct err *err);

/* Did the tree of this root come out of a file? */
MUST_USE int store_is_imported(struct store *store, const char *root, bool *ret, struct err *err);

#endif
