/* socks.c - reads SOCKS 5. It knows no other command than CONNECT, and no version 4, whose clients resolve names
 * themselves. */
#include "engine/socks.h"

#include <stdio.h>

#include "base/banned.h"

enum { VERSION = 5, COMMAND_CONNECT = 1, TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4, NO_PASSWORD = 0 };

int socks_greeting_read(const unsigned char *bytes, size_t len, bool *ret_open)
{
	if (len > 0 && bytes[0] != VERSION)
		return -EINVAL;
	if (len < 2 || len < 2 + (size_t)bytes[1])
		return 0;
	*ret_open = memchr(bytes + 2, NO_PASSWORD, bytes[1]) != NULL;
	return 2 + bytes[1];
}

static size_t address_length(const unsigned char *bytes)
{
	return bytes[3] == TYPE_IPV4 ? 4 : bytes[3] == TYPE_IPV6 ? 16 : bytes[3] == TYPE_NAME ? 1 + (size_t)bytes[4] : 0;
}

static int host_take(const unsigned char *bytes, size_t len, struct socks_request *ret, struct err *err)
{
	struct address address = { .family = bytes[3] == TYPE_IPV4 ? AF_INET : AF_INET6 };
	char text[ADDRESS_TEXT_BYTES];

	if (bytes[3] == TYPE_NAME)
		return host_read((struct str){ (const char *)bytes + 5, len - 1 }, &ret->host, err);
	memcpy(address.bytes, bytes + 4, len);
	address_format(&address, text);
	return host_read(str_of(text), &ret->host, err);
}

int socks_request_read(const unsigned char *bytes, size_t len, struct socks_request *ret, struct err *err)
{
	struct socks_request request = { .refusal = SOCKS_OK };

	if (len < 5)
		return 0;
	if (bytes[0] != VERSION || bytes[2] != 0)
		return err_set(err, EINVAL, "this is no request of SOCKS 5");
	size_t address = address_length(bytes), whole = 4 + address + 2;
	if (address == 0 || bytes[1] != COMMAND_CONNECT) {
		request.refusal = address == 0 ? SOCKS_NO_ADDRESS_TYPE : SOCKS_NO_COMMAND;
		*ret = request;
		return (int)len;
	}
	if (len < whole)
		return 0;
	int r = host_take(bytes, address, &request, err);
	if (r < 0)
		return r;
	request.port = bytes[whole - 2] << 8 | bytes[whole - 1];
	if (request.port == 0)
		return err_set(err, EINVAL, "there is no port 0");
	*ret = request;
	return (int)whole;
}

void socks_reply_write(enum socks_reply reply, unsigned char ret[static SOCKS_REPLY_BYTES])
{
	static const unsigned char rest[] = { 0, TYPE_IPV4, 0, 0, 0, 0, 0, 0 };

	ret[0] = VERSION;
	ret[1] = (unsigned char)reply;
	memcpy(ret + 2, rest, sizeof rest);
}
