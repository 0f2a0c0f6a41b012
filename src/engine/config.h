/* config.h - the settings of one run, each with where it came from. Layers, weakest first: built-in,
 * admin file, user file, project file (trusted directories only), environment, flags; then keys that the
 * admin file locks. A wrong value in any layer is an error, also where a stronger layer hides it. */
#ifndef MISHRI_ENGINE_CONFIG_H
#define MISHRI_ENGINE_CONFIG_H

#include <sys/types.h>

#include "base/json.h"
#include "core/bounds.h"

enum config_type {
	CONFIG_TEXT, CONFIG_MODEL, CONFIG_CHOICE, CONFIG_INT,
	CONFIG_MODELS,               /* a chain, with commas: fallback_read */
	CONFIG_DURATION,             /* as a number: milliseconds */
	CONFIG_BYTES,
	CONFIG_MONEY,                /* US dollars as text; as a number: usd_nanos */
};

/* One row per key: parsing, --help, `mishri config` and the manual read this table. */
struct config_key {
	const char *name;            /* as files and -c write it; MISHRI_NAME in the environment */
	enum config_type type;
	const char *otherwise;       /* the built-in value as text; NULL: none */
	const char *choices;         /* CONFIG_CHOICE: "auto always never" */
	int64_t least, most;         /* of the number */
	bool project;                /* may a project file set it? Tools can write there */
	const char *about;
};
const struct config_key *config_key_at(size_t i);           /* NULL past the end */

struct config_sources {
	const char *admin_file;      /* NULL: none */
	uid_t admin_owner;           /* who must own it; nobody else may be able to write it */
	const char *user_file;       /* NULL: none */
	const char *project;         /* directory whose .mishri/config.yaml counts where it is trusted; NULL: none */
	const char *data;            /* the data directory, which knows what is trusted */
	const char *const *env;      /* NULL-terminated, "NAME=value"; NULL: none */
	/* --no-user-config: of all this only the locked keys of the admin file count. */
	bool only_flags;
};

struct config;
struct secrets;                                             /* secrets.h */
struct agents;                                              /* agents.h */
struct prices;                                              /* llm/prices.h */

/* 0, or -errno: err says "FILE:LINE:COL: KEY: why" or "VARIABLE: why" with what would be right. A file that
 * does not exist is an empty one. */
MUST_USE int config_load(const struct config_sources *sources, struct config **ret, struct err *err);
/* The same from the places where this machine keeps them: /etc/mishri/config.yaml (root's), the user's file,
 * the environment of this process. */
MUST_USE int config_load_usual(const char *data, const char *project, bool only_flags, struct config **ret,
                               struct err *err);
void config_free(struct config *config);                    /* NULL is fine */
void config_freep(struct config **config);

/* From a flag; flag: what the person wrote, "--model". A locked key takes no other value: -EPERM. */
MUST_USE int config_set(struct config *config, const char *key, const char *value, const char *flag, struct err *err);
/* From `-c KEY=VALUE`. */
MUST_USE int config_set_pair(struct config *config, const char *pair, struct err *err);

/* key: must be one of the table. Text as it was written, NULL when there is none; numbers 0 then. */
const char *config_text(const struct config *config, const char *key);
int64_t config_number(const struct config *config, const char *key);
const char *config_origin(const struct config *config, const char *key); /* "built-in", "FILE:LINE", "MISHRI_MODEL", "--model" */
struct bounds config_bounds(const struct config *config);                /* of all keys limits.* */
bool config_locked(const struct config *config, const char *key);

/* The project file that was passed over because its directory is not trusted; NULL: none. Borrowed. */
const char *config_untrusted(const struct config *config);

/* What is wrong in the OTEL_* of the environment, one sentence; NULL: nothing. Then otel.export is off. Borrowed. */
const char *config_otel_wrong(const struct config *config);
bool config_env_counts(const struct config *config);        /* false: --no-user-config */

/* The section `agents:` of all layers; borrowed, never NULL. */
const struct agents *config_agents(const struct config *config);
/* The section `prices:` of the admin's and the user's file; borrowed, never NULL. */
const struct prices *config_prices(const struct config *config);

/* The section `secrets:` of the administrator and the user, not fetched; borrowed, never NULL. */
struct secrets *config_secrets(const struct config *config);

/* {KEY: {"value", "origin", "locked"}}; the caller owns it. */
MUST_USE json_t *config_json(const struct config *config);

#endif
