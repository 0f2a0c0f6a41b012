/* api_rate.c - how often one user may ask: a bucket each, that fills with `serve.rate` a second and holds four seconds of it. Who
 * asks by the Unix socket is the service's own user or root, and is not counted. */
#include <string.h>

#include "cli/api.h"

#include "base/banned.h"

struct api_rates {
	struct bucket {
		char user[USER_LEN + 1];       /* "": free */
		int64_t milli;                 /* thousandths of a request that are left */
		int64_t at_ms;                 /* monotonic */
	} buckets[LIMIT_API_BUCKETS];
};

enum { BURST_S = 4 };

/* Who asked longest ago gives way: his bucket is full again, or nearly. */
static struct bucket *bucket_of(struct api_rates *rates, const char *user, int64_t full, int64_t now_ms)
{
	struct bucket *oldest = &rates->buckets[0];

	for (size_t i = 0; i < COUNT(rates->buckets); i++) {
		struct bucket *b = &rates->buckets[i];
		if (strcmp(b->user, user) == 0)
			return b;
		if (b->user[0] == '\0' || (oldest->user[0] != '\0' && b->at_ms < oldest->at_ms))
			oldest = b;
	}
	*oldest = (struct bucket){ .milli = full, .at_ms = now_ms };
	memcpy(oldest->user, user, strlen(user) + 1);
	return oldest;
}

bool api_rate_take(struct api *api, const char *user)
{
	int64_t now_ms = clock_mono_ms(), rate = config_number(api->serve->config, "serve.rate"), full = rate * BURST_S * 1000;

	if (api->rates == NULL)
		api->rates = xcalloc(1, sizeof *api->rates);
	struct bucket *b = bucket_of(api->rates, user, full, now_ms);
	b->milli = MIN(full, b->milli + (now_ms - b->at_ms) * rate);
	b->at_ms = now_ms;
	if (b->milli < 1000)
		return false;
	b->milli -= 1000;
	return true;
}

void api_rates_close(struct api *api)
{
	free(TAKE(api->rates));
}
