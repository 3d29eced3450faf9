/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim.c - what is owed to S3 under a key goes before what comes after it.
 */
#include "cache/claim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/clone.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/keep.h"
#include "cache/lookup.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/outage.h"
#include "cache/owed.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

#define TRIES 64

int
claim_is_blocked(struct cache *c, const struct intent *it)
{
	AUTO(row_fini) struct row row = { 0 };
	int r;

	if (it->follows == 0)
		return 0;
	r = db_row_by_id(c->db, it->follows, &row);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return row.name_state == NAME_MOVING && row.base_key != NULL &&
	       strcmp(row.base_key, it->key) == 0;
}

/* What is owed a DELETE of a key. */
struct found {
	struct row row;      /* owned */
	uint64_t first;      /* the row that must be copied first; 0: none */
	bool is_replaceable; /* a request may take the place of the DELETE */
};

/* Whether it was not sent, and the request knows what it replaces. */
static bool
is_replaceable(const struct row *row)
{
	return row->name_state == NAME_DELETING && row->kind != ROW_DIR &&
	       row->etag != NULL && row->byte_state != BYTES_UNSURE &&
	       row->attr_state != ATTRS_UNSURE;
}

/* 1: there is one; 0: none. */
static int
find(struct cache *c, const char *key, uint64_t id, struct found *ret)
{
	struct intent it = { 0 };
	int r, blocked = 0;

	if (!owed_any(c))
		return 0;
	r = db_owed_delete_of(c->db, key, id, &it);
	if (r == 0)
		r = db_row_by_id(c->db, it.id, &ret->row);
	if (r == 0)
		blocked = claim_is_blocked(c, &it);
	else if (r == -ENOENT && it.id != 0)
		(void)db_owed_remove(c->db, it.id); /* of nothing */
	ret->first = blocked > 0 ? it.follows : 0;
	intent_fini(&it);
	if (r < 0 || blocked < 0)
		return r == -ENOENT ? 0 : r < 0 ? r : blocked;
	ret->is_replaceable = blocked == 0 && is_replaceable(&ret->row);
	return 1;
}

static int take_held(struct cache *c, uint64_t id, struct waiter *w);

/* What is in the way is carried out: 1. */
static int
run_first(struct cache *c, const struct found *f, struct waiter *w)
{
	int r = owed_run(c, f->first != 0 ? f->first : f->row.id, w);

	if (r == OWED_HELD)
		r = take_held(c, f->row.id, w);
	return r < 0 ? r : 1;
}

int
claim_clear(struct cache *c, const char *key, uint64_t id, struct waiter *w)
{
	int r = 1;

	for (int i = 0; r > 0 && i < TRIES; i++) {
		struct found f = { 0 };

		r = find(c, key, id, &f);
		if (r > 0 && f.is_replaceable && id != 0)
			r = 0;
		else if (r > 0)
			r = run_first(c, &f, w);
		row_fini(&f.row);
	}
	return r > 0 ? -EBUSY : r;
}

int
claim_clear_kind(struct cache *c, const struct row *dir, const char *name,
    bool is_dir, struct waiter *w)
{
	AUTO_FREE char *key = NULL;
	struct intent it = { 0 };
	int r;

	if (!owed_any(c) || outage_ms(c) > 0)
		return 0;
	r = name_key(c, dir, name, !is_dir, &key);
	if (r == 0)
		r = db_owed_delete_of(c->db, key, 0, &it);
	if (r == 0)
		r = owed_run(c, it.id, w);
	else
		r = -ENOENT; /* or the request will tell */
	intent_fini(&it);
	return r == 0 ? 1 : r == -EINTR ? r : 0;
}

int
claim_find(struct cache *c, const char *key, uint64_t id, struct row *ret,
    struct entry **ret_entry)
{
	struct found f = { 0 };
	int r = find(c, key, id, &f);
	int err = 0;

	*ret_entry = NULL;
	if (r > 0)
		err = f.is_replaceable
			  ? keep_begin(c, &f.row, false, NULL, ret_entry)
			  : -EAGAIN;
	if (r > 0 && err == 0) {
		err = clone_release(c, key, NULL);
		if (err < 0)
			keep_end(*ret_entry);
	}
	if (r <= 0 || err < 0) {
		row_fini(&f.row);
		return r <= 0 ? r : err;
	}
	*ret = f.row;
	return 1;
}

int
claim_replace(struct cache *c, const struct row *old)
{
	AUTO(row_fini) struct row now = { 0 };
	enum state_name s;
	int r = db_row_by_id(c->db, old->id, &now);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	s = (enum state_name)now.name_state;
	if (s == NAME_DELETE_SENT)
		return -EAGAIN;
	state_name_apply(&s, NAME_ON_REPLACED);
	r = db_owed_remove(c->db, old->id);
	if (r == 0)
		r = db_row_delete(c->db, old->id);
	return r == 0 ? nameless_add(c, &now) : r;
}

void
claim_over(struct cache *c, const struct row *old, int r)
{
	if (r < 0) {
		nameless_drop(c, old->node);
		return;
	}
	nameless_begin(c, old->node);
	owed_forget(c, old->id);
}

/* Row ${id} has the ETag of ${old}, which is no row any more. */
static int
take_place(struct cache *c, uint64_t id, const struct row *old)
{
	struct change ch;
	int r = change_begin(c, id, &ch);

	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	if (ch.row.name_state != NAME_CREATING)
		return change_end(&ch, -EAGAIN);
	r = claim_replace(c, old);
	if (r == 0)
		r = text_replace(&ch.row.etag, old->etag);
	r = change_end(&ch, r);
	claim_over(c, old, r);
	return r;
}

int
claim_take(struct cache *c, const char *key, uint64_t id)
{
	AUTO(row_fini) struct row old = { 0 };
	struct entry *e = NULL;
	int r = claim_find(c, key, id, &old, &e);

	if (r > 0) {
		r = take_place(c, id, &old);
		keep_end(e);
		r = r < 0 ? r : 1;
	}
	return r;
}

/* The file that has the name of hidden row ${id} replaces its object. */
static int
take_held(struct cache *c, uint64_t id, struct waiter *w)
{
	AUTO(row_fini) struct row old = { 0 };
	AUTO(row_fini) struct row new = { 0 };
	struct keylock lock = { 0 };
	struct intent it = { 0 };
	struct entry *e = NULL;
	int r = db_owed_get(c->db, id, &it);

	if (r == 0)
		r = db_row_by_id(c->db, id, &old);
	if (r == 0)
		r = db_row_by_name(c->db, old.parent, old.name, &new);
	if (r == 0)
		r = keylock_take(&c->keylocks, it.key, w, &lock);
	if (r == 0)
		r = claim_take(c, it.key, new.id);
	if (r > 0)
		e = entry_find(c, new.node);
	if (e != NULL) {
		lock_take(&e->lock);
		r = text_replace(&e->etag, old.etag);
		lock_drop(&e->lock);
	}
	entry_put(e);
	keylock_drop(&c->keylocks, &lock);
	intent_fini(&it);
	return r == -ENOENT || r == -EAGAIN ? 0 : r;
}

/* ---- files ---- */

int
claim_clear_file(struct entry *e)
{
	AUTO(row_fini) struct row row = { 0 };
	struct cache *c = e->cache;
	AUTO_FREE char *key = NULL;
	int r;

	if (!owed_any(c))
		return 0;
	r = db_row_by_node(c->db, e->node, &row);
	if (r == 0 && row.name_state == NAME_MOVING)
		r = owed_run(c, row.id, NULL);
	if (r > 0)
		r = -EBUSY;
	lock_take(&e->lock);
	key = text_copy(e->key);
	lock_drop(&e->lock);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return key == NULL ? -ENOMEM : claim_clear(c, key, row.id, NULL);
}

int
claim_take_file(struct entry *e, const char *key)
{
	AUTO(row_fini) struct row row = { 0 };
	struct cache *c = e->cache;
	int r;

	if (!owed_any(c))
		return 0;
	r = db_row_by_node(c->db, e->node, &row);
	if (r == 0 && row.name_state == NAME_MOVING)
		return -EAGAIN; /* renamed just now */
	if (r == 0 && row.name_state == NAME_CREATING)
		r = claim_take(c, key, row.id);
	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	row_fini(&row);
	r = db_row_by_node(c->db, e->node, &row);
	if (r < 0)
		return r;
	lock_take(&e->lock);
	r = text_replace(&e->etag, row.etag);
	lock_drop(&e->lock);
	return r;
}

/* ---- directories ---- */

struct held {
	uint64_t *ids; /* owned */
	size_t count;
	int r;
};

static bool
note_held(void *arg, const struct row *row)
{
	struct held *h = arg;
	void *p;

	if (row->name_state != NAME_DELETING)
		return true;
	p = reallocarray(h->ids, h->count + 1, sizeof(*h->ids));
	if (p == NULL) {
		h->r = -ENOMEM;
		return false;
	}
	h->ids = p;
	h->ids[h->count++] = row->id;
	return true;
}

int
claim_settle_dir(struct cache *c, uint64_t id, struct waiter *w)
{
	struct held h = { 0 };
	int r;

	if (!owed_any(c))
		return 0;
	r = owed_run(c, id, w);
	if (r >= 0)
		r = owed_run_below(c, id, w);
	if (r >= 0 && owed_any(c))
		r = db_rows_below(c->db, id, note_held, &h);
	if (r >= 0)
		r = h.r;
	for (size_t i = 0; r >= 0 && i < h.count; i++)
		r = take_held(c, h.ids[i], w);
	free(h.ids);
	return r < 0 ? r : 0;
}

/* ---- names ---- */

/* Whether something of ${row} has to be carried out first. */
static int
is_unsettled(struct cache *c, const struct row *row, bool is_all)
{
	struct intent it = { 0 };
	bool found;
	int r;

	if (!owed_any(c) ||
	    !state_name_is_pending((enum state_name)row->name_state))
		return 0;
	r = db_owed_get(c->db, row->id, &it);
	found = r == 0 && (is_all || it.is_sent);
	intent_fini(&it);
	return r < 0 && r != -ENOENT ? r : found;
}

int
claim_lookup(struct cache *c, const struct row *dir, const char *name,
    bool is_all, struct waiter *w, struct row *ret)
{
	int r = 1;

	for (int i = 0; r > 0 && i < TRIES; i++) {
		r = lookup_name(c, dir->node, name, w, ret);
		if (r < 0)
			return r;
		r = is_unsettled(c, ret, is_all);
		if (r > 0)
			r = owed_run(c, ret->id, w) < 0 ? -EIO : 1;
		if (r != 0)
			row_fini(ret);
	}
	return r > 0 ? -EBUSY : r;
}
