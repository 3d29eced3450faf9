/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - the buffers that readers' bytes pass through, bounded in number.
 *
 * A buffer is taken only when the bytes are local, so that readers who wait
 * for S3 hold none, and is held for one copy into the kernel.
 */
#ifndef CACHE_POOL_H
#define CACHE_POOL_H

#include <stddef.h>

struct pool;

/* At most ${count} buffers of ${size} bytes, made when first needed. */
int pool_new(size_t size, unsigned count, struct pool **ret);
void pool_free(struct pool *p);

/* Wait for a buffer.  NULL: no memory. */
void *pool_take(struct pool *p);
void pool_put(struct pool *p, void *buffer);

#endif
