/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.c - space: reserve, LRU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/worker.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* The database grows between two looks at it. */
#define HEADROOM ((uint64_t)256 << 10)

/* Left free on the filesystem, at least: the database grows without asking.
 * Its log grows to about DB_LOG before it is used again from its start. */
#define DB_ROOM ((uint64_t)1 << 20)
#define DB_LOG  ((uint64_t)5 << 20)

#define BATCH 32 /* closed chunks looked at by one query */

/* Free a little more than asked: the next ones find room. */
#define SLACK ((uint64_t)1 << 20)

struct evict {
	struct cache *cache; /* [I] */
	struct lock one;     /* one thread evicts at a time */
	struct lock gate;    /* a leaf */
	struct list waiters; /* [gate] demands that find no room */
	unsigned waiting;    /* [gate] of them */
	unsigned holders;    /* [gate] fetches that hold room, or will */
	unsigned uploads;    /* [gate] whose end lets bytes be evicted */
	unsigned changes;    /* [gate] how many of both have ended */
	struct job job;      /* of evict_soon() */
	bool is_posted;      /* [gate] */
};

static void run_job(struct job *job);

int
evict_new(struct cache *c, struct evict **ret)
{
	struct evict *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	e->cache = c;
	lock_init(&e->one);
	lock_init(&e->gate);
	list_init(&e->waiters);
	e->job.run = run_job;
	*ret = e;
	return 0;
}

void
evict_free(struct evict *e)
{
	if (e == NULL)
		return;
	lock_fini(&e->gate);
	lock_fini(&e->one);
	free(e);
}

static uint64_t
file_bytes(struct cache *c, const char *name)
{
	struct stat st;

	/* chunks_fd is a folder of the cache folder. */
	if (fstatat(c->chunks_fd, name, &st, 0) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

uint64_t
evict_used(struct evict *e)
{
	struct space *space = &e->cache->space;

	return atomic_load(&space->present) + atomic_load(&space->reserved) +
	       file_bytes(e->cache, "../meta.db") +
	       file_bytes(e->cache, "../meta.db-wal");
}

static uint64_t
room_of_db(struct evict *e)
{
	uint64_t log = file_bytes(e->cache, "../meta.db-wal");

	return DB_ROOM + (log < DB_LOG ? DB_LOG - log : 0);
}

/* How many bytes must go, so that what is reserved, and ${more}, fits. */
static uint64_t
excess_with(struct evict *e, uint64_t more)
{
	const struct cache_config *config = &e->cache->config;
	uint64_t used = evict_used(e) + more, over = 0, avail, need;
	struct statvfs vfs;

	if (used + HEADROOM > config->size)
		over = used + HEADROOM - config->size;
	if (fstatvfs(e->cache->chunks_fd, &vfs) < 0)
		return over;
	avail = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	need = room_of_db(e);
	if (need < config->free_space)
		need = config->free_space;
	need += atomic_load(&e->cache->space.reserved) + more;
	if (avail < need && need - avail > over)
		over = need - avail;
	return over;
}

static uint64_t
excess(struct evict *e)
{
	return excess_with(e, 0);
}

/* Remove closed chunks, least recently used first. */
static uint64_t
evict_closed(struct evict *e, uint64_t want)
{
	struct db_chunk oldest[BATCH];
	unsigned count, skip = 0;
	uint64_t freed = 0;

	while (freed < want) {
		if (db_chunks_oldest(
			e->cache->db, skip, BATCH, oldest, &count) < 0 ||
		    count == 0)
			break;
		for (unsigned i = 0; i < count && freed < want; i++) {
			uint64_t bytes =
			    entries_drop_closed(e->cache, oldest[i].node);

			freed += bytes;
			/* Open: its turn comes below.  Or its row could not be
			 * removed: it comes again. */
			skip += bytes == 0 ? 1 : 0;
		}
	}
	return freed;
}

/* Have ${want} bytes go, or as many as may: returns how many went. */
static uint64_t
make_room(struct evict *e, uint64_t want)
{
	uint64_t freed = evict_closed(e, want);

	if (freed < want)
		freed += entries_punch(e->cache, want - freed);
	return freed;
}

/* On the worker. */
static void
run_job(struct job *job)
{
	struct evict *e = LIST_ENTRY(&job->link, struct evict, job.link);

	lock_take(&e->gate);
	e->is_posted = false;
	lock_drop(&e->gate);
	lock_take(&e->one);
	(void)make_room(e, DB_ROOM);
	lock_drop(&e->one);
	db_checkpoint(e->cache->db); /* what cannot be had stays -ENOSPC */
}

void
evict_soon(struct evict *e)
{
	bool post;

	lock_take(&e->gate);
	post =
	    !e->is_posted && !e->cache->is_closing && e->cache->worker != NULL;
	e->is_posted = e->is_posted || post;
	lock_drop(&e->gate);
	if (post)
		worker_post(e->cache->worker, &e->job);
}

int
evict_reserve(struct evict *e, uint64_t len)
{
	uint64_t over;
	int r = 0;

	space_reserve(&e->cache->space, len);
	if (excess(e) == 0)
		return 0;
	lock_take(&e->one);
	over = excess(e);
	if (over > 0)
		(void)make_room(e, over + SLACK);
	if (excess(e) > 0)
		r = -ENOSPC;
	lock_drop(&e->one);
	if (r < 0)
		space_release(&e->cache->space, len);
	return r;
}

bool
evict_has_room(struct evict *e, uint64_t len, int64_t since_ms)
{
	struct db_chunk oldest[BATCH];
	uint64_t over = excess_with(e, len), found = 0;
	unsigned count = 0, skip = 0;

	if (over == 0)
		return true;
	/* More goes than must, see evict_reserve(). */
	while (found < over + SLACK) {
		if (db_chunks_oldest(
			e->cache->db, skip, BATCH, oldest, &count) < 0 ||
		    count == 0)
			return false;
		for (unsigned i = 0; i < count; i++) {
			if (oldest[i].used_ms >= since_ms)
				return found >= over + SLACK;
			found += oldest[i].bytes;
		}
		skip += count;
	}
	return true;
}

void
evict_enter(struct evict *e)
{
	lock_take(&e->gate);
	e->holders++;
	lock_drop(&e->gate);
}

void
evict_leave(struct evict *e)
{
	lock_take(&e->gate);
	e->holders--;
	e->changes++;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->gate);
}

void
evict_upload_begin(struct evict *e)
{
	lock_take(&e->gate);
	e->uploads++;
	lock_drop(&e->gate);
}

void
evict_upload_end(struct evict *e)
{
	lock_take(&e->gate);
	e->uploads--;
	e->changes++;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->gate);
}

/* Whether nobody is left whose end could make room. */
static bool
is_vain(const struct evict *e, bool for_write)
{
	/* Fetches that wait hold nothing; a write holds none, and is not
	 * waited for. */
	return for_write ? e->uploads == 0 : e->waiting >= e->holders;
}

/* Wait until one of them has ended since ${*changes}; -ENOSPC: in vain. */
static int
wait_for_room(
    struct evict *e, bool for_write, struct waiter *w, unsigned *changes)
{
	int r = 0;

	lock_take(&e->gate);
	e->waiting += for_write ? 0 : 1;
	while (r == 0 && e->changes == *changes) {
		if (is_vain(e, for_write))
			r = -ENOSPC;
		else
			r = waiter_wait_in(w, &e->waiters, &e->gate);
	}
	e->waiting -= for_write ? 0 : 1;
	*changes = e->changes;
	lock_drop(&e->gate);
	return r;
}

static int
reserve_or_wait(struct evict *e, uint64_t len, bool for_write, struct waiter *w)
{
	unsigned changes;
	bool waited = false;
	int r;

	lock_take(&e->gate);
	changes = e->changes;
	lock_drop(&e->gate);
	for (;;) {
		r = evict_reserve(e, len);
		if (r != -ENOSPC)
			break;
		waited = true;
		r = wait_for_room(e, for_write, w, &changes);
		if (r < 0)
			break;
	}
	/* Another wake may have been used up: it is not lost. */
	if (waited)
		waiter_wake(w);
	return r;
}

int
evict_full(struct evict *e, uint64_t len, struct waiter *w)
{
	unsigned changes;
	uint64_t freed;
	int r;

	lock_take(&e->gate);
	changes = e->changes;
	lock_drop(&e->gate);
	lock_take(&e->one);
	freed = make_room(e, len + SLACK);
	lock_drop(&e->one);
	if (freed > 0)
		return 0;
	if (w == NULL)
		return -ENOSPC;
	r = wait_for_room(e, true, w, &changes);
	waiter_wake(w); /* as above */
	return r;
}

int
evict_demand(struct evict *e, uint64_t len, struct waiter *w)
{
	return reserve_or_wait(e, len, false, w);
}

int
evict_for_write(struct evict *e, uint64_t len, struct waiter *w)
{
	return reserve_or_wait(e, len, true, w);
}
