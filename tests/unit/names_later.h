/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names_later.h - a cache whose calls on names do not wait for S3, and what is
 * owed by it.
 *
 * Role:    the fixture of cache_names_later.c and cache_names_owed.c; included
 *          once by each program.  Nothing is sent by itself: the clock stands.
 */
#ifndef TESTS_UNIT_NAMES_LATER_H
#define TESTS_UNIT_NAMES_LATER_H

#include "tests/unit/cache_names.h"

#include "cache/admin.h"

static inline int
set_up_later(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.sync = CACHE_SYNC_FSYNC;
	open_cache();
	fake_count_reset(s3);
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_later, tear_down)

/* All that is owed is in S3. */
static inline void
drain(void)
{
	uint64_t left = 0;

	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	tick();
}

/* A file that S3 has. */
static inline void
put_text(uint64_t dir, const char *name, const char *text)
{
	create_text(dir, name, text);
	drain();
	fake_count_reset(s3);
}

static inline void
assert_owed(uint64_t creates, uint64_t deletes, uint64_t renames)
{
	struct cache_stats st;

	cache_get_stats(cache, &st);
	assert_int_equal(st.owed_creates, creates);
	assert_int_equal(st.owed_deletes, deletes);
	assert_int_equal(st.owed_renames, renames);
}

/* The mount ends with all that it owes, and begins again. */
static inline void
restart(void)
{
	close_cache();
	open_cache();
	tick();
	fake_count_reset(s3);
}

#endif
