/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pieces.h - a large file in pieces of a MiB: written, read, and looked at in
 * S3.
 *
 * Role:    part of the fixture of programs that include cache_names.h.
 */
#ifndef TESTS_UNIT_PIECES_H
#define TESTS_UNIT_PIECES_H

#include "tests/unit/cache_names.h"

#include "s3/base/wait.h"

static uint8_t piece[MIB]; /* what bytes_at() gave last */

/* A MiB of ${seed} (fake_byte()), or zeros if that is 0. */
static inline const uint8_t *
bytes_at(unsigned seed, uint64_t off)
{
	for (uint64_t i = 0; i < MIB; i++)
		piece[i] = seed == 0 ? 0 : fake_byte(seed, off + i);
	return piece;
}

/* As far as they can be written; returns the last result. */
static inline int
try_fill(struct cache_file *f, unsigned seed, uint64_t off, uint64_t end)
{
	struct waiter w;
	int r = 0;

	waiter_init(&w);
	for (; r == 0 && off < end; off += MIB)
		r = cache_file_write(
		    f, off, bytes_at(seed, off), MIB, false, &w);
	waiter_fini(&w);
	return r;
}

static inline void
fill(struct cache_file *f, unsigned seed, uint64_t off, uint64_t end)
{
	assert_int_equal(try_fill(f, seed, off, end), 0);
}

/* ${f} has the name "f". */
static inline int
truncate_to(struct cache_file *f, uint64_t size)
{
	const struct cache_set set = { .what = CACHE_SET_SIZE, .size = size };
	struct cache_attr attr;
	struct waiter w;
	int r;

	waiter_init(&w);
	r = cache_setattr(cache, get(ROOT, "f").node, f, &set, &w, &attr);
	waiter_fini(&w);
	return r;
}

static inline void
assert_bytes(struct cache_file *f, unsigned seed, uint64_t off, uint64_t end)
{
	struct cache_bytes bytes;

	for (; off < end; off += MIB) {
		assert_int_equal(cache_file_read(f, off, MIB, NULL, &bytes), 0);
		assert_int_equal(bytes.len, MIB);
		assert_memory_equal(bytes.data, bytes_at(seed, off), MIB);
		cache_bytes_put(cache, &bytes);
	}
}

static inline void
assert_stored(const char *key, unsigned seed, uint64_t off, uint64_t end)
{
	static uint8_t got[MIB];

	for (; off < end; off += MIB) {
		fake_read(s3, key, off, got, MIB);
		assert_memory_equal(got, bytes_at(seed, off), MIB);
	}
}

#endif
