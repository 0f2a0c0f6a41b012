/* model.c - the model's side of a run: what is asked, what comes back, what is tried again.
 * It never reads meaning out of a reply: the calls in it are proposals and nothing more. */
#include "engine/breaker.h"
#include "engine/charge.h"
#include "engine/run.h"
#include "engine/traceparent.h"

#include <stdio.h>
#include <string.h>

#include "llm/prices.h"
#include "base/banned.h"

static const char *turn_name(const struct task *t, char name[static 24])
{
	snprintf(name, 24, "%lld", (long long)t->turns + 1);
	return name;
}

void model_compact(struct run *run)
{
	const struct task *t = run->task;
	struct compaction c = compact_plan(t);
	char turn[24];
	json_t *data = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "turn", (json_int_t)t->turns + 1,
		"tokens", (json_int_t)task_context_tokens(t), "window", (json_int_t)t->context.window_tokens, "dropped",
		(json_int_t)c.dropped, "stubbed", (json_int_t)c.stubbed, "kept", (json_int_t)c.kept, "bytes_before",
		(json_int_t)c.bytes_before, "bytes_after", (json_int_t)c.bytes_after, "drop_to", (json_int_t)c.drop_to, "stub_to",
		(json_int_t)c.stub_to);

	json_put_text(data, "summary", c.lines);
	compaction_done(&c);
	run_emit(run, EVENT_CONVERSATION_COMPACTED, "turn", turn_name(t, turn), data);
}

json_t *model_request_data(const struct run *run)
{
	return json_pack("{s:I, s:s, s:s, s:I}", "turn", (json_int_t)run->task->turns + 1, "provider",
	                 llm_model_provider(run->model), "model", llm_model_name(run->model), "messages",
	                 (json_int_t)json_array_size(run->task->messages) + 1);
}

void model_ask(struct run *run)
{
	char turn[24];

	run_emit(run, EVENT_MODEL_REQUESTED, "turn", turn_name(run->task, turn), model_request_data(run));
}

static void failed(struct run *run, enum failure kind, const struct llm_failure *why)
{
	char turn[24];
	json_t *data = json_pack("{s:I, s:s, s:I}", "turn", (json_int_t)run->task->turns + 1, "class", failure_name(kind), "ms",
	                         (json_int_t)(clock_mono_ms() - run->request_ms));

	json_put_text(data, "message", why->text);
	json_put(data, "status", why->http_status != 0 ? json_integer(why->http_status) : json_null());
	json_put(data, "retry_after_ms", why->retry_after_ms >= 0 ? json_integer(why->retry_after_ms) : json_null());
	if (why->shown > 0)
		json_put_int(data, "shown", why->shown);
	breaker_failure(run, task_model(run->task, run->task->models.at), kind, why);
	run_emit(run, EVENT_MODEL_FAILED, "turn", turn_name(run->task, turn), data);
}

static void put_count(json_t *object, const char *key, int64_t tokens)
{
	json_put(object, key, tokens >= 0 ? json_integer(tokens) : json_null());
}

static json_t *usage_of(const struct llm_usage *usage)
{
	json_t *object = json_object();

	put_count(object, "input", usage->input);
	put_count(object, "cache_read", usage->cache_read);
	put_count(object, "cache_write", usage->cache_write);
	if (usage->cache_write_1h > 0)
		put_count(object, "cache_write_1h", usage->cache_write_1h);
	put_count(object, "output", usage->output);
	put_count(object, "reasoning", usage->reasoning);
	return object;
}

/* What the provider says it costs; where it says nothing, what the price table makes of the tokens; else unknown. */
static void put_cost(struct run *run, json_t *data, const struct llm_usage *usage)
{
	struct price price;
	int64_t nanos = usage->usd_nanos;

	if (nanos >= 0) {
		json_put_text(data, "price", "as the provider reports it");
	} else if (prices_find(run->engine->setup.prices, run->model, clock_wall_us(), &price)) {
		nanos = price_cost(&price, usage);
		json_put_text(data, "price", price.source);
	}
	put_count(data, "usd_nanos", nanos);
}

static void propose(struct run *run, const struct llm_tool_call *call, int64_t turn, size_t index)
{
	struct str text = str_trim(str_of(call->args));
	json_t *args = NULL;
	char id[CALL_ID_BYTES];

	if (text.len == 0)
		args = json_object();
	else if (json_parse(text, &args, NULL) < 0 || !json_is_object(args) || json_depth(args) > LIMIT_CALL_ARGS_DEPTH) {
		json_decref(args);
		args = json_of_str(str_of(call->args));
	}
	snprintf(id, sizeof id, "%lld.%zu", (long long)turn, index + 1);
	json_t *data = json_pack("{s:s, s:I, s:o}", "call", id, "turn", (json_int_t)turn, "args", args);
	json_put_text(data, "id", call->id);
	json_put_text(data, "tool", call->name);
	run_emit(run, EVENT_CALL_PROPOSED, "call", id, data);
}

static void replied(struct run *run, const struct llm_reply *reply)
{
	int64_t turn = run->task->turns + 1;
	char name[24];
	json_t *data = json_pack("{s:I, s:I, s:I}", "turn", (json_int_t)turn, "calls", (json_int_t)reply->call_count, "ms",
	                         (json_int_t)(clock_mono_ms() - run->request_ms));

	json_put_text(data, "text", reply->text);
	json_put_text(data, "finish", reply->finish != NULL ? reply->finish : "stop");
	if (run->task->models.at > 0)
		json_put_text(data, "asked", task_model(run->task, run->task->models.at));
	json_put_text(data, "model", reply->model);
	json_put_text(data, "response_id", reply->response_id);
	json_put_text(data, "ref", reply->ref);
	json_put_text(data, "opaque", reply->opaque);
	json_put(data, "usage", usage_of(&reply->usage));
	put_cost(run, data, &reply->usage);
	put_count(data, "first_ms", reply->first_ms);
	AUTO(json_decrefp) json_t *kept = json_incref(data);
	run_emit(run, EVENT_MODEL_REPLIED, "turn", turn_name(run->task, name), data);
	/* With it the task may be over, before the store has it. */
	if (reply->call_count == 0)
		charge_last(run, &(struct event){ .type = EVENT_MODEL_REPLIED, .data = kept });
	for (size_t i = 0; i < MIN(reply->call_count, (size_t)LIMIT_CALLS_PER_REPLY); i++)
		propose(run, &reply->calls[i], turn, i);
}

/* Without the values of secrets, as the event will have it. */
static void tell_text(void *userdata, struct str text)
{
	const struct run *run = userdata;
	const struct engine_setup *setup = &run->engine->setup;

	if (setup->on_text != NULL && text.len > 0)
		setup->on_text(setup->userdata, run->task->id, text);
}

static void on_done(void *userdata, struct llm_reply *reply, const struct llm_failure *failure)
{
	struct run *run = userdata;

	run->request = NULL;
	if (failure == NULL)
		redact_stream_end(run->saying, tell_text, run);
	redact_stream_free(TAKE(run->saying));
	static const struct llm_failure empty = { .http_status = 200, .retry_after_ms = -1,
	                                          .text = "the model's reply was empty: neither text nor a call" };

	if (failure != NULL && failure->silent_ms > 0)
		health_tell_missed(run->engine, "model", run->task->id, failure->silent_ms, failure->patience_ms,
		                   beat_action_name(BEAT_RECONNECT));
	if (failure != NULL) {
		failed(run, failure->retry_forbidden ? FAILURE_TERMINAL : failure->cls, failure);
	} else if (reply->call_count == 0 && str_trim(str_of(reply->text)).len == 0) {
		failed(run, FAILURE_TRANSIENT, &empty);
	} else {
		breaker_success(run, task_model(run->task, run->task->models.at));
		replied(run, reply);
	}
	run_step(run);
}

static void on_text(void *userdata, struct str text)
{
	const struct run *run = userdata;

	redact_stream_add(run->saying, text, tell_text, userdata);
}

void model_send(struct run *run)
{
	AUTO(json_decrefp) json_t *messages = prompt_messages(run);
	const json_t *tools = prompt_tools(run);
	struct llm_request request = {
		.model = run->model,
		.agent = run->task->role,
		.messages = messages,
		.tools = tools,
		.max_output_tokens = run->max_output,
		.patience = run->engine->setup.patience.model,
		.on_text = on_text,
		.on_done = on_done,
		.userdata = run,
	};

	char parent[TRACEPARENT_LEN + 1];
	if (run->engine->setup.trace_models) {
		traceparent_of_turn(run->task, parent);
		request.traceparent = parent;
		request.tracestate = tracestate_of(run->task);
	}
	redact_stream_free(run->saying); /* of a request that was cut off */
	run->saying = secret_guard(run);
	run->request_ms = clock_mono_ms();
	run->request = llm_start(run->engine->setup.llm, &request);
}

void model_cancel(struct run *run)
{
	static const struct llm_failure stopped = { .retry_after_ms = -1, .text = "the request was stopped" };

	if (run->request != NULL)
		llm_cancel(TAKE(run->request));
	failed(run, FAILURE_CANCELLED, &stopped);
}

void model_cut(struct run *run, int64_t silent_ms)
{
	struct llm_failure silent = { .retry_after_ms = -1, .cls = FAILURE_TRANSIENT };

	if (run->request == NULL)
		return;
	llm_cancel(TAKE(run->request));
	snprintf(silent.text, sizeof silent.text, "the model sent nothing for %lld ms", (long long)silent_ms);
	failed(run, FAILURE_TRANSIENT, &silent);
	run_step(run);
}

/* Until the breaker lets one request through: that is no attempt. */
static json_t *breaker_wait(const struct run *run, int64_t now_us)
{
	const struct task *t = run->task;
	const struct model_sight *m = &run->input.models[t->models.at];
	const char *name = task_model(t, t->models.at);
	AUTO(freep) char *reason = xasprintf("%s failed so often that it is left alone for a while", name);
	int64_t delay_ms = MAX((m->until_us - now_us + 999) / 1000, (int64_t)1);

	return json_pack("{s:I, s:s, s:s}", "delay_ms", (json_int_t)delay_ms, "class", failure_name(FAILURE_BREAKER), "reason", reason);
}

void model_retry(struct run *run, const char *cls)
{
	const struct task *t = run->task;
	int64_t now_us = clock_wall_us();
	uint32_t random;
	json_t *data;
	char turn[24];

	if (failure_find(cls) == FAILURE_BREAKER) {
		data = breaker_wait(run, now_us);
	} else {
		id_random(&random, sizeof random);
		data = json_pack("{s:I, s:s, s:s, s:I, s:I}", "delay_ms", (json_int_t)retry_delay_ms(t->failures, t->retry_after_ms, random),
		                 "class", cls, "reason", t->failure_text, "attempt", (json_int_t)t->failures + 1, "attempts",
		                 (json_int_t)t->retry.attempts);
		json_put(data, "retry_after_ms", t->retry_after_ms >= 0 ? json_integer(t->retry_after_ms) : json_null());
	}
	json_put_int(data, "turn", t->turns + 1);
	json_put_text(data, "model", task_model(t, t->models.at));
	json_put_int(data, "next_us", now_us + json_get_int(data, "delay_ms", 0) * 1000);
	run_emit(run, EVENT_RETRY_SCHEDULED, "turn", turn_name(t, turn), data);
}
