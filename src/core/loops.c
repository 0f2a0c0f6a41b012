/* loops.c - does the task go round in circles? Compares what was asked with what came of it: the same call with
 * another result is work, not a loop. It refuses to judge by names, by arguments or by time alone. */
#include "core/task.h"

#include <string.h>

#include "base/hash.h"
#include "base/banned.h"

enum {
	CYCLE_MOST = 5,                /* calls of the longest cycle */
	REPEATS = 3,                   /* of a cycle that are told; one more: to plan anew; one more: the end */
	STALLS = 3,                    /* delegations in a row without a part that was done; as many again for each next word */
	SAME_ERRORS = 5,               /* turns in a row with one and the same failure, with different arguments */
	WAIT_FACTOR = 5,               /* as much patience with calls that take their time and are content */
	CHANT_BYTES = 50, CHANT_TIMES = 10, CHANT_GAP = 250, CHANT_TEXT = 5000,
};

static uint64_t digest(struct str a, struct str b, struct str c)
{
	const struct str parts[] = { a, STR("\n"), b, STR("\n"), c };
	char hex[SHA256_HEX_LEN + 1];
	uint64_t value = 0;

	sha256_hex(parts, COUNT(parts), hex);
	for (int i = 0; i < 16; i++)
		value = value << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
	return value | 1; /* 0 means: none */
}

void loops_reset(struct loops *loops)
{
	*loops = (struct loops){ .off = loops->off, .signs = loops->signs };
}

void loops_add(struct loops *loops, const struct call *c, const struct event *finished)
{
	const char *status = json_get_text(finished->data, "status", ""), *output = json_get_text(finished->data, "output", "");
	bool ok = strcmp(status, "ok") == 0;
	AUTO(buf_done) struct buf args = BUF_INIT(MIB(16));

	if (c->polls || loops->off)
		return;
	json_write_canonical(c->args, &args);
	struct loop_sign sign = {
		.args = digest(str_of(c->tool), buf_str(&args), STR("")),
		.result = digest(str_of(c->tool), str_of(status), str_of(output)),
		.turn = c->turn,
		.failed = !ok,
		.slow = ok && json_get_int(finished->data, "ms", 0) >= LIMIT_LOOP_WAIT_MS,
	};
	if (loops->signs == NULL)
		loops->signs = xcalloc(LIMIT_LOOP_WINDOW, sizeof *loops->signs);
	if (loops->count == LIMIT_LOOP_WINDOW) {
		memmove(loops->signs, loops->signs + 1, (LIMIT_LOOP_WINDOW - 1) * sizeof *loops->signs);
		loops->count--;
	}
	loops->signs[loops->count++] = sign;
	loops->chants = 0;
}

/* ---- repeated text ---- */

/* A line, a frame, a bar: few different bytes. */
static bool is_divider(const char *text, size_t len)
{
	bool seen[256] = { false };
	size_t different = 0;

	for (size_t i = 0; i < len; i++) {
		different += !seen[(unsigned char)text[i]];
		seen[(unsigned char)text[i]] = true;
	}
	return different <= 4;
}

/* The same fifty bytes ten times, close to one another, outside of code. */
static bool chants(const char *text)
{
	size_t len = strlen(text);

	if (strstr(text, "```") != NULL || len < CHANT_BYTES * CHANT_TIMES)
		return false;
	if (len > CHANT_TEXT) {
		text += len - CHANT_TEXT; /* what goes round in circles does so at the end */
		len = CHANT_TEXT;
	}
	struct str last = { text + len - CHANT_BYTES, CHANT_BYTES };
	size_t times = 1, gap = 0;
	for (size_t at = len - CHANT_BYTES; at > 0 && gap <= CHANT_GAP; at--, gap++)
		if (memcmp(text + at - 1, last.ptr, CHANT_BYTES) == 0) {
			times++;
			gap = 0;
		}
	return times >= CHANT_TIMES && !is_divider(last.ptr, last.len);
}

void loops_reply(struct loops *loops, const char *text)
{
	if (!loops->off && chants(text))
		loops->chants++;
}

/* ---- work that is given out and does not get done: by what the parts reported, not by what is said of them ---- */

void loops_delegated(struct loops *loops, const struct call *c)
{
	bool done = false;

	for (size_t i = 0; i < c->child_count; i++)
		done |= c->children[i].reported && strcmp(c->children[i].state, "done") == 0;
	if (c->child_count > 0 && !c->children[0].question)
		loops->stalled = done ? 0 : loops->stalled + 1;
}

/* ---- repeated calls ---- */

static bool same(const struct loop_sign *a, const struct loop_sign *b)
{
	return a->args == b->args && a->result == b->result;
}

/* How often the last `length` calls came, one after another, at the end. */
static size_t repeats(const struct loops *l, size_t length)
{
	size_t run = 0; /* calls that are the same as the one a cycle before */

	while (run + length < l->count && same(&l->signs[l->count - 1 - run], &l->signs[l->count - 1 - run - length]))
		run++;
	return run / length + 1;
}

static bool waits(const struct loops *l, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (l->signs[l->count - 1 - i].slow)
			return true;
	return false;
}

static enum loop_level level_of(size_t count, size_t first)
{
	return count < first ? LOOP_NONE : count == first ? LOOP_NUDGE : count == first + 1 ? LOOP_REPLAN : LOOP_STOP;
}

static void consider(struct loop_finding *ret, const char *kind, size_t length, size_t count, enum loop_level level)
{
	if (level > ret->level)
		*ret = (struct loop_finding){ level, kind, length, count };
}

static void find_cycles(const struct loops *l, struct loop_finding *ret)
{
	for (size_t length = 1; length <= CYCLE_MOST && length * REPEATS <= l->count; length++) {
		size_t count = repeats(l, length);
		enum loop_level level = level_of(waits(l, length) ? count / WAIT_FACTOR : count, REPEATS);
		consider(ret, length == 1 ? "repeat" : "cycle", length, count, level);
	}
}

/* Turn after turn the same failure, however it is asked: all that a turn brought counts once. */
static void find_same_error(const struct loops *l, struct loop_finding *ret)
{
	const struct loop_sign *last = l->count > 0 ? &l->signs[l->count - 1] : NULL;
	size_t turns = 0;
	bool varied = false;
	int turn = -1;

	for (size_t i = l->count; i-- > 0 && l->signs[i].failed && l->signs[i].result == last->result;) {
		turns += l->signs[i].turn != turn;
		turn = l->signs[i].turn;
		varied = varied || l->signs[i].args != last->args;
	}
	if (varied)
		consider(ret, "same_error", 1, turns, level_of(turns, SAME_ERRORS));
}

bool loops_find(const struct loops *loops, struct loop_finding *ret)
{
	struct loop_finding found = { 0 };

	if (loops->off)
		return false;
	if (loops->chants > 0)
		consider(&found, "repeated_text", 1, (size_t)loops->chants, level_of((size_t)loops->chants, 1));
	if (loops->stalled >= STALLS)
		consider(&found, "no_progress", 1, (size_t)loops->stalled, level_of((size_t)loops->stalled / STALLS, 1));
	find_cycles(loops, &found);
	find_same_error(loops, &found);
	*ret = found;
	return found.level != LOOP_NONE;
}

/* ---- what is said ---- */

static const char *const level_names[] = {
	[LOOP_NONE] = "none", [LOOP_NUDGE] = "nudge", [LOOP_REPLAN] = "replan", [LOOP_STOP] = "stop",
};

const char *loop_level_name(enum loop_level level)
{
	return level_names[level];
}

enum loop_level loop_level_find(const char *name)
{
	int at = name_find(level_names, COUNT(level_names), name);

	return at < 0 ? LOOP_NONE : (enum loop_level)at;
}

static char *what_goes_round(const struct loop_finding *f)
{
	if (strcmp(f->kind, "repeated_text") == 0)
		return xstrdup("your text repeats itself");
	if (strcmp(f->kind, "no_progress") == 0)
		return xasprintf("work was given out %zu times in a row, and no part of it was done", f->count);
	if (strcmp(f->kind, "same_error") == 0)
		return xasprintf("%zu turns in a row failed in exactly the same way, whatever the arguments were", f->count);
	if (f->length == 1)
		return xasprintf("the same call was made %zu times with the same result", f->count);
	return xasprintf("the same %zu calls were made %zu times over with the same results", f->length, f->count);
}

char *loop_text(const struct loop_finding *f, enum loop_level level)
{
	AUTO(freep) char *what = what_goes_round(f);

	switch (level) {
	case LOOP_NONE:
		break;
	case LOOP_NUDGE:
		return xasprintf("[mishri] This goes round in circles: %s. Once more will not change it. Read what came back and do "
		                 "something else, or say what stands in the way.", what);
	case LOOP_REPLAN:
		return xasprintf("[mishri] Still in circles: %s. Stop. Write down what you know, what you tried and why it failed; "
		                 "then make a new plan that goes another way, and follow that. If there is no other way, end with "
		                 "a report of what is missing.", what);
	case LOOP_STOP:
		return xasprintf("The task was stopped, because it goes round in circles: %s.", what);
	}
	return xstrdup("");
}
