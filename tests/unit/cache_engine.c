/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_engine.c - the whole layer, over an S3 in memory: names.
 *
 * Role:    test of the façade cache/cache.h: lookup, attributes, directories.
 *          cache_engine_read.c has the bytes.
 */
#include "tests/unit/cache_folder.h"

#include "s3/base/buf.h"

#define ROOT CACHE_ROOT

static uint64_t
requests(void)
{
	struct s3_stats stats;
	uint64_t sum = 0;

	s3_get_stats(s3, &stats);
	for (int i = 0; i < S3_KIND_COUNT; i++)
		sum += stats.requests[i];
	return sum;
}

static struct cache_attr
lookup(uint64_t parent, const char *name)
{
	struct cache_attr attr;

	assert_int_equal(cache_lookup(cache, parent, name, NULL, &attr), 0);
	return attr;
}

/* ---- directories ---- */

struct names {
	char names[40][64];
	uint64_t next[40];
	unsigned count;
	unsigned max;
};

static bool
take_name(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct names *names = arg;

	assert_int_not_equal(attr->node, 0);
	assert_int_not_equal(attr->ino, 0);
	if (names->count == names->max)
		return false;
	assert_true(strlen(name) < 64);
	(void)strcpy(names->names[names->count], name);
	names->next[names->count++] = next;
	return true;
}

static void
list_dir(uint64_t node, struct names *ret)
{
	struct cache_dir *d;

	*ret = (struct names){ .max = 40 };
	assert_int_equal(cache_opendir(cache, node, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take_name, ret), 0);
	cache_closedir(d);
}

static bool
has_name(const struct names *names, const char *name)
{
	unsigned found = 0;

	for (unsigned i = 0; i < names->count; i++)
		found += strcmp(names->names[i], name) == 0;
	assert_true(found <= 1);
	return found == 1;
}

static void
test_lookup(void **state)
{
	struct cache_attr attr, again;
	uint64_t n;

	(void)state;
	fake_put(s3, "f", 5000, 1);
	fake_put(s3, "d/x", 7, 1);
	attr = lookup(ROOT, "f");
	assert_true(S_ISREG(attr.mode));
	assert_int_equal(attr.mode & 07777, 0644);
	assert_int_equal(attr.size, 5000);
	assert_true(attr.complete);
	assert_int_equal(attr.valid_ms, TTL);
	n = requests();
	assert_int_equal(n, 2); /* HEAD beside LIST */
	again = lookup(ROOT, "f");
	assert_int_equal(again.node, attr.node);
	assert_int_equal(again.ino, attr.ino);
	assert_int_equal(requests(), n);
	attr = lookup(ROOT, "d");
	assert_true(S_ISDIR(attr.mode));
	assert_int_equal(attr.mode & 07777, 0755);
	again = lookup(attr.node, "x");
	assert_int_equal(again.size, 7);
}

static void
test_lookup_errors(void **state)
{
	struct cache_attr attr = { .node = 4711 };
	char name[300];
	uint64_t n;

	(void)state;
	fake_put(s3, "f", 1, 1);
	assert_int_equal(cache_lookup(cache, ROOT, "no", NULL, &attr), -ENOENT);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(
	    cache_lookup(cache, ROOT, name, NULL, &attr), -ENAMETOOLONG);
	assert_int_equal(
	    cache_lookup(cache, lookup(ROOT, "f").node, "x", NULL, &attr),
	    -ENOTDIR);
	assert_int_equal(
	    cache_lookup(cache, 987654, "x", NULL, &attr), -ESTALE);
	n = requests();
	assert_int_equal(
	    cache_lookup(cache, ROOT, ".pailfs", NULL, &attr), -ENOENT);
	assert_int_equal(requests(), n);
	fake_fail(s3, S3_LIST_OBJECTS, -EACCES, 1);
	assert_int_equal(
	    cache_lookup(cache, ROOT, "other", NULL, &attr), -EACCES);
	fake_fail(s3, S3_HEAD_OBJECT, -EIO, 1);
	assert_int_equal(cache_lookup(cache, ROOT, "other", NULL, &attr), -EIO);
	assert_int_equal(attr.node, 4711); /* untouched all the time */
}

/* A name that does not exist is not asked for again within the ttl. */
static void
test_negative(void **state)
{
	struct cache_attr attr;
	struct names names;
	uint64_t n;

	(void)state;
	fake_put(s3, "f", 1, 1);
	list_dir(ROOT, &names);
	n = requests();
	assert_int_equal(cache_lookup(cache, ROOT, "no", NULL, &attr), -ENOENT);
	assert_int_equal(requests(), n); /* in a listed directory: 0 */
	fake_put(s3, "no", 5, 1);
	atomic_fetch_add(&now_ms, TTL + 1);
	assert_int_equal(lookup(ROOT, "no").size, 5);
}

static void
test_readdir(void **state)
{
	struct names names, part = { .max = 2 }, rest = { .max = 40 };
	struct cache_dir *d;
	uint64_t n;

	(void)state;
	fake_put(s3, "a", 1, 1);
	fake_put(s3, "b/1", 1, 1);
	fake_put(s3, "b/2", 1, 1);
	fake_put(s3, "c/", 0, 1);
	fake_put(s3, "d", 1, 1);
	fake_put(s3, "e//odd", 1, 1);
	fake_put(s3, ".pailfs/probe/x", 1, 1);
	list_dir(ROOT, &names);
	assert_int_equal(requests(), 1);
	assert_int_equal(names.count, 5);
	assert_true(has_name(&names, "a"));
	assert_true(has_name(&names, "b"));
	assert_true(has_name(&names, "c"));
	assert_true(has_name(&names, "d"));
	assert_true(has_name(&names, "e"));
	list_dir(ROOT, &names);
	assert_int_equal(requests(), 1);
	n = requests();
	assert_true(S_ISDIR(lookup(ROOT, "b").mode));
	assert_int_equal(lookup(ROOT, "a").size, 1);
	assert_int_equal(requests(), n);

	/* In two goes: together all of it, each once. */
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take_name, &part), 0);
	assert_int_equal(part.count, 2);
	assert_int_equal(cache_readdir(d, part.next[1], take_name, &rest), 0);
	assert_int_equal(rest.count, 3);
	for (unsigned i = 0; i < 2; i++)
		assert_false(has_name(&rest, part.names[i]));
	cache_closedir(d);
	list_dir(lookup(ROOT, "c").node, &names);
	assert_int_equal(names.count, 0);
}

static bool
count_name(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	(void)name;
	(void)attr;
	(void)next;
	(*(unsigned *)arg)++;
	return true;
}

/* n entries cost ceil(n / 1000) requests. */
static void
test_large_directory(void **state)
{
	struct cache_dir *d;
	unsigned count = 0;
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 2500; i++) {
		(void)snprintf(key, sizeof(key), "big/%05u", i);
		fake_put(s3, key, i, i);
	}
	(void)lookup(ROOT, "big");
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 1);
	assert_int_equal(
	    cache_opendir(cache, lookup(ROOT, "big").node, NULL, &d), 0);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 1 + 3);
	assert_int_equal(cache_readdir(d, 0, count_name, &count), 0);
	assert_int_equal(count, 2500);
	cache_closedir(d);
}

/* A listing that fails on its second page: the error, then all of it. */
static void
test_listing_fails(void **state)
{
	struct cache_dir *d;
	struct names names;
	char key[32];

	(void)state;
	s3->page_size = 10;
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(key, sizeof(key), "%05u", i);
		fake_put(s3, key, i, i);
	}
	fake_fail(s3, S3_LIST_OBJECTS, -EIO, 1);
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), -EIO);
	list_dir(ROOT, &names);
	assert_int_equal(names.count, 30);
	assert_int_equal(
	    cache_opendir(cache, lookup(ROOT, "00001").node, NULL, &d),
	    -ENOTDIR);
}

/* What others changed is seen after the ttl; a new version, the same entry. */
static void
test_changes(void **state)
{
	struct cache_attr before, after, attr;
	struct names names;

	(void)state;
	fake_put(s3, "changes", 5, 1);
	fake_put(s3, "goes", 5, 1);
	fake_put(s3, "dir/x", 5, 1);
	list_dir(ROOT, &names);
	assert_int_equal(names.count, 3);
	before = lookup(ROOT, "changes");
	fake_put(s3, "changes", 6, 2);
	fake_put(s3, "comes", 6, 2);
	fake_remove(s3, "goes");
	fake_remove(s3, "dir/x");
	assert_int_equal(lookup(ROOT, "changes").node, before.node);
	atomic_fetch_add(&now_ms, TTL + 1);
	list_dir(ROOT, &names);
	assert_int_equal(names.count, 2);
	assert_true(has_name(&names, "comes"));
	after = lookup(ROOT, "changes");
	assert_int_equal(after.ino, before.ino);
	assert_int_not_equal(after.node, before.node);
	assert_int_equal(after.size, 6);
	assert_int_equal(atomic_load(&changes), 3);
	assert_int_equal(
	    cache_getattr(cache, before.node, NULL, NULL, &attr), -ESTALE);
}

/* With attrs=posix headers say what a small object is; asked once. */
static void
test_posix(void **state)
{
	static char mode[] = "mode", uid[] = "uid", mtime[] = "mtime";
	static char file[] = "33216", link[] = "41471", who[] = "1234",
		    when[] = "1500000000.000000007";
	struct cache_attr attr;
	struct buf target = BUF_INIT(4096);
	uint64_t n;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	open_cache();
	fake_put(s3, "f", 10, 1);
	fake_meta(s3, "f", mode, file);
	fake_meta(s3, "f", uid, who);
	fake_meta(s3, "f", mtime, when);
	fake_put(s3, "l", 0, 1);
	fake_meta(s3, "l", mode, link);
	assert_true(S_ISREG(lookup(ROOT, "f").mode));
	assert_int_equal(
	    cache_getattr(cache, lookup(ROOT, "f").node, NULL, NULL, &attr), 0);
	n = requests();
	assert_int_equal(attr.mode, S_IFREG | 0700);
	assert_int_equal(attr.uid, 1234);
	assert_int_equal(attr.mtime_ns, INT64_C(1500000000000000007));
	assert_int_equal(cache_getattr(cache, attr.node, NULL, NULL, &attr), 0);
	assert_int_equal(requests(), n);
	attr = lookup(ROOT, "l");
	assert_true(S_ISLNK(attr.mode));
	assert_int_equal(
	    cache_readlink(cache, lookup(ROOT, "f").node, NULL, &target),
	    -EINVAL);
	buf_fini(&target);
}

/* Kept over a restart: the same numbers, and no request within the ttl. */
static void
test_restart(void **state)
{
	struct cache_attr before, after;
	struct names names;
	uint64_t n;

	(void)state;
	fake_put(s3, "d/f", 5, 1);
	list_dir(lookup(ROOT, "d").node, &names);
	before = lookup(lookup(ROOT, "d").node, "f");
	n = requests();
	close_cache();
	open_cache();
	after = lookup(lookup(ROOT, "d").node, "f");
	assert_int_equal(after.node, before.node);
	assert_int_equal(after.ino, before.ino);
	assert_int_equal(requests(), n);
}

/* Two may not have one folder. */
static void
test_locked(void **state)
{
	static const struct cache_hooks hooks = { .arg = NULL };
	struct cache *other = NULL;
	char message[512];

	(void)state;
	assert_int_equal(
	    cache_open(&config, s3, &hooks, &other, message, sizeof(message)),
	    -EBUSY);
	assert_null(other);
	assert_non_null(strstr(message, "in use"));
	assert_non_null(strstr(message, folder));
}

/* One interrupted; the listing of another goes on. */
struct lister {
	pthread_t thread;
	struct waiter waiter;
	int result;
};

static void *
lister_main(void *arg)
{
	struct lister *l = arg;
	struct cache_dir *d;

	l->result = cache_opendir(cache, ROOT, &l->waiter, &d);
	if (l->result == 0)
		cache_closedir(d);
	return NULL;
}

static void
test_interrupted_listing(void **state)
{
	struct lister listers[2];

	(void)state;
	fake_put(s3, "f", 5, 1);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	for (int i = 0; i < 2; i++) {
		waiter_init(&listers[i].waiter);
		assert_int_equal(pthread_create(&listers[i].thread, NULL,
				     lister_main, &listers[i]),
		    0);
		fake_wait_held(s3, 1);
	}
	waiter_interrupt(&listers[0].waiter);
	assert_int_equal(pthread_join(listers[0].thread, NULL), 0);
	assert_int_equal(listers[0].result, -EINTR);
	fake_hold(s3, S3_LIST_OBJECTS, false);
	assert_int_equal(pthread_join(listers[1].thread, NULL), 0);
	assert_int_equal(listers[1].result, 0);
	for (int i = 0; i < 2; i++)
		waiter_fini(&listers[i].waiter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lookup),
		T(test_lookup_errors),
		T(test_negative),
		T(test_readdir),
		T(test_large_directory),
		T(test_listing_fails),
		T(test_changes),
		T(test_posix),
		T(test_restart),
		T(test_locked),
		T(test_interrupted_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
