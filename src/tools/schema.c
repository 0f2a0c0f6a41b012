/* schema.c - the schema check as tools use it: strict about keywords, with formats, and for a tool's own text compiled
 * only once. There are as many texts as tools: what was compiled is kept until the process ends. */
#include "tools/schema.h"

#include <pthread.h>

#include "base/banned.h"

int schema_lint(const json_t *schema, struct err *err)
{
	AUTO(schema_freep) struct schema *compiled = NULL;

	return schema_compile(schema, SCHEMA_STRICT, &compiled, err);
}

int schema_check(const json_t *schema, const json_t *value, struct err *err)
{
	AUTO(schema_freep) struct schema *compiled = NULL;

	if (schema_compile(schema, SCHEMA_STRICT, &compiled, err) < 0) /* what is not understood must not pass for a match */
		return err_prefix(err, "the schema itself");
	return schema_validate(compiled, value, SCHEMA_FORMATS, err);
}

struct kept {
	char *text;
	json_t *json;
	struct schema *schema;
	struct kept *next;
};

static struct kept *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int keep(const char *text, const struct schema **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *json = NULL;
	struct schema *schema = NULL;

	for (const struct kept *k = all; k != NULL; k = k->next)
		if (strcmp(k->text, text) == 0) {
			*ret = k->schema;
			return 0;
		}
	if (json_parse(str_of(text), &json, err) < 0 || schema_compile(json, SCHEMA_STRICT, &schema, err) < 0)
		return err_prefix(err, "the schema itself");
	struct kept *k = xmalloc(sizeof *k);
	*k = (struct kept){ xstrdup(text), TAKE(json), schema, all };
	all = k;
	*ret = schema;
	return 0;
}

int schema_check_text(const char *text, const json_t *value, struct err *err)
{
	const struct schema *schema = NULL;

	pthread_mutex_lock(&lock);
	int r = keep(text, &schema, err);
	pthread_mutex_unlock(&lock);
	return r < 0 ? r : schema_validate(schema, value, SCHEMA_FORMATS, err);
}
