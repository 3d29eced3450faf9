/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set.c - changes of attributes: METADIRTY, and how they reach S3.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/copy.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/headers.h"
#include "cache/learn.h"
#include "cache/lookup.h"
#include "cache/name.h"
#include "cache/nameless.h"
#include "cache/set.h"
#include "cache/sync.h"
#include "cache/trouble.h"
#include "cache/view.h"
#include "cache/write.h"
#include "cache/writeback.h"
#include "cache/xattr.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

#define SET_TIMES (CACHE_SET_ATIME | CACHE_SET_MTIME | CACHE_SET_CTIME)
#define SET_ROW   (CACHE_SET_MODE | CACHE_SET_UID | CACHE_SET_GID | SET_TIMES)

/* ---- what is sent ---- */

/* Whether the attributes of ${row} are to be sent on their own. */
static bool
is_due(const struct row *row)
{
	return row->attr_state == ATTRS_METADIRTY &&
	       row->byte_state == BYTES_CLEAN &&
	       row->name_state == NAME_PRESENT;
}

/* Whether row ${a} has the attributes still that were sent, ${b}. */
static bool
same_attrs(const struct row *a, const struct row *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->atime_ns == b->atime_ns &&
	       (a->mtime_ns == b->mtime_ns || name_is_touched(a, b)) &&
	       a->meta_len == b->meta_len &&
	       (a->meta_len == 0 || memcmp(a->meta, b->meta, a->meta_len) == 0);
}

/* The row is on its way: ${ret} is what is sent, with a new token.  1: there
 * is nothing to send (any more). */
static int
begin_send(struct cache *c, uint64_t id, const char *key, struct row *ret)
{
	char token[HEADERS_TOKEN_LEN + 1];
	struct change ch;
	int r;

	r = change_begin(c, id, &ch);
	if (r == -ENOENT)
		return 1;
	if (r < 0)
		return r;
	if (!is_due(&ch.row)) {
		(void)change_end(&ch, -EAGAIN); /* nothing was changed */
		return 1;
	}
	if (!change_has_key(&ch, key))
		return change_end(&ch, -EAGAIN);
	change_attrs(&ch, ATTRS_ON_SEND);
	headers_token(token);
	r = row_copy(ret, &ch.row);
	if (r == 0)
		text_set(&ret->token, text_copy(token));
	if (r == 0 && ret->token == NULL)
		r = -ENOMEM;
	return change_end(&ch, r);
}

/* A directory's attributes are its marker's. */
static int
send_marker(struct cache *c, const struct row *row, const char *key,
    struct waiter *w, struct copy_result *ret)
{
	struct headers h = { 0 };
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_PUT_OBJECT);
	r = headers_make(c, row, false, &h);
	if (r == 0) {
		headers_apply(&h, &call);
		call.key = key;
		call.has_crc32c = true;        /* of nothing: 0 */
		(void)s3_run(c->s3, &call, w); /* the result is there */
		r = trouble_errno(&call);
		ret->sent_ms = cache_ms(c, call.result.sent_ms);
		ret->unsure = call.result.unsure;
	}
	s3_call_fini(&call);
	headers_fini(&h);
	return r;
}

/* An object's, by a copy onto itself. */
static int
send_copy(struct cache *c, const struct row *row, const char *key,
    struct waiter *w, struct copy_result *ret)
{
	struct copy what = { .source_key = key,
		.source_etag = row->etag,
		.size = row->size,
		.key = key,
		.if_match = row->etag,
		.replace_meta = true };
	struct headers h = { 0 };
	int r;

	r = headers_make(c, row, false, &h);
	if (r == 0) {
		what.content_type = h.content_type;
		what.meta = h.meta;
		what.meta_count = h.meta_count;
		r = copy_run(c, &what, w, ret);
	}
	headers_fini(&h);
	return r;
}

/* S3 has them. */
static int
note_sent(
    struct change *ch, const struct row *sent, const struct copy_result *result)
{
	int r = text_replace(&ch->row.token, sent->token);

	change_attrs(ch, same_attrs(&ch->row, sent) ? ATTRS_ON_SEND_OK
						    : ATTRS_ON_SEND_STALE);
	ch->row.attrs = ROW_ATTRS_KNOWN;
	ch->row.seen_ms = result->sent_ms;
	if (ch->row.mtime_ns == 0)
		ch->row.mtime_ns = sent->modified_ns; /* as it was sent */
	/* Ours: not seen yet. */
	ch->row.modified_ns = 0;
	if (ch->row.kind == ROW_DIR) {
		ch->row.marker = ROW_MARKER_SLASH;
		return r;
	}
	if (r == 0)
		r = text_replace(&ch->row.etag, result->etag);
	return r == 0 ? text_replace(&ch->row.version_id, result->version_id)
		      : r;
}

/* What became of it, into the row; whether it has to be sent again. */
static int
try_end_send(struct cache *c, const struct row *sent,
    const struct copy_result *result, int err, bool *ret_again)
{
	struct change ch;
	int r = change_begin(c, sent->id, &ch);

	*ret_again = false;
	if (r < 0)
		return r;
	if (err == 0) {
		r = note_sent(&ch, sent, result);
	} else if (err == -ESTALE || err == -ENOENT) {
		change_attrs(&ch, ATTRS_ON_SEND_412);
		change_attrs(&ch, ATTRS_ON_DROP);
		fill_clear(&ch.row);
		ch.row.seen_ms = 0; /* believed no longer */
	} else if (result->unsure) {
		change_attrs(&ch, ATTRS_ON_SEND_LOST);
		change_attrs(&ch, ATTRS_ON_SETTLED_OLD); /* once more */
	} else {
		change_attrs(&ch, ATTRS_ON_SEND_FATAL);
	}
	*ret_again = ch.row.attr_state == ATTRS_METADIRTY;
	return change_end(&ch, r);
}

/* Likewise; true: it has to be sent again.  A row that says SENDING when all
 * is over would never be sent again: for want of memory it is tried until
 * there is some. */
static bool
end_send(struct cache *c, const struct row *sent,
    const struct copy_result *result, int err)
{
	bool again;
	int r;

	if (err == -ESTALE || err == -ENOENT)
		log_warn("'%s' was changed by another: its new mode, owner or "
			 "times are not kept",
		    sent->name);
	while ((r = try_end_send(c, sent, result, err, &again)) == -ENOMEM)
		wait_for_memory();
	return r == 0 && again; /* METADIRTY else: sent again */
}

static int
send_locked_key(struct cache *c, uint64_t id, const char *key, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	struct copy_result result = { 0 };
	bool again;
	int r;

	r = begin_send(c, id, key, &row);
	if (r != 0)
		return r < 0 ? r : 0;
	/* What is set from here on is due anew. */
	writeback_attrs_sent(c, id);
	r = row.kind == ROW_DIR ? send_marker(c, &row, key, w, &result)
				: send_copy(c, &row, key, w, &result);
	if (r == 0 && row.kind != ROW_DIR)
		(void)entries_rekey(c, key, key, result.etag); /* no memory:
							it looks again */
	again = end_send(c, &row, &result, r);
	/* And those that were loaded before the row said so. */
	if (r == 0 && row.kind != ROW_DIR)
		(void)entries_rekey(c, key, key, result.etag); /* likewise */
	if (again && r == 0)
		writeback_attrs(c, id);
	copy_result_fini(&result);
	return r == -ESTALE || r == -ENOENT ? 0 : r;
}

/* The key of row ${id}, if its attributes are due: 0; 1 they are not. */
static int
key_due(struct cache *c, uint64_t id, struct buf *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_id(c->db, id, &row);

	buf_clear(ret);
	if (r == -ENOENT || (r == 0 && !is_due(&row)))
		return 1;
	return r < 0 ? r : view_key(c, &row, ret);
}

int
set_send(struct cache *c, uint64_t id, struct waiter *w)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	struct buf now = BUF_INIT(S3_KEY_MAX);
	int r = key_due(c, id, &key);

	while (r == 0) {
		struct keylock k = { 0 };
		bool same = false;

		r = keylock_take(&c->keylocks, buf_str(&key), w, &k);
		if (r == 0)
			r = key_due(c, id, &now);
		if (r == 0)
			same = strcmp(buf_str(&key), buf_str(&now)) == 0;
		if (same)
			r = send_locked_key(c, id, buf_str(&key), w);
		keylock_drop(&c->keylocks, &k);
		if (same && r != -EAGAIN)
			break;
		if (r == 0 || r == -EAGAIN) /* it was renamed meanwhile */
			r = key_due(c, id, &key);
	}
	buf_fini(&key);
	buf_fini(&now);
	return r < 0 ? r : 0;
}

/* ---- what is set ---- */

/* The root of a bucket has no object that could keep them. */
static bool
is_bucket(const struct cache *c, const struct row *row)
{
	return row->id == CACHE_ROOT && c->config.prefix[0] == '\0';
}

static void
apply(const struct cache *c, struct row *row, uint32_t type,
    const struct cache_set *set)
{
	if ((set->what & CACHE_SET_MODE) != 0)
		row->mode = type | (set->mode & 07777);
	if ((set->what & CACHE_SET_UID) != 0)
		row->uid = set->uid;
	if ((set->what & CACHE_SET_GID) != 0)
		row->gid = set->gid;
	if ((set->what & CACHE_SET_ATIME) != 0)
		row->atime_ns = set->atime_ns;
	if ((set->what & CACHE_SET_MTIME) != 0)
		row->mtime_ns = set->mtime_ns;
	row->ctime_ns = (set->what & CACHE_SET_CTIME) != 0
			    ? set->ctime_ns
			    : clock_wall_ns(c->clock);
}

/* Change the row of ${node} by ${fn}(arg, row), and have that sent; of one
 * without a name only who has it open sees it. */
static int
change_node(struct cache *c, uint64_t node, nameless_fn *fn, void *arg)
{
	struct change ch;
	uint64_t id;
	bool send;
	int r;

	r = change_begin_node(c, node, &ch);
	if (r == -ENOENT) {
		r = nameless_change(c, node, fn, arg);
		return r == -ENOENT ? -ESTALE : r;
	}
	if (r < 0)
		return r;
	id = ch.row.id;
	send = !is_bucket(c, &ch.row);
	r = fn(arg, &ch.row);
	if (r == 0 && send)
		change_attrs(&ch, ATTRS_ON_SET);
	r = change_end(&ch, r);
	if (r == 0 && send)
		writeback_attrs(c, id);
	return r;
}

/* What is set in a row. */
struct setting {
	struct cache *cache;
	const struct cache_set *set;
	const struct xattr_set *xattr;
};

static int
apply_set(void *arg, struct row *row)
{
	const struct setting *s = arg;

	apply(s->cache, row, view_type(row), s->set);
	return 0;
}

/* An open file's own times give way to those that were set. */
static void
set_entry(struct cache *c, uint64_t node, const struct cache_set *set)
{
	struct entry *e = entry_find(c, node);

	if (e == NULL)
		return;
	lock_take(&e->lock);
	if ((set->what & CACHE_SET_MTIME) != 0)
		e->mtime_ns = 0;
	lock_drop(&e->lock);
	entry_put(e);
}

/* truncate(2), without an open file: nobody will close it. */
static int
set_size(struct cache *c, uint64_t node, uint64_t size, bool is_open,
    struct waiter *w)
{
	struct entry *e;
	int r;

	if (is_open) {
		e = entry_find(c, node);
		if (e == NULL)
			return -ESTALE;
		r = write_truncate(e, size, w);
	} else {
		r = entry_get(c, node, &e);
		if (r < 0)
			return r;
		r = write_truncate(e, size, w);
		if (r == 0)
			r = sync_close(e, w);
	}
	entry_put(e);
	return r;
}

int
cache_setattr(struct cache *c, uint64_t node, struct cache_file *file,
    const struct cache_set *set, struct waiter *w, struct cache_attr *ret)
{
	struct setting what = { .cache = c, .set = set };
	AUTO(row_fini) struct row row = { 0 };
	int r;

	if (c->config.read_only)
		return -EROFS;
	r = lookup_node(c, node, true, w, &row);
	if (r == 0)
		r = learn_row(c, &row, w);
	if (r == 0 && (set->what & CACHE_SET_SIZE) != 0)
		r = set_size(c, node, set->size, file != NULL, w);
	if (r == 0 && (set->what & SET_ROW) != 0) {
		set_entry(c, node, set);
		r = change_node(c, node, apply_set, &what);
	}
	return r < 0 ? r : cache_getattr(c, node, file, w, ret);
}

/* ---- extended attributes ---- */

static int
check_name(const char *name)
{
	if (strncmp(name, "user.s3.", 8) == 0)
		return -EPERM; /* pailfs's own, read-only */
	return strncmp(name, "user.", 5) == 0 && name[5] != '\0' ? 0
								 : -EOPNOTSUPP;
}

static int
apply_xattr(void *arg, struct row *row)
{
	const struct setting *s = arg;
	int r = xattr_change(row, s->xattr);

	if (r == 0)
		row->ctime_ns = clock_wall_ns(s->cache->clock);
	return r;
}

static int
set_xattr(
    struct cache *c, uint64_t node, const struct xattr_set *x, struct waiter *w)
{
	struct setting what = { .cache = c, .xattr = x };
	AUTO(row_fini) struct row row = { 0 };
	int r;

	if (c->config.read_only)
		return -EROFS;
	r = check_name(x->name);
	if (r == 0)
		r = lookup_node(c, node, true, w, &row);
	if (r == 0)
		r = learn_row(c, &row, w);
	return r == 0 ? change_node(c, node, apply_xattr, &what) : r;
}

int
cache_setxattr(struct cache *c, uint64_t node, const struct cache_xattr *what,
    struct waiter *w)
{
	struct xattr_set x = { .name = what->name,
		.value = what->value != NULL ? what->value : "",
		.len = what->len,
		.flags = what->flags };

	return set_xattr(c, node, &x, w);
}

int
cache_removexattr(
    struct cache *c, uint64_t node, const char *name, struct waiter *w)
{
	struct xattr_set x = { .name = name };

	return set_xattr(c, node, &x, w);
}
