/* tls.c - TLS 1.2 and newer, HTTP/1.1 alone, certificates checked against the host. There is no way to turn a check
 * off. */
#include "engine/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/banned.h"

struct tls {
	SSL_CTX *context;              /* made when it is first used: reading all certificates takes milliseconds */
	char *ca_file;
};

struct tls *tls_new(const char *ca_file)
{
	struct tls *tls = xcalloc(1, sizeof *tls);

	tls->ca_file = ca_file != NULL ? xstrdup(ca_file) : NULL;
	return tls;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	free(tls->ca_file);
	free(tls);
}

static int context_make(struct tls *tls, struct err *err)
{
	static const unsigned char protocols[] = "\x08http/1.1";

	if (tls->context != NULL)
		return 0;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		return err_set(err, ENOMEM, "TLS could not be started");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	int ok = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	         SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) == 0;
	if (ok && tls->ca_file != NULL)
		ok = SSL_CTX_load_verify_locations(context, tls->ca_file, NULL) == 1;
	else if (ok)
		ok = SSL_CTX_set_default_verify_paths(context) == 1;
	if (!ok) {
		SSL_CTX_free(context);
		return err_set(err, EINVAL, "the trusted certificates%s%s could not be read: net.ca_file is a file of certificates "
		               "in PEM", tls->ca_file != NULL ? " in " : "", tls->ca_file != NULL ? tls->ca_file : "");
	}
	tls->context = context;
	return 0;
}

int tls_session(struct tls *tls, const struct host *host, struct ssl_st **ret, struct err *err)
{
	int r = context_make(tls, err);

	if (r < 0)
		return r;
	SSL *session = SSL_new(tls->context);
	if (session == NULL)
		return err_set(err, ENOMEM, "TLS could not be started");
	X509_VERIFY_PARAM *param = SSL_get0_param(session);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	bool ok = host->address.family != 0 ? X509_VERIFY_PARAM_set1_ip_asc(param, host->name) == 1 :
	          X509_VERIFY_PARAM_set1_host(param, host->name, 0) == 1 && SSL_set_tlsext_host_name(session, host->name) == 1;
	if (!ok) {
		SSL_free(session);
		return err_set(err, EINVAL, "TLS cannot check the name '%.80s'", host->name);
	}
	*ret = session;
	return 0;
}

void tls_failure(struct ssl_st *session, char *ret, size_t size)
{
	long verified = SSL_get_verify_result(session);
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (verified != X509_V_OK)
		snprintf(ret, size, "its certificate is not accepted: %s", X509_verify_cert_error_string(verified));
	else
		snprintf(ret, size, "TLS failed: %s", reason != NULL ? reason : "the other side hung up");
	ERR_clear_error();
}
