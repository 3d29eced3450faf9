/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_dir.c - rename of a directory, with all below it.
 *
 * Role:    1. list all keys below, flat; find those that would be too long;
 *          2. copy them (mover.h);
 *          3. in one transaction move the row, and with it all below (they
 *             follow by parent id); a stub keeps the old name;
 *          4. delete the old keys.
 *          What fails before 3 is undone.
 *
 * Who writes below meanwhile.  Marked busy are the keys of both markers; the
 * keys below are as many as there are objects.  Instead: who sends anything
 * says so in the row (CREATING, DELETING, UPLOADING, SENDING) in a transaction
 * in which the row has the key that is busy for it.  So in the transaction of
 * step 3 each row below was either left alone since step 1, and its object was
 * copied; or it was changed since, or something of it is under way: a *late*
 * one.  Then nothing is moved yet: the keys of all late ones are marked busy,
 * in order, which waits for what is under way; they are copied as they are now
 * (or their copies removed), and step 3 is tried again.  Who comes after step 3
 * finds another key than it has marked busy, and begins anew.
 *
 * Nobody who has a key below waits for one of a marker: no deadlock.
 */
#include "cache/rename.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/keep.h"
#include "cache/mover.h"
#include "cache/name.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

#define ROUNDS_MAX 16
#define FOLDER     "_$folder$"

struct dir_move {
	struct rename *rename;
	struct mover mover;
	char *from;       /* owned: m->key without its '/' */
	char *to;         /* owned */
	int64_t since_ms; /* cache clock: from here on, changes are late */
	char **late;      /* owned, by name: keys */
	size_t late_count;
	size_t late_size;
	struct keylock *locks; /* owned: of the first lock_count of late */
	size_t lock_count;
	bool has_unsent; /* entries below that S3 need not have */
};

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

static void
drop_locks(struct dir_move *d)
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

/* Mark all of them busy, and copy what they are now. */
static int
settle_late(struct dir_move *d, struct waiter *w)
{
	struct keylocks *locks = &d->rename->cache->keylocks;
	int r = 0;

	drop_locks(d);
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
	for (size_t i = 0; r == 0 && i < d->late_count; i++)
		r = mover_refresh(&d->mover, d->late[i], w);
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
		if (k->modified_ns != 0)
			row.modified_ns = k->modified_ns;
	}
	row.changed_ms = now_ms; /* a list of before does not mean it */
	return r == 0 ? db_row_put(c->db, &row) : r;
}

/* What is open below reads and sends there from now on.  A copy of what was
 * uploaded by parts has another ETag. */
static void
tell_entries(struct dir_move *d)
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
	if (r < 0)
		log_error("out of memory: what is open below '%s' is lost",
		    m->new_key);
}

/* ---- what is longer than S3 allows ---- */

static bool
check_length(void *arg, const struct row *row)
{
	struct below *b = arg;
	struct dir_move *d = b->move;
	AUTO_FREE char *key = NULL;

	if (!view_is_visible(row))
		return true;
	if (row->name_state == NAME_CREATING)
		d->has_unsent = true;
	b->r = name_key_of(d->rename->cache, row, &key);
	if (b->r == 0 &&
	    strlen(key) - strlen(d->from) + strlen(d->to) > S3_KEY_MAX)
		b->r = -ENAMETOOLONG;
	return b->r == 0;
}

/* Of rows that S3 does not have yet, too. */
static int
check_lengths(struct dir_move *d)
{
	struct below b = { .move = d };
	struct rename *m = d->rename;
	int r = db_rows_below(m->cache->db, m->from.id, check_length, &b);

	return r < 0 ? r : b.r;
}

/* ---- the keys ---- */

/* What makes it a directory and is not below it: an object of its name, or
 * Hadoop's marker. */
static int
add_beside(struct dir_move *d)
{
	const struct row *row = &d->rename->from;
	char folder[S3_KEY_MAX + sizeof(FOLDER)];
	int r = 0;

	if (row->etag != NULL)
		r = mover_add(&d->mover, d->from, row->etag, row->size);
	if (r == 0 && row->marker == ROW_MARKER_FOLDER) {
		(void)snprintf(folder, sizeof(folder), "%s" FOLDER, d->from);
		r = mover_add(&d->mover, folder, NULL, 0);
	}
	return r;
}

/* Markers that the target has, too, are written over. */
static void
allow_replace(struct dir_move *d)
{
	const struct row *to = &d->rename->to;
	size_t len = strlen(d->from);

	for (size_t i = 0; d->rename->has_to && i < d->mover.count; i++) {
		struct moved *k = &d->mover.keys[i];
		const char *rest = k->key + len;

		k->may_replace = (strcmp(rest, "/") == 0 &&
				     to->marker == ROW_MARKER_SLASH) ||
				 (strcmp(rest, FOLDER) == 0 &&
				     to->marker == ROW_MARKER_FOLDER) ||
				 (rest[0] == '\0' && to->etag != NULL);
	}
}

/* Those of the target that were not written over.  What is left of them shows
 * when the directory is removed: no harm now. */
static void
delete_beside(struct dir_move *d)
{
	struct rename *m = d->rename;
	char folder[S3_KEY_MAX + sizeof(FOLDER)];

	if (!m->has_to)
		return;
	if (m->to.etag != NULL && m->from.etag == NULL)
		(void)name_delete(m->cache, d->to, m->to.etag, NULL);
	if (m->to.marker != ROW_MARKER_FOLDER ||
	    m->from.marker == ROW_MARKER_FOLDER)
		return;
	(void)snprintf(folder, sizeof(folder), "%s" FOLDER, d->to);
	(void)name_delete_marker(m->cache, folder, NULL); /* as above */
}

/* All that is to be copied. */
static int
list(struct dir_move *d, struct waiter *w)
{
	struct rename *m = d->rename;
	int r;

	d->since_ms = cache_now_ms(m->cache);
	r = mover_list(&d->mover, m->key, w);
	if (r == 0)
		r = add_beside(d);
	if (r == 0)
		r = check_lengths(d);
	if (r < 0)
		return r;
	allow_replace(d);
	/* Nothing there, and nothing ours: it is gone. */
	if (d->mover.count > 0 || d->has_unsent)
		return 0;
	r = name_doubt(m->cache, m->from.id);
	return r < 0 ? r : -ESTALE;
}

/* ---- the move ---- */

/* The row of the directory itself. */
static int
take_dir(struct dir_move *d, struct change *ch, struct row *stub)
{
	struct rename *m = d->rename;
	const struct moved *marker = mover_find(&d->mover, m->key);

	change_name(ch, NAME_ON_RENAME);
	change_name(ch, NAME_ON_MOVE_OK);
	if (marker != NULL && marker->modified_ns != 0)
		ch->row.modified_ns = marker->modified_ns;
	/* The target's marker is its own, if it had none. */
	if (m->has_to && m->to.marker == ROW_MARKER_SLASH &&
	    ch->row.marker == ROW_MARKER_NONE)
		ch->row.marker = ROW_MARKER_SLASH;
	stub->marker = m->from.marker;
	return rename_move(m, ch, stub);
}

/* Step 3.  -EAGAIN: there are late ones. */
static int
commit(struct dir_move *d, struct row *stub)
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
	if (r == 0 && d->late_count > late)
		r = -EAGAIN;
	for (size_t i = 0; r == 0 && i < below.count; i++)
		r = move_below(d, below.ids[i], cache_now_ms(m->cache));
	if (r == 0)
		r = take_dir(d, &ch, stub);
	free(below.ids);
	return change_end(&ch, r);
}

/* Steps 2 and 3. */
static int
copy_and_commit(struct dir_move *d, struct row *stub, struct waiter *w)
{
	int r = mover_copy(&d->mover, w);

	for (int i = 0; r == 0 && i < ROUNDS_MAX; i++) {
		r = commit(d, stub);
		if (r != -EAGAIN)
			return r;
		r = settle_late(d, w);
	}
	return r < 0 ? r : -EBUSY;
}

static void
undo(struct dir_move *d)
{
	struct rename *m = d->rename;

	if (mover_undo(&d->mover) < 0)
		log_warn("'%s' was not renamed, but copies may be left below "
			 "'%s': remove them",
		    m->key, m->new_key);
}

/* Both markers' keys are busy, and the rows are what they were. */
static int
move_dir(struct dir_move *d, struct waiter *w)
{
	struct rename *m = d->rename;
	struct row stub = { 0 };
	int r = list(d, w);

	if (r < 0)
		return r;
	r = copy_and_commit(d, &stub, w);
	if (r < 0) {
		undo(d);
		return r;
	}
	tell_entries(d);
	drop_locks(d);
	delete_beside(d);
	rename_end(m, &stub, mover_delete(&d->mover));
	return 0;
}

static void
dir_move_fini(struct dir_move *d)
{
	drop_locks(d);
	for (size_t i = 0; i < d->late_count; i++)
		free(d->late[i]);
	free(d->late);
	mover_fini(&d->mover);
	free(d->from);
	free(d->to);
}

int
rename_dir(struct rename *m, struct waiter *w)
{
	struct keylocks *locks = &m->cache->keylocks;
	struct keylock lock = { 0 }, new_lock = { 0 };
	struct dir_move d = { .rename = m };
	int r = 0;

	d.from = strndup(m->key, strlen(m->key) - 1);
	d.to = strndup(m->new_key, strlen(m->new_key) - 1);
	if (d.from == NULL || d.to == NULL)
		r = -ENOMEM;
	else
		mover_init(&d.mover, m->cache, d.from, d.to);
	if (r == 0 && m->dir.id != m->new_dir.id)
		r = keep_parent(m->cache, m->dir.id, m->from.id, w);
	if (r == 0)
		r = keylock_take_two(
		    locks, m->key, m->new_key, w, &lock, &new_lock);
	if (r == 0) {
		r = rename_reread(m);
		if (r == 0)
			r = move_dir(&d, w);
		keylock_drop(locks, &lock);
		keylock_drop(locks, &new_lock);
	}
	d.mover.cache = m->cache;
	dir_move_fini(&d);
	return r;
}
