/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_ahead.c - read-ahead: what is asked for, and in how many pieces.
 *
 * Role:    unit test of cache/ahead.c.
 *
 * Readers are played against a model that fetches what is wanted at once, as
 * pieces; the model counts them.
 */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include "cache/ahead.h"
#include "cache/rangeset.h"

#define KIB   ((uint64_t)1 << 10)
#define MIB   ((uint64_t)1 << 20)
#define LIMIT (128 * MIB)

/* What was fetched so far, and in how many pieces. */
struct model {
	struct ahead ahead;
	struct rangeset have;
	uint64_t size;
	uint64_t limit;
	unsigned pieces;
	bool stalls; /* a read that misses has to wait */
};

static void
model_init(struct model *m, uint64_t size)
{
	*m = (struct model){ .size = size, .limit = LIMIT, .stalls = true };
	rangeset_init(&m->have);
}

static void
model_fini(struct model *m)
{
	rangeset_fini(&m->have);
}

/* What holds of every answer. */
static void
check_want(const struct model *m, uint64_t off, uint64_t end,
    const struct ahead_want *want)
{
	assert_int_equal(want->off % AHEAD_BLOCK, 0);
	assert_true(want->off <= off);
	assert_true(off - want->off < AHEAD_BLOCK);
	assert_true(want->demand_end >= end);
	assert_true(want->demand_end - end < AHEAD_BLOCK);
	assert_true(want->end >= want->demand_end);
	assert_true(want->end <= m->size);
	assert_true(want->end % AHEAD_BLOCK == 0 || want->end == m->size);
	assert_true(
	    want->demand_end % AHEAD_BLOCK == 0 || want->demand_end == m->size);
}

static struct ahead_want
model_read(struct model *m, uint64_t off, uint64_t len)
{
	uint64_t end = off + len < m->size ? off + len : m->size;
	struct ahead_want want = { 0 };
	struct ahead_stream *s;
	uint64_t gap_off, gap_end;

	s = ahead_read(&m->ahead, off, end - off, m->size, m->limit, &want);
	check_want(m, off, end, &want);
	if (m->stalls && !rangeset_has(&m->have, off, end))
		ahead_stall(s, m->limit);
	while (rangeset_next_gap(
	    &m->have, want.off, want.end, &gap_off, &gap_end)) {
		uint64_t piece = ahead_piece_end(gap_off, gap_end);

		assert_true(piece > gap_off && piece <= gap_end);
		assert_int_equal(rangeset_add(&m->have, gap_off, piece), 0);
		m->pieces++;
	}
	return want;
}

static void
read_in_order(struct model *m, uint64_t off, uint64_t end, uint64_t len)
{
	for (; off < end; off += len)
		(void)model_read(m, off, len);
}

static void
test_first_part(void **state)
{
	struct ahead_want want;
	struct model m;

	(void)state;
	model_init(&m, 100 * MIB);
	want = model_read(&m, 0, 4 * KIB);
	assert_int_equal(want.off, 0);
	assert_int_equal(want.end, AHEAD_PART);
	assert_int_equal(want.demand_end, AHEAD_BLOCK);
	assert_int_equal(m.pieces, 1);
	model_fini(&m);

	/* A file smaller than that: all of it. */
	model_init(&m, 300 * KIB + 7);
	want = model_read(&m, 0, 1);
	assert_int_equal(want.end, 300 * KIB + 7);
	model_fini(&m);
	model_init(&m, 1);
	want = model_read(&m, 0, 1);
	assert_int_equal(want.end, 1);
	assert_int_equal(want.demand_end, 1);
	model_fini(&m);
}

static void
test_random(void **state)
{
	static const uint64_t offs[] = { 333 * MIB + 5, 7 * MIB, 200 * MIB,
		99 * MIB, 411 * MIB, 50 * MIB, 280 * MIB, 150 * MIB };
	struct model m;

	(void)state;
	model_init(&m, 512 * MIB);
	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		struct ahead_want want = model_read(&m, offs[i], 4 * KIB);

		assert_int_equal(want.off, offs[i] / AHEAD_BLOCK * AHEAD_BLOCK);
		assert_int_equal(want.end - want.off, AHEAD_BLOCK);
		assert_int_equal(want.end, want.demand_end);
		assert_int_equal(m.pieces, i + 1);
	}
	assert_int_equal(rangeset_bytes(&m.have), 8 * AHEAD_BLOCK);
	model_fini(&m);

	/* Over a border of blocks: both, no more; at the end: up to it. */
	model_init(&m, 512 * MIB + 9);
	(void)model_read(&m, 300 * MIB + AHEAD_BLOCK - 1, 2);
	assert_int_equal(rangeset_bytes(&m.have), 2 * AHEAD_BLOCK);
	(void)model_read(&m, 512 * MIB + 2, 100);
	assert_int_equal(rangeset_bytes(&m.have), 2 * AHEAD_BLOCK + 9);
	model_fini(&m);
}

/* Many reads at random places never cost more than the blocks touched. */
static void
test_random_many(void **state)
{
	uint64_t seed = 88172645463325252u;
	struct rangeset touched;
	struct model m;

	(void)state;
	model_init(&m, (uint64_t)1 << 40);
	rangeset_init(&touched);
	for (int i = 0; i < 2000; i++) {
		uint64_t off;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		off = 16 * MIB + seed % (m.size - 32 * MIB);
		(void)model_read(&m, off, 4 * KIB);
		off = off / AHEAD_BLOCK * AHEAD_BLOCK;
		assert_int_equal(
		    rangeset_add(&touched, off, off + 2 * AHEAD_BLOCK), 0);
	}
	assert_true(rangeset_bytes(&m.have) <= rangeset_bytes(&touched));
	assert_true(rangeset_bytes(&m.have) <= 2100 * AHEAD_BLOCK);
	rangeset_fini(&touched);
	model_fini(&m);
}

static void
test_doubles(void **state)
{
	struct ahead a;
	struct ahead_want want;
	struct ahead_stream *s;
	uint64_t off = 40 * MIB + 3 * AHEAD_BLOCK, window;

	(void)state;
	memset(&a, 0, sizeof(a));
	s = ahead_read(&a, off, AHEAD_BLOCK, 900 * MIB, LIMIT, &want);
	assert_null(s); /* follows none */
	assert_int_equal(want.end, want.demand_end);
	ahead_stall(NULL, LIMIT);
	off += AHEAD_BLOCK;
	s = ahead_read(&a, off, AHEAD_BLOCK, 900 * MIB, LIMIT, &want);
	assert_non_null(s);
	assert_int_equal(s->window, AHEAD_BLOCK);
	assert_int_equal(want.end, off + 2 * AHEAD_BLOCK);
	for (window = 2 * AHEAD_BLOCK; window < AHEAD_PART; window *= 2) {
		ahead_stall(s, LIMIT);
		off += AHEAD_BLOCK;
		s = ahead_read(&a, off, AHEAD_BLOCK, 900 * MIB, LIMIT, &want);
		assert_non_null(s);
		assert_int_equal(s->window, window);
		assert_int_equal(want.end, off + AHEAD_BLOCK + window);
	}
	/* Who never waits never gets more. */
	for (int i = 0; i < 50; i++) {
		off += AHEAD_BLOCK;
		s = ahead_read(&a, off, AHEAD_BLOCK, 900 * MIB, LIMIT, &want);
		assert_non_null(s);
		assert_int_equal(want.end, off + AHEAD_BLOCK + window / 2);
	}
	for (int i = 0; i < 40; i++)
		ahead_stall(s, LIMIT);
	assert_int_equal(s->window, LIMIT);
}

/* At most the limit ahead of the read, but for the block's own end. */
static void
test_limit(void **state)
{
	static const uint64_t limits[] = { 128 * KIB, 512 * KIB, 1 * MIB,
		5 * MIB, 8 * MIB, 16 * MIB, 128 * MIB };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct model m;

		model_init(&m, 400 * MIB);
		m.limit = limits[i];
		for (uint64_t off = 0; off < 200 * MIB; off += 100 * KIB) {
			struct ahead_want want = model_read(&m, off, 100 * KIB);

			if (want.end - want.demand_end > m.limit)
				print_error("limit %llu: %llu ahead at %llu\n",
				    (unsigned long long)m.limit,
				    (unsigned long long)(want.end -
							 want.demand_end),
				    (unsigned long long)off);
			assert_true(want.end - want.demand_end <= m.limit);
		}
		model_fini(&m);
	}
}

/* A file of s bytes, read in order, costs exactly ceil(s / 8 MiB) pieces. */
static void
check_budget(uint64_t size, uint64_t len, bool stalls)
{
	uint64_t want = (size + AHEAD_PART - 1) / AHEAD_PART;
	struct model m;

	model_init(&m, size);
	m.stalls = stalls;
	read_in_order(&m, 0, size, len);
	if (m.pieces != want)
		print_error("size %llu by %llu: %u pieces, not %llu\n",
		    (unsigned long long)size, (unsigned long long)len, m.pieces,
		    (unsigned long long)want);
	assert_int_equal(m.pieces, want);
	assert_true(rangeset_has(&m.have, 0, size));
	model_fini(&m);
}

static void
test_budget(void **state)
{
	static const uint64_t sizes[] = { 1, 4096, AHEAD_BLOCK, AHEAD_BLOCK + 1,
		AHEAD_PART - 1, AHEAD_PART, AHEAD_PART + 1,
		AHEAD_PART + AHEAD_BLOCK, 2 * AHEAD_PART, 2 * AHEAD_PART + 1,
		3 * AHEAD_PART - 1, 100 * MIB, 100 * MIB + 12345, 512 * MIB };
	static const uint64_t lens[] = { 4096, 65536, 100000, AHEAD_BLOCK,
		MIB };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			check_budget(sizes[i], lens[k], false);
			check_budget(sizes[i], lens[k], true);
		}
	}
}

/* A player: the head, the tail, then on from the head; the head's stream is
 * still known, and nothing is asked for twice. */
static void
test_streams(void **state)
{
	struct ahead_want want;
	struct model m;

	(void)state;
	model_init(&m, 300 * MIB);
	read_in_order(&m, 0, 2 * MIB, AHEAD_BLOCK);
	want = model_read(&m, 299 * MIB, 4 * KIB);
	assert_int_equal(want.end - want.off, AHEAD_BLOCK);
	want = model_read(&m, 2 * MIB, AHEAD_BLOCK);
	assert_true(want.end >= 2 * MIB + AHEAD_PART);
	read_in_order(&m, 2 * MIB + AHEAD_BLOCK, 64 * MIB, AHEAD_BLOCK);
	assert_true(m.ahead.streams[0].window >= AHEAD_PART);
	assert_true(m.pieces <= 64 / 8 + 1 + 1 + 1);
	model_fini(&m);
}

/* As many readers as there are streams, in turn: each goes on in sequence. */
static void
test_many_streams(void **state)
{
	struct model m;

	(void)state;
	model_init(&m, 900 * MIB);
	m.stalls = false;
	for (uint64_t i = 0; i < 64; i++) {
		for (uint64_t k = 0; k < AHEAD_STREAMS; k++) {
			uint64_t off = k * 200 * MIB + i * AHEAD_BLOCK;
			struct ahead_want want =
			    model_read(&m, off, AHEAD_BLOCK);

			if (i > 0)
				assert_true(want.end > want.demand_end);
		}
	}
	model_fini(&m);
}

static void
test_piece_ends(void **state)
{
	(void)state;
	assert_int_equal(ahead_piece_end(0, 100), 100);
	assert_int_equal(ahead_piece_end(0, AHEAD_PART), AHEAD_PART);
	assert_int_equal(ahead_piece_end(0, AHEAD_PART + 1), AHEAD_PART);
	assert_int_equal(
	    ahead_piece_end(AHEAD_PART - 1, 3 * AHEAD_PART), AHEAD_PART);
	assert_int_equal(
	    ahead_piece_end(AHEAD_PART, 3 * AHEAD_PART), 2 * AHEAD_PART);
	assert_int_equal(
	    ahead_piece_end(5 * AHEAD_PART + 1, 5 * AHEAD_PART + 2),
	    5 * AHEAD_PART + 2);
}

/* The last byte of the largest object, and a file near the top of 64 bits. */
static void
test_large(void **state)
{
	uint64_t tib = (uint64_t)1 << 40;
	struct ahead_want want;
	struct model m;

	(void)state;
	model_init(&m, 50 * tib);
	want = model_read(&m, 50 * tib - 1, 1);
	assert_int_equal(want.end, 50 * tib);
	assert_int_equal(want.end - want.off, AHEAD_BLOCK);
	model_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_part),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_many),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_piece_ends),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
