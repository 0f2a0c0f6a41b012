/* curl.c - finds libcurl's functions by their names. It refuses to go on with a library that lacks one of them. */
#define CURL_BY_NAME
#include "llm/curl.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/banned.h"

struct curl_functions libcurl;

int curl_load(struct err *err)
{
	static void *library;
	struct curl_functions found;

	if (library != NULL)
		return 0;
	void *opened = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (opened == NULL)
		return err_set(err, ENOENT, "libcurl cannot be opened (%s): install libcurl4", dlerror());
#define FIND(name) *(void **)&found.name = dlsym(opened, #name);
#define HAVE(name) && found.name != NULL
	CURL_FUNCTIONS(FIND)
	if (!(true CURL_FUNCTIONS(HAVE))) {
		dlclose(opened);
		return err_set(err, ENOENT, "this libcurl is too old: 7.88 or newer is wanted");
	}
	libcurl = found;
	library = opened;
	return 0;
}
