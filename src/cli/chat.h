/* chat.h - a conversation at a terminal. Every message is a task of one session, which goes on with the conversation of the
 * one before it; while it works, what is written is told to it. */
#ifndef MISHRI_CLI_CHAT_H
#define MISHRI_CLI_CHAT_H

#include <termios.h>

#include "cli/common.h"
#include "tui/lineedit.h"
#include "tui/screen.h"

enum chat_face {
	FACE_SCREEN,                   /* a block at the bottom, keys one by one */
	FACE_SPOKEN,                   /* a terminal that is read aloud: whole lines, nothing is painted over */
	FACE_LINES,                    /* no terminal: each line of stdin is a message, when the one before is answered */
};

struct chat {
	const struct options *o;
	struct session *s;
	const struct task_spec *spec;  /* of every message; the goal is the message */
	enum chat_face face;
	char name[LIMIT_CHAT_NAME_BYTES + 1], session[ID_LEN + 1];
	struct run *run;               /* that works now; NULL: none */
	char task[ID_LEN + 1];         /* the newest; "": none yet */
	json_t *queue;                 /* messages for later */
	json_t *told;                  /* what the task that works was told and has not confirmed */
	bool stopped;                  /* it rests, because the person said so */
	bool interrupted;              /* Ctrl-C was the last key */
	bool ending, closed;           /* closed: no more lines come */
	bool asking;                   /* a question is on the screen, and the terminal is its */
	int exit;                      /* of the newest message */
	struct chat_spent { int64_t nanos, tokens; bool unknown; } spent;   /* by the message that works, until now */
	int64_t chat_nanos;            /* by all messages until the newest reply */
	json_t *begun;                 /* words of the command line that were said when it was begun */
	struct llm_model *model;       /* of /model; NULL: the session's own */
	char *model_name;

	/* the face */
	struct watch *readable, *patience, *resized, *tick;
	struct keys keys;
	struct lineedit *line;
	struct buf input;              /* FACE_SPOKEN, FACE_LINES: what is no whole line yet */
	struct screen screen;
	struct termios before;
	bool raw;
	char *block[SCREEN_LINES];     /* what the progress has to show now */
	size_t block_count;
	char *history;                 /* the file; NULL: none is kept */
};

/* cmd_chat.c hands it to cmd_run.c, which opens all parts as for a run. */
void chat_hook(struct chat *chat, struct session *session);           /* before the session opens */
int chat_run(struct chat *chat, struct session *session, const struct task_spec *spec); /* the exit code */
int cli_converse(struct options *o, struct chat *chat);               /* cmd_run.c */

bool chat_name_valid(const char *name);
/* Which conversation: by its name, or by a task of it. -EINVAL: no name. */
MUST_USE int chat_choose(struct chat *chat, const char *name, struct err *err);
/* Takes up what was left of it. -ENOENT: it has nothing yet; -EBUSY: another engine is at it; -EACCES: somebody else's. */
MUST_USE int chat_go_on(struct chat *chat, struct err *err);

/* chat.c: what is said */
void chat_say(struct chat *chat, struct str text);                    /* a line of the person's: a message or a command */
void chat_stop(struct chat *chat, bool end);                          /* Esc, Ctrl-C; end: the second time */
void chat_end(struct chat *chat);
void chat_next(struct chat *chat);                                    /* the next message that waits, if nothing works */
bool chat_interrupt(struct chat *chat);                               /* Ctrl-C */

/* chat_commands.c */
void chat_command(struct chat *chat, struct str text);                /* "/plan ..." */
void chat_complete(struct chat *chat);
bool chat_changes_wait(struct chat *chat);                            /* in the layer of the newest task */

/* chat_before.c. Words of the command line, which the caller owns: those that this chat has and its next message keeps, and those
 * that its conversation was begun with and that are not said today. */
MUST_USE json_t *chat_flags(const struct chat *chat);
MUST_USE json_t *chat_before(const struct chat *chat);
char *chat_other_workspace(const struct chat *chat);   /* of the conversation; NULL: it is this one. The caller owns it */

/* Chats of this user by their names, the newest first; the goal is their newest message. */
typedef void chat_visit(void *userdata, const char *name, const char *goal);
void chat_names(struct store *store, const char *user, chat_visit *visit, void *userdata);

/* chat_status.c */
void chat_spent_reset(struct chat *chat, const struct task *task);    /* task: that goes on; NULL: a new one */
void chat_spent_event(struct chat *chat, const struct event *event);
void chat_spent_sum(struct chat *chat);                               /* of the whole chat, from the store */
void chat_status(const struct chat *chat, size_t columns, struct buf *ret);

void chat_cost(struct chat *chat);                                    /* chat_cost.c: /cost for a terminal */

/* chat_face.c: the terminal */
int chat_face_open(struct chat *chat, struct err *err);
void chat_face_close(struct chat *chat);
void chat_face_pause(struct chat *chat, bool paused);                 /* to and from the questions */
void chat_paint(struct chat *chat, struct str above);                 /* clean lines with their ends; "" repaints */
void chat_show(struct chat *chat, struct str text);                   /* the same, broken between words where it is too wide */
PRINTF(2, 3) void chat_tell(struct chat *chat, const char *format, ...); /* a line of ours; not for text of others */

/* chat_history.c: lines that were written before, one JSON string a line, in a file of the data directory */
void chat_history_read(struct chat *chat);
void chat_history_add(struct chat *chat, struct str text);

#endif
