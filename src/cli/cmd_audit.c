/* cmd_audit.c - audit verify: is every event as it was written? audit key: who signs. It repairs nothing. */
#include <stdio.h>

#include "base/io.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/signer.h"
#include "store/audit.h"

#include "base/banned.h"

static const struct option_row verify_rows[] = {
	{ "--key", 0, "FILE", "a public key (PEM) that you kept: every signature must come from it", false },
};
static const struct option_row key_rows[] = {
	{ "--new", 0, NULL, "make one: the first, or one in the place of what is there, signed by that", false },
	{ "--after", 0, "FILE", "sign the key of audit.key with the private key (PEM) that signed before it", false },
};

static void report_json(bool intact, const struct store_report *report, const char *problem)
{
	AUTO(json_decrefp) json_t *object = json_object();

	json_put_bool(object, "intact", intact);
	if (intact) {
		json_put_int(object, "events", report->events);
		json_put_int(object, "chains", report->chains);
		json_put_int(object, "checkpoints", report->checkpoints);
		json_put_int(object, "signatures", report->signatures);
		json_put_int(object, "blobs", report->blobs);
		json_put_int(object, "pruned", report->pruned);
	} else {
		json_put_text(object, "problem", problem);
	}
	print_json(object);
}

static void report_text(const struct store_report *report)
{
	printf("intact: %lld events in %lld chains, %lld checkpoint%s, %lld long strings\n", (long long)report->events,
	       (long long)report->chains, (long long)report->checkpoints, report->checkpoints == 1 ? "" : "s", (long long)report->blobs);
	if (report->signatures > 0)
		printf("signed: %lld of %lld checkpoints\n", (long long)report->signatures, (long long)report->checkpoints);
	if (report->pruned > 0)
		printf("pruned: %lld task trees left by retention; history.pruned stands for each\n", (long long)report->pruned);
}

/* 0 or an exit code. */
static int read_trusted(const struct options *o, struct sign_key **ret)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(64));
	const char *path = option_text(o, "--key", NULL);
	struct err err = ERR_NONE;

	if (path == NULL)
		return 0;
	int r = io_read_file(path, &pem, &err);
	if (r < 0)
		return complain(EXIT_USAGE, "audit verify: the key '%s': %s; `mishri audit key` prints one", path, strerror(-r));
	if (sign_key_parse(buf_str(&pem), false, ret, &err) < 0)
		return complain(EXIT_USAGE, "audit verify: %s: %s", path, err.text);
	return 0;
}

static int audit_verify(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(sign_key_freep) struct sign_key *trusted = NULL;
	struct store_report report = { 0 };
	struct err err = ERR_NONE;

	if (options_parse(&cmd_audit_verify, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = read_trusted(o, &trusted);
	if (code != 0)
		return code;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = store_verify_by(store, trusted, &report, &err);
	if (option_given(o, "--json"))
		report_json(r == 0, &report, err.text);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (!option_given(o, "--json"))
		report_text(&report);
	return EXIT_DONE;
}

/* ---- audit key ---- */

struct keys { json_t *json; char last[SIGN_ID_LEN + 1], pem[KIB(2)]; };

static void take_key(void *userdata, const struct audit_key_row *row)
{
	struct keys *keys = userdata;

	snprintf(keys->last, sizeof keys->last, "%s", row->key);
	snprintf(keys->pem, sizeof keys->pem, "%s", row->public);
	json_array_append_new(keys->json, json_pack("{s:s, s:s, s:I, s:s?}", "key", row->key, "public", row->public, "since",
	                                            (json_int_t)row->since, "signed_by", row->by[0] != '\0' ? row->by : NULL));
}

/* The key of audit.key comes after the one in a file. 0 or an exit code. */
static int follow(struct store *store, const char *path)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(64));
	AUTO(sign_key_freep) struct sign_key *before = NULL;
	struct err err = ERR_NONE;

	int r = io_read_file(path, &pem, &err);
	if (r == 0)
		r = sign_key_parse(buf_str(&pem), true, &before, &err) < 0 ? err_prefix(&err, "%s", path) : 0;
	if (pem.ptr != NULL)
		explicit_bzero(pem.ptr, pem.cap);
	if (r < 0)
		return complain(EXIT_USAGE, "audit key: --after: %s", err.text);
	if (store_audit_key_follow(store, before, &err) < 0)
		return complain(EXIT_FAILED, "audit key: %s", err.text);
	return 0;
}

static int audit_key(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *list = json_array();
	struct keys keys = { .json = list };
	char id[SIGN_ID_LEN + 1];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_audit_key, argc, argv, &o) < 0)
		return EXIT_USAGE;
	bool fresh = option_given(o, "--new");
	const char *after = option_text(o, "--after", NULL);
	if (fresh && after != NULL)
		return complain(EXIT_USAGE, "audit key: --new makes a key in the data directory, --after is for one of "
		                "audit.key: give one of them");
	if (cli_open_store(o, fresh || after != NULL ? STORE_CREATE : STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (fresh && cli_signer_given())
		return complain(EXIT_USAGE, "audit key: the key is where audit.key says, not in the data directory: make a new one "
		                "there, then `mishri audit key --after OLD.pem`");
	if (after != NULL && !cli_signer_given())
		return complain(EXIT_USAGE, "audit key: --after: audit.key says nothing, so there is no key to sign; --new makes one");
	int code = after != NULL ? follow(store, after) : 0;
	if (code != 0)
		return code;
	if (fresh && store_audit_key_new(store, id, &err) < 0)
		return complain(EXIT_FAILED, "audit key: %s", err.text);
	if (store_audit_keys(store, take_key, &keys, &err) < 0)
		return complain(EXIT_FAILED, "audit key: %s", err.text);
	if (option_given(o, "--json"))
		print_json(list);
	else if (json_array_size(list) == 0)
		return complain(EXIT_FAILED, "nothing is signed; `mishri audit key --new` makes a key");
	else
		fputs(keys.pem, stdout);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command cmd_audit_verify = {
	.name = "audit verify", .args = "", .about = "checks every event against its chain", .options = verify_rows,
	.option_count = COUNT(verify_rows), .run = audit_verify,
	.examples = "  mishri audit verify\n  mishri audit verify --key kept-elsewhere.pem\n",
};
const struct command cmd_audit_key = {
	.name = "audit key", .args = "", .about = "the key that signs checkpoints: its public half; --new makes one", .options = key_rows,
	.option_count = COUNT(key_rows), .run = audit_key,
	.examples = "  mishri audit key --new > kept-elsewhere.pem\n  mishri audit key --after old-private.pem\n",
};
