/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_names_owed.c - changes of names that S3 is told of later, when that
 * goes wrong: refused, lost, met by another's, or in the next mount.
 *
 * Role:    unit test of cache/owed.c, claim.c, removal*.c, rename_owed.c,
 *          make.c, recover_name.c.
 */
#include "tests/unit/names_later.h"

#include "cache/admin.h"

static int
move(const char *from, const char *to)
{
	int r = cache_rename(cache, &AT(ROOT, from), &AT(ROOT, to), 0, NULL);

	tick();
	return r;
}

/* Send it all, as far as it goes: how many are left. */
static uint64_t
try_drain(void)
{
	uint64_t left = 0;
	int r = cache_drain(cache, NULL, &left);

	assert_true(r == 0 || r == -EIO);
	tick();
	return left;
}

/* A change of a name is taken back, which is told; nothing else is left. */
static void
assert_drain_refused(int err)
{
	uint64_t left = 9;

	assert_int_equal(cache_drain(cache, NULL, &left), err);
	assert_int_equal(left, 0);
	tick();
	/* Once. */
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
}

static uint64_t
names_back(void)
{
	struct cache_stats st;

	cache_get_stats(cache, &st);
	return st.names_back;
}

/* How many entries of the root have a name that begins so. */
struct begin {
	const char *with;
	unsigned count;
};

static bool
count_name(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct begin *b = arg;

	(void)attr;
	(void)next;
	if (strncmp(name, b->with, strlen(b->with)) == 0)
		b->count++;
	return true;
}

static unsigned
count_names(const char *with)
{
	struct begin b = { .with = with };
	struct cache_dir *d;

	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, count_name, &b), 0);
	cache_closedir(d);
	return b.count;
}

/* ---- refused ---- */

static void
test_delete_refused(void **state)
{
	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_drain_refused(-EIO);
	assert_true(exists(ROOT, "f"));
	assert_int_equal(names_back(), 1);
	assert_owed(0, 0, 0);
	assert_true(atomic_load(&changes) > 0);
}

/* One of many: the others are gone. */
static void
test_one_refused(void **state)
{
	(void)state;
	fake_put(s3, "a", 10, 1);
	fake_put(s3, "b", 10, 1);
	fake_put(s3, "c", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "b", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "c", NULL), 0);
	fake_keep(s3, "b");
	assert_drain_refused(-EIO);
	assert_false(exists(ROOT, "a"));
	assert_true(exists(ROOT, "b"));
	assert_false(exists(ROOT, "c"));
	assert_int_equal(names_back(), 1);
}

/* A directory whose entry came back is back, too. */
static void
test_entry_refused(void **state)
{
	uint64_t dir;

	(void)state;
	fake_put(s3, "d/", 0, 1);
	set_empty_etag("d/");
	fake_put(s3, "d/a", 10, 1);
	fake_put(s3, "d/b", 10, 1);
	list_dir(ROOT);
	dir = get(ROOT, "d").node;
	list_dir(dir);
	assert_int_equal(cache_unlink(cache, dir, "a", NULL), 0);
	assert_int_equal(cache_unlink(cache, dir, "b", NULL), 0);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	fake_keep(s3, "d/b");
	(void)try_drain();
	assert_true(exists(ROOT, "d"));
	assert_true(exists(get(ROOT, "d").node, "b"));
	assert_false(exists(get(ROOT, "d").node, "a"));
	assert_owed(0, 0, 0);
}

/* Not for good: it is tried until it is done. */
static void
test_transient(void **state)
{
	struct cache_attr attr;

	(void)state;
	fake_put(s3, "a", 10, 1);
	fake_put(s3, "b", 10, 1);
	put_text(ROOT, "m", "bytes");
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "b", NULL), 0);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), 0);
	assert_int_equal(move("m", "n"), 0);
	fake_fail(s3, S3_DELETE_OBJECTS, -EIO, 9);
	fake_fail(s3, S3_DELETE_OBJECT, -EIO, 9);
	fake_fail(s3, S3_PUT_OBJECT, -EIO, 9);
	fake_fail(s3, S3_COPY_OBJECT, -EIO, 9);
	assert_true(try_drain() >= 4);
	assert_false(exists(ROOT, "a"));
	assert_true(exists(ROOT, "d"));
	assert_true(exists(ROOT, "n"));
	fake_fail(s3, S3_DELETE_OBJECTS, 0, 0);
	fake_fail(s3, S3_DELETE_OBJECT, 0, 0);
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	fake_fail(s3, S3_COPY_OBJECT, 0, 0);
	drain();
	assert_false(fake_has(s3, "a"));
	assert_false(fake_has(s3, "b"));
	assert_true(fake_has(s3, "d/"));
	assert_object("n", "bytes");
	assert_false(fake_has(s3, "m"));
	assert_owed(0, 0, 0);
}

/* The file has its old name, and what it was to replace is there. */
static void
test_copy_refused(void **state)
{
	(void)state;
	put_text(ROOT, "a", "mine");
	put_text(ROOT, "b", "old");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	fake_fail(s3, S3_COPY_OBJECT, -EACCES, 1);
	assert_drain_refused(-EIO);
	assert_true(exists(ROOT, "a"));
	assert_true(exists(ROOT, "b"));
	assert_object("a", "mine");
	assert_object("b", "old");
	assert_owed(0, 0, 0);
	assert_int_equal(names_back(), 1);
	{
		struct cache_file *f = open_file(ROOT, "b");

		assert_text(f, "old");
		cache_file_close(f);
	}
}

/* ---- another's ---- */

static void
test_another_version_survives(void **state)
{
	(void)state;
	fake_put(s3, "a", 10, 1);
	fake_put(s3, "b", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "b", NULL), 0);
	fake_put(s3, "b", 20, 2);
	assert_drain_refused(0); /* no refusal */
	assert_false(exists(ROOT, "a"));
	assert_true(fake_has(s3, "b"));
	assert_int_equal(get(ROOT, "b").size, 20);
	assert_owed(0, 0, 0);
}

static void
test_another_made_it(void **state)
{
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "mine", &attr), 0);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), 0);
	fake_put(s3, "l", 20, 1);
	fake_put(s3, "d/", 0, 1);
	drain();
	assert_int_equal(fake_size(s3, "l"), 20);
	assert_int_equal(get(ROOT, "l").size, 20);
	assert_int_equal(count_names("l.conflict-"), 1);
	assert_true(exists(ROOT, "d"));
	assert_owed(0, 0, 0);
}

/* Also where it had been asked for, and was not there then. */
static void
test_another_made_what_was_absent(void **state)
{
	struct cache_attr attr;

	(void)state;
	assert_false(exists(ROOT, "l"));
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "mine", &attr), 0);
	fake_put(s3, "l", 20, 1);
	drain();
	assert_int_equal(get(ROOT, "l").size, 20);
	assert_int_equal(count_names("l.conflict-"), 1);
}

/* Another wrote to where a file was renamed: both are there. */
static void
test_another_at_the_new_name(void **state)
{
	(void)state;
	put_text(ROOT, "a", "mine");
	put_text(ROOT, "b", "old");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	fake_put(s3, "b", 20, 1);
	drain();
	assert_int_equal(get(ROOT, "b").size, 20);
	assert_int_equal(count_names("b.conflict-"), 1);
	assert_false(exists(ROOT, "a"));
	assert_false(fake_has(s3, "a"));
	assert_owed(0, 0, 0);
}

/* Another wrote to where it was renamed from: that one stays there. */
static void
test_another_at_the_old_name(void **state)
{
	(void)state;
	put_text(ROOT, "a", "mine");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	fake_put(s3, "a", 20, 1);
	(void)try_drain();
	assert_int_equal(get(ROOT, "a").size, 20);
	assert_int_equal(fake_size(s3, "a"), 20);
	assert_false(exists(ROOT, "b"));
	assert_owed(0, 0, 0);
}

/* ---- lost ---- */

static void
test_delete_lost(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "g", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "g", NULL), 0);
	fake_lose(s3, S3_DELETE_OBJECTS, 1);
	assert_int_equal(try_drain(), 2);
	/* It is not known whether that was done: the PUT comes after. */
	f = create(ROOT, "f", "new");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	drain();
	assert_object("f", "new");
	assert_false(fake_has(s3, "g"));
	assert_clean(ROOT, "f");
	assert_owed(0, 0, 0);
}

static void
test_put_lost(void **state)
{
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "x", &attr), 0);
	fake_lose(s3, S3_PUT_OBJECT, 1);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	assert_int_equal(try_drain(), 1);
	assert_true(fake_has(s3, "l"));
	drain();
	assert_clean(ROOT, "l");
	assert_int_equal(count_names("l.conflict-"), 0);
	/* Removed while it is not known: it does not stay. */
	assert_int_equal(make(ROOT, "m", S_IFLNK | 0777, "x", &attr), 0);
	fake_lose(s3, S3_PUT_OBJECT, 1);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	assert_int_equal(try_drain(), 1);
	assert_int_equal(cache_unlink(cache, ROOT, "m", NULL), 0);
	drain();
	assert_false(fake_has(s3, "m"));
	assert_owed(0, 0, 0);
}

static void
test_copy_lost(void **state)
{
	(void)state;
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(move("a", "b"), 0);
	fake_count_reset(s3);
	fake_lose(s3, S3_COPY_OBJECT, 1);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	(void)try_drain(); /* who is to delete the old one tried again */
	drain();
	assert_object("b", "bytes");
	assert_false(fake_has(s3, "a"));
	assert_int_equal(count_names("b.conflict-"), 0);
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* Likewise of what was uploaded in parts, whose copy has another ETag, with
 * attributes that went along, whose token is another, too. */
static void
test_copy_of_parts_lost(void **state)
{
	struct cache_set set = { .what = CACHE_SET_MODE, .mode = 0600 };
	struct cache_file *f = create(ROOT, "a", "");
	uint8_t *data = calloc(1, MIB);
	struct cache_attr attr;

	(void)state;
	assert_non_null(data);
	for (uint64_t off = 0; off < 9 * MIB; off += MIB)
		assert_int_equal(
		    cache_file_write(f, off, data, MIB, false, NULL), 0);
	free(data);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	drain();
	list_dir(ROOT);
	assert_int_equal(
	    cache_setattr(cache, get(ROOT, "a").node, NULL, &set, NULL, &attr),
	    0);
	assert_int_equal(move("a", "b"), 0);
	fake_lose(s3, S3_COPY_OBJECT, 1);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	(void)try_drain();
	drain();
	assert_int_equal(fake_size(s3, "b"), 9 * MIB);
	assert_meta("b", "mode", "33152");
	assert_false(fake_has(s3, "a"));
	assert_int_equal(count_names("b.conflict-"), 0);
	assert_clean(ROOT, "b");
	assert_owed(0, 0, 0);
}

/* ---- the next mount ---- */

static void
make_all(void)
{
	struct cache_attr attr;

	fake_put(s3, "gone", 10, 1);
	fake_put(s3, "old", 10, 1);
	fake_put(s3, "e/", 0, 1);
	put_text(ROOT, "a", "bytes");
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "gone", NULL), 0);
	assert_int_equal(cache_rmdir(cache, ROOT, "e", NULL), 0);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), 0);
	assert_int_equal(make(attr.node, "l", S_IFLNK | 0777, "to", &attr), 0);
	assert_int_equal(move("a", "old"), 0);
}

static void
assert_all(void)
{
	assert_false(exists(ROOT, "gone"));
	assert_false(exists(ROOT, "e"));
	assert_false(exists(ROOT, "a"));
	assert_true(exists(get(ROOT, "d").node, "l"));
	drain();
	assert_false(fake_has(s3, "gone"));
	assert_false(fake_has(s3, "e/"));
	assert_false(fake_has(s3, "a"));
	assert_true(fake_has(s3, "d/"));
	assert_object("d/l", "to");
	assert_object("old", "bytes");
	assert_clean(ROOT, "old");
	assert_clean(ROOT, "d");
	assert_owed(0, 0, 0);
}

static void
test_next_mount(void **state)
{
	(void)state;
	make_all();
	restart();
	assert_owed(2, 4, 1);
	assert_all();
}

/* Also one that waits for S3 itself. */
static void
test_next_mount_waits(void **state)
{
	struct cache_attr attr;

	(void)state;
	make_all();
	config.sync = CACHE_SYNC_CLOSE;
	restart();
	list_dir(ROOT);
	/* What it does to the same names comes after. */
	assert_int_equal(make(ROOT, "gone", S_IFLNK | 0777, "again", &attr), 0);
	assert_object("gone", "again");
	assert_int_equal(move("old", "a"), 0);
	assert_object("a", "bytes");
	assert_false(fake_has(s3, "old"));
	assert_int_equal(move("a", "old"), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "gone", NULL), 0);
	assert_all();
}

/* A DELETE that had left is not undone. */
static void
test_next_mount_after_loss(void **state)
{
	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	fake_fail(s3, S3_DELETE_OBJECT, -EIO, 1);
	assert_int_equal(try_drain(), 1);
	restart();
	assert_false(exists(ROOT, "f"));
	drain();
	assert_false(fake_has(s3, "f"));
	assert_owed(0, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_delete_refused),
		T(test_one_refused),
		T(test_entry_refused),
		T(test_transient),
		T(test_copy_refused),
		T(test_another_version_survives),
		T(test_another_made_it),
		T(test_another_made_what_was_absent),
		T(test_another_at_the_new_name),
		T(test_another_at_the_old_name),
		T(test_delete_lost),
		T(test_put_lost),
		T(test_copy_lost),
		T(test_copy_of_parts_lost),
		T(test_next_mount),
		T(test_next_mount_waits),
		T(test_next_mount_after_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
