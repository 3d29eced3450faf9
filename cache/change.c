/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.c - a change of our own to one row, as one transaction.
 */
#include "cache/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/nameless.h"
#include "cache/owed.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/killpoint.h"

/* The states of a row that are to be stored, or are. */
#define KILL_ROW(row, when)                                                    \
	KILL_POINT("row.%s.%s.%s." when,                                       \
	    state_name_name((enum state_name)(row)->name_state),               \
	    state_attrs_name((enum state_attrs)(row)->attr_state),             \
	    state_bytes_name((enum state_bytes)(row)->byte_state))

/* What to do with the row that was found, or not. */
static int
begun(struct change *ch, int r)
{
	if (r < 0)
		db_rollback(ch->cache->db);
	return r;
}

int
change_begin(struct cache *c, uint64_t id, struct change *ret)
{
	int r = db_begin(c->db);

	if (r < 0)
		return r;
	*ret = (struct change){ .cache = c };
	return begun(ret, db_row_by_id(c->db, id, &ret->row));
}

int
change_begin_node(struct cache *c, uint64_t node, struct change *ret)
{
	int r = db_begin(c->db);

	if (r < 0)
		return r;
	*ret = (struct change){ .cache = c };
	return begun(ret, db_row_by_node(c->db, node, &ret->row));
}

static int
commit(struct cache *c, int r)
{
	if (r == 0)
		return db_commit(c->db);
	db_rollback(c->db);
	return r;
}

int
change_end(struct change *ch, int r)
{
	struct cache *c = ch->cache;

	if (r == 0) {
		ch->row.changed_ms = cache_now_ms(c);
		r = db_row_update(c->db, &ch->row);
		KILL_ROW(&ch->row, "before");
	}
	r = commit(c, r);
	KILL_ROW(&ch->row, "after");
	row_fini(&ch->row);
	return r;
}

/* ---- rows that go ---- */

/* Keep that the name went away: an observation asked for before that must not
 * bring it back.  Goes with the next listing. */
static int
put_tombstone(
    struct cache *c, const struct row *row, int64_t seen_ms, int64_t changed_ms)
{
	struct row gone = { .parent = row->parent,
		.name = row->name,
		.kind = ROW_FILE,
		.name_state = NAME_GONE,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.seen_ms = seen_ms,
		.changed_ms = changed_ms };
	int r = db_number(c->db, &gone.id);

	gone.node = gone.id;
	return r == 0 ? db_row_put(c->db, &gone) : r;
}

struct removal {
	change_removed_fn *fn;
	void *arg;
	int r;
};

static bool
removed_below(void *arg, const struct row *row)
{
	struct removal *removal = arg;

	if (row->kind != ROW_DIR && removal->fn != NULL)
		removal->r = removal->fn(removal->arg, row);
	return removal->r == 0;
}

int
change_remove_row(struct cache *c, const struct row *row,
    const struct change_times *times, change_removed_fn *fn, void *arg)
{
	struct removal removal = { .fn = fn, .arg = arg };
	int r = 0;

	if (row->kind == ROW_DIR) {
		r = db_rows_below(c->db, row->id, removed_below, &removal);
		if (r == 0)
			r = removal.r;
		if (r == 0)
			r = db_odd_forget(c->db, row->id, INT64_MAX);
	}
	if (r == 0 && fn != NULL)
		r = fn(arg, row);
	if (r == 0)
		r = db_row_delete(c->db, row->id);
	return r == 0 ? put_tombstone(c, row, times->seen_ms, times->changed_ms)
		      : r;
}

/* What goes on without a name once its row is gone. */
struct versions {
	struct cache *cache;
	uint64_t *nodes; /* owned */
	size_t count;
	size_t size;
};

static int
note_version(void *arg, const struct row *row)
{
	struct versions *v = arg;

	if (v->count == v->size) {
		size_t size = v->size == 0 ? 8 : v->size * 2;
		void *p = reallocarray(v->nodes, size, sizeof(*v->nodes));

		if (p == NULL)
			return -ENOMEM;
		v->nodes = p;
		v->size = size;
	}
	v->nodes[v->count++] = row->node;
	return nameless_add(v->cache, row);
}

int
change_end_remove(struct change *ch)
{
	struct cache *c = ch->cache;
	int64_t now = cache_now_ms(c);
	struct change_times times = { .seen_ms = now, .changed_ms = now };
	struct versions v = { .cache = c };
	int r;

	r = change_remove_row(c, &ch->row, &times, note_version, &v);
	KILL_POINT("row.removed.before");
	r = commit(c, r);
	KILL_POINT("row.removed.after");
	for (size_t i = 0; i < v.count; i++) {
		if (r == 0)
			nameless_begin(c, v.nodes[i]);
		else
			nameless_drop(c, v.nodes[i]);
	}
	free(v.nodes);
	row_fini(&ch->row);
	return r;
}

/* ---- states ---- */

void
change_name(struct change *ch, enum state_name_event e)
{
	enum state_name s = (enum state_name)ch->row.name_state;

	state_name_apply(&s, e);
	ch->row.name_state = (int)s;
}

void
change_attrs(struct change *ch, enum state_attrs_event e)
{
	enum state_attrs s = (enum state_attrs)ch->row.attr_state;

	state_attrs_apply(&s, e);
	ch->row.attr_state = (int)s;
}

int
change_bytes(struct change *ch, enum state_bytes_event e)
{
	enum state_bytes s = (enum state_bytes)ch->row.byte_state;
	int r = state_bytes_apply(&s, e);

	ch->row.byte_state = (int)s;
	return r;
}

/* ---- new rows ---- */

/* Whether there still is a directory to insert into. */
static int
check_parent(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row dir = { 0 };
	int r = db_row_by_id(c->db, id, &dir);

	if (r == 0 && !view_is_visible(&dir))
		return -ENOENT;
	return r == 0 && dir.kind != ROW_DIR ? -ENOTDIR : r;
}

/* Make room for a row of that name: tombstones go. */
static int
clear_name(struct cache *c, uint64_t parent, const char *name)
{
	for (;;) {
		AUTO(row_fini) struct row old = { 0 };
		int r = db_row_by_name(c->db, parent, name, &old);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (view_is_visible(&old))
			return -EEXIST;
		/* What is still being deleted stays beside the new one. */
		if (!state_name_may_follow((enum state_name)old.name_state))
			return 0;
		r = db_row_delete(c->db, old.id);
		if (r < 0)
			return r;
	}
}

/* A request for ${row} is owed, under the key of its name. */
static int
owe(struct cache *c, const struct row *row, int kind, uint64_t follows)
{
	struct intent it = { .id = row->id,
		.kind = (enum intent_kind)kind,
		.follows = follows };
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r = view_name_key(c, row, &key);

	if (r == 0)
		r = buf_take(&key, &it.key);
	if (r == 0)
		r = db_owed_put(c->db, &it);
	buf_fini(&key);
	intent_fini(&it);
	return r;
}

int
change_owe(struct change *ch, int kind, uint64_t follows)
{
	return owe(ch->cache, &ch->row, kind, follows);
}

int
change_insert_within(struct cache *c, struct row *row)
{
	int r = check_parent(c, row->parent);

	if (r == 0)
		r = clear_name(c, row->parent, row->name);
	if (r == 0)
		r = db_number(c->db, &row->id);
	if (r == 0) {
		if (row->node == 0)
			row->node = row->id;
		row->changed_ms = cache_now_ms(c);
		if (row->seen_ms == 0)
			row->seen_ms = row->changed_ms;
		r = db_row_put(c->db, row);
		KILL_ROW(row, "before");
	}
	return r;
}

/* Something came into directory ${id}. */
static int
touch(struct cache *c, uint64_t id)
{
	return db_row_touch(
	    c->db, id, clock_wall_ns(c->clock), cache_now_ms(c));
}

int
change_insert_owed(struct cache *c, struct row *row, int kind, bool *ret_owed)
{
	int r = db_begin(c->db);

	if (r < 0)
		return r;
	r = change_insert_within(c, row);
	*ret_owed = owed_is_later(c, row->parent);
	if (r == 0 && *ret_owed)
		r = touch(c, row->parent);
	if (r == 0 && *ret_owed)
		r = owe(c, row, kind, 0);
	return commit(c, r);
}

int
change_insert(struct cache *c, struct row *row)
{
	int r = db_begin(c->db);

	if (r < 0)
		return r;
	r = change_insert_within(c, row);
	if (r == 0)
		r = touch(c, row->parent);
	r = commit(c, r);
	KILL_ROW(row, "after");
	return r;
}

bool
change_has_key(const struct change *ch, const char *key)
{
	struct buf now = BUF_INIT(S3_KEY_MAX);
	bool same = view_key(ch->cache, &ch->row, &now) == 0 &&
		    strcmp(buf_str(&now), key) == 0;

	buf_fini(&now);
	return same;
}
