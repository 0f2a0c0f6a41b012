/* guarded.h - may what lies there be believed? Whoever may write a file may say what is in it, and whoever may write a
 * directory may put another file in its place. */
#ifndef MISHRI_BASE_GUARDED_H
#define MISHRI_BASE_GUARDED_H

#include <sys/stat.h>

#include "base/err.h"

/* Ours or root's, and nobody else may write it; else -EPERM, and err says how to mend it. */
MUST_USE int guarded_check(const struct stat *st, const char *path, struct err *err);

/* The same of a directory that is there. others: one that belongs to another user will do for root, who acts for its owner. */
MUST_USE int guarded_dir(const char *path, bool others, struct err *err);

#endif
