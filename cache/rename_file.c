/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_file.c - rename of a file.
 *
 * Role:    1. it is copied to its new key, on condition of what is there;
 *          2. rename.c's transaction moves the row (RENAME): who has it open
 *             reads there from now on;
 *          3. the old object is deleted, which frees the old name: MOVE_OK.
 *          If S3 refuses 3, the row goes back (MOVE_UNDO) to the old name,
 *          whose object was never touched, and the copy is deleted.  What that
 *          had replaced cannot be put back.  Of a DELETE whose end is not
 *          known, and no HEAD tells, the new name is believed, where the file
 *          is for certain; the old one is looked at anew.
 *          Who writes or renames meanwhile waits for the keys, which are busy.
 *          A file that S3 does not have is a row, and moves without a request
 *          (REKEY).
 *          METADIRTY attributes go along (FOLD), as does a Content-Type that
 *          the new name tells and the old one did not.
 * S3:      API_CopyObject with both conditions; API_DeleteObject, If-Match.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/clone.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/keep.h"
#include "cache/name.h"
#include "cache/rename.h"
#include "cache/rename_copy.h"
#include "cache/writeback.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

#define TRIES 2 /* of the DELETE */

/* It was not found as it was known: look again. */
static int
doubt(struct file_move *f, int r)
{
	struct rename *m = f->rename;
	struct cache *c = m->cache;
	int err;

	if (r == -ENOENT || f->made.is_source)
		err = name_doubt(c, m->from.id);
	else if (m->has_to)
		err = name_doubt(c, m->to.id);
	else
		err = name_doubt_absent(c, m->new_dir.id, m->new_name);
	return err < 0 ? err : -ESTALE;
}

/* Nothing of it was sent: its PUT replaces what is there. */
static int
take_name(struct file_move *f, struct change *ch)
{
	struct row *row = &ch->row;
	int r;

	change_name(ch, NAME_ON_REKEY);
	r = text_replace(&row->etag, f->to_base.etag);
	return r == 0 ? text_replace(&row->version_id, NULL) : r;
}

/* All that the database does. */
static int
commit_file(struct file_move *f, struct row *stub)
{
	struct rename *m = f->rename;
	struct change ch;
	int r = rename_begin(m, &ch);

	if (r < 0)
		return r;
	stub->etag = f->base.etag;
	stub->size = m->from.size;
	if (f->base.is_version) {
		change_name(&ch, NAME_ON_RENAME);
		r = file_move_take(f, &ch);
	} else {
		r = take_name(f, &ch);
	}
	if (r == 0)
		r = rename_move(m, &ch, f->base.is_there ? stub : NULL);
	return change_end(&ch, r);
}

/* What is open and was never sent replaces what is there now, if anything. */
static int
tell_unsent(struct file_move *f, const char *etag)
{
	struct rename *m = f->rename;
	struct entry *e = entry_find(m->cache, m->from.node);
	int r;

	if (e == NULL)
		return 0;
	lock_take(&e->lock);
	r = text_replace(&e->etag, etag);
	lock_drop(&e->lock);
	entry_put(e);
	return r;
}

static int
try_tell(struct file_move *f)
{
	struct rename *m = f->rename;
	int r = 0;

	if (!f->base.is_version)
		r = tell_unsent(f, f->to_base.etag);
	return r < 0 ? r
		     : entries_rekey(m->cache, m->key, m->new_key,
			   f->base.is_version ? f->made.etag : NULL);
}

/* What is open reads and sends there from now on. */
static void
tell_entries(struct file_move *f)
{
	while (try_tell(f) < 0)
		wait_for_memory();
}

/* ---- back ---- */

/* The row is of the old object again; what was set meanwhile stays. */
static int
restore_row(struct file_move *f, struct change *ch)
{
	const struct row *from = &f->rename->from;
	struct row *row = &ch->row;
	int r;

	if (row->ctime_ns == f->rename->now_ns)
		row->ctime_ns = from->ctime_ns;
	r = text_replace(&row->etag, from->etag);
	if (r == 0)
		r = text_replace(&row->version_id, from->version_id);
	if (r < 0 || !f->base.is_version)
		return r;
	change_name(ch, NAME_ON_MOVE_UNDO);
	row->modified_ns = from->modified_ns;
	r = text_replace(&row->storage_class, from->storage_class);
	if (r < 0 || !f->is_folded)
		return r;
	if (from->attr_state == ATTRS_METADIRTY)
		change_attrs(ch, ATTRS_ON_SET); /* not sent, after all */
	r = text_replace(&row->token, from->token);
	return r == 0 ? text_replace(&row->content_type, from->content_type)
		      : r;
}

/* All that the database does. */
static int
commit_back(struct file_move *f, const struct row *stub)
{
	struct rename *m = f->rename;
	struct change ch;
	bool is_due;
	int r = change_begin(m->cache, m->from.id, &ch);

	if (r < 0)
		return r;
	r = rename_back(
	    m, &ch, stub, f->base.is_version && f->to_base.is_there);
	if (r == 0)
		r = restore_row(f, &ch);
	is_due = ch.row.attr_state == ATTRS_METADIRTY;
	r = change_end(&ch, r);
	if (r == 0 && is_due)
		writeback_attrs(m->cache, m->from.id);
	return r;
}

static int
try_tell_back(struct file_move *f)
{
	struct rename *m = f->rename;
	int r = 0;

	if (!f->base.is_version)
		r = tell_unsent(f, f->base.etag);
	return r < 0 ? r
		     : entries_rekey_but(m->cache, m->new_key, m->key,
			   f->base.is_version ? f->base.etag : NULL,
			   m->has_to ? m->to.node : 0);
}

/* The old object stays, for ${why}: so does its name. */
static void
put_back(struct file_move *f, const struct row *stub, int why)
{
	struct rename *m = f->rename;
	int r = commit_back(f, stub);

	if (r < 0) {
		rename_end(m, stub, why);
		return;
	}
	while (try_tell_back(f) < 0)
		wait_for_memory();
	if (f->base.is_version)
		file_move_undo(f, why, true);
}

/* ---- the end ---- */

/* Another version is said to be there: look again.  -EAGAIN: it is as before.
 */
static int
delete_once(struct file_move *f)
{
	struct rename *m = f->rename;
	int r = name_delete(m->cache, m->key, f->base.etag, NULL), there;

	if (r != -ESTALE)
		return r;
	there = name_is_there(m->cache, m->key, f->base.etag);
	if (there == 0)
		return 0;
	return there == 1 ? -EAGAIN : -ESTALE;
}

/* Whether a DELETE that ended so is not worth another, nor a look. */
static bool
is_known(int r)
{
	return r == 0 || r == -ESTALE || r == -EACCES;
}

/* Step 3. */
static int
delete_old(struct file_move *f, const struct row *stub)
{
	struct rename *m = f->rename;
	int r = -EIO, there = 1;

	for (int i = 0; i < TRIES && !is_known(r); i++)
		r = delete_once(f);
	if (!is_known(r))
		there = name_is_there(m->cache, m->key, f->base.etag);
	if (there == 0 || there == -ESTALE)
		r = there; /* it was deleted, whatever was said */
	if (r == 0 || r == -ESTALE || there < 0)
		rename_end(m, stub, r);
	else
		put_back(f, stub, r == -EAGAIN ? -ESTALE : r);
	if (r == -ESTALE)
		return 0; /* another's: made after the rename */
	return r == -EAGAIN ? -ESTALE : r;
}

/* What is asked of S3 before the row moves. */
static int
prepare(struct file_move *f, struct waiter *w)
{
	struct rename *m = f->rename;
	int r = 0;

	if (m->has_to) {
		r = name_base(m->cache, &m->to, m->new_key, &f->to_base);
		if (r == 0)
			r = keep_begin(m->cache, &m->to, true, w, &f->target);
		if (r == 0)
			r = clone_release(m->cache, m->new_key, w);
	}
	if (r == 0)
		r = name_base(m->cache, &m->from, m->key, &f->base);
	if (r == 0 && f->base.is_version) {
		r = file_move_copy(f, w);
		if (r == -ESTALE || r == -ENOENT)
			r = doubt(f, r);
		if (r < 0 && f->made.unsure)
			file_move_undo(f, r, false);
	}
	return r;
}

/* Both keys are busy. */
static int
move_file(struct file_move *f, struct waiter *w)
{
	struct row stub = { 0 };
	int r = prepare(f, w);

	if (r < 0)
		return r;
	r = commit_file(f, &stub);
	if (r < 0) {
		if (f->base.is_version)
			file_move_undo(f, r, true);
		return r;
	}
	tell_entries(f);
	if (f->base.is_there)
		return delete_old(f, &stub);
	rename_end(f->rename, NULL, 0);
	return 0;
}

int
rename_file(struct rename *m, struct waiter *w)
{
	struct keylocks *locks = &m->cache->keylocks;
	struct keylock lock = { 0 }, new_lock = { 0 };
	struct file_move f = { .rename = m };
	int r = 0;

	if (m->dir.id != m->new_dir.id)
		r = keep_parent(m->cache, m->dir.id, m->from.id, w);
	if (r == 0)
		r = keylock_take_two(
		    locks, m->key, m->new_key, w, &lock, &new_lock);
	if (r < 0)
		return r;
	r = rename_reread(m);
	if (r == 0)
		r = move_file(&f, w);
	keylock_drop(locks, &lock);
	keylock_drop(locks, &new_lock);
	file_move_fini(&f);
	return r;
}
