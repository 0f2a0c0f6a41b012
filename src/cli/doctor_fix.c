/* doctor_fix.c - `mishri doctor --fix`: shows each fault that can be mended with the steps that mend it and those that take it
 * back, asks, and then does them. Without a yes nothing happens; what only an administrator can do is printed for one. */
#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cell/cgroup.h"
#include "cli/apparmor.h"
#include "cli/mend.h"
#include "engine/dirs.h"

#include "base/banned.h"

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_LEFT, OUTCOME_ADMINISTRATOR };

static const char *const outcome_names[] = { "done", "failed", "left", "administrator" };

static void show(const struct mend *mend)
{
	printf("%s\n", mend->fault);
	for (size_t i = 0; i < mend->step_count; i++)
		printf("    %s %s\n", mend->administrator ? "as an administrator:" : "$", mend->steps[i].shown);
	for (size_t i = mend->step_count; i-- > 0;)
		printf("    to take it back: %s\n", mend->steps[i].undo);
	fflush(stdout);
}

static bool asked(bool yes)
{
	char line[32];

	if (yes)
		return true;
	fprintf(stderr, "    do it? [y/N] ");
	fflush(stderr);
	return fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

static enum outcome carry_out(const struct mend *mend, bool yes, bool may_ask)
{
	struct err err = ERR_NONE;

	if (mend->administrator)
		return OUTCOME_ADMINISTRATOR;
	if (!yes && !may_ask)
		return OUTCOME_LEFT;
	if (!asked(yes))
		return OUTCOME_LEFT;
	for (size_t i = 0; i < mend->step_count; i++)
		if (mend_do(&mend->steps[i], &err) < 0) {
			complain(0, "%s", err.text);
			return OUTCOME_FAILED;
		}
	return OUTCOME_DONE;
}

static json_t *mend_json(const struct mend *mend, enum outcome outcome)
{
	json_t *o = json_object(), *steps = json_array(), *undo = json_array();

	for (size_t i = 0; i < mend->step_count; i++) {
		json_array_append_new(steps, json_string(mend->steps[i].shown));
		json_array_insert_new(undo, 0, json_string(mend->steps[i].undo));
	}
	json_put_text(o, "fault", mend->fault);
	json_put_text(o, "state", outcome_names[outcome]);
	json_put(o, "steps", steps);
	json_put(o, "undo", undo);
	return o;
}

int doctor_fix(const struct options *o)
{
	static struct cgroup_root root;
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *config = dirs_user_config();
	struct mend mends[MEND_MOST];
	struct err err = ERR_NONE;
	size_t counts[COUNT(outcome_names)] = { 0 };
	bool json = option_given(o, "--json"), yes = option_given(o, "--yes"), may_ask = isatty(STDIN_FILENO) == 1 && !json;

	if (cli_data_dir(o, &data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (config != NULL)
		*strrchr(config, '/') = '\0';
	cgroup_look(&root);
	const struct machine machine = { .sys = "/proc/sys", .etc = "/etc", .run = "/run", .uid = geteuid(), .home_config = config,
	                                 .data = data, .no_cgroup = root.version == 0, .profile = apparmor_text };
	size_t count = mends_find(&machine, mends, COUNT(mends));
	AUTO(json_decrefp) json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		if (!json)
			show(&mends[i]);
		enum outcome outcome = carry_out(&mends[i], yes, may_ask);
		if (!json && outcome != OUTCOME_ADMINISTRATOR)
			printf("    %s\n", outcome_names[outcome]);
		counts[outcome]++;
		json_array_append_new(list, mend_json(&mends[i], outcome));
		mend_done(&mends[i]);
	}
	if (json) {
		AUTO(freep) char *text = json_text(list);
		puts(text);
	} else if (count == 0) {
		puts("nothing that could be mended here; `mishri doctor` says how things are");
	}
	if (counts[OUTCOME_LEFT] > 0 && !yes && !may_ask)
		return complain(EXIT_NOBODY, "nobody is at a terminal to be asked, so nothing was done; --yes says yes to all of it");
	return counts[OUTCOME_DONE] == count ? EXIT_DONE : EXIT_FAILED;
}
