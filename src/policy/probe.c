/* probe.c - makes an action out of words. Decides nothing, starts nothing. */
#include "policy/probe.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/limits.h"
#include "policy/rules.h"

#include "base/banned.h"

static const char *const origin_names[] = {
	[ORIGIN_UNTRUSTED] = "untrusted", [ORIGIN_WORKSPACE] = "workspace", [ORIGIN_SYSTEM] = "system",
};

const char *origin_name(enum origin origin)
{
	return name_of(origin_names, COUNT(origin_names), origin);
}

/* The probe frees it. */
static const char *own(struct probe *p, char *text)
{
	p->owned = xrealloc(p->owned, (p->owned_count + 1) * sizeof(char *));
	p->owned[p->owned_count++] = text;
	return text;
}

static const char *copy(struct probe *p, const char *text)
{
	return text != NULL ? own(p, xstrdup(text)) : NULL;
}

void probe_init(struct probe *p, const char *workspace)
{
	*p = (struct probe){ .facts = { .user = "", .role = "worker", .agent = "worker", .channel = "cli",
	                                .interactive = true, .depth = 1 } };
	p->facts.workspace = copy(p, workspace);
	p->facts.env = p->env;
}

void probe_done(struct probe *p)
{
	for (size_t i = 0; i < p->owned_count; i++)
		free(p->owned[i]);
	free(p->owned);
	json_decref(p->args);
}

/* ---- facts ---- */

static int number_read(const char *key, const char *text, int64_t max, int64_t *ret, struct err *err)
{
	uint64_t n;

	if (str_to_u64(str_of(text), &n) != 0 || n > (uint64_t)max)
		return err_set(err, EINVAL, "%s=%.40s: not a whole number up to %lld", key, text, (long long)max);
	*ret = (int64_t)n;
	return 0;
}

/* 2026-11-22T15:04:05Z, with or without microseconds. */
static int time_read(const char *text, int64_t *ret, struct err *err)
{
	size_t len = strlen(text);
	AUTO(freep) char *whole = len == 20 && text[19] == 'Z' ? xasprintf("%.19s.000000Z", text) : xstrdup(text);

	if (clock_parse(whole, ret) != 0)
		return err_set(err, EINVAL, "time=%.40s: write it as 2026-11-22T15:04:05Z", text);
	return 0;
}

static int word_read(struct probe *p, const char *key, const char *value, const char *const *words, size_t count,
                     const char **ret, struct err *err)
{
	if (name_find(words, count, value) < 0) {
		const char *near = name_nearest(words, count, value);
		return err_set(err, EINVAL, "%s=%.40s: unknown; %s %s", key, value, near != NULL ? "did you mean" : "try",
		               near != NULL ? near : words[0]);
	}
	*ret = copy(p, value);
	return 0;
}

/* The newest one counts. */
static int env_add(struct probe *p, const char *name, const char *value, struct err *err)
{
	size_t count = 0;

	while (p->env[count] != NULL)
		count++;
	if (count + 1 == COUNT(p->env))
		return err_set(err, EINVAL, "env.%.40s: at most %d variables", name, PROBE_ENV);
	memmove(p->env + 1, p->env, count * sizeof *p->env);
	p->env[0] = own(p, xasprintf("%s=%s", name, value));
	p->facts.env = p->env;
	return 0;
}

int probe_set_fact(struct probe *p, const char *key, const char *value, struct err *err)
{
	static const char *const keys[] = { "user", "role", "agent", "channel", "interactive", "depth", "workspace", "taint",
	                                    "calls", "time", "cost_usd" };
	static const char *const role_words[] = { "worker", "master" };
	static const char *const channel_words[] = { "cli", "http", "schedule", "mcp" };
	static const char *const bool_words[] = { "true", "false" };
	struct facts *f = &p->facts;
	const char *word;
	int64_t number;

	if (strncmp(key, "env.", 4) == 0 && key[4] != '\0')
		return env_add(p, key + 4, value, err);
	switch (name_find(keys, COUNT(keys), key)) {
	case 0:
		f->user = copy(p, value);
		return 0;
	case 1:
		return word_read(p, key, value, role_words, COUNT(role_words), &f->role, err);
	case 2:
		f->agent = copy(p, value);
		return 0;
	case 3:
		return word_read(p, key, value, channel_words, COUNT(channel_words), &f->channel, err);
	case 4:
		if (word_read(p, key, value, bool_words, COUNT(bool_words), &word, err) != 0)
			return -EINVAL;
		f->interactive = word != NULL && strcmp(word, "true") == 0;
		return 0;
	case 5:
		if (number_read(key, value, 1000, &number, err) != 0)
			return -EINVAL;
		f->depth = (int)number;
		return 0;
	case 6:
		if (value[0] != '/')
			return err_set(err, EINVAL, "workspace=%.80s: not an absolute path", value);
		f->workspace = copy(p, value);
		return 0;
	case 7:
		if (f->taint_count == PROBE_TAINTS)
			return err_set(err, EINVAL, "taint=%.40s: at most %d taints", value, PROBE_TAINTS);
		p->taints[f->taint_count++] = copy(p, value);
		f->taints = p->taints;
		return 0;
	case 8:
		return number_read(key, value, INT64_MAX, &f->calls, err);
	case 9:
		return time_read(value, &f->time_us, err);
	case 10:
		if (usd_parse(str_of(value), &f->cost_nanos) != 0)
			return err_set(err, EINVAL, "cost_usd=%.40s: not US dollars such as 2.50", value);
		return 0;
	default:
		break;
	}
	const char *near = name_nearest(keys, COUNT(keys), key);
	return err_set(err, EINVAL, "unknown fact '%.40s': %s%s", key, near != NULL ? "did you mean " :
	               "known are user, role, agent, channel, interactive, depth, workspace, taint, calls, cost_usd, time and env.NAME",
	               near != NULL ? near : "");
}

/* ---- actions ---- */

void probe_set_tool(struct probe *p, const char *name, const char *category, const char *risk, const json_t *args)
{
	json_decref(p->args);
	p->args = json_deep_copy(args);
	p->action = (struct action){ .kind = ACTION_TOOL,
		.tool = { copy(p, name), copy(p, category), copy(p, risk), p->args } };
}

static void leads_to(struct probe *p, const struct address *address)
{
	char text[ADDRESS_TEXT_BYTES];

	address_format(address, text);
	p->action.net.address = address_class_of(address);
	p->action.net.resolved = copy(p, text);
}

int probe_add_net(struct probe *p, const char *method, const char *address, struct err *err)
{
	struct host leads;

	p->action.net.method = copy(p, method);
	if (address == NULL)
		return 0;
	if (host_read(str_of(address), &leads, err) < 0 || leads.address.family == 0)
		return err_set(err, EINVAL, "address '%.80s': write what the name leads to, such as 10.0.0.1", address);
	if (p->action.net.resolved != NULL)
		return err_set(err, EINVAL, "address '%.80s': %s is an address already", address, p->action.net.host);
	leads_to(p, &leads.address);
	return 0;
}

int probe_set_net(struct probe *p, const char *host_port, const char *scheme, struct err *err)
{
	const char *colon = strrchr(host_port, ':');
	struct host host;
	uint64_t port;

	if (colon == NULL || colon == host_port || str_to_u64(str_of(colon + 1), &port) != 0 || port < 1 || port > 65535)
		return err_set(err, EINVAL, "'%.80s' is no HOST:PORT: write api.example.com:443", host_port);
	struct str name = { host_port, (size_t)(colon - host_port) };
	if (host_read(name, &host, err) < 0)
		return -EINVAL;
	p->action = (struct action){ .kind = ACTION_NET };
	p->action.net.host = copy(p, host.name);
	p->action.net.address = ADDRESS_PUBLIC;
	if (host.address.family != 0)
		leads_to(p, &host.address);
	p->action.net.port = (int)port;
	p->action.net.scheme = copy(p, scheme != NULL ? scheme : port == 443 ? "https" : port == 80 ? "http" : "tcp");
	return 0;
}

enum origin origin_of(const char *real_path, const char *workspace)
{
	static const char *const system_dirs[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };

	for (size_t i = 0; i < COUNT(system_dirs); i++)
		if (path_is_within(real_path, system_dirs[i]))
			return ORIGIN_SYSTEM;
	return workspace[0] == '/' && path_is_within(real_path, workspace) ? ORIGIN_WORKSPACE : ORIGIN_UNTRUSTED;
}

/* The path that a shell in the cell would start. The caller owns it; NULL: there is none. */
static char *look_up(const char *program, const char *workspace)
{
	struct str dirs = STR(CELL_PATH), dir;

	if (strchr(program, '/') != NULL) {
		char *path = program[0] == '/' ? xstrdup(program) : xasprintf("%s/%s", workspace, program);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
		return NULL;
	}
	while (str_next(&dirs, ':', &dir)) {
		char *path = xasprintf("%.*s/%s", STR_ARG(dir), program);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* A path of a program, by its spelling alone. The caller owns it. */
static char *spelled(const char *program, const char *workspace)
{
	if (strchr(program, '/') == NULL)
		return xasprintf("/usr/bin/%s", program);
	AUTO(freep) char *path = program[0] == '/' ? xstrdup(program) : xasprintf("%s/%s", workspace, program);
	return path_clean(path);
}

/* The names that the program goes by: its file's, its link's, and the applet's where one file is many programs. */
static void name_program(struct probe *p, const char *asked, const char *const *argv, size_t argc)
{
	static const char *const many[] = { "busybox", "toybox" };
	struct action *a = &p->action;
	AUTO(freep) char *dir = xstrndup(asked, (size_t)(base_name(asked) - asked));
	AUTO(freep) char *link_dir = path_clean(dir);

	p->names[a->exec.name_count++] = own(p, xstrdup(base_name(a->exec.program)));
	a->exec.trusted_names = 1;
	if (strcmp(base_name(asked), p->names[0]) != 0) {
		p->names[a->exec.name_count++] = own(p, xstrdup(base_name(asked)));
		a->exec.trusted_names += origin_of(link_dir, "") == ORIGIN_SYSTEM;
	}
	if (argc > 1 && name_find(many, COUNT(many), p->names[0]) >= 0)
		p->names[a->exec.name_count++] = copy(p, base_name(argv[1]));
	a->exec.names = p->names;
}

int probe_set_exec(struct probe *p, const char *const *argv, size_t argc, bool look, struct err *err)
{
	if (argc == 0 || argv[0][0] == '\0')
		return err_set(err, EINVAL, "no program: name one, and its arguments");
	const char *workspace = p->facts.workspace;
	AUTO(freep) char *asked = look ? look_up(argv[0], workspace) : spelled(argv[0], workspace);
	if (asked == NULL)
		return err_set(err, ENOENT, "no program '%.200s': looked in %s", argv[0],
		               strchr(argv[0], '/') != NULL ? "the file system" : CELL_PATH);
	char *real = look ? resolve_path(NULL, asked) : xstrdup(asked);
	if (real == NULL)
		return err_set(err, ENOENT, "'%.200s' cannot be resolved: too many links on its way", asked);
	AUTO(freep) char *real_workspace = look ? resolve_path(NULL, workspace) : path_clean(workspace);

	const char **words = xcalloc(argc, sizeof(char *));
	own(p, (char *)words);
	for (size_t i = 0; i < argc; i++)
		words[i] = copy(p, argv[i]);
	p->action = (struct action){ .kind = ACTION_EXEC };
	p->action.exec.program = own(p, real);
	p->action.exec.origin = origin_of(real, real_workspace != NULL ? real_workspace : "");
	p->action.exec.argv = words;
	p->action.exec.argc = argc;
	p->action.exec.cwd = workspace;
	name_program(p, asked, argv, argc);
	return 0;
}
