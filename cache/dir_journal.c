/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_journal.c - the rename of a directory, in the database.
 */
#include "cache/dir_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/db_journal.h"
#include "cache/mover.h"
#include "cache/rename.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

#define STATE_COPYING  0
#define STATE_DELETING 1

/* ---- while it goes on ---- */

/* The row of ${k}, new or again. */
static int
note(struct dir_journal *j, struct moved *k)
{
	struct db_journal_key row = { .journal = j->id,
		.key = k->key,
		.etag = k->etag,
		.new_etag = k->new_etag,
		.may_replace = k->may_replace };
	struct db *db = j->rename->cache->db;
	int r = 0;

	if (k->noted == 0)
		r = db_number(db, &k->noted);
	row.id = k->noted;
	if (r == 0)
		r = db_journal_put_key(db, &row);
	k->is_noted = r == 0;
	return r;
}

/* What the row of ${k} says is not so any more. */
static int
on_change(void *arg, struct moved *k)
{
	return note(arg, k);
}

static int
put_head(struct dir_journal *j, int state, uint64_t hidden)
{
	const struct rename *m = j->rename;
	const struct db_journal head = { .id = j->id,
		.key = m->key,
		.new_key = m->new_key,
		.hidden = hidden,
		.state = state };

	return db_journal_put(m->cache->db, &head);
}

/* Within a transaction. */
static int
begin(struct dir_journal *j)
{
	const struct rename *m = j->rename;
	struct row stub = { .parent = m->new_dir.id,
		.name = (char *)(uintptr_t)m->new_name,
		.kind = ROW_DIR };
	int r = db_number(m->cache->db, &j->id);

	if (r == 0 && !m->has_to && j->hidden == 0) {
		r = rename_put_stub(m->cache, &stub);
		j->hidden = stub.id;
	}
	if (r == 0)
		r = put_head(j, STATE_COPYING, j->is_back ? 0 : j->hidden);
	for (size_t i = 0; r == 0 && i < j->mover->count; i++)
		r = note(j, &j->mover->keys[i]);
	return r;
}

int
dir_journal_begin(struct dir_journal *j)
{
	struct db *db = j->rename->cache->db;
	int r = db_begin(db);

	if (r < 0)
		return r;
	r = begin(j);
	if (r == 0)
		r = db_commit(db);
	else
		db_rollback(db);
	if (r < 0) {
		j->id = 0;
		j->hidden = j->is_back ? j->hidden : 0;
		return r;
	}
	/* If not, it is there after a kill, but maybe not when power fails. */
	(void)db_sync(db);
	j->mover->on_change = on_change;
	j->mover->on_change_arg = j;
	return 0;
}

/* What changed and could not be noted then; what went is not to be deleted. */
static int
note_again(struct dir_journal *j, struct moved *k)
{
	struct db *db = j->rename->cache->db;
	uint64_t id = k->noted;

	if (k->state != MOVED_GONE)
		return k->is_noted ? 0 : note(j, k);
	k->noted = 0;
	return id == 0 ? 0 : db_journal_delete(db, id);
}

int
dir_journal_commit(struct dir_journal *j, const struct row *stub)
{
	struct db *db = j->rename->cache->db;
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->mover->count; i++)
		r = note_again(j, &j->mover->keys[i]);
	if (r == 0)
		r = put_head(j, STATE_DELETING, stub->id);
	if (r == 0 && j->hidden != 0)
		r = db_row_delete(db, j->hidden);
	if (r == 0 && j->ends != 0)
		r = db_journal_delete(db, j->ends);
	return r;
}

/* The name is not hidden any more: it may be there. */
static void
tell_shown(struct cache *c, uint64_t hidden)
{
	AUTO(row_fini) struct row row = { 0 };

	if (c->hooks.changed != NULL && db_row_by_id(c->db, hidden, &row) == 0)
		c->hooks.changed(c->hooks.arg, row.parent, row.name, 0);
}

void
dir_journal_end(struct cache *c, uint64_t id, uint64_t hidden, int r)
{
	int err = db_begin(c->db);

	if (err == 0) {
		if (hidden != 0)
			err = rename_end_stub(c, hidden, r);
		if (err == 0)
			err = db_journal_delete(c->db, id);
		if (err == 0)
			err = db_commit(c->db);
		else
			db_rollback(c->db);
	}
	/* Else a loss of power may begin it anew, with what is made under that
	 * name from now on. */
	if (err == 0)
		err = db_sync(c->db);
	if (err == 0 && r < 0)
		tell_shown(c, hidden);
	if (err < 0)
		log_warn("the cache's database fails (%s): what was a folder's "
			 "name stays hidden until the next mount",
		    strerror(-err));
}

/* ---- what was left ---- */

void
dir_saved_fini(struct dir_saved *s)
{
	free(s->key);
	free(s->new_key);
	free(s->from);
	free(s->to);
	*s = (struct dir_saved){ 0 };
}

/* A marker's key, and what the keys below begin with. */
static int
take_key(const char *key, char **ret_key, char **ret_prefix)
{
	size_t len = key == NULL ? 0 : strlen(key);

	if (len == 0 || key[len - 1] != '/')
		return -EBADMSG;
	*ret_key = strdup(key);
	*ret_prefix = strndup(key, len - 1);
	return *ret_key == NULL || *ret_prefix == NULL ? -ENOMEM : 0;
}

struct reading {
	dir_saved_fn *fn;
	void *arg;
	uint64_t id; /* 0: all of them */
	int r;
};

static bool
read_head(void *arg, const struct db_journal *head)
{
	struct reading *all = arg;
	struct dir_saved s = { .id = head->id,
		.hidden = head->hidden,
		.is_committed = head->state == STATE_DELETING };
	bool more = true;

	if (all->id != 0 && all->id != head->id)
		return true;
	all->r = take_key(head->key, &s.key, &s.from);
	if (all->r == 0)
		all->r = take_key(head->new_key, &s.new_key, &s.to);
	if (all->r == 0)
		more = all->fn(all->arg, &s);
	dir_saved_fini(&s);
	return all->r == 0 && more;
}

int
dir_journal_each(struct cache *c, dir_saved_fn *fn, void *arg)
{
	struct reading all = { .fn = fn, .arg = arg };
	int r = db_journal_each(c->db, read_head, &all);

	return r < 0 ? r : all.r;
}

static bool
take_saved(void *arg, struct dir_saved *s)
{
	struct dir_saved *ret = arg;

	*ret = *s;
	*s = (struct dir_saved){ 0 };
	return false;
}

int
dir_journal_get(struct cache *c, uint64_t id, struct dir_saved *ret)
{
	struct reading all = { .fn = take_saved, .arg = ret, .id = id };
	int r;

	*ret = (struct dir_saved){ 0 };
	r = db_journal_each(c->db, read_head, &all);
	if (r == 0)
		r = all.r;
	return r == 0 && ret->id == 0 ? -ENOENT : r;
}

struct loading {
	struct mover *mover;
	int r;
};

static bool
load_one(void *arg, const struct db_journal_key *row)
{
	struct loading *all = arg;
	struct mover *m = all->mover;
	struct moved *k;

	if (strncmp(row->key, m->from, strlen(m->from)) != 0)
		all->r = -EBADMSG;
	else
		all->r = mover_append(m, row->key, row->etag, 0);
	if (all->r < 0)
		return false;
	k = &m->keys[m->count - 1];
	k->may_replace = row->may_replace;
	k->new_etag = text_copy(row->new_etag);
	if (row->new_etag != NULL && k->new_etag == NULL)
		all->r = -ENOMEM;
	return all->r == 0;
}

int
dir_journal_load(struct cache *c, uint64_t id, struct mover *ret)
{
	struct loading all = { .mover = ret };
	int r = db_journal_each_key(c->db, id, load_one, &all);

	if (r == 0)
		r = all.r;
	mover_sort(ret);
	return r;
}
