/* prices.h - what a model costs, and how much it can read. The table is data/prices.jsonl, put into the binary; the
 * configuration overrides it. A price that is not known is not known: nothing here ever answers 0 for it. */
#ifndef MISHRI_LLM_PRICES_H
#define MISHRI_LLM_PRICES_H

#include "llm/llm.h"

enum { PRICE_TIERS = 4, PRICE_SOURCE_BYTES = 96 };

/* Pico-US-dollars a token; above[i] tokens of input altogether in one request: tier[i], for all tokens. */
struct price_rate {
	int64_t base;
	int64_t above[PRICE_TIERS], tier[PRICE_TIERS];
	size_t tiers;
};

struct price {
	struct price_rate input, cache_read, cache_write, cache_write_1h, output, reasoning;
	int64_t request;                /* pico-US-dollars for each request, beside its tokens */
	char source[PRICE_SOURCE_BYTES];/* "genai-prices 0.1.8 (2026-09-23)", "FILE:LINE", "runs on this machine" */
};

struct prices;                          /* opaque: what the configuration says */

struct prices *prices_new(void);
void prices_free(struct prices *prices);                   /* NULL is fine */
/* name: "openai/my-model"; a '*' at its end stands for the rest. usd: {"input": 0.5, "output": 1.5, ...}, US dollars a
 * million tokens; input and output must be there. source: where it is written. -EINVAL: err says what would be right. */
MUST_USE int prices_put(struct prices *prices, const char *name, const json_t *usd, const char *source, struct err *err);

/* What the model costs at a time. prices: may be NULL. A compatible server at another address is not billed as the
 * provider whose format it speaks; the table is asked by the address. false: not known. */
MUST_USE bool prices_find(const struct prices *prices, const struct llm_model *model, int64_t at_us, struct price *ret);
/* The same by provider (as in the table: "anthropic", "x-ai") and name alone, from the table. */
MUST_USE bool prices_find_named(const char *provider, const char *name, int64_t at_us, struct price *ret);

/* Nano-US-dollars of a reply; -1 where a bucket that costs something was not said. */
int64_t price_cost(const struct price *price, const struct llm_usage *usage);
/* The most that a request can cost: all input at its dearest, and as much output as is allowed. */
int64_t price_worst(const struct price *price, int64_t input_tokens, int64_t max_output_tokens);

/* The tokens that the model can read at once; 0 where the table does not say. name: "openai/gpt-5". */
int64_t prices_window(const char *name);

#endif
