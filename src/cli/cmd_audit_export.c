/* cmd_audit_export.c - `mishri audit export`: what an auditor takes away, to be checked without Mishri (docs/audit.md has the
 * lines of shell). Plain files, a row a line, columns between tabs; no text has a tab or a line break in it, for it is JSON.
 *
 *   events.tsv       seq, prev, hash, text          of the whole store, or of one task's tree
 *   checkpoints.tsv  id, prev, hash, key, signature, text
 *   keys/KEY.pem     public halves
 *   links.jsonl      one line a call: policy, decision, who approved, digest of the action, exit status, digest of the output */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "cli/common.h"
#include "cli/print.h"
#include "store/audit.h"

#include "base/banned.h"

struct bundle {
	const char *dir;
	FILE *file;
	json_t *calls;                 /* "TASK CALL" → link */
	int64_t events, checkpoints, keys, links;
};

/* A new file of the bundle; nothing that is there is written over. */
static FILE *create(const struct bundle *b, const char *name, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s", b->dir, name);
	FILE *f = fopen(path, "wxe");

	if (f == NULL)
		err_sys(err, "%s", path);
	return f;
}

static int finish(FILE *f, struct err *err)
{
	bool failed = ferror(f) != 0;

	return fclose(f) != 0 || failed ? err_sys(err, "the bundle cannot be written") : 0;
}

static bool put_event(void *userdata, const struct event_row *row)
{
	struct bundle *b = userdata;

	fprintf(b->file, "%lld\t%s\t%s\t%.*s\n", (long long)row->seq, row->prev, row->hash, STR_ARG(row->text));
	b->events++;
	return true;
}

static void put_checkpoint(void *userdata, const struct audit_checkpoint *row)
{
	struct bundle *b = userdata;

	fprintf(b->file, "%lld\t%s\t%s\t%s\t%s\t%.*s\n", (long long)row->id, row->prev, row->hash, row->key[0] != '\0' ? row->key : "-",
	        row->signature[0] != '\0' ? row->signature : "-", STR_ARG(row->text));
	b->checkpoints++;
}

static void put_key(void *userdata, const struct audit_key_row *row)
{
	struct bundle *b = userdata;
	AUTO(freep) char *name = xasprintf("keys/%s.pem", row->key);
	struct err err = ERR_NONE;
	FILE *f = create(b, name, &err);

	if (f == NULL)
		return;
	fputs(row->public, f);
	b->keys += finish(f, &err) == 0;
}

/* ---- links ---- */

static json_t *link_of(struct bundle *b, const struct event *e)
{
	AUTO(freep) char *key = xasprintf("%s %s", e->task, json_get_text(e->data, "call", ""));
	json_t *link = json_object_get(b->calls, key);

	if (link == NULL) {
		link = json_pack("{s:s, s:s}", "task", e->task, "call", json_get_text(e->data, "call", ""));
		json_put(b->calls, key, link);
	}
	return link;
}

static void copy(json_t *link, const struct event *e, const char *from, const char *to)
{
	json_t *value = json_object_get(e->data, from);

	if (value != NULL)
		json_put(link, to, json_incref(value));
}

static void digest(json_t *link, const char *key, struct str text)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex1(text, hex);
	json_put_text(link, key, hex);
}

static void take_approval(struct bundle *b, const struct event *e)
{
	json_t *link = link_of(b, e), *list = json_object_get(link, "approvals");

	if (list == NULL) {
		list = json_array();
		json_put(link, "approvals", list);
	}
	json_t *one = json_object();
	json_put(one, "seq", json_integer(e->seq));
	for (size_t i = 0; i < 5; i++) {
		static const char *const keys[] = { "approval", "answer", "by", "digest", "rule" };
		copy(one, e, keys[i], keys[i]);
	}
	json_array_append_new(list, one);
}

static void take(struct bundle *b, const struct event *e)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES * 4);

	switch ((unsigned)e->type) {
	case EVENT_CALL_PROPOSED:
		copy(link_of(b, e), e, "tool", "tool");
		json_write_canonical(json_object_get(e->data, "args"), &text);
		digest(link_of(b, e), "args_sha256", buf_str(&text));
		break;
	case EVENT_CALL_DECIDED:
		copy(link_of(b, e), e, "policy", "policy_sha256");
		copy(link_of(b, e), e, "effect", "effect");
		copy(link_of(b, e), e, "rule", "rule");
		copy(link_of(b, e), e, "source", "source");
		break;
	case EVENT_APPROVAL_REQUESTED:
	case EVENT_APPROVAL_DECIDED: take_approval(b, e); break;
	case EVENT_CALL_FINISHED:
		copy(link_of(b, e), e, "status", "status");
		copy(link_of(b, e), e, "exit", "exit");
		digest(link_of(b, e), "output_sha256", str_of(json_get_text(e->data, "output", "")));
		break;
	default: break;
	}
}

static bool link_event(void *userdata, const struct event_row *row)
{
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true; /* of a newer version; it stands in events.tsv all the same */
	e.seq = row->seq;
	take(userdata, &e);
	event_done(&e);
	return true;
}

/* ---- the bundle ---- */

static int put_links(struct bundle *b, struct store *store, const struct event_filter *filter, struct err *err)
{
	struct event_filter whole = *filter;
	const char *key;
	json_t *link;

	whole.with_content = true;
	int r = store_events(store, &whole, link_event, b, err);
	if (r < 0 || (b->file = create(b, "links.jsonl", err)) == NULL)
		return r < 0 ? r : -err->code;
	json_object_foreach(b->calls, key, link) {
		AUTO(freep) char *text = json_text(link);
		fprintf(b->file, "%s\n", text);
		b->links++;
	}
	return finish(b->file, err);
}

static int put_rows(struct bundle *b, struct store *store, const struct event_filter *filter, struct err *err)
{
	if ((b->file = create(b, "events.tsv", err)) == NULL)
		return -err->code;
	int r = store_events(store, filter, put_event, b, err), closed = finish(b->file, err);
	if (r < 0 || closed < 0)
		return MIN(r, closed);
	if ((b->file = create(b, "checkpoints.tsv", err)) == NULL)
		return -err->code;
	r = store_audit_checkpoints(store, put_checkpoint, b, err);
	closed = finish(b->file, err);
	return MIN(r, closed);
}

static int make(struct bundle *b, struct store *store, const char *task, struct err *err)
{
	AUTO(freep) char *keys = xasprintf("%s/keys", b->dir);
	const struct event_filter filter = { .task = task, .tree = task != NULL };

	if (mkdir(b->dir, 0700) < 0)
		return errno == EEXIST ? err_set(err, EEXIST, "%s is there already; name a directory that is not", b->dir)
		                       : err_sys(err, "%s", b->dir);
	if (mkdir(keys, 0700) < 0)
		return err_sys(err, "%s", keys);
	int r = put_rows(b, store, &filter, err);
	if (r == 0)
		r = store_audit_keys(store, put_key, b, err);
	return r < 0 ? r : put_links(b, store, &filter, err);
}

static int audit_export(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *calls = json_object();
	struct bundle b = { .calls = calls };
	char task[ID_LEN + 1];
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_audit_export, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (count < 1 || count > 2)
		return complain(EXIT_USAGE, "audit export: a new directory is wanted, and a task where not all of it: "
		                "mishri audit export DIR [TASK]");
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (count == 2 && store_task_find(store, words[1], task, &err) < 0)
		return complain(EXIT_USAGE, "audit export: %s", err.text);
	b.dir = words[0];
	int r = make(&b, store, count == 2 ? task : NULL, &err);
	if (r < 0)
		return complain(r == -EEXIST ? EXIT_USAGE : EXIT_FAILED, "audit export: %s", err.text);
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I}", "directory", b.dir, "events", (json_int_t)b.events,
		                                            "checkpoints", (json_int_t)b.checkpoints, "keys", (json_int_t)b.keys, "links",
		                                            (json_int_t)b.links);
		print_json(json);
	} else {
		printf("%s: %lld events, %lld checkpoints, %lld keys, %lld calls; docs/audit.md says how it is checked\n", b.dir,
		       (long long)b.events, (long long)b.checkpoints, (long long)b.keys, (long long)b.links);
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command cmd_audit_export = {
	.name = "audit export", .args = "DIR [TASK]", .about = "the record as files that are checked without mishri", .run = audit_export,
	.examples = "  mishri audit export bundle\n  mishri audit export bundle last\n",
};
