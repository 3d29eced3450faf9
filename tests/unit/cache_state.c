/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_state.c - the three state tables, in full.
 *
 * Role:    unit test of cache/state.c.
 *
 * The tables here are transcribed by hand from the comment of state.h (names
 * and attributes) and from the design (bytes), as text, so that a slip in the
 * code does not repeat itself here.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cache/state.h"

#define CELL_MAX 7

/* A line: the event, then a cell for each state: "." stays, "x" cannot be. */
struct line {
	int event;
	const char *cells;
};

static const char *const names[] = { "ABSENT", "CREATING", "PRESENT", "MOVING",
	"DELETING", "DELETE_SENT", "GONE" };
static const int name_states[] = { NAME_ABSENT, NAME_CREATING, NAME_PRESENT,
	NAME_MOVING, NAME_DELETING, NAME_DELETE_SENT, NAME_GONE };

/* clang-format off */
static const struct line name_lines[] = {
	/*                     absent creating present moving deleting sent gone */
	{ NAME_ON_CREATE,      "CREATING x x x x x x" },
	{ NAME_ON_CREATE_OK,   "x PRESENT x . . x ." },
	{ NAME_ON_CREATE_LOST, "x . x . . x ." },
	{ NAME_ON_CREATE_UNDO, "x GONE x CREATING . x ." },
	{ NAME_ON_MARK,        "x x CREATING x x x x" },
	{ NAME_ON_RENAME,      "x MOVING MOVING . x x x" },
	{ NAME_ON_REKEY,       "x . x . x x x" },
	{ NAME_ON_MOVE_OK,     "x x x PRESENT . x ." },
	{ NAME_ON_MOVE_LOST,   "x x x . . x ." },
	{ NAME_ON_MOVE_UNDO,   "x x x PRESENT . x ." },
	{ NAME_ON_BASE_LOST,   "x x CREATING CREATING x x ." },
	{ NAME_ON_UNLINK,      "x DELETING DELETING DELETING x x x" },
	{ NAME_ON_DISCARD,     "x GONE GONE GONE GONE x x" },
	{ NAME_ON_REPLACED,    "x GONE GONE GONE GONE x x" },
	{ NAME_ON_DELETE_SEND, "x x x x DELETE_SENT . x" },
	{ NAME_ON_DELETE_OK,   "x x x x x GONE x" },
	{ NAME_ON_DELETE_LOST, "x x x x x . x" },
	{ NAME_ON_DELETE_412,  "x x x x x DELETING x" },
	{ NAME_ON_DELETE_UNDO, "x x x x PRESENT x x" },
	{ NAME_ON_SEEN,        "PRESENT . . . . . ." },
	{ NAME_ON_VANISHED,    ". . GONE . . . ." },
	{ NAME_ON_LAST_CLOSE,  ". . . . . . ABSENT" },
};

static const char *const attrs[] = {
	"CLEAN", "METADIRTY", "SENDING", "UNSURE" };
static const int attrs_states[] = {
	ATTRS_CLEAN, ATTRS_METADIRTY, ATTRS_SENDING, ATTRS_UNSURE };

static const struct line attrs_lines[] = {
	/*                         clean metadirty sending unsure */
	{ ATTRS_ON_SET,            "METADIRTY . . ." },
	{ ATTRS_ON_FOLD,           "SENDING SENDING x x" },
	{ ATTRS_ON_SEND,           "x SENDING x x" },
	{ ATTRS_ON_SEND_OK,        "x x CLEAN x" },
	{ ATTRS_ON_SEND_STALE,     "x x METADIRTY x" },
	{ ATTRS_ON_SEND_LOST,      "x x UNSURE x" },
	{ ATTRS_ON_SEND_412,       "x x METADIRTY x" },
	{ ATTRS_ON_SEND_412_RETRY, "x x UNSURE x" },
	{ ATTRS_ON_SEND_FATAL,     "x x METADIRTY x" },
	{ ATTRS_ON_SETTLED_OURS,   "x x x CLEAN" },
	{ ATTRS_ON_SETTLED_STALE,  "x x x METADIRTY" },
	{ ATTRS_ON_SETTLED_OLD,    "x x x METADIRTY" },
	{ ATTRS_ON_SETTLED_OTHER,  "x x x METADIRTY" },
	{ ATTRS_ON_REMOTE_NEW,     ". . . ." },
	{ ATTRS_ON_DROP,           ". CLEAN x x" },
};

static const char *const bytes[] = {
	"CLEAN", "DIRTY", "UPLOADING", "UNSURE", "CONFLICT", "FAILED" };
static const int bytes_states[] = {
	BYTES_CLEAN, BYTES_DIRTY, BYTES_UPLOADING, BYTES_UNSURE, BYTES_CONFLICT,
	BYTES_FAILED };

static const struct line bytes_lines[] = {
	/*                        clean dirty uploading unsure conflict failed */
	{ BYTES_ON_WRITE,         "DIRTY DIRTY UPLOADING UNSURE ESTALE FAILED" },
	{ BYTES_ON_FLUSH,         "CLEAN UPLOADING UPLOADING UNSURE ESTALE "
				  "UPLOADING" },
	{ BYTES_ON_PUT_OK,        "x x CLEAN x x x" },
	{ BYTES_ON_PUT_STALE,     "x x DIRTY x x x" },
	{ BYTES_ON_PUT_LOST,      "x x UNSURE x x x" },
	{ BYTES_ON_PUT_412,       "x x CONFLICT x x x" },
	{ BYTES_ON_PUT_412_RETRY, "x x UNSURE x x x" },
	{ BYTES_ON_PUT_FATAL,     "x x FAILED x x x" },
	{ BYTES_ON_SETTLED_OURS,  "x x x CLEAN x x" },
	{ BYTES_ON_SETTLED_STALE, "x x x DIRTY x x" },
	{ BYTES_ON_SETTLED_OLD,   "x x x DIRTY x x" },
	{ BYTES_ON_SETTLED_OTHER, "x x x CONFLICT x x" },
	{ BYTES_ON_REMOTE_NEW,    "CLEAN CONFLICT UPLOADING UNSURE CONFLICT "
				  "CONFLICT" },
	{ BYTES_ON_RESOLVE,       "x x x x CLEAN x" },
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A table: its lines, and how the code answers. */
struct table {
	const struct line *lines;
	size_t line_count;
	const char *const *texts;
	const int *states;
	size_t state_count;
	int (*next)(int state, int event);
};

static int
name_next(int state, int event)
{
	return state_name_next(
	    (enum state_name)state, (enum state_name_event)event);
}

static int
attrs_next(int state, int event)
{
	return state_attrs_next(
	    (enum state_attrs)state, (enum state_attrs_event)event);
}

static int
bytes_next(int state, int event)
{
	return state_bytes_next(
	    (enum state_bytes)state, (enum state_bytes_event)event);
}

static const struct table tables[] = {
	{ name_lines, COUNT(name_lines), names, name_states, COUNT(names),
	    name_next },
	{ attrs_lines, COUNT(attrs_lines), attrs, attrs_states, COUNT(attrs),
	    attrs_next },
	{ bytes_lines, COUNT(bytes_lines), bytes, bytes_states, COUNT(bytes),
	    bytes_next },
};

static int
expected(const struct table *t, int state, const char *cell)
{
	if (strcmp(cell, "x") == 0)
		return -EINVAL;
	if (strcmp(cell, "ESTALE") == 0)
		return -ESTALE;
	if (strcmp(cell, ".") == 0)
		return state;
	for (size_t i = 0; i < t->state_count; i++)
		if (strcmp(cell, t->texts[i]) == 0)
			return t->states[i];
	fail_msg("no such state: %s", cell);
	return 0;
}

static void
check_line(const struct table *t, const struct line *line)
{
	char text[128], *rest = text, *cell;

	assert_true(strlen(line->cells) < sizeof(text));
	strcpy(text, line->cells);
	for (size_t i = 0; i < t->state_count; i++) {
		int want, got;

		cell = strsep(&rest, " ");
		assert_non_null(cell);
		want = expected(t, t->states[i], cell);
		got = t->next(t->states[i], line->event);
		if (want != got)
			print_error("event %d in %s: %d, not %s\n", line->event,
			    t->texts[i], got, cell);
		assert_int_equal(got, want);
	}
	assert_null(rest);
}

static void
test_tables(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(tables); k++) {
		const struct table *t = &tables[k];

		for (size_t i = 0; i < t->line_count; i++) {
			assert_int_equal(t->lines[i].event, i);
			check_line(t, &t->lines[i]);
		}
	}
	assert_int_equal(COUNT(name_lines), NAME_EVENT_COUNT);
	assert_int_equal(COUNT(attrs_lines), ATTRS_EVENT_COUNT);
	assert_int_equal(COUNT(bytes_lines), BYTES_EVENT_COUNT);
	assert_int_equal(COUNT(names), NAME_STATE_COUNT);
	assert_int_equal(COUNT(attrs), ATTRS_STATE_COUNT);
	assert_int_equal(COUNT(bytes), BYTES_STATE_COUNT);
}

/* Databases hold these numbers. */
static void
test_numbers(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(tables); k++)
		for (size_t i = 0; i < tables[k].state_count; i++)
			assert_int_equal(tables[k].states[i], i);
	for (int64_t i = -3; i < 20; i++) {
		assert_int_equal(state_name_is_valid(i), i >= 0 && i <= 6);
		assert_int_equal(state_attrs_is_valid(i), i >= 0 && i <= 3);
		assert_int_equal(state_bytes_is_valid(i), i >= 0 && i <= 5);
	}
	assert_false(state_name_is_valid(INT64_C(1) << 32));
	assert_false(state_name_is_valid(INT64_MIN));
}

static void
test_no_such(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(tables); k++) {
		const struct table *t = &tables[k];
		int states = (int)t->state_count, events = (int)t->line_count;

		assert_int_equal(t->next(states, 0), -EINVAL);
		assert_int_equal(t->next(-1, 0), -EINVAL);
		assert_int_equal(t->next(0, events), -EINVAL);
		assert_int_equal(t->next(0, -1), -EINVAL);
	}
	assert_string_equal(state_name_name((enum state_name)7), "?");
	assert_string_equal(state_attrs_name((enum state_attrs)4), "?");
	assert_string_equal(state_bytes_name((enum state_bytes)6), "?");
}

/* From the first state every state is reached, and from every one the way
 * back, so that none is a trap and none is dead. */
static void
test_reached(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT(tables); k++) {
		const struct table *t = &tables[k];
		bool reach[CELL_MAX][CELL_MAX] = { 0 };
		size_t n = t->state_count;

		for (size_t i = 0; i < n; i++)
			for (size_t e = 0; e < t->line_count; e++) {
				int next = t->next((int)i, (int)e);

				if (next >= 0)
					reach[i][next] = true;
			}
		for (size_t via = 0; via < n; via++)
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j < n; j++)
					if (reach[i][via] && reach[via][j])
						reach[i][j] = true;
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				assert_true(reach[i][j]);
	}
}

static void
test_predicates(void **state)
{
	/* By state number, as the comment of state.h says. */
	static const char name_pending[] = "0101110";
	static const char name_visible[] = "0111000";
	static const char name_follow[] = "1000001";
	static const char attrs_pending[] = "0111";
	static const char bytes_pending[] = "011111";
	static const char bytes_evict[] = "100000";
	static const char bytes_unlink[] = "110011";
	static const char bytes_open[] = "001100";

	(void)state;
	for (int i = 0; i < NAME_STATE_COUNT; i++) {
		enum state_name s = (enum state_name)i;

		assert_int_equal(
		    state_name_is_pending(s), name_pending[i] == '1');
		assert_int_equal(
		    state_name_is_visible(s), name_visible[i] == '1');
		assert_int_equal(
		    state_name_may_follow(s), name_follow[i] == '1');
	}
	for (int i = 0; i < ATTRS_STATE_COUNT; i++)
		assert_int_equal(state_attrs_is_pending((enum state_attrs)i),
		    attrs_pending[i] == '1');
	for (int i = 0; i < BYTES_STATE_COUNT; i++) {
		enum state_bytes s = (enum state_bytes)i;

		assert_int_equal(
		    state_bytes_is_pending(s), bytes_pending[i] == '1');
		assert_int_equal(
		    state_bytes_may_evict(s), bytes_evict[i] == '1');
		assert_int_equal(
		    state_bytes_may_unlink(s), bytes_unlink[i] == '1');
		assert_int_equal(state_bytes_is_open(s), bytes_open[i] == '1');
	}
}

/* An observation (SEEN, VANISHED, REMOTE_NEW) ends no intent. */
static void
test_observations(void **state)
{
	(void)state;
	for (int i = 0; i < NAME_STATE_COUNT; i++) {
		enum state_name s = (enum state_name)i;

		if (!state_name_is_pending(s))
			continue;
		assert_int_equal(state_name_next(s, NAME_ON_SEEN), i);
		assert_int_equal(state_name_next(s, NAME_ON_VANISHED), i);
	}
	for (int i = 0; i < BYTES_STATE_COUNT; i++) {
		enum state_bytes s = (enum state_bytes)i;
		int next = state_bytes_next(s, BYTES_ON_REMOTE_NEW);

		assert_int_equal(state_bytes_is_pending(s),
		    state_bytes_is_pending((enum state_bytes)next));
	}
}

static void
test_apply(void **state)
{
	enum state_name n = NAME_ABSENT;
	enum state_attrs a = ATTRS_CLEAN;
	enum state_bytes b = BYTES_CONFLICT;

	(void)state;
	state_name_apply(&n, NAME_ON_CREATE);
	assert_int_equal(n, NAME_CREATING);
	state_name_apply(&n, NAME_ON_CREATE_LOST);
	assert_int_equal(n, NAME_CREATING);
	assert_string_equal(state_name_name(n), "creating");
	state_attrs_apply(&a, ATTRS_ON_SET);
	assert_int_equal(a, ATTRS_METADIRTY);
	assert_string_equal(state_attrs_name(a), "metadirty");
	assert_int_equal(state_bytes_apply(&b, BYTES_ON_WRITE), -ESTALE);
	assert_int_equal(b, BYTES_CONFLICT);
	assert_string_equal(state_bytes_name(b), "conflict");
	assert_int_equal(state_bytes_apply(&b, BYTES_ON_RESOLVE), 0);
	assert_int_equal(b, BYTES_CLEAN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_no_such),
		cmocka_unit_test(test_reached),
		cmocka_unit_test(test_predicates),
		cmocka_unit_test(test_observations),
		cmocka_unit_test(test_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
