/* What replies cost: against sums made by hand, bucket by bucket, and against what must stay unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "llm/prices.h"
#include "base/banned.h"

static int64_t day_us(const char *text)
{
	int64_t us;

	assert_int_equal(clock_parse(text, &us), 0);
	return us;
}

static const char *no_env(void *userdata, const char *name)
{
	const char *const *pair = userdata;

	return pair != NULL && strcmp(pair[0], name) == 0 ? pair[1] : strcmp(name, "OPENAI_API_KEY") == 0 ||
		strcmp(name, "ANTHROPIC_API_KEY") == 0 || strcmp(name, "OPENROUTER_API_KEY") == 0 ? "k" : NULL;
}

/* {input, cache_read, cache_write, of which an hour, output, of which reasoning} in tokens; nano-dollars. By hand from
 * the providers' pages as of the table: claude-sonnet-4-5 $3 in, $0.30 read, $3.75 and $6 write, $15 out, and from
 * 200,000 tokens of input on $6, $0.60, $7.50, $12, $22.50; claude-opus-4-8 $5, $0.50, $6.25, $10, $25. */
static void replies_cost_what_the_pages_say(UNUSED void **state)
{
	static const struct { const char *provider, *model, *at; struct llm_usage usage; int64_t want; } rows[] = {
		{ "anthropic", "claude-opus-4-8", "2026-11-20T00:00:00.000000Z", { 25, 2000, 100, 40, 30, 0, -1 }, 2650000 },
		{ "anthropic", "claude-sonnet-4-5", "2026-11-20T00:00:00.000000Z", { 1000000, 0, 0, 0, 0, 0, -1 }, 6000000000 },
		{ "anthropic", "claude-sonnet-4-5", "2026-11-20T00:00:00.000000Z", { 300000, 0, 0, 0, 1000, 0, -1 }, 1822500000 },
		{ "anthropic", "claude-sonnet-4-5", "2026-11-20T00:00:00.000000Z", { 200000, 0, 0, 0, 0, 0, -1 }, 600000000 },
		{ "anthropic", "claude-sonnet-4-5", "2026-11-20T00:00:00.000000Z", { 100000, 100001, 0, 0, 0, 0, -1 }, 660000600 },
		{ "anthropic", "claude-sonnet-4-5-20250929", "2026-11-20T00:00:00.000000Z", { 10, 0, 0, 0, 0, 0, -1 }, 30000 },
		{ "anthropic", "Claude-Sonnet-4-5", "2026-11-20T00:00:00.000000Z", { 10, 0, 0, 0, 0, 0, -1 }, 30000 },
		{ "openai", "gpt-5", "2026-11-20T00:00:00.000000Z", { 1000, 1000, 0, 0, 100, 80, -1 }, 2375000 },
		{ "openai", "gpt-5", "2026-11-20T00:00:00.000000Z", { 0, 0, 0, 0, 0, 0, -1 }, 0 },
		{ "openai", "gpt-5", "2026-11-20T00:00:00.000000Z", { -1, 0, 0, 0, 5, 0, -1 }, -1 },
		{ "openai", "gpt-5", "2026-11-20T00:00:00.000000Z", { 5, 0, 0, 0, -1, 0, -1 }, -1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct price price;
		assert_true(prices_find_named(rows[i].provider, rows[i].model, day_us(rows[i].at), &price));
		int64_t cost = price_cost(&price, &rows[i].usage);
		if (cost != rows[i].want)
			fail_msg("row %zu: %s costs %lld, not %lld", i, rows[i].model, (long long)cost, (long long)rows[i].want);
	}
}

/* One row a bucket and tier, and one with all of them; each sum written out: tokens times nano-dollars a token, which is
 * dollars a million tokens times a thousand ($1.25 a million: 1250). The prices are the providers' own, looked up by hand. */
static void each_bucket_and_tier_by_hand(UNUSED void **state)
{
#define NOW "2026-11-20T12:00:00.000000Z"
	static const struct { const char *provider, *model, *at; struct llm_usage usage; int64_t want; } rows[] = {
		/* $3 in, 0.30 read, 3.75 and 6 written, 15 out; with more than 200,000 tokens of input 6, 0.60, 7.50, 12, 22.50 */
		{ "anthropic", "claude-sonnet-4-5", NOW, { 1000, 0, 0, 0, 0, 0, -1 }, 1000 * 3000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 1000, 0, 0, 0, 0, -1 }, 1000 * 300ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 0, 1000, 0, 0, 0, -1 }, 1000 * 3750ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 0, 1000, 1000, 0, 0, -1 }, 1000 * 6000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 0, 1000, 400, 0, 0, -1 }, 600 * 3750ll + 400 * 6000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 0, 0, 0, 1000, 0, -1 }, 1000 * 15000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 0, 0, 0, 0, 1000, 700, -1 }, 1000 * 15000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 1000, 2000, 3000, 1000, 500, 100, -1 },
		  1000 * 3000ll + 2000 * 300ll + 2000 * 3750ll + 1000 * 6000ll + 500 * 15000ll },
		{ "anthropic", "claude-sonnet-4-5", NOW, { 100000, 100000, 50000, 20000, 500, 0, -1 },
		  100000 * 6000ll + 100000 * 600ll + 30000 * 7500ll + 20000 * 12000ll + 500 * 22500ll },
		/* $5, 0.50, 6.25, 10, 25; no tier */
		{ "anthropic", "claude-opus-4-8", NOW, { 1000, 2000, 3000, 1000, 500, 0, -1 },
		  1000 * 5000ll + 2000 * 500ll + 2000 * 6250ll + 1000 * 10000ll + 500 * 25000ll },
		{ "anthropic", "claude-opus-4-8", NOW, { 900000, 0, 0, 0, 1, 0, -1 }, 900000 * 5000ll + 1 * 25000ll },
		/* $1, 0.10, 1.25, 2, 5 */
		{ "anthropic", "claude-haiku-4-5", NOW, { 1000, 2000, 3000, 1000, 500, 0, -1 },
		  1000 * 1000ll + 2000 * 100ll + 2000 * 1250ll + 1000 * 2000ll + 500 * 5000ll },
		/* $15, 1.50, 18.75, 30, 75 */
		{ "anthropic", "claude-opus-4-1", NOW, { 10, 20, 30, 10, 5, 0, -1 },
		  10 * 15000ll + 20 * 1500ll + 20 * 18750ll + 10 * 30000ll + 5 * 75000ll },
		/* $1.25, 0.125, 10; reasoning is output */
		{ "openai", "gpt-5", NOW, { 1000, 0, 0, 0, 0, 0, -1 }, 1000 * 1250ll },
		{ "openai", "gpt-5", NOW, { 0, 1000, 0, 0, 0, 0, -1 }, 1000 * 125ll },
		{ "openai", "gpt-5", NOW, { 0, 0, 0, 0, 1000, 999, -1 }, 1000 * 10000ll },
		{ "openai", "gpt-5", NOW, { 1234, 5678, 0, 0, 910, 200, -1 }, 1234 * 1250ll + 5678 * 125ll + 910 * 10000ll },
		/* $0.25, 0.025, 2 */
		{ "openai", "gpt-5-mini", NOW, { 1234, 5678, 0, 0, 910, 0, -1 }, 1234 * 250ll + 5678 * 25ll + 910 * 2000ll },
		/* $2.50, 1.25, 10 */
		{ "openai", "gpt-4o", NOW, { 1234, 5678, 0, 0, 910, 0, -1 }, 1234 * 2500ll + 5678 * 1250ll + 910 * 10000ll },
		/* $2, 0.50, 8 */
		{ "openai", "gpt-4.1", NOW, { 1234, 5678, 0, 0, 910, 0, -1 }, 1234 * 2000ll + 5678 * 500ll + 910 * 8000ll },
		/* $10, 0.50, 40, and from 10 June 2025 on $2, 0.50, 8 */
		{ "openai", "o3", "2025-06-09T23:59:59.000000Z", { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 10000ll + 1000 * 500ll + 1000 * 40000ll },
		{ "openai", "o3", "2025-06-10T00:00:00.000000Z", { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 2000ll + 1000 * 500ll + 1000 * 8000ll },
		/* $1.25, 0.125, 10; above 200,000 tokens $2.50, 0.25, 15. The output alone lifts nobody into the tier */
		{ "google", "gemini-2.5-pro", NOW, { 150000, 50000, 0, 0, 300000, 0, -1 }, 150000 * 1250ll + 50000 * 125ll + 300000 * 10000ll },
		{ "google", "gemini-2.5-pro", NOW, { 150000, 50001, 0, 0, 1000, 0, -1 }, 150000 * 2500ll + 50001 * 250ll + 1000 * 15000ll },
		/* $0.30, 0.03, 2.50 */
		{ "google", "gemini-2.5-flash", NOW, { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 300ll + 1000 * 30ll + 1000 * 2500ll },
		/* by the hour: $0.27, 0.07, 1.10 from 00:30 to 16:30 UTC, and half of it at night */
		{ "deepseek", "deepseek-chat", NOW, { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 270ll + 1000 * 70ll + 1000 * 1100ll },
		{ "deepseek", "deepseek-chat", "2026-11-20T16:30:00.000000Z", { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 135ll + 1000 * 35ll + 1000 * 550ll },
		{ "deepseek", "deepseek-chat", "2026-11-20T00:29:59.000000Z", { 1000, 0, 0, 0, 0, 0, -1 }, 1000 * 135ll },
		/* $0.59 and 0.79; what is not priced apart costs what it is part of */
		{ "groq", "llama-3.3-70b-versatile", NOW, { 1000, 1000, 0, 0, 1000, 0, -1 }, 1000 * 590ll + 1000 * 590ll + 1000 * 790ll },
		/* $2 and 8, of which reasoning 3; $1 and 1, and 0.012 for each request */
		{ "perplexity", "sonar-deep-research", NOW, { 1000, 0, 0, 0, 1000, 700, -1 }, 1000 * 2000ll + 300 * 8000ll + 700 * 3000ll },
		{ "perplexity", "sonar", NOW, { 1000, 0, 0, 0, 1000, 0, -1 }, 1000 * 1000ll + 1000 * 1000ll + 12000000ll },
		{ "mistral", "mistral-large-latest", NOW, { 1000, 0, 0, 0, 1000, 0, -1 }, 1000 * 2000ll + 1000 * 6000ll },
	};
#undef NOW

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct price price;
		if (!prices_find_named(rows[i].provider, rows[i].model, day_us(rows[i].at), &price))
			fail_msg("row %zu: %s has no price", i, rows[i].model);
		int64_t cost = price_cost(&price, &rows[i].usage);
		if (cost != rows[i].want)
			fail_msg("row %zu: %s costs %lld, not %lld", i, rows[i].model, (long long)cost, (long long)rows[i].want);
	}
}

static void unknown_stays_unknown(UNUSED void **state)
{
	static const char *const rows[][3] = {
		{ "openai/gpt-5", "OPENAI_BASE_URL", "http://127.0.0.1:9/v1" }, /* a server of one's own */
		{ "openai/gpt-5", "OPENAI_BASE_URL", "https://api.openai.com.evil.example/v1" },
		{ "openai/no-such-model", "X", "x" },
		{ "ollama/gpt-oss:120b-cloud", "X", "x" },
		{ "ollama/llama3", "OLLAMA_HOST", "http://gpu.example:11434" },
	};
	struct llm_model *model;
	struct price price;
	struct err err;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *pair[] = { rows[i][1], rows[i][2] };
		assert_int_equal(llm_model_open(rows[i][0], no_env, pair, &model, &err), 0);
		if (prices_find(NULL, model, day_us("2026-11-20T00:00:00.000000Z"), &price))
			fail_msg("row %zu: %s has a price: %s", i, rows[i][0], price.source);
		llm_model_close(model);
	}
}

static void the_address_says_who_sends_the_bill(UNUSED void **state)
{
	static const struct { const char *name, *var, *base; int64_t want; } rows[] = {
		{ "openai/gpt-5", "X", "x", 1250000 + 10000000 },
		{ "openai/deepseek-chat", "OPENAI_BASE_URL", "https://api.deepseek.com/v1", 1 },
		{ "anthropic/claude-opus-4-8", "X", "x", 5000000 + 25000000 },
		{ "ollama/llama3", "X", "x", 0 },
	};
	struct llm_usage usage = { 1000, 0, 0, 0, 1000, 0, -1 };
	struct llm_model *model;
	struct price price;
	struct err err;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *pair[] = { rows[i].var, rows[i].base };
		assert_int_equal(llm_model_open(rows[i].name, no_env, pair, &model, &err), 0);
		assert_true(prices_find(NULL, model, day_us("2026-11-20T00:00:00.000000Z"), &price));
		int64_t cost = price_cost(&price, &usage);
		if (rows[i].want != 1 ? cost != rows[i].want : cost <= 0)
			fail_msg("row %zu: %lld", i, (long long)cost);
		llm_model_close(model);
	}
}

static void the_configuration_wins(UNUSED void **state)
{
	struct prices *prices = prices_new();
	json_t *cheap = json_pack("{s:f, s:f}", "input", 0.5, "output", 1.5), *dear = json_pack("{s:i, s:i}", "input", 7, "output", 9);
	struct llm_usage usage = { 1000000, 0, 0, 0, 1000000, 0, -1 };
	struct llm_model *model;
	struct price price;
	struct err err;
	const char *pair[] = { "OPENAI_BASE_URL", "http://127.0.0.1:9/v1" };

	assert_int_equal(prices_put(prices, "openai/*", dear, "c.yaml:3", &err), 0);
	assert_int_equal(prices_put(prices, "openai/mine", cheap, "c.yaml:4", &err), 0);
	assert_int_equal(llm_model_open("openai/mine", no_env, pair, &model, &err), 0);
	assert_true(prices_find(prices, model, 0, &price));
	assert_string_equal(price.source, "c.yaml:4");
	assert_int_equal(price_cost(&price, &usage), 2000000000);
	llm_model_close(model);
	assert_int_equal(llm_model_open("openai/other", no_env, pair, &model, &err), 0);
	assert_true(prices_find(prices, model, 0, &price));
	assert_int_equal(price_cost(&price, &usage), 16000000000);
	llm_model_close(model);
	json_decref(cheap);
	json_decref(dear);
	prices_free(prices);
}

static void wrong_prices_say_what_is_right(UNUSED void **state)
{
	static const struct { const char *name, *usd, *want; } rows[] = {
		{ "gpt-5", "{\"input\":1,\"output\":1}", "write PROVIDER/MODEL" },
		{ "openai/a*b", "{\"input\":1,\"output\":1}", "PROVIDER/BEGINNING*" },
		{ "openai/x", "{\"input\":1}", "needs `input` and `output`" },
		{ "openai/x", "{\"input\":-1,\"output\":1}", "US dollars for a million tokens" },
		{ "openai/x", "{\"input\":\"1\",\"output\":1}", "US dollars for a million tokens" },
		{ "openai/x", "{\"inptu\":1,\"output\":1}", "did you mean 'input'" },
		{ "openai/x", "{\"input\":1e300,\"output\":1}", "from 0 to" },
	};
	struct prices *prices = prices_new();

	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *usd;
		struct err err;
		assert_int_equal(json_parse(str_of(rows[i].usd), &usd, &err), 0);
		assert_int_equal(prices_put(prices, rows[i].name, usd, "f:1", &err), -EINVAL);
		if (strstr(err.text, rows[i].want) == NULL)
			fail_msg("row %zu: %s", i, err.text);
		json_decref(usd);
	}
	prices_free(prices);
}

/* Whatever is used and however it is spread over the buckets, the reservation made before was enough. */
static void the_worst_case_is_never_passed(UNUSED void **state)
{
	static const char *const models[][2] = { { "anthropic", "claude-sonnet-4-5" }, { "openai", "gpt-5" }, { "google", "gemini-2.5-pro" } };
	uint64_t seed = 88172645463325252u;

	for (size_t i = 0; i < 3000; i++) {
		struct price price;
		int64_t part[5];
		for (size_t j = 0; j < COUNT(part); j++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			part[j] = (int64_t)(seed % 150000);
		}
		struct llm_usage usage = { part[0], part[1], part[2], part[2] / 2, part[3], MIN(part[3], part[4]), -1 };
		assert_true(prices_find_named(models[i % 3][0], models[i % 3][1], day_us("2026-11-20T00:00:00.000000Z"), &price));
		int64_t worst = price_worst(&price, part[0] + part[1] + part[2], part[3]);
		if (price_cost(&price, &usage) > worst)
			fail_msg("round %zu: %lld > %lld", i, (long long)price_cost(&price, &usage), (long long)worst);
	}
}

static void claims_of_a_server_do_not_turn_round(UNUSED void **state)
{
	struct llm_usage usage = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 0, -1 };
	struct price price;

	assert_true(prices_find_named("openai", "gpt-5", 0, &price));
	assert_true(price_cost(&price, &usage) > INT64_MAX / 2000);
}

static void every_line_of_the_table_can_be_read(UNUSED void **state)
{
	struct str rest = { (const char *)price_files[0].bytes, price_files[0].len }, line;
	size_t models = 0;
	struct err err;

	while (str_next(&rest, '\n', &line) && line.len > 0) {
		json_t *value;
		const json_t *model;
		size_t i;
		assert_int_equal(json_parse(line, &value, &err), 0);
		json_array_foreach(json_object_get(value, "models"), i, model) {
			struct price price;
			models += prices_find_named(json_get_text(value, "id", ""), json_get_text(model, "id", ""), 0, &price);
		}
		json_decref(value);
	}
	assert_true(models > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_cost_what_the_pages_say),
		cmocka_unit_test(each_bucket_and_tier_by_hand),
		cmocka_unit_test(unknown_stays_unknown),
		cmocka_unit_test(the_address_says_who_sends_the_bill),
		cmocka_unit_test(the_configuration_wins),
		cmocka_unit_test(wrong_prices_say_what_is_right),
		cmocka_unit_test(the_worst_case_is_never_passed),
		cmocka_unit_test(claims_of_a_server_do_not_turn_round),
		cmocka_unit_test(every_line_of_the_table_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
