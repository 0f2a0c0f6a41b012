/* cmd_apply.c - `mishri apply` and `mishri drop`: what becomes of the changes in a task's layer. They act only on a task
 * that nobody runs, whose lease they hold meanwhile, and each leaves an event. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cli/changes.h"

#include "base/banned.h"

static const struct option_row apply_rows[] = {
	{ "--dry-run", 0, NULL, "say what would be done, and do nothing", false },
	{ "--force", 0, NULL, "also over what was changed in the workspace meanwhile: that is lost", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

static const struct option_row drop_rows[] = {
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

struct act {
	struct changes c;
	char user[USER_LEN + 1];
	int64_t generation;
	bool leased;
};

static int begin(struct act *a, const struct options *o)
{
	struct err err = ERR_NONE;

	if (cli_user(o, a->user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	int code = changes_find(&a->c, o, 0);
	if (code != 0 || a->c.none)
		return code;
	if (store_engine_register(a->c.store, "", &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = store_lease_take(a->c.store, a->c.task->id, &a->generation, &err);
	if (r == -EBUSY)
		return complain(EXIT_USAGE, "task %s is at work: wait for its end, or end it, before its changes are applied or dropped"
		                " (%s)", a->c.task->id, err.text);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	a->leased = true;
	return 0;
}

/* The last thing under this lease; it is given back with it. */
static int leave_event(struct act *a, enum event_type type, json_t *owned_data)
{
	const struct task *t = a->c.task;
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };
	struct err err = ERR_NONE;
	int64_t seq;

	memcpy(e.session, t->session, sizeof e.session);
	memcpy(e.task, t->id, sizeof e.task);
	memcpy(e.trace_id, t->trace_id, sizeof e.trace_id);
	memcpy(e.user, a->user, sizeof e.user);
	task_span(t, "task", "", e.span_id);
	a->leased = false;
	if (event_check(type, owned_data, &err) < 0) {
		event_done(&e);
		return complain(EXIT_FAILED, "%s", err.text);
	}
	struct store_batch batch = { .root = t->id, .task = t->id, .generation = a->generation, .lease = LEASE_RELEASE,
	                             .events = &e, .count = 1, .checkpoint = true };
	return store_append_wait(a->c.store, &batch, &seq, &err) < 0 ? complain(EXIT_FAILED, "%s", err.text) : 0;
}

/* A lease that was taken for nothing. There is no other way to give one back than with an event. */
static void end(struct act *a)
{
	changes_done(&a->c);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static int note_applied(struct act *a, const char *digest, json_t *owned_sums, json_t *owned_forced)
{
	json_t *refused = a->c.layer.refused;
	int code = leave_event(a, EVENT_CHANGES_APPLIED,
	                       json_pack("{s:s, s:o, s:o, s:o, s:o}", "workspace", a->c.task->workspace, "digest",
	                                 text_or_null(digest), "sums", owned_sums, "refused",
	                                 refused != NULL ? json_incref(refused) : json_array(), "forced", owned_forced));
	struct err err = ERR_NONE;

	if (code != 0)
		return code;
	AUTO(freep) char *path = layer_path(a->c.data, a->c.task->id);
	if (layer_finish(path, &err) < 0)
		return complain(EXIT_FAILED, "the changes are applied, but the layer cannot be emptied: %s", err.text);
	if (a->c.task->phase == PHASE_ENDED)
		code = layer_remove_empty(path) < 0 ? complain(EXIT_FAILED, "the changes are applied, but the layer stays: %s", path) : 0;
	return code;
}

static int recover(struct act *a, bool *ret_done)
{
	json_t *sums = NULL;
	struct err err = ERR_NONE;

	if (layer_recover(a->c.data, a->c.task->id, ret_done, &sums, &err) < 0)
		return complain(EXIT_FAILED, "an apply that was interrupted cannot be finished: %s", err.text);
	if (!*ret_done)
		return 0;
	fprintf(stderr, "mishri: an apply of task %s that was interrupted is finished\n", a->c.task->id);
	return note_applied(a, NULL, sums, json_array());
}

static int say_conflicts(const struct overlay *layer)
{
	size_t count = layer_conflicts(layer);

	changes_list(layer, stderr);
	return complain(EXIT_FAILED, "nothing was applied: %zu %s changed in the workspace since the task began, see CONFLICT above;"
	                " put %s aside, or apply over %s with --force", count, count == 1 ? "thing was" : "things were",
	                count == 1 ? "it" : "them", count == 1 ? "it" : "them");
}

static json_t *forced_paths(const struct overlay *layer)
{
	json_t *list = json_array();

	for (size_t i = 0; i < layer->count; i++)
		if (layer->changes[i].conflict != NULL)
			json_array_append_new(list, json_of_str(str_of(layer->changes[i].path)));
	return list;
}

static void print_sums(const struct options *o, const struct act *a, const char *did, const json_t *sums)
{
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_pack("{s:s, s:s, s:O, s:O}", "task", a->c.task->id, "did", did, "sums", sums,
		                                           "refused", a->c.layer.refused);
		AUTO(freep) char *text = json_text(all);
		puts(text);
		return;
	}
	printf("%s: %lld added, %lld changed, %lld deleted, %lld modes\n", did, (long long)json_get_int(sums, "added", 0),
	       (long long)json_get_int(sums, "changed", 0), (long long)json_get_int(sums, "deleted", 0),
	       (long long)json_get_int(sums, "mode", 0));
}

static int nothing(const struct options *o, const struct act *a)
{
	if (option_given(o, "--json"))
		printf("{\"task\":\"%s\",\"did\":\"nothing\"}\n", a->c.task->id);
	else
		puts("nothing is changed");
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int apply_now(struct act *a, const struct options *o)
{
	char digest[SHA256_HEX_LEN + 1];
	struct err err = ERR_NONE;
	AUTO(json_decrefp) json_t *sums = layer_sums(&a->c.layer);

	if (layer_digest(&a->c.layer, digest, &err) < 0 || layer_apply(&a->c.layer, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = note_applied(a, digest, json_incref(sums), forced_paths(&a->c.layer));
	if (code != 0)
		return code;
	for (size_t i = 0; i < json_array_size(a->c.layer.refused); i++) {
		const json_t *row = json_array_get(a->c.layer.refused, i);
		complain(0, "not applied: %s: %s", json_get_text(row, "path", ""), json_get_text(row, "why", ""));
	}
	print_sums(o, a, "applied", sums);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int apply(struct act *a, const struct options *o)
{
	bool finished = false, dry = option_given(o, "--dry-run");
	int code = begin(a, o);

	if (code == 0 && !a->c.none && !dry)
		code = recover(a, &finished);
	if (code != 0 || finished)
		return code;
	code = changes_read(&a->c);
	if (code != 0)
		return code;
	if (a->c.layer.count == 0)
		return nothing(o, a);
	if (layer_conflicts(&a->c.layer) > 0 && !option_given(o, "--force"))
		return say_conflicts(&a->c.layer);
	if (!dry)
		return apply_now(a, o);
	AUTO(json_decrefp) json_t *sums = layer_sums(&a->c.layer);
	if (!option_given(o, "--json"))
		changes_list(&a->c.layer, stdout);
	print_sums(o, a, "would be applied", sums);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run_act(const struct command *command, int argc, char **argv, int (*act)(struct act *a, const struct options *o))
{
	AUTO(options_freep) struct options *o = NULL;
	struct act a = { 0 };

	if (options_parse(command, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = act(&a, o);
	end(&a);
	return code;
}

static int run_apply(int argc, char **argv)
{
	return run_act(&cmd_apply, argc, argv, apply);
}

static int drop(struct act *a, const struct options *o)
{
	char digest[SHA256_HEX_LEN + 1];
	struct err err = ERR_NONE;
	bool finished = false;
	int code = begin(a, o);

	if (code == 0 && !a->c.none)
		code = recover(a, &finished);
	if (code != 0 || finished)
		return code;
	code = changes_read(&a->c);
	if (code != 0)
		return code;
	if (a->c.none)
		return nothing(o, a);
	AUTO(json_decrefp) json_t *sums = layer_sums(&a->c.layer);
	if (layer_digest(&a->c.layer, digest, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	code = leave_event(a, EVENT_CHANGES_DROPPED, json_pack("{s:s, s:s, s:O}", "workspace", a->c.task->workspace, "digest", digest,
	                                                       "sums", sums));
	if (code == 0 && layer_remove(a->c.layer.path, &err) < 0)
		code = complain(EXIT_FAILED, "%s", err.text);
	if (code == 0)
		print_sums(o, a, "dropped", sums);
	return code == 0 && fflush(stdout) != 0 ? EXIT_FAILED : code;
}

static int run_drop(int argc, char **argv)
{
	return run_act(&cmd_drop, argc, argv, drop);
}

const struct command cmd_apply = {
	.name = "apply", .args = "TASK", .about = "put what a task changed in an overlay workspace into the workspace",
	.options = apply_rows, .option_count = COUNT(apply_rows), .run = run_apply,
	.examples = "  mishri apply --dry-run last\n  mishri apply last\n",
};

const struct command cmd_drop = {
	.name = "drop", .args = "TASK", .about = "throw away what a task changed in an overlay workspace",
	.options = drop_rows, .option_count = COUNT(drop_rows), .run = run_drop,
	.examples = "  mishri diff last\n  mishri drop last\n",
};
