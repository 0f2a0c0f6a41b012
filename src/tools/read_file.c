/* read_file.c - the tool `read_file`: lines of a text file under a first line that says which lines they
 * are and how to read on. It refuses to dump binary files: they are described. */
#include "tools/inside.h"
#include "tools/rows.h"

#include "base/io.h"
#include "base/banned.h"

_Static_assert(LIMIT_READ_LINES == 2000, "the schema tells the default");

static int read_file_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	(void)workspace;
	int r = place_lint(args, "path", err);
	return r < 0 ? r : plan_builtin(&tool_read_file, ret);
}

/* What files begin with that are no text, for those that people meet most. */
/* clang-format off */
static const struct { struct str magic; const char *kind; } kinds[] = {
	{ { "\x7f" "ELF", 4 }, "a program or library (ELF)" },
	{ { "\x89PNG", 4 }, "a PNG picture" },
	{ { "\xff\xd8\xff", 3 }, "a JPEG picture" },
	{ { "GIF8", 4 }, "a GIF picture" },
	{ { "%PDF-", 5 }, "a PDF document" },
	{ { "PK\3\4", 4 }, "a ZIP archive, or a document made of one" },
	{ { "\x1f\x8b", 2 }, "gzip-compressed data" },
	{ { "\xfd" "7zXZ", 5 }, "xz-compressed data" },
	{ { "\x28\xb5\x2f\xfd", 4 }, "zstd-compressed data" },
	{ { "SQLite format 3", 15 }, "an SQLite database" },
	{ { "\xff\xfe", 2 }, "text in UTF-16, perhaps" },
	{ { "\xfe\xff", 2 }, "text in UTF-16, perhaps" },
};
/* clang-format on */

/* NULL: text. What has a NUL in its first block is no text, whatever it begins with. */
static const char *binary_kind(struct str start)
{
	if (start.len == 0 || memchr(start.ptr, '\0', start.len) == NULL)
		return NULL;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_starts(start, kinds[i].magic))
			return kinds[i].kind;
	return "binary data";
}

struct view {
	int64_t from, shown, lines; /* first line, from 1; how many of how many */
	struct str text;            /* the shown lines, within the file */
	size_t left_out;            /* bytes of the one shown line that did not fit */
	bool returns, unfinished;   /* CR LF somewhere; no newline at the end of the file */
};

/* The beginning of one line that is too long for an answer, whole characters only. */
static struct str shorten(struct str line)
{
	size_t len = LIMIT_READ_SHOWN_BYTES;

	while (len > 0 && ((unsigned char)line.ptr[len] & 0xc0) == 0x80)
		len--;
	return (struct str){ line.ptr, len };
}

/* As many of the wanted lines as fit. */
static struct view look(struct str file, int64_t from, int64_t wanted)
{
	struct view v = { .from = from, .text = { file.ptr, 0 } };
	bool full = false;

	for (struct str rest = file; rest.len > 0;) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		struct str line = { rest.ptr, end != NULL ? (size_t)(end - rest.ptr) + 1 : rest.len };
		rest = str_skip(rest, line.len);
		v.lines++;
		v.unfinished = end == NULL;
		v.returns = v.returns || (end != NULL && line.len > 1 && end[-1] == '\r');
		if (full || v.lines < from || v.lines - from >= wanted)
			continue;
		full = v.text.len + line.len > LIMIT_READ_SHOWN_BYTES;
		if (full && v.shown > 0)
			continue;
		if (v.shown++ == 0)
			v.text = (struct str){ line.ptr, 0 };
		v.text.len += line.len;
		if (full) {
			v.text = shorten(line);
			v.left_out = line.len - v.text.len;
		}
	}
	return v;
}

/* The first line: what this is, and how to read on. */
static void headline(const char *name, const struct view *v, struct buf *said)
{
	int64_t last = v->from + v->shown - 1;

	if (v->lines == 0)
		buf_printf(said, "%s: an empty file", name);
	else if (v->shown == v->lines)
		buf_printf(said, "%s: all of it, %lld %s", name, (long long)v->lines, v->lines == 1 ? "line" : "lines");
	else
		buf_printf(said, "%s: lines %lld to %lld of %lld", name, (long long)v->from, (long long)last,
		           (long long)v->lines);
	if (last < v->lines && v->lines > 0)
		buf_printf(said, "; read on with offset_line %lld", (long long)last + 1);
	if (v->left_out > 0)
		buf_printf(said, "; the last %zu bytes of this line are left out (`cut -b` in the shell shows them)",
		           v->left_out);
	if (v->returns)
		buf_add_text(said, "; lines end in CR LF");
	if (v->unfinished && last == v->lines)
		buf_add_text(said, "; no newline at the end");
	buf_add_char(said, '\n');
}

static int describe(const struct place *place, const char *kind)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));

	buf_printf(&said, "%s: %s, %lld bytes; it is not shown, because it is no text\n", place->given, kind,
	           (long long)place->st.st_size);
	return answer(&said);
}

static int show(const struct place *place, struct str file, int64_t from, int64_t wanted)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	struct view v = look(file, from, wanted);
	struct err err;

	if (from > MAX(v.lines, (int64_t)1)) {
		err_set(&err, EINVAL, "%s: has %lld lines: offset_line must be at most that", place->given,
		        (long long)v.lines);
		return refuse(&err);
	}
	headline(place->given, &v, &said);
	buf_add_str(&said, v.text);
	return answer(&said);
}

static int read_file_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	AUTO(buf_done) struct buf file = BUF_INIT(LIMIT_READ_FILE_BYTES);
	struct err err = ERR_NONE;

	if (place_find(workspace, arg_str(args, "path").ptr, &place, &err) < 0)
		return refuse(&err);
	if (!place.exists)
		seen_note(place.relative, NULL);
	AUTO(fd_closep) int fd = place_open_file(&place, &err);
	if (fd < 0)
		return refuse(&err);
	if (place.st.st_size > (off_t)LIMIT_READ_FILE_BYTES) {
		err_set(&err, EFBIG,
		        "%s: has %lld MiB, and read_file takes at most %zu; `grep` and `sed -n 100,200p` in the "
		        "shell show some lines of it",
		        place.given, (long long)(place.st.st_size >> 20), LIMIT_READ_FILE_BYTES >> 20);
		return refuse(&err);
	}
	if (io_read_fd(fd, &file, &err) < 0) {
		err_prefix(&err, "%s", place.given);
		return refuse(&err);
	}
	char hex[SHA256_HEX_LEN + 1];
	sha256_hex1(buf_str(&file), hex);
	seen_note(place.relative, hex);
	const char *kind = binary_kind((struct str){ buf_text(&file), MIN(file.len, (size_t)8192) });
	if (kind != NULL)
		return describe(&place, kind);
	return show(&place, buf_str(&file), arg_int(args, "offset_line", 1),
	            arg_int(args, "limit_lines", LIMIT_READ_LINES));
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"path\"],\"additionalProperties\":false,\"properties\":{"
	"\"path\":{\"type\":\"string\",\"minLength\":1,"
	"\"description\":\"relative to the workspace, or absolute\"},"
	"\"offset_line\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000000000,\"default\":1,"
	"\"description\":\"the first line to show\"},"
	"\"limit_lines\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100000,\"default\":2000,"
	"\"description\":\"how many lines to show\"}}}";

const struct tool tool_read_file = {
	.name = "read_file",
	.about = "Shows lines of a text file in the workspace. The first line of the answer says which lines they "
		 "are, of how many, and how to read on; the lines follow as they are in the file.",
	.category = "read",
	.risk = "low",
	.permissions = "fs.read",
	.nature = NATURE_PURE,
	.schema = schema,
	.plan = read_file_plan,
	.run = read_file_run,
};
