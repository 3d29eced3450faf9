/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rename_back.c - rename of directories whose old keys S3 does not
 * delete: all is put back, and where that fails, too, nothing is lost.
 *
 * Role:    unit test of cache/rename_dir.c, mover_delete.c.
 */
#include "tests/unit/cache_names.h"

static int
mv(uint64_t dir, const char *name, uint64_t new_dir, const char *new_name)
{
	int r = cache_rename(
	    cache, &AT(dir, name), &AT(new_dir, new_name), 0, NULL);

	tick();
	return r;
}

static void
put_many(const char *prefix, int count)
{
	char key[64];

	for (int i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%sf%04d", prefix, i);
		fake_put(s3, key, 100 + (uint64_t)i, (unsigned)i);
	}
}

/* All of ${count} files is where it was, here and in S3, and nothing else. */
static void
assert_back(uint64_t d, int count)
{
	char name[16], key[32];

	assert_int_equal(get(ROOT, "d").node, d);
	assert_false(exists(ROOT, "g"));
	assert_int_equal(fake_objects(s3, "g/"), 0);
	assert_int_equal(fake_objects(s3, "d/"), count);
	for (int i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "f%04d", i);
		(void)snprintf(key, sizeof(key), "d/%s", name);
		assert_int_equal(get(d, name).size, 100 + i);
		assert_int_equal(fake_size(s3, key), 100 + i);
	}
}

/* Once more, and what is remembered of S3 is looked at anew. */
static void
assert_back_later(uint64_t d, int count)
{
	assert_back(d, count);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	list_dir(d);
	assert_back(d, count);
}

static void
test_all_refused(void **state)
{
	struct cache_attr before;
	struct cache_file *f;
	struct cache_bytes got;
	uint64_t d;

	(void)state;
	put_many("d/", 20);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	before = get(d, "f0003");
	f = open_file(d, "f0003");
	fake_keep(s3, "d/");
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	/* It is looked what is left; the copies go. */
	assert_cost((struct cost){ .lists = 2, .copies = 20, .batches = 2 });
	assert_back(d, 20);
	assert_int_equal(get(d, "f0003").node, before.node);
	assert_int_equal(get(d, "f0003").mtime_ns, before.mtime_ns);
	assert_int_equal(cache_file_read(f, 0, 10, NULL, &got), 0);
	cache_bytes_put(cache, &got);
	cache_file_close(f);
	assert_back_later(d, 20);
	assert_int_equal(get(d, "f0003").node, before.node);
	/* And when it is allowed, it works. */
	fake_keep(s3, NULL);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_int_equal(get(ROOT, "g").node, d);
	assert_int_equal(fake_objects(s3, "g/"), 20);
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

/* Some are gone before the refusal is known: they are copied back. */
static void
test_some_refused(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 20);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	fake_keep(s3, "d/f0007");
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_cost((struct cost){ .lists = 2, .copies = 39, .batches = 2 });
	assert_back_later(d, 20);
}

/* The whole request, and it is not known what it did. */
static void
test_answer_lost(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 5);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	fake_fail(s3, S3_DELETE_OBJECTS, -EIO, 2);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EIO);
	assert_back_later(d, 5);
	fake_lose(s3, S3_DELETE_OBJECTS, 2);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 5);
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

/* Once something was to be deleted, no list is answered. */
static void
fail_lists(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_DELETE_OBJECTS)
		fake_fail(bucket, S3_LIST_OBJECTS, -EIO, 1);
}

/* Nothing is known, and nothing can be found out: the new name has it all. */
static void
test_unknown(void **state)
{
	uint64_t d, left = 1;

	(void)state;
	put_many("d/", 5);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	fake_before(s3, fail_lists);
	fake_fail(s3, S3_DELETE_OBJECTS, -EIO, 2);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EIO);
	fake_before(s3, NULL);
	assert_int_equal(fake_objects(s3, "g/"), 5);
	assert_int_equal(get(ROOT, "g").node, d);
	/* What is left does not show, and goes when the server is back. */
	assert_false(exists(ROOT, "d"));
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 5);
	assert_false(exists(ROOT, "d"));
}

static const char *refused_copy;

static void
refuse_copies_back(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_COPY_OBJECT && refused_copy != NULL &&
	    strncmp(call->key, refused_copy, strlen(refused_copy)) == 0)
		fake_fail(bucket, S3_COPY_OBJECT, -EACCES, 1);
}

/* It cannot be put back either: all is under the new name, what is left shows
 * under the old one, and the program is told. */
static void
test_back_refused(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 20);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	refused_copy = "d/";
	fake_before(s3, refuse_copies_back);
	fake_keep(s3, "d/f0007");
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_int_equal(get(ROOT, "g").node, d);
	assert_int_equal(fake_objects(s3, "g/"), 20);
	assert_int_equal(fake_objects(s3, "d/"), 1);
	assert_int_not_equal(get(ROOT, "d").node, d);
	assert_int_equal(get(get(ROOT, "d").node, "f0007").size, 107);
	assert_int_equal(get(d, "f0007").size, 107);
	refused_copy = NULL;
	fake_before(s3, NULL);
}

/* Another changed one meanwhile: that stays, whether or not it is put back. */
static void
change_first(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_DELETE_OBJECTS &&
	    strncmp(call->deletes[0].key, "d/", 2) == 0)
		fake_put(bucket, "d/f0001", 999, 9);
}

static void
test_changed_and_refused(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 5);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	fake_keep(s3, "d/f0003");
	fake_before(s3, change_first);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	fake_before(s3, NULL);
	assert_int_equal(fake_size(s3, "d/f0001"), 999);
	assert_int_equal(fake_objects(s3, "d/"), 5);
	assert_int_equal(fake_objects(s3, "g/"), 0);
	assert_false(exists(ROOT, "g"));
	atomic_fetch_add(&now_ms, 2 * TTL);
	assert_int_equal(get(ROOT, "d").node, d);
	list_dir(d);
	assert_int_equal(get(d, "f0001").size, 999);
}

/* What was replaced is there again, as an empty directory. */
static void
test_over_empty(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 3);
	fake_put(s3, "d/", 0, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	(void)make_dir(ROOT, "g");
	fake_keep(s3, "d/f0001");
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_int_equal(get(ROOT, "d").node, d);
	assert_int_equal(fake_objects(s3, "d/"), 4);
	assert_int_equal(fake_objects(s3, "g/"), 1);
	assert_true(fake_has(s3, "g/"));
	assert_true(exists(ROOT, "g"));
	assert_int_equal(cache_rmdir(cache, ROOT, "g", NULL), 0);
	assert_int_equal(fake_objects(s3, "g/"), 0);
}

/* What was not sent before goes where the directory is in the end. */
static void
test_children(void **state)
{
	struct cache_file *f, *g;
	uint64_t d;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	create_text(d, "a", "clean");
	create_text(d, "b", "kept");
	f = open_file(d, "a");
	g = create(d, "u", "unsent");
	assert_int_equal(cache_file_write(f, 0, "DIRTY", 5, false, NULL), 0);
	tick();
	fake_keep(s3, "d/b");
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_text(f, "DIRTY");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(cache_file_flush(g, NULL), 0);
	cache_file_close(f);
	cache_file_close(g);
	assert_object("d/a", "DIRTY");
	assert_object("d/b", "kept");
	assert_object("d/u", "unsent");
	assert_int_equal(fake_objects(s3, "d/"), 4);
	assert_int_equal(fake_objects(s3, "g/"), 0);
	assert_clean(d, "a");
	assert_clean(d, "b");
	assert_clean(d, "u");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_all_refused),
		T(test_some_refused),
		T(test_answer_lost),
		T(test_unknown),
		T(test_back_refused),
		T(test_changed_and_refused),
		T(test_over_empty),
		T(test_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
