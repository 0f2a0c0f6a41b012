/* offers.c - which models could be used as things are: those of a provider whose key is set, and those that a server
 * says it has. It reads no key and sends none; what a server says is a name and nothing more. */
#include <stdio.h>
#include <string.h>

#include "llm/curl.h"
#include "llm/provider.h"

#include "base/banned.h"

struct visitor {
	void (*visit)(void *userdata, const struct llm_offer *offer);
	void *userdata;
};

static bool is_set(llm_getenv *env, void *userdata, const char *name, const char *suffix)
{
	AUTO(freep) char *whole = xasprintf("%s%s", name, suffix);
	const char *value = env(userdata, whole);

	return value != NULL && value[0] != '\0';
}

static bool has_key(const struct provider *p, llm_getenv *env, void *userdata)
{
	return p->key_var != NULL && (is_set(env, userdata, p->key_var, "") || is_set(env, userdata, p->key_var, "_FILE") ||
	                              is_set(env, userdata, p->key_var, "_COMMAND"));
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *userdata)
{
	struct buf *body = userdata;

	buf_add(body, bytes, size * count);
	return body->full ? 0 : size * count;
}

/* What a server answers to GET `url`; false: it is not there, or says nothing of use. */
static bool ask(const char *url, struct buf *ret)
{
	CURL *curl = curl_easy_init();
	long status = 0;

	if (curl == NULL)
		return false;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)LIMIT_OFFER_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
	bool ok = curl_easy_perform(curl) == CURLE_OK && curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	          status == 200;
	curl_easy_cleanup(curl);
	return ok;
}

static void offer(const struct visitor *v, const char *provider, const char *name, const char *because)
{
	AUTO(freep) char *model = xasprintf("%s/%s", provider, name);

	v->visit(v->userdata, &(struct llm_offer){ model, because });
}

/* {"data": [{"id": NAME}…]}, as every server that speaks this dialect lists its models. */
static void offer_listed(const struct visitor *v, const struct provider *p, llm_getenv *env, void *env_userdata)
{
	struct llm_model model = { .provider = p };
	AUTO(buf_done) struct buf body = BUF_INIT(MIB(1));
	AUTO(json_decrefp) json_t *list = NULL;
	struct err err = ERR_NONE;

	if (model_find_base(&model, env, env_userdata, &err) < 0)
		return;
	AUTO(freep) char *base = model.base, *url = xasprintf("%s/models", base), *because = xasprintf("%s has it", base);
	if (!ask(url, &body) || json_parse(buf_str(&body), &list, NULL) < 0)
		return;
	const json_t *data = json_object_get(list, "data");
	for (size_t i = 0; i < MIN(json_array_size(data), (size_t)LIMIT_OFFERS); i++) {
		const char *name = json_get_text(json_array_get(data, i), "id", "");
		if (name[0] != '\0')
			offer(v, p->name, name, because);
	}
}

void llm_offers(llm_getenv *env, void *env_userdata, void (*visit)(void *userdata, const struct llm_offer *offer), void *userdata)
{
	const struct visitor v = { visit, userdata };

	for (size_t i = 0; i < provider_count; i++) {
		const struct provider *p = &providers[i];
		if (has_key(p, env, env_userdata) && p->usual != NULL) {
			AUTO(freep) char *because = xasprintf("%s is set", p->key_var);
			offer(&v, p->name, p->usual, because);
		} else if (p->base_var != NULL && (p->key_var == NULL || is_set(env, env_userdata, p->base_var, ""))) {
			offer_listed(&v, p, env, env_userdata);
		}
	}
}
