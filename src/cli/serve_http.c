/* serve_http.c - the listeners of the service, and who answers on them. */
#include "cli/serve.h"

#include "base/banned.h"

static bool on_head(void *userdata, struct http_conn *conn, const struct http_request *request)
{
	(void)userdata;
	if (str_eq(request->path, STR("/healthz")))
		return true;
	if (str_eq(request->path, STR("/metrics")) && request->peer.local) /* its owner alone can reach the Unix socket */
		return true;
	http_problem(conn, 404, "there is nothing here; /healthz says that the service lives");
	return false;
}

static void on_request(void *userdata, struct http_conn *conn, const struct http_request *request)
{
	if (str_eq(request->path, STR("/metrics"))) {
		serve_metrics(userdata, conn, request);
		return;
	}
	http_answer(conn, 200, "application/json", STR("{\"status\":\"ok\"}"), "");
}

int serve_http_open(struct serve *serve, void **ret, struct err *err)
{
	const char *listen = config_text(serve->config, "serve.listen");
	struct http_calls calls = { .on_head = on_head, .on_request = on_request, .userdata = serve };
	char address[64];
	uint16_t port;
	bool loopback;

	(void)ret;
	serve->http = http_server_new(serve->s.loop, &calls);
	int r = http_listen_unix(serve->http, serve->socket, err);
	if (r < 0 || listen == NULL)
		return r;
	r = http_address_parse(listen, address, &port, &loopback, err);
	if (r == 0 && !loopback && strcmp(config_text(serve->config, "serve.expose"), "on") != 0)
		return err_set(err, EPERM, "--listen %s: others than this machine could reach it, in clear text; listen on 127.0.0.1 behind a"
		               " server that speaks TLS, or set serve.expose to on where that is meant", listen);
	return r < 0 ? r : http_listen_tcp(serve->http, address, port, NULL, 0, err);
}

void serve_http_close(struct serve *serve, void *part)
{
	(void)part;
	http_server_free(TAKE(serve->http));
}
