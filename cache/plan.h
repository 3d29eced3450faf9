/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - how the next version of an object is built.
 *
 * A version is ${size} bytes.  Of them, [0, base_size) are as the object in
 * S3 has them now, except what is *changed*; all from base_size on is changed.
 * Of what changed, some runs are known to be *zeros*.  The plan is either one
 * PUT of all, or the parts of a multipart upload: some uploaded, some copied
 * by UploadPartCopy, from the base or from an object that is all zeros.
 *
 * Where nothing of the base is left (base_size 0), the borders of parts are a
 * schedule of the part number alone, never of the size, so that parts can go
 * up while the file still grows.  It doubles the size of a part after every
 * thousand of them:
 *
 *	part numbers		size of a part		up to
 *	    1 -  1000		  8 MiB			  7.8 GiB
 *	 1001 -  2000		 16 MiB			 23.4 GiB
 *	 2001 -  3000		 32 MiB			 54.7 GiB
 *	 3001 -  4000		 64 MiB			117.2 GiB
 *	 4001 -  5000		128 MiB			242.2 GiB
 *	 5001 -  6000		256 MiB			492.2 GiB
 *	 6001 -  7000		512 MiB			992.2 GiB
 *	 7001 -  8000		  1 GiB			  1.9 TiB
 *	 8001 -  9000		  2 GiB			  3.9 TiB
 *	 9001 - 10000		  4 GiB			  7.8 TiB
 *
 * With ${part_size} all parts but the last are as long as that, always; those
 * of which nothing changed are copied.
 *
 * Else windows of at least S3_PART_MIN bytes round the changed ranges are
 * uploaded, as few bytes as the limits of parts allow, and the rest is copied:
 * one byte changed in the middle uploads S3_PART_MIN + 1 bytes at most.  A
 * window is uploaded in equal parts of about the schedule's first size (more
 * where their number asks for it), a run that is copied in as few as there
 * can be.  If nothing can be copied, the plan is the schedule.  Where nothing
 * of the base is left, but there are zeros, the plan is the one of the two
 * that leaves less to be sent: parts that went up already have the schedule's
 * borders and numbers.
 *
 * A base of at most S3_PART_COPY_FROM bytes is not copied from: S3 refuses.
 *
 * Pure; no locks.
 */
#ifndef CACHE_PLAN_H
#define CACHE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "cache/rangeset.h"

/* Up to this, a version goes up in one PUT: the first size of the schedule. */
#define PLAN_PUT_MAX (UINT64_C(8) << 20)

enum plan_kind {
	PLAN_UPLOAD,
	PLAN_COPY, /* from the same place in the base */
	PLAN_ZERO  /* from the start of an object of zeros */
};

struct plan_part {
	uint64_t off; /* of the version */
	uint64_t len; /* bytes */
	enum plan_kind kind;
};

/* Parts in order, without gap; part number is index + 1. */
struct plan {
	struct plan_part *parts; /* owned; NULL: one PUT */
	size_t count;
};

/* What is to be built; all borrowed. */
struct plan_version {
	uint64_t size;      /* bytes, 0 to S3_OBJECT_MAX */
	uint64_t base_size; /* of them, at most so many are the base's */
	const struct rangeset *changed;
	const struct rangeset *zeros; /* of what changed; NULL: none known */
	uint64_t zero_size;           /* of the object of zeros, twice
					 S3_PART_MIN at least; 0: none */
	uint64_t part_size;      /* 0, or S3_PART_MIN to S3_PART_MAX for servers
				    that want equal parts */
	const struct plan *sent; /* what went up already, PLAN_UPLOAD, each
				    under its number; len 0: not that one.
				    NULL: nothing */
};

/**
 * plan_make(v, ret):
 * Plan version ${v}.
 * Memory:  ${ret} is owned: plan_fini().
 * Returns: 0; -EFBIG over S3_OBJECT_MAX, or the schedule (of base_size 0, or
 *     part_size) does not reach so far; -ENOMEM.
 */
int plan_make(const struct plan_version *v, struct plan *ret);

void plan_fini(struct plan *p);

/* How many bytes of it are of ${kind}. */
uint64_t plan_bytes(const struct plan *p, enum plan_kind kind);

/* The schedule: where part ${number} (1 to S3_PARTS_MAX) begins and its full
 * length, in a file long enough. */
void plan_schedule(
    unsigned number, uint64_t part_size, uint64_t *ret_off, uint64_t *ret_len);

/* The number of the part of the schedule that byte ${off} lies in, 0: beyond
 * the last. */
unsigned plan_schedule_at(uint64_t off, uint64_t part_size);

#endif
