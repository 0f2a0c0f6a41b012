/* address.h - hosts as they are written, and where an address leads. Pure. */
#ifndef MISHRI_POLICY_ADDRESS_H
#define MISHRI_POLICY_ADDRESS_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

/* 0 is the safest. */
enum address_class {
	ADDRESS_NEVER,       /* unspecified, multicast, broadcast, reserved, obsolete tunnels: no rule opens these */
	ADDRESS_LINK,        /* link-local, and where clouds keep their metadata: only by the address itself, never by a name */
	ADDRESS_PRIVATE,     /* loopback, private networks, what is not routed in the internet */
	ADDRESS_PUBLIC,
};
const char *address_class_name(enum address_class class);   /* "never", "link", "private", "public" */

enum { HOST_BYTES = 256, ADDRESS_TEXT_BYTES = 64 };

struct address {
	int family;                      /* AF_INET, AF_INET6; 0: none */
	unsigned char bytes[16];         /* network order; 4 or 16 of them */
};

struct host {
	char name[HOST_BYTES];           /* in its one spelling, as host_canonical() gives it */
	struct address address;          /* family 0: a name */
};

enum address_class address_class_of(const struct address *address);
void address_format(const struct address *address, char ret[static ADDRESS_TEXT_BYTES]);
/* family 0 where it is neither IPv4 nor IPv6. An IPv4 address in IPv6 clothes becomes an IPv4 address. */
struct address address_of_sockaddr(const struct sockaddr *sockaddr);
socklen_t address_to_sockaddr(const struct address *address, int port, struct sockaddr_storage *ret);

/* Reads a host out of a request, in any spelling that names one: "API.Example.com.", "[::1]", "0x7f.1", "2130706433".
 * -EINVAL: it is none, or could be read in two ways (zone, user name, percent sign, letters that are not ASCII). */
MUST_USE int host_read(struct str text, struct host *ret, struct err *err);

#endif
