/* slots.h - worker slots: how many tasks of this engine work at once. Internal to engine/. */
#ifndef MISHRI_ENGINE_SLOTS_H
#define MISHRI_ENGINE_SLOTS_H

#include "engine/config.h"
#include "engine/run.h"

void slots_open(struct engine *engine);
void slots_close(struct engine *engine);

/* Does this step have to wait for a slot? Then the run is asked again when it has one. */
bool slots_hold_up(struct run *run, const struct step *step);
void slots_settle(struct run *run);        /* behind its steps: who does no work any more gives the slot back */
void slots_drop(struct run *run);          /* the run is over */

#endif
