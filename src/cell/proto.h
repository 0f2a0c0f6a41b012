/* proto.h - the messages of PROTOCOL.md: encode, decode, send, receive, dispatch. No message is acted on here. */
#ifndef MISHRI_CELL_PROTO_H
#define MISHRI_CELL_PROTO_H

#include "base/buf.h"
#include "base/limits.h"

enum msg_type {
	MSG_NONE, MSG_OPEN, MSG_PROBE, MSG_MADE, MSG_UNMADE, MSG_PROBED, MSG_GO, MSG_READY, MSG_UNABLE, MSG_RUN,
	MSG_ANSWER, MSG_KILL, MSG_CLOSE, MSG_EXEC, MSG_GONE, MSG_LIMIT, MSG_EXIT, MSG_GUARD, MSG_GUARDED,
	MSG_PING, MSG_PONG, MSG_COUNT
};

struct texts {
	const char **at;     /* NULL-terminated when decoded */
	size_t count;
};

/* Every field of every message; a message uses those of its row in proto.c. Numbers are 0, texts are
 * NULL (sent as "") and lists are empty unless set. */
struct msg {
	enum msg_type type;
	uint64_t id, call, pid, level, readonly, code, allow, signal, status, origin, first, trusted_names;
	uint64_t withheld, unpermitted, hash_system;
	uint64_t memory_bytes, tmp_bytes, file_bytes, processes, open_files;
	uint64_t cpu_ms, max_rss_bytes, execs, denied, disk_bytes, limit, reached, most;
	const char *text, *workspace, *layer, *builtin, *cwd, *program, *why;
	struct texts argv, env, names, hashes, hide, keep, writable;
	int fds[LIMIT_CELL_FDS];
	size_t fd_count;
};

const char *msg_name(enum msg_type type);

/* -EMSGSIZE: too long, or a field above its bound. */
MUST_USE int msg_encode(const struct msg *msg, struct buf *ret);

/* Texts in *ret point into `bytes`; msg_done frees the lists and closes the descriptors. -EPROTO: not a message. */
MUST_USE int msg_decode(const void *bytes, size_t len, struct msg *ret);
void msg_done(struct msg *msg);

/* One datagram. fds of the message are copied to the peer, the caller keeps its own. -EMSGSIZE, or -errno of
 * sendmsg. */
MUST_USE int msg_send(int fd, const struct msg *msg);
/* The same for text that is encoded already. */
MUST_USE int msg_send_bytes(int fd, struct str bytes, const int *fds, size_t fd_count);

/* 1: *ret is a message that lives in `room` (LIMIT_CELL_MESSAGE_BYTES). 0: the peer is gone. -EAGAIN: nothing there.
 * -EPROTO: a datagram that is none of ours. Any descriptors are in *ret, close-on-exec. */
MUST_USE int msg_receive(int fd, char *room, struct msg *ret);

/* Who may say what: one row a message that a receiver knows; two where it may come with different descriptors. */
struct msg_rule {
	enum msg_type type;
	unsigned states;              /* bits: in which states of the receiver */
	size_t fds;
	int (*handle)(void *self, struct msg *msg);
};

/* What the handler returned (0, or -EPROTO as its verdict on the contents); -EPROTO where no row permits it. */
MUST_USE int msg_dispatch(const struct msg_rule *rules, size_t count, unsigned state, void *self, struct msg *msg);

#endif
