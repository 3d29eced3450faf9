/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.c - what a close and an fsync of a file wait for, as sync= says.
 */
#include "cache/sync.h"

#include <errno.h>

#include "cache/core.h"
#include "cache/cover.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/upload.h"
#include "cache/verify.h"
#include "cache/writeback.h"
#include "s3/base/log.h"

/*
 * A clone, or one that was staged, is S3's to keep: it is waited for, also if
 * it was refused before.  A conflict's loser is kept here, with its base.
 */
static bool
is_for_s3(const struct entry *e)
{
	return e->base_key != NULL && !e->is_unlinked &&
	       e->sent_generation < e->generation &&
	       e->kept_generation < e->generation;
}

int
sync_close(struct entry *e, struct waiter *w)
{
	bool for_s3;
	int r = 0;

	if (e->cache->config.sync == CACHE_SYNC_CLOSE)
		return upload_flush(e, w);
	r = verify_seal(e); /* the facts of what stays here have CRCs */
	if (r < 0)
		return r;
	lock_take(&e->lock);
	for_s3 = is_for_s3(e);
	if (!for_s3)
		r = cover_locked(e);
	lock_drop(&e->lock);
	return for_s3 ? upload_flush(e, w) : r;
}

bool
sync_is_local(const struct cache *c)
{
	return c->config.sync == CACHE_SYNC_LOCAL;
}

int
sync_file(struct entry *e, struct waiter *w)
{
	uint64_t generation;
	int r;

	if (!sync_is_local(e->cache))
		return upload_flush(e, w);
	lock_take(&e->lock);
	generation = e->generation;
	lock_drop(&e->lock);
	r = sync_close(e, w);
	if (r == 0) /* the descriptor stays as long as the entry */
		r = chunk_sync(&e->chunk);
	if (r == 0)
		r = db_sync(e->cache->db);
	lock_take(&e->lock);
	if (r == 0 && e->synced_generation < generation)
		e->synced_generation = generation;
	lock_drop(&e->lock);
	return r;
}

/* The last program that could write it has closed it. */
static void
release_locked(struct entry *e)
{
	int r;

	if (!cover_is_needed(e))
		return;
	r = e->base_key == NULL ? cover_locked(e) : -EAGAIN;
	if (r == -EAGAIN) { /* a clone: S3 keeps it */
		writeback_bytes_locked(e);
	} else if (r < 0) { /* nobody is there to be told */
		log_error("'%s' is not safe in the cache folder, and sent at "
			  "once",
		    e->key);
		writeback_bytes_locked(e);
	}
}

void
sync_release(struct entry *e)
{
	bool is_close = e->cache->config.sync == CACHE_SYNC_CLOSE;

	lock_take(&e->lock);
	/* What another is writing still is not for this one to send. */
	if (e->writers == 0 && !is_close)
		release_locked(e);
	else if (e->writers == 0 && e->sent_generation < e->generation &&
		 !e->is_unlinked)
		writeback_bytes_locked(e);
	lock_drop(&e->lock);
}
