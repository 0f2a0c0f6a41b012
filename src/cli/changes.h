/* changes.h - what diff, apply and drop share: the task whose layer of changes is meant. */
#ifndef MISHRI_CLI_CHANGES_H
#define MISHRI_CLI_CHANGES_H

#include <stdio.h>

#include "cli/common.h"
#include "engine/layer.h"

struct changes {
	struct store *store;
	struct task *task;             /* the root of the tree; its layer is meant */
	char *data;
	struct overlay layer;
	bool none;                     /* it has no layer any more: nothing changed, or dropped */
};

/* The store of a command and the task that it names; a part of a tree means the whole tree. 0, or an exit code after the
 * complaint. */
int changes_find(struct changes *c, const struct options *o, unsigned store_flags);
/* Reads the layer. The same. */
int changes_read(struct changes *c);
void changes_done(struct changes *c);

/* Behind a run, on stderr: its changes wait in a layer. */
void changes_hint(const struct store *store, const struct task *task);

/* Events about files, for whoever tells a task's story: kept in an array, printed as lines. */
void changes_note(json_t *notes, const struct event *e);
void changes_print_notes(const json_t *notes, bool colour);

/* One line a change: kind, path, what there is to say. Sanitised. */
void changes_list(const struct overlay *layer, FILE *to);

#endif
