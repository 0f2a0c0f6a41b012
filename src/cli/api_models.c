/* api_models.c - GET /v1/models: which names a client of OpenAI's API may ask for. */
#include <string.h>

#include "cli/api.h"

#include "base/banned.h"

static void add_model(json_t *list, const char *prefix, const char *name)
{
	AUTO(freep) char *id = xasprintf("%s%s", prefix, name);
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
		if (strcmp(json_get_text(row, "id", ""), id) == 0)
			return;
	json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s}", "id", id, "object", "model", "created", 0, "owned_by", "mishri"));
}

void api_models(struct api_call *c)
{
	const struct config *config = c->api->serve->config;
	const char *own = config_text(config, "model");
	json_t *list = json_array();
	size_t count;
	const struct agent_profile *all = agents_all(config_agents(config), &count);

	add_model(list, "", "mishri");
	if (own != NULL && own[0] != '\0')
		add_model(list, "", own);
	for (size_t i = 0; i < count; i++) {
		add_model(list, "agent:", all[i].name);
		if (all[i].model != NULL)
			add_model(list, "", all[i].model);
	}
	api_json(c, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}
