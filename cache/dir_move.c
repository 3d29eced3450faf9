/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_move.c - the rows of a directory that is renamed, and who writes below
 * meanwhile.
 */
#include "cache/dir_move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/name.h"
#include "cache/rename.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

int
dir_move_init(struct dir_move *d)
{
	const struct rename *m = d->rename;

	d->from = strndup(m->key, strlen(m->key) - 1);
	d->to = strndup(m->new_key, strlen(m->new_key) - 1);
	mover_init(&d->mover, m->cache, d->from, d->to);
	d->journal.rename = m;
	d->journal.mover = &d->mover;
	keywatch_init(&d->watch, m->key, m->new_key);
	keylock_watch(&m->cache->keylocks, &d->watch);
	return d->from == NULL || d->to == NULL ? -ENOMEM : 0;
}

/* ---- late ones ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
is_late_known(const struct dir_move *d, const char *key)
{
	return d->lock_count > 0 && bsearch(&key, d->late, d->lock_count,
					sizeof(*d->late), by_name) != NULL;
}

/* Takes ${key}. */
static int
add_late(struct dir_move *d, char *key)
{
	if (d->late_count == d->late_size) {
		size_t size = d->late_size == 0 ? 16 : d->late_size * 2;
		void *p = reallocarray(d->late, size, sizeof(*d->late));

		if (p == NULL) {
			free(key);
			return -ENOMEM;
		}
		d->late = p;
		d->late_size = size;
	}
	d->late[d->late_count++] = key;
	return 0;
}

void
dir_move_drop_locks(struct dir_move *d)
{
	for (size_t i = 0; i < d->lock_count; i++)
		keylock_drop(&d->rename->cache->keylocks, &d->locks[i]);
	free(d->locks);
	d->locks = NULL;
	d->lock_count = 0;
}

/* Each key once, in order. */
static void
sort_late(struct dir_move *d)
{
	size_t n = 0;

	if (d->late_count > 1)
		qsort(d->late, d->late_count, sizeof(*d->late), by_name);
	for (size_t i = 0; i < d->late_count; i++) {
		if (n > 0 && strcmp(d->late[n - 1], d->late[i]) == 0)
			free(d->late[i]);
		else
			d->late[n++] = d->late[i];
	}
	d->late_count = n;
}

int
dir_move_settle_late(struct dir_move *d, struct waiter *w)
{
	struct keylocks *locks = &d->rename->cache->keylocks;
	int r = 0;

	dir_move_drop_locks(d);
	sort_late(d);
	d->locks = calloc(d->late_count + 1, sizeof(*d->locks));
	if (d->locks == NULL)
		return -ENOMEM;
	while (r == 0 && d->lock_count < d->late_count) {
		r = keylock_take(
		    locks, d->late[d->lock_count], w, &d->locks[d->lock_count]);
		if (r == 0)
			d->lock_count++;
	}
	return r == 0 ? mover_refresh(&d->mover, d->late, d->late_count, w) : r;
}

/* Those that were busy since: what row they had may have gone. */
static int
add_watched(struct dir_move *d)
{
	char **keys;
	size_t count;
	int r = keylock_watched(
	    &d->rename->cache->keylocks, &d->watch, &keys, &count);

	for (size_t i = 0; i < count; i++) {
		if (r == 0 && !is_late_known(d, keys[i]))
			r = add_late(d, TAKE(keys[i]));
		free(keys[i]);
	}
	free(keys);
	return r;
}

/* Whether something of the row is on its way to S3. */
static bool
is_under_way(const struct row *row)
{
	switch ((enum state_name)row->name_state) {
	case NAME_CREATING:
		if (row->kind != ROW_FILE)
			return true;
		break;
	case NAME_MOVING:
	case NAME_DELETING:
	case NAME_DELETE_SENT:
		return true;
	case NAME_ABSENT:
	case NAME_PRESENT:
	case NAME_GONE:
	case NAME_STATE_COUNT:
		break;
	}
	return state_bytes_is_open((enum state_bytes)row->byte_state) ||
	       row->attr_state == ATTRS_SENDING ||
	       row->attr_state == ATTRS_UNSURE;
}

/* ---- rows below ---- */

struct below {
	struct dir_move *move;
	uint64_t *ids; /* owned: all of them */
	size_t count;
	size_t size;
	int r;
};

static int
add_id(struct below *b, uint64_t id)
{
	if (b->count == b->size) {
		size_t size = b->size == 0 ? 64 : b->size * 2;
		void *p = reallocarray(b->ids, size, sizeof(*b->ids));

		if (p == NULL)
			return -ENOMEM;
		b->ids = p;
		b->size = size;
	}
	b->ids[b->count++] = id;
	return 0;
}

/* Changed in the very millisecond: before the list, if that shows it so. */
static bool
is_as_listed(struct dir_move *d, const struct row *row, const char *key)
{
	const struct moved *k = mover_find(&d->mover, key);

	if (!view_is_visible(row) || row->name_state == NAME_CREATING)
		return k == NULL || k->state == MOVED_GONE;
	if (row->kind == ROW_DIR)
		return k != NULL || row->marker != ROW_MARKER_SLASH;
	return k != NULL && text_same(k->etag, row->etag);
}

static int
check_late(struct dir_move *d, const struct row *row)
{
	AUTO_FREE char *key = NULL;
	bool sure = row->changed_ms > d->since_ms || is_under_way(row);
	int r;

	if (!sure && row->changed_ms < d->since_ms)
		return 0;
	r = name_key_of(d->rename->cache, row, &key);
	if (r < 0 || is_late_known(d, key))
		return r;
	if (!sure && is_as_listed(d, row, key))
		return 0;
	return add_late(d, TAKE(key));
}

static bool
take_below(void *arg, const struct row *row)
{
	struct below *b = arg;

	b->r = add_id(b, row->id);
	if (b->r == 0)
		b->r = check_late(b->move, row);
	return b->r == 0;
}

/* Within the transaction: all ids, and the keys of late ones added. */
static int
read_below(struct dir_move *d, struct below *b)
{
	struct rename *m = d->rename;
	int r;

	r = db_rows_below(m->cache->db, m->from.id, take_below, b);
	return r < 0 ? r : b->r;
}

/* The version that the row has is the copy's now. */
static int
take_etag(struct row *row, struct moved *k)
{
	char *etag = NULL;

	if (k->new_etag != NULL) {
		etag = strdup(k->new_etag);
		if (etag == NULL)
			return -ENOMEM;
	}
	free(row->etag);
	row->etag = etag;
	free(row->version_id);
	row->version_id = NULL;
	k->is_known = true;
	return 0;
}

/* When the copy, or (not known) the next listing, says that it was made: that
 * is no reason to forget what its headers are known to say. */
static void
take_time(struct row *row, const struct moved *k)
{
	bool is_known = row->kind == ROW_DIR || row->etag != NULL;

	if (row->mtime_ns != 0 && is_known)
		row->modified_ns = 0;
	else if (k->modified_ns != 0)
		row->modified_ns = k->modified_ns;
}

/* The object of the row lies elsewhere now: what the copy says of it. */
static int
move_below(struct dir_move *d, uint64_t id, int64_t now_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	struct cache *c = d->rename->cache;
	AUTO_FREE char *key = NULL;
	struct moved *k;
	int r;

	r = db_row_by_id(c->db, id, &row);
	if (r == 0)
		r = name_key_of(c, &row, &key);
	if (r < 0)
		return r;
	k = mover_find(&d->mover, key);
	if (k != NULL && k->state == MOVED_COPIED) {
		/* A row of another version keeps it, and finds that out. */
		if (row.kind != ROW_DIR && row.etag != NULL &&
		    text_same(row.etag, k->etag))
			r = take_etag(&row, k);
		take_time(&row, k);
	}
	row.changed_ms = now_ms; /* a list of before does not mean it */
	return r == 0 ? db_row_put(c->db, &row) : r;
}

static int
try_tell(struct dir_move *d)
{
	struct rename *m = d->rename;
	struct cache *c = m->cache;
	int r = entries_rekey(c, m->key, m->new_key, NULL);

	for (size_t i = 0; r == 0 && i < d->mover.count; i++) {
		const struct moved *k = &d->mover.keys[i];
		AUTO_FREE char *key = NULL;

		if (!k->is_known || text_same(k->etag, k->new_etag))
			continue;
		if (asprintf(&key, "%s%s", d->to, k->key + strlen(d->from)) < 0)
			key = NULL;
		r = key == NULL ? -ENOMEM
				: entries_rekey(c, key, key, k->new_etag);
	}
	return r;
}

void
dir_move_tell(struct dir_move *d)
{
	while (try_tell(d) < 0)
		wait_for_memory();
}

/* ---- the commit ---- */

/* The row of the directory itself. */
static int
take_dir(struct dir_move *d, struct change *ch, struct row *stub)
{
	struct rename *m = d->rename;
	const struct moved *marker = mover_find(&d->mover, m->key);

	change_name(ch, NAME_ON_RENAME);
	change_name(ch, NAME_ON_MOVE_OK);
	if (marker != NULL)
		take_time(&ch->row, marker);
	/* The target's marker is its own, if it had none. */
	if (m->has_to && m->to.marker == ROW_MARKER_SLASH &&
	    ch->row.marker == ROW_MARKER_NONE)
		ch->row.marker = ROW_MARKER_SLASH;
	stub->marker = m->from.marker;
	return rename_move(m, ch, stub);
}

int
dir_move_commit(struct dir_move *d, struct row *stub)
{
	struct rename *m = d->rename;
	struct below below = { .move = d };
	size_t late = d->late_count;
	struct change ch;
	int r;

	r = rename_begin(m, &ch);
	if (r < 0)
		return r;
	if (m->has_to)
		r = name_count(m->cache, m->to.id, 0); /* made meanwhile */
	if (r > 0)
		r = -ENOTEMPTY;
	if (r == 0)
		r = read_below(d, &below);
	if (r == 0)
		r = add_watched(d);
	if (r == 0 && d->late_count > late)
		r = -EAGAIN;
	for (size_t i = 0; r == 0 && i < below.count; i++)
		r = move_below(d, below.ids[i], cache_now_ms(m->cache));
	if (r == 0)
		r = take_dir(d, &ch, stub);
	if (r == 0)
		r = dir_journal_commit(&d->journal, stub);
	d->committed_ms = cache_now_ms(m->cache);
	free(below.ids);
	r = change_end(&ch, r);
	/* Before anything is deleted; if it fails, a loss of power is met by
	 * what dir_finish.h looks for. */
	if (r == 0)
		(void)db_sync(m->cache->db);
	return r;
}

void
dir_move_fini(struct dir_move *d)
{
	keylock_unwatch(&d->rename->cache->keylocks, &d->watch);
	keywatch_fini(&d->watch);
	dir_move_drop_locks(d);
	for (size_t i = 0; i < d->late_count; i++)
		free(d->late[i]);
	free(d->late);
	mover_fini(&d->mover);
	free(d->from);
	free(d->to);
}
