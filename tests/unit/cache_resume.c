/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_resume.c - a multipart upload goes on where it was, after a kill and
 * after S3 was away: no part goes up twice, and none is taken for ours by its
 * looks.
 *
 * Role:    unit test of cache/parts_resume.c, and what parts.c, part.c and
 *          sweep.c do for it.
 */
#include "tests/unit/crash.h"

#include <unistd.h>

#include "cache/admin.h"
#include "cache/chunk.h"

#define PART  (5 * MIB)
#define PARTS 4
#define TAIL  (300 * KIB) /* of the last part */
#define SIZE  ((PARTS - 1) * PART + TAIL)

static uint8_t data[SIZE];

static int
set_up_resume(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.part_size = PART;
	open_cache();
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i % 251 + i / PART);
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_resume, tear_down)

/* Write "f", from its end to its start: nothing goes up before the close. */
static struct cache_file *
write_file(void)
{
	struct cache_file *f = create(ROOT, "f", "");
	uint64_t off = SIZE;

	while (off > 0) {
		uint64_t len = off % MIB == 0 ? MIB : off % MIB;

		off -= len;
		assert_int_equal(cache_file_write(f, off, data + off,
				     (size_t)len, false, NULL),
		    0);
	}
	return f;
}

/* The same, and what its close returns. */
static int
send_file(void)
{
	struct cache_file *f = write_file();
	int r = cache_file_flush(f, NULL);

	cache_file_close(f);
	return r;
}

/* The parts of the one upload that is open; 0: none is. */
static unsigned
parts_there(void)
{
	unsigned count = 0;

	pthread_mutex_lock(&s3->mutex);
	for (unsigned i = 1; s3->bucket.uploads != NULL && i <= PARTS; i++)
		count += s3->bucket.uploads->parts[i] != NULL;
	pthread_mutex_unlock(&s3->mutex);
	return count;
}

/* How many bytes they are. */
static uint64_t
bytes_there(void)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&s3->mutex);
	for (unsigned i = 1; s3->bucket.uploads != NULL && i <= PARTS; i++)
		if (s3->bucket.uploads->parts[i] != NULL)
			bytes += s3->bucket.uploads->parts[i]->bytes.size;
	pthread_mutex_unlock(&s3->mutex);
	return bytes;
}

/* How many uploads there were. */
static unsigned uploads_before;

/* What is counted from here on. */
static void
count_again(void)
{
	pthread_mutex_lock(&s3->mutex);
	uploads_before = s3->bucket.ids;
	pthread_mutex_unlock(&s3->mutex);
	fake_count_reset(s3);
}

/* So much went up since, in so many new uploads.  (A call of who is dead is
 * counted by its kind, too.) */
static void
assert_went_up(uint64_t bytes, unsigned uploads)
{
	assert_int_equal(fake_bytes_up(s3), bytes);
	pthread_mutex_lock(&s3->mutex);
	assert_int_equal(s3->bucket.ids - uploads_before, uploads);
	pthread_mutex_unlock(&s3->mutex);
}

static void
assert_sent(void)
{
	uint8_t *got = malloc(SIZE);

	assert_non_null(got);
	for (int i = 0; i < 3000 && fake_uploads(s3) > 0; i++)
		(void)usleep(10000);
	assert_int_equal(fake_uploads(s3), 0);
	assert_int_equal(fake_size(s3, "f"), SIZE);
	fake_read(s3, "f", 0, got, SIZE);
	assert_memory_equal(got, data, SIZE);
	free(got);
}

/* All that is owed is in S3. */
static void
drain(void)
{
	uint64_t left;

	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
}

/* Kill at the last request before all is done: all parts are there. */
static void
kill_at_complete(void)
{
	crash_at(1 + PARTS + 1, false);
	assert_int_equal(send_file(), -EIO);
	assert_int_equal(parts_there(), PARTS);
}

static struct fake_part *
part(unsigned number)
{
	return s3->bucket.uploads->parts[number];
}

/* ---- tests ---- */

static void
kill_at_each(bool is_done)
{
	bool killed = true;
	uint64_t there;

	for (unsigned at = 1; killed; at++) {
		crash_at(at, is_done);
		(void)send_file();
		there = bytes_there();
		count_again();
		killed = mount_again();
		drain();
		assert_sent();
		if (there > 0) {
			assert_went_up(SIZE - there, 0);
			assert_int_equal(fake_count(s3, S3_LIST_PARTS), 1);
			/* It carries what is known of it: no COPY. */
			assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 0);
		}
		assert_clean(ROOT, "f");
		assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	}
}

static void
test_kill_before_each(void **state)
{
	(void)state;
	kill_at_each(false);
}

static void
test_kill_after_each(void **state)
{
	(void)state;
	kill_at_each(true);
}

/* Parts of the right number and size, but of other bytes, or of bytes that
 * nothing is known of, are sent again; and one that is too short. */
static void
test_proof(void **state)
{
	(void)state;
	kill_at_complete();
	pthread_mutex_lock(&s3->mutex);
	part(1)->crc32c ^= 1;
	part(1)->bytes.data[7] ^= 1;
	part(2)->has_crc32c = false;
	part(4)->bytes.size--;
	pthread_mutex_unlock(&s3->mutex);
	count_again();
	assert_true(mount_again());
	drain();
	assert_sent();
	assert_went_up(2 * PART + TAIL, 0);
}

/* A file that was written meanwhile goes up as it is. */
static void
test_changed_since(void **state)
{
	struct cache_stats stats = { 0 };
	struct cache_file *f;

	(void)state;
	kill_at_complete();
	fake_hold(s3, S3_LIST_PARTS, true);
	count_again();
	assert_true(mount_again());
	fake_wait_held(s3, 1);
	fake_fail(s3, S3_LIST_PARTS, -EIO, 1);
	fake_hold(s3, S3_LIST_PARTS, false);
	while (stats.failed_files == 0) {
		(void)usleep(1000);
		cache_get_stats(cache, &stats);
	}
	f = open_file(ROOT, "f");
	data[PART + 5] ^= 0x55;
	assert_int_equal(
	    cache_file_write(f, PART + 5, data + PART + 5, 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_sent();
	assert_went_up(PART, 0);
	drain();
}

/* Somebody aborted it: a new one. */
static void
test_it_is_gone(void **state)
{
	struct fake_upload *gone;

	(void)state;
	kill_at_complete();
	pthread_mutex_lock(&s3->mutex);
	gone = s3->bucket.uploads;
	s3->bucket.uploads = gone->next;
	pthread_mutex_unlock(&s3->mutex);
	fake_upload_free(gone);
	count_again();
	assert_true(mount_again());
	drain();
	assert_sent();
	assert_int_equal(fake_count(s3, S3_LIST_PARTS), 1);
	assert_went_up(SIZE, 1);
}

/* The keys may not list: all goes up, and the upload is not left behind. */
static void
test_not_allowed_to_list(void **state)
{
	(void)state;
	kill_at_complete();
	set_dead(true);
	fake_before(s3, NULL);
	close_cache();
	set_dead(false);
	restore_folder();
	fake_fail(s3, S3_LIST_PARTS, -EACCES, 1);
	count_again();
	open_cache();
	drain();
	assert_sent();
	assert_int_equal(fake_count(s3, S3_LIST_PARTS), 1);
	assert_went_up(SIZE, 0);
}

/* Fails all parts after some. */
static _Atomic unsigned parts_left;

static void
let_some(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind != S3_UPLOAD_PART)
		return;
	if (parts_left == 0)
		fake_fail(bucket, S3_UPLOAD_PART, -EHOSTUNREACH, UINT_MAX);
	else
		parts_left--;
}

/* S3 is away from the third part on. */
static void
cut_off(void)
{
	parts_left = 2;
	fake_before(s3, let_some);
}

static void
come_back(void)
{
	fake_before(s3, NULL);
	fake_fail(s3, S3_UPLOAD_PART, 0, 0);
	count_again();
}

/* No kill: the same process goes on. */
static void
test_after_an_outage(void **state)
{
	struct cache_file *f;

	(void)state;
	f = write_file();
	cut_off();
	assert_int_equal(cache_file_flush(f, NULL), -EHOSTUNREACH);
	assert_int_equal(parts_there(), 2);
	come_back();
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_sent();
	assert_int_equal(fake_count(s3, S3_UPLOAD_PART), PARTS - 2);
	assert_int_equal(s3->bucket.ids, uploads_before);
	assert_int_equal(fake_count(s3, S3_LIST_PARTS), 0);
	cache_file_close(f);
}

/* What was changed meanwhile is sent again. */
static void
test_changed_in_an_outage(void **state)
{
	struct cache_file *f;
	unsigned again;

	(void)state;
	f = write_file();
	cut_off();
	assert_int_equal(cache_file_flush(f, NULL), -EHOSTUNREACH);
	pthread_mutex_lock(&s3->mutex);
	again = part(1) != NULL;
	pthread_mutex_unlock(&s3->mutex);
	come_back();
	data[3] ^= 0x55;
	assert_int_equal(cache_file_write(f, 3, data + 3, 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_sent();
	assert_int_equal(fake_count(s3, S3_UPLOAD_PART), PARTS - 2 + again);
	cache_file_close(f);
}

/* It ends with the mount: the next one goes on. */
static void
test_unmounted_in_an_outage(void **state)
{
	(void)state;
	cut_off();
	assert_int_equal(send_file(), -EHOSTUNREACH);
	close_cache();
	assert_int_equal(parts_there(), 2);
	come_back();
	open_cache();
	drain();
	assert_sent();
	assert_int_equal(fake_count(s3, S3_LIST_PARTS), 1);
	assert_int_equal(fake_count(s3, S3_UPLOAD_PART), PARTS - 2);
	assert_int_equal(s3->bucket.ids, uploads_before);
}

/* A file that is gone meanwhile leaves nothing behind. */
static void
test_removed_in_an_outage(void **state)
{
	(void)state;
	cut_off();
	assert_int_equal(send_file(), -EHOSTUNREACH);
	come_back();
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	for (int i = 0; i < 3000 && fake_uploads(s3) > 0; i++)
		(void)usleep(10000);
	assert_int_equal(fake_uploads(s3), 0);
	assert_false(fake_has(s3, "f"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_kill_before_each),
		T(test_kill_after_each),
		T(test_proof),
		T(test_changed_since),
		T(test_it_is_gone),
		T(test_not_allowed_to_list),
		T(test_after_an_outage),
		T(test_changed_in_an_outage),
		T(test_unmounted_in_an_outage),
		T(test_removed_in_an_outage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
