/* schema.c - what a check of arguments costs: the schema of a tool, compiled once, and a long list; validations a second and MB/s.
 * One JSON line a measurement. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tools/schema.h"

enum { SPAN_MS = 500 };

static json_t *made(const char *text)
{
	json_t *value = NULL;

	if (json_parse(str_of(text), &value, NULL) < 0)
		abort();
	return value;
}

static void measure(const char *what, const char *schema_text, const json_t *value)
{
	json_t *json = made(schema_text);
	struct schema *schema = NULL;
	struct err err = ERR_NONE;
	char *text = json_text(value);
	int64_t start = clock_mono_ns(), compiles = 0, checks = 0;

	for (; clock_mono_ns() - start < SPAN_MS * 1000000ll; compiles++) {
		schema_free(schema);
		if (schema_compile(json, SCHEMA_STRICT, &schema, &err) < 0)
			abort();
	}
	int64_t compile_ns = (clock_mono_ns() - start) / compiles;
	for (start = clock_mono_ns(); clock_mono_ns() - start < SPAN_MS * 1000000ll; checks++)
		if (schema_validate(schema, value, SCHEMA_FORMATS, &err) < 0) {
			fprintf(stderr, "%s: %s\n", what, err.text);
			abort();
		}
	double seconds = (double)(clock_mono_ns() - start) / 1e9;
	printf("{\"bench\":\"schema\",\"what\":\"%s\",\"bytes\":%zu,\"compile_ns\":%lld,\"validations_per_s\":%.0f,\"mb_per_s\":%.1f}\n", what,
	       strlen(text), (long long)compile_ns, (double)checks / seconds, (double)checks * (double)strlen(text) / seconds / 1e6);
	free(text);
	schema_free(schema);
	json_decref(json);
}

int main(void)
{
	json_t *args = made("{\"path\": \"src/main.c\", \"offset\": 10, \"limit\": 200}");
	json_t *list = json_array(), *call = made("{\"path\": \"src/base/buf.c\", \"old\": \"return -ENOBUFS;\", \"new\": \"return -EFBIG;\"}");

	for (int i = 0; i < 1000; i++)
		json_array_append_new(list, json_pack("{s:i, s:s, s:[s,s], s:b}", "id", i, "name", "a name of some length", "tags", "one", "two", "done", i % 2));
	measure("read_file", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\"],\"properties\":{\"path\":{\"type\":\"string\","
		"\"minLength\":1},\"offset\":{\"type\":\"integer\",\"minimum\":1},\"limit\":{\"type\":\"integer\",\"minimum\":1}}}", args);
	measure("edit_file", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\",\"old\",\"new\"],\"properties\":{\"path\":{"
		"\"type\":\"string\",\"minLength\":1},\"old\":{\"type\":\"string\"},\"new\":{\"type\":\"string\"}}}", call);
	measure("a list of 1000", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/one\"},\"$defs\":{\"one\":{\"type\":\"object\",\"required\":[\"id\",\"name\"],"
		"\"properties\":{\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\",\"maxLength\":100},\"tags\":{\"type\":\"array\",\"items\":{"
		"\"enum\":[\"one\",\"two\"]},\"uniqueItems\":true},\"done\":{\"type\":\"boolean\"}},\"additionalProperties\":false}}}", list);
	measure("the same, unevaluated", "{\"type\":\"array\",\"items\":{\"allOf\":[{\"properties\":{\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\"}}}],"
		"\"properties\":{\"tags\":true,\"done\":{\"type\":\"boolean\"}},\"unevaluatedProperties\":false}}", list);
	json_decref(args);
	json_decref(list);
	json_decref(call);
	return 0;
}
