/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.c - what must be done before our own hand takes an object away.
 *
 * States:  name of a directory: MARK and CREATE_OK, in one transaction, when
 *          S3 has the marker: until then nothing depends on it.
 */
#include "cache/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/headers.h"
#include "cache/mime.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/owed.h"
#include "cache/read.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* ---- open versions ---- */

/* Read all of it once: what is missing is fetched. */
static int
fetch_all(struct entry *e, struct waiter *w)
{
	struct read_state state = { .must_stay = true };
	uint64_t off = 0;

	for (;;) {
		struct cache_bytes bytes = { 0 };
		int r = read_bytes(e, &state, off, CACHE_READ_MAX, w, &bytes);

		if (r < 0)
			return r;
		if (bytes.len == 0)
			return 0;
		off += bytes.len;
		cache_bytes_put(e->cache, &bytes);
	}
}

/* It cannot be kept: who has it open goes on with what is here. */
static void
let_go(struct entry *e)
{
	lock_take(&e->lock);
	if (!e->is_let_go)
		log_warn("'%s' is open while it is removed or replaced, and "
			 "does not fit in the cache folder: whoever has it "
			 "open cannot read all of it any more; raise "
			 "cache_size=",
		    e->key);
	e->is_let_go = true;
	lock_drop(&e->lock);
}

/* Whether there would be room for all of it if nothing else were here: what is
 * on its way to S3 takes none soon. */
static bool
may_fit(struct entry *e)
{
	uint64_t size = e->cache->config.size;
	bool may;

	lock_take(&e->lock);
	may = e->size <= size - size / 8;
	lock_drop(&e->lock);
	return may;
}

/* It is open: all of it is to be here.  Returns: 0; 1 there is no room for it:
 * it is let go of; -errno. */
static int
make_whole(struct entry *e, struct waiter *w)
{
	struct reader range = { .end = S3_OBJECT_MAX };
	int r;

	lock_take(&e->lock);
	list_append(&e->readers, &range.link); /* no eviction */
	lock_drop(&e->lock);
	r = fetch_all(e, w);
	lock_take(&e->lock);
	list_remove(&range.link);
	if (r == 0)
		e->is_only_copy = true;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
	if (r == -ENOSPC && !may_fit(e)) {
		let_go(e);
		return 1;
	}
	/* It went away before we could: what is local is all there is. */
	return r == -ESTALE ? 0 : r;
}

/* Whether anything of the version may be here. */
static bool
has_chunk(struct cache *c, uint64_t node)
{
	struct db_chunk chunk = { 0 };
	int r = db_chunk_get(c->db, node, &chunk);

	if (r == 0)
		db_chunk_fini(&chunk);
	return r == 0;
}

static int
find_version(
    struct cache *c, const struct row *row, bool always, struct entry **ret)
{
	int r;

	*ret = NULL;
	if (row->kind != ROW_FILE)
		return 0;
	*ret = entry_find(c, row->node);
	if (*ret != NULL || (!always && !has_chunk(c, row->node)))
		return 0;
	r = entry_get(c, row->node, ret);
	return r == -ESTALE ? 0 : r; /* nobody can open it any more */
}

int
keep_begin(struct cache *c, const struct row *row, bool always,
    struct waiter *w, struct entry **ret)
{
	struct entry *e;
	bool is_safe;
	int r;

	r = find_version(c, row, always, &e);
	if (r < 0 || e == NULL)
		return r;
	lock_take(&e->lock);
	e->is_leaving = true;
	if (entry_is_here(e))
		e->is_only_copy = true;
	is_safe = entry_is_safe(e) || e->is_superseded || e->lost < 0;
	lock_drop(&e->lock);
	/* Who opens it now either is seen here, or sees that it leaves. */
	if (!is_safe && entry_is_open(e))
		r = make_whole(e, w);
	if (r < 0)
		keep_end(e);
	else
		*ret = e;
	return r < 0 ? r : 0;
}

void
keep_end(struct entry *e)
{
	bool holds;

	if (e == NULL)
		return;
	lock_take(&e->lock);
	e->is_leaving = false;
	if (!e->is_unlinked)
		e->is_only_copy = false;
	holds = e->is_unlinked && entry_is_safe(e);
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
	if (holds)
		nameless_hold(e->cache, e);
	else
		entry_put(e);
}

int
keep_open_key(struct cache *c, const char *key, struct waiter *w)
{
	struct entry *e;
	int r = 0;

	while (r >= 0 && (e = entries_find_unlinked(c, key)) != NULL) {
		r = make_whole(e, w);
		lock_take(&e->lock);
		if (r == 0)
			e->is_only_copy = true;
		else if (r > 0)
			e->lost = -ESTALE; /* it is about to be */
		lock_drop(&e->lock);
		if (r == 0)
			nameless_hold(c, e);
		else
			entry_put(e);
	}
	return r < 0 ? r : 0;
}

/* ---- implicit parents ---- */

/* What the marker is to say: the directory as callers see it. */
static int
fill_marker(struct cache *c, struct row *dir)
{
	char token[HEADERS_TOKEN_LEN + 1];
	struct cache_attr attr;

	view_attr(c, dir, &attr);
	dir->mode = attr.mode;
	dir->uid = attr.uid;
	dir->gid = attr.gid;
	dir->atime_ns = attr.atime_ns;
	dir->mtime_ns = attr.mtime_ns;
	dir->ctime_ns = attr.ctime_ns;
	headers_token(token);
	free(dir->token);
	dir->token = strdup(token);
	if (dir->content_type == NULL)
		dir->content_type = strdup(MIME_DIRECTORY);
	return dir->token == NULL || dir->content_type == NULL ? -ENOMEM : 0;
}

/* The marker is there: ours, or (${sent} NULL) another's, whose attributes
 * are not known. */
static int
note_marker(struct cache *c, const struct row *dir, struct row *sent)
{
	struct change ch;
	int r = change_begin(c, dir->id, &ch);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	ch.row.marker = ROW_MARKER_SLASH;
	if (sent == NULL) {
		ch.row.attrs = ROW_ATTRS_NONE;
		return change_end(&ch, 0);
	}
	change_name(&ch, NAME_ON_MARK);
	change_name(&ch, NAME_ON_CREATE_OK);
	name_folded(&ch, dir);
	ch.row.attrs = ROW_ATTRS_KNOWN;
	if (ch.row.mode == 0)
		ch.row.mode = sent->mode;
	if (ch.row.mtime_ns == 0)
		ch.row.mtime_ns = sent->mtime_ns;
	ch.row.modified_ns = 0;
	free(ch.row.token);
	ch.row.token = TAKE(sent->token);
	return change_end(&ch, 0);
}

/* The key is busy. */
static int
put_marker(
    struct cache *c, const struct row *dir, const char *key, struct waiter *w)
{
	AUTO(row_fini) struct row sent = { 0 };
	struct name_made made = { 0 };
	int r;

	r = name_reread(c, dir, key, &sent);
	if (r == 0 && sent.marker != ROW_MARKER_NONE)
		return 0;
	if (r == 0)
		r = fill_marker(c, &sent);
	if (r == 0)
		r = name_put(c, &sent, key, NULL, w, &made);
	if (r == 0)
		r = note_marker(c, dir, &sent);
	else if (r == -EEXIST)
		r = note_marker(c, dir, NULL);
	log_debug("marker key=%s r=%d", key, r);
	name_made_fini(&made);
	return r;
}

/* The marker is owed.  1: it is not to be. */
static int
owe_marker(struct cache *c, const struct row *dir)
{
	struct change ch;
	int r = change_begin(c, dir->id, &ch);

	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	if (!owed_is_later(c, dir->parent)) {
		(void)change_end(&ch, -EAGAIN); /* nothing was changed */
		return 1;
	}
	if (ch.row.name_state != NAME_PRESENT ||
	    ch.row.marker != ROW_MARKER_NONE)
		return change_end(&ch, -ESTALE);
	r = fill_marker(c, &ch.row);
	change_name(&ch, NAME_ON_MARK);
	ch.row.attrs = ROW_ATTRS_KNOWN;
	ch.row.modified_ns = 0;
	if (r == 0)
		r = change_owe(&ch, INTENT_MARK, 0);
	r = change_end(&ch, r);
	if (r == 0)
		owed_add(c, dir, INTENT_MARK);
	return r;
}

/* Of a directory that is owed its marker, or is new: it comes first. */
static int
wait_marker(struct cache *c, const struct row *dir, struct waiter *w)
{
	int r;

	if (owed_is_later(c, dir->parent))
		return 0;
	r = owed_run(c, dir->id, w);
	return r > 0 ? -EBUSY : r;
}

int
keep_parent(struct cache *c, uint64_t id, uint64_t leaving, struct waiter *w)
{
	AUTO(row_fini) struct row dir = { 0 };
	struct keylock lock = { 0 };
	AUTO_FREE char *key = NULL;
	int r;

	if (id == CACHE_ROOT)
		return 0;
	r = db_row_by_id(c->db, id, &dir);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	if (dir.marker != ROW_MARKER_NONE || dir.etag != NULL)
		return 0;
	r = name_count(c, id, leaving);
	if (r != 0)
		return r < 0 ? r : 0;
	if (dir.name_state == NAME_CREATING)
		return wait_marker(c, &dir, w);
	r = owe_marker(c, &dir);
	if (r <= 0)
		return r;
	r = name_key_of(c, &dir, &key);
	if (r == 0)
		r = keylock_take(&c->keylocks, key, w, &lock);
	if (r < 0)
		return r;
	r = put_marker(c, &dir, key, w);
	keylock_drop(&c->keylocks, &lock);
	return r;
}
