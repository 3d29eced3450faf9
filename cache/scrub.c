/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub.c - what lies in the cache folder, compared with its checksums.
 */
#include "cache/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/verify.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

#define STEP_MS     1000
#define STEP_BLOCKS 8   /* 1 MiB */
#define STEP_PAGES  256 /* likewise */
#define START_STEPS 3   /* idle, before it begins, and begins again */

/* From the end of one round to the next, in steps: an hour. */
#define REST_STEPS 3600

struct scrub {
	struct cache *cache; /* [I] */
	pthread_t thread;
	struct waiter waiter;
	_Atomic bool is_stopping;
	uint64_t node;   /* of the chunk file that is looked at */
	uint64_t off;    /* in it */
	uint64_t page;   /* of the database */
	uint64_t before; /* what is_idle() saw */
	unsigned idle;   /* steps in a row */
	unsigned rest;   /* steps until the next round */
};

/* Whether nobody has read or written for a moment. */
static bool
is_idle(struct scrub *s)
{
	struct stats *stats = &s->cache->stats;
	struct s3_stats net;
	uint64_t now = stats_get(stats, STAT_READ_BYTES) +
		       stats_get(stats, STAT_FETCHED_BYTES) +
		       stats_get(stats, STAT_DIRTY_BYTES);

	s3_get_stats(s->cache->s3, &net);
	if (now != s->before || net.in_flight > 0)
		s->idle = 0;
	else if (s->idle < START_STEPS)
		s->idle++;
	s->before = now;
	return s->idle == START_STEPS;
}

/* The next block of ${e} from ${s->off} on that is here; false: none. */
static bool
next_block(struct scrub *s, struct entry *e)
{
	uint64_t off, end;

	if (!rangeset_next_run(
		&e->chunk.present, s->off, UINT64_MAX, &off, &end))
		return false;
	s->off = chunk_block_start(off);
	return true;
}

/* Look at some blocks of it; false: that was the end. */
static bool
look_at(struct scrub *s, struct entry *e)
{
	bool more = true;

	for (int i = 0; more && i < STEP_BLOCKS; i++) {
		lock_take(&e->lock);
		more = next_block(s, e);
		/* It tells by itself what is wrong. */
		if (more)
			(void)verify_block_locked(e, s->off / CHUNK_BLOCK);
		lock_drop(&e->lock);
		s->off += CHUNK_BLOCK;
	}
	return more;
}

/* A step through the chunk files; false: there are no more. */
static bool
step_chunks(struct scrub *s)
{
	struct entry *e;
	bool more;

	if (db_chunk_next(s->cache->db, s->node, &s->node) < 0)
		return false;
	/* What no row has is swept, or is about to go. */
	if (entry_get(s->cache, s->node, &e) < 0) {
		more = false;
	} else {
		more = look_at(s, e);
		entry_put(e);
	}
	if (!more) {
		s->node++;
		s->off = 0;
	}
	return true;
}

/* A step through the database; false: there is no more. */
static bool
step_db(struct scrub *s)
{
	int r = db_look(s->cache->db, &s->page, STEP_PAGES);

	if (r == -EBADMSG)
		log_error("the database in cache folder '%s' is damaged at "
			  "page %" PRIu64 ": unmount and mount again",
		    s->cache->dir, s->page);
	return r == 0;
}

static void
step(struct scrub *s)
{
	if (s->rest > 0) {
		s->rest--;
		return;
	}
	if (!is_idle(s) || step_db(s) || step_chunks(s))
		return;
	s->node = 0;
	s->off = 0;
	s->page = 0;
	s->rest = REST_STEPS;
}

static void *
run(void *arg)
{
	struct scrub *s = arg;

	while (!atomic_load(&s->is_stopping)) {
		(void)waiter_wait(&s->waiter, STEP_MS); /* time, or the end */
		if (!atomic_load(&s->is_stopping))
			step(s);
	}
	return NULL;
}

int
scrub_start(struct cache *c, struct scrub **ret)
{
	struct scrub *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->cache = c;
	waiter_init(&s->waiter);
	r = pthread_create(&s->thread, NULL, run, s);
	if (r != 0) {
		waiter_fini(&s->waiter);
		free(s);
		return -r;
	}
	*ret = s;
	return 0;
}

void
scrub_stop(struct scrub *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->is_stopping, true);
	waiter_wake(&s->waiter);
	(void)pthread_join(s->thread, NULL); /* it exists */
	waiter_fini(&s->waiter);
	free(s);
}
