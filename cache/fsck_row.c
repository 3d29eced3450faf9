/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck_row.c - rows of the database against each other.
 */
#include <errno.h>
#include <stdlib.h>

#include "cache/chunk.h"
#include "cache/entry.h"
#include "cache/fsck.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"

#define DEPTH_MAX (S3_KEY_MAX + 1) /* a key has no more components */

/* Whether its directory is there, and leads up to an end.  Where one further up
 * is missing, the one below that is told. */
static bool
has_parents(struct fsck *f, const struct row *row)
{
	uint64_t id = row->id, parent = row->parent;
	int i = 0;

	for (; id != CACHE_ROOT && i < DEPTH_MAX; i++) {
		AUTO(row_fini) struct row up = { 0 };

		if (db_row_by_id(f->cache->db, parent, &up) < 0 ||
		    up.kind != ROW_DIR)
			return i > 0;
		id = up.id;
		parent = up.parent;
	}
	return i < DEPTH_MAX;
}

/* Whether another row has the name of ${row}, and is the one that is shown. */
static bool
is_double(struct fsck *f, const struct row *row)
{
	AUTO(row_fini) struct row shown = { 0 };

	return view_is_visible(row) && row->id != CACHE_ROOT &&
	       db_row_by_name(f->cache->db, row->parent, row->name, &shown) ==
		   0 &&
	       shown.id != row->id && view_is_visible(&shown);
}

/* Whether bytes are owed that nothing is known of: neither chunk file nor
 * another object has them. */
static bool
is_lost(struct fsck *f, const struct row *row)
{
	struct db_intent base = { 0 };
	struct db_chunk facts = { 0 };
	bool has;

	if (row->byte_state == BYTES_CLEAN || row->size == 0 ||
	    !view_is_visible(row))
		return false;
	has = db_chunk_get(f->cache->db, row->node, &facts) != -ENOENT ||
	      db_intent_get(f->cache->db, row->id, DB_INTENT_BASE, &base) !=
		  -ENOENT;
	db_chunk_fini(&facts);
	db_intent_fini(&base);
	return !has;
}

static bool
contradicts(const struct row *row)
{
	return row->byte_state != BYTES_CLEAN && row->kind != ROW_FILE;
}

/* ---- to remove one ---- */

/* The files of a row that goes, and of those below. */
struct going {
	uint64_t *nodes; /* owned */
	size_t count;
	bool is_owed; /* something of them: it stays */
	int r;
};

static bool
take_going(void *arg, const struct row *row)
{
	struct going *g = arg;
	void *p = reallocarray(g->nodes, g->count + 1, sizeof(*g->nodes));

	g->is_owed = g->is_owed || view_is_pending(row);
	g->r = p == NULL ? -ENOMEM : 0;
	if (p == NULL)
		return false;
	g->nodes = p;
	g->nodes[g->count++] = row->node;
	return true;
}

/* Within a transaction: remove it, if nothing of it is owed. */
static int
remove_within(struct fsck *f, const struct row *row, struct going *g)
{
	struct db *db = f->cache->db;
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_id(db, row->id, &now);

	if (r == 0)
		(void)take_going(g, &now);
	if (r == 0)
		r = db_rows_below(db, row->id, take_going, g);
	if (r == 0)
		r = g->r;
	if (r == 0 && g->is_owed)
		r = -EBUSY;
	return r == 0 ? db_row_delete(db, row->id) : r;
}

/* S3 has all of ${row}, and of what is below; then it is seen again, in its
 * place.  Returns: whether it went. */
static bool
remove_row(struct fsck *f, const struct row *row)
{
	struct going g = { 0 };
	int r = db_begin(f->cache->db);

	if (r < 0)
		return false;
	r = remove_within(f, row, &g);
	if (r == 0)
		r = db_commit(f->cache->db);
	else
		db_rollback(f->cache->db);
	for (size_t i = 0; r == 0 && i < g.count; i++) {
		if (f->is_online)
			entries_supersede(f->cache, g.nodes[i]);
		else
			(void)chunk_delete(f->cache, g.nodes[i]);
	}
	free(g.nodes);
	return r == 0;
}

/* ---- one row ---- */

static int
tell_removed(
    struct fsck *f, const struct row *row, const char *what, const char *text)
{
	struct fsck_find find = { .row = row, .what = what };

	find.is_mended = f->call->repair && remove_row(f, row);
	return fsck_tell(f, &find, "%s%s", text,
	    !find.is_mended && view_is_pending(row)
		? ": kept, for S3 does not have all of it"
		: "");
}

static int
tell_left(
    struct fsck *f, const struct row *row, const char *what, const char *text)
{
	const struct fsck_find find = { .row = row, .what = what };

	return fsck_tell(f, &find, "%s", text);
}

static int
check_row(struct fsck *f, const struct row *row)
{
	if (!has_parents(f, row))
		return tell_removed(
		    f, row, "parent", "the folder it is in is not there");
	if (is_double(f, row))
		return tell_removed(
		    f, row, "double", "another entry has the same name");
	if (contradicts(row))
		return tell_left(f, row, "state",
		    "it is no file, and bytes of it are called unsent");
	if (is_lost(f, row))
		return tell_left(f, row, "lost",
		    "S3 does not have its bytes, and they are not here: write "
		    "it anew, or remove it");
	return 0;
}

static bool
looks_wrong(struct fsck *f, const struct row *row)
{
	return !has_parents(f, row) || is_double(f, row) || contradicts(row) ||
	       is_lost(f, row);
}

static int
check_one(struct fsck *f, const struct row *row)
{
	AUTO(row_fini) struct row now = { 0 };
	int r;

	if (!looks_wrong(f, row))
		return 0;
	/* It may just have been changed, or be gone. */
	r = db_row_by_id(f->cache->db, row->id, &now);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return check_row(f, &now);
}

int
fsck_rows(struct fsck *f)
{
	return fsck_each_row(f, check_one);
}
