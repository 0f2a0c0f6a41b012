/* fuzz_schema.c - a schema on the first line, a value behind it: what is refused as a schema must never pass for a match, every refusal
 * has a sentence, and saying it changes nothing. */
#include "tools/schema.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(json_decrefp) json_t *schema = NULL, *value = NULL;
	AUTO(schema_freep) struct schema *loose = NULL;
	struct str rest = { (const char *)bytes, len }, line;
	struct err err = ERR_NONE;

	if (len == 0 || !str_next(&rest, '\n', &line) || rest.ptr == NULL || json_parse(line, &schema, NULL) < 0 ||
	    json_parse(rest, &value, NULL) < 0)
		return 0;
	int linted = schema_lint(schema, NULL), checked = schema_check(schema, value, &err);
	assert(linted == 0 || checked < 0);
	assert(checked == 0 || err.text[0] != '\0');
	if (schema_compile(schema, 0, &loose, &err) < 0) {
		assert(linted < 0 && err.text[0] != '\0');
		return 0;
	}
	int heard = schema_validate(loose, value, SCHEMA_LOCATE | SCHEMA_FORMATS, &err);
	assert(heard == schema_validate(loose, value, SCHEMA_FORMATS, NULL));
	assert(linted < 0 || heard == checked);
	return 0;
}
