/* cmd_transfer.c - export and import: a task with all below it as one file, and back. A file that is there is not written
 * over, and one that is not as it was exported is not taken in. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/common.h"
#include "cli/print.h"
#include "store/transfer.h"

#include "base/banned.h"

/* ---- export ---- */

static int write_line(void *userdata, struct str line, struct err *err)
{
	const int *fd = userdata;

	return io_write_all(*fd, line.ptr, line.len) < 0 ? err_sys(err, "the file cannot be written") : 0;
}

/* A file of its own is complete, or is not there. */
static int export_to(struct store *store, const char *task, const char *user, const char *path, struct err *err)
{
	AUTO(fd_closep) int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int fd = path == NULL ? STDOUT_FILENO : file;

	if (fd < 0)
		return errno == EEXIST ? err_set(err, EEXIST, "'%s' is there already; give another name with -o", path)
		                       : err_sys(err, "cannot make '%s'", path);
	int r = store_export(store, task, user, write_line, &fd, err);
	if (r == 0 && file >= 0 && fsync(file) < 0)
		r = err_sys(err, "'%s' cannot be written", path);
	if (r < 0 && file >= 0)
		unlink(path);
	return r;
}

static int export(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1], user[USER_LEN + 1];

	if (options_parse(&cmd_export, argc, argv, &o) < 0)
		return EXIT_USAGE;
	const char *path = option_text(o, "--output", NULL);
	if (path != NULL && strcmp(path, "-") == 0)
		path = NULL;
	if (path == NULL && isatty(STDOUT_FILENO) == 1)
		return complain(EXIT_USAGE, "export: the file would go to your terminal: give -o FILE, or send it on with '>'");
	if (cli_user(o, user, &err) < 0 || cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	if (export_to(store, task, user, path, &err) < 0)
		return complain(EXIT_FAILED, "export: %s", err.text);
	if (path != NULL)
		fprintf(stderr, "mishri: '%s' holds the whole tree, with all that was said in it: give it only to whom you would "
		        "show that\n", path);
	return EXIT_DONE;
}

static const struct option_row export_options[] = {
	{ "--output", 'o', "FILE", "where to; standard output without it, or with -", false },
};

const struct command cmd_export = {
	.name = "export", .args = "TASK", .about = "a task with its whole tree as one file", .options = export_options,
	.option_count = COUNT(export_options), .run = export,
	.examples = "  mishri export last -o task.jsonl\n  mishri export k3f9 | gzip > task.jsonl.gz\n",
};

/* ---- import ---- */

static int read_file(const char *path, struct buf *ret, struct err *err)
{
	bool from_stdin = strcmp(path, "-") == 0;
	AUTO(fd_closep) int fd = from_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(err, "cannot read '%s'", path);
	int r = io_read_fd(fd, ret, err);
	if (r < 0 && r != -EFBIG)
		return err_set(err, -r, "cannot read '%s': %s", path, strerror(-r));
	return r == -EFBIG || ret->full ? err_set(err, EFBIG, "'%s' is larger than %zu bytes", path, LIMIT_IMPORT_BYTES) : r;
}

static void report(const struct options *o, const struct transfer *t, bool only_checked, bool resumable)
{
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *object = json_object();
		json_put_text(object, "task", t->root);
		json_put_int(object, "tasks", t->tasks);
		json_put_int(object, "events", t->events);
		json_put_int(object, "blobs", t->blobs);
		json_put_text(object, "head", t->head);
		json_put_text(object, "digest", t->digest);
		json_put_text(object, "exported", t->exported);
		json_put_text(object, "by", t->by);
		json_put_bool(object, "imported", !only_checked);
		json_put_bool(object, "resumable", resumable && !only_checked);
		print_json(object);
		return;
	}
	printf("%s %s: ", only_checked ? "as it was exported:" : "imported", t->root);
	print_count(t->tasks, "task");
	printf(", %lld events, %lld long texts; exported ", (long long)t->events, (long long)t->blobs);
	print_line(t->exported, 40);
	fputs(" by ", stdout);
	print_line(t->by, USER_LEN);
	puts("");
}

static int import(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(buf_done) struct buf file = BUF_INIT(LIMIT_IMPORT_BYTES);
	struct err err = ERR_NONE;
	struct transfer t;
	char user[USER_LEN + 1];
	const char *const *words;

	if (options_parse(&cmd_import, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "import: give one FILE, as 'mishri export' made it, or - for standard input");
	bool only_check = option_given(o, "--check"), resumable = option_given(o, "--resumable");
	if (only_check && resumable)
		return complain(EXIT_USAGE, "import: --check takes nothing in, so that there is nothing to resume");
	if (cli_user(o, user, &err) < 0 || read_file(words[0], &file, &err) < 0)
		return complain(EXIT_USAGE, "import: %s", err.text);
	int r = only_check ? transfer_check(buf_str(&file), &t, &err) : cli_open_store(o, STORE_CREATE, &store, &err);
	if (r == 0 && !only_check)
		r = store_import(store, buf_str(&file), user, resumable, &t, &err);
	if (r < 0)
		return complain(EXIT_FAILED, "import: %s", err.text);
	report(o, &t, only_check, resumable);
	return EXIT_DONE;
}

static const struct option_row import_options[] = {
	{ "--check", 0, NULL, "only say whether the file is as it was exported", false },
	{ "--resumable", 0, NULL, "let it be resumed here: only what you would run yourself", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

const struct command cmd_import = {
	.name = "import", .args = "FILE", .about = "takes in what export wrote, after checking all of it", .options = import_options,
	.option_count = COUNT(import_options), .run = import,
	.examples = "  mishri import task.jsonl\n  mishri import --check task.jsonl\n  gunzip < task.jsonl.gz | mishri import -\n",
};
