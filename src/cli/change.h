/* change.h - what a file tool would do to the files as they are now. */
#ifndef MISHRI_CLI_CHANGE_H
#define MISHRI_CLI_CHANGE_H

#include "base/buf.h"
#include "base/json.h"

/* A unified diff of what write_file, edit_file or apply_patch would change, or one line that says why it would change
 * nothing. False: the tool changes no files in a way that is known here. It reads the workspace, and the
 * layer over it, and writes nothing. */
struct change_in { const char *workspace, *layer; };         /* layer: NULL where there is none */
bool change_show(const char *tool, const json_t *args, const struct change_in *in, struct buf *ret);

#endif
