/* dashboard.h - the files of the dashboard, at / and below /ui. */
#ifndef MISHRI_CLI_DASHBOARD_H
#define MISHRI_CLI_DASHBOARD_H

#include "server/http.h"

bool dashboard_has(const struct http_request *request);        /* is it a path of these files? */
void dashboard_answer(struct http_conn *conn, const struct http_request *request);

#endif
