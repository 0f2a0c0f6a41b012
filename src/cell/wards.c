/* wards.c - waits for the end of cells and removes their control groups. A group that does not become empty in time is
 * left; the next warden takes it away when it is. */
#include "cell/wards.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/banned.h"

enum { AGAIN_MS = 10 };

struct ward {
	pid_t pid;                     /* 0: reaped */
	struct cgroup group;
	int64_t until_ms;              /* once it is reaped */
	struct ward *next;
};

void wards_add(struct wards *wards, pid_t pid, const struct cgroup *group)
{
	struct ward *ward = xcalloc(1, sizeof *ward);

	ward->pid = pid;
	ward->group = *group;
	ward->next = wards->first;
	wards->first = ward;
}

void wards_tick(struct wards *wards)
{
	for (struct ward **at = &wards->first; *at != NULL;) {
		struct ward *ward = *at;
		if (ward->pid != 0 || (!cgroup_end(wards->root, &ward->group) && clock_mono_ms() < ward->until_ms)) {
			at = &ward->next;
			continue;
		}
		*at = ward->next;
		wards->ending--;
		free(ward);
	}
}

void wards_ended(struct wards *wards, pid_t pid)
{
	for (struct ward *ward = wards->first; ward != NULL; ward = ward->next) {
		if (ward->pid != pid)
			continue;
		ward->pid = 0;
		ward->until_ms = clock_mono_ms() + LIMIT_CELL_GROUP_MS;
		wards->ending++;
	}
	wards_tick(wards);
}

int wards_timeout_ms(const struct wards *wards)
{
	return wards->ending > 0 ? AGAIN_MS : -1;
}

void wards_end(struct wards *wards)
{
	int64_t until_ms = clock_mono_ms() + LIMIT_CELL_GROUP_MS;

	for (const struct ward *ward = wards->first; ward != NULL; ward = ward->next)
		if (ward->pid != 0)
			kill(ward->pid, SIGKILL);
	while (wards->first != NULL && clock_mono_ms() < until_ms) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid > 0)
			wards_ended(wards, pid);
		else
			usleep(AGAIN_MS * 1000);
		wards_tick(wards);
	}
}
