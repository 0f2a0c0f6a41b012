/* model_call - what our model client costs: the same conversation as in turn_floor, through llm_start, with its requests
 * built and its replies parsed. Compare median_us with model_median_us of turn_floor.
 *
 *   model_call [TURNS]        prints {"bench":"model_call","turns":N,"median_us":…,"p99_us":…} */
#include <event2/event.h>
#include <stdio.h>

#include "base/clock.h"
#include "llm/llm.h"
#include "mock_start.h"

#include "base/banned.h"

enum { TURNS_MAX = 100000, WARM_UP = 20 };

struct turn {
	struct event_base *base;
	json_t *messages;
};

static const char *bench_env(void *userdata, const char *name)
{
	return strcmp(name, "OPENAI_BASE_URL") == 0 ? userdata : NULL;
}

static void on_done(void *userdata, struct llm_reply *reply, const struct llm_failure *failure)
{
	struct turn *turn = userdata;

	if (failure != NULL || reply->call_count != 1) {
		fprintf(stderr, "model_call: %s\n", failure != NULL ? failure->text : "no call came");
		exit(1);
	}
	struct llm_tool_call *call = &reply->calls[0];
	json_array_append_new(turn->messages, json_pack("{s:s,s:s,s:[{s:s,s:s,s:s}]}", "role", "assistant", "text", reply->text,
	                                                "calls", "id", call->id, "name", call->name, "args", call->args));
	json_array_append_new(turn->messages, json_pack("{s:s,s:s,s:s}", "role", "tool", "call", call->id, "text", "exit 0"));
	event_base_loopbreak(turn->base);
}

int main(int argc, char **argv)
{
	static int64_t turn_ns[TURNS_MAX];
	struct err err = ERR_NONE;
	struct llm *llm;
	struct llm_model *model;
	uint64_t turns = 1000;
	char url[64];

	if (argc > 1 && (str_to_u64(str_of(argv[1]), &turns) < 0 || turns == 0 || turns > TURNS_MAX)) {
		fprintf(stderr, "usage: model_call [TURNS]: a number from 1 to %d\n", TURNS_MAX);
		return 2;
	}
	struct mock mock = mock_start(turns + WARM_UP);
	struct turn turn = { .base = event_base_new(), .messages = json_pack("[{s:s,s:s}]", "role", "user", "text", "run true") };
	snprintf(url, sizeof url, "http://127.0.0.1:%ld/v1", mock.port);
	if (llm_new(turn.base, &llm, &err) < 0 || llm_model_open("openai/mock", bench_env, url, &model, &err) < 0) {
		fprintf(stderr, "model_call: %s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < turns + WARM_UP; i++) {
		struct llm_request request = { .model = model, .agent = "worker", .messages = turn.messages, .on_done = on_done,
		                               .userdata = &turn };
		int64_t begin = clock_mono_ns();
		if (llm_start(llm, &request) == NULL)
			abort();
		event_base_dispatch(turn.base);
		turn_ns[i < WARM_UP ? 0 : i - WARM_UP] = clock_mono_ns() - begin;
	}
	printf("{\"bench\":\"model_call\",\"turns\":%llu,\"median_us\":%.1f,\"p99_us\":%.1f}\n", (unsigned long long)turns,
	       time_at_us(turn_ns, turns, 0.5), time_at_us(turn_ns, turns, 0.99));
	llm_free(llm);
	llm_model_close(model);
	event_base_free(turn.base);
	json_decref(turn.messages);
	mock_stop(&mock);
	return 0;
}
