/* reload.c - a policy that changes while tasks run. It is taken whole or not at all; a file that is gone, or that nobody
 * trusted as it is now, changes nothing: what was in force stays in force. */
#include "engine/reload.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/charge.h"
#include "engine/dirs.h"
#include "engine/given.h"
#include "engine/place.h"
#include "engine/trust.h"

#include "base/banned.h"

struct policy_home {
	struct policy_places places;
	char *admin_dir, *config_dir, *workspace, *data, **given;
	char *state;                   /* of the files, as they were looked at last */
	json_t *loaded;                /* their paths */
};

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

struct policy_home *policy_home_new(const struct policy_places *places, const char *data)
{
	struct policy_home *h = xcalloc(1, sizeof *h);

	*h = (struct policy_home){ .places = *places, .admin_dir = copy(places->admin_dir), .config_dir = copy(places->config_dir),
	                           .workspace = copy(places->workspace), .data = xstrdup(data), .loaded = json_array(),
	                           .given = xcalloc(places->given_count + 1, sizeof *h->given) };
	for (size_t i = 0; i < places->given_count; i++)
		h->given[i] = xstrdup(places->given[i]);
	h->places.admin_dir = h->admin_dir;
	h->places.config_dir = h->config_dir;
	h->places.workspace = h->workspace;
	h->places.given = (const char *const *)h->given;
	return h;
}

void policy_home_free(struct policy_home *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->places.given_count; i++)
		free(h->given[i]);
	free(h->given);
	free(h->admin_dir);
	free(h->config_dir);
	free(h->workspace);
	free(h->data);
	free(h->state);
	json_decref(h->loaded);
	free(h);
}

/* What would tell that a file is another one now. */
static char *state_of(const struct policy_files *files)
{
	struct buf text = BUF_INIT(LIMIT_FILE_BYTES);

	for (size_t i = 0; i < files->count; i++) {
		struct stat st = { 0 };
		if (!policy_is_ready_made(files->files[i].path) && stat(files->files[i].path, &st) < 0)
			st = (struct stat){ 0 };
		buf_printf(&text, "%s %llu %llu %lld %lld.%09ld %lld.%09ld %o %u\n", files->files[i].path, (unsigned long long)st.st_dev,
		           (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		           (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec, st.st_mode, st.st_uid);
	}
	buf_add_text(&text, files->untrusted != NULL ? files->untrusted : "");
	return buf_take(&text);
}

static int find(struct policy_home *h, struct policy_files *ret, struct err *err)
{
	bool asked = h->places.given_count == 0 && !h->places.no_user_config && h->workspace != NULL;

	h->places.trusted = asked && trust_check(h->data, h->workspace);
	return policy_files_find(&h->places, ret, err);
}

static json_t *paths_of(const struct policy_files *files)
{
	json_t *list = json_array();

	for (size_t i = 0; i < files->count; i++)
		json_array_append_new(list, json_of_str(str_of(files->files[i].path)));
	return list;
}

/* Beside the workspace, tools may write where the policy says; not to the history. */
static int check_writable(const struct policy_home *h, const struct policy *policy, struct err *err)
{
	const struct path_rule *rules;
	size_t count = policy_paths(policy, &rules);

	for (size_t i = 0; i < count; i++)
		if (rules[i].kind == PATH_WRITABLE && dirs_lies_in(h->data, rules[i].pattern))
			return err_set(err, EINVAL, "%s: 'writable': the data directory %s lies in '%s', where tools could change the history",
			               rules[i].source, h->data, rules[i].pattern);
	return 0;
}

static int load_found(const struct policy_home *h, const struct policy_files *found, struct policy **ret, struct err *err)
{
	AUTO(policy_freep) struct policy *policy = NULL;
	const char *tools[LIMIT_TOOLS];
	int r = policy_load_files(found->files, found->count, tools, tool_names(tools, COUNT(tools)), &policy, err);

	if (r == 0)
		r = check_writable(h, policy, err);
	if (r == 0)
		r = given_keep(&h->places, found, policy, err);
	if (r == 0)
		*ret = TAKE(policy);
	return r;
}

int policy_home_load(struct policy_home *h, struct policy **ret, char **ret_untrusted, struct err *err)
{
	struct policy_files found = { 0 };

	*ret_untrusted = NULL;
	int r = find(h, &found, err);
	if (r < 0)
		return r;
	char *state = state_of(&found); /* before they are read: a change meanwhile is seen at the next look */
	r = load_found(h, &found, ret, err);
	if (r == 0) {
		free(h->state);
		h->state = TAKE(state);
		json_decref(h->loaded);
		h->loaded = paths_of(&found);
		if (found.untrusted != NULL)
			*ret_untrusted = trust_complaint(h->data, h->workspace, found.untrusted);
	}
	free(state);
	policy_files_done(&found);
	return r;
}

/* ---- under a running engine ---- */

/* Is every file of the running set still there, and meant to be read? */
static int check_all_there(const struct policy_home *h, const struct policy_files *found, struct err *err)
{
	size_t i;
	json_t *path;

	json_array_foreach(h->loaded, i, path) {
		bool there = false;
		for (size_t k = 0; k < found->count; k++)
			there |= strcmp(found->files[k].path, json_string_value(path)) == 0;
		if (there)
			continue;
		if (found->untrusted != NULL && strcmp(found->untrusted, json_string_value(path)) == 0) {
			AUTO(freep) char *why = trust_complaint(h->data, h->workspace, found->untrusted);
			return err_set(err, EPERM, "%s", why);
		}
		return err_set(err, ENOENT, "%s:1:1: is gone: put it back, or start again without it", json_string_value(path));
	}
	return 0;
}

static int load_again(struct policy_home *h, const struct policy_files *found, struct policy **ret, struct err *err)
{
	int r = check_all_there(h, found, err);

	return r < 0 ? r : load_found(h, found, ret, err);
}

static void tell_all(struct engine *engine, const struct policy_place *place, enum event_type type, const json_t *data)
{
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (run->place == place && !run->over && run->opening == NULL && run->task->phase == PHASE_ACTIVE)
			run_emit(run, type, "task", "", json_deep_copy(data));
}

static void refuse(struct engine *engine, const struct policy_place *place, const struct err *why)
{
	AUTO(json_decrefp) json_t *data = json_object();

	json_put_text(data, "policy", policy_digest(place->policy));
	json_put_text(data, "message", why->text);
	tell_all(engine, place, EVENT_POLICY_REFUSED, data);
	watch_arm(engine->policy_timer, 0);
}

void policy_review(struct run *run)
{
	if (charge_meanwhile(run, true))
		return;
	approvals_review(run);
	exec_decide_afresh(run);
	net_decide_afresh(run);
}

/* What was asked under the old set is asked under the new one, or needs no asking. */
static void decide_afresh(struct engine *engine, const struct policy_place *place)
{
	for (struct run *run = engine->runs; run != NULL; run = run->next) {
		if (run->place != place || run->over || run->opening != NULL || run->task->phase != PHASE_ACTIVE)
			continue;
		policy_review(run);
	}
}

void policy_take(struct engine *engine, struct policy_place *place, const struct policy *policy)
{
	AUTO(json_decrefp) json_t *data = json_pack("{s:s, s:o, s:I}", "policy", policy_digest(policy), "sources",
		policy_sources(policy), "rules", (json_int_t)policy_rule_count(policy));

	place->policy = policy;
	tell_all(engine, place, EVENT_POLICY_LOADED, data);
	decide_afresh(engine, place);
	watch_arm(engine->policy_timer, 0); /* the others go on from there */
}

static void look(struct engine *engine, struct policy_place *place)
{
	struct policy_home *h = place->home;
	struct policy_files found = { 0 };
	struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (find(h, &found, &err) < 0) {
		AUTO(freep) char *state = xasprintf("! %s", err.text);
		if (h->state == NULL || strcmp(state, h->state) != 0)
			refuse(engine, place, &err);
		free(h->state);
		h->state = TAKE(state);
		return;
	}
	AUTO(freep) char *state = state_of(&found);
	if (h->state != NULL && strcmp(state, h->state) == 0) {
		policy_files_done(&found);
		return;
	}
	free(h->state);
	h->state = TAKE(state);
	int r = load_again(h, &found, &policy, &err);
	if (r == 0)
		r = given_check(&h->places, &found, place->policy, policy, &err);
	if (r < 0) {
		policy_free(policy);
		refuse(engine, place, &err);
	} else if (strcmp(policy_digest(policy), policy_digest(place->policy)) == 0) {
		policy_free(policy);
	} else {
		json_decref(h->loaded);
		h->loaded = paths_of(&found);
		place_keep(place, policy);
		policy_take(engine, place, policy);
	}
	policy_files_done(&found);
}

void engine_look_at_policy(struct engine *engine)
{
	int64_t now_ms = clock_mono_ms();

	if (engine->setup.policy_home == NULL || now_ms < engine->look_again_ms || engine->looking)
		return;
	engine->looking = true; /* what follows from a change may ask for decisions */
	engine->look_again_ms = now_ms + LIMIT_POLICY_LOOK_MS;
	for (struct policy_place *place = engine->places; place != NULL; place = place->next)
		if (place->home != NULL)
			look(engine, place);
	engine->looking = false;
}

static void on_policy_timer(void *userdata)
{
	struct engine *engine = userdata;

	watch_arm(engine->policy_timer, LIMIT_POLICY_WATCH_MS);
	engine_look_at_policy(engine);
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && run->opening == NULL && run->pending_count > 0)
			run_step(run);
}

void policy_watch_start(struct engine *engine)
{
	if (engine->setup.policy_home == NULL)
		return;
	engine->policy_timer = watch_timer(engine->setup.loop, on_policy_timer, engine);
	watch_arm(engine->policy_timer, LIMIT_POLICY_WATCH_MS);
}

void policy_watch_end(struct engine *engine)
{
	watch_free(engine->policy_timer);
}
