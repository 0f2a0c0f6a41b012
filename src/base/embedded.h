/* embedded.h - files that are put into the binary at build time (data/meson.build). */
#ifndef MISHRI_BASE_EMBEDDED_H
#define MISHRI_BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
	const char *path;               /* below its folder: "policy.yaml", "workspace/src/main.c" */
	const unsigned char *bytes;     /* a NUL follows them */
	size_t len;
	unsigned mode;                  /* 0644 or 0755 */
};

/* One table for each custom_target in data/meson.build; a row without a path ends it. */
extern const struct embedded_file demo_files[];
extern const struct embedded_file price_files[];
extern const struct embedded_file apparmor_files[];
extern const struct embedded_file trace_files[];
extern const struct embedded_file dashboard_files[];   /* NAME and NAME.gz */
extern const struct embedded_file ready_policies[];

#endif
