/* curl.h - libcurl, opened when it is first needed. It brings thirty other libraries along: linked in, they cost every
 * command 6 ms of its start, and every process in a cell, which is forked from ours, the copying of their mappings.
 * Include this in place of <curl/curl.h>; only after curl_load may a function of it be called. */
#ifndef MISHRI_LLM_CURL_H
#define MISHRI_LLM_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

/* Every function that we call. */
#define CURL_FUNCTIONS(f) \
	f(curl_easy_cleanup) f(curl_easy_getinfo) f(curl_easy_header) f(curl_easy_init) f(curl_easy_perform) f(curl_easy_setopt) \
	f(curl_easy_strerror) f(curl_free) f(curl_getdate) f(curl_global_cleanup) f(curl_global_init) \
	f(curl_multi_add_handle) f(curl_multi_assign) f(curl_multi_cleanup) f(curl_multi_info_read) f(curl_multi_init) \
	f(curl_multi_remove_handle) f(curl_multi_setopt) f(curl_multi_socket_action) f(curl_slist_append) \
	f(curl_slist_free_all) f(curl_url) f(curl_url_cleanup) f(curl_url_get) f(curl_url_set)

struct curl_functions {
#define MEMBER(name) __typeof__(name) *name;
	CURL_FUNCTIONS(MEMBER)
#undef MEMBER
};
extern struct curl_functions libcurl;

/* 0 also when it is there already; -ENOENT: err says what to install. It stays for good. */
MUST_USE int curl_load(struct err *err);

#ifndef CURL_BY_NAME                        /* curl.c needs the names themselves */
#define curl_easy_cleanup        libcurl.curl_easy_cleanup
#define curl_easy_getinfo        libcurl.curl_easy_getinfo
#define curl_easy_header         libcurl.curl_easy_header
#define curl_easy_init           libcurl.curl_easy_init
#define curl_easy_perform        libcurl.curl_easy_perform
#define curl_easy_setopt         libcurl.curl_easy_setopt
#define curl_easy_strerror       libcurl.curl_easy_strerror
#define curl_free                libcurl.curl_free
#define curl_getdate             libcurl.curl_getdate
#define curl_global_cleanup      libcurl.curl_global_cleanup
#define curl_global_init         libcurl.curl_global_init
#define curl_multi_add_handle    libcurl.curl_multi_add_handle
#define curl_multi_assign        libcurl.curl_multi_assign
#define curl_multi_cleanup       libcurl.curl_multi_cleanup
#define curl_multi_info_read     libcurl.curl_multi_info_read
#define curl_multi_init          libcurl.curl_multi_init
#define curl_multi_remove_handle libcurl.curl_multi_remove_handle
#define curl_multi_setopt        libcurl.curl_multi_setopt
#define curl_multi_socket_action libcurl.curl_multi_socket_action
#define curl_slist_append        libcurl.curl_slist_append
#define curl_slist_free_all      libcurl.curl_slist_free_all
#define curl_url                 libcurl.curl_url
#define curl_url_cleanup         libcurl.curl_url_cleanup
#define curl_url_get             libcurl.curl_url_get
#define curl_url_set             libcurl.curl_url_set

#endif

#endif
