/* sample.c - reads /proc about the processes of a cell. It decides nothing; what cannot be read counts as nothing, and
 * what a program could do to become unreadable is refused by the filter. */
#include "cell/sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

_Static_assert(COUNT(((struct memory_files *)NULL)->seen) == LIMIT_CELL_FILES_IN_MEMORY, "as limits.h says");

/* These files are short and are read often: no memory is asked for. */
static bool read_small(const char *path, char *text, size_t size)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

	text[MAX(n, 0)] = '\0';
	return n > 0;
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void update(uint64_t *value, uint64_t now, uint64_t *before)
{
	if (now < *value)
		*before += *value;
	*value = now;
}

bool sample_read(pid_t thread, struct sample *sample, struct sample *ret_before)
{
	char path[64], text[512];

	*ret_before = (struct sample){ 0 };
	snprintf(path, sizeof path, "/proc/%d/schedstat", thread);
	if (read_small(path, text, sizeof text))
		update(&sample->cpu_ns, strtoull(text, NULL, 10), &ret_before->cpu_ns);
	snprintf(path, sizeof path, "/proc/%d/task/%d/io", thread, thread);
	if (!read_small(path, text, sizeof text))
		return false;
	update(&sample->written, number_after(text, "\nwrite_bytes: "), &ret_before->written);
	return true;
}

bool sample_works(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/io", getpid());
	return access("/proc/self/schedstat", R_OK) == 0 && access(path, F_OK) == 0;
}

uint64_t sample_memory(pid_t thread, struct sample *sample)
{
	char path[64], text[4096];

	if (sample->process != 0 && sample->process != thread)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/status", thread);
	if (!read_small(path, text, sizeof text))
		return 0;
	sample->process = (pid_t)number_after(text, "\nTgid:");
	if (sample->process != thread)
		return 0;
	return KIB(number_after(text, "\nRssAnon:") + number_after(text, "\nRssShmem:"));
}

uint64_t sample_memory_exactly(pid_t process)
{
	char path[64], text[4096];

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process);
	if (!read_small(path, text, sizeof text))
		return 0;
	return KIB(number_after(text, "\nPss_Anon:") + number_after(text, "\nPss_Shmem:"));
}

static bool is_new(struct memory_files *seen, uint64_t file)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->seen[i] == file)
			return false;
	if (seen->count < COUNT(seen->seen))
		seen->seen[seen->count++] = file;
	return true;
}

uint64_t sample_memory_files(pid_t process, struct memory_files *seen)
{
	static const char prefix[] = "/memfd:";
	char path[64], link[sizeof prefix];
	uint64_t bytes = 0;
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/fd", process);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link);
		if (n < (ssize_t)strlen(prefix) || memcmp(link, prefix, strlen(prefix)) != 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && is_new(seen, (uint64_t)st.st_ino))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(dir);
	return bytes;
}

/* proc(5), sysvipc/shm: one line of names, then numbers; the 15th is what lies in memory. */
uint64_t sample_segments(void)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	struct str rest, line, word;
	uint64_t bytes = 0, number;

	if (io_read_file("/proc/sysvipc/shm", &text, NULL) < 0)
		return 0;
	rest = buf_str(&text);
	(void)str_next(&rest, '\n', &line);
	while (str_next(&rest, '\n', &line))
		for (int column = 1; str_next(&line, ' ', &word);)
			if (word.len > 0 && column++ == 15 && str_to_u64(word, &number) == 0)
				bytes += number;
	return bytes;
}
