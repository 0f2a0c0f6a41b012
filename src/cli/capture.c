/* capture.c - a command whose output goes into memory. Only for those that look and never ask. */
#include "cli/capture.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

int command_capture(const struct command *command, const char *const *words, size_t count, char **ret_out, size_t *ret_len,
                    char **ret_err)
{
	FILE *out_before = stdout, *err_before = stderr;
	size_t err_len = 0;
	char **argv = xcalloc(count + 1, sizeof *argv);

	for (size_t i = 0; i < count; i++)
		argv[i] = xstrdup(words[i]);
	stdout = open_memstream(ret_out, ret_len);
	stderr = open_memstream(ret_err, &err_len);
	if (stdout == NULL || stderr == NULL)
		abort();
	int code = command->run((int)count, argv);
	fclose(stdout);
	fclose(stderr);
	stdout = out_before;
	stderr = err_before;
	for (size_t i = 0; i < count; i++)
		free(argv[i]);
	free(argv);
	(*ret_err)[strcspn(*ret_err, "\n")] = '\0';
	if (strncmp(*ret_err, "mishri: ", 8) == 0)
		memmove(*ret_err, *ret_err + 8, strlen(*ret_err + 8) + 1);
	return code;
}
