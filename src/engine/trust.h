/* trust.h - what the files of a trusted project say now, and what they said when a person trusted them. dirs.h has the
 * list of directories; this is what stands behind each. Directories are given as realpath() has them. */
#ifndef MISHRI_ENGINE_TRUST_H
#define MISHRI_ENGINE_TRUST_H

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "engine/dirs.h"

/* The digest of its files as they are now; a copy of them is kept below `data`. */
MUST_USE int trust_bind(const char *data, const char *real, char hex[static SHA256_HEX_LEN + 1], struct err *err);
bool trust_holds(const char *real, const char *hex);
void trust_forget(const char *data, const char *real);

/* [{"file", "state": unchanged, changed, new or gone, "sha256", "before", "now"}]: the texts where they are kept. The
 * caller owns it. */
MUST_USE int trust_compare(const char *data, const char *real, json_t **ret, struct err *err);
/* Why `file` of a directory is not read, in one line. The caller owns it. */
MUST_USE char *trust_complaint(const char *data, const char *dir, const char *file);

#endif
