/* err.h - what went wrong, in a sentence that says what would be right. */
#ifndef MISHRI_BASE_ERR_H
#define MISHRI_BASE_ERR_H

#include <errno.h>

#include "base/limits.h"
#include "base/util.h"

struct err {
	int code;                          /* 0 or a positive errno */
	char text[LIMIT_ERR_TEXT_BYTES];   /* one sentence, no newline at the end */
};

#define ERR_NONE ((struct err){ 0 })

/* Writes the sentence and returns -code, so that a caller may `return err_set(...)`. err may be NULL. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF(3, 4);

/* The same, with ": " and the system's text for errno at the end; code is errno. */
int err_sys(struct err *err, const char *format, ...) PRINTF(2, 3);

/* Puts "prefix: " before a sentence that is already there. Returns -err->code (-EIO when err is NULL). */
int err_prefix(struct err *err, const char *format, ...) PRINTF(2, 3);

#endif
