/* common.c - finds the user, the places and the files that several commands need. */
#include "cli/common.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dirs.h"
#include "policy/files.h"
#include "policy/probe.h"

#include "base/banned.h"

int cli_data_dir(const struct options *o, char **ret, struct err *err)
{
	return dirs_data(option_text(o, "--data", NULL), ret, err);
}

int cli_open_store(const struct options *o, unsigned flags, struct store **ret, struct err *err)
{
	AUTO(freep) char *dir = NULL;
	int r = cli_data_dir(o, &dir, err);

	return r < 0 ? r : store_open(dir, flags, ret, err);
}

static int set_user(const char *name, char user[static USER_LEN + 1], struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > USER_LEN)
		return err_set(err, EINVAL, "the user name '%.80s' is empty or longer than %d characters", name, USER_LEN);
	memcpy(user, name, len + 1);
	return 0;
}

int cli_user(const struct options *o, char user[static USER_LEN + 1], struct err *err)
{
	const char *wanted = option_text(o, "--user", NULL);
	const struct passwd *who = getpwuid(getuid());
	char number[24];

	snprintf(number, sizeof number, "%u", (unsigned)getuid());
	const char *own = who != NULL ? who->pw_name : number;
	if (wanted == NULL || strcmp(wanted, own) == 0)
		return set_user(own, user, err);
	if (getuid() != 0)
		return err_set(err, EPERM, "--user: only root may act for another user; you are %s", own);
	return set_user(wanted, user, err);
}

int cli_workspace(const char *path, char **ret, struct err *err)
{
	AUTO(freep) char *resolved = realpath(path, NULL);
	struct stat st;

	if (resolved == NULL || stat(resolved, &st) < 0)
		return err_set(err, errno, "the workspace '%s': %s; give a directory that is there with -w", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "the workspace '%s' is no directory", path);
	if (strcmp(resolved, "/") == 0)
		return err_set(err, EINVAL, "the workspace cannot be the root of the file system; choose the project's directory");
	if (access(resolved, R_OK | X_OK) < 0)
		return err_sys(err, "the workspace '%s' cannot be read", path);
	*ret = TAKE(resolved);
	return 0;
}

static int set_flags(const struct options *o, const struct config_flag *flags, size_t count, struct config *config, struct err *err)
{
	const char *pairs[REPEAT_MOST];
	size_t pair_count = option_all(o, "--config", pairs, COUNT(pairs));
	int r = 0;

	for (size_t i = 0; i < pair_count && r == 0; i++)
		r = config_set_pair(config, pairs[i], err);
	for (size_t i = 0; i < count && r == 0; i++) {
		const char *value = option_text(o, flags[i].option, NULL);
		if (value != NULL)
			r = config_set(config, flags[i].key, value, flags[i].option, err);
	}
	return r;
}

int cli_config(const struct options *o, const char *workspace, const struct config_flag *flags, size_t count,
               struct config **ret, bool *ret_usage, struct err *err)
{
	AUTO(config_freep) struct config *config = NULL;
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = dirs_user_config();

	*ret_usage = false;
	int r = cli_data_dir(o, &data, err);
	if (r == 0)
		r = cli_own_tools(o, workspace, err);
	if (r < 0)
		return r;
	struct config_sources sources = {
		.admin_file = "/etc/mishri/config.yaml",
		.user_file = user,
		.project = workspace,
		.data = data,
		.env = (const char *const *)environ,
		.only_flags = option_given(o, "--no-user-config"),
	};
	r = config_load(&sources, &config, err);
	if (r < 0)
		return r;
	r = set_flags(o, flags, count, config, err);
	if (r < 0) {
		*ret_usage = r != -EPERM;
		return r;
	}
	if (config_untrusted(config) != NULL)
		fprintf(stderr, "mishri: %s is not read: this directory is not trusted\n", config_untrusted(config));
	*ret = TAKE(config);
	return 0;
}

bool cli_color(const struct options *o, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) == 1 && (no_color == NULL || no_color[0] == '\0') && !option_given(o, "--no-color") &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* By its name too: a link in the workspace that leads out of it can be replaced. */
static bool lies_in(const char *path, const char *workspace)
{
	AUTO(freep) char *resolved = resolve_path(NULL, path);

	return is_below(path, workspace) || (resolved != NULL && is_below(resolved, workspace));
}

/* Beside the workspace, tools may write where the policy says; not to the history. */
static int check_writable(const char *data, const struct policy *policy, struct err *err)
{
	const struct path_rule *rules;
	size_t count = policy_paths(policy, &rules);

	for (size_t i = 0; i < count; i++)
		if (rules[i].kind == PATH_WRITABLE && lies_in(data, rules[i].pattern))
			return err_set(err, EINVAL, "%s: 'writable': the data directory %s lies in '%s', where tools could change the history",
			               rules[i].source, data, rules[i].pattern);
	return 0;
}

int cli_load_policy(const struct options *o, const char *workspace, const char *const *files, size_t count,
                    struct policy **ret, struct err *err)
{
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = dirs_user_config();
	const char *tools[LIMIT_TOOLS];
	struct policy_files found = { 0 };

	int r = cli_data_dir(o, &data, err);
	if (r == 0)
		r = cli_own_tools(o, workspace, err);
	if (r < 0)
		return r;
	if (user != NULL)
		*strrchr(user, '/') = '\0'; /* the directory of the user's configuration holds the user's policy too */
	struct policy_places places = {
		.admin_dir = POLICY_ADMIN_DIR,
		.config_dir = user,
		.workspace = workspace,
		.trusted = workspace != NULL && trust_check(data, workspace),
		.no_user_config = option_given(o, "--no-user-config"),
		.given = files,
		.given_count = count,
	};
	r = policy_files_find(&places, &found, err);
	if (r == 0) {
		if (found.untrusted != NULL)
			fprintf(stderr, "mishri: %s is not read: this directory is not trusted\n", found.untrusted);
		r = policy_load_files(found.files, found.count, tools, tool_names(tools, COUNT(tools)), ret, err);
	}
	if (r == 0)
		r = check_writable(data, *ret, err);
	policy_files_done(&found);
	return r;
}

int cli_check_data(const struct options *o, const char *workspace, struct err *err)
{
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = dirs_user_config();
	int r = cli_data_dir(o, &data, err);

	if (r < 0)
		return r;
	if (lies_in(data, workspace))
		return err_set(err, EINVAL, "the data directory %s lies in the workspace, where tools could change the history;"
		               " give another with --data, or a workspace beside it with -w", data);
	if (user != NULL)
		*strrchr(user, '/') = '\0';
	/* Also where there is none yet: tools could write the policy of the next run there. */
	if (user != NULL && lies_in(user, workspace))
		return err_set(err, EINVAL, "your settings and policy %s lie in the workspace, where tools could change them;"
		               " choose the directory of one project with -w", user);
	return 0;
}
