/* inspect.c - reads a stopped program: file, names, arguments, environment, directory. It decides nothing. It never
 * takes the word of the program for anything that counts in its favour: what it is called by others is added to what
 * it may be denied for, and only what nobody in the cell can change is added to what it may be allowed for. */
#include "cell/inspect.h"

#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

enum { AUXV_ENTRIES = 64 };

struct subject {
	pid_t pid;
	int proc;                         /* /proc/PID */
	const struct places *places;
	bool hash_system;
	struct statx exe;
	char file[PATH_MAX];              /* behind exe */
	char execfn[PATH_MAX];            /* the path that was asked for; "" when unknown */
};

void inspected_init(struct inspected *what)
{
	memset(what, 0, sizeof *what);
	buf_init(&what->arguments, LIMIT_CELL_ARGV_SHOWN_BYTES);
}

void inspected_done(struct inspected *what)
{
	buf_done(&what->arguments);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void name_add(struct inspected *what, const char *name)
{
	if (name[0] == '-')               /* a login shell */
		name++;
	if (name[0] == '\0')
		return;
	for (size_t i = 0; i < what->name_count; i++)
		if (strcmp(what->names[i], name) == 0)
			return;
	if (what->name_count == LIMIT_CELL_NAMES) {
		what->arguments_too_long = true;
		return;
	}
	snprintf(what->names[what->name_count++], sizeof what->names[0], "%.255s", name);
}

/* The first reason stands. */
PRINTF(3, 4) static void lower(struct inspected *what, enum place at_most, const char *format, ...)
{
	va_list args;

	what->origin = MIN(what->origin, at_most);
	if (at_most != PLACE_UNTRUSTED || what->why[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(what->why, sizeof what->why, format, args);
	va_end(args);
}

/* The i-th argument; "" past the end. */
static const char *argument(const struct inspected *what, size_t i)
{
	struct str rest = buf_str(&what->arguments), word = { 0 };

	for (size_t n = 0; n <= i; n++)
		if (rest.len == 0 || !str_next(&rest, '\0', &word))
			return "";
	return word.ptr;
}

static bool has_argument(const struct inspected *what, const char *text)
{
	struct str rest = buf_str(&what->arguments), word;

	while (rest.len > 0 && str_next(&rest, '\0', &word))
		if (str_eq(word, str_of(text)))
			return true;
	return false;
}

static bool listed(const uint64_t *ids, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Without mounts of our own: system is what root owns in a system directory and this user cannot write to. */
static enum place place_by_path(const struct places *places, const struct statx *stx, const char *path)
{
	if (path_within(path, places->workspace_path))
		return PLACE_WORKSPACE;
	if (plan_is_system(path) && stx->stx_uid == 0 && geteuid() != 0 && access(path, W_OK) < 0)
		return PLACE_SYSTEM;
	return PLACE_UNTRUSTED;
}

static enum place place_of(const struct places *places, const struct statx *stx, const char *path)
{
	if (!places->by_mount)
		return place_by_path(places, stx, path);
	if ((stx->stx_mask & STATX_MNT_ID) == 0)
		return PLACE_UNTRUSTED;
	if (listed(places->system_ids, places->system_count, stx->stx_mnt_id))
		return PLACE_SYSTEM;
	return listed(places->workspace_ids, places->workspace_count, stx->stx_mnt_id) ? PLACE_WORKSPACE : PLACE_UNTRUSTED;
}

/* An O_PATH look at a file: what it is and its real path. */
static bool look(int dir, const char *path, struct statx *ret_stx, char ret_path[static PATH_MAX])
{
	char link[64];
	AUTO(fd_closep) int fd = openat(dir, path, O_PATH | O_CLOEXEC);

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret_stx) < 0)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret_path, PATH_MAX - 1);
	ret_path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool same_file(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

/* Looks from where the program looks: its working directory. */
static bool look_as_subject(const struct subject *s, const char *path, struct statx *ret_stx, char *ret_path)
{
	char from[PATH_MAX + 8];

	if (path[0] == '/')
		return look(AT_FDCWD, path, ret_stx, ret_path);
	snprintf(from, sizeof from, "cwd/%s", path);
	return look(s->proc, from, ret_stx, ret_path);
}

/* dir/path, lexically; "" when it does not fit. */
static void join(const char *dir, const char *path, char ret[static PATH_MAX])
{
	char whole[2 * PATH_MAX];

	while (strncmp(path, "./", 2) == 0)
		path += 2;
	int n = snprintf(whole, sizeof whole, "%s/%s", dir, path);
	snprintf(ret, PATH_MAX, "%.*s", n < PATH_MAX ? n : 0, whole);
}

/* Could anybody in the cell have made this path lead elsewhere? Not where it runs through the read-only system
 * alone. */
static bool path_is_fixed(const struct inspected *what, const char *path)
{
	char absolute[PATH_MAX];

	if (path[0] == '/')
		return plan_is_system(path);
	join(what->cwd, path, absolute);
	return plan_is_system(absolute);
}

/* Where path leads for the program, as a path for us. */
static void path_of_subject(pid_t pid, const char *path, char *ret, size_t size)
{
	if (path[0] == '/')
		snprintf(ret, size, "%s", path);
	else
		snprintf(ret, size, "/proc/%d/cwd/%s", pid, path);
}

/* The next digest of this program; a file of the system has one only where it is asked for, and then nobody looks. */
static void hash_add(const struct subject *s, const char *path, enum place place, struct inspected *what)
{
	if ((place == PLACE_SYSTEM && !s->hash_system) || what->hash_count == LIMIT_CELL_PROGRAM_HASHES)
		return;
	(void)digest_of(path, what->hashes[what->hash_count++]);   /* "": it cannot be said */
}

static void hash_exe(const struct subject *s, struct inspected *what)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/exe", s->pid);
	hash_add(s, path, place_of(s->places, &s->exe, s->file), what);
}

/* What was named, before what runs it. Its digest is made anew each time: who has it mapped can write to it, and no time of
 * the file says so. (Of a program that the kernel runs itself nobody has such a mapping.) */
static void hash_named(const struct subject *s, const char *path, const struct statx *stx, enum place place,
                       struct inspected *what)
{
	char from[PATH_MAX + 32], hash[SHA256_HEX_LEN + 1] = "";

	path_of_subject(s->pid, path, from, sizeof from);
	if (place == PLACE_SYSTEM) {
		hash_add(s, from, place, what);
	} else if (what->hash_count < LIMIT_CELL_PROGRAM_HASHES) {
		(void)digest_anew(from, hash);
		memcpy(what->hashes[what->hash_count++], hash, sizeof hash);
	}
	if (what->hash_count == 0)               /* what runs it is not in its place */
		what->hash_count = 1;
	if (place == PLACE_SYSTEM && path_is_fixed(what, path))
		return;
	what->named.is = true;
	snprintf(what->named.path, sizeof what->named.path, "%s", path);
	what->named.state = file_state_of(stx);
	memcpy(what->named.hash, hash, sizeof hash);
}

bool named_is_same(pid_t pid, const struct named_file *named)
{
	char path[PATH_MAX + 32], hash[SHA256_HEX_LEN + 1];
	struct statx stx;

	path_of_subject(pid, named->path, path, sizeof path);
	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx) < 0)
		return false;
	struct file_state now = file_state_of(&stx);
	if (!file_state_equal(&now, &named->state))
		return false;
	return named->hash[0] == '\0' || (digest_anew(path, hash) && strcmp(hash, named->hash) == 0);
}

static void read_arguments(const struct subject *s, struct inspected *what)
{
	AUTO(fd_closep) int fd = openat(s->proc, "cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || io_read_fd(fd, &what->arguments, NULL) < 0)
		what->arguments_too_long = true;
}

/* Page by page, since the string lies at the very end of the stack and a read beyond it fails whole. */
static void read_text(pid_t pid, uintptr_t at, char *ret, size_t size)
{
	const size_t page = 4096;
	size_t len = 0;

	while (len + 1 < size) {
		size_t part = MIN(size - 1 - len, page - (at + len) % page);
		struct iovec to = { ret + len, part }, from = { (void *)(at + len), part };
		ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);
		if (n <= 0)
			break;
		if (memchr(ret + len, '\0', (size_t)n) != NULL)
			return;
		len += (size_t)n;
	}
	ret[0] = '\0';               /* no end in sight: not a path */
}

static void read_execfn(struct subject *s)
{
	AUTO(fd_closep) int fd = openat(s->proc, "auxv", O_RDONLY | O_CLOEXEC);
	Elf64_auxv_t auxv[AUXV_ENTRIES];
	ssize_t n = fd < 0 ? 0 : read(fd, auxv, sizeof auxv);

	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof auxv[0]; i++)
		if (auxv[i].a_type == AT_EXECFN)
			read_text(s->pid, (uintptr_t)auxv[i].a_un.a_val, s->execfn, sizeof s->execfn);
}

static const char *const multi_call[] = { "busybox", "toybox", "coreutils" };

/* `busybox rm`, `busybox busybox rm`, `coreutils --coreutils-prog=rm`: from argument i on, what such a program is. */
static void see_applet(struct inspected *what, size_t i)
{
	static const char option[] = "--coreutils-prog";
	const char *word;

	do {
		word = argument(what, i++);
		const char *value = strchr(word, '=');
		name_add(what, base_name(strncmp(word, option, sizeof option - 1) == 0 && value != NULL ? value + 1 : word));
	} while (name_find(multi_call, COUNT(multi_call), base_name(word)) >= 0);
}

static bool is_loader(const char *name)
{
	return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld-musl", 7) == 0 || strcmp(name, "ld.so") == 0 ||
	       (strncmp(name, "ld-", 3) == 0 && strstr(name, ".so") != NULL);
}

/* `ld.so PROGRAM`: the loader opens PROGRAM itself, without another exec. */
static void see_through_loader(const struct subject *s, struct inspected *what)
{
	static const char *const with_value[] = { "--library-path", "--inhibit-rpath", "--preload", "--audit", "--argv0",
	                                          "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask" };
	static const char *const foreign[] = { "--preload", "--audit", "--library-path" };
	struct statx stx;
	char path[PATH_MAX];
	size_t i = 1;

	for (const char *word; (word = argument(what, i))[0] == '-'; i++) {
		int code = name_find(foreign, COUNT(foreign), word);
		if (code >= 0)
			lower(what, PLACE_UNTRUSTED, "the loader is told %s", foreign[code]);
		if (strcmp(word, "--argv0") == 0)
			name_add(what, base_name(argument(what, i + 1)));
		if (name_find(with_value, COUNT(with_value), word) >= 0)
			i++;
	}
	const char *target = argument(what, i);
	if (target[0] == '\0')
		return;
	name_add(what, base_name(target));
	if (!look_as_subject(s, target, &stx, path))
		return lower(what, PLACE_UNTRUSTED, "the loader is to run a file that cannot be read");
	name_add(what, base_name(path));
	if (name_find(multi_call, COUNT(multi_call), base_name(path)) >= 0)
		see_applet(what, i + 1);
	enum place place = place_of(s->places, &stx, path);
	hash_named(s, target, &stx, place, what);
	if (place == PLACE_SYSTEM && !path_is_fixed(what, target))
		place = PLACE_WORKSPACE;
	lower(what, place, "the loader is to run a file outside the system and the workspace");
}

/* A script: the kernel put its path among the arguments and started the interpreter. It counts as the script. */
static void see_script(const struct subject *s, const struct statx *stx, const char *path, struct inspected *what)
{
	enum place place = place_of(s->places, stx, path);
	const char *own = path;

	hash_named(s, s->execfn, stx, place, what);
	/* A link that can change leads to the system now; it may have led elsewhere when the kernel followed it. */
	if (place == PLACE_SYSTEM && !path_is_fixed(what, s->execfn)) {
		place = PLACE_WORKSPACE;
		own = s->execfn;
	}
	lower(what, place, "the script lies outside the system and the workspace");
	if (stx->stx_nlink == 0)
		lower(what, PLACE_UNTRUSTED, "the script is deleted");
	snprintf(what->program, sizeof what->program, "%s", own);
	if (own[0] != '/')
		join(what->cwd, own, what->program);
	name_add(what, base_name(own));
	what->trusted_names = 1;
	name_add(what, base_name(path));
	name_add(what, base_name(s->execfn));
	name_add(what, base_name(s->file));
	/* "#!/bin/busybox rm", "#!/lib/ld.so /bin/rm", "#!" of another script: what runs is named before the script. */
	for (size_t i = 0; argument(what, i)[0] != '\0' && strcmp(argument(what, i), s->execfn) != 0; i++)
		if (argument(what, i)[0] != '-')
			name_add(what, base_name(argument(what, i)));
	if (is_loader(base_name(s->file)))
		see_through_loader(s, what);
}

static void see_binary(const struct subject *s, bool asked_is_file, struct inspected *what)
{
	const char *called = base_name(argument(what, 0)), *own = base_name(s->file), *link = base_name(s->execfn);

	memcpy(what->program, s->file, strlen(s->file) + 1);
	name_add(what, own);
	what->trusted_names = what->name_count;
	/* A link on the system is a name of the program where the program is called so, too: multi-call programs go by
	 * what they are called. */
	if (asked_is_file && what->origin == PLACE_SYSTEM && path_is_fixed(what, s->execfn) && strcmp(link, called) == 0) {
		name_add(what, link);
		what->trusted_names = what->name_count;
	}
	name_add(what, link);
	name_add(what, called);
	if (name_find(multi_call, COUNT(multi_call), own) >= 0)
		see_applet(what, 1);
	if (is_loader(own))
		see_through_loader(s, what);
}

static void see_file(struct subject *s, struct inspected *what)
{
	struct statx asked;
	char path[PATH_MAX];
	static const char gone[] = " (deleted)";

	what->origin = PLACE_SYSTEM;
	lower(what, place_of(s->places, &s->exe, s->file), "the file lies outside the system and the workspace");
	if (s->exe.stx_nlink == 0) {
		size_t len = strlen(s->file);
		if (len > sizeof gone && strcmp(s->file + len - (sizeof gone - 1), gone) == 0)
			s->file[len - (sizeof gone - 1)] = '\0';
		what->why[0] = '\0';
		lower(what, PLACE_UNTRUSTED, strncmp(s->file, "/memfd:", 7) == 0 ? "it runs from memory" : "the file is deleted");
	}
	/* A path through a descriptor is the program's own; here it would lead to another file. */
	bool by_fd = path_within(s->execfn, "/proc") || path_within(s->execfn, "/dev/fd") || s->execfn[0] == '\0';
	bool found = !by_fd && look_as_subject(s, s->execfn, &asked, path);
	if (found && same_file(&asked, &s->exe))
		return see_binary(s, true, what);
	if (found && has_argument(what, s->execfn))
		return see_script(s, &asked, path, what);
	if (!by_fd || has_argument(what, s->execfn))
		lower(what, PLACE_UNTRUSTED, by_fd ? "it is a script from a descriptor" : "its path changed as it started");
	see_binary(s, false, what);
}

/* Variables with which a program runs code that is not its own. programs: where only some listen (prefixes). */
static const struct injection {
	const char *variable;             /* a last '*' stands for anything */
	const char *programs[8];
} injections[] = {
	{ "LD_*", { NULL } },           { "GCONV_PATH", { NULL } },      { "OPENSSL_CONF", { NULL } },
	{ "OPENSSL_MODULES", { NULL } }, { "OPENSSL_ENGINES", { NULL } }, { "GTK_MODULES", { NULL } },
	{ "BASH_ENV", { "bash", "sh", "rbash" } },
	{ "ENV", { "sh", "dash", "ash", "ksh", "bash", "busybox", "zsh", "mksh" } },
	{ "BASH_FUNC_*", { "bash", "sh", "rbash" } },
	{ "SHELLOPTS", { "bash", "sh", "rbash" } },
	{ "ZDOTDIR", { "zsh" } },
	{ "PERL5OPT", { "perl" } },     { "PERL5LIB", { "perl" } },     { "PERLLIB", { "perl" } },
	{ "PERL5DB", { "perl" } },      { "PYTHONPATH", { "python" } }, { "PYTHONHOME", { "python" } },
	{ "PYTHONSTARTUP", { "python" } }, { "PYTHONUSERBASE", { "python" } }, { "PYTHONPYCACHEPREFIX", { "python" } },
	{ "PYTHONPLATLIBDIR", { "python" } },
	{ "GIO_EXTRA_MODULES", { NULL } }, { "GIO_MODULE_DIR", { NULL } }, { "MAKEFILES", { "make", "gmake" } },
	{ "TCLLIBPATH", { "tclsh", "wish", "expect" } }, { "TCL_LIBRARY", { "tclsh", "wish", "expect" } },
	{ "VIMRUNTIME", { "vi", "ex", "rvi" } }, { "NODE_REPL_EXTERNAL_MODULE", { "node" } },
	{ "DOTNET_STARTUP_HOOKS", { NULL } },
	{ "LUA_PATH*", { "lua" } },     { "LUA_CPATH*", { "lua" } },    { "PHPRC", { "php" } },
	{ "PHP_INI_SCAN_DIR", { "php" } }, { "AWKLIBPATH", { "gawk", "awk" } },
	{ "VIMINIT", { "vi", "ex", "rvi" } }, { "EXINIT", { "vi", "ex", "rvi" } },
	{ "RUBYOPT", { "ruby" } },   { "RUBYLIB", { "ruby" } },
	{ "NODE_OPTIONS", { "node" } }, { "NODE_PATH", { "node" } },    { "LUA_INIT*", { "lua" } },
	{ "JAVA_TOOL_OPTIONS", { "java" } }, { "JDK_JAVA_OPTIONS", { "java" } }, { "_JAVA_OPTIONS", { "java" } },
};
/* What a linker or a loader reads without loading anything by it. */
static const char *const harmless[] = { "LD_RUN_PATH", "LD_BIND_NOW", "LD_WARN", "LD_VERBOSE" };

static bool listens(const struct inspected *what, const struct injection *row)
{
	if (row->programs[0] == NULL)
		return true;
	for (size_t i = 0; i < COUNT(row->programs) && row->programs[i] != NULL; i++)
		for (size_t n = 0; n < what->name_count; n++)
			if (strncmp(what->names[n], row->programs[i], strlen(row->programs[i])) == 0)
				return true;
	return false;
}

static bool variable_matches(const char *pattern, struct str name)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return str_starts(name, (struct str){ pattern, len - 1 });
	return str_eq(name, (struct str){ pattern, len });
}

static void see_variable(struct str variable, struct inspected *what)
{
	struct str name, rest = variable;

	if (!str_next(&rest, '=', &name) || rest.len == 0)
		return;                  /* empty: not listened to */
	for (size_t i = 0; i < COUNT(harmless); i++)
		if (str_eq(name, str_of(harmless[i])))
			return;
	for (size_t i = 0; i < COUNT(injections); i++)
		if (variable_matches(injections[i].variable, name) && listens(what, &injections[i]))
			lower(what, PLACE_UNTRUSTED, "%.*s is set", (int)MIN(name.len, (size_t)64), name.ptr);
}

static void see_environment(const struct subject *s, struct inspected *what)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_CELL_ENV_READ_BYTES);
	AUTO(fd_closep) int fd = openat(s->proc, "environ", O_RDONLY | O_CLOEXEC);
	struct str variable;

	if (fd < 0 || io_read_fd(fd, &text, NULL) < 0)
		return lower(what, PLACE_UNTRUSTED, "its environment cannot be read or is too large");
	struct str rest = buf_str(&text);
	while (rest.len > 0 && str_next(&rest, '\0', &variable))
		see_variable(variable, what);
}

void inspect(pid_t pid, const struct places *places, bool hash_system, struct inspected *ret)
{
	struct subject s = { .pid = pid, .places = places, .hash_system = hash_system };
	char path[32];

	snprintf(path, sizeof path, "/proc/%d", pid);
	s.proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd_closep) int proc UNUSED = s.proc;
	ssize_t n = s.proc < 0 ? -1 : readlinkat(s.proc, "cwd", ret->cwd, sizeof ret->cwd - 1);
	ret->cwd[n > 0 ? n : 0] = '\0';
	read_arguments(&s, ret);
	if (s.proc < 0 || !look(s.proc, "exe", &s.exe, s.file)) {
		lower(ret, PLACE_UNTRUSTED, "its file cannot be read");
		name_add(ret, base_name(argument(ret, 0)));
		return;
	}
	read_execfn(&s);
	see_file(&s, ret);
	hash_exe(&s, ret);
	see_environment(&s, ret);
}
