/* probe.c - tries, in the warden, what a cell will need. It changes nothing: each trial is a child that ends. */
#include "cell/probe.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "cell/cgroup.h"
#include "cell/filter.h"
#include "cell/gate.h"
#include "cell/landlock.h"
#include "cell/sample.h"
#include "base/banned.h"

static void add(json_t *list, const char *name, bool ok, const char *detail, const char *fix)
{
	json_t *row = json_object();

	json_put_text(row, "name", name);
	json_put_bool(row, "ok", ok);
	json_put_text(row, "detail", detail);
	json_put_text(row, "fix", ok ? "" : fix);
	json_array_append_new(list, row);
}

static void probe_kernel(json_t *list)
{
	struct utsname name;

	uname(&name);
	add(list, "kernel", true, name.release, "");
}

static void probe_namespaces(json_t *list)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		         CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(0);
	add(list, "namespaces", pid > 0, pid > 0 ? "user mount pid net ipc uts cgroup" : strerror(errno),
	    "allow user namespaces: sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1 and"
	    " kernel.apparmor_restrict_unprivileged_userns=0 where they exist; until then isolation is 'reduced' at best");
	if (pid > 0)
		while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
			;
}

static void probe_landlock(json_t *list)
{
	char detail[32];
	int abi = landlock_abi();

	snprintf(detail, sizeof detail, abi > 0 ? "ABI %d" : "missing", abi);
	add(list, "landlock", abi > 0, detail, "boot Linux 5.13 or newer with landlock in the list of lsm=");
}

static void probe_seccomp(json_t *list)
{
	struct err err = ERR_NONE;
	struct filter filter = { 0 };
	char detail[64];
	bool ok = filter_make(true, false, &filter, &err) == 0;
	pid_t pid = ok ? fork() : -1;
	int status = 1;

	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && filter_enter(&filter) == 0 ? 0 : 1);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	snprintf(detail, sizeof detail, "%u instructions", filter.count);
	add(list, "seccomp", ok && status == 0, ok ? detail : err.text, "use a kernel with CONFIG_SECCOMP_FILTER");
	filter_done(&filter);
}

static void probe_gate(json_t *list)
{
	struct err err = ERR_NONE;
	bool ok = gate_trial(&err) == 0;

	add(list, "exec gate", ok, ok ? "ptrace" : err.text,
	    "set the sysctl kernel.yama.ptrace_scope to 0 or 1, and allow ptrace where a container forbids it");
}

/* Not missing where there is no group: then pid 1 of each cell watches. */
static void probe_limits(json_t *list)
{
	static struct cgroup_root root;
	char detail[PATH_MAX + 128];

	cgroup_look(&root);
	if (root.version != 0)
		snprintf(detail, sizeof detail, "cgroup v%d in %s", root.version, root.memory);
	else
		snprintf(detail, sizeof detail, "watchdog (%s; systemd-run --user --scope -p Delegate=yes gives one)", root.why);
	add(list, "limits: memory", true, detail, "");
	if (root.version != 0 && root.pids[0] != '\0')
		snprintf(detail, sizeof detail, "cgroup v%d in %s, and the exec gate", root.version, root.pids);
	else
		snprintf(detail, sizeof detail, "user namespace, and the exec gate");
	add(list, "limits: processes", true, detail, "");
	bool tells = sample_works();
	add(list, "limits: cpu, disk", tells, tells ? "watchdog" : "the kernel does not tell what each thread used",
	    "use a kernel with CONFIG_SCHED_INFO and CONFIG_TASK_IO_ACCOUNTING; until then processor time is limited for each process"
	    " by itself, and what is written is not");
}

char *probe_text(void)
{
	AUTO(json_decrefp) json_t *list = json_array();

	probe_kernel(list);
	probe_namespaces(list);
	probe_landlock(list);
	probe_seccomp(list);
	probe_gate(list);
	probe_limits(list);
	return json_text(list);
}
