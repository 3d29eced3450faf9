/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_dir.c - rename of a directory, with all below it.
 *
 * Role:    1. list all keys below, flat; find those that would be too long;
 *          2. copy them (mover.h);
 *          3. in one transaction move the row, and with it all below (they
 *             follow by parent id); a stub keeps the old name;
 *          4. delete the old keys.
 *          What fails before 3 is undone.  If S3 refuses 4, all is put back
 *          in the same way, the other way round: what was deleted already is
 *          copied back, the row moves back, the copies are deleted.  If that
 *          is refused, too, the new name is believed, where all is for
 *          certain, and what is left shows under the old one.
 *          What does not come to its end, because S3 does not answer or the
 *          daemon is killed, dir_recover.h ends, by the journal that is kept
 *          from before 2 until all is over: dir_journal.h.
 *          Who writes below meanwhile: dir_move.h.
 */
#include "cache/rename.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/dir_finish.h"
#include "cache/dir_move.h"
#include "cache/dir_recover.h"
#include "cache/keep.h"
#include "cache/name.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define ROUNDS_MAX 16
#define FOLDER     "_$folder$"

/* ---- what is longer than S3 allows ---- */

struct lengths {
	struct dir_move *move;
	int r;
};

static bool
check_length(void *arg, const struct row *row)
{
	struct lengths *b = arg;
	struct dir_move *d = b->move;
	AUTO_FREE char *key = NULL;

	if (!view_is_visible(row))
		return true;
	if (row->name_state == NAME_CREATING)
		d->has_unsent = true;
	b->r = name_key_of(d->rename->cache, row, &key);
	if (b->r == 0 &&
	    strlen(key) - strlen(d->from) + strlen(d->to) > S3_KEY_MAX)
		b->r = -ENAMETOOLONG;
	return b->r == 0;
}

/* Of rows that S3 does not have yet, too. */
static int
check_lengths(struct dir_move *d)
{
	struct lengths b = { .move = d };
	struct rename *m = d->rename;
	int r = db_rows_below(m->cache->db, m->from.id, check_length, &b);

	return r < 0 ? r : b.r;
}

/* ---- the keys ---- */

/* What makes it a directory and is not below it: an object of its name, or
 * Hadoop's marker. */
static int
add_beside(struct dir_move *d)
{
	const struct row *row = &d->rename->from;
	char folder[S3_KEY_MAX + sizeof(FOLDER)];
	int r = 0;

	if (row->etag != NULL)
		r = mover_add(&d->mover, d->from, row->etag, row->size);
	if (r == 0 && row->marker == ROW_MARKER_FOLDER) {
		(void)snprintf(folder, sizeof(folder), "%s" FOLDER, d->from);
		r = mover_add(&d->mover, folder, NULL, 0);
	}
	return r;
}

/* Markers that the target has, too, are written over. */
static void
allow_replace(struct dir_move *d)
{
	const struct row *to = &d->rename->to;
	size_t len = strlen(d->from);

	for (size_t i = 0; d->rename->has_to && i < d->mover.count; i++) {
		struct moved *k = &d->mover.keys[i];
		const char *rest = k->key + len;

		k->may_replace = (strcmp(rest, "/") == 0 &&
				     to->marker == ROW_MARKER_SLASH) ||
				 (strcmp(rest, FOLDER) == 0 &&
				     to->marker == ROW_MARKER_FOLDER) ||
				 (rest[0] == '\0' && to->etag != NULL);
	}
}

/* Those of the target that were not written over.  What is left of them shows
 * when the directory is removed: no harm now. */
static void
delete_beside(struct dir_move *d)
{
	struct rename *m = d->rename;
	char folder[S3_KEY_MAX + sizeof(FOLDER)];

	if (!m->has_to)
		return;
	if (m->to.etag != NULL && m->from.etag == NULL)
		(void)name_delete(m->cache, d->to, m->to.etag, NULL);
	if (m->to.marker != ROW_MARKER_FOLDER ||
	    m->from.marker == ROW_MARKER_FOLDER)
		return;
	(void)snprintf(folder, sizeof(folder), "%s" FOLDER, d->to);
	(void)name_delete_marker(m->cache, folder, NULL); /* as above */
}

/* All that is to be copied. */
static int
list(struct dir_move *d, struct waiter *w)
{
	struct rename *m = d->rename;
	int r;

	d->since_ms = cache_now_ms(m->cache);
	r = mover_list(&d->mover, m->key, w);
	if (r == 0)
		r = add_beside(d);
	if (r == 0)
		r = check_lengths(d);
	if (r < 0)
		return r;
	allow_replace(d);
	/* Nothing there, and nothing ours: it is gone. */
	if (d->mover.count > 0 || d->has_unsent)
		return 0;
	r = name_doubt(m->cache, m->from.id);
	return r < 0 ? r : -ESTALE;
}

/* ---- the move ---- */

/* Steps 2 and 3; step 1 is done. */
static int
copy_and_commit(struct dir_move *d, struct row *stub, struct waiter *w)
{
	int r = mover_copy(&d->mover, w);

	for (int i = 0; r == 0 && i < ROUNDS_MAX; i++) {
		r = dir_move_commit(d, stub);
		if (r != -EAGAIN)
			return r;
		r = dir_move_settle_late(d, w);
	}
	return r < 0 ? r : -EBUSY;
}

/* The copies go.  ${r}: why. */
static void
undo(struct dir_move *d, int r)
{
	struct rename *m = d->rename;

	progress_stage(&d->progress, PROGRESS_UNDOING);
	log_debug("rename of '%s' is undone: %s", m->key, strerror(-r));
	r = mover_undo(&d->mover, NULL);
	if (r < 0 && dir_finish_later(r)) {
		d->left = r;
		return;
	}
	if (r < 0)
		log_warn("'%s' was not renamed, but copies may be left below "
			 "'%s': remove them",
		    m->key, m->new_key);
	dir_journal_end(m->cache, d->journal.id,
	    d->journal.is_back ? 0 : d->journal.hidden, r);
}

/* ---- the end ---- */

/* It failed, but what the kernel was told of both names may not be so any
 * more. */
static void
tell_names(const struct rename *m)
{
	const struct cache_hooks *hooks = &m->cache->hooks;

	if (hooks->changed == NULL)
		return;
	hooks->changed(hooks->arg, m->dir.id, m->from.name, 0);
	hooks->changed(hooks->arg, m->new_dir.id, m->new_name, 0);
}

/* The way back of ${d}: ${b}, all of it empty, and ${m}, whose texts are
 * borrowed. */
static int
back_init(struct dir_move *d, struct dir_move *b, struct rename *m)
{
	const struct rename *to = d->rename;
	int r;

	*m = (struct rename){ .cache = to->cache,
		.new_name = to->from.name,
		.key = to->new_key,
		.new_key = to->key,
		.now_ns = to->from.ctime_ns };
	b->rename = m;
	b->since_ms = d->committed_ms;
	r = dir_move_init(b);
	if (r == 0)
		r = row_copy(&m->dir, &to->new_dir);
	if (r == 0)
		r = row_copy(&m->new_dir, &to->dir);
	if (r == 0)
		r = db_row_by_id(m->cache->db, to->from.id, &m->from);
	return r == 0 ? mover_reverse(&d->mover, &b->mover) : r;
}

/* The copies of what was put back go; a directory that had been replaced is
 * there again. */
static void
end_back(struct dir_move *b, const struct row *stub, bool was_replaced)
{
	struct cache *c = b->rename->cache;
	int r = mover_delete(&b->mover, NULL);

	if (r < 0 && r != -ESTALE && dir_finish_later(r)) {
		b->left = r;
		return;
	}
	if (r < 0 && r != -ESTALE)
		log_warn("'%s' was put back, but copies are left below '%s' "
			 "(%s): remove them",
		    b->rename->new_key, b->rename->key, strerror(-r));
	dir_journal_end(c, b->journal.id, stub->id, was_replaced ? -EEXIST : r);
}

/* The rows are at the old name again. */
static void
end_put_back(struct dir_move *d, struct dir_move *b, const struct row *stub)
{
	dir_move_tell(b);
	dir_move_drop_locks(b);
	end_back(b, stub, d->rename->has_to);
	/* What is left is left of this one. */
	d->journal.id = b->journal.id;
	d->left = b->left;
}

/* The originals stay: put all back.  ${stub}: the old name. */
static int
put_back(struct dir_move *d, const struct row *stub)
{
	struct dir_move b = { .journal = { .is_back = true,
				  .hidden = stub->id,
				  .ends = d->journal.id } };
	struct rename m;
	struct row b_stub = { 0 };
	int r = back_init(d, &b, &m);

	progress_stage(&d->progress, PROGRESS_UNDOING);
	if (r == 0)
		r = dir_journal_begin(&b.journal);
	if (r == 0) {
		r = copy_and_commit(&b, &b_stub, NULL);
		if (r == 0)
			end_put_back(d, &b, &b_stub);
		else
			undo(&b, r);
	}
	if (r < 0 && b.left < 0)
		dir_recover_add(m.cache, NULL, b.journal.id, b.left);
	dir_move_fini(&b);
	row_fini(&m.dir);
	row_fini(&m.new_dir);
	row_fini(&m.from);
	return r;
}

/* Step 4. */
static int
delete_old(struct dir_move *d, const struct row *stub)
{
	struct rename *m = d->rename;
	int r, left = 0;

	progress_stage(&d->progress, PROGRESS_DELETING);
	r = mover_delete(&d->mover, NULL);
	if (r < 0 && r != -ESTALE)
		left = mover_left(&d->mover, NULL);
	if (left > 0 && put_back(d, stub) == 0)
		return r;
	delete_beside(d);
	/* It was deleted, whatever was said. */
	if (left == 0 && r < 0)
		r = mover_has_changed(&d->mover) ? -ESTALE : 0;
	if (left != 0 && dir_finish_later(r)) {
		d->left = r;
		return r;
	}
	if (left != 0)
		log_warn("'%s' is '%s' now, but what S3 has under the old name "
			 "could not be deleted (%s): it shows again, remove it",
		    m->key, m->new_key, strerror(-r));
	dir_journal_end(m->cache, d->journal.id, stub->id, r);
	return r == -ESTALE ? 0 : r; /* another's: made meanwhile */
}

/* Both markers' keys are busy, and the rows are what they were. */
static int
move_dir(struct dir_move *d, struct waiter *w)
{
	struct row stub = { 0 };
	int r = list(d, w);

	if (r == 0)
		r = dir_journal_begin(&d->journal);
	if (r < 0)
		return r;
	r = copy_and_commit(d, &stub, w);
	if (r < 0) {
		undo(d, r);
		return r;
	}
	dir_move_tell(d);
	dir_move_drop_locks(d);
	r = delete_old(d, &stub);
	if (r < 0)
		tell_names(d->rename);
	return r;
}

int
rename_dir(struct rename *m, struct waiter *w)
{
	struct dir_job *job = NULL;
	struct dir_move d = { .rename = m };
	int r;

	r = dir_move_init(&d);
	if (r == 0)
		progress_begin(
		    &m->cache->progresses, &d.progress, d.from, d.to);
	d.mover.progress = &d.progress;
	if (r == 0 && m->dir.id != m->new_dir.id)
		r = keep_parent(m->cache, m->dir.id, m->from.id, w);
	if (r == 0)
		r = dir_job_new(m->cache, m->key, m->new_key, w, &job);
	if (r == 0)
		r = rename_reread(m);
	if (r == 0)
		r = move_dir(&d, w);
	if (d.left < 0)
		dir_recover_add(m->cache, job, d.journal.id, d.left);
	else
		dir_job_free(m->cache, job);
	progress_end(&m->cache->progresses, &d.progress);
	dir_move_fini(&d);
	return r;
}
