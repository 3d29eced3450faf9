/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_keep.c - an open file that is larger than the cache goes: it is removed
 * or replaced, and who has it open is told of what cannot be had any more.
 *
 * Role:    unit test of cache/keep.c.
 */
#include "tests/unit/names_later.h"

#include <unistd.h>

#include "cache/entry.h"
#include "cache/writeback.h"

#define SIZE  (30 * MIB)
#define ROOM  (12 * MIB)
#define END_S 60

static struct cache_file *
open_large(enum cache_sync sync)
{
	(void)alarm(END_S);
	close_cache();
	config.sync = sync;
	config.size = ROOM;
	open_cache();
	fake_put(s3, "a", SIZE, 1);
	list_dir(ROOT);
	return open_file(ROOT, "a");
}

static int
read_all(struct cache_file *f)
{
	struct cache_bytes b;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < SIZE; off += MIB) {
		r = cache_file_read(f, off, MIB, NULL, &b);
		if (r == 0)
			cache_bytes_put(cache, &b);
	}
	return r;
}

/* Others go on as ever. */
static void
assert_gone(struct cache_file *f)
{
	assert_int_equal(read_all(f), -ESTALE);
	cache_file_close(f);
	put_text(ROOT, "b", "text");
	assert_object("b", "text");
	(void)alarm(0);
}

static void
test_unlink(void **state)
{
	struct cache_file *f = open_large(CACHE_SYNC_CLOSE);

	(void)state;
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_false(fake_has(s3, "a"));
	assert_gone(f);
}

static void
test_unlink_later(void **state)
{
	struct cache_file *f = open_large(CACHE_SYNC_FSYNC);

	(void)state;
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	drain();
	assert_false(fake_has(s3, "a"));
	assert_gone(f);
}

/* S3 is told of neither name but the last. */
static void
test_unlink_of_another_name(void **state)
{
	struct cache_file *f = open_large(CACHE_SYNC_FSYNC);

	(void)state;
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "a"), &AT(ROOT, "c"), 0, NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "c", NULL), 0);
	drain();
	assert_false(fake_has(s3, "a"));
	assert_false(fake_has(s3, "c"));
	assert_gone(f);
}

static void
test_replace(void **state)
{
	struct cache_file *f = open_large(CACHE_SYNC_CLOSE);

	(void)state;
	create_text(ROOT, "new", "text");
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "new"), &AT(ROOT, "a"), 0, NULL), 0);
	assert_object("a", "text");
	assert_gone(f);
}

/* ---- what would fit ---- */

static void
fill(struct cache_file *f, int count)
{
	static uint8_t data[MIB];

	for (int i = 0; i < count; i++)
		assert_int_equal(cache_file_write(f, (uint64_t)i * MIB, data,
				     MIB, false, NULL),
		    0);
}

static void
send(const char *name)
{
	struct entry *e = entry_find(cache, get(ROOT, name).node);

	assert_non_null(e);
	lock_take(&e->lock);
	writeback_bytes_locked(e);
	lock_drop(&e->lock);
	entry_put(e);
}

/* An upload takes all room: nothing is removed that could be kept. */
static void
test_no_room_now(void **state)
{
	struct cache_file *f, *other;
	struct cache_bytes b;

	(void)state;
	fake_put(s3, "small", 4 * MIB, 1);
	cache_file_close(open_large(CACHE_SYNC_CLOSE));
	f = open_file(ROOT, "small");
	other = create(ROOT, "other", "");
	fill(other, 9);
	fake_hold(s3, S3_CREATE_MULTIPART_UPLOAD, true);
	send("other");
	fake_wait_held(s3, 1);
	assert_int_equal(cache_unlink(cache, ROOT, "small", NULL), -ENOSPC);
	fake_hold(s3, S3_CREATE_MULTIPART_UPLOAD, false);
	drain();
	assert_true(fake_has(s3, "small"));
	assert_int_equal(cache_unlink(cache, ROOT, "small", NULL), 0);
	assert_false(fake_has(s3, "small"));
	for (uint64_t off = 0; off < 4 * MIB; off += MIB) {
		assert_int_equal(cache_file_read(f, off, MIB, NULL, &b), 0);
		cache_bytes_put(cache, &b);
	}
	cache_file_close(f);
	cache_file_close(other);
	(void)alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unlink),
		T(test_unlink_later),
		T(test_unlink_of_another_name),
		T(test_replace),
		T(test_no_room_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
