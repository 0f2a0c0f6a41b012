/* signer.c - asks the configuration where the key is that signs, gets it once, and gives it to the store. It prints no key. */
#include "cli/signer.h"

#include <stdio.h>
#include <string.h>

#include "engine/audit_key.h"
#include "engine/config.h"
#include "store/audit.h"

#include "base/banned.h"

/* Of this process: a command that opens its store twice asks once, and a variable is gone when it was read. */
static struct sign_key *key;

bool cli_signer_given(void)
{
	return key != NULL;
}

static int fetch(const struct options *o, const char *data, struct err *err)
{
	AUTO(config_freep) struct config *config = NULL;
	const char *pairs[REPEAT_MOST];
	size_t count = option_all(o, "--config", pairs, COUNT(pairs));

	int r = config_load_usual(data, NULL, option_given(o, "--no-user-config"), &config, err);
	for (size_t i = 0; i < count && r == 0; i++)
		if (strncmp(pairs[i], "audit.key=", 10) == 0)
			r = config_set_pair(config, pairs[i], err);
	const char *source = r == 0 ? config_text(config, "audit.key") : NULL;
	if (source != NULL && audit_key_fetch(source, &key, err) < 0)
		return err_prefix(err, "%s", config_origin(config, "audit.key"));
	return r;
}

int cli_signer(const struct options *o, const char *data, struct store *store, bool must, struct err *err)
{
	struct err why = ERR_NONE;
	int r = key == NULL ? fetch(o, data, &why) : 0;

	if (r < 0 && must) {
		*err = why;
		return r;
	}
	if (r < 0)
		fprintf(stderr, "mishri: checkpoints are not signed: %s\n", why.text);
	if (key != NULL)
		store_sign_with(store, key);
	return 0;
}
