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

/* Log ${call}, which has ended, if it is worth it.  Locks: any. */
void trouble_log(const struct s3_call *call);

#endif
