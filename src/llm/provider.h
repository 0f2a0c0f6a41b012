/* provider.h - what a provider is made of: a row (name, key, address) and a dialect (how it speaks). */
#ifndef MISHRI_LLM_PROVIDER_H
#define MISHRI_LLM_PROVIDER_H

#include "llm/gather.h"

/* How requests and replies look. One file per dialect; no dialect knows of HTTP or of another one. */
struct dialect {
	const char *path;                       /* put behind the base address */
	/* The body of the request. */
	void (*request)(const struct llm_model *model, const struct llm_request *request, struct buf *ret);
	/* The headers that carry the key and the version: "Name: value". model->key may be NULL. */
	void (*headers)(const struct llm_model *model, void (*add)(void *to, const char *line), void *to);
	/* One event of a stream. */
	void (*event)(struct gather *g, struct str name, struct str data);
	/* A reply that came as one JSON value, because the server does not stream. */
	void (*whole)(struct gather *g, const json_t *value);
	/* The reply is whole; may be NULL. */
	void (*finish)(struct gather *g);
};
extern const struct dialect anthropic_dialect, openai_dialect;

struct provider {
	const char *name;
	const struct dialect *dialect;          /* NULL: recorded */
	const char *key_var;                    /* NULL: needs none */
	const char *base_var;
	const char *base;                       /* when base_var is not set */
	const char *host_port, *host_path;      /* base_var may be a bare host: what is then added. NULL: it may not */
	const char *usual;                      /* a model to begin with, where there is a key; NULL: none */
	const char *max_tokens_key;
	bool reports_usd;                       /* `cost` in its usage is in US dollars */
};

struct script;                                  /* recorded.h */

struct llm_model {
	const struct provider *provider;
	char *name;
	char *base;                             /* "https://host/v1", no slash at the end; NULL: recorded */
	bool loopback;                          /* the address is this machine: no key needed, no proxy asked */
	char *key;                              /* NULL: none */
	char *ca_file, *ca_dir;                 /* as curl(1) reads the environment; NULL: the system's */
	struct script *script;                  /* NULL unless recorded */
};

extern const struct provider providers[];
extern const size_t provider_count;

/* Sets model->base and model->loopback from the environment. -EINVAL, -ENOENT. */
MUST_USE int model_find_base(struct llm_model *model, llm_getenv *env, void *userdata, struct err *err);

#endif
