/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_short.c - a write that fails half-way, as on a disk that is full:
 * nothing of it is seen beyond the end of the file, here or in S3, also after a
 * kill.  (A limit on the size of files stands for the disk.)
 */
#include "tests/unit/crash.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>

#include "cache/admin.h"

#define ROOM (768 * KIB) /* in a file */

static uint8_t data[MIB];

static uint64_t
size_of(const char *name)
{
	return get(ROOT, name).size;
}

/* A write of 1 MiB at ${off}, of which the first bytes reach the disk. */
static void
write_short(struct cache_file *f, uint64_t off)
{
	struct rlimit was, small;

	memset(data, 'X', sizeof(data));
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = ROOM;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(
	    cache_file_write(f, off, data, MIB, false, NULL), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
}

static void
set_size(struct cache_file *f, const char *name, uint64_t size)
{
	const struct cache_set set = { .what = CACHE_SET_SIZE, .size = size };
	struct cache_attr attr;

	assert_int_equal(
	    cache_setattr(cache, get(ROOT, name).node, f, &set, NULL, &attr),
	    0);
	assert_int_equal(attr.size, size);
}

/* The first MiB of ${f} from ${off} is zeros. */
static void
assert_zeros(struct cache_file *f, uint64_t off)
{
	struct cache_bytes b;
	const uint8_t *p;

	assert_int_equal(cache_file_read(f, 0, MIB, NULL, &b), 0);
	assert_int_equal(b.len, MIB);
	p = b.data;
	for (uint64_t i = off; i < MIB; i++)
		assert_int_equal(p[i], 0);
	cache_bytes_put(cache, &b);
}

/* Likewise of what S3 has. */
static void
assert_zeros_in_s3(const char *key, uint64_t off)
{
	assert_int_equal(fake_size(s3, key), 2 * MIB);
	fake_read(s3, key, 0, data, MIB);
	for (uint64_t i = off; i < MIB; i++)
		assert_int_equal(data[i], 0);
}

static void
test_beyond_the_end_are_zeros(void **state)
{
	struct cache_file *f = create(ROOT, "f", "start");

	(void)state;
	write_short(f, 5);
	assert_int_equal(size_of("f"), 5);
	set_size(f, "f", 2 * MIB);
	assert_zeros(f, 5);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_zeros_in_s3("f", 5);
	cache_file_close(f);
}

static void
test_of_a_file_that_s3_has(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", 100 * KIB, 1);
	list_dir(ROOT);
	f = open_file(ROOT, "f");
	write_short(f, 100 * KIB);
	assert_int_equal(size_of("f"), 100 * KIB);
	set_size(f, "f", 2 * MIB);
	assert_zeros(f, 100 * KIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_zeros_in_s3("f", 100 * KIB);
	cache_file_close(f);
}

/* The folder as it is now is that of the next mount; ${f} is open still. */
static void
kill_mount(struct cache_file *f, const char *append)
{
	char command[256];

	(void)snprintf(crash.copy, sizeof(crash.copy), "%s.killed", folder);
	copy_folder();
	if (append != NULL) {
		uint64_t node = get(ROOT, "f").node;

		(void)snprintf(command, sizeof(command),
		    "for dir in %s/*/chunks; do printf %s >>$dir/%02x/%" PRIu64
		    "; done",
		    crash.copy, append, (unsigned)(node & 0xff), node);
		assert_int_equal(system(command), 0);
	}
	set_dead(true);
	cache_file_close(f);
	close_cache();
	set_dead(false);
	restore_folder();
	atomic_fetch_add(&now_ms, 60000);
	open_cache();
}

static void
assert_all_sent(const char *text)
{
	uint64_t left = 0;

	assert_int_equal(size_of("f"), strlen(text));
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	assert_object("f", text);
}

static void
test_a_kill_after_the_close(void **state)
{
	struct cache_file *f;

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	f = create(ROOT, "f", "start");
	write_short(f, 5);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	kill_mount(f, NULL);
	assert_all_sent("start");
}

/* Whatever has made the chunk file longer. */
static void
test_a_file_that_is_longer_than_it_was(void **state)
{
	struct cache_file *f;

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	f = create(ROOT, "f", "start");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	kill_mount(f, "XXXX");
	assert_all_sent("start");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_beyond_the_end_are_zeros),
		T(test_of_a_file_that_s3_has),
		T(test_a_kill_after_the_close),
		T(test_a_file_that_is_longer_than_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
