/* test.c - a test is a row. */
#include <stdio.h>

#include "wordcount.h"

static const struct {
	const char *text;
	size_t words;
} rows[] = {
	{ "", 0 },
	{ "one", 1 },
	{ "one two", 2 },
	{ "one  two", 2 },
	{ " one two ", 2 },
	{ "\tone\ntwo three\n", 3 },
};

int main(void)
{
	size_t count = sizeof rows / sizeof rows[0], failed = 0;

	for (size_t i = 0; i < count; i++) {
		size_t got = count_words(rows[i].text);
		if (got == rows[i].words)
			continue;
		printf("row %zu: want %zu words, got %zu\n", i + 1, rows[i].words, got);
		failed++;
	}
	printf("%zu rows, %zu wrong\n", count, failed);
	return failed != 0;
}
