/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_shorter.c - a file of S3's that was only made shorter, which no byte
 * tells of, and mounts that may not write.
 *
 * Role:    unit test of cache/entry.c and cache/read.c.
 */
#include "tests/unit/crash.h"

#include <unistd.h>

#include "cache/admin.h"

#define SIZE  (6 * MIB) /* in S3 */
#define SHORT (4 * MIB)
#define END_S 60 /* or else it waits for ever */

static void
set_size(const char *name, struct cache_file *f)
{
	const struct cache_set set = { .what = CACHE_SET_SIZE, .size = SHORT };
	struct cache_attr attr;

	assert_int_equal(
	    cache_setattr(cache, get(ROOT, name).node, f, &set, NULL, &attr),
	    0);
	assert_int_equal(attr.size, SHORT);
}

static struct cache_file *
open_to_read(const char *name)
{
	struct cache_file *f;

	assert_int_equal(
	    cache_file_open(cache, get(ROOT, name).node, O_RDONLY, NULL, &f),
	    0);
	return f;
}

static int
read_at(struct cache_file *f, uint64_t off)
{
	struct cache_bytes b;
	int r = cache_file_read(f, off, MIB, NULL, &b);

	if (r == 0)
		cache_bytes_put(cache, &b);
	return r;
}

static void
read_all(const char *name)
{
	struct cache_file *f = open_to_read(name);

	for (uint64_t off = 0; off < SIZE; off += MIB)
		assert_int_equal(read_at(f, off), 0);
	cache_file_close(f);
	atomic_fetch_add(&now_ms, 1000);
}

/* A mount that evicts, and may not write, lies between. */
static void
test_what_is_owed_stays(void **state)
{
	uint64_t left = 0;

	(void)state;
	(void)alarm(END_S);
	close_cache();
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	fake_put(s3, "f", SIZE, 1);
	fake_put(s3, "g", SIZE, 2);
	fake_put(s3, "h", SIZE, 3);
	fake_put(s3, "i", SIZE, 4);
	list_dir(ROOT);
	read_all("f");
	set_size("f", NULL);
	set_dead(true);
	close_cache();
	set_dead(false);
	config.read_only = true;
	config.size = 12 * MIB;
	open_cache();
	assert_int_equal(get(ROOT, "f").size, SHORT);
	read_all("g");
	read_all("h");
	read_all("i");
	close_cache();
	config.read_only = false;
	config.size = 256 * MIB;
	open_cache();
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(fake_size(s3, "f"), SHORT);
	(void)alarm(0);
}

/* Killed before a close, whose facts a mount that may not write leaves. */
static void
test_what_is_nowhere_is_not_waited_for(void **state)
{
	struct cache_file *f;

	(void)state;
	(void)alarm(END_S);
	fake_put(s3, "f", SIZE, 1);
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	set_size("f", f);
	(void)snprintf(crash.copy, sizeof(crash.copy), "%s.killed", folder);
	copy_folder();
	set_dead(true);
	cache_file_close(f);
	close_cache();
	set_dead(false);
	restore_folder();
	atomic_fetch_add(&now_ms, 60000);
	config.read_only = true;
	open_cache();
	f = open_to_read("f");
	assert_int_equal(read_at(f, 0), 0);
	assert_int_equal(read_at(f, SHORT - MIB), 0);
	assert_int_equal(read_at(f, SHORT), -EIO);
	/* Some of it is there. */
	assert_int_equal(read_at(f, SHORT - MIB / 2), -EIO);
	cache_file_close(f);
	(void)alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_is_owed_stays),
		T(test_what_is_nowhere_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
