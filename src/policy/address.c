/* address.c - where an address leads, by the registries of IANA, and how hosts are read. What is not known to be public
 * is not public. It resolves nothing. */
#include "policy/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "policy/rules.h"

#include "base/banned.h"

/* The first row that fits counts. */
static const struct range {
	const char *net;
	unsigned bits;
	enum address_class class;
} ranges4[] = {
	{ "0.0.0.0", 8, ADDRESS_NEVER },          /* Linux takes 0.0.0.0 for itself */
	{ "10.0.0.0", 8, ADDRESS_PRIVATE },
	{ "100.100.100.200", 32, ADDRESS_LINK },  /* metadata of Alibaba Cloud */
	{ "100.64.0.0", 10, ADDRESS_PRIVATE },    /* carrier-grade NAT */
	{ "127.0.0.0", 8, ADDRESS_PRIVATE },
	{ "168.63.129.16", 32, ADDRESS_LINK },    /* the host of a machine in Azure */
	{ "169.254.0.0", 16, ADDRESS_LINK },      /* 169.254.169.254: metadata nearly everywhere */
	{ "172.16.0.0", 12, ADDRESS_PRIVATE },
	{ "192.0.0.192", 32, ADDRESS_LINK },      /* metadata of Oracle Cloud */
	{ "192.0.0.0", 24, ADDRESS_PRIVATE },
	{ "192.0.2.0", 24, ADDRESS_PRIVATE },     /* for documentation, as the two below */
	{ "192.88.99.0", 24, ADDRESS_NEVER },     /* relays of 6to4 */
	{ "192.168.0.0", 16, ADDRESS_PRIVATE },
	{ "198.18.0.0", 15, ADDRESS_PRIVATE },    /* benchmarks */
	{ "198.51.100.0", 24, ADDRESS_PRIVATE },
	{ "203.0.113.0", 24, ADDRESS_PRIVATE },
	{ "224.0.0.0", 3, ADDRESS_NEVER },        /* multicast, reserved, broadcast */
	{ "0.0.0.0", 0, ADDRESS_PUBLIC },
}, ranges6[] = {
	{ "::", 128, ADDRESS_NEVER },
	{ "::1", 128, ADDRESS_PRIVATE },
	{ "fd00:ec2::", 32, ADDRESS_LINK },       /* metadata of AWS */
	{ "fd20:ce::", 32, ADDRESS_LINK },        /* metadata of Google Cloud */
	{ "fc00::", 7, ADDRESS_PRIVATE },
	{ "fe80::", 10, ADDRESS_LINK },
	{ "fec0::", 10, ADDRESS_PRIVATE },
	{ "ff00::", 8, ADDRESS_NEVER },
	{ "2001::", 32, ADDRESS_NEVER },          /* Teredo */
	{ "2001::", 23, ADDRESS_PRIVATE },        /* protocol assignments */
	{ "2001:db8::", 32, ADDRESS_PRIVATE },    /* for documentation, as the next */
	{ "3fff::", 20, ADDRESS_PRIVATE },
	{ "2000::", 3, ADDRESS_PUBLIC },
	{ "::", 0, ADDRESS_PRIVATE },
};

/* Addresses that carry an IPv4 address, which is where they lead in the end. */
static const struct carrier {
	const char *net;
	unsigned bits, offset;
	bool as_is;                      /* it is this IPv4 address, rather than a way to it */
} carriers[] = {
	{ "::ffff:0:0", 96, 12, true },  /* mapped */
	{ "::ffff:0:0:0", 96, 12, false },
	{ "64:ff9b::", 96, 12, false },  /* NAT64 */
	{ "2002::", 16, 2, false },      /* 6to4 */
	{ "::", 96, 12, false },         /* compatible */
};

static const char *const class_names[] = {
	[ADDRESS_NEVER] = "never", [ADDRESS_LINK] = "link", [ADDRESS_PRIVATE] = "private", [ADDRESS_PUBLIC] = "public",
};

const char *address_class_name(enum address_class class)
{
	return name_of(class_names, COUNT(class_names), class);
}

static bool in_range(const unsigned char *bytes, int family, const char *net, unsigned bits)
{
	unsigned char base[16] = { 0 };
	int r = inet_pton(family, net, base);

	assert(r == 1);
	if (memcmp(bytes, base, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || (bytes[bits / 8] ^ base[bits / 8]) >> (8 - rest) == 0;
}

static enum address_class class_by(const struct range *ranges, size_t count, const unsigned char *bytes, int family)
{
	for (size_t i = 0; i < count; i++)
		if (in_range(bytes, family, ranges[i].net, ranges[i].bits))
			return ranges[i].class;
	return ADDRESS_NEVER;
}

static enum address_class class4(const unsigned char *bytes)
{
	return class_by(ranges4, COUNT(ranges4), bytes, AF_INET);
}

static enum address_class class6(const unsigned char *bytes)
{
	static const unsigned char isatap[4] = { 0, 0, 0x5e, 0xfe };
	enum address_class own = class_by(ranges6, COUNT(ranges6), bytes, AF_INET6);

	for (size_t i = 0; i < COUNT(carriers) && own != ADDRESS_NEVER && !in_range(bytes, AF_INET6, "::1", 128); i++)
		if (in_range(bytes, AF_INET6, carriers[i].net, carriers[i].bits))
			return class4(bytes + carriers[i].offset);
	unsigned char tail[4] = { bytes[8] & 0xfd, bytes[9], bytes[10], bytes[11] };   /* the bit says: unique */
	if (memcmp(tail, isatap, sizeof tail) == 0)
		return MIN(own, class4(bytes + 12));
	return own;
}

enum address_class address_class_of(const struct address *address)
{
	return address->family == AF_INET ? class4(address->bytes) :
	       address->family == AF_INET6 ? class6(address->bytes) : ADDRESS_NEVER;
}

void address_format(const struct address *address, char ret[static ADDRESS_TEXT_BYTES])
{
	if (address->family == 0 || inet_ntop(address->family, address->bytes, ret, ADDRESS_TEXT_BYTES) == NULL)
		ret[0] = '\0';
}

static struct address plain(int family, const void *bytes)
{
	struct address a = { .family = family };

	if (family == AF_INET6 && in_range(bytes, AF_INET6, carriers[0].net, carriers[0].bits))
		return plain(AF_INET, (const unsigned char *)bytes + carriers[0].offset);
	memcpy(a.bytes, bytes, family == AF_INET ? 4 : 16);
	return a;
}

struct address address_of_sockaddr(const struct sockaddr *sockaddr)
{
	if (sockaddr->sa_family == AF_INET)
		return plain(AF_INET, &((const struct sockaddr_in *)(const void *)sockaddr)->sin_addr);
	if (sockaddr->sa_family == AF_INET6)
		return plain(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sockaddr)->sin6_addr);
	return (struct address){ 0 };
}

socklen_t address_to_sockaddr(const struct address *address, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool is4 = address->family == AF_INET;

	assert(is4 || address->family == AF_INET6);
	*ret = (struct sockaddr_storage){ 0 };
	memcpy(is4 ? (void *)&four.sin_addr : (void *)&six.sin6_addr, address->bytes, is4 ? 4 : 16);
	memcpy(ret, is4 ? (const void *)&four : (const void *)&six, is4 ? sizeof four : sizeof six);
	return is4 ? sizeof four : sizeof six;
}

/* ---- hosts ---- */

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* The last part of a name is never a number; where it is one, the whole is an address or nothing. */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.'), *last = dot != NULL ? dot + 1 : name;
	bool hexadecimal = last[0] == '0' && (last[1] == 'x' || last[1] == 'X');

	return last[0] >= '0' && last[0] <= '9' &&
	       last[strspn(last, hexadecimal ? "0123456789abcdefxABCDEFX" : "0123456789")] == '\0';
}

static int dns_name_check(const char *name, struct err *err)
{
	struct str rest = str_of(name), label;

	if (name[strspn(name, name_letters)] != '\0')
		return err_set(err, EINVAL, "'%.80s' is no host: names have letters, digits, '-' and '.'; others are written in "
		               "punycode (xn--...)", name);
	while (str_next(&rest, '.', &label))
		if (label.len == 0 || label.len > 63)
			return err_set(err, EINVAL, "'%.80s' is no host: a part of it is empty or longer than 63", name);
	return 0;
}

static int literal_read(const char *name, struct host *ret)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, name, bytes) == 1)
		ret->address = plain(AF_INET, bytes);
	else if (inet_pton(AF_INET6, name, bytes) == 1)
		ret->address = plain(AF_INET6, bytes);
	return ret->address.family;
}

int host_read(struct str text, struct host *ret, struct err *err)
{
	struct host host = { 0 };

	if (text.len == 0 || text.len > 253)
		return err_set(err, EINVAL, "a host has 1 to 253 characters");
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] >= 0x7f)
			return err_set(err, EINVAL, "a host is plain ASCII without spaces; other names are written in punycode (xn--...)");
	AUTO(freep) char *written = xstrndup(text.ptr, text.len);
	AUTO(freep) char *name = host_canonical(written);
	bool brackets = written[0] == '[';
	snprintf(host.name, sizeof host.name, "%s", name);
	if (literal_read(name, &host) == 0 && (brackets || strchr(written, ':') != NULL))
		return err_set(err, EINVAL, "'%.80s' is no IPv6 address; zones are not taken", written);
	if (host.address.family == 0 && ends_in_number(name))
		return err_set(err, EINVAL, "'%.80s' is no IPv4 address, and a name does not end in a number", written);
	if (brackets && strchr(written, ':') == NULL)
		return err_set(err, EINVAL, "'%.80s': brackets are for IPv6 addresses", written);
	if (host.address.family == 0 && dns_name_check(name, err) < 0)
		return -EINVAL;
	*ret = host;
	return 0;
}
