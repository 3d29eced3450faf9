/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover.c - what is owed to S3 from before.
 */
#include <errno.h>
#include <stdlib.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/dir_recover.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/recover.h"
#include "cache/view.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

struct owing {
	uint64_t *ids; /* owned */
	size_t count;
	size_t size;
	int r;
};

static bool
note_row(void *arg, const struct row *row)
{
	struct owing *o = arg;

	if (o->count == o->size) {
		size_t size = o->size == 0 ? 64 : o->size * 2;
		void *p = realloc(o->ids, size * sizeof(*o->ids));

		if (p == NULL) {
			o->r = -ENOMEM;
			return false;
		}
		o->ids = p;
		o->size = size;
	}
	o->ids[o->count++] = row->id;
	return true;
}

/* Whether (1) another entry has the name of ${row}, which is hidden. */
static int
is_taken(struct cache *c, const struct row *row)
{
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_name(c->db, row->parent, row->name, &now);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return view_is_visible(&now);
}

/* Requests that carried attributes have no answer any more: once more. */
static void
settle_attrs(struct change *ch)
{
	if (ch->row.attr_state == ATTRS_SENDING)
		change_attrs(ch, ATTRS_ON_SEND_LOST);
	if (ch->row.attr_state == ATTRS_UNSURE)
		change_attrs(ch, ATTRS_ON_SETTLED_OLD);
}

/* A DELETE that no unlink returned for: the name is as S3 has it. */
static void
settle_name(struct change *ch, bool is_taken)
{
	if (ch->row.name_state == NAME_DELETE_SENT)
		change_name(ch, NAME_ON_DELETE_412);
	if (ch->row.name_state == NAME_DELETING && !is_taken) {
		change_name(ch, NAME_ON_DELETE_UNDO);
		ch->row.seen_ms = 0; /* believed no longer */
	}
	if (ch->row.name_state == NAME_MOVING)
		change_name(ch, NAME_ON_MOVE_UNDO);
}

/* Whether (1) a close had asked for the bytes to be in S3, and they were
 * refused, or how that ended is not known: they stay. */
static int
is_refused(struct cache *c, const struct row *row)
{
	struct db_chunk facts;
	bool is_clone;
	int r;

	if (row->byte_state == BYTES_CLEAN || row->byte_state == BYTES_DIRTY)
		return 0;
	r = db_chunk_get(c->db, row->node, &facts);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	is_clone = facts.base_size == CHUNK_CLONE;
	db_chunk_fini(&facts);
	return !is_clone;
}

/* Bytes that no close had covered, of a file that S3 has: the old ones. */
static int
let_go_of_bytes(struct change *ch)
{
	int r;

	log_warn("'%s' was being written when the last mount ended without "
		 "unmounting: it is as S3 has it",
	    ch->row.name);
	if (ch->row.byte_state == BYTES_UPLOADING)
		(void)change_bytes(ch, BYTES_ON_PUT_FATAL); /* not refused */
	(void)change_bytes(ch, BYTES_ON_REMOTE_NEW);
	r = change_bytes(ch, BYTES_ON_RESOLVE);
	if (ch->row.attr_state == ATTRS_METADIRTY)
		change_attrs(ch, ATTRS_ON_DROP);
	fill_clear(&ch->row);
	free(ch->row.etag);
	ch->row.etag = NULL;
	ch->row.seen_ms = 0;
	return r == 0 ? db_number(ch->cache->db, &ch->row.node) : r;
}

/* Bring the row to a state that can be gone on from. */
static int
settle(struct cache *c, uint64_t id, struct row *ret)
{
	struct change ch;
	int r, taken, refused;

	r = change_begin(c, id, &ch);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	taken = is_taken(c, &ch.row);
	refused = is_refused(c, &ch.row);
	if (taken < 0 || refused < 0) /* it is kept for the next mount */
		return change_end(&ch, taken < 0 ? taken : refused);
	settle_attrs(&ch);
	settle_name(&ch, taken);
	if (ch.row.name_state == NAME_DELETING && taken) {
		change_name(&ch, NAME_ON_REPLACED);
		return change_end_remove(&ch);
	}
	if (ch.row.name_state == NAME_CREATING && !refused) {
		log_warn("'%s' was being made when the last mount ended "
			 "without unmounting: it is not kept",
		    ch.row.name);
		return change_end_remove(&ch);
	}
	if (ch.row.byte_state != BYTES_CLEAN && !refused)
		r = let_go_of_bytes(&ch);
	/* A close had asked for it: its answer is not known. */
	else if (ch.row.byte_state == BYTES_UPLOADING)
		r = change_bytes(&ch, BYTES_ON_PUT_LOST);
	if (r == 0)
		r = row_copy(ret, &ch.row);
	return change_end(&ch, r);
}

/* Put what is owed on its way again. */
static int
resume(struct cache *c, const struct row *row)
{
	struct entry *e;
	int r;

	if (row->byte_state != BYTES_CLEAN) {
		r = entry_get(c, row->node, &e);
		if (r < 0)
			return r;
		lock_take(&e->lock);
		writeback_bytes_locked(e);
		lock_drop(&e->lock);
		entry_put(e);
	} else if (row->attr_state == ATTRS_METADIRTY) {
		writeback_attrs(c, row->id);
	}
	return 0;
}

int
recover_run(struct cache *c)
{
	struct owing o = { 0 };
	int r;

	if (c->config.read_only)
		return 0; /* what is owed waits for a mount that may write */
	r = dir_recover_start(c);
	if (r == 0)
		r = db_rows_pending(c->db, note_row, &o);
	if (r == 0)
		r = o.r;
	for (size_t i = 0; r == 0 && i < o.count; i++) {
		struct row row = { 0 };

		if (dir_recover_hides(c, o.ids[i]))
			continue;
		r = settle(c, o.ids[i], &row);
		if (r == 0 && row.id != 0)
			r = resume(c, &row);
		row_fini(&row);
	}
	free(o.ids);
	return r;
}
