/* prices.c - reads the embedded price table, one provider at a time, when it is first asked about one. It refuses to
 * guess: no match, a unit that is missing, or a reply that does not say its tokens, and the cost is unknown. */
#include "llm/prices.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <time.h>

#include "base/embedded.h"
#include "llm/provider.h"
#include "base/banned.h"

enum { PICO_PER_NANO = 1000, PROVIDERS_MOST = 64 };

/* ---- the table ---- */

struct table_line {
	struct str text;
	json_t *value;             /* NULL until it was asked for; kept, for the table is part of the program */
};

static struct {
	struct table_line lines[PROVIDERS_MOST];
	size_t count;
	char source[PRICE_SOURCE_BYTES];
} table;

static json_t *parse_line(struct str text)
{
	json_t *value = NULL;
	struct err err;

	if (json_parse(text, &value, &err) < 0)
		abort(); /* our own file, which the tests read whole */
	return value;
}

static void table_open(void)
{
	struct str rest = { (const char *)price_files[0].bytes, price_files[0].len }, line;

	if (table.count > 0)
		return;
	(void)str_next(&rest, '\n', &line);
	AUTO(json_decrefp) json_t *head = parse_line(line);
	snprintf(table.source, sizeof table.source, "%s %s (%s)", json_get_text(head, "source", ""),
	         json_get_text(head, "version", ""), json_get_text(head, "date", ""));
	while (str_next(&rest, '\n', &line) && line.len > 0) {
		assert(table.count < PROVIDERS_MOST);
		table.lines[table.count++].text = line;
	}
}

/* A line begins with {"id":"NAME", so that the others need not be parsed. */
static const json_t *table_provider(const char *name)
{
	AUTO(freep) char *start = xasprintf("{\"id\":\"%s\",", name);

	table_open();
	for (size_t i = 0; i < table.count; i++) {
		struct table_line *line = &table.lines[i];
		if (!str_starts(line->text, str_of(start)))
			continue;
		if (line->value == NULL)
			line->value = parse_line(line->text);
		return line->value;
	}
	return NULL;
}

/* Does the address begin so, and end there, or go on with a port, a path, or the rest of an open name ("moonshot.")? */
static bool address_fits(const char *pattern_text, const char *url)
{
	AUTO(freep) char *pattern = xasprintf("^(%s)", pattern_text);
	regmatch_t found;
	regex_t regex;

	if (regcomp(&regex, pattern, REG_EXTENDED) != 0)
		abort();
	bool fits = regexec(&regex, url, 1, &found, 0) == 0;
	regfree(&regex);
	if (!fits)
		return false;
	char last = url[found.rm_eo - 1], next = url[found.rm_eo];
	return last == '/' || last == '.' || next == '/' || next == ':' || next == '\0';
}

static const json_t *search_address(const char *url)
{
	table_open();
	for (size_t i = 0; i < table.count; i++) {
		struct table_line *line = &table.lines[i];
		if (line->value == NULL)
			line->value = parse_line(line->text);
		if (address_fits(json_get_text(line->value, "url", ""), url))
			return line->value;
	}
	return NULL;
}

/* Whose address is it? NULL: nobody's in the table. Each reply is priced, and nearly always by the same address. */
static const json_t *table_provider_at(const char *url)
{
	static char *asked;
	static const json_t *found;

	if (asked == NULL || strcmp(asked, url) != 0) {
		free(asked);
		asked = xstrdup(url);
		found = search_address(url);
	}
	return found;
}

/* ---- which model ---- */

/* '#' in the pattern is any digit. */
static bool digits_match(const char *pattern, const char *text, bool whole)
{
	for (; *pattern != '\0'; pattern++, text++)
		if (*pattern == '#' ? !isdigit((unsigned char)*text) : *pattern != *text)
			return false;
	return !whole || *text == '\0';
}

static bool condition_holds(const json_t *condition, const char *name)
{
	const char *op = json_string_value(json_array_get(condition, 0)), *text = json_string_value(json_array_get(condition, 1));
	struct str n = str_of(name), t = str_of(text);

	switch (op[0]) {
	case '=': return str_eq(n, t);
	case '^': return str_starts(n, t);
	case '$': return n.len >= t.len && str_eq(str_skip(n, n.len - t.len), t);
	case '~': return strstr(name, text) != NULL;
	case '!': return strstr(name, text) == NULL;
	case '#': return digits_match(text, name, op[1] == '\0');
	default: abort();
	}
}

static bool model_matches(const json_t *model, const char *name)
{
	const json_t *all, *condition;
	size_t i, j;

	json_array_foreach(json_object_get(model, "match"), i, all) {
		bool holds = true;
		json_array_foreach(all, j, condition)
			holds = holds && condition_holds(condition, name);
		if (holds)
			return true;
	}
	return false;
}

static const json_t *provider_model(const json_t *provider, const char *name)
{
	AUTO(freep) char *lower = xstrdup(name);
	const json_t *model;
	size_t i;

	for (char *c = lower; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	json_array_foreach(json_object_get(provider, "models"), i, model)
		if (model_matches(model, lower))
			return model;
	return NULL;
}

/* ---- which price ---- */

static int clock_minutes(const char *hh_mm)
{
	return ((hh_mm[0] - '0') * 10 + hh_mm[1] - '0') * 60 + (hh_mm[3] - '0') * 10 + hh_mm[4] - '0';
}

static bool price_in_force(const json_t *price, int64_t at_us)
{
	const char *from = json_get_text(price, "from", NULL);
	const json_t *utc = json_object_get(price, "utc");
	time_t seconds = (time_t)(at_us / 1000000);
	struct tm tm;
	char day[16];

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	if (from != NULL && strcmp(day, from) < 0)
		return false;
	if (utc == NULL)
		return true;
	int now = tm.tm_hour * 60 + tm.tm_min, begin = clock_minutes(json_string_value(json_array_get(utc, 0)));
	int end = clock_minutes(json_string_value(json_array_get(utc, 1)));
	return begin <= end ? now >= begin && now < end : now >= begin || now < end;
}

/* The last one in force; where none is, the first. */
static const json_t *model_price(const json_t *model, int64_t at_us)
{
	const json_t *prices = json_object_get(model, "prices");

	for (size_t i = json_array_size(prices); i-- > 0;)
		if (price_in_force(json_array_get(prices, i), at_us))
			return json_array_get(prices, i);
	return json_array_get(prices, 0);
}

static bool read_rate(const json_t *price, const char *key, const struct price_rate *otherwise, struct price_rate *ret)
{
	const json_t *value = json_object_get(price, key), *tier;
	struct price_rate rate = { .base = (int64_t)json_integer_value(json_is_array(value) ? json_array_get(value, 0) : value) };
	size_t i;

	if (value == NULL) {
		if (otherwise != NULL)
			*ret = *otherwise;
		return otherwise != NULL;
	}
	json_array_foreach(value, i, tier) {
		if (i == 0)
			continue;
		assert(rate.tiers < PRICE_TIERS);
		rate.above[rate.tiers] = (int64_t)json_integer_value(json_array_get(tier, 0));
		rate.tier[rate.tiers++] = (int64_t)json_integer_value(json_array_get(tier, 1));
	}
	*ret = rate;
	return true;
}

/* What is not priced apart costs what it is part of. */
static bool read_price(const json_t *value, const char *source, struct price *ret)
{
	struct price price = { .request = json_get_int(value, "request", 0) };

	if (!read_rate(value, "input", NULL, &price.input) || !read_rate(value, "output", NULL, &price.output))
		return false;
	(void)(read_rate(value, "cache_read", &price.input, &price.cache_read) &&
	       read_rate(value, "cache_write", &price.input, &price.cache_write) &&
	       read_rate(value, "cache_write_1h", &price.cache_write, &price.cache_write_1h) &&
	       read_rate(value, "reasoning", &price.output, &price.reasoning));
	snprintf(price.source, sizeof price.source, "%s", source);
	*ret = price;
	return true;
}

static bool find_in(const json_t *provider, const char *name, int64_t at_us, struct price *ret)
{
	const json_t *model = provider != NULL ? provider_model(provider, name) : NULL;

	return model != NULL && read_price(model_price(model, at_us), table.source, ret);
}

bool prices_find_named(const char *provider, const char *name, int64_t at_us, struct price *ret)
{
	return find_in(table_provider(provider), name, at_us, ret);
}

int64_t prices_window(const char *name)
{
	const char *slash = strchr(name, '/');

	if (slash == NULL)
		return 0;
	AUTO(freep) char *provider = xstrndup(name, (size_t)(slash - name));
	const json_t *line = table_provider(provider), *model = line != NULL ? provider_model(line, slash + 1) : NULL;
	return model != NULL ? json_get_int(model, "window", 0) : 0;
}

/* ---- what the configuration says ---- */

struct own_price {
	char *name;
	struct price price;
};

struct prices {
	struct own_price rows[LIMIT_PRICES];
	size_t count;
};

struct prices *prices_new(void)
{
	return xcalloc(1, sizeof(struct prices));
}

void prices_free(struct prices *prices)
{
	for (size_t i = 0; prices != NULL && i < prices->count; i++)
		free(prices->rows[i].name);
	free(prices);
}

/* Dollars a million tokens, as the pages of the providers say it, to pico-dollars a token. */
static int to_pico(const json_t *usd, json_t *ret, struct err *err)
{
	static const char *const keys[] = { "input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning" };
	const char *key;
	json_t *value;

	int r = json_only_keys(usd, keys, COUNT(keys), err);
	if (r < 0)
		return r;
	json_object_foreach((json_t *)usd, key, value) {
		double dollars = json_number_value(value);
		if (!json_is_number(value) || !(dollars >= 0 && dollars <= LIMIT_PRICE_USD))
			return err_set(err, EINVAL, "%s: must be US dollars for a million tokens, from 0 to %d, such as 0.25", key,
			               LIMIT_PRICE_USD);
		json_put_int(ret, key, (int64_t)ceil(dollars * 1e6 - 1e-3));
	}
	if (json_object_get(ret, "input") == NULL || json_object_get(ret, "output") == NULL)
		return err_set(err, EINVAL, "needs `input` and `output`: US dollars for a million tokens");
	return 0;
}

int prices_put(struct prices *prices, const char *name, const json_t *usd, const char *source, struct err *err)
{
	AUTO(json_decrefp) json_t *pico = json_object();
	const char *star = strchr(name, '*'), *slash = strchr(name, '/');
	size_t at = 0;

	if (slash == NULL || slash == name || slash[1] == '\0' || (star != NULL && star[1] != '\0'))
		return err_set(err, EINVAL, "'%.100s' is no model: write PROVIDER/MODEL, or PROVIDER/BEGINNING*", name);
	int r = to_pico(usd, pico, err);
	if (r < 0)
		return r;
	while (at < prices->count && strcmp(prices->rows[at].name, name) != 0)
		at++;
	if (at == LIMIT_PRICES)
		return err_set(err, EINVAL, "more than %d prices", LIMIT_PRICES);
	if (at == prices->count)
		prices->rows[prices->count++].name = xstrdup(name);
	if (!read_price(pico, source, &prices->rows[at].price))
		abort(); /* to_pico() has seen to it */
	return 0;
}

/* The exact name first, then the longest beginning. */
static const struct own_price *own_find(const struct prices *prices, const char *name)
{
	const struct own_price *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; prices != NULL && i < prices->count; i++) {
		const struct own_price *row = &prices->rows[i];
		size_t len = strlen(row->name);
		if (strcmp(row->name, name) == 0)
			return row;
		if (row->name[len - 1] == '*' && strncmp(row->name, name, len - 1) == 0 && len > longest) {
			longest = len;
			best = row;
		}
	}
	return best;
}

/* What runs here costs nothing; what ollama sends on to its own service ("-cloud") has no price that we know. */
static bool is_free(const struct llm_model *model)
{
	struct str name = str_of(model->name), cloud = STR("cloud");

	return model->loopback && strcmp(model->provider->name, "ollama") == 0 &&
	       !(name.len > cloud.len && str_eq(str_skip(name, name.len - cloud.len), cloud));
}

bool prices_find(const struct prices *prices, const struct llm_model *model, int64_t at_us, struct price *ret)
{
	AUTO(freep) char *name = xasprintf("%s/%s", model->provider->name, model->name);
	const struct own_price *own = own_find(prices, name);

	if (own != NULL) {
		*ret = own->price;
		return true;
	}
	if (is_free(model)) {
		*ret = (struct price){ .source = "runs on this machine" };
		return true;
	}
	return model->base != NULL && find_in(table_provider_at(model->base), model->name, at_us, ret);
}

/* ---- sums ---- */

static int64_t rate_at(const struct price_rate *rate, int64_t input_tokens)
{
	int64_t pico = rate->base;

	for (size_t i = 0; i < rate->tiers; i++)
		if (input_tokens > rate->above[i])
			pico = rate->tier[i];
	return pico;
}

static int64_t rate_most(const struct price_rate *rate)
{
	int64_t pico = rate->base;

	for (size_t i = 0; i < rate->tiers; i++)
		pico = MAX(pico, rate->tier[i]);
	return pico;
}

/* Saturating: no usage that a provider could claim makes it turn round. */
static void add(int64_t *sum, int64_t tokens, int64_t pico)
{
	int64_t product;

	if (__builtin_mul_overflow(tokens, pico, &product) || __builtin_add_overflow(*sum, product, sum))
		*sum = INT64_MAX;
}

static int64_t to_nanos(int64_t pico)
{
	return pico / PICO_PER_NANO + (pico % PICO_PER_NANO != 0); /* never rounded to less than it costs */
}

int64_t price_cost(const struct price *price, const struct llm_usage *usage)
{
	int64_t read = MAX(usage->cache_read, (int64_t)0), wrote = MAX(usage->cache_write, (int64_t)0);
	int64_t wrote_1h = MIN(MAX(usage->cache_write_1h, (int64_t)0), wrote), reasoning = MAX(usage->reasoning, (int64_t)0);
	int64_t sum = price->request, all, rest;

	if ((usage->input < 0 && rate_most(&price->input) > 0) || (usage->output < 0 && rate_most(&price->output) > 0))
		return -1;
	if (__builtin_add_overflow(MAX(usage->input, (int64_t)0), read, &all) || __builtin_add_overflow(all, wrote, &all))
		all = INT64_MAX;
	rest = MAX(MAX(usage->output, (int64_t)0) - reasoning, (int64_t)0);
	add(&sum, MAX(usage->input, (int64_t)0), rate_at(&price->input, all));
	add(&sum, read, rate_at(&price->cache_read, all));
	add(&sum, wrote - wrote_1h, rate_at(&price->cache_write, all));
	add(&sum, wrote_1h, rate_at(&price->cache_write_1h, all));
	add(&sum, rest, rate_at(&price->output, all));
	add(&sum, reasoning, rate_at(&price->reasoning, all));
	return to_nanos(sum);
}

int64_t price_worst(const struct price *price, int64_t input_tokens, int64_t max_output_tokens)
{
	const struct price_rate *inputs[] = { &price->input, &price->cache_read, &price->cache_write, &price->cache_write_1h };
	int64_t in = 0, out = MAX(rate_most(&price->output), rate_most(&price->reasoning)), sum = price->request;

	for (size_t i = 0; i < COUNT(inputs); i++)
		in = MAX(in, rate_most(inputs[i]));
	add(&sum, input_tokens, in);
	add(&sum, max_output_tokens, out);
	return to_nanos(sum);
}
