/* resolve.c - where a path really leads, link by link, also when its end does not exist yet. realpath(3) cannot say
 * that, and a link that dangles now may be written through later. */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/probe.h"

#include "base/banned.h"

enum { LINKS_MAX = 40 };

/* The way that is left to go: a text whose first `at` bytes are used up. */
struct way {
	char *text;
	size_t at;
	int links;
};

static struct str way_next(struct way *w)
{
	while (w->text[w->at] == '/')
		w->at++;
	struct str part = { w->text + w->at, strcspn(w->text + w->at, "/") };
	w->at += part.len;
	return part;
}

static void step_up(struct buf *done)
{
	while (done->len > 0 && done->ptr[done->len - 1] != '/')
		done->ptr[--done->len] = '\0';
	if (done->len > 0)
		done->ptr[--done->len] = '\0';
}

/* The last step was a link: its target comes before what is left. */
static int follow(struct buf *done, struct way *w)
{
	char target[PATH_MAX];
	ssize_t n = readlink(buf_text(done), target, sizeof target - 1);

	if (n <= 0 || n == (ssize_t)sizeof target - 1 || ++w->links > LINKS_MAX)
		return -ELOOP;
	target[n] = '\0';
	char *text = xasprintf("%s/%s", target, w->text + w->at);
	free(w->text);
	w->text = text;
	w->at = 0;
	if (target[0] == '/')
		buf_reset(done);
	else
		step_up(done);
	return 0;
}

static int walk(struct buf *done, struct way *w)
{
	bool missing = false;
	struct stat st;

	for (struct str part = way_next(w); part.len > 0; part = way_next(w)) {
		if (str_eq(part, STR(".")))
			continue;
		if (str_eq(part, STR(".."))) {
			step_up(done);
			missing = false;
			continue;
		}
		if (buf_add_char(done, '/') != 0 || buf_add_str(done, part) != 0)
			return -ENAMETOOLONG;
		if (missing)
			continue;
		if (lstat(buf_text(done), &st) != 0) {
			if (errno != ENOENT)
				return -errno;
			missing = true;
		} else if (S_ISLNK(st.st_mode)) {
			int r = follow(done, w);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

char *resolve_path(void *unused, const char *path)
{
	AUTO(buf_done) struct buf done = BUF_INIT(PATH_MAX);
	struct way w = { .text = xstrdup(path) };

	(void)unused;
	int r = path[0] == '/' ? walk(&done, &w) : -EINVAL;
	free(w.text);
	if (r != 0)
		return NULL;
	return done.len > 0 ? buf_take(&done) : xstrdup("/");
}
