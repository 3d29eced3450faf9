/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_schedule.c - the borders of parts, by their numbers.
 *
 * Role:    pure; part of plan.h.  Threads: any; no locks.
 */
#include <assert.h>

#include "cache/plan.h"
#include "s3/s3.h"

/* Part numbers 1 to SCHEDULE_STEP have the first size, so many later ones
 * double that, and so on. */
#define SCHEDULE_FIRST PLAN_PUT_MAX
#define SCHEDULE_STEP  1000

void
plan_schedule(
    unsigned number, uint64_t part_size, uint64_t *ret_off, uint64_t *ret_len)
{
	unsigned i = number - 1, step = i / SCHEDULE_STEP;
	uint64_t done; /* parts of the first size that all full steps make */

	assert(number >= 1 && number <= S3_PARTS_MAX);
	if (part_size > 0) {
		*ret_off = i * part_size;
		*ret_len = part_size;
		return;
	}
	done = ((UINT64_C(1) << step) - 1) * SCHEDULE_STEP;
	*ret_len = SCHEDULE_FIRST << step;
	*ret_off = done * SCHEDULE_FIRST + i % SCHEDULE_STEP * *ret_len;
}

unsigned
plan_schedule_at(uint64_t off, uint64_t part_size)
{
	uint64_t part_off, part_len, i;
	unsigned number;

	if (part_size > 0) {
		i = off / part_size;
		return i < S3_PARTS_MAX ? (unsigned)i + 1 : 0;
	}
	for (number = 1; number <= S3_PARTS_MAX; number += SCHEDULE_STEP) {
		plan_schedule(number, 0, &part_off, &part_len);
		i = (off - part_off) / part_len;
		if (i < SCHEDULE_STEP)
			return number + (unsigned)i;
	}
	return 0;
}
