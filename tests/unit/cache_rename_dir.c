/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rename_dir.c - rename of directories: what it costs, what comes along,
 * that it is all or nothing, and who writes below meanwhile.
 *
 * Role:    unit test of cache/rename_dir.c, mover.c, mover_copy.c.
 */
#include "tests/unit/cache_names.h"

#include <unistd.h>

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

static void
test_rename_dir(void **state)
{
	struct cache_attr d, e, f;

	(void)state;
	put_many("d/", 150);
	put_many("d/e/", 50);
	fake_put(s3, "d/", 0, 1);
	fake_put(s3, "d/e/", 0, 1);
	fake_put(s3, "d/odd//key", 5, 1);
	fake_put(s3, "da", 5, 1);
	list_dir(ROOT);
	d = get(ROOT, "d");
	list_dir(d.node);
	e = get(d.node, "e");
	list_dir(e.node);
	f = get(e.node, "f0007");
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_cost((struct cost){ .lists = 1, .copies = 203, .batches = 1 });
	assert_false(exists(ROOT, "d"));
	assert_int_equal(get(ROOT, "g").node, d.node);
	assert_int_equal(get(d.node, "e").ino, e.ino);
	assert_int_equal(get(e.node, "f0007").node, f.node);
	assert_cost((struct cost){ 0 });
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 203);
	assert_true(fake_has(s3, "g/odd//key"));
	assert_true(fake_has(s3, "da"));
	assert_int_equal(fake_size(s3, "g/e/f0007"), 107);
	/* And down again, into another. */
	fake_put(s3, "p/", 0, 1);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_int_equal(mv(d.node, "e", get(ROOT, "p").node, "q"), 0);
	assert_int_equal(fake_objects(s3, "p/q/"), 51);
	assert_int_equal(fake_objects(s3, "g/e/"), 0);
	assert_int_equal(get(get(ROOT, "p").node, "q").node, e.node);
	assert_int_equal(get(e.node, "f0007").node, f.node);
}

static void
test_many(void **state)
{
	(void)state;
	put_many("d/", 2001);
	list_dir(ROOT);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_cost((struct cost){ .lists = 3, .copies = 2001, .batches = 3 });
	assert_int_equal(fake_objects(s3, "g/"), 2001);
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

static void
test_refused(void **state)
{
	char name[256], key[1025];
	uint64_t d, e;

	(void)state;
	memset(key, 'k', sizeof(key));
	memcpy(key, "d/", 2);
	for (int i = 200; i < 1024; i += 200)
		key[i] = '/';
	key[1024] = '\0';
	fake_put(s3, "d/e/x", 1, 1);
	fake_put(s3, "full/x", 1, 1);
	fake_put(s3, key, 1, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	e = get(d, "e").node;
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, "d", ROOT, "longer"), -ENAMETOOLONG);
	assert_cost((struct cost){ .lists = 1 });
	assert_int_equal(mv(ROOT, "d", d, "in"), -EINVAL);
	assert_int_equal(mv(ROOT, "d", e, "in"), -EINVAL);
	assert_int_equal(mv(ROOT, "d", ROOT, "full"), -ENOTEMPTY);
	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(mv(ROOT, "d", ROOT, name), -ENAMETOOLONG);
	assert_true(fake_has(s3, key));
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 0);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	key[0] = 'g';
	assert_true(fake_has(s3, key));
}

/* A name that S3 has not heard of is as long as another. */
static void
test_unsent_too_long(void **state)
{
	struct cache_file *f;
	uint64_t node, d;
	char name[256];

	(void)state;
	list_dir(ROOT);
	memset(name, 'n', 250);
	name[250] = '\0';
	d = node = make_dir(ROOT, "d");
	for (int i = 0; i < 3; i++)
		node = make_dir(node, name);
	f = create(node, name, "text");
	tick();
	fake_count_reset(s3);
	name[30] = '\0';
	assert_int_equal(mv(ROOT, "d", ROOT, name), -ENAMETOOLONG);
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 0);
	assert_int_equal(mv(ROOT, "d", ROOT, "e"), 0);
	assert_int_equal(get(ROOT, "e").node, d);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_int_equal(fake_objects(s3, "d"), 0);
	assert_int_equal(fake_objects(s3, "e/"), 5);
}

static void
test_over_empty(void **state)
{
	struct cache_attr d;

	(void)state;
	fake_put(s3, "d/", 0, 1);
	fake_put(s3, "d/x", 1, 1);
	fake_put(s3, "h_$folder$", 0, 1);
	fake_put(s3, "i/x", 1, 1);
	list_dir(ROOT);
	(void)make_dir(ROOT, "e");
	d = get(ROOT, "d");
	assert_int_equal(cache_rename(cache, &AT(ROOT, "d"), &AT(ROOT, "e"),
			     RENAME_NOREPLACE, NULL),
	    -EEXIST);
	assert_int_equal(mv(ROOT, "d", ROOT, "e"), 0);
	assert_int_equal(get(ROOT, "e").node, d.node);
	assert_true(exists(d.node, "x"));
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_int_equal(fake_objects(s3, "e/"), 2);
	/* Hadoop's markers beside. */
	assert_int_equal(mv(ROOT, "h", ROOT, "j"), 0);
	assert_true(fake_has(s3, "j_$folder$"));
	assert_false(fake_has(s3, "h_$folder$"));
	assert_int_equal(mv(ROOT, "i", ROOT, "j"), 0);
	assert_false(fake_has(s3, "j_$folder$"));
	assert_true(fake_has(s3, "j/x"));
}

/* What is open, dirty or never sent below goes on. */
static void
test_children(void **state)
{
	struct cache_file *f, *g, *h;
	uint64_t d;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	create_text(d, "f", "clean");
	create_text(d, "g", "dirty");
	f = open_file(d, "f");
	g = open_file(d, "g");
	assert_int_equal(cache_file_write(g, 0, "DIRTY", 5, false, NULL), 0);
	h = create(d, "h", "unsent");
	tick();
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, "d", ROOT, "e"), 0);
	assert_cost((struct cost){ .lists = 1, .copies = 3, .batches = 1 });
	assert_text(f, "clean");
	assert_text(g, "DIRTY");
	assert_object("e/g", "dirty");
	assert_int_equal(cache_file_flush(g, NULL), 0);
	assert_int_equal(cache_file_flush(h, NULL), 0);
	assert_object("e/g", "DIRTY");
	assert_object("e/h", "unsent");
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_cost((struct cost){ .puts = 2 });
	cache_file_close(f);
	cache_file_close(g);
	cache_file_close(h);
}

/* An object of parts gets another ETag: it is the same version still. */
static void
test_parts_etag(void **state)
{
	struct fake_headers none = { 0 };
	struct fake_bytes bytes = { .seed = 3, .size = 2 * MIB };
	struct cache_bytes got;
	struct cache_file *f;
	uint64_t d, node;

	(void)state;
	pthread_mutex_lock(&s3->mutex);
	(void)fake_store(&s3->bucket, "d/big", bytes, none, 2);
	pthread_mutex_unlock(&s3->mutex);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	node = get(d, "big").node;
	f = open_file(d, "big");
	assert_int_equal(mv(ROOT, "d", ROOT, "e"), 0);
	assert_int_equal(cache_file_read(f, MIB, 10, NULL, &got), 0);
	assert_int_equal(got.len, 10);
	cache_bytes_put(cache, &got);
	cache_file_close(f);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	list_dir(d);
	assert_int_equal(get(d, "big").node, node);
}

/* ---- all or nothing ---- */

static void
assert_nothing_moved(uint64_t d, size_t count)
{
	assert_int_equal(get(ROOT, "d").node, d);
	assert_false(exists(ROOT, "g"));
	assert_int_equal(fake_objects(s3, "g/"), 0);
	assert_int_equal(fake_objects(s3, "d/"), count);
}

static void
test_fails(void **state)
{
	uint64_t d;

	(void)state;
	put_many("d/", 200);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	fake_fail(s3, S3_COPY_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_nothing_moved(d, 200);
	fake_fail(s3, S3_LIST_OBJECTS, -EACCES, 1);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -EACCES);
	assert_nothing_moved(d, 200);
	/* There is something that we did not know of. */
	fake_put(s3, "g/f0100", 1, 1);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), -ESTALE);
	assert_int_equal(fake_objects(s3, "g/"), 1);
	assert_int_equal(fake_objects(s3, "d/"), 200);
	fake_remove(s3, "g/f0100");
	/* Answers are lost: it is found out what was done. */
	fake_lose(s3, S3_COPY_OBJECT, 3);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 200);
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

static void
test_interrupted(void **state)
{
	struct waiter w;
	uint64_t d;

	(void)state;
	put_many("d/", 100);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	waiter_init(&w);
	waiter_interrupt(&w);
	fake_hold(s3, S3_COPY_OBJECT, true);
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "d"), &AT(ROOT, "g"), 0, &w), -EINTR);
	fake_hold(s3, S3_COPY_OBJECT, false);
	waiter_fini(&w);
	assert_nothing_moved(d, 100);
}

static void
test_deletes_fail(void **state)
{
	(void)state;
	put_many("d/", 10);
	list_dir(ROOT);
	fake_fail(s3, S3_DELETE_OBJECTS, -EIO, 1);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_int_equal(fake_objects(s3, "d/"), 0);
	/* They are said to be others', once. */
	fake_fail(s3, S3_DELETE_OBJECTS, -ESTALE, 1);
	assert_int_equal(mv(ROOT, "g", ROOT, "h"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 0);
	assert_int_equal(fake_objects(s3, "h/"), 10);
}

/* ---- who writes meanwhile ---- */

static void *
run_rename(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_rename(
	    cache, &AT(ROOT, "d"), &AT(ROOT, "g"), 0, NULL);
}

/* Start it, and wait until its copies are on their way. */
static void
start(pthread_t *thread, unsigned copies)
{
	fake_hold(s3, S3_COPY_OBJECT, true);
	assert_int_equal(pthread_create(thread, NULL, run_rename, NULL), 0);
	fake_wait_held(s3, copies);
	tick();
}

static int
join(pthread_t thread)
{
	void *r;

	fake_hold(s3, S3_COPY_OBJECT, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	tick();
	return (int)(intptr_t)r;
}

static void
test_late_changes(void **state)
{
	struct cache_file *f, *g;
	struct cache_attr attr;
	pthread_t thread;
	uint64_t d;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	create_text(d, "a", "before");
	create_text(d, "b", "removed");
	create_text(d, "c", "stays");
	f = open_file(d, "a");
	start(&thread, 4);
	assert_int_equal(cache_file_write(f, 0, "AFTER!", 6, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(cache_unlink(cache, d, "b", NULL), 0);
	create_text(d, "n", "new");
	g = create(d, "u", "unsent");
	assert_int_equal(make(d, "s", S_IFDIR | 0700, NULL, &attr), 0);
	tick();
	assert_int_equal(join(thread), 0);
	assert_object("g/a", "AFTER!");
	assert_object("g/c", "stays");
	assert_object("g/n", "new");
	assert_true(fake_has(s3, "g/s/"));
	assert_false(fake_has(s3, "g/b"));
	assert_false(exists(d, "b"));
	assert_int_equal(fake_objects(s3, "d/"), 0);
	assert_int_equal(get(ROOT, "g").node, d);
	assert_int_equal(cache_file_write(f, 0, "more", 4, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(cache_file_flush(g, NULL), 0);
	assert_object("g/a", "moreR!");
	assert_object("g/u", "unsent");
	assert_int_equal(fake_objects(s3, "d/"), 0);
	cache_file_close(f);
	cache_file_close(g);
	assert_clean(d, "a");
	assert_clean(d, "n");
	assert_clean(d, "c");
}

static void *
run_flush(void *arg)
{
	return (void *)(intptr_t)cache_file_flush(arg, NULL);
}

/* An upload that is under way when all is copied is waited for. */
static void
test_late_upload(void **state)
{
	pthread_t thread, flusher;
	struct cache_file *f;
	uint64_t d;
	void *r;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	create_text(d, "a", "before");
	f = open_file(d, "a");
	assert_int_equal(cache_file_write(f, 0, "AFTER!", 6, false, NULL), 0);
	tick();
	fake_hold(s3, S3_PUT_OBJECT, true);
	assert_int_equal(pthread_create(&flusher, NULL, run_flush, f), 0);
	fake_wait_held(s3, 1);
	start(&thread, 3);
	fake_hold(s3, S3_COPY_OBJECT, false);
	/* Long enough to go wrong. */
	(void)usleep(100000);
	assert_int_equal(fake_count(s3, S3_DELETE_OBJECTS), 0);
	assert_false(exists(ROOT, "g"));
	fake_hold(s3, S3_PUT_OBJECT, false);
	assert_int_equal(pthread_join(flusher, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_int_equal(join(thread), 0);
	assert_object("g/a", "AFTER!");
	assert_int_equal(fake_objects(s3, "d/"), 0);
	cache_file_close(f);
	assert_clean(d, "a");
	assert_text(f = open_file(d, "a"), "AFTER!");
	cache_file_close(f);
}

/* Another writes while it is moved: that is not thrown away. */
static void
test_late_remote(void **state)
{
	pthread_t thread;

	(void)state;
	put_many("d/", 3);
	list_dir(ROOT);
	start(&thread, 3);
	fake_put_text(s3, "d/f0001", "theirs");
	fake_remove(s3, "d/f0002");
	assert_int_equal(join(thread), 0);
	assert_object("g/f0001", "theirs");
	assert_false(fake_has(s3, "g/f0002"));
	assert_int_equal(fake_objects(s3, "g/"), 2);
	assert_int_equal(fake_objects(s3, "d/"), 0);
}

/* Between the copy and the delete, too. */
static void
change_first(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_DELETE_OBJECTS)
		fake_put(bucket, "d/f0001", 999, 9);
}

static void
test_late_remote_delete(void **state)
{
	(void)state;
	put_many("d/", 3);
	list_dir(ROOT);
	fake_before(s3, change_first);
	assert_int_equal(mv(ROOT, "d", ROOT, "g"), 0);
	assert_int_equal(fake_objects(s3, "g/"), 3);
	assert_int_equal(fake_objects(s3, "d/"), 1);
	assert_int_equal(fake_size(s3, "d/f0001"), 999);
	assert_int_equal(get(get(ROOT, "d").node, "f0001").size, 999);
}

static void *
run_opendir(void *arg)
{
	const uint64_t *node = arg;
	struct cache_dir *d;
	int r = cache_opendir(cache, *node, NULL, &d);

	if (r == 0)
		cache_closedir(d);
	return NULL;
}

/* A list of the old keys, which have gone when it is answered. */
static void
test_late_list(void **state)
{
	pthread_t thread, lister;
	uint64_t d, node;

	(void)state;
	put_many("d/", 3);
	fake_put(s3, "d/", 0, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	node = get(d, "f0001").node;
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	start(&thread, 4);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	assert_int_equal(pthread_create(&lister, NULL, run_opendir, &d), 0);
	fake_wait_held(s3, 5);
	tick();
	assert_int_equal(join(thread), 0);
	fake_put(s3, "d/other", 1, 1);
	fake_hold(s3, S3_LIST_OBJECTS, false);
	assert_int_equal(pthread_join(lister, NULL), 0);
	assert_int_equal(get(ROOT, "g").node, d);
	assert_int_equal(get(d, "f0001").node, node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rename_dir),
		T(test_many),
		T(test_refused),
		T(test_unsent_too_long),
		T(test_over_empty),
		T(test_children),
		T(test_parts_etag),
		T(test_fails),
		T(test_interrupted),
		T(test_deletes_fail),
		T(test_late_changes),
		T(test_late_upload),
		T(test_late_remote),
		T(test_late_remote_delete),
		T(test_late_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
