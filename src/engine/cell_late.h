/* cell_late.h - when a task gets its cell. Internal to engine/. */
#ifndef MISHRI_ENGINE_CELL_LATE_H
#define MISHRI_ENGINE_CELL_LATE_H

#include "engine/run.h"

void cell_begin(struct run *run);                                /* the task may begin: with a cell, or without one for now */
bool cell_needed_by(const struct tool *tool);
bool cell_is_awaited(struct run *run, const struct tool *tool);  /* true: the call begins when the cell is there */
void cell_check_ends(struct run *run, bool works);               /* its cell has opened, or never will */
void cell_kinds_forget(struct engine *engine);                   /* one did not open */

#endif
