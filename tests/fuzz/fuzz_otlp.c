/* fuzz_otlp - any bytes as the answer of a receiver, as pairs of the environment, and as a traceparent. The first byte says which. */
#include <string.h>

#include "engine/otlp.h"
#include "engine/traceparent.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(freep) char *text = size > 0 ? xstrndup((const char *)data + 1, size - 1) : NULL;
	AUTO(json_decrefp) json_t *pairs = NULL;
	struct otlp_answer answer;
	struct traceparent parent;

	if (size < 1)
		return 0;
	if (data[0] % 4 < 2)
		otlp_answer_read((struct str){ (const char *)data + 1, size - 1 }, data[0] % 4 == 1, &answer);
	else if (data[0] % 4 == 2 && otlp_pairs(text, &pairs, NULL) == 0)
		assert(json_is_object(pairs));
	else if (data[0] % 4 == 3 && traceparent_parse(text, &parent) == 0)
		assert(strlen(parent.trace_id) == TRACE_ID_LEN && strlen(parent.span_id) == SPAN_ID_LEN);
	return 0;
}
