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
#include "cell/userns.h"
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
	struct err err = ERR_NONE;
	bool ok = userns_try(&err) == 0;

	add(list, "namespaces", ok, ok ? "user mount pid net ipc uts cgroup" : "no isolation 'full'", err.text);
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
	struct filter filters[FILTER_PARTS] = { 0 };
	char detail[64];
	bool ok = filter_make(FILTER_CELL, true, &filters[FILTER_CELL], &err) == 0 &&
	          filter_make(FILTER_RUN, true, &filters[FILTER_RUN], &err) == 0;
	pid_t pid = ok ? fork() : -1;
	int status = 1;

	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && filter_enter(&filters[FILTER_CELL]) == 0 &&
		      filter_enter(&filters[FILTER_RUN]) == 0 ? 0 : 1);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	snprintf(detail, sizeof detail, "%u instructions", filters[FILTER_CELL].count + filters[FILTER_RUN].count);
	add(list, "seccomp", ok && status == 0, ok ? detail : err.text, "use a kernel with CONFIG_SECCOMP_FILTER");
	filter_done(&filters[FILTER_CELL]);
	filter_done(&filters[FILTER_RUN]);
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
