/* heartbeat.c - the table of signs of life. It reads no clock, starts no thread and does nothing about a silence by
 * itself: what follows is the row's own function. */
#include "base/heartbeat.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/banned.h"

enum { RESTING = -1 };

struct beat {
	struct heartbeats *table;
	struct beat *next;
	char *kind, *name;
	struct beat_spec spec;
	_Atomic int64_t last_ms;       /* RESTING: nothing is due */
	_Atomic int64_t deadline_ms;
	bool late;                     /* of the loop's thread: as it was judged last */
	int64_t since_ms, misses;      /* since_ms: the last beat before the silence */
};

struct heartbeats {
	pthread_mutex_t lock;          /* of the list, for who only looks; rows change on one thread */
	struct beat *rows;
};

const char *beat_action_name(enum beat_action action)
{
	static const char *const names[] = {
		[BEAT_ALARM] = "alarm", [BEAT_RESTART] = "restart", [BEAT_KILL] = "kill", [BEAT_RECONNECT] = "reconnect",
	};

	_Static_assert(COUNT(names) == BEAT_ACTIONS, "a name for each action");
	return name_of(names, COUNT(names), action);
}

struct heartbeats *heartbeats_new(void)
{
	struct heartbeats *table = xcalloc(1, sizeof *table);

	pthread_mutex_init(&table->lock, NULL);
	return table;
}

void heartbeats_free(struct heartbeats *table)
{
	if (table == NULL)
		return;
	while (table->rows != NULL)
		beat_free(table->rows);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

struct beat *beat_new(struct heartbeats *table, const struct beat_spec *spec)
{
	struct beat *beat = xcalloc(1, sizeof *beat), **end = &table->rows;

	assert(spec->deadline_ms > 0 && spec->action < BEAT_ACTIONS);
	beat->table = table;
	beat->kind = xstrdup(spec->kind);
	beat->name = xstrdup(spec->name);
	beat->spec = *spec;
	beat->last_ms = RESTING;
	beat->deadline_ms = spec->deadline_ms;
	pthread_mutex_lock(&table->lock);
	while (*end != NULL)
		end = &(*end)->next;
	*end = beat;
	pthread_mutex_unlock(&table->lock);
	return beat;
}

void beat_free(struct beat *beat)
{
	if (beat == NULL)
		return;
	struct heartbeats *table = beat->table;
	struct beat **at = &table->rows;
	pthread_mutex_lock(&table->lock);
	while (*at != beat)
		at = &(*at)->next;
	*at = beat->next;
	pthread_mutex_unlock(&table->lock);
	free(beat->kind);
	free(beat->name);
	free(beat);
}

void beat_now(struct beat *beat, int64_t now_ms)
{
	if (beat != NULL)
		atomic_store(&beat->last_ms, now_ms);
}

void beat_rest(struct beat *beat)
{
	if (beat != NULL)
		atomic_store(&beat->last_ms, RESTING);
}

void beat_deadline(struct beat *beat, int64_t deadline_ms)
{
	assert(deadline_ms > 0);
	if (beat != NULL)
		atomic_store(&beat->deadline_ms, deadline_ms);
}

static struct beat_state state_of(const struct beat *beat, int64_t now_ms)
{
	int64_t last_ms = atomic_load(&beat->last_ms), deadline_ms = atomic_load(&beat->deadline_ms);
	/* one that beats while this is read may be a little ahead */
	int64_t age_ms = last_ms == RESTING ? -1 : MAX(now_ms - last_ms, (int64_t)0);

	return (struct beat_state){
		.kind = beat->kind, .name = beat->name, .action = beat->spec.action, .deadline_ms = deadline_ms, .age_ms = age_ms,
		.misses = beat->misses, .vital = beat->spec.vital, .late = age_ms > deadline_ms,
	};
}

void heartbeats_see(struct heartbeats *table, int64_t now_ms, void (*visit)(void *userdata, const struct beat_state *state),
                    void *userdata)
{
	pthread_mutex_lock(&table->lock);
	for (const struct beat *beat = table->rows; beat != NULL; beat = beat->next) {
		struct beat_state state = state_of(beat, now_ms);
		visit(userdata, &state);
	}
	pthread_mutex_unlock(&table->lock);
}

static void note_vital(void *userdata, const struct beat_state *state)
{
	bool *all = userdata;

	if (state->vital && state->late)
		*all = false;
}

bool heartbeats_vital(struct heartbeats *table, int64_t now_ms)
{
	bool all = true;

	heartbeats_see(table, now_ms, note_vital, &all);
	return all;
}

/* The first row that must be told of: a callback may free any. */
static struct beat *next_changed(const struct heartbeats *table, int64_t now_ms, const char *skip)
{
	for (struct beat *beat = table->rows; beat != NULL; beat = beat->next)
		if ((skip == NULL || strcmp(beat->kind, skip) != 0) && state_of(beat, now_ms).late != beat->late)
			return beat;
	return NULL;
}

void heartbeats_judge(struct heartbeats *table, int64_t now_ms, const char *skip,
                      void (*told)(void *userdata, const struct beat_change *change), void *userdata)
{
	struct beat *beat;

	while ((beat = next_changed(table, now_ms, skip)) != NULL) {
		beat->late = !beat->late;
		if (beat->late) {
			beat->misses++;
			beat->since_ms = atomic_load(&beat->last_ms);
		}
		struct beat_change change = { .state = state_of(beat, now_ms), .recovered = !beat->late,
		                              .stood_ms = beat->late ? 0 : now_ms - beat->since_ms };
		void (*missed)(void *, int64_t) = beat->late ? beat->spec.missed : NULL;
		void *of_row = beat->spec.userdata;
		told(userdata, &change);
		if (missed != NULL)
			missed(of_row, change.state.age_ms);
	}
}
