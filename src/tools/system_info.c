/* system_info.c - the tool `system_info`: what there is to work with, as the cell sees it. It runs in the cell, so what the cell
 * hides it cannot tell: no names, keys or files of the machine outside. It starts no program: that one is there is all that
 * is said of it. */
#include "tools/inside.h"
#include "tools/rows.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

static int system_info_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	(void)args, (void)workspace, (void)err;
	return plan_builtin(&tool_system_info, ret);
}

/* What people ask for most, by what it is for. */
static const struct {
	const char *what, *names;
} programs[] = {
	{ "shell", "bash sh awk sed grep find xargs tar gzip xz zip unzip" },
	{ "versions", "git hg svn" },
	{ "languages", "python3 node ruby perl php java go rustc lua R julia" },
	{ "build", "gcc g++ clang make cmake ninja meson cargo mvn gradle pkg-config" },
	{ "packages", "npm yarn pip3 gem" },
	{ "data", "jq sqlite3 psql mysql xmllint" },
	{ "network", "curl wget ssh" },
	{ "documents", "pandoc pdftotext convert ffmpeg" },
};

static bool in_path(struct str name)
{
	struct str rest = str_of(getenv("PATH")), dir;
	char path[LIMIT_TOOL_PATH_BYTES];

	while (str_next(&rest, ':', &dir))
		if ((size_t)snprintf(path, sizeof path, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name)) < sizeof path && access(path, X_OK) == 0)
			return true;
	return false;
}

static void add_programs(struct buf *to)
{
	for (size_t i = 0; i < COUNT(programs); i++) {
		struct str rest = str_of(programs[i].names), name;
		size_t found = 0;
		while (str_next(&rest, ' ', &name)) {
			if (!in_path(name))
				continue;
			if (found++ == 0)
				buf_printf(to, "%-10s", programs[i].what);
			buf_printf(to, " %.*s", STR_ARG(name));
		}
		if (found > 0)
			buf_add_char(to, '\n');
	}
}

static void add_size(struct buf *to, const char *what, uint64_t bytes)
{
	if (bytes >= MIB(1024))
		buf_printf(to, "%s%.1f GiB", what, (double)bytes / (double)MIB(1024));
	else
		buf_printf(to, "%s%llu MiB", what, (unsigned long long)(bytes >> 20));
}

/* "NAME=VALUE" lines of /etc/os-release. */
static void add_system(struct buf *to)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	struct str rest, line, key;
	struct utsname name;

	if (uname(&name) == 0)
		buf_printf(to, "system     %s %s on %s", name.sysname, name.release, name.machine);
	if (io_read_file("/etc/os-release", &text, NULL) == 0)
		for (rest = buf_str(&text); str_next(&rest, '\n', &line);) {
			if (!str_next(&line, '=', &key) || !str_eq(key, STR("PRETTY_NAME")))
				continue;
			while (line.len > 1 && line.ptr[0] == '"' && line.ptr[line.len - 1] == '"')
				line = (struct str){ line.ptr + 1, line.len - 2 };
			buf_printf(to, ", %.*s", STR_ARG(line));
		}
	buf_add_char(to, '\n');
}

static uint64_t limit_of(__rlimit_resource_t resource)
{
	struct rlimit limit;

	return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : 0;
}

static void add_resources(struct buf *to)
{
	cpu_set_t cpus;
	uint64_t memory = limit_of(RLIMIT_DATA), file = limit_of(RLIMIT_FSIZE), files = limit_of(RLIMIT_NOFILE);

	if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
		buf_printf(to, "processors %d\n", CPU_COUNT(&cpus));
	buf_add_text(to, "limits    ");
	add_size(to, " memory of one process ", memory > 0 ? memory : (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	if (file > 0)
		add_size(to, ", one file ", file);
	if (files > 0)
		buf_printf(to, ", %llu open files", (unsigned long long)files);
	buf_add_char(to, '\n');
}

static void add_space(struct buf *to, const char *what, const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) == 0)
		add_size(to, what, (uint64_t)fs.f_bavail * fs.f_frsize);
}

static int system_info_run(const json_t *args, const char *workspace)
{
	AUTO(buf_done) struct buf said = BUF_INIT(KIB(64));
	const char *level = getenv("MISHRI_ISOLATION"), *proxy = getenv("HTTP_PROXY"), *tmp = getenv("TMPDIR");

	(void)args;
	add_system(&said);
	add_resources(&said);
	buf_printf(&said, "workspace  %s", workspace);
	add_space(&said, ", free ", workspace);
	buf_printf(&said, "\ntemporary  %s", tmp != NULL ? tmp : "/tmp");
	add_space(&said, ", free ", tmp != NULL ? tmp : "/tmp");
	buf_printf(&said, "\nisolation  %s\n", level != NULL ? level : "unknown");
	buf_printf(&said, "network    %s\n", proxy != NULL ? "yes, through a proxy that asks the policy for each host" : "no");
	buf_add_text(&said, "\nprograms found\n");
	add_programs(&said);
	return answer(&said);
}

static const char schema[] = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}";

const struct tool tool_system_info = {
	.name = "system_info",
	.about = "What there is to work with in the sandbox: system, processors, limits, free space, network, and which of the usual "
		 "programs (git, python3, gcc, node ...) are installed.",
	.category = "read",
	.risk = "low",
	.permissions = "fs.read",
	.nature = NATURE_PURE,
	.schema = schema,
	.plan = system_info_plan,
	.run = system_info_run,
};
