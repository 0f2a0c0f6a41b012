/* fuzz_cell_proto.c - any bytes into the decoder of the cell protocol. What it takes must encode to the same bytes. */
#include "cell/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);
	struct msg msg;

	if (size > LIMIT_CELL_MESSAGE_BYTES || msg_decode(data, size, &msg) < 0)
		return 0;
	if (msg_encode(&msg, &bytes) < 0 || bytes.len != size || memcmp(bytes.ptr, data, size) != 0)
		abort();
	msg_done(&msg);
	buf_done(&bytes);
	return 0;
}
