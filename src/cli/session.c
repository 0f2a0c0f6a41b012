/* session.c - one run from open parts to printed result. Decides nothing about the task. */
#include "cli/common.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/ask.h"
#include "cli/changes.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/sums.h"
#include "cli/totals.h"
#include "engine/dirs.h"
#include "engine/egress.h"
#include "engine/fallback.h"
#include "engine/health.h"
#include "engine/metrics.h"
#include "engine/notify.h"
#include "engine/oplog.h"
#include "engine/otel.h"
#include "engine/patience.h"
#include "engine/secrets.h"
#include "engine/stop.h"
#include "engine/watchdog.h"
#include "store/audit.h"

#include "base/banned.h"

static void stream_line(const struct event *e)
{
	struct buf text = BUF_INIT(LIMIT_EVENT_BYTES * 2);

	event_format(e, &text);
	printf("{\"seq\":%lld,%s\n", (long long)e->seq, buf_text(&text) + 1);
	fflush(stdout);
	buf_done(&text);
}

/* Beside what this run spent, what its session and the day did. It is no part of the work: where it cannot be read, it is
 * not shown. */
static void show_totals(const struct session *s, const char *task)
{
	AUTO(json_decrefp) json_t *sums = NULL;
	AUTO(task_row_done) struct task_row row = { 0 };
	char text[SUMS_TEXT_BYTES];

	if (store_task_get(s->store, task, &row, NULL) == 0 && sums_read(s->store, &row, &sums, NULL) == 0)
		progress_totals(s->progress, sums_text(sums, row.user, text));
}

/* After what changes them: a reply, and the end of a task. Where they cannot be read, there is no line: the result has them. */
static void stream_totals(const struct session *s, const struct event *e)
{
	AUTO(json_decrefp) json_t *totals = NULL;

	if ((e->type != EVENT_MODEL_REPLIED && e->type != EVENT_TASK_FINISHED) || totals_read(s->store, e->task, &totals, NULL) < 0)
		return;
	print_json(totals);
	fflush(stdout);
}

static void on_event(void *userdata, const struct event *e)
{
	struct session *s = userdata;

	oplog_event(e);
	if (s->format == OUTPUT_STREAM) {
		stream_line(e);
		stream_totals(s, e);
	}
	if (s->progress != NULL)
		progress_event(s->progress, e);
	if (s->progress != NULL && e->type == EVENT_MODEL_REPLIED && progress_live(s->progress))
		show_totals(s, e->task);
	if (s->on_event != NULL)
		s->on_event(s->userdata, e);
}

static void on_word(void *userdata)
{
	struct session *s = userdata;

	if (s->on_word != NULL)
		s->on_word(s->userdata);
}

static void on_over(void *userdata, struct run *run)
{
	const struct session *s = userdata;

	if (s->on_over != NULL)
		s->on_over(s->userdata, run);
}

static int load_policy(void *userdata, const char *workspace, const json_t *policies, struct policy_home **ret_home,
                       struct policy **ret_policy, struct err *err)
{
	const struct session *s = userdata;

	return s->load_policy(s->userdata, workspace, policies, ret_home, ret_policy, err);
}

static void on_ask(void *userdata, const struct question *q)
{
	struct session *s = userdata;

	asker_ask(s->asker, q);
}

static void on_ask_open(void *userdata, const char *approval)
{
	const struct session *s = userdata;
	AUTO(freep) char *line = xasprintf("waits for approval %s still: mishri approvals · mishri approve %s", approval, approval);

	if (s->progress != NULL)
		progress_note(s->progress, line);
}

static void on_ask_withdrawn(void *userdata, const char *approval, const char *why)
{
	struct session *s = userdata;

	asker_withdraw(s->asker, approval, why);
}

static int on_answer(void *userdata, const struct answer *answer, struct err *err)
{
	struct session *s = userdata;

	return engine_answer(s->engine, answer, err);
}

static void on_say(void *userdata, const char *question, const char *words)
{
	struct session *s = userdata;

	engine_say(s->engine, question, words);
}

static void on_pause(void *userdata, bool paused)
{
	struct session *s = userdata;

	if (s->progress != NULL && paused)
		progress_pause(s->progress, paused);
	if (s->on_pause != NULL)
		s->on_pause(s->userdata, paused);
	if (s->progress != NULL && !paused)
		progress_pause(s->progress, paused);
}

static void on_text(void *userdata, const char *task, struct str text)
{
	struct session *s = userdata;

	if (s->progress != NULL)
		progress_text(s->progress, task, text);
	if (s->on_text != NULL)
		s->on_text(s->userdata, task, text);
}

static void on_stop(void *userdata, int signo)
{
	struct session *s = userdata;

	if (s->on_signal != NULL && s->on_signal(s->userdata, signo))
		return;
	if (s->signo == 0)
		s->signo = signo;
	if (s->otel != NULL)
		otel_give_up(s->otel);
	engine_drain(s->engine, stop_name(signo));
}

static void on_drain(void *userdata, int64_t left_ms, const char *waits_for)
{
	struct session *s = userdata;
	AUTO(freep) char *line = left_ms > 0
		? xasprintf("stopping, %lld s left (%s again: at once); waits for %s", (long long)(left_ms + 999) / 1000,
		            stop_name(s->signo), waits_for)
		: xasprintf("the time for stopping is over; left as they are: %s", waits_for);

	if (s->progress != NULL)
		progress_note(s->progress, line);
	else
		fprintf(stderr, "mishri: %s\n", line);
}

struct health_limits cli_health_limits(const struct config *config)
{
	return (struct health_limits){
		.loop_ms = config_number(config, "watchdog.loop"), .store_ms = config_number(config, "watchdog.store"),
		.warden_ms = config_number(config, "watchdog.warden"), .cell_ms = config_number(config, "watchdog.cell"),
		.stop_ms = config_number(config, "shutdown.deadline"),
	};
}

int session_register(struct session *s, const struct options *o, struct err *err)
{
	AUTO(freep) char *data = NULL;
	int r = cli_data_dir(o, &data, err);

	if (r < 0)
		return r;
	AUTO(freep) char *dir = dirs_runtime(option_text(o, "--data", NULL), data);
	s->poke_fd = inbox_socket(dir, &s->poke_path);
	return store_engine_register(s->store, s->poke_path != NULL ? s->poke_path : "", err);
}

/* The key that signs is nothing that a tool or a model may say, however it got there. */
static void hide_signer(const struct session *s)
{
	AUTO(buf_done) struct buf pem = BUF_INIT(KIB(4));
	const struct sign_key *key = store_signer(s->store);

	if (key == NULL || s->secrets == NULL)
		return;
	sign_key_private(key, &pem);
	const char *line = strchr(buf_text(&pem), '\n'); /* between the first line and the last is the key itself */
	if (line != NULL)
		secrets_hide(s->secrets, "AUDIT_KEY", (struct str){ line + 1, strcspn(line + 1, "\n") });
	explicit_bzero(pem.ptr, pem.cap);
}

/* What the configuration says of the engine; sessions without one have the engine's own defaults. */
static int configure(struct session *s, struct engine_setup *setup, struct err *err)
{
	const struct config *c = s->config;

	if (c == NULL)
		return 0;
	setup->rest_ms = s->service ? config_number(c, "serve.rest") : 0;
	setup->trace_programs = strcmp(config_text(c, "otel.propagate_programs"), "on") == 0;
	setup->trace_models = strcmp(config_text(c, "otel.propagate_models"), "on") == 0;
	setup->fallback_auth = strcmp(config_text(c, "fallback.auth"), "on") == 0;
	setup->cancel_grace_ms = config_number(c, "cancel_grace");
	setup->health = cli_health_limits(c);
	setup->patience = patience_of(c);
	setup->slots = slots_of(c);
	if (s->fallback == NULL && fallback_read(config_text(c, "fallback"), NULL, &s->chain, err) < 0)
		return -EINVAL;
	return 0;
}

int session_open(struct session *s, bool ask, bool quiet, bool color, struct err *err)
{
	const char *term = getenv("TERM");
	/* a block that is painted over would hide events that come by stdout on the same screen */
	bool block = !s->plain && isatty(STDERR_FILENO) == 1 && (term == NULL || strcmp(term, "dumb") != 0) &&
	             (s->format != OUTPUT_STREAM || isatty(STDOUT_FILENO) != 1);

	s->since_ms = clock_mono_ms();
	int r = loop_new(&s->loop, err);
	if (r < 0)
		return r;
	r = llm_new(loop_base(s->loop), &s->llm, err);
	if (r < 0)
		return r;
	if (!quiet)
		s->progress = progress_new(s->loop, block, color);
	if (ask) {
		struct asker_calls calls = { .answer = on_answer, .say = on_say, .pause = on_pause, .userdata = s };
		s->asker = asker_new(s->loop, &calls);
	}
	r = cli_egress(s->loop, s->config, &s->egress, err);
	if (r < 0)
		return r;
	struct engine_setup setup = {
		.loop = s->loop, .store = s->store, .egress = s->egress, .warden = s->warden, .policy = s->policy, .llm = s->llm,
		.model = s->model, .user = s->user, .interactive = ask,
		.on_event = on_event, .on_text = on_text, .on_over = on_over, .on_word = on_word, .service = s->service || s->stays,
		.ask = ask ? on_ask : NULL, .ask_open = on_ask_open,
		.ask_withdrawn = ask ? on_ask_withdrawn : NULL, .userdata = s, .context_tokens = s->context_tokens,
		.poke_fd = s->poke_path != NULL ? s->poke_fd : -1,
		.loops_ignored = s->loops_ignored, .policy_home = s->policy_home, .on_drain = on_drain, .prices = s->prices,
		.load_policy = s->load_policy != NULL ? load_policy : NULL, .secrets = s->secrets, .reply_tokens = s->reply_tokens,
	};
	if (cli_otel(s->loop, s->store, s->config, &s->otel) != 0)
		return err_set(err, EINVAL, "the export of spans is not set up right (docs/otel.md); otel.export=off does without");
	setup.otel = s->otel;
	s->metrics = s->service ? metrics_new() : NULL;
	setup.metrics = s->metrics;
	r = configure(s, &setup, err);
	if (r < 0)
		return r;
	const struct watchdog_setup watch = { .loop_ms = setup.health.loop_ms, .stop_ms = setup.health.stop_ms };
	r = watchdog_start(&watch, &s->watchdog, err);
	if (r < 0)
		return r;
	setup.watchdog = s->watchdog;
	secrets_fetch(s->secrets); /* may start commands: before the loop runs */
	hide_signer(s);
	oplog_open(s->config, s->secrets, quiet ? LEVEL_INFO : LEVEL_ERROR); /* a service has no progress to show */
	setup.fallback = s->fallback != NULL ? s->fallback : s->chain;
	if (s->agents != NULL)
		setup.profiles = agents_all(s->agents, &setup.profile_count);
	r = engine_new(&setup, &s->engine, err);
	if (r < 0)
		return r;
	otel_watch(s->otel, engine_heartbeats(s->engine));
	r = stop_watch(s->loop, on_stop, s, err);
	if (r == 0 && !s->service) /* a service says so when it listens */
		notify_ready();
	return r;
}

void session_close(struct session *s)
{
	cli_otel_close(s->otel);       /* as long as signals are heard, which end its waiting */
	s->otel = NULL;
	stop_unwatch();
	watchdog_closing(s->watchdog);
	engine_free(s->engine); /* it may still withdraw a question */
	json_decref(TAKE(s->chain));
	metrics_free(s->metrics);
	asker_free(s->asker);
	progress_free(s->progress);
	llm_free(s->llm);
	llm_model_close(s->model);
	egress_base_free(s->egress);
	loop_free(s->loop);
	if (s->poke_path != NULL) {
		unlink(s->poke_path);
		fd_close(&s->poke_fd);
		free(TAKE(s->poke_path));
	}
	policy_free(s->policy);
	policy_home_free(s->policy_home);
	store_close(s->store);
	warden_stop(s->warden);
	watchdog_stop(s->watchdog); /* until here it sees to it that this comes to an end */
}

json_t *result_object(const struct task *t, const char *state, const char *result, int exit, int64_t elapsed_ms)
{
	const struct task_row own = {
		.usd_nanos = t->usd_unknown ? -1 : t->usd_nanos, .input = t->input, .cache_read = t->cache_read,
		.cache_write = t->cache_write, .cache_write_1h = t->cache_write_1h, .output = t->output, .reasoning = t->reasoning,
	};
	const struct task_row all = {
		.usd_nanos = usd_add(own.usd_nanos, t->below.usd_unknown ? -1 : t->below.usd_nanos),
		.input = t->input + t->below.input, .cache_read = t->cache_read + t->below.cache_read,
		.cache_write = t->cache_write + t->below.cache_write, .cache_write_1h = t->cache_write_1h + t->below.cache_write_1h,
		.output = t->output + t->below.output, .reasoning = t->reasoning + t->below.reasoning,
	};
	json_t *object = json_object();

	json_put_text(object, "task", t->phase != PHASE_NEW ? t->id : NULL); /* a new one is not stored yet */
	json_put_text(object, "session", t->phase != PHASE_NEW ? t->session : NULL);
	json_put_text(object, "state", state);
	json_put_text(object, "result", result);
	json_put_int(object, "exit", exit);
	json_put_int(object, "turns", t->turns + t->below.turns);
	json_put_int(object, "calls", t->calls_total + t->below.calls);
	json_put_int(object, "denied", t->denied + t->below.denied);
	json_put(object, "cost", json_cost(&all));
	json_put(object, "own_cost", json_cost(&own));
	json_put_int(object, "elapsed_ms", elapsed_ms);
	return object;
}

/* A result that nobody got is no success, whatever became of the task. */
static int printed(int exit)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return exit;
	int why = errno;
	clearerr(stdout);               /* it is said here, with the reason; main need not say it again */
	return complain(exit != EXIT_DONE ? exit : EXIT_FAILED, "the output could not be written: %s", strerror(why));
}

/* text: the result goes to stdout when there is one, and to stderr when it is what went wrong. */
int print_result(enum output_format format, json_t *owned_object)
{
	AUTO(json_decrefp) json_t *object = owned_object;
	int exit = (int)json_get_int(object, "exit", EXIT_FAILED);

	if (format == OUTPUT_TEXT) {
		struct buf text = BUF_INIT(MIB(16));
		bool done = strcmp(json_get_text(object, "state", ""), "done") == 0;
		sanitize_shown(str_of(json_get_text(object, "result", "")), &text);
		fprintf(done ? stdout : stderr, "%s%s\n", done ? "" : "mishri: ", buf_text(&text));
		buf_done(&text);
		return printed(exit);
	}
	if (format == OUTPUT_STREAM) {
		AUTO(json_decrefp) json_t *line = json_pack("{s:s}", "type", "result");
		json_object_update(line, object);
		AUTO(freep) char *text = json_text(line);
		puts(text);
	} else {
		AUTO(freep) char *text = json_text(object);
		puts(text);
	}
	return printed(exit);
}

static int exit_of_signal(int signo)
{
	return signo == SIGTERM ? EXIT_SIGTERM : signo == SIGHUP ? EXIT_SIGHUP : EXIT_SIGINT;
}

/* The engine cannot go on. The task is as its last durable event left it. */
static int failed(const struct session *s, const struct task *t, int64_t elapsed_ms)
{
	static const char *const states[] = { [PHASE_NEW] = "failed", [PHASE_ACTIVE] = "running", [PHASE_PARKED] = "parked" };
	const struct err *why = run_failure(s->run);
	int exit = EXIT_FAILED;

	switch (run_failure_kind(s->run)) {
	case RUN_NO_CELL: exit = EXIT_CONFIG; break;
	case RUN_CELL_LOST:
	case RUN_STORE: exit = EXIT_FAILED; break;
	case RUN_INTERRUPTED:
	case RUN_OK: exit = exit_of_signal(s->signo); break;
	}
	AUTO(freep) char *text = why->code != 0 ? xstrdup(why->text)
		: xasprintf("interrupted at once; go on with: mishri run --resume %s", t->id);
	return print_result(s->format, result_object(t, name_of(states, COUNT(states), t->phase), text, exit, elapsed_ms));
}

int session_finish(struct session *s)
{
	engine_loop(s->engine);
	if (s->progress != NULL)
		progress_pause(s->progress, true);

	const struct task *t = run_task(s->run);
	int64_t elapsed_ms = clock_mono_ms() - s->since_ms;
	if (run_failure(s->run)->code != 0 || (t->phase != PHASE_ENDED && t->phase != PHASE_PARKED))
		return failed(s, t, elapsed_ms);
	if (t->phase == PHASE_PARKED) {
		bool loops = strcmp(t->park_reason, "loop") == 0;
		int exit = loops ? EXIT_LOOP : exit_of_signal(s->signo);
		AUTO(freep) char *text = xasprintf("%s; go on with: mishri run --resume %s",
		                                   loops ? "stopped, because it goes round in circles" :
		                                   t->paused ? "interrupted while it is paused" :
		                                   task_waits(t) ? "interrupted while it waits for a person (`mishri approvals`)" :
		                                   "interrupted", t->id);
		return print_result(s->format, result_object(t, "parked", text, exit, elapsed_ms));
	}
	changes_hint(s->store, t);
	bool seen = s->format == OUTPUT_TEXT && s->progress != NULL && isatty(STDOUT_FILENO) == 1 && strcmp(t->state, "done") == 0 &&
	            progress_has_shown(s->progress, t->result);
	if (seen) /* it was on this screen as it came */
		return t->exit;
	return print_result(s->format, result_object(t, t->state, t->result, t->exit, elapsed_ms));
}
