/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_again.c - what failed once is not called done when it is asked again.
 *
 * Role:    test of fsync and close in cache/sync.c, cover.c, upload.c, write.c
 *          and chunk.c, where a commit of the database or S3 failed before.
 *          The program's own pwrite() refuses what goes to the log of the
 *          database, which has the commit rolled back.
 */
#include "tests/unit/cache_names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cache/entry.h"

static _Atomic int log_error; /* no commit gets through; 0: all do */

static bool
is_log(int fd)
{
	char link[64], path[512] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 &&
	       strstr(path, "meta.db-wal") != NULL;
}

/* In place of libc's. */
ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t off)
{
	int err = log_error;

	if (err != 0 && is_log(fd)) {
		errno = err;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, len, off);
}

static void
set_sync(enum cache_sync sync)
{
	close_cache();
	config.sync = sync;
	open_cache();
	list_dir(ROOT);
}

static int
set_up_again(void **state)
{
	log_error = 0;
	return set_up_names(state);
}

/* "f" with some bytes in S3, and open. */
static struct cache_file *
open_stored(enum cache_sync sync)
{
	fake_put_text(s3, "f", "some bytes");
	set_sync(sync);
	return open_file(ROOT, "f");
}

static int
write_at(struct cache_file *f, uint64_t off, const char *text)
{
	return cache_file_write(f, off, text, strlen(text), false, NULL);
}

/* What the database has of "f": whether [off, end) is dirty, or present. */
static void
assert_stored(bool is_dirty, uint64_t off, uint64_t end)
{
	struct db_chunk facts;
	struct rangeset known;

	rangeset_init(&known);
	assert_int_equal(
	    db_chunk_get(cache->db, get(ROOT, "f").node, &facts), 0);
	assert_int_equal(
	    rangeset_unpack(is_dirty ? facts.dirty : facts.present,
		is_dirty ? facts.dirty_len : facts.present_len, &known),
	    0);
	assert_true(rangeset_has(&known, off, end));
	rangeset_fini(&known);
	db_chunk_fini(&facts);
}

/* ---- the database ---- */

static void
test_fsync(void **state)
{
	struct cache_file *f = open_stored(CACHE_SYNC_LOCAL);

	(void)state;
	assert_int_equal(write_at(f, 5, "BYTES"), 0);
	log_error = ENOSPC;
	assert_int_equal(cache_file_sync(f, false, NULL), -ENOSPC);
	log_error = 0;
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_stored(true, 5, 10);
	cache_file_close(f);
}

/* The row could not be told that an upload begins. */
static void
test_upload(void **state)
{
	struct cache_file *f = open_stored(CACHE_SYNC_CLOSE);

	(void)state;
	assert_int_equal(write_at(f, 5, "BYTES"), 0);
	log_error = ENOSPC;
	assert_int_equal(cache_file_flush(f, NULL), -ENOSPC);
	log_error = 0;
	entries_flush(cache);
	assert_stored(true, 5, 10);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("f", "some BYTES");
	cache_file_close(f);
}

/* Nor that something changes: what is known of what was read stays. */
static void
test_change(void **state)
{
	struct cache_file *f = open_stored(CACHE_SYNC_LOCAL);

	(void)state;
	assert_text(f, "some bytes");
	log_error = EIO;
	assert_int_equal(write_at(f, 20, "BYTES"), -EIO);
	log_error = 0;
	entries_flush(cache);
	assert_stored(false, 0, 10);
	cache_file_close(f);
}

/* ---- S3 ---- */

/* The bytes of a clone are S3's to keep: nothing is safe before it has them,
 * however often it refuses. */
static void
refuse_clone(enum cache_sync sync)
{
	struct cache_file *from = open_stored(sync);
	struct cache_file *to = create(ROOT, "g", "");
	uint64_t len = 0;

	assert_int_equal(cache_file_copy(&(struct cache_span){ from, 0 },
			     &(struct cache_span){ to, 0 }, 10, NULL, &len),
	    0);
	fake_fail(s3, S3_COPY_OBJECT, -EACCES, UINT_MAX);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cache_file_sync(to, false, NULL), -EACCES);
		assert_int_equal(cache_file_flush(to, NULL), -EACCES);
	}
	fake_fail(s3, S3_COPY_OBJECT, 0, 0);
	assert_int_equal(cache_file_sync(to, false, NULL), 0);
	assert_int_equal(cache_file_flush(to, NULL), 0);
	assert_object("g", "some bytes");
	cache_file_close(from);
	cache_file_close(to);
}

static void
test_clone_close(void **state)
{
	(void)state;
	refuse_clone(CACHE_SYNC_CLOSE);
}

static void
test_clone_fsync(void **state)
{
	(void)state;
	refuse_clone(CACHE_SYNC_FSYNC);
}

static void
test_clone_local(void **state)
{
	(void)state;
	refuse_clone(CACHE_SYNC_LOCAL);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_again, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fsync),
		T(test_upload),
		T(test_change),
		T(test_clone_close),
		T(test_clone_fsync),
		T(test_clone_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
