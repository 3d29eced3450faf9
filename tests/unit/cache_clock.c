/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_clock.c - when bytes and attributes are sent that nobody waits for:
 * write_delay and max_dirty_age, by a clock that only this test moves.
 *
 * Role:    unit test of cache/cover.c and writeback.c.  That something is not
 *          sent yet is looked at when something else was, that was judged at
 *          the same time.
 */
#include "tests/unit/names_later.h"

#include <unistd.h>

#include "cache/writeback.h"

#define DELAY 1000  /* write_delay, ms */
#define AGE   60    /* max_dirty_age, s */
#define DAY   86400 /* s */
#define END_S 60    /* nothing was sent */

static void
set_times(enum cache_sync sync, unsigned age_s)
{
	close_cache();
	config.sync = sync;
	config.write_delay_ms = DELAY;
	config.max_dirty_age_s = age_s;
	open_cache();
}

/* The clock goes on, and who waits for a time is told. */
static void
pass(int64_t ms)
{
	atomic_fetch_add(&now_ms, ms);
	writeback_wake(cache->writeback);
}

/* Wait until S3 has ${key}, of ${text}. */
static void
await(const char *key, const char *text)
{
	(void)alarm(END_S);
	while (!fake_has(s3, key) || fake_size(s3, key) != strlen(text))
		(void)usleep(1000);
	(void)alarm(0);
	assert_object(key, text);
}

static void
set_mode(const char *name, uint32_t mode)
{
	struct cache_set set = { .what = CACHE_SET_MODE, .mode = mode };
	struct cache_attr attr;

	assert_int_equal(
	    cache_setattr(cache, get(ROOT, name).node, NULL, &set, NULL, &attr),
	    0);
}

/* Wait until S3 has the mode. */
static void
await_mode(const char *key, const char *mode)
{
	bool same = false;

	(void)alarm(END_S);
	while (!same) {
		char *got = fake_meta_of(s3, key, "mode");

		same = got != NULL && strcmp(got, mode) == 0;
		free(got);
		(void)usleep(1000);
	}
	(void)alarm(0);
}

static void
close_text(const char *name, const char *text)
{
	struct cache_file *f = create(ROOT, name, text);

	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
}

/* What was closed is sent write_delay later, and no sooner. */
static void
test_delay(void **state)
{
	(void)state;
	set_times(CACHE_SYNC_FSYNC, 0);
	close_text("a", "first");
	pass(DELAY / 2);
	close_text("b", "second");
	pass(DELAY / 2);
	await("a", "first");
	assert_false(fake_has(s3, "b"));
	close_text("c", "third");
	pass(DELAY / 2);
	await("b", "second");
	assert_false(fake_has(s3, "c"));
	pass(DELAY / 2);
	await("c", "third");
}

/* What is closed again until then does not wait any longer, and goes once. */
static void
test_delay_is_of_the_first(void **state)
{
	struct cache_file *f;

	(void)state;
	set_times(CACHE_SYNC_FSYNC, 0);
	f = create(ROOT, "a", "one");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	fake_count_reset(s3);
	pass(DELAY - 1);
	assert_int_equal(cache_file_write(f, 3, " two", 4, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	pass(1);
	await("a", "one two");
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), 1);
	cache_file_close(f);
}

/* Attributes, in each mode. */
static void
test_delay_of_attributes(void **state)
{
	(void)state;
	for (int sync = CACHE_SYNC_CLOSE; sync <= CACHE_SYNC_LOCAL; sync++) {
		fake_put_text(s3, "a", "a");
		fake_put_text(s3, "b", "b");
		set_times((enum cache_sync)sync, 0);
		list_dir(ROOT);
		set_mode("a", 0600);
		pass(DELAY / 2);
		set_mode("b", 0600);
		pass(DELAY / 2);
		await_mode("a", "33152");
		assert_null(fake_meta_of(s3, "b", "mode"));
		pass(DELAY / 2);
		await_mode("b", "33152");
		atomic_fetch_add(&now_ms, 2 * TTL);
	}
}

/* What a program writes, and does not close, is sent when it is so old. */
static void
test_age(void **state)
{
	(void)state;
	for (int sync = CACHE_SYNC_CLOSE; sync <= CACHE_SYNC_LOCAL; sync++) {
		const char *name[] = { "a", "b", "c" };
		struct cache_file *f;

		set_times((enum cache_sync)sync, AGE);
		close_text("x", "x");
		drain(); /* or its mode would wait for its bytes */
		f = create(ROOT, name[sync], "long");
		pass(AGE * 1000 - 1 - DELAY);
		set_mode("x", 0600 + (uint32_t)sync);
		pass(DELAY);
		await_mode(
		    "x", (const char *[]){ "33152", "33153", "33154" }[sync]);
		assert_false(fake_has(s3, name[sync]));
		pass(1);
		await(name[sync], "long");
		/* The next bytes are as old as they are. */
		assert_int_equal(
		    cache_file_write(f, 4, "er", 2, false, NULL), 0);
		pass(AGE * 1000);
		await(name[sync], "longer");
		cache_file_close(f);
		assert_int_equal(cache_unlink(cache, ROOT, "x", NULL), 0);
		drain();
	}
}

/* Without max_dirty_age, never. */
static void
test_no_age(void **state)
{
	(void)state;
	for (int sync = CACHE_SYNC_CLOSE; sync <= CACHE_SYNC_LOCAL; sync++) {
		const char *name[] = { "a", "b", "c" };
		struct cache_file *f;

		fake_put_text(s3, "x", "x");
		set_times((enum cache_sync)sync, 0);
		list_dir(ROOT);
		f = create(ROOT, name[sync], "long");
		set_mode("x", 0600);
		pass((int64_t)DAY * 1000);
		await_mode("x", "33152");
		assert_false(fake_has(s3, name[sync]));
		assert_int_equal(cache_file_flush(f, NULL), 0);
		cache_file_close(f);
		drain();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_delay),
		T(test_delay_is_of_the_first),
		T(test_delay_of_attributes),
		T(test_age),
		T(test_no_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
