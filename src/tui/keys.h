/* keys.h - the bytes that a terminal sends, as keys. */
#ifndef MISHRI_TUI_KEYS_H
#define MISHRI_TUI_KEYS_H

#include "base/buf.h"
#include "base/limits.h"

enum key {
	KEY_TEXT,                      /* a character, or what was pasted: in `text` */
	KEY_ENTER, KEY_NEWLINE, KEY_TAB, KEY_ESC,
	KEY_LEFT, KEY_RIGHT, KEY_UP, KEY_DOWN, KEY_HOME, KEY_END, KEY_WORD_LEFT, KEY_WORD_RIGHT,
	KEY_BACKSPACE, KEY_DELETE, KEY_DELETE_WORD, KEY_DELETE_NEXT_WORD, KEY_DELETE_TO_START, KEY_DELETE_TO_END, KEY_PUT_BACK,
	KEY_OLDER, KEY_NEWER,          /* in the history, whatever line the cursor is on */
	KEY_SEARCH, KEY_REPAINT, KEY_INTERRUPT, KEY_CLOSE, KEY_SUSPEND,
	KEY_OTHER,                     /* one that means nothing here */
	KEYS
};

struct keys {                          /* starts as {0} */
	struct buf pending;            /* bytes that are no whole key yet */
	struct buf pasted;
	bool pasting;
};
void keys_init(struct keys *keys);
void keys_done(struct keys *keys);

/* More bytes of the terminal. */
void keys_add(struct keys *keys, struct str bytes);
/* The next whole key; false: none. `ret_text`: of KEY_TEXT, clean UTF-8 with \n and \t at most, appended. */
bool keys_next(struct keys *keys, enum key *ret, struct buf *ret_text);
/* An ESC came and nothing more within a while: it was the key. False: nothing waits. */
bool keys_waiting(const struct keys *keys);
void keys_give_up(struct keys *keys, enum key *ret);

#endif
