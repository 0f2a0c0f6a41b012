/* deny.c - the refusal as a program of a few instructions, put where the refused one would have begun. Killing says
 * nothing: shells print "Killed" at best, make and git worse. It never lets one instruction of the program run. */
#include "cell/deny.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "base/limits.h"
#include "base/banned.h"

#if defined(__x86_64__)

enum { CODE_SEGMENT_64 = 0x33, BELOW_STACK = 256 };

/* write(2, message, length); exit_group(126); ud2. The last one ends it where a filter of its parent's refuses both. */
static size_t code_make(unsigned char *code, uint64_t message, uint32_t length)
{
	unsigned char *at = code;

	memcpy(at, "\x48\xbe", 2);                    /* movabs rsi, message */
	memcpy(at + 2, &message, 8);
	at += 10;
	*at++ = 0xba;                                 /* mov edx, length */
	memcpy(at, &length, 4);
	at += 4;
	memcpy(at, "\xbf\x02\x00\x00\x00"             /* mov edi, 2 */
	       "\xb8\x01\x00\x00\x00" "\x0f\x05"      /* mov eax, write; syscall */
	       "\xbf\x7e\x00\x00\x00"                 /* mov edi, 126 */
	       "\xb8\xe7\x00\x00\x00" "\x0f\x05"      /* mov eax, exit_group; syscall */
	       "\x0f\x0b", 26);                       /* ud2 */
	return (size_t)(at + 26 - code);
}

/* The page is read-only and private: only ptrace may write to it, a word at a time. */
static int code_write(pid_t pid, uint64_t at, const unsigned char *code, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(long)) {
		long word;
		memcpy(&word, code + i, sizeof word);
		if (ptrace(PTRACE_POKETEXT, pid, at + i, word) < 0)
			return -errno;
	}
	return 0;
}

/* On the stack, which is writable whatever the program is. Below the pointer there is room, unless long arguments took
 * all that the kernel had reserved; then over those arguments, which nobody will read. 0: neither. */
static uint64_t message_write(pid_t pid, uint64_t stack, const char *line, size_t length)
{
	const uint64_t places[] = { (stack - BELOW_STACK - length) & ~(uint64_t)15, stack };

	for (size_t i = 0; i < COUNT(places); i++) {
		struct iovec from = { (void *)line, length }, to = { (void *)places[i], length };
		if (process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)length)
			return places[i];
	}
	return 0;
}

int deny_inject(pid_t pid, const char *message)
{
	char line[LIMIT_CELL_DENY_TEXT_BYTES + 2];
	unsigned char code[64];
	struct user_regs_struct regs;
	int length = snprintf(line, sizeof line, "%.*s\n", LIMIT_CELL_DENY_TEXT_BYTES, message);

	for (int i = 0; i + 1 < length; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return -errno;
	if (regs.cs != CODE_SEGMENT_64)
		return -ENOEXEC;
	uint64_t place = message_write(pid, regs.rsp, line, (size_t)length);
	if (place == 0)
		return -EFAULT;
	memset(code, 0x90, sizeof code);
	size_t size = code_make(code, place, (uint32_t)length);
	int r = code_write(pid, regs.rip, code, (size + 7) & ~(size_t)7);
	if (r < 0)
		return r;
	regs.orig_rax = (unsigned long long)-1;       /* no system call to take up again */
	return ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0 ? -errno : 0;
}

#else

/* No code for this architecture: the caller kills, which is as certain and says less. */
int deny_inject(pid_t pid UNUSED, const char *message UNUSED)
{
	return -ENOEXEC;
}

#endif
