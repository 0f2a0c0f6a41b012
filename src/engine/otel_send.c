/* otel_send.c - spans to an OTLP receiver by HTTP. One request at a time, so that order stays and a receiver in trouble is not
 * pressed. Which answers are tried again, and when, is what the specification of the protocol says: 429, 502, 503, 504 and a
 * broken connection, after Retry-After or a growing wait; nothing else. It refuses to keep more than its bounds. */
#include "engine/otel_send.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <zlib.h>

#include "llm/fault.h"
#include "llm/http.h"

#include "base/heartbeat.h"

#include "base/banned.h"

TAILQ_HEAD(span_list, waiting_span);

struct waiting_span {
	TAILQ_ENTRY(waiting_span) link;
	struct buf bytes;            /* encoded */
};

struct otel_sender {
	struct loop *loop;
	struct http *http;
	struct otel_target target;
	char *url, *ca_file;
	json_t *headers, *resource;
	struct span_list waiting;
	int64_t waiting_count, waiting_bytes;
	struct buf batch;            /* the body of the request under way or to be tried again */
	int64_t batch_count;         /* spans in it; 0: there is none */
	struct http_transfer *transfer;
	struct buf answer;
	int64_t first_ms;            /* when the batch was first sent */
	int attempts;
	struct watch *timer;         /* when to send next */
	struct watch *flush_end;     /* while flushing */
	bool flushing, retrying;
	struct beat *beat;           /* NULL: nobody watches */
	struct otel_stats stats;
};

static void set_why(struct otel_sender *s, const char *why)
{
	s->stats.failures++;
	snprintf(s->stats.why, sizeof s->stats.why, "%s", why);
}

/* ---- the body ---- */

static int pack_gzip(struct str from, struct buf *ret)
{
	z_stream z = { 0 };
	unsigned char chunk[KIB(16)];
	int r;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.next_in = (unsigned char *)from.ptr;
	z.avail_in = (unsigned)from.len;
	do {
		z.next_out = chunk;
		z.avail_out = sizeof chunk;
		r = deflate(&z, Z_FINISH);
		buf_add(ret, chunk, sizeof chunk - z.avail_out);
	} while (r == Z_OK);
	deflateEnd(&z);
	return r == Z_STREAM_END && !ret->full ? 0 : -EIO;
}

static void take_batch(struct otel_sender *s)
{
	AUTO(buf_done) struct buf spans = BUF_INIT(LIMIT_OTEL_QUEUE_BYTES * 2);
	AUTO(buf_done) struct buf body = BUF_INIT(LIMIT_OTEL_QUEUE_BYTES * 2);
	int64_t bytes = 0;

	for (struct waiting_span *w; (w = TAILQ_FIRST(&s->waiting)) != NULL;) {
		bool large = bytes + (int64_t)w->bytes.len > (int64_t)LIMIT_OTEL_BATCH_BYTES;
		if (s->batch_count == s->target.batch_spans || (s->batch_count > 0 && large))
			break;
		otlp_add_span(buf_str(&w->bytes), s->target.json, s->batch_count == 0, &spans);
		bytes += (int64_t)w->bytes.len;
		s->batch_count++;
		s->waiting_count--;
		s->waiting_bytes -= (int64_t)w->bytes.len;
		TAILQ_REMOVE(&s->waiting, w, link);
		buf_done(&w->bytes);
		free(w);
	}
	otlp_wrap(s->resource, buf_str(&spans), s->target.json, &s->target.style, &body);
	buf_done(&s->batch);
	s->batch = BUF_INIT(LIMIT_OTEL_QUEUE_BYTES * 2);
	if (!s->target.gzip || pack_gzip(buf_str(&body), &s->batch) < 0) {
		buf_reset(&s->batch);
		buf_add_str(&s->batch, buf_str(&body));
	}
	s->attempts = 0;
	s->first_ms = clock_mono_ms();
}

/* ---- requests ---- */

static void go_on(struct otel_sender *s);

static void batch_over(struct otel_sender *s, int64_t sent, int64_t rejected)
{
	s->stats.sent += sent;
	s->stats.rejected += rejected;
	s->stats.dropped += s->batch_count - sent - rejected;
	s->batch_count = 0;
	buf_done(&s->batch);
	s->retrying = false;
	beat_rest(s->beat);
	go_on(s);
}

static bool may_retry(const struct http_end *end)
{
	if (end->code != CURLE_OK)
		return fault_of_curl(end->code) == FAILURE_TRANSIENT;
	return end->status == 429 || end->status == 502 || end->status == 503 || end->status == 504;
}

static void retry_later(struct otel_sender *s, int64_t wanted_ms)
{
	uint32_t random;
	int64_t wait_ms = MIN((int64_t)LIMIT_OTEL_BACKOFF_MS << MIN(s->attempts - 1, 10), (int64_t)LIMIT_OTEL_BACKOFF_MOST_MS);

	id_random(&random, sizeof random);
	wait_ms = wait_ms / 2 + (int64_t)(random % (uint32_t)(wait_ms / 2 + 1));
	if (wanted_ms >= 0)
		wait_ms = wanted_ms;
	if (clock_mono_ms() - s->first_ms + wait_ms > LIMIT_OTEL_RETRY_MS) {
		batch_over(s, 0, 0);
		return;
	}
	s->retrying = true;
	watch_arm(s->timer, wait_ms);
}

static void answered(struct otel_sender *s, const struct http_end *end)
{
	struct otlp_answer answer = { 0 };

	if (end->code == CURLE_OK && end->status >= 200 && end->status < 300) {
		otlp_answer_read(buf_str(&s->answer), s->target.json, &answer);
		int64_t rejected = MAX(MIN(answer.rejected, s->batch_count), (int64_t)0);
		if (rejected > 0 || answer.message[0] != '\0')
			set_why(s, answer.message[0] != '\0' ? answer.message : "the receiver did not take all spans");
		batch_over(s, s->batch_count - rejected, rejected);
		return;
	}
	AUTO(freep) char *why = end->code == CURLE_OK ? xasprintf("the receiver answered %d", end->status)
		: xstrdup(end->why != NULL ? end->why : "the connection broke");
	set_why(s, why);
	if (may_retry(end))
		retry_later(s, fault_retry_after_ms(NULL, end->header(end, "retry-after"), clock_wall_us()));
	else
		batch_over(s, 0, 0);
}

static void on_bytes(void *userdata, int status UNUSED, struct str bytes)
{
	struct otel_sender *s = userdata;

	buf_add_str(&s->answer, bytes);         /* what is beyond the bound is not read */
}

static void on_end(void *userdata, const struct http_end *end)
{
	struct otel_sender *s = userdata;

	s->transfer = NULL;
	answered(s, end);
}

static struct curl_slist *header_list(const struct otel_sender *s)
{
	struct curl_slist *list = curl_slist_append(NULL, s->target.json ? "Content-Type: application/json"
	                                                                 : "Content-Type: application/x-protobuf");
	const char *key;
	json_t *value;

	list = curl_slist_append(list, "Expect:");
	if (s->target.gzip)
		list = curl_slist_append(list, "Content-Encoding: gzip");
	json_object_foreach(s->headers, key, value) {
		AUTO(freep) char *line = xasprintf("%s: %s", key, json_string_value(value));
		list = curl_slist_append(list, line);
		explicit_bzero(line, strlen(line));
	}
	return list;
}

static bool is_local(const char *url)
{
	const char *host = strstr(url, "://");
	static const char *const names[] = { "127.", "localhost", "[::1]" };

	for (size_t i = 0; host != NULL && i < COUNT(names); i++)
		if (strncmp(host + 3, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void send_batch(struct otel_sender *s)
{
	struct buf body = BUF_INIT(s->batch.max);

	buf_add_str(&body, buf_str(&s->batch));
	buf_reset(&s->answer);
	s->retrying = false;
	if (s->attempts == 0)
		beat_now(s->beat, clock_mono_ms()); /* from here on the receiver has to say something */
	s->attempts++;
	s->stats.requests++;
	struct http_request request = {
		.url = s->url, .headers = header_list(s), .body = &body, .ca_file = s->ca_file, .direct = is_local(s->url),
		.connect_ms = s->target.timeout_ms, .first_ms = s->target.timeout_ms, .idle_ms = s->target.timeout_ms,
		.total_ms = s->target.timeout_ms, .on_bytes = on_bytes, .on_end = on_end, .userdata = s,
	};
	s->transfer = http_start(s->http, &request);
}

/* Sends when there is enough, or sees to it that it is looked at again. */
static void go_on(struct otel_sender *s)
{
	if (s->transfer != NULL || s->retrying)
		return;
	if (s->batch_count == 0 && s->waiting_count > 0 && (s->flushing || s->waiting_count >= s->target.batch_spans ||
	                                                    s->waiting_bytes >= (int64_t)LIMIT_OTEL_BATCH_BYTES))
		take_batch(s);
	if (s->batch_count > 0)
		send_batch(s);
	else if (s->waiting_count > 0)
		watch_arm(s->timer, s->target.delay_ms);
	else if (s->flushing)
		loop_stop(s->loop);
}

static void on_timer(void *userdata)
{
	struct otel_sender *s = userdata;

	if (s->transfer != NULL)
		return;
	s->retrying = false;
	if (s->batch_count == 0 && s->waiting_count > 0)
		take_batch(s);
	go_on(s);
}

/* ---- outside ---- */

static int check_headers(const json_t *headers, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)headers, key, value) {
		for (const char *c = key; *c != '\0'; c++)
			if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == ':')
				return err_set(err, EINVAL, "a header has a character in its name that none can have");
		for (const char *c = json_string_value(value); *c != '\0'; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				return err_set(err, EINVAL, "the header '%.40s' has a line break or another control character in it", key);
	}
	return 0;
}

static void on_flush_end(void *userdata)
{
	struct otel_sender *s = userdata;

	loop_stop(s->loop);
}

int otel_sender_new(struct loop *loop, const struct otel_target *target, struct otel_sender **ret, struct err *err)
{
	struct http *http;
	int r = check_headers(target->headers, err);

	if (r < 0)
		return r;
	if (strncmp(target->url, "http://", 7) != 0 && strncmp(target->url, "https://", 8) != 0)
		return err_set(err, EINVAL, "'%.80s' is no address of a receiver: it begins with http:// or https://", target->url);
	if ((r = http_new(loop_base(loop), &http, err)) < 0)
		return r;
	struct otel_sender *s = xcalloc(1, sizeof *s);
	s->loop = loop;
	s->http = http;
	s->target = *target;
	s->url = xstrdup(target->url);
	s->ca_file = target->ca_file != NULL ? xstrdup(target->ca_file) : NULL;
	s->headers = target->headers != NULL ? json_deep_copy(target->headers) : json_object();
	s->resource = json_deep_copy(target->resource);
	s->target.batch_spans = MIN(target->batch_spans, target->queue_spans);
	s->answer = BUF_INIT(LIMIT_OTEL_ANSWER_BYTES);
	TAILQ_INIT(&s->waiting);
	s->timer = watch_timer(loop, on_timer, s);
	s->flush_end = watch_timer(loop, on_flush_end, s);
	*ret = s;
	return 0;
}

static void forget_waiting(struct otel_sender *s)
{
	if (s->transfer != NULL)
		http_cancel(TAKE(s->transfer));
	s->stats.dropped += s->waiting_count + s->batch_count;
	s->batch_count = s->waiting_count = s->waiting_bytes = 0;
	for (struct waiting_span *w; (w = TAILQ_FIRST(&s->waiting)) != NULL;) {
		TAILQ_REMOVE(&s->waiting, w, link);
		buf_done(&w->bytes);
		free(w);
	}
	watch_arm(s->timer, -1);
	s->retrying = false;
}

void otel_sender_free(struct otel_sender *s)
{
	if (s == NULL)
		return;
	forget_waiting(s);
	http_free(s->http);
	watch_free(s->timer);
	watch_free(s->flush_end);
	buf_done(&s->batch);
	buf_done(&s->answer);
	json_decref(s->headers);
	json_decref(s->resource);
	free(s->url);
	free(s->ca_file);
	beat_free(s->beat);
	free(s);
}

bool otel_sender_full(const struct otel_sender *s)
{
	return s->waiting_count + s->batch_count >= s->target.queue_spans || s->waiting_bytes >= (int64_t)LIMIT_OTEL_QUEUE_BYTES;
}

void otel_sender_watch(struct otel_sender *s, struct beat *beat)
{
	s->beat = beat;
}

void otel_sender_put(struct otel_sender *s, const json_t *span)
{
	if (otel_sender_full(s)) {
		s->stats.dropped++;
		if (s->stats.why[0] == '\0')
			set_why(s, "the queue was full");
		return;
	}
	struct waiting_span *w = xcalloc(1, sizeof *w);
	w->bytes = BUF_INIT(LIMIT_OTEL_QUEUE_BYTES);
	if (s->target.json)
		json_write(span, &w->bytes);
	else
		otlp_pack_span(span, &w->bytes);
	TAILQ_INSERT_TAIL(&s->waiting, w, link);
	s->waiting_count++;
	s->waiting_bytes += (int64_t)w->bytes.len;
	if (s->waiting_count == 1 || s->waiting_count == s->target.batch_spans)
		go_on(s);
}

void otel_sender_flush(struct otel_sender *s, int64_t ms)
{
	s->flushing = true;
	watch_arm(s->flush_end, ms);
	go_on(s);
	if (s->waiting_count + s->batch_count > 0)
		loop_run(s->loop);
	s->flushing = false;
	watch_arm(s->flush_end, -1);
	if (s->waiting_count + s->batch_count > 0 && s->stats.why[0] == '\0')
		set_why(s, "the receiver took longer than there was time at the end");
	forget_waiting(s);
}

void otel_sender_give_up(struct otel_sender *s)
{
	if (s->flushing)
		loop_stop(s->loop);
}

void otel_sender_stats(const struct otel_sender *s, struct otel_stats *ret)
{
	*ret = s->stats;
	ret->waiting = s->waiting_count + s->batch_count;
}
