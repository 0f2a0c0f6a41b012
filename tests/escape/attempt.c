/* attempt.c - one forbidden act per word. Exit status: 0 it was done, 1 it was refused (and how, on stdout), 2
 * usage. Where a program is started by an unusual way, that program's status is the result. It links nothing of the
 * project. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int done_if(long result)
{
	if (result >= 0)
		return 0;
	printf("%s\n", strerror(errno));
	return 1;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- files ---- */

static int read_it(char **a)
{
	char byte;
	int fd = open(a[0], O_RDONLY);

	return fd < 0 ? done_if(-1) : done_if(read(fd, &byte, 1));
}

static int write_it(char **a)
{
	return done_if(open(a[0], O_WRONLY | O_CREAT | O_APPEND, 0644));
}

static int open_for_write(char **a)
{
	return done_if(open(a[0], O_WRONLY));
}

static int write_own_memory(char **a)
{
	static volatile int word = 1;
	int two = 2, fd = open("/proc/self/mem", O_RDWR);

	(void)a;
	if (fd < 0 || pwrite(fd, &two, sizeof two, (off_t)(uintptr_t)&word) < 0)
		return done_if(-1);
	return word == 2 ? 0 : 1;
}

static int look_at(char **a)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%s/environ", a[0]);
	return done_if(open(path, O_RDONLY));
}

/* ---- processes ---- */

static int kill_it(char **a)
{
	return done_if(kill(atoi(a[0]), SIGUSR1));
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	while (pid == 0)
		pause();
	return pid;
}

static int trace_child(char **a)
{
	pid_t pid = sleeper();
	int r = done_if(ptrace(PTRACE_SEIZE, pid, NULL, NULL));

	(void)a;
	kill(pid, SIGKILL);
	return r;
}

static int write_child(char **a)
{
	static char word[] = "old";
	pid_t pid = sleeper();
	struct iovec from = { "new", 3 }, to = { word, 3 };
	int r = done_if(process_vm_writev(pid, &from, 1, &to, 1, 0));

	(void)a;
	kill(pid, SIGKILL);
	return r;
}

static int get_fd_of_child(char **a)
{
	pid_t pid = sleeper();
	int r = done_if(syscall(SYS_pidfd_getfd, (int)syscall(SYS_pidfd_open, pid, 0), 0, 0));

	(void)a;
	kill(pid, SIGKILL);
	return r;
}

/* ---- the view of the system ---- */

static int mount_it(char **a)
{
	(void)a;
	return done_if(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int new_user_namespace(char **a)
{
	(void)a;
	return done_if(unshare(CLONE_NEWUSER));
}

static int clone_user_namespace(char **a)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)a;
	if (pid == 0)
		_exit(0);
	return pid < 0 ? done_if(-1) : status_of((pid_t)pid);
}

static int enter_namespace(char **a)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY);

	(void)a;
	return fd < 0 ? done_if(-1) : done_if(setns(fd, CLONE_NEWUTS));
}

static int change_root(char **a)
{
	(void)a;
	return done_if(chroot("/"));
}

static int open_tree_it(char **a)
{
	(void)a;
	return done_if(open_tree(AT_FDCWD, "/tmp", 0));
}

/* ---- the network ---- */

static int connect_tcp(char **a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(a[0])) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? done_if(-1) : done_if(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int connect_abstract(char **a)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len = strlen(a[0]);

	memcpy(to.sun_path + 1, a[0], len);
	return done_if(connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)));
}

static int fast_open(char **a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(a[0])) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return done_if(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to));
}

static int make_socket(char **a)
{
	return done_if(socket(atoi(a[0]), atoi(a[1]), atoi(a[2])));
}

/* ---- parts of the kernel ---- */

static int io_uring(char **a)
{
	char params[120] = { 0 };

	(void)a;
	return done_if(syscall(SYS_io_uring_setup, 1, params));
}

static int key_ring(char **a)
{
	(void)a;
	return done_if(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3 /* session */, 1));
}

static int bpf_map(char **a)
{
	/* BPF_MAP_TYPE_ARRAY, key 4, value 4, 1 entry */
	uint32_t attr[32] = { 2, 4, 4, 1 };

	(void)a;
	return done_if(syscall(SYS_bpf, 0 /* MAP_CREATE */, attr, sizeof attr));
}

static int perf(char **a)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .exclude_kernel = 1 };

	(void)a;
	return done_if(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int user_fault(char **a)
{
	(void)a;
	return done_if(syscall(SYS_userfaultfd, 1 /* user mode only */));
}

static int type_into_terminal(char **a)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char c = 'x';

	(void)a;
	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0)
		return done_if(-1);
	setsid();
	int tty = open(ptsname(fd), O_RDWR);
	/* The kernel ignores the upper half of a request; a filter must, too. */
	return done_if(syscall(SYS_ioctl, tty, 0x100000000ul | TIOCSTI, &c));
}

/* A process may be in 16 Landlock domains at once, one in another. */
static int enter_16_layers(char **a)
{
	uint64_t execute = 1;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &execute, sizeof execute, 0);

	(void)a;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int i = 0; i < 16; i++)
		if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
			return done_if(-1);
	return 0;
}

/* A call by its number, with nothing to work on: refused where the filter says so, done where the kernel looks at it. */
static int call_it(char **a)
{
	long r = syscall(atoi(a[0]), 0, 0, 0, 0, 0, 0);

	return r >= 0 || (errno != EPERM && errno != ENOSYS) ? 0 : done_if(-1);
}

/* The limit of core files lowered from 1, which keeps the machine's own collector from being started, to 0. */
static int lower_core_limit(char **a)
{
	struct rlimit one = { 1, 1 }, none = { 0, 0 }, now;

	(void)a;
	if (setrlimit(RLIMIT_CORE, &one) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return done_if(-1);
	(void)!prlimit(0, RLIMIT_CORE, &none, NULL);
	if (getrlimit(RLIMIT_CORE, &now) < 0)
		return done_if(-1);
	printf("it is %ld\n", (long)now.rlim_max);
	return now.rlim_max == 0 ? 0 : 1;
}

/* The supervisor of a child's system calls: it could hand another file to whoever opens one, also to a program that was
 * looked at before. */
static int supervise(char **a)
{
	struct sock_filter allow = { 0x06 /* RET */, 0, 0, 0x7fff0000u /* ALLOW */ };
	struct sock_fprog program = { 1, &allow };

	(void)a;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return done_if(syscall(SYS_seccomp, 1 /* SET_MODE_FILTER */, 1ul << 3 /* NEW_LISTENER */, &program));
}

/* Whoever has it learns of each open of a[0] before it is done, and can write first. */
static int lease(char **a)
{
	return done_if(fcntl(open(a[0], O_RDWR | O_CREAT, 0644), F_SETLEASE, F_WRLCK));
}

static volatile const char mark[] = "mark-good";

/* Leaves a file that is called as this program's bytes say. */
static int leave_mark(char **a)
{
	char name[sizeof mark];

	(void)a;
	for (size_t i = 0; i < sizeof mark; i++)
		name[i] = mark[i];
	return done_if(open(name, O_WRONLY | O_CREAT, 0644));
}

/* Maps the copy a[0] of this program, and touches it; when the file a[1] is there, changes its mark by that same mapping. The
 * kernel sets no time then: the page is known to be written. */
static int write_by_mapping(char **a)
{
	struct stat st;
	int fd = open(a[0], O_RDWR);
	char *all = fd < 0 || fstat(fd, &st) < 0 ? MAP_FAILED :
	            mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *at = all;

	if (all == MAP_FAILED)
		return done_if(-1);
	while ((at = memmem(at, (size_t)(all + st.st_size - at), (const char *)mark, sizeof mark)) != NULL)
		*(volatile char *)at++ = 'm';
	if (open("mapped", O_WRONLY | O_CREAT, 0644) < 0)
		return done_if(-1);
	for (int i = 0; i < 6000 && access(a[1], F_OK) < 0; i++)
		usleep(10000);
	for (at = all; (at = memmem(at, (size_t)(all + st.st_size - at), (const char *)mark, sizeof mark)) != NULL; at++)
		memcpy(at, "mark-evil", 9);
	return done_if(open("written", O_WRONLY | O_CREAT, 0644));
}

static int slow_user(char **a)
{
	(void)a;
	return done_if(setpriority(PRIO_USER, getuid(), 19));
}

static int set_host_name(char **a)
{
	(void)a;
	return done_if(sethostname("x", 1));
}

/* ---- unusual ways to start a program: a[0] is its path, a the arguments ---- */

static int by_exec(char **a)
{
	execv(a[0], a);
	return done_if(-1);
}

static int by_clone(unsigned long flags, char **a)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(by_exec(a));
	return pid < 0 ? done_if(-1) : status_of((pid_t)pid);
}

static int untraced(char **a)
{
	return by_clone(CLONE_UNTRACED, a);
}

static int shared_directory(char **a)
{
	return by_clone(CLONE_FS, a);
}

static int as_sibling(char **a)
{
	return by_clone(CLONE_PARENT, a);
}

static int clone3_untraced(char **a)
{
	struct clone_args args = { .flags = CLONE_UNTRACED, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(by_exec(a));
	return pid < 0 ? done_if(-1) : status_of((pid_t)pid);
}

static int by_vfork(char **a)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(a[0], a);
		_exit(1);
	}
	return status_of(pid);
}

static void *thread_main(void *a)
{
	by_exec(a);
	return NULL;
}

static int by_thread(char **a)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, a);
	pthread_join(thread, NULL);
	return 1;
}

static void *outlive_main(void *a)
{
	usleep(50000);               /* the first thread is gone by then */
	by_exec(a);
	return NULL;
}

/* The thread that starts the program is the last one; the process is still called by the first. */
__attribute__((noreturn)) static int by_last_thread(char **a)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlive_main, a);
	pthread_exit(NULL);
}

/* a[0] times, a[1] the program */
static int flood(char **a)
{
	for (int i = atoi(a[0]); i > 0; i--) {
		pid_t pid;
		if (posix_spawn(&pid, a[1], NULL, NULL, a + 1, environ) != 0 || status_of(pid) == 0)
			return 1;
	}
	return 0;
}

static int by_descriptor(char **a)
{
	int fd = open(a[0], O_RDONLY | O_CLOEXEC);

	fexecve(fd, a, environ);
	return done_if(-1);
}

static int by_memory(char **a)
{
	int from = open(a[0], O_RDONLY), fd = memfd_create("x", MFD_CLOEXEC);
	struct stat st;

	fstat(from, &st);
	if (from < 0 || fd < 0)
		return 2;
	for (off_t left = st.st_size; left > 0;) {
		char chunk[65536];
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n <= 0 || write(fd, chunk, (size_t)n) != n)
			return 2;
		left -= n;
	}
	fexecve(fd, a, environ);
	return done_if(-1);
}

static int by_double_fork(char **a)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		if (fork() == 0)
			_exit(by_exec(a));
		_exit(0);
	}
	status_of(pid);
	usleep(300000);              /* it is nobody's child now; its work shows what it did */
	return 0;
}

#if defined(__x86_64__)
static int i386_call(char **a)
{
	long result;

	(void)a;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
	return result > 0 ? 0 : 1;
}

static int x32_call(char **a)
{
	(void)a;
	return done_if(syscall(0x40000000 | SYS_getpid)) ;
}
#endif

static const struct attempt {
	const char *name;
	int (*act)(char **arguments);
	int arguments;
} attempts[] = {
	{"read", read_it, 1},
	{"write", write_it, 1},
	{"open-for-write", open_for_write, 1},
	{"write-own-memory", write_own_memory, 0},
	{"look-at", look_at, 1},
	{"kill", kill_it, 1},
	{"trace-child", trace_child, 0},
	{"write-child", write_child, 0},
	{"get-fd-of-child", get_fd_of_child, 0},
	{"mount", mount_it, 0},
	{"unshare-user", new_user_namespace, 0},
	{"clone-user", clone_user_namespace, 0},
	{"setns", enter_namespace, 0},
	{"chroot", change_root, 0},
	{"open-tree", open_tree_it, 0},
	{"connect", connect_tcp, 1},
	{"connect-abstract", connect_abstract, 1},
	{"fast-open", fast_open, 1},
	{"socket", make_socket, 3},
	{"io-uring", io_uring, 0},
	{"keyring", key_ring, 0},
	{"bpf", bpf_map, 0},
	{"perf", perf, 0},
	{"userfault", user_fault, 0},
	{"tiocsti", type_into_terminal, 0},
	{"call", call_it, 1},
	{"core-limit", lower_core_limit, 0},
	{"hostname", set_host_name, 0},
	{"slow-user", slow_user, 0},
	{"supervise", supervise, 0},
	{"lease", lease, 1},
	{"mark", leave_mark, 0},
	{"write-by-mapping", write_by_mapping, 2},
	{"layers", enter_16_layers, 0},
	{"exec", by_exec, 1},
	{"untraced", untraced, 1},
	{"shared-directory", shared_directory, 1},
	{"as-sibling", as_sibling, 1},
	{"clone3", clone3_untraced, 1},
	{"vfork", by_vfork, 1},
	{"thread", by_thread, 1},
	{"last-thread", by_last_thread, 1},
	{"flood", flood, 2},
	{"fexecve", by_descriptor, 1},
	{"memory", by_memory, 1},
	{"double-fork", by_double_fork, 1},
#if defined(__x86_64__)
	{"i386", i386_call, 0},
	{"x32", x32_call, 0},
#endif
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof attempts / sizeof attempts[0]; i++)
		if (strcmp(argv[1], attempts[i].name) == 0 && argc - 2 >= attempts[i].arguments)
			return attempts[i].act(argv + 2);
	return 2;
}
