/* raise.h - a person's yes beyond a limit or a budget, and what it is good for. Internal to engine/. */
#ifndef MISHRI_ENGINE_RAISE_H
#define MISHRI_ENGINE_RAISE_H

#include "engine/charge.h"

/* A yes to a limit lets this one use pass all limits that ask. One that denies or waits is passed by nobody. */
bool raise_waives(const struct charging *g, enum over over);
/* This budget refused, and a person said yes to just that, for which nothing was given yet. */
bool raise_is_due(const struct charging *g, const struct charge_budget *refused);
/* Gives it as much again as it has in the policy, or what the step wants; not where somebody was faster and there is room. */
void raise_begin(const struct charging *g, const struct charge_budget *refused);

#endif
