/* embed.c - a tool of the build: writes a C file with a table of embedded files (base/embedded.h).
 * Usage: embed OUT TABLE BASE FILE... (names below BASE). Text or bytes, any file; it gives up at the first error. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void fail(const char *name)
{
	perror(name);
	exit(EXIT_FAILURE);
}

static FILE *open_below(const char *base, const char *name, struct stat *ret)
{
	char path[4096];

	if (snprintf(path, sizeof path, "%s/%s", base, name) >= (int)sizeof path)
		fail(name);
	FILE *in = fopen(path, "re");
	if (in == NULL || fstat(fileno(in), ret) < 0)
		fail(path);
	return in;
}

/* One array a file; the last byte is a NUL that `len` does not count, so that no array is empty. */
static void write_bytes(FILE *out, FILE *in, int number)
{
	int c, column = 0;

	fprintf(out, "static const unsigned char bytes_%d[] = {", number);
	while ((c = fgetc(in)) != EOF)
		fprintf(out, "%s%d,", column++ % 24 == 0 ? "\n\t" : "", c);
	fprintf(out, "\n\t0\n};\n");
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fputs("usage: embed OUT TABLE BASE FILE...\n", stderr);
		return 2;
	}
	FILE *out = fopen(argv[1], "we");
	if (out == NULL)
		fail(argv[1]);
	unsigned *modes = calloc((size_t)argc, sizeof *modes);
	if (modes == NULL)
		fail("embed");
	fputs("/* Made by data/embed.c from files below data. */\n#include \"base/embedded.h\"\n\n", out);
	for (int i = 4; i < argc; i++) {
		struct stat st;
		FILE *in = open_below(argv[3], argv[i], &st);
		modes[i] = (st.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
		write_bytes(out, in, i);
		if (ferror(in) || fclose(in) != 0)
			fail(argv[i]);
	}
	fprintf(out, "\nconst struct embedded_file %s[] = {\n", argv[2]);
	for (int i = 4; i < argc; i++)
		fprintf(out, "\t{ \"%s\", bytes_%d, sizeof bytes_%d - 1, 0%o },\n", argv[i], i, i, modes[i]);
	fputs("\t{ 0 },\n};\n", out);
	free(modes);
	if (fclose(out) != 0)
		fail(argv[1]);
	return EXIT_SUCCESS;
}
