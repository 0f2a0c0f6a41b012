/* egress_decide.c - what policy says of a connection: before its name is looked up, and of each address it leads to. */
#include "engine/egress_conn.h"

#include <stdio.h>

#include "base/banned.h"

static void target_of(const struct conn *c, enum address_class class, const char *address, struct net_target *ret)
{
	*ret = (struct net_target){
		.host = c->wish.host.name, .port = c->wish.port, .scheme = c->wish.scheme, .method = c->wish.method,
		.class = class, .address = address,
	};
}

void conn_target(const struct conn *c, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *ret)
{
	address_format(&c->addresses[0], *text);
	target_of(c, c->class, *text, ret);
}

static void ask_policy(struct conn *c, enum address_class class, const char *address, struct net_target *t, struct decision *ret)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;

	target_of(c, class, address, t);
	cb->decide(cb->userdata, t, ret);
}

static void tell_decided(struct conn *c, const struct net_target *target, const struct decision *d)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;

	c->told = true;
	cb->decided(cb->userdata, c->id, target, d);
}

static void deny(struct conn *c, const struct net_target *target, const struct decision *d)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));

	c->egress->sums.denied++;
	egress_message(target, d, &text);
	conn_refuse(c, 403, d->rule, buf_text(&text));
	tell_decided(c, target, d);
}

/* The bounds of the task, as a decision. */
static bool used_up(const struct egress *e, struct decision *ret)
{
	const struct egress_limits *l = &e->base->limits;

	if (e->sums.connections < l->task_connections && e->sums.up + e->sums.down < l->task_bytes)
		return false;
	*ret = (struct decision){ .effect = EFFECT_DENY };
	if (e->sums.connections >= l->task_connections)
		snprintf(ret->reason, sizeof ret->reason, "this task has made %lld connections, which is all it may "
		         "(net.task_connections)", (long long)l->task_connections);
	else
		snprintf(ret->reason, sizeof ret->reason, "this task has moved %lld bytes, which is all it may (net.task_bytes)",
		         (long long)l->task_bytes);
	return true;
}

static enum effect ask_for(struct conn *c, size_t i, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *t,
                           struct decision *ret)
{
	address_format(&c->addresses[i], *text);
	ask_policy(c, address_class_of(&c->addresses[i]), *text, t, ret);
	return ret->effect;
}

/* The strictest of what policy says of each address, with this one in front; what is of another kind is not connected to. */
static void ask_for_all(struct conn *c, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *t, struct decision *ret)
{
	size_t strictest = 0;

	if (c->address_count == 0) {
		c->class = ADDRESS_PUBLIC;
		ask_policy(c, c->class, NULL, t, ret);
		if (ret->effect == EFFECT_DENY)
			ask_policy(c, ADDRESS_PRIVATE, NULL, t, ret);
		return;
	}
	enum effect worst = ask_for(c, 0, text, t, ret);
	for (size_t i = 1; i < c->address_count; i++) {
		enum effect effect = ask_for(c, i, text, t, ret);
		strictest = effect < worst ? i : strictest;
		worst = MIN(worst, effect);
	}
	struct address first = c->addresses[strictest];
	c->addresses[strictest] = c->addresses[0];
	c->addresses[0] = first;
	c->class = address_class_of(&first);
	for (size_t i = 1; i < c->address_count;)
		if (address_class_of(&c->addresses[i]) == c->class)
			i++;
		else
			c->addresses[i] = c->addresses[--c->address_count];
	ask_for(c, 0, text, t, ret);
}

/* With the addresses, or with the reason why there is none. */
static void decide(struct conn *c, const char *unresolved)
{
	char text[ADDRESS_TEXT_BYTES];
	struct net_target target;
	struct decision d;

	ask_for_all(c, &text, &target, &d);
	target.unresolved = unresolved;
	if (d.effect == EFFECT_DENY || used_up(c->egress, &d)) {
		deny(c, &target, &d);
		return;
	}
	c->egress->sums.connections++;
	if (unresolved != NULL) {
		snprintf(c->why, sizeof c->why, "%s", unresolved);
		tell_decided(c, &target, &d);
		c->counted = true;
		conn_unreachable(c);
		return;
	}
	conn_state_set(c, CONN_WAITING);
	tell_decided(c, &target, &d);
}

/* The strictest of what policy says of the addresses that it may be connected to. */
void conn_decide_again(struct conn *c, struct decision *ret)
{
	char text[ADDRESS_TEXT_BYTES];
	struct net_target target;
	struct decision one;

	ask_for(c, 0, &text, &target, ret);
	for (size_t i = 1; i < c->address_count; i++)
		if (ask_for(c, i, &text, &target, &one) < ret->effect)
			*ret = one;
}

static void on_resolved(void *userdata, const struct address *addresses, size_t count, const char *why)
{
	struct conn *c = userdata;

	c->lookup = NULL;
	for (size_t i = 0; i < count; i++)
		c->addresses[c->address_count++] = addresses[i];
	decide(c, count == 0 ? why : NULL);
}

/* Before a name is looked up, because a lookup tells its servers something too. */
void conn_decide(struct conn *c)
{
	struct net_target target;
	struct decision d, inside;

	if (c->wish.host.address.family != 0) {
		c->addresses[c->address_count++] = c->wish.host.address;
		decide(c, NULL);
		return;
	}
	ask_policy(c, ADDRESS_PRIVATE, NULL, &target, &inside);
	ask_policy(c, ADDRESS_PUBLIC, NULL, &target, &d);
	if (d.effect == EFFECT_DENY && inside.effect == EFFECT_DENY) {
		deny(c, &target, &d);
		return;
	}
	if (used_up(c->egress, &d)) {
		deny(c, &target, &d);
		return;
	}
	conn_state_set(c, CONN_RESOLVING);
	c->lookup = resolver_ask(c->egress->base->resolver, c->wish.host.name, on_resolved, c);
}
