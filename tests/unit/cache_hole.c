/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_hole.c - holes take no room in the cache: a file of them may be longer
 * than it, and is zeros here and in S3, whatever is written into it and
 * whenever the daemon is killed.
 *
 * Role:    unit test of cache/chunk_hole.c, and of write.c, stage.c, snapshot.c
 *          and facts.c where they count what takes room.
 */
#include "tests/unit/crash.h"
#include "tests/unit/pieces.h"

#include <unistd.h>

#include "cache/admin.h"
#include "cache/entry.h"

#define CACHE (12 * MIB)
#define SIZE  (40 * MIB)
#define POKE  (21 * MIB) /* where something is written */
#define SMALL (4 * MIB)  /* what that, and the database, take at most */
#define ENDED 3000       /* times 10 ms: it takes that long at most */
#define ZEROS ".pailfs/zero/16777216"

static int
set_up_hole(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.size = CACHE;
	open_cache();
	fake_count_reset(s3);
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_hole, tear_down)

/* ---- bytes ---- */

static int
punch(struct cache_file *f, uint64_t off, uint64_t end)
{
	return cache_file_allocate(f,
	    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, end - off, NULL);
}

/* Zeros, but for the MiB at POKE. */
static void
assert_poked(struct cache_file *f)
{
	assert_bytes(f, 0, 0, POKE);
	assert_bytes(f, 1, POKE, POKE + MIB);
	assert_bytes(f, 0, POKE + MIB, SIZE);
}

static void
assert_poked_stored(const char *key)
{
	assert_int_equal(fake_size(s3, key), SIZE);
	assert_stored(key, 0, 0, POKE);
	assert_stored(key, 1, POKE, POKE + MIB);
	assert_stored(key, 0, POKE + MIB, SIZE);
}

/* ---- room ---- */

static uint64_t
used(void)
{
	struct cache_stats stats;

	cache_get_stats(cache, &stats);
	return stats.used;
}

/* All staging objects are gone. */
static void
assert_nothing_left(void)
{
	for (int i = 0; i < ENDED; i++) {
		if (fake_objects(s3, ".pailfs/") <=
		    (fake_has(s3, ZEROS) ? 1U : 0U))
			break;
		tick(); /* a clock that stands still lets nothing go */
		(void)usleep(10000);
	}
	assert_int_equal(
	    fake_objects(s3, ".pailfs/"), fake_has(s3, ZEROS) ? 1 : 0);
	assert_int_equal(fake_uploads(s3), 0);
}

/* ---- tests ---- */

static void
test_grown(void **state)
{
	struct cache_file *f = create(ROOT, "f", "");

	(void)state;
	assert_int_equal(truncate_to(f, SIZE), 0);
	fill(f, 1, POKE, POKE + MIB);
	assert_true(used() < SMALL);
	assert_poked(f);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_poked_stored("f");
	/* The zeros, once, and the window round what was written. */
	assert_true(fake_bytes_up(s3) < 16 * MIB + 10 * MIB);
	assert_poked(f);
	assert_true(used() < SMALL);
	cache_file_close(f);
	assert_nothing_left();
}

static void
test_written_beyond_the_end(void **state)
{
	struct cache_file *f = create(ROOT, "f", "");

	(void)state;
	fill(f, 1, POKE, POKE + MIB);
	fill(f, 0, SIZE - MIB, SIZE);
	assert_true(used() < SMALL);
	assert_poked(f);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_poked_stored("f");
	cache_file_close(f);
}

/* All of the hole, with more than the cache holds. */
static void
test_filled(void **state)
{
	struct cache_file *f = create(ROOT, "f", "");

	(void)state;
	assert_int_equal(truncate_to(f, SIZE), 0);
	for (uint64_t off = SIZE; off > 0; off -= 4 * MIB) {
		fill(f, 2, off - 4 * MIB, off);
		assert_true(used() <= CACHE);
	}
	assert_bytes(f, 2, 0, SIZE);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(fake_size(s3, "f"), SIZE);
	assert_stored("f", 2, 0, SIZE);
	cache_file_close(f);
	assert_nothing_left();
}

/* What was written, and is zeros again, gives its room back. */
static void
test_punched(void **state)
{
	struct cache_file *f = create(ROOT, "f", "");
	uint64_t before;

	(void)state;
	fill(f, 2, 0, 8 * MIB);
	before = used();
	assert_int_equal(punch(f, MIB, 8 * MIB), 0);
	assert_true(used() <= before - 7 * MIB);
	assert_int_equal(truncate_to(f, SIZE), 0);
	fill(f, 2, 20 * MIB, 28 * MIB);
	assert_bytes(f, 2, 0, MIB);
	assert_bytes(f, 0, MIB, 20 * MIB);
	assert_bytes(f, 2, 20 * MIB, 28 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_stored("f", 2, 0, MIB);
	assert_stored("f", 0, MIB, 20 * MIB);
	assert_stored("f", 2, 20 * MIB, 28 * MIB);
	cache_file_close(f);
}

/* A hole in what S3 has needs neither room nor bytes of it. */
static void
test_punched_object(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", SIZE, 1);
	f = open_file(ROOT, "f");
	assert_int_equal(punch(f, 2 * MIB, 38 * MIB), 0);
	assert_true(used() < SMALL);
	assert_bytes(f, 0, 2 * MIB, 3 * MIB);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 0);
	assert_bytes(f, 0, 3 * MIB, 38 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_stored("f", 1, 0, 2 * MIB);
	assert_stored("f", 0, 2 * MIB, 38 * MIB);
	assert_stored("f", 1, 38 * MIB, SIZE);
	cache_file_close(f);
}

/* By the next mount, which finds them in the chunk file. */
static void
test_found_again(void **state)
{
	struct cache_file *f = create(ROOT, "f", "");

	(void)state;
	assert_int_equal(truncate_to(f, SIZE), 0);
	fill(f, 1, POKE, POKE + MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	close_cache();
	open_cache();
	assert_true(used() < SMALL);
	f = open_file(ROOT, "f");
	assert_true(used() < SMALL);
	fake_count_reset(s3);
	assert_poked(f);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 0);
	cache_file_close(f);
}

/* To make room, holes are spared: they give none. */
static void
test_spared(void **state)
{
	struct cache_file *f = create(ROOT, "f", ""), *g;
	struct entry *e;

	(void)state;
	assert_int_equal(truncate_to(f, SIZE), 0);
	fill(f, 1, POKE, POKE + MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	fake_put(s3, "g", SIZE, 3);
	g = open_file(ROOT, "g");
	assert_bytes(g, 3, 0, SIZE);
	e = entry_find(cache, get(ROOT, "f").node);
	assert_non_null(e);
	lock_take(&e->lock);
	assert_false(rangeset_has_any(&e->chunk.present, POKE, POKE + MIB));
	assert_true(rangeset_has(&e->chunk.present, 0, POKE));
	assert_true(rangeset_has(&e->chunk.present, POKE + MIB, SIZE));
	lock_drop(&e->lock);
	entry_put(e);
	assert_true(used() <= CACHE);
	assert_poked(f);
	cache_file_close(f);
	cache_file_close(g);
}

/* What a close has covered is set aside: no more than takes room. */
static void
test_set_aside(void **state)
{
	struct cache_file *f;
	struct entry *e;

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_FSYNC;
	open_cache();
	f = create(ROOT, "f", "");
	assert_int_equal(truncate_to(f, SIZE), 0);
	fill(f, 1, POKE, POKE + MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	fill(f, 2, 0, MIB);
	e = entry_find(cache, get(ROOT, "f").node);
	assert_non_null(e);
	assert_int_not_equal(e->snapshot, 0);
	entry_put(e);
	assert_true(used() < SMALL + 2 * MIB);
	fill(f, 0, 0, MIB);
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_poked_stored("f");
	cache_file_close(f);
	assert_true(used() < SMALL);
}

/* What has no room to be set aside is sent, and then need not be. */
static void
test_too_long_to_set_aside(void **state)
{
	struct cache_file *f;

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_FSYNC;
	open_cache();
	f = create(ROOT, "f", "");
	fill(f, 1, 0, 11 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	fill(f, 2, 0, 4 * MIB);
	assert_stored("f", 1, 0, 11 * MIB);
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_stored("f", 2, 0, 4 * MIB);
	assert_stored("f", 1, 4 * MIB, 11 * MIB);
	cache_file_close(f);
}

/* ---- what is noted is what the file is ---- */

#define STEPS  300
#define LENGTH (64 * MIB)

static uint64_t
step(uint64_t *seed, uint64_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (*seed >> 33) % below;
}

/* The bytes of the file that are in no hole. */
static uint64_t
found_room(struct entry *e)
{
	const struct range all = { 0, e->size };
	struct rangeset holes;
	uint64_t bytes;

	rangeset_init(&holes);
	if (e->size > 0)
		assert_int_equal(chunk_holes(&e->chunk, &all, 1, &holes), 0);
	bytes = e->size - rangeset_bytes(&holes);
	rangeset_fini(&holes);
	return bytes;
}

static void
change_some(struct cache_file *f, struct entry *e, uint64_t *seed)
{
	uint64_t off = step(seed, LENGTH), len = 1 + step(seed, MIB);

	switch (step(seed, 4)) {
	case 0:
		assert_int_equal(truncate_to(f, off), 0);
		break;
	case 1:
		if (off < e->size)
			assert_int_equal(punch(f, off, off + 8 * len), 0);
		break;
	default:
		assert_int_equal(
		    cache_file_write(f, off, piece, len, false, NULL), 0);
	}
}

static void
test_random(void **state)
{
	struct cache_file *f;
	uint64_t seed = 5;
	struct entry *e;

	(void)state;
	close_cache();
	config.size = 256 * MIB;
	open_cache();
	f = create(ROOT, "f", "");
	e = entry_find(cache, get(ROOT, "f").node);
	for (uint64_t i = 1; i <= STEPS; i++) {
		uint64_t found, noted;

		change_some(f, e, &seed);
		found = found_room(e);
		noted = chunk_room(&e->chunk);
		/* A page at each end of a change may be counted, or not. */
		assert_true(noted <= found + 8192 * i);
		assert_true(found <= noted + 8192);
		assert_true(used() >= noted);
		assert_true(used() <= noted + SMALL);
	}
	entry_put(e);
	cache_file_close(f);
}

/* ---- kills ---- */

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

/* Where it is after the next mount: under its name, or beside. */
static const char *
name_after(void)
{
	static char name[CACHE_NAME_MAX + 1];
	struct cache_dir *d;

	(void)strcpy(name, "f");
	if (fake_has(s3, "f"))
		return name;
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take_aside, name), 0);
	cache_closedir(d);
	return name;
}

static bool
write_and_close(void)
{
	struct cache_file *f = create(ROOT, "f", "");
	int r = truncate_to(f, SIZE);

	if (r == 0)
		r = try_fill(f, 1, POKE, POKE + MIB);
	if (r == 0)
		r = cache_file_flush(f, NULL);
	cache_file_close(f);
	return r == 0;
}

static void
check_after(bool is_closed)
{
	char key[CACHE_NAME_MAX + 1];
	struct cache_file *f;
	uint64_t left = 1;

	assert_true(used() < SMALL);
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	(void)snprintf(key, sizeof(key), "%s", name_after());
	if (is_closed)
		assert_string_equal(key, "f");
	assert_poked_stored(key);
	f = open_file(ROOT, key);
	assert_poked(f);
	cache_file_close(f);
	assert_true(used() <= CACHE);
	assert_nothing_left();
}

static void
kill_at_each(bool is_done)
{
	bool was_killed = true;

	for (unsigned at = 1; was_killed; at++) {
		void *none = NULL;
		bool is_closed;

		crash_at(at, is_done);
		is_closed = write_and_close();
		/* What comes after the kill is told by nobody. */
		is_closed = is_closed && crash.count < crash.at;
		was_killed = mount_again();
		check_after(is_closed);
		if (was_killed) {
			assert_int_equal(tear_down(&none), 0);
			assert_int_equal(set_up_hole(&none), 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_grown),
		T(test_written_beyond_the_end),
		T(test_filled),
		T(test_punched),
		T(test_punched_object),
		T(test_found_again),
		T(test_spared),
		T(test_set_aside),
		T(test_too_long_to_set_aside),
		T(test_random),
		T(test_killed_before),
		T(test_killed_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
