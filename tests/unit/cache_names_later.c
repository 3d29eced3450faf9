/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_names_later.c - changes of names that S3 is told of later: what they
 * cost, and what is seen meanwhile.
 *
 * Role:    unit test of cache/owed.c, claim.c, removal*.c, rename_later.c,
 *          rename_owed.c, make.c, where a call does not wait for S3.  What goes
 *          wrong: cache_names_owed.c.
 */
#include "tests/unit/names_later.h"

/* ---- made ---- */

static void
test_make_is_owed(void **state)
{
	struct cache_attr attr;
	uint64_t rows = row_count();

	(void)state;
	list_dir(ROOT);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0750, NULL, &attr), 0);
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "there", &attr), 0);
	assert_int_equal(make(ROOT, "p", S_IFIFO | 0600, NULL, &attr), 0);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0750, NULL, &attr), -EEXIST);
	assert_cost((struct cost){ 0 });
	assert_true(S_ISDIR(get(ROOT, "d").mode));
	assert_owed(3, 0, 0);
	drain();
	assert_cost((struct cost){ .puts = 3 });
	assert_object("d/", "");
	assert_object("l", "there");
	assert_meta("p", "mode", "4480");
	assert_clean(ROOT, "d");
	assert_clean(ROOT, "l");
	assert_clean(ROOT, "p");
	assert_int_equal(row_count(), rows + 3);
}

/* What is set until then goes along. */
static void
test_attributes_fold(void **state)
{
	struct cache_set set = { .what = CACHE_SET_MODE, .mode = 0700 };
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0750, NULL, &attr), 0);
	assert_int_equal(
	    cache_setattr(cache, attr.node, NULL, &set, NULL, &attr), 0);
	drain();
	assert_cost((struct cost){ .puts = 1 });
	assert_meta("d/", "mode", "16832");
	assert_clean(ROOT, "d");
}

/* What was never sent goes without a request. */
static void
test_discard(void **state)
{
	uint64_t rows = row_count(), dir;
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	dir = make_dir(ROOT, "d");
	assert_int_equal(make(dir, "l", S_IFLNK | 0777, "x", &attr), 0);
	assert_int_equal(cache_unlink(cache, dir, "l", NULL), 0);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	assert_owed(0, 0, 0);
	drain();
	assert_cost((struct cost){ 0 });
	assert_true(row_count() <= rows + 1);
}

/* ---- removed ---- */

static void
test_unlink_is_owed(void **state)
{
	(void)state;
	fake_put(s3, "a", 10, 1);
	fake_put(s3, "b", 10, 1);
	fake_put(s3, "c", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), -ENOENT);
	assert_int_equal(cache_unlink(cache, ROOT, "b", NULL), 0);
	assert_cost((struct cost){ 0 });
	/* A listing shows them still: they do not come back. */
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_false(exists(ROOT, "a"));
	assert_true(fake_has(s3, "a"));
	assert_owed(0, 2, 0);
	fake_count_reset(s3);
	drain();
	assert_cost((struct cost){ .batches = 1 });
	assert_false(fake_has(s3, "a"));
	assert_false(fake_has(s3, "b"));
	assert_true(fake_has(s3, "c"));
	assert_owed(0, 0, 0);
}

/* A whole tree costs its listing and one request. */
static void
remove_tree(const char *marker)
{
	char name[32];
	uint64_t dir;

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "d/f%03d", i);
		fake_put(s3, name, 10, 1);
	}
	fake_put(s3, "keep", 1, 1);
	if (marker != NULL) {
		fake_put(s3, marker, 0, 1);
		set_empty_etag(marker);
	}
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "f%03d", i);
		assert_int_equal(cache_unlink(cache, dir, name, NULL), 0);
	}
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	assert_false(exists(ROOT, "d"));
	assert_cost((struct cost){ 0 });
	drain();
	assert_cost((struct cost){ .batches = 1 });
	assert_false(fake_has(s3, "d/f000"));
	assert_false(fake_has(s3, "d/f199"));
	assert_false(fake_has(s3, "d/"));
	assert_true(fake_has(s3, "keep"));
	assert_false(exists(ROOT, "d"));
	assert_owed(0, 0, 0);
}

static void
test_remove_implicit_tree(void **state)
{
	(void)state;
	remove_tree(NULL);
}

static void
test_remove_explicit_tree(void **state)
{
	(void)state;
	remove_tree("d/");
}

/* The last entry leaves: its directory's marker goes first. */
static void
test_last_entry(void **state)
{
	uint64_t dir;

	(void)state;
	fake_put(s3, "d/x", 10, 1);
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	assert_int_equal(cache_unlink(cache, dir, "x", NULL), 0);
	assert_cost((struct cost){ 0 });
	drain();
	assert_cost((struct cost){ .puts = 1, .deletes = 1 });
	assert_true(fake_has(s3, "d/"));
	assert_false(fake_has(s3, "d/x"));
	assert_clean(ROOT, "d");
}

/* A file in its place: one PUT that replaces it. */
static void
test_create_over(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	f = create(ROOT, "f", "new");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	drain();
	assert_cost((struct cost){ .puts = 1 });
	assert_object("f", "new");
	assert_clean(ROOT, "f");
	assert_owed(0, 0, 0);
	/* And a symlink. */
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	{
		struct cache_attr attr;

		assert_int_equal(
		    make(ROOT, "f", S_IFLNK | 0777, "to", &attr), 0);
	}
	drain();
	assert_cost((struct cost){ .puts = 1 });
	assert_object("f", "to");
	assert_clean(ROOT, "f");
}

/* A directory in the place of one that is going. */
static void
test_dir_over(void **state)
{
	struct cache_file *f;
	uint64_t dir;

	(void)state;
	fake_put(s3, "d/", 0, 1);
	fake_put(s3, "d/x", 10, 1);
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	assert_int_equal(cache_unlink(cache, dir, "x", NULL), 0);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	dir = make_dir(ROOT, "d");
	/* A listing shows what is to go: that is not in it. */
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(dir);
	assert_false(exists(dir, "x"));
	f = create(dir, "x", "new");
	drain();
	cache_file_close(f);
	assert_object("d/x", "new");
	assert_true(fake_has(s3, "d/"));
	assert_clean(dir, "x");
	assert_clean(ROOT, "d");
	assert_owed(0, 0, 0);
}

/* Who has it open reads on, also what was not local. */
static void
test_open_file_stays(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "f", "some text");
	close_cache();
	config.dir = "/nowhere";
	config.dir = folder;
	open_cache();
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	drain();
	assert_false(fake_has(s3, "f"));
	assert_text(f, "some text");
	cache_file_close(f);
}

/* ---- renamed ---- */

static int
move(const char *from, const char *to)
{
	int r = cache_rename(cache, &AT(ROOT, from), &AT(ROOT, to), 0, NULL);

	tick();
	return r;
}

static void
test_rename_is_owed(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	assert_cost((struct cost){ 0 });
	assert_owed(0, 1, 1);
	assert_false(exists(ROOT, "a"));
	f = open_file(ROOT, "b");
	assert_text(f, "bytes");
	drain();
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_text(f, "bytes");
	cache_file_close(f);
	assert_object("b", "bytes");
	assert_false(fake_has(s3, "a"));
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* However often, it is copied once; or not at all. */
static void
test_rename_chain(void **state)
{
	(void)state;
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	assert_int_equal(move("b", "c"), 0);
	drain();
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_object("c", "bytes");
	assert_false(fake_has(s3, "a"));
	assert_false(fake_has(s3, "b"));
	assert_int_equal(move("c", "d"), 0);
	assert_int_equal(move("d", "c"), 0);
	assert_owed(0, 0, 0);
	drain();
	assert_cost((struct cost){ 0 });
	assert_object("c", "bytes");
	assert_clean(ROOT, "c");
}

static void
test_rename_over(void **state)
{
	(void)state;
	put_text(ROOT, "a", "new");
	put_text(ROOT, "b", "old");
	list_dir(ROOT);
	assert_int_equal(cache_rename(cache, &AT(ROOT, "a"), &AT(ROOT, "b"),
			     RENAME_NOREPLACE, NULL),
	    -EEXIST);
	assert_int_equal(move("a", "b"), 0);
	drain();
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_object("b", "new");
	assert_false(fake_has(s3, "a"));
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* The way most programs save a file costs the PUT. */
static void
test_save_by_rename(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "name", "old");
	list_dir(ROOT);
	f = create(ROOT, "tmp", "new");
	assert_int_equal(move("tmp", "name"), 0);
	assert_object("name", "old");
	drain();
	assert_cost((struct cost){ .puts = 1 });
	cache_file_close(f);
	assert_object("name", "new");
	assert_false(fake_has(s3, "tmp"));
	assert_clean(ROOT, "name");
	assert_owed(0, 0, 0);
}

/* Two names change places by way of a third. */
static void
test_swap(void **state)
{
	(void)state;
	put_text(ROOT, "a", "was a");
	put_text(ROOT, "b", "was b");
	list_dir(ROOT);
	assert_int_equal(move("a", "t"), 0);
	assert_int_equal(move("b", "a"), 0);
	assert_int_equal(move("t", "b"), 0);
	drain();
	assert_object("a", "was b");
	assert_object("b", "was a");
	assert_false(fake_has(s3, "t"));
	assert_clean(ROOT, "a");
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* As logs are rotated. */
static void
test_rotation(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "log", "now");
	put_text(ROOT, "log.1", "one");
	put_text(ROOT, "log.2", "two");
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "log.2", NULL), 0);
	assert_int_equal(move("log.1", "log.2"), 0);
	assert_int_equal(move("log", "log.1"), 0);
	f = create(ROOT, "log", "next");
	drain();
	cache_file_close(f);
	assert_cost((struct cost){ .puts = 1, .copies = 2 });
	assert_object("log", "next");
	assert_object("log.1", "now");
	assert_object("log.2", "one");
	assert_owed(0, 0, 0);
}

/* What was renamed and not sent is removed: its object goes, not the name. */
static void
test_unlink_renamed(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	f = open_file(ROOT, "b");
	assert_int_equal(cache_unlink(cache, ROOT, "b", NULL), 0);
	drain();
	assert_cost((struct cost){ .deletes = 1 });
	assert_false(fake_has(s3, "a"));
	assert_false(fake_has(s3, "b"));
	assert_text(f, "bytes");
	cache_file_close(f);
	assert_owed(0, 0, 0);
}

/* Bytes that are written meanwhile are under the new name. */
static void
test_write_renamed(void **state)
{
	struct cache_file *f;

	(void)state;
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	f = open_file(ROOT, "b");
	assert_int_equal(cache_file_write(f, 0, "B", 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	drain();
	assert_object("b", "Bytes");
	assert_false(fake_has(s3, "a"));
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* A directory takes along what is owed below. */
static void
test_rename_dir(void **state)
{
	struct cache_attr attr;
	struct cache_file *f;
	uint64_t dir;

	(void)state;
	fake_put(s3, "d/gone", 10, 1);
	fake_put(s3, "d/over", 10, 1);
	fake_put(s3, "d/from", 10, 1);
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	assert_int_equal(cache_unlink(cache, dir, "gone", NULL), 0);
	assert_int_equal(cache_unlink(cache, dir, "over", NULL), 0);
	f = create(dir, "over", "new");
	assert_int_equal(make(dir, "sub", S_IFDIR | 0700, NULL, &attr), 0);
	assert_int_equal(
	    cache_rename(cache, &AT(dir, "from"), &AT(dir, "to"), 0, NULL), 0);
	assert_int_equal(move("d", "e"), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	drain();
	assert_false(fake_has(s3, "e/gone"));
	assert_object("e/over", "new");
	assert_true(fake_has(s3, "e/to"));
	assert_true(fake_has(s3, "e/sub/"));
	assert_false(fake_has(s3, "d/over"));
	assert_false(fake_has(s3, "d/gone"));
	assert_false(fake_has(s3, "d/from"));
	assert_owed(0, 0, 0);
	assert_clean(dir, "over");
}

/* ---- waited for ---- */

static void
test_sync_of_a_directory(void **state)
{
	struct cache_attr attr;
	struct cache_dir *d;
	uint64_t dir;

	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "d/g", 10, 1);
	fake_put(s3, "d/h", 10, 1);
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_int_equal(cache_unlink(cache, dir, "g", NULL), 0);
	assert_int_equal(make(dir, "l", S_IFLNK | 0777, "x", &attr), 0);
	assert_int_equal(cache_opendir(cache, dir, NULL, &d), 0);
	assert_int_equal(cache_dir_sync(d, NULL), 0);
	cache_closedir(d);
	assert_true(fake_has(s3, "d/l"));
	assert_false(fake_has(s3, "d/g"));
	assert_int_equal(cache_unlink(cache, dir, "h", NULL), 0);
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_dir_sync(d, NULL), 0);
	cache_closedir(d);
	assert_false(fake_has(s3, "d/h"));
	assert_false(fake_has(s3, "f"));
	assert_owed(0, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_make_is_owed),
		T(test_attributes_fold),
		T(test_discard),
		T(test_unlink_is_owed),
		T(test_remove_implicit_tree),
		T(test_remove_explicit_tree),
		T(test_last_entry),
		T(test_create_over),
		T(test_dir_over),
		T(test_open_file_stays),
		T(test_rename_is_owed),
		T(test_rename_chain),
		T(test_rename_over),
		T(test_save_by_rename),
		T(test_swap),
		T(test_rotation),
		T(test_unlink_renamed),
		T(test_write_renamed),
		T(test_rename_dir),
		T(test_sync_of_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
