/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_db_intent.c - what is owed is kept as it was given, until it is done
 * or its row is gone.
 *
 * Role:    unit test of cache/db_intent.c.
 */
#include "tests/unit/db_file.h"

#include <errno.h>

static char full_key[] = "a/\xff%'";
static char source[] = "old/key";
static char etag[] = "\"e-3\"";
static char token[] = "tok";

static const struct db_intent full = { .entry = 77,
	.kind = DB_INTENT_BYTES,
	.key = full_key,
	.source_key = source,
	.etag = etag,
	.token = token,
	.generation = UINT64_C(1) << 40,
	.state = 3,
	.made_ms = INT64_C(1700000000123) };

static void
test_kept_until_dropped(void **state)
{
	struct db_intent got;

	(void)state;
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BYTES, &got), -ENOENT);
	assert_int_equal(db_intent_put(db, &full), 0);
	reopen();
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BYTES, &got), 0);
	assert_true(got.id != 0);
	assert_int_equal(got.entry, full.entry);
	assert_int_equal(got.kind, full.kind);
	assert_string_equal(got.key, full_key);
	assert_string_equal(got.source_key, source);
	assert_string_equal(got.etag, etag);
	assert_string_equal(got.token, token);
	assert_int_equal(got.generation, full.generation);
	assert_int_equal(got.state, full.state);
	assert_int_equal(got.made_ms, full.made_ms);
	/* Another time under its id: replaced. */
	got.generation = 9;
	assert_int_equal(db_intent_put(db, &got), 0);
	db_intent_fini(&got);
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BYTES, &got), 0);
	assert_int_equal(got.generation, 9);
	db_intent_fini(&got);
	assert_int_equal(db_intent_drop(db, 77, DB_INTENT_BYTES), 0);
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BYTES, &got), -ENOENT);
}

static void
test_texts_may_be_absent(void **state)
{
	struct db_intent bare = { .entry = 5, .kind = DB_INTENT_BYTES }, got;

	(void)state;
	assert_int_equal(db_intent_put(db, &bare), 0);
	assert_int_equal(db_intent_get(db, 5, DB_INTENT_BYTES, &got), 0);
	assert_string_equal(got.key, "");
	assert_null(got.source_key);
	assert_null(got.etag);
	assert_null(got.token);
	db_intent_fini(&got);
}

static void
test_swept_without_a_row(void **state)
{
	struct db_intent of_row = full, got;
	struct row row;

	(void)state;
	plain_row(&row, 8, 1, "f");
	assert_int_equal(db_row_put(db, &row), 0);
	row_fini(&row);
	of_row.entry = 8;
	assert_int_equal(db_intent_put(db, &of_row), 0);
	assert_int_equal(db_intent_put(db, &full), 0);
	assert_int_equal(db_intents_sweep(db), 0);
	assert_int_equal(db_intent_get(db, 8, DB_INTENT_BYTES, &got), 0);
	db_intent_fini(&got);
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BYTES, &got), -ENOENT);
	assert_int_equal(db_row_delete(db, 8), 0);
	assert_int_equal(db_intents_sweep(db), 0);
	assert_int_equal(db_intent_get(db, 8, DB_INTENT_BYTES, &got), -ENOENT);
}

static bool
count_one(void *arg, const struct intent *it)
{
	(void)it;
	++*(int *)arg;
	return true;
}

/* Names that are owed are rows of the same table. */
static void
test_bytes_are_no_names(void **state)
{
	struct db_intent base = full, got;
	struct intent it = { 0 };
	int names = 0;

	(void)state;
	base.kind = DB_INTENT_BASE;
	assert_int_equal(db_intent_put(db, &base), 0);
	assert_int_equal(db_intent_put(db, &full), 0);
	assert_int_equal(db_owed_get(db, 77, &it), -ENOENT);
	assert_int_equal(db_owed_each(db, count_one, &names), 0);
	assert_int_equal(names, 0);
	assert_int_equal(db_owed_remove(db, 77), 0);
	assert_int_equal(db_intent_get(db, 77, DB_INTENT_BASE, &got), 0);
	db_intent_fini(&got);
	assert_int_equal(db_intent_drop(db, 77, DB_INTENT_BASE), 0);
	assert_int_equal(db_intent_drop(db, 77, DB_INTENT_BYTES), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_kept_until_dropped),
		T(test_texts_may_be_absent),
		T(test_swept_without_a_row),
		T(test_bytes_are_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
