/* flag.c - is a flag given? Programs read their words in many ways, and this file does not know which. So it answers
 * YES only for what every program reads as this flag, and MAYBE for all that some program could. */
#include <stdio.h>

#include "policy/rules.h"

#include "base/banned.h"

/* -f, but neither --force nor - nor -- */
static bool is_short(const char *word)
{
	return word[0] == '-' && word[1] != '-' && word[1] != '\0';
}

/* Are all letters of the short flag among the letters of the short words? -rf: -r -f, -fr, -vrf. */
static enum truth letters_given(const char *flag, const char *const *argv, size_t argc)
{
	for (const char *letter = flag + 1; *letter != '\0'; letter++) {
		bool found = false;
		for (size_t i = 1; i < argc && !found; i++)
			found = is_short(argv[i]) && strchr(argv[i] + 1, *letter) != NULL;
		if (!found)
			return NO;
	}
	return MAYBE;
}

/* --force: --force=x, --forc, -force (some programs take one dash), --no-force (takes an earlier one back). */
static enum truth long_resembles(const char *flag, const char *word)
{
	size_t len = strcspn(word, "="), flag_len = strlen(flag);

	if (len > 2 && word[1] == '-' && len <= flag_len && strncmp(word, flag, len) == 0)
		return MAYBE;
	if (len == flag_len - 1 && word[1] != '-' && strncmp(word + 1, flag + 2, len - 1) == 0)
		return MAYBE;
	if (strncmp(word, "--no-", 5) == 0 && len > 5 && strncmp(word + 5, flag + 2, len - 5) == 0)
		return MAYBE;
	return NO;
}

/* A word of many letters with one dash (find -delete) may be written with two, or with a value. */
static enum truth word_resembles(const char *flag, const char *word)
{
	size_t len = strcspn(word, "="), flag_len = strlen(flag);

	if (len == flag_len && strncmp(word, flag, len) == 0)
		return MAYBE;
	return len == flag_len + 1 && word[0] == '-' && strncmp(word + 1, flag, flag_len) == 0 ? MAYBE : NO;
}

/* Could the word before take this one as its value? Then it is no flag: git push -o --dry-run. */
static bool takes_a_value(const char *before)
{
	return before[0] == '-' && before[1] != '\0' && strchr(before, '=') == NULL;
}

enum truth flag_given(const char *flag, const char *const *argv, size_t argc)
{
	enum { CLUSTER_LETTERS = 3 };
	bool is_long = flag[1] == '-', ended = false, taken_back = false;
	enum truth found = NO;

	if (!is_long && strlen(flag + 1) <= CLUSTER_LETTERS)
		found = letters_given(flag, argv, argc);
	for (size_t i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (word[0] != '-')
			continue;
		if (strcmp(word, flag) == 0) {
			bool sure = !ended && (i == 1 || !takes_a_value(argv[i - 1]));
			found = MAX(found, sure ? YES : MAYBE);
			continue;
		}
		ended |= strcmp(word, "--") == 0;
		enum truth near = is_long ? long_resembles(flag, word) : word_resembles(flag, word);
		found = MAX(found, near);
		taken_back |= is_long && near == MAYBE && strncmp(word, "--no-", 5) == 0;
	}
	return taken_back ? MIN(found, MAYBE) : found;
}
