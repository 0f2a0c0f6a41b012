/* sanitize.c - the sanitiser over files as they are: how many MB a second on one core, and how much it hides. Each file is
 * looked at in pieces of up to 1 MiB. One JSON line for each place named; with --list also a line for each secret found, to judge it.
 *
 *   build/bench/bench_sanitize [--list] [--most MB] PLACE... */
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/leaks.h"
#include "tools/tool.h"

struct sums {
	uint64_t bytes, most;
	int64_t find_ns, all_ns;
	struct findings found;
	size_t files;
	bool list;
};

static bool is_text(const char *bytes, size_t len)
{
	return memchr(bytes, '\0', MIN(len, (size_t)4096)) == NULL;
}

static void list_hits(const char *path, struct str text, const struct leak_hits *hits)
{
	for (size_t i = 0; i < hits->count; i++) {
		struct str s = { text.ptr + hits->list[i].start, MIN(hits->list[i].end - hits->list[i].start, (size_t)100) };
		size_t before = MIN(hits->list[i].start, (size_t)40);
		printf("%s\t%s\t%.*s\t%.*s\n", leak_kind(hits->list[i].row), path, STR_ARG(s), (int)before, s.ptr - before);
	}
}

static void look(struct sums *sums, const char *path, struct str text)
{
	static struct buf shown;
	struct leak_hits hits = { 0 };
	struct output *output = output_new(text.len);
	struct findings found;

	shown.max = text.len * 8 + 64;
	buf_reset(&shown);
	int64_t start = clock_mono_ns();
	leaks_find(text, &hits);
	int64_t middle = clock_mono_ns();
	output_add(output, text.ptr, text.len);
	output_render_found(output, &shown, &found);
	sums->find_ns += middle - start;
	sums->all_ns += clock_mono_ns() - middle;
	sums->bytes += text.len;
	sums->found.redacted += found.redacted;
	sums->found.sure += found.sure;
	for (size_t i = 0; i < FINDINGS_KINDS; i++)
		sums->found.kinds[i] += found.kinds[i];
	if (sums->list)
		list_hits(path, text, &hits);
	output_free(output);
	leak_hits_done(&hits);
}

static void look_in(struct sums *sums, const char *path)
{
	static char bytes[MIB(1)];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	for (size_t part = 0; fd >= 0 && sums->bytes < sums->most && (n = read(fd, bytes, sizeof bytes)) > 0; part++) {
		if (part == 0 && !is_text(bytes, (size_t)n))
			break;
		sums->files += part == 0;
		look(sums, path, (struct str){ bytes, (size_t)n });
	}
	if (fd >= 0)
		close(fd);
}

static void walk(struct sums *sums, char *place)
{
	char *places[] = { place, NULL };
	FTS *fts = fts_open(places, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

	for (FTSENT *e; fts != NULL && sums->bytes < sums->most && (e = fts_read(fts)) != NULL;)
		if (e->fts_info == FTS_F)
			look_in(sums, e->fts_path);
	if (fts != NULL)
		fts_close(fts);
}

int main(int argc, char **argv)
{
	struct sums options = { .most = MIB(200) };

	for (int i = 1; i < argc; i++) {
		struct sums sums = options;
		if (strcmp(argv[i], "--list") == 0) {
			options.list = true;
			continue;
		}
		if (strcmp(argv[i], "--most") == 0 && i + 1 < argc) {
			options.most = strtoull(argv[++i], NULL, 10) << 20;
			continue;
		}
		walk(&sums, argv[i]);
		json_t *kinds = findings_redactions(&sums.found);
		char *text = kinds != NULL ? json_text(kinds) : strdup("{}");
		double mb = (double)sums.bytes / 1e6;
		printf("{\"bench\":\"sanitize\",\"place\":\"%s\",\"files\":%zu,\"mb\":%.1f,\"secrets_mb_per_s\":%.0f,\"all_mb_per_s\":%.0f,"
		       "\"hits\":%llu,\"hits_per_mb\":%.3f,\"sure\":%llu,\"kinds\":%s}\n", argv[i], sums.files, mb,
		       mb * 1e9 / (double)MAX(sums.find_ns, 1), mb * 1e9 / (double)MAX(sums.all_ns, 1),
		       (unsigned long long)sums.found.redacted, mb > 0 ? (double)sums.found.redacted / mb : 0,
		       (unsigned long long)sums.found.sure, text);
		free(text);
		json_decref(kinds);
	}
	return 0;
}
