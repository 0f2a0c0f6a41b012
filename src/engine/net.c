/* net.c - the policy side of a task's network: what a connection out of its cell wants is decided, written down, and
 * only then let go. How it is carried is egress.c. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "engine/egress.h"
#include "engine/reload.h"
#include "engine/net_link.h"

#include "base/banned.h"

struct link {                          /* a connection that was decided on */
	uint32_t id;
	json_t *facts;                 /* net.decided, as it was or will be written */
	char approval[ID_LEN + 1];     /* "": nobody is asked */
	bool high_risk;
	bool by_limit;                 /* with approval: what asks is no rule */
	char digest[SHA256_HEX_LEN + 1]; /* what a person was asked to agree to; "": nobody was */
	struct link *next;
};

struct net {
	struct run *run;
	struct egress *egress;
	struct link *links;
	size_t held;
	struct watch *kick;            /* events wait for run_step, which may end the cell: not in the middle of a connection */
};

static void link_free(struct link *l)
{
	json_decref(l->facts);
	free(l);
}

static struct link *link_take(struct net *net, const char *approval, uint32_t id)
{
	for (struct link **at = &net->links; *at != NULL; at = &(*at)->next) {
		struct link *l = *at;
		if (approval != NULL ? strcmp(l->approval, approval) != 0 : l->id != id)
			continue;
		*at = l->next;
		net->held -= l->approval[0] != '\0';
		return l;
	}
	return NULL;
}

static void link_put(struct net *net, struct link *l)
{
	l->next = net->links;
	net->links = l;
	net->held += l->approval[0] != '\0';
}

static void emit(struct net *net, enum event_type type, json_t *owned_data)
{
	AUTO(freep) char *call = xstrdup(json_get_text(owned_data, "call", ""));

	run_emit(net->run, type, call[0] != '\0' ? "call" : "task", call, owned_data);
	watch_arm(net->kick, 0);
}

static void on_kick(void *userdata)
{
	const struct net *net = userdata;

	run_step(net->run);
}

/* ---- decisions ---- */

static void net_action(const struct net_target *target, struct action *ret)
{
	*ret = (struct action){ .kind = ACTION_NET };
	ret->net.host = target->host;
	ret->net.port = target->port;
	ret->net.scheme = target->scheme;
	ret->net.method = target->method;
	ret->net.address = target->class;
	ret->net.resolved = target->address;
}

void net_decide(const struct policy *policy, const struct net_target *target, const char *secret, const struct facts *facts,
                struct decision *ret)
{
	struct action action;

	net_action(target, &action);
	action.secret = secret;
	policy_decide(policy, &action, facts, ret);
}

static void on_decide(void *userdata, const struct net_target *target, struct decision *ret)
{
	const struct net *net = userdata;
	struct facts facts;

	engine_look_at_policy(net->run->engine);
	facts_of(net->run, &facts);
	net_decide(run_policy(net->run), target, NULL, &facts, ret);
	secret_net(net->run, target, &facts, ret);
}

static json_t *decided_data(const struct net *net, uint32_t id, const struct net_target *t, const struct decision *d)
{
	json_t *data = effect_fields(d, run_policy(net->run));

	json_put_text(data, "call", call_running(net->run));
	json_put_int(data, "connection", id);
	json_put_text(data, "host", t->host);
	json_put_int(data, "port", t->port);
	json_put_text(data, "scheme", t->scheme);
	json_put_text(data, "method", t->method);
	json_put_text(data, "address", t->address);
	json_put_bool(data, "private", t->class != ADDRESS_PUBLIC);
	return data;
}

/* The line that the model reads beside what the program itself says. */
static void hint(const struct net *net, const char *line)
{
	call_hint(net->run, line);
}

static void write_denied(struct net *net, json_t *owned_data)
{
	if (egress_sums(net->egress).denied <= LIMIT_NET_DENIED_EVENTS)
		emit(net, EVENT_NET_DECIDED, owned_data);
	else
		json_decref(owned_data);
}

/* ---- a person must say ---- */

/* For the client, should the answer be no; the reason is added. */
static char *refusal_of(const json_t *facts, const char *rule)
{
	return xasprintf("mishri: denied by %s: net %s:%lld", rule != NULL ? rule : "default", json_get_text(facts, "host", ""),
	                 (long long)json_get_int(facts, "port", 0));
}

static void refuse(struct net *net, struct link *owned, const char *refusal, const char *reason)
{
	AUTO(freep) char *message = xasprintf("%s (%s)", refusal, reason);

	json_put_text(owned->facts, "effect", "deny");
	json_put_text(owned->facts, "reason", reason);
	hint(net, message);
	egress_refuse(net->egress, owned->id, json_get_text(owned->facts, "rule", NULL), message);
	link_free(owned);
}

static bool is_counted(const struct net *net, const struct link *l);

/* Policy, or a person, is content; takes it over. It goes when that is on the disk, and when the limits have room. */
static void let_go(struct net *net, struct link *owned)
{
	char name[16];

	owned->approval[0] = '\0';
	link_put(net, owned);
	if (is_counted(net, owned))
		return;
	emit(net, EVENT_NET_DECIDED, json_incref(owned->facts));
	snprintf(name, sizeof name, "%u", owned->id);
	run_defer(net->run, DO_CONNECT, name);
}

/* Takes it over. */
static void go_on(struct net *net, struct link *owned, bool allow, const char *reason)
{
	json_put_text(owned->facts, "effect", allow ? "allow" : "deny");
	json_put_text(owned->facts, "reason", reason);
	if (allow) {
		let_go(net, owned);
		return;
	}
	AUTO(freep) char *refusal = refusal_of(owned->facts, json_get_text(owned->facts, "rule", NULL));
	emit(net, EVENT_NET_DECIDED, json_incref(owned->facts));
	refuse(net, owned, refusal, reason);
}

void net_settled(struct run *run, const char *approval, bool allow, const char *reason)
{
	struct link *l = run->net != NULL ? link_take(run->net, approval, 0) : NULL;

	if (l != NULL)
		go_on(run->net, l, allow, reason);
}

void net_lapse(struct run *run, const char *reason)
{
	for (struct link *l = run->net != NULL ? run->net->links : NULL, *next; l != NULL; l = next) {
		next = l->next;
		if (l->approval[0] != '\0')
			approval_lapse(run, l->approval, "withdrawn", reason);
	}
}

static json_t *action_of(const json_t *facts)
{
	static const char *const keys[] = { "host", "port", "scheme", "method", "address" };
	json_t *action = json_pack("{s:s}", "kind", "net");

	for (size_t i = 0; i < COUNT(keys); i++)
		json_object_set(action, keys[i], json_object_get(facts, keys[i]));
	return action;
}

static void hold(struct net *net, struct link *l, const struct decision *d)
{
	struct run *run = net->run;
	AUTO(json_decrefp) json_t *action = action_of(l->facts);
	struct ask ask = { .kind = "net", .call = json_get_text(l->facts, "call", ""), .action = action, .decision = d };
	char id[ID_LEN + 1];

	l->by_limit = d->rule_digest != NULL && d->rule_digest == d->rule;
	approval_bind(action, d->rule_digest != NULL ? d->rule_digest : "", l->digest);
	watch_arm(net->kick, 0);
	if (approval_by_grant(run, &ask, id)) {
		AUTO(freep) char *reason = xasprintf("as remembered: grant %s", id);
		go_on(net, l, true, reason);
		return;
	}
	bool full = net->held >= LIMIT_NET_HELD;
	approval_request(run, &ask, id);
	memcpy(l->approval, id, sizeof l->approval);
	link_put(net, l);
	if (!approval_can_wait(run))
		approval_lapse(run, id, "lapsed", "it needs a person's approval, and nobody is there to ask");
	else if (full)
		approval_lapse(run, id, "lapsed", "too many connections wait for a person already");
	else
		run_defer(run, DO_ASK_PERSON, id);
}

/* ---- the life of a connection ---- */

static bool is_counted(const struct net *net, const struct link *l)
{
	char text[ADDRESS_TEXT_BYTES];
	struct net_target target;
	struct action action;
	struct facts facts;

	if (!egress_target(net->egress, l->id, &text, &target))
		return false;
	net_action(&target, &action);
	facts_of(net->run, &facts);
	return net_rate(net->run, l->id, &action, &facts, l->by_limit);
}

json_t *net_link_facts(const struct run *run, uint32_t id)
{
	const struct link *l = run->net != NULL ? run->net->links : NULL;

	while (l != NULL && l->id != id)
		l = l->next;
	return l != NULL ? l->facts : NULL;
}

void net_link_go(struct run *run, uint32_t id)
{
	if (run->net != NULL)
		egress_go(run->net->egress, id);
}

void net_link_over(struct run *run, uint32_t id, const char *rule, const char *source, const char *reason, bool ask)
{
	struct net *net = run->net;
	struct link *l = net != NULL ? link_take(net, NULL, id) : NULL;

	if (l == NULL)
		return;
	json_put_text(l->facts, "rule", rule);
	json_put_text(l->facts, "source", source);
	if (ask) {
		struct decision d;
		limit_decision(rule, source, reason, l->high_risk, &d);
		hold(net, l, &d);
		return;
	}
	AUTO(freep) char *refusal = refusal_of(l->facts, rule);
	json_put_text(l->facts, "effect", "deny");
	json_put_text(l->facts, "reason", reason);
	write_denied(net, json_incref(l->facts));
	refuse(net, l, refusal, reason);
}

/* ---- the policy changed ---- */

static void decide_afresh(struct net *net, struct link *l, const struct decision *d)
{
	struct run *run = net->run;
	AUTO(freep) char *approval = xstrdup(l->approval);
	AUTO(freep) char *why = xasprintf("the policy changed: %s", d->reason);

	(void)link_take(net, NULL, l->id);
	net_rate_gone(run, l->id);
	json_put_text(l->facts, "rule", d->rule);
	json_put_text(l->facts, "source", d->source);
	if (approval[0] != '\0')
		approval_lapse(run, approval, "withdrawn", "the policy has changed, and the connection is decided on afresh");
	l->approval[0] = '\0';
	l->by_limit = false;
	if (d->effect == EFFECT_ASK)
		hold(net, l, d);
	else
		go_on(net, l, d->effect == EFFECT_ALLOW, why);
}

static void review(struct net *net, struct link *l, const struct decision *d)
{
	const struct approval *a = task_approval(net->run->task, l->approval);
	AUTO(json_decrefp) json_t *action = action_of(l->facts);
	char digest[SHA256_HEX_LEN + 1];

	approval_bind(action, d->rule_digest != NULL ? d->rule_digest : "", digest);
	bool agreed = d->effect == EFFECT_ALLOW || (d->effect == EFFECT_ASK && strcmp(digest, l->digest) == 0);
	json_put_text(l->facts, "policy", policy_digest(run_policy(net->run)));
	if (a != NULL && (l->by_limit ? agreed : approval_still_asked(a, action, d)))
		return;
	if (a != NULL || !agreed) {
		decide_afresh(net, l, d);
		return;
	}
	net_rate_gone(net->run, l->id); /* other limits may hold by now */
	let_go(net, link_take(net, NULL, l->id));
}

/* By falling ids: what is decided on puts links in and takes them out. */
void net_decide_afresh(struct run *run)
{
	struct net *net = run->net;
	uint32_t upto = UINT32_MAX;

	while (net != NULL) {
		struct link *l = NULL;
		struct decision d;
		for (struct link *one = net->links; one != NULL; one = one->next)
			if (one->id < upto && (l == NULL || one->id > l->id))
				l = one;
		if (l == NULL)
			return;
		upto = l->id;
		if ((l->approval[0] != '\0' || net_rate_waits(run, upto)) && egress_decide_again(net->egress, upto, &d))
			review(net, l, &d);
	}
}

static void on_decided(void *userdata, uint32_t id, const struct net_target *t, const struct decision *d)
{
	struct net *net = userdata;
	json_t *data = decided_data(net, id, t, d);

	if (d->effect == EFFECT_DENY) {
		AUTO(buf_done) struct buf line = BUF_INIT(KIB(4));
		egress_message(t, d, &line);
		hint(net, buf_text(&line));
		write_denied(net, data);
		return;
	}
	struct link *l = xcalloc(1, sizeof *l);
	l->id = id;
	l->facts = data;
	l->high_risk = d->high_risk;
	if (t->unresolved != NULL) {
		link_put(net, l);
		emit(net, EVENT_NET_DECIDED, json_incref(data));
	} else if (d->effect == EFFECT_ASK) {
		hold(net, l, d);
	} else {
		let_go(net, l);
	}
}

void net_connect(struct run *run, const char *name)
{
	uint64_t id;

	if (run->net != NULL && str_to_u64(str_of(name), &id) == 0)
		egress_go(run->net->egress, (uint32_t)id);
}

/* What became of one that a person was asked about, or that waited for its event. */
static void on_gone(void *userdata, uint32_t id)
{
	struct net *net = userdata;
	struct link *l = link_take(net, NULL, id);

	net_rate_gone(net->run, id);
	if (l == NULL)
		return;
	if (l->approval[0] != '\0') {
		approval_lapse(net->run, l->approval, "withdrawn", "the program left while it waited");
		watch_arm(net->kick, 0);
	}
	link_free(l);
}

static void on_finished(void *userdata, uint32_t id, const struct net_end *end)
{
	struct net *net = userdata;
	struct link *l = link_take(net, NULL, id);
	json_t *data = json_object();
	static const char *const keys[] = { "call", "connection", "host", "port", "address" };

	if (l == NULL) {
		json_decref(data);
		return;
	}
	for (size_t i = 0; i < COUNT(keys); i++)
		json_object_set(data, keys[i], json_object_get(l->facts, keys[i]));
	json_put_text(data, "how", end->how);
	json_put_text(data, "detail", end->detail);
	json_put(data, "status", end->status != 0 ? json_integer(end->status) : json_null());
	json_put_int(data, "bytes_up", end->up);
	json_put_int(data, "bytes_down", end->down);
	json_put_int(data, "ms", end->ms);
	if (end->down > 0)
		json_put(data, "taint", json_pack("[s, s]", "network", "untrusted"));
	emit(net, EVENT_NET_FINISHED, data);
	link_free(l);
}

static int on_secret(void *userdata, const char *name, const struct net_target *target, struct buf *ret, struct err *err)
{
	const struct net *net = userdata;

	return egress_secret(net->run, name, target, ret, err);
}

void net_open(struct run *run)
{
	const struct engine_setup *setup = &run->engine->setup;
	int listener = setup->egress != NULL ? cell_take_listener(run->cell) : -1;

	if (listener < 0)
		return;
	struct net *net = run->net = xcalloc(1, sizeof *net);
	const struct egress_callbacks callbacks = {
		.decide = on_decide, .decided = on_decided, .gone = on_gone, .finished = on_finished, .secret = on_secret, .userdata = net,
	};
	const struct egress_sums before = { run->task->net.connections, 0, run->task->net.up, run->task->net.down };
	net->run = run;
	net->kick = watch_timer(setup->loop, on_kick, net);
	net->egress = egress_new(setup->egress, listener, &before, &callbacks);
}

void net_close(struct run *run)
{
	struct net *net = run->net;

	if (net == NULL)
		return;
	net_rate_drop(run);
	egress_free(net->egress);
	watch_free(net->kick);
	while (net->links != NULL) {
		struct link *l = net->links;
		net->links = l->next;
		link_free(l);
	}
	free(TAKE(run->net));
}

bool net_comes_in(const struct run *run)
{
	return run->net != NULL && egress_sums(run->net->egress).down > run->task->net.down;
}
