/* status.c - a status line that is always as wide as there is room: whole parts go, none is cut in half but the last. */
#include "tui/status.h"

#include "tui/columns.h"

#include "base/banned.h"

static const char between[] = " \xc2\xb7 ";

static size_t width_of(const struct status_part *parts, size_t count, const bool *gone)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++)
		if (!gone[i])
			width += columns_of(str_of(parts[i].text)) + (width > 0 ? 3 : 0);
	return width;
}

static size_t lightest(const struct status_part *parts, size_t count, const bool *gone, size_t *ret_left)
{
	size_t at = count;

	*ret_left = 0;
	for (size_t i = 0; i < count; i++) {
		if (gone[i])
			continue;
		*ret_left += 1;
		if (at == count || parts[i].weight <= parts[at].weight)
			at = i;
	}
	return at;
}

void status_line(const struct status_part *parts, size_t count, size_t columns, struct buf *ret)
{
	bool gone[STATUS_PARTS], first = true;
	size_t left;

	assert(count <= STATUS_PARTS);
	for (size_t i = 0; i < count; i++)
		gone[i] = parts[i].text == NULL || parts[i].text[0] == '\0';
	while (width_of(parts, count, gone) > columns) {
		size_t at = lightest(parts, count, gone, &left);
		if (left <= 1)
			break;
		gone[at] = true;
	}
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(64));
	for (size_t i = 0; i < count; i++) {
		if (gone[i])
			continue;
		buf_printf(&line, "%s%s", first ? "" : between, parts[i].text);
		first = false;
	}
	columns_cut(buf_str(&line), columns, ret);
}
