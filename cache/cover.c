/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cover.c - bytes of a file that are safe in the local store, and owed to S3.
 */
#include "cache/cover.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/snapshot.h"
#include "cache/writeback.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

static bool
is_owing(const struct entry *e)
{
	return e->sent_generation < e->generation && !e->is_unlinked;
}

/* ---- the local store ---- */

static int
put_intent(struct entry *e)
{
	struct db_intent owed = { .entry = e->ino,
		.kind = DB_INTENT_BYTES,
		.generation = e->generation,
		.made_ms = e->dirty_ms };

	return e->has_intent ? 0 : db_intent_put(e->cache->db, &owed);
}

/* Row, facts and intent. */
int
cover_commit_locked(struct entry *e)
{
	struct change ch;
	int r;

	if (e->dirty_ms == 0) /* it is empty */
		e->dirty_ms = cache_now_ms(e->cache);
	r = change_begin_node(e->cache, e->node, &ch);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	ch.row.size = e->size;
	if (e->mtime_ns != 0) {
		ch.row.mtime_ns = e->mtime_ns;
		ch.row.ctime_ns = entry_ctime_locked(e, ch.row.ctime_ns);
	}
	r = chunk_flush(&e->chunk);
	if (r == 0)
		r = put_intent(e);
	if (r == 0)
		r = snapshot_drop_locked(e);
	r = change_end(&ch, r);
	if (r == 0) {
		snapshot_over_locked(e);
		e->has_intent = true;
		e->covered_generation = e->generation;
		e->kept_generation = e->generation;
	} else {
		chunk_unstored(&e->chunk);
	}
	return r;
}

/* It is covered: it goes soon; at once, if its time has come before. */
static void
schedule_locked(struct entry *e)
{
	if (e->is_late)
		writeback_bytes_locked(e);
	else
		writeback_later_locked(e, e->cache->config.write_delay_ms);
	e->is_late = false;
}

bool
cover_is_needed(const struct entry *e)
{
	return is_owing(e) && e->covered_generation < e->generation;
}

int
cover_locked(struct entry *e)
{
	int r;

	if (!cover_is_needed(e))
		return 0;
	r = cover_commit_locked(e);
	if (r == 0)
		schedule_locked(e);
	return r;
}

/* ---- when it is sent ---- */

/* In how many ms the oldest change is too old, as max_dirty_age= says. */
static int64_t
age_left(const struct entry *e)
{
	int64_t max_ms = (int64_t)e->cache->config.max_dirty_age_s * 1000;

	return e->dirty_ms + max_ms - cache_now_ms(e->cache);
}

/* What failed was asked for once, and is tried again as it is. */
bool
cover_may_send(const struct entry *e)
{
	return e->covered_generation == e->generation || e->writers == 0 ||
	       e->asked_generation > e->sent_generation || e->error_count > 0 ||
	       (e->cache->config.max_dirty_age_s > 0 && age_left(e) <= 0);
}

void
cover_due_locked(struct entry *e)
{
	if (is_owing(e) && cover_may_send(e)) {
		e->is_late = false;
		writeback_bytes_locked(e);
	} else if (is_owing(e)) {
		e->is_late = e->covered_generation > e->sent_generation;
		if (e->cache->config.max_dirty_age_s > 0)
			writeback_later_locked(e, age_left(e));
	}
}

void
cover_due(struct entry *e)
{
	lock_take(&e->lock);
	cover_due_locked(e);
	lock_drop(&e->lock);
}

void
cover_leave(struct entry *e)
{
	bool is_kept;

	lock_take(&e->lock);
	/* Any other state tells the next mount that it is owed. */
	is_kept = !is_owing(e) || e->is_superseded || e->state != BYTES_DIRTY ||
		  e->kept_generation == e->generation;
	if (!is_kept && cover_commit_locked(e) < 0)
		log_debug("'%s' is not covered", e->key);
	e->is_flushing = false;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
}

bool
cover_hurry(struct cache *c, bool again)
{
	struct entry **list;
	size_t count;
	bool any = false;

	if (entries_modified(c, &list, &count) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct entry *e = list[i];

		lock_take(&e->lock);
		if (is_owing(e) && e->covered_generation == e->generation &&
		    (again || e->error_count == 0)) {
			any = true;
			writeback_bytes_locked(e);
		}
		lock_drop(&e->lock);
		entry_put(e);
	}
	free(list);
	return any;
}
