/* fuzz_terminal.c - any bytes as keys, and as a model's text: no control character but our own colours comes out, the line
 * stays UTF-8, and the cursor stays within the rows. Input: the bytes; the first says how wide the terminal is. */
#include <string.h>

#include "tui/columns.h"
#include "tui/lineedit.h"
#include "tui/markdown.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_clean(struct str text)
{
	while (text.len > 0) {
		size_t n = colour_length(text);
		if (n > 0) {
			text = str_skip(text, n);
			continue;
		}
		uint32_t c = char_take(&text);
		assert(c == '\n' || (c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0)));
	}
}

static void as_text(struct str text, size_t width)
{
	AUTO(buf_done) struct buf out = BUF_INIT(MIB(64));
	struct markdown m;
	struct str line;

	markdown_init(&m, width, true);
	while (str_next(&text, '\n', &line)) {
		markdown_peek(&m, line, &out);
		markdown_line(&m, line, &out);
	}
	markdown_end(&m, &out);
	markdown_done(&m);
	check_clean(buf_str(&out));
}

static void as_keys(struct str bytes, size_t width)
{
	struct lineedit *e = lineedit_new();
	struct keys k;
	enum key key;
	size_t row, column, rows = 0;
	AUTO(buf_done) struct buf shown = BUF_INIT(MIB(16));

	lineedit_remember(e, STR("before"));
	keys_init(&k);
	keys_add(&k, bytes);
	for (;;) {
		AUTO(buf_done) struct buf text = BUF_INIT(MIB(2));
		if (!keys_next(&k, &key, &text))
			break;
		if (lineedit_key(e, key, buf_str(&text)) == EDITED_DONE)
			free(lineedit_take(e));
	}
	lineedit_show(e, width, 8, &shown, &row, &column);
	for (size_t i = 0; i < shown.len; i++)
		rows += shown.ptr[i] == '\n';
	assert(row < rows && column < MAX(width, (size_t)8));
	check_clean(buf_str(&shown));
	keys_done(&k);
	lineedit_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len < 2 || len > KIB(16))
		return 0;
	struct str rest = { (const char *)bytes + 1, len - 1 };

	as_text(rest, 8 + bytes[0]);
	as_keys(rest, 8 + bytes[0]);
	return 0;
}
