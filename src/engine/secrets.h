/* secrets.h - the section `secrets:` of the configuration: names, where their values come from, and where they may be used. The
 * values are in locked memory of this process, from the start of a run to its end, and leave it in two ways only: into the
 * environment of one call, and into a header that the egress proxy adds (secretuse.c). */
#ifndef MISHRI_ENGINE_SECRETS_H
#define MISHRI_ENGINE_SECRETS_H

#include "base/yaml.h"
#include "tools/redact.h"

struct secrets;                              /* opaque; owns all of it */

enum secret_source { SECRET_ENV, SECRET_FILE, SECRET_COMMAND };

struct secret {
	char *name, *origin;                 /* origin: "FILE:LINE" */
	enum secret_source source;
	char *from;                          /* the variable or the file; of a command its first word */
	char **argv;                         /* SECRET_COMMAND, NULL-terminated */
	bool has_allow;                      /* it says itself where it may be used; what it leaves out is refused then */
	char **tools, **hosts;               /* globs, NULL-terminated; NULL: none */
	char *value;                         /* locked; NULL: not fetched, or `why` */
	size_t value_len;
	struct err why;
};

MUST_USE struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets);  /* NULL is fine; wipes the values */

/* The section of one file; weaker files first, a name that is there already is replaced whole. check_only: what is wrong is
 * said, nothing is taken. -EINVAL with FILE:LINE:COL. */
MUST_USE int secrets_read(struct secrets *secrets, const struct yaml_node *section, bool check_only, struct err *err);

/* Fetches every value, once; commands are started, so before the loop runs. What cannot be fetched says so when it is used. */
void secrets_fetch(struct secrets *secrets);

/* After secrets_fetch, once: one value more that is hidden like the others, and that no tool can ask for. */
void secrets_hide(struct secrets *secrets, const char *name, struct str value);

size_t secrets_count(const struct secrets *secrets);         /* NULL: 0 */
const struct secret *secrets_at(const struct secrets *secrets, size_t i);   /* in order of name */
const struct secret *secrets_find(const struct secrets *secrets, const char *name);   /* NULL */
MUST_USE json_t *secrets_names(const struct secrets *secrets);   /* the caller owns it */
/* The name that is nearest, for "did you mean"; NULL. */
const char *secrets_near(const struct secrets *secrets, const char *name);
const char *secret_source_name(enum secret_source source);   /* "env", "file", "command" */
bool secret_allows_tool(const struct secret *secret, const char *tool);
bool secret_allows_host(const struct secret *secret, const char *host);
bool secret_name_valid(const char *name);

/* Knows every fetched value; borrowed, lives as long as the secrets. NULL: there is none. */
const struct redactor *secrets_redactor(const struct secrets *secrets);
bool secrets_locked(const struct secrets *secrets);          /* false: the kernel would not keep the values out of swap */

/* [{"name","source","from","origin","allow":{"tools","hosts"}|null}]; never a value. The caller owns it. */
MUST_USE json_t *secrets_json(const struct secrets *secrets);

#endif
