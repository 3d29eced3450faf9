/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.h - one part of a multipart upload on its way, as planned.
 *
 * Locks: none is held; the part's range is frozen.
 */
#ifndef CACHE_PART_H
#define CACHE_PART_H

/* Opaque types. */
struct entry;
struct plan_part;
struct s3_part;
struct send_part;

/**
 * part_send(e, what, plan, ret):
 * Upload part ${plan} of ${e}, or have S3 copy it, to where ${what} says;
 * unless its bytes are there.
 * Memory:  ${ret->etag} is owned.
 * Returns: 0; -ESTALE the base that is copied from is not there; -errno.
 */
int part_send(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret);

#endif
