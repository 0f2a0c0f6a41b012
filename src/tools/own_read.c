/* own_read.c - one manifest of a tool, from text to a row of the table. It refuses unknown keys, a template that names no
 * argument of the schema, and everything that would only be noticed when a model calls the tool. */
#include "tools/own.h"

#include <ctype.h>

#include "base/yaml.h"

#include "base/banned.h"

void own_free(struct own *own)
{
	if (own == NULL)
		return;
	for (size_t i = 0; i < own->word_count; i++) {
		for (size_t k = 0; k < own->words[i].count; k++)
			free(own->words[i].pieces[k].text);
		free(own->words[i].pieces);
	}
	for (size_t i = 0; i < own->secret_count; i++)
		free(own->secrets[i]);
	free(own->secrets);
	free(own->words);
	free(own->origin);
	free(own->program);
	free((char *)own->tool.name);
	free((char *)own->tool.about);
	free((char *)own->tool.permissions);
	free((char *)own->tool.schema);
	free(own);
}

void own_freep(struct own **own)
{
	own_free(*own);
}

/* ---- texts and words out of a table ----------------------------------------------------------------------- */

static int must_have(const struct yaml_node *root, const char *key, const char *what, const struct yaml_node **ret, struct err *err)
{
	const struct yaml_node *node = yaml_get(root, key);

	if (node == NULL)
		return yaml_err(root, err, "'%s' is missing: %s", key, what);
	if (!yaml_is_text(node) || str_trim(str_of(yaml_text(node))).len == 0)
		return yaml_err(node, err, "'%s' must be a text that is not empty: %s", key, what);
	*ret = node;
	return 0;
}

static bool is_name(const char *name)
{
	size_t sent = 0; /* a dot counts twice where services take none */
	char last = '.';

	for (const char *c = name; *c != '\0'; last = *c++) {
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_' && *c != '.')
			return false;
		if ((last == '.' && !islower((unsigned char)*c)) || (last == '_' && *c == '_'))
			return false;
		sent += *c == '.' ? 2 : 1;
	}
	return last != '.' && last != '_' && sent <= LIMIT_OWN_NAME_BYTES;
}

static int read_name(const struct yaml_node *root, struct own *own, struct err *err)
{
	const struct yaml_node *node;
	int r = must_have(root, "name", "what the model and the policy call the tool, such as db.query", &node, err);

	if (r < 0)
		return r;
	if (!is_name(yaml_text(node)))
		return yaml_err(node, err, "name: '%.80s' is no name of a tool: parts of a-z 0-9 _ that begin with a letter, joined by "
		                "dots, without '__', at most %d characters, such as db.query", yaml_text(node), LIMIT_OWN_NAME_BYTES);
	own->tool.name = xstrdup(yaml_text(node));
	own->origin = xasprintf("%s:%d:%d", yaml_name(node), yaml_line(node), yaml_column(node));
	return 0;
}

static int read_about(const struct yaml_node *root, struct own *own, struct err *err)
{
	const struct yaml_node *node;
	int r = must_have(root, "description", "what the tool does, in the words that the model will read", &node, err);

	if (r < 0)
		return r;
	if (strlen(yaml_text(node)) > LIMIT_OWN_ABOUT_BYTES)
		return yaml_err(node, err, "description: has more than %zu bytes", LIMIT_OWN_ABOUT_BYTES);
	own->tool.about = xstrdup(yaml_text(node));
	return 0;
}

static int one_of(const struct yaml_node *node, const char *key, const char *const *words, size_t count, size_t *ret, struct err *err)
{
	AUTO(buf_done) struct buf all = BUF_INIT(512);
	const char *word = yaml_is_text(node) ? yaml_text(node) : "";
	int at = name_find(words, count, word);

	if (at >= 0) {
		*ret = (size_t)at;
		return 0;
	}
	const char *near = name_nearest(words, count, word);
	if (near != NULL)
		return yaml_err(node, err, "%s: '%.40s' is not known: did you mean '%s'?", key, word, near);
	for (size_t i = 0; i < count; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", words[i]);
	return yaml_err(node, err, "%s: must be %s", key, buf_text(&all));
}

/* A choice that may be left out; *ret is the usual one then. */
static int choose(const struct yaml_node *root, const char *key, const char *const *words, size_t count, size_t *ret, struct err *err)
{
	const struct yaml_node *node = yaml_get(root, key);

	return node != NULL ? one_of(node, key, words, count, ret, err) : 0;
}

static int read_choices(const struct yaml_node *root, struct own *own, struct err *err)
{
	static const char *const categories[] = { "exec", "read", "write", "network" };
	static const char *const risks[] = { "high", "low" };
	static const char *const natures[] = { "at_most_once", "idempotent", "pure" };
	static const char *const outputs[] = { "text", "json" };
	size_t category = 0, risk = 0, nature = 0, output = 0;

	_Static_assert(NATURE_AT_MOST_ONCE == 0 && NATURE_IDEMPOTENT == 1 && NATURE_PURE == 2, "in the order of the names");
	int r = choose(root, "category", categories, COUNT(categories), &category, err);
	if (r == 0)
		r = choose(root, "risk", risks, COUNT(risks), &risk, err);
	if (r == 0)
		r = choose(root, "nature", natures, COUNT(natures), &nature, err);
	if (r == 0)
		r = choose(root, "output", outputs, COUNT(outputs), &output, err);
	own->tool.category = categories[category];
	own->tool.risk = risks[risk];
	own->tool.nature = (enum nature)nature;
	own->json_output = output == 1;
	return r;
}

/* ---- what it needs ------------------------------------------------------------------------------------------ */

/* It starts a program, so it has exec; the rest is as the manifest says. In the order of the table. */
static int read_permissions(const struct yaml_node *root, struct own *own, struct err *err)
{
	static const char *const words[] = { "fs.read", "fs.write", "exec", "net", "secrets" };
	const struct yaml_node *list = yaml_get(root, "permissions");
	AUTO(buf_done) struct buf text = BUF_INIT(256);
	bool has[COUNT(words)] = { [0] = true, [2] = true };
	int r = list != NULL ? yaml_want(list, YAML_LIST, "'permissions'", err) : 0;
	size_t at;

	for (const struct yaml_node *n = list != NULL ? yaml_first(list) : NULL; r == 0 && n != NULL; n = yaml_next(n)) {
		r = one_of(n, "permissions", words, COUNT(words), &at, err);
		if (r == 0)
			has[at] = true;
	}
	if (r < 0)
		return r;
	if (strcmp(own->tool.category, "read") == 0 && has[1])
		return yaml_err(list, err, "permissions: a tool of category read has no fs.write: give it category write or exec");
	if (yaml_get(root, "secrets") != NULL && !has[4])
		return yaml_err(yaml_get(root, "secrets"), err, "secrets: a tool with secrets says so: add secrets to its permissions");
	for (size_t i = 0; i < COUNT(words); i++)
		if (has[i])
			buf_printf(&text, "%s%s", text.len > 0 ? " " : "", words[i]);
	own->tool.permissions = buf_take(&text);
	return 0;
}

static int read_secrets(const struct yaml_node *root, bool project, struct own *own, struct err *err)
{
	const struct yaml_node *list = yaml_get(root, "secrets");

	if (list == NULL)
		return 0;
	if (project)
		return yaml_err(yaml_key(list), err, "secrets: is not for a manifest of a project, which tools can write: put the "
		                "manifest into ~/.config/mishri/tools");
	int r = yaml_want(list, YAML_LIST, "'secrets'", err);
	own->secrets = xcalloc(yaml_count(list) + 1, sizeof *own->secrets);
	for (const struct yaml_node *n = yaml_first(list); r == 0 && n != NULL; n = yaml_next(n)) {
		if (!yaml_is_text(n) || yaml_text(n)[0] == '\0')
			return yaml_err(n, err, "secrets: must be names of the section 'secrets' of the configuration");
		own->secrets[own->secret_count++] = xstrdup(yaml_text(n));
	}
	return r;
}

static int read_size(const struct yaml_node *map, const char *key, uint64_t least, uint64_t most, uint64_t *ret, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return 0;
	if (!yaml_is_scalar(node) || str_to_bytes(str_of(yaml_text(node)), ret) < 0 || *ret < least || *ret > most)
		return yaml_err(node, err, "limits: %s: must be a size from %lluk to %lluM, such as 64M", key,
		                (unsigned long long)least >> 10, (unsigned long long)most >> 20);
	return 0;
}

static int read_limits(const struct yaml_node *root, struct own *own, struct err *err)
{
	static const char *const keys[] = { "timeout", "memory", "output" };
	const struct yaml_node *map = yaml_get(root, "limits"), *timeout;

	own->wall_ms = LIMIT_SHELL_WALL_MS;
	if (map == NULL)
		return 0;
	int r = yaml_want(map, YAML_MAP, "'limits'", err);
	if (r == 0)
		r = yaml_only_keys(map, keys, COUNT(keys), err);
	if (r < 0)
		return r;
	timeout = yaml_get(map, "timeout");
	if (timeout != NULL && (!yaml_is_scalar(timeout) || str_to_duration_ms(str_of(yaml_text(timeout)), &own->wall_ms) < 0 ||
	                        own->wall_ms < 1000 || own->wall_ms > LIMIT_CALL_WALL_MS))
		return yaml_err(timeout, err, "limits: timeout: must be a time from 1s to %ds, such as 30s", LIMIT_CALL_WALL_MS / 1000);
	r = read_size(map, "memory", MIB(1), LIMIT_CELL_MEMORY_BYTES, &own->memory_bytes, err);
	return r == 0 ? read_size(map, "output", KIB(1), MIB(16), &own->output_bytes, err) : r;
}

/* ---- the schema and the command line -------------------------------------------------------------------------- */

/* The arguments are an object, and nothing that the schema does not name passes, unless it says so itself. */
static void complete_schema(json_t *schema)
{
	static const char *const open[] = { "additionalProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf", "oneOf" };

	if (json_object_get(schema, "type") == NULL)
		json_put_text(schema, "type", "object");
	for (size_t i = 0; i < COUNT(open); i++)
		if (json_object_get(schema, open[i]) != NULL)
			return;
	json_put_bool(schema, "additionalProperties", false);
}

static int read_schema(const struct yaml_node *root, json_t **ret, struct own *own, struct err *err)
{
	const struct yaml_node *node = yaml_get(root, "schema");
	AUTO(json_decrefp) json_t *schema = NULL;
	struct err why;

	if (node != NULL && yaml_want(node, YAML_MAP, "'schema'", err) < 0)
		return -EINVAL;
	schema = node != NULL ? yaml_to_json(node) : json_object();
	complete_schema(schema);
	if (strcmp(json_get_text(schema, "type", ""), "object") != 0)
		return yaml_err(node, err, "schema: type: the arguments of a tool are an object: write 'type: object'");
	if (schema_lint(schema, &why) < 0)
		return yaml_err(node != NULL ? node : root, err, "schema: %s", why.text);
	own->tool.schema = json_text(schema);
	*ret = TAKE(schema);
	return 0;
}

static int read_program(const struct yaml_node *root, struct own *own, struct err *err)
{
	const struct yaml_node *node;
	int r = must_have(root, "program", "what is started: a name (python3), an absolute path, or one below the workspace "
	                  "(scripts/query.py)", &node, err);

	if (r < 0)
		return r;
	const char *program = yaml_text(node);
	if (strpbrk(program, " \t\n") != NULL && strchr(program, '/') == NULL)
		return yaml_err(node, err, "program: '%.80s' is one file, not a command line: put the words behind it into 'args'", program);
	own->program = xstrdup(program);
	return 0;
}

/* "{{name}}" or "{{/a/b}}" must be an argument that the schema knows, where it lists them. */
static int check_argument(const struct yaml_node *node, const json_t *schema, const char *name, struct err *err)
{
	const json_t *known = json_object_get(schema, "properties"), *rest = json_object_get(schema, "additionalProperties");
	const char *names[64], *key;
	size_t count = 0;
	json_t *one;

	if (strncmp(name, "secret:", 7) == 0)
		return yaml_err(node, err, "args: a secret is on no command line: name it under 'secrets', and the program finds it in "
		                "its environment as MISHRI_SECRET_%.40s", name + 7);
	if (name[0] == '\0')
		return yaml_err(node, err, "args: '{{}}' names no argument; write {{NAME}}");
	if (name[0] == '/' || !json_is_false(rest) || json_object_get(known, name) != NULL)
		return 0;
	json_object_foreach((json_t *)known, key, one)
		if (count < COUNT(names))
			names[count++] = key;
	const char *near = name_nearest(names, count, name);
	if (near != NULL)
		return yaml_err(node, err, "args: the schema has no argument '%.64s': did you mean '%s'?", name, near);
	return yaml_err(node, err, "args: the schema has no argument '%.64s'", name);
}

static void add_piece(struct own_word *word, const char *text, size_t len, bool argument)
{
	if (len == 0 && !argument)
		return;
	word->pieces = xrealloc(word->pieces, (word->count + 1) * sizeof *word->pieces);
	word->pieces[word->count++] = (struct own_piece){ xstrndup(text, len), argument };
}

static int read_word(const struct yaml_node *node, const json_t *schema, struct own_word *word, struct err *err)
{
	if (!yaml_is_scalar(node) || yaml_type(node) == YAML_NULL)
		return yaml_err(node, err, "args: each entry is one word of the command line");
	const char *at = yaml_text(node), *open;
	while ((open = strstr(at, "{{")) != NULL) {
		const char *close = strstr(open, "}}");
		if (close == NULL)
			return yaml_err(node, err, "args: '{{' is not closed: write {{NAME}}");
		AUTO(freep) char *name = xstrndup(open + 2, (size_t)(close - open - 2));
		int r = check_argument(node, schema, name, err);
		if (r < 0)
			return r;
		add_piece(word, at, (size_t)(open - at), false);
		add_piece(word, name, strlen(name), true);
		at = close + 2;
	}
	add_piece(word, at, strlen(at), false);
	return 0;
}

static int read_words(const struct yaml_node *root, const json_t *schema, struct own *own, struct err *err)
{
	static const char *const inputs[] = { "json", "none" };
	const struct yaml_node *list = yaml_get(root, "args");
	size_t input = list != NULL; /* without a template nothing else would carry the arguments */
	int r = choose(root, "stdin", inputs, COUNT(inputs), &input, err);

	own->json_input = input == 0;
	if (r < 0 || list == NULL)
		return r;
	r = yaml_want(list, YAML_LIST, "'args'", err);
	if (r == 0 && yaml_count(list) > LIMIT_OWN_ARGS)
		return yaml_err(list, err, "args: has more than %d entries", LIMIT_OWN_ARGS);
	own->words = xcalloc(yaml_count(list) + 1, sizeof *own->words);
	for (const struct yaml_node *n = yaml_first(list); r == 0 && n != NULL; n = yaml_next(n))
		r = read_word(n, schema, &own->words[own->word_count++], err);
	return r;
}

int own_read(const char *name, struct str text, bool project, struct own **ret, struct err *err)
{
	static const char *const keys[] = { "name", "description", "program", "args", "stdin", "schema", "permissions", "secrets",
	                                    "category", "risk", "nature", "limits", "output" };
	AUTO(yaml_freep) struct yaml *yaml = NULL;
	AUTO(own_freep) struct own *own = xcalloc(1, sizeof *own);
	AUTO(json_decrefp) json_t *schema = NULL;

	int r = yaml_parse(name, text, LIMIT_OWN_MANIFEST_BYTES, &yaml, err);
	if (r < 0)
		return r;
	const struct yaml_node *root = yaml_root(yaml);
	if (yaml_want(root, YAML_MAP, "a manifest", err) < 0 || yaml_only_keys(root, keys, COUNT(keys), err) < 0 ||
	    read_name(root, own, err) < 0 || read_about(root, own, err) < 0 || read_choices(root, own, err) < 0 ||
	    read_program(root, own, err) < 0 || read_permissions(root, own, err) < 0 || read_secrets(root, project, own, err) < 0 ||
	    read_limits(root, own, err) < 0 || read_schema(root, &schema, own, err) < 0 || read_words(root, schema, own, err) < 0)
		return -EINVAL;
	own->tool.own = own;
	*ret = TAKE(own);
	return 0;
}
