/* net_link.h - between net.c, which has the connections of a task, and net_rate.c, which counts some of them. */
#ifndef MISHRI_ENGINE_NET_LINK_H
#define MISHRI_ENGINE_NET_LINK_H

#include "engine/run.h"

/* net_rate.c: a connection that a limit counts. False: none does. True: net_link_go or net_link_over follows, which may be
 * within this call. agreed: a person said yes to what a limit had asked. */
bool net_rate(struct run *run, uint32_t id, const struct action *action, const struct facts *facts, bool agreed);
bool net_rate_waits(struct run *run, uint32_t id);        /* for a limit; false: none counts it, or its use is on its
 * way; then it is looked at by net_decide_afresh should that be refused */
void net_rate_gone(struct run *run, uint32_t id);               /* nobody waits for this one any more */
void net_rate_drop(struct run *run);

/* net.c */
json_t *net_link_facts(const struct run *run, uint32_t id);     /* its net.decided; borrowed; NULL: it is gone */
void net_link_go(struct run *run, uint32_t id);                 /* its event is durable */
/* A limit says no, or that a person must say. rule NULL: none in particular. */
void net_link_over(struct run *run, uint32_t id, const char *rule, const char *source, const char *reason, bool ask);

#endif
