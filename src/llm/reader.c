/* reader.c - tells event streams, JSON, web pages and errors apart by what they are, not by what their headers say,
 * and keeps the size of the whole in bounds. What the pieces mean is the dialect's. */
#include "llm/reader.h"

#include "base/banned.h"

enum { HEAD_BYTES = 256 };

static void on_event(void *userdata, struct str name, struct str data)
{
	struct reader *r = userdata;

	if (!r->gather.failed && !r->gather.ended)
		r->dialect->event(&r->gather, name, data);
}

void reader_init(struct reader *r, const struct provider *provider, int http_status)
{
	bool error = http_status != 0 && (http_status < 200 || http_status >= 300);

	*r = (struct reader){ .dialect = provider->dialect, .kind = error ? BODY_ERROR : BODY_UNKNOWN };
	r->body = BUF_INIT(error ? LIMIT_ERROR_BODY_BYTES : LIMIT_REPLY_BODY_BYTES);
	gather_init(&r->gather, provider->name, http_status);
	r->gather.reports_usd = provider->reports_usd;
	sse_init(&r->sse, on_event, r);
}

void reader_done(struct reader *r)
{
	gather_done(&r->gather);
	sse_done(&r->sse);
	buf_done(&r->body);
}

static enum body_kind kind_by_first(char c)
{
	switch (c) {
	case '{':
	case '[':
		return BODY_JSON;
	case '<':
		return BODY_PAGE;
	default:
		return BODY_STREAM;
	}
}

/* As much of the bytes as still fits under `max`. */
static void keep_head(struct buf *to, struct str bytes, size_t max)
{
	size_t room = max > to->len ? max - to->len : 0;

	buf_add(to, bytes.ptr, MIN(bytes.len, room));
}

bool reader_feed(struct reader *r, struct str bytes)
{
	r->total_bytes += bytes.len;
	if (r->kind == BODY_ERROR) {
		keep_head(&r->body, bytes, LIMIT_ERROR_BODY_BYTES);
		return r->total_bytes < LIMIT_REPLY_BODY_BYTES;
	}
	if (r->total_bytes > LIMIT_REPLY_BODY_BYTES)
		gather_unreadable(&r->gather, "it is longer than a reply may be");
	if (r->kind == BODY_UNKNOWN) {
		while (bytes.len > 0 && memchr(" \t\r\n", bytes.ptr[0], 4) != NULL)
			bytes = str_skip(bytes, 1);
		if (bytes.len > 0)
			r->kind = kind_by_first(bytes.ptr[0]);
	}
	if (bytes.len == 0 || r->gather.failed || r->gather.ended)
		return !r->gather.failed;
	if (r->kind == BODY_JSON) {
		buf_add_str(&r->body, bytes);
	} else {
		keep_head(&r->body, bytes, HEAD_BYTES);
		if (r->kind == BODY_STREAM && sse_feed(&r->sse, bytes) < 0)
			gather_unreadable(&r->gather, "one of its events is longer than it may be");
	}
	return !r->gather.failed;
}

static void read_json(struct reader *r, const char *cut)
{
	AUTO(json_decrefp) json_t *value = NULL;
	struct err err = ERR_NONE;
	struct gather *g = &r->gather;

	if (json_parse(buf_str(&r->body), &value, &err) < 0) {
		if (cut == NULL)
			gather_unreadable(g, err.text);
		return;
	}
	if (fault_read(value, g->who, g->http_status, &g->failure))
		g->failed = true;
	else
		r->dialect->whole(g, value);
}

static void fail_without_reply(struct reader *r, const char *cut)
{
	struct gather *g = &r->gather;
	struct llm_failure failure;

	if (cut != NULL)
		fault_set(&failure, fault_of_stream(STREAM_CUT), g->http_status, "%s: %s", g->who, cut);
	else if (r->kind == BODY_UNKNOWN)
		fault_set(&failure, fault_of_stream(STREAM_EMPTY), g->http_status, "%s: the reply is empty", g->who);
	else if (r->kind == BODY_PAGE)
		fault_set(&failure, fault_of_stream(STREAM_PAGE), g->http_status, "%s answered with a web page instead of JSON: is the "
		          "base address right? It often ends in /v1", g->who);
	else if (r->kind == BODY_STREAM && !g->begun && !r->sse.begun)
		fault_set(&failure, fault_of_stream(STREAM_FOREIGN), g->http_status, "%s answered with neither JSON nor a stream of "
		          "events: %.*s", g->who, (int)r->body.len, buf_text(&r->body));
	else if (!g->begun)
		fault_set(&failure, fault_of_stream(STREAM_UNANSWERED), g->http_status, "%s: the reply holds no answer", g->who);
	else
		fault_set(&failure, fault_of_stream(STREAM_UNFINISHED), g->http_status, "%s: the reply ended before it was whole", g->who);
	gather_fail(g, &failure);
}

bool reader_finish(struct reader *r, const char *cut, struct llm_reply *ret_reply, struct llm_failure *ret_failure)
{
	struct gather *g = &r->gather;

	if (r->kind == BODY_ERROR) {
		fault_of_answer(buf_str(&r->body), g->who, g->http_status, ret_failure);
		return false;
	}
	if (r->kind == BODY_STREAM)
		sse_finish(&r->sse);
	if (r->kind == BODY_JSON && !g->failed)
		read_json(r, cut);
	if (!g->failed && !(g->begun && (g->whole || g->ended)))
		fail_without_reply(r, cut);
	if (g->failed) {
		*ret_failure = g->failure;
		return false;
	}
	if (r->dialect->finish != NULL)
		r->dialect->finish(g);
	gather_reply(g, ret_reply);
	return true;
}
