/* serve_retention.c - the service lets old goals leave the history, where the configuration says which. */
#include "cli/serve.h"
#include "engine/retention.h"

#include "base/banned.h"

int serve_retention_open(struct serve *serve, void **ret, struct err *err UNUSED)
{
	*ret = retention_begin(serve->s.loop, serve->s.store, serve->config, serve->data);
	return 0;
}

void serve_retention_close(struct serve *serve UNUSED, void *part)
{
	retention_end(part);
}
