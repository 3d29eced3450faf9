/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rename_race.c - what changes below a directory while it is renamed,
 * and leaves no row that tells.
 *
 * Role:    unit test of cache/dir_move.c, keywatch.c.
 */
#include "tests/unit/cache_names.h"

#include <unistd.h>

static uint64_t dir; /* of the test: "d", with "a", "b" and "s/x" */

static void *
run_rename(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_rename(
	    cache, &AT(ROOT, "d"), &AT(ROOT, "g"), 0, NULL);
}

static void
make_tree(void)
{
	uint64_t s;

	list_dir(ROOT);
	dir = make_dir(ROOT, "d");
	create_text(dir, "a", "text a");
	create_text(dir, "b", "text b");
	s = make_dir(dir, "s");
	create_text(s, "x", "text x");
}

/* "b" is another version by now, which is looked at when all else is copied. */
static void
write_b(void)
{
	struct cache_file *f = open_file(dir, "b");

	assert_int_equal(cache_file_write(f, 0, "TEXT B", 6, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
}

/* Rename "d" to "g", with ${change} after the copies and before the commit.
 * ${text} is in "b" in the end; NULL: what is, the caller looks at. */
static void
rename_during(void (*change)(void), const char *text)
{
	pthread_t thread;
	void *r;

	make_tree();
	fake_hold(s3, S3_COPY_OBJECT, true);
	assert_int_equal(pthread_create(&thread, NULL, run_rename, NULL), 0);
	fake_wait_held(s3, 5); /* 3 files, 2 markers */
	tick();
	write_b();
	fake_hold(s3, S3_HEAD_OBJECT, true);
	fake_hold(s3, S3_COPY_OBJECT, false);
	while (fake_objects(s3, "g/") < 4)
		(void)usleep(1000);
	fake_count_reset(s3);
	fake_hold(s3, S3_COPY_OBJECT, true);
	fake_hold(s3, S3_HEAD_OBJECT, false);
	while (fake_count(s3, S3_COPY_OBJECT) == 0)
		(void)usleep(1000);
	tick();
	change();
	tick();
	fake_hold(s3, S3_COPY_OBJECT, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_true(fake_has(s3, "g/"));
	if (text == NULL)
		return;
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_object("g/b", text);
}

static void
unlink_a(void)
{
	assert_int_equal(cache_unlink(cache, dir, "a", NULL), 0);
	tick();
}

/* It is unlinked, and a listing lets the last trace of it go. */
static void
unlink_and_list(void)
{
	unlink_a();
	assert_int_equal(db_row_listed(cache->db, dir, 0), 0);
	list_dir(dir);
}

static void
test_unlinked_and_listed(void **state)
{
	(void)state;
	rename_during(unlink_and_list, "TEXT B");
	assert_false(fake_has(s3, "g/a"));
	create_text(dir, "a", "new");
	assert_object("g/a", "new");
}

static struct cache_file *unsent;

/* It is unlinked, and another that was never sent leaves its name. */
static void
unlink_and_move(void)
{
	unlink_a();
	unsent = create(dir, "a", "unsent");
	tick();
	assert_int_equal(
	    cache_rename(cache, &AT(dir, "a"), &AT(dir, "z"), 0, NULL), 0);
}

static void
test_unlinked_and_moved(void **state)
{
	(void)state;
	rename_during(unlink_and_move, "TEXT B");
	assert_false(fake_has(s3, "g/a"));
	assert_int_equal(cache_file_flush(unsent, NULL), 0);
	cache_file_close(unsent);
	assert_object("g/z", "unsent");
	create_text(dir, "a", "new");
	assert_object("g/a", "new");
}

/* With its directory, whose row takes all below it along. */
static void
remove_below(void)
{
	uint64_t s = get(dir, "s").node;

	assert_int_equal(cache_unlink(cache, s, "x", NULL), 0);
	assert_int_equal(cache_rmdir(cache, dir, "s", NULL), 0);
}

static void
test_removed_below(void **state)
{
	(void)state;
	rename_during(remove_below, "TEXT B");
	assert_int_equal(fake_objects(s3, "g/s"), 0);
}

/* Rename "d" to "g": the answers to its copies are lost, and ${change} is made
 * before it looks what came of them. */
static void
rename_unsure(void (*change)(void))
{
	pthread_t thread;
	void *r;

	make_tree();
	fake_count_reset(s3);
	fake_lose(s3, S3_COPY_OBJECT, 5);
	fake_hold(s3, S3_HEAD_OBJECT, true);
	assert_int_equal(pthread_create(&thread, NULL, run_rename, NULL), 0);
	while (fake_count(s3, S3_HEAD_OBJECT) == 0)
		(void)usleep(1000);
	tick();
	change();
	tick();
	fake_hold(s3, S3_HEAD_OBJECT, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_int_equal(fake_objects(s3, "d/"), 0);
	/* It did not begin anew. */
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 1);
}

static void
test_unsure_unlinked(void **state)
{
	(void)state;
	rename_unsure(unlink_a);
	assert_false(fake_has(s3, "g/a"));
	create_text(dir, "a", "new");
	assert_object("g/a", "new");
}

static void
test_unsure_written(void **state)
{
	(void)state;
	rename_unsure(write_b);
	assert_object("g/b", "TEXT B");
	assert_int_equal(fake_objects(s3, "g/"), 5);
}

static uint64_t target; /* "g", which is replaced */

static void
list_target(void)
{
	assert_int_equal(db_row_listed(cache->db, target, 0), 0);
	list_dir(target);
	assert_false(exists(target, "a"));
	assert_false(exists(target, "s"));
}

/* The copies do not show in the directory that is replaced. */
static void
test_target_listed(void **state)
{
	(void)state;
	list_dir(ROOT);
	target = make_dir(ROOT, "g");
	rename_during(list_target, "TEXT B");
	assert_int_equal(get(ROOT, "g").node, dir);
	assert_true(exists(dir, "a"));
	assert_int_equal(fake_objects(s3, "g/"), 5);
}

static void *
run_write(void *arg)
{
	return (void *)(intptr_t)cache_file_flush(arg, NULL);
}

static struct cache_file *writer;
static pthread_t writer_thread;

/* "b" is written once more, while it is copied. */
static void
write_again(void)
{
	writer = open_file(dir, "b");
	assert_int_equal(
	    cache_file_write(writer, 0, "NEWEST", 6, false, NULL), 0);
	assert_int_equal(
	    pthread_create(&writer_thread, NULL, run_write, writer), 0);
	/* Long enough to go wrong. */
	(void)usleep(100000);
}

/* Who writes waits for the copy: that need not begin anew. */
static void
test_written_twice(void **state)
{
	void *r;

	(void)state;
	rename_during(write_again, NULL);
	assert_int_equal(pthread_join(writer_thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	cache_file_close(writer);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 0);
	assert_object("g/b", "NEWEST");
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

/* Likewise, and what the server copied was the new version. */
static void
write_and_copy(void)
{
	struct fake_object *old, *copy;

	write_b();
	pthread_mutex_lock(&s3->mutex);
	old = fake_object(&s3->bucket, "d/b");
	copy = fake_object(&s3->bucket, "g/b");
	assert_non_null(old);
	assert_non_null(copy);
	memcpy(copy->etag, old->etag, sizeof(copy->etag));
	pthread_mutex_unlock(&s3->mutex);
}

static void
test_unsure_next(void **state)
{
	(void)state;
	rename_unsure(write_and_copy);
	assert_object("g/b", "TEXT B");
	assert_int_equal(fake_objects(s3, "g/"), 5);
}

/* ---- another rename of a directory, below ---- */

static pthread_t below_thread;

static void *
run_below(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_rename(
	    cache, &AT(dir, "s"), &AT(dir, "t"), 0, NULL);
}

static void
rename_below(void)
{
	assert_int_equal(
	    pthread_create(&below_thread, NULL, run_below, NULL), 0);
	/* Long enough to go wrong. */
	(void)usleep(100000);
}

static void
test_below(void **state)
{
	void *r;

	(void)state;
	rename_during(rename_below, NULL);
	assert_int_equal(pthread_join(below_thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 5);
	assert_object("g/t/x", "text x");
}

/* ---- who comes when it has moved ---- */

static void *
run_unlink(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_unlink(cache, dir, "a", NULL);
}

static void *
run_move(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_rename(
	    cache, &AT(dir, "a"), &AT(dir, "z"), 0, NULL);
}

/* While ${run} waits for the key of "a", its directory is renamed, again and
 * again: it goes after it. */
static void
chase(void *(*run)(void *))
{
	static const char *const names[] = { "d", "e", "f", "g", "h" };
	struct keylock marks[2];
	pthread_t thread;
	char key[8];
	void *r;

	make_tree();
	memset(marks, 0, sizeof(marks));
	assert_int_equal(keylock_look(&cache->keylocks, "d/a", NULL, marks), 0);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	for (int i = 1; i < 5; i++) {
		/* Long enough to go wrong. */
		(void)usleep(50000);
		tick();
		assert_int_equal(cache_rename(cache, &AT(ROOT, names[i - 1]),
				     &AT(ROOT, names[i]), 0, NULL),
		    0);
		(void)snprintf(key, sizeof(key), "%s/a", names[i]);
		assert_int_equal(
		    keylock_look(&cache->keylocks, key, NULL, &marks[i % 2]),
		    0);
		keylock_drop(&cache->keylocks, &marks[(i - 1) % 2]);
	}
	keylock_drop(&cache->keylocks, &marks[0]);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_false(fake_has(s3, "h/a"));
}

static void
test_unlink_chases(void **state)
{
	(void)state;
	chase(run_unlink);
	assert_int_equal(fake_objects(s3, "h/"), 4);
}

static void
test_move_chases(void **state)
{
	(void)state;
	chase(run_move);
	assert_object("h/z", "text a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unlinked_and_listed),
		T(test_unlinked_and_moved),
		T(test_removed_below),
		T(test_target_listed),
		T(test_written_twice),
		T(test_unsure_unlinked),
		T(test_unsure_written),
		T(test_unsure_next),
		T(test_below),
		T(test_unlink_chases),
		T(test_move_chases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
