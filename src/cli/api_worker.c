/* api_worker.c - what reads much is read by another process: a command of this program with its own connection to the store, its
 * own memory, and none of the service's keys. The loop goes on meanwhile, and who leaves takes the work away with him. So many at
 * once and no more; the others wait their turn. It never writes, and it answers nothing that was not whole. */
#include "cli/api.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/loop.h"

#include "base/banned.h"

struct api_worker {
	struct api_worker *next;
	struct api_call call;          /* without its request, which is gone */
	char **argv;
	void (*then)(struct api_call *call, struct str out);
	pid_t pid;                     /* 0: it waits for its turn */
	int pidfd, out_fd, err_fd;
	struct watch *ended, *out_ready, *err_ready, *timer;
	struct buf out, complaint;
	bool late;
};

/* ---- the process ---- */

/* What a command reads of the environment, and nothing that could be a key. */
static char **environment(void)
{
	static const char *const names[] = { "HOME=", "PATH=", "LANG=", "TZ=", "XDG_", "MISHRI_" };
	size_t count = 0, n = 0;

	while (environ[count] != NULL)
		count++;
	char **env = xcalloc(count + 1, sizeof *env);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < COUNT(names); k++)
			if (strncmp(environ[i], names[k], strlen(names[k])) == 0 && strncmp(environ[i], "MISHRI_SECRET_", 14) != 0)
				env[n++] = environ[i];
	return env;
}

static int spawn(char *const *argv, int out, int complaint, pid_t *ret)
{
	AUTO(freep) char **env = environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, complaint, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	int r = posix_spawn(ret, "/proc/self/exe", &files, &how, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return -r;
}

static void unwatch(struct api_worker *w)
{
	watch_free(TAKE(w->ended));
	watch_free(TAKE(w->out_ready));
	watch_free(TAKE(w->err_ready));
	watch_free(TAKE(w->timer));
}

static void worker_free(struct api_worker *w)
{
	unwatch(w);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL); /* at once, in the middle of a read: there is nothing to undo */
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_close(&w->pidfd);
	fd_close(&w->out_fd);
	fd_close(&w->err_fd);
	buf_done(&w->out);
	buf_done(&w->complaint);
	for (size_t i = 0; w->argv != NULL && w->argv[i] != NULL; i++)
		free(w->argv[i]);
	free(w->argv);
	json_decref(w->call.query);
	json_decref(w->call.body);
	free(w);
}

static void take_out(struct api *api, const struct api_worker *w)
{
	struct api_worker **at = &api->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* ---- what it says ---- */

/* Until there is no more for now. */
static void read_all(int fd, struct watch **watch, struct buf *into)
{
	char chunk[KIB(16)];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(into, chunk, (size_t)n);
	if (n == 0)
		watch_free(TAKE(*watch));
}

/* What a command says by its exit code is an answer, too: a record that is broken, decisions that would change. */
static bool says_all(const struct api_worker *w, int code)
{
	AUTO(json_decrefp) json_t *value = NULL;

	return code == EXIT_DONE || (code == EXIT_FAILED && w->out.len > 0 && json_parse_any(buf_str(&w->out), &value, NULL) == 0);
}

static void answer(struct api_worker *w, int status)
{
	struct api_call *c = &w->call;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	const char *why = strncmp(buf_text(&w->complaint), "mishri: ", 8) == 0 ? buf_text(&w->complaint) + 8 : buf_text(&w->complaint);
	AUTO(freep) char *line = xstrndup(why, strcspn(why, "\n"));

	if (w->late)
		http_problem(c->conn, 503, "it took too long to put together; ask for less of it");
	else if (w->out.full)
		http_problem(c->conn, 422, "the answer would be larger than this service gives at once; its events come in pages");
	else if (says_all(w, code))
		w->then(c, buf_str(&w->out));
	else
		http_problem(c->conn, code == EXIT_USAGE ? 422 : code == EXIT_DENIED ? 403 : code == EXIT_CONFIG ? 409 : 500,
		             line[0] != '\0' ? line : "there is no answer");
}

static void on_ended(void *userdata)
{
	struct api_worker *w = userdata;
	struct api *api = w->call.api;
	int status = 0;

	if (waitpid(w->pid, &status, WNOHANG) != w->pid)
		return;
	w->pid = 0;
	read_all(w->out_fd, &w->out_ready, &w->out);
	read_all(w->err_fd, &w->err_ready, &w->complaint);
	api->workers_busy--;
	take_out(api, w);
	answer(w, status);
	worker_free(w);
	api_workers_go_on(api);
}

static void on_out(void *userdata)
{
	struct api_worker *w = userdata;

	read_all(w->out_fd, &w->out_ready, &w->out);
	if (w->out.full)
		kill(w->pid, SIGKILL);
}

static void on_complaint(void *userdata)
{
	struct api_worker *w = userdata;

	read_all(w->err_fd, &w->err_ready, &w->complaint);
}

static void on_late(void *userdata)
{
	struct api_worker *w = userdata;

	w->late = true;
	kill(w->pid, SIGKILL);
}

static int start(struct api_worker *w, struct err *err)
{
	struct loop *loop = w->call.api->serve->s.loop;
	int out[2], complaint[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, "a pipe");
	w->out_fd = out[0];
	AUTO(fd_closep) int out_end = out[1];
	if (pipe2(complaint, O_CLOEXEC) < 0)
		return err_sys(err, "a pipe");
	w->err_fd = complaint[0];
	AUTO(fd_closep) int err_end = complaint[1];
	if (fcntl(w->out_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(w->err_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "a pipe");
	int r = spawn(w->argv, out_end, err_end, &w->pid);
	if (r < 0) {
		w->pid = 0;
		return err_set(err, -r, "a process cannot be started: %s", strerror(-r));
	}
	w->pidfd = pidfd_open(w->pid, 0);
	if (w->pidfd < 0)
		return err_sys(err, "a process cannot be watched");
	w->ended = watch_fd(loop, w->pidfd, on_ended, w);
	w->out_ready = watch_fd(loop, w->out_fd, on_out, w);
	w->err_ready = watch_fd(loop, w->err_fd, on_complaint, w);
	w->timer = watch_timer(loop, on_late, w);
	watch_arm(w->timer, LIMIT_API_WORK_MS);
	return 0;
}

/* ---- whose turn it is ---- */

static struct api_worker *next_waiting(struct api *api)
{
	for (struct api_worker *w = api->workers; w != NULL; w = w->next)
		if (w->pid == 0)
			return w;
	return NULL;
}

void api_workers_go_on(struct api *api)
{
	struct api_worker *w;
	struct err err = ERR_NONE;

	while (api->workers_busy < LIMIT_API_WORKERS && (w = next_waiting(api)) != NULL) {
		if (http_server_unsent(api->serve->http) > LIMIT_API_UNSENT_BYTES) { /* slow readers; memory is not theirs to fill */
			watch_arm(api->work, LIMIT_API_UNSENT_MS);
			return;
		}
		if (start(w, &err) == 0) {
			api->workers_busy++;
			continue;
		}
		take_out(api, w);
		http_problem(w->call.conn, 503, err.text);
		worker_free(w);
	}
}

static void on_work(void *userdata)
{
	api_workers_go_on(userdata);
}

/* argv of the program: the words of the command's name, where to look, and what is asked. */
static char **words_of(const struct api *api, const struct command *command, const char *const *words, size_t count)
{
	char **argv = xcalloc(count + 12, sizeof *argv);
	struct str rest = str_of(command->name), word;
	size_t n = 0;

	argv[n++] = xstrdup("mishri");
	while (rest.len > 0 && str_next(&rest, ' ', &word))
		argv[n++] = xstrndup(word.ptr, word.len);
	argv[n++] = xstrdup("--data");
	argv[n++] = xstrdup(api->serve->data);
	if (option_given(api->serve->o, "--no-user-config"))
		argv[n++] = xstrdup("--no-user-config");
	for (size_t i = 0; i < count; i++)
		argv[n++] = xstrdup(words[i]);
	return argv;
}

void api_work(struct api_call *c, const struct command *command, const char *const *words, size_t count,
              void (*then)(struct api_call *call, struct str out))
{
	struct api_worker *w = xcalloc(1, sizeof *w), **at = &c->api->workers;

	*w = (struct api_worker){ .call = *c, .then = then, .pidfd = -1, .out_fd = -1, .err_fd = -1, .out = BUF_INIT(LIMIT_API_WORK_BYTES),
	                          .complaint = BUF_INIT(KIB(16)) };
	w->call.http = NULL;
	json_incref(w->call.query);
	json_incref(w->call.body);
	w->argv = words_of(c->api, command, words, count);
	while (*at != NULL)
		at = &(*at)->next;
	*at = w;
	http_conn_watch(c->conn);
	api_workers_go_on(c->api);
}

void api_tell_json(struct api_call *c, struct str out)
{
	http_answer(c->conn, 200, "application/json", out, "");
}

bool api_work_gone(struct api *api, const struct http_conn *conn)
{
	struct api_worker *w = api->workers;

	while (w != NULL && w->call.conn != conn)
		w = w->next;
	if (w == NULL)
		return false;
	api->workers_busy -= w->pid > 0;
	take_out(api, w);
	worker_free(w);
	api_workers_go_on(api);
	return true;
}

void api_workers_open(struct api *api)
{
	api->work = watch_timer(api->serve->s.loop, on_work, api);
}

void api_workers_close(struct api *api)
{
	while (api->workers != NULL) {
		struct api_worker *w = api->workers;
		api->workers = w->next;
		worker_free(w);
	}
	watch_free(TAKE(api->work));
}
