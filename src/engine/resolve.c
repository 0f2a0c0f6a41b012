/* resolve.c - asks name servers without a thread and without standing still. It keeps nothing: each connection asks
 * anew, and goes where this very answer said. */
#include "engine/resolve.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/banned.h"

struct resolver {
	struct loop *loop;
	char *servers;
	struct evdns_base *dns;        /* made when it is first asked: most tasks never do */
};

struct lookup {
	lookup_fn *fn;
	void *userdata;
	struct evdns_getaddrinfo_request *request;
	struct watch *later;           /* an answer that was there at once */
	struct address addresses[LIMIT_NET_ADDRESSES];
	size_t count;
	const char *why;
	bool asking;
};

static bool server_take(struct str *rest, char *ret, size_t size)
{
	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == ','))
		*rest = str_skip(*rest, 1);
	size_t len = 0;
	while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != ',')
		len++;
	snprintf(ret, size, "%.*s", (int)MIN(len, size - 1), rest->ptr);
	*rest = str_skip(*rest, len);
	return len > 0;
}

static int servers_check(const char *servers, struct err *err)
{
	struct str rest = str_of(servers);
	struct sockaddr_storage at;
	char server[128];

	while (server_take(&rest, server, sizeof server)) {
		int len = sizeof at;
		if (evutil_parse_sockaddr_port(server, (struct sockaddr *)&at, &len) < 0)
			return err_set(err, EINVAL, "net.resolver: '%s' is no name server: write addresses, such as 127.0.0.1:53", server);
	}
	return 0;
}

int resolver_new(struct loop *loop, const char *servers, struct resolver **ret, struct err *err)
{
	int r = servers != NULL ? servers_check(servers, err) : 0;

	if (r < 0)
		return r;
	struct resolver *resolver = xcalloc(1, sizeof *resolver);
	resolver->loop = loop;
	resolver->servers = servers != NULL ? xstrdup(servers) : NULL;
	*ret = resolver;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	if (resolver->dns != NULL)
		evdns_base_free(resolver->dns, 0);
	free(resolver->servers);
	free(resolver);
}

static void servers_add(struct resolver *resolver)
{
	struct str rest = str_of(resolver->servers);
	char server[128];

	evdns_base_load_hosts(resolver->dns, "/etc/hosts");
	while (server_take(&rest, server, sizeof server))
		evdns_base_nameserver_ip_add(resolver->dns, server);
}

static void dns_make(struct resolver *resolver)
{
	resolver->dns = evdns_base_new(loop_base(resolver->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL)
		abort();
	evdns_base_set_option(resolver->dns, "timeout:", "3");
	evdns_base_set_option(resolver->dns, "attempts:", "3");
	if (resolver->servers != NULL)
		servers_add(resolver);
	else
		evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC | DNS_OPTION_HOSTSFILE,
		                             "/etc/resolv.conf");
	evdns_base_search_clear(resolver->dns);
}

/* IPv4 first: not every machine that hears of an IPv6 address can reach it. */
static void addresses_take(struct lookup *lookup, const struct evutil_addrinfo *list)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t f = 0; f < COUNT(families); f++)
		for (const struct evutil_addrinfo *i = list; i != NULL; i = i->ai_next) {
			if (i->ai_family != families[f] || lookup->count == LIMIT_NET_ADDRESSES)
				continue;
			lookup->addresses[lookup->count] = address_of_sockaddr(i->ai_addr);
			lookup->count += lookup->addresses[lookup->count].family != 0;
		}
}

static void tell(struct lookup *lookup)
{
	struct lookup done = *lookup;

	watch_free(lookup->later);
	free(lookup);
	done.fn(done.userdata, done.addresses, done.count, done.why);
}

static void on_later(void *userdata)
{
	tell(userdata);
}

static void on_answer(int result, struct evutil_addrinfo *list, void *userdata)
{
	struct lookup *lookup = userdata;

	lookup->request = NULL;
	if (list != NULL) {
		addresses_take(lookup, list);
		evutil_freeaddrinfo(list);
	}
	lookup->why = result == EVUTIL_EAI_AGAIN || result == EVUTIL_EAI_FAIL ? "no name server answers" : "there is no such name";
	if (result == EVUTIL_EAI_CANCEL) {
		watch_free(lookup->later);
		free(lookup);
	} else if (lookup->asking) {
		watch_arm(lookup->later, 0);
	} else {
		tell(lookup);
	}
}

struct lookup *resolver_ask(struct resolver *resolver, const char *name, lookup_fn *fn, void *userdata)
{
	const struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
	struct lookup *lookup = xcalloc(1, sizeof *lookup);

	if (resolver->dns == NULL)
		dns_make(resolver);
	lookup->fn = fn;
	lookup->userdata = userdata;
	lookup->later = watch_timer(resolver->loop, on_later, lookup);
	lookup->asking = true;
	lookup->request = evdns_getaddrinfo(resolver->dns, name, NULL, &hints, on_answer, lookup);
	lookup->asking = false;
	return lookup;
}

static void forget(void *unused, const struct address *addresses, size_t count, const char *why)
{
	(void)unused, (void)addresses, (void)count, (void)why;
}

void lookup_cancel(struct lookup *lookup)
{
	if (lookup == NULL)
		return;
	lookup->fn = forget;
	if (lookup->request != NULL) {
		evdns_getaddrinfo_cancel(lookup->request);   /* on_answer frees it */
	} else {
		watch_free(lookup->later);
		free(lookup);
	}
}
