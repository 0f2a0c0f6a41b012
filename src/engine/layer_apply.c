/* layer_apply.c - from a layer into the workspace, all or nothing. Everything new is made and synced in a directory of
 * its own first; then a journal says what will be done; then each step is one rename that puts the new thing in place and
 * keeps the old one, so that each can be taken back. A crash before the journal is complete leaves the workspace as it
 * was; after it, the next apply goes on where this one was, or takes everything back. No step follows a link, and none
 * leaves the workspace. */
#include "engine/layer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/banned.h"

enum step_kind { STEP_PUT, STEP_TAKE, STEP_DIRECTORY, STEP_MODE, STEP_KINDS };
static const char *const step_words[] = { [STEP_PUT] = "put", [STEP_TAKE] = "take", [STEP_DIRECTORY] = "directory",
                                          [STEP_MODE] = "mode" };
_Static_assert(COUNT(step_words) == STEP_KINDS, "each step has its word in the journal");

struct apply_step {
	enum step_kind kind;
	char *path;
	uint64_t fresh, old;           /* inodes: of the staged thing, of what lies there before; 0: nothing */
	int64_t old_changed_ns;        /* when its content was touched last, as it was planned */
	uint32_t mode, old_mode, uid, gid;
};

struct apply {
	int lower, stage;              /* directories */
	char *stage_parent, *stage_name, *journal;
	struct apply_step *steps;
	size_t count;
	json_t *sums;
	struct err *err;
};

#define APPLY_NONE ((struct apply){ .lower = -1, .stage = -1 })

static void apply_done(struct apply *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->steps[i].path);
	free(a->steps);
	free(a->stage_parent);
	free(a->stage_name);
	free(a->journal);
	json_decref(a->sums);
	fd_close(&a->lower);
	fd_close(&a->stage);
}

static struct apply_step *step_add(struct apply *a, enum step_kind kind, const char *path)
{
	if ((a->count & (a->count + 1)) == 0)
		a->steps = xrealloc(a->steps, (a->count * 2 + 1) * sizeof *a->steps);
	a->steps[a->count] = (struct apply_step){ .kind = kind, .path = xstrdup(path) };
	return &a->steps[a->count++];
}

/* ---- the place for what is new ---- */

static bool on_one_mount(const char *a, const char *b)
{
	struct statx one, two;

	return statx(AT_FDCWD, a, 0, STATX_BASIC_STATS | STATX_MNT_ID, &one) == 0 &&
	       statx(AT_FDCWD, b, 0, STATX_BASIC_STATS | STATX_MNT_ID, &two) == 0 && one.stx_mnt_id == two.stx_mnt_id &&
	       one.stx_dev_major == two.stx_dev_major && one.stx_dev_minor == two.stx_dev_minor;
}

/* Beside the layer where a rename from there can work, else in the workspace itself. */
static void stage_choose(struct apply *a, const struct overlay *layer)
{
	const char *id = strrchr(layer->path, '/') + 1;
	bool beside = on_one_mount(layer->path, layer->workspace);

	a->stage_parent = xstrdup(beside ? layer->path : layer->workspace);
	a->stage_name = beside ? xstrdup("stage") : xasprintf(".mishri-apply-%s", id);
	a->journal = xasprintf("%s/journal", layer->path);
}

static char *stage_path(const struct apply *a)
{
	return xasprintf("%s/%s", a->stage_parent, a->stage_name);
}

static int stage_remove(const struct apply *a)
{
	AUTO(freep) char *path = stage_path(a);
	int r = tree_remove(AT_FDCWD, path);

	return r < 0 ? err_set(a->err, -r, "'%s' cannot be removed: %s", path, strerror(-r)) : 0;
}

static int stage_open(struct apply *a, bool make)
{
	AUTO(freep) char *path = stage_path(a);

	if (make && mkdir(path, 0700) < 0)
		return err_sys(a->err, "'%s' cannot be made", path);
	a->stage = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return a->stage < 0 ? -errno : 0;
}

static void name_of_step(size_t i, char ret[static 32])
{
	snprintf(ret, 32, "%zu", i);
}

/* ---- journal: words that end in NUL, in their order ---- */

static void put_word(struct buf *to, const char *word)
{
	buf_add(to, word, strlen(word) + 1);
}

static void put_number(struct buf *to, int64_t number)
{
	buf_printf(to, "%lld", (long long)number);
	buf_add(to, "", 1);
}

/* phase: "staging", "apply" (from here on it is finished or taken back) or "done". */
static int journal_write(const struct apply *a, const char *phase)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JOURNAL_BYTES);
	AUTO(freep) char *next = xasprintf("%s.new", a->journal);
	AUTO(freep) char *sums = json_text(a->sums);
	AUTO(freep) char *parent = xstrndup(a->journal, (size_t)(strrchr(a->journal, '/') - a->journal));

	put_word(&text, phase);
	put_word(&text, a->stage_parent);
	put_word(&text, a->stage_name);
	put_word(&text, sums);
	for (size_t i = 0; i < a->count; i++) {
		const struct apply_step *s = &a->steps[i];
		const int64_t numbers[] = { (int64_t)s->fresh, (int64_t)s->old, s->old_changed_ns, s->mode, s->old_mode, s->uid, s->gid };
		put_word(&text, step_words[s->kind]);
		put_word(&text, s->path);
		for (size_t k = 0; k < COUNT(numbers); k++)
			put_number(&text, numbers[k]);
	}
	put_word(&text, "end");
	if (text.full)
		return err_set(a->err, E2BIG, "there are more changes than a journal can hold");
	(void)unlink(next);
	AUTO(fd_closep) int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	AUTO(fd_closep) int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || dir < 0 || io_write_all(fd, buf_text(&text), text.len) < 0 || fsync(fd) < 0 || rename(next, a->journal) < 0 ||
	    fsync(dir) < 0)
		return err_sys(a->err, "the journal '%s' cannot be written", a->journal);
	return 0;
}

static bool take_word(struct str *rest, const char **ret)
{
	struct str word;

	if (rest->len == 0 || memchr(rest->ptr, '\0', rest->len) == NULL || !str_next(rest, '\0', &word))
		return false;
	*ret = word.ptr;
	return true;
}

static bool take_number(struct str *rest, int64_t *ret)
{
	const char *word;
	uint64_t n;

	if (!take_word(rest, &word) || str_to_u64(str_of(word), &n) < 0 || n > INT64_MAX)
		return false;
	*ret = (int64_t)n;
	return true;
}

static bool take_step(struct apply *a, struct str *rest, const char *kind_word)
{
	int kind = name_find(step_words, COUNT(step_words), kind_word);
	const char *path;
	int64_t n[7];

	if (kind < 0 || !take_word(rest, &path))
		return false;
	for (size_t i = 0; i < COUNT(n); i++)
		if (!take_number(rest, &n[i]))
			return false;
	struct apply_step *s = step_add(a, (enum step_kind)kind, path);
	s->fresh = (uint64_t)n[0];
	s->old = (uint64_t)n[1];
	s->old_changed_ns = n[2];
	s->mode = (uint32_t)n[3];
	s->old_mode = (uint32_t)n[4];
	s->uid = (uint32_t)n[5];
	s->gid = (uint32_t)n[6];
	return true;
}

static int journal_read(struct apply *a, char **ret_phase)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JOURNAL_BYTES);
	const char *phase, *parent, *name, *sums, *word = "";
	int r = io_read_file(a->journal, &text, a->err);
	struct str rest = buf_str(&text);

	if (r < 0)
		return r;
	bool good = take_word(&rest, &phase) && take_word(&rest, &parent) && take_word(&rest, &name) && take_word(&rest, &sums) &&
	            json_parse(str_of(sums), &a->sums, NULL) == 0;
	while (good && (good = take_word(&rest, &word)) && strcmp(word, "end") != 0)
		good = take_step(a, &rest, word);
	if (!good || rest.len > 0)
		return err_set(a->err, EUCLEAN, "the journal '%s' is damaged: nothing was done with it; compare the workspace with '%s'"
		               " by hand", a->journal, a->journal);
	free(a->stage_parent);
	free(a->stage_name);
	a->stage_parent = xstrdup(parent);
	a->stage_name = xstrdup(name);
	*ret_phase = xstrdup(phase);
	return 0;
}

/* ---- making what is new ---- */

static int copy_bytes(int from, int to)
{
	char chunk[65536];

	for (;;) {
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = io_write_all(to, chunk, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int stage_file(const struct overlay *layer, const struct change *c, int stage, const char *name, struct stat *ret)
{
	AUTO(fd_closep) int from = layer_at(layer->upper, c->path, O_RDONLY);
	AUTO(fd_closep) int to = openat(stage, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07000) != 0)
		return -EPERM;
	int r = copy_bytes(from, to);
	if (r < 0)
		return r;
	const struct timespec times[] = { st.st_atim, st.st_mtim };
	if ((geteuid() == 0 && fchown(to, st.st_uid, st.st_gid) < 0) || fchmod(to, c->mode) < 0 || futimens(to, times) < 0 ||
	    fsync(to) < 0 || fstat(to, ret) < 0)
		return -errno;
	return 0;
}

static int stage_link(const struct overlay *layer, const struct change *c, int stage, const char *name, struct stat *ret)
{
	AUTO(buf_done) struct buf target = BUF_INIT(PATH_MAX);
	AUTO(fd_closep) int from = layer_at(layer->upper, c->path, O_PATH);
	struct stat st;
	int r = layer_read(layer->upper, c->path, TYPE_LINK, &target);

	if (r < 0)
		return r;
	if (from < 0 || fstat(from, &st) < 0 || symlinkat(buf_text(&target), stage, name) < 0 ||
	    (geteuid() == 0 && fchownat(stage, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) ||
	    fstatat(stage, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* The directory that holds a path, and the name in it. */
static int parent_open(int dir, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash != NULL ? slash + 1 : path;
	if (slash == NULL)
		return fcntl(dir, F_DUPFD_CLOEXEC, 0);
	AUTO(freep) char *above = xstrndup(path, (size_t)(slash - path));
	return layer_at(dir, above, O_PATH | O_DIRECTORY);
}

/* Not the time of the inode: a step changes that of a second name (hard link). */
static int64_t touched_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int note_old(const struct apply *a, struct apply_step *s)
{
	const char *name;
	AUTO(fd_closep) int parent = parent_open(a->lower, s->path, &name);
	struct stat st;

	/* A parent that is not there yet is made by an earlier step. */
	if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	s->old = st.st_ino;
	s->old_changed_ns = touched_ns(&st);
	return 0;
}

static int plan_one(struct apply *a, const struct overlay *layer, const struct change *c)
{
	bool directory = c->type == TYPE_DIRECTORY, gone = c->kind == CHANGE_DELETED;
	struct stat st = { 0 };
	char name[32];
	int r = 0;

	if (c->kind == CHANGE_MODE)
		return 0;
	if (gone || (directory && c->replaces)) {
		struct apply_step *s = step_add(a, STEP_TAKE, c->path);
		r = note_old(a, s);
	}
	if (gone || r < 0)
		return r;
	size_t at = a->count;
	struct apply_step *s = step_add(a, directory ? STEP_DIRECTORY : STEP_PUT, c->path);
	name_of_step(at, name);
	s->mode = c->mode;
	if (!directory) {
		r = c->type == TYPE_LINK ? stage_link(layer, c, a->stage, name, &st) : stage_file(layer, c, a->stage, name, &st);
		s->fresh = st.st_ino;
		return r < 0 ? r : note_old(a, s);
	}
	AUTO(fd_closep) int fd = layer_at(layer->upper, c->path, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	return 0;
}

/* Rights of directories come last, deepest first: what is made in them needs to be. */
static void plan_modes(struct apply *a, const struct overlay *layer)
{
	for (size_t i = layer->count; i-- > 0;) {
		const struct change *c = &layer->changes[i];
		bool fresh = c->type == TYPE_DIRECTORY && (c->kind == CHANGE_ADDED || c->kind == CHANGE_CHANGED);
		if (c->kind != CHANGE_MODE && !fresh)
			continue;
		struct apply_step *s = step_add(a, STEP_MODE, c->path);
		s->mode = c->mode;
		s->old_mode = fresh ? 0700 : c->old_mode;
	}
}

static int plan_make(struct apply *a, const struct overlay *layer)
{
	for (size_t i = 0; i < layer->count; i++) {
		int r = plan_one(a, layer, &layer->changes[i]);
		if (r < 0)
			return err_set(a->err, -r, "nothing was changed: '%s' cannot be prepared: %s", layer->changes[i].path, strerror(-r));
	}
	plan_modes(a, layer);
	if (syncfs(a->stage) < 0)
		return err_sys(a->err, "nothing was changed: what is new cannot be synced");
	return 0;
}

/* ---- steps ---- */

static int rename2(int from, const char *old, int to, const char *new, unsigned flags)
{
	return renameat2(from, old, to, new, flags) < 0 ? -errno : 0;
}

/* What lies there; false: nothing. */
static bool lies_there(int parent, const char *name, struct stat *ret)
{
	return fstatat(parent, name, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

static int put(const struct apply *a, const struct apply_step *s, const char *staged, int parent, const char *name)
{
	struct stat now, mine;
	bool there = lies_there(parent, name, &now);

	if (there && now.st_ino == s->fresh && !(lies_there(a->stage, staged, &mine) && mine.st_ino == s->fresh))
		return 0;                    /* done before a crash */
	if (!there && s->old != 0)
		return -ESTALE;
	if (there && (now.st_ino != s->old || touched_ns(&now) != s->old_changed_ns))
		return -ESTALE;
	return rename2(a->stage, staged, parent, name, there ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

static int take_away(const struct apply *a, const struct apply_step *s, const char *staged, int parent, const char *name)
{
	struct stat now;

	if (lies_there(a->stage, staged, &now))
		return 0;
	if (!lies_there(parent, name, &now) || now.st_ino != s->old || touched_ns(&now) != s->old_changed_ns)
		return -ESTALE;
	return rename2(parent, name, a->stage, staged, RENAME_NOREPLACE);
}

static int directory(const struct apply_step *s, int parent, const char *name)
{
	struct stat now;

	if (mkdirat(parent, name, 0700) < 0 && (errno != EEXIST || !lies_there(parent, name, &now) || !S_ISDIR(now.st_mode)))
		return errno == EEXIST ? -ESTALE : -errno;
	if (geteuid() == 0 && fchownat(parent, name, s->uid, s->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int mode_set(int parent, const char *name, uint32_t mode)
{
	char link[64];
	AUTO(fd_closep) int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ESTALE;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return chmod(link, mode) < 0 ? -errno : 0;
}

static int step_do(const struct apply *a, size_t i)
{
	const struct apply_step *s = &a->steps[i];
	const char *name;
	AUTO(fd_closep) int parent = parent_open(a->lower, s->path, &name);
	char staged[32];

	name_of_step(i, staged);
	if (parent < 0)
		return -errno;
	switch (s->kind) {
	case STEP_PUT: return put(a, s, staged, parent, name);
	case STEP_TAKE: return take_away(a, s, staged, parent, name);
	case STEP_DIRECTORY: return directory(s, parent, name);
	case STEP_MODE: return mode_set(parent, name, s->mode);
	case STEP_KINDS: break;
	}
	return -EINVAL;
}

/* Whether the step was done at all is seen by what lies where. */
static int step_undo(const struct apply *a, size_t i)
{
	const struct apply_step *s = &a->steps[i];
	const char *name;
	AUTO(fd_closep) int parent = parent_open(a->lower, s->path, &name);
	struct stat now, kept;
	char staged[32];

	int reason = errno;

	name_of_step(i, staged);
	bool has = lies_there(a->stage, staged, &kept);
	if ((s->kind == STEP_PUT && has && kept.st_ino == s->fresh) || (s->kind == STEP_TAKE && !has))
		return 0;                    /* it was never done */
	if (parent < 0 && s->kind != STEP_PUT && s->kind != STEP_TAKE)
		return 0;                    /* what it was done to went with its directory */
	if (parent < 0)
		return -reason;
	bool there = lies_there(parent, name, &now);
	switch (s->kind) {
	case STEP_PUT:
		if (!there || now.st_ino != s->fresh)
			return 0;
		return rename2(parent, name, a->stage, staged, has ? RENAME_EXCHANGE : RENAME_NOREPLACE);
	case STEP_TAKE: return rename2(a->stage, staged, parent, name, RENAME_NOREPLACE);
	case STEP_DIRECTORY:
		return there && S_ISDIR(now.st_mode) && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY ? -errno : 0;
	case STEP_MODE: return there ? mode_set(parent, name, s->old_mode) : 0;
	case STEP_KINDS: break;
	}
	return 0;
}

/* Backwards, each as far as it goes: one that cannot be taken back keeps no other. */
static int undo(const struct apply *a, size_t upto, const struct err *why)
{
	const char *stuck = NULL;

	for (size_t i = upto; i-- > 0;)
		if (step_undo(a, i) < 0)
			stuck = a->steps[i].path;
	if (stuck == NULL && syncfs(a->lower) == 0 && stage_remove(a) == 0 && (unlink(a->journal) == 0 || errno == ENOENT))
		return err_set(a->err, why->code, "nothing was changed: %s", why->text);
	AUTO(freep) char *stage = stage_path(a);
	return err_set(a->err, why->code, "%s; and taking it back stopped%s%s: what the workspace had lies in '%s'", why->text,
	               stuck != NULL ? " at " : "", stuck != NULL ? stuck : "", stage);
}

static void say_why(const struct apply *a, size_t i, int r, struct err *why)
{
	const char *path = a->steps[i].path;

	if (r == -ESTALE)
		err_set(why, ESTALE, "'%s' was changed in the workspace at this moment: look at it and try again", path);
	else if (r == -EXDEV)
		err_set(why, EXDEV, "'%s' lies on another file system than the workspace", path);
	else if (r == -ELOOP)
		err_set(why, ELOOP, "a directory on the way to '%s' is a symbolic link in the workspace now", path);
	else
		err_set(why, -r, "'%s' cannot be %s: %s", path, a->steps[i].kind == STEP_TAKE ? "taken away" : "put in place",
		        strerror(-r));
}

/* From a complete journal to the end. */
static int carry_out(const struct apply *a)
{
	struct err why = ERR_NONE;
	int r = 0;

	for (size_t i = 0; i < a->count; i++) {
		r = step_do(a, i);
		if (r < 0) {
			say_why(a, i, r, &why);
			return undo(a, a->count, &why);
		}
	}
	if (syncfs(a->lower) < 0) {
		err_sys(&why, "the workspace cannot be synced");
		return undo(a, a->count, &why);
	}
	r = journal_write(a, "done");
	return r < 0 ? r : stage_remove(a);
}

static int apply_open(struct apply *a, const struct overlay *layer)
{
	a->lower = fcntl(layer->lower, F_DUPFD_CLOEXEC, 0);
	stage_choose(a, layer);
	return a->lower < 0 ? err_sys(a->err, "the workspace") : 0;
}

int layer_apply(struct overlay *layer, struct err *err)
{
	AUTO(apply_done) struct apply a = APPLY_NONE;

	a.err = err;
	a.sums = layer_sums(layer);
	int r = apply_open(&a, layer);
	if (r == 0)
		r = stage_remove(&a);        /* of nobody: there is no journal */
	if (r == 0)
		r = journal_write(&a, "staging");
	if (r == 0 && (r = stage_open(&a, true)) < 0)
		err_set(err, -r, "the place for what is new: %s", strerror(-r));
	if (r == 0)
		r = plan_make(&a, layer);
	if (r == 0)
		r = journal_write(&a, "apply");
	if (r == 0)
		return carry_out(&a);
	struct err why = *err;
	(void)stage_remove(&a);
	(void)unlink(a.journal);
	*err = why;
	return r;
}

int layer_recover(const char *data, const char *root, bool *ret_applied, json_t **ret_sums, struct err *err)
{
	AUTO(layer_close) struct overlay layer = LAYER_NONE;
	AUTO(apply_done) struct apply a = APPLY_NONE;
	AUTO(freep) char *phase = NULL;

	*ret_applied = false;
	if (!layer_exists(data, root))
		return 0;
	int r = layer_open_dirs(data, root, &layer, err);
	a.err = err;
	if (r == 0)
		r = apply_open(&a, &layer);
	if (r < 0 || access(a.journal, F_OK) < 0)
		return r;
	r = journal_read(&a, &phase);
	if (r < 0)
		return r;
	assert(phase != NULL);
	if (strcmp(phase, "apply") == 0) {
		r = stage_open(&a, false);
		r = r < 0 ? err_set(err, -r, "'%s/%s', which an interrupted apply needs, cannot be opened: %s", a.stage_parent,
		                    a.stage_name, strerror(-r)) : carry_out(&a);
	} else {
		r = stage_remove(&a);
		if (r == 0 && strcmp(phase, "staging") == 0)
			return unlink(a.journal) < 0 ? err_sys(err, "%s", a.journal) : 0;
	}
	if (r < 0)
		return r;
	*ret_applied = true;
	*ret_sums = TAKE(a.sums);
	return 0;
}
