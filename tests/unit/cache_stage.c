/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_stage.c - files larger than the cache: their bytes are right, and no
 * staging object is left behind, whatever fails and whenever the daemon is
 * killed.
 *
 * Role:    unit test of cache/stage.c, and of what depends on it.
 */
#include "tests/unit/crash.h"
#include "tests/unit/pieces.h"

#include <pthread.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/entry.h"
#include "cache/stage.h"
#include "s3/base/wait.h"

#define SIZE  (30 * MIB)
#define ENDED 3000 /* times 10 ms: it takes that long at most */

static int
set_up_stage(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.size = 12 * MIB;
	open_cache();
	fake_count_reset(s3);
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_stage, tear_down)

/* ---- what is left ---- */

static void
wait_for_objects(size_t count)
{
	for (int i = 0; i < ENDED; i++) {
		if (fake_objects(s3, ".pailfs/") == count)
			return;
		tick(); /* a clock that stands still lets nothing go */
		(void)usleep(10000);
	}
	assert_int_equal(fake_objects(s3, ".pailfs/"), count);
}

static void
assert_nothing_left(void)
{
	wait_for_objects(0);
	assert_int_equal(fake_uploads(s3), 0);
}

static struct cache_file *
create_big(const char *name)
{
	return create(ROOT, name, "");
}

static bool
take_aside(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	(void)attr;
	(void)next;
	if (strchr(name, '.') == NULL)
		return true;
	(void)snprintf(arg, CACHE_NAME_MAX + 1, "%s", name);
	return false;
}

/* The name of the one file that is kept beside. */
static const char *
name_beside(void)
{
	static char name[CACHE_NAME_MAX + 1];
	struct cache_dir *d;

	name[0] = '\0';
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take_aside, name), 0);
	cache_closedir(d);
	return name;
}

static void
drain(void)
{
	uint64_t left = 1;

	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
}

/* ---- tests ---- */

static void
test_in_sequence(void **state)
{
	struct cache_stats stats;
	struct cache_file *f;

	(void)state;
	f = create_big("f");
	fill(f, 1, 0, SIZE);
	wait_for_objects(1);
	assert_false(fake_has(s3, "f"));
	assert_bytes(f, 1, 0, SIZE);
	cache_get_stats(cache, &stats);
	assert_true(stats.used <= config.size);
	assert_true(stats.dirty_bytes < config.size);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(fake_size(s3, "f"), SIZE);
	assert_stored("f", 1, 0, SIZE);
	assert_nothing_left();
	assert_bytes(f, 1, 0, SIZE);
	cache_file_close(f);
}

/* What lies in a staging object is changed, cut, made zeros, and grows. */
static void
test_changed(void **state)
{
	struct cache_file *f;

	(void)state;
	f = create_big("f");
	fill(f, 1, 0, SIZE);
	fill(f, 2, 3 * MIB, 5 * MIB);
	fill(f, 3, 12 * MIB, 28 * MIB); /* staged in turn */
	assert_int_equal(truncate_to(f, 24 * MIB), 0);
	fill(f, 4, 24 * MIB, 26 * MIB);
	assert_bytes(f, 1, 0, 3 * MIB);
	assert_bytes(f, 2, 3 * MIB, 5 * MIB);
	assert_bytes(f, 1, 5 * MIB, 12 * MIB);
	assert_bytes(f, 3, 12 * MIB, 24 * MIB);
	assert_bytes(f, 4, 24 * MIB, 26 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(fake_size(s3, "f"), 26 * MIB);
	assert_stored("f", 1, 0, 3 * MIB);
	assert_stored("f", 2, 3 * MIB, 5 * MIB);
	assert_stored("f", 1, 5 * MIB, 12 * MIB);
	assert_stored("f", 3, 12 * MIB, 24 * MIB);
	assert_stored("f", 4, 24 * MIB, 26 * MIB);
	cache_file_close(f);
	assert_nothing_left();
}

/* Answers that never came. */
static void
test_lost(void **state)
{
	struct cache_file *f;

	(void)state;
	f = create_big("f");
	fake_lose(s3, S3_COMPLETE_MULTIPART_UPLOAD, 1);
	fake_lose(s3, S3_DELETE_OBJECT, 1);
	fill(f, 1, 0, SIZE);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_int_equal(fake_size(s3, "f"), SIZE);
	assert_stored("f", 1, 0, SIZE);
	/* The DELETE is repeated by the next sweep. */
	close_cache();
	open_cache();
	assert_nothing_left();
}

/* An object that was not deleted is, a minute later, in the same mount. */
static void
test_not_deleted(void **state)
{
	struct cache_file *f;

	(void)state;
	f = create_big("f");
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, UINT_MAX);
	fill(f, 1, 0, SIZE);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	for (int i = 0; fake_count(s3, S3_DELETE_OBJECT) == 0 && i < ENDED; i++)
		(void)usleep(10000);
	fake_fail(s3, S3_DELETE_OBJECT, 0, 0);
	for (int i = 0; fake_objects(s3, ".pailfs/") > 0 && i < ENDED; i++) {
		atomic_fetch_add(&now_ms, 60000);
		stages_tick(cache);
		(void)usleep(10000);
	}
	assert_nothing_left();
}

/* No room, said at once, until there is a reason to try again. */
static void
test_refused(void **state)
{
	struct cache_file *f;
	uint64_t asked;

	(void)state;
	f = create_big("f");
	fake_fail(s3, S3_CREATE_MULTIPART_UPLOAD, -EACCES, UINT_MAX);
	assert_int_equal(try_fill(f, 1, 0, SIZE), -ENOSPC);
	asked = fake_count(s3, S3_CREATE_MULTIPART_UPLOAD);
	assert_int_equal(try_fill(f, 1, SIZE, SIZE + MIB), -ENOSPC);
	assert_int_equal(fake_count(s3, S3_CREATE_MULTIPART_UPLOAD), asked);
	fake_fail(s3, S3_CREATE_MULTIPART_UPLOAD, 0, 0);
	assert_int_equal(try_fill(f, 1, SIZE, SIZE + MIB), -ENOSPC);
	atomic_fetch_add(&now_ms, 6000);
	fill(f, 1, 0, SIZE);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_stored("f", 1, 0, SIZE);
	cache_file_close(f);
	assert_nothing_left();
}

/* What is read on both sides of unsent bytes, where nothing makes room. */
static void
test_read_without_room(void **state)
{
	const uint64_t off = 11 * MIB, len = MIB / 4;
	struct cache_file *f, *g;
	struct cache_bytes bytes;

	(void)state;
	fake_put(s3, "f", SIZE, 1);
	f = open_file(ROOT, "f");
	assert_int_equal(
	    cache_file_write(f, off, bytes_at(2, off), len, false, NULL), 0);
	g = create_big("g");
	fake_fail(s3, S3_CREATE_MULTIPART_UPLOAD, -EACCES, UINT_MAX);
	assert_int_equal(try_fill(g, 1, 0, SIZE), -ENOSPC);
	for (int r = 0; r == 0;) /* what is left */
		r = cache_file_write(g, 0, piece, 4096, true, NULL);
	assert_int_equal(cache_file_read(f, off - len, MIB, NULL, &bytes), 0);
	assert_int_equal(bytes.len, MIB);
	for (uint64_t i = 0; i < MIB; i++)
		assert_int_equal(((const uint8_t *)bytes.data)[i],
		    fake_byte(i >= len && i < 2 * len ? 2 : 1, off - len + i));
	cache_bytes_put(cache, &bytes);
	fake_fail(s3, S3_CREATE_MULTIPART_UPLOAD, 0, 0);
	cache_file_close(f);
	cache_file_close(g);
}

/* Another wins the name: the loser is whole. */
static void
test_conflict(void **state)
{
	struct cache_file *f;
	char key[CACHE_NAME_MAX + 1];

	(void)state;
	f = create_big("f");
	fill(f, 1, 0, SIZE);
	fake_put_text(s3, "f", "theirs");
	assert_int_equal(cache_file_flush(f, NULL), -ESTALE);
	cache_file_close(f);
	drain();
	(void)snprintf(key, sizeof(key), "%s", name_beside());
	assert_non_null(strstr(key, "f.conflict-"));
	assert_int_equal(fake_size(s3, key), SIZE);
	assert_stored(key, 1, 0, SIZE);
	assert_object("f", "theirs");
	assert_nothing_left();
}

/* Likewise of one that was not staged, and has no room for a copy. */
static void
test_conflict_without_room(void **state)
{
	struct cache_file *f;
	char key[CACHE_NAME_MAX + 1];

	(void)state;
	create_text(ROOT, "f", "old");
	f = open_file(ROOT, "f");
	fill(f, 1, 0, 8 * MIB);
	assert_int_equal(fake_objects(s3, ".pailfs/"), 0);
	fake_put_text(s3, "f", "theirs");
	assert_int_equal(cache_file_flush(f, NULL), -ESTALE);
	cache_file_close(f);
	drain();
	(void)snprintf(key, sizeof(key), "%s", name_beside());
	assert_non_null(strstr(key, "f.conflict-"));
	assert_stored(key, 1, 0, 8 * MIB);
	assert_object("f", "theirs");
	assert_nothing_left();
}

/* Bytes of the old base that come late do not replace newer ones. */
static void *
read_some(void *arg)
{
	struct cache_bytes bytes;

	if (cache_file_read(arg, 10 * MIB, MIB, NULL, &bytes) == 0)
		cache_bytes_put(cache, &bytes);
	return NULL;
}

static void
test_late_bytes(void **state)
{
	struct cache_file *f;
	pthread_t thread;

	(void)state;
	close_cache();
	config.size = 64 * MIB;
	open_cache();
	fake_put(s3, "f", 32 * MIB, 1);
	f = open_file(ROOT, "f");
	fake_hold(s3, S3_GET_OBJECT, true);
	assert_int_equal(pthread_create(&thread, NULL, read_some, f), 0);
	fake_wait_held(s3, 1);
	fill(f, 2, 8 * MIB, 16 * MIB);
	assert_true(stage_hurry(cache));
	wait_for_objects(1);
	/* Until it is the base, nothing more may be changed. */
	fill(f, 2, 8 * MIB, 9 * MIB);
	fake_hold(s3, S3_GET_OBJECT, false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_bytes(f, 1, 0, 8 * MIB);
	assert_bytes(f, 2, 8 * MIB, 16 * MIB);
	assert_bytes(f, 1, 16 * MIB, 32 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_stored("f", 2, 8 * MIB, 16 * MIB);
	cache_file_close(f);
	assert_nothing_left();
}

static void
wait_until_staged(const char *name)
{
	struct entry *e = entry_find(cache, get(ROOT, name).node);
	bool is_staged = false;

	assert_non_null(e);
	for (int i = 0; !is_staged && i < ENDED; i++) {
		lock_take(&e->lock);
		is_staged = entry_is_staged(e) && !e->is_staging;
		lock_drop(&e->lock);
		(void)usleep(10000);
	}
	entry_put(e);
	assert_true(is_staged);
}

/* The disk does not give what was staged any more: S3 does. */
static void
test_damaged(void **state)
{
	struct cache_file *f;
	char path[1200];
	uint64_t node;

	(void)state;
	f = create_big("f");
	fill(f, 1, 0, 8 * MIB);
	assert_true(stage_hurry(cache));
	wait_until_staged("f");
	node = get(ROOT, "f").node;
	(void)snprintf(path, sizeof(path), "%s/chunks/%02x/%lu", cache->dir,
	    (unsigned)(node & 0xff), (unsigned long)node);
	assert_int_equal(truncate(path, 0), 0);
	assert_bytes(f, 1, 0, 8 * MIB);
	fill(f, 1, 8 * MIB, 10 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_stored("f", 1, 0, 10 * MIB);
	assert_nothing_left();
}

/* ---- kills ---- */

/* Write, and close; whether that has returned 0. */
static bool
write_and_close(void)
{
	struct cache_file *f = create_big("f");
	int r = try_fill(f, 1, 0, SIZE);

	if (r == 0)
		r = cache_file_flush(f, NULL);
	cache_file_close(f);
	return r == 0;
}

/* What is there after the next mount: the file, or what there was of it. */
static void
check_after(bool is_closed)
{
	char key[CACHE_NAME_MAX + 1];
	uint64_t size;

	drain();
	(void)snprintf(
	    key, sizeof(key), "%s", fake_has(s3, "f") ? "f" : name_beside());
	if (is_closed)
		assert_string_equal(key, "f");
	/* The first request is for a part that was written. */
	assert_string_not_equal(key, "");
	size = fake_size(s3, key);
	assert_true(size >= 8 * MIB);
	if (strcmp(key, "f") == 0)
		assert_int_equal(size, SIZE);
	assert_true(size <= SIZE);
	assert_stored(key, 1, 0, size / MIB * MIB);
	close_cache();
	open_cache();
	assert_nothing_left();
}

static void
kill_at_each(bool is_done)
{
	bool was_killed = true;

	for (unsigned at = 1; was_killed; at++) {
		bool is_closed;

		crash_at(at, is_done);
		is_closed = write_and_close();
		/* The last request comes after the close. */
		for (int i = 0; is_closed && i < ENDED; i++) {
			if (crash.count >= crash.at ||
			    fake_objects(s3, ".pailfs/") == 0)
				break;
			(void)usleep(10000);
		}
		/* What comes after the kill is told by nobody. */
		is_closed = is_closed && crash.count < crash.at;
		was_killed = mount_again();
		check_after(is_closed);
		if (was_killed) {
			void *none = NULL;

			assert_int_equal(tear_down(&none), 0);
			assert_int_equal(set_up_stage(&none), 0);
		}
	}
}

static void
test_killed_before(void **state)
{
	(void)state;
	kill_at_each(false);
}

static void
test_killed_after(void **state)
{
	(void)state;
	kill_at_each(true);
}

/* All that was written lies in the staging object, and nothing came since. */
static void
test_killed_with_nothing_since(void **state)
{
	struct cache_file *f;

	(void)state;
	f = create_big("f");
	fill(f, 1, 0, 10 * MIB);
	assert_true(stage_hurry(cache));
	wait_until_staged("f");
	crash_at(1, false);
	crash.count = 1;
	copy_folder();
	set_dead(true);
	cache_file_close(f);
	assert_true(mount_again());
	check_after(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_in_sequence),
		T(test_changed),
		T(test_lost),
		T(test_not_deleted),
		T(test_refused),
		T(test_read_without_room),
		T(test_conflict),
		T(test_conflict_without_room),
		T(test_late_bytes),
		T(test_damaged),
		T(test_killed_before),
		T(test_killed_after),
		T(test_killed_with_nothing_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
