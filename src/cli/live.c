/* live.c - paints a block of lines over itself. Nothing is cleared that is not written again, so that
 * nothing flickers; the cursor rests on the line below the block. */
#include "cli/live.h"

#include <stdio.h>

#include "cli/text.h"

#include "base/banned.h"

/* A terminal that became narrower has wrapped the old lines: they take more rows then. */
static size_t rows_shown(const struct live *live, size_t width)
{
	size_t rows = 0;

	for (size_t i = 0; i < live->count; i++)
		rows += MAX((text_columns(str_of(live->lines[i])) + width - 1) / width, (size_t)1);
	return rows;
}

void live_show(struct live *live, struct str above, const char *const *lines, size_t count, size_t width, struct buf *ret)
{
	size_t rows = rows_shown(live, width);
	bool afresh = above.len > 0 || rows != live->count || width != live->width;

	if (rows > 0)
		buf_printf(ret, "\r\033[%zuA", rows);
	if (rows > 0 && afresh)
		buf_add_text(ret, "\033[J");
	buf_add_str(ret, above);
	count = MIN(count, (size_t)LIVE_LINES);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_done) struct buf line = BUF_INIT(LIVE_LINE_BYTES - 1);
		text_cut(&line, str_of(lines[i]), width - 1);
		bool same = !afresh && i < live->count && strcmp(live->lines[i], buf_text(&line)) == 0;
		if (!same)
			buf_printf(ret, "%s%s", buf_text(&line), !afresh && i < live->count ? "\033[K" : "");
		buf_add_char(ret, '\n');
		snprintf(live->lines[i], sizeof live->lines[i], "%s", buf_text(&line));
	}
	if (!afresh && count < live->count)
		buf_add_text(ret, "\033[J");
	live->count = count;
	live->width = width;
}
