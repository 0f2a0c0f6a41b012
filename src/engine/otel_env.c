/* otel_env.c - the variables OTEL_* of the standard as keys of ours. Other programs read them too: what is wrong in them for us
 * turns the export off and is said once, and never keeps a task from running. Values of headers are read elsewhere
 * (otel_setup.c) and become no key: keys are shown. */
#include <stdio.h>
#include <string.h>

#include "engine/otel.h"

#include "base/banned.h"

enum form { AS_IT_IS, MILLISECONDS, ONE_OF, FALSE_IF_TRUE, OFF_IF_NONE, LATEST_IF_NAMED };

/* Later rows win. */
static const struct row {
	const char *variable, *key;
	enum form form;
	const char *choices;
} rows[] = {
	{ "OTEL_EXPORTER_OTLP_ENDPOINT", "otel.endpoint", AS_IT_IS, NULL },
	{ "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otel.traces_endpoint", AS_IT_IS, NULL },
	{ "OTEL_EXPORTER_OTLP_PROTOCOL", "otel.protocol", ONE_OF, "http/protobuf http/json" },
	{ "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "otel.protocol", ONE_OF, "http/protobuf http/json" },
	{ "OTEL_EXPORTER_OTLP_TIMEOUT", "otel.timeout", MILLISECONDS, NULL },
	{ "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "otel.timeout", MILLISECONDS, NULL },
	{ "OTEL_EXPORTER_OTLP_COMPRESSION", "otel.compression", ONE_OF, "none gzip" },
	{ "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "otel.compression", ONE_OF, "none gzip" },
	{ "OTEL_EXPORTER_OTLP_CERTIFICATE", "otel.ca_file", AS_IT_IS, NULL },
	{ "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "otel.ca_file", AS_IT_IS, NULL },
	{ "OTEL_RESOURCE_ATTRIBUTES", "otel.resource", AS_IT_IS, NULL },
	{ "OTEL_SERVICE_NAME", "otel.service_name", AS_IT_IS, NULL },
	{ "OTEL_TRACES_SAMPLER", "otel.sampler", ONE_OF,
	  "always_on always_off traceidratio parentbased_always_on parentbased_always_off parentbased_traceidratio" },
	{ "OTEL_TRACES_SAMPLER_ARG", "otel.sampler_arg", AS_IT_IS, NULL },
	{ "OTEL_BSP_MAX_QUEUE_SIZE", "otel.queue", AS_IT_IS, NULL },
	{ "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "otel.batch", AS_IT_IS, NULL },
	{ "OTEL_BSP_SCHEDULE_DELAY", "otel.delay", MILLISECONDS, NULL },
	{ "OTEL_SEMCONV_STABILITY_OPT_IN", "otel.names", LATEST_IF_NAMED, NULL },
	{ "OTEL_TRACES_EXPORTER", "otel.export", OFF_IF_NONE, NULL },
	{ "OTEL_SDK_DISABLED", "otel.export", FALSE_IF_TRUE, NULL },
};

/* NULL: not set, or empty, which the standard takes for the same. */
static const char *value_in(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=' && (*env)[len + 1] != '\0')
			return *env + len + 1;
	return NULL;
}

static bool has_word(const char *list, const char *word, char between)
{
	struct str one;

	for (struct str rest = str_of(list); str_next(&rest, between, &one);)
		if (str_eq(str_trim(one), str_of(word)))
			return true;
	return false;
}

/* As the key wants it. NULL: it says nothing for us; the caller owns it. */
static int convert(const struct row *row, const char *value, char **ret, struct err *err)
{
	switch (row->form) {
	case AS_IT_IS: *ret = xstrdup(value); return 0;
	case MILLISECONDS:
		if (strspn(value, "0123456789") != strlen(value))
			return err_set(err, EINVAL, "'%.40s' must be milliseconds, such as 10000", value);
		*ret = xasprintf("%sms", value);
		return 0;
	case ONE_OF:
		if (!has_word(row->choices, value, ' '))
			return err_set(err, EINVAL, "'%.40s' is not spoken here: one of %s is", value, row->choices);
		*ret = xstrdup(value);
		return 0;
	case FALSE_IF_TRUE: *ret = strcasecmp(value, "true") == 0 ? xstrdup("off") : NULL; return 0;
	case OFF_IF_NONE: *ret = has_word(value, "otlp", ',') ? NULL : xstrdup("off"); return 0;
	case LATEST_IF_NAMED: *ret = has_word(value, "gen_ai_latest_experimental", ',') ? xstrdup("latest") : NULL; return 0;
	}
	return 0;
}

int otel_env_read(const char *const *env, otel_env_put *put, void *userdata, struct err *err)
{
	struct err why = ERR_NONE;
	int first = 0;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *value = value_in(env, rows[i].variable);
		AUTO(freep) char *text = NULL;
		if (value == NULL)
			continue;
		int r = convert(&rows[i], value, &text, &why);
		if (r == 0 && text != NULL)
			r = put(userdata, rows[i].key, text, rows[i].variable);
		if (r < 0 && first == 0) {
			first = why.code != 0 ? err_set(err, EINVAL, "%s: %s; nothing is exported", rows[i].variable, why.text)
				: err_set(err, EINVAL, "%s: '%.40s' is no value that %s could have; nothing is exported", rows[i].variable,
				          value, rows[i].key);
		}
		why.code = 0;
	}
	return first;
}
