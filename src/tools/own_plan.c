/* own_plan.c - from checked arguments to the words of a command line. No shell reads them, so nothing needs to be quoted; what
 * it refuses is a value that the program would take for an option, a NUL, and more than fits. */
#include "tools/own.h"

#include "base/banned.h"

const json_t *own_argument(const json_t *args, const char *pointer)
{
	if (pointer[0] != '/')
		return json_object_get(args, pointer);
	struct str rest = str_of(pointer + 1), part;
	const json_t *at = args;
	while (at != NULL && str_next(&rest, '/', &part)) {
		AUTO(buf_done) struct buf key = BUF_INIT(KIB(1));
		uint64_t index;
		for (size_t i = 0; i < part.len; i++) {
			bool escaped = part.ptr[i] == '~' && i + 1 < part.len && (part.ptr[i + 1] == '0' || part.ptr[i + 1] == '1');
			buf_add_char(&key, !escaped ? part.ptr[i] : part.ptr[++i] == '0' ? '~' : '/');
		}
		if (json_is_array(at))
			at = str_to_u64(buf_str(&key), &index) == 0 ? json_array_get(at, (size_t)index) : NULL;
		else
			at = json_object_get(at, buf_text(&key));
	}
	return at;
}

struct command {
	char **argv;
	size_t count, bytes;
	bool options_over;           /* a word "--" stands before */
};

static int add_word(struct command *c, struct str word, struct err *err)
{
	if (memchr(word.ptr, '\0', word.len) != NULL)
		return err_set(err, EINVAL, "an argument has a NUL character in it: no command line can have one");
	c->bytes += word.len + 1;
	if (c->count == LIMIT_OWN_WORDS || c->bytes > LIMIT_OWN_COMMAND_BYTES)
		return err_set(err, EINVAL, "the command line would have more than %d words or %zu bytes; give less", LIMIT_OWN_WORDS,
		               LIMIT_OWN_COMMAND_BYTES);
	c->argv[c->count++] = xstrndup(word.ptr, word.len);
	return 0;
}

static void add_value(const json_t *value, struct buf *ret)
{
	if (json_is_string(value))
		buf_add(ret, json_string_value(value), json_string_length(value));
	else
		json_write(value, ret);
}

/* A value that begins the word could say something else than it is: `--output=/etc/x` instead of a name. */
static int check_option(const struct command *c, const char *name, const json_t *value, struct err *err)
{
	if (c->options_over || !json_is_string(value) || json_string_value(value)[0] != '-')
		return 0;
	return err_set(err, EINVAL, "/%s: begins with '-', which the program would take for an option; give it another form, such as "
	               "./%.40s for a file", name[0] == '/' ? name + 1 : name, json_string_value(value));
}

/* A word that is one argument and nothing else: a list becomes several words. */
static int add_argument(struct command *c, const char *name, const json_t *value, struct err *err)
{
	const size_t count = json_is_array(value) ? json_array_size(value) : 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		AUTO(buf_done) struct buf word = BUF_INIT(LIMIT_OWN_COMMAND_BYTES);
		const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
		r = check_option(c, name, one, err);
		add_value(one, &word);
		if (r == 0 && word.full)
			r = err_set(err, EINVAL, "/%s: is too long for a command line", name);
		if (r == 0)
			r = add_word(c, buf_str(&word), err);
	}
	return r;
}

/* A word with an argument in it that was not given is left out, and with it what it would have said. */
static int add_template(struct command *c, const struct own_word *t, const json_t *args, struct err *err)
{
	AUTO(buf_done) struct buf word = BUF_INIT(LIMIT_OWN_COMMAND_BYTES);

	for (size_t i = 0; i < t->count; i++) {
		const json_t *value = t->pieces[i].argument ? own_argument(args, t->pieces[i].text) : NULL;
		if (t->pieces[i].argument && (value == NULL || json_is_null(value)))
			return 0;
		if (t->count == 1 && value != NULL)
			return add_argument(c, t->pieces[i].text, value, err);
		int r = i == 0 && value != NULL ? check_option(c, t->pieces[i].text, value, err) : 0;
		if (r < 0)
			return r;
		if (value != NULL)
			add_value(value, &word);
		else
			buf_add_text(&word, t->pieces[i].text);
	}
	if (word.full)
		return err_set(err, EINVAL, "an argument is too long for a command line");
	c->options_over |= str_eq(buf_str(&word), STR("--"));
	return add_word(c, buf_str(&word), err);
}

int own_plan(const struct own *own, const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	AUTO(tool_plan_done) struct tool_plan plan = { .argv = xcalloc(LIMIT_OWN_WORDS + 1, sizeof(char *)), .wall_ms = own->wall_ms };
	struct command c = { .argv = plan.argv };
	bool below = strchr(own->program, '/') != NULL && own->program[0] != '/';
	AUTO(freep) char *program = below ? xasprintf("%s/%s", workspace, own->program) : xstrdup(own->program);

	int r = add_word(&c, str_of(program), err);
	for (size_t i = 0; r == 0 && i < own->word_count; i++)
		r = add_template(&c, &own->words[i], args, err);
	if (r < 0)
		return r;
	if (own->json_input)
		plan.input = json_text(args);
	*ret = plan;
	plan = (struct tool_plan){ 0 };
	return 0;
}
