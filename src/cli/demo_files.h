/* demo_files.h - the files of data/demo, put into the binary at build time. */
#ifndef MISHRI_CLI_DEMO_FILES_H
#define MISHRI_CLI_DEMO_FILES_H

#include <stddef.h>

struct demo_file {
	const char *path;               /* "policy.yaml", "recorded.jsonl", "workspace/..." */
	const unsigned char *bytes;     /* a NUL follows them */
	size_t len;
	unsigned mode;                  /* 0644 or 0755 */
};

extern const struct demo_file demo_files[];
extern const size_t demo_file_count;

#endif
