/* apparmor.c - the AppArmor profile of data/apparmor for this very program. It prints and loads nothing: that is for an
 * administrator to do, who reads it first. */
#include "cli/apparmor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/embedded.h"
#include "cli/command.h"
#include "base/banned.h"

/* Its name is a pattern in a profile: what would mean something there is said to mean itself. */
static void add_path(const char *path, struct buf *ret)
{
	buf_add_char(ret, '"');
	for (const char *c = path; *c != '\0'; c++) {
		if (strchr("\\\"*?[]{}^@,", *c) != NULL)
			buf_add_char(ret, '\\');
		buf_add_char(ret, *c);
	}
	buf_add_char(ret, '"');
}

char *apparmor_text(void)
{
	static const char usual[] = "/usr{,/local}/bin/mishri";
	AUTO(buf_done) struct buf out = BUF_INIT(KIB(16));
	char program[PATH_MAX];
	const char *text = (const char *)apparmor_files[0].bytes, *at = strstr(text, usual);
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

	if (n <= 0 || at == NULL)
		return NULL;
	program[n] = '\0';
	buf_add(&out, text, (size_t)(at - text));
	add_path(program, &out);
	buf_add_text(&out, at + sizeof usual - 1);
	return buf_take(&out);
}

int apparmor_print(void)
{
	AUTO(freep) char *text = apparmor_text();

	if (text == NULL)
		return complain(EXIT_FAILED, "the path of this program cannot be read from /proc; is /proc mounted?");
	fputs(text, stdout);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}
