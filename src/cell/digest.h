/* digest.h - SHA-256 of programs, remembered by what the kernel says about a file. */
#ifndef MISHRI_CELL_DIGEST_H
#define MISHRI_CELL_DIGEST_H

#include <sys/stat.h>

#include "base/hash.h"

/* Which bytes a file had: two equal ones are the same file, unwritten in between. */
struct file_state {
	uint64_t inode, size;
	uint32_t dev_major, dev_minor;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
};
struct file_state file_state_of(const struct statx *stx);
bool file_state_equal(const struct file_state *a, const struct file_state *b);

/* path: any descriptor's /proc path, of a regular file. False: it cannot be read, is larger than LIMIT_CELL_HASH_BYTES, or
 * changed while it was read; hex is "" then. */
bool digest_of(const char *path, char hex[static SHA256_HEX_LEN + 1]);
/* The same, and nothing that was remembered counts: for files to which somebody could write by a mapping. */
bool digest_anew(const char *path, char hex[static SHA256_HEX_LEN + 1]);

#endif
