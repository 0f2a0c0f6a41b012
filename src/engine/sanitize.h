/* sanitize.h - the section `sanitize:` of the configuration: what the sanitiser must not hide. */
#ifndef MISHRI_ENGINE_SANITIZE_H
#define MISHRI_ENGINE_SANITIZE_H

#include "base/yaml.h"

/* The section of one file. Its patterns hold in this process at once (leaks_allow); locked: what is wrong is said,
 * nothing is taken. -EINVAL with FILE:LINE:COL. */
MUST_USE int sanitize_read(const struct yaml_node *section, bool locked, struct err *err);

#endif
