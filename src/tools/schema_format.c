/* schema_format.c - the formats of JSON Schema 2020-12, each a small reader of its own grammar. An unknown name asserts
 * nothing: it is somebody else's annotation. */
#include "tools/schema_node.h"

#include <ctype.h>
#include <idn2.h>
#include <stdio.h>

#include "base/banned.h"

static bool digits(struct str *s, size_t count, int *ret)
{
	*ret = 0;
	if (s->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (s->ptr[i] < '0' || s->ptr[i] > '9')
			return false;
		*ret = *ret * 10 + (s->ptr[i] - '0');
	}
	*s = str_skip(*s, count);
	return true;
}

static bool one_of(struct str *s, const char *set)
{
	if (s->len == 0 || s->ptr[0] == '\0' || strchr(set, s->ptr[0]) == NULL)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* ---- times (RFC 3339) ---- */

static bool take_date(struct str *s)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day;

	if (!digits(s, 4, &year) || !one_of(s, "-") || !digits(s, 2, &month) || !one_of(s, "-") || !digits(s, 2, &day) || month < 1 ||
	    month > 12)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

static bool take_time(struct str *s)
{
	int hour, minute, second, off_hour = 0, off_minute = 0, sign = 0, ignored;

	if (!digits(s, 2, &hour) || !one_of(s, ":") || !digits(s, 2, &minute) || !one_of(s, ":") || !digits(s, 2, &second) || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	if (one_of(s, ".")) {
		if (!digits(s, 1, &ignored))
			return false;
		while (digits(s, 1, &ignored))
			;
	}
	if (s->len > 0 && (s->ptr[0] == '+' || s->ptr[0] == '-')) {
		sign = s->ptr[0] == '+' ? 1 : -1;
		*s = str_skip(*s, 1);
		if (!digits(s, 2, &off_hour) || !one_of(s, ":") || !digits(s, 2, &off_minute) || off_hour > 23 || off_minute > 59)
			return false;
	} else if (!one_of(s, "Zz")) {
		return false;
	}
	int utc = ((hour * 60 + minute - sign * (off_hour * 60 + off_minute)) % 1440 + 1440) % 1440;
	return second < 60 || utc == 1439; /* a leap second is the last one of a day */
}

static bool is_date(struct str s)
{
	return take_date(&s) && s.len == 0;
}

static bool is_time(struct str s)
{
	return take_time(&s) && s.len == 0;
}

static bool is_date_time(struct str s)
{
	return take_date(&s) && one_of(&s, "Tt") && take_time(&s) && s.len == 0;
}

/* Numbers with units in their order, without gaps. */
static bool take_units(struct str *s, const char *units, size_t *count)
{
	int ignored;

	for (const char *unit = units; s->len > 0 && s->ptr[0] != 'T';) {
		if (!digits(s, 1, &ignored))
			return false;
		while (digits(s, 1, &ignored))
			;
		if (*count == 0)
			while (*unit != '\0' && s->len > 0 && *unit != s->ptr[0])
				unit++;
		if (*unit == '\0' || s->len == 0 || s->ptr[0] != *unit)
			return false;
		*s = str_skip(*s, 1);
		unit++;
		++*count;
	}
	return true;
}

static bool is_duration(struct str s)
{
	size_t date = 0, time = 0, week = 0;

	if (!one_of(&s, "P"))
		return false;
	struct str weeks = s;
	if (s.len > 0 && s.ptr[s.len - 1] == 'W')
		return take_units(&weeks, "W", &week) && week == 1 && weeks.len == 0;
	if (!take_units(&s, "YMD", &date))
		return false;
	if (s.len == 0)
		return date > 0;
	return one_of(&s, "T") && take_units(&s, "HMS", &time) && time > 0 && s.len == 0;
}

/* ---- names of hosts ---- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

static uint32_t next_char(struct str *s)
{
	size_t len = utf8_length((const unsigned char *)s->ptr, s->len);
	uint32_t c = len <= 1 ? (unsigned char)s->ptr[0] : (unsigned char)s->ptr[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)s->ptr[i] & 0x3fu);
	*s = str_skip(*s, MAX(len, (size_t)1));
	return c;
}

static bool is_script(uint32_t c, bool greek)
{
	return greek ? (c >= 0x370 && c <= 0x3ff) || (c >= 0x1f00 && c <= 0x1fff) : c >= 0x590 && c <= 0x5ff;
}

/* What RFC 5892 says about characters that are fine only beside others, and libidn2 does not ask at a look-up. */
static bool label_context(struct str label)
{
	uint32_t list[256];
	size_t count = 0;
	bool kana = false, arabic = false, extended = false, european = false;

	while (label.len > 0) {
		if (count == COUNT(list))
			return false;
		uint32_t c = list[count++] = next_char(&label);
		kana |= (c >= 0x3041 && c <= 0x30fa) || (c >= 0x30fc && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fff) ||
		        c == 0x3005 || c == 0x3007;
		arabic |= c >= 0x660 && c <= 0x669;
		european |= c >= '0' && c <= '9';
		extended |= c >= 0x6f0 && c <= 0x6f9;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t before = i > 0 ? list[i - 1] : 0, after = i + 1 < count ? list[i + 1] : 0;
		if ((list[i] == 0xb7 && (before != 'l' || after != 'l')) || (list[i] == 0x375 && !is_script(after, true)) ||
		    ((list[i] == 0x5f3 || list[i] == 0x5f4) && !is_script(before, false)) || (list[i] == 0x30fb && !kana))
			return false;
		if (list[i] == 0x302e || list[i] == 0x302f || list[i] == 0x640 || list[i] == 0x7fa || list[i] == 0x303b ||
		    (list[i] >= 0x3031 && list[i] <= 0x3035))
			return false;
	}
	return !(arabic && (extended || european));
}

/* ret_context: does every character of the name stand where it may? */
static bool idna(struct str s, bool *ret_context)
{
	AUTO(freep) char *text = xstrndup(s.ptr, s.len);
	char *made = NULL, *back = NULL;

	if (memchr(s.ptr, '\0', s.len) != NULL)
		return false;
	int r = idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&made, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (r == IDN2_OK)
		r = idn2_to_unicode_8z8z(made, &back, 0);
	*ret_context = r == IDN2_OK && label_context(str_of(back));
	idn2_free(made);
	idn2_free(back);
	return r == IDN2_OK;
}

static bool is_label(struct str label)
{
	bool context;

	if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!isalnum((unsigned char)label.ptr[i]) && label.ptr[i] != '-')
			return false;
	if (label.len >= 4 && label.ptr[2] == '-' && label.ptr[3] == '-')
		return tolower((unsigned char)label.ptr[0]) == 'x' && tolower((unsigned char)label.ptr[1]) == 'n' &&
		       idna(label, &context) && context;
	return true;
}

static bool is_hostname(struct str s)
{
	struct str label;

	if (s.len == 0 || s.len > 253 || !is_ascii(s) || s.ptr[s.len - 1] == '.')
		return false;
	while (str_next(&s, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

/* RFC 5893: in a name with letters that run from right to left no label begins with a digit. */
static bool has_right_to_left(struct str s)
{
	while (s.len > 0) {
		uint32_t c = next_char(&s);
		if ((c >= 0x590 && c <= 0x8ff) || (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfefe))
			return true;
	}
	return false;
}

static bool is_idn_hostname(struct str s)
{
	static const char *const dots[] = { "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1" };
	AUTO(buf_done) struct buf plain = BUF_INIT(4096);
	struct str label;
	bool ignored, leftward = has_right_to_left(s);

	for (size_t i = 0; i < s.len;) {
		bool dot = false;
		for (size_t k = 0; k < COUNT(dots); k++)
			dot |= str_starts(str_skip(s, i), str_of(dots[k]));
		buf_add(&plain, dot ? "." : s.ptr + i, 1);
		i += dot ? 3 : 1;
	}
	if (plain.full || plain.len == 0 || plain.ptr[plain.len - 1] == '.')
		return false;
	struct str rest = buf_str(&plain);
	while (str_next(&rest, '.', &label)) {
		if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-' || !label_context(label) ||
		    (leftward && isdigit((unsigned char)label.ptr[0])))
			return false;
		if (is_ascii(label) && !is_label(label))
			return false;
	}
	return idna(buf_str(&plain), &ignored);
}

/* ---- addresses ---- */

static bool is_ipv4(struct str s)
{
	struct str part;
	int parts = 0;

	if (s.len == 0 || s.ptr[s.len - 1] == '.')
		return false;
	while (str_next(&s, '.', &part)) {
		uint64_t n;
		parts++;
		if (part.len == 0 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || str_to_u64(part, &n) < 0 || n > 255)
			return false;
	}
	return parts == 4;
}

static bool is_ipv6(struct str s)
{
	int groups = 0;
	bool gap = false;

	if (s.len < 2 || (s.ptr[0] == ':' && s.ptr[1] != ':'))
		return false;
	for (size_t i = 0; i < s.len;) {
		if (s.ptr[i] == ':' && i + 1 < s.len && s.ptr[i + 1] == ':') {
			if (gap)
				return false;
			gap = true;
			i += 2;
			if (i < s.len && s.ptr[i] == ':')
				return false;
			continue;
		}
		if (s.ptr[i] == ':' && (i == 0 || ++i == s.len || s.ptr[i] == ':'))
			return false;
		size_t n = 0;
		while (i + n < s.len && isxdigit((unsigned char)s.ptr[i + n]))
			n++;
		if (i + n < s.len && s.ptr[i + n] == '.')
			return is_ipv4(str_skip(s, i)) && (gap ? groups + 2 < 8 : groups + 2 == 8);
		if (n == 0 || n > 4)
			return false;
		groups++;
		i += n;
		if (i < s.len && s.ptr[i] != ':')
			return false;
	}
	return gap ? groups < 8 : groups == 8;
}

static bool local_part(struct str s, bool wide)
{
	static const char marks[] = "!#$%&'*+-/=?^_`{|}~";

	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"') {
		for (size_t i = 1; i + 1 < s.len; i++) {
			if (s.ptr[i] == '\\' && i + 2 < s.len)
				i++;
			else if (s.ptr[i] == '"' || s.ptr[i] == '\\' || iscntrl((unsigned char)s.ptr[i]))
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '.' && (i == 0 || i + 1 == s.len || s.ptr[i + 1] == '.'))
			return false;
		if (c != '.' && !(c < 0x80 && isalnum(c)) && !(wide && c >= 0x80) && (c == 0 || c >= 0x80 || strchr(marks, (char)c) == NULL))
			return false;
	}
	return s.len > 0;
}

static bool mail(struct str s, bool wide)
{
	const char *at = memrchr(s.ptr, '@', s.len);

	if (at == NULL)
		return false;
	struct str local = { s.ptr, (size_t)(at - s.ptr) }, domain = str_skip(s, local.len + 1);
	if (!local_part(local, wide))
		return false;
	if (domain.len > 2 && domain.ptr[0] == '[' && domain.ptr[domain.len - 1] == ']') {
		struct str inner = { domain.ptr + 1, domain.len - 2 };
		return str_starts(inner, STR("IPv6:")) ? is_ipv6(str_skip(inner, 5)) : is_ipv4(inner);
	}
	return wide ? is_idn_hostname(domain) : is_hostname(domain);
}

static bool is_email(struct str s)
{
	return is_ascii(s) && mail(s, false);
}

static bool is_idn_email(struct str s)
{
	return mail(s, true);
}

/* ---- URIs (RFC 3986, 3987) ---- */

static bool uri_chars(struct str s, const char *more, bool wide)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '%') {
			if (i + 2 >= s.len || !isxdigit((unsigned char)s.ptr[i + 1]) || !isxdigit((unsigned char)s.ptr[i + 2]))
				return false;
			i += 2;
		} else if (c >= 0x80 ? !wide : !isalnum(c) && (c == 0 || (strchr("-._~!$&'()*+,;=", c) == NULL && strchr(more, c) == NULL))) {
			return false;
		}
	}
	return true;
}

static bool is_host(struct str host, bool wide)
{
	if (host.len > 0 && host.ptr[0] == '[') {
		if (host.ptr[host.len - 1] != ']')
			return false;
		struct str inner = { host.ptr + 1, host.len - 2 };
		if (inner.len > 2 && (inner.ptr[0] == 'v' || inner.ptr[0] == 'V'))
			return isxdigit((unsigned char)inner.ptr[1]) && memchr(inner.ptr, '.', inner.len) != NULL && uri_chars(inner, ":", false);
		return is_ipv6(inner);
	}
	return uri_chars(host, "", wide);
}

static bool is_authority(struct str s, bool wide)
{
	const char *at = memrchr(s.ptr, '@', s.len);

	if (at != NULL) {
		if (!uri_chars((struct str){ s.ptr, (size_t)(at - s.ptr) }, ":", wide))
			return false;
		s = str_skip(s, (size_t)(at - s.ptr) + 1);
	}
	size_t end = s.len;
	while (end > 0 && isdigit((unsigned char)s.ptr[end - 1]))
		end--;
	if (end > 0 && s.ptr[end - 1] == ':')
		s.len = end - 1;
	return is_host(s, wide);
}

static bool reference(struct str s, bool wide, bool absolute)
{
	size_t n = 0, scheme = 0;

	while (n < s.len && (isalnum((unsigned char)s.ptr[n]) || (s.ptr[n] != '\0' && strchr("+-.", s.ptr[n]) != NULL)))
		n++;
	if (n > 0 && n < s.len && s.ptr[n] == ':' && isalpha((unsigned char)s.ptr[0]) && (unsigned char)s.ptr[0] < 0x80)
		scheme = n + 1;
	if (absolute && scheme == 0)
		return false;
	s = str_skip(s, scheme);
	const char *mark = memchr(s.ptr, '#', s.len);
	if (mark != NULL) {
		if (!uri_chars(str_skip(s, (size_t)(mark - s.ptr) + 1), ":@/?", wide))
			return false;
		s.len = (size_t)(mark - s.ptr);
	}
	mark = memchr(s.ptr, '?', s.len);
	if (mark != NULL) {
		if (!uri_chars(str_skip(s, (size_t)(mark - s.ptr) + 1), ":@/?", wide))
			return false;
		s.len = (size_t)(mark - s.ptr);
	}
	if (str_starts(s, STR("//"))) {
		s = str_skip(s, 2);
		mark = memchr(s.ptr, '/', s.len);
		size_t len = mark != NULL ? (size_t)(mark - s.ptr) : s.len;
		return is_authority((struct str){ s.ptr, len }, wide) && uri_chars(str_skip(s, len), ":@/", wide);
	}
	mark = memchr(s.ptr, '/', s.len);
	size_t first = mark != NULL ? (size_t)(mark - s.ptr) : s.len;
	if (scheme == 0 && first > 0 && memchr(s.ptr, ':', first) != NULL)
		return false; /* it would be a scheme, but is none */
	return uri_chars(s, ":@/", wide);
}

static bool is_uri(struct str s)
{
	return reference(s, false, true);
}
static bool is_uri_reference(struct str s)
{
	return reference(s, false, false);
}
static bool is_iri(struct str s)
{
	return reference(s, true, true);
}
static bool is_iri_reference(struct str s)
{
	return reference(s, true, false);
}

/* {+path,x*,y:3} (RFC 6570) */
static bool template_expression(struct str s)
{
	struct str one;

	if (s.len > 0 && s.ptr[0] != '\0' && strchr("+#./;?&=,!@|", s.ptr[0]) != NULL)
		s = str_skip(s, 1);
	if (s.len == 0)
		return false;
	while (str_next(&s, ',', &one)) {
		size_t n = 0;
		while (n < one.len && (isalnum((unsigned char)one.ptr[n]) || one.ptr[n] == '_' || one.ptr[n] == '.' || one.ptr[n] == '%'))
			n++;
		if (n == 0 || one.ptr[0] == '.' || one.ptr[n - 1] == '.' || memmem(one.ptr, n, "..", 2) != NULL)
			return false;
		one = str_skip(one, n);
		uint64_t length;
		if (one.len > 0 && !str_eq(one, STR("*")) &&
		    (one.ptr[0] != ':' || one.len < 2 || one.ptr[1] == '0' ||
		     str_to_u64(str_skip(one, 1), &length) < 0 || length == 0 || length > 9999))
			return false;
	}
	return true;
}

static bool is_uri_template(struct str s)
{
	while (s.len > 0) {
		if (s.ptr[0] == '{') {
			const char *end = memchr(s.ptr, '}', s.len);
			if (end == NULL || !template_expression((struct str){ s.ptr + 1, (size_t)(end - s.ptr) - 1 }))
				return false;
			s = str_skip(s, (size_t)(end - s.ptr) + 1);
			continue;
		}
		unsigned char c = (unsigned char)s.ptr[0];
		if (c <= 0x20 || c == 0x7f || strchr("\"<>\\^`|}", c) != NULL)
			return false;
		if (c == '%' && (s.len < 3 || !isxdigit((unsigned char)s.ptr[1]) || !isxdigit((unsigned char)s.ptr[2])))
			return false;
		s = str_skip(s, 1);
	}
	return true;
}

/* ---- the rest ---- */

static bool is_uuid(struct str s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s.ptr[i] != '-' : !isxdigit((unsigned char)s.ptr[i]))
			return false;
	return true;
}

static bool is_json_pointer(struct str s)
{
	if (s.len > 0 && s.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '~' && (i + 1 == s.len || (s.ptr[i + 1] != '0' && s.ptr[i + 1] != '1')))
			return false;
	return true;
}

static bool is_relative_json_pointer(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	if (n == 0 || (n > 1 && s.ptr[0] == '0'))
		return false;
	s = str_skip(s, n);
	return str_eq(s, STR("#")) || is_json_pointer(s);
}

static bool is_regex(struct str s)
{
	struct regex *regex = NULL;
	int r = regex_new(s, &regex, NULL);

	regex_free(regex);
	return r == 0;
}

static const struct format formats[] = {
	{ "date-time", "a date and time, such as 2026-11-20T09:30:00Z", is_date_time },
	{ "date", "a date, such as 2026-11-20", is_date },
	{ "time", "a time, such as 09:30:00Z", is_time },
	{ "duration", "a duration, such as P1DT12H", is_duration },
	{ "email", "an address, such as me@example.com", is_email },
	{ "idn-email", "an address, such as me@example.com", is_idn_email },
	{ "hostname", "the name of a host, such as www.example.com", is_hostname },
	{ "idn-hostname", "the name of a host, such as www.example.com", is_idn_hostname },
	{ "ipv4", "an IPv4 address, such as 192.0.2.1", is_ipv4 },
	{ "ipv6", "an IPv6 address, such as 2001:db8::1", is_ipv6 },
	{ "uri", "a URI with a scheme, such as https://example.com/a", is_uri },
	{ "uri-reference", "a URI or a relative reference, such as ../a#b", is_uri_reference },
	{ "iri", "an IRI with a scheme, such as https://example.com/a", is_iri },
	{ "iri-reference", "an IRI or a relative reference, such as ../a#b", is_iri_reference },
	{ "uuid", "a UUID, such as 123e4567-e89b-12d3-a456-426614174000", is_uuid },
	{ "uri-template", "a URI template, such as https://example.com/{id}", is_uri_template },
	{ "json-pointer", "a JSON Pointer, such as /a/0", is_json_pointer },
	{ "relative-json-pointer", "a relative JSON Pointer, such as 1/a", is_relative_json_pointer },
	{ "regex", "a regular expression of ECMA-262", is_regex },
};

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < COUNT(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
