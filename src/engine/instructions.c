/* instructions.c - reads AGENTS.md and the front matter of skills. It opens nothing in a directory that no person
 * trusts, follows no link out of such a directory, and shows hidden characters instead of passing them on. */
#include "engine/instructions.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/yaml.h"
#include "engine/dirs.h"
#include "engine/trust.h"
#include "tools/tool.h"
#include "base/banned.h"

typedef void say_fn(const char *line);

PRINTF(2, 3) static void tell(say_fn *say, const char *format, ...)
{
	char line[LIMIT_ERR_TEXT_BYTES];
	AUTO(buf_done) struct buf clean = BUF_INIT(sizeof line * 8);
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	sanitize_text(str_of(line), &clean); /* names of files are anybody's */
	say(buf_text(&clean));
}

/* A regular file below an open directory, by a path that never leaves it. */
static int open_inside(int dir, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- AGENTS.md ----------------------------------------------------------------------------------------- */

static bool holds(const char *dir, const char *name)
{
	AUTO(freep) char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The closest directory that has one: the workspace, then upwards to the root of its repository. NULL: none. */
static char *closest(const char *workspace)
{
	AUTO(freep) char *dir = xstrdup(workspace);
	AUTO(freep) char *found = NULL;

	for (;;) {
		if (found == NULL && holds(dir, "AGENTS.md"))
			found = xstrdup(dir);
		if (holds(dir, ".git"))
			return TAKE(found);
		char *slash = strrchr(dir, '/');
		if (slash == NULL || slash == dir)
			break;
		*slash = '\0';
	}
	/* In no repository: nothing above the workspace is its business. */
	return found != NULL && strcmp(found, workspace) == 0 ? TAKE(found) : NULL;
}

/* What fits, up to a whole line or at least a whole character. */
static struct str fitting(struct str text)
{
	size_t len = LIMIT_INSTRUCTIONS_BYTES;

	if (text.len <= len)
		return text;
	while (len > 0 && text.ptr[len - 1] != '\n')
		len--;
	for (size_t n; len == 0 || len < LIMIT_INSTRUCTIONS_BYTES / 2;) { /* one endless line */
		for (len = 0; (n = MAX(utf8_length((const unsigned char *)text.ptr + len, text.len - len), 1)) + len <= LIMIT_INSTRUCTIONS_BYTES;)
			len += n;
	}
	return (struct str){ text.ptr, len };
}

static void read_agents_md(const char *data, const char *workspace, say_fn *say, json_t *ret)
{
	AUTO(freep) char *dir = closest(workspace);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES), clean = BUF_INIT(LIMIT_INSTRUCTIONS_BYTES * 8);
	struct err err;

	if (dir == NULL)
		return;
	AUTO(freep) char *path = xasprintf("%s/AGENTS.md", dir);
	if (!trust_check(data, dir)) {
		AUTO(freep) char *why = trust_complaint(data, dir, path);
		tell(say, "%s", why);
		return;
	}
	AUTO(fd_closep) int at = open_dir(dir);
	AUTO(fd_closep) int fd = at >= 0 ? open_inside(at, "AGENTS.md") : -1;
	if (fd < 0 || io_read_fd(fd, &text, &err) < 0) {
		tell(say, "%s is not read: it must be a file of this directory, of at most %zu bytes", path, LIMIT_FILE_BYTES);
		return;
	}
	struct str kept = fitting(buf_str(&text));
	sanitize_text(kept, &clean);
	if (kept.len < text.len) {
		tell(say, "%s: only the first %zu of %zu bytes are used", path, kept.len, text.len);
		buf_printf(&clean, "\n[... %zu bytes left out; the file has them ...]", text.len - kept.len);
	}
	json_put(ret, "instructions", json_pack("{s:o, s:o}", "path", json_of_str(str_of(path)), "text", json_of_str(buf_str(&clean))));
}

/* ---- skills -------------------------------------------------------------------------------------------- */

static bool is_skill_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= LIMIT_SKILL_NAME_BYTES && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
	       name[0] != '-' && name[len - 1] != '-' && strstr(name, "--") == NULL;
}

static size_t characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; count++)
		i += MAX(utf8_length((const unsigned char *)text.ptr + i, text.len - i), 1);
	return count;
}

/* The lines between the first two of three dashes. */
static int front_matter(struct str text, struct str *ret)
{
	struct str line, rest = text;

	if (str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_skip(rest, 3);
	if (!str_next(&rest, '\n', &line) || !str_eq(str_trim(line), STR("---")))
		return -EINVAL;
	const char *begin = rest.ptr;
	while (str_next(&rest, '\n', &line))
		if (str_eq(str_trim(line), STR("---"))) {
			*ret = (struct str){ begin, (size_t)(line.ptr - begin) };
			return 0;
		}
	return -EINVAL;
}

int skill_parse(const char *path, const char *folder, struct str text, json_t **ret, struct err *err)
{
	AUTO(yaml_freep) struct yaml *yaml = NULL;
	struct str front;

	if (front_matter(text, &front) < 0)
		return err_set(err, EINVAL, "%s:1: must begin with a block between two lines of '---' that has name and description", path);
	int r = yaml_parse(path, front, LIMIT_SKILL_BYTES, &yaml, err);
	if (r < 0)
		return r;
	const struct yaml_node *root = yaml_root(yaml), *name = yaml_get(root, "name"), *about = yaml_get(root, "description");
	if (name == NULL || !yaml_is_scalar(name) || !is_skill_name(yaml_text(name)))
		return yaml_err(name != NULL ? name : root, err, "name: must be 1 to %d of a-z 0-9 -, with no '-' at an end or twice",
		                LIMIT_SKILL_NAME_BYTES);
	if (strcmp(yaml_text(name), folder) != 0)
		return yaml_err(name, err, "name: '%s' must be the name of its directory, '%.64s'", yaml_text(name), folder);
	struct str words = about != NULL && yaml_is_text(about) ? str_trim(str_of(yaml_text(about))) : STR("");
	if (words.len == 0 || characters(words) > LIMIT_SKILL_ABOUT_CHARS)
		return yaml_err(about != NULL ? about : root, err, "description: must be a text of 1 to %d characters", LIMIT_SKILL_ABOUT_CHARS);
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_SKILL_BYTES * 8);
	sanitize_text(words, &clean);
	for (size_t i = 0; i < clean.len; i++) /* a row of the catalogue is one line */
		if (clean.ptr[i] == '\n' || clean.ptr[i] == '\t')
			clean.ptr[i] = ' ';
	*ret = json_pack("{s:s, s:o}", "name", yaml_text(name), "description", json_of_str(buf_str(&clean)));
	return 0;
}

static json_t *skill_find(const json_t *skills, const char *name)
{
	size_t i;
	json_t *skill;

	json_array_foreach(skills, i, skill)
		if (strcmp(json_get_text(skill, "name", ""), name) == 0)
			return skill;
	return NULL;
}

static void read_skill(int dir, const char *below, const char *folder, say_fn *say, json_t *skills)
{
	AUTO(freep) char *path = xasprintf("%s/%s/SKILL.md", below, folder);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_SKILL_BYTES);
	json_t *skill = NULL;
	struct err err;

	AUTO(fd_closep) int fd = open_inside(dir, path);
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || io_read_fd(fd, &text, &err) < 0) {
		tell(say, "skill %s is left out: it must be a file of the workspace, of at most %zu bytes", path, LIMIT_SKILL_BYTES);
		return;
	}
	if (skill_parse(path, folder, buf_str(&text), &skill, &err) < 0) {
		tell(say, "skill left out: %s", err.text);
		return;
	}
	const json_t *other = skill_find(skills, folder);
	if (other != NULL || json_array_size(skills) == LIMIT_SKILLS) {
		if (other != NULL)
			tell(say, "skill %s is left out: %s has the same name and comes first", path, json_get_text(other, "path", ""));
		else
			tell(say, "skill %s is left out: there are more than %d", path, LIMIT_SKILLS);
		json_decref(skill);
		return;
	}
	json_put_text(skill, "path", path);
	json_array_append_new(skills, skill);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_skills(const char *data, const char *workspace, say_fn *say, json_t *ret)
{
	static const char *const places[] = { ".mishri/skills", ".agents/skills" }; /* the first one wins */
	AUTO(fd_closep) int dir = open_dir(workspace);
	json_t *skills = json_array();

	for (size_t i = 0; i < COUNT(places); i++) {
		struct dirent **entries = NULL;
		if (!holds(workspace, places[i]))
			continue;
		if (!trust_check(data, workspace)) {
			AUTO(freep) char *place = xasprintf("%s/%s", workspace, places[i]);
			AUTO(freep) char *why = trust_complaint(data, workspace, place);
			tell(say, "%s", why);
			continue;
		}
		int count = scandirat(dir, places[i], &entries, is_visible, alphasort);
		for (int k = 0; k < count; k++) {
			read_skill(dir, places[i], entries[k]->d_name, say, skills);
			free(entries[k]);
		}
		free(entries);
	}
	if (json_array_size(skills) > 0)
		json_put(ret, "skills", json_incref(skills));
	json_decref(skills);
}

json_t *instructions_read(const char *data, const char *workspace, say_fn *say)
{
	json_t *ret = json_object();

	read_agents_md(data, workspace, say, ret);
	read_skills(data, workspace, say, ret);
	return ret;
}
