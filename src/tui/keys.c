/* keys.c - bytes of a terminal, as keys. A table of sequences as xterm, tmux, screen and the Linux console send them; what is
 * in no row is passed over whole, so that no tail of it turns up as text. Pasted text is text, whatever is in it. */
#include "tui/keys.h"

#include "tui/columns.h"

#include "base/banned.h"

static const struct { const char *bytes; enum key key; } rows[] = {
	{ "\r", KEY_ENTER },            { "\n", KEY_NEWLINE },          { "\t", KEY_TAB },
	{ "\001", KEY_HOME },           { "\002", KEY_LEFT },           { "\003", KEY_INTERRUPT },      { "\004", KEY_CLOSE },
	{ "\005", KEY_END },            { "\006", KEY_RIGHT },          { "\010", KEY_BACKSPACE },      { "\013", KEY_DELETE_TO_END },
	{ "\014", KEY_REPAINT },        { "\016", KEY_NEWER },          { "\020", KEY_OLDER },          { "\022", KEY_SEARCH },
	{ "\025", KEY_DELETE_TO_START },{ "\027", KEY_DELETE_WORD },    { "\031", KEY_PUT_BACK },       { "\032", KEY_SUSPEND },
	{ "\177", KEY_BACKSPACE },
	{ "\033[A", KEY_UP },           { "\033[B", KEY_DOWN },         { "\033[C", KEY_RIGHT },        { "\033[D", KEY_LEFT },
	{ "\033OA", KEY_UP },           { "\033OB", KEY_DOWN },         { "\033OC", KEY_RIGHT },        { "\033OD", KEY_LEFT },
	{ "\033[H", KEY_HOME },         { "\033[F", KEY_END },          { "\033OH", KEY_HOME },         { "\033OF", KEY_END },
	{ "\033[1~", KEY_HOME },        { "\033[4~", KEY_END },         { "\033[7~", KEY_HOME },        { "\033[8~", KEY_END },
	{ "\033[3~", KEY_DELETE },      { "\033[1;5C", KEY_WORD_RIGHT },{ "\033[1;5D", KEY_WORD_LEFT },
	{ "\033[1;3C", KEY_WORD_RIGHT },{ "\033[1;3D", KEY_WORD_LEFT }, { "\033b", KEY_WORD_LEFT },     { "\033f", KEY_WORD_RIGHT },
	{ "\033d", KEY_DELETE_NEXT_WORD }, { "\033\177", KEY_DELETE_WORD }, { "\033\r", KEY_NEWLINE },  { "\033\n", KEY_NEWLINE },
};

static const char paste_end[] = "\033[201~";

void keys_init(struct keys *k)
{
	*k = (struct keys){ .pending = BUF_INIT(KIB(64)), .pasted = BUF_INIT(LIMIT_PASTE_BYTES) };
}

void keys_done(struct keys *k)
{
	buf_done(&k->pending);
	buf_done(&k->pasted);
}

void keys_add(struct keys *k, struct str bytes)
{
	buf_add_str(&k->pending, bytes);
}

/* Only what may stand in a line: line ends of all systems become one, other control characters go. */
static void add_clean(struct str text, struct buf *ret)
{
	while (text.len > 0) {
		struct str at = text;
		uint32_t c = char_take(&text);
		if (c == '\r') {
			buf_add_char(ret, '\n');
			if (text.len > 0 && *text.ptr == '\n')
				text = str_skip(text, 1);
		} else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c != 0xfffd)) {
			buf_add(ret, at.ptr, at.len - text.len);
		} else if (c == 0xfffd) {
			buf_add_text(ret, "\xef\xbf\xbd");
		}
	}
}

/* Bytes of an escape sequence that is in no row; 0: it is not whole yet. */
static size_t sequence_length(struct str s)
{
	size_t n = 2;

	if (s.len < 2)
		return 0;
	if (s.ptr[1] == 'O')
		return s.len < 3 ? 0 : 3;
	if (s.ptr[1] == '\033') /* Esc before another sequence */
		return 1;
	if (s.ptr[1] != '[')
		return 2;
	while (n < s.len && (unsigned char)s.ptr[n] >= 0x20 && (unsigned char)s.ptr[n] < 0x40)
		n++;
	return n < s.len ? n + 1 : 0;
}

/* Until the mark that ends it; a part of the mark may be still to come. */
static bool take_paste(struct keys *k, enum key *ret, struct buf *ret_text)
{
	const char *end = memmem(buf_text(&k->pending), k->pending.len, paste_end, sizeof paste_end - 1);
	size_t keep = MIN(k->pending.len, sizeof paste_end - 2);
	size_t len = end != NULL ? (size_t)(end - k->pending.ptr) : k->pending.len - keep;

	buf_add(&k->pasted, buf_text(&k->pending), len);
	buf_consume(&k->pending, len);
	if (end == NULL)
		return false;
	buf_consume(&k->pending, sizeof paste_end - 1);
	k->pasting = false;
	add_clean(buf_str(&k->pasted), ret_text);
	buf_reset(&k->pasted);
	*ret = KEY_TEXT;
	return true;
}

/* The bytes so far are the beginning of one character. */
static bool is_begun(struct str s)
{
	unsigned char first = (unsigned char)*s.ptr;
	size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

	if (first < 0xc2 || first > 0xf4 || s.len >= wanted)
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Characters that wait come as one. */
static bool take_text(struct keys *k, enum key *ret, struct buf *ret_text)
{
	struct str rest = buf_str(&k->pending);
	size_t len = 0;

	while (len < rest.len && (unsigned char)rest.ptr[len] >= 0x20 && rest.ptr[len] != 0x7f) {
		size_t n = utf8_length((const unsigned char *)rest.ptr + len, rest.len - len);
		if (n == 0 && is_begun(str_skip(rest, len)))
			break; /* the rest of it may come */
		len += MAX(n, (size_t)1);
	}
	if (len == 0)
		return false;
	add_clean((struct str){ rest.ptr, len }, ret_text);
	buf_consume(&k->pending, len);
	*ret = KEY_TEXT;
	return true;
}

bool keys_next(struct keys *k, enum key *ret, struct buf *ret_text)
{
	if (k->pasting)
		return take_paste(k, ret, ret_text);
	struct str s = buf_str(&k->pending);
	if (s.len == 0)
		return false;
	if ((unsigned char)*s.ptr >= 0x20 && *s.ptr != 0x7f)
		return take_text(k, ret, ret_text);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!str_starts(s, str_of(rows[i].bytes)))
			continue;
		buf_consume(&k->pending, strlen(rows[i].bytes));
		*ret = rows[i].key;
		return true;
	}
	size_t len = *s.ptr == '\033' ? sequence_length(s) : 1;
	if (len == 0)
		return false;
	k->pasting = str_eq((struct str){ s.ptr, len }, STR("\033[200~"));
	*ret = len == 1 && *s.ptr == '\033' ? KEY_ESC : KEY_OTHER;
	buf_consume(&k->pending, len);
	return k->pasting ? keys_next(k, ret, ret_text) : true;
}

bool keys_waiting(const struct keys *k)
{
	return !k->pasting && k->pending.len > 0;
}

void keys_give_up(struct keys *k, enum key *ret)
{
	*ret = k->pending.len == 1 && *k->pending.ptr == '\033' ? KEY_ESC : KEY_OTHER;
	buf_reset(&k->pending);
}
