/* lean.c - forks of pid 1 that are quick. Most of what a fork costs here is the copy of the mappings of libraries that the
 * child throws away a moment later at its execve, so they are left out. Only libraries of which launch.c uses nothing are
 * named; any other stays. It changes what is mapped in the child, never what the child may do. */
#include "cell/lean.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#include "base/banned.h"

/* All functions that the program calls are bound when it starts (-z now): in such a child nobody looks for a symbol, which
 * would lead through the tables of every library. */
static const char *const left_out[] = {
	"libcrypto.so", "libssl.so", "libsqlite3.so", "libfyaml.so", "libpcre2-8.so", "libidn2.so", "libunistring.so",
	"libevent_core-2", "libevent_extra-2", "libevent_openssl-2", "libjansson.so", "libz.so", "libm.so",
};

static bool is_left_out(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	for (size_t i = 0; i < COUNT(left_out); i++)
		if (strncmp(name, left_out[i], strlen(left_out[i])) == 0)
			return true;
	return false;
}

/* Advice that is not taken costs time, and nothing else. */
static int advise(struct dl_phdr_info *library, size_t size UNUSED, void *advice)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = UINTPTR_MAX, to = 0;

	if (!is_left_out(library->dlpi_name))
		return 0;
	for (int i = 0; i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &library->dlpi_phdr[i];
		if (part->p_type != PT_LOAD)
			continue;
		from = MIN(from, (library->dlpi_addr + part->p_vaddr) & ~(page - 1));
		to = MAX(to, library->dlpi_addr + part->p_vaddr + part->p_memsz);
	}
	if (from < to)
		(void)madvise((void *)from, to - from, *(const int *)advice);
	return 0;
}

static void share(bool whole)
{
	static bool is_lean;
	int advice = whole ? MADV_DOFORK : MADV_DONTFORK;

	if (is_lean == !whole)
		return;
	dl_iterate_phdr(advise, &advice);
	is_lean = !whole;
}

/* _Fork: nobody's handlers run in a child that may lack them. Pid 1 has one thread. */
pid_t lean_fork(void)
{
	share(false);
	return _Fork();
}

pid_t lean_fork_whole(void)
{
	share(true);
	return fork();
}
