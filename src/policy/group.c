/* group.c - who is in a group of the policy. */
#include "policy/rules.h"

#include <string.h>

#include "base/banned.h"

bool policy_in_group(const struct policy *policy, const char *group, const char *user)
{
	for (size_t i = 0; i < policy->group_count; i++)
		for (size_t k = 0; strcmp(policy->groups[i].name, group) == 0 && k < policy->groups[i].count; k++)
			if (strcmp(policy->groups[i].members[k], user) == 0)
				return true;
	return false;
}
