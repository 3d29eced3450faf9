/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trouble.h - a call to S3 that failed is said in the log.
 *
 * Only here are key, request id and remedy known together; the program gets
 * an errno.  What every day brings (a key that is not there, a condition that
 * does not hold, an interrupt) is not said.
 */
#ifndef CACHE_TROUBLE_H
#define CACHE_TROUBLE_H

struct s3_call;

/* What a program is told of ${call}, which has ended: 0 or -errno; said in the
 * log, if it is worth it.  Once a call.  Locks: any. */
int trouble_errno(const struct s3_call *call);

#endif
