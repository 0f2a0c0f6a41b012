/* test_waits.c - the wait-for graph: tests/cases/deadlocks/corpus.jsonl, row by row. Prints how many of each were told
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "core/waits.h"

#include "base/banned.h"

enum { EDGES = 64 };

/* ["A", "lock", "B", 3]: A waits for a lock that B holds, since 3. */
static size_t edges_of(const json_t *list, struct wait_edge *edges)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one) {
		int kind = wait_kind_find(json_string_value(json_array_get(one, 1)));
		assert_true(kind >= 0 && i < EDGES);
		edges[i] = (struct wait_edge){ .kind = (enum wait_kind)kind, .since_us = json_integer_value(json_array_get(one, 3)) };
		snprintf(edges[i].from, sizeof edges[i].from, "%s", json_string_value(json_array_get(one, 0)));
		snprintf(edges[i].to, sizeof edges[i].to, "%s", json_string_value(json_array_get(one, 2)));
	}
	return i;
}

/* A cycle is one: each edge leads to the next. */
static void check_cycle(const char *name, const struct wait_cycle *cycle, const char *victim)
{
	AUTO(freep) char *drawn = waits_draw(cycle);
	AUTO(json_decrefp) json_t *json = waits_json(cycle);

	assert_true(cycle->count > 0);
	for (size_t i = 0; i < cycle->count; i++)
		if (strcmp(cycle->edges[i].to, cycle->edges[(i + 1) % cycle->count].from) != 0)
			fail_msg("%s: no cycle: %s", name, drawn);
	assert_int_equal(json_array_size(json), cycle->count);
	const char *ends = cycle->edges[waits_victim(cycle)].from;
	if (victim != NULL && strcmp(ends, victim) != 0)
		fail_msg("%s: the wait of %s ends and not that of %s: %s", name, ends, victim, drawn);
}

static void deadlocks_and_what_only_looks_so(UNUSED void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	size_t found = 0, missed = 0, quiet = 0, wrong = 0;
	struct str line;
	struct err err = ERR_NONE;

	assert_int_equal(io_read_file(TEST_CASES "/deadlocks/corpus.jsonl", &text, &err), 0);
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line) && line.len > 0;) {
		struct wait_edge edges[EDGES];
		struct wait_cycle cycle = { 0 };
		AUTO(json_decrefp) json_t *row = NULL;
		assert_int_equal(json_parse(line, &row, &err), 0);
		size_t count = edges_of(json_object_get(row, "edges"), edges);
		bool dead = json_get_bool(row, "deadlock", false), told = waits_find(edges, count, json_get_text(row, "start", ""), &cycle);
		found += dead && told;
		missed += dead && !told;
		quiet += !dead && !told;
		wrong += !dead && told;
		if (dead != told)
			fail_msg("%s: told %s", json_get_text(row, "name", ""), told ? "and is none" : "not");
		if (told)
			check_cycle(json_get_text(row, "name", ""), &cycle, json_get_text(row, "victim", NULL));
	}
	printf("deadlocks: recall %zu of %zu, precision %zu of %zu; %zu of %zu others left alone\n", found, found + missed, found,
	       found + wrong, quiet, quiet + wrong);
	assert_true(found >= 30 && quiet >= 30);
}

static void it_is_drawn(UNUSED void **state)
{
	static const struct wait_edge edges[] = {
		{ "A", "B", WAIT_LOCK, "x", 1 }, { "B", "C", WAIT_CHILD, NULL, 2 }, { "C", "A", WAIT_QUESTION, NULL, 3 },
	};
	struct wait_cycle cycle;

	assert_true(waits_find(edges, COUNT(edges), "A", &cycle));
	AUTO(freep) char *drawn = waits_draw(&cycle);
	assert_string_equal(drawn, "A waits for lock x held by B; B waits for its worker C; C waits for an answer of A");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlocks_and_what_only_looks_so),
		cmocka_unit_test(it_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
