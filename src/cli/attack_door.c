/* attack_door.c - the way out of a cell while evasions are tried: the proxy of a real run, which is asked for connections and
 * told what policy says of each. It lets nothing go, looks no name up, and connects to nobody. */
#include "cli/attack_door.h"

#include <stdio.h>

#include "base/banned.h"

struct attack_door {
	struct egress *egress;
	attack_wish_fn *wish;
	void *userdata;
};

static void on_decide(void *userdata, const struct net_target *target, struct decision *ret)
{
	const struct attack_door *door = userdata;

	door->wish(door->userdata, target);
	*ret = (struct decision){ .effect = EFFECT_DENY };
	snprintf(ret->reason, sizeof ret->reason, "nothing leaves while evasions are tried");
}

static void on_decided(void *userdata UNUSED, uint32_t id UNUSED, const struct net_target *target UNUSED,
                       const struct decision *decision UNUSED)
{
}

static void on_gone(void *userdata UNUSED, uint32_t id UNUSED)
{
}

static void on_finished(void *userdata UNUSED, uint32_t id UNUSED, const struct net_end *end UNUSED)
{
}

static int on_secret(void *userdata UNUSED, const char *name, const struct net_target *target UNUSED, struct buf *ret UNUSED,
                     struct err *err)
{
	return err_set(err, ENOENT, "no such secret: '%.64s'; `mishri policy attack` gives none", name);
}

struct attack_door *attack_door_new(struct egress_base *base, int listener, attack_wish_fn *wish, void *userdata)
{
	struct attack_door *door = xcalloc(1, sizeof *door);
	const struct egress_callbacks callbacks = {
		.decide = on_decide, .decided = on_decided, .gone = on_gone, .finished = on_finished, .secret = on_secret, .userdata = door,
	};

	door->wish = wish;
	door->userdata = userdata;
	door->egress = egress_new(base, listener, NULL, &callbacks);
	return door;
}

void attack_door_free(struct attack_door *door)
{
	if (door == NULL)
		return;
	egress_free(door->egress);
	free(door);
}
