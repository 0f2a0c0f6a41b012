/* guarded.c - owners and modes of what is believed. It looks at the thing itself, not at the directories above it, and mends
 * nothing. */
#include "base/guarded.h"

#include <unistd.h>

#include "base/banned.h"

static int check(const struct stat *st, const char *path, bool others, struct err *err)
{
	bool own = st->st_uid == geteuid() || st->st_uid == 0 || (others && geteuid() == 0);

	if (!own)
		return err_set(err, EPERM, "%s: belongs to user %u, who may put anything there: it must be yours or root's", path,
		               (unsigned)st->st_uid);
	if ((st->st_mode & 022) != 0)
		return err_set(err, EPERM, "%s: others may write it (mode %04o): chmod go-w it, after a look at what is in it", path,
		               (unsigned)st->st_mode & 07777);
	return 0;
}

int guarded_check(const struct stat *st, const char *path, struct err *err)
{
	return check(st, path, false, err);
}

int guarded_dir(const char *path, bool others, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "%s", path);
	return check(&st, path, others, err);
}
