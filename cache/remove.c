/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.c - unlink and rmdir.
 *
 * Role:    the name goes when S3 has no object under it any more: UNLINK hides
 *          it, so that nobody opens it meanwhile; removal.c sends the DELETE,
 *          now or (owed.h) later.
 *          What was never sent is DISCARDed without a request.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/keep.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "cache/removal.h"
#include "s3/base/cleanup.h"

#define TRIES     2 /* look again, and try once more */
#define MOVES_MAX 8 /* of a directory above, meanwhile */

/* How a name goes. */
struct hide {
	bool has_object; /* S3 may have something of it */
	bool is_later;   /* the DELETE is to be owed, if it may */
	bool is_owed;    /* result: it is */
};

/* Whether nothing but the row has to go. */
static bool
is_discarded(const struct change *ch, const struct hide *h)
{
	return !h->has_object || ch->row.name_state == NAME_MOVING;
}

/* A directory: nothing may be in it. */
static int
check_dir(struct change *ch, struct hide *h)
{
	int r = name_count(ch->cache, ch->row.id, 0); /* made meanwhile */

	if (r != 0)
		return r < 0 ? r : -ENOTEMPTY;
	if (ch->row.name_state == NAME_CREATING && h->has_object)
		ch->row.marker = ROW_MARKER_SLASH; /* it may be there */
	/* What was removed from it needs its row until that is over. */
	if (h->is_owed && !h->has_object &&
	    name_is_owed_below(ch->cache, ch->row.id)) {
		h->has_object = true;
		ch->row.marker = ROW_MARKER_NONE;
	}
	return 0;
}

/* The entry ${row} is hidden, or (without an object) gone at once: 1. */
static int
hide(struct cache *c, const struct row *row, const char *key, struct hide *h)
{
	struct change ch;
	int r = name_begin(c, row, key, &ch);

	if (r < 0)
		return r;
	h->is_owed = h->is_later && owed_is_later(c, row->parent);
	if (row->kind == ROW_DIR)
		r = check_dir(&ch, h);
	if (r < 0)
		return change_end(&ch, r);
	r = db_owed_remove(c->db, row->id);
	if (is_discarded(&ch, h)) {
		change_name(&ch, NAME_ON_DISCARD);
		r = r == 0 ? change_end_remove(&ch) : change_end(&ch, r);
		if (r == 0)
			owed_forget(c, row->id);
		return r < 0 ? r : 1;
	}
	change_name(&ch, NAME_ON_UNLINK);
	if (r == 0 && h->is_owed)
		r = change_owe(&ch, INTENT_DELETE, 0);
	r = change_end(&ch, r);
	if (r == 0 && h->is_owed)
		owed_add(c, row, INTENT_DELETE);
	return r;
}

/* The key is busy; ${row} is what it is now. */
typedef int locked_fn(struct cache *c, const struct row *row, const char *key,
    bool is_later, struct waiter *w);

/* Take away what ${row} was when it was looked up.  -EAGAIN: a directory above
 * was renamed meanwhile. */
static int
with_key(struct cache *c, const struct row *row, locked_fn *fn, bool is_later,
    struct waiter *w)
{
	AUTO(row_fini) struct row now = { 0 };
	struct keylock lock = { 0 };
	AUTO_FREE char *key = NULL;
	int r = name_key_of(c, row, &key);

	if (r == 0)
		r = keylock_take(&c->keylocks, key, w, &lock);
	if (r < 0)
		return r;
	r = name_reread(c, row, key, &now);
	if (r == 0)
		r = fn(c, &now, key, is_later, w);
	keylock_drop(&c->keylocks, &lock);
	if (r == -ESTALE && name_has_moved(c, row, key))
		return -EAGAIN;
	if (r == -ESTALE && name_doubt(c, row->id) < 0)
		r = -EIO;
	return r;
}

/* ---- unlink ---- */

/* Whether S3 may have something of ${row} under its name's key. */
static bool
may_be_there(struct cache *c, const struct row *row)
{
	struct intent it = { 0 };
	bool is_sent;

	if (row->name_state != NAME_CREATING || row->etag != NULL ||
	    row->byte_state == BYTES_UNSURE)
		return true;
	is_sent = db_owed_get(c->db, row->id, &it) == 0 && it.is_sent;
	intent_fini(&it);
	return is_sent;
}

static int
unlink_locked(struct cache *c, const struct row *row, const char *key,
    bool is_later, struct waiter *w)
{
	struct hide h = { .is_later = is_later };
	struct name_base base = { 0 };
	struct entry *e = NULL;
	int r = 0;

	if (is_later)
		base.is_there = may_be_there(c, row);
	else
		r = name_base(c, row, key, &base);
	h.has_object = base.is_there;
	/* Later, removal.c keeps it; what S3 does not have is here. */
	if (r == 0 &&
	    !(is_later && (base.is_there || row->name_state == NAME_MOVING)))
		r = keep_begin(c, row, false, w, &e);
	if (r == 0)
		r = hide(c, row, key, &h);
	if (r == 0 && !h.is_owed) {
		r = removal_send(c, row, key, base.etag, w);
		if (r < 0)
			removal_undo(c, row, r);
	} else if (r >= 0) {
		abandon_version(c, row->node);
	}
	keep_end(e);
	name_base_fini(&base);
	return r < 0 ? r : 0;
}

static int
unlink_once(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	bool later = owed_is_later(c, dir->id);
	int r;

	r = claim_lookup(c, dir, name, !later, w, &row);
	if (r == 0 && row.kind == ROW_DIR)
		r = -EISDIR;
	if (r == 0)
		r = keep_parent(c, dir->id, row.id, w);
	return r < 0 ? r : with_key(c, &row, unlink_locked, later, w);
}

/* ---- rmdir ---- */

static int
rmdir_locked(struct cache *c, const struct row *row, const char *key,
    bool is_later, struct waiter *w)
{
	struct hide h = { .is_later = is_later,
		.has_object =
		    row->marker != ROW_MARKER_NONE || row->etag != NULL };
	int r;

	if (is_later && row->name_state == NAME_CREATING)
		h.has_object = row->etag != NULL || may_be_there(c, row);
	r = hide(c, row, key, &h);
	if (r != 0 || h.is_owed)
		return r < 0 ? r : 0;
	r = removal_send(c, row, key, NULL, w);
	if (r < 0)
		removal_undo(c, row, r);
	return r;
}

static int
rmdir_once(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	bool later = owed_is_later(c, dir->id);
	int r;

	r = claim_lookup(c, dir, name, !later, w, &row);
	if (r == 0 && row.kind != ROW_DIR)
		r = -ENOTDIR;
	if (r == 0)
		r = name_check_empty(c, &row, w);
	if (r == 0 && !later)
		r = owed_run_below(c, row.id, w);
	if (r == 0)
		r = keep_parent(c, dir->id, row.id, w);
	return r < 0 ? r : with_key(c, &row, rmdir_locked, later, w);
}

/* ---- the façade ---- */

typedef int once_fn(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w);

static int
remove_name(struct cache *c, uint64_t parent, const char *name, once_fn *once,
    struct waiter *w)
{
	AUTO(row_fini) struct row dir = { 0 };
	int tries = 0, moves = 0;
	int r = name_dir(c, parent, &dir);

	if (r < 0)
		return r;
	do {
		r = once(c, &dir, name, w);
		if (r == -EAGAIN)
			moves++;
		else
			tries++;
	} while ((r == -ESTALE && tries < TRIES) ||
		 (r == -EAGAIN && moves < MOVES_MAX));
	if (r == 0)
		name_touch(c, dir.id);
	return r == -EAGAIN ? -EBUSY : r;
}

int
cache_unlink(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	return remove_name(c, parent, name, unlink_once, w);
}

int
cache_rmdir(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	return remove_name(c, parent, name, rmdir_once, w);
}
