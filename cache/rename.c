/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename.c - rename: what files and directories have in common.
 *
 * Role:    both names are looked up and checked; one transaction moves the
 *          row, takes what it replaces away, and leaves a stub under the old
 *          name, whose DELETE follows at once (DELETE_SENT); another one, when
 *          it is known how that ended, lets the stub go, or moves all back.
 * States:  of a file: RENAME, and MOVE_OK or MOVE_UNDO in the end; what it
 *          replaces is hidden in between (UNLINK), then REPLACED, or back
 *          (DELETE_UNDO).  Of a directory: RENAME and MOVE_OK at once.
 */
#include "cache/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/owed.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define TRIES     2 /* look again, and try once more */
#define MOVES_MAX 8 /* of a directory above, meanwhile */

/* ---- the rows ---- */

/* Whether the new name is what it was when it was looked up. */
static int
compare_target(struct rename *m)
{
	AUTO(row_fini) struct row now = { 0 };
	AUTO_FREE char *key = NULL;
	int r;

	r = name_key(
	    m->cache, &m->new_dir, m->new_name, m->from.kind == ROW_DIR, &key);
	if (r < 0)
		return r;
	if (strcmp(key, m->new_key) != 0)
		return -ESTALE;
	r = db_row_by_name(m->cache->db, m->new_dir.id, m->new_name, &now);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0 || !state_name_is_visible((enum state_name)now.name_state))
		return m->has_to ? -ESTALE : 0;
	return m->has_to && now.node == m->to.node ? 0 : -ESTALE;
}

int
rename_begin(struct rename *m, struct change *ret)
{
	int r = name_begin(m->cache, &m->from, m->key, ret);

	if (r < 0)
		return r;
	r = compare_target(m);
	if (r < 0)
		return change_end(ret, r);
	ret->row.ctime_ns = m->now_ns;
	return 0;
}

static void
apply(struct row *row, enum state_name_event e)
{
	enum state_name s = (enum state_name)row->name_state;

	state_name_apply(&s, e);
	row->name_state = (int)s;
}

/* What had the new name: another entry has it now.  A file may come back. */
static int
replace_target(struct rename *m)
{
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_id(m->cache->db, m->to.id, &now);

	if (r < 0)
		return r;
	if (now.kind == ROW_DIR) {
		apply(&now, NAME_ON_REPLACED);
		r = db_row_delete(m->cache->db, m->to.id);
		return r == 0 ? nameless_add(m->cache, &now) : r;
	}
	apply(&now, NAME_ON_UNLINK);
	now.changed_ms = cache_now_ms(m->cache);
	return db_row_put(m->cache->db, &now);
}

/* The DELETE leaves next. */
int
rename_put_stub(struct cache *c, struct row *stub)
{
	int r = db_number(c->db, &stub->id);

	stub->name_state = NAME_PRESENT;
	apply(stub, NAME_ON_UNLINK);
	apply(stub, NAME_ON_DELETE_SEND);
	stub->node = stub->id;
	stub->uid = UINT32_MAX;
	stub->gid = UINT32_MAX;
	stub->changed_ms = cache_now_ms(c);
	stub->seen_ms = stub->changed_ms;
	return r == 0 ? db_row_put(c->db, stub) : r;
}

/* The old name, while its object is being deleted. */
static int
put_stub(struct rename *m, struct row *stub)
{
	stub->parent = m->from.parent;
	stub->name = m->from.name;
	stub->kind = m->from.kind;
	return rename_put_stub(m->cache, stub);
}

int
rename_move(struct rename *m, struct change *ch, struct row *stub)
{
	char *name = strdup(m->new_name);
	int r = name == NULL ? -ENOMEM : 0;

	if (r == 0 && m->has_to)
		r = replace_target(m);
	if (r == 0 && stub != NULL)
		r = put_stub(m, stub);
	if (r < 0) {
		free(name);
		return r;
	}
	free(ch->row.name);
	ch->row.name = name;
	ch->row.parent = m->new_dir.id;
	return 0;
}

/* Whether another entry has the name of ${stub} by now. */
static bool
is_taken(struct cache *c, const struct row *stub)
{
	AUTO(row_fini) struct row now = { 0 };

	return db_row_by_name(c->db, stub->parent, stub->name, &now) == 0 &&
	       state_name_is_visible((enum state_name)now.name_state);
}

/* Within a transaction: what was to be deleted is gone (${r} 0), or there
 * still: its name is back, and is looked at before it is believed. */
int
rename_end_stub(struct cache *c, uint64_t id, int r)
{
	int64_t now = cache_now_ms(c);
	struct change_times times = { .seen_ms = now, .changed_ms = now };
	AUTO(row_fini) struct row row = { 0 };
	int err = db_row_by_id(c->db, id, &row);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (r == 0) {
		apply(&row, NAME_ON_DELETE_OK);
		return change_remove_row(c, &row, &times, NULL, NULL);
	}
	apply(&row, NAME_ON_DELETE_412);
	apply(&row, is_taken(c, &row) ? NAME_ON_REPLACED : NAME_ON_DELETE_UNDO);
	row.seen_ms = 0;
	row.changed_ms = now;
	return db_row_put(c->db, &row);
}

/* Within a transaction: what the file replaced is gone for good. */
static int
remove_target(struct rename *m)
{
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_id(m->cache->db, m->to.id, &now);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	apply(&now, NAME_ON_REPLACED);
	r = db_row_delete(m->cache->db, m->to.id);
	return r == 0 ? nameless_add(m->cache, &now) : r;
}

/* All that the database does in the end. */
static int
end_file(struct rename *m, const struct row *stub, int r)
{
	struct change ch;
	bool is_due;
	int err = change_begin(m->cache, m->from.id, &ch);

	if (err < 0)
		return err;
	if (ch.row.name_state == NAME_MOVING)
		change_name(&ch, NAME_ON_MOVE_OK);
	is_due = ch.row.attr_state == ATTRS_METADIRTY;
	if (m->has_to)
		err = remove_target(m);
	if (err == 0 && stub != NULL)
		err = rename_end_stub(m->cache, stub->id, r);
	err = change_end(&ch, err);
	if (err < 0 && m->has_to)
		nameless_drop(m->cache, m->to.node);
	/* While it was MOVING they were not sent. */
	if (err == 0 && is_due)
		writeback_attrs(m->cache, m->from.id);
	return err;
}

void
rename_end(struct rename *m, const struct row *stub, int r)
{
	bool replaces = m->has_to;
	int err;

	if (r < 0)
		log_warn("'%s' is '%s' now, but what S3 has under the old name "
			 "could not be deleted (%s): it shows again, remove it",
		    m->key, m->new_key, strerror(-r));
	if (replaces)
		abandon_version(m->cache, m->to.node);
	err = end_file(m, stub, r);
	if (err < 0)
		log_warn("'%s' stays hidden until the next start: the cache's "
			 "database fails",
		    m->key);
	else if (m->has_to)
		nameless_begin(m->cache, m->to.node);
}

/* What the file was to replace has its name again.  ${is_lost}: but not its
 * object, as the next look will find. */
static int
show_target(struct rename *m, bool is_lost)
{
	int64_t before_ms = cache_now_ms(m->cache) - 1;
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_id(m->cache->db, m->to.id, &now);

	if (r < 0)
		return r;
	apply(&now, NAME_ON_DELETE_UNDO);
	if (m->to.name_state == NAME_CREATING)
		apply(&now, NAME_ON_BASE_LOST); /* nothing of it was sent */
	if (is_lost) {
		now.seen_ms = 0;
		now.changed_ms = before_ms;
	}
	return db_row_put(m->cache->db, &now);
}

int
rename_back(
    struct rename *m, struct change *ch, const struct row *stub, bool is_lost)
{
	AUTO(row_fini) struct row old = { 0 };
	AUTO_FREE char *name = strdup(m->from.name);
	int r = name == NULL ? -ENOMEM : 0;

	if (r == 0 && !change_has_key(ch, m->new_key))
		r = -ESTALE;
	if (r == 0 && is_taken(m->cache, stub))
		r = -EEXIST;
	if (r == 0)
		r = db_row_by_id(m->cache->db, stub->id, &old);
	if (r < 0)
		return r;
	apply(&old, NAME_ON_DELETE_412);
	apply(&old, NAME_ON_REPLACED);
	r = db_row_delete(m->cache->db, stub->id);
	if (r == 0 && m->has_to)
		r = show_target(m, is_lost);
	free(ch->row.name);
	ch->row.name = TAKE(name);
	ch->row.parent = m->from.parent;
	return r;
}

/* Read both rows again: their keys are busy now. */
int
rename_reread(struct rename *m)
{
	struct row now = { 0 };
	int r;

	r = name_reread(m->cache, &m->from, m->key, &now);
	if (r < 0)
		return r;
	row_fini(&m->from);
	m->from = now;
	if (!m->has_to)
		return compare_target(m);
	now = (struct row){ 0 };
	r = name_reread(m->cache, &m->to, m->new_key, &now);
	if (r < 0)
		return r;
	row_fini(&m->to);
	m->to = now;
	return 0;
}

/* ---- the façade ---- */

static void
rename_fini(struct rename *m)
{
	row_fini(&m->dir);
	row_fini(&m->new_dir);
	row_fini(&m->from);
	row_fini(&m->to);
	free(m->key);
	free(m->new_key);
}

/* Whether directory ${id} is ${from}, or below it. */
static int
is_inside(struct cache *c, uint64_t id, uint64_t from)
{
	while (id != CACHE_ROOT) {
		AUTO(row_fini) struct row row = { 0 };
		int r;

		if (id == from)
			return 1;
		r = db_row_by_id(c->db, id, &row);
		if (r < 0)
			return r == -ENOENT ? -ESTALE : r;
		id = row.parent;
	}
	return from == CACHE_ROOT;
}

/* Whether a file or directory may replace what there is. */
static int
check_kinds(const struct rename *m, struct waiter *w)
{
	bool is_dir = m->from.kind == ROW_DIR;
	bool to_dir = m->to.kind == ROW_DIR;

	if (!is_dir)
		return to_dir ? -EISDIR : 0;
	return to_dir ? name_check_empty(m->cache, &m->to, w) : -ENOTDIR;
}

/* Whether the one may become the other.  1: it is the same. */
static int
check(struct rename *m, unsigned flags, struct waiter *w)
{
	int r = 0;

	if (m->has_to && flags == RENAME_NOREPLACE)
		return -EEXIST;
	if (m->has_to && m->to.id == m->from.id)
		return 1;
	if (m->from.kind == ROW_DIR)
		r = is_inside(m->cache, m->new_dir.id, m->from.id);
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	return m->has_to ? check_kinds(m, w) : 0;
}

/* Whether a file's rename is to be owed. */
static bool
is_later(const struct rename *m)
{
	return owed_is_later(m->cache, m->dir.id) &&
	       owed_is_later(m->cache, m->new_dir.id);
}

/* Look both up. */
static int
find(struct rename *m, const char *name, struct waiter *w)
{
	struct cache *c = m->cache;
	int r;

	r = claim_lookup(c, &m->dir, name, !is_later(m), w, &m->from);
	if (r == 0)
		r = name_key(c, &m->new_dir, m->new_name,
		    m->from.kind == ROW_DIR, &m->new_key);
	if (r == 0)
		r = name_key_of(c, &m->from, &m->key);
	if (r < 0)
		return r;
	r = claim_lookup(c, &m->new_dir, m->new_name, !is_later(m), w, &m->to);
	m->has_to = r == 0;
	return r == -ENOENT ? 0 : r;
}

/* Nothing that is owed stays behind, or comes in between. */
static int
rename_settled_dir(struct rename *m, struct waiter *w)
{
	struct cache *c = m->cache;
	int r = owed_move_begin(c, m->from.id);

	if (r < 0)
		return r;
	r = claim_settle_dir(c, m->from.id, w);
	if (r == 0 && m->has_to)
		r = claim_settle_dir(c, m->to.id, w);
	if (r == 0)
		r = claim_clear(c, m->new_key, 0, w);
	if (r == 0)
		r = rename_dir(m, w);
	owed_move_end(c, m->from.id);
	return r;
}

/* A directory: one that overlaps comes before, or after. */
static int
rename_tree(struct rename *m, struct waiter *w)
{
	struct treelocks *trees = &m->cache->treelocks;
	struct treelock tree;
	int r = treelock_take(trees, m->key, m->new_key, w, &tree);

	if (r < 0)
		return r;
	r = rename_settled_dir(m, w);
	treelock_drop(trees, &tree);
	return r;
}

static int
rename_one(struct rename *m, struct waiter *w)
{
	int r;

	if (m->from.kind == ROW_DIR)
		return rename_tree(m, w);
	if (is_later(m))
		return rename_later(m, w);
	r = claim_clear(m->cache, m->new_key, 0, w);
	return r == 0 ? rename_file(m, w) : r;
}

static int
rename_once(
    struct rename *m, const char *name, unsigned flags, struct waiter *w)
{
	int r = find(m, name, w);

	if (r == 0)
		r = check(m, flags, w);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!m->has_to)
		r = claim_clear_kind(m->cache, &m->new_dir, m->new_name,
		    m->from.kind == ROW_DIR, w);
	if (r != 0)
		return r < 0 ? r : -ESTALE; /* look again */
	m->now_ns = clock_wall_ns(m->cache->clock);
	r = rename_one(m, w);
	if (r < 0)
		return r;
	name_touch(m->cache, m->dir.id);
	if (m->dir.id != m->new_dir.id)
		name_touch(m->cache, m->new_dir.id);
	return 0;
}

/* Whether either key is another by now. */
static bool
has_moved(const struct rename *m)
{
	struct row to = { .parent = m->new_dir.id,
		.name = (char *)(uintptr_t)m->new_name,
		.kind = m->from.kind };

	return m->new_key != NULL &&
	       (name_has_moved(m->cache, &m->from, m->key) ||
		   name_has_moved(m->cache, &to, m->new_key));
}

int
cache_rename(struct cache *c, const struct cache_place *from,
    const struct cache_place *to, unsigned flags, struct waiter *w)
{
	int r, tries = 0, moves = 0;

	if (flags != 0 && flags != RENAME_NOREPLACE)
		return -EINVAL;
	r = name_check_new(c, to->name);
	if (r < 0)
		return r;
	r = -ESTALE;
	while (r == -ESTALE && tries < TRIES && moves < MOVES_MAX) {
		struct rename m = { .cache = c, .new_name = to->name };

		r = name_dir(c, from->parent, &m.dir);
		if (r == 0)
			r = name_dir(c, to->parent, &m.new_dir);
		if (r == 0)
			r = rename_once(&m, from->name, flags, w);
		if (r == -ESTALE && has_moved(&m))
			moves++;
		else
			tries++;
		rename_fini(&m);
	}
	return r;
}
