/* leak_value.c - what a value says about itself: entropy, checksums, placeholders; and where the value of a named
 * secret stands. No regular expressions here: these are tried at every "token" and "password" of a source tree. */
#include "tools/leaks.h"

#include <ctype.h>
#include <math.h>

#include "base/banned.h"

double leak_entropy(struct str value)
{
	unsigned counts[256] = { 0 };
	double bits = 0;

	for (size_t i = 0; i < value.len; i++)
		counts[(unsigned char)value.ptr[i]]++;
	for (size_t i = 0; i < COUNT(counts); i++)
		if (counts[i] > 0)
			bits -= counts[i] * log2((double)counts[i] / (double)value.len);
	return value.len > 0 ? bits / (double)value.len : 0;
}

static bool has(struct str text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++) {
		size_t n = 0;
		while (n < len && tolower((unsigned char)text.ptr[i + n]) == word[n])
			n++;
		if (n == len)
			return true;
	}
	return false;
}

static bool is_any(struct str text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.len == strlen(list[i]) && has(text, list[i]))
			return true;
	return false;
}

/* Almost all of it is one byte: "xxxxxxxx", "********". */
static bool is_filler(struct str value)
{
	size_t same = 0;

	for (size_t i = 1; i < value.len; i++)
		same += value.ptr[i] == value.ptr[i - 1];
	return value.len > 1 && same * 10 >= (value.len - 1) * 8;
}

bool leak_placeholder(struct str value)
{
	static const char *const within[] = {
		"example", "changeme", "change-me", "change_me", "placeholder", "xxxx", "your-", "your_", "yourp",
		"yours", "yourt", "[redacted", "<redacted", "dummy", "****", "....", "${", "{{", "$(", "%(", "#{",
		"abcdef", "12345678", "foobar", "secretkey", "mysecret", "process.env", "getenv",
	};
	static const char *const whole[] = {
		"password", "passwd", "pass", "pwd", "anoncvs", "anonymous", "secret", "token", "pw", "user",
		"username", "null", "none", "nil", "true", "false", "undefined", "string", "str", "test", "foo",
		"bar", "passw", "host", "port", "password1", "apikey", "api_key", "root", "admin", "postgres",
		"mysql", "guest", "empty", "required", "optional", "hidden", "redacted", "hunter2", "pswd",
		"passphrase", "mypassword", "pass123", "secret123", "test123", "passw0rd", "p@ssword", "xyz", "abc",
		"123", "1234", "12345", "123456",
	};

	if (value.len == 0 || strchr("<$%{[*", value.ptr[0]) != NULL || value.ptr[value.len - 1] == '>' || is_filler(value))
		return true;
	if (is_any(value, whole, COUNT(whole)))
		return true;
	for (size_t i = 0; i < COUNT(within); i++)
		if (has(value, within[i]))
			return true;
	return false;
}

static uint32_t crc32(struct str s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (unsigned char)s.ptr[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

bool leak_crc62(struct str token)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	enum { LEAD = 4, SUM = 6 };

	if (token.len <= LEAD + SUM)
		return false;
	uint32_t crc = crc32((struct str){ token.ptr + LEAD, token.len - LEAD - SUM });
	for (size_t i = 1; i <= SUM; i++, crc /= 62)
		if (token.ptr[token.len - i] != digits[crc % 62])
			return false;
	return true;
}

static int base64url(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

bool leak_jwt(struct str token)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	AUTO(json_decrefp) json_t *header = NULL;
	uint32_t bits = 0;
	int count = 0;

	for (size_t i = 0; i < token.len && token.ptr[i] != '.' && token.ptr[i] != '='; i++) {
		int digit = base64url(token.ptr[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_add_char(&text, (char)(bits >> count & 0xff));
		}
	}
	return json_parse(buf_str(&text), &header, NULL) == 0 && json_object_get(header, "alg") != NULL;
}

/* ---- name = value ------------------------------------------------------------------------------------------- */

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static size_t skip(struct str text, size_t at, const char *set, size_t most)
{
	size_t n = 0;

	while (n < most && at + n < text.len && text.ptr[at + n] != '\0' && strchr(set, text.ptr[at + n]) != NULL)
		n++;
	return n;
}

static size_t letters(struct str text, size_t at)
{
	size_t n = 0;

	while (n < 16 && at + n < text.len && isalpha((unsigned char)text.ptr[at + n]))
		n++;
	return n;
}

/* "string = ": a type between the name and the sign. 0: there is none; else up to the sign. */
static size_t type_word(struct str text, size_t at)
{
	size_t word = letters(text, at), blanks = skip(text, at + word, " \t", 4), sign = at + word + blanks;

	return word >= 3 && word < 16 && sign + 1 < text.len && text.ptr[sign] == '=' && text.ptr[sign + 1] != '=' ? word + blanks : 0;
}

/* "token: string = value": behind the colon; up to the value. */
static size_t typed(struct str text, size_t at)
{
	size_t word = type_word(text, at);

	return word > 0 ? word + 1 + skip(text, at + word + 1, " \t", 4) : 0;
}

/* Behind the name: quotes and blanks, one sign that assigns, quotes and blanks. `quote`: the one that opens the value, or 0. */
static bool skip_assignment(struct str text, size_t *at, char *quote, char *sign)
{
	static const char *const signs[] = { ":::=", "::=", ":=", "=>", "?=", ".=", "||=", "\?\?=", "==", "=", ":", ">", ",", "(" };
	size_t i = *at;

	if (i < text.len && text.ptr[i] == '\\')
		i++;
	i += skip(text, i, "\"'` \t])", 4);
	if (text.len - i > 7 && memcmp(text.ptr + i, "value=", 6) == 0)
		i += 5;
	i += type_word(text, i);
	const char *found = NULL;
	for (size_t n = 0; n < COUNT(signs) && found == NULL; n++)
		if (str_starts(str_skip(text, i), str_of(signs[n])))
			found = signs[n];
	if (found == NULL || strcmp(found, "==") == 0)
		return false;
	*sign = found[0] == ',' || found[0] == '>' || found[0] == '(' ? found[0] : found[strlen(found) - 1];
	i += strlen(found);
	i += skip(text, i, " \t", 40);
	if (*sign == ':')
		i += typed(text, i);
	if (*sign == '>' || *sign == ':')
		i += skip(text, i, "\r\n \t", 40);
	if (i < text.len && text.ptr[i] == '\\')
		i++;
	*quote = i < text.len && strchr("\"'`", text.ptr[i]) != NULL && text.ptr[i] != '\0' ? text.ptr[i] : '\0';
	*at = i + (*quote != '\0');
	return true;
}

/* Both take no more than `most`: what is judged first is short, so that a text full of names costs little. */
static struct str quoted_value(struct str text, size_t at, char quote, size_t most)
{
	size_t n = 0;

	while (at + n < text.len && n < most && text.ptr[at + n] != quote && text.ptr[at + n] != '\n' && text.ptr[at + n] != '\\')
		n++;
	return (struct str){ text.ptr + at, n };
}

static struct str bare_value(struct str text, size_t at, size_t most)
{
	size_t n = 0;

	while (at + n < text.len && n < most && !isspace((unsigned char)text.ptr[at + n]) &&
	       strchr("\"'`;,&<>()[]{}\\|", text.ptr[at + n]) == NULL)
		n++;
	return (struct str){ text.ptr + at, n };
}

struct classes {
	size_t upper, lower, digit, other, joint, hex, bad; /* joint: what joins the words of a name */
};

static struct classes classes_of(struct str s)
{
	struct classes c = { 0 };

	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.ptr[i];
		c.upper += isupper(b) != 0;
		c.lower += islower(b) != 0;
		c.digit += isdigit(b) != 0;
		c.hex += isxdigit(b) != 0;
		c.other += !isalnum(b);
		c.joint += b == '.' || b == '_' || b == '-';
		c.bad += !isalnum(b) && strchr("_-.+/=~:%!@#$^&*?", (char)b) == NULL;
	}
	return c;
}

/* Words of a program: "getToken", "my-token-name", "config.secret.path": letters in runs, few digits. Random text changes
 * between letters and digits, or between cases, again and again. */
static size_t turns(struct str s)
{
	size_t count = 0;
	int last = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.ptr[i];
		int kind = isdigit(b) ? 1 : isupper(b) ? 2 : islower(b) ? 3 : 0;
		count += last != 0 && kind != 0 && kind != last && !(last == 2 && kind == 3);
		last = kind;
	}
	return count;
}

/* The longest run of small letters that no word has. */
static size_t consonants(struct str s)
{
	size_t most = 0, run = 0;

	for (size_t i = 0; i < s.len; i++) {
		run = s.ptr[i] >= 'a' && s.ptr[i] <= 'z' && strchr("aeiouy", s.ptr[i]) == NULL ? run + 1 : 0;
		most = MAX(most, run);
	}
	return most;
}

/* Without quotes it may be a name of the program's own, so more is asked. */
static bool many_turns(struct str value, const struct classes *c, bool quoted)
{
	size_t count = turns(value);

	if (quoted)
		return count * 12 >= value.len || (c->upper == 0 && consonants(value) >= 5);
	return count * 4 >= value.len || (value.len >= 15 && ((c->upper == 0 && (count >= 4 || consonants(value) >= 5)) || c->digit >= 8));
}

static bool random_enough(struct str value, bool quoted)
{
	struct classes c = classes_of(value);

	if (value.len < 10 || c.bad > 0 || c.digit == 0 || c.upper + c.lower == 0)
		return false;
	if (c.hex + c.other == value.len && value.len < 24) /* short hexadecimal: an id, a hash cut off */
		return false;
	if (c.hex + c.other < value.len && !many_turns(value, &c, quoted))
		return false;
	return leak_entropy(value) >= (value.len >= 20 ? 3.0 : 2.9) && !leak_placeholder(value);
}

/* A password is what a person thought of: kinds of characters count, not how often each is there. */
static bool password_like(struct str value, bool quoted)
{
	struct classes c = classes_of(value);
	size_t kinds = (c.upper > 0) + (c.lower > 0) + (c.digit > 0) + (c.other > 0);

	if (value.len < 8 || value.len > 200 || memchr(value.ptr, ' ', value.len) != NULL)
		return false;
	if (c.digit == 0 || (c.upper + c.lower == 0 && c.other == 0))
		return false;
	if (!quoted && c.bad > 0)
		return false;
	if (leak_placeholder(value))
		return false;
	if (random_enough(value, quoted))
		return true;
	if (!quoted && c.other == c.joint && turns(value) < 3)
		return false;
	return kinds >= 3 && turns(value) >= 2 && leak_entropy(value) >= 2.5;
}

/* "keyboard", "tokenizer", "passwords are": the word is not the end of a name. What may follow in the name is short and
 * says nothing else: "_1", "Value", "_prod". */
static bool rest_of_name(struct str text, size_t end, size_t *ret)
{
	static const char *const others[] = {
		"_id", "id", "_file", "file", "_path", "path", "_url", "url", "_name", "name", "_type", "type",
		"_len", "length", "_size", "size", "_hash", "hash", "_count", "count", "izer", "ize", "_uri", "uri",
		"_endpoint", "endpoint", "_version", "version", "_expir", "expir", "_class", "class", "_field",
		"field",
	};
	size_t n = 0;

	while (n < 24 && end + n < text.len && is_name(text.ptr[end + n]))
		n++;
	if (n == 24)
		return false;
	struct str rest = { text.ptr + end, n };
	for (size_t i = 0; i < COUNT(others); i++)
		if (rest.len >= strlen(others[i]) && has((struct str){ rest.ptr + rest.len - strlen(others[i]), strlen(others[i]) }, others[i]))
			return false;
	*ret = end + n;
	return true;
}

static bool public_name(struct str text, size_t start)
{
	static const char *const leads[] = {
		"public", "pub", "csrf", "xsrf", "cache", "page", "next", "sync", "continuation", "sort", "primary",
		"foreign", "md5", "sha",
	};
	size_t from = start;

	while (from > 0 && start - from < 24 && is_name(text.ptr[from - 1]))
		from--;
	for (size_t i = 0; i < COUNT(leads); i++)
		if (has((struct str){ text.ptr + from, start - from }, leads[i]))
			return true;
	return false;
}

enum { JUDGED_BYTES = 256 };

static struct str value_at(struct str text, size_t at, char quote, size_t most)
{
	return quote != '\0' ? quoted_value(text, at, quote, most) : bare_value(text, at, most);
}

bool leak_assigned(struct str text, size_t word_start, size_t word_end, bool password, struct str *ret)
{
	size_t at;
	char quote, sign;

	if (!rest_of_name(text, word_end, &at) || !skip_assignment(text, &at, &quote, &sign) || at >= text.len)
		return false;
	if ((sign == ',' || sign == '(') && quote == '\0')
		return false;
	struct str value = value_at(text, at, quote, JUDGED_BYTES);
	if (value.len < 8)
		return false;
	/* what is called like a function or a member is no value */
	if (quote == '\0' && value.ptr + value.len < text.ptr + text.len && strchr("([{", value.ptr[value.len]) != NULL)
		return false;
	if (password ? !password_like(value, quote != '\0') : !random_enough(value, quote != '\0') || public_name(text, word_start))
		return false;
	*ret = value_at(text, at, quote, LIMIT_LEAK_BYTES);
	return true;
}

/* ---- private keys -------------------------------------------------------------------------------------------- */

static bool starts(struct str text, size_t at, const char *word)
{
	return str_starts(str_skip(text, at), str_of(word));
}

/* "-----BEGIN RSA PRIVATE KEY-----": its length; 0: none. */
static size_t marker(struct str text, size_t at, const char *which)
{
	size_t i = at + strlen(which), most = MIN(text.len, i + 80);
	bool key = false;

	if (!starts(text, at, which))
		return 0;
	while (i < most && (isupper((unsigned char)text.ptr[i]) || isdigit((unsigned char)text.ptr[i]) || text.ptr[i] == ' ')) {
		key |= starts(text, i, "PRIVATE KEY") || starts(text, i, "SECRET KEY");
		i++;
	}
	return key && starts(text, i, "-----") ? i + 5 - at : 0;
}

static bool of_body(struct str text, size_t at)
{
	char c = text.ptr[at];

	return isalnum((unsigned char)c) || isspace((unsigned char)c) || (c != '\0' && strchr("+/=\\\"',:;>|#*()+.-", c) != NULL);
}

enum { KEY_BODY_LEAST = 48 }; /* less is what manuals write */

static bool from_begin(struct str text, size_t at, size_t head, struct str *ret)
{
	size_t end = at + head;

	while (end < text.len && end - at < LIMIT_PRIVATE_KEY_BYTES && of_body(text, end)) {
		size_t tail = starts(text, end, "-----") ? marker(text, end, "-----END") : 0;
		if (tail > 0 && end - at - head < KEY_BODY_LEAST)
			return false;
		if (tail > 0) {
			*ret = (struct str){ text.ptr + at, end + tail - at };
			return true;
		}
		if (starts(text, end, "-----BEGIN"))
			break;
		end++;
	}
	/* not ended: cut off, or only spoken about. Then what looks like base64 behind it is hidden. */
	size_t body = at + head, last = body;
	while (body < text.len &&
	       (isalnum((unsigned char)text.ptr[body]) || strchr("+/= \t\r\n\\", text.ptr[body]) != NULL) &&
	       text.ptr[body] != '\0') {
		body++;
		if (!isspace((unsigned char)text.ptr[body - 1]))
			last = body;
	}
	if (last - at - head < 32)
		return false;
	*ret = (struct str){ text.ptr + at, last - at };
	return true;
}

static bool from_end(struct str text, size_t at, size_t tail, struct str *ret)
{
	size_t from = at, least = at > LIMIT_PRIVATE_KEY_BYTES ? at - LIMIT_PRIVATE_KEY_BYTES : 0;

	while (from > least &&
	       (isalnum((unsigned char)text.ptr[from - 1]) || strchr("+/=\r\n\\", text.ptr[from - 1]) != NULL) &&
	       text.ptr[from - 1] != '\0')
		from--;
	if (at - from < 16)
		return false;
	*ret = (struct str){ text.ptr + from, at + tail - from };
	return true;
}

bool leak_private_key(struct str text, size_t at, struct str *ret)
{
	size_t head = marker(text, at, "-----BEGIN"), tail = head == 0 ? marker(text, at, "-----END") : 0;

	if (head > 0)
		return from_begin(text, at, head, ret);
	return tail > 0 && from_end(text, at, tail, ret);
}
