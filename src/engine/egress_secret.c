/* egress_secret.c - secrets that the engine puts into a request, so that no cell ever holds them. */
#include "engine/egress.h"

#include "base/banned.h"

int egress_secret(struct run *run, const char *name, const char *host, struct buf *ret, struct err *err)
{
	(void)run, (void)ret;
	return err_set(err, ENOENT, "no such secret: '%.64s' for %.120s", name, host);
}
