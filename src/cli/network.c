/* network.c - the network of cells as the configuration has it: for runs, and for `mishri exec`. */
#include "cli/common.h"

#include "engine/egress.h"

#include "base/banned.h"

int cli_egress(struct loop *loop, const struct config *config, struct egress_base **ret, struct err *err)
{
	struct egress_limits limits = { 0 };

	if (config == NULL)
		return egress_base_new(loop, NULL, NULL, &limits, ret, err);
	limits = (struct egress_limits){
		.connections = config_number(config, "net.connections"),
		.task_connections = config_number(config, "net.task_connections"),
		.idle_ms = config_number(config, "net.idle"),
		.time_ms = config_number(config, "net.time"),
		.bytes = config_number(config, "net.bytes"),
		.task_bytes = config_number(config, "net.task_bytes"),
	};
	return egress_base_new(loop, config_text(config, "net.resolver"), config_text(config, "net.ca_file"), &limits, ret, err);
}
