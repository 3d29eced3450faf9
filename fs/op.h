/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.h - private to op_*.c: an operation that may wait.
 *
 * Each is the same four steps: decode, take references, one cache_* call, one
 * reply_*.  One that may wait for S3 is a `struct op' meanwhile, so that an
 * interrupt of the program reaches it:
 *
 *	struct op op;
 *
 *	op_begin(&op, req);
 *	r = cache_...(op.session->cache, ..., &op.waiter, &result);
 *	op_end(&op);
 *	reply_...(req, ...);
 */
#ifndef FS_OP_H
#define FS_OP_H

#include <fuse_lowlevel.h>

#include "fs/running.h"
#include "s3/base/wait.h"

struct session;

struct op {
	fuse_req_t req;
	struct session *session;
	struct waiter waiter;
	struct runner runner; /* in session->running */
};

void op_begin(struct op *op, fuse_req_t req);
void op_end(struct op *op);

/* The session of a request that waits for nothing. */
struct session *op_session(fuse_req_t req);

#endif
