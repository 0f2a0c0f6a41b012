/* config.c - settings out of files, environment and flags. It refuses unknown keys, values that are out of
 * range, an admin file that others can write, and to take from a project file what tools must not change. */
#include "engine/config.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"
#include "base/yaml.h"
#include "core/bounds.h"
#include "core/slots.h"
#include "engine/agents.h"
#include "engine/audit_key.h"
#include "engine/dirs.h"
#include "engine/fallback.h"
#include "engine/otel.h"
#include "engine/sanitize.h"
#include "engine/secrets.h"
#include "llm/prices.h"
#include "policy/limits.h"
#include "tools/leaks.h"
#include "base/banned.h"

#define DAY_MS 86400000ll

/* A row a key. */
/* clang-format off */
static const struct config_key keys[] = {
	{ .name = "model", .type = CONFIG_MODEL, .project = true,
	  .about = "the model, as PROVIDER/MODEL" },
	{ .name = "workspace", .type = CONFIG_TEXT,
	  .about = "the directory to work in; the current one where nothing is said" },
	{ .name = "isolation", .type = CONFIG_CHOICE, .otherwise = "full", .choices = "full reduced none",
	  .about = "how strongly tools are shut in" },
	{ .name = "workspace_mode", .type = CONFIG_CHOICE, .otherwise = "direct", .choices = "direct overlay readonly",
	  .about = "where changes go: to the workspace, to a layer to look at and apply, or nowhere" },
	{ .name = "workspace_quota", .type = CONFIG_BYTES, .otherwise = "4G", .least = 1 << 20, .most = LIMIT_LAYER_MOST_BYTES,
	  .about = "what the changes of one run may hold in mode overlay" },
	{ .name = "plan", .type = CONFIG_CHOICE, .otherwise = "auto", .choices = "auto always never", .project = true,
	  .about = "whether a master plans and delegates" },
	{ .name = "max_depth", .type = CONFIG_INT, .otherwise = "1", .least = 1, .most = LIMIT_TASK_DEPTH, .project = true,
	  .about = "how deep delegation may go: 1 is a master and its workers" },
	{ .name = "max_turns", .type = CONFIG_INT, .otherwise = "100", .least = 1, .most = 100000, .project = true,
	  .about = "model calls of one task" },
	{ .name = "max_calls", .type = CONFIG_INT, .otherwise = "1000", .least = 1, .most = 1000000, .project = true,
	  .about = "tool calls of one task" },
	{ .name = "timeout", .type = CONFIG_DURATION, .otherwise = "1h", .least = 1000, .most = 30 * DAY_MS, .project = true,
	  .about = "wall time of one task" },
	{ .name = "context_tokens", .type = CONFIG_INT, .least = 4096, .most = 100000000, .project = true,
	  .about = "the model's window, beyond which a conversation is compacted; by the model's name where nothing is said" },
	{ .name = "cancel_grace", .type = CONFIG_DURATION, .otherwise = "5s", .least = 100, .most = 300000, .project = true,
	  .about = "from a cancel to the certain end of a tool that does not end by itself" },
	{ .name = "loop.detect", .type = CONFIG_CHOICE, .otherwise = "on", .choices = "on off", .project = true,
	  .about = "whether a task that goes round in circles is told so, and stopped" },
	{ .name = "serve.listen", .type = CONFIG_TEXT,
	  .about = "address and port where the service also takes requests, such as 127.0.0.1:8080" },
	{ .name = "serve.expose", .type = CONFIG_CHOICE, .otherwise = "off", .choices = "off on",
	  .about = "whether that may be an address that other machines reach: in clear text, so with TLS in front of it" },
	{ .name = "serve.hosts", .type = CONFIG_TEXT,
	  .about = "names that requests may ask for in Host, separated by commas, beside the address" },
	{ .name = "serve.workspaces", .type = CONFIG_TEXT,
	  .about = "directories, separated by commas, in or below which tasks of tokens may work; with none, such tasks are refused" },
	{ .name = "serve.rate", .type = CONFIG_INT, .otherwise = "100", .least = 1, .most = 1000000,
	  .about = "requests of one user by token in a second, at the mean; four seconds of it at once" },
	{ .name = "serve.rest", .type = CONFIG_DURATION, .otherwise = "30s", .least = 100, .most = 30 * DAY_MS,
	  .about = "what only waits for people for so long leaves the service's memory, until one says something" },
	{ .name = "reply_tokens", .type = CONFIG_INT, .least = 256, .most = 10000000, .project = true,
	  .about = "tokens of one reply at most; as the provider has it, or 8192 where a budget holds, where nothing is said" },
	{ .name = "output_limit", .type = CONFIG_BYTES, .otherwise = "64k", .least = 1024, .most = 16 << 20, .project = true,
	  .about = "what is kept of the output of one call" },
	{ .name = "budget", .type = CONFIG_MONEY, .least = 0, .most = 1000000000ll * 1000000000ll,
	  .about = "US dollars that one run may spend; no limit where nothing is said" },
#define BOUND(id, name_, field, status, unit, text, number, least_, most_, about_) \
	{ .name = "limits." name_, .type = CONFIG_##unit, .otherwise = text, .least = least_, .most = most_, .about = about_ },
#include "core/bounds.def"
#undef BOUND
	{ .name = "retry.attempts", .type = CONFIG_INT, .otherwise = "5", .least = 1, .most = 100, .project = true,
	  .about = "how often one request is sent to one model, while what goes wrong may pass" },
	{ .name = "retry.tool_attempts", .type = CONFIG_INT, .otherwise = "3", .least = 1, .most = LIMIT_CALL_ATTEMPTS, .project = true,
	  .about = "how often a call is run that may be run again, while what goes wrong may pass" },
	{ .name = "retry.time", .type = CONFIG_DURATION, .otherwise = "10m", .least = 1, .most = 30 * DAY_MS, .project = true,
	  .about = "how long a model is asked again after its first failure, waiting included" },
	{ .name = "retry.wait", .type = CONFIG_DURATION, .otherwise = "5m", .least = 1, .most = DAY_MS, .project = true,
	  .about = "the longest Retry-After that is waited for" },
	{ .name = "breaker.failures", .type = CONFIG_INT, .otherwise = "5", .least = 1, .most = 1000,
	  .about = "failures of a model in a row; with the next one it is left alone for a while" },
	{ .name = "breaker.open", .type = CONFIG_DURATION, .otherwise = "1m", .least = 100, .most = DAY_MS,
	  .about = "for how long; then one request is let through" },
	{ .name = "fallback", .type = CONFIG_MODELS,
	  .about = "models that stand in when the model cannot be had, in order: PROVIDER/MODEL, PROVIDER/MODEL" },
	{ .name = "fallback.auth", .type = CONFIG_CHOICE, .otherwise = "off", .choices = "on off",
	  .about = "whether they also do where the key is not accepted" },
	{ .name = "fallback.stay", .type = CONFIG_DURATION, .otherwise = "5m", .least = 1, .most = 30 * DAY_MS,
	  .about = "how long a task stays with one before its own model is asked again" },
	{ .name = "model.connect", .type = CONFIG_DURATION, .otherwise = "15s", .least = 100, .most = 3600000,
	  .about = "time to be connected with a model's service" },
	{ .name = "model.first_byte", .type = CONFIG_DURATION, .otherwise = "5m", .least = 100, .most = DAY_MS,
	  .about = "time from a request to the first byte of its answer" },
	{ .name = "model.idle", .type = CONFIG_DURATION, .otherwise = "5m", .least = 100, .most = DAY_MS,
	  .about = "how long nothing may come of an answer that has begun" },
	{ .name = "model.total", .type = CONFIG_DURATION, .otherwise = "30m", .least = 100, .most = DAY_MS,
	  .about = "time from a request to the last byte of its answer" },
	{ .name = "slots.engine", .type = CONFIG_INT, .otherwise = "256", .least = 1, .most = LIMIT_SLOTS_MOST,
	  .about = "tasks of one engine that work at once: that ask a model or run a tool" },
	{ .name = "slots.user", .type = CONFIG_INT, .otherwise = "256", .least = 1, .most = LIMIT_SLOTS_MOST,
	  .about = "the same, of one user" },
	{ .name = "slots.provider", .type = CONFIG_INT, .otherwise = "256", .least = 1, .most = LIMIT_SLOTS_MOST,
	  .about = "requests to one provider of models at once" },
	{ .name = "slots.providers", .type = CONFIG_TEXT,
	  .about = "others for some providers: NAME=N, NAME=N" },
	{ .name = "slots.agent", .type = CONFIG_INT, .otherwise = "256", .least = 1, .most = LIMIT_SLOTS_MOST,
	  .about = "tasks of one agent profile that work at once; a profile may have its own number (slots)" },
	{ .name = "net.resolver", .type = CONFIG_TEXT,
	  .about = "name servers that names for cells are asked of, such as 127.0.0.1:53; those of the machine where nothing is said" },
	{ .name = "net.ca_file", .type = CONFIG_TEXT,
	  .about = "certificates (PEM) that the engine trusts when it fetches for a cell; the machine's where nothing is said" },
	{ .name = "net.connections", .type = CONFIG_INT, .otherwise = "128", .least = 1, .most = 4096,
	  .about = "connections out of one cell at once; more wait" },
	{ .name = "net.task_connections", .type = CONFIG_INT, .otherwise = "10000", .least = 1, .most = 1000000,
	  .about = "connections of one task" },
	{ .name = "net.idle", .type = CONFIG_DURATION, .otherwise = "2m", .least = 1000, .most = DAY_MS,
	  .about = "how long nothing may move on a connection" },
	{ .name = "net.time", .type = CONFIG_DURATION, .otherwise = "1h", .least = 1000, .most = 30 * DAY_MS,
	  .about = "how long a connection may last" },
	{ .name = "net.bytes", .type = CONFIG_BYTES, .otherwise = "1G", .least = 1024, .most = 1ll << 50,
	  .about = "what one connection may move, both ways together" },
	{ .name = "net.task_bytes", .type = CONFIG_BYTES, .otherwise = "8G", .least = 1024, .most = 1ll << 50,
	  .about = "what all connections of a task may move" },
	{ .name = "shutdown.deadline", .type = CONFIG_DURATION, .otherwise = "5s", .least = 500, .most = 600000,
	  .about = "from the first signal to the end: calls get three fifths of it to end, tasks park in the rest" },
	{ .name = "watchdog.loop", .type = CONFIG_DURATION, .otherwise = "10s", .least = 500, .most = 600000,
	  .about = "how long the event loop may stand before its stack is written down" },
	{ .name = "watchdog.store", .type = CONFIG_DURATION, .otherwise = "15s", .least = 500, .most = 600000,
	  .about = "how long one transaction may take before an alarm is raised" },
	{ .name = "watchdog.warden", .type = CONFIG_DURATION, .otherwise = "15s", .least = 3000, .most = 600000,
	  .about = "how long the warden may be silent before it is replaced" },
	{ .name = "watchdog.cell", .type = CONFIG_DURATION, .otherwise = "30s", .least = 3000, .most = 600000,
	  .about = "how long the first process of a sandbox may be silent before the sandbox is ended" },
#include "engine/otel_keys.def"
	{ .name = "log.level", .type = CONFIG_CHOICE, .choices = "error warning info debug",
	  .about = "what of the operators' log goes to stderr: `run` says errors, a service also what it does, where nothing is said" },
	{ .name = "log.format", .type = CONFIG_CHOICE, .otherwise = "text", .choices = "text json",
	  .about = "how its lines look" },
	{ .name = "audit.key", .type = CONFIG_TEXT,
	  .about = "where the key is that signs checkpoints: env:VARIABLE, file:/PATH, credential:NAME or command:WORDS; never the key" },
	{ .name = "retention.older_than", .type = CONFIG_DURATION, .least = 3600000, .most = 36500 * DAY_MS,
	  .about = "goals that ended longer ago leave the history, by `mishri vacuum` or a service; none where nothing is said" },
	{ .name = "retention.keep", .type = CONFIG_INT, .least = 1, .most = INT32_MAX,
	  .about = "the newest so many goals stay all the same" },
	{ .name = "retention.every", .type = CONFIG_DURATION, .otherwise = "1h", .least = 1000, .most = 30 * DAY_MS,
	  .about = "how often a service looks for goals that may leave" },
	{ .name = "color", .type = CONFIG_CHOICE, .otherwise = "auto", .choices = "auto always never", .project = true,
	  .about = "colour on a terminal" },
};
/* clang-format on */

struct value {
	char *text, *origin;
	int64_t number;
	bool locked;
};

struct config {
	struct value values[COUNT(keys)];
	struct agents *agents;
	struct prices *prices;
	struct secrets *secrets;
	bool section_locked[5];
	char *untrusted;
	char *otel_wrong;              /* in a variable of the standard; NULL: nothing */
	bool env_counts;
};

const struct config_key *config_key_at(size_t i)
{
	return i < COUNT(keys) ? &keys[i] : NULL;
}

static size_t key_names(const char **ret)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		ret[i] = keys[i].name;
	return COUNT(keys);
}

static int key_find(const char *name, struct err *err)
{
	const char *names[COUNT(keys)];
	size_t count = key_names(names);
	int at = name_find(names, count, name);
	const char *near = at < 0 ? name_nearest(names, count, name) : NULL;

	if (at >= 0)
		return at;
	if (near != NULL)
		return err_set(err, EINVAL, "unknown key '%s': did you mean '%s'?", name, near);
	return err_set(err, EINVAL, "unknown key '%s'; `mishri config` lists the keys", name);
}

static const struct value *value_of(const struct config *config, const char *key)
{
	int at = key_find(key, NULL);

	assert(at >= 0);
	return &config->values[at];
}

static bool is_choice(const char *choices, const char *value)
{
	struct str one;

	for (struct str rest = str_of(choices); str_next(&rest, ' ', &one);)
		if (str_eq(one, str_of(value)))
			return true;
	return false;
}

static int parse_number(const struct config_key *key, const char *text, int64_t *ret)
{
	uint64_t n;
	int r;

	switch (key->type) {
	case CONFIG_DURATION: return str_to_duration_ms(str_of(text), ret);
	case CONFIG_MONEY: return usd_parse(str_of(text), ret);
	case CONFIG_INT:
	case CONFIG_BYTES:
		r = key->type == CONFIG_INT ? str_to_u64(str_of(text), &n) : str_to_bytes(str_of(text), &n);
		if (r == 0)
			*ret = n <= INT64_MAX ? (int64_t)n : INT64_MAX;
		return r;
	case CONFIG_TEXT:
	case CONFIG_MODEL:
	case CONFIG_MODELS:
	case CONFIG_CHOICE: break;
	}
	*ret = 0;
	return 0;
}

/* A bound as a person would write it: in the largest unit that leaves it whole. */
static const char *extreme_text(const struct config_key *key, int64_t n, char *text, size_t size)
{
	static const struct { int64_t of; const char *name; }
		spans[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } },
		sizes[] = { { MIB(1024), "G" }, { MIB(1), "M" }, { KIB(1), "k" } };

	for (size_t i = 0; key->type == CONFIG_DURATION && i < COUNT(spans); i++)
		if (n % spans[i].of == 0)
			return snprintf(text, size, "%lld%s", (long long)(n / spans[i].of), spans[i].name), text;
	for (size_t i = 0; key->type == CONFIG_BYTES && i < COUNT(sizes); i++)
		if (n % sizes[i].of == 0)
			return snprintf(text, size, "%lld%s", (long long)(n / sizes[i].of), sizes[i].name), text;
	if (key->type == CONFIG_MONEY)
		snprintf(text, size, "%lld.%09lld", (long long)(n / 1000000000), (long long)(n % 1000000000));
	else
		snprintf(text, size, "%lld%s", (long long)n, key->type == CONFIG_DURATION ? " ms" : "");
	return text;
}

static int check_value(const struct config_key *key, const char *text, int64_t *ret_number, struct err *err)
{
	static const char *const forms[] = {
		[CONFIG_INT] = "a whole number, such as 50",
		[CONFIG_DURATION] = "a time, such as 90s, 30m or 2h",
		[CONFIG_BYTES] = "a size, such as 64k or 1M",
		[CONFIG_MONEY] = "US dollars, such as 2.50",
	};
	const char *slash = strchr(text, '/');

	if (text[0] == '\0')
		return err_set(err, EINVAL, "%s: is empty: it is %s", key->name, key->about);
	for (const char *c = text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			return err_set(err, EINVAL,
			               "%s: has a line break or another control character in it: give one plain line",
			               key->name);
	if (strcmp(key->name, "audit.key") == 0)
		return audit_key_check(text, err);
	if (key->type == CONFIG_CHOICE && !is_choice(key->choices, text))
		return err_set(err, EINVAL, "%s: '%s' is not one of: %s", key->name, text, key->choices);
	if (strcmp(key->name, "slots.providers") == 0) {
		struct str rest = str_of(text), name;
		int r;
		while ((r = slots_provider(&rest, &name, ret_number, err)) > 0)
			;
		*ret_number = 0;
		return r < 0 ? err_prefix(err, "%s", key->name) : 0;
	}
	if (key->type == CONFIG_MODEL && (slash == NULL || slash == text || slash[1] == '\0'))
		return err_set(err, EINVAL, "%s: '%s' must be PROVIDER/MODEL, such as ollama/llama3", key->name, text);
	AUTO(json_decrefp) json_t *chain = NULL;
	if (key->type == CONFIG_MODELS && fallback_read(text, NULL, &chain, err) < 0)
		return -EINVAL;
	char bound[48];
	int r = parse_number(key, text, ret_number);
	if (r == -EINVAL)
		return err_set(err, EINVAL, "%s: '%s' must be %s", key->name, text, forms[key->type]);
	if (r == 0 && *ret_number < key->least)
		return err_set(err, EINVAL, "%s: %s is too little; at least %s", key->name, text,
		               extreme_text(key, key->least, bound, sizeof bound));
	if (r < 0 || *ret_number > key->most)
		return err_set(err, EINVAL, "%s: %s is too much; at most %s", key->name, text,
		               extreme_text(key, key->most, bound, sizeof bound));
	return 0;
}

/* A locked value stays; what the others say must still be right. Takes origin over. */
static int put(struct config *config, size_t at, const char *text, char *origin, struct err *err)
{
	AUTO(freep) char *from = origin;
	struct value *v = &config->values[at];
	int64_t number;
	int r = check_value(&keys[at], text, &number, err);

	if (r < 0 || v->locked)
		return r;
	free(v->text);
	free(v->origin);
	*v = (struct value){ .text = xstrdup(text), .origin = TAKE(from), .number = number };
	return 0;
}

/* Every descriptor is looked at before it is read: a named pipe must not hold the start up. */
static int read_regular(const char *path, uid_t owner, bool owned, bool guarded, struct buf *ret, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: is no regular file", path);
	if (owned && (st.st_uid != owner || (st.st_mode & 022) != 0))
		return err_set(err, EPERM, "%s: must belong to %s, and nobody else may be able to write it (chmod 644)",
		               path, owner == 0 ? "root" : "its owner");
	if (!owned && guarded && guarded_check(&st, path, err) < 0)
		return -EPERM;
	if (io_read_fd(fd, ret, err) < 0)
		return err_prefix(err, "%s", path);
	return 0;
}

struct file_layer {
	const char *path;
	bool admin, project, locked_only;
	const struct yaml_node *root;  /* while it is applied */
};

/* ---- sections: keys that hold a map ---- */

static int read_agents(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked,
                       struct err *err)
{
	return agents_read(config->agents, map, layer->project, locked, err);
}

static int read_prices(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked,
                       struct err *err)
{
	int r = yaml_want(map, YAML_MAP, "prices", err);

	if (r == 0 && locked)
		return yaml_err(map, err, "prices: are locked by the admin file");
	for (const struct yaml_node *n = yaml_first(map); r == 0 && n != NULL; n = yaml_next(n)) {
		AUTO(freep) char *source = xasprintf("%s:%d", layer->path, yaml_line(n));
		AUTO(json_decrefp) json_t *usd = NULL;
		struct err why;
		if ((r = yaml_want(n, YAML_MAP, yaml_text(yaml_key(n)), err)) < 0)
			return r;
		usd = yaml_to_json(n);
		if (prices_put(config->prices, yaml_text(yaml_key(n)), usd, source, &why) < 0)
			return yaml_err(n, err, "prices: %s: %s", yaml_text(yaml_key(n)), why.text);
	}
	return r;
}

static int apply_node(struct config *config, const struct file_layer *layer, const struct yaml_node *node, const char *key,
                      struct err *err);
static bool is_locked_in(const struct yaml_node *root, const char *key);

/* The keys limits.NAME, one below the other. */
static int read_limits(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked UNUSED,
                       struct err *err)
{
	const char *names[BOUND_COUNT];
	size_t count = bound_names(names);
	int r = yaml_want(map, YAML_MAP, "limits", err);

	if (r == 0)
		r = yaml_only_keys(map, names, count, err);
	for (const struct yaml_node *n = yaml_first(map); r == 0 && n != NULL; n = yaml_next(n)) {
		AUTO(freep) char *key = xasprintf("limits.%s", yaml_text(yaml_key(n)));
		if (!layer->locked_only || is_locked_in(layer->root, "limits") || is_locked_in(layer->root, key))
			r = apply_node(config, layer, n, key, err);
	}
	return r;
}

static int read_secrets(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked,
                        struct err *err)
{
	(void)layer;
	return secrets_read(config->secrets, map, locked, err);
}

static int read_sanitize(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked,
                         struct err *err)
{
	(void)config, (void)layer;
	return sanitize_read(map, locked, err);
}

/* Adding one: a row here, its part of struct config, a getter in config.h. */
static const struct section {
	const char *name;
	bool project;                /* may a project file have it? */
	int (*read)(struct config *config, const struct yaml_node *map, const struct file_layer *layer, bool locked,
	            struct err *err);
} sections[] = {
	{ "agents", true, read_agents },
	{ "prices", false, read_prices },
	{ "limits", false, read_limits },
	{ "secrets", false, read_secrets },
	{ "sanitize", false, read_sanitize },
};
_Static_assert(COUNT(sections) == COUNT(((struct config *)NULL)->section_locked), "a lock for each section");

static int section_find(const char *name)
{
	for (size_t i = 0; i < COUNT(sections); i++)
		if (strcmp(sections[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int apply_section(struct config *config, const struct file_layer *layer, int section, const struct yaml_node *node,
                         struct err *err)
{
	if (layer->project && !sections[section].project)
		return yaml_err(yaml_key(node), err, "%s: is not for a project file, which tools can write: use the user file",
		                sections[section].name);
	return sections[section].read(config, node, layer, config->section_locked[section], err);
}

static int apply_node(struct config *config, const struct file_layer *layer, const struct yaml_node *node, const char *key,
                      struct err *err)
{
	int at = key_find(key, err);
	struct err why;

	assert(at >= 0); /* yaml_only_keys has been here */
	if (layer->project && !keys[at].project)
		return yaml_err(yaml_key(node), err,
		                "%s: is not for a project file, which tools can write: use the user "
		                "file or a flag",
		                keys[at].name);
	if (!yaml_is_scalar(node) || yaml_type(node) == YAML_NULL)
		return yaml_err(node, err, "%s: must be one value, not %s", keys[at].name,
		                yaml_type_name(yaml_type(node)));
	if (put(config, (size_t)at, yaml_text(node), xasprintf("%s:%d", layer->path, yaml_line(node)), &why) < 0)
		return yaml_err(node, err, "%s", why.text);
	return 0;
}

static void lock_below(struct config *config, const char *section)
{
	size_t len = strlen(section);

	for (size_t i = 0; i < COUNT(keys); i++)
		config->values[i].locked |= strncmp(keys[i].name, section, len) == 0 && keys[i].name[len] == '.';
}

/* Marks the locked keys; after this put() changes them no more. */
static int apply_locks(struct config *config, const struct yaml_node *locked, struct err *err)
{
	int r = yaml_want(locked, YAML_LIST, "locked", err);

	for (const struct yaml_node *n = yaml_first(locked); r == 0 && n != NULL; n = yaml_next(n)) {
		struct err why;
		int section = yaml_is_text(n) ? section_find(yaml_text(n)) : -1;
		if (section >= 0) {
			config->section_locked[section] = true;
			lock_below(config, sections[section].name);
			continue;
		}
		int at = yaml_is_text(n) ? key_find(yaml_text(n), &why)
		                         : err_set(&why, EINVAL, "must be the name of a key");
		if (at < 0)
			return yaml_err(n, err, "locked: %s", why.text);
		config->values[at].locked = true;
	}
	return r;
}

static bool is_locked_in(const struct yaml_node *root, const char *key)
{
	const struct yaml_node *locked = yaml_get(root, "locked");

	for (const struct yaml_node *n = locked != NULL ? yaml_first(locked) : NULL; n != NULL; n = yaml_next(n))
		if (yaml_is_text(n) && strcmp(yaml_text(n), key) == 0)
			return true;
	return false;
}

static int apply_file(struct config *config, const struct file_layer *layer, struct str text, struct err *err)
{
	const char *names[COUNT(keys) + COUNT(sections) + 1];
	size_t count = key_names(names);
	AUTO(yaml_freep) struct yaml *yaml = NULL;

	int r = yaml_parse(layer->path, text, LIMIT_FILE_BYTES, &yaml, err);
	if (r < 0)
		return r;
	const struct yaml_node *root = yaml_root(yaml), *locked = yaml_get(root, "locked");
	struct file_layer here = *layer;

	here.root = root;
	for (size_t i = 0; i < COUNT(sections); i++)
		names[count++] = sections[i].name;
	if (locked != NULL && !layer->admin)
		return yaml_err(locked, err, "locked: only the admin file can lock keys");
	if (layer->admin)
		names[count++] = "locked";
	r = yaml_only_keys(root, names, count, err);
	for (const struct yaml_node *n = yaml_first(root); r == 0 && n != NULL; n = yaml_next(n)) {
		const char *name = yaml_text(yaml_key(n));
		int section = section_find(name);
		bool looks_itself = section >= 0 && sections[section].read == read_limits;
		if (n == locked || (layer->locked_only && !looks_itself && !is_locked_in(root, name)))
			continue;
		r = section >= 0 ? apply_section(config, &here, section, n, err) : apply_node(config, layer, n, name, err);
	}
	return r == 0 && locked != NULL ? apply_locks(config, locked, err) : r;
}

/* A file in which everything is commented out says nothing, and that is fine. */
static bool only_comments(struct str text)
{
	struct str line;

	while (str_next(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.len > 0 && line.ptr[0] != '#')
			return false;
	}
	return true;
}

static int load_file(struct config *config, const struct file_layer *layer, uid_t owner, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	int r = read_regular(layer->path, owner, layer->admin, !layer->project, &text, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || only_comments(buf_str(&text)))
		return r;
	return apply_file(config, layer, buf_str(&text), err);
}

static int load_project(struct config *config, const struct config_sources *sources, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/.mishri/config.yaml", sources->project);
	struct file_layer layer = { .path = path, .project = true };
	struct stat st;

	if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (sources->data == NULL || !trust_check(sources->data, sources->project)) {
		config->untrusted = TAKE(path);
		return 0;
	}
	return load_file(config, &layer, 0, err);
}

/* "loop.detect" as a variable has it: "loop_detect". */
enum { KEY_BYTES = 32 };

static void variable_names(char (*names)[KEY_BYTES], const char **ret)
{
	for (size_t i = 0; i < COUNT(keys); i++) {
		snprintf(names[i], KEY_BYTES, "%s", keys[i].name);
		for (char *c = names[i]; *c != '\0'; c++)
			*c = *c == '.' ? '_' : *c;
		ret[i] = names[i];
	}
}

/* MISHRI_MAX_TURNS is max_turns. A variable that only looks like one of ours is a slip of the finger;
 * others that begin the same way belong to somebody else. */
static int load_variable(struct config *config, const char *entry, struct err *err)
{
	static const char prefix[] = "MISHRI_";
	const char *names[COUNT(keys)], *equals = strchr(entry, '=');
	char texts[COUNT(keys)][KEY_BYTES];
	size_t count = COUNT(keys);

	variable_names(texts, names);
	if (equals == NULL || equals[1] == '\0' || strncmp(entry, prefix, strlen(prefix)) != 0)
		return 0;
	AUTO(freep) char *variable = xstrndup(entry, (size_t)(equals - entry));
	AUTO(freep) char *name = xstrdup(variable + strlen(prefix));
	for (char *c = name; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	int at = name_find(names, count, name);
	if (at >= 0) {
		int r = put(config, (size_t)at, equals + 1, xstrdup(variable), err);
		return r < 0 ? err_prefix(err, "%s", variable) : 0;
	}
	const char *near = strcmp(name, "data") != 0 ? name_nearest(names, count, name) : NULL;
	if (near == NULL)
		return 0;
	AUTO(freep) char *meant = xasprintf("%s%s", prefix, near);
	for (char *c = meant; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return err_set(err, EINVAL, "%s: unknown variable: did you mean '%s'?", variable, meant);
}

static int put_otel(void *userdata, const char *key, const char *value, const char *variable)
{
	struct config *config = userdata;
	const char *origin = value_of(config, key)->origin;
	bool ours = strncmp(origin, "MISHRI_", 7) == 0; /* the more particular of two variables */

	return ours ? 0 : put(config, (size_t)key_find(key, NULL), value, xstrdup(variable), NULL);
}

/* What other programs read, too: a wrong value ends the export, not the run. */
static void load_otel(struct config *config, const struct config_sources *sources)
{
	struct err why = ERR_NONE;

	config->env_counts = sources->env != NULL;
	if (otel_env_read(sources->env, put_otel, config, &why) == 0)
		return;
	config->otel_wrong = xstrdup(why.text);
	if (put(config, (size_t)key_find("otel.export", NULL), "off", xstrdup("OTEL_*"), NULL) < 0)
		abort();
}

static int load_layers(struct config *config, const struct config_sources *sources, struct err *err)
{
	struct file_layer admin = { .path = sources->admin_file, .admin = true, .locked_only = sources->only_flags };
	struct file_layer user = { .path = sources->user_file };
	int r = 0;

	for (size_t i = 0; i < COUNT(keys); i++) {
		config->values[i].origin = xstrdup("built-in");
		if (keys[i].otherwise != NULL && put(config, i, keys[i].otherwise, xstrdup("built-in"), err) < 0)
			abort(); /* the table is wrong */
	}
	if (sources->admin_file != NULL)
		r = load_file(config, &admin, sources->admin_owner, err);
	if (sources->only_flags)
		return r;
	if (r == 0 && sources->user_file != NULL)
		r = load_file(config, &user, 0, err);
	if (r == 0 && sources->project != NULL)
		r = load_project(config, sources, err);
	for (const char *const *entry = sources->env; r == 0 && entry != NULL && *entry != NULL; entry++)
		r = load_variable(config, *entry, err);
	if (r == 0)
		load_otel(config, sources);
	return r;
}

int config_load(const struct config_sources *sources, struct config **ret, struct err *err)
{
	AUTO(config_freep) struct config *config = xcalloc(1, sizeof *config);

	leaks_allow_none();
	config->agents = agents_new();
	config->secrets = secrets_new();
	config->prices = prices_new();
	int r = load_layers(config, sources, err);

	if (r < 0)
		return r;
	*ret = TAKE(config);
	return 0;
}

int config_load_usual(const char *data, const char *project, bool only_flags, struct config **ret, struct err *err)
{
	AUTO(freep) char *user_file = dirs_user_config();
	struct config_sources sources = {
		.admin_file = "/etc/mishri/config.yaml",
		.user_file = user_file,
		.project = project,
		.data = data,
		.env = (const char *const *)environ,
		.only_flags = only_flags,
	};
	return config_load(&sources, ret, err);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < COUNT(keys); i++) {
		free(config->values[i].text);
		free(config->values[i].origin);
	}
	agents_free(config->agents);
	secrets_free(config->secrets);
	prices_free(config->prices);
	free(config->untrusted);
	free(config->otel_wrong);
	free(config);
}

void config_freep(struct config **config)
{
	config_free(*config);
}

int config_set(struct config *config, const char *key, const char *value, const char *flag, struct err *err)
{
	int at = key_find(key, err);

	if (at < 0)
		return err_prefix(err, "%s", flag);
	const struct value *v = &config->values[at];
	if (v->locked && (v->text == NULL || strcmp(v->text, value) != 0))
		return err_set(err, EPERM, "%s: %s is locked to '%s' (%s)", flag, key,
		               v->text != NULL ? v->text : "nothing", v->origin);
	return put(config, (size_t)at, value, xstrdup(flag), err) < 0 ? err_prefix(err, "%s", flag) : 0;
}

int config_set_pair(struct config *config, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');

	if (equals == NULL || equals == pair)
		return err_set(err, EINVAL, "-c '%s': must be KEY=VALUE, such as max_turns=20", pair);
	AUTO(freep) char *key = xstrndup(pair, (size_t)(equals - pair));
	return config_set(config, key, equals + 1, "-c", err);
}

const char *config_text(const struct config *config, const char *key)
{
	return value_of(config, key)->text;
}

int64_t config_number(const struct config *config, const char *key)
{
	return value_of(config, key)->number;
}

struct bounds config_bounds(const struct config *config)
{
	struct bounds bounds = { { 0 } };

	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		bounds.at[i] = config_number(config, bound_row((enum bound)i)->key);
	return bounds;
}

const char *config_origin(const struct config *config, const char *key)
{
	return value_of(config, key)->origin;
}

bool config_locked(const struct config *config, const char *key)
{
	return value_of(config, key)->locked;
}

const char *config_untrusted(const struct config *config)
{
	return config->untrusted;
}

const char *config_otel_wrong(const struct config *config)
{
	return config->otel_wrong;
}

bool config_env_counts(const struct config *config)
{
	return config->env_counts;
}

const struct agents *config_agents(const struct config *config)
{
	return config->agents;
}

struct secrets *config_secrets(const struct config *config)
{
	return config->secrets;
}

const struct prices *config_prices(const struct config *config)
{
	return config->prices;
}

json_t *config_json(const struct config *config)
{
	json_t *all = json_object();

	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct value *v = &config->values[i];
		json_t *one = json_object();
		if (keys[i].type == CONFIG_INT && v->text != NULL)
			json_put_int(one, "value", v->number);
		else
			json_put_text(one, "value", v->text);
		json_put_text(one, "origin", v->origin);
		json_put_bool(one, "locked", v->locked);
		json_put(all, keys[i].name, one);
	}
	return all;
}
