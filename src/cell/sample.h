/* sample.h - what the kernel tells of one process or thread of a cell. */
#ifndef MISHRI_CELL_SAMPLE_H
#define MISHRI_CELL_SAMPLE_H

#include <sys/types.h>

#include "base/util.h"

/* Of one thread. Kept with it, so that what was seen last still counts when it is gone. */
struct sample {
	pid_t process;                 /* that it belongs to; 0: not looked at yet */
	uint64_t cpu_ns, written;      /* so far */
};

/* Reads both again. What an id that now means another thread had used before is returned in *ret_before, to be added
 * to the sums. What cannot be read stays as it was; false: the bytes are among it, as they are of who is dead already. */
bool sample_read(pid_t thread, struct sample *sample, struct sample *ret_before);
bool sample_works(void);               /* does this kernel tell processor time and bytes written of each thread? */

/* Memory of a process that nobody else has: its own pages, and shared ones. 0 for a thread that is no process. */
uint64_t sample_memory(pid_t thread, struct sample *sample);
/* The same where each shared page counts in parts. Much slower. */
uint64_t sample_memory_exactly(pid_t process);

/* Files in memory that are open in the process, each counted once over all calls with the same list. */
struct memory_files {
	size_t count;
	uint64_t seen[1024];
};
uint64_t sample_memory_files(pid_t process, struct memory_files *seen);
uint64_t sample_segments(void);        /* System V shared memory of this IPC namespace */

#endif
