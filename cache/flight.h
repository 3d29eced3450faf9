/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flight.h - joined misses: of those who want the same thing from S3 at the
 * same time, one asks and the others wait for its answer.
 *
 *	while ((r = flight_join(f, id, w)) == FLIGHT_LEAD) {
 *		r = ...ask S3, store the answer...;
 *		flight_end(f, id, r);
 *		break;
 *	}
 *	...look again at what is stored...
 *
 * Locks: its own, a leaf; none is held by callers.
 */
#ifndef CACHE_FLIGHT_H
#define CACHE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"
#include "s3/base/map.h"

struct waiter;

#define FLIGHT_LEAD 1

struct flights {
	struct lock lock;
	struct map map; /* [lock] id to struct flight */
};

void flights_init(struct flights *f);
void flights_fini(struct flights *f);

/**
 * flight_join(f, id, w):
 * Become the one who asks for ${id} (not 0), or wait for the one who does.
 * Returns: FLIGHT_LEAD: ask, then flight_end(); 0: somebody asked meanwhile,
 *     and it went well; -EINTR; -ENOMEM; else what it failed with.
 */
int flight_join(struct flights *f, uint64_t id, struct waiter *w);

/* Lead without waiting; false if somebody asks already (or no memory). */
bool flight_try(struct flights *f, uint64_t id);

/* Tell those who wait that it ended with ${err} (0 or -errno).  -EINTR and
 * -ECANCELED were the leader's own: one of them asks again. */
void flight_end(struct flights *f, uint64_t id, int err);

#endif
