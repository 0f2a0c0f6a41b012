/* llm.c - the life of a call: from the conversation to exactly one reply or failure. It makes one attempt and leaves
 * the next one to the engine. */
#include "llm/llm.h"

#include <strings.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "llm/http.h"
#include "llm/reader.h"
#include "llm/recorded.h"

#include "base/banned.h"

TAILQ_HEAD(call_list, llm_call);

struct llm {
	struct event_base *base;
	struct http *http;
	struct call_list calls;
};

struct llm_call {
	TAILQ_ENTRY(llm_call) link;
	struct llm *llm;
	struct llm_request request;             /* without the conversation */
	int64_t started_ms, first_ms;
	int64_t shown;                          /* bytes of text handed on */
	bool busy;                              /* a callback runs: llm_cancel leaves the freeing to it */
	bool cancelled;
	/* One of both: */
	struct http_transfer *transfer;
	struct event *timer;                    /* recorded, or failed before anything was sent */
	const struct script_line *line;
	struct llm_failure failure;             /* when there is neither a transfer nor a line */
	struct reader reader;
	bool reading;                           /* `reader` is initialised: the first byte came */
};

static void call_free(struct llm_call *call)
{
	TAILQ_REMOVE(&call->llm->calls, call, link);
	if (call->timer != NULL)
		event_free(call->timer);
	if (call->reading)
		reader_done(&call->reader);
	free(call);
}

/* The end of every call that nobody cancelled. */
static void call_finish(struct llm_call *call, struct llm_reply *reply, struct llm_failure *failure)
{
	call->busy = true;
	if (failure != NULL) {
		fault_scrub(failure, call->request.model->key);
		failure->shown = call->shown;
	}
	if (!call->cancelled)
		call->request.on_done(call->request.userdata, reply, failure);
	if (reply != NULL)
		llm_reply_done(reply);
	call_free(call);
}

/* ---- over the network ---- */

static void on_text(void *userdata, struct str text)
{
	struct llm_call *call = userdata;

	call->shown += (int64_t)text.len;
	if (call->request.on_text != NULL)
		call->request.on_text(call->request.userdata, text);
}

static void start_reading(struct llm_call *call, int status)
{
	reader_init(&call->reader, call->request.model->provider, status);
	call->reader.gather.on_text = on_text;
	call->reader.gather.userdata = call;
	call->reading = true;
}

static void note_first(struct llm_call *call)
{
	if (call->reader.gather.spoke && call->first_ms < 0)
		call->first_ms = clock_mono_ms() - call->started_ms;
}

/* True: *ret_reply is set; false: *ret_failure. */
static bool finish_reading(struct llm_call *call, const char *cut, struct llm_reply *ret_reply,
                           struct llm_failure *ret_failure)
{
	call->busy = true;
	if (!reader_finish(&call->reader, cut, ret_reply, ret_failure))
		return false;
	note_first(call);
	ret_reply->first_ms = call->first_ms;
	return true;
}

static void on_bytes(void *userdata, int status, struct str bytes)
{
	struct llm_call *call = userdata;
	struct llm_reply reply;
	struct llm_failure failure;

	if (!call->reading)
		start_reading(call, status);
	call->busy = true;
	bool go_on = reader_feed(&call->reader, bytes);
	call->busy = false;
	if (call->cancelled) {
		call_free(call);
		return;
	}
	note_first(call);
	if (call->reader.gather.ended)
		http_set_idle(call->transfer, MIN(call->request.patience.idle_ms, (int64_t)LIMIT_MODEL_TAIL_MS));
	if (go_on)
		return;
	http_cancel(TAKE(call->transfer));
	bool whole = finish_reading(call, NULL, &reply, &failure);
	call_finish(call, whole ? &reply : NULL, whole ? NULL : &failure);
}

/* Where nothing else says how long to wait: until the limits that have nothing left are full again. */
static int64_t reset_ms(const struct http_end *end)
{
	static const struct { const char *remaining, *reset; } rows[] = {
		{ "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests" },
		{ "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" },
		{ "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset" },
		{ "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset" },
		{ "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset" },
		{ "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset" },
	};
	int64_t longest_ms = -1;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *left = end->header(end, rows[i].remaining);
		const char *reset = left != NULL && strcmp(left, "0") == 0 ? end->header(end, rows[i].reset) : NULL;
		if (reset != NULL)
			longest_ms = MAX(longest_ms, fault_reset_ms(reset, clock_wall_us()));
	}
	return longest_ms;
}

static void read_headers(const struct http_end *end, struct llm_failure *failure)
{
	const char *should_retry = end->header(end, "x-should-retry");

	failure->retry_after_ms = fault_retry_after_ms(end->header(end, "retry-after-ms"), end->header(end, "retry-after"),
	                                               clock_wall_us());
	if (end->status == 429 && failure->retry_after_ms < 0)
		failure->retry_after_ms = reset_ms(end);
	if (should_retry == NULL)
		return;
	if (strcasecmp(should_retry, "false") == 0)
		failure->retry_forbidden = true;
	else if (strcasecmp(should_retry, "true") == 0 && failure->cls == FAILURE_TERMINAL)
		failure->cls = FAILURE_TRANSIENT;
}

static void describe_no_reply(struct llm_call *call, const struct http_end *end, struct llm_failure *ret)
{
	const char *who = call->request.model->provider->name, *location = end->header(end, "location");

	if (end->status >= 300 && end->status < 400)
		fault_set(ret, FAILURE_TERMINAL, end->status, "%s answered with a redirect to %.200s, which is not "
		          "followed: set %s to the right address", who,
		          location != NULL ? location : "nowhere",
		          call->request.model->provider->base_var);
	else if (end->code == CURLE_OK)
		fault_of_answer(STR(""), who, end->status, ret);
	else
		fault_set(ret, fault_of_curl(end->code), end->status, "%s: %s", who, end->why);
}

static void on_end(void *userdata, const struct http_end *end)
{
	struct llm_call *call = userdata;
	struct llm_reply reply;
	struct llm_failure failure;
	bool whole = false, error = end->status >= 300 || end->status < 200;

	if (!call->reading && !error)
		start_reading(call, end->status);
	if (call->reading && (end->status < 300 || end->status >= 400))
		whole = finish_reading(call, end->why, &reply, &failure);
	else
		describe_no_reply(call, end, &failure);
	if (!whole && error && end->status != 0)
		read_headers(end, &failure);
	if (!whole && end->code == CURLE_OPERATION_TIMEDOUT)
		failure.silent_ms = MAX(clock_mono_ms() - http_heard_ms(end->transfer, &failure.patience_ms), (int64_t)1);
	call_finish(call, whole ? &reply : NULL, whole ? NULL : &failure);
}

static void add_header(void *to, const char *line)
{
	struct curl_slist **list = to, *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		abort();
	*list = longer;
}

static void add_trace_headers(const struct llm_request *request, struct curl_slist **headers)
{
	const struct { const char *name, *value; } rows[] = {
		{ "traceparent", request->traceparent }, { "tracestate", request->tracestate },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].value != NULL) {
			AUTO(freep) char *line = xasprintf("%s: %s", rows[i].name, rows[i].value);
			add_header(headers, line);
		}
}

static void start_transfer(struct llm_call *call, struct buf *body)
{
	const struct llm_model *model = call->request.model;
	const struct dialect *dialect = model->provider->dialect;
	struct curl_slist *headers = NULL;
	AUTO(freep) char *url = xasprintf("%s%s", model->base, dialect->path);

	add_header(&headers, "Content-Type: application/json");
	add_header(&headers, "Accept: text/event-stream, application/json");
	add_header(&headers, "Expect:");        /* a large body is sent without asking first */
	dialect->headers(model, add_header, &headers);
	add_trace_headers(&call->request, &headers);
	struct http_request request = {
		.url = url, .headers = headers, .body = body, .ca_file = model->ca_file, .ca_dir = model->ca_dir,
		.direct = model->loopback, .connect_ms = call->request.patience.connect_ms,
		.first_ms = call->request.patience.first_ms, .idle_ms = call->request.patience.idle_ms,
		.total_ms = call->request.patience.total_ms,
		.on_bytes = on_bytes, .on_end = on_end, .userdata = call,
	};
	call->transfer = http_start(call->llm->http, &request);
}

/* ---- by a timer ---- */

static void on_due(evutil_socket_t fd UNUSED, short what UNUSED, void *userdata)
{
	struct llm_call *call = userdata;
	struct llm_reply reply;

	if (call->line == NULL) {
		call_finish(call, NULL, &call->failure);
		return;
	}
	call->busy = true;
	script_line_reply(call->line, &reply);
	reply.first_ms = clock_mono_ms() - call->started_ms;
	if (call->request.on_text != NULL && reply.text[0] != '\0')
		call->request.on_text(call->request.userdata, str_of(reply.text));
	call_finish(call, &reply, NULL);
}

static void start_timer(struct llm_call *call, int64_t ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	call->timer = evtimer_new(call->llm->base, on_due, call);
	if (call->timer == NULL || event_add(call->timer, &wait) < 0)
		abort();
}

/* ---- what the engine calls ---- */

int llm_new(struct event_base *base, struct llm **ret, struct err *err)
{
	struct http *http;

	int r = http_new(base, &http, err);
	if (r < 0)
		return r;
	struct llm *llm = xcalloc(1, sizeof *llm);
	llm->base = base;
	llm->http = http;
	TAILQ_INIT(&llm->calls);
	*ret = llm;
	return 0;
}

void llm_free(struct llm *llm)
{
	struct llm_call *call;

	if (llm == NULL)
		return;
	while ((call = TAILQ_FIRST(&llm->calls)) != NULL) {
		assert(!call->busy);
		llm_cancel(call);
	}
	http_free(llm->http);
	free(llm);
}

static void set_patience(struct llm_patience *p)
{
	p->connect_ms = p->connect_ms > 0 ? p->connect_ms : LIMIT_MODEL_CONNECT_MS;
	p->first_ms = p->first_ms > 0 ? p->first_ms : LIMIT_MODEL_FIRST_MS;
	p->idle_ms = p->idle_ms > 0 ? p->idle_ms : LIMIT_MODEL_IDLE_MS;
	p->total_ms = p->total_ms > 0 ? p->total_ms : LIMIT_MODEL_TOTAL_MS;
}

struct llm_call *llm_start(struct llm *llm, const struct llm_request *request)
{
	struct llm_call *call = xcalloc(1, sizeof *call);
	struct llm_model *model = request->model;

	call->llm = llm;
	call->request = *request;
	call->request.messages = call->request.tools = NULL;
	set_patience(&call->request.patience);
	call->started_ms = clock_mono_ms();
	call->first_ms = -1;
	TAILQ_INSERT_TAIL(&llm->calls, call, link);
	if (model->script != NULL) {
		call->line = script_take(model->script, request, &call->failure);
		start_timer(call, call->line != NULL ? script_line_delay_ms(call->line) : 0);
		return call;
	}
	AUTO(buf_done) struct buf body = BUF_INIT(LIMIT_REQUEST_BODY_BYTES);
	model->provider->dialect->request(model, request, &body);
	if (body.full) {
		fault_set(&call->failure, FAILURE_TERMINAL, 0, "%s: the conversation is longer than %zu MiB",
		          model->provider->name, LIMIT_REQUEST_BODY_BYTES / MIB(1));
		start_timer(call, 0);
	} else {
		start_transfer(call, &body);
	}
	return call;
}

void llm_cancel(struct llm_call *call)
{
	call->cancelled = true;
	call->reader.gather.on_text = NULL;
	if (call->transfer != NULL)
		http_cancel(TAKE(call->transfer));
	if (call->line != NULL)
		script_give_back(call->request.model->script, call->line);
	call->line = NULL;
	if (!call->busy)
		call_free(call);
}

int64_t llm_call_heard_ms(const struct llm_call *call, int64_t *ret_patience_ms)
{
	return call->transfer != NULL ? http_heard_ms(call->transfer, ret_patience_ms) : -1;
}
