/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_names_change.c - mkdir, symlink, mknod, unlink, rmdir: what they cost,
 * what they leave, and what they do when it goes wrong.
 *
 * Role:    unit test of cache/make.c, remove.c, keep.c, name*.c.
 */
#include "tests/unit/cache_names.h"

/* ---- make ---- */

static void
test_mkdir(void **state)
{
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0750, NULL, &attr), 0);
	assert_cost((struct cost){ .puts = 1 });
	assert_int_equal(attr.mode, S_IFDIR | 0750);
	assert_int_equal(attr.uid, 7);
	assert_object("d/", "");
	assert_type("d/", "application/x-directory");
	assert_meta("d/", "mode", "16872");
	assert_meta("d/", "gid", "8");
	assert_clean(ROOT, "d");
	/* It is known to be empty. */
	assert_false(exists(attr.node, "x"));
	assert_int_equal(make(attr.node, "e", S_IFDIR | 0700, NULL, &attr), 0);
	assert_cost((struct cost){ .puts = 1 });
	assert_true(fake_has(s3, "d/e/"));
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0750, NULL, &attr), -EEXIST);
	assert_cost((struct cost){ 0 });
}

static void
test_symlink_and_special(void **state)
{
	struct buf target = BUF_INIT(100);
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	assert_int_equal(
	    make(ROOT, "l", S_IFLNK | 0777, "over/there", &attr), 0);
	assert_cost((struct cost){ .puts = 1 });
	assert_object("l", "over/there");
	assert_meta("l", "mode", "41471");
	assert_int_equal(attr.size, 10);
	assert_int_equal(cache_readlink(cache, attr.node, NULL, &target), 0);
	assert_string_equal(buf_str(&target), "over/there");
	buf_fini(&target);
	assert_int_equal(make(ROOT, "p", S_IFIFO | 0600, NULL, &attr), 0);
	assert_cost((struct cost){ .puts = 1 });
	assert_object("p", "");
	assert_meta("p", "mode", "4480");
	assert_true(S_ISFIFO(attr.mode));
	assert_clean(ROOT, "p");
}

static void
test_make_refused(void **state)
{
	char name[300], key[1024];
	uint64_t rows, node = ROOT;
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(
	    make(ROOT, name, S_IFDIR | 0700, NULL, &attr), -ENAMETOOLONG);
	assert_int_equal(
	    make(ROOT, ".pailfs", S_IFDIR | 0700, NULL, &attr), -EINVAL);
	assert_int_equal(make(99, "x", S_IFDIR | 0700, NULL, &attr), -ENOENT);
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "", &attr), -EINVAL);
	assert_cost((struct cost){ 0 });
	/* 4 directories of 254 bytes and a '/': 4 bytes are left. */
	name[254] = '\0';
	for (int i = 0; i < 4; i++)
		node = make_dir(node, name);
	rows = row_count();
	fake_count_reset(s3);
	assert_int_equal(
	    make(node, "1234", S_IFDIR | 0700, NULL, &attr), -ENAMETOOLONG);
	assert_cost((struct cost){ 0 });
	assert_int_equal(row_count(), rows);
	assert_int_equal(make(node, "123", S_IFDIR | 0700, NULL, &attr), 0);
	assert_int_equal(make(node, "1234", S_IFIFO | 0700, NULL, &attr), 0);
	(void)key;
}

static void
test_make_denied(void **state)
{
	struct cache_attr attr;
	uint64_t rows;

	(void)state;
	list_dir(ROOT);
	rows = row_count();
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 1);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), -EACCES);
	assert_int_equal(row_count(), rows);
	assert_false(exists(ROOT, "d"));
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), 0);
}

/* Another made it after our listing. */
static void
test_make_there_already(void **state)
{
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	fake_put(s3, "d/", 0, 1);
	fake_put(s3, "f", 10, 1);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), -EEXIST);
	assert_true(S_ISDIR(get(ROOT, "d").mode));
	tick();
	list_dir(ROOT);
	fake_remove(s3, "f");
	fake_put(s3, "f", 20, 1);
	assert_int_equal(make(ROOT, "g", S_IFLNK | 0777, "x", &attr), 0);
	fake_put(s3, "h", 20, 1);
	assert_int_equal(make(ROOT, "h", S_IFLNK | 0777, "x", &attr), -EEXIST);
	assert_true(S_ISREG(get(ROOT, "h").mode));
	assert_int_equal(fake_size(s3, "h"), 20);
}

static void
test_make_lost(void **state)
{
	struct cache_attr attr;

	(void)state;
	list_dir(ROOT);
	fake_lose(s3, S3_PUT_OBJECT, 1);
	assert_int_equal(make(ROOT, "d", S_IFDIR | 0700, NULL, &attr), 0);
	assert_cost((struct cost){ .puts = 1, .heads = 1 });
	fake_repeat(s3, S3_PUT_OBJECT, 1);
	assert_int_equal(make(ROOT, "l", S_IFLNK | 0777, "x", &attr), 0);
	assert_clean(ROOT, "d");
	assert_clean(ROOT, "l");
}

static void
test_read_only(void **state)
{
	struct cache_attr attr;

	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "d/", 0, 1);
	close_cache();
	config.read_only = true;
	open_cache();
	assert_int_equal(make(ROOT, "x", S_IFDIR | 0700, NULL, &attr), -EROFS);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), -EROFS);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), -EROFS);
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "f"), &AT(ROOT, "g"), 0, NULL),
	    -EROFS);
}

/* ---- unlink ---- */

static void
test_unlink(void **state)
{
	struct cache_attr dir;
	int64_t before;

	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "d/x", 10, 1);
	list_dir(ROOT);
	before = get(ROOT, "d").mtime_ns;
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_cost((struct cost){ .deletes = 1 });
	assert_false(fake_has(s3, "f"));
	assert_false(exists(ROOT, "f"));
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), -ENOENT);
	assert_int_equal(cache_unlink(cache, ROOT, "d", NULL), -EISDIR);
	assert_cost((struct cost){ 0 });
	/* Its directory has another time, and still has to be listed once. */
	dir = get(ROOT, "d");
	list_dir(dir.node);
	assert_int_equal(cache_unlink(cache, dir.node, "x", NULL), 0);
	assert_cost((struct cost){ .puts = 1, .deletes = 1 });
	assert_true(get(ROOT, "d").mtime_ns > before);
	assert_true(fake_has(s3, "d/"));
	assert_clean(ROOT, "d");
}

/* Of the last but one, and of an explicit directory: no marker. */
static void
test_unlink_marker(void **state)
{
	uint64_t d, e;

	(void)state;
	fake_put(s3, "d/x", 10, 1);
	fake_put(s3, "d/y", 10, 1);
	fake_put(s3, "e/", 0, 1);
	fake_put(s3, "e/x", 10, 1);
	fake_put(s3, "f/x", 10, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	e = get(ROOT, "e").node;
	list_dir(d);
	list_dir(e);
	assert_int_equal(cache_unlink(cache, d, "x", NULL), 0);
	assert_cost((struct cost){ .deletes = 1 });
	assert_int_equal(cache_unlink(cache, e, "x", NULL), 0);
	assert_cost((struct cost){ .deletes = 1 });
	/* Another wrote one meanwhile: it is there, that is enough. */
	list_dir(get(ROOT, "f").node);
	fake_put(s3, "f/", 0, 1);
	assert_int_equal(
	    cache_unlink(cache, get(ROOT, "f").node, "x", NULL), 0);
	assert_false(fake_has(s3, "f/x"));
	/* Where it is refused, nothing is removed. */
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 1);
	assert_int_equal(cache_unlink(cache, d, "y", NULL), -EACCES);
	assert_true(fake_has(s3, "d/y"));
	assert_true(exists(d, "y"));
}

/* A version that is not the one we know is looked at, then removed. */
static void
test_unlink_other_version(void **state)
{
	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	fake_put(s3, "f", 20, 1);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_false(fake_has(s3, "f"));
	/* And one that is gone. */
	fake_put(s3, "g", 10, 1);
	list_dir(ROOT);
	atomic_fetch_add(&now_ms, TTL);
	list_dir(ROOT);
	fake_remove(s3, "g");
	assert_int_equal(cache_unlink(cache, ROOT, "g", NULL), 0);
	assert_false(exists(ROOT, "g"));
}

static void
test_unlink_fails(void **state)
{
	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), -EACCES);
	assert_clean(ROOT, "f");
	fake_count_reset(s3);
	/* It was done, the answer was lost. */
	fake_lose(s3, S3_DELETE_OBJECT, 1);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_cost((struct cost){ .deletes = 1, .heads = 1 });
	assert_false(exists(ROOT, "f"));
}

static void
test_unlink_open(void **state)
{
	struct cache_file *f, *g;

	(void)state;
	fake_put_text(s3, "f", "some bytes");
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	g = create(ROOT, "g", "never sent");
	fake_count_reset(s3);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_false(fake_has(s3, "f"));
	assert_text(f, "some bytes");
	cache_file_close(f);
	fake_count_reset(s3);
	assert_int_equal(cache_unlink(cache, ROOT, "g", NULL), 0);
	assert_text(g, "never sent");
	assert_int_equal(cache_file_flush(g, NULL), 0);
	cache_file_close(g);
	assert_cost((struct cost){ 0 });
	assert_false(fake_has(s3, "g"));
	assert_false(exists(ROOT, "g"));
}

/* A name that is made anew, at once. */
static void
test_make_again(void **state)
{
	(void)state;
	list_dir(ROOT);
	for (int i = 0; i < 3; i++) {
		create_text(ROOT, "f", i == 1 ? "one" : "other");
		assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
		make_dir(ROOT, "f");
		set_empty_etag("f/");
		assert_int_equal(cache_rmdir(cache, ROOT, "f", NULL), 0);
	}
	assert_cost((struct cost){ .puts = 6, .deletes = 6 });
	assert_int_equal(fake_objects(s3, ""), fake_objects(s3, ".pailfs/"));
	/* A listing that was asked for before does not bring it back. */
	assert_false(exists(ROOT, "f"));
}

/* ---- rmdir ---- */

static void
test_rmdir(void **state)
{
	uint64_t d;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	set_empty_etag("d/");
	create_text(d, "x", "text");
	fake_count_reset(s3);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), -ENOTEMPTY);
	assert_int_equal(cache_rmdir(cache, d, "x", NULL), -ENOTDIR);
	assert_cost((struct cost){ 0 });
	assert_int_equal(cache_unlink(cache, d, "x", NULL), 0);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	assert_cost((struct cost){ .deletes = 2 });
	assert_false(exists(ROOT, "d"));
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), -ENOENT);
	assert_false(fake_has(s3, "d/"));
}

static void
test_rmdir_markers(void **state)
{
	struct cache_attr attr;

	(void)state;
	fake_put(s3, "h_$folder$", 0, 1);
	fake_put(s3, "s/", 0, 1);
	fake_put(s3, "t/", 100, 1);
	fake_put(s3, "p/q/", 0, 1);
	list_dir(ROOT);
	assert_int_equal(cache_rmdir(cache, ROOT, "h", NULL), 0);
	assert_false(fake_has(s3, "h_$folder$"));
	assert_int_equal(cache_rmdir(cache, ROOT, "s", NULL), 0);
	assert_false(fake_has(s3, "s/"));
	/* Bytes that have no path are not thrown away. */
	assert_int_equal(cache_rmdir(cache, ROOT, "t", NULL), -ENOTEMPTY);
	assert_true(fake_has(s3, "t/"));
	assert_int_equal(find(ROOT, "t", &attr), 0);
	/* The parent stays. */
	attr = get(ROOT, "p");
	list_dir(attr.node);
	assert_int_equal(cache_rmdir(cache, attr.node, "q", NULL), 0);
	assert_true(fake_has(s3, "p/"));
	assert_false(fake_has(s3, "p/q/"));
}

/* What another put there after our listing was old is seen. */
static void
test_rmdir_fails(void **state)
{
	(void)state;
	list_dir(ROOT);
	make_dir(ROOT, "d");
	fake_put(s3, "d/x", 5, 1);
	atomic_fetch_add(&now_ms, 2 * TTL);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), -ENOTEMPTY);
	fake_remove(s3, "d/x");
	atomic_fetch_add(&now_ms, 2 * TTL);
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), -EACCES);
	assert_true(exists(ROOT, "d"));
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
	assert_false(fake_has(s3, "d/"));
}

/* What we made ourselves is not asked for when its time is seen. */
static void
test_posix(void **state)
{
	struct cache_attr attr;
	uint64_t d;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	open_cache();
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	set_empty_etag("d/");
	assert_int_equal(make(d, "l", S_IFLNK | 0777, "to", &attr), 0);
	create_text(d, "f", "text");
	assert_int_equal(
	    cache_rename(cache, &AT(d, "f"), &AT(d, "g"), 0, NULL), 0);
	tick();
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "d"), &AT(ROOT, "e"), 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		atomic_fetch_add(&now_ms, 2 * TTL);
		list_dir(ROOT);
		list_dir(d);
		assert_int_equal(get(d, "l").mode, S_IFLNK | 0777);
		assert_int_equal(get(d, "g").mode, S_IFREG | 0640);
		assert_int_equal(cache_getattr(cache, d, NULL, NULL, &attr), 0);
		assert_int_equal(attr.mode, S_IFDIR | 0750);
		assert_cost((struct cost){ 0 });
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_mkdir),
		T(test_symlink_and_special),
		T(test_make_refused),
		T(test_make_denied),
		T(test_make_there_already),
		T(test_make_lost),
		T(test_read_only),
		T(test_unlink),
		T(test_unlink_marker),
		T(test_unlink_other_version),
		T(test_unlink_fails),
		T(test_unlink_open),
		T(test_make_again),
		T(test_rmdir),
		T(test_rmdir_markers),
		T(test_rmdir_fails),
		T(test_posix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
