/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_later.c - rename of a file that S3 is told of later.
 *
 * Role:    one transaction: what has the new name is hidden, and owed a DELETE;
 *          the row has the new name, and is MOVING: a COPY from base_key is
 *          owed (rename_owed.c), and a DELETE of that, by a stub that keeps the
 *          old name.  Renamed again before the COPY was sent, it is MOVING
 *          still, from where it lies.  What was never sent is a row.
 *          What takes the place of what is hidden: claim.h.
 *          A row of which something is not settled is renamed as where the
 *          call waits for S3 (rename_file.c).
 * States:  RENAME, or REKEY, or back where it was: MOVE_UNDO.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/keep.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/owed.h"
#include "cache/rename.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

/* One rename. */
struct later {
	struct rename *m;
	struct row stub;   /* id 0: none; its name is borrowed */
	bool is_new;       /* nothing of the file was sent */
	bool is_back;      /* it is where its object is again */
	bool is_discarded; /* what it replaces is a row, and gone */
	int kind;          /* of what is owed for it; 0: its bytes alone */
};

/* ---- what it replaces ---- */

/* Whether nothing of ${row} is in S3 under its name. */
static bool
is_only_row(const struct row *row)
{
	return row->name_state == NAME_MOVING ||
	       (row->name_state == NAME_CREATING && row->etag == NULL);
}

static int
hide_target(struct later *l)
{
	struct rename *m = l->m;
	struct change ch = { .cache = m->cache };
	int r = db_row_by_id(m->cache->db, m->to.id, &ch.row);

	if (r == 0)
		r = db_owed_remove(m->cache->db, m->to.id);
	if (r < 0) {
		row_fini(&ch.row);
		return r;
	}
	l->is_discarded = is_only_row(&ch.row);
	if (l->is_discarded) {
		change_name(&ch, NAME_ON_DISCARD);
		r = db_row_delete(m->cache->db, m->to.id);
		if (r == 0)
			r = nameless_add(m->cache, &ch.row);
	} else {
		change_name(&ch, NAME_ON_UNLINK);
		ch.row.changed_ms = cache_now_ms(m->cache);
		r = change_owe(&ch, INTENT_DELETE, 0);
		if (r == 0)
			r = db_row_put(m->cache->db, &ch.row);
	}
	row_fini(&ch.row);
	return r;
}

/* ---- what it leaves ---- */

/* The old name, until its object is deleted: after the COPY of ${follows}. */
static int
put_stub(struct later *l, const char *etag, uint64_t follows)
{
	struct rename *m = l->m;
	struct change ch = { .cache = m->cache };
	int64_t now = cache_now_ms(m->cache);
	int r = db_number(m->cache->db, &l->stub.id);

	l->stub.node = l->stub.id;
	l->stub.parent = m->from.parent;
	l->stub.name = m->from.name;
	l->stub.kind = m->from.kind;
	l->stub.name_state = NAME_PRESENT;
	l->stub.etag = (char *)(uintptr_t)etag;
	l->stub.size = m->from.size;
	l->stub.uid = UINT32_MAX;
	l->stub.gid = UINT32_MAX;
	l->stub.changed_ms = now;
	l->stub.seen_ms = now;
	ch.row = l->stub;
	change_name(&ch, NAME_ON_UNLINK);
	if (r == 0)
		r = db_row_put(m->cache->db, &ch.row);
	if (r == 0)
		r = change_owe(&ch, INTENT_DELETE, follows);
	return r;
}

/* It is where its object is: no stub is there any more. */
static int
drop_stub(struct later *l)
{
	struct rename *m = l->m;
	struct intent it = { 0 };
	int r = db_owed_delete_of(m->cache->db, m->new_key, 0, &it);

	if (r == 0 && it.follows == m->from.id) {
		l->stub.id = it.id;
		r = db_owed_remove(m->cache->db, it.id);
		if (r == 0)
			r = db_row_delete(m->cache->db, it.id);
	}
	intent_fini(&it);
	return r == -ENOENT ? 0 : r;
}

/* Of a file that is not in S3 yet: ${ch} is its row. */
static int
leave_unsent(struct later *l, struct change *ch)
{
	struct intent it = { 0 };
	int r = 0;

	l->is_new = true;
	change_name(ch, NAME_ON_REKEY);
	if (db_owed_get(ch->cache->db, ch->row.id, &it) == 0)
		l->kind = INTENT_PUT;
	intent_fini(&it);
	if (ch->row.etag != NULL)
		r = put_stub(l, ch->row.etag, 0);
	free(ch->row.version_id);
	ch->row.version_id = NULL;
	free(ch->row.etag);
	ch->row.etag = NULL;
	l->stub.etag = NULL;
	return r;
}

static int
leave(struct later *l, struct change *ch)
{
	struct rename *m = l->m;
	struct row *row = &ch->row;

	if (row->name_state == NAME_CREATING)
		return leave_unsent(l, ch);
	if (row->name_state == NAME_MOVING &&
	    strcmp(row->base_key, m->new_key) == 0) {
		l->is_back = true;
		change_name(ch, NAME_ON_MOVE_UNDO);
		free(row->base_key);
		row->base_key = NULL;
		return drop_stub(l);
	}
	l->kind = INTENT_MOVE;
	if (row->name_state == NAME_MOVING)
		return 0; /* from where it lies */
	change_name(ch, NAME_ON_RENAME);
	row->base_key = strdup(m->key);
	return row->base_key == NULL ? -ENOMEM
				     : put_stub(l, row->etag, row->id);
}

/* ---- the transaction ---- */

static int
commit(struct later *l)
{
	struct rename *m = l->m;
	struct cache *c = m->cache;
	struct change ch;
	int r = rename_begin(m, &ch);

	if (r < 0)
		return r;
	if (!owed_is_later(c, m->dir.id) || !owed_is_later(c, m->new_dir.id))
		return change_end(&ch, -ESTALE);
	if (m->has_to)
		r = hide_target(l);
	if (r == 0)
		r = leave(l, &ch);
	if (r == 0)
		r = text_replace(&ch.row.name, m->new_name);
	ch.row.parent = m->new_dir.id;
	if (r == 0)
		r = l->kind != 0 ? change_owe(&ch, l->kind, 0)
				 : db_owed_remove(c->db, ch.row.id);
	r = change_end(&ch, r);
	if (r < 0 && l->is_discarded)
		nameless_drop(c, m->to.node);
	return r;
}

/* ---- after it ---- */

/* A file that is sent anew has no condition of before. */
static int
tell_unsent(struct rename *m)
{
	struct entry *e = entry_find(m->cache, m->from.node);

	if (e != NULL) {
		lock_take(&e->lock);
		free(e->etag);
		e->etag = NULL;
		lock_drop(&e->lock);
		entry_put(e);
	}
	return entries_rekey_one(
	    m->cache, m->from.node, m->key, m->new_key, NULL);
}

/* What is owed is told, and who has any of it open. */
static void
tell(struct later *l)
{
	struct rename *m = l->m;
	struct cache *c = m->cache;

	if (m->has_to)
		abandon_version(c, m->to.node);
	if (l->is_discarded) {
		nameless_begin(c, m->to.node);
		owed_forget(c, m->to.id);
	} else if (m->has_to) {
		owed_add(c, &m->to, INTENT_DELETE);
	}
	while (l->is_new && tell_unsent(m) < 0)
		wait_for_memory();
	m->from.parent = m->new_dir.id;
	if (l->kind != 0)
		owed_add(c, &m->from, l->kind);
	if (l->is_back) {
		owed_forget(c, m->from.id);
		owed_forget(c, l->stub.id);
	} else if (l->stub.id != 0) {
		owed_add(c, &l->stub, INTENT_DELETE);
	}
}

/* ---- before it ---- */

/* Whether a request of ${row} ended, as far as is known. */
static bool
is_settled(const struct row *row)
{
	return row->byte_state != BYTES_UNSURE &&
	       row->attr_state != ATTRS_UNSURE &&
	       row->attr_state != ATTRS_SENDING &&
	       !state_bytes_is_open((enum state_bytes)row->byte_state);
}

/*
 * A file in MOVING is not to wait, in the end, for itself: where the new key is
 * one that another is to be copied from, it gets to the name it has first.
 * Returns: 0; -ESTALE it did, look again; -errno.
 */
static int
break_cycle(struct rename *m, struct waiter *w)
{
	struct intent it = { 0 };
	int r, blocked = 0;

	if (m->from.name_state != NAME_MOVING)
		return 0;
	r = db_owed_delete_of(m->cache->db, m->new_key, 0, &it);
	if (r == 0 && it.follows != m->from.id)
		blocked = claim_is_blocked(m->cache, &it);
	intent_fini(&it);
	if (blocked <= 0)
		return r == -ENOENT ? 0 : blocked;
	r = owed_run(m->cache, m->from.id, w);
	return r == 0 ? -ESTALE : r < 0 ? r : -EBUSY;
}

/* Both keys are busy.  1: something is not settled. */
static int
rename_locked(struct later *l, struct waiter *w)
{
	struct rename *m = l->m;
	struct entry *e = NULL;
	int r = rename_reread(m);

	if (r < 0)
		return r;
	if (!is_settled(&m->from) || (m->has_to && !is_settled(&m->to)))
		return 1;
	/* What S3 does not have is here; the rest is kept by who removes it. */
	if (m->has_to && is_only_row(&m->to) && m->to.name_state != NAME_MOVING)
		r = keep_begin(m->cache, &m->to, false, w, &e);
	if (r == 0)
		r = commit(l);
	if (r == 0)
		tell(l);
	keep_end(e);
	return r;
}

int
rename_later(struct rename *m, struct waiter *w)
{
	struct keylocks *locks = &m->cache->keylocks;
	struct keylock lock = { 0 }, new_lock = { 0 };
	struct later l = { .m = m };
	int r = break_cycle(m, w);

	if (r == 0 && m->dir.id != m->new_dir.id)
		r = keep_parent(m->cache, m->dir.id, m->from.id, w);
	if (r == 0)
		r = keylock_take_two(
		    locks, m->key, m->new_key, w, &lock, &new_lock);
	if (r < 0)
		return r;
	r = rename_locked(&l, w);
	keylock_drop(locks, &lock);
	keylock_drop(locks, &new_lock);
	return r > 0 ? rename_file(m, w) : r;
}
