/* fuzz_json.c - any bytes through the JSON parser and back: what was parsed and written parses again to the same. What the fast
 * reader takes, jansson takes, too, and as the same value. */
#include "base/json_plain.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(json_decrefp) json_t *value = NULL, *again = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);
	struct err err = ERR_NONE;
	AUTO(json_decrefp) json_t *plain = json_plain((struct str){ (const char *)bytes, len }), *strict = NULL;

	if (plain != NULL) {
		strict = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert(strict != NULL && json_equal(plain, strict) && json_depth(plain) <= LIMIT_JSON_DEPTH);
	}
	if (json_parse((struct str){ (const char *)bytes, len }, &value, &err) < 0) {
		assert(err.text[0] != '\0' && value == NULL);
		return 0;
	}
	json_write_canonical(value, &text);
	assert(!text.full && json_parse(buf_str(&text), &again, &err) == 0);
	assert(json_equal(value, again));
	return 0;
}
