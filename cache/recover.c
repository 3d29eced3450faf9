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
#include "cache/facts.h"
#include "cache/parts.h"
#include "cache/recover.h"
#include "cache/recover_name.h"
#include "cache/snapshot.h"
#include "cache/stage.h"
#include "cache/sweep.h"
#include "cache/unfinished.h"
#include "cache/view.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

/* Rows that owe bytes; 0: none. */
struct owner {
	uint64_t id;
	uint64_t beside;  /* what was changed of it: first, it lies over what
			     that replaces */
	uint64_t partial; /* what is left of it: likewise */
};

struct owing {
	struct owner *all; /* owned */
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
		void *p = reallocarray(o->all, size, sizeof(*o->all));

		if (p == NULL) {
			o->r = -ENOMEM;
			return false;
		}
		o->all = p;
		o->size = size;
	}
	o->all[o->count++] = (struct owner){ .id = row->id };
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
	/* With a base_key, a COPY is owed. */
	if (ch->row.name_state == NAME_MOVING && ch->row.base_key == NULL)
		change_name(ch, NAME_ON_MOVE_UNDO);
}

/* ---- bytes ---- */

/* Whether (1) a close or fsync of the bytes was acknowledged. */
static int
is_owed(struct cache *c, const struct row *row)
{
	struct db_intent owed = { 0 };
	int r = db_intent_get(c->db, row->id, DB_INTENT_BYTES, &owed);

	db_intent_fini(&owed);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* Whether (1) it was, or S3 has refused them, or it is not known whether it has
 * them. */
static int
is_covered(struct cache *c, const struct row *row)
{
	if (row->byte_state != BYTES_CLEAN && row->byte_state != BYTES_DIRTY)
		return 1;
	return is_owed(c, row);
}

/*
 * What is known of the bytes of ${row}.  Of a file that is all its own the
 * chunk file tells how long it is: no longer than what was covered, as a change
 * since would have set that aside first.
 */
static int
find_facts(struct cache *c, const struct row *row, struct facts *ret)
{
	int r = facts_mend(c, row->node, ret);

	if (r == 0 && ret->base_size == 0 && ret->size > row->size)
		r = is_owed(c, row);
	if (r <= 0)
		return r;
	log_warn("'%s': what lies beyond its end in the cache folder is not "
		 "its own",
	    row->name);
	facts_fini(ret);
	r = chunk_resize_file(c, row->node, row->size);
	if (r == 0)
		r = facts_mend(c, row->node, ret);
	return r == 0 ? rangeset_remove(&ret->lost, row->size, UINT64_MAX) : r;
}

/* Bytes that were covered: those that are lost are zeros in a file beside. */
static int
keep_known(struct change *ch, struct facts *facts, struct owner *ret)
{
	if (!rangeset_is_empty(&facts->lost))
		return unfinished_partial(ch, facts, &ret->partial);
	ch->row.size = facts->size;
	/* Its answer is not known. */
	return ch->row.byte_state == BYTES_UPLOADING
		   ? change_bytes(ch, BYTES_ON_PUT_LOST)
		   : 0;
}

/* Bytes stay, under their name, as they are.  1: they are not there. */
static int
keep(struct change *ch, struct facts *facts, struct owner *ret)
{
	int r = 0;

	if (ch->cache->was_clean)
		*facts =
		    (struct facts){ .is_known = true, .size = ch->row.size };
	else
		r = find_facts(ch->cache, &ch->row, facts);
	if (r == 0 && !facts->is_known && ch->row.size > 0) {
		log_error("'%s' was closed, but nothing of it is in the cache "
			  "folder any more, and S3 may not have it",
		    ch->row.name);
		return 1;
	}
	return r == 0 ? keep_known(ch, facts, ret) : r;
}

/* The row, as far as its bytes go.  ${facts}: of what was covered, owned. */
static int
settle_bytes(
    struct change *ch, struct owner *ret, struct facts *facts, bool *ret_gone)
{
	uint64_t snapshot;
	int r;

	*ret_gone = false;
	if (!view_is_visible(&ch->row))
		return 0; /* its name goes: nothing is sent */
	ret->id = ch->row.id;
	if (ch->row.byte_state == BYTES_CLEAN) {
		*ret_gone = ch->row.name_state == NAME_CREATING;
		return 0;
	}
	r = snapshot_find(ch->cache, ch->row.id, &snapshot);
	if (r == 0)
		r = unfinished_split(ch, snapshot, facts, &ret->beside);
	if (r == 0)
		return keep_known(ch, facts, ret);
	facts_fini(facts);
	if (r < 0 && r != -ENOENT)
		return r;
	r = is_covered(ch->cache, &ch->row);
	if (r >= 0)
		r = r == 1 ? keep(ch, facts, ret) : 1;
	return r == 1 ? unfinished_keep(ch, &ret->beside, ret_gone) : r;
}

/* The change of row ${ch} ends; then what is lost is made zeros. */
static int
end(struct change *ch, const struct facts *facts, int r)
{
	struct cache *c = ch->cache;

	r = change_end(ch, r);
	if (r < 0 || rangeset_is_empty(&facts->lost))
		return r;
	if (facts_reach(c, facts) < 0)
		log_error("what is left of a file cannot be made whole: it is "
			  "sent by the next mount");
	return 0;
}

/* ${owed}: it is left alone, or that is not known. */
static int
leave(struct change *ch, int owed)
{
	return change_end(ch, owed < 0 ? owed : 0);
}

/* Bring row ${ret->id} to a state that can be gone on from. */
static int
settle(struct cache *c, struct owner *ret)
{
	uint64_t id = ret->id;
	AUTO(facts_fini) struct facts facts = { 0 };
	struct change ch;
	bool gone = false;
	int r, owed, taken;

	ret->id = 0;

	r = change_begin(c, id, &ch);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	taken = is_taken(c, &ch.row);
	if (taken < 0) /* it is kept for the next mount, as below */
		return change_end(&ch, taken);
	settle_attrs(&ch);
	owed = recover_name_is_owed(c, &ch.row);
	if (owed != 0)
		return leave(&ch, owed);
	settle_name(&ch, taken);
	if (ch.row.name_state == NAME_DELETING && taken) {
		change_name(&ch, NAME_ON_REPLACED);
		return change_end_remove(&ch);
	}
	r = settle_bytes(&ch, ret, &facts, &gone);
	if (r < 0 || !gone)
		return end(&ch, &facts, r);
	log_warn("'%s' was being made when the last mount ended without "
		 "unmounting: it is not kept",
	    ch.row.name);
	ret->id = 0;
	return change_end_remove(&ch);
}

/* Put what row ${id} owes on its way again; 0: nothing. */
static int
resume(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	struct entry *e;
	int r = id == 0 ? 0 : db_row_by_id(c->db, id, &row);

	if (r < 0 || id == 0)
		return r;
	if (row.byte_state != BYTES_CLEAN) {
		r = entry_get(c, row.node, &e);
		if (r < 0)
			return r;
		parts_resume(e);
		lock_take(&e->lock);
		writeback_bytes_locked(e);
		lock_drop(&e->lock);
		entry_put(e);
	} else if (row.attr_state == ATTRS_METADIRTY) {
		writeback_attrs(c, row.id);
	}
	return 0;
}

static int
settle_all(struct cache *c, struct owing *o)
{
	int r = db_rows_pending(c->db, note_row, o);

	if (r == 0)
		r = o->r;
	for (size_t i = 0; r == 0 && i < o->count; i++) {
		if (dir_recover_hides(c, o->all[i].id))
			o->all[i].id = 0;
		else
			r = settle(c, &o->all[i]);
	}
	return r;
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
		r = db_intents_sweep(c->db);
	if (r == 0 && !c->was_clean)
		r = db_chunks_clean(c->db);
	if (r == 0)
		r = settle_all(c, &o);
	/* Before bytes leave: they take the place of what is owed a DELETE. */
	if (r == 0)
		r = recover_names(c);
	for (size_t i = 0; r == 0 && i < o.count; i++) {
		r = resume(c, o.all[i].beside);
		if (r == 0)
			r = resume(c, o.all[i].partial);
		if (r == 0)
			r = resume(c, o.all[i].id);
	}
	free(o.all);
	if (r == 0)
		stage_sweep(c);
	return r == 0 ? sweep_run(c) : r;
}
