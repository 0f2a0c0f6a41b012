/* otel.c - the export of spans as the configuration has it: for runs, and for `mishri otlp send`. What does not work is said
 * in one line; it keeps no task from running. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "engine/otel.h"

#include "base/banned.h"

int cli_otel(struct loop *loop, struct store *store, const struct config *config, struct otel **ret)
{
	struct otel_setup setup;
	struct err err = ERR_NONE;

	if (config == NULL)
		return 0;
	if (config_otel_wrong(config) != NULL)
		complain(0, "%s", config_otel_wrong(config));
	int r = otel_setup_read(config, false, &setup, &err);
	if (r > 0) {
		r = otel_new(loop, store, &setup, ret, &err);
		otel_setup_done(&setup);
	}
	if (r >= 0)
		return 0;
	/* What is wrong begins with the key that says it. */
	AUTO(freep) char *key = xstrndup(err.text, strcspn(err.text, ": "));
	const char *origin = strncmp(key, "otel.", 5) == 0 ? config_origin(config, key) : NULL;
	return complain(EXIT_CONFIG, "%s%s%s", origin != NULL ? origin : "", origin != NULL ? ": " : "", err.text);
}

void cli_otel_close(struct otel *otel)
{
	struct otel_stats stats;

	if (otel == NULL)
		return;
	otel_flush(otel);
	otel_stats(otel, &stats);
	if (stats.dropped + stats.rejected > 0)
		complain(0, "export: of %lld spans %lld did not arrive: %s; send them again with: mishri otlp send",
		         (long long)(stats.sent + stats.dropped + stats.rejected), (long long)(stats.dropped + stats.rejected), stats.why);
	else if (stats.sent > 0 && stats.why[0] != '\0' && stats.requests == 1)
		complain(0, "export: the receiver says: %s", stats.why);
	otel_free(otel);
}
