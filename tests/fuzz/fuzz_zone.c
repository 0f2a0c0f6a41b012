/* fuzz_zone.c - the bytes of a TZif file: refused with a sentence, or a zone whose answers hold together. */
#include "base/zone.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const int64_t moments[] = { -4000000000, 0, 1800000000, 9000000000 };
	AUTO(zone_freep) struct zone *zone = NULL;
	struct err err = ERR_NONE;

	if (zone_parse("x", (struct str){ (const char *)bytes, len }, &zone, &err) < 0) {
		assert(err.text[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < COUNT(moments); i++) {
		struct zone_span span;
		zone_at(zone, moments[i], &span);
		assert(span.from <= moments[i] && moments[i] < span.until);
		assert(zone_first(zone, moments[i] + span.offset_s) <= moments[i]);
		(void)zone_latest(zone, moments[i]);
	}
	return 0;
}
