/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.c - all that is owed to S3, sent and waited for (façade).
 */
#include <errno.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/dir_recover.h"
#include "cache/entry.h"
#include "cache/owed.h"
#include "cache/state.h"
#include "cache/upload.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* ${e} did not get through. */
static void
say_left(struct entry *e)
{
	lock_take(&e->lock);
	log_error("'%s' is not in S3", e->key);
	lock_drop(&e->lock);
}

/* Send all of ${list} at once, and wait for them; what ${sent} has room for. */
static int
send_list(struct entry **list, unsigned *sent, size_t count, struct waiter *w,
    uint64_t *ret_left)
{
	int r = 0;

	for (size_t i = 0; i < count; i++)
		sent[i] = upload_post(list[i]);
	for (size_t i = 0; i < count; i++) {
		int err = r < 0 ? r : upload_await(list[i], sent[i], w);

		if (err == -EINTR)
			r = err;
		/* ESTALE: kept beside the winner, and sent. */
		if (err < 0 && err != -EINTR && err != -ESTALE) {
			++*ret_left;
			say_left(list[i]);
		}
	}
	return r;
}

static int
drain_bytes(struct cache *c, struct waiter *w, uint64_t *ret_left)
{
	AUTO_FREE unsigned *sent = NULL;
	struct entry **list = NULL;
	size_t count = 0;
	int r;

	r = entries_modified(c, &list, &count);
	if (r == 0 && count > 0) {
		sent = calloc(count, sizeof(*sent));
		r = sent == NULL ? -ENOMEM : 0;
	}
	if (r == 0)
		r = send_list(list, sent, count, w, ret_left);
	for (size_t i = 0; i < count; i++)
		entry_put(list[i]);
	free(list);
	return r;
}

/* A row whose attributes did not get through. */
static bool
say_row(void *arg, const struct row *row)
{
	(void)arg;
	if (row->attr_state != ATTRS_CLEAN && row->byte_state == BYTES_CLEAN)
		log_error(
		    "mode, owner or times of '%s' are not in S3", row->name);
	return true;
}

/* Attributes that no timer is set for any more are due all the same. */
static bool
queue_row(void *arg, const struct row *row)
{
	if (row->attr_state == ATTRS_METADIRTY)
		writeback_attrs(arg, row->id);
	return true;
}

/* Names that did not get through. */
static bool
say_name(void *arg, const struct intent *it)
{
	(void)arg;
	log_error("'%s': S3 does not know yet that it was %s", it->key,
	    it->kind == INTENT_DELETE ? "removed"
	    : it->kind == INTENT_MOVE ? "renamed to this"
				      : "made");
	return true;
}

/* Of a drain that came to its end; ${refused}: names, before it. */
static int
result(struct cache *c, uint64_t left, uint64_t refused)
{
	return left > 0 || owed_refused(c) > refused ? -EIO : 0;
}

int
cache_drain(struct cache *c, struct waiter *w, uint64_t *ret_left)
{
	uint64_t files = 0, names = 0, attrs = 0, dirs = 0;
	uint64_t refused = owed_refused(c);
	struct waiter own;
	int r;

	if (w == NULL)
		waiter_init(&own);
	c->is_hurried = false;
	r = drain_bytes(c, w == NULL ? &own : w, &files);
	if (r == 0)
		r = owed_wait(c, 0, w == NULL ? &own : w, &names);
	if (names > 0)
		(void)db_owed_each(c->db, say_name, NULL); /* a log */
	if (r != -EINTR)
		r = db_rows_pending(c->db, queue_row, c);
	if (r == 0)
		r = writeback_drain_attrs(
		    c->writeback, w == NULL ? &own : w, &attrs);
	if (r == 0)
		r = dir_recover_wait(c, w == NULL ? &own : w, &dirs);
	if (w == NULL)
		waiter_fini(&own);
	if (attrs > 0)
		(void)db_rows_pending(c->db, say_row, NULL); /* a log */
	/* Who is told to end does not wait for what has not begun. */
	c->is_hurried = r == -EINTR;
	*ret_left = files + names + attrs + dirs;
	return r == 0 ? result(c, *ret_left, refused) : r;
}
