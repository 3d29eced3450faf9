/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removal_owed.c - names that were removed and are owed a DELETE: one.
 *
 * Role:    what must come first is carried out; then as removal.h says.  A
 *          DELETE that another's version met, or that S3 refuses for good, is
 *          told in the log, and the name is back: its call returned long ago.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/fill.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/owed.h"
#include "cache/removal.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

/* ---- the name is back ---- */

/* Whether another entry has the name of ${row}. */
static bool
is_taken(struct cache *c, const struct row *row)
{
	AUTO(row_fini) struct row now = { 0 };

	return db_row_by_name(c->db, row->parent, row->name, &now) == 0 &&
	       view_is_visible(&now);
}

/* As S3 has it, which the next look tells: another version. */
static int
make_unknown(struct change *ch)
{
	struct row *row = &ch->row;

	if (row->byte_state == BYTES_UPLOADING)
		(void)change_bytes(ch, BYTES_ON_PUT_LOST);
	if (row->byte_state == BYTES_UNSURE)
		(void)change_bytes(ch, BYTES_ON_SETTLED_OLD);
	if (row->byte_state != BYTES_CLEAN) {
		(void)change_bytes(ch, BYTES_ON_REMOTE_NEW);
		(void)change_bytes(ch, BYTES_ON_RESOLVE);
	}
	if (row->attr_state == ATTRS_SENDING)
		change_attrs(ch, ATTRS_ON_SEND_LOST);
	if (row->attr_state == ATTRS_UNSURE)
		change_attrs(ch, ATTRS_ON_SETTLED_OLD);
	change_attrs(ch, ATTRS_ON_DROP);
	fill_clear(row);
	free(row->etag);
	row->etag = NULL;
	row->seen_ms = 0; /* believed no longer */
	return db_number(ch->cache->db, &row->node);
}

/* The transaction of that. */
static int
show(struct cache *c, const struct row *row)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (ch.row.name_state == NAME_DELETE_SENT)
		change_name(&ch, NAME_ON_DELETE_412);
	r = db_owed_remove(c->db, row->id);
	if (r == 0 && is_taken(c, &ch.row)) {
		change_name(&ch, NAME_ON_REPLACED);
		return change_end_remove(&ch);
	}
	change_name(&ch, NAME_ON_DELETE_UNDO);
	if (r == 0 && row->kind != ROW_DIR) {
		r = nameless_add(c, &ch.row); /* for who has it open */
		if (r == 0)
			r = make_unknown(&ch);
		r = change_end(&ch, r);
		if (r == 0)
			nameless_begin(c, row->node);
		else
			nameless_drop(c, row->node);
		return r;
	}
	ch.row.seen_ms = 0;
	return change_end(&ch, r);
}

int
removal_show(struct cache *c, const struct row *row)
{
	int r = show(c, row);

	if (r < 0)
		return r;
	owed_forget(c, row->id);
	if (c->hooks.changed != NULL)
		c->hooks.changed(c->hooks.arg, row->parent, row->name, 0);
	return 0;
}

static void
come_back(struct cache *c, const struct row *row, const char *key, int why)
{
	int r = removal_show(c, row);

	stats_add(&c->stats, STAT_REFUSED_NAMES, 1);
	owed_took_back(c, row->parent, why);
	if (why == -ESTALE)
		log_warn("'%s' was removed here, but another changed it "
			 "meanwhile: it is back, as that one left it",
		    key);
	else
		log_error("'%s' was removed here, but S3 refuses to delete it "
			  "(%s): it is back",
		    key, strerror(-why));
	if (r < 0)
		log_error("'%s' stays hidden until the next start: the cache's "
			  "database fails",
		    key);
}

/* Whether to try again helps. */
static bool
is_refusal(int err)
{
	return err == -ESTALE || err == -EACCES || err == -EPERM ||
	       err == -EROFS || err == -EINVAL || err == -ENOTEMPTY ||
	       err == -EOPNOTSUPP || err == -ENAMETOOLONG;
}

int
removal_settle(struct cache *c, const struct row *row, const char *key,
    const char *etag, int r)
{
	int there;

	if (r == -ESTALE && row->kind != ROW_DIR) {
		/* Look again, and once more. */
		there = name_is_there(c, key, etag);
		if (there == 1)
			r = name_delete(c, key, etag, NULL);
		else if (there == 0 || there != -ESTALE)
			r = there;
	}
	if (r == 0)
		return removal_finish(c, row);
	if (is_refusal(r))
		come_back(c, row, key, r);
	return r;
}

bool
removal_is_held(struct cache *c, const struct row *row)
{
	AUTO(row_fini) struct row now = { 0 };

	if (row->kind == ROW_DIR || row->name_state != NAME_DELETING ||
	    row->etag == NULL || row->byte_state == BYTES_UNSURE ||
	    row->attr_state == ATTRS_UNSURE ||
	    db_row_by_name(c->db, row->parent, row->name, &now) < 0)
		return false;
	return now.kind != ROW_DIR && (now.name_state == NAME_CREATING ||
					  now.name_state == NAME_MOVING);
}

/* ---- one ---- */

/* What must be over before. */
static int
run_first(struct cache *c, const struct row *row, const struct intent *it)
{
	int r = claim_is_blocked(c, it);

	if (r > 0)
		r = owed_run(c, it->follows, NULL);
	/* The marker of a directory whose last entry leaves goes first. */
	if (r == 0)
		r = owed_run_mark(c, row->parent);
	if (r == 0 && row->kind == ROW_DIR)
		r = owed_run_below(c, row->id, NULL);
	return r;
}

/* The key is busy. */
static int
remove_locked(struct cache *c, uint64_t id, const char *key)
{
	AUTO(row_fini) struct row row = { 0 };
	struct name_base base = { 0 };
	int r = db_row_by_id(c->db, id, &row);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	if (row.name_state != NAME_DELETING &&
	    row.name_state != NAME_DELETE_SENT)
		return OWED_LATER;
	if (removal_is_held(c, &row))
		return OWED_HELD;
	if (row.kind == ROW_DIR && name_count(c, id, 0) > 0)
		return removal_finish(c, &row);
	if (row.kind == ROW_DIR)
		base.is_there = true;
	else
		r = name_base(c, &row, key, &base);
	if (r == 0)
		r = base.is_there ? removal_send(c, &row, key, base.etag, NULL)
				  : removal_finish(c, &row);
	if (r < 0)
		r = removal_settle(c, &row, key, base.etag, r);
	name_base_fini(&base);
	return r;
}

/* There is nothing to remove any more. */
static int
forget(struct cache *c, uint64_t id)
{
	int r = db_owed_remove(c->db, id);

	return r < 0 ? r : 0;
}

int
removal_owed(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	struct keylock lock = { 0 };
	struct intent it = { 0 };
	int r = db_owed_get(c->db, id, &it);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = it.kind == INTENT_DELETE ? db_row_by_id(c->db, id, &row)
				     : OWED_LATER;
	if (r == -ENOENT)
		r = forget(c, id);
	else if (r == 0 && removal_is_held(c, &row))
		r = OWED_HELD;
	else if (r == 0) {
		r = run_first(c, &row, &it);
		if (r == 0)
			r = keylock_take(&c->keylocks, it.key, NULL, &lock);
		if (r == 0)
			r = remove_locked(c, id, it.key);
		keylock_drop(&c->keylocks, &lock);
	}
	intent_fini(&it);
	return r;
}
