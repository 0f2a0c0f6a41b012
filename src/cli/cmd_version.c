/* cmd_version.c - `mishri version`. */
#include <stdio.h>

#include "base/json.h"
#include "cli/command.h"

#include "base/banned.h"

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;

	if (options_parse(&cmd_version, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_given(o, "--json"))
		printf("{\"version\":\"%s\"}\n", MISHRI_VERSION);
	else
		printf("mishri %s\n", MISHRI_VERSION);
	return EXIT_DONE;
}

const struct command cmd_version = { .name = "version", .args = "", .about = "print the version", .run = run };
