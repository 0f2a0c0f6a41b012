/* symbols.c - addresses into names, from the symbol table of the program's own file (elf(5)), which also has the static
 * functions, and from what the loader knows of libraries. It reads no debug information: no lines, no inlined functions. */
#include "engine/symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"

#include "base/banned.h"

struct symbols {
	const char *file;              /* the program, mapped; NULL: not there, or not as it should be */
	size_t size;
	const ElfW(Sym) *table;
	size_t count;
	const char *names;
	size_t names_size;
	uintptr_t base, end;           /* where the program lies */
};

static int note_program(struct dl_phdr_info *info, size_t size UNUSED, void *userdata)
{
	struct symbols *s = userdata;

	s->base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			s->end = MAX(s->end, info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz);
	return 1;                      /* the first is the program */
}

static bool lies_inside(const struct symbols *s, uint64_t offset, uint64_t size)
{
	return offset <= s->size && size <= s->size - offset;
}

static void find_table(struct symbols *s)
{
	const ElfW(Ehdr) *head = (const void *)s->file;

	if (s->size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr)) ||
	    !lies_inside(s, head->e_shoff, (uint64_t)head->e_shnum * sizeof(ElfW(Shdr))))
		return;
	const ElfW(Shdr) *sections = (const void *)(s->file + head->e_shoff);
	for (size_t i = 0; i < head->e_shnum; i++) {
		const ElfW(Shdr) *at = &sections[i];
		if (at->sh_type != SHT_SYMTAB || at->sh_link >= head->e_shnum || !lies_inside(s, at->sh_offset, at->sh_size))
			continue;
		const ElfW(Shdr) *names = &sections[at->sh_link];
		if (!lies_inside(s, names->sh_offset, names->sh_size) || names->sh_size == 0 ||
		    s->file[names->sh_offset + names->sh_size - 1] != '\0')
			continue;
		s->table = (const void *)(s->file + at->sh_offset);
		s->count = at->sh_size / sizeof *s->table;
		s->names = s->file + names->sh_offset;
		s->names_size = names->sh_size;
		return;
	}
}

struct symbols *symbols_open(void)
{
	struct symbols *s = xcalloc(1, sizeof *s);
	AUTO(fd_closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	dl_iterate_phdr(note_program, s);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return s;
	void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return s;
	s->file = file;
	s->size = (size_t)st.st_size;
	find_table(s);
	return s;
}

void symbols_free(struct symbols *s)
{
	if (s == NULL)
		return;
	if (s->file != NULL)
		munmap((void *)(uintptr_t)s->file, s->size);
	free(s);
}

/* The function of the program that has this address; NULL: none is known. */
static const ElfW(Sym) *find(const struct symbols *s, uintptr_t offset)
{
	for (size_t i = 0; i < s->count; i++) {
		const ElfW(Sym) *at = &s->table[i];
		if (ELF64_ST_TYPE(at->st_info) == STT_FUNC && at->st_name < s->names_size && offset >= at->st_value &&
		    offset - at->st_value < at->st_size)
			return at;
	}
	return NULL;
}

void symbols_name(const struct symbols *s, const void *address, char ret[static SYMBOL_TEXT_BYTES])
{
	uintptr_t at = (uintptr_t)address;
	Dl_info info;

	if (at >= s->base && at < s->end) {
		const ElfW(Sym) *symbol = find(s, at - s->base);
		if (symbol != NULL)
			snprintf(ret, SYMBOL_TEXT_BYTES, "%s+0x%zx", s->names + symbol->st_name, (size_t)(at - s->base - symbol->st_value));
		else
			snprintf(ret, SYMBOL_TEXT_BYTES, "mishri+0x%zx", (size_t)(at - s->base));
		return;
	}
	if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
		snprintf(ret, SYMBOL_TEXT_BYTES, "%p", address);
		return;
	}
	const char *slash = strrchr(info.dli_fname, '/'), *file = slash != NULL ? slash + 1 : info.dli_fname;
	if (info.dli_sname != NULL)
		snprintf(ret, SYMBOL_TEXT_BYTES, "%s(%s+0x%zx)", file, info.dli_sname, (size_t)(at - (uintptr_t)info.dli_saddr));
	else
		snprintf(ret, SYMBOL_TEXT_BYTES, "%s+0x%zx", file, (size_t)(at - (uintptr_t)info.dli_fbase));
}
