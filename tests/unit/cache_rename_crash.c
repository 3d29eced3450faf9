/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rename_crash.c - rename of directories, with the daemon killed before
 * each request, and after it: the next mount ends it.
 *
 * Role:    unit test of cache/dir_journal.c, dir_recover.c, dir_finish.c.
 */
#include "tests/unit/crash.h"

#define FILES 6

static void
drain(void)
{
	uint64_t left = 1;

	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	tick();
}

/* ---- the tree ---- */

static void
key_of(const char *dir, int i, char key[64])
{
	(void)snprintf(key, 64, "%s/%sf%d", dir, i >= FILES / 2 ? "e/" : "", i);
}

static void
put_tree(void)
{
	char key[64];

	fake_put(s3, "d/", 0, 1);
	for (int i = 0; i < FILES; i++) {
		key_of("d", i, key);
		fake_put(s3, key, 100 + (uint64_t)i, (unsigned)i);
	}
	/* One whose copy has another ETag: its token tells. */
	pthread_mutex_lock(&s3->mutex);
	(void)fake_store(&s3->bucket, "d/big",
	    (struct fake_bytes){ .seed = 9, .size = 900 },
	    (struct fake_headers){ 0 }, 2);
	pthread_mutex_unlock(&s3->mutex);
	fake_meta(s3, "d/big", "pailfs-token", "token");
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
}

/* Whether the whole tree is there under ${dir}. */
static bool
has_tree(const char *dir)
{
	char key[64];

	for (int i = 0; i < FILES; i++) {
		key_of(dir, i, key);
		if (!fake_has(s3, key) ||
		    fake_size(s3, key) != 100 + (uint64_t)i)
			return false;
	}
	(void)snprintf(key, sizeof(key), "%s/big", dir);
	return fake_has(s3, key) && fake_size(s3, key) == 900;
}

/* Callers see all of it under ${dir}. */
static void
assert_seen(const char *dir)
{
	uint64_t d = get(ROOT, dir).node, e = get(d, "e").node;
	char name[16];

	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(
		    get(i >= FILES / 2 ? e : d, name).size, 100 + i);
	}
	assert_int_equal(get(d, "big").size, 900);
}

/* It is under one of the names, and nothing of it under the other. */
static const char *
assert_one_tree(void)
{
	const char *dir = has_tree("g") ? "g" : "d";
	bool is_old = dir[0] == 'd';

	assert_true(has_tree(dir));
	assert_int_equal(fake_objects(s3, is_old ? "g/" : "d/"), 0);
	assert_int_equal(fake_objects(s3, is_old ? "d/" : "g/"), FILES + 2);
	assert_false(exists(ROOT, is_old ? "g" : "d"));
	assert_seen(dir);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_false(exists(ROOT, is_old ? "g" : "d"));
	assert_seen(dir);
	return dir;
}

static void
empty(void)
{
	pthread_mutex_lock(&s3->mutex);
	while (s3->bucket.count > 0)
		fake_delete(&s3->bucket, s3->bucket.objects[0]->key);
	pthread_mutex_unlock(&s3->mutex);
}

static int
mv(const char *name, const char *new_name)
{
	int r =
	    cache_rename(cache, &AT(ROOT, name), &AT(ROOT, new_name), 0, NULL);

	tick();
	return r;
}

/* ---- tests ---- */

/* Kill at each request in turn, until it comes to its end.  Returns: how many
 * kills there were. */
static unsigned
kill_at_each(bool is_done, unsigned *ret_finished)
{
	unsigned at = 0;
	bool killed = true;

	*ret_finished = 0;
	while (killed) {
		put_tree();
		crash_at(++at, is_done);
		(void)mv("d", "g");
		killed = mount_again();
		/* Whatever is asked meanwhile. */
		(void)exists(ROOT, "d");
		(void)exists(ROOT, "g");
		drain();
		*ret_finished += assert_one_tree()[0] == 'g';
		empty();
	}
	return at - 1;
}

static void
test_kill_before_each(void **state)
{
	unsigned finished;

	(void)state;
	/* The copies; then the DeleteObjects, and with that it is finished. */
	assert_int_equal(kill_at_each(false, &finished), FILES + 3);
	assert_int_equal(finished, 2);
}

static void
test_kill_after_each(void **state)
{
	unsigned finished;

	(void)state;
	assert_int_equal(kill_at_each(true, &finished), FILES + 3);
	assert_int_equal(finished, 2);
}

/* On a server that does not look at ETags in deletes. */
static void
test_no_conditions(void **state)
{
	unsigned finished;

	(void)state;
	fake_ignore(s3, S3_DELETE_OBJECTS, FAKE_MATCH, true);
	fake_ignore(s3, S3_COPY_OBJECT, FAKE_ABSENT, true);
	/* That is found out anew. */
	close_cache();
	atomic_fetch_add(&now_ms, INT64_C(8) * 86400000);
	open_cache();
	assert_true(kill_at_each(false, &finished) > FILES);
}

/* A mount that is killed while it puts back what S3 did not let go of. */
static void
test_kill_on_the_way_back(void **state)
{
	bool killed = true;
	unsigned at = 0;
	char key[64];

	(void)state;
	while (killed) {
		put_tree();
		fake_keep(s3, "d/f1");
		at++;
		crash_at(at, at % 2 == 0);
		(void)mv("d", "g");
		fake_keep(s3, NULL);
		killed = mount_again();
		/* Before anything is done, and after: it is all there. */
		for (int i = 0; i < FILES; i++) {
			char new_key[64];

			key_of("d", i, key);
			key_of("g", i, new_key);
			assert_true(fake_has(s3, key) || fake_has(s3, new_key));
		}
		drain();
		(void)assert_one_tree();
		empty();
	}
	/* Copies, delete, copies back, delete; and what seems to be late. */
	assert_true(at - 1 >= FILES + 2 + 1 + FILES + 1 + 1);
}

/* What others did between the kill and the next mount stays. */
static void
test_others_undo(void **state)
{
	(void)state;
	put_tree();
	crash_at(FILES + 2, false); /* but for d/f2 all are copied */
	assert_int_not_equal(mv("d", "g"), 0);
	fake_before(s3, NULL);
	set_dead(false);
	fake_put(s3, "g/theirs", 5, 1);
	fake_put(s3, "g/f0", 77, 77);
	fake_put(s3, "d/e/f3", 88, 88);
	fake_remove(s3, "d/f1"); /* the copy is the only one now */
	assert_true(fake_has(s3, "g/e/f3"));
	assert_true(mount_again());
	drain();
	assert_int_equal(fake_size(s3, "g/theirs"), 5);
	assert_int_equal(fake_size(s3, "g/f0"), 77);
	assert_int_equal(fake_size(s3, "g/f1"), 101);
	assert_int_equal(fake_objects(s3, "g/"), 3);
	assert_int_equal(fake_size(s3, "d/e/f3"), 88);
	assert_int_equal(fake_objects(s3, "d/"), FILES + 2 - 1);
	/* And is seen. */
	assert_int_equal(get(get(ROOT, "g").node, "f0").size, 77);
	assert_true(exists(get(ROOT, "g").node, "theirs"));
}

static void
test_others_finish(void **state)
{
	(void)state;
	put_tree();
	crash_at(FILES + 3, false);
	(void)mv("d", "g");
	fake_before(s3, NULL);
	set_dead(false);
	fake_put(s3, "d/f0", 77, 77);
	fake_put(s3, "d/theirs", 5, 1);
	fake_remove(s3, "g/f1"); /* the original is the only one now */
	fake_put(s3, "g/f2", 99, 99);
	assert_true(mount_again());
	drain();
	assert_int_equal(fake_size(s3, "d/f0"), 77);
	assert_int_equal(fake_size(s3, "d/theirs"), 5);
	assert_int_equal(fake_size(s3, "d/f1"), 101);
	assert_int_equal(fake_objects(s3, "d/"), 3);
	assert_int_equal(fake_size(s3, "g/f2"), 99);
	assert_int_equal(fake_objects(s3, "g/"), FILES + 2 - 1);
	assert_int_equal(get(get(ROOT, "d").node, "f0").size, 77);
	assert_true(exists(get(ROOT, "d").node, "theirs"));
}

/* The mount answers before S3 does, and the name that is not to be seen is
 * not; names beside are as free as ever. */
static void
test_hidden_meanwhile(void **state)
{
	(void)state;
	put_tree();
	crash_at(3, false);
	assert_int_not_equal(mv("d", "g"), 0);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	assert_true(mount_again());
	fake_wait_held(s3, 1);
	fake_hold(s3, S3_LIST_OBJECTS, false);
	fake_hold(s3, S3_DELETE_OBJECTS, true);
	list_dir(ROOT);
	assert_false(exists(ROOT, "g"));
	assert_seen("d");
	create_text(ROOT, "beside", "text");
	fake_hold(s3, S3_DELETE_OBJECTS, false);
	drain();
	(void)assert_one_tree();
	/* And again, once it is over. */
	assert_int_equal(mv("d", "g"), 0);
	assert_seen("g");
}

/* The server is away at the next mount, too: it is tried again, and what is
 * not done by the end of that is the one's after it. */
static void
test_server_away(void **state)
{
	uint64_t left = 0;

	(void)state;
	put_tree();
	crash_at(FILES + 3, false);
	(void)mv("d", "g");
	fake_before(s3, NULL);
	close_cache();
	restore_folder();
	atomic_fetch_add(&now_ms, 60000);
	open_cache();
	assert_int_equal(cache_drain(cache, NULL, &left), -EIO);
	assert_int_equal(left, 1);
	close_cache();
	open_cache();
	assert_int_equal(cache_drain(cache, NULL, &left), -EIO);
	set_dead(false);
	drain();
	assert_string_equal(assert_one_tree(), "g");
}

/* While a rename goes on, whoever lists does not see its copies. */
static void *
run_mv(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)mv("d", "g");
}

static void
test_copies_are_hidden(void **state)
{
	pthread_t thread;
	void *r;

	(void)state;
	put_tree();
	fake_hold(s3, S3_DELETE_OBJECTS, true);
	fake_hold(s3, S3_COPY_OBJECT, true);
	assert_int_equal(pthread_create(&thread, NULL, run_mv, NULL), 0);
	fake_wait_held(s3, FILES + 2);
	fake_put(s3, "g/stray", 1, 1);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_false(exists(ROOT, "g"));
	fake_hold(s3, S3_COPY_OBJECT, false);
	fake_hold(s3, S3_DELETE_OBJECTS, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_seen("g");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_kill_before_each),
		T(test_kill_after_each),
		T(test_no_conditions),
		T(test_kill_on_the_way_back),
		T(test_others_undo),
		T(test_others_finish),
		T(test_hidden_meanwhile),
		T(test_server_away),
		T(test_copies_are_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
