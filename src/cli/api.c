/* api.c - from a request to its handler: who asks, which route, whose id, what body. It decides who may; what happens then is
 * the handlers' business. */
#include "cli/api.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/dashboard.h"
#include "cli/print.h"
#include "engine/health.h"
#include "store/schedules.h"

#include "base/banned.h"

/* ---- answers ---- */

void api_json(struct api_call *c, int status, json_t *owned)
{
	AUTO(json_decrefp) json_t *object = owned;
	AUTO(freep) char *text = json_text(object);

	http_answer(c->conn, status, "application/json", str_of(text), "");
}

static int status_of(int code)
{
	static const struct { int code, status; } rows[] = {
		{ EINVAL, 422 }, { ENOENT, 404 }, { EACCES, 403 }, { EPERM, 403 }, { EEXIST, 409 }, { EBUSY, 409 }, { EALREADY, 409 },
		{ EAGAIN, 503 }, { ENOSPC, 503 }, { ENOTDIR, 422 }, { EFBIG, 422 }, { ERANGE, 422 },
		{ EBADMSG, 422 }, { EOPNOTSUPP, 422 }, { ENAMETOOLONG, 422 }, { ELOOP, 422 }, { EISDIR, 422 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].code == code)
			return rows[i].status;
	return 500;
}

void api_fail(struct api_call *c, const struct err *err)
{
	http_problem(c->conn, status_of(err->code), err->text);
}

bool api_reads_all(const struct api_call *c)
{
	return (c->rights & RIGHT_READ_ALL) != 0;
}

const char *api_query(const struct api_call *c, const char *name)
{
	return json_get_text(c->query, name, NULL);
}

json_t *api_command(struct api_call *c, const struct command *command, const char *const *words, size_t count)
{
	const char *all[64] = { "--data", c->api->serve->data, "--json" };
	AUTO(freep) char *out = NULL;
	AUTO(freep) char *complaint = NULL;
	json_t *value = NULL;
	struct err err = ERR_NONE;
	size_t len, n = 3;

	if (option_given(c->api->serve->o, "--no-user-config"))
		all[n++] = "--no-user-config";
	for (size_t i = 0; i < count && n < COUNT(all); i++)
		all[n++] = words[i];
	int code = command_capture(command, all, n, &out, &len, &complaint);
	/* What a policy check says by its exit code is an answer, too. */
	if (len > 0 && json_parse_any((struct str){ out, len }, &value, &err) == 0)
		return value;
	http_problem(c->conn, code == EXIT_USAGE ? 422 : code == EXIT_DENIED ? 403 : code == EXIT_CONFIG ? 409 : 500,
	             complaint[0] != '\0' ? complaint : "there is no answer");
	return NULL;
}

/* ---- who asks ---- */

static void local_caller(struct api_call *c)
{
	uid_t uid = c->http->peer.uid;
	const struct passwd *who = getpwuid(uid);

	snprintf(c->who.user, sizeof c->who.user, "%u", (unsigned)uid);
	if (who != NULL && strlen(who->pw_name) <= USER_LEN)
		snprintf(c->who.user, sizeof c->who.user, "%s", who->pw_name);
	c->who.trusted = true;
	c->who.root = uid == 0;
	c->who.channel = "http";
	c->rights = role_find("admin")->rights;
}

static struct str bearer_of(const struct http_head *head)
{
	const struct http_header *h = http_header_find(head, "authorization");
	struct str none = { "", 0 };

	if (h == NULL || h->value.len < 7 || strncasecmp(h->value.ptr, "Bearer ", 7) != 0)
		return none;
	for (size_t i = 0, found = 0; i < head->count; i++)
		if (http_name_is(head->headers[i].name, "authorization") && ++found > 1)
			return none;
	return str_skip(h->value, 7);
}

/* False: it was answered. */
static bool identify(struct api_call *c)
{
	struct token_guard *guard = &c->api->guard;
	struct token_row row;
	const char *state = "";
	struct err err = ERR_NONE;

	if (c->http->peer.local && (c->http->peer.uid == geteuid() || c->http->peer.uid == 0)) {
		local_caller(c);
		return true;
	}
	struct str token = bearer_of(c->http->head);
	if (token.len == 0) {
		http_problem(c->conn, 401, "a token is wanted: Authorization: Bearer TOKEN; `mishri token add` makes one");
		return false;
	}
	int64_t now_ms = clock_mono_ms();
	int r = token_look(c->api->serve->s.store, token, clock_wall_us(), &row, &state, &err);
	if (r == 0)
		api_token_seen(c->api, &row, state);
	if (r == 0 && strcmp(state, TOKEN_IN_FORCE) != 0)
		r = token_check(c->api->serve->s.store, token, clock_wall_us(), &row, &err);
	if (r == 0 && role_find(row.role) != NULL) {
		memcpy(c->who.user, row.user, sizeof c->who.user);
		memcpy(c->token, row.id, sizeof c->token);
		c->who.channel = "http";
		c->rights = role_find(row.role)->rights;
		return true;
	}
	bool open = token_guard_open(guard, now_ms);
	if (r == -EACCES)
		token_guard_failed(guard, now_ms);
	if (r != 0 && r != -EACCES)
		http_problem(c->conn, 503, err.text);
	else
		http_problem(c->conn, open ? 401 : 429, open ? err.text : "too many wrong tokens; try again later");
	return false;
}

/* ---- which route ---- */

/* *ret_id: the part that stands for {id}. */
static bool path_fits(const char *pattern, struct str path, struct str *ret_id)
{
	struct str rest = str_of(pattern), part, given;

	while (str_next(&rest, '/', &part)) {
		if (!str_next(&path, '/', &given))
			return false;
		if (str_eq(part, STR("{id}")))
			*ret_id = given;
		else if (!str_eq(part, given))
			return false;
		if (rest.len == 0)
			break;
	}
	return path.len == 0;
}

static const struct api_route *find_route(struct api_call *c, struct str *ret_id)
{
	const struct http_head *head = c->http->head;
	struct str method = str_eq(head->method, STR("HEAD")) ? STR("GET") : head->method;
	struct buf allowed = BUF_INIT(256);

	for (size_t i = 0; api_route_at(i) != NULL; i++) {
		const struct api_route *r = api_route_at(i);
		if (!path_fits(r->path, c->http->path, ret_id))
			continue;
		if (str_eq(method, str_of(r->method))) {
			buf_done(&allowed);
			return r;
		}
		buf_printf(&allowed, "%s%s", allowed.len > 0 ? ", " : "", r->method);
	}
	AUTO(freep) char *text = allowed.len > 0 ? xasprintf("here goes %s", buf_text(&allowed))
		: xstrdup("there is nothing here; GET /openapi.json lists what there is");
	http_problem(c->conn, allowed.len > 0 ? 405 : 404, text);
	buf_done(&allowed);
	return NULL;
}

static int unhex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A part of a query; NULL: a percent sign without two digits behind it, a NUL, or no UTF-8. */
static char *unescape(struct str s)
{
	char *text = xcalloc(1, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int high = i + 2 < s.len ? unhex(s.ptr[i + 1]) : -1, low = high >= 0 ? unhex(s.ptr[i + 2]) : -1;
		if (s.ptr[i] == '%' && (low < 0 || high * 16 + low == 0)) {
			free(text);
			return NULL;
		}
		text[n++] = s.ptr[i] == '%' ? (char)(high * 16 + low) : s.ptr[i] == '+' ? ' ' : s.ptr[i];
		i += s.ptr[i] == '%' ? 2 : 0;
	}
	for (size_t i = 0, len; i < n; i += len)
		if ((len = utf8_length((const unsigned char *)text + i, n - i)) == 0) {
			free(text);
			return NULL;
		}
	return text;
}

static bool is_named(const char *names, const char *name)
{
	struct str rest = str_of(names), one;

	while (rest.len > 0 && str_next(&rest, ' ', &one))
		if (str_eq(one, str_of(name)))
			return true;
	return false;
}

/* NULL: understood; else why not, which the caller frees. */
static char *read_query(struct api_call *c, const struct api_route *route)
{
	struct str rest = c->http->query, pair;

	c->query = json_object();
	while (rest.len > 0 && str_next(&rest, '&', &pair)) {
		const char *equals = memchr(pair.ptr, '=', pair.len);
		struct str left = { pair.ptr, equals != NULL ? (size_t)(equals - pair.ptr) : pair.len };
		AUTO(freep) char *name = unescape(left);
		AUTO(freep) char *value = unescape(equals != NULL ? str_skip(pair, left.len + 1) : STR(""));
		if (name == NULL || value == NULL)
			return xstrdup("the query is not well formed: names and values are text in UTF-8, with %XX for what is not a letter");
		if (!is_named(route->query, name))
			return xasprintf("'%.40s' is not known here; right would be: %s", name, route->query != NULL ? route->query : "no query");
		if (json_object_get(c->query, name) != NULL)
			return xasprintf("'%s' is given twice", name);
		json_put_text(c->query, name, value);
	}
	return NULL;
}

/* ---- whose id ---- */

struct owner { const struct api_call *call; bool mine; };

static void approval_owner(void *userdata, const struct approval_row *row)
{
	struct owner *o = userdata;

	o->mine = strcmp(row->user, o->call->who.user) == 0;
}

static void grant_owner(void *userdata, const struct grant_row *row)
{
	struct owner *o = userdata;

	o->mine = strcmp(row->user, o->call->who.user) == 0;
}

static void schedule_owner(void *userdata, const struct schedule_row *row)
{
	struct owner *o = userdata;

	o->mine = strcmp(row->user, o->call->who.user) == 0;
}

static int find_id(struct api_call *c, enum api_id what, const char *name, struct owner *owner, struct err *err)
{
	struct store *store = c->api->serve->s.store;
	struct task_row row;
	int r;

	if (what == ID_APPROVAL) {
		r = store_approval_find(store, name, c->id, err);
		return r < 0 ? r : store_approval_get(store, c->id, approval_owner, owner, err);
	}
	if (what == ID_GRANT) {
		r = store_grant_find(store, name, c->id, err);
		return r < 0 ? r : store_grant_get(store, c->id, grant_owner, owner, err);
	}
	if (what == ID_SCHEDULE) {
		r = store_schedule_find(store, name, c->id, err);
		return r < 0 ? r : store_schedule_get(store, c->id, schedule_owner, owner, err);
	}
	r = store_task_find(store, name, c->id, err);
	if (r == 0)
		r = store_task_get(store, c->id, &row, err);
	if (r < 0)
		return r;
	owner->mine = strcmp(row.user, c->who.user) == 0;
	task_row_done(&row);
	return 0;
}

/* What is another user's is as if it were not there. */
static bool take_id(struct api_call *c, const struct api_route *route, struct str given)
{
	AUTO(freep) char *name = xstrndup(given.ptr, given.len);
	struct owner owner = { .call = c };
	struct err err = ERR_NONE;

	static const char *const words[] = {
		[ID_TASK] = "task", [ID_APPROVAL] = "approval", [ID_GRANT] = "grant", [ID_SCHEDULE] = "schedule",
	};

	if (route->id == ID_NONE)
		return true;
	/* A beginning of an id tells of others' ids: only who reads all may use one. */
	bool whole = id_valid(name) || route->id == ID_SCHEDULE;
	int r = whole || api_reads_all(c) ? find_id(c, route->id, name, &owner, &err) : -ENOENT;
	if (r == 0 && (owner.mine || api_reads_all(c)))
		return true;
	if (r < 0 && r != -ENOENT) {
		api_fail(c, &err);
	} else {
		AUTO(freep) char *text = xasprintf("there is no %s '%.40s' that you may see", words[route->id], name);
		http_problem(c->conn, 404, text);
	}
	return false;
}

/* ---- from head to handler ---- */

static const struct api_route *admit(struct api_call *c, struct str *ret_id)
{
	const struct api_route *route = find_route(c, ret_id);

	if (route == NULL || route->right == 0)
		return route;
	if (!identify(c))
		return NULL;
	if ((c->rights & route->right) != route->right) {
		http_problem(c->conn, 403, "the role of this token does not let it do this; `mishri token add --role` makes another");
		return NULL;
	}
	return route;
}

static bool has_json(const struct http_head *head)
{
	const struct http_header *type = http_header_find(head, "content-type");
	struct str value = type != NULL ? type->value : (struct str){ "", 0 }, kind;

	return value.len > 0 && str_next(&value, ';', &kind) && http_name_is(str_trim(kind), "application/json");
}

static bool on_head(void *userdata, struct http_conn *conn, const struct http_request *request)
{
	struct api_call c = { .api = userdata, .conn = conn, .http = request };
	struct str id = { "", 0 };

	if (dashboard_has(request))
		return true;
	const struct api_route *route = admit(&c, &id);
	if (route == NULL)
		return false;
	if (c.token[0] != '\0' && !api_rate_take(c.api, c.who.user)) {
		http_problem_about(conn, 429, "this user asks more often than serve.rate allows; wait a second", "rate_limit", NULL,
		                   "Retry-After: 1\r\n");
		return false;
	}
	if (route->body != NULL && !has_json(request->head)) {
		http_problem(conn, 415, "the body is JSON here: Content-Type: application/json");
		return false;
	}
	return true;
}

static void call_done(struct api_call *c)
{
	json_decref(c->query);
	json_decref(c->body);
}

static void on_request(void *userdata, struct http_conn *conn, const struct http_request *request)
{
	struct api_call c = { .api = userdata, .conn = conn, .http = request };
	struct str id = { "", 0 };
	struct err err = ERR_NONE;

	if (dashboard_has(request)) {
		dashboard_answer(conn, request);
		return;
	}
	const struct api_route *route = admit(&c, &id); /* again: the token may have been revoked meanwhile */

	if (route == NULL)
		return;
	AUTO(freep) char *wrong = read_query(&c, route);
	if (wrong != NULL)
		http_problem(conn, 400, wrong);
	else if (route->body != NULL && (json_parse(request->body, &c.body, &err) < 0 || !json_is_object(c.body)))
		http_problem(conn, 400, err.code != 0 ? err.text : "the body is no JSON object");
	else if (route->body == NULL && request->body.len > 0)
		http_problem(conn, 400, "there is no body here");
	else if (take_id(&c, route, id))
		route->handle(&c);
	call_done(&c);
}

static void on_gone(void *userdata, struct http_conn *conn)
{
	struct api *api = userdata;

	if (!api_stream_gone(api, conn) && !api_chat_gone(api, conn) && !api_work_gone(api, conn))
		api_wait_gone(api, conn);
}

static void on_room(void *userdata, struct http_conn *conn)
{
	if (!api_stream_room(userdata, conn))
		api_chat_room(userdata, conn);
}

/* ---- the service's own ---- */

void api_healthz(struct api_call *c)
{
	api_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

void api_describe(struct api_call *c)
{
	api_json(c, 200, api_openapi());
}

/* What beats, and for whom, is for those who may see everybody's tasks. */
void api_health(struct api_call *c)
{
	const struct serve *serve = c->api->serve;
	AUTO(json_decrefp) json_t *whole = health_json(serve->s.engine);
	json_t *told = api_reads_all(c) ? json_incref(whole) : json_object();

	json_put_text(told, "status", json_get_bool(whole, "healthy", false) ? "ok" : "late");
	json_put_text(told, "version", MISHRI_VERSION);
	json_put_int(told, "connections", (int64_t)http_server_connections(serve->http));
	json_put_int(told, "streams", (int64_t)c->api->stream_count);
	api_json(c, 200, told);
}

void api_metrics(struct api_call *c)
{
	serve_metrics(c->api->serve, c->conn, c->http);
}

/* ---- its part of serve ---- */

static void on_event(void *userdata, const struct event *event)
{
	struct serve *serve = userdata;

	if (serve->api != NULL) {
		api_waits_event(serve->api, event);
		api_chats_event(serve->api, event);
		api_stream_event(serve->api);
	}
}

static void on_text(void *userdata, const char *task, struct str text)
{
	const struct serve *serve = userdata;

	if (serve->api != NULL)
		api_chats_text(serve->api, task, text);
}

static void on_over(void *userdata, struct run *run)
{
	struct serve *serve = userdata;

	serve_schedules_over(serve, run);
	if (serve->api == NULL)
		return;
	api_waits_over(serve->api, run);
	api_chats_over(serve->api, run);
}

void api_hooks(struct serve *serve)
{
	serve->s.on_event = on_event;
	serve->s.on_over = on_over;
	serve->s.on_text = on_text;
}

static int listen_parse(const struct serve *serve, const char *listen, char address[static 64], uint16_t *port, struct err *err)
{
	bool loopback;

	int r = http_address_parse(listen, address, port, &loopback, err);
	if (r == 0 && !loopback && strcmp(config_text(serve->config, "serve.expose"), "on") != 0)
		return err_set(err, EPERM, "--listen %s: others than this machine could reach it, in clear text; listen on 127.0.0.1 behind a"
		               " server that speaks TLS, or set serve.expose to on where that is meant", listen);
	return r;
}

int serve_listen_check(const struct serve *serve, struct err *err)
{
	const char *listen = config_text(serve->config, "serve.listen");
	char address[64];
	uint16_t port;

	return listen == NULL ? 0 : listen_parse(serve, listen, address, &port, err);
}

static int listen_tcp(struct serve *serve, const char *listen, struct err *err)
{
	const char *hosts[LIMIT_HTTP_HOSTS];
	const char *given = config_text(serve->config, "serve.hosts");
	AUTO(freep) char *names = xstrdup(given != NULL ? given : "");
	size_t count = 0;
	char address[64];
	uint16_t port;

	for (char *rest = names, *one; (one = strsep(&rest, ", ")) != NULL;)
		if (one[0] != '\0' && count < COUNT(hosts))
			hosts[count++] = one;
	int r = listen_parse(serve, listen, address, &port, err);
	return r < 0 ? r : http_listen_tcp(serve->http, address, port, hosts, count, err);
}

int serve_http_open(struct serve *serve, void **ret, struct err *err)
{
	const char *listen = config_text(serve->config, "serve.listen");
	struct api *api = xcalloc(1, sizeof *api);
	struct http_calls calls = { .on_head = on_head, .on_request = on_request, .on_gone = on_gone, .on_room = on_room,
	                            .userdata = api };

	api->serve = serve;
	*ret = serve->api = api;
	api_streams_open(api);
	api_workers_open(api);
	serve->http = http_server_new(serve->s.loop, &calls);
	int r = http_listen_unix(serve->http, serve->socket, err);
	if (r == 0 && listen != NULL)
		r = listen_tcp(serve, listen, err);
	if (r < 0)
		serve_http_close(serve, api);
	return r;
}

void serve_http_close(struct serve *serve, void *part)
{
	struct api *api = part;

	http_server_free(TAKE(serve->http));
	api_workers_close(api);
	api_streams_close(api);
	api_waits_close(api);
	api_chats_close(api);
	api_rates_close(api);
	serve->api = NULL;
	json_decref(api->tokens_seen);
	free(api);
}
