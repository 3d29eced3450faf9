/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.c - unlink and rmdir.
 *
 * Role:    the name goes when S3 has no object under it any more: UNLINK hides
 *          it, so that nobody opens it meanwhile; DELETE_SEND, the DELETE on
 *          condition of the ETag, DELETE_OK; or DELETE_UNDO, and it is back.
 *          What was never sent is DISCARDed without a request.
 * S3:      API_DeleteObject, If-Match.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/change.h"
#include "cache/clone.h"
#include "cache/core.h"
#include "cache/keep.h"
#include "cache/lookup.h"
#include "cache/name.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define TRIES 2 /* look again, and try once more */

/* The entry ${row} is hidden, or (without an object) gone at once: 1. */
static int
hide(struct cache *c, const struct row *row, const char *key, bool has_object)
{
	struct change ch;
	int r = name_begin(c, row, key, &ch);

	if (r < 0)
		return r;
	if (row->kind == ROW_DIR) {
		r = name_count(c, row->id, 0); /* made meanwhile */
		if (r != 0)
			return change_end(&ch, r < 0 ? r : -ENOTEMPTY);
	}
	change_name(&ch, has_object ? NAME_ON_UNLINK : NAME_ON_DISCARD);
	if (has_object)
		return change_end(&ch, 0);
	r = change_end_remove(&ch);
	return r < 0 ? r : 1;
}

/* It is not removed: the name is back.  ${r}: why; what is not known for sure
 * is looked at anew. */
static void
undo(struct cache *c, const struct row *row, int why)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r == 0) {
		if (ch.row.name_state == NAME_DELETE_SENT)
			change_name(&ch, NAME_ON_DELETE_412);
		change_name(&ch, NAME_ON_DELETE_UNDO);
		if (why != -EACCES && why != -EPERM && why != -ENOSPC)
			ch.row.seen_ms = 0;
		r = change_end(&ch, 0);
	}
	if (r < 0)
		log_warn("'%s' was not removed, but stays hidden until the "
			 "next start: the cache's database fails",
		    row->name);
}

/* S3 has it no more. */
static int
finish(struct cache *c, const struct row *row)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	change_name(&ch, NAME_ON_DELETE_OK);
	return change_end_remove(&ch);
}

/* ---- unlink ---- */

/* The key is busy; ${row} is what it is now. */
static int
unlink_locked(
    struct cache *c, const struct row *row, const char *key, struct waiter *w)
{
	struct name_base base = { 0 };
	struct entry *e = NULL;
	int r;

	r = name_base(c, row, key, &base);
	if (r == 0)
		r = keep_begin(c, row, false, w, &e);
	if (r == 0)
		r = hide(c, row, key, base.is_there);
	if (r == 0) {
		if (e == NULL) /* it was opened meanwhile */
			r = keep_begin(c, row, false, w, &e);
		if (r == 0)
			r = clone_release(c, key, w);
		if (r == 0)
			r = name_event(c, row->id, NAME_ON_DELETE_SEND);
		if (r == 0)
			r = name_delete(c, key, base.etag, w);
		if (r < 0)
			undo(c, row, r);
		else
			abandon_version(c, row->node);
		if (r == 0)
			r = finish(c, row);
	} else if (r > 0) {
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
	AUTO(row_fini) struct row now = { 0 };
	struct keylock lock = { 0 };
	AUTO_FREE char *key = NULL;
	int r;

	r = lookup_name(c, dir->node, name, w, &row);
	if (r == 0 && row.kind == ROW_DIR)
		r = -EISDIR;
	if (r == 0)
		r = keep_parent(c, dir->id, row.id, w);
	if (r == 0)
		r = name_key_of(c, &row, &key);
	if (r == 0)
		r = keylock_take(&c->keylocks, key, w, &lock);
	if (r < 0)
		return r;
	r = name_reread(c, &row, key, &now);
	if (r == 0)
		r = unlink_locked(c, &now, key, w);
	keylock_drop(&c->keylocks, &lock);
	if (r == -ESTALE && name_doubt(c, row.id) < 0)
		r = -EIO;
	return r;
}

int
cache_unlink(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row dir = { 0 };
	int r = name_dir(c, parent, &dir);

	if (r < 0)
		return r;
	r = -ESTALE;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = unlink_once(c, &dir, name, w);
	if (r == 0)
		name_touch(c, dir.id);
	return r;
}

/* ---- rmdir ---- */

/* Remove what makes it a directory beside keys below it.  Hadoop's marker and
 * an object of its name stand beside its prefix. */
static int
delete_markers(
    struct cache *c, const struct row *row, const char *key, struct waiter *w)
{
	struct buf beside = BUF_INIT(S3_KEY_MAX);
	int r;

	r = buf_add(&beside, key, strlen(key) - 1);
	if (r == 0 && row->etag != NULL)
		r = name_delete(c, buf_str(&beside), row->etag, w);
	if (r == 0 && row->marker == ROW_MARKER_FOLDER) {
		r = buf_add_str(&beside, "_$folder$");
		if (r == 0)
			r = name_delete_marker(c, buf_str(&beside), w);
	}
	if (r == 0 && row->marker == ROW_MARKER_SLASH)
		r = name_delete_marker(c, key, w);
	buf_fini(&beside);
	return r;
}

static int
rmdir_locked(
    struct cache *c, const struct row *row, const char *key, struct waiter *w)
{
	bool has_object = row->marker != ROW_MARKER_NONE || row->etag != NULL;
	int r = hide(c, row, key, has_object);

	if (r != 0)
		return r < 0 ? r : 0;
	r = name_event(c, row->id, NAME_ON_DELETE_SEND);
	if (r == 0)
		r = delete_markers(c, row, key, w);
	if (r == 0)
		return finish(c, row);
	undo(c, row, r);
	return r;
}

static int
rmdir_once(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	AUTO(row_fini) struct row now = { 0 };
	struct keylock lock = { 0 };
	AUTO_FREE char *key = NULL;
	int r;

	r = lookup_name(c, dir->node, name, w, &row);
	if (r == 0 && row.kind != ROW_DIR)
		r = -ENOTDIR;
	if (r == 0)
		r = name_check_empty(c, &row, w);
	if (r == 0)
		r = keep_parent(c, dir->id, row.id, w);
	if (r == 0)
		r = name_key_of(c, &row, &key);
	if (r == 0)
		r = keylock_take(&c->keylocks, key, w, &lock);
	if (r < 0)
		return r;
	r = name_reread(c, &row, key, &now);
	if (r == 0)
		r = rmdir_locked(c, &now, key, w);
	keylock_drop(&c->keylocks, &lock);
	if (r == -ESTALE && name_doubt(c, row.id) < 0)
		r = -EIO;
	return r;
}

int
cache_rmdir(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row dir = { 0 };
	int r = name_dir(c, parent, &dir);

	if (r < 0)
		return r;
	r = -ESTALE;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = rmdir_once(c, &dir, name, w);
	if (r == 0)
		name_touch(c, dir.id);
	return r;
}
