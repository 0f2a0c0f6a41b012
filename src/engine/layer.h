/* layer.h - the layers of workspaces in mode overlay: DIR/layers/ROOT-TASK, with `upper` (what changed), `work` (the
 * kernel's), `begun` (what it lies over, and since when) and, while changes are applied, `journal`. */
#ifndef MISHRI_ENGINE_LAYER_H
#define MISHRI_ENGINE_LAYER_H

#include "base/json.h"
#include "base/buf.h"
#include "core/event.h"

/* The data directory of an open store; the caller owns it. */
struct store;
char *layer_data_dir(const struct store *store);

/* The directory of a root task's layer; the caller owns it. It may not be there. */
char *layer_path(const char *data, const char *root);

/* Makes the layer where it is not there yet, for this workspace. -errno: err says why; one whose changes are being applied,
 * or that lies over another workspace, is refused. The caller owns *ret_path. */
MUST_USE int layer_begin(const char *data, const char *root, const char *workspace, char **ret_path, struct err *err);

/* Is there one? */
bool layer_exists(const char *data, const char *root);

/* Takes it away, with all that is in it. */
MUST_USE int layer_remove(const char *path, struct err *err);
/* The same where nothing was changed in it; else it stays. */
int layer_remove_empty(const char *path);

/* A tree of files, without following links; other file systems are left alone. 0 or -errno. */
MUST_USE int tree_remove(int dir, const char *name);

/* ---- what changed ---- */

enum change_kind { CHANGE_ADDED, CHANGE_CHANGED, CHANGE_DELETED, CHANGE_MODE };
enum change_type { TYPE_FILE, TYPE_DIRECTORY, TYPE_LINK };

struct change {
	enum change_kind kind;
	enum change_type type;         /* of the new thing; CHANGE_DELETED: of the old one */
	enum change_type was;          /* of the old one, where there is one */
	char *path;                    /* below the workspace */
	uint32_t mode, old_mode;       /* permission bits */
	int64_t bytes;                 /* of a file */
	bool replaces;                 /* the old thing goes away whole, with all in it */
	char *conflict;                /* what changed in the workspace meanwhile; NULL: nothing */
};

struct overlay {
	char *path, *workspace;
	int64_t since_ns;              /* when it was begun, or applied last: wall clock, as file systems count it */
	int upper, lower;              /* both directories */
	struct change *changes;        /* by path */
	size_t count;
	json_t *refused;               /* [{"path", "why"}]: what is never applied */
	int64_t bytes;                 /* of all files */
};

/* Both directories, and nothing read yet. For what else opens one. */
MUST_USE int layer_open_dirs(const char *data, const char *root, struct overlay *ret, struct err *err);
/* Opens the layer and reads what changed. -ENOENT: there is none. */
MUST_USE int layer_open(const char *data, const char *root, struct overlay *ret, struct err *err);
void layer_close(struct overlay *layer);                     /* fits AUTO(layer_close) */
#define LAYER_NONE ((struct overlay){ .upper = -1, .lower = -1 })

const char *change_kind_name(enum change_kind kind);       /* "added", "changed", "deleted", "mode" */
const char *change_type_name(enum change_type type);       /* "file", "directory", "link" */
size_t layer_conflicts(const struct overlay *layer);
/* SHA-256 over kind, path, mode and content of all changes: what was applied or dropped, in one number. */
MUST_USE int layer_digest(const struct overlay *layer, char hex[static 65], struct err *err);
/* {"added", "changed", "deleted", "mode", "bytes"}; the caller owns it. */
json_t *layer_sums(const struct overlay *layer);

/* Opens below a directory of either side, no link followed on the way or at the end. -1 with errno. */
int layer_at(int dir, const char *path, int flags);
/* The content of a file, or where a link leads. -EFBIG: more than max. */
MUST_USE int layer_read(int dir, const char *path, enum change_type type, struct buf *ret);

/* A file as the task sees it, its layer (of layer_path) over the workspace. path: as a tool was given it. 0, and whether it is
 * there; -errno with a sentence for the person, where nobody can say what the task sees without following a link. */
MUST_USE int layer_see(const char *layer, const char *workspace, const char *path, struct buf *ret, bool *ret_there,
                       struct err *err);

/* ---- into the workspace ---- */

/* Carries every change out in the workspace, or none. A crash in between is finished, or undone, by layer_recover.
 * `done` stays in the journal until layer_finish. Conflicts are not looked at here. */
MUST_USE int layer_apply(struct overlay *layer, struct err *err);
/* What an interrupted apply left. *ret_applied: it had gone so far that it was finished; the caller writes it down and calls
 * layer_finish. Else it is undone. 0 where there is nothing to do. */
MUST_USE int layer_recover(const char *data, const char *root, bool *ret_applied, json_t **ret_sums, struct err *err);
/* Behind the event: the layer is empty again, and what comes now is compared with the workspace as it is now. */
MUST_USE int layer_finish(const char *path, struct err *err);

#endif
