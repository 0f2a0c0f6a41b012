/* main.c - prints how many words a file has. */
#include <stdio.h>
#include <stdlib.h>

#include "wordcount.h"

int main(int argc, char **argv)
{
	static char text[1 << 20];

	if (argc != 2) {
		fputs("usage: wordcount FILE\n", stderr);
		return EXIT_FAILURE;
	}
	FILE *file = fopen(argv[1], "r");
	if (file == NULL) {
		perror(argv[1]);
		return EXIT_FAILURE;
	}
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	printf("%zu\n", count_words(text));
	return EXIT_SUCCESS;
}
