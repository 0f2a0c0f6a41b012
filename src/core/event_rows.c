/* event_rows.c - the catalogue of events: a row each, its fields and what they mean. It is what event.c checks by, what the JSON
 * Schemas and docs/events.md are made of; it does nothing itself. */
#include "core/event_rows.h"

#include "base/permission.h"

#include "base/banned.h"

#define FIELDS(name) static const struct event_field name[]

FIELDS(engine_started) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "pid", INT, 0, "its process" },
	{ "version", TEXT, 0, "version of mishri" },
};
FIELDS(engine_draining) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "signal", TEXT, 0, "what asked it to stop: SIGINT, SIGTERM" },
};
FIELDS(engine_stopped) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "reason", TEXT, 0, "done, signal, error" },
};
FIELDS(health_missed) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "kind", TEXT, 0, "who gave no sign of life: loop, store, warden, cell, tool, model, scheduler, exporter" },
	{ "name", TEXT, 0, "which one, where there are several" },
	{ "age_ms", INT, 0, "since its last one" },
	{ "deadline_ms", INT, 0, "the longest that is in order" },
	{ "action", TEXT, 0, "what followed: alarm, restart, kill, reconnect" },
};
FIELDS(health_recovered) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "kind", TEXT, 0, "who is back" },
	{ "name", TEXT, 0, "which one" },
	{ "stood_ms", INT, 0, "how long it gave no sign" },
	{ "stack", ARRAY, OPTIONAL, "of a loop that stood: where it was, innermost first" },
};
FIELDS(policy_loaded) = {
	{ "policy", TEXT, 0, "SHA-256 of the set in force" },
	{ "sources", ARRAY, 0, "the files, with their layer" },
	{ "rules", INT, 0, "number of rules" },
};
FIELDS(policy_refused) = {
	{ "policy", TEXT, 0, "SHA-256 of the set that stays in force" },
	{ "message", TEXT, 0, "FILE:LINE:COLUMN: what: what would be right" },
};
FIELDS(recovery_started) = {
	{ "engine", TEXT, 0, "that takes the task over" },
	{ "attempt", INT, 0, "without progress since the one before, from 1" },
};
FIELDS(task_created) = {
	{ "goal", TEXT, 0, "what is to be done" },
	{ "agent", TEXT, 0, "name of the agent profile" },
	{ "role", TEXT, 0, "master or worker" },
	{ "depth", INT, 0, "0 for a root task" },
	{ "root", TEXT, OPTIONAL, "id of the root task; absent where it is this one" },
	{ "model", TEXT, 0, "provider/model" },
	{ "workspace", TEXT, 0, "absolute path" },
	{ "isolation", TEXT, 0, "full, reduced or none" },
	{ "channel", TEXT, 0, "cli, http, schedule, mcp" },
	{ "interactive", BOOL, 0, "is there a person to ask" },
	{ "plan", TEXT, 0, "auto, always or never" },
	{ "tools", ARRAY, 0, "names of the tools the agent has" },
	{ "policies", ARRAY, 0, "policy files given with -p, absolute" },
	{ "limits", OBJECT, 0, "turns, calls, timeout_ms, output_bytes, and what holds for the cell and each call: memory_bytes, ..." },
	{ "config", OBJECT, OPTIONAL, "other settings that a resume must repeat" },
	{ "taint", ARRAY, OPTIONAL, "labels that the task above had when it delegated" },
	{ "schedule", OBJECT, OPTIONAL, "the schedule and instant that it is the run of: schedule, name, instant_us" },
};
FIELDS(task_delegated) = {
	{ "call", TEXT, 0, "the call that delegates" },
	{ "child", TEXT, 0, "id of the task that carries it out" },
	{ "goal", TEXT, 0, "what it is to do" },
	{ "agent", TEXT, 0, "name of its agent profile" },
	{ "step", TEXT, NULLABLE, "the step of the plan that it carries out" },
	{ "question", BOOL, OPTIONAL, "the goal is a question to the task above, which the child answers in its name" },
};
FIELDS(task_reported) = {
	{ "call", TEXT, 0, "the call that delegated" },
	{ "child", TEXT, 0, "the task that ended" },
	{ "state", TEXT, 0, "done, failed, denied, cancelled" },
	{ "exit", INT, 0, "its exit code" },
	{ "result", TEXT, 0, "its report" },
	{ "turns", INT, 0, "of it and all tasks below it, as the sums that follow" },
	{ "calls", INT, 0, "tool calls" },
	{ "denied", INT, 0, "denied calls and program starts" },
	{ "usage", OBJECT, 0, "tokens: input, cache_read, cache_write, output, and of these cache_write_1h, reasoning" },
	{ "usd_nanos", INT, NULLABLE, "cost; null where unknown" },
	{ "used", OBJECT, OPTIONAL, "by their calls: cpu_ms, written_bytes" },
	{ "taint", ARRAY, OPTIONAL, "labels of what it has read: they are the reporting task's and now this one's, too" },
	{ "asked", ARRAY, OPTIONAL, "what it asked this task while it worked: question, answer (null: there was none)" },
};
FIELDS(plan_updated) = {
	{ "call", TEXT, 0, "the call that changed it" },
	{ "steps", ARRAY, 0, "id, title, after (ids that must be done first), state: pending, running, done, failed, skipped" },
};
FIELDS(question_asked) = {
	{ "call", TEXT, 0, "the call that asks" },
	{ "question", TEXT, 0, "for the person" },
	{ "id", TEXT, OPTIONAL, "of the question, for `mishri answer`" },
};
FIELDS(question_answered) = {
	{ "call", TEXT, 0, "the call that asked" },
	{ "answer", TEXT, 0, "the person's words, or that nobody is there" },
	{ "by", TEXT, 0, "the user, or 'nobody'" },
	{ "id", TEXT, OPTIONAL, "of the question" },
	{ "word", TEXT, OPTIONAL, "id of the message that brought the answer" },
};
FIELDS(task_resumed) = {
	{ "engine", TEXT, 0, "the engine that goes on" },
	{ "generation", INT, 0, "of the lease; higher than every one before" },
	{ "reason", TEXT, 0, "crash, parked" },
	{ "wait_for_approval", BOOL, OPTIONAL, "from now on it waits for answers although nobody is there" },
};
FIELDS(task_parked) = {
	{ "reason", TEXT, 0, "interrupted, loop, waiting, paused, forked, store, recovery" },
	{ "detail", TEXT, OPTIONAL, "one sentence" },
	{ "service", BOOL, OPTIONAL, "a service ended, and the next one goes on with it" },
	{ "resting", BOOL, OPTIONAL, "it only waits for people: a service goes on with it when one has said something" },
};
FIELDS(task_cancelled) = {
	{ "by", TEXT, 0, "user" },
	{ "reason", TEXT, OPTIONAL, "one sentence" },
	{ "now", BOOL, OPTIONAL, "without grace, as every cancel after the first" },
	{ "of", TEXT, OPTIONAL, "the task above that it was said to" },
	{ "word", TEXT, OPTIONAL, "id of the message" },
};
FIELDS(task_paused) = {
	{ "by", TEXT, 0, "user" },
	{ "now", BOOL, 0, "what runs is interrupted; else it comes to its end" },
	{ "of", TEXT, OPTIONAL, "the task above that it was said to" },
	{ "word", TEXT, OPTIONAL, "id of the message" },
};
FIELDS(task_continued) = {
	{ "by", TEXT, 0, "user" },
	{ "of", TEXT, OPTIONAL, "the task above that it was said to" },
	{ "word", TEXT, OPTIONAL, "id of the message" },
};
FIELDS(task_steered) = {
	{ "by", TEXT, 0, "user" },
	{ "text", TEXT, 0, "what the model is told before its next turn" },
	{ "now", BOOL, 0, "what runs is interrupted" },
	{ "replan", BOOL, 0, "the plan is to be made anew" },
	{ "word", TEXT, OPTIONAL, "id of the message" },
};
FIELDS(task_prioritized) = {
	{ "by", TEXT, 0, "user" },
	{ "priority", INT, 0, "-100 to 100; higher goes first" },
	{ "of", TEXT, OPTIONAL, "the task above that it was said to" },
	{ "word", TEXT, OPTIONAL, "id of the message" },
};
FIELDS(task_forked) = {
	{ "from", TEXT, 0, "the task whose conversation it goes on with" },
	{ "event", INT, 0, "seq of the last event of that task that counts" },
	{ "part", INT, 0, "from 1; a long conversation comes in several events" },
	{ "messages", ARRAY, 0, "of the conversation" },
	{ "plan", ARRAY, OPTIONAL, "its steps then" },
	{ "seen", OBJECT, OPTIONAL, "paths of files with the SHA-256 of what was read or written" },
	{ "summary", TEXT, OPTIONAL, "of what was dropped from the conversation before" },
};
FIELDS(control_refused) = {
	{ "command", TEXT, 0, "cancel, pause, resume, steer, answer, priority" },
	{ "by", TEXT, 0, "the user whose word does not count" },
	{ "reason", TEXT, 0, "why it does not" },
	{ "word", TEXT, 0, "id of the message" },
};
FIELDS(task_finished) = {
	{ "state", TEXT, 0, "done, failed, denied, cancelled" },
	{ "exit", INT, 0, "the exit code of the command line" },
	{ "result", TEXT, 0, "the answer, or what went wrong in one sentence" },
};
FIELDS(conversation_compacted) = {
	{ "turn", INT, 0, "the turn before which it happened" },
	{ "tokens", INT, 0, "how large the next request would have been, about" },
	{ "window", INT, 0, "the model's window in tokens" },
	{ "dropped", INT, 0, "messages that are gone, whole turns" },
	{ "stubbed", INT, 0, "outputs that became one line" },
	{ "kept", INT, 0, "messages that are left" },
	{ "bytes_before", INT, 0, "of all messages" },
	{ "bytes_after", INT, 0, "the same, after it" },
	{ "drop_to", INT, 0, "the first message that stays behind the goal, counted from 0" },
	{ "stub_to", INT, 0, "the first message whose output stays as it is" },
	{ "summary", TEXT, 0, "what the model is told of all that was ever dropped" },
};
FIELDS(loop_detected) = {
	{ "kind", TEXT, 0, "repeat, cycle, same_error, repeated_text, no_progress, no_plan" },
	{ "level", TEXT, 0, "nudge, replan, stop" },
	{ "length", INT, 0, "calls of the cycle" },
	{ "count", INT, 0, "how often it came" },
	{ "text", TEXT, 0, "what the model is told; for stop: the person" },
};
FIELDS(slot_waiting) = {
	{ "since_us", INT, 0, "when it began to wait, in microseconds since 1970" },
	{ "scope", TEXT, 0, "what is full: engine, user, provider, agent; queue: there is room, and others come first" },
	{ "name", TEXT, 0, "of the user, provider or agent" },
	{ "running", INT, 0, "slots that are held there" },
	{ "limit", INT, 0, "slots that there are; 0 with queue" },
	{ "ahead", INT, 0, "how many tasks of the same user come first" },
	{ "behind", ARRAY, 0, "tasks that hold those slots, some of them" },
};
FIELDS(lock_waiting) = {
	{ "call", TEXT, 0, "the call that waits" },
	{ "lock", TEXT, 0, "name of the lock" },
	{ "holder", TEXT, 0, "task that holds it, or that comes first" },
};
FIELDS(lock_taken) = {
	{ "call", TEXT, 0, "the call that asked for it" },
	{ "lock", TEXT, 0, "name of the lock" },
};
FIELDS(lock_released) = {
	{ "lock", TEXT, 0, "name of the lock" },
	{ "reason", TEXT, 0, "unlocked, ended" },
	{ "call", TEXT, OPTIONAL, "the call that gave it back" },
};
FIELDS(deadlock_detected) = {
	{ "call", TEXT, 0, "the call whose wait was ended" },
	{ "lock", TEXT, 0, "what it waited for" },
	{ "cycle", TEXT, 0, "who waits for whom" },
	{ "edges", ARRAY, 0, "the same: objects of from, to, kind and name" },
	{ "rule", TEXT, 0, "why this wait: youngest" },
};
FIELDS(model_requested) = {
	{ "turn", INT, 0, "from 1" },
	{ "provider", TEXT, 0, "openai, recorded" },
	{ "model", TEXT, 0, "as the provider knows it" },
	{ "messages", INT, 0, "length of the conversation" },
	{ "max_output", INT, OPTIONAL, "tokens that the reply may have, where a budget bounds it" },
	{ "reserve", OBJECT, OPTIONAL, "the most that it can take from budgets: usd_nanos, tokens" },
};
FIELDS(model_replied) = {
	{ "turn", INT, 0, "from 1" },
	{ "text", TEXT, 0, "what the model said" },
	{ "finish", TEXT, 0, "stop, tool_calls, length, content_filter" },
	{ "calls", INT, 0, "number of tool calls; their call.proposed events follow" },
	{ "asked", TEXT, OPTIONAL, "provider/model that was asked, where it stood in for the task's own: the cost is booked under it" },
	{ "model", TEXT, OPTIONAL | NULLABLE, "the model that answered, where the provider says so" },
	{ "response_id", TEXT, OPTIONAL | NULLABLE, "the provider's id of the reply" },
	{ "usage", OBJECT, 0,
	  "tokens in disjoint buckets: input, cache_read, cache_write (of which cache_write_1h), output (of which "
	  "reasoning); null = unknown" },
	{ "usd_nanos", INT, NULLABLE, "cost in nano-USD; null where unknown" },
	{ "price", TEXT, OPTIONAL | NULLABLE, "where the price is from: the table with version and date, a line of the configuration" },
	{ "opaque", TEXT, OPTIONAL | NULLABLE, "JSON of the provider's that must go back to it unchanged: signed thinking" },
	{ "ref", TEXT, OPTIONAL | NULLABLE, "what the provider must not give again: the line of a recorded file" },
	{ "ms", INT, 0, "from the request to the last byte" },
	{ "first_ms", INT, OPTIONAL | NULLABLE, "from the request to the first token" },
};
FIELDS(model_failed) = {
	{ "turn", INT, 0, "from 1" },
	{ "class", TEXT, 0, "transient, quota, auth, terminal, cancelled" },
	{ "status", INT, NULLABLE, "HTTP status; null where there was no answer" },
	{ "message", TEXT, 0, "one sentence" },
	{ "retry_after_ms", INT, OPTIONAL | NULLABLE, "how long the provider wants us to wait" },
	{ "ms", INT, 0, "from the request to the failure" },
	{ "shown", INT, OPTIONAL, "bytes of text that had come and may have been seen; nothing of them is kept" },
};
FIELDS(model_switched) = {
	{ "turn", INT, 0, "the turn that the other model is asked for" },
	{ "from", TEXT, 0, "provider/model" },
	{ "to", TEXT, 0, "provider/model" },
	{ "at", INT, 0, "its place in the chain; 0: the task's own model" },
	{ "class", TEXT, 0, "why: transient, quota, auth, breaker; return: the task's own model is asked again" },
	{ "reason", TEXT, 0, "one sentence" },
	{ "window", INT, 0, "tokens that the other model can read" },
	{ "stay_ms", INT, 0, "how long it is asked before the task's own model is tried again; 0: it is that one" },
};
FIELDS(breaker_opened) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "model", TEXT, 0, "provider/model" },
	{ "failures", INT, 0, "in a row" },
	{ "until_us", INT, 0, "microseconds since 1970: then one request is let through" },
	{ "reason", TEXT, 0, "the last failure" },
};
FIELDS(breaker_closed) = {
	{ "engine", TEXT, 0, "id of the engine" },
	{ "model", TEXT, 0, "provider/model" },
	{ "ms", INT, 0, "since it first opened" },
};
FIELDS(retry_scheduled) = {
	{ "turn", INT, 0, "the turn whose model call, or whose tool call, is tried again" },
	{ "delay_ms", INT, 0, "until then" },
	{ "class", TEXT, 0, "why it may be tried again: transient; breaker: nothing was asked, and this is no attempt" },
	{ "reason", TEXT, 0, "what went wrong" },
	{ "model", TEXT, OPTIONAL, "provider/model that is asked again" },
	{ "call", TEXT, OPTIONAL, "the tool call that is run again; absent: it is a model call" },
	{ "attempt", INT, OPTIONAL, "the number of the attempt that comes" },
	{ "attempts", INT, OPTIONAL, "how many there may be" },
	{ "next_us", INT, OPTIONAL, "when it comes: microseconds since 1970" },
	{ "retry_after_ms", INT, OPTIONAL | NULLABLE, "how long the other side wants us to wait: never less" },
	{ "used", OBJECT, OPTIONAL, "by the attempt of the call that is over: cpu_ms, memory_bytes and processes, written_bytes" },
};
FIELDS(call_proposed) = {
	{ "call", TEXT, 0, "id within the task: TURN.INDEX" },
	{ "turn", INT, 0, "from 1" },
	{ "id", TEXT, 0, "the provider's id" },
	{ "tool", TEXT, 0, "name as the model wrote it" },
	{ "args", ANY, 0, "the arguments: an object, or the raw text where it is no JSON object" },
};
FIELDS(call_decided) = {
	{ "call", TEXT, 0, "id within the task" },
	{ "tool", TEXT, 0, "name" },
	{ "effect", TEXT, 0, "allow, ask or deny" },
	{ "by", TEXT, 0, "policy, schema, limit, budget, permissions" },
	{ "rule", TEXT, NULLABLE, "the deciding rule; null for the default and where no policy decided" },
	{ "source", TEXT, NULLABLE, "FILE:LINE of the rule" },
	{ "reason", TEXT, 0, "one sentence that the model can act on" },
	{ "also", ARRAY, 0, "other rules that matched" },
	{ "policy", TEXT, NULLABLE, "SHA-256 of the set" },
	{ "ns", INT, 0, "nanoseconds spent" },
	{ "permissions", ARRAY, OPTIONAL, "what the call is granted: " PERMISSION_NAMES },
};
FIELDS(approval_requested) = {
	{ "approval", TEXT, 0, "id" },
	{ "call", TEXT, 0, "the call that waits, or in which the program or connection is held; '' for a model call" },
	{ "kind", TEXT, 0, "tool, exec, net or model" },
	{ "action", OBJECT, 0, "the exact action, with its directory" },
	{ "digest", TEXT, 0, "SHA-256 of the canonical action and the text of the rule: what an answer is good for" },
	{ "rule", TEXT, NULLABLE, "the rule that asks" },
	{ "source", TEXT, OPTIONAL | NULLABLE, "FILE:LINE of the rule" },
	{ "rule_digest", TEXT, OPTIONAL | NULLABLE, "SHA-256 of the rule's own text" },
	{ "reason", TEXT, 0, "why" },
	{ "terms", OBJECT, OPTIONAL, "from, members, count, remember, remember_ms, same, risk" },
	{ "expires_us", INT, OPTIONAL | NULLABLE, "microseconds since 1970: no answer until then is a no" },
};
FIELDS(approval_voted) = {
	{ "approval", TEXT, 0, "id" },
	{ "call", TEXT, 0, "the call that waits" },
	{ "by", TEXT, 0, "the user who said yes" },
	{ "digest", TEXT, 0, "what the user saw" },
	{ "remember", TEXT, 0, "once, task, session or date" },
	{ "until_us", INT, OPTIONAL | NULLABLE, "with date: microseconds since 1970" },
	{ "word", TEXT, 0, "id of this answer" },
	{ "votes", INT, 0, "how many have said yes" },
	{ "needed", INT, 0, "how many must" },
};
FIELDS(approval_refused) = {
	{ "approval", TEXT, 0, "id" },
	{ "call", TEXT, 0, "the call that waits; '' where nothing waits" },
	{ "by", TEXT, 0, "the user whose answer does not count" },
	{ "word", TEXT, 0, "id of the answer" },
	{ "reason", TEXT, 0, "why it does not" },
};
FIELDS(approval_decided) = {
	{ "approval", TEXT, 0, "id" },
	{ "call", TEXT, 0, "the call that waited" },
	{ "answer", TEXT, 0, "allow, deny, edit, expired (nobody in time), lapsed (nobody there), withdrawn (no longer asked)" },
	{ "by", TEXT, 0, "the user, or 'nobody' when it lapsed" },
	{ "digest", TEXT, 0, "what was answered" },
	{ "reason", TEXT, 0, "the person's sentence, or why it lapsed" },
	{ "word", TEXT, OPTIONAL, "id of the answer that decided" },
	{ "args", OBJECT, OPTIONAL, "with edit: the arguments that the person put in the place of the model's" },
};
FIELDS(grant_made) = {
	{ "grant", TEXT, 0, "id" },
	{ "approval", TEXT, 0, "the answer that it comes from" },
	{ "scope", TEXT, 0, "task (with all tasks of its tree), session or date" },
	{ "until_us", INT, NULLABLE, "its end in microseconds since 1970; null: it ends with its scope, or when revoked" },
	{ "digest", TEXT, 0, "what it covers: of one action, or of a program and its subcommand, with the rule" },
	{ "covers", TEXT, 0, "the same in words: tool NAME, program PATH SUBCOMMAND" },
	{ "same", TEXT, 0, "action or program" },
	{ "action", OBJECT, 0, "the action that was approved" },
	{ "rule", TEXT, NULLABLE, "the rule that asked" },
	{ "by", TEXT, 0, "who approved; several are separated by a comma" },
};
FIELDS(grant_used) = {
	{ "grant", TEXT, 0, "id" },
	{ "call", TEXT, 0, "the call that needed no new answer" },
	{ "kind", TEXT, 0, "tool, exec or net" },
	{ "digest", TEXT, 0, "of the action and the rule, as in approval.requested" },
};
FIELDS(grant_revoked) = {
	{ "grant", TEXT, 0, "id" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(limit_reached) = {
	{ "limit", TEXT, 0, "id of the limit" },
	{ "source", TEXT, 0, "FILE:LINE of the limit" },
	{ "on", TEXT, 0, "what it counts: tool, exec, net, model, delegate" },
	{ "call", TEXT, NULLABLE, "the call that came too soon, or in which it happened; null for a model call" },
	{ "over", TEXT, 0, "deny, ask or wait" },
	{ "wait_ms", INT, NULLABLE, "until it may be; null: never" },
	{ "reason", TEXT, 0, "one sentence" },
	{ "policy", TEXT, 0, "SHA-256 of the set" },
};
FIELDS(budget_warned) = {
	{ "budget", TEXT, 0, "id of the budget" },
	{ "per", TEXT, 0, "task, session, user/day, store/day" },
	{ "unit", TEXT, 0, "usd (amounts in nano-USD), tokens, calls, time (amounts in milliseconds)" },
	{ "percent", INT, 0, "50, 80 or 100" },
	{ "spent", INT, 0, "so far" },
	{ "most", INT, 0, "what there is" },
};
FIELDS(budget_exceeded) = {
	{ "budget", TEXT, 0, "id of the budget" },
	{ "source", TEXT, NULLABLE, "FILE:LINE of the budget; null where a flag or the configuration gave it" },
	{ "per", TEXT, 0, "task, session, user/day, store/day" },
	{ "scope", TEXT, 0, "whose it is" },
	{ "unit", TEXT, 0, "usd (amounts in nano-USD), tokens, calls, time (amounts in milliseconds)" },
	{ "most", INT, 0, "what there is, with what people added" },
	{ "spent", INT, 0, "so far" },
	{ "reserved", INT, 0, "for model calls that are under way" },
	{ "wants", INT, 0, "what the next step may take" },
	{ "call", TEXT, NULLABLE, "the call that was not run; null for a model call" },
	{ "over", TEXT, 0, "deny, ask or wait" },
	{ "wait_ms", INT, NULLABLE, "until there is more; null: never" },
	{ "reason", TEXT, 0, "one sentence" },
};
FIELDS(budget_raised) = {
	{ "budget", TEXT, 0, "id of the budget" },
	{ "scope", TEXT, 0, "whose it is" },
	{ "unit", TEXT, 0, "usd, tokens, calls, time" },
	{ "amount", INT, 0, "that was added" },
	{ "call", TEXT, OPTIONAL, "the call for which a person agreed to it; not there: a model call" },
};
FIELDS(call_started) = {
	{ "call", TEXT, 0, "id within the task" },
	{ "tool", TEXT, 0, "name" },
	{ "nature", TEXT, 0, "pure, idempotent or at_most_once" },
	{ "permissions", ARRAY, OPTIONAL, "what the kernel lets the call do, and nothing else" },
	{ "polls", BOOL, OPTIONAL, "it is made to be called again and again: no loop" },
	{ "taint", ARRAY, OPTIONAL, "labels that it gives the task from its start: secret, where its environment holds one" },
};
FIELDS(call_killed) = {
	{ "call", TEXT, 0, "id within the task" },
	{ "reason", TEXT, 0, "timeout, cancelled, steered, paused, interrupted, output_limit, cell_lost" },
};
FIELDS(resource_exceeded) = {
	{ "call", TEXT, 0, "the call whose processes went beyond it; it may have ended and left them behind" },
	{ "what", TEXT, 0, "memory_bytes, processes, file_bytes, tmp_bytes, disk_bytes, cpu_ms, wall_ms, printed_bytes, task_cpu_ms" },
	{ "reached", INT, 0, "the figure, in the unit that the name ends in" },
	{ "limit", INT, 0, "what was permitted" },
	{ "key", TEXT, 0, "the key of the configuration that it belongs to" },
	{ "status", TEXT, 0, "what the call is closed with, if it still runs" },
	{ "text", TEXT, 0, "the same in a sentence" },
};
FIELDS(output_kept) = {
	{ "call", TEXT, 0, "the call whose output it is; call.finished has only a part of it" },
	{ "size", INT, 0, "bytes of the text" },
	{ "text", TEXT, 0, "the output, sanitised; the middle is left out where it is too long even for this" },
};
FIELDS(call_finished) = {
	{ "call", TEXT, 0, "id within the task" },
	{ "tool", TEXT, 0, "name" },
	{ "status", TEXT, 0, "ok, error, denied, invalid, killed, cancelled, unknown; by a limit: out_of_memory, process_limit, "
	  "file_limit, disk_limit, cpu_limit, timeout, output_limit" },
	{ "exit", INT, NULLABLE, "exit status of the program; 128 + signal where one ended it; null where none ran" },
	{ "output", TEXT, 0, "what the model is given" },
	{ "bytes", INT, 0, "size of the output before it was capped" },
	{ "execs", INT, 0, "program starts" },
	{ "denied_execs", INT, 0, "program starts that were refused" },
	{ "ms", INT, 0, "from start to end" },
	{ "limit", OBJECT, OPTIONAL, "the limit that ended it: what, reached, limit, key" },
	{ "used", OBJECT, OPTIONAL, "by all that it started: cpu_ms, memory_bytes and processes (at most at once), written_bytes" },
	{ "files", ARRAY, OPTIONAL, "what it saw or left in files: path below the workspace, sha256 (null: nothing is there)" },
	{ "redactions", OBJECT, OPTIONAL, "secrets that were hidden in the output: kind and how many" },
	{ "taint", ARRAY, OPTIONAL, "labels that the result gives the task: untrusted, secret, network" },
	{ "attempts", INT, OPTIONAL, "how often it was run, where that is more than once" },
	{ "failure", TEXT, OPTIONAL, "what kind of failure it was: transient (and tried as often as it may), replay-unsafe" },
};
FIELDS(exec_decided) = {
	{ "call", TEXT, 0, "the call in which it happened; '' for mishri exec" },
	{ "pid", INT, 0, "process number inside the cell" },
	{ "program", TEXT, 0, "the real file" },
	{ "origin", TEXT, 0, "system, workspace or untrusted" },
	{ "argv", ARRAY, 0, "arguments as the new image has them" },
	{ "cwd", TEXT, 0, "working directory" },
	{ "sha256", TEXT, OPTIONAL, "of the program or the script: where it is not of the system, or a rule asks" },
	{ "effect", TEXT, 0, "allow, ask or deny" },
	{ "rule", TEXT, NULLABLE, "the deciding rule" },
	{ "source", TEXT, NULLABLE, "FILE:LINE of the rule" },
	{ "reason", TEXT, 0, "one sentence" },
	{ "policy", TEXT, NULLABLE, "SHA-256 of the set" },
	{ "ns", INT, 0, "nanoseconds spent on the decision" },
};
FIELDS(net_decided) = {
	{ "call", TEXT, 0, "the call that ran then; '' where none did" },
	{ "connection", INT, 0, "number within the cell" },
	{ "host", TEXT, 0, "name or address, in its one spelling" },
	{ "port", INT, 0, "1 to 65535" },
	{ "scheme", TEXT, 0, "http, https or tcp" },
	{ "method", TEXT, NULLABLE, "of a plain request; null for a tunnel" },
	{ "address", TEXT, NULLABLE, "where the name leads; null where it was not looked up, or has none" },
	{ "private", BOOL, 0, "the address is not a public one" },
	{ "effect", TEXT, 0, "allow or deny" },
	{ "rule", TEXT, NULLABLE, "the deciding rule" },
	{ "source", TEXT, NULLABLE, "FILE:LINE of the rule" },
	{ "reason", TEXT, 0, "one sentence" },
	{ "policy", TEXT, NULLABLE, "SHA-256 of the set" },
	{ "ns", INT, 0, "nanoseconds spent on the decision" },
};
FIELDS(net_finished) = {
	{ "call", TEXT, 0, "as in its net.decided" },
	{ "connection", INT, 0, "number within the cell" },
	{ "host", TEXT, 0, "name or address" },
	{ "port", INT, 0, "1 to 65535" },
	{ "address", TEXT, NULLABLE, "what was connected to" },
	{ "how", TEXT, 0, "closed, failed, limit, timeout, broken (not what it was let go as), dropped (by the client)" },
	{ "detail", TEXT, 0, "'' or a phrase" },
	{ "status", INT, NULLABLE, "HTTP status of the answer to a plain request" },
	{ "bytes_up", INT, 0, "from the cell" },
	{ "bytes_down", INT, 0, "to the cell" },
	{ "ms", INT, 0, "from its beginning to its end" },
	{ "taint", ARRAY, OPTIONAL, "labels of what it brought: network" },
};
FIELDS(cell_opened) = {
	{ "cell", TEXT, 0, "id" },
	{ "level", TEXT, 0, "full, reduced or none" },
	{ "mechanisms", OBJECT, 0, "what is in force: namespaces, landlock ABI, seccomp, limits, ids" },
	{ "ms", INT, 0, "time to make it" },
};
FIELDS(cell_closed) = {
	{ "cell", TEXT, 0, "id" },
	{ "reason", TEXT, 0, "finished, parked, cancelled, lost" },
	{ "tmp", TEXT, OPTIONAL, "what became of its /tmp when the task was parked: kept, or why not" },
};

FIELDS(files_violated) = {
	{ "cell", TEXT, 0, "id" },
	{ "places", ARRAY, 0,
	  "path below the workspace, kind (hide, readonly), pattern, held (is it guarded from now on; a link cannot be)" },
	{ "unknown", TEXT, OPTIONAL, "why it could not be looked for" },
};
FIELDS(changes_applied) = {
	{ "workspace", TEXT, 0, "where they went" },
	{ "digest", TEXT, NULLABLE, "SHA-256 over all changes; null where an interrupted apply was finished" },
	{ "sums", OBJECT, 0, "added, changed, deleted, mode, bytes" },
	{ "refused", ARRAY, 0, "what is never applied: path, why" },
	{ "forced", ARRAY, 0, "paths that had changed in the workspace meanwhile, and were replaced all the same" },
};
FIELDS(changes_dropped) = {
	{ "workspace", TEXT, 0, "which they were made over" },
	{ "digest", TEXT, 0, "SHA-256 over all changes" },
	{ "sums", OBJECT, 0, "added, changed, deleted, mode, bytes" },
};
FIELDS(history_imported) = {
	{ "root", TEXT, 0, "the root task of the tree" },
	{ "head", TEXT, 0, "hash of its last event" },
	{ "events", INT, 0, "how many of its events are from the file; they follow, as they were written" },
	{ "tasks", INT, 0, "in the tree" },
	{ "resumable", INT, 0, "1: it may be resumed here; 0: only looked at" },
	{ "exported", TEXT, 0, "when the file says that it was made" },
	{ "digest", TEXT, 0, "SHA-256 of the file" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(history_pruned) = {
	{ "root", TEXT, 0, "the root task of the tree that left" },
	{ "head", TEXT, 0, "hash of its last event: a copy of the tree can still be checked against it" },
	{ "events", INT, 0, "how many events left" },
	{ "first", INT, 0, "the lowest of their seq" },
	{ "last", INT, 0, "the highest of their seq" },
	{ "tasks", INT, 0, "in the tree" },
	{ "bytes", INT, 0, "of the texts and of the long strings that nobody else named" },
	{ "began", TEXT, 0, "when the tree began" },
	{ "state", TEXT, 0, "of its root: done, failed, denied, cancelled" },
	{ "by", TEXT, 0, "the user, or 'retention' for the service's own" },
	{ "reason", TEXT, 0, "which rule it fell under" },
	{ "days", ARRAY, 0, "what it cost, by day, user and model that answered: the sums outlive it; unknown: replies of unknown cost" },
	{ "spending", ARRAY, 0, "what it took from budgets, by session, user and day: that is still taken" },
};

FIELDS(token_added) = {
	{ "token", TEXT, 0, "id; the secret itself is kept nowhere" },
	{ "name", TEXT, 0, "its name" },
	{ "user", TEXT, 0, "for whom it acts" },
	{ "role", TEXT, 0, "viewer, auditor, operator, approver, admin" },
	{ "expires", TEXT, NULLABLE, "until when it counts; null: until it is revoked" },
	{ "by", TEXT, 0, "the user who added it" },
};
FIELDS(token_revoked) = {
	{ "token", TEXT, 0, "id" },
	{ "name", TEXT, 0, "its name" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(token_used) = {
	{ "token", TEXT, 0, "id" },
	{ "name", TEXT, 0, "its name" },
	{ "user", TEXT, 0, "for whom it acts" },
	{ "role", TEXT, 0, "viewer, auditor, operator, approver, admin" },
	{ "state", TEXT, 0, "in force: it opened; revoked, expired: somebody showed it, and it opened nothing" },
};
FIELDS(trust_given) = {
	{ "directory", TEXT, 0, "the project" },
	{ "digest", TEXT, 0, "SHA-256 of its files as they were trusted" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(trust_taken) = {
	{ "directory", TEXT, 0, "the project" },
	{ "by", TEXT, 0, "the user" },
};

#define SCHEDULE_COMMON \
	{ "schedule", TEXT, 0, "id of the schedule" }, { "name", TEXT, 0, "its name" }, \
	{ "version", INT, 0, "how many events of this kind the schedule had before; what was decided on an older one is refused" }
FIELDS(schedule_added) = {
	SCHEDULE_COMMON,
	{ "spec", OBJECT, 0, "cron, every or at; zone, overlap, queue, catch_up, jitter, start, end, runs, failures; task: what runs do" },
	{ "cursor_us", INT, 0, "microseconds since 1970: instants up to here do not count" },
	{ "by", TEXT, 0, "the user who added it, and as whom its tasks run" },
};
FIELDS(schedule_changed) = {
	SCHEDULE_COMMON,
	{ "spec", OBJECT, 0, "the new one, whole" },
	{ "cursor_us", INT, 0, "microseconds since 1970: instants up to here do not count" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(schedule_paused) = {
	SCHEDULE_COMMON,
	{ "by", TEXT, 0, "the user; 'mishri' after failures in a row" },
	{ "reason", TEXT, 0, "one sentence, or ''" },
};
FIELDS(schedule_resumed) = {
	SCHEDULE_COMMON,
	{ "cursor_us", INT, 0, "microseconds since 1970: instants up to here do not count" },
	{ "by", TEXT, 0, "the user" },
};
FIELDS(schedule_removed) = {
	SCHEDULE_COMMON,
	{ "by", TEXT, 0, "the user" },
};
FIELDS(schedule_fired) = {
	SCHEDULE_COMMON,
	{ "instant_us", INT, 0, "microseconds since 1970; with the schedule, what the run is known by" },
	{ "cause", TEXT, 0, "due, late, queued, hand" },
	{ "task", TEXT, 0, "id of the task that will carry it out" },
	{ "engine", TEXT, 0, "the engine that starts it; '' where the first that comes along does" },
	{ "from", TEXT, OPTIONAL, "the engine that should have started it and is gone" },
	{ "by", TEXT, OPTIONAL, "with hand: the user" },
};
FIELDS(schedule_queued) = {
	SCHEDULE_COMMON,
	{ "instant_us", INT, 0, "microseconds since 1970: it waits for the run before it to end" },
};
FIELDS(schedule_passed) = {
	SCHEDULE_COMMON,
	{ "what", TEXT, 0, "missed (nobody was there in time), skipped (the run before it has not ended), dropped (too many wait)" },
	{ "first_us", INT, 0, "the first instant, in microseconds since 1970" },
	{ "last_us", INT, 0, "the last one" },
	{ "count", INT, 0, "how many instants" },
	{ "reason", TEXT, 0, "one sentence" },
};
FIELDS(schedule_failed) = {
	SCHEDULE_COMMON,
	{ "instant_us", INT, 0, "the instant whose task could not be started" },
	{ "task", TEXT, 0, "the id that it would have had" },
	{ "reason", TEXT, 0, "one sentence" },
};

// clang-format off
#define ROW(name, fields, about) { name, about, fields, COUNT(fields) }
const struct event_row_spec event_rows[] = {
	[EVENT_ENGINE_STARTED] = ROW("engine.started", engine_started, "An engine opened the store."),
	[EVENT_ENGINE_DRAINING] = ROW("engine.draining", engine_draining, "An engine was asked to stop and takes nothing new."),
	[EVENT_ENGINE_STOPPED] = ROW("engine.stopped", engine_stopped, "An engine ended in order."),
	[EVENT_HEALTH_MISSED] = ROW("health.missed", health_missed, "A part of an engine gave no sign of life in time."),
	[EVENT_HEALTH_RECOVERED] = ROW("health.recovered", health_recovered, "It does again."),
	[EVENT_POLICY_LOADED] = ROW("policy.loaded", policy_loaded, "A policy set came into force for the task."),
	[EVENT_POLICY_REFUSED] =
		ROW("policy.refused", policy_refused, "A changed policy was wrong; what was in force stays in force."),
	[EVENT_RECOVERY_STARTED] =
		ROW("recovery.started", recovery_started, "A service is about to take over a task that a crashed engine left."),
	[EVENT_TASK_CREATED] = ROW("task.created", task_created, "A goal was accepted."),
	[EVENT_TASK_DELEGATED] = ROW("task.delegated", task_delegated, "A part of the goal is about to be given to another task."),
	[EVENT_TASK_REPORTED] = ROW("task.reported", task_reported, "A task that a part was given to has ended."),
	[EVENT_TASK_RESUMED] = ROW("task.resumed", task_resumed, "An engine took the task over and goes on."),
	[EVENT_TASK_PARKED] = ROW("task.parked", task_parked, "The task stopped in order and can be resumed."),
	[EVENT_TASK_CANCELLED] = ROW("task.cancelled", task_cancelled, "A person ended the task."),
	[EVENT_TASK_PAUSED] = ROW("task.paused", task_paused, "A person let the task rest: nothing new of it begins."),
	[EVENT_TASK_CONTINUED] = ROW("task.continued", task_continued, "A person let a paused task go on."),
	[EVENT_TASK_STEERED] = ROW("task.steered", task_steered, "A person said something to a task that works."),
	[EVENT_TASK_PRIORITIZED] = ROW("task.prioritized", task_prioritized, "A person said how much a task matters."),
	[EVENT_TASK_FORKED] = ROW("task.forked", task_forked, "The task begins with the conversation of another one."),
	[EVENT_CONTROL_REFUSED] = ROW("control.refused", control_refused, "A person's word to a task that does not count, and why."),
	[EVENT_TASK_FINISHED] = ROW("task.finished", task_finished, "The task ended; nothing follows but bookkeeping."),
	[EVENT_PLAN_UPDATED] =
		ROW("plan.updated", plan_updated, "The plan as the master wrote it; delegations and reports move its steps on."),
	[EVENT_QUESTION_ASKED] = ROW("question.asked", question_asked, "The model asks the person something."),
	[EVENT_QUESTION_ANSWERED] = ROW("question.answered", question_answered, "The person's answer."),
	[EVENT_CONVERSATION_COMPACTED] =
		ROW("conversation.compacted", conversation_compacted, "The conversation was made to fit the model's window; every event stays."),
	[EVENT_LOOP_DETECTED] = ROW("loop.detected", loop_detected, "The task goes round in circles."),
	[EVENT_SLOT_WAITING] = ROW("slot.waiting", slot_waiting, "The task has waited for a worker slot for a while."),
	[EVENT_LOCK_WAITING] = ROW("lock.waiting", lock_waiting, "A call waits for a named lock."),
	[EVENT_LOCK_TAKEN] = ROW("lock.taken", lock_taken, "The task holds a named lock from now on."),
	[EVENT_LOCK_RELEASED] = ROW("lock.released", lock_released, "The task gave a named lock back."),
	[EVENT_DEADLOCK_DETECTED] = ROW("deadlock.detected", deadlock_detected, "Tasks waited for one another; one wait was ended."),
	[EVENT_MODEL_REQUESTED] = ROW("model.requested", model_requested, "A request to a model is about to be sent."),
	[EVENT_MODEL_REPLIED] = ROW("model.replied", model_replied, "A whole reply arrived."),
	[EVENT_MODEL_FAILED] = ROW("model.failed", model_failed, "A request failed; nothing of its reply is used."),
	[EVENT_MODEL_SWITCHED] = ROW("model.switched", model_switched, "From now on another model of the chain is asked."),
	[EVENT_BREAKER_OPENED] =
		ROW("breaker.opened", breaker_opened, "A model failed so often in a row that no task of this engine asks it for a while."),
	[EVENT_BREAKER_CLOSED] = ROW("breaker.closed", breaker_closed, "A model that was left alone answers again."),
	[EVENT_RETRY_SCHEDULED] = ROW("retry.scheduled", retry_scheduled, "A failed request is sent again, or a call run again."),
	[EVENT_CALL_PROPOSED] = ROW("call.proposed", call_proposed, "The model asked for a tool call."),
	[EVENT_CALL_DECIDED] = ROW("call.decided", call_decided, "Whether the call may happen."),
	[EVENT_APPROVAL_REQUESTED] = ROW("approval.requested", approval_requested, "A person is asked."),
	[EVENT_APPROVAL_VOTED] = ROW("approval.voted", approval_voted, "One person said yes; approval.decided follows when enough have."),
	[EVENT_APPROVAL_REFUSED] = ROW("approval.refused", approval_refused, "An answer that does not count, and why."),
	[EVENT_APPROVAL_DECIDED] = ROW("approval.decided", approval_decided, "The answer, or that nobody gave one."),
	[EVENT_GRANT_MADE] = ROW("grant.made", grant_made, "An answer that is remembered."),
	[EVENT_GRANT_USED] = ROW("grant.used", grant_used, "A remembered answer spared a question."),
	[EVENT_GRANT_REVOKED] = ROW("grant.revoked", grant_revoked, "A remembered answer counts no more."),
	[EVENT_LIMIT_REACHED] = ROW("limit.reached", limit_reached, "Something happened as often as a limit allows."),
	[EVENT_BUDGET_WARNED] = ROW("budget.warned", budget_warned, "A part of a budget is spent."),
	[EVENT_BUDGET_EXCEEDED] = ROW("budget.exceeded", budget_exceeded, "The next step might take more than a budget has."),
	[EVENT_BUDGET_RAISED] = ROW("budget.raised", budget_raised, "A person gave a budget more."),
	[EVENT_CALL_STARTED] = ROW("call.started", call_started, "The call is about to run; written before it does."),
	[EVENT_CALL_KILLED] = ROW("call.killed", call_killed, "The engine ends a running call."),
	[EVENT_RESOURCE_EXCEEDED] = ROW("resource.exceeded", resource_exceeded, "What a call started went beyond a limit and was ended."),
	[EVENT_OUTPUT_KEPT] = ROW("output.kept", output_kept, "A long output, kept for read_output."),
	[EVENT_CALL_FINISHED] = ROW("call.finished", call_finished, "The call has its result; every proposed call gets exactly one."),
	[EVENT_EXEC_DECIDED] = ROW("exec.decided", exec_decided, "Whether a program may start in the cell."),
	[EVENT_NET_DECIDED] = ROW("net.decided", net_decided, "Whether a connection out of the cell may be made; written before it is."),
	[EVENT_NET_FINISHED] = ROW("net.finished", net_finished, "A connection out of the cell ended."),
	[EVENT_CELL_OPENED] = ROW("cell.opened", cell_opened, "A sandbox was made for the task."),
	[EVENT_CELL_CLOSED] = ROW("cell.closed", cell_closed, "The sandbox and every process in it ended."),
	[EVENT_FILES_VIOLATED] =
		ROW("files.violated", files_violated, "Something came to be where the policy hides or keeps files."),
	[EVENT_CHANGES_APPLIED] = ROW("changes.applied", changes_applied, "What a task changed in its layer went to the workspace."),
	[EVENT_CHANGES_DROPPED] = ROW("changes.dropped", changes_dropped, "What a task changed in its layer was thrown away."),
	[EVENT_HISTORY_IMPORTED] = ROW("history.imported", history_imported, "A task tree came out of a file."),
	[EVENT_HISTORY_PRUNED] = ROW("history.pruned", history_pruned, "A task tree left by retention; this stands in its place."),
	[EVENT_TOKEN_ADDED] = ROW("token.added", token_added, "A token of the API was made."),
	[EVENT_TOKEN_REVOKED] = ROW("token.revoked", token_revoked, "A token opens nothing any more."),
	[EVENT_TOKEN_USED] = ROW("token.used", token_used, "A token was shown to a service, for the first time since it began."),
	[EVENT_TRUST_GIVEN] = ROW("trust.given", trust_given, "A project may bring its own configuration, policy and instructions."),
	[EVENT_TRUST_TAKEN] = ROW("trust.taken", trust_taken, "A project may not any more."),
	[EVENT_SCHEDULE_ADDED] = ROW("schedule.added", schedule_added, "A schedule was made."),
	[EVENT_SCHEDULE_CHANGED] = ROW("schedule.changed", schedule_changed, "A schedule got another rule or another goal."),
	[EVENT_SCHEDULE_PAUSED] = ROW("schedule.paused", schedule_paused, "A schedule starts nothing until it is resumed."),
	[EVENT_SCHEDULE_RESUMED] = ROW("schedule.resumed", schedule_resumed, "A paused schedule goes on."),
	[EVENT_SCHEDULE_REMOVED] = ROW("schedule.removed", schedule_removed, "A schedule ended; its runs and events stay."),
	[EVENT_SCHEDULE_FIRED] = ROW("schedule.fired", schedule_fired, "An instant gets its run; written before the task is made."),
	[EVENT_SCHEDULE_QUEUED] = ROW("schedule.queued", schedule_queued, "An instant waits for the run before it."),
	[EVENT_SCHEDULE_PASSED] = ROW("schedule.passed", schedule_passed, "Instants that will not run, and why."),
	[EVENT_SCHEDULE_FAILED] = ROW("schedule.failed", schedule_failed, "The task of an instant could not be started."),
};
// clang-format on
_Static_assert(COUNT(event_rows) == EVENT_TYPES, "every event type has a row");
