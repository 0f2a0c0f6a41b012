/* html.c - a page as a person would read it, in Markdown. The parser is libxml2's, which is used as a stream: no tree is built,
 * nothing is fetched. It is opened when a page is read, in the process of the cell that does it, so that no other process ever
 * maps it. It refuses nothing that a page can be: what is not understood is passed over. */
#include "tools/fetch.h"

#include <ctype.h>
#include <dlfcn.h>
#include <libxml/HTMLparser.h>

#include "base/banned.h"

enum { LINKS_DEEP = 8, LISTS_DEEP = 32 };

struct page {
	struct buf *out;
	const struct url *base;
	int hidden;                          /* inside of elements that nobody reads */
	int pre;
	int newlines;                        /* that must stand before the next word: 1 a line, 2 a paragraph */
	bool blank;                          /* one blank before the next word */
	struct buf link;                     /* the address of the link that is open; "" for none */
	size_t link_from;
	bool in_title;
	struct { bool ordered; int number; } lists[LISTS_DEEP];
	int depth;                           /* of lists; may be more than there is room for */
	int cells;                           /* of this row so far */
};

/* ---- words ----------------------------------------------------------------------------------------------------------- */

static void gap(struct page *p, int lines)
{
	p->newlines = MAX(p->newlines, lines);
	p->blank = false;
}

static void put_gap(struct page *p)
{
	struct buf *out = p->out;

	if (out->len == 0) {
		p->newlines = 0;
		p->blank = false;
		return;
	}
	int have = out->ptr[out->len - 1] != '\n' ? 0 : out->len > 1 && out->ptr[out->len - 2] == '\n' ? 2 : 1;
	for (; have < p->newlines; have++)
		buf_add_char(out, '\n');
	if (p->blank && p->newlines == 0 && out->ptr[out->len - 1] != '\n' && out->ptr[out->len - 1] != ' ')
		buf_add_char(out, ' ');
	p->newlines = 0;
	p->blank = false;
}

static void put(struct page *p, const char *text)
{
	put_gap(p);
	buf_add_text(p->out, text);
}

static void on_text(void *userdata, const xmlChar *bytes, int len)
{
	struct page *p = userdata;

	if (p->hidden > 0 || len <= 0)
		return;
	if (p->pre > 0) {
		put_gap(p);
		buf_add(p->out, bytes, (size_t)len);
		return;
	}
	for (int i = 0; i < len; i++) {
		if (isspace(bytes[i])) {
			p->blank = true;
			continue;
		}
		put_gap(p);
		buf_add_char(p->out, (char)bytes[i]);
	}
}

/* ---- elements -------------------------------------------------------------------------------------------------------------- */

static const char *attribute(const xmlChar **attributes, const char *name)
{
	for (; attributes != NULL && attributes[0] != NULL; attributes += 2)
		if (strcasecmp((const char *)attributes[0], name) == 0)
			return attributes[1] != NULL ? (const char *)attributes[1] : "";
	return NULL;
}

static void begin_link(struct page *p, const xmlChar **attributes)
{
	const char *href = attribute(attributes, "href");
	AUTO(url_done) struct url url = URL_NONE;

	buf_reset(&p->link);
	if (href == NULL || href[0] == '\0' || href[0] == '#' || url_resolve(p->base, str_of(href), &url, NULL) < 0)
		return;
	url_format(&url, &p->link);
	put(p, "[");
	p->link_from = p->out->len;
}

static void end_link(struct page *p)
{
	if (p->link.len == 0)
		return;
	if (p->out->len == p->link_from) /* a link around nothing, or around a picture */
		buf_add_text(p->out, "link");
	buf_printf(p->out, "](%s)", buf_text(&p->link));
	buf_reset(&p->link);
}

static void begin_item(struct page *p)
{
	int at = MIN(p->depth, LISTS_DEEP) - 1;

	gap(p, 1);
	put_gap(p);
	for (int i = 0; i < at; i++)
		buf_add_text(p->out, "  ");
	if (at >= 0 && p->lists[at].ordered)
		buf_printf(p->out, "%d. ", ++p->lists[at].number);
	else
		buf_add_text(p->out, "- ");
}

static void begin_list(struct page *p, bool ordered)
{
	gap(p, p->depth == 0 ? 2 : 1);
	if (p->depth++ < LISTS_DEEP) {
		p->lists[p->depth - 1].ordered = ordered;
		p->lists[p->depth - 1].number = 0;
	}
}

static void picture(struct page *p, const xmlChar **attributes)
{
	const char *about = attribute(attributes, "alt");

	if (about == NULL || about[0] == '\0')
		return;
	put(p, "![");
	on_text(p, (const xmlChar *)about, (int)strlen(about));
	buf_add_text(p->out, "]");
}

/* What an element does before and after its text. */
enum act { ACT_HIDE, ACT_TITLE, ACT_HEADING, ACT_BLOCK, ACT_LINE, ACT_LINK, ACT_LIST, ACT_ORDERED, ACT_ITEM, ACT_PRE, ACT_CODE,
           ACT_ROW, ACT_CELL, ACT_RULE, ACT_PICTURE, ACT_QUOTE };

static const struct element {
	const char *name;
	enum act act;
	const char *mark;
} elements[] = {
	{ "script", ACT_HIDE, NULL },   { "style", ACT_HIDE, NULL },     { "template", ACT_HIDE, NULL }, { "svg", ACT_HIDE, NULL },
	{ "noscript", ACT_HIDE, NULL }, { "iframe", ACT_HIDE, NULL },    { "object", ACT_HIDE, NULL },   { "select", ACT_HIDE, NULL },
	{ "title", ACT_TITLE, NULL },   { "h1", ACT_HEADING, "# " },     { "h2", ACT_HEADING, "## " },   { "h3", ACT_HEADING, "### " },
	{ "h4", ACT_HEADING, "#### " }, { "h5", ACT_HEADING, "##### " }, { "h6", ACT_HEADING, "###### " }, { "p", ACT_BLOCK, NULL },
	{ "div", ACT_LINE, NULL },      { "section", ACT_BLOCK, NULL },  { "article", ACT_BLOCK, NULL }, { "main", ACT_BLOCK, NULL },
	{ "header", ACT_BLOCK, NULL },  { "footer", ACT_BLOCK, NULL },   { "nav", ACT_BLOCK, NULL },     { "aside", ACT_BLOCK, NULL },
	{ "table", ACT_BLOCK, NULL },   { "form", ACT_BLOCK, NULL },     { "figure", ACT_BLOCK, NULL },  { "dl", ACT_BLOCK, NULL },
	{ "dt", ACT_LINE, NULL },       { "dd", ACT_LINE, NULL },        { "br", ACT_LINE, NULL },       { "caption", ACT_LINE, NULL },
	{ "a", ACT_LINK, NULL },        { "ul", ACT_LIST, NULL },        { "ol", ACT_ORDERED, NULL },    { "li", ACT_ITEM, NULL },
	{ "pre", ACT_PRE, NULL },       { "code", ACT_CODE, NULL },      { "tr", ACT_ROW, NULL },        { "td", ACT_CELL, NULL },
	{ "th", ACT_CELL, NULL },       { "hr", ACT_RULE, NULL },        { "img", ACT_PICTURE, NULL },   { "blockquote", ACT_QUOTE, "> " },
};

static const struct element *element_find(const xmlChar *name)
{
	for (size_t i = 0; i < COUNT(elements); i++)
		if (strcasecmp(elements[i].name, (const char *)name) == 0)
			return &elements[i];
	return NULL;
}

static void begin_cell(struct page *p)
{
	if (p->cells++ > 0)
		put(p, " | ");
	p->blank = false;
}

static void on_begin(void *userdata, const xmlChar *name, const xmlChar **attributes)
{
	struct page *p = userdata;
	const struct element *e = element_find(name);

	if (e == NULL || (p->hidden > 0 && e->act != ACT_HIDE))
		return;
	switch (e->act) {
	case ACT_HIDE: p->hidden++; break;
	case ACT_TITLE: put(p, "# "); break;
	case ACT_HEADING:
	case ACT_QUOTE: gap(p, 2); put(p, e->mark); break;
	case ACT_BLOCK: gap(p, 2); break;
	case ACT_LINE: gap(p, 1); break;
	case ACT_LINK: begin_link(p, attributes); break;
	case ACT_LIST:
	case ACT_ORDERED: begin_list(p, e->act == ACT_ORDERED); break;
	case ACT_ITEM: begin_item(p); break;
	case ACT_PRE: gap(p, 2); put(p, "```\n"); p->pre++; break;
	case ACT_CODE: if (p->pre == 0) put(p, "`"); break;
	case ACT_ROW: gap(p, 1); p->cells = 0; break;
	case ACT_CELL: begin_cell(p); break;
	case ACT_RULE: gap(p, 2); put(p, "---"); gap(p, 2); break;
	case ACT_PICTURE: picture(p, attributes); break;
	}
}

static void on_end(void *userdata, const xmlChar *name)
{
	struct page *p = userdata;
	const struct element *e = element_find(name);

	if (e == NULL || (p->hidden > 0 && e->act != ACT_HIDE))
		return;
	switch (e->act) {
	case ACT_HIDE: p->hidden -= p->hidden > 0; break;
	case ACT_TITLE:
	case ACT_HEADING:
	case ACT_QUOTE:
	case ACT_BLOCK: gap(p, 2); break;
	case ACT_LINE:
	case ACT_ITEM:
	case ACT_ROW: gap(p, 1); break;
	case ACT_LINK: end_link(p); break;
	case ACT_LIST:
	case ACT_ORDERED: p->depth -= p->depth > 0; gap(p, p->depth == 0 ? 2 : 1); break;
	case ACT_PRE: gap(p, 1); put(p, "```"); gap(p, 2); p->pre -= p->pre > 0; break;
	case ACT_CODE: if (p->pre == 0) buf_add_text(p->out, "`"); break;
	case ACT_CELL:
	case ACT_RULE:
	case ACT_PICTURE: break;
	}
}

/* ---- the library ----------------------------------------------------------------------------------------------------------- */

struct library {
	void *handle;
	htmlParserCtxtPtr (*create)(htmlSAXHandlerPtr sax, void *userdata, const char *chunk, int size, const char *name, xmlCharEncoding enc);
	int (*options)(htmlParserCtxtPtr parser, int options);
	int (*parse)(htmlParserCtxtPtr parser, const char *chunk, int size, int terminate);
	void (*release)(htmlParserCtxtPtr parser);
};

static int library_open(struct library *ret, struct err *err)
{
	static const char *const names[] = { "htmlCreatePushParserCtxt", "htmlCtxtUseOptions", "htmlParseChunk", "htmlFreeParserCtxt" };
	void *found[COUNT(names)];

	ret->handle = dlopen("libxml2.so.2", RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; i < COUNT(names); i++)
		if (ret->handle == NULL || (found[i] = dlsym(ret->handle, names[i])) == NULL)
			return err_set(err, ENOENT, "libxml2 is not installed, so pages cannot be read as text (Debian: libxml2); as \"html\" shows "
			               "them as they are");
	memcpy(&ret->create, &found[0], sizeof found[0]);
	memcpy(&ret->options, &found[1], sizeof found[1]);
	memcpy(&ret->parse, &found[2], sizeof found[2]);
	memcpy(&ret->release, &found[3], sizeof found[3]);
	return 0;
}

int html_read(struct str html, const struct url *base, struct buf *ret, struct err *err)
{
	htmlSAXHandler sax = { .startElement = on_begin, .endElement = on_end, .characters = on_text, .cdataBlock = NULL,
	                       .ignorableWhitespace = on_text };
	AUTO(buf_done) struct buf out = BUF_INIT(LIMIT_FETCH_BODY_BYTES * 2);
	struct page p = { .out = &out, .base = base, .link = BUF_INIT(LIMIT_FETCH_URL_BYTES * 4) };
	struct library xml = { 0 };
	enum { PIECE = 65536 };

	int r = library_open(&xml, err);
	if (r < 0)
		return r;
	htmlParserCtxtPtr parser = xml.create(&sax, &p, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (parser == NULL)
		abort(); /* out of memory, as in xmalloc() */
	xml.options(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	for (size_t at = 0; at < html.len; at += PIECE)
		xml.parse(parser, html.ptr + at, (int)MIN(html.len - at, (size_t)PIECE), 0);
	xml.parse(parser, NULL, 0, 1);
	xml.release(parser);
	buf_done(&p.link);
	buf_add_str(ret, str_trim(buf_str(&out)));
	buf_add_char(ret, '\n');
	return 0;
}
