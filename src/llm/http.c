/* http.c - libcurl's multi interface on libevent. Connections are kept and shared (HTTP/1.1 keep-alive, HTTP/2
 * streams). It follows no redirect: the next host has not been given the key.
 *
 * libcurl must not be called from inside its own callbacks, so bytes are put aside there and handed on by pump(),
 * outside: whoever receives them may start and cancel what he likes. */
#include "llm/http.h"

#include <stdio.h>
#include <sys/queue.h>

#include "base/clock.h"

#include "base/banned.h"

TAILQ_HEAD(transfer_list, http_transfer);

struct http {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	struct transfer_list waiting, received;         /* without and with bytes to hand on */
};

struct http_transfer {
	TAILQ_ENTRY(http_transfer) link;
	struct http *http;
	CURL *easy;
	struct event *timer;            /* looks whether the transfer is idle, or late */
	int64_t first_ms, idle_ms, total_ms;
	int64_t begun_ms, last_ms;
	bool answered;                  /* the first byte came */
	struct buf body;                /* the request's */
	struct buf bytes;               /* of the answer, not handed on yet */
	struct curl_slist *headers;
	bool has_bytes;                 /* is in http->received */
	bool busy;                      /* its callback runs: whoever cancels it leaves the freeing to pump() */
	bool cancelled;
	void (*on_bytes)(void *userdata, int status, struct str bytes);
	void (*on_end)(void *userdata, const struct http_end *end);
	void *userdata;
	char why[CURL_ERROR_SIZE];
	char header_values[HTTP_HEADERS][HTTP_HEADER_BYTES];
	size_t header_count;
};

/* ---- one transfer ---- */

static void transfer_free(struct http_transfer *t)
{
	struct http *http = t->http;

	TAILQ_REMOVE(t->has_bytes ? &http->received : &http->waiting, t, link);
	curl_multi_remove_handle(http->multi, t->easy);
	curl_easy_cleanup(t->easy);
	event_free(t->timer);
	curl_slist_free_all(t->headers);
	buf_done(&t->body);
	buf_done(&t->bytes);
	free(t);
}

static void move(struct http_transfer *t, bool has_bytes)
{
	struct http *http = t->http;

	if (t->has_bytes == has_bytes)
		return;
	TAILQ_REMOVE(has_bytes ? &http->waiting : &http->received, t, link);
	TAILQ_INSERT_TAIL(has_bytes ? &http->received : &http->waiting, t, link);
	t->has_bytes = has_bytes;
}

static void set_timer(struct event *timer, int64_t ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (event_add(timer, &wait) < 0)
		abort();
}

/* How long it may go on without anything happening; 0 or less: no longer. */
static int64_t left_ms(const struct http_transfer *t, int64_t now_ms)
{
	int64_t silent_ms = t->answered ? t->idle_ms - (now_ms - t->last_ms) : t->first_ms - (now_ms - t->begun_ms);

	return MIN(silent_ms, t->total_ms - (now_ms - t->begun_ms));
}

static void look_again(struct http_transfer *t)
{
	set_timer(t->timer, MAX(left_ms(t, clock_mono_ms()), 1));
}

static size_t on_write(char *ptr, size_t size, size_t count, void *userdata)
{
	struct http_transfer *t = userdata;

	if (buf_add(&t->bytes, ptr, size * count) < 0)
		return 0;
	t->last_ms = clock_mono_ms();
	if (!t->answered) {
		t->answered = true;
		look_again(t);
	}
	move(t, true);
	return size * count;
}

/* False when the receiver cancelled the transfer: it is gone then. */
static bool hand_bytes_on(struct http_transfer *t)
{
	long status = 0;

	move(t, false);
	if (t->bytes.len == 0)
		return true;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->busy = true;
	t->on_bytes(t->userdata, (int)status, buf_str(&t->bytes));
	t->busy = false;
	buf_reset(&t->bytes);
	if (!t->cancelled)
		return true;
	transfer_free(t);
	return false;
}

static const char *header_value(const struct http_end *end, const char *name)
{
	struct http_transfer *t = end->transfer;
	struct curl_header *header;

	if (t->header_count == HTTP_HEADERS || curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	size_t len = strlen(header->value);
	if (len >= HTTP_HEADER_BYTES)
		return NULL;
	char *value = t->header_values[t->header_count++];
	memcpy(value, header->value, len + 1);
	return value;
}

static void finish(struct http_transfer *t, CURLcode code, const char *why)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	struct http_end end = { .code = code, .status = (int)status, .why = why, .header = header_value, .transfer = t };
	t->busy = true;
	t->on_end(t->userdata, &end);
	transfer_free(t);
}

/* The timer is not touched per byte; when it fires it looks at how long the silence really is. */
static void on_idle_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *userdata)
{
	struct http_transfer *t = userdata;
	int64_t now_ms = clock_mono_ms();
	char why[96], span[32];

	if (left_ms(t, now_ms) > 0) {
		look_again(t);
		return;
	}
	if (!hand_bytes_on(t))
		return;
	if (now_ms - t->begun_ms >= t->total_ms)
		snprintf(why, sizeof why, "the answer was not complete after %s", clock_span(now_ms - t->begun_ms, span, sizeof span));
	else if (t->answered)
		snprintf(why, sizeof why, "nothing came for %s", clock_span(now_ms - t->last_ms, span, sizeof span));
	else
		snprintf(why, sizeof why, "no answer began for %s", clock_span(now_ms - t->begun_ms, span, sizeof span));
	finish(t, CURLE_OPERATION_TIMEDOUT, why);
}

/* ---- libcurl and libevent ---- */

static void pump(struct http *http)
{
	struct http_transfer *t;
	CURLMsg *message;
	int left;

	while ((t = TAILQ_FIRST(&http->received)) != NULL)
		(void)hand_bytes_on(t);
	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		finish(t, code, code == CURLE_OK ? NULL : t->why[0] != '\0' ? t->why : curl_easy_strerror(code));
	}
}

static void on_socket_ready(evutil_socket_t fd, short what, void *userdata)
{
	struct http *http = userdata;
	int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(http->multi, fd, flags, &running);
	pump(http);
}

static void on_curl_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *userdata)
{
	struct http *http = userdata;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	pump(http);
}

static int set_curl_timer(CURLM *multi UNUSED, long timeout_ms, void *userdata)
{
	struct http *http = userdata;

	if (timeout_ms < 0)
		event_del(http->timer);
	else
		set_timer(http->timer, timeout_ms);
	return 0;
}

/* `socket_event` is ours: the struct event that watches this socket, NULL before the first time. */
static int watch_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *userdata, void *socket_event)
{
	struct http *http = userdata;
	struct event *watch = socket_event;
	int events = EV_PERSIST;

	if (watch != NULL)
		event_free(watch);
	watch = NULL;
	if (what != CURL_POLL_REMOVE) {
		events |= (what & CURL_POLL_IN) != 0 ? EV_READ : 0;
		events |= (what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0;
		watch = event_new(http->base, fd, (short)events, on_socket_ready, http);
		if (watch == NULL || event_add(watch, NULL) < 0)
			abort();
	}
	curl_multi_assign(http->multi, fd, watch);
	return 0;
}

int http_new(struct event_base *base, struct http **ret, struct err *err)
{
	int r = curl_load(err);
	if (r < 0)
		return r;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, EIO, "libcurl cannot be initialised");
	struct http *http = xcalloc(1, sizeof *http);
	http->base = base;
	http->multi = curl_multi_init();
	http->timer = evtimer_new(base, on_curl_timer, http);
	if (http->multi == NULL || http->timer == NULL)
		abort();
	TAILQ_INIT(&http->waiting);
	TAILQ_INIT(&http->received);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	struct http_transfer *t;

	if (http == NULL)
		return;
	while ((t = TAILQ_FIRST(&http->waiting)) != NULL || (t = TAILQ_FIRST(&http->received)) != NULL) {
		assert(!t->busy);
		transfer_free(t);
	}
	curl_multi_cleanup(http->multi);
	event_free(http->timer);
	free(http);
	curl_global_cleanup();
}

/* ---- starting and cancelling ---- */

static void set_options(struct http_transfer *t, const struct http_request *request)
{
	CURL *easy = t->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "mishri/" MISHRI_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);   /* the proxy sees no key */
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&t->body));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (request->direct)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (request->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
	if (request->ca_dir != NULL)
		curl_easy_setopt(easy, CURLOPT_CAPATH, request->ca_dir);
}

struct http_transfer *http_start(struct http *http, const struct http_request *request)
{
	struct http_transfer *t = xcalloc(1, sizeof *t);

	t->http = http;
	t->easy = curl_easy_init();
	t->timer = evtimer_new(http->base, on_idle_timer, t);
	if (t->easy == NULL || t->timer == NULL)
		abort();
	t->headers = request->headers;
	t->body = *request->body;
	*request->body = BUF_INIT(request->body->max);
	t->bytes = BUF_INIT(LIMIT_REPLY_BODY_BYTES);
	t->first_ms = request->first_ms;
	t->idle_ms = request->idle_ms;
	t->total_ms = request->total_ms;
	t->begun_ms = t->last_ms = clock_mono_ms();
	t->on_bytes = request->on_bytes;
	t->on_end = request->on_end;
	t->userdata = request->userdata;
	set_options(t, request);
	look_again(t);
	TAILQ_INSERT_TAIL(&http->waiting, t, link);
	if (curl_multi_add_handle(http->multi, t->easy) != CURLM_OK)
		abort();
	return t;
}

void http_cancel(struct http_transfer *t)
{
	t->cancelled = true;
	if (!t->busy)
		transfer_free(t);
}

void http_set_idle(struct http_transfer *t, int64_t idle_ms)
{
	t->idle_ms = idle_ms;
	look_again(t);
}

int64_t http_heard_ms(const struct http_transfer *t, int64_t *ret_patience_ms)
{
	*ret_patience_ms = t->answered ? t->idle_ms : t->first_ms;
	return t->answered ? t->last_ms : t->begun_ms;
}
