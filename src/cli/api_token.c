/* api_token.c - the record hears of tokens that are shown to the service: each once for each state in which it is found, so that
 * a busy client fills nothing. It decides nothing about them. */
#include "cli/api.h"

#include <string.h>

#include "engine/oplog.h"

#include "base/banned.h"

void api_token_seen(struct api *api, const struct token_row *row, const char *state)
{
	struct session *s = &api->serve->s;
	AUTO(freep) char *mark = xasprintf("%s %s", row->id, state);

	if (api->tokens_seen == NULL)
		api->tokens_seen = json_object();
	if (json_object_get(api->tokens_seen, mark) != NULL)
		return;
	json_put_bool(api->tokens_seen, mark, true);
	struct event e = { .type = EVENT_TOKEN_USED, .time_us = clock_wall_us(), .attempt = 1,
	                   .data = json_pack("{s:s, s:s, s:s, s:s, s:s}", "token", row->id, "name", row->name, "user", row->user, "role",
	                                     row->role, "state", state) };
	memcpy(e.user, row->user, sizeof e.user);
	oplog_event(&e);
	store_append(s->store, &(struct store_batch){ .root = "", .task = "", .events = &e, .count = 1 });
}
