/* id.c - identifiers from the kernel's random numbers. */
#include "base/id.h"

#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

#include "base/banned.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_random(void *bytes, size_t len)
{
	if (getrandom(bytes, len, 0) != (ssize_t)len)
		abort();
}

void id_new(char text[static ID_LEN + 1])
{
	unsigned char bytes[ID_LEN];

	id_random(bytes, sizeof bytes);
	for (size_t i = 0; i < ID_LEN; i++)
		text[i] = alphabet[bytes[i] & 31];
	text[ID_LEN] = '\0';
}

static void hex_id(char *text, size_t bytes)
{
	unsigned char raw[16];

	do /* the standard forbids the all-zero id */
		id_random(raw, bytes);
	while (raw[0] == 0);
	hex_encode(raw, bytes, text);
}

void id_trace(char text[static TRACE_ID_LEN + 1])
{
	hex_id(text, TRACE_ID_LEN / 2);
}

void id_span(char text[static SPAN_ID_LEN + 1])
{
	hex_id(text, SPAN_ID_LEN / 2);
}

bool id_valid(const char *text)
{
	return strlen(text) == ID_LEN && strspn(text, alphabet) == ID_LEN;
}
