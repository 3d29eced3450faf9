/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rename.c - rename of files: what it costs, what moves along, and what
 * is left when it goes wrong.
 *
 * Role:    unit test of cache/rename.c.
 */
#include "tests/unit/cache_names.h"

#include <sys/xattr.h>
#include <unistd.h>

static int
mv(uint64_t dir, const char *name, uint64_t new_dir, const char *new_name)
{
	int r = cache_rename(
	    cache, &AT(dir, name), &AT(new_dir, new_name), 0, NULL);

	tick();
	return r;
}

static int
chmod_node(uint64_t node, uint32_t mode)
{
	const struct cache_set set = { .what = CACHE_SET_MODE, .mode = mode };
	struct cache_attr attr;

	return cache_setattr(cache, node, NULL, &set, NULL, &attr);
}

static void
test_rename(void **state)
{
	struct cache_attr before, after;
	uint64_t d;

	(void)state;
	fake_put(s3, "f", 300, 1);
	fake_meta(s3, "f", "color", "red");
	list_dir(ROOT);
	before = get(ROOT, "f");
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	after = get(ROOT, "g");
	assert_int_equal(after.node, before.node);
	assert_int_equal(after.ino, before.ino);
	assert_int_equal(after.size, 300);
	assert_int_equal(after.mtime_ns, before.mtime_ns);
	assert_false(exists(ROOT, "f"));
	assert_clean(ROOT, "g");
	assert_meta("g", "color", "red");
	assert_false(fake_has(s3, "f"));
	d = make_dir(ROOT, "d");
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, "g", d, "h"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_int_equal(get(d, "h").node, before.node);
	assert_true(fake_has(s3, "d/h"));
	assert_int_equal(mv(ROOT, "g", d, "h"), -ENOENT);
}

static void
test_rename_over(void **state)
{
	uint64_t node;

	(void)state;
	fake_put_text(s3, "f", "new text");
	fake_put_text(s3, "g", "old text, longer");
	fake_put(s3, "d/", 0, 1);
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	assert_int_equal(mv(ROOT, "f", ROOT, "f"), 0);
	assert_int_equal(mv(ROOT, "f", ROOT, "d"), -EISDIR);
	assert_int_equal(mv(ROOT, "d", ROOT, "f"), -ENOTDIR);
	assert_int_equal(cache_rename(cache, &AT(ROOT, "f"), &AT(ROOT, "g"),
			     RENAME_NOREPLACE, NULL),
	    -EEXIST);
	assert_int_equal(cache_rename(cache, &AT(ROOT, "f"), &AT(ROOT, "g"),
			     RENAME_EXCHANGE, NULL),
	    -EINVAL);
	assert_int_equal(mv(ROOT, "f", ROOT, ".pailfs"), -EINVAL);
	assert_cost((struct cost){ 0 });
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_int_equal(get(ROOT, "g").node, node);
	assert_object("g", "new text");
	assert_false(fake_has(s3, "f"));
	assert_int_equal(cache_rename(cache, &AT(ROOT, "g"), &AT(ROOT, "f"),
			     RENAME_NOREPLACE, NULL),
	    0);
	assert_object("f", "new text");
}

/* What is open of both goes on. */
static void
test_rename_open(void **state)
{
	struct cache_file *f, *g;

	(void)state;
	fake_put_text(s3, "f", "new text");
	fake_put_text(s3, "g", "old text, longer");
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	g = open_file(ROOT, "g");
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_text(g, "old text, longer");
	assert_text(f, "new text");
	assert_int_equal(cache_file_write(f, 0, "NEW", 3, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("g", "NEW text");
	assert_false(fake_has(s3, "f"));
	assert_int_equal(cache_file_flush(g, NULL), 0);
	cache_file_close(f);
	cache_file_close(g);
	assert_clean(ROOT, "g");
	assert_text(f = open_file(ROOT, "g"), "NEW text");
	cache_file_close(f);
}

/* Dirty bytes stay with the entry. */
static void
test_rename_dirty(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put_text(s3, "f", "some text");
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	assert_int_equal(cache_file_write(f, 0, "SOME", 4, false, NULL), 0);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_object("g", "some text");
	assert_false(fake_has(s3, "f"));
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("g", "SOME text");
	assert_false(fake_has(s3, "f"));
	cache_file_close(f);
	assert_clean(ROOT, "g");
}

/* What S3 does not have moves without a request, over anything. */
static void
test_rename_unsent(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put_text(s3, "h", "replaced");
	list_dir(ROOT);
	f = create(ROOT, "f", "unsent");
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(mv(ROOT, "g", ROOT, "h"), 0);
	assert_cost((struct cost){ 0 });
	assert_object("h", "replaced");
	assert_false(exists(ROOT, "g"));
	assert_int_equal(get(ROOT, "h").size, 6);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_cost((struct cost){ .puts = 1 });
	assert_object("h", "unsent");
	cache_file_close(f);
	assert_clean(ROOT, "h");
}

/* Over a name whose object S3 has still, and away from there. */
static void
test_rename_unsent_away(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put_text(s3, "h", "replaced");
	list_dir(ROOT);
	f = create(ROOT, "f", "unsent");
	assert_int_equal(mv(ROOT, "f", ROOT, "h"), 0);
	assert_int_equal(mv(ROOT, "h", ROOT, "k"), 0);
	assert_cost((struct cost){ .deletes = 1 });
	assert_false(fake_has(s3, "h"));
	assert_false(exists(ROOT, "h"));
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("k", "unsent");
	cache_file_close(f);
	/* A clean one over an unsent one. */
	f = create(ROOT, "u", "to go");
	assert_int_equal(mv(ROOT, "k", ROOT, "u"), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_text(f, "to go");
	cache_file_close(f);
	assert_object("u", "unsent");
	assert_false(fake_has(s3, "k"));
}

/* Attributes that were set go along; later ones do not get lost. */
static void
test_rename_attributes(void **state)
{
	struct buf value = BUF_INIT(100);
	uint64_t node;

	(void)state;
	list_dir(ROOT);
	create_text(ROOT, "f", "text");
	node = get(ROOT, "f").node;
	assert_int_equal(
	    cache_setxattr(cache, node,
		&(struct cache_xattr){ "user.a", "b", 1, 0 }, NULL),
	    0);
	assert_int_equal(chmod_node(node, 0600), 0);
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_clean(ROOT, "g");
	assert_meta("g", "mode", "33152");
	assert_int_equal(get(ROOT, "g").mode, S_IFREG | 0600);
	assert_int_equal(
	    cache_getxattr(cache, node, "user.a", NULL, &value), 0);
	assert_string_equal(buf_str(&value), "b");
	buf_fini(&value);
}

/* Uploaded under a temporary name, renamed to what it is. */
static void
test_rename_type(void **state)
{
	(void)state;
	list_dir(ROOT);
	create_text(ROOT, ".page.tmp123", "<html>");
	fake_count_reset(s3);
	assert_int_equal(mv(ROOT, ".page.tmp123", ROOT, "page.html"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_type("page.html", "text/html");
	assert_clean(ROOT, "page.html");
	/* What another tool has given stays. */
	fake_put(s3, "a.bin", 10, 1);
	fake_meta(s3, "a.bin", "color", "red");
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_int_equal(mv(ROOT, "a.bin", ROOT, "a.html"), 0);
	assert_meta("a.html", "color", "red");
	assert_null(fake_type_of(s3, "a.html"));
}

/* The directory that is left stays, if only keys made it. */
static void
test_rename_last(void **state)
{
	uint64_t d;

	(void)state;
	fake_put(s3, "d/f", 10, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	list_dir(d);
	assert_int_equal(mv(d, "f", d, "g"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 1 });
	assert_int_equal(mv(d, "g", ROOT, "g"), 0);
	assert_cost((struct cost){ .puts = 1, .copies = 1, .deletes = 1 });
	assert_true(fake_has(s3, "d/"));
	assert_true(fake_has(s3, "g"));
}

/* Other versions than we know, at the source and at the target. */
static void
test_rename_other_version(void **state)
{
	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "g", 20, 1);
	list_dir(ROOT);
	fake_put(s3, "f", 30, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(fake_size(s3, "g"), 30);
	assert_int_equal(get(ROOT, "g").size, 30);
	fake_put(s3, "h", 40, 1);
	list_dir(ROOT);
	fake_put(s3, "g", 50, 1);
	assert_int_equal(mv(ROOT, "g", ROOT, "k"), 0);
	fake_put(s3, "l", 60, 1); /* not known to be there */
	assert_int_equal(mv(ROOT, "k", ROOT, "l"), 0);
	assert_int_equal(fake_size(s3, "l"), 50);
	assert_false(fake_has(s3, "k"));
	fake_remove(s3, "l");
	assert_int_equal(mv(ROOT, "l", ROOT, "m"), -ENOENT);
	assert_false(exists(ROOT, "l"));
	assert_false(exists(ROOT, "m"));
}

static void
test_rename_fails(void **state)
{
	uint64_t node, rows;

	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	rows = row_count();
	fake_fail(s3, S3_COPY_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), -EACCES);
	assert_false(exists(ROOT, "g"));
	assert_int_equal(get(ROOT, "f").node, node);
	assert_int_equal(row_count(), rows);
	/* The copy was made, the answer is lost. */
	fake_lose(s3, S3_COPY_OBJECT, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(get(ROOT, "g").node, node);
	assert_false(fake_has(s3, "f"));
	/* The old one cannot be deleted: at the second try it can. */
	fake_fail(s3, S3_DELETE_OBJECT, -EIO, 1);
	assert_int_equal(mv(ROOT, "g", ROOT, "h"), 0);
	assert_false(fake_has(s3, "g"));
	/* It can not: it has the old name still, and nothing else is left. */
	rows = row_count();
	fake_count_reset(s3);
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "h", ROOT, "k"), -EACCES);
	assert_cost((struct cost){ .copies = 1, .deletes = 2 });
	assert_int_equal(get(ROOT, "h").node, node);
	assert_clean(ROOT, "h");
	assert_false(exists(ROOT, "k"));
	assert_false(fake_has(s3, "k"));
	assert_int_equal(row_count(), rows);
	/* Nor can the copy: that shows. */
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 2);
	assert_int_equal(mv(ROOT, "h", ROOT, "k"), -EACCES);
	assert_int_equal(get(ROOT, "h").node, node);
	assert_true(exists(ROOT, "k"));
	assert_int_not_equal(get(ROOT, "k").node, node);
	assert_int_equal(mv(ROOT, "h", ROOT, "k"), 0);
	assert_int_equal(get(ROOT, "k").node, node);
	assert_false(exists(ROOT, "h"));
	assert_false(fake_has(s3, "h"));
}

/* The object goes before its DELETE comes, which is refused for that. */
static void
remove_first(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind != S3_DELETE_OBJECT)
		return;
	fake_remove(bucket, call->key);
	fake_fail(bucket, S3_DELETE_OBJECT, -ESTALE, 1);
}

/* It changes before its DELETE comes. */
static void
change_first(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_DELETE_OBJECT)
		fake_put(bucket, call->key, 20, 2);
}

/* The DELETE of "g" is always refused. */
static void
refuse_g(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind == S3_DELETE_OBJECT && strcmp(call->key, "g") == 0)
		fake_fail(bucket, S3_DELETE_OBJECT, -ESTALE, 1);
}

/* A DELETE is said to meet another version: what is there is looked at. */
static void
test_rename_meets_412(void **state)
{
	uint64_t node;

	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	fake_fail(s3, S3_DELETE_OBJECT, -ESTALE, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_cost((struct cost){ .copies = 1, .deletes = 2, .heads = 1 });
	assert_false(fake_has(s3, "f"));
	assert_false(exists(ROOT, "f"));
	/* It is said again of what is as it was: nothing was done. */
	fake_before(s3, refuse_g);
	assert_int_equal(mv(ROOT, "g", ROOT, "h"), -ESTALE);
	assert_int_equal(get(ROOT, "g").node, node);
	assert_false(fake_has(s3, "h"));
	fake_before(s3, remove_first);
	assert_int_equal(mv(ROOT, "g", ROOT, "k"), 0);
	assert_false(exists(ROOT, "g"));
	/* Another's was made after the rename, and stays. */
	fake_before(s3, change_first);
	assert_int_equal(mv(ROOT, "k", ROOT, "l"), 0);
	fake_before(s3, NULL);
	assert_int_equal(get(ROOT, "l").node, node);
	assert_int_equal(get(ROOT, "k").size, 20);
	assert_int_equal(fake_size(s3, "l"), 10);
}

/* How a DELETE ended is not known: a HEAD tells, or the new name counts. */
static void
test_rename_unsure(void **state)
{
	uint64_t node;

	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	fake_fail(s3, S3_DELETE_OBJECT, -EIO, 2);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), -EIO);
	assert_int_equal(get(ROOT, "f").node, node);
	assert_false(fake_has(s3, "g"));
	fake_lose(s3, S3_DELETE_OBJECT, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), 0);
	assert_int_equal(get(ROOT, "g").node, node);
	assert_false(fake_has(s3, "f"));
	fake_fail(s3, S3_DELETE_OBJECT, -EIO, 2);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	assert_int_equal(mv(ROOT, "g", ROOT, "h"), -EIO);
	assert_int_equal(get(ROOT, "h").node, node);
	assert_clean(ROOT, "h");
	assert_true(exists(ROOT, "g"));
	assert_int_not_equal(get(ROOT, "g").node, node);
}

/* What was replaced is gone, but both names tell what S3 has. */
static void
test_rename_over_refused(void **state)
{
	struct cache_file *f, *g;
	uint64_t node, old;

	(void)state;
	fake_put_text(s3, "f", "new text");
	fake_put_text(s3, "g", "old text, longer");
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	g = open_file(ROOT, "g");
	node = get(ROOT, "f").node;
	old = get(ROOT, "g").node;
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g"), -EACCES);
	assert_int_equal(get(ROOT, "f").node, node);
	assert_int_equal(get(ROOT, "g").size, strlen("new text"));
	assert_int_not_equal(get(ROOT, "g").node, old);
	assert_object("f", "new text");
	assert_object("g", "new text");
	/* Who has them open goes on, each with its own. */
	assert_text(g, "old text, longer");
	cache_file_close(g);
	assert_int_equal(cache_file_write(f, 0, "NEW", 3, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("f", "NEW text");
	assert_object("g", "new text");
	cache_file_close(f);
	assert_clean(ROOT, "f");
	assert_clean(ROOT, "g");
}

/* Dirty bytes and attributes stay with the old name. */
static void
test_rename_dirty_refused(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put_text(s3, "f", "some text");
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	assert_int_equal(cache_file_write(f, 0, "SOME", 4, false, NULL), 0);
	assert_int_equal(chmod_node(get(ROOT, "f").node, 0600), 0);
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "f", ROOT, "g.html"), -EACCES);
	assert_false(fake_has(s3, "g.html"));
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("f", "SOME text");
	assert_meta("f", "mode", "33152");
	assert_false(fake_has(s3, "g.html"));
	cache_file_close(f);
	assert_clean(ROOT, "f");
}

/* Nothing of these was sent: all of it stays. */
static void
test_rename_unsent_refused(void **state)
{
	struct cache_file *f, *g;

	(void)state;
	fake_put_text(s3, "h", "replaced");
	fake_put_text(s3, "k", "kept");
	list_dir(ROOT);
	f = create(ROOT, "f", "unsent");
	assert_int_equal(mv(ROOT, "f", ROOT, "h"), 0);
	g = open_file(ROOT, "k");
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "h", ROOT, "k"), -EACCES);
	assert_object("k", "kept");
	assert_object("h", "replaced");
	assert_int_equal(cache_file_write(g, 0, "KEPT", 4, false, NULL), 0);
	assert_int_equal(cache_file_flush(g, NULL), 0);
	assert_object("k", "KEPT");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_object("h", "unsent");
	cache_file_close(f);
	cache_file_close(g);
	/* One that is in S3 over one that is not. */
	g = create(ROOT, "u", "to come");
	fake_fail(s3, S3_DELETE_OBJECT, -EACCES, 1);
	assert_int_equal(mv(ROOT, "k", ROOT, "u"), -EACCES);
	assert_false(fake_has(s3, "u"));
	assert_int_equal(cache_file_flush(g, NULL), 0);
	assert_object("u", "to come");
	assert_object("k", "KEPT");
	cache_file_close(g);
	for (const char *const *name =
		 (const char *const[]){ "h", "k", "u", NULL };
	     *name != NULL; name++)
		assert_clean(ROOT, *name);
}

static void *
run_rename(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)cache_rename(
	    cache, &AT(ROOT, "f"), &AT(ROOT, "g"), 0, NULL);
}

/* While the old object is being deleted, a list has it still. */
static void
test_rename_late_list(void **state)
{
	pthread_t thread;
	uint64_t node;
	void *r;

	(void)state;
	fake_put(s3, "f", 10, 1);
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	fake_hold(s3, S3_DELETE_OBJECT, true);
	assert_int_equal(pthread_create(&thread, NULL, run_rename, NULL), 0);
	fake_wait_held(s3, 1);
	while (fake_count(s3, S3_DELETE_OBJECT) == 0)
		(void)usleep(1000);
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_true(fake_has(s3, "f"));
	assert_false(exists(ROOT, "f"));
	assert_int_equal(get(ROOT, "g").node, node);
	fake_hold(s3, S3_DELETE_OBJECT, false);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, 0);
	assert_false(fake_has(s3, "f"));
	assert_false(exists(ROOT, "f"));
	assert_int_equal(mv(ROOT, "g", ROOT, "f"), 0);
	assert_int_equal(get(ROOT, "f").node, node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rename),
		T(test_rename_over),
		T(test_rename_open),
		T(test_rename_dirty),
		T(test_rename_unsent),
		T(test_rename_unsent_away),
		T(test_rename_attributes),
		T(test_rename_type),
		T(test_rename_last),
		T(test_rename_other_version),
		T(test_rename_fails),
		T(test_rename_meets_412),
		T(test_rename_unsure),
		T(test_rename_over_refused),
		T(test_rename_dirty_refused),
		T(test_rename_unsent_refused),
		T(test_rename_late_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
