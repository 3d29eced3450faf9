/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop.c - what is known of a file, a directory or all is forgotten, if S3 has
 * all of it (façade).
 *
 * Role:    pailctl drop; and evict, for which only bytes go.  Rows stay, for
 *          nodes and inode numbers do; what they say is believed no longer,
 *          and the kernel is told to ask again.
 * Threads: the caller's.  What is changed meanwhile stays as it is.
 */
#include "cache/drop.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/scope.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

#define BATCH 256

struct dropping {
	struct cache *cache;
	struct cache_key_call *call;
	struct scope scope;
	struct scope_notes notes;
	uint64_t ids[BATCH]; /* of rows */
	size_t count;
	uint64_t last;
	bool is_bytes; /* they go, and all else stays */
	int r;
};

/* ---- what S3 has not ---- */

static bool
note_unsent(void *arg, const struct row *row)
{
	struct dropping *d = arg;

	if (!scope_has(&d->scope, row))
		return true;
	d->call->found++;
	d->r = scope_notes_add(&d->notes, d->cache, row,
	    row->byte_state != BYTES_CLEAN ? "file" : "name",
	    "not in S3 yet: pailctl flush sends it");
	return d->r == 0;
}

static int
refuse(struct dropping *d)
{
	int r = db_rows_pending(d->cache->db, note_unsent, d);

	if (r == 0)
		r = d->r;
	if (r == 0)
		r = scope_notes_tell(&d->notes, d->call);
	return r;
}

/* ---- what it has ---- */

/*
 * What headers said is asked for again.  Of a file it stays until then: who
 * has it open may write it, and what is sent then carries its attributes.
 */
static void
doubt_attrs(struct row *row)
{
	if (row->kind != ROW_FILE)
		fill_clear(row);
	else if (row->attrs != ROW_ATTRS_NONE)
		row->attrs = ROW_ATTRS_FRESH;
}

/* Believe the row no longer.  1: it was changed meanwhile. */
static int
doubt(struct cache *c, uint64_t id, struct row *ret)
{
	int r = db_begin(c->db);

	if (r < 0)
		return r;
	r = db_row_by_id(c->db, id, ret);
	if (r == 0 && view_is_pending(ret))
		r = 1;
	if (r == 0) {
		if (id != CACHE_ROOT) /* it has none, and is always there */
			doubt_attrs(ret);
		ret->seen_ms = 0;
		ret->listed_ms = 0;
		/* What was asked for before tells nothing. */
		ret->changed_ms = cache_now_ms(c);
		r = db_row_put(c->db, ret);
	}
	if (r == 0)
		return db_commit(c->db);
	db_rollback(c->db);
	return r == -ENOENT ? 1 : r;
}

int
drop_row(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = doubt(c, id, &row);

	if (r != 0)
		return r < 0 ? r : 0;
	answered_forget(&c->answered, row.node);
	if (row.kind != ROW_DIR)
		entries_forget(c, row.node);
	if (c->hooks.changed == NULL)
		return 0;
	if (id != CACHE_ROOT)
		c->hooks.changed(c->hooks.arg, row.parent, row.name, 0);
	c->hooks.changed(c->hooks.arg, row.node, NULL, 0);
	return 0;
}

/* Bytes that may go, of a file. */
static int
evict_row(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_id(c->db, id, &row);

	if (r == 0 && row.kind == ROW_FILE)
		entries_forget(c, row.node);
	return r == -ENOENT ? 0 : r; /* it just went */
}

static int
drop_one(struct dropping *d, uint64_t id)
{
	return d->is_bytes ? evict_row(d->cache, id) : drop_row(d->cache, id);
}

static bool
take_row(void *arg, const struct row *row)
{
	struct dropping *d = arg;

	d->last = row->id;
	if (scope_has(&d->scope, row))
		d->ids[d->count++] = row->id;
	return true;
}

/* All below, by and by: others need the database, too. */
static int
drop_rows(struct dropping *d, struct waiter *w)
{
	uint64_t after;
	int r;

	do {
		after = d->last;
		d->count = 0;
		r = db_rows_from(d->cache->db, after, BATCH, take_row, d);
		for (size_t i = 0; r == 0 && i < d->count; i++)
			r = drop_one(d, d->ids[i]);
		if (r == 0 && waiter_wait(w, 0) == -EINTR)
			r = -EINTR;
	} while (r == 0 && d->last != after);
	return r;
}

int
cache_drop(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct dropping d = { .cache = c, .call = call };
	int r = scope_find(c, call, &d.scope);

	if (r == 0)
		r = refuse(&d);
	if (r == 0 && call->found == 0) {
		absent_clear(&c->absent);
		r = d.scope.is_dir ? drop_rows(&d, w) : drop_row(c, d.scope.id);
	}
	scope_notes_fini(&d.notes);
	return r;
}

int
cache_evict(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct dropping d = { .cache = c, .call = call, .is_bytes = true };
	int r = scope_find(c, call, &d.scope);

	if (r < 0)
		return r;
	return d.scope.is_dir ? drop_rows(&d, w) : evict_row(c, d.scope.id);
}
