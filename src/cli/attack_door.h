/* attack_door.h - the proxy of a cell in which evasions are tried: it tells what is asked for, and lets nothing go. */
#ifndef MISHRI_CLI_ATTACK_DOOR_H
#define MISHRI_CLI_ATTACK_DOOR_H

#include "engine/egress.h"

struct attack_door;

typedef void attack_wish_fn(void *userdata, const struct net_target *target);     /* for each connection, before it is refused */

/* Takes the listener over. */
MUST_USE struct attack_door *attack_door_new(struct egress_base *base, int listener, attack_wish_fn *wish, void *userdata);
void attack_door_free(struct attack_door *door);           /* NULL is fine */

#endif
