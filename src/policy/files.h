/* files.h - which policy files hold, for `run` and `policy check` alike. */
#ifndef MISHRI_POLICY_FILES_H
#define MISHRI_POLICY_FILES_H

#include "policy/policy.h"

#define POLICY_ADMIN_DIR "/etc/mishri/policy.d"

/* The policies that come with the program: "builtin:readonly" stands wherever a policy file does. */
enum { POLICY_NAME_BYTES = 32 };
bool policy_is_ready_made(const char *path);
size_t policy_ready_names(char ret[][POLICY_NAME_BYTES], size_t max);
/* The text of one, by name, with or without "builtin:". -EINVAL: err names those that there are. */
MUST_USE int policy_ready_text(const char *path, struct str *ret, struct err *err);

/* Where to look. NULL: not there. */
struct policy_places {
	const char *admin_dir;       /* POLICY_ADMIN_DIR: every *.yaml in it, in the order of the names */
	const char *config_dir;      /* $XDG_CONFIG_HOME/mishri: policy.yaml in it */
	const char *workspace;       /* .mishri/policy.yaml in it */
	bool trusted;                /* the person trusted this workspace */
	bool no_user_config;         /* read nothing but the admin's and `given` */
	const char *const *given;    /* -p, in order; they take the place of the project's file */
	size_t given_count;
};

struct policy_files {
	struct policy_file *files;   /* their paths are owned */
	size_t count;
	char *untrusted;             /* a project file that was passed over, for one line to the person; or NULL */
};

/* 0, or -errno where a place cannot be read or holds what looks like a policy but would not be loaded. */
MUST_USE int policy_files_find(const struct policy_places *places, struct policy_files *ret, struct err *err);
void policy_files_done(struct policy_files *files);

#endif
