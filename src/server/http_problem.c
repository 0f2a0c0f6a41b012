/* http_problem.c - what is told to a client whose request fails: a problem of RFC 9457, with the member that clients of
 * OpenAI's API look for. It says nothing that its caller did not, and what a stranger wrote
 * is repeated as a terminal may show it. */
#include "server/http.h"

#include "tools/tool.h"

#include "base/banned.h"

static const char *type_of(int status)
{
	static const struct { int status; const char *type; } rows[] = {
		{ 401, "authentication_error" }, { 403, "permission_error" }, { 429, "rate_limit_error" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].type;
	return status >= 500 ? "server_error" : "invalid_request_error";
}

json_t *http_error_object(int status, const char *message, const char *code, const char *param)
{
	return json_pack("{s:s, s:s, s:s?, s:s?}", "message", message, "type", type_of(status), "param", param, "code", code);
}

void http_problem_about(struct http_conn *c, int status, const char *detail, const char *code, const char *param, const char *more)
{
	AUTO(json_decrefp) json_t *problem = json_object();
	AUTO(buf_done) struct buf shown = BUF_INIT(KIB(16));

	sanitize_text(str_of(detail), &shown);
	json_put_text(problem, "type", "about:blank");
	json_put_text(problem, "title", http_status_text(status));
	json_put_int(problem, "status", status);
	json_put_text(problem, "detail", buf_text(&shown));
	const char *said = json_get_text(problem, "detail", "");
	json_put(problem, "error", http_error_object(status, said, code, param));
	AUTO(freep) char *text = json_text(problem);
	http_answer(c, status, "application/problem+json", str_of(text), more);
}

void http_problem(struct http_conn *c, int status, const char *detail)
{
	http_problem_about(c, status, detail, NULL, NULL,
	                   status == 401 ? "WWW-Authenticate: Bearer realm=\"mishri\"\r\n" : status == 429 ? "Retry-After: 1\r\n" : "");
}
