/* chat_face.c - the terminal of a chat: keys in, a block at the bottom out. While a question is on the screen the terminal is
 * the question's, in its own mode, and nothing is drawn here. */
#include "cli/chat.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "tools/tool.h"
#include "tui/wrap.h"

#include "base/banned.h"

enum { ESC_WAIT_MS = 60, INPUT_ROWS = 8, TICK_MS = 1000 };

static void on_readable(void *userdata);

static void write_out(const struct buf *bytes)
{
	if (bytes->len > 0)
		fwrite(bytes->ptr, 1, bytes->len, stderr);
	fflush(stderr);
}

/* ---- the mode of the terminal ---- */

static void raw_mode(struct chat *c, bool on)
{
	struct termios t = c->before;

	if (c->face != FACE_SCREEN || on == c->raw)
		return;
	if (on) { /* bytes come as they are typed; what is written is treated as ever */
		t.c_lflag &= (tcflag_t)~(ICANON | ECHO | ISIG | IEXTEN);
		t.c_iflag &= (tcflag_t)~(ICRNL | INLCR | IXON);
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
	}
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	fputs(on ? "\033[?2004h" : "\033[?2004l", stderr);
	fflush(stderr);
	c->raw = on;
}

/* ---- painting ---- */

static void add_status(const struct chat *c, size_t columns, struct buf *ret)
{
	bool color = cli_color(c->o, STDERR_FILENO);

	buf_add_text(ret, color ? "\033[2m" : "");
	chat_status(c, columns - 1, ret);
	buf_printf(ret, "%s\n", color ? "\033[0m" : "");
}

void chat_paint(struct chat *c, struct str above)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(MIB(32)), rows = BUF_INIT(MIB(8));
	const char *lines[SCREEN_LINES];
	struct screen_look look = { .above = above, .lines = lines, .width = text_width(STDERR_FILENO) };
	size_t height = MAX(text_height(STDERR_FILENO), (size_t)4), row, column;

	if (c->face != FACE_SCREEN || c->asking || !c->raw) {
		buf_add_str(&bytes, above);
		write_out(&bytes);
		return;
	}
	add_status(c, look.width, &rows);
	lineedit_show(c->line, look.width, MIN((size_t)INPUT_ROWS, height - 2), &rows, &row, &column);
	size_t own = 0;
	for (size_t i = 0; i < rows.len; i++)
		own += rows.ptr[i] == '\n';
	size_t room = MIN(height - 1, (size_t)SCREEN_LINES) - MIN(own, height - 1);
	size_t busy = c->run != NULL ? c->block_count : 0; /* what is over shows nothing that goes on */
	size_t skip = busy - MIN(busy, room);
	for (size_t i = skip; i < busy; i++)
		lines[look.count++] = c->block[i];
	look.row = look.count + 1 + row;
	look.column = column;
	for (char *at = rows.ptr, *end; look.count < SCREEN_LINES && (end = strchr(at, '\n')) != NULL; at = end + 1) {
		*end = '\0';
		lines[look.count++] = at;
	}
	screen_show(&c->screen, &look, &bytes);
	write_out(&bytes);
}

static void forget_block(struct chat *c)
{
	while (c->block_count > 0)
		free(c->block[--c->block_count]);
}

static void on_progress(void *userdata, struct str above, const char *const *lines, size_t count)
{
	struct chat *c = userdata;

	forget_block(c);
	for (size_t i = 0; c->run != NULL && i < MIN(count, (size_t)SCREEN_LINES); i++)
		c->block[c->block_count++] = xstrdup(lines[i]);
	chat_paint(c, above);
}

void chat_show(struct chat *c, struct str text)
{
	AUTO(buf_done) struct buf rows = BUF_INIT(MIB(16));

	if (c->face != FACE_SCREEN) { /* whoever reads it has lines of his own */
		chat_paint(c, text);
		return;
	}
	wrap_text(text, text_width(STDERR_FILENO) - 1, &rows);
	chat_paint(c, buf_str(&rows));
}

void chat_tell(struct chat *c, const char *format, ...)
{
	AUTO(buf_done) struct buf line = BUF_INIT(MIB(1));
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	buf_printf(&line, "  %s\n", text);
	free(text);
	chat_show(c, buf_str(&line));
}

/* ---- keys ---- */

/* The line that was written stands above, as it was meant: it is the person's own text, without control characters. */
static void submit(struct chat *c)
{
	AUTO(freep) char *text = lineedit_take(c->line);
	AUTO(buf_done) struct buf shown = BUF_INIT(LIMIT_PASTE_BYTES * 2);
	struct str rest = str_of(text), line;
	bool first = true;

	while (str_next(&rest, '\n', &line)) {
		buf_printf(&shown, "%s%.*s\n", first ? "> " : "  ", STR_ARG(line));
		first = false;
	}
	if (str_trim(str_of(text)).len > 0) {
		chat_history_add(c, str_of(text));
		chat_paint(c, buf_str(&shown));
	}
	chat_say(c, str_of(text));
}

static void suspend(struct chat *c)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(KIB(4));

	screen_clear(&c->screen, &bytes);
	write_out(&bytes);
	raw_mode(c, false);
	raise(SIGTSTP);
	raw_mode(c, true);
	chat_paint(c, STR(""));
}

static void act(struct chat *c, enum key key)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(KIB(4));

	switch ((int)key) {
	case KEY_INTERRUPT: chat_interrupt(c); return;
	case KEY_ESC: chat_stop(c, c->stopped); return;
	case KEY_CLOSE: chat_end(c); return;
	case KEY_SUSPEND: suspend(c); return;
	case KEY_REPAINT:
		buf_add_text(&bytes, "\033[H\033[2J");
		write_out(&bytes);
		screen_forget(&c->screen);
		break;
	case KEY_TAB: chat_complete(c); break;
	default: break;
	}
	chat_paint(c, STR(""));
}

static void on_key(struct chat *c, enum key key, struct str text)
{
	if (key != KEY_INTERRUPT)
		c->interrupted = false;
	switch (lineedit_key(c->line, key, text)) {
	case EDITED_NOTHING: break;
	case EDITED_LINE: chat_paint(c, STR("")); break;
	case EDITED_DONE: submit(c); break;
	case EDITED_ASKS: act(c, key); break;
	}
}

static void take_keys(struct chat *c)
{
	enum key key;

	for (;;) {
		AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_PASTE_BYTES * 2);
		if (c->asking || c->ending || !keys_next(&c->keys, &key, &text))
			break;
		on_key(c, key, buf_str(&text));
	}
	watch_arm(c->patience, keys_waiting(&c->keys) ? ESC_WAIT_MS : -1);
}

static void on_patience(void *userdata)
{
	struct chat *c = userdata;
	enum key key;

	if (c->asking || !keys_waiting(&c->keys))
		return;
	keys_give_up(&c->keys, &key);
	on_key(c, key, STR(""));
}

/* ---- whole lines ---- */

static void take_lines(struct chat *c)
{
	const char *end;

	while (!c->asking && !c->ending && c->input.len > 0 && (c->face != FACE_LINES || c->run == NULL)) {
		end = memchr(c->input.ptr, '\n', c->input.len);
		if (end == NULL && !c->closed)
			break;
		size_t len = end != NULL ? (size_t)(end - c->input.ptr) : c->input.len;
		AUTO(freep) char *line = xstrndup(c->input.ptr, len);
		buf_consume(&c->input, len + (end != NULL));
		chat_say(c, str_of(line));
	}
	if (c->closed && c->input.len == 0 && (c->face != FACE_LINES || c->run == NULL))
		chat_end(c);
}

static void on_readable(void *userdata)
{
	struct chat *c = userdata;
	char chunk[4096];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n <= 0) {
		watch_free(TAKE(c->readable));
		c->closed = true;
		if (c->face == FACE_SCREEN)
			chat_end(c);
		else
			take_lines(c);
		return;
	}
	if (c->face == FACE_SCREEN) {
		keys_add(&c->keys, (struct str){ chunk, (size_t)n });
		take_keys(c);
		return;
	}
	if (buf_add(&c->input, chunk, (size_t)n) < 0)
		buf_reset(&c->input); /* no line is so long */
	take_lines(c);
}

/* ---- open and close ---- */

static void on_resized(void *userdata)
{
	chat_paint(userdata, STR(""));
}

static void on_tick(void *userdata)
{
	struct chat *c = userdata;

	if (c->face == FACE_LINES || c->face == FACE_SPOKEN)
		take_lines(c);
	else
		chat_paint(c, STR(""));
	watch_arm(c->tick, TICK_MS);
}

int chat_face_open(struct chat *c, struct err *err)
{
	struct loop *loop = c->s->loop;

	keys_init(&c->keys);
	c->line = lineedit_new();
	c->input = BUF_INIT(LIMIT_PASTE_BYTES);
	if (c->face == FACE_SCREEN && tcgetattr(STDIN_FILENO, &c->before) < 0)
		return err_sys(err, "the terminal");
	if (c->face == FACE_SCREEN)
		chat_history_read(c);
	c->readable = watch_fd(loop, STDIN_FILENO, on_readable, c);
	c->patience = watch_timer(loop, on_patience, c);
	c->tick = watch_timer(loop, on_tick, c);
	watch_arm(c->tick, TICK_MS);
	if (c->face == FACE_SCREEN) {
		c->resized = watch_signal(loop, SIGWINCH, on_resized, c);
		progress_paint_by(c->s->progress, on_progress, c);
		raw_mode(c, true);
	}
	return 0;
}

void chat_face_pause(struct chat *c, bool paused)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(KIB(4));

	if (paused == c->asking)
		return;
	if (paused) {
		screen_clear(&c->screen, &bytes);
		write_out(&bytes);
		raw_mode(c, false);
		watch_free(TAKE(c->readable));
	}
	c->asking = paused;
	c->interrupted = false;
	if (!paused && !c->ending) {
		raw_mode(c, true);
		if (!c->closed)
			c->readable = watch_fd(c->s->loop, STDIN_FILENO, on_readable, c);
		chat_paint(c, STR(""));
	}
}

void chat_face_close(struct chat *c)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(KIB(4));

	if (c->line == NULL)
		return;
	forget_block(c);
	screen_clear(&c->screen, &bytes);
	write_out(&bytes);
	raw_mode(c, false);
	if (c->face == FACE_SCREEN && c->s->progress != NULL)
		progress_paint_by(c->s->progress, NULL, NULL);
	watch_free(TAKE(c->readable));
	watch_free(TAKE(c->patience));
	watch_free(TAKE(c->resized));
	watch_free(TAKE(c->tick));
	keys_done(&c->keys);
	lineedit_free(TAKE(c->line));
	buf_done(&c->input);
	screen_done(&c->screen);
	free(TAKE(c->history));
}
