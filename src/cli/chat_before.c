/* chat_before.c - how a chat was begun: whoever goes on with it by its name means the same place, policy and model, wherever he
 * stands now. What is said today goes before. Less isolation than full is never taken over: it is said each time. */
#include "cli/chat.h"

#include <stdio.h>
#include <string.h>

#include "engine/carry.h"
#include "store/history.h"

#include "base/banned.h"

/* What was said with them belongs to the conversation; the others are about a terminal, a person or a place of data. */
static const char *const kept[] = {
	"--model", "--fallback", "--agent", "--plan", "--budget", "--max-turns", "--timeout", "--isolation", "--workspace-mode",
	"--wait-for-approval", "--config",
};

static bool weakens(const char *name, const char *value)
{
	static const char key[] = "isolation=";

	return (strcmp(name, "--isolation") == 0 && strcmp(value, "full") != 0) ||
	       (strcmp(name, "--config") == 0 && strncmp(value, key, sizeof key - 1) == 0 && strcmp(value + sizeof key - 1, "full") != 0);
}

static void add(json_t *list, const char *name, const char *value)
{
	json_array_append_new(list, json_string(name));
	if (value != NULL)
		json_array_append_new(list, json_string(value));
}

json_t *chat_flags(const struct chat *c)
{
	json_t *list = json_array();
	const char *values[REPEAT_MOST];
	char session[ID_LEN + 1];

	carry_session(c->s->user, c->name, session);
	if (strcmp(session, c->session) == 0) /* else it is known by a task of it alone */
		add(list, "--session", c->name);
	for (size_t i = 0; i < COUNT(kept); i++) {
		size_t count = option_all(c->o, kept[i], values, COUNT(values));
		for (size_t k = 0; k < count; k++)
			if (c->model_name == NULL || strcmp(kept[i], "--model") != 0)
				add(list, kept[i], values[k]);
	}
	if (c->model_name != NULL)
		add(list, "--model", c->model_name);
	return list;
}

/* ---- what the newest task of the conversation was created with ---- */

struct newest { char task[ID_LEN + 1], user[USER_LEN + 1]; bool imported; };

static void note_newest(void *userdata, const struct history_row *row)
{
	struct newest *n = userdata;

	memcpy(n->task, row->root->task, sizeof n->task);
	snprintf(n->user, sizeof n->user, "%s", row->root->user);
	n->imported = row->imported;
}

static bool note_created(void *userdata, const struct event_row *row)
{
	AUTO(json_decrefp) json_t *event = NULL;
	json_t **ret = userdata;

	if (json_parse(row->text, &event, NULL) == 0)
		*ret = json_incref(json_object_get(event, "data"));
	return false;
}

/* NULL: there is none, or it is another user's (whoever goes on with it is told so then), or came out of a file, which has no say
 * in what may happen here. The caller owns it. */
static json_t *created_of(struct store *store, const char *session, const char *user)
{
	struct newest newest = { .task = "" };
	json_t *created = NULL;
	bool more;

	if (store_history(store, &(struct history_filter){ .session = session, .limit = 1 }, note_newest, &newest, &more, NULL) < 0 ||
	    newest.task[0] == '\0' || strcmp(newest.user, user) != 0 || newest.imported)
		return NULL;
	const struct event_filter filter = { .task = newest.task, .type = "task.created", .limit = 1, .with_content = true };
	if (store_events(store, &filter, note_created, &created, NULL) < 0)
		return NULL;
	return created;
}

char *chat_other_workspace(const struct chat *c)
{
	AUTO(json_decrefp) json_t *created = created_of(c->s->store, c->session, c->s->user);
	const char *workspace = json_get_text(created, "workspace", "");

	return created == NULL || strcmp(workspace, c->spec->workspace) == 0 ? NULL : xstrdup(workspace);
}

static json_t *find_created(const struct chat *c)
{
	AUTO(store_closep) struct store *store = NULL;
	AUTO(task_row_done) struct task_row row = { 0 };
	char user[USER_LEN + 1], session[ID_LEN + 1], task[ID_LEN + 1];
	const char *resumed = option_text(c->o, "--resume", NULL);

	if (cli_user(c->o, user, NULL) < 0 || cli_open_store(c->o, STORE_READ_ONLY, &store, NULL) < 0)
		return NULL;
	carry_session(user, c->name, session);
	if (resumed != NULL) {
		if (store_task_find(store, resumed, task, NULL) < 0 || store_task_get(store, task, &row, NULL) < 0)
			return NULL;
		memcpy(session, row.session, sizeof session);
	}
	return created_of(store, session, user);
}

/* ---- its words ---- */

static bool takes_value(const char *name)
{
	const struct option_row *row;

	for (size_t i = 0; (row = command_option(&cmd_chat, i)) != NULL; i++)
		if (strcmp(row->name, name) == 0)
			return row->value != NULL;
	return false;
}

static bool is_kept(const char *name)
{
	return name_find(kept, COUNT(kept), name) >= 0;
}

static void add_flags(const struct chat *c, const json_t *flags, json_t *list)
{
	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *name = json_string_value(json_array_get(flags, i));
		if (name == NULL || (!is_kept(name) && strcmp(name, "--session") != 0))
			return; /* of another version */
		const char *value = takes_value(name) ? json_string_value(json_array_get(flags, ++i)) : NULL;
		bool given = option_given(c->o, name) && strcmp(name, "--config") != 0;
		if (!given && is_kept(name) && !(value != NULL && weakens(name, value)))
			add(list, name, value);
	}
}

json_t *chat_before(const struct chat *c)
{
	AUTO(json_decrefp) json_t *created = find_created(c);
	json_t *list = json_array(), *path;
	size_t i;

	if (created == NULL)
		return list;
	if (!option_given(c->o, "--workspace"))
		add(list, "--workspace", json_get_text(created, "workspace", "."));
	json_array_foreach(option_given(c->o, "--policy") ? NULL : json_object_get(created, "policies"), i, path)
		if (json_is_string(path))
			add(list, "--policy", json_string_value(path));
	add_flags(c, json_object_get(json_object_get(created, "config"), "flags"), list);
	return list;
}

/* ---- names ---- */

struct names { struct store *store; json_t *seen; chat_visit *visit; void *userdata; };

static void note_name(void *userdata, const struct history_row *row)
{
	const struct names *n = userdata;
	json_t *created = NULL;
	const struct event_filter filter = { .task = row->root->task, .type = "task.created", .limit = 1, .with_content = true };

	if (row->imported || store_events(n->store, &filter, note_created, &created, NULL) < 0)
		return;
	const json_t *flags = json_object_get(json_object_get(created, "config"), "flags");
	const char *first = json_string_value(json_array_get(flags, 0)), *name = json_string_value(json_array_get(flags, 1));
	if (first != NULL && name != NULL && strcmp(first, "--session") == 0 && chat_name_valid(name) &&
	    json_object_get(n->seen, name) == NULL) {
		json_put_bool(n->seen, name, true);
		n->visit(n->userdata, name, row->root->goal);
	}
	json_decref(created);
}

void chat_names(struct store *store, const char *user, chat_visit *visit, void *userdata)
{
	struct names n = { store, json_object(), visit, userdata };
	bool more;

	(void)!store_history(store, &(struct history_filter){ .user = user, .limit = 200 }, note_name, &n, &more, NULL);
	json_decref(n.seen);
}
