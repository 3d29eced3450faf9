/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abandon.c - a version that has no name any more is not sent.
 */
#include "cache/abandon.h"

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/parts.h"
#include "cache/writeback.h"
#include "s3/base/wait.h"

/* On the pool: what is left of the upload of a file without a name. */
static void
run_abandon(struct task *task)
{
	struct entry *e = LIST_ENTRY(task, struct entry, flush_task);
	struct cache *c = e->cache;

	parts_enter(e);
	parts_abort(e);
	parts_leave(e);
	lock_take(&e->lock);
	e->is_flushing = false;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
	evict_upload_end(c->evict);
	entry_put(e);
}

void
abandon_version(struct cache *c, uint64_t node)
{
	struct entry *e = entry_find(c, node);

	if (e == NULL)
		return;
	lock_take(&e->lock);
	e->is_unlinked = true;
	if (e->upload != NULL && !e->is_flushing) {
		e->is_flushing = true;
		entry_hold(e);
		evict_upload_begin(c->evict); /* who needs room waits */
		e->flush_task.run = run_abandon;
		writeback_post(c->writeback, &e->flush_task);
	}
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
	entry_put(e);
}
