/* json_plain.h - the common part of JSON, fast. Internal to base/: json_parse() asks it first. */
#ifndef MISHRI_BASE_JSON_PLAIN_H
#define MISHRI_BASE_JSON_PLAIN_H

#include "base/json.h"

/* What json_parse() would give. NULL: jansson must look, which says nothing about the text. The caller owns it. */
MUST_USE json_t *json_plain(struct str text);

#endif
