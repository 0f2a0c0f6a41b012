/* host.c - one spelling for a host, so that a rule cannot be got round by another one (2130706433 is 127.0.0.1). */
#include <arpa/inet.h>
#include <stdio.h>

#include "policy/rules.h"

#include "base/banned.h"

static bool mapped_v4(const struct in6_addr *a)
{
	static const unsigned char prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	return memcmp(a->s6_addr, prefix, sizeof prefix) == 0;
}

char *host_canonical(const char *host)
{
	AUTO(freep) char *name = xstrdup(host);
	size_t len = strlen(name);
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	for (char *p = name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (len > 1 && name[len - 1] == '.')
		name[--len] = '\0';
	if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
		name[len - 1] = '\0';
		memmove(name, name + 1, len - 1);
	}
	if (inet_pton(AF_INET6, name, &six) == 1) {
		const void *v4 = six.s6_addr + 12;
		return xstrdup(mapped_v4(&six) ? inet_ntop(AF_INET, v4, text, sizeof text) :
		                                 inet_ntop(AF_INET6, &six, text, sizeof text));
	}
	if (strpbrk(name, " \t") == NULL && inet_aton(name, &four) != 0)
		return xstrdup(inet_ntop(AF_INET, &four, text, sizeof text));
	return TAKE(name);
}
