/* secrets.c - reads the section, and answers what it says. It refuses unknown keys, a secret with two sources, and names that no
 * environment could hold. Fetching is in secretfetch.c. */
#include "engine/secrets.h"

#include <string.h>

#include "engine/secretfetch.h"
#include "policy/glob.h"

#include "base/banned.h"

struct secrets {
	struct secret list[LIMIT_SECRETS];   /* in order of name */
	size_t count;
	struct redactor *redactor;
	char *hidden;                        /* of secrets_hide; NULL: none */
	bool fetched, unlocked;
};

struct secrets *secrets_new(void)
{
	return xcalloc(1, sizeof(struct secrets));
}

static void texts_free(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static void secret_done(struct secret *s)
{
	secret_forget(s);
	texts_free(s->argv);
	texts_free(s->tools);
	texts_free(s->hosts);
	free(s->name);
	free(s->origin);
	free(s->from);
	*s = (struct secret){ 0 };
}

void secrets_free(struct secrets *secrets)
{
	if (secrets == NULL)
		return;
	redactor_free(secrets->redactor);
	if (secrets->hidden != NULL)
		explicit_bzero(secrets->hidden, strlen(secrets->hidden));
	free(secrets->hidden);
	for (size_t i = 0; i < secrets->count; i++)
		secret_done(&secrets->list[i]);
	free(secrets);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

bool secret_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= LIMIT_SECRET_NAME_BYTES && name[0] >= 'A' && name[0] <= 'Z' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;
}

static int read_texts(const struct yaml_node *list, const char *what, bool empty, char ***ret, struct err *err)
{
	int r = yaml_want(list, YAML_LIST, what, err);

	if (r < 0)
		return r;
	if (yaml_count(list) == 0 && !empty)
		return yaml_err(list, err, "%s: must not be empty", what);
	char **texts = *ret = xcalloc(yaml_count(list) + 1, sizeof *texts);
	for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n)) {
		if (!yaml_is_text(n) || yaml_text(n)[0] == '\0')
			return yaml_err(n, err, "%s: must be a list of texts that are not empty", what);
		*texts++ = xstrdup(yaml_text(n));
	}
	return 0;
}

static int read_allow(const struct yaml_node *map, struct secret *s, struct err *err)
{
	static const char *const keys[] = { "tools", "hosts" };
	const struct yaml_node *allow = yaml_get(map, "allow"), *n;

	if (allow == NULL)
		return 0;
	int r = yaml_want(allow, YAML_MAP, "'allow'", err);
	if (r == 0)
		r = yaml_only_keys(allow, keys, COUNT(keys), err);
	s->has_allow = true;
	if (r == 0 && (n = yaml_get(allow, "tools")) != NULL)
		r = read_texts(n, "allow: tools", true, &s->tools, err);
	if (r == 0 && (n = yaml_get(allow, "hosts")) != NULL)
		r = read_texts(n, "allow: hosts", true, &s->hosts, err);
	return r;
}

static const char *const sources[] = { [SECRET_ENV] = "env", [SECRET_FILE] = "file", [SECRET_COMMAND] = "command" };

static int read_source(const struct yaml_node *map, struct secret *s, struct err *err)
{
	const struct yaml_node *found = NULL;

	for (size_t i = 0; i < COUNT(sources); i++) {
		const struct yaml_node *n = yaml_get(map, sources[i]);
		if (n == NULL)
			continue;
		if (found != NULL)
			return yaml_err(n, err, "%s: has two sources; one of env, file and command is right", s->name);
		found = n;
		s->source = (enum secret_source)i;
	}
	if (found == NULL)
		return yaml_err(map, err, "%s: has no source: give one of 'env: VARIABLE', 'file: PATH' and 'command: [PROGRAM, ARG]'",
		                s->name);
	if (s->source == SECRET_COMMAND) {
		int r = read_texts(found, "command", false, &s->argv, err);
		s->from = r == 0 ? xstrdup(s->argv[0]) : NULL;
		return r;
	}
	if (!yaml_is_text(found) || yaml_text(found)[0] == '\0')
		return yaml_err(found, err, "%s: %s: must be a text that is not empty", s->name, sources[s->source]);
	if (s->source == SECRET_FILE && yaml_text(found)[0] != '/' && strncmp(yaml_text(found), "~/", 2) != 0)
		return yaml_err(found, err, "%s: file: must be an absolute path, or one that begins with ~/", s->name);
	s->from = xstrdup(yaml_text(found));
	return 0;
}

static int read_one(const struct yaml_node *node, struct secret *s, struct err *err)
{
	static const char *const keys[] = { "env", "file", "command", "allow" };
	const char *name = yaml_text(yaml_key(node));

	if (!secret_name_valid(name))
		return yaml_err(yaml_key(node), err, "secrets: '%.64s' is no name of a secret: it has 1 to %d of A-Z 0-9 _ and begins with "
		                "a letter", name, LIMIT_SECRET_NAME_BYTES);
	s->name = xstrdup(name);
	s->origin = xasprintf("%s:%d", yaml_name(node), yaml_line(yaml_key(node)));
	int r = yaml_want(node, YAML_MAP, name, err);
	if (r == 0)
		r = yaml_only_keys(node, keys, COUNT(keys), err);
	if (r == 0)
		r = read_source(node, s, err);
	return r == 0 ? read_allow(node, s, err) : r;
}

static void keep(struct secrets *secrets, struct secret *s)
{
	size_t at = 0;

	while (at < secrets->count && strcmp(secrets->list[at].name, s->name) < 0)
		at++;
	if (at < secrets->count && strcmp(secrets->list[at].name, s->name) == 0) {
		secret_done(&secrets->list[at]);
	} else {
		memmove(&secrets->list[at + 1], &secrets->list[at], (secrets->count - at) * sizeof *s);
		secrets->count++;
	}
	secrets->list[at] = *s;
	*s = (struct secret){ 0 };
}

int secrets_read(struct secrets *secrets, const struct yaml_node *section, bool check_only, struct err *err)
{
	int r = yaml_want(section, YAML_MAP, "secrets", err);

	for (const struct yaml_node *n = yaml_first(section); r == 0 && n != NULL; n = yaml_next(n)) {
		AUTO(secret_done) struct secret s = { 0 };
		r = read_one(n, &s, err);
		if (r == 0 && secrets->count == LIMIT_SECRETS && secrets_find(secrets, s.name) == NULL)
			r = yaml_err(yaml_key(n), err, "secrets: there are more than %d", LIMIT_SECRETS);
		if (r == 0 && !check_only)
			keep(secrets, &s);
	}
	return r;
}

/* ---- asking ------------------------------------------------------------------------------------------------ */

size_t secrets_count(const struct secrets *secrets)
{
	return secrets != NULL ? secrets->count : 0;
}

const struct secret *secrets_at(const struct secrets *secrets, size_t i)
{
	assert(i < secrets->count);
	return &secrets->list[i];
}

const struct secret *secrets_find(const struct secrets *secrets, const char *name)
{
	for (size_t i = 0; i < secrets_count(secrets); i++)
		if (strcmp(secrets->list[i].name, name) == 0)
			return &secrets->list[i];
	return NULL;
}

json_t *secrets_names(const struct secrets *secrets)
{
	json_t *all = json_array();

	for (size_t i = 0; i < secrets_count(secrets); i++)
		json_array_append_new(all, json_string(secrets->list[i].name));
	return all;
}

const char *secrets_near(const struct secrets *secrets, const char *name)
{
	const char *names[LIMIT_SECRETS];
	size_t count = secrets_count(secrets);

	for (size_t i = 0; i < count; i++)
		names[i] = secrets->list[i].name;
	return name_nearest(names, count, name);
}

const char *secret_source_name(enum secret_source source)
{
	return name_of(sources, COUNT(sources), source);
}

static bool any_matches(char *const *globs, const char *text)
{
	for (size_t i = 0; globs != NULL && globs[i] != NULL; i++)
		if (glob_match(globs[i], str_of(text), false))
			return true;
	return false;
}

bool secret_allows_tool(const struct secret *secret, const char *tool)
{
	return any_matches(secret->tools, tool);
}

bool secret_allows_host(const struct secret *secret, const char *host)
{
	return any_matches(secret->hosts, host);
}

void secrets_fetch(struct secrets *secrets)
{
	if (secrets == NULL || secrets->fetched)
		return;
	secrets->fetched = true;
	secrets->redactor = redactor_new();
	for (size_t i = 0; i < secrets->count; i++) {
		struct secret *s = &secrets->list[i];
		bool locked = true;
		if (secret_fetch(s, &locked, &s->why) < 0)
			continue;
		secrets->unlocked |= !locked;
		redactor_add(secrets->redactor, s->name, (struct str){ s->value, s->value_len });
	}
}

void secrets_hide(struct secrets *secrets, const char *name, struct str value)
{
	if (secrets->hidden != NULL || secrets->redactor == NULL)
		return;
	secrets->hidden = xstrndup(value.ptr, value.len);
	redactor_add(secrets->redactor, name, str_of(secrets->hidden));
}

const struct redactor *secrets_redactor(const struct secrets *secrets)
{
	return secrets != NULL ? secrets->redactor : NULL;
}

bool secrets_locked(const struct secrets *secrets)
{
	return !secrets->unlocked;
}

static json_t *texts_json(char *const *list)
{
	json_t *all = json_array();

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		json_array_append_new(all, json_of_str(str_of(list[i])));
	return all;
}

json_t *secrets_json(const struct secrets *secrets)
{
	json_t *all = json_array();

	for (size_t i = 0; i < secrets_count(secrets); i++) {
		const struct secret *s = &secrets->list[i];
		json_t *one = json_object(), *allow = json_null();
		if (s->has_allow)
			allow = json_pack("{s:o, s:o}", "tools", texts_json(s->tools), "hosts", texts_json(s->hosts));
		json_put_text(one, "name", s->name);
		json_put_text(one, "source", secret_source_name(s->source));
		json_put_text(one, "from", s->from);
		json_put_text(one, "origin", s->origin);
		json_put(one, "allow", allow);
		json_array_append_new(all, one);
	}
	return all;
}
