/* inside.c - arguments, answers and names, the same for every tool that runs in a cell. */
#include "tools/inside.h"

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
