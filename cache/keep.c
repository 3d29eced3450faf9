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
#include "cache/read.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

/* ---- open versions ---- */

/* Whether the version can be read from S3 when its key has another, or none:
 * "null" is the one that such a change replaces. */
static bool
is_versioned(const struct entry *e)
{
	return e->version_id != NULL && strcmp(e->version_id, "null") != 0;
}

/* Read all of it once: what is missing is fetched. */
static int
fetch_all(struct entry *e, struct waiter *w)
{
	struct read_state state = { 0 };
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

int
keep_open_version(struct cache *c, uint64_t node, struct waiter *w)
{
	struct reader range = { .end = S3_OBJECT_MAX };
	struct entry *e = entry_find(c, node);
	bool is_safe;
	int r = 0;

	if (e == NULL)
		return 0;
	lock_take(&e->lock);
	is_safe = e->is_only_copy || e->is_superseded || is_versioned(e) ||
		  e->lost < 0;
	if (!is_safe)
		list_append(&e->readers, &range.link); /* no eviction */
	lock_drop(&e->lock);
	if (!is_safe) {
		r = fetch_all(e, w);
		lock_take(&e->lock);
		list_remove(&range.link);
		if (r == 0)
			e->is_only_copy = true;
		lock_drop(&e->lock);
	}
	entry_put(e);
	/* It went away before we could: what is local is all there is. */
	return r == -ESTALE ? 0 : r;
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
	r = name_key_of(c, &dir, &key);
	if (r == 0)
		r = keylock_take(&c->keylocks, key, w, &lock);
	if (r < 0)
		return r;
	r = put_marker(c, &dir, key, w);
	keylock_drop(&c->keylocks, &lock);
	return r;
}
