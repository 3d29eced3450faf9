/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.c - small files that are read one after the other are fetched ahead.
 */
#include <errno.h>
#include <stdlib.h>

#include "cache/ahead.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/fetch.h"
#include "cache/follow.h"
#include "cache/series.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"

struct series {
	struct lock lock;
	struct follow follow; /* [lock] */
};

/* The files that come next in a directory. */
struct next {
	struct cache *cache;
	struct follow_turn turn; /* as it was */
	unsigned want;
	uint64_t room; /* bytes that may still be fetched */
	unsigned count;
	uint64_t ids[FOLLOW_MAX];
	uint64_t nodes[FOLLOW_MAX]; /* 0: not to be fetched */
};

int
series_new(struct series **ret)
{
	struct series *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	lock_init(&s->lock);
	*ret = s;
	return 0;
}

void
series_free(struct series *s)
{
	if (s == NULL)
		return;
	lock_fini(&s->lock);
	free(s);
}

void
series_stop(struct cache *c)
{
	AUTO_FREE struct entry **all = NULL;
	size_t count = 0;

	if (c->entries == NULL || entries_all(c, &all, &count) < 0)
		return; /* they end by themselves */
	for (size_t i = 0; i < count; i++) {
		lock_take(&all[i]->lock);
		fetch_cancel_all(all[i]);
		lock_drop(&all[i]->lock);
		entry_put(all[i]);
	}
}

/* What may be on its way at once. */
static uint64_t
room_of(const struct cache *c)
{
	uint64_t room = c->config.size / 8, used;

	if (room > SERIES_BYTES)
		room = SERIES_BYTES;
	used = atomic_load(&c->space.reserved);
	return room > used ? room - used : 0;
}

/* Whether ${row} is a file of which fetching may be worth it. */
static bool
is_small(const struct cache *c, const struct row *row)
{
	return row->kind == ROW_FILE && row->size > 0 &&
	       row->size <= AHEAD_WHOLE && row->base_key == NULL &&
	       !view_is_pending(row) && cache_is_fresh(c, row->seen_ms);
}

static bool
take_row(void *arg, const struct row *row)
{
	struct next *next = arg;
	bool fetch = is_small(next->cache, row);

	/* What may be a symbolic link is known when it is looked up. */
	if (row->kind == ROW_UNKNOWN)
		return false;
	if (row->kind != ROW_FILE || !view_is_visible(row))
		return true;
	if (fetch && row->size > next->room)
		return false;
	next->room -= fetch ? row->size : 0;
	next->ids[next->count] = row->id;
	next->nodes[next->count++] = fetch ? row->node : 0;
	return next->count < next->want;
}

/* Find those after ${row}, or after the last that is expected. */
static int
find_next(struct next *next, const struct row *row)
{
	struct db *db = next->cache->db;
	AUTO(row_fini) struct row last = { 0 };
	uint64_t id = follow_last(&next->turn);

	if (id != 0 && db_row_by_id(db, id, &last) == 0 &&
	    last.parent == row->parent)
		row = &last;
	return db_rows_named_after(
	    db, row->parent, row->name, 2 * FOLLOW_MAX, take_row, next);
}

/* Note that the file of ${row} is read; whether others should be. */
static bool
begin(struct series *s, const struct row *row, struct next *next)
{
	struct follow_turn *turn;

	lock_take(&s->lock);
	next->want = follow_read(&s->follow, row->parent, row->id, &turn);
	next->turn = *turn;
	lock_drop(&s->lock);
	return next->want > 0;
}

/* Note which are expected; whether they are to be fetched. */
static bool
expect(struct series *s, const struct next *next)
{
	struct follow_turn *turn = NULL;

	lock_take(&s->lock);
	for (int i = 0; i < FOLLOW_TURNS; i++) {
		struct follow_turn *now = &s->follow.turns[i];

		/* Unless somebody else has gone on meanwhile. */
		if (now->dir == next->turn.dir && now->used == next->turn.used)
			turn = now;
	}
	for (unsigned i = 0; turn != NULL && i < next->count; i++)
		follow_add(turn, next->ids[i]);
	lock_drop(&s->lock);
	return turn != NULL && follow_is_sure(&next->turn);
}

/* Fetch the version ${node}, if nothing of it is here or under way. */
static void
fetch(struct cache *c, uint64_t node)
{
	struct db_chunk chunk = { 0 };
	struct fetch *f = NULL;
	struct entry *e;
	bool known = db_chunk_get(c->db, node, &chunk) == 0;

	db_chunk_fini(&chunk);
	if ((known && chunk.bytes > 0) || entry_get(c, node, &e) < 0)
		return;
	lock_take(&e->lock);
	if (e->lost == 0 && e->state == BYTES_CLEAN && e->size > 0 &&
	    e->size <= AHEAD_WHOLE && list_is_empty(&e->fetches) &&
	    rangeset_bytes(&e->chunk.present) == 0)
		(void)fetch_new(e, 0, e->size, &f); /* or not: it is a bet */
	lock_drop(&e->lock);
	if (f != NULL)
		fetch_start(f, NULL);
	entry_put(e);
}

void
series_read(struct entry *e)
{
	struct cache *c = e->cache;
	AUTO(row_fini) struct row row = { 0 };
	struct next next = { .cache = c, .room = room_of(c) };

	/* A row that is gone, or cannot be read, has no next. */
	if (db_row_by_node(c->db, e->node, &row) < 0 ||
	    !view_is_visible(&row) || !begin(c->series, &row, &next))
		return;
	if (find_next(&next, &row) < 0 || !expect(c->series, &next))
		return;
	for (unsigned i = 0; i < next.count; i++) {
		if (next.nodes[i] != 0)
			fetch(c, next.nodes[i]);
	}
}
