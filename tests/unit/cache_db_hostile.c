/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_db_hostile.c - rows that we never wrote, in tables that are ours.
 *
 * Role:    unit test of what cache/db_row.c refuses.
 */
#include "tests/unit/db_file.h"

#include <errno.h>

#define ID 9

/* Set one column of the row by hand, and read it. */
static void
refused(const char *assignment)
{
	struct row row = { 0 };
	char sql[160];

	put_plain(ID, 1, "name");
	(void)snprintf(sql, sizeof(sql), "UPDATE entry SET %s WHERE id = %d",
	    assignment, ID);
	db_close(db);
	tamper(sql);
	open_db();
	assert_false(db_is_damaged(db));
	if (db_row_by_id(db, ID, &row) != -EBADMSG)
		fail_msg("taken: %s", assignment);
	assert_true(db_is_damaged(db));
}

static void
test_states(void **state)
{
	(void)state;
	refused("name_state = 7");
	refused("name_state = -1");
	refused("attr_state = 4");
	refused("byte_state = 6");
	refused("kind = 5");
	refused("kind = -1");
	refused("attrs = 3");
	refused("marker = 3");
}

static void
test_names(void **state)
{
	(void)state;
	refused("name = x''");
	refused("name = 'a/b'");
	refused("name = '..'");
	refused("name = x'610062'");
}

static void
test_numbers(void **state)
{
	(void)state;
	refused("size = -1");
	refused("seen_ms = -9223372036854775808");
	refused("parent = id");
}

/* What has the number of a new row was never given it by us. */
static void
test_given_twice(void **state)
{
	struct row row;

	(void)state;
	put_plain(ID, 1, "a");
	plain_row(&row, ID, 1, "b");
	assert_int_equal(db_row_add(db, &row), -EBADMSG);
	assert_true(db_is_damaged(db));
	row_fini(&row);
}

static bool
count_row(void *arg, const struct row *row)
{
	(void)row;
	++*(unsigned *)arg;
	return true;
}

/* Parents in a circle: what walks down comes to an end. */
static void
test_circle(void **state)
{
	unsigned count = 0;

	(void)state;
	put_plain(5, 6, "a");
	put_plain(6, 5, "b");
	assert_int_equal(db_rows_below(db, 5, count_row, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(db_row_delete(db, 5), 0);
	assert_int_equal(db_rows_below(db, 5, count_row, &count), 0);
	assert_int_equal(count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_states),
		T(test_names),
		T(test_numbers),
		T(test_given_twice),
		T(test_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
