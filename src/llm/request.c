/* request.c - JSON texts and words that services take. It changes what is sent back to a service, never what was
 * received. */
#include "llm/request.h"

#include <ctype.h>

#include "base/banned.h"

/* How many bytes from the start need no escape. */
static size_t plain_length(struct str text)
{
	size_t n = 0;

	while (n < text.len && (unsigned char)text.ptr[n] >= ' ' && text.ptr[n] != '"' && text.ptr[n] != '\\')
		n++;
	return n;
}

static void add_escape(struct buf *to, char c)
{
	static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = c != '\0' ? strchr(names, c) : NULL;

	if (at != NULL)
		buf_add(to, (char[]){ '\\', letters[at - names] }, 2);
	else
		buf_printf(to, "\\u%04X", (unsigned)(unsigned char)c);
}

void request_add_str(struct buf *to, struct str utf8)
{
	buf_add_char(to, '"');
	while (utf8.len > 0) {
		size_t n = plain_length(utf8);
		buf_add(to, utf8.ptr, n);
		if (n < utf8.len)
			add_escape(to, utf8.ptr[n++]);
		utf8 = str_skip(utf8, n);
	}
	buf_add_char(to, '"');
}

void request_add_text(struct buf *to, const json_t *value)
{
	request_add_str(to, (struct str){ json_string_value(value), json_string_length(value) });
}

void request_add_word(struct buf *to, const char *word, size_t max)
{
	buf_add_char(to, '"');
	for (size_t i = 0; word[i] != '\0' && i < max; i++) {
		bool plain = isalnum((unsigned char)word[i]) || word[i] == '_' || word[i] == '-';
		buf_add_char(to, plain ? word[i] : '_');
	}
	buf_add_text(to, word[0] != '\0' ? "\"" : "_\"");
}

char *request_tool_name(const char *name)
{
	struct buf text = BUF_INIT(LIMIT_JSON_BYTES);

	for (const char *c = name; *c != '\0'; c++)
		if (*c == '.')
			buf_add_text(&text, "__");
		else
			buf_add_char(&text, *c);
	return buf_take(&text);
}

char *reply_tool_name(const char *sent, size_t max)
{
	struct buf text = BUF_INIT(LIMIT_JSON_BYTES);

	for (const char *c = sent; *c != '\0' && text.len < max; c++)
		if (c[0] == '_' && c[1] == '_') {
			buf_add_char(&text, '.');
			c++;
		} else {
			buf_add_char(&text, *c);
		}
	return buf_take(&text);
}
