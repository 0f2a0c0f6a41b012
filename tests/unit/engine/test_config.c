/* Configuration: which layer wins, what each value remembers, and every sentence for what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "engine/agents.h"
#include "engine/config.h"
#include "engine/dirs.h"

#include "base/banned.h"

static char dir[64], project[128], data[128];

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static int set_up(void **state)
{
	char path[256];

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mishri-config-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(project, sizeof project, "%s/project", dir);
	snprintf(data, sizeof data, "%s/data", dir);
	snprintf(path, sizeof path, "%s/.mishri", project);
	assert_int_equal(mkdir(project, 0700), 0);
	return mkdir(path, 0700);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct layers {
	const char *admin, *user, *project;      /* text of the files; NULL: there is none */
	const char *env[3], *flags[3];           /* flags: "-c" pairs */
	bool only_flags, untrusted;
};

static void put_or_remove(const char *name, const char *text, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	(void)unlink(path);
	if (text != NULL)
		put_file(name, text, mode);
}

static int load(const struct layers *layers, struct config **ret, struct err *err)
{
	char admin[256], user[256], trusted[256];
	struct config_sources sources = {
		.admin_file = admin, .admin_owner = geteuid(), .user_file = user, .project = project, .data = data,
		.env = layers->env, .only_flags = layers->only_flags,
	};

	snprintf(admin, sizeof admin, "%s/admin.yaml", dir);
	snprintf(user, sizeof user, "%s/user.yaml", dir);
	snprintf(trusted, sizeof trusted, "%s/trusted", data);
	put_or_remove("admin.yaml", layers->admin, 0644);
	put_or_remove("user.yaml", layers->user, 0600);
	put_or_remove("project/.mishri/config.yaml", layers->project, 0600);
	(void)unlink(trusted);
	if (!layers->untrusted)
		assert_int_equal(trust_add(data, project, NULL), 0);
	int r = config_load(&sources, ret, err);
	for (size_t i = 0; r == 0 && layers->flags[i] != NULL; i++)
		r = config_set_pair(*ret, layers->flags[i], err);
	return r;
}

static void the_strongest_layer_wins(void **state)
{
	static const struct { struct layers layers; const char *key, *value, *origin; } rows[] = {
		{ { NULL }, "plan", "auto", "built-in" },
		{ { NULL }, "model", NULL, "built-in" },
		{ { .admin = "plan: never" }, "plan", "never", "D/admin.yaml:1" },
		{ { .admin = "plan: never", .user = "# mine\nplan: always" }, "plan", "always", "D/user.yaml:2" },
		{ { .user = "plan: always", .project = "plan: never" }, "plan", "never", "D/project/.mishri/config.yaml:1" },
		{ { .user = "plan: always", .project = "plan: never", .untrusted = true }, "plan", "always", "D/user.yaml:1" },
		{ { .project = "plan: never", .env = { "MISHRI_PLAN=always" } }, "plan", "always", "MISHRI_PLAN" },
		{ { .env = { "MISHRI_PLAN=always", "PATH=/bin" }, .flags = { "plan=never" } }, "plan", "never", "-c" },
		{ { .flags = { "plan=never", "plan=always" } }, "plan", "always", "-c" },
		{ { .env = { "MISHRI_PLAN=" } }, "plan", "auto", "built-in" },
		{ { .user = "# all of it\n\n  # commented out\n" }, "plan", "auto", "built-in" },
		{ { .user = "{}" }, "plan", "auto", "built-in" },
		/* locked: nothing below changes it, and what is not locked still can */
		{ { .admin = "plan: never\nlocked: [plan]", .user = "plan: always", .project = "plan: always",
		    .env = { "MISHRI_PLAN=auto" } }, "plan", "never", "D/admin.yaml:1" },
		{ { .admin = "locked: [plan]\nplan: never", .user = "plan: always" }, "plan", "never", "D/admin.yaml:2" },
		{ { .admin = "locked: [isolation]", .user = "isolation: none" }, "isolation", "full", "built-in" },
		{ { .admin = "plan: never\nlocked: [plan]", .flags = { "plan=never" } }, "plan", "never", "D/admin.yaml:1" },
		{ { .admin = "plan: never\nlocked: [isolation]", .user = "plan: always" }, "plan", "always", "D/user.yaml:1" },
		/* --no-user-config */
		{ { .admin = "plan: never", .user = "plan: always", .project = "plan: always",
		    .env = { "MISHRI_PLAN=always" }, .only_flags = true }, "plan", "auto", "built-in" },
		{ { .user = "plan: always", .only_flags = true, .flags = { "plan=never" } }, "plan", "never", "-c" },
		{ { .user = "nonsense: 1", .only_flags = true }, "plan", "auto", "built-in" },
		{ { .admin = "plan: never\nlocked: [plan]", .only_flags = true }, "plan", "never", "D/admin.yaml:1" },
		/* limits: one by one or as a section */
		{ { NULL }, "limits.memory", "4G", "built-in" },
		{ { .user = "limits:\n  memory: 2G" }, "limits.memory", "2G", "D/user.yaml:2" },
		{ { .user = "limits.memory: 2G" }, "limits.memory", "2G", "D/user.yaml:1" },
		{ { .user = "limits: { memory: 2G }", .env = { "MISHRI_LIMITS_MEMORY=1G" } }, "limits.memory", "1G", "MISHRI_LIMITS_MEMORY" },
		{ { .env = { "MISHRI_LIMITS_OPEN_FILES=64" } }, "limits.open_files", "64", "MISHRI_LIMITS_OPEN_FILES" },
		{ { .user = "limits: { memory: 2G }", .flags = { "limits.memory=3G" } }, "limits.memory", "3G", "-c" },
		{ { .admin = "limits: { memory: 1G }\nlocked: [limits]", .user = "limits: { memory: 2G }" }, "limits.memory", "1G", "D/admin.yaml:1" },
		{ { .admin = "limits: { memory: 1G }\nlocked: [limits.memory]", .user = "limits: { memory: 2G, cpu: 5m }" }, "limits.memory", "1G",
		  "D/admin.yaml:1" },
		{ { .admin = "limits: { memory: 1G, cpu: 1m }\nlocked: [limits.memory]", .only_flags = true }, "limits.memory", "1G",
		  "D/admin.yaml:1" },
		{ { .admin = "limits: { memory: 1G, cpu: 1m }\nlocked: [limits.memory]", .only_flags = true }, "limits.cpu", "30m", "built-in" },
		{ { NULL }, "limits.task_cpu", NULL, "built-in" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(config_freep) struct config *config = NULL;
		struct err err = ERR_NONE;
		char origin[256];
		if (load(&rows[i].layers, &config, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		const char *value = config_text(config, rows[i].key);
		if (rows[i].value == NULL)
			assert_null(value);
		else
			assert_string_equal(value, rows[i].value);
		snprintf(origin, sizeof origin, "%s%s", rows[i].origin[0] == 'D' ? dir : "",
		         rows[i].origin + (rows[i].origin[0] == 'D'));
		assert_string_equal(config_origin(config, rows[i].key), origin);
		assert_true((config_untrusted(config) != NULL) == rows[i].layers.untrusted);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const struct { struct layers layers; const char *says; } rows[] = {
		{ { .user = "model: a/b\nmax_turn: 3" }, "/user.yaml:2:1: " },
		{ { .user = "model: a/b\nmax_turn: 3" }, "max_turns" },
		{ { .user = "plan: sometimes" }, "/user.yaml:1:7: plan: 'sometimes' is not one of: auto always never" },
		{ { .user = "max_turns: many" }, "/user.yaml:1:12: max_turns: 'many' must be a whole number" },
		{ { .user = "max_turns: 0" }, "max_turns: 0 is too little; at least 1" },
		{ { .user = "max_turns: -1" }, "max_turns: '-1' must be a whole number" },
		{ { .user = "max_turns: 100001" }, "max_turns: 100001 is too much; at most 100000" },
		{ { .flags = { "max_turns=99999999999999999999" } }, "-c: max_turns: 99999999999999999999 is too much" },
		{ { .user = "timeout: soon" }, "timeout: 'soon' must be a time, such as 90s, 30m or 2h" },
		{ { .user = "timeout: 31d" }, "timeout: 31d is too much; at most 30d" },
		{ { .user = "output_limit: 1" }, "output_limit: 1 is too little" },
		{ { .user = "model: gpt" }, "model: 'gpt' must be PROVIDER/MODEL" },
		{ { .user = "model: /x" }, "must be PROVIDER/MODEL" },
		{ { .user = "model: x/" }, "must be PROVIDER/MODEL" },
		{ { .user = "model:" }, "model: must be one value, not nothing" },
		{ { .user = "model: ''" }, "model: is empty" },
		{ { .user = "model: \"a/\\e[31m\"" }, "model: has a line break or another control character" },
		{ { .user = "model: |\n  a/b\n" }, "model: has a line break" },
		{ { .user = "model: [a/b]" }, "/user.yaml:1:8: model: must be one value, not a list" },
		{ { .user = "budget: 1,50" }, "budget: '1,50' must be US dollars, such as 2.50" },
		{ { .user = "budget: '1.'" }, "must be US dollars" },
		{ { .user = "budget: 0.0000000001" }, "must be US dollars" },
		{ { .user = "budget: 1000000000.1" }, "too much" },
		{ { .user = "- model" }, "/user.yaml:1:" },
		{ { .user = "locked: [plan]" }, "/user.yaml:1:9: locked: only the admin file can lock keys" },
		{ { .admin = "locked: [pln]" }, "/admin.yaml:1:10: locked: unknown key 'pln': did you mean 'plan'?" },
		{ { .admin = "locked: plan" }, "/admin.yaml:1:9: " },
		{ { .admin = "locked: [pln]", .only_flags = true }, "unknown key 'pln'" },
		{ { .admin = "locked: [plan]\nplan: never", .flags = { "plan=auto" } }, "-c: plan is locked to 'never' (" },
		{ { .admin = "locked: [isolation]", .flags = { "isolation=none" } }, "-c: isolation is locked to 'full' (built-in)" },
		{ { .admin = "locked: [isolation]", .flags = { "isolation=none" }, .only_flags = true }, "isolation is locked" },
		{ { .admin = "locked: [plan]", .user = "plan: x" }, "plan: 'x' is not one of" },
		{ { .project = "isolation: none" }, "/.mishri/config.yaml:1:1: isolation: is not for a project file" },
		{ { .project = "budget: 100" }, "budget: is not for a project file" },
		{ { .project = "workspace: /" }, "workspace: is not for a project file" },
		{ { .env = { "MISHRI_MAX_TURN=3" } }, "MISHRI_MAX_TURN: unknown variable: did you mean 'MISHRI_MAX_TURNS'?" },
		{ { .env = { "MISHRI_MAX_TURNS=x" } }, "MISHRI_MAX_TURNS: max_turns: 'x' must be a whole number" },
		{ { .flags = { "plan" } }, "-c 'plan': must be KEY=VALUE" },
		{ { .flags = { "=x" } }, "must be KEY=VALUE" },
		{ { .flags = { "plna=x" } }, "-c: unknown key 'plna': did you mean 'plan'?" },
		{ { .flags = { "zzzzzz=x" } }, "-c: unknown key 'zzzzzz'; `mishri config` lists the keys" },
		{ { .flags = { "plan=" } }, "-c: plan: is empty" },
		{ { .user = "limits: { memroy: 1G }" }, "memory" },
		{ { .user = "limits: { memory: 1k }" }, "/user.yaml:1:19: limits.memory: 1k is too little" },
		{ { .user = "limits: [memory]" }, "/user.yaml:1:9: limits is a list here" },
		{ { .user = "limits: { memory: [1G] }" }, "limits.memory: must be one value, not a list" },
		{ { .project = "limits: { memory: 1G }" }, "limits: is not for a project file" },
		{ { .project = "limits.memory: 1G" }, "limits.memory: is not for a project file" },
		{ { .admin = "locked: [limits]", .flags = { "limits.memory=8G" } }, "-c: limits.memory is locked to '4G' (built-in)" },
		{ { .env = { "MISHRI_LIMITS_MEMRY=1G" } }, "did you mean 'MISHRI_LIMITS_MEMORY'?" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(config_freep) struct config *config = NULL;
		struct err err = ERR_NONE;
		int r = load(&rows[i].layers, &config, &err);
		if (r >= 0 || strstr(err.text, rows[i].says) == NULL)
			fail_msg("row %zu\nwant: %s\nsaid: %s", i, rows[i].says, r < 0 ? err.text : "fine");
	}
}

static void agents_by_layer(void **state)
{
#define REVIEWER "agents:\n  reviewer: { tools: [read_file, search], max_turns: 9, timeout: 2m, model: a/b, prompt: Look closely. }\n"
	static const struct { struct layers layers; const char *want; } rows[] = {
		{ { NULL }, "" },
		{ { .user = "agents: {}" }, "" },
		{ { .user = REVIEWER }, "reviewer worker a/b 2 9 120000 user.yaml:2\n" },
		{ { .user = "agents: { master: {}, worker: { tools: [] } }" }, "master master - - 0 0 user.yaml:1\nworker worker - 0 0 0 user.yaml:1\n" },
		{ { .admin = REVIEWER, .user = "agents: { reviewer: { role: master, tools: [plan, shell] } }" },
		  "reviewer master - 2 0 0 user.yaml:1\n" }, /* replaced whole */
		{ { .user = REVIEWER, .project = "agents: { a1: { max_turns: 3 } }" },
		  "a1 worker - - 3 0 config.yaml:1\nreviewer worker a/b 2 9 120000 user.yaml:2\n" },
		{ { .project = "agents: { a1: {} }", .untrusted = true }, "" },
		{ { .user = REVIEWER, .only_flags = true }, "" },
		{ { .admin = "locked: [agents]\n" REVIEWER, .user = "agents: { reviewer: {}, other: {} }" },
		  "reviewer worker a/b 2 9 120000 admin.yaml:3\n" },
		{ { .admin = "locked: [agents]\n" REVIEWER, .only_flags = true }, "reviewer worker a/b 2 9 120000 admin.yaml:3\n" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(config_freep) struct config *config = NULL;
		AUTO(buf_done) struct buf got = BUF_INIT(4096);
		struct err err = ERR_NONE;
		size_t count;
		if (load(&rows[i].layers, &config, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		const struct agent_profile *all = agents_all(config_agents(config), &count);
		for (size_t k = 0; k < count; k++) {
			const struct agent_profile *p = &all[k];
			buf_printf(&got, "%s %s %s ", p->name, p->role, p->model != NULL ? p->model : "-");
			buf_printf(&got, p->tools != NULL ? "%zu" : "-", p->tool_count);
			buf_printf(&got, " %lld %lld %s\n", (long long)p->turns, (long long)p->timeout_ms,
			           strrchr(agents_origin(config_agents(config), k), '/') + 1);
			assert_ptr_equal(agents_find(config_agents(config), p->name), p);
		}
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu\nwant: %sgot: %s", i, rows[i].want, buf_text(&got));
		assert_null(agents_find(config_agents(config), "nobody"));
	}
}

static void wrong_agents(void **state)
{
	static const struct { struct layers layers; const char *says; } rows[] = {
		{ { .user = "agent: {}" }, "agents" },
		{ { .user = "agents: [a]" }, "/user.yaml:1:9: agents is a list here" },
		{ { .user = "agents: { a: 3 }" }, "/user.yaml:1:14: a is " },
		{ { .user = "agents:\n  a: { promt: x }" }, "prompt" },
		{ { .user = "agents: { A: {} }" }, "/user.yaml:1:11: agents: 'A' is no name of an agent" },
		{ { .user = "agents: { a b: {} }" }, "is no name of an agent" },
		{ { .user = "agents: { a: { role: boss } }" }, "a: role: must be master (" },
		{ { .user = "agents: { worker: { role: master } }" }, "the agent 'worker' is always a worker" },
		{ { .user = "agents: { a: { tools: read_file } }" }, "/user.yaml:1:23: a: tools is " },
		{ { .user = "agents: { a: { tools: [read_fil] } }" }, "/user.yaml:1:24: a: tools: there is no tool 'read_fil': did you mean 'read_file'?" },
		{ { .user = "agents: { a: { tools: [shell, shell] } }" }, "'shell' is there twice" },
		{ { .user = "agents: { a: { tools: [delegate] } }" }, "a: tools: 'delegate' is for masters only" },
		{ { .user = "agents: { a: { model: gpt } }" }, "a: model: 'gpt' must be PROVIDER/MODEL" },
		{ { .user = "agents: { a: { fallback: x/y } }" }, "a: fallback is " },
		{ { .user = "agents: { a: { fallback: [gpt] } }" }, "a: fallback: 'gpt' must be PROVIDER/MODEL" },
		{ { .user = "agents: { a: { fallback: [x/y, x/y] } }" }, "a: fallback: x/y is in the chain twice" },
		{ { .user = "agents: { a: { model: x/y, fallback: [x/y] } }" }, "a: fallback: x/y is in the chain twice" },
		{ { .user = "agents: { a: { fallback: [a/1, a/2, a/3, a/4, a/5, a/6, a/7, a/8, a/9] } }" }, "a: fallback: has more than 8" },
		{ { .project = "agents: { a: { fallback: [x/y] } }" }, "a: fallback: is not for an agent of a project file" },
		{ { .user = "agents: { a: { prompt: '' } }" }, "a: prompt: must be a text" },
		{ { .user = "agents: { a: { max_turns: 0 } }" }, "/user.yaml:1:27: a: max_turns: must be a whole number" },
		{ { .user = "agents: { a: { timeout: 31d } }" }, "a: timeout: must be a time from 1s to 30d" },
		{ { .user = "agents: { a: { limits: { memory: 1k } } }" }, "/user.yaml:1:34: a: limits: memory: 1k must be between" },
		{ { .user = "agents: { a: { limits: { memroy: 1G } } }" }, "memory" },
		{ { .user = "agents: { a: { limits: 5 } }" }, "limits is a" },
		{ { .project = "agents: { a: { model: x/y } }" }, "/.mishri/config.yaml:1:16: a: model: is not for an agent of a project file" },
		{ { .user = "agents: { a: { tools: [] } }", .project = "agents: { a: {} }" }, "'a' is defined in " },
		{ { .admin = "locked: [agents]", .user = "agents: { a: { role: boss } }" }, "role: must be" },
		{ { .user = "context_tokens: 100" }, "context_tokens: 100 is too little" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(config_freep) struct config *config = NULL;
		struct err err = ERR_NONE;
		int r = load(&rows[i].layers, &config, &err);
		if (r >= 0 || strstr(err.text, rows[i].says) == NULL)
			fail_msg("row %zu\nwant: %s\nsaid: %s", i, rows[i].says, r < 0 ? err.text : "fine");
	}
}

static void numbers(void **state)
{
	static const struct { const char *pair, *key; int64_t number; } rows[] = {
		{ "timeout=90", "timeout", 90000 },
		{ "timeout=1500ms", "timeout", 1500 },
		{ "output_limit=1M", "output_limit", 1 << 20 },
		{ "budget=2", "budget", 2000000000 },
		{ "budget=2.5", "budget", 2500000000 },
		{ "budget=0.000000001", "budget", 1 },
		{ "budget=0", "budget", 0 },
		{ "max_calls=7", "max_calls", 7 },
		{ "plan=auto", "max_turns", LIMIT_TASK_TURNS },
		{ "plan=auto", "max_calls", LIMIT_TASK_CALLS },
		{ "plan=auto", "timeout", LIMIT_TASK_TIMEOUT_MS },
		{ "plan=auto", "output_limit", LIMIT_CALL_OUTPUT_BYTES },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(config_freep) struct config *config = NULL;
		struct layers layers = { .flags = { rows[i].pair } };
		struct err err = ERR_NONE;
		assert_int_equal(load(&layers, &config, &err), 0);
		assert_true(config_number(config, rows[i].key) == rows[i].number);
	}
}

static void the_admin_file_is_above_doubt(void **state)
{
	AUTO(config_freep) struct config *config = NULL;
	char admin[256];
	struct config_sources sources = { .admin_file = admin, .admin_owner = geteuid() };
	struct err err = ERR_NONE;

	(void)state;
	snprintf(admin, sizeof admin, "%s/admin.yaml", dir);
	put_file("admin.yaml", "plan: never", 0664);
	assert_int_equal(config_load(&sources, &config, &err), -EPERM);
	assert_non_null(strstr(err.text, "nobody else may be able to write it"));
	put_file("admin.yaml", "plan: never", 0644);
	sources.admin_owner = geteuid() + 1;
	assert_int_equal(config_load(&sources, &config, &err), -EPERM);
	assert_int_equal(unlink(admin), 0);
	assert_int_equal(mkfifo(admin, 0644), 0);
	assert_int_equal(config_load(&sources, &config, &err), -EINVAL); /* and does not wait for a writer */
	assert_non_null(strstr(err.text, "is no regular file"));
	assert_null(config);
}

static void every_value_is_told(void **state)
{
	AUTO(config_freep) struct config *config = NULL;
	struct layers layers = { .admin = "locked: [plan]", .flags = { "model=a/b", "max_turns=3" } };
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(load(&layers, &config, &err), 0);
	AUTO(json_decrefp) json_t *all = config_json(config);
	size_t i = 0;
	for (const struct config_key *key; (key = config_key_at(i)) != NULL; i++)
		assert_non_null(json_object_get(all, key->name));
	assert_int_equal(json_object_size(all), i);
	AUTO(freep) char *model = json_text(json_object_get(all, "model"));
	AUTO(freep) char *turns = json_text(json_object_get(all, "max_turns"));
	AUTO(freep) char *plan = json_text(json_object_get(all, "plan"));
	AUTO(freep) char *budget = json_text(json_object_get(all, "budget"));
	assert_string_equal(model, "{\"value\":\"a/b\",\"origin\":\"-c\",\"locked\":false}");
	assert_string_equal(turns, "{\"value\":3,\"origin\":\"-c\",\"locked\":false}");
	assert_string_equal(plan, "{\"value\":\"auto\",\"origin\":\"built-in\",\"locked\":true}");
	assert_string_equal(budget, "{\"value\":null,\"origin\":\"built-in\",\"locked\":false}");
}

static void trust_is_exact(void **state)
{
	char path[256], below[256], list[256];
	struct err err = ERR_NONE;

	(void)state;
	snprintf(below, sizeof below, "%s/.mishri", project);
	snprintf(list, sizeof list, "%s/trusted", data);
	assert_false(trust_check(data, project));
	assert_int_equal(trust_add(data, project, &err), 0);
	assert_int_equal(trust_add(data, project, &err), 0);
	assert_true(trust_check(data, project));
	assert_false(trust_check(data, below));
	assert_false(trust_check(data, dir));
	snprintf(path, sizeof path, "%s/link", dir);
	assert_int_equal(symlink(project, path), 0);
	assert_true(trust_check(data, path)); /* another name of the same directory */
	struct buf text = BUF_INIT(4096);
	assert_int_equal(io_read_file(list, &text, &err), 0);
	assert_int_equal(text.len, SHA256_HEX_LEN + 1 + strlen(project) + 1); /* written once */
	buf_done(&text);

	assert_int_equal(chmod(list, 0666), 0);
	assert_false(trust_check(data, project)); /* anybody could have written that */
	assert_int_equal(trust_add(data, project, &err), -EPERM);
	assert_int_equal(chmod(list, 0600), 0);
	assert_true(trust_check(data, project));

	assert_int_equal(trust_add(data, "/nonexistent", &err), -ENOENT);
	assert_int_equal(trust_add(data, list, &err), -ENOTDIR);
	snprintf(path, sizeof path, "%s/a\n%s", dir, "b");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(trust_add(data, path, &err), -EINVAL);
}

static void set(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void directories(void **state)
{
	static const struct { const char *flag, *own, *state, *home, *runtime, *want_data, *want_runtime; } rows[] = {
		{ "/d", "/e", "/s", "/h", "/r", "/d", "/d" },
		{ NULL, "/e", "/s", "/h", "/r", "/e", "/e" },
		{ NULL, NULL, "/s", "/h", "/r", "/s/mishri", "/r/mishri" },
		{ NULL, "", "/s", "/h", NULL, "/s/mishri", "/s/mishri" },
		{ NULL, NULL, "relative", "/h", "relative", "/h/.local/state/mishri", "/h/.local/state/mishri" },
		{ "sub", NULL, "/s", "/h", NULL, "/sub", "/sub" },
	};
	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *got = NULL;
		struct err err;
		set("MISHRI_DATA", rows[i].own);
		set("XDG_STATE_HOME", rows[i].state);
		set("HOME", rows[i].home);
		set("XDG_RUNTIME_DIR", rows[i].runtime);
		assert_int_equal(dirs_data(rows[i].flag, &got, &err), 0);
		bool relative = rows[i].flag != NULL && rows[i].flag[0] != '/';
		assert_string_equal(got + (relative ? strlen("/tmp") : 0), rows[i].want_data);
		AUTO(freep) char *runtime = dirs_runtime(rows[i].flag, got);
		assert_string_equal(runtime + (relative ? strlen("/tmp") : 0), rows[i].want_runtime);
	}
	set("XDG_CONFIG_HOME", "/c");
	AUTO(freep) char *first = dirs_user_config();
	assert_string_equal(first, "/c/mishri/config.yaml");
	set("XDG_CONFIG_HOME", NULL);
	AUTO(freep) char *second = dirs_user_config();
	assert_string_equal(second, "/h/.config/mishri/config.yaml");
	char *none = NULL;
	assert_int_equal(dirs_data("", &none, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_strongest_layer_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(agents_by_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_agents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_admin_file_is_above_doubt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_value_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trust_is_exact, set_up, tear_down),
		cmocka_unit_test(directories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
