/* fuzz_transfer.c - any bytes as an exported task: refused with a reason, or a tree whose numbers are within bounds. So that
 * the fuzzer gets behind the hashes, a second run goes over the file with its hashes and counts put right. */
#include "base/buf.h"
#include "store/transfer.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(struct str file)
{
	struct transfer t = { 0 };
	struct err err = ERR_NONE;

	if (transfer_check(file, &t, &err) < 0) {
		assert(err.text[0] != '\0' && t.root[0] == '\0');
		return;
	}
	assert(id_valid(t.root) && t.events >= 1 && t.tasks >= 1 && t.tasks <= t.events);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(buf_done) struct buf body = BUF_INIT(MIB(8)), file = BUF_INIT(MIB(8));
	char head[SHA256_HEX_LEN + 1] = "0000000000000000000000000000000000000000000000000000000000000000";
	struct str rest = { (const char *)bytes, len }, line;
	int events = 0;

	check(rest);
	while (str_next(&rest, '\n', &line)) {
		sha256_hex((struct str[]){ str_of(head), line }, 2, head);
		json_t *object = json_pack("{ss so}", "hash", head, "event", json_of_str(line));
		json_write(object, &body);
		buf_add_char(&body, '\n');
		json_decref(object);
		events++;
	}
	buf_printf(&file, "{\"mishri\":\"tree\",\"version\":1,\"root\":\"aaaaaaaaaaa1\",\"head\":\"%s\",\"events\":%d,\"blobs\":0,"
	           "\"exported\":\"2026\",\"by\":\"eve\"}\n", head, events);
	buf_add(&file, body.ptr, body.len);
	check(buf_str(&file));
	return 0;
}
