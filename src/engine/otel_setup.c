/* otel_setup.c - from the keys otel.* to what the exporter needs. Headers may hold keys of an account: they come from a file
 * that is its owner's alone or from the environment, never from a key, and stand in no message. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/otel.h"

#include "base/banned.h"

static bool is_on(const struct config *config, const char *key)
{
	const char *text = config_text(config, key);

	return text != NULL && strcmp(text, "on") == 0;
}

/* The base with the path of the signal; or what was given for traces alone, as it is. The caller owns it. */
static char *address(const struct config *config)
{
	const char *whole = config_text(config, "otel.traces_endpoint"), *base = config_text(config, "otel.endpoint");

	if (whole != NULL)
		return xstrdup(whole);
	if (base == NULL)
		return NULL;
	size_t len = strlen(base);
	while (len > 0 && base[len - 1] == '/')
		len--;
	return xasprintf("%.*s/v1/traces", (int)len, base);
}

static bool has_password(const char *url)
{
	const char *host = strstr(url, "://");

	return host != NULL && memchr(host + 3, '@', strcspn(host + 3, "/?#")) != NULL;
}

/* ---- headers ---- */

/* "Name: value" or NAME=VALUE, one a line. */
static int read_lines(struct str text, json_t *headers, struct err *err)
{
	struct str line;

	for (int number = 1; str_next(&text, '\n', &line); number++) {
		line = str_trim(line);
		size_t at = 0;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		while (at < line.len && line.ptr[at] != ':' && line.ptr[at] != '=')
			at++;
		struct str name = str_trim((struct str){ line.ptr, at });
		if (at == line.len || name.len == 0)
			return err_set(err, EINVAL, "line %d is no header: write NAME: VALUE, one a line", number);
		AUTO(freep) char *key = xstrndup(name.ptr, name.len);
		json_put_str(headers, key, str_trim(str_skip(line, at + 1)));
	}
	return 0;
}

static int read_file(const char *path, json_t *headers, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_OTEL_HEADERS_BYTES);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "otel.headers_file: %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return err_set(err, EPERM, "otel.headers_file: %s: must be a file that nobody else may read (chmod 600)", path);
	int r = io_read_fd(fd, &text, err);
	if (r == 0)
		r = read_lines(buf_str(&text), headers, err);
	if (text.len > 0)
		explicit_bzero(text.ptr, text.len);
	return r < 0 ? err_prefix(err, "otel.headers_file: %s", path) : 0;
}

static int read_headers(const struct config *config, json_t *headers, struct err *err)
{
	static const char *const variables[] = { "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS" };
	const char *file = config_text(config, "otel.headers_file");
	bool environment = config_env_counts(config);

	int r = file != NULL ? read_file(file, headers, err) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; environment && i < COUNT(variables); i++) {
		const char *text = getenv(variables[i]);
		AUTO(json_decrefp) json_t *pairs = NULL;
		if (text == NULL || text[0] == '\0')
			continue;
		if (otlp_pairs(text, &pairs, err) < 0)
			return err_prefix(err, "%s", variables[i]);
		json_object_update(headers, pairs);
	}
	return 0;
}

/* ---- the rest ---- */

static int read_sampler(const struct config *config, struct otel_setup *s, struct err *err)
{
	const char *name = config_text(config, "otel.sampler"), *text = config_text(config, "otel.sampler_arg");
	static const char parent[] = "parentbased_";
	char *end = NULL;

	s->by_parent = strncmp(name, parent, strlen(parent)) == 0;
	name += s->by_parent ? strlen(parent) : 0;
	s->sampler = strcmp(name, "always_on") == 0 ? SAMPLE_ALL : strcmp(name, "always_off") == 0 ? SAMPLE_NONE : SAMPLE_RATIO;
	s->ratio = text != NULL ? strtod(text, &end) : 1;
	if (s->sampler == SAMPLE_RATIO && text != NULL && (end == text || *end != '\0' || !(s->ratio >= 0 && s->ratio <= 1)))
		return err_set(err, EINVAL, "otel.sampler_arg: '%.40s' must be a number from 0 to 1, such as 0.1", text);
	return 0;
}

static int read_all(const struct config *config, struct otel_setup *s, struct err *err)
{
	const char *resource = config_text(config, "otel.resource"), *ca_file = config_text(config, "otel.ca_file");
	AUTO(json_decrefp) json_t *extra = NULL;
	int r = resource != NULL ? otlp_pairs(resource, &extra, err) : 0;

	if (r < 0)
		return err_prefix(err, "otel.resource");
	const char *named = json_get_text(extra, "service.name", "mishri"), *service = config_text(config, "otel.service_name");
	s->resource = otlp_resource(service != NULL ? service : named, extra);
	s->headers = json_object();
	s->ca_file = ca_file != NULL ? xstrdup(ca_file) : NULL;
	if ((r = read_headers(config, s->headers, err)) < 0 || (r = read_sampler(config, s, err)) < 0)
		return r;
	s->running = is_on(config, "otel.running");
	s->flush_ms = config_number(config, "otel.flush");
	s->target = (struct otel_target){
		.url = s->url, .headers = s->headers, .ca_file = s->ca_file, .resource = s->resource,
		.json = strcmp(config_text(config, "otel.protocol"), "http/json") == 0,
		.gzip = strcmp(config_text(config, "otel.compression"), "gzip") == 0,
		.timeout_ms = config_number(config, "otel.timeout"), .delay_ms = config_number(config, "otel.delay"),
		.queue_spans = config_number(config, "otel.queue"), .batch_spans = config_number(config, "otel.batch"),
		.style = { .latest = strcmp(config_text(config, "otel.names"), "latest") == 0, .content = is_on(config, "otel.content") },
	};
	return 1;
}

int otel_setup_read(const struct config *config, bool always, struct otel_setup *ret, struct err *err)
{
	struct otel_setup s = { 0 };

	if (!always && !is_on(config, "otel.export"))
		return 0;
	s.url = address(config);
	if (s.url == NULL)
		return 0;
	int r = has_password(s.url) ? err_set(err, EINVAL, "otel.endpoint: a name and a password do not belong into an address, which is "
	                                                   "shown: write a header Authorization into otel.headers_file")
		: read_all(config, &s, err);
	if (r < 0) {
		otel_setup_done(&s);
		return r;
	}
	*ret = s;
	return 1;
}

void otel_setup_done(struct otel_setup *s)
{
	free(s->url);
	free(s->ca_file);
	json_decref(s->headers);
	json_decref(s->resource);
	*s = (struct otel_setup){ 0 };
}
