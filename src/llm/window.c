/* window.c - how much a model can read at once, by its name. A table of what is known; a server of one's own may be
 * set up with less, and then the configuration says so. */
#include "llm/prices.h"

#include "base/banned.h"

enum { WINDOW_OTHERWISE = 128000 };

/* The first row whose beginning fits. Without the provider: the same models are offered by several. These are
 * common knowledge and what may go in, without the reply; too small is safe, and `context_tokens` overrides. What has
 * no row is asked of the price table. */
static const struct { const char *name; int64_t tokens; } rows[] = {
	{ "gpt-5", 272000 },     { "gpt-4.1", 1047576 }, { "gpt-4o", 128000 },  { "gpt-4-turbo", 128000 },
	{ "gpt-4", 8192 },       { "gpt-3.5", 16385 },   { "o1", 200000 },      { "o3", 200000 },
	{ "o4", 200000 },        { "claude-", 200000 },  { "gemini-", 1048576 },
};

int64_t llm_window_tokens(const char *name)
{
	const char *slash = strrchr(name, '/');
	struct str model = str_of(slash != NULL ? slash + 1 : name);

	if (str_starts(str_of(name), STR("recorded/")))
		return WINDOW_OTHERWISE; /* the rest is a path */
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_starts(model, str_of(rows[i].name)))
			return rows[i].tokens;
	int64_t known = prices_window(name);
	return known > 0 ? known : WINDOW_OTHERWISE;
}
