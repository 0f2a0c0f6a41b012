/* schema.h - the language as a JSON Schema 2020-12. */
#ifndef MISHRI_POLICY_SCHEMA_H
#define MISHRI_POLICY_SCHEMA_H

#include "base/json.h"

MUST_USE json_t *policy_schema(void);              /* the caller owns it */

#endif
