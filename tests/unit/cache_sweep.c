/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_sweep.c - multipart uploads: none is left behind, whenever the daemon
 * is killed, and none of others is touched.
 *
 * Role:    unit test of cache/sweep.c, and what parts.c and copy.c tell it.
 */
#include "tests/unit/crash.h"

#include <unistd.h>

#include "cache/copy.h"
#include "cache/db_upload.h"
#include "cache/sweep.h"

#define PART (5 * MIB)

static int
set_up_sweep(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.part_size = PART;
	open_cache();
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_sweep, tear_down)

static bool
count_one(void *arg, const struct db_upload *upload)
{
	(void)upload;
	++*(unsigned *)arg;
	return true;
}

/* How many are noted. */
static unsigned
notes(void)
{
	unsigned n = 0;

	assert_int_equal(db_uploads_each(cache->db, count_one, &n), 0);
	return n;
}

/* Wait until so many are open, and noted; others' are not noted. */
static void
wait_for_uploads(unsigned open, unsigned noted)
{
	for (int i = 0; i < 3000; i++) {
		if (fake_uploads(s3) == open && notes() == noted)
			return;
		(void)usleep(10000);
	}
	assert_int_equal(fake_uploads(s3), open);
	assert_int_equal(notes(), noted);
}

/* Write a file of three parts; what its close returns. */
static int
write_file(const char *name)
{
	static uint8_t data[MIB];
	struct cache_file *f = create(ROOT, name, "x");
	int r;

	for (uint64_t off = 0; off < 3 * PART; off += MIB)
		assert_int_equal(
		    cache_file_write(f, off, data, MIB, false, NULL), 0);
	r = cache_file_flush(f, NULL);
	cache_file_close(f);
	return r;
}

static void
add_upload(const char *key, int64_t ago_ms)
{
	struct s3_call call;

	atomic_fetch_add(&now_ms, -ago_ms);
	s3_call_init(&call, S3_CREATE_MULTIPART_UPLOAD);
	call.key = key;
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	s3_call_fini(&call);
	atomic_fetch_add(&now_ms, ago_ms);
}

/* ---- tests ---- */

static void
test_nothing_is_left(void **state)
{
	(void)state;
	assert_int_equal(write_file("f"), 0);
	wait_for_uploads(0, 0);
	fake_fail(s3, S3_COMPLETE_MULTIPART_UPLOAD, -EACCES, 1);
	assert_int_equal(write_file("g"), -EACCES);
	wait_for_uploads(0, 0);
	/* It was not made: there is nothing to look for. */
	fake_fail(s3, S3_CREATE_MULTIPART_UPLOAD, -EACCES, 1);
	fake_count_reset(s3);
	(void)write_file("h"); /* the flush tries again */
	wait_for_uploads(0, 0);
	assert_int_equal(fake_count(s3, S3_LIST_MULTIPART_UPLOADS), 0);
}

/* The create's answer is lost while we live: the upload is looked for. */
static void
test_lost_answer(void **state)
{
	(void)state;
	add_upload("other", 0);
	add_upload("f", 3600000);
	fake_lose(s3, S3_CREATE_MULTIPART_UPLOAD, 1);
	(void)write_file("f"); /* likewise */
	wait_for_uploads(2, 0);
	assert_int_equal(fake_count(s3, S3_LIST_MULTIPART_UPLOADS), 1);
}

/* S3 does not let us abort it: the next mount does. */
static void
test_abort_fails(void **state)
{
	(void)state;
	fake_fail(s3, S3_COMPLETE_MULTIPART_UPLOAD, -EACCES, 1);
	fake_fail(s3, S3_ABORT_MULTIPART_UPLOAD, -EACCES, 1);
	assert_int_equal(write_file("f"), -EACCES);
	/* The close has tried once more, or is at it. */
	wait_for_uploads(1, 1);
	fake_fail(s3, S3_ABORT_MULTIPART_UPLOAD, 0, 0);
	close_cache();
	open_cache();
	wait_for_uploads(0, 0);
}

static unsigned
kill_at_each(bool is_done)
{
	bool killed = true;
	unsigned at = 0;
	uint64_t left;
	char name[16];

	add_upload("theirs", 0);
	add_upload("f1", 3600000);
	while (killed) {
		(void)snprintf(name, sizeof(name), "f%u", ++at);
		crash_at(at, is_done);
		(void)write_file(name);
		killed = mount_again();
		/* What the kill left is sent: no request of the next round. */
		assert_int_equal(cache_drain(cache, NULL, &left), 0);
		/* Theirs, and what was begun an hour before. */
		wait_for_uploads(2, 0);
		assert_true(fake_has(s3, name) || killed);
	}
	return at - 1;
}

static void
test_kill_before_each(void **state)
{
	(void)state;
	/* Create, parts, complete. */
	assert_true(kill_at_each(false) >= 1 + 3 + 1);
}

static void
test_kill_after_each(void **state)
{
	(void)state;
	assert_true(kill_at_each(true) >= 1 + 3 + 1);
}

/* Copies of objects of more than 5 GiB are made of parts, too. */
static void
test_kill_in_a_copy(void **state)
{
	bool killed = true;
	unsigned at = 0;

	(void)state;
	fake_put(s3, "big", 6 * KIB * MIB, 1);
	while (killed) {
		struct copy what = { .source_key = "big",
			.size = 6 * KIB * MIB,
			.key = "copy",
			.if_absent = true };
		struct copy_result made;

		at++;
		crash_at(at, at % 2 == 0);
		(void)copy_run(cache, &what, NULL, &made);
		copy_result_fini(&made);
		killed = mount_again();
		wait_for_uploads(0, 0);
		fake_remove(s3, "copy");
		at = killed && at == 4 ? 22 : at; /* enough of the parts */
	}
}

/* Who goes on with one takes it over. */
static void
test_claim(void **state)
{
	struct db_upload mine = {
		.upload_id = "upload1", .key = "f", .token = "t"
	};
	struct sweep_upload claimed;

	(void)state;
	close_cache();
	config.read_only = true; /* nothing is swept */
	open_cache();
	add_upload("f", 0);
	add_upload("g", 0);
	assert_int_equal(db_number(cache->db, &mine.id), 0);
	mine.upload_id = s3->bucket.uploads->next->id;
	assert_int_equal(db_upload_put(cache->db, &mine), 0);
	assert_int_equal(db_number(cache->db, &mine.id), 0);
	mine.key = "g";
	mine.upload_id = s3->bucket.uploads->id;
	assert_int_equal(db_upload_put(cache->db, &mine), 0);
	close_cache();
	open_cache();
	assert_int_equal(sweep_claim(cache, "h", &claimed), -ENOENT);
	assert_int_equal(sweep_claim(cache, "g", &claimed), 0);
	assert_int_equal(claimed.note, mine.id);
	assert_string_equal(claimed.upload_id, mine.upload_id);
	assert_string_equal(claimed.row.token, "t");
	assert_int_equal(sweep_run(cache), 0);
	wait_for_uploads(1, 1);
	assert_string_equal(s3->bucket.uploads->key, "g");
	sweep_end(cache, claimed.note);
	sweep_upload_fini(&claimed);
	assert_int_equal(notes(), 0);
}

static uint64_t begun;

/* The create of 'g' is answered while the upload of 'f' is aborted. */
static void
answer(struct s3 *bucket, const struct s3_call *call)
{
	char id[] = "new";
	struct s3_call made;

	(void)bucket;
	if (call->kind != S3_ABORT_MULTIPART_UPLOAD || begun == 0)
		return;
	s3_call_init(&made, S3_CREATE_MULTIPART_UPLOAD);
	made.key = "g";
	made.ret_upload_id = id;
	sweep_answered(cache, &begun, &made);
	made.ret_upload_id = NULL;
	s3_call_fini(&made);
	begun = 0;
}

/* One whose id is not known is looked for when no other of its key is being
 * begun, also if the other's answer comes during the sweep. */
static void
test_answered_meanwhile(void **state)
{
	struct db_upload left = { .upload_id = "", .key = "g" };

	(void)state;
	close_cache();
	config.read_only = true; /* nothing is swept */
	open_cache();
	add_upload("f", 0);
	assert_int_equal(db_number(cache->db, &left.id), 0);
	left.key = "f";
	left.upload_id = s3->bucket.uploads->id;
	assert_int_equal(db_upload_put(cache->db, &left), 0);
	assert_int_equal(db_number(cache->db, &left.id), 0);
	left.key = "g";
	left.upload_id = "";
	assert_int_equal(db_upload_put(cache->db, &left), 0);
	close_cache();
	open_cache();
	assert_int_equal(sweep_begin(cache, "g", NULL, &begun), 0);
	fake_before(s3, answer);
	assert_int_equal(sweep_run(cache), 0);
	wait_for_uploads(0, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_is_left),
		T(test_lost_answer),
		T(test_abort_fails),
		T(test_kill_before_each),
		T(test_kill_after_each),
		T(test_kill_in_a_copy),
		T(test_claim),
		T(test_answered_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
