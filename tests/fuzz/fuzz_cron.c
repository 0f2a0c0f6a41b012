/* fuzz_cron.c - a cron expression: refused with a sentence, or the next instant lies behind, and asked again is the same. */
#include "core/cron.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cron cron;
	struct err err = ERR_NONE;
	int64_t next, again;

	if (cron_parse((struct str){ (const char *)bytes, len }, &cron, &err) < 0) {
		assert(err.text[0] != '\0');
		return 0;
	}
	if (!cron_next(&cron, 1795000000, &next))
		return 0;
	assert(next > 1795000000 && next % 60 == 0);
	assert(cron_next(&cron, next - 1, &again) && again == next);
	return 0;
}
