/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_owed.c - the COPY that the rename of a file is owed.
 *
 * Role:    what rename_later.c put down: a COPY from base_key to the key of the
 *          name, on condition of what is at either; it takes the place of what
 *          is owed a DELETE there.  Then the stub's DELETE may follow.
 *          If another wrote under the new name meanwhile, the file gets a name
 *          beside it.  If the source is another's version now, or S3 refuses
 *          the COPY for good, the file is back under its old name; where that
 *          was taken meanwhile, the COPY is tried again.
 * States:  MOVE_OK, or MOVE_UNDO.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/headers.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "cache/removal.h"
#include "cache/rename.h"
#include "cache/rename_copy.h"
#include "cache/view.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

static void
tell_changed(struct cache *c, uint64_t parent, const char *name)
{
	if (c->hooks.changed != NULL)
		c->hooks.changed(c->hooks.arg, parent, name, 0);
}

/* ---- it is done ---- */

static int
finish(struct file_move *f)
{
	struct rename *m = f->rename;
	struct cache *c = m->cache;
	struct change ch;
	bool is_due;
	int r = change_begin(c, m->from.id, &ch);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	change_name(&ch, NAME_ON_MOVE_OK);
	r = file_move_take(f, &ch);
	free(ch.row.base_key);
	ch.row.base_key = NULL;
	if (r == 0)
		r = db_owed_remove(c->db, m->from.id);
	if (r == 0 && m->has_to)
		r = claim_replace(c, &m->to);
	is_due = ch.row.attr_state == ATTRS_METADIRTY;
	r = change_end(&ch, r);
	if (m->has_to)
		claim_over(c, &m->to, r);
	if (r < 0)
		return r;
	while (entries_rekey_one(
		   c, m->from.node, m->key, m->new_key, f->made.etag) < 0)
		wait_for_memory();
	if (is_due)
		writeback_attrs(c, m->from.id);
	return 0;
}

/* ---- it cannot be done ---- */

/* The row that keeps the old name, and whether that is free. */
static int
find_stub(struct rename *m, struct row *ret)
{
	AUTO(row_fini) struct row now = { 0 };
	struct cache *c = m->cache;
	struct intent it = { 0 };
	int r = db_owed_delete_of(c->db, m->key, m->from.id, &it);

	if (r == 0)
		r = db_row_by_id(c->db, it.id, ret);
	intent_fini(&it);
	if (r == 0 &&
	    db_row_by_name(c->db, ret->parent, ret->name, &now) == 0 &&
	    view_is_visible(&now))
		r = -EEXIST;
	return r;
}

/* Within the transaction of ${ch}: it has the name of ${stub} again. */
static int
take_back(struct change *ch, const struct row *stub, bool is_changed)
{
	struct cache *c = ch->cache;
	int r;

	change_name(ch, NAME_ON_MOVE_UNDO);
	free(ch->row.base_key);
	ch->row.base_key = NULL;
	ch->row.parent = stub->parent;
	if (is_changed)
		ch->row.seen_ms = 0; /* believed no longer */
	r = text_replace(&ch->row.name, stub->name);
	if (r == 0)
		r = db_owed_remove(c->db, ch->row.id);
	if (r == 0)
		r = db_owed_remove(c->db, stub->id);
	return r == 0 ? db_row_delete(c->db, stub->id) : r;
}

/* The file has its old name, and what it was to replace is there again. */
static int
go_back(struct rename *m, bool is_changed, int why)
{
	AUTO(row_fini) struct row stub = { 0 };
	struct cache *c = m->cache;
	struct change ch;
	bool is_due = false;
	int r = find_stub(m, &stub);

	if (r == 0)
		r = change_begin(c, m->from.id, &ch);
	if (r == 0) {
		is_due = ch.row.attr_state == ATTRS_METADIRTY;
		r = change_end(&ch, take_back(&ch, &stub, is_changed));
	}
	if (r < 0) {
		log_error("'%s' is '%s' here, but S3 refuses the copy (%s): "
			  "it is tried again",
		    m->key, m->new_key, strerror(-why));
		return r == -ENOMEM ? r : why;
	}
	stats_add(&c->stats, STAT_REFUSED_NAMES, 1);
	owed_took_back(c, m->new_dir.id, why);
	if (is_changed)
		log_warn("'%s' was renamed to '%s' here, but another changed "
			 "it meanwhile: it has its old name again",
		    m->key, m->new_key);
	else
		log_error("'%s' was renamed to '%s' here, but S3 refuses the "
			  "copy (%s): it has its old name again",
		    m->key, m->new_key, strerror(-why));
	owed_forget(c, stub.id);
	if (is_due) /* the copy was to carry them */
		writeback_attrs(c, m->from.id);
	if (m->has_to)
		removal_show(c, &m->to);
	tell_changed(c, stub.parent, stub.name);
	tell_changed(c, m->new_dir.id, m->new_name);
	return why;
}

/* Another has the new name: the file gets one beside it. */
static int
step_aside(struct rename *m)
{
	struct cache *c = m->cache;
	struct change ch;
	int r = change_begin(c, m->from.id, &ch);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	change_name(&ch, NAME_ON_RENAME);
	r = name_take_aside(&ch);
	if (r == 0)
		r = change_owe(&ch, INTENT_MOVE, 0);
	if (r == 0)
		log_warn("'%s' was changed by another meanwhile: what was "
			 "renamed to it here is kept as '%s'",
		    m->new_key, ch.row.name);
	r = change_end(&ch, r);
	if (r == 0)
		r = name_doubt_absent(c, m->new_dir.id, m->new_name);
	if (r < 0)
		return r;
	stats_add(&c->stats, STAT_CONFLICTS, 1);
	if (m->has_to)
		removal_show(c, &m->to);
	tell_changed(c, m->new_dir.id, m->new_name);
	return OWED_LATER;
}

static bool
is_refusal(int err)
{
	return err == -EACCES || err == -EPERM || err == -EROFS ||
	       err == -EINVAL || err == -ENAMETOOLONG;
}

/* The COPY was refused because of what is at the new key: but that may be what
 * an earlier try made. */
static bool
is_own_copy(struct file_move *f)
{
	struct rename *m = f->rename;
	int64_t now = cache_now_ms(m->cache);
	struct name_look look = { 0 };
	bool same = false;

	/* Of what was changed since, the size is another. */
	if (name_look(m->cache, m->new_key, &look) == 0 &&
	    (m->from.byte_state != BYTES_CLEAN || look.size == m->from.size))
		same =
		    headers_token_is_like(look.token, m->from.token) ||
		    (look.etag != NULL && text_same(look.etag, m->from.etag));
	if (same && text_replace(&f->made.etag, look.etag) < 0)
		same = false;
	if (same)
		f->made.sent_ms = now;
	name_look_fini(&look);
	return same;
}

/* ---- one ---- */

/* The COPY failed with ${r}. */
static int
judge(struct file_move *f, const struct intent *it, int r)
{
	bool is_source = r == -ENOENT || f->made.is_source;
	int err;

	if (r == -ESTALE && !is_source && it->is_sent && is_own_copy(f)) {
		f->is_folded = false; /* they follow */
		return finish(f);
	}
	if (!f->made.unsure) {
		err = db_owed_sent(f->rename->cache->db, it->id, false);
		if (err < 0)
			return err;
	}
	if (r == -ESTALE && !is_source)
		return step_aside(f->rename);
	if (r == -ESTALE || r == -ENOENT)
		return go_back(f->rename, true, -ESTALE);
	return is_refusal(r) ? go_back(f->rename, false, r) : r;
}

/* Both keys are busy, and m->from is the row. */
static int
move(struct rename *m, struct intent *it)
{
	struct file_move f = { .rename = m };
	int r = claim_find(m->cache, m->new_key, m->from.id, &m->to, &f.target);

	m->has_to = r > 0;
	if (m->has_to) {
		f.to_base.is_there = true;
		f.to_base.etag = text_copy(m->to.etag);
		r = f.to_base.etag == NULL ? -ENOMEM : 0;
	}
	if (r == 0)
		r = name_base(m->cache, &m->from, m->key, &f.base);
	if (r < 0) {
		file_move_fini(&f);
		return r == -EAGAIN ? OWED_LATER : r;
	}
	r = db_owed_sent(m->cache->db, it->id, true);
	if (r == 0) {
		r = file_move_copy(&f, NULL);
		r = r == 0 ? finish(&f) : judge(&f, it, r);
	}
	file_move_fini(&f);
	return r;
}

/* Whether ${row} is what ${it} was put down for. */
static bool
is_intended(struct cache *c, const struct row *row, const struct intent *it)
{
	AUTO_FREE char *key = NULL;

	return row->name_state == NAME_MOVING && row->base_key != NULL &&
	       it->kind == INTENT_MOVE && name_key_of(c, row, &key) == 0 &&
	       strcmp(key, it->key) == 0;
}

/* Both keys are busy; ${row} was read before they were. */
static int
move_locked(struct cache *c, const struct row *row, struct intent *it)
{
	const char *slash = strrchr(row->base_key, '/');
	struct rename m = { .cache = c,
		.new_name = row->name,
		.key = row->base_key,
		.new_key = it->key };
	int r = db_row_by_id(c->db, row->id, &m.from);

	m.new_dir.id = row->parent;
	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	if (!is_intended(c, &m.from, it) ||
	    strcmp(m.from.base_key, row->base_key) != 0)
		r = OWED_LATER;
	else
		r = text_replace(
		    &m.from.name, slash == NULL ? row->base_key : slash + 1);
	if (r == 0)
		r = move(&m, it);
	row_fini(&m.from);
	row_fini(&m.to);
	return r;
}

int
rename_owed(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	struct keylock lock = { 0 }, new_lock = { 0 };
	struct intent it = { 0 };
	int r = db_owed_get(c->db, id, &it);

	if (r == 0)
		r = db_row_by_id(c->db, id, &row);
	if (r == -ENOENT)
		r = db_owed_remove(c->db, id);
	else if (r == 0 && !is_intended(c, &row, &it))
		r = OWED_LATER;
	else if (r == 0) {
		r = claim_clear(c, it.key, id, NULL);
		if (r == 0)
			r = keylock_take_two(&c->keylocks, row.base_key, it.key,
			    NULL, &lock, &new_lock);
		if (r == 0)
			r = move_locked(c, &row, &it);
		keylock_drop(&c->keylocks, &lock);
		keylock_drop(&c->keylocks, &new_lock);
	}
	intent_fini(&it);
	return r;
}
