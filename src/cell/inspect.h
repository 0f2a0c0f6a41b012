/* inspect.h - what a program is that stands before its first instruction. */
#ifndef MISHRI_CELL_INSPECT_H
#define MISHRI_CELL_INSPECT_H

#include "cell/digest.h"
#include "cell/enter.h"

/* Read from the kernel, of a process that is stopped and cannot change. What cannot be read is untrusted. */
struct inspected {
	char program[PATH_MAX];       /* the real file: the script where one is run; "" when unreadable */
	char cwd[PATH_MAX];
	enum place origin;
	char why[256];                /* why untrusted; "" otherwise */
	char names[LIMIT_CELL_NAMES][256];
	size_t name_count, trusted_names;
	struct buf arguments;         /* NUL after each */
	/* SHA-256: first of what counts (the program, the script, what a loader is to run; "" where it cannot be said), then
	 * of what runs that. Of files of the system only where it was asked for. */
	char hashes[LIMIT_CELL_PROGRAM_HASHES][SHA256_HEX_LEN + 1];
	size_t hash_count;
	/* A file that was named and will be opened once more: the script, what a loader is to run. It may be another then. */
	struct named_file {
		bool is;
		char path[PATH_MAX];  /* as the program wrote it: from its working directory */
		struct file_state state;
		char hash[SHA256_HEX_LEN + 1];   /* "": a file of the system, or too large for one */
	} named;
	bool arguments_too_long;      /* or more names than LIMIT_CELL_NAMES: policy cannot see all of them */
};

void inspected_init(struct inspected *what);
void inspected_done(struct inspected *what);
/* hash_system: files of the system are hashed, too. */
void inspect(pid_t pid, const struct places *places, bool hash_system, struct inspected *ret);

/* Is the file still as it was when it was looked at? */
bool named_is_same(pid_t pid, const struct named_file *named);

#endif
