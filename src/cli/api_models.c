/* api_models.c - which names a client of OpenAI's API may ask for as `model`, and what they mean. The list has what
 * a request of the same caller would be taken with now, and nothing else: each name is tried as a request would be, without a
 * beginning. */
#include <string.h>

#include "cli/api_openai.h"
#include "engine/agents.h"

#include "base/banned.h"

bool chat_model(const char *name, const struct agents *agents, json_t *spec)
{
	if (strncmp(name, "agent:", 6) == 0) {
		json_put_text(spec, "agent", name + 6);
		return strcmp(name + 6, "master") == 0 || strcmp(name + 6, "worker") == 0 || agents_find(agents, name + 6) != NULL;
	}
	if (strchr(name, '/') != NULL)
		json_put_text(spec, "model", name);
	return strchr(name, '/') != NULL || strcmp(name, "mishri") == 0;
}

void chat_workspace(const struct api *api, json_t *spec)
{
	const char *list = config_text(api->serve->config, "serve.workspaces");
	struct str rest = str_of(list != NULL ? list : ""), one;

	if (json_object_get(spec, "workspace") == NULL && str_next(&rest, ',', &one) && str_trim(one).len > 0)
		json_put_str(spec, "workspace", str_trim(one));
}

/* ---- GET /v1/models ---- */

struct listing {
	struct api_call *call;
	json_t *seen, *list;           /* names that were tried; rows */
	struct err why;                /* of the first that was refused */
};

static void try_model(struct listing *l, const char *name)
{
	struct api_call *c = l->call;
	AUTO(json_decrefp) json_t *spec = json_pack("{s:s}", "goal", "-");
	struct err err = ERR_NONE;

	if (name == NULL || name[0] == '\0' || json_object_get(l->seen, name) != NULL)
		return;
	json_put_bool(l->seen, name, true);
	if (api_query(c, "workspace") != NULL)
		json_put_text(spec, "workspace", api_query(c, "workspace"));
	chat_workspace(c->api, spec);
	if (!chat_model(name, config_agents(c->api->serve->config), spec))
		return;
	if (serve_may_start(c->api->serve, &c->who, spec, &err) == 0)
		json_array_append_new(l->list, json_pack("{s:s, s:s, s:i, s:s}", "id", name, "object", "model", "created", 0,
		                                         "owned_by", "mishri"));
	else if (l->why.code == 0)
		l->why = err;
}

static void try_list(struct listing *l, const char *names)
{
	struct str rest = str_of(names != NULL ? names : ""), one;

	while (str_next(&rest, ',', &one)) {
		AUTO(freep) char *name = xstrndup(str_trim(one).ptr, str_trim(one).len);
		try_model(l, name);
	}
}

/* What is configured: the service's own model, those of its agents, those that stand in. */
static void try_all(struct listing *l)
{
	const struct config *config = l->call->api->serve->config;
	size_t count;
	const struct agent_profile *all = agents_all(config_agents(config), &count);

	try_model(l, "mishri");
	for (size_t i = 0; i < count; i++) {
		AUTO(freep) char *name = xasprintf("agent:%s", all[i].name);
		try_model(l, name);
	}
	try_model(l, config_text(config, "model"));
	for (size_t i = 0; i < count; i++) {
		try_model(l, all[i].model);
		for (size_t k = 0; k < all[i].fallback_count; k++)
			try_model(l, all[i].fallback[k]);
	}
	try_list(l, config_text(config, "fallback"));
}

/* Not of a model, but of the place: then the list would be empty for a reason that the caller can mend. */
static bool is_of_place(const struct err *why)
{
	return why->code != 0 && strncmp(why->text, "model", 5) != 0 && strncmp(why->text, "agent", 5) != 0;
}

void api_models(struct api_call *c)
{
	struct listing l = { .call = c, .seen = json_object(), .list = json_array(), .why = ERR_NONE };

	try_all(&l);
	json_decref(l.seen);
	if (json_array_size(l.list) == 0 && is_of_place(&l.why)) {
		json_decref(l.list);
		api_fail(c, &l.why);
		return;
	}
	api_json(c, 200, json_pack("{s:s, s:o}", "object", "list", "data", l.list));
}
