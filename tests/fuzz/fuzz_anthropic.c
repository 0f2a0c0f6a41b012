/* fuzz_anthropic - any bytes as the body of an answer to a message request. See fuzz_reply.h. */
#include "fuzz_reply.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct provider provider = { .name = "anthropic", .dialect = &anthropic_dialect };

	return fuzz_reply(&provider, data, size);
}
