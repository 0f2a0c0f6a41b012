/* agents.c - reads agent profiles. It refuses unknown keys and tools, a role that does not fit the name, and to let a
 * project file, which tools can write, change an agent of the person's or send the work to another model. */
#include "engine/agents.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/permission.h"

#include "base/banned.h"

enum { NAME_BYTES = 32, TOOLS_MOST = LIMIT_TOOLS };

struct row {
	struct agent_profile profile;  /* its texts are ours */
	char *origin;
};

struct agents {
	struct row rows[LIMIT_AGENTS];
	struct agent_profile profiles[LIMIT_AGENTS]; /* the same, side by side, for the engine */
	size_t count;
};

struct agents *agents_new(void)
{
	return xcalloc(1, sizeof(struct agents));
}

static void row_done(struct row *row)
{
	const struct agent_profile *p = &row->profile;

	for (size_t i = 0; i < p->tool_count; i++)
		free((char *)p->tools[i]);
	free((void *)p->tools);
	for (size_t i = 0; i < p->fallback_count; i++)
		free((char *)p->fallback[i]);
	free((void *)p->fallback);
	free((char *)p->name);
	free((char *)p->role);
	free((char *)p->model);
	free((char *)p->prompt);
	free(row->origin);
	*row = (struct row){ 0 };
}

static void row_donep(struct row *row)
{
	row_done(row);
}

void agents_free(struct agents *agents)
{
	for (size_t i = 0; agents != NULL && i < agents->count; i++)
		row_done(&agents->rows[i]);
	free(agents);
}

/* ---- one profile --------------------------------------------------------------------------------------- */

static int check_name(const struct yaml_node *key, struct err *err)
{
	const char *name = yaml_text(key);

	if (name[0] == '\0' || strlen(name) > NAME_BYTES || !islower((unsigned char)name[0]) ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name))
		return yaml_err(key, err, "agents: '%.64s' is no name of an agent: it has 1 to %d of a-z 0-9 - _ and begins with a letter",
		                name, NAME_BYTES);
	return 0;
}

static int read_text(const struct yaml_node *map, const char *agent, const char *key, const char **ret, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return 0;
	if (!yaml_is_text(node) || str_trim(str_of(yaml_text(node))).len == 0)
		return yaml_err(node, err, "%s: %s: must be a text that is not empty", agent, key);
	if (strlen(yaml_text(node)) > LIMIT_AGENT_PROMPT_BYTES)
		return yaml_err(node, err, "%s: %s: has more than %zu bytes", agent, key, LIMIT_AGENT_PROMPT_BYTES);
	*ret = xstrdup(yaml_text(node));
	return 0;
}

/* master and worker are what they are called; others are workers where nothing is said. */
static int read_role(const struct yaml_node *map, const char *agent, const char **ret, struct err *err)
{
	static const char *const roles[] = { "master", "worker" };
	const struct yaml_node *node = yaml_get(map, "role");
	bool fixed = name_find(roles, COUNT(roles), agent) >= 0;
	const char *role = node == NULL ? fixed ? agent : "worker" : yaml_is_scalar(node) ? yaml_text(node) : "";

	if (name_find(roles, COUNT(roles), role) < 0)
		return yaml_err(node, err, "%s: role: must be master (plans, delegates, answers) or worker (carries out one part)", agent);
	if (fixed && strcmp(role, agent) != 0)
		return yaml_err(node, err, "%s: role: the agent '%s' is always a %s; give this one another name", agent, agent, agent);
	*ret = xstrdup(role);
	return 0;
}

static bool is_model(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash != NULL && slash != text && slash[1] != '\0' && strpbrk(text, "\n\r\t\033") == NULL;
}

static int read_model(const struct yaml_node *map, const char *agent, bool project, const char **ret, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "model");
	int r = read_text(map, agent, "model", ret, err);

	if (r < 0 || node == NULL)
		return r;
	if (project)
		return yaml_err(yaml_key(node), err, "%s: model: is not for an agent of a project file, which tools can write: define "
		                "the agent in the user file", agent);
	if (!is_model(*ret))
		return yaml_err(node, err, "%s: model: '%.64s' must be PROVIDER/MODEL, such as ollama/llama3", agent, *ret);
	return 0;
}

/* An empty list: none stands in for its model. */
static int read_fallback(const struct yaml_node *map, bool project, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "fallback");
	char what[NAME_BYTES + 16];

	if (node == NULL)
		return 0;
	if (project)
		return yaml_err(yaml_key(node), err, "%s: fallback: is not for an agent of a project file, which tools can write: define "
		                "the agent in the user file", p->name);
	snprintf(what, sizeof what, "%s: fallback", p->name);
	int r = yaml_want(node, YAML_LIST, what, err);
	if (r < 0)
		return r;
	if (yaml_count(node) > LIMIT_FALLBACKS)
		return yaml_err(node, err, "%s: fallback: has more than %d models", p->name, LIMIT_FALLBACKS);
	const char **names = xcalloc(yaml_count(node) + 1, sizeof *names);
	p->fallback = names;
	for (const struct yaml_node *n = yaml_first(node); n != NULL; n = yaml_next(n)) {
		const char *name = yaml_is_text(n) ? yaml_text(n) : "";
		bool twice = p->model != NULL && strcmp(p->model, name) == 0;
		if (!is_model(name))
			return yaml_err(n, err, "%s: fallback: '%.64s' must be PROVIDER/MODEL, such as ollama/llama3", p->name, name);
		for (size_t i = 0; i < p->fallback_count; i++)
			twice |= strcmp(names[i], name) == 0;
		if (twice)
			return yaml_err(n, err, "%s: fallback: %s is in the chain twice; leave one out", p->name, name);
		names[p->fallback_count++] = xstrdup(name);
	}
	return 0;
}

static int check_tool(const struct yaml_node *n, const char *agent, const char *role, struct err *err)
{
	const char *names[TOOLS_MOST], *name = yaml_is_text(n) ? yaml_text(n) : "";
	size_t count = tool_names(names, COUNT(names));
	const struct tool *tool = tool_find(name);

	if (tool == NULL) {
		const char *near = name_nearest(names, count, name);
		if (near != NULL)
			return yaml_err(n, err, "%s: tools: there is no tool '%.64s': did you mean '%s'?", agent, name, near);
		return yaml_err(n, err, "%s: tools: there is no tool '%.64s'; `mishri tools list` shows them", agent, name);
	}
	if (tool->control && strcmp(role, "master") != 0)
		return yaml_err(n, err, "%s: tools: '%s' is for masters only; give it 'role: master' or leave the tool out", agent, name);
	for (const struct yaml_node *other = n; (other = yaml_next(other)) != NULL;)
		if (yaml_is_text(other) && strcmp(yaml_text(other), name) == 0)
			return yaml_err(other, err, "%s: tools: '%s' is there twice", agent, name);
	return 0;
}

static int read_tools(const struct yaml_node *map, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "tools");
	char what[NAME_BYTES + 16];

	if (node == NULL)
		return 0;
	snprintf(what, sizeof what, "%s: tools", p->name);
	int r = yaml_want(node, YAML_LIST, what, err);
	const char **tools = xcalloc(yaml_count(node) + 1, sizeof *tools);
	p->tools = tools; /* an empty list: no tool at all */
	for (const struct yaml_node *n = yaml_first(node); r == 0 && n != NULL; n = yaml_next(n)) {
		r = check_tool(n, p->name, p->role, err);
		if (r == 0)
			tools[p->tool_count++] = xstrdup(yaml_text(n));
	}
	return r;
}

static int read_permissions(const struct yaml_node *map, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "permissions");
	char what[NAME_BYTES + 24];
	unsigned set = 0, one, needed;
	struct err word;

	if (node == NULL)
		return 0;
	snprintf(what, sizeof what, "%s: permissions", p->name);
	int r = yaml_want(node, YAML_LIST, what, err);
	for (const struct yaml_node *n = yaml_first(node); r == 0 && n != NULL; n = yaml_next(n)) {
		if (!yaml_is_text(n) || permissions_parse(str_of(yaml_text(n)), &one, &word) < 0 || one == 0)
			return yaml_err(n, err, "%s: permissions: %s", p->name, yaml_is_text(n) && yaml_text(n)[0] != '\0' ? word.text :
			                "each is one of " PERMISSION_NAMES);
		if ((set & one) != 0)
			return yaml_err(n, err, "%s: permissions: '%s' is there twice", p->name, yaml_text(n));
		set |= one;
	}
	p->withheld = PERMISSIONS_ALL & ~set;
	for (size_t i = 0; r == 0 && i < p->tool_count; i++) {
		permissions_of_row(tool_find(p->tools[i])->permissions, &needed);
		if ((needed & p->withheld) != 0)
			return yaml_err(node, err, "%s: permissions: the tool '%s' of this agent needs more than this: add what "
			                "`mishri tools show %s` says, or leave the tool out", p->name, p->tools[i], p->tools[i]);
	}
	return r;
}

static int read_limits(const struct yaml_node *map, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *turns = yaml_get(map, "max_turns"), *timeout = yaml_get(map, "timeout");
	const struct yaml_node *slots = yaml_get(map, "slots");
	uint64_t n;

	if (turns != NULL) {
		if (!yaml_is_scalar(turns) || str_to_u64(str_of(yaml_text(turns)), &n) < 0 || n < 1 || n > 100000)
			return yaml_err(turns, err, "%s: max_turns: must be a whole number from 1 to 100000, such as 50", p->name);
		p->turns = (int64_t)n;
	}
	if (slots != NULL) {
		if (!yaml_is_scalar(slots) || str_to_u64(str_of(yaml_text(slots)), &n) < 0 || n < 1 || n > LIMIT_SLOTS_MOST)
			return yaml_err(slots, err, "%s: slots: must be a whole number from 1 to %d, such as 4", p->name, LIMIT_SLOTS_MOST);
		p->slots = (int64_t)n;
	}
	if (timeout != NULL && (!yaml_is_scalar(timeout) || str_to_duration_ms(str_of(yaml_text(timeout)), &p->timeout_ms) < 0 ||
	                        p->timeout_ms < 1000 || p->timeout_ms > 30 * 86400000ll))
		return yaml_err(timeout, err, "%s: timeout: must be a time from 1s to 30d, such as 90s, 30m or 2h", p->name);
	return 0;
}

static int read_bounds(const struct yaml_node *map, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "limits");
	const char *names[BOUND_COUNT];
	size_t count = bound_names(names);
	struct err why;

	if (node == NULL)
		return 0;
	int r = yaml_want(node, YAML_MAP, "limits", err);
	if (r == 0)
		r = yaml_only_keys(node, names, count, err);
	for (const struct yaml_node *n = yaml_first(node); r == 0 && n != NULL; n = yaml_next(n)) {
		enum bound bound = bound_find(yaml_text(yaml_key(n)));
		if (bound_parse(bound, yaml_is_scalar(n) ? yaml_text(n) : "", &p->bounds.at[bound], &why) < 0)
			r = yaml_err(n, err, "%s: limits: %s", p->name, why.text);
	}
	return r;
}

/* A profile can tighten only. */
static int read_mode(const struct yaml_node *map, struct agent_profile *p, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "workspace_mode");

	if (node == NULL)
		return 0;
	if (!yaml_is_text(node) || strcmp(yaml_text(node), "readonly") != 0)
		return yaml_err(node, err, "%s: workspace_mode: of an agent it can only be readonly; leave it out for the mode of the run",
		                p->name);
	p->readonly = true;
	return 0;
}

static int read_row(const struct yaml_node *node, bool project, struct row *row, struct err *err)
{
	static const char *const keys[] = {
		"role", "model", "fallback", "prompt", "tools", "permissions", "max_turns", "timeout", "slots", "workspace_mode", "limits",
	};
	struct agent_profile *p = &row->profile;
	int r = check_name(yaml_key(node), err);

	if (r < 0)
		return r;
	p->name = xstrdup(yaml_text(yaml_key(node)));
	row->origin = xasprintf("%s:%d", yaml_name(node), yaml_line(yaml_key(node)));
	r = yaml_want(node, YAML_MAP, p->name, err);
	if (r == 0)
		r = yaml_only_keys(node, keys, COUNT(keys), err);
	if (r == 0)
		r = read_role(node, p->name, &p->role, err);
	if (r == 0)
		r = read_model(node, p->name, project, &p->model, err);
	if (r == 0)
		r = read_fallback(node, project, p, err);
	if (r == 0)
		r = read_text(node, p->name, "prompt", &p->prompt, err);
	if (r == 0)
		r = read_tools(node, p, err);
	if (r == 0)
		r = read_permissions(node, p, err);
	if (r == 0)
		r = read_mode(node, p, err);
	if (r == 0)
		r = read_limits(node, p, err);
	return r == 0 ? read_bounds(node, p, err) : r;
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

static size_t place_of(const struct agents *agents, const char *name)
{
	size_t at = 0;

	while (at < agents->count && strcmp(agents->rows[at].profile.name, name) < 0)
		at++;
	return at;
}

static bool is_at(const struct agents *agents, size_t at, const char *name)
{
	return at < agents->count && strcmp(agents->rows[at].profile.name, name) == 0;
}

static void keep(struct agents *agents, struct row *row)
{
	size_t at = place_of(agents, row->profile.name);

	if (is_at(agents, at, row->profile.name)) {
		row_done(&agents->rows[at]);
	} else {
		memmove(&agents->rows[at + 1], &agents->rows[at], (agents->count - at) * sizeof *agents->rows);
		agents->count++;
	}
	agents->rows[at] = *row;
	*row = (struct row){ 0 };
	for (size_t i = 0; i < agents->count; i++)
		agents->profiles[i] = agents->rows[i].profile;
}

int agents_read(struct agents *agents, const struct yaml_node *section, bool project, bool check_only, struct err *err)
{
	int r = yaml_want(section, YAML_MAP, "agents", err);

	for (const struct yaml_node *n = yaml_first(section); r == 0 && n != NULL; n = yaml_next(n)) {
		AUTO(row_donep) struct row row = { 0 };
		r = read_row(n, project, &row, err);
		if (r < 0)
			return r;
		size_t at = place_of(agents, row.profile.name);
		bool known = is_at(agents, at, row.profile.name);
		if (known && project)
			return yaml_err(yaml_key(n), err, "agents: '%s' is defined in %s already; a project file can add agents, but change none: "
			                "give this one another name", row.profile.name, agents->rows[at].origin);
		if (!known && agents->count == LIMIT_AGENTS)
			return yaml_err(yaml_key(n), err, "agents: there are more than %d", LIMIT_AGENTS);
		if (!check_only)
			keep(agents, &row);
	}
	return r;
}

const struct agent_profile *agents_all(const struct agents *agents, size_t *ret_count)
{
	*ret_count = agents->count;
	return agents->profiles;
}

const char *agents_origin(const struct agents *agents, size_t i)
{
	return agents->rows[i].origin;
}

const struct agent_profile *agents_find(const struct agents *agents, const char *name)
{
	size_t at = place_of(agents, name);

	return is_at(agents, at, name) ? &agents->profiles[at] : NULL;
}

json_t *agents_json(const struct agents *agents)
{
	json_t *all = json_object();

	for (size_t i = 0; i < agents->count; i++) {
		const struct agent_profile *p = &agents->profiles[i];
		json_t *one = json_object(), *tools = p->tools != NULL ? json_array() : json_null();
		for (size_t k = 0; k < p->tool_count; k++)
			json_array_append_new(tools, json_string(p->tools[k]));
		json_put_text(one, "role", p->role);
		json_put_text(one, "model", p->model);
		json_t *fallback = p->fallback != NULL ? json_array() : json_null();
		for (size_t k = 0; k < p->fallback_count; k++)
			json_array_append_new(fallback, json_string(p->fallback[k]));
		json_put(one, "fallback", fallback);
		json_put_text(one, "prompt", p->prompt);
		json_put(one, "tools", tools);
		json_put(one, "permissions", p->withheld != 0 ? permissions_json(PERMISSIONS_ALL & ~p->withheld) : json_null());
		json_put_text(one, "workspace_mode", p->readonly ? "readonly" : NULL);
		json_put(one, "max_turns", p->turns > 0 ? json_integer(p->turns) : json_null());
		json_put(one, "slots", p->slots > 0 ? json_integer(p->slots) : json_null());
		json_put(one, "timeout_ms", p->timeout_ms > 0 ? json_integer(p->timeout_ms) : json_null());
		json_t *limits = json_object();
		bounds_write(&p->bounds, limits);
		json_put(one, "limits", limits);
		json_put_text(one, "origin", agents->rows[i].origin);
		json_put(all, p->name, one);
	}
	return all;
}
