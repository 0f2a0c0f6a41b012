/* retention.c - what may leave the history, and when a service looks for it. It deletes nothing itself: store/prune.c does,
 * whole trees, each with the event that stands for it. */
#include "engine/retention.h"

#include <stdio.h>

#include "engine/layer.h"
#include "engine/loop.h"
#include "base/log.h"

#include "base/banned.h"

struct retention retention_of(const struct config *config)
{
	struct retention r = { 0 };

	if (config_text(config, "retention.older_than") != NULL)
		r.older_ms = config_number(config, "retention.older_than");
	if (config_text(config, "retention.keep") != NULL)
		r.keep = config_number(config, "retention.keep");
	return r;
}

bool retention_says_something(const struct retention *r)
{
	return r->older_ms > 0 || r->keep > 0;
}

static const char *holds(const void *userdata, const char *root)
{
	return layer_exists(userdata, root) ? "its changes lie in a layer: 'mishri apply' or 'mishri drop' ends that" : NULL;
}

struct prune_rule retention_rule(const struct retention *r, const char *data, int64_t now_us,
                                 char ret_text[static RETENTION_TEXT_BYTES])
{
	char span[64] = "whenever it ended", kept[64] = "";

	if (r->older_ms > 0)
		snprintf(span, sizeof span, "ended more than %lld s ago", (long long)r->older_ms / 1000);
	if (r->keep > 0)
		snprintf(kept, sizeof kept, ", not of the newest %lld", (long long)r->keep);
	snprintf(ret_text, RETENTION_TEXT_BYTES, "%s%s%s%s", span, kept, r->state != NULL ? ", state " : "",
	         r->state != NULL ? r->state : "");
	return (struct prune_rule){ .keep = r->keep, .state = r->state, .holds = holds, .userdata = data,
	                            .ended_before_us = r->older_ms > 0 ? now_us - r->older_ms * 1000 : INT64_MAX };
}

/* ---- by itself ---- */

struct retention_rounds {
	struct store *store;
	const char *data;
	struct retention says;
	struct watch *timer;
	int64_t every_ms;
};

static void on_end(void *userdata, const struct retain_end *end)
{
	struct retention_rounds *rounds = userdata;
	AUTO(json_decrefp) json_t *fields = json_object();

	json_put_int(fields, "trees", end->left);
	json_put_int(fields, "events", end->events);
	if (end->result < 0)
		json_put_text(fields, "reason", end->err->text);
	if (end->result < 0 || end->left > 0)
		log_write(end->result < 0 ? LEVEL_WARNING : LEVEL_INFO,
		          end->result < 0 ? "retention stopped; it is tried again later" : "old trees left the history", fields);
	watch_arm(rounds->timer, end->more && end->result == 0 ? LIMIT_RETENTION_PAUSE_MS : rounds->every_ms);
}

static void on_timer(void *userdata)
{
	struct retention_rounds *rounds = userdata;
	char text[RETENTION_TEXT_BYTES];
	struct err err = ERR_NONE;
	struct prune_rule rule = retention_rule(&rounds->says, rounds->data, clock_wall_us(), text);

	if (store_retain(rounds->store, &rule, text, LIMIT_RETENTION_ROUND, on_end, rounds, &err) < 0)
		watch_arm(rounds->timer, rounds->every_ms);
}

struct retention_rounds *retention_begin(struct loop *loop, struct store *store, const struct config *config, const char *data)
{
	struct retention says = retention_of(config);

	if (!retention_says_something(&says))
		return NULL;
	struct retention_rounds *rounds = xcalloc(1, sizeof *rounds);
	*rounds = (struct retention_rounds){ .store = store, .data = data, .says = says,
	                                     .every_ms = config_number(config, "retention.every") };
	rounds->timer = watch_timer(loop, on_timer, rounds);
	watch_arm(rounds->timer, MIN(rounds->every_ms, (int64_t)LIMIT_RETENTION_FIRST_MS));
	return rounds;
}

void retention_end(struct retention_rounds *rounds)
{
	if (rounds == NULL)
		return;
	store_retain_alone(rounds->store);
	watch_free(rounds->timer);
	free(rounds);
}
