/* api_stream.c - events as pages, and as streams that go on. A stream is live while its client takes what comes; when it does
 * not, what is left is read from the store again once there is room: nothing is lost and nothing piles up. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"

#include "base/banned.h"

struct api_stream {
	struct api_stream *next;
	struct http_conn *conn;
	char task[ID_LEN + 1];         /* its tree; "": everything */
	char user[USER_LEN + 1];       /* only of this user; "": of everybody */
	char type[64];                 /* "": all */
	char token[ID_LEN + 1];        /* that must stay in force; "" */
	bool alone;
	int64_t sent;                  /* the newest event that it was told of, or that is not for it */
	bool live;                     /* all before api->seen was sent */
};

/* ---- who sees what ---- */

static bool user_is(const json_t *event, const char *user)
{
	return user[0] == '\0' || strcmp(json_get_text(event, "user", ""), user) == 0;
}

struct page {
	const char *user;
	json_t *list;                  /* or */
	struct http_conn *conn;
	int64_t last;
	size_t count;
};

static bool visit(void *userdata, const struct event_row *row)
{
	struct page *p = userdata;
	AUTO(json_decrefp) json_t *event = NULL;

	p->count++;
	p->last = row->seq;
	if (json_parse(row->text, &event, NULL) < 0 || !user_is(event, p->user))
		return true;
	if (p->list != NULL) {
		json_put_int(event, "seq", row->seq);
		json_array_append(p->list, event);
		return true;
	}
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES * 2);
	buf_printf(&text, "id: %lld\nevent: %s\ndata: {\"seq\":%lld,", (long long)row->seq, json_get_text(event, "type", ""),
	           (long long)row->seq);
	buf_add_str(&text, str_skip(row->text, 1));
	buf_add_text(&text, "\n\n");
	http_stream_write(p->conn, buf_str(&text));
	return http_stream_waiting(p->conn) < LIMIT_HTTP_BUFFER_BYTES;
}

static struct event_filter filter_of(const struct api_stream *s)
{
	return (struct event_filter){
		.task = s->task[0] != '\0' ? s->task : NULL, .tree = s->task[0] != '\0' && !s->alone,
		.type = s->type[0] != '\0' ? s->type : NULL, .after_seq = s->sent, .limit = LIMIT_STREAM_PAGE, .with_content = true,
	};
}

/* As much as there is room for. */
static void feed(struct api *api, struct api_stream *s)
{
	while (!s->live && http_stream_waiting(s->conn) < LIMIT_HTTP_BUFFER_BYTES) {
		struct event_filter filter = filter_of(s);
		struct page page = { .user = s->user, .conn = s->conn };
		int64_t seen = api->seen;
		if (store_events(api->serve->s.store, &filter, visit, &page, NULL) < 0)
			return; /* it is tried again with the next look */
		if (page.count > 0)
			s->sent = page.last;
		if (page.count < (size_t)LIMIT_STREAM_PAGE && http_stream_waiting(s->conn) < LIMIT_HTTP_BUFFER_BYTES) {
			s->sent = MAX(s->sent, seen);
			s->live = s->sent >= api->seen;
		}
	}
}

/* ---- what is new ---- */

static void look(struct api *api)
{
	int64_t last = 0;

	watch_arm(api->look, LIMIT_STREAM_LOOK_MS);
	if (api->streams == NULL || store_event_newest(api->serve->s.store, &last, NULL) < 0 || last <= api->seen)
		return;
	api->seen = last;
	for (struct api_stream *s = api->streams, *next; s != NULL; s = next) {
		next = s->next;
		s->live = false;
		feed(api, s);
	}
}

static void on_look(void *userdata)
{
	look(userdata);
}

void api_stream_event(struct api *api)
{
	if (api->streams != NULL)
		watch_arm(api->look, 0);
}

bool api_token_holds(struct api *api, const char *token)
{
	struct token_row row;

	if (token[0] == '\0')
		return true;
	return store_token_get(api->serve->s.store, token, &row, NULL) == 0 && row.revoked_us == 0 &&
	       (row.expires_us == 0 || row.expires_us > clock_wall_us());
}

static struct api_stream *take_out(struct api *api, struct http_conn *conn)
{
	for (struct api_stream **at = &api->streams; *at != NULL; at = &(*at)->next)
		if ((*at)->conn == conn) {
			struct api_stream *s = *at;
			*at = s->next;
			api->stream_count--;
			return s;
		}
	return NULL;
}

static void on_alive(void *userdata)
{
	struct api *api = userdata;

	watch_arm(api->alive, LIMIT_STREAM_ALIVE_MS);
	api_chats_alive(api);
	for (struct api_stream *s = api->streams, *next; s != NULL; s = next) {
		next = s->next;
		if (!api_token_holds(api, s->token)) {
			http_stream_end(s->conn);
			free(take_out(api, s->conn));
		} else if (http_stream_waiting(s->conn) == 0) {
			http_stream_write(s->conn, STR(": here\n\n"));
		}
	}
}

static void on_waiting(void *userdata)
{
	api_waits_look(userdata);
}

void api_streams_open(struct api *api)
{
	struct loop *loop = api->serve->s.loop;

	api->look = watch_timer(loop, on_look, api);
	api->alive = watch_timer(loop, on_alive, api);
	api->waiting = watch_timer(loop, on_waiting, api);
	watch_arm(api->look, LIMIT_STREAM_LOOK_MS);
	watch_arm(api->alive, LIMIT_STREAM_ALIVE_MS);
}

void api_streams_close(struct api *api)
{
	watch_free(TAKE(api->look));
	watch_free(TAKE(api->alive));
	while (api->streams != NULL)
		free(take_out(api, api->streams->conn));
}

bool api_stream_room(struct api *api, struct http_conn *conn)
{
	for (struct api_stream *s = api->streams; s != NULL; s = s->next)
		if (s->conn == conn) {
			feed(api, s);
			return true;
		}
	return false;
}

bool api_stream_gone(struct api *api, struct http_conn *conn)
{
	struct api_stream *s = take_out(api, conn);

	free(s);
	return s != NULL;
}

/* ---- the routes ---- */

static bool wants_stream(const struct http_head *head)
{
	const struct http_header *accept = http_header_find(head, "accept");
	struct str rest = accept != NULL ? accept->value : (struct str){ "", 0 }, one, kind;

	while (rest.len > 0 && str_next(&rest, ',', &one))
		if (str_next(&one, ';', &kind) && http_name_is(str_trim(kind), "text/event-stream"))
			return true;
	return false;
}

/* False: it was answered. */
static bool number(struct api_call *c, struct str text, const char *name, int64_t otherwise, int64_t *ret)
{
	uint64_t value;

	*ret = otherwise;
	if (text.ptr == NULL)
		return true;
	if (str_to_u64(text, &value) == 0 && value <= INT64_MAX) {
		*ret = (int64_t)value;
		return true;
	}
	AUTO(freep) char *why = xasprintf("%s: a whole number is wanted", name);
	http_problem(c->conn, 422, why);
	return false;
}

static struct str query_text_of(const struct api_call *c, const char *name)
{
	const char *value = api_query(c, name);

	return value != NULL ? str_of(value) : (struct str){ NULL, 0 };
}

static size_t streams_of(const struct api *api, const char *token)
{
	size_t count = 0;

	for (const struct api_stream *s = api->streams; s != NULL; s = s->next)
		count += token[0] != '\0' && strcmp(s->token, token) == 0;
	return count;
}

static void begin_stream(struct api_call *c, const struct api_stream *from)
{
	struct api *api = c->api;

	if (api->stream_count >= LIMIT_STREAMS) {
		http_problem(c->conn, 503, "too many streams at once; try again later");
		return;
	}
	if (streams_of(api, from->token) >= LIMIT_STREAMS_OF_TOKEN) {
		http_problem(c->conn, 429, "this token has as many streams open as one may have; close one first");
		return;
	}
	struct api_stream *s = xcalloc(1, sizeof *s);
	*s = *from;
	s->conn = c->conn;
	s->next = api->streams;
	api->streams = s;
	api->stream_count++;
	int64_t last;
	if (store_event_newest(api->serve->s.store, &last, NULL) == 0 && last > api->seen && s->next == NULL)
		api->seen = last;
	http_stream_begin(c->conn, "text/event-stream", "");
	http_stream_write(c->conn, STR("retry: 1000\n\n"));
	feed(api, s);
}

static void page(struct api_call *c, const struct api_stream *s, int64_t limit)
{
	struct event_filter filter = filter_of(s);
	struct page p = { .user = s->user, .list = json_array() };
	struct err err = ERR_NONE;

	filter.limit = limit;
	if (store_events(c->api->serve->s.store, &filter, visit, &p, &err) < 0) {
		json_decref(p.list);
		api_fail(c, &err);
		return;
	}
	api_json(c, 200, json_pack("{s:o, s:o}", "events", p.list, "next", p.count == (size_t)limit ? json_integer(p.last) : json_null()));
}

static void events(struct api_call *c)
{
	const struct http_header *last = http_header_find(c->http->head, "last-event-id");
	struct api_stream s = { .alone = api_query(c, "alone") != NULL };
	int64_t limit;

	memcpy(s.task, c->id, sizeof s.task);
	memcpy(s.token, c->token, sizeof s.token);
	if (!api_reads_all(c))
		memcpy(s.user, c->who.user, sizeof s.user);
	snprintf(s.type, sizeof s.type, "%s", api_query(c, "type") != NULL ? api_query(c, "type") : "");
	if (!number(c, query_text_of(c, "after"), "after", 0, &s.sent) ||
	    !number(c, last != NULL ? last->value : (struct str){ NULL, 0 }, "Last-Event-ID", s.sent, &s.sent) ||
	    !number(c, query_text_of(c, "limit"), "limit", 100, &limit))
		return;
	if (limit < 1 || limit > LIMIT_PAGE_ROWS)
		http_problem(c->conn, 422, "limit: a number from 1 to 1000 is wanted");
	else if (wants_stream(c->http->head))
		begin_stream(c, &s);
	else
		page(c, &s, limit);
}

void api_events(struct api_call *c)
{
	events(c);
}

void api_task_events(struct api_call *c)
{
	events(c);
}
