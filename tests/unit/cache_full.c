/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_full.c - a cache that is full of what is to be sent, where more of the
 * file is needed to send it: it is sent.
 *
 * Role:    unit test of cache/direct.c, and of what sends by it.
 */
#include "tests/unit/cache_names.h"

#include "cache/admin.h"

#define SIZE (100 * MIB)

static uint8_t piece[MIB];

static void
assert_sent(uint64_t changed)
{
	static uint8_t got[MIB], want[MIB];

	for (uint64_t off = 0; off < SIZE; off += MIB) {
		bool is_changed = off % (4 * MIB) == 0 && off < changed;

		for (uint64_t i = 0; i < MIB; i++)
			want[i] = is_changed ? piece[i] : fake_byte(1, off + i);
		fake_read(s3, "f", off, got, MIB);
		assert_memory_equal(got, want, MIB);
	}
}

/* Of each 4 MiB of an object that is not local one is changed, until there is
 * no room for more. */
static void
change_and_send(uint64_t memory, uint64_t part_size)
{
	struct cache_file *f;
	struct waiter w;
	uint64_t off = 0, left = 1;

	close_cache();
	config.size = 24 * MIB;
	config.memory = memory;
	config.part_size = part_size;
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	fake_put(s3, "f", SIZE, 1);
	list_dir(ROOT);
	for (size_t i = 0; i < MIB; i++)
		piece[i] = (uint8_t)(i * 7);
	f = open_file(ROOT, "f");
	waiter_init(&w);
	while (
	    off < SIZE && cache_file_write(f, off, piece, MIB, false, &w) == 0)
		off += 4 * MIB;
	assert_true(off >= 48 * MIB);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(cache_file_sync(f, false, &w), 0);
	waiter_fini(&w);
	cache_file_close(f);
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	assert_sent(off);
}

static void
test_little_memory(void **state)
{
	(void)state;
	change_and_send(4 * MIB, 0);
}

static void
test_large_parts(void **state)
{
	(void)state;
	change_and_send(32 * MIB, 40 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_little_memory),
		T(test_large_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
