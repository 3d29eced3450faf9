/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removal.c - how a name that is hidden is removed from S3, or comes back.
 *
 * S3:      API_DeleteObject, If-Match.
 */
#include "cache/removal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/change.h"
#include "cache/clone.h"
#include "cache/core.h"
#include "cache/keep.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "s3/base/buf.h"
#include "s3/base/log.h"

int
removal_finish(struct cache *c, const struct row *row)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (ch.row.name_state == NAME_DELETING)
		change_name(&ch, NAME_ON_DELETE_SEND);
	if (row->kind == ROW_DIR && name_count(c, row->id, 0) > 0) {
		change_name(&ch, NAME_ON_DELETE_412);
		change_name(&ch, NAME_ON_DELETE_UNDO);
		ch.row.marker = ROW_MARKER_NONE;
		r = db_owed_remove(c->db, row->id);
		return change_end(&ch, r);
	}
	change_name(&ch, NAME_ON_DELETE_OK);
	r = db_owed_remove(c->db, row->id);
	return r == 0 ? change_end_remove(&ch) : change_end(&ch, r);
}

void
removal_undo(struct cache *c, const struct row *row, int why)
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

/* Its bytes are kept for who has it open, under this name or, renamed and
 * removed, under no other. */
static int
send_file(struct cache *c, const struct row *row, const char *key,
    const char *etag, struct waiter *w)
{
	struct entry *e = NULL;
	int r = keep_begin(c, row, false, w, &e);

	if (r == 0 && owed_any(c))
		r = keep_open_key(c, key, w);
	if (r == 0)
		r = clone_release(c, key, w);
	if (r == 0)
		r = name_event(c, row->id, NAME_ON_DELETE_SEND);
	if (r == 0)
		r = name_delete(c, key, etag, w);
	if (r == 0) {
		abandon_version(c, row->node);
		r = removal_finish(c, row);
	}
	keep_end(e);
	return r;
}

int
removal_send(struct cache *c, const struct row *row, const char *key,
    const char *etag, struct waiter *w)
{
	int r;

	if (row->kind != ROW_DIR)
		return send_file(c, row, key, etag, w);
	r = name_event(c, row->id, NAME_ON_DELETE_SEND);
	if (r == 0)
		r = delete_markers(c, row, key, w);
	return r == 0 ? removal_finish(c, row) : r;
}
