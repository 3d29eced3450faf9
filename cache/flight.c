/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flight.c - joined misses.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "cache/flight.h"
#include "s3/base/wait.h"

struct flight {
	struct list waiters; /* [flights] struct follower */
};

/* On the stack of one who waits. */
struct follower {
	struct list link; /* [flights] */
	struct waiter *waiter;
	int err; /* [flights] set when taken off the list */
};

void
flights_init(struct flights *f)
{
	lock_init(&f->lock);
	map_init(&f->map);
}

void
flights_fini(struct flights *f)
{
	assert(f->map.count == 0);
	map_fini(&f->map);
	lock_fini(&f->lock);
}

static struct flight *
find_locked(struct flights *f, uint64_t id)
{
	uint64_t value;

	return map_get(&f->map, id, &value) ? (struct flight *)(uintptr_t)value
					    : NULL;
}

static int
start_locked(struct flights *f, uint64_t id)
{
	struct flight *flight = malloc(sizeof(*flight));

	if (flight == NULL)
		return -ENOMEM;
	list_init(&flight->waiters);
	if (map_set(&f->map, id, (uintptr_t)flight) < 0) {
		free(flight);
		return -ENOMEM;
	}
	return 0;
}

bool
flight_try(struct flights *f, uint64_t id)
{
	bool lead;

	lock_take(&f->lock);
	lead = find_locked(f, id) == NULL && start_locked(f, id) == 0;
	lock_drop(&f->lock);
	return lead;
}

/* Wait on the list that the follower is on already. */
static int
follow(struct flights *f, struct follower *me)
{
	int r = waiter_wait(me->waiter, WAIT_FOREVER);

	lock_take(&f->lock);
	list_remove(&me->link);
	if (r == 0)
		r = me->err;
	lock_drop(&f->lock);
	return r;
}

static int
join_once(struct flights *f, uint64_t id, struct waiter *w)
{
	struct follower me = { .waiter = w, .err = 0 };
	struct flight *flight;
	int r;

	list_init(&me.link);
	waiter_reset(w);
	lock_take(&f->lock);
	flight = find_locked(f, id);
	if (flight == NULL) {
		r = start_locked(f, id);
		lock_drop(&f->lock);
		return r < 0 ? r : FLIGHT_LEAD;
	}
	list_append(&flight->waiters, &me.link);
	lock_drop(&f->lock);
	r = follow(f, &me);
	return r == -ECANCELED ? -EAGAIN : r;
}

int
flight_join(struct flights *f, uint64_t id, struct waiter *w)
{
	struct waiter own;
	int r;

	if (w == NULL)
		waiter_init(&own);
	do {
		r = join_once(f, id, w == NULL ? &own : w);
	} while (r == -EAGAIN);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

void
flight_end(struct flights *f, uint64_t id, int err)
{
	struct flight *flight;
	struct list *l;

	lock_take(&f->lock);
	flight = find_locked(f, id);
	assert(flight != NULL);
	while ((l = list_pop(&flight->waiters)) != NULL) {
		struct follower *one = LIST_ENTRY(l, struct follower, link);

		one->err = err == -EINTR ? -ECANCELED : err;
		waiter_wake(one->waiter);
	}
	(void)map_remove(&f->map, id); /* it is there */
	lock_drop(&f->lock);
	free(flight);
}
