/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make.c - new entries.
 *
 * Role:    a regular file is a row, and nothing is sent before its flush; all
 *          else is a row and one PUT, which the call waits for, or which is
 *          owed (owed.h).
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
#include "cache/claim.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/lookup.h"
#include "cache/mime.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "cache/view.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

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
	if (r == -ENOENT)
		r = claim_clear_kind(c, dir, name, is_dir, w);
	return r > 0 ? 0 : r;
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
			r = claim_clear(c, key, row->id, w);
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
	bool is_due;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? -EIO : r;
	change_name(&ch, NAME_ON_CREATE_OK);
	name_folded(&ch, row);
	ch.row.seen_ms = made->sent_ms;
	/* The ETag of a directory's row is that of an object without '/'. */
	if (row->kind != ROW_DIR)
		r = text_replace(&ch.row.etag, made->etag);
	else
		ch.row.marker = ROW_MARKER_SLASH;
	if (r == 0 && row->kind != ROW_DIR)
		r = text_replace(&ch.row.version_id, made->version_id);
	if (r == 0)
		r = db_owed_remove(c->db, row->id);
	is_due = ch.row.attr_state == ATTRS_METADIRTY;
	r = change_end(&ch, r);
	if (r == 0 && is_due)
		writeback_attrs(c, row->id);
	return r;
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

/* It takes the place of what is there. */
static int
reread_etag(struct cache *c, struct row *row)
{
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_id(c->db, row->id, &now);

	return r == 0 ? text_replace(&row->etag, now.etag) : r;
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
		r = claim_take(c, key, row->id);
	if (r > 0)
		r = reread_etag(c, row);
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

/* ---- what is sent later ---- */

/* Whether what was intended is what ${row} still is. */
static bool
is_intended(struct cache *c, const struct row *row, const struct intent *it)
{
	AUTO_FREE char *key = NULL;

	return row->name_state == NAME_CREATING &&
	       (it->kind == INTENT_PUT || it->kind == INTENT_MARK) &&
	       name_key_of(c, row, &key) == 0 && strcmp(key, it->key) == 0;
}

/* The directory is there without our marker: it has another's, whose attributes
 * are not known, or none. */
static int
adopt(struct cache *c, uint64_t id, enum row_marker marker)
{
	struct change ch;
	int r = change_begin(c, id, &ch);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	change_name(&ch, NAME_ON_CREATE_OK);
	if (ch.row.attr_state == ATTRS_METADIRTY)
		change_attrs(&ch, ATTRS_ON_DROP);
	ch.row.marker = marker;
	ch.row.attrs = ROW_ATTRS_NONE;
	return change_end(&ch, db_owed_remove(c->db, id));
}

/* Another made something of that name meanwhile: this is kept beside it. */
static int
step_aside(struct cache *c, const struct row *row)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	change_name(&ch, NAME_ON_REKEY);
	r = name_take_aside(&ch);
	if (r == 0)
		r = text_replace(&ch.row.etag, NULL);
	if (r == 0)
		r = change_owe(&ch, INTENT_PUT, 0);
	if (r == 0)
		log_warn("'%s' was made by another meanwhile: what was made "
			 "here is kept as '%s'",
		    row->name, ch.row.name);
	r = change_end(&ch, r);
	if (r == 0)
		r = name_doubt_absent(c, row->parent, row->name);
	if (r < 0)
		return r;
	stats_add(&c->stats, STAT_CONFLICTS, 1);
	if (c->hooks.changed != NULL)
		c->hooks.changed(c->hooks.arg, row->parent, row->name, 0);
	return OWED_LATER;
}

/* What ${row} was to replace is not there any more: nothing is replaced. */
static int
replace_nothing(struct cache *c, const struct row *row)
{
	struct change ch;
	int r = change_begin(c, row->id, &ch);

	if (r < 0)
		return r == -ENOENT ? OWED_LATER : r;
	r = change_end(&ch, text_replace(&ch.row.etag, NULL));
	return r < 0 ? r : OWED_LATER;
}

static bool
is_refusal(int err)
{
	return err == -EACCES || err == -EPERM || err == -EROFS ||
	       err == -EINVAL;
}

/* It was not made, for ${r}. */
static int
not_made(struct cache *c, const struct row *row, struct intent *it, int r)
{
	if (r == -EEXIST)
		return row->kind == ROW_DIR
			   ? adopt(c, row->id, ROW_MARKER_SLASH)
			   : step_aside(c, row);
	if (r == -ENOENT && row->etag != NULL)
		return replace_nothing(c, row);
	if (it->kind == INTENT_MARK && is_refusal(r)) {
		log_warn("'%s' may lose its directory in S3 with its last "
			 "entry: its marker is refused (%s)",
		    it->key, strerror(-r));
		return adopt(c, row->id, ROW_MARKER_NONE);
	}
	log_error("'%s' is not in S3 (%s): kept, and tried again", it->key,
	    strerror(-r));
	return r;
}

/* The key is busy. */
static int
put_owed(struct cache *c, struct intent *it)
{
	AUTO(row_fini) struct row row = { 0 };
	struct name_made made = { .was_sent = it->is_sent };
	int r, err;

	r = claim_take(c, it->key, it->id);
	if (r >= 0)
		r = db_row_by_id(c->db, it->id, &row);
	if (r < 0)
		return r == -ENOENT || r == -EAGAIN ? OWED_LATER : r;
	if (!is_intended(c, &row, it))
		return OWED_LATER;
	r = db_owed_sent(c->db, it->id, true);
	if (r < 0)
		return r;
	r = name_put(c, &row, it->key, row.target, NULL, &made);
	if (r < 0 && !made.is_unsure) {
		err = db_owed_sent(c->db, it->id, false);
		r = err < 0 ? err : r;
	}
	r = r == 0 ? made_ok(c, &row, &made) : not_made(c, &row, it, r);
	name_made_fini(&made);
	return r;
}

int
make_owed(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	struct keylock lock = { 0 };
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
			r = keylock_take(&c->keylocks, it.key, NULL, &lock);
		if (r == 0)
			r = put_owed(c, &it);
		keylock_drop(&c->keylocks, &lock);
	}
	intent_fini(&it);
	return r;
}

/* ---- the façade ---- */

int
cache_make(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct cache_attr *ret)
{
	AUTO(row_fini) struct row dir = { 0 };
	AUTO(row_fini) struct row old = { 0 };
	AUTO(row_fini) struct row row = { 0 };
	bool is_dir = S_ISDIR(what->mode), is_owed = false;
	int r = name_check_new(c, name);

	if (r == 0)
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
	r = change_insert_owed(c, &row, INTENT_PUT, &is_owed);
	if (r < 0)
		return r;
	if (is_owed)
		owed_add(c, &row, INTENT_PUT);
	else
		r = send(c, &row, w);
	if (r == -EEXIST)
		relook(c, &dir, name, w);
	if (r < 0)
		return r;
	if (!is_owed)
		name_touch(c, dir.id);
	row_fini(&old);
	r = db_row_by_id(c->db, row.id, &old);
	if (r == 0)
		view_attr(c, &old, ret);
	return r == -ENOENT ? -EIO : r;
}
