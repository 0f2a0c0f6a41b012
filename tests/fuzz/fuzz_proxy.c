/* fuzz_proxy - any bytes as what a client says to the proxy: HTTP, SOCKS, bodies in pieces, hosts. What is taken and
 * written anew must be taken again and say the same. */
#include "engine/egress_conn.h"
#include "engine/socks.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const struct host *host)
{
	struct host again;

	assert(host_read(str_of(host->name), &again, NULL) == 0);
	assert(strcmp(again.name, host->name) == 0 && again.address.family == host->address.family);
	assert(address_class_of(&again.address) == address_class_of(&host->address));
}

static void as_request(struct str text)
{
	AUTO(buf_done) struct buf head = BUF_INIT(MIB(1));
	struct wish wish;
	int status = 0;

	if (text.len > LIMIT_NET_HEAD_BYTES)
		return;
	if (wish_read(text, &wish, &status, NULL) < 0) {
		assert(status == 400 || status == 403);
		return;
	}
	check_host(&wish.host);
	assert(wish.port >= 1 && wish.port <= 65535);
	if (wish.kind == KIND_REQUEST) {
		struct http_head parsed, given;
		wish_head(&wish, STR(""), &head);
		if (http_request_read(text, &given, NULL) == 0 && given.count + 2 > LIMIT_NET_HEADERS)   /* up to two are added */
			goto out;
		assert(http_request_read(buf_str(&head), &parsed, NULL) == 0);
		assert(parsed.framing == wish.body.framing && http_header_find(&parsed, "mishri-secret") == NULL);
	}
out:
	wish_done(&wish);
}

static void as_answer(struct str text)
{
	AUTO(buf_done) struct buf out = BUF_INIT(MIB(1));
	struct http_head head, again;

	/* one header is added */
	if (text.len > LIMIT_NET_HEAD_BYTES || http_response_read(text, false, &head, NULL) < 0 || head.count == LIMIT_NET_HEADERS)
		return;
	answer_head(&head, &out);
	assert(http_response_read(buf_str(&out), false, &again, NULL) == 0 && again.framing == head.framing);
}

/* The pieces make no difference. */
static size_t fed(struct str bytes, size_t step, bool *ret_broken, bool *ret_done)
{
	struct http_body body = { .framing = BODY_CHUNKED, .trailers = true };
	size_t at = 0;
	int r = 0;

	while (at < bytes.len && r == 0 && !body.done) {
		size_t used = 0;
		r = http_body_feed(&body, bytes.ptr + at, MIN(step, bytes.len - at), &used, NULL);
		at += used;
	}
	*ret_broken = r < 0;
	*ret_done = body.done;
	return r < 0 ? 0 : at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socks_request request;
	bool broken[2], done[2], open = false;
	struct host host;

	if (size < 1)
		return 0;
	struct str text = { (const char *)data + 1, size - 1 };
	as_request(text);
	as_answer(text);
	size_t whole = fed(text, SIZE_MAX, &broken[0], &done[0]), cut = fed(text, (size_t)data[0] + 1, &broken[1], &done[1]);
	assert(whole == cut && broken[0] == broken[1] && done[0] == done[1]);
	if (host_read(text, &host, NULL) == 0)
		check_host(&host);
	(void)!socks_greeting_read(data + 1, size - 1, &open);
	int r = socks_request_read(data + 1, size - 1, &request, NULL);
	assert(r <= (int)(size - 1));
	if (r > 0 && request.refusal == SOCKS_OK)
		check_host(&request.host);
	return 0;
}
