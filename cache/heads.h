/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads.h - attributes that only a HEAD tells, asked once and ahead.
 *
 * Who stat's one entry after the other in a directory gets the next ones
 * asked in parallel, up to HEADS_AHEAD (see heads_turn.h); what comes back is
 * kept in the database by (ETag, LastModified).
 */
#ifndef CACHE_HEADS_H
#define CACHE_HEADS_H

#include "cache/db.h"
#include "s3/s3.h"

struct cache;
struct heads;
struct waiter;

int heads_new(struct cache *c, struct heads **ret);

/* No request is under way: heads_stop() was called. */
void heads_free(struct heads *h);

/* End what is asked ahead, and wait for it. */
void heads_stop(struct heads *h);

/**
 * heads_want(c, row, w):
 * Get the headers of ${row} and let them be observed; join a request that is
 * under way for it; ask ahead for its neighbours if they are in turn.
 * Returns: 0 (also if it turned out to be gone: look at the row again);
 *     -EINTR; -EIO ...
 */
int heads_want(struct cache *c, const struct row *row, struct waiter *w);

/* Let the answer ${call} to a HEAD of ${row} be observed.  -EAGAIN: it has
 * another key by now. */
int heads_observe(struct cache *c, const struct row *row, struct s3_call *call);

#endif
