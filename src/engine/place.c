/* place.c - a workspace with the policy that holds in it. An engine for one run has one; a service has one for each workspace
 * and each list of policy files that its tasks have. What changes on the disk is taken by reload.c; here a place is found,
 * made, and forgotten when no task is in it. */
#include "engine/place.h"

#include <string.h>

#include "base/banned.h"

static struct policy_place *place_add(struct engine *engine, char *owned_key, struct policy_home *home, const struct policy *policy)
{
	struct policy_place *place = xcalloc(1, sizeof *place), **at = &engine->places;

	place->key = owned_key;
	place->home = home;
	place->policy = policy;
	while (*at != NULL)
		at = &(*at)->next;
	*at = place;
	return place;
}

void places_open(struct engine *engine)
{
	place_add(engine, xstrdup(""), engine->setup.policy_home, engine->setup.policy);
}

void place_keep(struct policy_place *place, struct policy *policy)
{
	place->kept = xrealloc(place->kept, (place->kept_count + 1) * sizeof(struct policy *));
	place->kept[place->kept_count++] = policy;
}

static void place_free(struct policy_place *place)
{
	if (place->owned)
		policy_home_free(place->home);
	for (size_t i = 0; i < place->kept_count; i++)
		policy_free(place->kept[i]);
	free(place->kept);
	free(place->key);
	free(place);
}

void places_close(struct engine *engine)
{
	while (engine->places != NULL) {
		struct policy_place *place = engine->places;
		engine->places = place->next;
		place_free(place);
	}
}

static bool is_used(const struct engine *engine, const struct policy_place *place)
{
	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		if (run->place == place)
			return true;
	return false;
}

void places_reap(struct engine *engine)
{
	for (struct policy_place **at = &engine->places; *at != NULL;) {
		struct policy_place *place = *at;
		if (!place->owned || is_used(engine, place)) {
			at = &place->next;
			continue;
		}
		*at = place->next;
		place_free(place);
	}
}

static char *key_of(const char *workspace, const json_t *policies)
{
	AUTO(json_decrefp) json_t *key = json_pack("[s, O]", workspace, policies);

	return json_text(key);
}

int engine_place(struct engine *engine, const char *workspace, const json_t *policies, struct policy_place **ret, struct err *err)
{
	struct policy_home *home = NULL;
	struct policy *policy = NULL;
	size_t count = 0;

	if (engine->setup.load_policy == NULL) {
		*ret = engine->places;
		return 0;
	}
	int r = engine->setup.load_policy(engine->setup.userdata, workspace, policies, &home, &policy, err);
	if (r < 0)
		return r;
	AUTO(freep) char *key = key_of(workspace, policies);
	struct policy_place *place = engine->places;
	for (; place != NULL && strcmp(place->key, key) != 0; place = place->next)
		count++;
	if (place == NULL && count > LIMIT_SERVE_PLACES) {
		policy_home_free(home);
		policy_free(policy);
		return err_set(err, EAGAIN, "tasks run in %d workspaces already; try again when some have ended", LIMIT_SERVE_PLACES);
	}
	bool is_new = place == NULL;
	if (is_new) {
		place = place_add(engine, TAKE(key), home, policy);
		place->owned = true;
	} else { /* what was read just now is what holds; a change is watched for where it is known already */
		policy_home_free(home);
	}
	if (is_new || strcmp(policy_digest(policy), policy_digest(place->policy)) != 0) {
		place_keep(place, policy);
		if (!is_new)
			policy_take(engine, place, policy);
	} else {
		policy_free(policy);
	}
	*ret = place;
	return 0;
}

const struct policy *run_policy(const struct run *run)
{
	return run->place->policy;
}

const struct policy *place_policy(const struct policy_place *place)
{
	return place->policy;
}
