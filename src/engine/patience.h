/* patience.h - how much is borne of models and tools that fail, and how much may work at once, out of the configuration. */
#ifndef MISHRI_ENGINE_PATIENCE_H
#define MISHRI_ENGINE_PATIENCE_H

#include "engine/config.h"
#include "engine/engine.h"

struct engine_patience patience_of(const struct config *config);
struct engine_slots slots_of(const struct config *config);          /* the keys slots.*; borrows from config */

#endif
