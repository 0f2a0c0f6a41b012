/* permission.h - what a tool call may need, and be granted: a set of bits with names that people write. */
#ifndef MISHRI_BASE_PERMISSION_H
#define MISHRI_BASE_PERMISSION_H

#include "base/json.h"

enum permission {
	PERMISSION_FS_READ,          /* "fs.read": files of the workspace and temporary ones */
	PERMISSION_FS_WRITE,         /* "fs.write": change them, and all that belongs to them */
	PERMISSION_EXEC,             /* "exec": start programs */
	PERMISSION_NET,              /* "net": make sockets of the internet kind; the loopback of the cell too */
	PERMISSION_SECRETS,          /* "secrets": have a secret put into its environment or request */
	PERMISSION_SCHEDULE,         /* "schedule": change what runs later */
	PERMISSION_AGENT,            /* "agent": give work to other agents */
	PERMISSION_COUNT
};

#define PERMISSION(name) (1u << PERMISSION_##name)
#define PERMISSIONS_ALL  ((1u << PERMISSION_COUNT) - 1u)
#define PERMISSION_NAMES "fs.read, fs.write, exec, net, secrets, schedule, agent"

int permission_find(const char *name);                    /* -1: there is none of this name */
const char *permission_name(enum permission permission);
const char *permission_nearest(const char *name);         /* for "did you mean"; NULL */

/* Names between commas or spaces; none at all is the empty set. -EINVAL: err names the word and what would be right. */
MUST_USE int permissions_parse(struct str text, unsigned *ret, struct err *err);

/* The words of a row of the table of tools: "fs.read exec fs.write?". A word with '?' is one the tool does without.
 * *ret_needed may be NULL. The words are ours: an unknown one is an abort. */
unsigned permissions_of_row(const char *words, unsigned *ret_needed);

json_t *permissions_json(unsigned set);                   /* names, in the order above; the caller owns it */
unsigned permissions_of_json(const json_t *names);        /* unknown names are passed over; not a list: none */
void permissions_print(unsigned set, struct buf *ret);    /* "fs.read, exec"; "none" */

#endif
