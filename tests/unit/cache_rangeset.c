/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rangeset.c - range sets, compared with a bitmap.
 *
 * Role:    unit test of cache/rangeset.c.
 *
 * The model is an array of UNIT bytes, one flag each.  A range set over
 * [BASE, BASE + UNIT) is changed at random beside it and compared in full.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/rangeset.h"
#include "s3/base/buf.h"

#define UNIT  257
#define STEPS 20000

struct model {
	bool in[UNIT];
	uint64_t base;
	uint64_t seed;
};

/* A number below ${limit}, the same in every run. */
static uint64_t
number(struct model *m, uint64_t limit)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) +
		  UINT64_C(1442695040888963407);
	return (m->seed >> 33) % limit;
}

static void
check_form(const struct rangeset *rs)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < rs->count; i++) {
		assert_true(rs->ranges[i].off < rs->ranges[i].end);
		if (i > 0)
			assert_true(rs->ranges[i - 1].end < rs->ranges[i].off);
		bytes += rs->ranges[i].end - rs->ranges[i].off;
	}
	assert_true(rs->count <= rs->size);
	assert_int_equal(rangeset_bytes(rs), bytes);
	assert_true(rangeset_is_empty(rs) == (bytes == 0));
}

static void
check_same(const struct rangeset *rs, const struct model *m)
{
	size_t i, k, count = 0;

	check_form(rs);
	for (i = 0; i < UNIT; i = k) {
		for (k = i + 1; k < UNIT && m->in[k] == m->in[i];)
			k++;
		if (!m->in[i])
			continue;
		assert_true(count < rs->count);
		assert_int_equal(rs->ranges[count].off, m->base + i);
		assert_int_equal(rs->ranges[count].end, m->base + k);
		count++;
	}
	assert_int_equal(rs->count, count);
}

/* The first part of [off, end) that is ${in} in the model. */
static bool
find(const struct model *m, bool in, size_t *off, size_t *end)
{
	size_t i = *off, k;

	while (i < *end && m->in[i] != in)
		i++;
	for (k = i; k < *end && m->in[k] == in;)
		k++;
	if (i >= *end)
		return false;
	*off = i;
	*end = k;
	return true;
}

static void
check_asked(
    const struct rangeset *rs, const struct model *m, size_t off, size_t end)
{
	uint64_t b = m->base, got_off = 1, got_end = 2;
	size_t f_off = off, f_end = end;
	bool has = find(m, false, &f_off, &f_end);

	assert_int_equal(
	    rangeset_next_gap(rs, b + off, b + end, &got_off, &got_end), has);
	assert_int_equal(got_off, has ? b + f_off : 1);
	assert_int_equal(got_end, has ? b + f_end : 2);
	assert_int_equal(rangeset_has(rs, b + off, b + end), !has);

	f_off = off;
	f_end = end;
	got_off = 1;
	got_end = 2;
	has = find(m, true, &f_off, &f_end);
	assert_int_equal(
	    rangeset_next_run(rs, b + off, b + end, &got_off, &got_end), has);
	assert_int_equal(got_off, has ? b + f_off : 1);
	assert_int_equal(got_end, has ? b + f_end : 2);
	assert_int_equal(rangeset_has_any(rs, b + off, b + end), has);
}

static void
check_packed(const struct rangeset *rs)
{
	struct buf b = BUF_INIT(1 << 20);
	struct rangeset back;

	rangeset_init(&back);
	assert_int_equal(rangeset_add(&back, 7, 9), 0);
	assert_int_equal(rangeset_pack(rs, &b), 0);
	assert_int_equal(rangeset_unpack(b.data, b.len, &back), 0);
	check_form(&back);
	assert_int_equal(back.count, rs->count);
	if (rs->count > 0)
		assert_memory_equal(
		    back.ranges, rs->ranges, rs->count * sizeof(*rs->ranges));
	rangeset_fini(&back);
	buf_fini(&b);
}

static void
step(struct rangeset *rs, struct model *m)
{
	size_t off = number(m, UNIT + 1), len = number(m, 24), i;
	size_t end = off + len < UNIT ? off + len : UNIT;
	bool add = number(m, 2) == 0;

	if (number(m, 40) == 0)
		end = UNIT;
	if (add)
		assert_int_equal(
		    rangeset_add(rs, m->base + off, m->base + end), 0);
	else
		assert_int_equal(
		    rangeset_remove(rs, m->base + off, m->base + end), 0);
	for (i = off; i < end; i++)
		m->in[i] = add;
}

static void
compare_from(uint64_t base, uint64_t seed)
{
	struct model m = { .base = base, .seed = seed };
	struct rangeset rs;
	size_t i, off, end;

	rangeset_init(&rs);
	for (i = 0; i < STEPS; i++) {
		step(&rs, &m);
		check_same(&rs, &m);
		off = number(&m, UNIT + 1);
		end = off + number(&m, UNIT + 1 - off);
		check_asked(&rs, &m, off, end);
		if (i % 50 == 0)
			check_packed(&rs);
		if (i % 5000 == 4999) {
			rangeset_clear(&rs);
			memset(m.in, 0, sizeof(m.in));
			check_same(&rs, &m);
		}
	}
	rangeset_fini(&rs);
}

static void
test_model(void **state)
{
	(void)state;
	compare_from(0, 1);
	compare_from(UINT64_C(1) << 40, 2);
	compare_from(UINT64_MAX - UNIT, 3);
}

static void
test_append(void **state)
{
	struct rangeset rs;
	uint64_t i;

	(void)state;
	rangeset_init(&rs);
	for (i = 0; i < 1000; i++)
		assert_int_equal(rangeset_add(&rs, i * 10, i * 10 + 10), 0);
	assert_int_equal(rs.count, 1);
	assert_int_equal(rs.size, 4);
	for (i = 0; i < 1000; i++)
		assert_int_equal(
		    rangeset_add(&rs, 20000 + i * 10, 20000 + i * 10 + 9), 0);
	assert_int_equal(rs.count, 1001);
	/* One range over all of them joins them. */
	assert_int_equal(rangeset_add(&rs, 9999, 40000), 0);
	assert_int_equal(rs.count, 1);
	check_form(&rs);
	rangeset_fini(&rs);
}

static void
test_edges(void **state)
{
	uint64_t off, end;
	struct rangeset rs;

	(void)state;
	rangeset_init(&rs);
	assert_int_equal(rangeset_add(&rs, 5, 5), 0);
	assert_true(rangeset_is_empty(&rs));
	assert_true(rangeset_has(&rs, 5, 5));
	assert_false(rangeset_has_any(&rs, 5, 5));
	assert_false(rangeset_next_gap(&rs, 5, 5, &off, &end));
	assert_int_equal(rangeset_add(&rs, 0, UINT64_MAX), 0);
	assert_true(rangeset_has(&rs, 0, UINT64_MAX));
	assert_int_equal(rangeset_remove(&rs, 100, UINT64_MAX), 0);
	assert_int_equal(rangeset_bytes(&rs), 100);
	assert_int_equal(rangeset_remove(&rs, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(rangeset_remove(&rs, 0, UINT64_MAX), 0);
	assert_true(rangeset_is_empty(&rs));
	rangeset_fini(&rs);
	rangeset_fini(&rs);
}

static void
test_copy(void **state)
{
	struct rangeset a, b;

	(void)state;
	rangeset_init(&a);
	rangeset_init(&b);
	assert_int_equal(rangeset_add(&a, 1, 2), 0);
	assert_int_equal(rangeset_add(&a, 4, 8), 0);
	assert_int_equal(rangeset_add(&b, 100, 200), 0);
	assert_int_equal(rangeset_copy(&b, &a), 0);
	assert_int_equal(rangeset_copy(&b, &b), 0);
	rangeset_fini(&a);
	assert_int_equal(rangeset_bytes(&b), 5);
	assert_int_equal(b.count, 2);
	assert_int_equal(rangeset_copy(&b, &a), 0);
	assert_true(rangeset_is_empty(&b));
	rangeset_fini(&b);
}

/* The form on disk: it must not change. */
static void
test_packed_form(void **state)
{
	static const uint8_t form[] = { 0x00, 0x7f, 0x00, 0x80, 0x01 };
	struct buf b = BUF_INIT(100);
	struct rangeset rs;

	(void)state;
	rangeset_init(&rs);
	assert_int_equal(rangeset_pack(&rs, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(rangeset_add(&rs, 0, 128), 0);
	assert_int_equal(rangeset_add(&rs, 129, 129 + 129), 0);
	assert_int_equal(rangeset_pack(&rs, &b), 0);
	assert_int_equal(b.len, sizeof(form));
	assert_memory_equal(b.data, form, sizeof(form));
	rangeset_fini(&rs);
	buf_fini(&b);
	buf_init(&b, 3);
	assert_int_equal(rangeset_add(&rs, 0, UINT64_MAX), 0);
	assert_int_equal(rangeset_pack(&rs, &b), -EOVERFLOW);
	rangeset_fini(&rs);
	buf_fini(&b);
}

static void
test_packed_bad(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x00", 1 },         /* no length */
		{ "\x80", 1 },         /* cut off */
		{ "\x00\x80", 2 },     /* cut off */
		{ "\x80\x00\x00", 3 }, /* longer than needed */
		{ "\x00\x00\x00", 3 }, /* half a range more */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 11 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 12 },
		/* The range starts at the end of all; ends behind it. */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11 },
		{ "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		{ "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		/* One that fits, and another behind the end. */
		{ "\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", 13 },
	};
	struct rangeset rs;
	size_t i;

	(void)state;
	rangeset_init(&rs);
	assert_int_equal(rangeset_add(&rs, 3, 4), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
		    rangeset_unpack(bad[i].bytes, bad[i].len, &rs), -EBADMSG);
		assert_int_equal(rangeset_bytes(&rs), 1);
	}
	/* The largest that fits, and nothing. */
	assert_int_equal(rangeset_unpack(bad[10].bytes, 11, &rs), 0);
	assert_int_equal(rangeset_bytes(&rs), UINT64_MAX);
	assert_int_equal(rangeset_unpack(NULL, 0, &rs), 0);
	assert_true(rangeset_is_empty(&rs));
	rangeset_fini(&rs);
}

/* Whatever the bytes: refused, or a set that packs to the same bytes. */
static void
test_packed_random(void **state)
{
	struct model m = { .seed = 4 };
	struct buf b = BUF_INIT(1 << 20);
	struct rangeset rs;
	uint8_t bytes[24];
	size_t i, k, len, good = 0;
	int r;

	(void)state;
	rangeset_init(&rs);
	for (i = 0; i < 100000; i++) {
		len = number(&m, sizeof(bytes) + 1);
		for (k = 0; k < len; k++)
			bytes[k] = (uint8_t)number(&m, i % 2 == 0 ? 256 : 140);
		r = rangeset_unpack(bytes, len, &rs);
		if (r < 0) {
			assert_int_equal(r, -EBADMSG);
			continue;
		}
		good++;
		check_form(&rs);
		buf_clear(&b);
		assert_int_equal(rangeset_pack(&rs, &b), 0);
		assert_int_equal(b.len, len);
		if (len > 0)
			assert_memory_equal(b.data, bytes, len);
	}
	assert_true(good > 1000);
	rangeset_fini(&rs);
	buf_fini(&b);
}

static void
test_add_all(void **state)
{
	struct rangeset a, b;

	(void)state;
	rangeset_init(&a);
	rangeset_init(&b);
	assert_int_equal(rangeset_add(&a, 0, 10), 0);
	assert_int_equal(rangeset_add_all(&a, &b), 0);
	assert_int_equal(rangeset_bytes(&a), 10);
	assert_int_equal(rangeset_add(&b, 5, 12), 0);
	assert_int_equal(rangeset_add(&b, 20, 30), 0);
	assert_int_equal(rangeset_add_all(&a, &b), 0);
	check_form(&a);
	assert_true(rangeset_has(&a, 0, 12));
	assert_true(rangeset_has(&a, 20, 30));
	assert_int_equal(rangeset_bytes(&a), 22);
	rangeset_fini(&a);
	rangeset_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_packed_form),
		cmocka_unit_test(test_packed_bad),
		cmocka_unit_test(test_packed_random),
		cmocka_unit_test(test_add_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
