/* schema_meta.c - the meta-schemas of 2020-12, made from the table of keywords, so that a schema can refer to them and nothing is
 * fetched. One document for each vocabulary, and one that joins them. */
#include "tools/schema_node.h"

#include "base/banned.h"

#define BASE "https://json-schema.org/draft/2020-12/"

static const char *const vocabularies[] = {
	"core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content",
};

static json_t *made(const char *text)
{
	json_t *value = NULL;

	if (json_parse(str_of(text), &value, NULL) < 0)
		abort(); /* the table is wrong */
	return value;
}

/* A schema of what the keyword's own value must be. */
static const char *of_form(enum form form)
{
	static const char *const forms[] = {
		[FORM_ANY] = "true", [FORM_TEXT] = "{\"type\": \"string\"}", [FORM_BOOL] = "{\"type\": \"boolean\"}",
		[FORM_TYPE] = ("{\"anyOf\": [{\"$ref\": \"#/$defs/simpleTypes\"}, "
			"{\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/simpleTypes\"}, \"minItems\": 1, \"uniqueItems\": true}]}"),
		[FORM_REGEX] = "{\"type\": \"string\", \"format\": \"regex\"}", [FORM_NUMBER] = "{\"type\": \"number\"}",
		[FORM_POSITIVE] = "{\"type\": \"number\", \"exclusiveMinimum\": 0}", [FORM_SIZE] = "{\"$ref\": \"#/$defs/nonNegativeInteger\"}",
		[FORM_NAMES] = "{\"$ref\": \"#/$defs/stringArray\"}", [FORM_LIST] = "{\"type\": \"array\"}",
		[FORM_ENUM] = "{\"type\": \"array\"}",
		[FORM_SCHEMA] = "{\"$dynamicRef\": \"#meta\"}", [FORM_CONTENT] = "{\"$dynamicRef\": \"#meta\"}",
		[FORM_SCHEMAS] = "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$dynamicRef\": \"#meta\"}}",
		[FORM_MEMBERS] = "{\"type\": \"object\", \"additionalProperties\": {\"$dynamicRef\": \"#meta\"}}",
		[FORM_PATTERNS] = ("{\"type\": \"object\", \"additionalProperties\": {\"$dynamicRef\": \"#meta\"}, "
			"\"propertyNames\": {\"format\": \"regex\"}}"),
		[FORM_DEPENDENT] = "{\"type\": \"object\", \"additionalProperties\": {\"$ref\": \"#/$defs/stringArray\"}}",
		[FORM_EITHER] = ("{\"type\": \"object\", \"additionalProperties\": "
			"{\"anyOf\": [{\"$dynamicRef\": \"#meta\"}, {\"$ref\": \"#/$defs/stringArray\"}]}}"),
		[FORM_REF] = "{\"type\": \"string\", \"format\": \"uri-reference\"}",
		[FORM_ID] = "{\"type\": \"string\", \"format\": \"uri-reference\", \"pattern\": \"^[^#]*#?$\"}",
		[FORM_ANCHOR] = "{\"type\": \"string\", \"pattern\": \"^[A-Za-z_][-A-Za-z0-9._]*$\"}",
		[FORM_META] = "{\"type\": \"string\", \"format\": \"uri\"}", [FORM_FORMAT] = "{\"type\": \"string\"}",
		[FORM_VOCABULARY] = ("{\"type\": \"object\", \"propertyNames\": {\"format\": \"uri\"}, "
			"\"additionalProperties\": {\"type\": \"boolean\"}}"),
	};

	return forms[form];
}

static json_t *vocabulary(const char *name)
{
	json_t *properties = json_object();

	for (size_t i = 0; i < schema_keyword_count; i++)
		if (strcmp(schema_keywords[i].vocabulary, name) == 0)
			json_put(properties, schema_keywords[i].name, made(of_form(schema_keywords[i].form)));
	json_t *all = made("{\"$dynamicAnchor\": \"meta\", \"type\": [\"object\", \"boolean\"], \"$defs\": {"
	                   "\"nonNegativeInteger\": {\"type\": \"integer\", \"minimum\": 0}, "
	                   "\"stringArray\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"uniqueItems\": true}, "
	                   "\"simpleTypes\": {\"enum\": [\"array\", \"boolean\", \"integer\", "
	                   "\"null\", \"number\", \"object\", \"string\"]}}}");
	AUTO(freep) char *id = xasprintf(BASE "meta/%s", name);
	json_put_text(all, "$id", id);
	json_put(all, "properties", properties);
	return all;
}

json_t *schema_meta(void)
{
	json_t *all = json_object(), *joined = json_array();

	for (size_t i = 0; i < COUNT(vocabularies); i++) {
		AUTO(freep) char *id = xasprintf(BASE "meta/%s", vocabularies[i]);
		json_put(all, id, vocabulary(vocabularies[i]));
		json_array_append_new(joined, json_pack("{s:s}", "$ref", id));
	}
	json_t *schema = made("{\"$id\": \"" BASE "schema\", \"$dynamicAnchor\": \"meta\", \"type\": [\"object\", \"boolean\"]}");
	json_put(schema, "allOf", joined);
	json_put(all, BASE "schema", schema);
	return all;
}
