/* chat_history.c - the lines that a person wrote, kept for the next chat. Readable by that person alone; a file that cannot
 * be read or written costs the history and nothing else. */
#include "cli/chat.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

void chat_history_read(struct chat *c)
{
	AUTO(freep) char *data = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(64));
	struct str line;

	if (cli_data_dir(c->o, &data, NULL) < 0)
		return;
	c->history = xasprintf("%s/chat-history", data);
	if (io_read_file(c->history, &text, NULL) < 0)
		return;
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);) {
		AUTO(json_decrefp) json_t *said = NULL;
		AUTO(freep) char *wrapped = xasprintf("[%.*s]", STR_ARG(line));
		if (json_parse(str_of(wrapped), &said, NULL) == 0 && json_is_string(json_array_get(said, 0)))
			lineedit_remember(c->line, str_of(json_string_value(json_array_get(said, 0))));
	}
	if (text.len > LIMIT_PASTE_BYTES) /* it begins anew, rather than grow for ever */
		unlink(c->history);
}

void chat_history_add(struct chat *c, struct str text)
{
	AUTO(json_decrefp) json_t *said = json_pack("[o]", json_of_str(text));
	AUTO(freep) char *line = json_text(said);
	size_t len = strlen(line);

	lineedit_remember(c->line, text);
	if (c->history == NULL || len < 3)
		return;
	AUTO(fd_closep) int fd = open(c->history, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	line[len - 1] = '\n';
	if (fd < 0 || io_write_all(fd, line + 1, len - 1) < 0)
		free(TAKE(c->history));
}
