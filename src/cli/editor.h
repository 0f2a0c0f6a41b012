/* editor.h - the person's own editor on a text, while the loop goes on. */
#ifndef MISHRI_CLI_EDITOR_H
#define MISHRI_CLI_EDITOR_H

#include "base/buf.h"
#include "engine/loop.h"

struct editor;

/* Starts $VISUAL or $EDITOR with the terminal. done: once, with the text as it was left; NULL and a sentence where
 * it failed. The editor is gone after it. -ENOENT: none is set; -errno. */
MUST_USE int editor_start(struct loop *loop, const char *text, void (*done)(void *userdata, const char *text, const char *why),
                          void *userdata, struct editor **ret, struct err *err);
void editor_free(struct editor *editor);             /* ends it without a word; NULL is fine */

#endif
