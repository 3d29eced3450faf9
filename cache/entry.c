/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.c - entry versions in memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/entry_table.h"
#include "cache/parts_upload.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/map.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

int
entries_new(struct entries **ret)
{
	struct entries *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	lock_init(&t->lock);
	map_init(&t->by_node);
	list_init(&t->all);
	*ret = t;
	return 0;
}

void
entries_free(struct entries *t)
{
	if (t == NULL)
		return;
	assert(t->by_node.count == 0);
	map_fini(&t->by_node);
	lock_fini(&t->lock);
	free(t);
}

static struct entry *
find_locked(struct entries *t, uint64_t node)
{
	uint64_t value;

	return map_get(&t->by_node, node, &value)
		   ? (struct entry *)(uintptr_t)value
		   : NULL;
}

static void
entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	assert(e->upload == NULL || e->cache->is_closing);
	parts_upload_free(e->upload);
	chunk_close(&e->chunk);
	lock_fini(&e->lock);
	free(e->key);
	free(e->etag);
	free(e->version_id);
	free(e->base_key);
	free(e->base_etag);
	if (e->heard != NULL)
		row_fini(e->heard);
	free(e->heard);
	free(e);
}

static void
entry_freep(struct entry **e)
{
	entry_free(*e);
}

/* What is owed for it: of a new file, all; else nothing yet. */
static void
init_changes(struct entry *e, const struct row *row)
{
	list_init(&e->frozen);
	list_init(&e->waiters);
	list_init(&e->due_link);
	list_init(&e->note_link);
	e->state = (enum state_bytes)row->byte_state;
	e->is_new = row->name_state == NAME_CREATING;
	e->generation = e->state == BYTES_CLEAN ? 0 : 1;
	/* A new file has no age before something is written. */
	if (e->state != BYTES_CLEAN && e->state != BYTES_DIRTY)
		e->dirty_ms = row->changed_ms;
}

/* What else the database says of changes that are not in S3. */
static int
load_intents(struct entry *e)
{
	struct db_intent owed = { 0 };
	int r;

	if (e->state == BYTES_CLEAN) {
		rangeset_clear(&e->chunk.dirty); /* facts come later */
		return 0;
	}
	r = db_intent_get(e->cache->db, e->ino, DB_INTENT_BYTES, &owed);
	e->has_intent = r == 0;
	if (r == 0) {
		e->dirty_ms = owed.made_ms;
		e->synced_generation = e->generation; /* perhaps */
		e->kept_generation = e->generation;
	}
	db_intent_fini(&owed);
	if (r == 0) {
		r = db_intent_get(
		    e->cache->db, e->ino, DB_INTENT_SNAPSHOT, &owed);
		e->snapshot = owed.generation;
		db_intent_fini(&owed);
	}
	/* An upload was asked for before. */
	if (e->has_intent || e->state != BYTES_DIRTY)
		e->covered_generation = e->generation;
	if (r == 0 || r == -ENOENT)
		r = db_intent_get(e->cache->db, e->ino, DB_INTENT_BASE, &owed);
	if (r == 0)
		r = entry_set_base_locked(e, owed.source_key, owed.etag);
	db_intent_fini(&owed);
	return r == -ENOENT ? 0 : r;
}

/* Make the entry of ${row}, with its chunk. */
static int
entry_new(struct cache *c, const struct row *row, struct entry **ret)
{
	AUTO(entry_freep) struct entry *e = calloc(1, sizeof(*e));
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r;

	if (e == NULL)
		return -ENOMEM;
	e->chunk.fd = -1;
	e->cache = c;
	e->node = row->node;
	e->ino = row->id;
	e->size = row->size;
	e->object_size =
	    row->byte_state == BYTES_CLEAN ? row->size : ENTRY_SIZE_UNKNOWN;
	e->modified_ns = row->modified_ns;
	e->is_untold = row->attrs == ROW_ATTRS_NONE && !c->config.read_only;
	init_changes(e, row);
	lock_init(&e->lock);
	list_init(&e->link);
	list_init(&e->fetches);
	list_init(&e->readers);
	view_attr(c, row, &e->attr);
	e->etag = text_copy(row->etag);
	e->version_id = text_copy(row->version_id);
	if ((row->etag != NULL && e->etag == NULL) ||
	    (row->version_id != NULL && e->version_id == NULL))
		return -ENOMEM;
	r = view_key(c, row, &key);
	if (r == 0)
		r = buf_take(&key, &e->key);
	buf_fini(&key);
	if (r < 0)
		return r;
	r = chunk_open(c, e->node, &e->chunk);
	if (r < 0)
		return r;
	if (e->state == BYTES_CLEAN)
		e->chunk.base_size = row->size;
	r = load_intents(e);
	if (r == 0)
		*ret = TAKE(e);
	return r;
}

static int
load_locked(struct cache *c, uint64_t node, struct entry **ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct entry *e = NULL;
	int r;

	r = db_row_by_node(c->db, node, &row);
	if (r == -ENOENT)
		return -ESTALE;
	if (r == 0 && !view_is_visible(&row))
		r = -ESTALE;
	if (r == 0 && row.kind == ROW_DIR)
		r = -EISDIR;
	if (r == 0)
		r = entry_new(c, &row, &e);
	if (r < 0)
		return r;
	r = map_set(&c->entries->by_node, node, (uintptr_t)e);
	if (r < 0) {
		entry_free(e);
		return r;
	}
	list_append(&c->entries->all, &e->link);
	/* Of an earlier run; entry_put() takes off what is left. */
	stats_add(&c->stats, STAT_DIRTY_BYTES, rangeset_bytes(&e->chunk.dirty));
	*ret = e;
	return 0;
}

void
entry_hold(struct entry *e)
{
	atomic_fetch_add(&e->refs, 1);
}

int
entry_get(struct cache *c, uint64_t node, struct entry **ret)
{
	struct entry *e;
	int r = 0;

	lock_take(&c->entries->lock);
	e = find_locked(c->entries, node);
	if (e == NULL)
		r = load_locked(c, node, &e);
	if (r == 0) {
		entry_hold(e);
		*ret = e;
	}
	lock_drop(&c->entries->lock);
	return r;
}

struct entry *
entry_find(struct cache *c, uint64_t node)
{
	struct entry *e;

	lock_take(&c->entries->lock);
	e = find_locked(c->entries, node);
	if (e != NULL)
		entry_hold(e);
	lock_drop(&c->entries->lock);
	return e;
}

void
entry_put(struct entry *e)
{
	struct cache *c;
	uint64_t node;
	bool superseded;

	if (e == NULL)
		return;
	c = e->cache;
	lock_take(&c->entries->lock);
	if (atomic_fetch_sub(&e->refs, 1) > 1) {
		lock_drop(&c->entries->lock);
		return;
	}
	assert(e->handles == 0);
	(void)map_remove(&c->entries->by_node, e->node); /* it is there */
	list_remove(&e->link);
	node = e->node;
	superseded = e->is_superseded; /* nobody else is left to set it */
	if (superseded && e->snapshot != 0)
		(void)chunk_delete(c, e->snapshot); /* as below */
	entry_set_modified_locked(e, false);
	stats_sub(&c->stats, STAT_DIRTY_BYTES, rangeset_bytes(&e->chunk.dirty));
	(void)entry_set_base_locked(e, NULL, NULL); /* to forget it is easy */
	/* Under the table's lock: nobody opens the chunk a second time. */
	entry_free(e);
	if (superseded)
		(void)chunk_delete(c, node); /* as much as there is */
	if (c->entries->drain != NULL)
		waiter_wake(c->entries->drain);
	lock_drop(&c->entries->lock);
}

void
entries_drain(struct cache *c)
{
	struct entries *t = c->entries;
	struct waiter w;

	waiter_init(&w);
	lock_take(&t->lock);
	t->drain = &w;
	while (t->by_node.count > 0) {
		lock_drop(&t->lock);
		(void)waiter_wait(&w, WAIT_FOREVER); /* looks again */
		lock_take(&t->lock);
	}
	t->drain = NULL;
	lock_drop(&t->lock);
	waiter_fini(&w);
}

void
entry_add_handle(struct entry *e)
{
	struct entries *t = e->cache->entries;

	lock_take(&t->lock);
	e->handles++;
	list_remove(&e->link);
	list_append(&t->all, &e->link);
	lock_drop(&t->lock);
}

bool
entry_drop_handle(struct entry *e)
{
	struct entries *t = e->cache->entries;
	bool last;

	lock_take(&t->lock);
	last = --e->handles == 0;
	lock_drop(&t->lock);
	return last;
}

bool
entry_is_open(struct entry *e)
{
	struct entries *t = e->cache->entries;
	bool is_open;

	lock_take(&t->lock);
	is_open = e->handles > 0;
	lock_drop(&t->lock);
	return is_open;
}

bool
entry_is_safe(const struct entry *e)
{
	return e->is_only_copy || entry_is_staged(e) ||
	       (e->version_id != NULL && strcmp(e->version_id, "null") != 0);
}

static void
supersede(struct cache *c, uint64_t node, bool is_unlinked)
{
	struct entry *e;

	lock_take(&c->entries->lock);
	e = find_locked(c->entries, node);
	if (e != NULL) {
		lock_take(&e->lock);
		e->is_superseded = true;
		e->is_unlinked = e->is_unlinked || is_unlinked;
		lock_drop(&e->lock);
	} else {
		(void)chunk_delete(c, node); /* as much as there is */
	}
	lock_drop(&c->entries->lock);
}

void
entries_supersede(struct cache *c, uint64_t node)
{
	supersede(c, node, false);
}

void
entries_unlink(struct cache *c, uint64_t node)
{
	supersede(c, node, true);
}

void
entries_refresh(
    struct cache *c, const struct cache_attr *attr, const char *version_id)
{
	struct entry *e = entry_find(c, attr->node);

	if (e == NULL)
		return;
	lock_take(&e->lock);
	e->attr = *attr;
	if (e->version_id == NULL)
		e->version_id = text_copy(version_id);
	lock_drop(&e->lock);
	entry_put(e);
}

/* Whether something of ${node}, which is not in memory, is not in S3.  Of a
 * file that was only made shorter, what is known of it tells, and no byte. */
static bool
is_owing(struct cache *c, uint64_t node)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_node(c->db, node, &row);

	return r == 0 ? row.byte_state != BYTES_CLEAN : r != -ENOENT;
}

uint64_t
entries_drop_closed(struct cache *c, uint64_t node)
{
	uint64_t freed = 0;

	lock_take(&c->entries->lock);
	if (find_locked(c->entries, node) == NULL && !is_owing(c, node))
		freed = chunk_delete(c, node);
	lock_drop(&c->entries->lock);
	return freed;
}

/* The first range of [off, end) that must stay: it is in use, or not in S3. */
static bool
find_kept(struct entry *e, uint64_t off, uint64_t end, struct range *ret)
{
	struct range dirty;
	bool found = false;

	for (struct list *l = e->readers.next; l != &e->readers; l = l->next) {
		struct reader *r = LIST_ENTRY(l, struct reader, link);

		if (r->off < end && r->end > off &&
		    (!found || r->off < ret->off)) {
			*ret = (struct range){ r->off, r->end };
			found = true;
		}
	}
	if (rangeset_next_run(
		&e->chunk.dirty, off, end, &dirty.off, &dirty.end) &&
	    (!found || dirty.off < ret->off)) {
		*ret = dirty;
		found = true;
	}
	return found;
}

/* The next run of [off, end) to be punched: of what takes room, or, if all is
 * to go, of what is present. */
static bool
next_to_punch(const struct chunk *ch, uint64_t off, uint64_t end, bool all,
    uint64_t *ret_off, uint64_t *ret_end)
{
	if (all)
		return rangeset_next_run(
		    &ch->present, off, end, ret_off, ret_end);
	if (!chunk_next_room(ch, off, end, ret_off, ret_end))
		return false;
	if (rangeset_has(&ch->holes, *ret_end, *ret_end + 1)) /* all of it */
		*ret_end = chunk_block_start(*ret_end - 1) + CHUNK_BLOCK;
	return true;
}

/*
 * Punch up to ${want} bytes (${all}: holes, too) out of [off, end), whole
 * blocks, sparing what is in use.
 */
static uint64_t
punch_range(
    struct entry *e, uint64_t off, uint64_t end, uint64_t want, bool all)
{
	struct range use = { 0 };
	uint64_t run_off, run_end, freed = 0, before;

	while (freed < want &&
	       next_to_punch(&e->chunk, off, end, all, &run_off, &run_end)) {
		run_off = chunk_block_start(run_off);
		if (run_end - run_off > want - freed)
			run_end = chunk_block_start(run_off + want - freed) +
				  CHUNK_BLOCK;
		if (find_kept(e, run_off, run_end, &use)) {
			if (use.off <= run_off) {
				if (use.end >= end)
					break; /* none after it */
				off = chunk_block_start(use.end - 1) +
				      CHUNK_BLOCK;
				continue;
			}
			run_end = chunk_block_start(use.off);
			if (run_end <= run_off) {
				off = run_off + CHUNK_BLOCK;
				continue;
			}
		}
		before = chunk_room(&e->chunk);
		if (chunk_punch(&e->chunk, run_off, run_end) < 0)
			break;
		freed += before - chunk_room(&e->chunk);
		off = run_end;
	}
	e->chunk.hand = off;
	return freed;
}

/* Clean bytes of one open entry, ${want} UINT64_MAX: all of them; the hand goes
 * round the file. */
static uint64_t
punch_entry(struct entry *e, uint64_t want)
{
	bool all = want == UINT64_MAX;
	uint64_t hand, freed;

	lock_take(&e->lock);
	if (!entry_may_fetch(e)) {
		lock_drop(&e->lock);
		return 0;
	}
	hand = e->chunk.hand;
	freed = punch_range(e, hand, UINT64_MAX - CHUNK_BLOCK, want, all);
	if (freed < want)
		freed += punch_range(e, 0, hand, want - freed, all);
	lock_drop(&e->lock);
	return freed;
}

uint64_t
entries_punch(struct cache *c, uint64_t want)
{
	struct entries *t = c->entries;
	uint64_t freed = 0;

	/* The order entry table, entry, db is the lock order. */
	lock_take(&t->lock);
	for (struct list *l = t->all.next; l != &t->all && freed < want;
	     l = l->next)
		freed += punch_entry(
		    LIST_ENTRY(l, struct entry, link), want - freed);
	lock_drop(&t->lock);
	return freed;
}

/* Whether S3 has all bytes of ${node}, which is not in memory. */
static bool
is_clean(struct cache *c, uint64_t node)
{
	AUTO(row_fini) struct row row = { 0 };

	return db_row_by_node(c->db, node, &row) == 0 &&
	       row.byte_state == BYTES_CLEAN;
}

void
entries_forget(struct cache *c, uint64_t node)
{
	struct entry *e;

	lock_take(&c->entries->lock);
	e = find_locked(c->entries, node);
	if (e != NULL)
		(void)punch_entry(e, UINT64_MAX); /* as much as may go */
	else if (is_clean(c, node))
		(void)chunk_delete(c, node); /* as much as there is */
	lock_drop(&c->entries->lock);
}

void
entries_flush(struct cache *c)
{
	struct entries *t = c->entries;

	lock_take(&t->lock);
	for (struct list *l = t->all.next; l != &t->all; l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		lock_take(&e->lock);
		(void)chunk_flush(&e->chunk); /* facts: tried again later */
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
}

unsigned
entries_count(struct cache *c)
{
	unsigned count;

	lock_take(&c->entries->lock);
	count = (unsigned)c->entries->by_node.count;
	lock_drop(&c->entries->lock);
	return count;
}
