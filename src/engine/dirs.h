/* dirs.h - where things are kept on this machine, and which project directories a person trusts. */
#ifndef MISHRI_ENGINE_DIRS_H
#define MISHRI_ENGINE_DIRS_H

#include "base/buf.h"
#include "base/err.h"

/* Absolute paths; nothing is made. flag: --data or NULL. The caller owns *ret.
 * --data, else MISHRI_DATA, else $XDG_STATE_HOME/mishri, else ~/.local/state/mishri. */
MUST_USE int dirs_data(const char *flag, char **ret, struct err *err);
/* For sockets: with --data or MISHRI_DATA that directory, else $XDG_RUNTIME_DIR/mishri, else `data`. */
MUST_USE char *dirs_runtime(const char *flag, const char *data);
/* $XDG_CONFIG_HOME/mishri/config.yaml, else ~/.config/mishri/config.yaml; NULL: there is no home. */
MUST_USE char *dirs_user_config(void);

/* By its name, and by where that leads: a link that leads out of a directory can be replaced. */
bool dirs_lies_in(const char *path, const char *dir);

/* The file `trusted` in the data directory: a digest and an absolute path a line. A directory below a trusted one is not
 * trusted. Anything unreadable is no trust; so is a project whose files are not those that were trusted (trust.h). */
enum trust { TRUST_NONE, TRUST_CHANGED, TRUST_OK };
enum trust trust_state(const char *data, const char *directory);
bool trust_check(const char *data, const char *directory);
/* As its files are now; again where they changed. */
MUST_USE int trust_add(const char *data, const char *directory, struct err *err);
/* Also one that is gone by now, by its absolute path. -ENOENT: it was not trusted. */
MUST_USE int trust_remove(const char *data, const char *directory, struct err *err);
/* All of them, a line each, in the order in which they were added. An unreadable list is an error, none is not. */
MUST_USE int trust_list(const char *data, struct buf *ret, struct err *err);

#endif
