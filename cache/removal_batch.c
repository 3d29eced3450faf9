/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removal_batch.c - names that were removed and are owed a DELETE: many at
 * once.
 *
 * Role:    those that may go as they are, on condition of their ETags, in one
 *          request; each result is settled as that of one (removal_owed.c).
 *          What has to be looked at, or fetched, before goes singly.
 * S3:      API_DeleteObjects with the ETag of each key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "cache/probe.h"
#include "cache/removal.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/map.h"

/* One of them. */
struct one {
	struct row row; /* owned */
	char *key;      /* owned */
	struct keylock lock;
	struct owed_delete *result;
	bool is_sent;
};

struct batch {
	struct cache *cache;
	struct one *all; /* owned */
	size_t count;
	struct map ids;            /* of the rows that go */
	struct s3_delete *deletes; /* owned */
	size_t delete_count;
};

/* ---- which go ---- */

/* Of the rows below a directory. */
struct below {
	const struct batch *batch;
	bool is_shown;   /* one came back */
	bool is_waiting; /* one does not go along */
};

static bool
look_below(void *arg, const struct row *row)
{
	struct below *b = arg;

	if (state_name_is_visible((enum state_name)row->name_state))
		b->is_shown = true;
	else if (state_name_is_pending((enum state_name)row->name_state) &&
		 map_find(&b->batch->ids, row->id) == NULL)
		b->is_waiting = true;
	return !b->is_shown && !b->is_waiting;
}

/* Whether a directory goes with all that is below it. */
static bool
is_ready_dir(struct batch *b, const struct row *row)
{
	struct below below = { .batch = b };
	int r = db_rows_below(b->cache->db, row->id, look_below, &below);

	return r == 0 && !below.is_shown && !below.is_waiting &&
	       row->etag == NULL && row->marker == ROW_MARKER_SLASH;
}

/* Whether a file has an ETag that can be believed, and nobody needs bytes of
 * it. */
static bool
is_ready_file(struct batch *b, const struct row *row, const char *key)
{
	struct entry *e = entry_find(b->cache, row->node);

	if (e == NULL)
		e = entries_find_clone(b->cache, key);
	if (e == NULL)
		e = entries_find_unlinked(b->cache, key);
	if (e != NULL) {
		entry_put(e);
		return false;
	}
	return row->etag != NULL && row->byte_state != BYTES_UNSURE &&
	       row->attr_state != ATTRS_UNSURE;
}

/* Whether the marker of the directory above has to be written first. */
static bool
is_marking(struct cache *c, uint64_t parent)
{
	struct intent it = { 0 };
	bool is =
	    db_owed_get(c->db, parent, &it) == 0 && it.kind == INTENT_MARK;

	intent_fini(&it);
	return is;
}

/* Whether the DELETE of ${it} may go along: 0, or a result. */
static int
check(struct batch *b, const struct intent *it, const struct row *row)
{
	struct cache *c = b->cache;
	bool is_dir = row->kind == ROW_DIR;

	if (it->kind != INTENT_DELETE)
		return OWED_LATER;
	if (removal_is_held(c, row))
		return OWED_HELD;
	if (it->follows != 0 && claim_is_blocked(c, it) != 0)
		return OWED_SINGLY;
	if (is_marking(c, row->parent) ||
	    !(is_dir ? is_ready_dir(b, row) : is_ready_file(b, row, it->key)))
		return OWED_SINGLY;
	return 0;
}

/* The row is on its way from here on. */
static int
begin(struct one *o, struct cache *c)
{
	struct change ch;
	int r = change_begin(c, o->row.id, &ch);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	if (ch.row.name_state != NAME_DELETING &&
	    ch.row.name_state != NAME_DELETE_SENT) {
		(void)change_end(&ch, -EAGAIN); /* nothing was changed */
		return OWED_LATER;
	}
	change_name(&ch, NAME_ON_DELETE_SEND);
	return change_end(&ch, 0);
}

static int
add(struct batch *b, struct one *o, const struct intent *it)
{
	struct cache *c = b->cache;
	bool is_dir;
	int r;

	r = db_row_by_id(c->db, it->id, &o->row);
	if (r < 0)
		return r == -ENOENT ? OWED_SINGLY : r;
	r = check(b, it, &o->row);
	if (r != 0)
		return r;
	o->key = strdup(it->key);
	if (o->key == NULL)
		return -ENOMEM;
	r = keylock_try(&c->keylocks, o->key, &o->lock);
	if (r < 0)
		return r == -EBUSY ? OWED_LATER : r;
	r = map_set(&b->ids, it->id, 1);
	if (r == 0)
		r = begin(o, c);
	if (r != 0) {
		keylock_drop(&c->keylocks, &o->lock);
		return r;
	}
	is_dir = o->row.kind == ROW_DIR;
	b->deletes[b->delete_count++] = (struct s3_delete){ .key = o->key,
		.if_match = is_dir ? NAME_EMPTY_ETAG : o->row.etag };
	o->is_sent = true;
	return 0;
}

/* ---- the request ---- */

/* Only one may go. */
static int
send_one(struct batch *b)
{
	struct s3_delete *d = &b->deletes[0];
	bool is_dir = d->key[strlen(d->key) - 1] == '/';

	d->err = is_dir ? name_delete_marker(b->cache, d->key, NULL)
			: name_delete(b->cache, d->key, d->if_match, NULL);
	return 0;
}

static int
send_all(struct batch *b)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_DELETE_OBJECTS);
	call.deletes = b->deletes;
	call.deletes_count = b->delete_count;
	(void)s3_run(b->cache->s3, &call, NULL); /* the result is there */
	r = trouble_errno(&call);
	s3_call_fini(&call);
	return r;
}

static void
send(struct batch *b)
{
	int r = b->delete_count == 1 ? send_one(b) : send_all(b);
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (b->all[i].is_sent)
			b->all[i].result->r = r < 0 ? r : b->deletes[n++].err;
	}
}

/* What each ended with. */
static void
settle(struct batch *b)
{
	struct cache *c = b->cache;

	for (size_t i = 0; i < b->count; i++) {
		struct one *o = &b->all[i];
		bool is_dir = o->row.kind == ROW_DIR;
		int r = o->result->r;

		if (!o->is_sent)
			continue;
		/* Its ETag is not that of no bytes everywhere. */
		if (r == -ESTALE && is_dir)
			r = removal_send(c, &o->row, o->key, NULL, NULL);
		o->result->r = removal_settle(c, &o->row, o->key,
		    is_dir ? NULL : o->row.etag, r == -ENOENT ? 0 : r);
		keylock_drop(&c->keylocks, &o->lock);
	}
}

static void
batch_fini(struct batch *b)
{
	for (size_t i = 0; b->all != NULL && i < b->count; i++) {
		keylock_drop(&b->cache->keylocks, &b->all[i].lock);
		row_fini(&b->all[i].row);
		free(b->all[i].key);
	}
	map_fini(&b->ids);
	free(b->all);
	free(b->deletes);
}

void
removal_owed_all(struct cache *c, struct owed_delete *list, size_t count)
{
	struct batch b = { .cache = c, .count = count };
	int r = count > 1 ? probe_has(c, PROBE_DELETES_MATCH, NULL) : 0;

	map_init(&b.ids);
	b.all = calloc(count, sizeof(*b.all));
	b.deletes = calloc(count, sizeof(*b.deletes));
	if (b.all == NULL || b.deletes == NULL)
		r = -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct intent it = { 0 };

		list[i].r = r < 0 ? r : OWED_SINGLY;
		if (r <= 0)
			continue;
		b.all[i].result = &list[i];
		if (db_owed_get(c->db, list[i].id, &it) == 0)
			list[i].r = add(&b, &b.all[i], &it);
		intent_fini(&it);
	}
	if (b.delete_count > 0) {
		send(&b);
		settle(&b);
	}
	batch_fini(&b);
}
