/* entries.c - keeps the namespaces of cells by descriptor, so that what came to be in a workspace can be guarded while the
 * cell runs: its pid 1 gave up the right to mount. They are closed with the end of pid 1. */
#include "cell/entries.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "cell/guard.h"
#include "cell/layer.h"
#include "base/banned.h"

int entries_keep(struct entry **list, uint32_t id, pid_t pid, const struct plan *plan, struct err *err)
{
	struct entry *entry = xcalloc(1, sizeof *entry);
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	entry->user_ns = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
	entry->mount_ns = open(path, O_RDONLY | O_CLOEXEC);
	entry->id = id;
	entry->pid = pid;
	entry->uid = plan->uid_inside;
	entry->gid = plan->gid_inside;
	entry->next = *list;
	*list = entry;
	return entry->user_ns < 0 || entry->mount_ns < 0 ? err_sys(err, "cannot keep the namespaces of a cell") : 0;
}

const struct entry *entries_find(const struct entry *list, uint64_t id)
{
	while (list != NULL && list->id != id)
		list = list->next;
	return list;
}

void entries_drop(struct entry **list, pid_t pid)
{
	for (struct entry **at = list; *at != NULL; at = &(*at)->next) {
		struct entry *entry = *at;
		if (entry->pid != pid)
			continue;
		*at = entry->next;
		fd_close(&entry->user_ns);
		fd_close(&entry->mount_ns);
		free(entry);
		return;
	}
}

static int guard_from_inside(void *userdata, int socket)
{
	const struct msg *wish = userdata;
	struct err err = ERR_NONE;
	AUTO(json_decrefp) json_t *found = NULL;
	AUTO(fd_closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? err_sys(&err, "cell: its root") : guard_apply(&(struct guard){
		.root = root, .workspace = wish->workspace, .hide = &wish->hide, .keep = &wish->keep, .later = true }, &found, &err);

	if (r < 0)
		return msg_send(socket, &(struct msg){ .type = MSG_UNABLE, .code = (uint64_t)err.code, .text = err.text }) < 0;
	AUTO(freep) char *text = json_text(found);
	while (strlen(text) > LIMIT_CELL_REPORT_BYTES) {     /* more than can be told at once; all of it is guarded */
		json_array_remove(found, json_array_size(found) - 1);
		free(text);
		text = json_text(found);
	}
	return msg_send(socket, &(struct msg){ .type = MSG_READY, .text = text }) < 0;
}

int entries_guard(const struct entry *entry, const struct msg *wish, int *ret_socket, pid_t *ret_pid, struct err *err)
{
	if (entry == NULL)
		return err_set(err, ENOENT, "the cell is gone");
	return namespace_run(entry->user_ns, entry->mount_ns, entry->uid, entry->gid, guard_from_inside, (void *)wish, ret_socket,
	                     ret_pid, err);
}
