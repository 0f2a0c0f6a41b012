/* common.c - finds the user, the places and the files that several commands need. */
#include "cli/common.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli/signer.h"
#include "engine/dirs.h"
#include "engine/trust.h"
#include "policy/files.h"
#include "policy/probe.h"
#include "tools/tool.h"

#include "base/banned.h"

int cli_data_dir(const struct options *o, char **ret, struct err *err)
{
	return dirs_data(option_text(o, "--data", NULL), ret, err);
}

int cli_open_store(const struct options *o, unsigned flags, struct store **ret, struct err *err)
{
	unsigned of_store = flags & (STORE_CREATE | STORE_READ_ONLY);
	AUTO(store_closep) struct store *store = NULL;
	AUTO(freep) char *dir = NULL;
	int r = cli_data_dir(o, &dir, err);

	if (r == 0)
		r = store_open(dir, of_store, &store, err);
	if (r == -EAGAIN) { /* of an older version: brought up to date by whoever comes first and may write */
		struct store *newer = NULL;
		r = store_open(dir, of_store & ~(unsigned)STORE_READ_ONLY, &newer, err);
		store_close(newer);
		if (r == 0)
			r = store_open(dir, of_store, &store, err);
	}
	if (r == 0 && (flags & (STORE_READ_ONLY | CLI_STORE_UNSIGNED)) == 0)
		r = cli_signer(o, dir, store, (flags & CLI_STORE_SIGN_IF) == 0, err);
	if (r == 0)
		*ret = TAKE(store);
	return r;
}

static int set_user(const char *name, char user[static USER_LEN + 1], struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > USER_LEN)
		return err_set(err, EINVAL, "the user name '%.80s' is empty or longer than %d characters", name, USER_LEN);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return err_set(err, EINVAL, "the user name '%s' has control characters in it", name);
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
	if (config_untrusted(config) != NULL) {
		AUTO(freep) char *why = trust_complaint(data, workspace, config_untrusted(config));
		fprintf(stderr, "mishri: %s\n", why);
	}
	*ret = TAKE(config);
	return 0;
}

bool cli_color(const struct options *o, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) == 1 && (no_color == NULL || no_color[0] == '\0') && !option_given(o, "--no-color") &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

int cli_policy_home(const struct options *o, const char *workspace, const char *const *files, size_t count,
                    struct policy_home **ret, struct err *err)
{
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = dirs_user_config();
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
		.no_user_config = option_given(o, "--no-user-config"),
		.given = files,
		.given_count = count,
	};
	*ret = policy_home_new(&places, data);
	return 0;
}

int cli_load_home(struct policy_home *home, struct policy **ret, struct err *err)
{
	AUTO(freep) char *untrusted = NULL;
	int r = policy_home_load(home, ret, &untrusted, err);

	if (r == 0 && untrusted != NULL)
		fprintf(stderr, "mishri: %s\n", untrusted);
	return r;
}

int cli_load_policy(const struct options *o, const char *workspace, const char *const *files, size_t count,
                    struct policy **ret, struct err *err)
{
	struct policy_home *home = NULL;
	int r = cli_policy_home(o, workspace, files, count, &home, err);

	if (r == 0)
		r = cli_load_home(home, ret, err);
	policy_home_free(home);
	return r;
}

void cli_trust_again(const struct options *o, const char *workspace)
{
	AUTO(freep) char *data = NULL;
	AUTO(json_decrefp) json_t *rows = NULL;
	char line[16] = "";
	size_t i;
	json_t *row;

	if (option_given(o, "--no-user-config") || isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1 ||
	    cli_data_dir(o, &data, NULL) < 0 || trust_state(data, workspace) != TRUST_CHANGED ||
	    trust_compare(data, workspace, &rows, NULL) < 0)
		return;
	tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before the question is no answer to it */
	fprintf(stderr, "You trusted %s, and these files of it are not as they were then:\n", workspace);
	json_array_foreach(rows, i, row) {
		AUTO(buf_done) struct buf name = BUF_INIT(KIB(64));
		sanitize_text(str_of(json_get_text(row, "file", "")), &name);
		if (strcmp(json_get_text(row, "state", ""), "unchanged") != 0)
			fprintf(stderr, "  %-8s %s\n", json_get_text(row, "state", ""), buf_text(&name));
	}
	fprintf(stderr, "Trust them as they are now? (`mishri trust --diff` shows the changes)\n"
	                "  y = yes · anything else = no, go on without them\n> ");
	struct err err = ERR_NONE;
	bool yes = fgets(line, sizeof line, stdin) != NULL && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
	if (yes && trust_add(data, workspace, &err) < 0)
		fprintf(stderr, "mishri: %s\n", err.text);
}

int cli_check_data(const struct options *o, const char *workspace, struct err *err)
{
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = dirs_user_config();
	int r = cli_data_dir(o, &data, err);

	if (r < 0)
		return r;
	if (dirs_lies_in(data, workspace))
		return err_set(err, EINVAL, "the data directory %s lies in the workspace, where tools could change the history;"
		               " give another with --data, or a workspace beside it with -w", data);
	if (user != NULL)
		*strrchr(user, '/') = '\0';
	/* Also where there is none yet: tools could write the policy of the next run there. */
	if (user != NULL && dirs_lies_in(user, workspace))
		return err_set(err, EINVAL, "your settings and policy %s lie in the workspace, where tools could change them;"
		               " choose the directory of one project with -w", user);
	return 0;
}
