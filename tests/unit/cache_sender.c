/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_sender.c - one at a time works on the multipart upload of a file,
 * though its directory is renamed or it loses its name meanwhile.
 *
 * Role:    unit test of parts_enter(), and of who enters: cache/stage.c,
 *          upload.c, abandon.c.
 */
#include "tests/unit/cache_names.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/parts_upload.h"
#include "cache/stage.h"
#include "s3/base/wait.h"

#define SIZE  (10 * MIB) /* a whole part, and some */
#define ENDED 3000       /* times 10 ms: it takes that long at most */
#define LONG  30         /* likewise: what must not happen has time to */

static struct cache_file *file; /* "d/f": new, written, and open */
static struct entry *entry;     /* of it */
static uint64_t dir;            /* "d" */
static atomic_bool is_removing; /* it is unlinked when a sender has left */

/* The linker has the library call this instead (Makefile). */
void __real_parts_leave(struct entry *e);
void __wrap_parts_leave(struct entry *e);

void
__wrap_parts_leave(struct entry *e)
{
	__real_parts_leave(e);
	if (atomic_exchange(&is_removing, false))
		assert(cache_unlink(cache, dir, "f", NULL) == 0);
}

/* What a test that failed holds is let go. */
static int
tear_down_sender(void **state)
{
	for (int i = 0; i < S3_KIND_COUNT; i++)
		fake_hold(s3, (enum s3_kind)i, false);
	cache_file_close(file);
	entry_put(entry);
	file = NULL;
	entry = NULL;
	return tear_down(state);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_names, tear_down_sender)

static const uint8_t *
bytes_at(uint64_t off)
{
	static uint8_t piece[MIB];

	for (uint64_t i = 0; i < MIB; i++)
		piece[i] = fake_byte(1, off + i);
	return piece;
}

static void
fill_file(void)
{
	for (uint64_t off = 0; off < SIZE; off += MIB)
		assert_int_equal(cache_file_write(file, off, bytes_at(off), MIB,
				     false, NULL),
		    0);
}

/* Whether its first part went up, and nothing more is on its way. */
static bool
is_streamed(void)
{
	bool is;

	lock_take(&entry->lock);
	is = entry->upload != NULL && entry->upload->count > 0 &&
	     entry->upload->parts[0].state == PART_SENT &&
	     entry->upload->running == 0;
	lock_drop(&entry->lock);
	return is;
}

static void
make_it(void)
{
	list_dir(ROOT);
	dir = make_dir(ROOT, "d");
	file = create(dir, "f", "");
	entry = entry_find(cache, get(dir, "f").node);
	assert_non_null(entry);
	fill_file();
	for (int i = 0; !is_streamed() && i < ENDED; i++)
		(void)usleep(10000);
	assert_true(is_streamed());
	fake_count_reset(s3);
}

static void
wait_for_calls(enum s3_kind kind, uint64_t count)
{
	for (int i = 0; fake_count(s3, kind) < count && i < ENDED; i++)
		(void)usleep(10000);
	assert_int_equal(fake_count(s3, kind), count);
}

static void
rename_it(void)
{
	tick();
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "d"), &AT(ROOT, "g"), 0, NULL), 0);
	tick();
}

/* It is almost staged, when its directory gets another name. */
static void
stage_and_rename(void)
{
	fake_hold(s3, S3_COMPLETE_MULTIPART_UPLOAD, true);
	assert_true(stage_hurry(cache));
	wait_for_calls(S3_COMPLETE_MULTIPART_UPLOAD, 1);
	rename_it();
}

static bool
is_flushing(void)
{
	bool is;

	lock_take(&entry->lock);
	is = entry->is_flushing;
	lock_drop(&entry->lock);
	return is;
}

static void
wait_until_flushed(void)
{
	for (int i = 0; is_flushing() && i < ENDED; i++)
		(void)usleep(10000);
	assert_false(is_flushing());
}

static void
close_it(void)
{
	cache_file_close(file);
	entry_put(entry);
	file = NULL;
	entry = NULL;
	assert_int_equal(fake_uploads(s3), 0);
}

static void *
flush_it(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_file_flush(file, NULL);
}

static void
assert_stored(const char *key)
{
	static uint8_t got[MIB];

	assert_int_equal(fake_size(s3, key), SIZE);
	for (uint64_t off = 0; off < SIZE; off += MIB) {
		fake_read(s3, key, off, got, MIB);
		assert_memory_equal(got, bytes_at(off), MIB);
	}
}

/* A flush under the new key waits for the stage under the old one. */
static void
test_flush_after_stage(void **state)
{
	uint64_t begun = 0;
	pthread_t thread;
	void *r;

	(void)state;
	make_it();
	stage_and_rename();
	assert_int_equal(pthread_create(&thread, NULL, flush_it, NULL), 0);
	for (int i = 0; begun < 2 && i < LONG; i++) {
		(void)usleep(10000);
		begun = fake_count(s3, S3_CREATE_MULTIPART_UPLOAD);
	}
	fake_hold(s3, S3_COMPLETE_MULTIPART_UPLOAD, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal(begun, 1);
	assert_int_equal((intptr_t)r, 0);
	assert_stored("g/f");
	close_it();
}

/* So does what ends the upload of a file without a name; when that is closed
 * and the kernel has forgotten it, its staging object goes, too. */
static void
test_unlink_after_stage(void **state)
{
	uint64_t node;

	(void)state;
	make_it();
	node = get(dir, "f").node;
	stage_and_rename();
	assert_int_equal(cache_unlink(cache, dir, "f", NULL), 0);
	for (int i = 0; is_flushing() && i < LONG; i++)
		(void)usleep(10000);
	assert_true(is_flushing());
	fake_hold(s3, S3_COMPLETE_MULTIPART_UPLOAD, false);
	wait_until_flushed();
	close_it();
	cache_forget(cache, node);
	for (int i = 0; fake_objects(s3, ".pailfs/") > 0 && i < ENDED; i++)
		(void)usleep(10000);
	assert_int_equal(fake_objects(s3, ".pailfs/"), 0);
}

/* Whether one that needs room would wait for it; else it is told at once that
 * there will be none. */
static int
ask_for_room(void)
{
	struct waiter w;
	int r;

	waiter_init(&w);
	waiter_interrupt(&w);
	r = evict_for_write(cache->evict, UINT64_C(1) << 50, &w);
	waiter_fini(&w);
	return r;
}

/* While an upload is abandoned, who needs room waits, and does not spin. */
static void
test_room_of_abandoned(void **state)
{
	(void)state;
	make_it();
	fake_hold(s3, S3_ABORT_MULTIPART_UPLOAD, true);
	assert_int_equal(ask_for_room(), -ENOSPC);
	assert_int_equal(cache_unlink(cache, dir, "f", NULL), 0);
	wait_for_calls(S3_ABORT_MULTIPART_UPLOAD, 1);
	assert_int_equal(ask_for_room(), -EINTR);
	fake_hold(s3, S3_ABORT_MULTIPART_UPLOAD, false);
	wait_until_flushed();
	close_it();
	assert_int_equal(ask_for_room(), -ENOSPC);
}

/* It is unlinked when its flush, which failed and keeps the parts, is not quite
 * over: the flush ends the upload. */
static void
test_unlink_at_the_end(void **state)
{
	(void)state;
	make_it();
	fake_fail(s3, S3_UPLOAD_PART, -EIO, 1000);
	is_removing = true;
	(void)cache_file_flush(file, NULL); /* of a file without a name: 0 */
	fake_fail(s3, S3_UPLOAD_PART, 0, 0);
	wait_until_flushed();
	assert_false(exists(dir, "f"));
	close_it();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_flush_after_stage),
		T(test_unlink_after_stage),
		T(test_room_of_abandoned),
		T(test_unlink_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
