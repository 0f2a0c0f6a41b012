/* Secrets in every disguise, whole and in pieces; and what is none is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/redact.h"

#include "base/banned.h"

#define MARK "[redacted:secret A]"

static const char value[] = "s3cret \"x\"/+%y";
/* base64 of it behind 0, 1 and 2 bytes */
static const struct { const char *in, *out; } rows[] = {
	{ "", "" },
	{ "nothing of it here: s3cret", "nothing of it here: s3cret" },
	{ "a s3cret \"x\"/+%y b", "a " MARK " b" },
	{ "s3cret \"x\"/+%ys3cret \"x\"/+%y", MARK MARK },
	{ "s3s3cret \"x\"/+%y", "s3" MARK },
	{ "{\"k\":\"s3cret \\\"x\\\"/+%y\"}", "{\"k\":\"" MARK "\"}" },
	{ "{\"k\":\"s3cret \\\"x\\\"\\/+%y\"}", "{\"k\":\"" MARK "\"}" },
	{ "\\u0073\\u0033cret \\u0022x\\\"/+%y", MARK },
	{ "s3cret%20%22x%22%2F%2B%25y", MARK },
	{ "s3cret+%22x%22%2f%2b%25y", MARK },
	{ "%73%33%63%72%65%74%20%22%78%22%2F%2B%25%79", MARK },
	{ "7333637265742022782 2", "7333637265742022782 2" },
	{ "733363726574202278222f2b2579", MARK },
	{ "733363726574202278222F2B2579", MARK },
	{ "73 33 63 72 65 74 20 22\n78 22 2f 2b 25 79", MARK },
	{ "73:33:63:72:65:74:20:22:78:22:2f:2b:25:79", MARK },
	{ "\\x73\\x33\\x63\\x72\\x65\\x74\\x20\\x22\\x78\\x22\\x2f\\x2b\\x25\\x79", MARK },
	{ "czNjcmV0ICJ4Ii8rJXk=", MARK "k=" },
	{ "czNjcmV0ICJ4\nIi8rJXk=", MARK "k=" },
	{ "YXMzY3JldCAieCIvKyV5", "YX" MARK },
	{ "YWJzM2NyZXQgIngiLysleQ==", "YWJ" MARK "Q==" },
	{ "YWJzM2NyZXQgIngiLysleQ", "YWJ" MARK "Q" },
};

static void keep(void *userdata, struct str text)
{
	buf_add_str(userdata, text);
}

/* The same, given in pieces of this size. */
static void in_pieces(const struct redactor *d, struct str text, size_t size, struct buf *ret)
{
	struct redact_stream *s = redact_stream_new(d);

	for (size_t at = 0; at < text.len; at += size)
		redact_stream_add(s, (struct str){ text.ptr + at, MIN(size, text.len - at) }, keep, ret);
	redact_stream_end(s, keep, ret);
	redact_stream_free(s);
}

static void each_disguise(void **state)
{
	struct redactor *d = redactor_new();

	(void)state;
	redactor_add(d, "A", str_of(value));
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t size = 0; size < 40; size++) {
			AUTO(buf_done) struct buf out = BUF_INIT(KIB(64));
			if (size == 0)
				redact_text(d, str_of(rows[i].in), &out);
			else
				in_pieces(d, str_of(rows[i].in), size, &out);
			if (strcmp(buf_text(&out), rows[i].out) != 0)
				fail_msg("row %zu in pieces of %zu: %s\nwant %s\ngot  %s", i, size, rows[i].in, rows[i].out, buf_text(&out));
		}
	}
	redactor_free(d);
}

static void the_longer_one_counts(void **state)
{
	struct redactor *d = redactor_new();
	AUTO(buf_done) struct buf out = BUF_INIT(KIB(64));

	(void)state;
	redactor_add(d, "SHORT", STR("password"));
	redactor_add(d, "LONG", STR("password-of-ten"));
	redact_text(d, STR("password-of-ten password-of-two"), &out);
	assert_string_equal(buf_text(&out), "[redacted:secret LONG] [redacted:secret SHORT]-of-two");
	redactor_free(d);
}

static void json_in_place(void **state)
{
	struct redactor *d = redactor_new();
	AUTO(json_decrefp) json_t *got = NULL, *want = NULL;

	(void)state;
	redactor_add(d, "A", STR("password"));
	assert_int_equal(json_parse(STR("{\"password\":[1,\"my password\",{\"x\":\"cGFzc3dvcmQ=\"}],\"k\":\"p\"}"), &got, NULL), 0);
	assert_int_equal(json_parse(STR("{\"" MARK "\":[1,\"my " MARK "\",{\"x\":\"" MARK "Q=\"}],\"k\":\"p\"}"), &want, NULL), 0);
	assert_int_equal(redact_json(d, got), 3);
	AUTO(freep) char *text = json_text(got);
	if (!json_equal(got, want))
		fail_msg("%s", text);
	redactor_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_disguise),
		cmocka_unit_test(the_longer_one_counts),
		cmocka_unit_test(json_in_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
