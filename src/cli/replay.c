/* replay.c - reads decisions out of the history, and makes the actions and facts that they were about again. It starts
 * nothing, and looks at no file but the store: paths are taken as they were spelled. */
#include "cli/replay.h"

#include <string.h>

#include "tools/tool.h"

#include "base/banned.h"

struct walk {
	json_t *tasks;                   /* id → data of task.created, with "calls" and "user" */
	json_t *calls;                   /* "TASK CALL" → args */
	json_t *costs;                   /* root → nano-USD; null: not known */
	int64_t since_us;
	void (*visit)(void *userdata, const struct replayed *action);
	void *userdata;
};

static const char *text_in(const json_t *o, const char *key)
{
	return json_get_text(o, key, "");
}

static const char *root_of(const json_t *task, const struct event *e)
{
	return json_get_text(task, "root", e->task);
}

static void add_cost(struct walk *w, const struct event *e)
{
	const char *root = root_of(json_object_get(w->tasks, e->task), e);
	const json_t *cost = json_object_get(e->data, "usd_nanos"), *before = json_object_get(w->costs, root);

	if (!json_is_integer(cost) || json_is_null(before))
		json_put(w->costs, root, json_null());
	else
		json_put_int(w->costs, root, json_get_int(w->costs, root, 0) + (int64_t)json_integer_value(cost));
}

static void facts_then(const struct walk *w, const struct event *e, struct facts *ret)
{
	const json_t *task = json_object_get(w->tasks, e->task);
	const char *root = root_of(task, e);

	*ret = (struct facts){
		.user = e->user, .role = text_in(task, "role"), .agent = text_in(task, "agent"), .channel = text_in(task, "channel"),
		.workspace = text_in(task, "workspace"), .session = e->session, .root = root,
		.interactive = json_get_bool(task, "interactive", false), .depth = (int)json_get_int(task, "depth", 0),
		.calls = json_get_int(task, "calls", 0), .time_us = e->time_us,
		.cost_nanos = json_is_null(json_object_get(w->costs, root)) ? -1 : json_get_int(w->costs, root, 0),
	};
}

static void visit_call(struct walk *w, const struct event *e)
{
	const char *by = text_in(e->data, "by"), *call = text_in(e->data, "call"), *name = text_in(e->data, "tool");
	AUTO(freep) char *key = xasprintf("%s %s", e->task, call);
	const json_t *args = json_object_get(w->calls, key);
	const struct tool *tool = tool_find(name);
	struct action action = { .kind = ACTION_TOOL };
	struct facts facts;

	if (strcmp(by, "policy") != 0 || !json_is_object(args))
		return; /* a schema or a limit said no; policy was not asked */
	action.tool.name = name;
	action.tool.category = tool != NULL ? tool->category : NULL;
	action.tool.risk = tool != NULL ? tool->risk : NULL;
	action.tool.args = args;
	facts_then(w, e, &facts);
	w->visit(w->userdata, &(struct replayed){ e, &action, &facts, args, call, text_in(e->data, "effect"),
	                                          json_get_text(e->data, "rule", NULL) });
}

static enum origin origin_then(const char *name)
{
	for (enum origin o = ORIGIN_UNTRUSTED; o <= ORIGIN_SYSTEM; o++)
		if (strcmp(origin_name(o), name) == 0)
			return o;
	return ORIGIN_UNTRUSTED;
}

static const char *behind_slash(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void visit_exec(struct walk *w, const struct event *e)
{
	const json_t *argv = json_object_get(e->data, "argv");
	size_t argc = json_array_size(argv);
	AUTO(freep) const char **words = xcalloc(argc + 1, sizeof *words);
	struct action action = { .kind = ACTION_EXEC };
	struct facts facts;
	const char *names[2];

	for (size_t i = 0; i < argc; i++)
		words[i] = json_string_value(json_array_get(argv, i));
	action.exec.program = text_in(e->data, "program");
	action.exec.origin = origin_then(text_in(e->data, "origin"));
	action.exec.cwd = text_in(e->data, "cwd");
	action.exec.sha256 = json_get_text(e->data, "sha256", NULL);
	action.exec.argv = words;
	action.exec.argc = argc;
	action.exec.names = names;
	names[0] = behind_slash(action.exec.program);
	action.exec.name_count = action.exec.trusted_names = 1;
	if (argc > 0 && strcmp(behind_slash(words[0]), names[0]) != 0)
		names[action.exec.name_count++] = behind_slash(words[0]);
	facts_then(w, e, &facts);
	w->visit(w->userdata, &(struct replayed){ e, &action, &facts, NULL, text_in(e->data, "call"), text_in(e->data, "effect"),
	                                          json_get_text(e->data, "rule", NULL) });
}

static void visit_net(struct walk *w, const struct event *e)
{
	struct action action = { .kind = ACTION_NET };
	struct facts facts;

	action.net.host = text_in(e->data, "host");
	action.net.port = (int)json_get_int(e->data, "port", 0);
	action.net.scheme = json_get_text(e->data, "scheme", NULL);
	facts_then(w, e, &facts);
	w->visit(w->userdata, &(struct replayed){ e, &action, &facts, NULL, text_in(e->data, "call"), text_in(e->data, "effect"),
	                                          json_get_text(e->data, "rule", NULL) });
}

static void remember_call(struct walk *w, const struct event *e)
{
	AUTO(freep) char *key = xasprintf("%s %s", e->task, text_in(e->data, "call"));
	json_t *task = json_object_get(w->tasks, e->task);

	json_put(w->calls, key, json_incref(json_object_get(e->data, "args")));
	if (task != NULL)
		json_put_int(task, "calls", json_get_int(task, "calls", 0) + 1);
}

static bool on_event(void *userdata, const struct event_row *row)
{
	struct walk *w = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true; /* of a newer version */
	const char *type = event_name(e.type);
	if (e.type == EVENT_TASK_CREATED)
		json_put(w->tasks, e.task, json_copy(e.data));
	else if (e.type == EVENT_MODEL_REPLIED)
		add_cost(w, &e);
	else if (e.type == EVENT_CALL_PROPOSED)
		remember_call(w, &e);
	else if (e.type == EVENT_CALL_DECIDED && e.time_us >= w->since_us)
		visit_call(w, &e);
	else if (e.type == EVENT_EXEC_DECIDED && e.time_us >= w->since_us)
		visit_exec(w, &e);
	else if (strcmp(type, "net.decided") == 0 && e.time_us >= w->since_us)
		visit_net(w, &e);
	event_done(&e);
	return true;
}

int replay(struct store *store, const char *task, int64_t since_us, void (*visit)(void *userdata, const struct replayed *action),
           void *userdata, struct err *err)
{
	AUTO(json_decrefp) json_t *tasks = json_object(), *calls = json_object(), *costs = json_object();
	struct walk w = { tasks, calls, costs, since_us, visit, userdata };
	struct event_filter filter = { .task = task, .tree = task != NULL, .with_content = true };

	return store_events(store, &filter, on_event, &w, err);
}

void replay_decide(const struct policy *policy, const struct replayed *r, struct decision *ret)
{
	const struct tool *tool = r->action->kind == ACTION_TOOL ? tool_find(r->action->tool.name) : NULL;

	policy_decide(policy, r->action, r->facts, ret);
	if (tool == NULL || !tool->control)
		return;
	if (ret->rule == NULL) /* planning and finishing touch nothing: only a rule can be against them */
		ret->effect = EFFECT_ALLOW;
	const json_t *parts = tool == &tool_delegate ? json_object_get(r->args, "tasks") : NULL;
	for (size_t i = 0; i < json_array_size(parts); i++) {
		struct action part = { .kind = ACTION_DELEGATE };
		struct decision d;
		part.delegate.agent = json_get_text(json_array_get(parts, i), "agent", "worker");
		policy_decide(policy, &part, r->facts, &d);
		if (d.effect < ret->effect || (i == 0 && d.effect == ret->effect))
			*ret = d;
	}
}

char *replay_text(const struct replayed *r)
{
	struct buf text = BUF_INIT(KIB(64)), clean = BUF_INIT(KIB(512));
	const struct action *a = r->action;

	if (a->kind == ACTION_TOOL) {
		AUTO(freep) char *args = json_text(r->args);
		buf_printf(&text, "%s %.400s", a->tool.name, args);
	} else if (a->kind == ACTION_NET) {
		buf_printf(&text, "connect %.300s:%d", a->net.host, a->net.port);
	} else {
		buf_add_text(&text, a->exec.program);
		for (size_t i = 1; i < a->exec.argc && text.len < 400; i++)
			buf_printf(&text, " %.200s", a->exec.argv[i]);
	}
	sanitize_text(buf_str(&text), &clean);
	for (size_t i = 0; i < clean.len; i++)
		if (clean.ptr[i] == '\n' || clean.ptr[i] == '\t')
			clean.ptr[i] = ' ';
	buf_done(&text);
	return buf_take(&clean);
}
