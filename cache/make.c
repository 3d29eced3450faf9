/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make.c - new entries.
 *
 * Role:    a regular file is a row, and nothing is sent before its flush; all
 *          else is a row and one PUT, which the call waits for.
 * States:  name: CREATE, then CREATE_OK, or CREATE_UNDO and the row is gone;
 *          attributes: SET, FOLD, and SEND_OK.
 * S3:      API_PutObject, If-None-Match: *.
 */
#include "cache/make.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/lookup.h"
#include "cache/mime.h"
#include "cache/name.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define MOVES_MAX 8 /* of a directory above, while something is made in it */

static enum row_kind
kind_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return ROW_FILE;
	case S_IFDIR:
		return ROW_DIR;
	case S_IFLNK:
		return ROW_SYMLINK;
	default:
		return ROW_SPECIAL;
	}
}

/* A row, not in the database yet, of what is to be made. */
static int
fill_row(struct cache *c, const char *name, const struct cache_new *what,
    struct row *ret)
{
	enum state_name name_state = NAME_ABSENT;
	enum state_attrs attr_state = ATTRS_CLEAN;
	int64_t now_ns = clock_wall_ns(c->clock);

	state_name_apply(&name_state, NAME_ON_CREATE);
	state_attrs_apply(&attr_state, ATTRS_ON_SET);
	*ret = (struct row){
		.kind = kind_of(what->mode),
		.name_state = (int)name_state,
		.attr_state = (int)attr_state,
		.byte_state = BYTES_CLEAN,
		.attrs = ROW_ATTRS_KNOWN,
		.mode = what->mode,
		.uid = what->uid,
		.gid = what->gid,
		.rdev = what->rdev,
		.atime_ns = now_ns,
		.mtime_ns = now_ns,
		.ctime_ns = now_ns,
		.seen_ms = cache_now_ms(c),
	};
	ret->name = strdup(name);
	return ret->name == NULL ? -ENOMEM : 0;
}

/* What its kind has besides. */
static int
fill_kind(struct cache *c, const struct cache_new *what, struct row *row)
{
	char token[HEADERS_TOKEN_LEN + 1];

	if (row->kind == ROW_DIR) {
		row->marker = ROW_MARKER_SLASH;
		row->listed_ms = cache_now_ms(c); /* it is known: empty */
		row->content_type = strdup(MIME_DIRECTORY);
		if (row->content_type == NULL)
			return -ENOMEM;
	}
	if (row->kind == ROW_SYMLINK) {
		if (what->target == NULL || what->target[0] == '\0')
			return -EINVAL;
		row->target = strdup(what->target);
		if (row->target == NULL)
			return -ENOMEM;
		row->size = strlen(row->target);
	}
	headers_token(token);
	row->token = strdup(token);
	return row->token == NULL ? -ENOMEM : 0;
}

/* Whether ${name} may be made in ${dir}; -EEXIST: ${ret} is the one that is
 * there. */
static int
check_new(struct cache *c, const struct row *dir, const char *name, bool is_dir,
    struct waiter *w, struct row *ret)
{
	AUTO_FREE char *key = NULL;
	int r;

	r = name_key(c, dir, name, is_dir, &key);
	if (r == 0)
		r = lookup_name(c, dir->node, name, w, ret);
	if (r == 0)
		return -EEXIST;
	return r == -ENOENT ? 0 : r;
}

/* The row of that name, which was made meanwhile. */
static int
existing(struct cache *c, uint64_t dir, const char *name, struct row *ret)
{
	int r = db_row_by_name(c->db, dir, name, ret);

	return r < 0 ? r : -EEXIST;
}

int
make_file(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct row *ret)
{
	AUTO(row_fini) struct row dir = { 0 };
	AUTO(row_fini) struct row row = { 0 };
	enum state_bytes bytes = BYTES_CLEAN;
	int r;

	r = name_dir(c, parent, &dir);
	if (r == 0)
		r = check_new(c, &dir, name, false, w, ret);
	if (r < 0)
		return r;
	r = fill_row(c, name, what, &row);
	if (r < 0)
		return r;
	row.parent = dir.id;
	(void)state_bytes_apply(&bytes, BYTES_ON_WRITE); /* not CONFLICT */
	row.byte_state = (int)bytes;
	r = change_insert(c, &row);
	if (r == -EEXIST)
		return existing(c, dir.id, name, ret);
	if (r < 0)
		return r;
	name_touch(c, dir.id);
	*ret = row;
	row = (struct row){ 0 };
	return 0;
}

/* ---- what is sent at once ---- */

/*
 * Mark the key of the new row busy.  A directory above may move until then;
 * not after: a row that is CREATING keeps it waiting for the key.
 */
static int
lock_key(struct cache *c, const struct row *row, struct waiter *w,
    struct keylock *ret, char **ret_key)
{
	for (int i = 0; i < MOVES_MAX; i++) {
		AUTO(row_fini) struct row now = { 0 };
		AUTO_FREE char *key = NULL;
		int r;

		r = name_key_of(c, row, &key);
		if (r == 0)
			r = keylock_take(&c->keylocks, key, w, ret);
		if (r < 0)
			return r;
		r = name_reread(c, row, key, &now);
		if (r == 0) {
			*ret_key = TAKE(key);
			return 0;
		}
		keylock_drop(&c->keylocks, ret);
		if (r != -ESTALE)
			return r;
	}
	return -EBUSY;
}

/* S3 has it. */
static int
made_ok(struct cache *c, struct row *row, const struct name_made *made)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? -EIO : r;
	change_name(&ch, NAME_ON_CREATE_OK);
	name_folded(&ch, row);
	ch.row.seen_ms = made->sent_ms;
	/* The ETag of a directory's row is that of an object without '/'. */
	if (row->kind != ROW_DIR && made->etag != NULL)
		ch.row.etag = strdup(made->etag);
	if (row->kind != ROW_DIR && made->version_id != NULL)
		ch.row.version_id = strdup(made->version_id);
	return change_end(&ch, 0);
}

/* It is not made after all: no row, and no tombstone, which would hide what
 * another made meanwhile. */
static void
undo(struct cache *c, const struct row *row)
{
	int r = name_event(c, row->id, NAME_ON_CREATE_UNDO);

	if (r == 0)
		r = db_row_delete(c->db, row->id);
	if (r < 0 && r != -ENOENT)
		log_warn("'%s' was not made, but its row (%" PRIu64
			 ") could not be removed: the cache's database fails",
		    row->name, row->id);
}

/* Somebody made one there within the ttl: look, so that the caller finds it. */
static void
relook(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };

	if (name_doubt_absent(c, dir->id, name) < 0)
		return; /* it comes with the ttl */
	(void)lookup_name(c, dir->node, name, w, &row); /* likewise */
}

/* ${row} was inserted: send it. */
static int
send(struct cache *c, struct row *row, struct waiter *w)
{
	struct name_made made = { 0 };
	struct keylock lock = { 0 };
	AUTO_FREE char *key = NULL;
	int r;

	r = lock_key(c, row, w, &lock, &key);
	if (r == 0)
		r = name_put(c, row, key, row->target, w, &made);
	if (r == 0)
		r = made_ok(c, row, &made);
	else
		undo(c, row);
	keylock_drop(&c->keylocks, &lock);
	name_made_fini(&made);
	return r;
}

int
cache_make(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct cache_attr *ret)
{
	AUTO(row_fini) struct row dir = { 0 };
	AUTO(row_fini) struct row old = { 0 };
	AUTO(row_fini) struct row row = { 0 };
	bool is_dir = S_ISDIR(what->mode);
	int r;

	r = name_dir(c, parent, &dir);
	if (r == 0)
		r = check_new(c, &dir, name, is_dir, w, &old);
	if (r == 0)
		r = fill_row(c, name, what, &row);
	if (r == 0)
		r = fill_kind(c, what, &row);
	if (r < 0)
		return r;
	row.parent = dir.id;
	r = change_insert(c, &row);
	if (r < 0)
		return r;
	r = send(c, &row, w);
	if (r == -EEXIST)
		relook(c, &dir, name, w);
	if (r < 0)
		return r;
	name_touch(c, dir.id);
	row_fini(&old);
	r = db_row_by_id(c->db, row.id, &old);
	if (r == 0)
		view_attr(c, &old, ret);
	return r == -ENOENT ? -EIO : r;
}
