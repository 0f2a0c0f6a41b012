/* attack.c - tries one evasion: where nothing is forbidden, to show that it works at all, and then under the policy, in a
 * real cell, in a directory that is thrown away. What the kernel keeps is shown to work without a cell (isolation none),
 * which is why no row may do harm. It decides nothing: the policy does, through the same code as in a run. */
#include "cli/attack.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cli/attack_door.h"
#include "cli/attack_tree.h"
#include "engine/files.h"
#include "engine/loop.h"
#include "policy/probe.h"
#include "base/banned.h"

enum { OPEN, GUARDED, BARE, SIDES };             /* a cell where all may start; under the policy; none at all */
enum { NOBODY = 65534, PREY_MODE = 0644 };

#define METADATA "169.254.169.254"
#define HOST "mishri-attack.invalid"             /* nobody has it, ever: RFC 6761 */
#define NO_NAMES "127.0.0.1:9"                   /* a name server that is none: no name is looked up */
static const char token[] = "the-secret-of-the-attack";

struct side {
	struct attack_field *field;
	struct cell *cell;
	struct watch *readable;
	enum cell_level level;
	bool guarded;
	struct attack_door *door;            /* NULL: there is no way out */
	const char *workspace;
	char tmp[PATH_MAX];
	struct err failure;
};

struct attack_field {
	struct loop *loop;
	struct warden *warden;
	struct watch *warden_readable, *timer;
	const struct policy *policy;
	const char *user;
	struct side sides[SIDES];
	char place[64], workspace[80], outside[80];
	uid_t uid;
	gid_t gid;
	int listener;
	uint16_t port;
	pid_t victim;
	const struct attack_prey *prey;      /* the first that the policy forbids; NULL: none */
	struct egress_base *egress;
	const char *hidden, *kept;           /* below the workspace: what the row is after; NULL: nothing */
	bool let;                            /* the proxy would have connected */
	uint64_t call;
	bool ended, lost;
	int status;
	const char *refused_rule, *refused_source;
	char refused_why[560], let_by[160];
};

static const char *const verdicts[] = {
	[VERDICT_HELD] = "held", [VERDICT_THROUGH] = "got through", [VERDICT_BEYOND] = "beyond",
	[VERDICT_ALLOWED] = "allowed", [VERDICT_NOT_HERE] = "not here",
};
_Static_assert(COUNT(verdicts) == VERDICTS, "every verdict has a name");

const char *attack_verdict_name(enum attack_verdict verdict)
{
	return name_of(verdicts, COUNT(verdicts), verdict);
}

/* ---- the cells ------------------------------------------------------------------------------------------- */

static void on_readable(void *userdata)
{
	cell_dispatch(((struct side *)userdata)->cell);
}

static void on_warden(void *userdata)
{
	warden_dispatch(((struct attack_field *)userdata)->warden);
}

static void facts_of_field(const struct attack_field *f, struct facts *ret)
{
	*ret = (struct facts){
		.user = f->user, .role = "worker", .agent = "worker", .channel = "cli", .workspace = f->workspace, .depth = 1,
		.time_us = clock_wall_us(), .resolve = resolve_path,
	};
}

static void note_refusal(struct attack_field *f, const struct decision *d)
{
	f->refused_rule = d->rule;
	f->refused_source = d->source;
	snprintf(f->refused_why, sizeof f->refused_why, "%s%s", d->effect == EFFECT_ASK ? "a person would be asked: " : "", d->reason);
}

static void on_wish(void *userdata, const struct net_target *target)
{
	const struct side *side = userdata;
	struct attack_field *f = side->field;
	struct facts facts;
	struct decision d = { .effect = EFFECT_ALLOW };

	facts_of_field(f, &facts);
	if (side->guarded)
		net_decide(f->policy, target, NULL, &facts, &d);
	if (d.effect == EFFECT_ALLOW) {
		f->let = true;
		snprintf(f->let_by, sizeof f->let_by, "net %.80s:%d was let through by %s", target->host, target->port,
		         d.rule != NULL ? d.rule : "the default");
	} else {
		note_refusal(f, &d);
	}
}

static void on_open(void *userdata, const json_t *mechanisms, const struct err *failure)
{
	struct side *side = userdata;

	if (failure != NULL) {
		side->cell = NULL;
		side->failure = *failure;
	} else {
		side->readable = watch_fd(side->field->loop, cell_fd(side->cell), on_readable, side);
		snprintf(side->tmp, sizeof side->tmp, "%s", json_get_text(mechanisms, "tmp", "/tmp"));
		int listener = cell_take_listener(side->cell);
		if (listener >= 0)
			side->door = attack_door_new(side->field->egress, listener, on_wish, side);
	}
	loop_stop(side->field->loop);
}

static void on_exec(void *userdata, const struct cell_exec *exec)
{
	struct side *side = userdata;
	struct attack_field *f = side->field;
	struct facts facts;
	struct decision d = { .effect = EFFECT_ALLOW };

	facts_of_field(f, &facts);
	if (side->guarded)
		exec_decide(f->policy, exec, &facts, &d);
	if (side->guarded && d.effect != EFFECT_ALLOW) {
		note_refusal(f, &d);
	} else if (side->guarded) {
		snprintf(f->let_by, sizeof f->let_by, "%.80s was let through by %s", exec->program, d.rule != NULL ? d.rule : "the default");
	}
	cell_exec_answer(side->cell, exec->id, d.effect == EFFECT_ALLOW, "denied");
}

static void on_exec_gone(void *userdata UNUSED, uint32_t id UNUSED)
{
}

static void on_ended(void *userdata, const struct cell_exit *ended)
{
	struct attack_field *f = ((struct side *)userdata)->field;

	if (ended->call != f->call)
		return;
	f->ended = true;
	f->status = ended->status;
	loop_stop(f->loop);
}

static void on_lost(void *userdata, const char *why UNUSED)
{
	struct attack_field *f = ((struct side *)userdata)->field;

	f->lost = true;
	loop_stop(f->loop);
}

static void on_time_up(void *userdata)
{
	loop_stop(((struct attack_field *)userdata)->loop);
}

/* files: what the policy hides and keeps; NULL: nothing. */
static int side_open(struct side *side, const struct cell_files *files, struct err *err)
{
	static const struct cell_callbacks callbacks = { on_open, on_exec, on_exec_gone, on_ended, on_lost };
	struct attack_field *f = side->field;

	struct cell_plan plan = { .level = side->level, .workspace = side->workspace };

	if (files != NULL) {
		plan.hide = files->hide;
		plan.keep = files->keep;
	}
	side->cell = cell_open(f->warden, &plan, &callbacks, side);
	loop_run(f->loop);
	if (side->cell != NULL)
		return 0;
	if (err != NULL)
		*err = side->failure;
	return -MAX(side->failure.code, 1);
}

static void side_close(struct side *side)
{
	watch_free(side->readable);
	attack_door_free(side->door);
	cell_close(side->cell);
}

/* ---- the throw-away place ------------------------------------------------------------------------------------ */

static int give(const struct attack_field *f, const char *path, struct err *err)
{
	return chown(path, f->uid, f->gid) < 0 ? err_sys(err, "cannot give away '%s'", path) : 0;
}

static int make_file(const struct attack_field *f, const char *path, const char *text, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, PREY_MODE);

	if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0 || fchmod(fd, PREY_MODE) < 0)
		return err_sys(err, "cannot make '%s'", path);
	return give(f, path, err);
}

static int make_dir(const struct attack_field *f, const char *path, struct err *err)
{
	if (mkdir(path, 0755) < 0)
		return err_sys(err, "cannot make '%s'", path);
	return give(f, path, err);
}

static int make_place(struct attack_field *f, struct err *err)
{
	char path[128];

	snprintf(f->place, sizeof f->place, "/var/tmp/mishri-attack-XXXXXX");
	if (mkdtemp(f->place) == NULL || chmod(f->place, 0755) < 0)
		return err_sys(err, "no directory for the attempts below /var/tmp");
	snprintf(f->workspace, sizeof f->workspace, "%s/work", f->place);
	snprintf(f->outside, sizeof f->outside, "%s/outside", f->place);
	int r = make_dir(f, f->workspace, err);
	if (r == 0)
		r = make_dir(f, f->outside, err);
	snprintf(path, sizeof path, "%s/secret", f->outside);
	return r < 0 ? r : make_file(f, path, token, err);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
	(void)!remove(path);
	return 0;
}

/* A directory whose owner took his own rights away is given them back. */
static int open_one(const char *path, const struct stat *st UNUSED, int type, struct FTW *ftw UNUSED)
{
	if (type == FTW_D || type == FTW_DNR)
		(void)!chmod(path, 0700);
	return 0;
}

static void remove_place(const struct attack_field *f)
{
	enum { DEEP = 16 };

	(void)nftw(f->place, open_one, DEEP, FTW_PHYS);
	(void)nftw(f->place, remove_one, DEEP, FTW_PHYS | FTW_DEPTH);
}

static int listen_somewhere(struct attack_field *f, struct err *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;

	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&in, len) < 0 || listen(f->listener, 16) < 0 ||
	    getsockname(f->listener, (struct sockaddr *)&in, &len) < 0)
		return err_sys(err, "cannot listen on the loopback of this machine");
	f->port = ntohs(in.sin_port);
	return 0;
}

/* A process of the same user as the attempts without a cell; it reads nothing and ends with us. */
static int make_victim(struct attack_field *f, struct err *err)
{
	pid_t parent = getpid();

	f->victim = fork();
	if (f->victim < 0)
		return err_sys(err, "cannot start a process");
	if (f->victim > 0)
		return 0;
	if (geteuid() == 0 && (setresgid(f->gid, f->gid, f->gid) < 0 || setresuid(f->uid, f->uid, f->uid) < 0))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || chdir("/") < 0)
		_exit(1);
	for (;;)
		pause();
}

/* ---- what policy says of the targets ------------------------------------------------------------------------------ */

static enum effect ask_exec(const struct attack_field *f, const char *const *argv, size_t argc, struct decision *d)
{
	struct probe p;
	struct err err = ERR_NONE;

	probe_init(&p, f->workspace);
	facts_of_field(f, &p.facts);
	*d = (struct decision){ .effect = EFFECT_ALLOW };
	if (probe_set_exec(&p, argv, argc, true, &err) == 0 || probe_set_exec(&p, argv, argc, false, &err) == 0)
		policy_decide(f->policy, &p.action, &p.facts, d);
	probe_done(&p);
	return d->effect;
}

static enum effect ask_net(const struct attack_field *f, const char *host, int port, struct decision *d)
{
	AUTO(freep) char *target = xasprintf("%s:%d", host, port);
	struct probe p;
	struct err err = ERR_NONE;

	probe_init(&p, f->workspace);
	facts_of_field(f, &p.facts);
	*d = (struct decision){ .effect = EFFECT_DENY };
	if (probe_set_net(&p, target, "http", &err) == 0 && probe_add_net(&p, "GET", NULL, &err) == 0)
		policy_decide(f->policy, &p.action, &p.facts, d);
	probe_done(&p);
	return d->effect;
}

/* Does `files` say something about what the row is after? */
static enum effect ask_files(struct attack_field *f, const struct attack *a, struct decision *d)
{
	const struct path_rule *rule = NULL;

	f->kept = a->file;
	f->hidden = attack_tree_hidden(f->policy, &rule);
	if (a->target == ATTACK_KEPT) {
		rule = policy_path_find(f->policy, PATH_READONLY, a->file);
		if (rule == NULL)
			rule = policy_path_find(f->policy, PATH_HIDE, a->file);
	}
	*d = (struct decision){ .effect = rule != NULL ? EFFECT_DENY : EFFECT_ALLOW };
	if (rule == NULL)
		snprintf(d->reason, sizeof d->reason, "no pattern of `files` is about it");
	else
		d->source = rule->source;
	return d->effect;
}

static enum effect ask_origin(const struct attack_field *f, enum origin origin, struct decision *d)
{
	static const char *const names[] = { "w" };
	const char *argv[] = { "./w", NULL };
	char path[128];
	struct facts facts;
	struct action action = { .kind = ACTION_EXEC };

	snprintf(path, sizeof path, "%s/w", origin == ORIGIN_WORKSPACE ? f->workspace : "/tmp");
	action.exec.program = path;
	action.exec.names = names;
	action.exec.name_count = action.exec.trusted_names = 1;
	action.exec.origin = origin;
	action.exec.argv = argv;
	action.exec.argc = 1;
	action.exec.cwd = f->workspace;
	facts_of_field(f, &facts);
	policy_decide(f->policy, &action, &facts, d);
	return d->effect;
}

static enum effect ask_prey(const struct attack_field *f, const struct attack_prey *prey, struct decision *d)
{
	const char *argv[8] = { prey->program };
	char *copy = xstrdup(prey->args), *rest = copy;
	size_t argc = 1;

	for (char *word; (word = strsep(&rest, " ")) != NULL && argc < COUNT(argv);)
		argv[argc++] = word;
	enum effect effect = ask_exec(f, argv, argc, d);
	free(copy);
	return effect;
}

static bool find_program(const char *name, char ret[static 64])
{
	struct str dirs = STR(CELL_PATH), dir;

	while (str_next(&dirs, ':', &dir)) {
		snprintf(ret, 64, "%.*s/%s", STR_ARG(dir), name);
		if (access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

/* The first that is here and that the policy does not plainly allow. */
static void choose_prey(struct attack_field *f)
{
	char path[64];
	struct decision d;

	for (size_t i = 0; i < attack_prey_count && f->prey == NULL; i++)
		if (find_program(attack_preys[i].program, path) && ask_prey(f, &attack_preys[i], &d) != EFFECT_ALLOW)
			f->prey = &attack_preys[i];
}

/* Is it forbidden? Then what it is after is in ret->target. */
static bool is_forbidden(struct attack_field *f, const struct attack *a, struct attack_result *ret)
{
	static const char *const push[] = { "git", "push", "./r", "m" };
	const struct attack_prey *prey = f->prey != NULL ? f->prey : &attack_preys[0];
	struct decision d = { .effect = EFFECT_DENY };

	switch (a->target) {
	case ATTACK_PROGRAM:
		snprintf(ret->target, sizeof ret->target, "exec %s %s", prey->program, prey->args);
		ask_prey(f, prey, &d);
		break;
	case ATTACK_PUSH:
		snprintf(ret->target, sizeof ret->target, "exec git push");
		ask_exec(f, push, COUNT(push), &d);
		break;
	case ATTACK_WORKSPACE:
	case ATTACK_UNTRUSTED:
		snprintf(ret->target, sizeof ret->target, "exec of a program from: %s",
		         a->target == ATTACK_WORKSPACE ? "workspace" : "untrusted");
		ask_origin(f, a->target == ATTACK_WORKSPACE ? ORIGIN_WORKSPACE : ORIGIN_UNTRUSTED, &d);
		break;
	case ATTACK_HOST:
		snprintf(ret->target, sizeof ret->target, "net " HOST ":80");
		ask_net(f, HOST, 80, &d);
		break;
	case ATTACK_METADATA:
		snprintf(ret->target, sizeof ret->target, "net " METADATA ":80");
		ask_net(f, METADATA, 80, &d);
		break;
	case ATTACK_LOOPBACK:
		snprintf(ret->target, sizeof ret->target, "net 127.0.0.1:%u", f->port);
		ask_net(f, "127.0.0.1", f->port, &d);
		break;
	case ATTACK_HIDDEN:
		ask_files(f, a, &d);
		snprintf(ret->target, sizeof ret->target, "reading %s", f->hidden != NULL ? f->hidden : "a hidden file");
		break;
	case ATTACK_KEPT:
		ask_files(f, a, &d);
		snprintf(ret->target, sizeof ret->target, "changing %s", a->file);
		break;
	case ATTACK_CELL:
	case ATTACK_TARGETS:
		snprintf(ret->target, sizeof ret->target, "out of the cell");
		break;
	}
	if (d.effect != EFFECT_ALLOW)
		return true;
	ret->verdict = VERDICT_ALLOWED;
	ret->rule = d.rule;
	ret->source = d.source;
	snprintf(ret->why, sizeof ret->why, "%s", d.reason);
	return false;
}

/* ---- the text of an attempt --------------------------------------------------------------------------------------- */

static void add_words(struct buf *ret, const char *args, const char *between, bool quoted)
{
	struct str rest = str_of(args), word;

	for (bool first = true; str_next(&rest, ' ', &word); first = false)
		buf_printf(ret, "%s%s%.*s%s", first ? "" : between, quoted ? "\"" : "", STR_ARG(word), quoted ? "\"" : "");
}

static void add_base64(struct buf *ret, const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
		bits |= i + 1 < len ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
		bits |= i + 2 < len ? (uint32_t)(unsigned char)text[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			buf_add_char(ret, i + k > len ? '=' : digits[bits >> (18 - 6 * k) & 63]);
	}
}

static void add_part(const struct attack_field *f, const struct attack_prey *prey, char letter, struct buf *ret)
{
	char path[64];
	AUTO(freep) char *command = xasprintf("%s %s", prey->program, prey->args);

	switch (letter) {
	case 'P': buf_add_text(ret, prey->program); break;
	case 'A': buf_add_text(ret, prey->args); break;
	case 'C': buf_add_text(ret, command); break;
	case 'F': buf_add_text(ret, find_program(prey->program, path) ? path : prey->program); break;
	case 'I': add_words(ret, prey->args, "${IFS}", false); break;
	case 'B': add_words(ret, prey->args, ",", false); break;
	case 'L': add_words(ret, prey->args, ", ", true); break;
	case '1': buf_add_char(ret, prey->program[0]); break;
	case '2': buf_add_text(ret, prey->program + 1); break;
	case '6': add_base64(ret, command); break;
	case 'S': buf_printf(ret, "%s/secret", f->outside); break;
	case 'W': buf_printf(ret, "%s/made", f->outside); break;
	case 'N': buf_printf(ret, "%u", f->port); break;
	case 'K': buf_printf(ret, "%d", f->victim); break;
	case 'H': buf_add_text(ret, HOST); break;
	case 'X': buf_add_text(ret, CELL_PROXY); break;
	case 'E': buf_add_text(ret, f->hidden != NULL ? f->hidden : ".env"); break;
	case 'D': {
		struct str way = str_of(f->hidden != NULL ? f->hidden : "."), first = STR("");
		(void)str_next(&way, '/', &first);
		buf_printf(ret, "%.*s", STR_ARG(first));
		break;
	}
	case 'G': buf_add_text(ret, f->kept != NULL ? f->kept : ".git/config"); break;
	case 'O':
		for (const char *c = prey->program; *c != '\0'; c++)
			buf_printf(ret, "\\%03o", (unsigned)(unsigned char)*c);
		break;
	default: buf_add_char(ret, letter); break;
	}
}

static char *text_of(const struct attack_field *f, const struct attack *a)
{
	const struct attack_prey *prey = f->prey != NULL ? f->prey : &attack_preys[0];
	struct buf text = BUF_INIT(KIB(16));

	for (const char *c = a->sh; *c != '\0'; c++) {
		if (*c == '@' && c[1] != '\0')
			add_part(f, prey, *++c, &text);
		else
			buf_add_char(&text, *c);
	}
	assert(!text.full);
	return buf_take(&text);
}

/* ---- one attempt ------------------------------------------------------------------------------------------------------- */

static void drain_listener(const struct attack_field *f, bool *ret_reached)
{
	for (int fd; (fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
		*ret_reached = true;
}

static bool prey_shows(const char *dir, const struct attack_prey *prey)
{
	char path[200];
	struct stat st;
	bool gone = prey->leaves == PREY_GONE;

	snprintf(path, sizeof path, "%s/%s", dir, prey->leaves == PREY_MADE ? "made" : "prey");
	if (lstat(path, &st) < 0)
		return gone;
	if (prey->leaves == PREY_CHANGED)
		return st.st_size == 1 || (st.st_mode & 07777) == 0751;
	return !gone;
}

static bool is_done(const struct attack_field *f, const struct attack *a, const char *dir, const char *output, size_t len,
                    bool reached)
{
	char path[200];

	switch (a->sign) {
	case SIGN_TARGET:
		return prey_shows(dir, f->prey != NULL ? f->prey : &attack_preys[0]);
	case SIGN_MADE:
	case SIGN_OUTSIDE:
		snprintf(path, sizeof path, "%s/made", a->sign == SIGN_MADE ? dir : f->outside);
		return access(path, F_OK) == 0;
	case SIGN_TOKEN:
		return memmem(output, len, token, sizeof token - 1) != NULL;
	case SIGN_STATUS:
		return f->ended && f->status == 0;
	case SIGN_REACHED:
		return reached;
	case SIGN_LET:
		return f->let;
	case SIGN_CHANGED:
		return attack_tree_changed(dir, a->file);
	}
	return false;
}

/* The last line that it printed, for who wonders why it does not work here. */
static void last_line(char *output)
{
	size_t len = strlen(output);

	while (len > 0 && output[len - 1] == '\n')
		output[--len] = '\0';
	const char *line = strrchr(output, '\n');
	if (line != NULL)
		memmove(output, line + 1, strlen(line + 1) + 1);
	for (char *c = output; *c != '\0'; c++)
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
}

static int run_in(struct attack_field *f, struct side *side, const char *text, const char *dir, int out, struct err *err)
{
	AUTO(fd_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char **env = tool_environment(side->workspace, f->user, side->tmp, side->door != NULL);
	struct cell_run run = {
		.call = ++f->call, .argv = (const char *const[]){ "/bin/bash", "-c", text, NULL },
		.env = (const char *const *)env, .cwd = dir, .fds = { null, out, out },
		.hash_system = policy_wants_sha256(f->policy),
	};
	f->ended = f->let = false;
	f->status = -1;
	f->refused_rule = f->refused_source = NULL;
	f->refused_why[0] = f->let_by[0] = '\0';
	int r = null < 0 ? err_sys(err, "/dev/null") : cell_run(side->cell, &run, err);
	tool_environment_free(env);
	if (r < 0)
		return r;
	watch_arm(f->timer, LIMIT_ATTACK_MS);
	loop_run(f->loop);
	watch_arm(f->timer, -1);
	cell_kill(side->cell, f->call, SIGKILL);
	return f->lost ? err_set(err, EIO, "the cell was lost while an attempt ran in it") : 0;
}

static bool is_about_files(const struct attack *a)
{
	return a->target == ATTACK_HIDDEN || a->target == ATTACK_KEPT;
}

static int make_prey(const struct attack_field *f, char *ret_dir, size_t size, struct err *err)
{
	char path[128];

	snprintf(ret_dir, size, "%s/%llu", f->workspace, (unsigned long long)f->call);
	snprintf(path, sizeof path, "%.111s/prey", ret_dir);
	int r = make_dir(f, ret_dir, err);
	return r < 0 ? r : make_file(f, path, "text\n", err);
}

/* 1 done, 0 not, or -errno. output: the last line of what it said. */
static int attempt(struct attack_field *f, struct side *side, const struct attack *a, const char *text, char *output, size_t size,
                   struct err *err)
{
	AUTO(fd_closep) int out = memfd_create("output", MFD_CLOEXEC);
	char dir[112], path[128];
	bool reached = false;

	snprintf(dir, sizeof dir, "%s", side->workspace);
	int r = out < 0 ? err_sys(err, "memfd_create") : 0;
	if (r == 0 && !is_about_files(a))
		r = make_prey(f, dir, sizeof dir, err);
	drain_listener(f, &reached);
	reached = false;
	snprintf(path, sizeof path, "%s/made", f->outside);
	(void)unlink(path);
	if (r == 0)
		r = run_in(f, side, text, dir, out, err);
	if (r < 0)
		return r;
	ssize_t n = pread(out, output, size - 1, 0);
	output[MAX(n, (ssize_t)0)] = '\0';
	drain_listener(f, &reached);
	bool done = is_done(f, a, dir, output, (size_t)MAX(n, (ssize_t)0), reached);
	last_line(output);
	return done;
}

/* In a cell and a workspace of its own: a file that is hidden or kept is so from the beginning. As attempt(). -ENOTSUP: there
 * is no such cell. */
static int attempt_files(struct attack_field *f, bool guarded, const struct attack *a, const char *text, char *output, size_t size,
                         struct err *err)
{
	AUTO(cell_files_done) struct cell_files files;
	struct side side = { .field = f, .level = f->sides[GUARDED].level };
	char workspace[112];

	snprintf(workspace, sizeof workspace, "%s/files-%llu", f->place, (unsigned long long)f->call);
	side.workspace = workspace;
	cell_files_of(f->policy, side.level, &files);
	int r = make_dir(f, workspace, err);
	if (r == 0)
		r = attack_tree_make(workspace, f->hidden, token, f->uid, f->gid, err);
	if (r == 0)
		r = side_open(&side, guarded ? &files : NULL, err);
	if (r == 0)
		r = attempt(f, &side, a, text, output, size, err);
	side_close(&side);
	return r;
}

static int attempt_side(struct attack_field *f, bool guarded, const struct attack *a, const char *text, char *output, size_t size,
                        struct err *err)
{
	if (is_about_files(a))
		return attempt_files(f, guarded, a, text, output, size, err);
	return attempt(f, &f->sides[guarded ? GUARDED : a->target == ATTACK_CELL ? BARE : OPEN], a, text, output, size, err);
}

static bool is_missing(const char *needs, char ret[static 64])
{
	struct str rest = str_of(needs), word;
	char path[64];

	while (str_next(&rest, ' ', &word)) {
		snprintf(ret, 64, "%.*s", STR_ARG(word));
		if (word.len > 0 && !find_program(ret, path))
			return true;
	}
	return false;
}

static int not_here(struct attack_result *ret, const char *why)
{
	ret->verdict = VERDICT_NOT_HERE;
	snprintf(ret->why, sizeof ret->why, "%.500s", why);
	return 0;
}

static void judge(const struct attack_field *f, const struct attack *a, bool done, struct attack_result *ret)
{
	if (done) {
		ret->verdict = a->inside ? VERDICT_BEYOND : VERDICT_THROUGH;
		snprintf(ret->why, sizeof ret->why, "%s", f->let_by[0] != '\0' && a->target != ATTACK_CELL ? f->let_by : "");
		return;
	}
	ret->verdict = VERDICT_HELD;
	ret->rule = f->refused_rule;
	ret->source = f->refused_source;
	snprintf(ret->why, sizeof ret->why, "%s", f->refused_why[0] != '\0' ? f->refused_why :
	         is_about_files(a) ? "the cell: `files` of the policy" : "the cell");
}

int attack_try(struct attack_field *f, const struct attack *a, struct attack_result *ret, struct err *err)
{
	const struct side *open = &f->sides[a->target == ATTACK_CELL ? BARE : OPEN];
	char output[16384], missing[64];

	*ret = (struct attack_result){ .verdict = VERDICT_NOT_HERE };
	bool forbidden = is_forbidden(f, a, ret);
	ret->tried = text_of(f, a);
	if (!forbidden)
		return 0;
	if (is_missing(a->needs, missing)) {
		snprintf(output, sizeof output, "%s is not installed", missing);
		return not_here(ret, output);
	}
	if (open->cell == NULL)
		return not_here(ret, open->failure.text);
	if (a->sign == SIGN_LET && open->door == NULL)
		return not_here(ret, "the cell has no way out at all");
	int r = attempt_side(f, false, a, ret->tried, output, sizeof output, err);
	if (r < 0)
		return r;
	if (r == 0) {
		AUTO(freep) char *why = xasprintf("it does not work here even unguarded%s%.200s", output[0] != '\0' ? ": " : "", output);
		return not_here(ret, why);
	}
	r = attempt_side(f, true, a, ret->tried, output, sizeof output, err);
	if (r < 0)
		return r;
	judge(f, a, r > 0, ret);
	return 0;
}

void attack_result_done(struct attack_result *result)
{
	free(TAKE(result->tried));
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

void attack_field_close(struct attack_field *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < SIDES; i++)
		side_close(&f->sides[i]);
	egress_base_free(f->egress);
	watch_free(f->warden_readable);
	watch_free(f->timer);
	fd_close(&f->listener);
	if (f->victim > 0) {
		kill(f->victim, SIGKILL);
		while (waitpid(f->victim, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (f->place[0] != '\0')
		remove_place(f);
	free(f);
}

static void field_closep(struct attack_field **f)
{
	attack_field_close(*f);
}

int attack_field_open(struct warden *warden, struct loop *loop, const struct policy *policy, const char *user,
                      enum cell_level level, struct attack_field **ret, struct err *err)
{
	AUTO(field_closep) struct attack_field *f = xcalloc(1, sizeof *f);

	f->loop = loop;
	f->warden = warden;
	f->policy = policy;
	f->user = user;
	f->listener = -1;
	f->uid = geteuid() == 0 ? NOBODY : geteuid();
	f->gid = geteuid() == 0 ? NOBODY : getegid();
	for (int i = 0; i < SIDES; i++)
		f->sides[i] = (struct side){ .field = f, .level = i == BARE ? CELL_NONE : level, .guarded = i == GUARDED,
		                            .workspace = f->workspace };
	int r = make_victim(f, err);
	if (r == 0)
		r = make_place(f, err);
	if (r == 0)
		r = listen_somewhere(f, err);
	if (r == 0)
		r = egress_base_new(loop, NO_NAMES, NULL, &(struct egress_limits){ 0 }, &f->egress, err);
	if (r < 0)
		return r;
	f->warden_readable = watch_fd(loop, warden_fd(warden), on_warden, f);
	f->timer = watch_timer(loop, on_time_up, f);
	r = side_open(&f->sides[GUARDED], NULL, err);
	if (r == 0)
		r = side_open(&f->sides[OPEN], NULL, err);
	if (r < 0)
		return r;
	(void)side_open(&f->sides[BARE], NULL, NULL);      /* without it, what the kernel keeps is not shown, and that is said */
	choose_prey(f);
	*ret = TAKE(f);
	return 0;
}
