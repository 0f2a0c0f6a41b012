/* fuzz_event.c - any bytes as a stored event: refused with a reason, or written again to a text that reads the same. */
#include "core/event.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(event_done) struct event event = { 0 }, again = { 0 };
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES), second = BUF_INIT(LIMIT_JSON_BYTES);
	struct err err = ERR_NONE;

	if (event_parse((struct str){ (const char *)bytes, len }, &event, &err) < 0) {
		assert(err.text[0] != '\0' && event.data == NULL);
		return 0;
	}
	event_format(&event, &text);
	assert(event_parse(buf_str(&text), &again, &err) == 0);
	event_format(&again, &second);
	assert(str_eq(buf_str(&text), buf_str(&second)));
	return 0;
}
