/* inside.c - arguments, answers and names, the same for every tool that runs in a cell. */
#include "tools/inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

int64_t arg_int(const json_t *args, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(args, key);

	if (json_is_integer(value))
		return (int64_t)json_integer_value(value);
	return json_is_real(value) ? (int64_t)json_real_value(value) : otherwise;
}

struct str arg_str(const json_t *args, const char *key)
{
	const json_t *value = json_object_get(args, key);

	return json_is_string(value) ? (struct str){ json_string_value(value), json_string_length(value) } : STR("");
}

void show_name(const char *name, struct buf *ret)
{
	for (const char *at = name; *at != '\0';) {
		size_t plain = strcspn(at, "\n\t");
		sanitize_text((struct str){ at, plain }, ret);
		at += plain;
		if (*at != '\0')
			buf_printf(ret, "\\x%02x", (unsigned)(unsigned char)*at++);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int names_read(int dir, size_t max, struct names *ret)
{
	struct names names = { 0 };
	size_t room = 0;
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream == NULL) {
		int saved = errno;
		fd_close(&fd);
		return -saved;
	}
	for (struct dirent *e; (e = readdir(stream)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (names.count == max) {
			names.more = true;
			break;
		}
		if (names.count == room) {
			room = room * 2 + 32;
			names.list = xrealloc(names.list, room * sizeof *names.list);
		}
		names.list[names.count++] = xstrdup(e->d_name);
	}
	closedir(stream);
	if (names.count > 0)
		qsort(names.list, names.count, sizeof *names.list, by_name);
	*ret = names;
	return 0;
}

void names_done(struct names *names)
{
	while (names->count > 0)
		free(names->list[--names->count]);
	free(names->list);
	*names = (struct names){ 0 };
}

int answer(const struct buf *text)
{
	return io_write_all(STDOUT_FILENO, buf_text(text), text->len) < 0 ? 1 : 0;
}

int refuse(const struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));

	buf_printf(&text, "%s\n", err->text);
	(void)answer(&text);
	return 1;
}

int plan_builtin(const struct tool *tool, struct tool_plan *ret)
{
	*ret = (struct tool_plan){ .builtin = tool->name, .wall_ms = LIMIT_BUILTIN_WALL_MS };
	return 0;
}
