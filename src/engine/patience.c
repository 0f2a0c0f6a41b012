/* patience.c - the keys retry.*, breaker.*, fallback.stay, model.* and slots.* as the engine wants them. It decides nothing. */
#include "engine/patience.h"

#include "base/banned.h"

struct engine_patience patience_of(const struct config *config)
{
	return (struct engine_patience){
		.attempts = config_number(config, "retry.attempts"),
		.tool_attempts = config_number(config, "retry.tool_attempts"),
		.time_ms = config_number(config, "retry.time"),
		.wait_ms = config_number(config, "retry.wait"),
		.failures = config_number(config, "breaker.failures"),
		.open_ms = config_number(config, "breaker.open"),
		.stay_ms = config_number(config, "fallback.stay"),
		.model = {
			.connect_ms = config_number(config, "model.connect"),
			.first_ms = config_number(config, "model.first_byte"),
			.idle_ms = config_number(config, "model.idle"),
			.total_ms = config_number(config, "model.total"),
		},
	};
}

struct engine_slots slots_of(const struct config *config)
{
	return (struct engine_slots){
		.at = {
			[SLOT_ENGINE] = config_number(config, "slots.engine"),
			[SLOT_USER] = config_number(config, "slots.user"),
			[SLOT_PROVIDER] = config_number(config, "slots.provider"),
			[SLOT_AGENT] = config_number(config, "slots.agent"),
		},
		.providers = config_text(config, "slots.providers"),
	};
}
