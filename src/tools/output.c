/* output.c - what a program printed, bounded and made fit to be read. It keeps raw bytes, head and tail,
 * and looks at characters only when it renders, so that the same stream gives the same text however it
 * was cut into pieces. It refuses to pass on anything that acts on a terminal or hides from a reader.
 *
 * How things are shown: control bytes and DEL as \x1b; CR LF as a newline, a CR alone as \x0d; other
 * control, bidirectional, invisible and tag characters as <U+200B>; a byte that is no UTF-8 as U+FFFD.
 * A text that already has "\x1b" in it looks the same: the form is for reading, not for decoding. */
#include "tools/tool.h"

#include "base/banned.h"

struct output {
	size_t head_max, tail_max;
	char *head, *tail; /* tail is a ring; its oldest byte is at tail_total % tail_max */
	size_t head_len;
	uint64_t tail_total; /* bytes that went to the tail, also those that it forgot */
};

struct output *output_new(size_t max_bytes)
{
	struct output *o = xcalloc(1, sizeof *o);

	o->head_max = max_bytes / 2;
	o->tail_max = max_bytes - o->head_max;
	return o;
}

void output_free(struct output *output)
{
	if (output == NULL)
		return;
	free(output->head);
	free(output->tail);
	free(output);
}

void output_freep(struct output **output)
{
	output_free(*output);
}

/* Most calls print little: the memory comes with the first byte of each part. */
static void tail_add(struct output *o, const char *ptr, size_t len)
{
	if (len == 0 || o->tail_max == 0) {
		o->tail_total += len;
		return;
	}
	if (o->tail == NULL)
		o->tail = xmalloc(o->tail_max);
	if (len > o->tail_max) {
		o->tail_total += len - o->tail_max;
		ptr += len - o->tail_max;
		len = o->tail_max;
	}
	size_t at = (size_t)(o->tail_total % o->tail_max);
	size_t first = MIN(len, o->tail_max - at);
	memcpy(o->tail + at, ptr, first);
	memcpy(o->tail, ptr + first, len - first);
	o->tail_total += len;
}

void output_add(struct output *output, const void *bytes, size_t len)
{
	size_t first = MIN(len, output->head_max - output->head_len);

	if (first > 0) {
		if (output->head == NULL)
			output->head = xmalloc(output->head_max);
		memcpy(output->head + output->head_len, bytes, first);
		output->head_len += first;
	}
	tail_add(output, (const char *)bytes + first, len - first);
}

uint64_t output_total(const struct output *output)
{
	return output->head_len + output->tail_total;
}

struct range {
	uint32_t first, last;
	size_t found; /* offset of a counter in struct findings */
};

#define BIDI offsetof(struct findings, bidirectional)
#define INVISIBLE offsetof(struct findings, invisible)
#define CONTROL offsetof(struct findings, control)
#define TAG offsetof(struct findings, tags)

/* Sorted. From the Unicode 15 properties Bidi_Control, Default_Ignorable_Code_Point and the control
 * and format categories; without the Arabic and Syriac number signs, which are visible. */
static const struct range hidden[] = {
	{ 0x80, 0x9f, CONTROL },
	{ 0xad, 0xad, INVISIBLE },   /* soft hyphen */
	{ 0x34f, 0x34f, INVISIBLE }, /* combining grapheme joiner */
	{ 0x61c, 0x61c, BIDI },
	{ 0x115f, 0x1160, INVISIBLE }, /* Hangul fillers */
	{ 0x17b4, 0x17b5, INVISIBLE },
	{ 0x180b, 0x180f, INVISIBLE },
	{ 0x200b, 0x200d, INVISIBLE },
	{ 0x200e, 0x200f, BIDI },
	{ 0x2028, 0x2029, CONTROL }, /* line and paragraph separator */
	{ 0x202a, 0x202e, BIDI },
	{ 0x2060, 0x2065, INVISIBLE },
	{ 0x2066, 0x2069, BIDI },
	{ 0x206a, 0x206f, INVISIBLE },
	{ 0x3164, 0x3164, INVISIBLE },
	{ 0xfe00, 0xfe0f, INVISIBLE }, /* variation selectors, but see plain_style */
	{ 0xfeff, 0xfeff, INVISIBLE },
	{ 0xffa0, 0xffa0, INVISIBLE },
	{ 0xfff0, 0xfffb, INVISIBLE },
	{ 0x13430, 0x1343f, INVISIBLE },
	{ 0x1bca0, 0x1bca3, INVISIBLE },
	{ 0x1d173, 0x1d17a, INVISIBLE },
	{ 0xe0000, 0xe007f, TAG },
	{ 0xe0080, 0xe0fff, INVISIBLE }, /* with the supplementary variation selectors */
};

static const struct range *hidden_find(uint32_t c)
{
	size_t low = 0, high = COUNT(hidden);

	if (c < hidden[0].first)
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (c > hidden[middle].last)
			low = middle + 1;
		else if (c < hidden[middle].first)
			high = middle;
		else
			return &hidden[middle];
	}
	return NULL;
}

static uint32_t decode(const unsigned char *s, size_t len)
{
	uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (s[i] & 0x3fu);
	return c;
}

/* The two selectors that say "as text" and "as emoji" stand behind one visible character: they are in
 * everyday text, and one a character carries no message. Anywhere else they are shown. */
static bool plain_style(uint32_t c, bool after_visible)
{
	return (c == 0xfe0e || c == 0xfe0f) && after_visible;
}

static size_t plain_run(struct str s)
{
	size_t n = 0;

	while (n < s.len && ((s.ptr[n] >= ' ' && s.ptr[n] < 0x7f) || s.ptr[n] == '\n' || s.ptr[n] == '\t'))
		n++;
	return n;
}

/* Everything but plain ASCII: one control byte, one character, or one byte that is none. */
static size_t clean_one(struct str s, bool *visible, struct buf *ret, struct findings *found)
{
	const unsigned char *at = (const unsigned char *)s.ptr;
	size_t len = utf8_length(at, s.len);

	if (at[0] == '\r' && s.len > 1 && at[1] == '\n') {
		*visible = false;
		buf_add_char(ret, '\n');
		return 2;
	}
	if (len == 0) {
		*visible = true;
		found->invalid++;
		buf_add_text(ret, "\xef\xbf\xbd");
		return 1;
	}
	uint32_t c = decode(at, len);
	const struct range *range = hidden_find(c);
	if (len == 1) {
		found->control++;
		buf_printf(ret, "\\x%02x", (unsigned)c);
	} else if (range == NULL || plain_style(c, *visible)) {
		*visible = range == NULL;
		buf_add(ret, s.ptr, len);
		return len;
	} else {
		++*(uint64_t *)((char *)found + range->found);
		buf_printf(ret, "<U+%04X>", (unsigned)c);
	}
	*visible = false;
	return len;
}

static void clean(struct str text, struct buf *ret, struct findings *found)
{
	bool visible = false;

	while (text.len > 0 && !ret->full) {
		size_t n = plain_run(text);
		if (n > 0) {
			visible = text.ptr[n - 1] > ' ';
			buf_add(ret, text.ptr, n);
		} else {
			n = clean_one(text, &visible, ret, found);
		}
		text = str_skip(text, n);
	}
}

void sanitize_text(struct str text, struct buf *ret)
{
	struct findings found = { 0 };

	clean(text, ret, &found);
}

/* The head without a character, or a CR LF, that the gap would cut in two. */
static size_t whole_head(struct str head)
{
	if (head.len > 0 && head.ptr[head.len - 1] == '\r')
		return head.len - 1;
	for (size_t back = 1; back <= MIN(head.len, (size_t)3); back++) {
		unsigned char c = (unsigned char)head.ptr[head.len - back];
		if (c >= 0xc2 && c <= 0xf4 && (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) > back)
			return head.len - back;
		if (c < 0x80 || c >= 0xc0)
			break;
	}
	return head.len;
}

static size_t broken_start(struct str tail)
{
	size_t n = 0;

	while (n < tail.len && n < 3 && ((unsigned char)tail.ptr[n] & 0xc0) == 0x80)
		n++;
	return n;
}

void output_render_found(const struct output *output, struct buf *ret, struct findings *found)
{
	size_t kept = (size_t)MIN(output->tail_total, (uint64_t)output->tail_max);
	bool wrapped = kept > 0 && output->tail_total > kept;
	size_t from = wrapped ? (size_t)(output->tail_total % output->tail_max) : 0;
	AUTO(buf_done) struct buf raw = BUF_INIT(output->head_max + output->tail_max);

	*found = (struct findings){ .bytes = output_total(output) };
	buf_add(&raw, output->head, output->head_len);
	if (kept > 0) {
		buf_add(&raw, output->tail + from, kept - from);
		buf_add(&raw, output->tail, from);
	}
	struct str head = buf_str(&raw), tail = str_skip(head, output->head_len);
	if (found->bytes > raw.len) {
		head.len = whole_head((struct str){ head.ptr, output->head_len });
		tail = str_skip(tail, broken_start(tail));
		found->left_out = found->bytes - head.len - tail.len;
	}
	size_t start = ret->len;
	clean(head, ret, found);
	if (found->left_out == 0)
		return;
	if (ret->len > start && ret->ptr[ret->len - 1] != '\n')
		buf_add_char(ret, '\n');
	buf_printf(ret, "[... %llu bytes left out ...]\n", (unsigned long long)found->left_out);
	clean(tail, ret, found);
}

void output_render(const struct output *output, struct buf *ret)
{
	struct findings found;

	output_render_found(output, ret, &found);
}
