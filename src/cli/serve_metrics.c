/* serve_metrics.c - GET /metrics: what this service counted since it began, and what stands now. It reads and changes nothing. */
#include <string.h>

#include "cli/serve.h"
#include "engine/metrics.h"

#include "base/banned.h"

void serve_metrics(struct serve *serve, struct http_conn *conn, const struct http_request *request)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_METRICS_BYTES);
	AUTO(freep) char *accept = NULL;
	const struct metrics_now now = { .store = serve->s.store, .engine = serve->s.engine };

	const struct http_header *wanted = http_header_find(request->head, "accept");
	if (wanted != NULL)
		accept = xstrndup(wanted->value.ptr, wanted->value.len);
	bool open = metrics_wants_open(accept);
	metrics_render(serve->s.metrics, &now, open, &text);
	http_answer(conn, 200, open ? metrics_type_open : metrics_type, buf_str(&text), "");
}
