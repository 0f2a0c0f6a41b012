/* llm.h - one request to one model, on the event loop. Retries are the engine's; here is one attempt. */
#ifndef MISHRI_LLM_LLM_H
#define MISHRI_LLM_LLM_H

struct event_base;               /* libevent's */

#include "base/json.h"
#include "core/failure.h"

struct llm;                     /* opaque: one connection pool (curl multi) on one event_base */
struct llm_model;               /* opaque: "provider/model" with its key and address, ready to use */
struct llm_call;                /* opaque: one request under way */

struct llm_usage {              /* disjoint buckets, in tokens; -1 = the provider did not say */
	int64_t input;          /* neither read from nor written to a cache */
	int64_t cache_read, cache_write;
	int64_t cache_write_1h; /* the part of cache_write that is kept for an hour; the rest for five minutes */
	int64_t output;         /* includes reasoning */
	int64_t reasoning;
	int64_t usd_nanos;      /* as the provider or recorded file reports it; -1 = not reported */
};

struct llm_tool_call {
	char *id;               /* never NULL; made up where the provider gave none */
	char *name;
	char *args;             /* the raw text, as it came; "" counts as {} */
};

struct llm_reply {
	char *text;             /* never NULL */
	struct llm_tool_call *calls;
	size_t call_count;      /* <= LIMIT_CALLS_PER_REPLY + 1: one more says that there were too many */
	char *finish;           /* "stop", "tool_calls", "length", "content_filter" or the provider's word */
	char *model, *response_id;   /* NULL when not given */
	char *ref;              /* recorded: "line:N"; NULL otherwise */
	char *opaque;           /* what only its provider understands (signed thinking), NULL: nothing. Kept with the
	                         * reply and put into the conversation unchanged, as "opaque" of the message */
	struct llm_usage usage;
	int64_t first_ms;       /* request to first token; -1 when unknown */
};
void llm_reply_done(struct llm_reply *reply);

struct llm_failure {
	enum failure cls;
	int http_status;        /* 0: no answer */
	int64_t shown;          /* bytes of text that on_text was given */
	int64_t retry_after_ms; /* -1: not given. A floor for the backoff */
	bool retry_forbidden;   /* x-should-retry: false */
	int64_t silent_ms;      /* it was given up because nothing came for so long; 0: for another reason */
	int64_t patience_ms;    /* and for so long it would have been waited */
	char text[LIMIT_ERR_TEXT_BYTES];
};

/* The environment that keys and addresses come from; getenv-like, so that tests can hand in another. */
typedef const char *llm_getenv(void *userdata, const char *name);

/* A model that could be used as things are: there is a key, or a server on this machine (or at an address that was set)
 * has it. Asks each such server once, for at most LIMIT_OFFER_MS; blocks meanwhile. Texts are borrowed for the visit. */
struct llm_offer { const char *model, *because; };
void llm_offers(llm_getenv *env, void *env_userdata, void (*visit)(void *userdata, const struct llm_offer *offer), void *userdata);

/* Could this be the name of a model? Asks nobody. -EINVAL. */
MUST_USE int llm_model_check(const char *name, struct err *err);

/* Would opening it start a person's command, which may take its time? */
bool llm_key_is_command(const char *name, llm_getenv *env, void *userdata);

/* "openai/gpt-5", "recorded/FILE". Reads the key (environment; for recorded: the file). Failure:
 * -EINVAL unknown provider or bad file (err says where), -EACCES no key (err says what to set). */
MUST_USE int llm_model_open(const char *name, llm_getenv *env, void *userdata, struct llm_model **ret, struct err *err);
void llm_model_close(struct llm_model *model);
const char *llm_model_provider(const struct llm_model *model);    /* "openai" */
const char *llm_model_name(const struct llm_model *model);        /* "gpt-5" */

/* The tokens that a model of this name ("openai/gpt-5") can read at once; 128000 where the table does not know it. */
int64_t llm_window_tokens(const char *name);

/* The dearest reply that a recorded file still has: nano-USD (-1: one does not say) and tokens. false: not recorded. */
bool llm_model_recorded_worst(const struct llm_model *model, int64_t *ret_nanos, int64_t *ret_tokens);

/* A recorded line that an earlier reply used ("line:N") is not given again. Others ignore it. */
void llm_model_used(struct llm_model *model, const char *ref);

MUST_USE int llm_new(struct event_base *base, struct llm **ret, struct err *err);
void llm_free(struct llm *llm);                     /* every call is cancelled, without callbacks */

struct llm_request {
	struct llm_model *model;         /* borrowed until done */
	const char *agent;               /* role for recorded files: "master" or "worker" */
	/* The conversation, borrowed during llm_start only: [{"role":"system|user|assistant|tool","text":...,
	 * "calls":[{"id","name","args"(text)}] and "opaque" (text) for assistant, "call": id for tool}] */
	const json_t *messages;
	const json_t *tools;             /* [{"name","description","schema":{...}}], borrowed during llm_start only; and
	                                 * "schema_text", the same as text, where the caller has it */
	int64_t max_output_tokens;       /* 0: the provider's own */
	const char *traceparent, *tracestate; /* headers (W3C); borrowed during llm_start only; NULL: not sent */
	struct llm_patience {            /* each 0: as base/limits.h has it. What comes later is a transient failure */
		int64_t connect_ms;      /* to be connected, TLS included */
		int64_t first_ms;        /* from the request to the first byte of the answer */
		int64_t idle_ms;         /* between two bytes */
		int64_t total_ms;        /* from the request to the last byte */
	} patience;
	void (*on_text)(void *userdata, struct str text);                  /* pieces as they stream; may be NULL */
	/* Exactly once, never from inside llm_start, never after llm_cancel. One of both is NULL. The
	 * reply may be emptied by moving its members out; what is left is freed after the callback. */
	void (*on_done)(void *userdata, struct llm_reply *reply, const struct llm_failure *failure);
	void *userdata;
};

/* The handle lives until on_done returned or llm_cancel. */
MUST_USE struct llm_call *llm_start(struct llm *llm, const struct llm_request *request);
void llm_cancel(struct llm_call *call);
/* When the last byte came, or the request began, monotonic, and how long the next may take. -1: there is no stream. */
int64_t llm_call_heard_ms(const struct llm_call *call, int64_t *ret_patience_ms);

#endif
