/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rangeset.c - ranges as a database keeps them; then what is done with them.
 */
#include "tests/fuzz/fuzz.h"

#include "cache/rangeset.h"
#include "s3/base/buf.h"

/* Sorted, disjoint, not touching, and as many bytes as it says. */
static void
check(const struct rangeset *rs)
{
	uint64_t sum = 0, last = 0;

	for (size_t i = 0; i < rs->count; i++) {
		want(rs->ranges[i].off < rs->ranges[i].end);
		want(i == 0 || rs->ranges[i].off > last);
		last = rs->ranges[i].end;
		sum += rs->ranges[i].end - rs->ranges[i].off;
		want(rangeset_has(rs, rs->ranges[i].off, rs->ranges[i].end));
	}
	want(sum == rs->bytes);
}

static void
change(struct rangeset *rs, uint64_t a, uint64_t b, bool add)
{
	uint64_t off = a < b ? a : b, end = a < b ? b : a;

	want((add ? rangeset_add(rs, off, end)
		  : rangeset_remove(rs, off, end)) == 0);
	check(rs);
	if (off < end)
		want(rangeset_has_any(rs, off, end) == add);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf packed = BUF_INIT(1 << 20);
	struct rangeset rs;
	uint64_t numbers[4];
	int r;

	if (len < sizeof(numbers))
		return 0;
	memcpy(numbers, data, sizeof(numbers));
	data += sizeof(numbers);
	len -= sizeof(numbers);
	rangeset_init(&rs);
	r = rangeset_unpack(data, len, &rs);
	want(r == 0 || r == -EBADMSG);
	check(&rs);
	if (r == 0) {
		want(rangeset_pack(&rs, &packed) == 0);
		want(packed.len == len);
		want(len == 0 || memcmp(packed.data, data, len) == 0);
	}
	change(&rs, numbers[0], numbers[1], true);
	change(&rs, numbers[2], numbers[3], false);
	rangeset_fini(&rs);
	buf_fini(&packed);
	return 0;
}
