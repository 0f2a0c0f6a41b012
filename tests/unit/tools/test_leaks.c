/* Secrets in outputs: every documented form is found, in every place where it is written, whole or wrapped; what only looks
 * like one stays. The secrets are made here from their forms, each time the same: none lies in this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tools/leaks.h"
#include "tools/tool.h"

#include "base/banned.h"

static uint32_t seed = 1;

static uint32_t next(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static const char *set_of(char c)
{
	switch (c) {
	case 'a': return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	case 'w': return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	case 'h': return "0123456789abcdef";
	case 'U': return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	case 'l': return "abcdefghijklmnopqrstuvwxyz0123456789";
	case 'd': return "0123456789";
	case 'B': return "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
	default: return NULL;
	}
}

/* "ghp_<a36>": text, and runs of random characters of a set. */
static void make(const char *form, struct buf *ret)
{
	while (*form != '\0') {
		const char *set = form[0] == '<' ? set_of(form[1]) : NULL;
		if (set == NULL) {
			buf_add_char(ret, *form++);
			continue;
		}
		char *end;
		unsigned long count = strtoul(form + 2, &end, 10);
		for (unsigned long i = 0; i < count; i++)
			buf_add_char(ret, set[next((uint32_t)strlen(set))]);
		form = end + 1;
	}
}

static const struct { const char *kind, *form; } forms[] = {
	{ "aws-access-key", "AKIA<U16>" }, { "aws-access-key", "ASIA<U16>" }, { "google-api-key", "AIza<w35>" },
	{ "google-oauth-token", "ya29.<w60>" }, { "google-oauth-secret", "GOCSPX-<w28>" }, { "google-refresh-token", "1//0<w45>" },
	{ "azure-client-secret", "<a3>8Q~<a34>" }, { "digitalocean-token", "dop_v1_<h64>" }, { "cloudflare-key", "v1.0-<h24>-<h146>" },
	{ "alibaba-access-key", "LTAI<a20>" }, { "heroku-key", "HRKU-AA<w58>" }, { "fly-token", "fo1_<w43>" },
	{ "supabase-key", "sbp_<h40>" }, { "planetscale-token", "pscale_tkn_<w43>" }, { "openshift-token", "sha256~<w43>" },
	{ "github-token", "ghp_<a36>" }, { "github-token", "gho_<a36>" }, { "github-token", "ghs_<a36>" },
	{ "github-token", "github_pat_<a22>_<a59>" }, { "gitlab-token", "glpat-<w20>" }, { "gitlab-token", "glrt-<w20>" },
	{ "gitlab-token", "glptt-<h40>" }, { "bitbucket-password", "ATBB<a32>" }, { "atlassian-token", "ATATT3<w180>" },
	{ "npm-token", "npm_<a36>" }, { "pypi-token", "pypi-AgEIcHlwaS5vcmc<w80>" }, { "crates-token", "cio<a32>" },
	{ "docker-token", "dckr_pat_<w27>" }, { "rubygems-key", "rubygems_<h48>" }, { "nuget-key", "oy2<l43>" },
	{ "clojars-token", "CLOJARS_<l60>" }, { "sourcegraph-token", "sgp_<h40>" }, { "sonar-token", "squ_<h40>" },
	{ "anthropic-key", "sk-ant-api03-<w93>AA" }, { "openrouter-key", "sk-or-v1-<h64>" }, { "openai-key", "sk-<a20>T3BlbkFJ<a20>" },
	{ "openai-key", "sk-proj-<w74>T3BlbkFJ<w74>" }, { "huggingface-token", "hf_<a34>" }, { "groq-key", "gsk_<a52>" },
	{ "replicate-token", "r8_<a37>" }, { "perplexity-key", "pplx-<a48>" }, { "xai-key", "xai-<a80>" }, { "nvidia-key", "nvapi-<w64>" },
	{ "langsmith-key", "lsv2_pt_<h32>_<h10>" }, { "stripe-key", "sk_live_<a24>" }, { "stripe-key", "rk_test_<a24>" },
	{ "stripe-webhook-secret", "whsec_<a32>" }, { "square-token", "sq0atp-<w22>" }, { "paypal-token", "access_token$production$<l16>$<h32>" },
	{ "shopify-token", "shpat_<h32>" }, { "slack-token", "xoxb-<d12>-<d12>-<a24>" }, { "slack-token", "xapp-1-<U10>-<d12>-<h64>" },
	{ "discord-token", "MTA<a23>.<w6>.<w38>" }, { "telegram-token", "<d9>1:AA<a33>" }, { "twilio-key", "SK<h32>" },
	{ "sendgrid-key", "SG.<w22>.<w43>" }, { "brevo-key", "xkeysib-<h64>-<a16>" }, { "mailgun-key", "key-<h32>" },
	{ "mailchimp-key", "<h32>-us12" }, { "resend-key", "re_<a8>_<a24>" }, { "vault-token", "hvs.<w95>" },
	{ "terraform-token", "<a14>.atlasv1.<w67>" }, { "doppler-token", "dp.pt.<a43>" }, { "pulumi-token", "pul-<h40>" },
	{ "databricks-token", "dapi<h32>" }, { "grafana-token", "glsa_<a32>_<h8>" }, { "sentry-token", "sntryu_<h64>" },
	{ "newrelic-key", "NRAK-<a27>" }, { "dynatrace-token", "dt0c01.<a24>.<a64>" }, { "postman-key", "PMAK-<h24>-<h34>" },
	{ "tailscale-key", "tskey-auth-<a11>-<a32>" }, { "airtable-token", "pat<a14>.<h64>" },
	{ "hubspot-token", "pat-na1-<h8>-<h4>-<h4>-<h4>-<h12>" }, { "linear-key", "lin_api_<a40>" }, { "notion-token", "ntn_<d11><a35>" },
	{ "figma-token", "figd_<w40>" }, { "age-key", "AGE-SECRET-KEY-1<B58>" }, { "1password-key", "A3-<U6>-<U11>-<U5>-<U5>-<U5>" },
	{ "adobe-secret", "p8e-<w32>" }, { "prefect-key", "pnu_<a36>" }, { "maxmind-key", "<a6>_<a29>_mmk" },
};

/* Where secrets are written. */
static const char *const places[] = {
	"%s", "TOKEN=%s\n", "{\"x\": \"%s\"}", "x: %s # y", "const t = '%s';", "export A=\"%s\"", "<t>%s</t>", "curl -H 'X: %s' u",
	"a %s\nb", "`%s`", "{\"ini\": \"A=1\\nB=%s\\nC=2\"}", "https://h/?t=%s&u=1", "t%%3D%s%%26", "\x1b[31m%s\x1b[0m", "'%s',", "|%s|", "(%s)",
};

static void render(struct str in, struct buf *ret, struct findings *found)
{
	AUTO(output_freep) struct output *output = output_new(in.len);

	output_add(output, in.ptr, in.len);
	output_render_found(output, ret, found);
}

static const char *kind_of(const struct findings *found)
{
	for (size_t i = 0; i < LEAK_ROWS; i++)
		if (found->kinds[i] > 0)
			return leak_kind(i);
	return "nothing";
}

static bool leaks(struct str secret, const struct buf *shown)
{
	size_t part = MIN(secret.len, (size_t)12);

	for (size_t i = 0; i + part <= secret.len; i++)
		if (memmem(shown->ptr, shown->len, secret.ptr + i, part) != NULL)
			return true;
	return false;
}

static void every_form_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++)
		for (size_t k = 0; k < COUNT(places); k++)
			for (int round = 0; round < 2; round++) {
				AUTO(buf_done) struct buf secret = BUF_INIT(KIB(1)), shown = BUF_INIT(KIB(8));
				struct findings found;
				make(forms[i].form, &secret);
				AUTO(freep) char *text = NULL;
				const char *at = strstr(places[k], "%s");
				AUTO(freep) char *head = xstrndup(places[k], (size_t)(at - places[k]));
				text = xasprintf("%s%s%s", head, buf_text(&secret), at + 2);
				render(str_of(text), &shown, &found);
				if (found.redacted < 1 || leaks(buf_str(&secret), &shown))
					fail_msg("%s in '%s' is not hidden: %s", forms[i].kind, places[k], buf_text(&shown));
				if (k == 0 && strcmp(kind_of(&found), forms[i].kind) != 0)
					fail_msg("%s is taken for %s", forms[i].kind, kind_of(&found));
			}
}

/* Escape sequences and characters that nobody sees, between any two bytes of it. */
static void nothing_between_hides_it(void **state)
{
	static const char *const between[] = { "\x1b[1;31m", "\x1b[0m", "\x1b]0;t\x07", "\xe2\x80\x8b", "\xc2\xad", "\x08", "\xef\xbb\xbf", "\xe2\x80\xae" };

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++)
		for (size_t k = 0; k < COUNT(between); k++) {
			AUTO(buf_done) struct buf secret = BUF_INIT(KIB(1)), text = BUF_INIT(KIB(8)), shown = BUF_INIT(KIB(16));
			struct findings found;
			make(forms[i].form, &secret);
			size_t at = 1 + next((uint32_t)secret.len - 1);
			buf_add_text(&text, "x ");
			buf_add(&text, secret.ptr, at);
			buf_add_text(&text, between[k]);
			buf_add(&text, secret.ptr + at, secret.len - at);
			buf_add_text(&text, " y");
			render(buf_str(&text), &shown, &found);
			if (found.redacted < 1 || leaks(buf_str(&secret), &shown))
				fail_msg("%s is not hidden: %s", forms[i].kind, buf_text(&shown));
		}
}

/* The pieces that a stream comes in make no difference. */
static void chunks_make_no_difference(void **state)
{
	AUTO(buf_done) struct buf secret = BUF_INIT(KIB(1)), text = BUF_INIT(KIB(4)), want = BUF_INIT(KIB(4));
	struct findings found;

	(void)state;
	make("ghp_<a36>", &secret);
	buf_printf(&text, "token: %s\nAfter", buf_text(&secret));
	render(buf_str(&text), &want, &found);
	assert_string_equal(buf_text(&want), "token: [redacted:github-token]\nAfter");
	for (size_t split = 0; split <= text.len; split++) {
		AUTO(output_freep) struct output *output = output_new(KIB(4));
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		output_add(output, text.ptr, split);
		output_add(output, text.ptr + split, text.len - split);
		output_render(output, &got);
		assert_string_equal(buf_text(&got), buf_text(&want));
	}
}

/* Wherever the gap falls, no half of a secret is left. */
static void the_gap_leaves_no_half(void **state)
{
	AUTO(buf_done) struct buf secret = BUF_INIT(KIB(1)), text = BUF_INIT(KIB(8));

	(void)state;
	make("sk-ant-api03-<w93>AA", &secret);
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "line %d\n", i);
	buf_printf(&text, "%s\n", buf_text(&secret));
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "line %d\n", i);
	for (size_t max = 40; max < text.len; max++) {
		AUTO(output_freep) struct output *output = output_new(max);
		AUTO(buf_done) struct buf shown = BUF_INIT(KIB(16));
		output_add(output, text.ptr, text.len);
		output_render(output, &shown);
		if (leaks(buf_str(&secret), &shown))
			fail_msg("kept %zu: %s", max, buf_text(&shown));
	}
}

static void key_lines(struct buf *ret, const char *kind, const char *line_end, int lines)
{
	buf_printf(ret, "-----BEGIN %s-----%s", kind, line_end);
	for (int i = 0; i < lines; i++) {
		make("<a64>", ret);
		buf_add_text(ret, line_end);
	}
	buf_printf(ret, "-----END %s-----", kind);
}

static void private_keys(void **state)
{
	static const char *const kinds[] = { "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY",
		"ENCRYPTED PRIVATE KEY", "DSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK" };
	static const char *const ends[] = { "\n", "\r\n", "\\n", "\\r\\n", " ", "\n    ", "\n# ", "\n> " };

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		for (size_t k = 0; k < COUNT(ends); k++) {
			AUTO(buf_done) struct buf key = BUF_INIT(KIB(8)), shown = BUF_INIT(KIB(16));
			struct findings found;
			buf_add_text(&key, "before {\"k\": \"");
			key_lines(&key, kinds[i], ends[k], 12);
			buf_add_text(&key, "\"} after");
			render(buf_str(&key), &shown, &found);
			assert_string_equal(buf_text(&shown), "before {\"k\": \"[redacted:private-key]\"} after");
			assert_int_equal(found.sure, 1);
		}
}

/* The beginning or the end of one, as a gap leaves it. */
static void parts_of_a_private_key(void **state)
{
	AUTO(buf_done) struct buf key = BUF_INIT(KIB(8));

	(void)state;
	key_lines(&key, "RSA PRIVATE KEY", "\n", 20);
	for (size_t part = 200; part < key.len - 200; part += 37) {
		AUTO(buf_done) struct buf shown = BUF_INIT(KIB(16));
		sanitize_shown(str_trim((struct str){ key.ptr, part }), &shown);
		assert_string_equal(buf_text(&shown), "[redacted:private-key]");
		buf_reset(&shown);
		sanitize_shown(str_trim(str_skip(buf_str(&key), part)), &shown);
		assert_string_equal(buf_text(&shown), "[redacted:private-key]");
	}
}

/* @ stands for random characters, so that no secret lies here. */
static const struct { const char *in, *out; } texts[] = {
	{ "postgres://app:<a12>@db.internal:5432/x", "postgres://app:[redacted:url-password]@db.internal:5432/x" },
	{ "redis://:<a12>@cache/0", "redis://:[redacted:url-password]@cache/0" },
	{ "https://me:<a9>!@example.com/", "https://me:[redacted:url-password]@example.com/" },
	{ "mongodb+srv://u:<a8>/<a4>@c0.example.net/db", "mongodb+srv://u:[redacted:url-password]@c0.example.net/db" },
	{ "Authorization: Bearer 1<a30>", "Authorization: Bearer [redacted:authorization]" },
	{ "{\"Authorization\": \"Basic 9<a23>=\"}", "{\"Authorization\": \"Basic [redacted:authorization]\"}" },
	{ "curl -s -u admin:<a10>9 http://x", "curl -s -u admin:[redacted:password] http://x" },
	{ "machine h login me password <a9>\n", "machine h login me password [redacted:password]\n" },
	{ "DB_PASSWORD=1<a12>Z\n", "DB_PASSWORD=[redacted:password]\n" },
	{ "  password: \"7<a12>\"", "  password: \"[redacted:password]\"" },
	{ "\"api_key\": \"3<h31>\",", "\"api_key\": \"[redacted:secret]\"," },
	{ "client_secret = 'Z8<a30>'", "client_secret = '[redacted:secret]'" },
	{ "\\\"token\\\":\\\"5x<a30>\\\"", "\\\"token\\\":\\\"[redacted:secret]\\\"" },
	{ "AccountKey=9<a85>==;Endpoint=x", "AccountKey=[redacted:azure-storage-key];Endpoint=x" },
	{ "aws_secret_access_key = 4<a39>\n", "aws_secret_access_key = [redacted:aws-secret-key]\n" },
	{ "https://hooks.slack.com/services/T<U8>/B<U8>/<a24>", "https://hooks.slack.com/services/[redacted:slack-webhook]" },
	{ "https://discord.com/api/webhooks/1<d17>/<w68>", "https://discord.com/api/webhooks/1<d17>/[redacted:discord-webhook]" },
	{ "user:$6$<a8>$<a86>:19000:0", "user[redacted:password-hash]:19000:0" },
	/* these stay */
	{ "password = get_password(user)", NULL }, { "password: string;", NULL }, { "PASSWORD=changeme", NULL },
	{ "token = os.environ[\"TOKEN\"]", NULL }, { "const token = this.nextToken();", NULL }, { "postgres://user:password@host/db", NULL },
	{ "https://user:${PASSWORD}@host", NULL }, { "Authorization: Bearer <token>", NULL }, { "api_key: YOUR_API_KEY", NULL },
	{ "commit 3f786850e387550fdab836ed7e6dc881de23001b", NULL }, { "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", NULL },
	{ "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----", NULL },
	{ "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----", NULL }, { "AKIAIOSFODNN7EXAMPLE", NULL },
	{ "id: 550e8400-e29b-41d4-a716-446655440000", NULL }, { "ghp_ is the prefix of a token", NULL }, { "keyboard: qwerty1234", NULL },
	{ "token_type: Bearer", NULL }, { "std::map<std::string, Token2Id> tokens;", NULL }, { "secretName: my-secret-2", NULL },
	{ "[redacted:password]", NULL }, { "password=[redacted:password]", NULL }, { "AKIAXXXXXXXXXXXXXXXX", NULL },
};

static void texts_as_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		AUTO(buf_done) struct buf in = BUF_INIT(KIB(4)), shown = BUF_INIT(KIB(8)), want = BUF_INIT(KIB(4));
		uint32_t before = seed;
		if (texts[i].out == NULL) {
			buf_add_text(&in, texts[i].in);
			buf_add_text(&want, texts[i].in);
		} else {
			make(texts[i].in, &in);
			seed = before;
			make(texts[i].out, &want);
		}
		sanitize_shown(buf_str(&in), &shown);
		if (strcmp(buf_text(&shown), buf_text(&want)) != 0)
			fail_msg("row %zu: '%s' became '%s'", i, buf_text(&in), buf_text(&shown));
	}
}

/* A checksum that is right raises the count of sure ones; a wrong one hides as well. */
static void a_checksum_clears_nothing(void **state)
{
	AUTO(buf_done) struct buf token = BUF_INIT(KIB(1));
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	struct findings found;

	(void)state;
	make("ghp_<a30>", &token);
	uint32_t crc = 0xffffffff;
	for (size_t i = 4; i < token.len; i++) {
		crc ^= (unsigned char)token.ptr[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	crc = ~crc;
	char sum[7] = "";
	for (int i = 5; i >= 0; i--, crc /= 62)
		sum[i] = digits[crc % 62];
	for (int wrong = 0; wrong < 2; wrong++) {
		AUTO(buf_done) struct buf shown = BUF_INIT(KIB(1));
		AUTO(freep) char *text = xasprintf("%s%s", buf_text(&token), sum);
		if (wrong)
			text[strlen(text) - 1] = text[strlen(text) - 1] == 'a' ? 'b' : 'a';
		render(str_of(text), &shown, &found);
		assert_string_equal(buf_text(&shown), "[redacted:github-token]");
		assert_int_equal(found.sure, wrong ? 0 : 1);
	}
}

static void allowed_patterns_stay(void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1)), shown = BUF_INIT(KIB(1)), again = BUF_INIT(KIB(1));
	struct err err;

	(void)state;
	make("npm_ours<a32> npm_<a36>", &text);
	assert_int_equal(leaks_allow("^npm_ours", &err), 0);
	sanitize_shown(buf_str(&text), &shown);
	assert_true(str_starts(buf_str(&shown), STR("npm_ours")));
	assert_string_equal(buf_text(&shown) + 40, " [redacted:npm-token]");
	assert_int_equal(leaks_allow("(", &err), -EINVAL);
	assert_non_null(strstr(err.text, "is no regular expression at offset 1"));
	leaks_allow_none();
	sanitize_shown(buf_str(&text), &again);
	assert_string_equal(buf_text(&again), "[redacted:npm-token] [redacted:npm-token]");
}

/* Texts that are made to be slow: many beginnings, no end. */
static void no_text_is_slow(void **state)
{
	static const char *const units[] = { "eyJ_", "eyJaaaaaaaa.", "ya29.", "sb_secret_", "curl -u ", "://a:", "token=", "-----BEGIN RSA PRIVATE KEY-----\n",
		"password ", "login a password", "12:A", "\x1b[", "-us", "Q~", "glpat-", "AKIA", "authorization: basic ", "machine a login b ", "sk-a1-" };

	(void)state;
	for (size_t i = 0; i < COUNT(units); i++) {
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(256)), shown = BUF_INIT(MIB(4));
		while (buf_add_text(&text, units[i]) == 0)
			;
		sanitize_shown(buf_str(&text), &shown); /* the test's own time limit is the assertion */
		assert_false(shown.full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_everywhere), cmocka_unit_test(nothing_between_hides_it),
		cmocka_unit_test(chunks_make_no_difference), cmocka_unit_test(the_gap_leaves_no_half),
		cmocka_unit_test(private_keys), cmocka_unit_test(parts_of_a_private_key), cmocka_unit_test(texts_as_they_are),
		cmocka_unit_test(a_checksum_clears_nothing), cmocka_unit_test(allowed_patterns_stay), cmocka_unit_test(no_text_is_slow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
