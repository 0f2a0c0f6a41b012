/* proto.c - one table of messages, from which encoder and decoder are made. The decoder trusts no byte: it refuses
 * whatever is short, long, above its bound or holds a NUL where text may have none. It never repairs. */
#include "cell/proto.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/permission.h"
#include "core/bounds.h"
#include "base/banned.h"

enum field_kind { FIELD_NUMBER, FIELD_TEXT, FIELD_LIST };

struct field {
	enum field_kind kind;
	size_t offset;
	uint64_t max;            /* of a number; of a text or of each text of a list: bytes */
};

#define N(name, maximum) { FIELD_NUMBER, offsetof(struct msg, name), (maximum) }
#define T(name, maximum) { FIELD_TEXT, offsetof(struct msg, name), (maximum) }
#define L(name, maximum) { FIELD_LIST, offsetof(struct msg, name), (maximum) }

static const struct field fields_open[] = {
	N(id, UINT32_MAX), N(level, 2), T(workspace, PATH_MAX), N(readonly, 1), N(memory_bytes, INT64_MAX),
	N(tmp_bytes, INT64_MAX), N(file_bytes, INT64_MAX), N(processes, INT_MAX), N(open_files, INT_MAX),
	N(disk_bytes, INT64_MAX),
	T(layer, PATH_MAX), L(hide, LIMIT_FILES_PATTERN_BYTES), L(keep, LIMIT_FILES_PATTERN_BYTES), L(writable, PATH_MAX),
};
static const struct field fields_guard[] = {
	N(id, UINT32_MAX), T(workspace, PATH_MAX), L(hide, LIMIT_FILES_PATTERN_BYTES), L(keep, LIMIT_FILES_PATTERN_BYTES),
};
static const struct field fields_guarded[] = { N(id, UINT32_MAX), N(code, INT_MAX), T(text, LIMIT_CELL_REPORT_BYTES) };
static const struct field fields_made[] = { N(id, UINT32_MAX), T(text, LIMIT_CELL_REPORT_BYTES) };
static const struct field fields_unmade[] = { N(id, UINT32_MAX), N(code, INT_MAX), T(text, LIMIT_ERR_TEXT_BYTES) };
static const struct field fields_text[] = { T(text, LIMIT_CELL_REPORT_BYTES) };
static const struct field fields_unable[] = { N(code, INT_MAX), T(text, LIMIT_ERR_TEXT_BYTES) };
static const struct field fields_run[] = {
	N(call, UINT64_MAX), T(builtin, 255), T(text, LIMIT_CELL_MESSAGE_BYTES), N(withheld, PERMISSIONS_ALL), N(hash_system, 1),
	L(argv, LIMIT_CELL_MESSAGE_BYTES), L(env, LIMIT_CELL_MESSAGE_BYTES), T(cwd, PATH_MAX), N(cpu_ms, INT64_MAX / 1000000),
	N(memory_bytes, INT64_MAX), N(processes, INT_MAX), N(file_bytes, INT64_MAX), N(open_files, INT_MAX),
};
static const struct field fields_answer[] = { N(id, UINT32_MAX), N(allow, 1), T(text, LIMIT_CELL_DENY_TEXT_BYTES) };
static const struct field fields_kill[] = { N(call, UINT64_MAX), N(signal, 64) };
static const struct field fields_exec[] = {
	N(id, UINT32_MAX), N(call, UINT64_MAX), N(first, 1), N(unpermitted, 1), N(pid, INT_MAX), T(program, PATH_MAX), N(origin, 2),
	L(names, 255), N(trusted_names, LIMIT_CELL_NAMES), L(argv, LIMIT_CELL_ARGV_SHOWN_BYTES), T(cwd, PATH_MAX),
	T(why, 255), L(hashes, SHA256_HEX_LEN),
};
static const struct field fields_gone[] = { N(id, UINT32_MAX) };
static const struct field fields_limit[] = {
	N(call, UINT64_MAX), N(limit, BOUND_COUNT - 1), N(reached, INT64_MAX), N(most, INT64_MAX),
};
static const struct field fields_exit[] = {
	N(call, UINT64_MAX), N(status, 255), N(signal, 64), N(cpu_ms, INT64_MAX), N(max_rss_bytes, INT64_MAX),
	N(execs, INT64_MAX), N(denied, INT64_MAX), N(memory_bytes, INT64_MAX), N(disk_bytes, INT64_MAX), N(processes, INT_MAX),
	N(limit, BOUND_COUNT - 1), N(reached, INT64_MAX), N(most, INT64_MAX),
};

static const struct layout {
	const char *name;
	const struct field *fields;
	size_t count;
} layouts[MSG_COUNT] = {
	[MSG_NONE] = { "none", NULL, 0 },
	[MSG_OPEN] = { "OPEN", fields_open, COUNT(fields_open) },
	[MSG_PROBE] = { "PROBE", NULL, 0 },
	[MSG_MADE] = { "MADE", fields_made, COUNT(fields_made) },
	[MSG_UNMADE] = { "UNMADE", fields_unmade, COUNT(fields_unmade) },
	[MSG_PROBED] = { "PROBED", fields_text, COUNT(fields_text) },
	[MSG_GO] = { "GO", NULL, 0 },
	[MSG_READY] = { "READY", fields_text, COUNT(fields_text) },
	[MSG_UNABLE] = { "UNABLE", fields_unable, COUNT(fields_unable) },
	[MSG_RUN] = { "RUN", fields_run, COUNT(fields_run) },
	[MSG_ANSWER] = { "ANSWER", fields_answer, COUNT(fields_answer) },
	[MSG_KILL] = { "KILL", fields_kill, COUNT(fields_kill) },
	[MSG_CLOSE] = { "CLOSE", NULL, 0 },
	[MSG_EXEC] = { "EXEC", fields_exec, COUNT(fields_exec) },
	[MSG_GONE] = { "GONE", fields_gone, COUNT(fields_gone) },
	[MSG_LIMIT] = { "LIMIT", fields_limit, COUNT(fields_limit) },
	[MSG_EXIT] = { "EXIT", fields_exit, COUNT(fields_exit) },
	[MSG_GUARD] = { "GUARD", fields_guard, COUNT(fields_guard) },
	[MSG_GUARDED] = { "GUARDED", fields_guarded, COUNT(fields_guarded) },
	[MSG_PING] = { "PING", NULL, 0 },
	[MSG_PONG] = { "PONG", NULL, 0 },
};

const char *msg_name(enum msg_type type)
{
	return type < MSG_COUNT ? layouts[type].name : "unknown";
}

/* ---- encode ---- */

static int add_text(struct buf *b, const char *text, uint64_t max)
{
	size_t len = text != NULL ? strlen(text) : 0;
	uint32_t wire = (uint32_t)len;

	if (len > max || len > LIMIT_CELL_MESSAGE_BYTES)
		return -EMSGSIZE;
	buf_add(b, &wire, sizeof wire);
	buf_add(b, text != NULL ? text : "", len);
	buf_add(b, "", 1);
	return 0;
}

static int add_list(struct buf *b, const struct texts *list, uint64_t max)
{
	uint32_t wire = (uint32_t)list->count;
	int r = list->count > LIMIT_CELL_MESSAGE_BYTES ? -EMSGSIZE : 0;

	buf_add(b, &wire, sizeof wire);
	for (size_t i = 0; i < list->count && r == 0; i++)
		r = add_text(b, list->at[i], max);
	return r;
}

static int add_field(struct buf *b, const struct field *field, const struct msg *msg)
{
	const char *at = (const char *)msg + field->offset;

	if (field->kind == FIELD_TEXT)
		return add_text(b, *(const char *const *)at, field->max);
	if (field->kind == FIELD_LIST)
		return add_list(b, (const struct texts *)at, field->max);
	uint64_t number = *(const uint64_t *)at;
	if (number > field->max)
		return -EMSGSIZE;
	return buf_add(b, &number, sizeof number);
}

int msg_encode(const struct msg *msg, struct buf *ret)
{
	uint32_t type = msg->type;
	int r = 0;

	assert(type > MSG_NONE && type < MSG_COUNT);
	buf_reset(ret);
	buf_add(ret, &type, sizeof type);
	for (size_t i = 0; i < layouts[type].count && r == 0; i++)
		r = add_field(ret, &layouts[type].fields[i], msg);
	return r < 0 || ret->full ? -EMSGSIZE : 0;
}

/* ---- decode ---- */

static bool take(struct str *rest, void *ret, size_t size)
{
	if (rest->len < size)
		return false;
	memcpy(ret, rest->ptr, size);
	*rest = str_skip(*rest, size);
	return true;
}

static bool take_text(struct str *rest, uint64_t max, const char **ret)
{
	uint32_t len;

	if (!take(rest, &len, sizeof len) || len > max || rest->len <= len)
		return false;
	if (rest->ptr[len] != '\0' || memchr(rest->ptr, '\0', len) != NULL)
		return false;
	*ret = rest->ptr;
	*rest = str_skip(*rest, (size_t)len + 1);
	return true;
}

static bool take_list(struct str *rest, uint64_t max, struct texts *ret)
{
	uint32_t count;

	/* A text takes five bytes at least: a count that cannot be true allocates nothing. */
	if (!take(rest, &count, sizeof count) || count > rest->len / 5)
		return false;
	ret->at = xcalloc((size_t)count + 1, sizeof *ret->at);
	ret->count = count;
	for (uint32_t i = 0; i < count; i++)
		if (!take_text(rest, max, &ret->at[i]))
			return false;
	return true;
}

static bool take_field(struct str *rest, const struct field *field, struct msg *msg)
{
	char *at = (char *)msg + field->offset;

	if (field->kind == FIELD_TEXT)
		return take_text(rest, field->max, (const char **)at);
	if (field->kind == FIELD_LIST)
		return take_list(rest, field->max, (struct texts *)at);
	return take(rest, at, sizeof(uint64_t)) && *(uint64_t *)at <= field->max;
}

int msg_decode(const void *bytes, size_t len, struct msg *ret)
{
	struct str rest = { bytes, len };
	struct msg msg = { 0 };
	uint32_t type;

	if (!take(&rest, &type, sizeof type) || type == MSG_NONE || type >= MSG_COUNT)
		return -EPROTO;
	msg.type = type;
	for (size_t i = 0; i < layouts[type].count; i++) {
		if (!take_field(&rest, &layouts[type].fields[i], &msg)) {
			msg_done(&msg);
			return -EPROTO;
		}
	}
	if (rest.len != 0 || msg.trusted_names > msg.names.count) {
		msg_done(&msg);
		return -EPROTO;
	}
	*ret = msg;
	return 0;
}

void msg_done(struct msg *msg)
{
	free(TAKE(msg->argv.at));
	free(TAKE(msg->env.at));
	free(TAKE(msg->names.at));
	free(TAKE(msg->hashes.at));
	free(TAKE(msg->hide.at));
	free(TAKE(msg->keep.at));
	free(TAKE(msg->writable.at));
	for (size_t i = 0; i < msg->fd_count; i++)
		fd_close(&msg->fds[i]);
	msg->fd_count = 0;
}

/* ---- the socket ---- */

union control {
	char room[CMSG_SPACE(sizeof(int) * LIMIT_CELL_FDS)];
	struct cmsghdr align;
};

int msg_send_bytes(int fd, struct str bytes, const int *fds, size_t fd_count)
{
	union control control = { 0 };
	struct iovec iov = { (void *)bytes.ptr, bytes.len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(fd_count <= LIMIT_CELL_FDS);
	if (fd_count > 0) {
		header.msg_control = control.room;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		assert(cmsg != NULL);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		if (sendmsg(fd, &header, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

int msg_send(int fd, const struct msg *msg)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(LIMIT_CELL_MESSAGE_BYTES);
	int r = msg_encode(msg, &bytes);

	return r < 0 ? r : msg_send_bytes(fd, buf_str(&bytes), msg->fds, msg->fd_count);
}

static void take_fds(struct msghdr *header, struct msg *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(count <= LIMIT_CELL_FDS);
		memcpy(ret->fds, CMSG_DATA(c), count * sizeof(int));
		ret->fd_count = count;
	}
}

int msg_receive(int fd, char *room, struct msg *ret)
{
	union control control;
	struct iovec iov = { room, LIMIT_CELL_MESSAGE_BYTES };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
	                         .msg_controllen = sizeof control.room };
	struct msg got = { 0 }, fds = { 0 };
	ssize_t n;

	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	take_fds(&header, &fds);
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || msg_decode(room, (size_t)n, &got) < 0) {
		msg_done(&fds);
		return -EPROTO;
	}
	memcpy(got.fds, fds.fds, sizeof got.fds);
	got.fd_count = fds.fd_count;
	*ret = got;
	return 1;
}

int msg_dispatch(const struct msg_rule *rules, size_t count, unsigned state, void *self, struct msg *msg)
{
	for (size_t i = 0; i < count; i++)
		if (rules[i].type == msg->type && rules[i].fds == msg->fd_count)
			return (rules[i].states & state) != 0 ? rules[i].handle(self, msg) : -EPROTO;
	return -EPROTO;
}
