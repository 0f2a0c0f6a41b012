/* fetch_body.c - from bytes to text: unpacked, and in UTF-8. It refuses a body that unpacks to more than may be kept, whatever it
 * says of itself. */
#define ZLIB_CONST
#include "tools/fetch.h"

#include <ctype.h>
#include <iconv.h>
#include <stdio.h>
#include <zlib.h>

#include "base/banned.h"

/* ---- packed -------------------------------------------------------------------------------------------------------- */

/* window: 15 + 32 knows gzip and zlib by their beginning; -15 is bare deflate. */
static int inflate_all(struct str packed, int window, struct buf *ret)
{
	z_stream z = { .next_in = (const unsigned char *)packed.ptr, .avail_in = (unsigned)packed.len };
	unsigned char out[32768];
	int r = inflateInit2(&z, window);

	while (r == Z_OK) {
		z.next_out = out;
		z.avail_out = sizeof out;
		r = inflate(&z, Z_NO_FLUSH);
		size_t got = sizeof out - z.avail_out;
		if (buf_add(ret, out, got) < 0)
			r = Z_MEM_ERROR;
		else if (r == Z_BUF_ERROR || (r == Z_OK && got == 0 && z.avail_in == 0))
			r = Z_DATA_ERROR; /* it ends too early */
		else if (r == Z_STREAM_END && z.avail_in > 2 && z.next_in[0] == 0x1f && z.next_in[1] == 0x8b)
			r = inflateReset(&z); /* one after the other make one */
	}
	inflateEnd(&z);
	return r == Z_STREAM_END ? 0 : r == Z_MEM_ERROR ? -EFBIG : -EBADMSG;
}

int body_unpack(struct reply *reply, struct err *err)
{
	struct str coding = reply_header(reply, "content-encoding");
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FETCH_BODY_BYTES);
	bool deflate = coding.len == 7 && strncasecmp(coding.ptr, "deflate", 7) == 0;
	bool gzip = (coding.len == 4 && strncasecmp(coding.ptr, "gzip", 4) == 0) ||
	            (coding.len == 6 && strncasecmp(coding.ptr, "x-gzip", 6) == 0);

	if (coding.len == 0 || reply->body.len == 0 || (coding.len == 8 && strncasecmp(coding.ptr, "identity", 8) == 0))
		return 0;
	if (!gzip && !deflate)
		return err_set(err, EINVAL, "the body is packed as '%.*s', which was not asked for", (int)MIN(coding.len, 40), coding.ptr);
	int r = inflate_all(buf_str(&reply->body), 15 + 32, &text);
	if (r == -EBADMSG && deflate) {
		buf_reset(&text);
		r = inflate_all(buf_str(&reply->body), -15, &text);
	}
	if (r == -EFBIG)
		return err_set(err, EFBIG, "the body has %zu bytes and unpacks to more than %zu MiB; it is not read", reply->body.len,
		               LIMIT_FETCH_BODY_BYTES >> 20);
	if (r < 0)
		return err_set(err, EBADMSG, "the body cannot be unpacked: it is damaged, or ends too early");
	buf_done(&reply->body);
	reply->body = text;
	text = (struct buf){ 0 };
	return 0;
}

/* ---- what it is ---------------------------------------------------------------------------------------------------------- */

static bool type_is(struct str type, const char *what)
{
	return type.len >= strlen(what) && strncasecmp(type.ptr, what, strlen(what)) == 0;
}

static bool type_ends(struct str type, const char *what)
{
	size_t len = 0;

	while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ')
		len++;
	return len >= strlen(what) && strncasecmp(type.ptr + len - strlen(what), what, strlen(what)) == 0;
}

static bool has_mark(struct str body)
{
	return str_starts(body, STR("\xff\xfe")) || str_starts(body, STR("\xfe\xff"));
}

enum body_kind body_kind_of(const struct reply *reply)
{
	static const char *const binary[] = { "image/", "audio/", "video/", "font/", "application/pdf", "application/zip",
	                                      "application/octet-stream", "application/gzip" };
	struct str type = reply_header(reply, "content-type"), body = buf_str(&reply->body);

	if (memchr(body.ptr, '\0', MIN(body.len, (size_t)8192)) != NULL && !has_mark(body))
		return BODY_BINARY;
	if (type_is(type, "text/html") || type_is(type, "application/xhtml"))
		return BODY_HTML;
	if (type_is(type, "application/json") || type_ends(type, "+json"))
		return BODY_JSON;
	for (size_t i = 0; i < COUNT(binary); i++)
		if (type_is(type, binary[i]) && !type_is(type, "image/svg"))
			return BODY_BINARY;
	return BODY_TEXT;
}

/* ---- characters ------------------------------------------------------------------------------------------------------------ */

/* What stands behind "charset=" in a text; false: nothing that could be a name. */
static bool find_charset(struct str text, char ret[static 41])
{
	for (size_t i = 0; i + 8 < text.len; i++) {
		if (strncasecmp(text.ptr + i, "charset=", 8) != 0)
			continue;
		struct str name = str_skip(text, i + 8);
		size_t len = 0;
		if (name.len > 0 && (name.ptr[0] == '"' || name.ptr[0] == '\''))
			name = str_skip(name, 1);
		while (len < name.len && len < 40 && (isalnum((unsigned char)name.ptr[len]) || strchr("-_.:", name.ptr[len]) != NULL) &&
		       name.ptr[len] != '\0')
			len++;
		memcpy(ret, name.ptr, len);
		ret[len] = '\0';
		return len > 0;
	}
	return false;
}

static bool is_utf8(struct str text)
{
	for (size_t i = 0, n; i < text.len; i += n) {
		n = utf8_length((const unsigned char *)text.ptr + i, text.len - i);
		if (n == 0)
			return false;
	}
	return true;
}

static void charset_of(const struct reply *reply, bool html, char ret[static 41])
{
	struct str body = buf_str(&reply->body);

	if (str_starts(body, STR("\xff\xfe")))
		snprintf(ret, 41, "UTF-16LE");
	else if (str_starts(body, STR("\xfe\xff")))
		snprintf(ret, 41, "UTF-16BE");
	else if (!find_charset(reply_header(reply, "content-type"), ret) &&
	         !(html && find_charset((struct str){ body.ptr, MIN(body.len, (size_t)2048) }, ret)))
		snprintf(ret, 41, "%s", is_utf8(body) ? "UTF-8" : "WINDOWS-1252");
}

static void convert(iconv_t cd, struct str text, struct buf *ret)
{
	char *in = (char *)text.ptr, out[16384];
	size_t left = text.len;

	while (left > 0 && !ret->full) {
		char *to = out;
		size_t room = sizeof out;
		size_t r = iconv(cd, &in, &left, &to, &room);
		buf_add(ret, out, (size_t)(to - out));
		if (r == (size_t)-1 && errno != E2BIG) { /* no character, or half of one at the end */
			buf_add_text(ret, "\xef\xbf\xbd");
			in++;
			left--;
		}
	}
}

/* false: nobody knows that character set. */
static bool convert_from(const char *name, struct str body, struct buf *ret)
{
	iconv_t cd = iconv_open("UTF-8", name);

	if ((intptr_t)cd == -1)
		return false;
	convert(cd, body, ret);
	iconv_close(cd);
	return true;
}

void body_text(const struct reply *reply, bool html, struct buf *ret)
{
	char name[41] = "";
	struct str body = buf_str(&reply->body);

	charset_of(reply, html, name);
	if (has_mark(body))
		body = str_skip(body, 2);
	else if (str_starts(body, STR("\xef\xbb\xbf")))
		body = str_skip(body, 3);
	if (!convert_from(name, body, ret) && !convert_from(is_utf8(body) ? "UTF-8" : "WINDOWS-1252", body, ret))
		buf_add_str(ret, body); /* the output is made fit for reading in any case */
}
