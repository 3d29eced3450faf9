/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - what lies in headers and small bodies: symlinks and xattrs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/lookup.h"
#include "cache/state.h"
#include "cache/trouble.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"

/* A target is shorter than this (PATH_MAX, and VIEW_SMALL). */
#define TARGET_MAX VIEW_SMALL

static int
to_buf(void *arg, uint64_t off, const void *data, size_t len)
{
	(void)off; /* in order from 0 */
	return buf_add(arg, data, len);
}

/* The target is the body of the object (s3fs, AWS). */
static int
fetch_target(
    struct cache *c, const struct row *row, struct waiter *w, struct buf *ret)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_GET_OBJECT);
	r = view_key(c, row, &key);
	if (r == 0) {
		call.key = buf_str(&key);
		call.if_match = row->etag;
		call.sink = to_buf;
		call.arg = ret;
		if (row->size > 0)
			(void)s3_run(c->s3, &call, w); /* as below */
		r = trouble_errno(&call);
	}
	s3_call_fini(&call);
	buf_fini(&key);
	/* s3fs trims what it reads; so do others what they wrote. */
	while (ret->len > 0 && (ret->data[ret->len - 1] == '\n' ||
				   ret->data[ret->len - 1] == ' '))
		ret->data[--ret->len] = '\0';
	return r;
}

/* Keep it: the row is the same version still, or the write is not needed. */
static void
keep_target(struct cache *c, const struct row *row, const char *target)
{
	AUTO(row_fini) struct row now = { 0 };

	if (db_begin(c->db) < 0)
		return;
	if (db_row_by_id(c->db, row->id, &now) == 0 && now.node == row->node &&
	    now.target == NULL && now.kind == ROW_SYMLINK) {
		now.target = strdup(target);
		(void)db_row_put(c->db, &now); /* fetched again else */
	}
	(void)db_commit(c->db);
}

int
cache_readlink(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct buf target = BUF_INIT(TARGET_MAX);
	int r;

	r = lookup_node(c, node, true, w, &row);
	if (r < 0)
		return r;
	if (row.kind != ROW_SYMLINK)
		return -EINVAL;
	if (row.target != NULL)
		return buf_add_str(ret, row.target);
	r = fetch_target(c, &row, w, &target);
	if (r == 0)
		r = buf_add_str(ret, buf_str(&target));
	if (r == 0)
		keep_target(c, &row, buf_str(&target));
	buf_fini(&target);
	return r;
}

/* Whether it has bytes that S3 does not have, and that were found wrong. */
static bool
is_damaged(struct cache *c, uint64_t node)
{
	struct entry *e = entry_find(c, node);
	bool damaged = false;

	if (e == NULL)
		return false;
	lock_take(&e->lock);
	damaged = e->is_damaged;
	lock_drop(&e->lock);
	entry_put(e);
	return damaged;
}

/* What pailfs itself tells of an object; -ENODATA where it has none. */
static int
own_value(
    struct cache *c, const struct row *row, const char *name, struct buf *ret)
{
	const char *value = NULL;

	if (strcmp(name, "user.s3.key") == 0)
		return row->id == CACHE_ROOT && c->config.prefix[0] == '\0'
			   ? -ENODATA
			   : view_key(c, row, ret);
	if (strcmp(name, "user.s3.etag") == 0)
		value = row->etag;
	else if (strcmp(name, "user.s3.version-id") == 0)
		value = row->version_id;
	else if (strcmp(name, "user.s3.state") == 0)
		value =
		    is_damaged(c, row->node)
			? "damaged"
			: state_bytes_name((enum state_bytes)row->byte_state);
	else if (strcmp(name, "user.s3.storage-class") == 0 &&
		 row->kind != ROW_DIR)
		value = row->storage_class != NULL ? row->storage_class
						   : "STANDARD";
	return value == NULL ? -ENODATA : buf_add_str(ret, value);
}

static int
stored_attrs(const struct row *row, struct attrs *ret)
{
	attrs_init(ret);
	if (row->meta == NULL)
		return 0;
	return attrs_unpack(row->meta, row->meta_len, ret);
}

int
cache_getxattr(struct cache *c, uint64_t node, const char *name,
    struct waiter *w, struct buf *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	const struct attrs_xattr *found;
	bool own = strncmp(name, "user.s3.", 8) == 0;
	struct attrs a;
	int r;

	/* Asked before every exec and write: those are never stored. */
	if (strncmp(name, "security.", 9) == 0)
		return -ENODATA;
	r = lookup_node(c, node, true, w, &row);
	if (r < 0)
		return r;
	if (own)
		return own_value(c, &row, name, ret);
	r = stored_attrs(&row, &a);
	if (r == 0) {
		found = attrs_xattr_find(&a, name);
		r = found == NULL ? -ENODATA
				  : buf_add(ret, found->value, found->len);
	}
	attrs_fini(&a);
	return r;
}

/* Not our own: who copies a file would carry them along, and rsync -X remove
 * what the other side has not. */
int
cache_listxattr(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct attrs a;
	int r;

	r = lookup_node(c, node, true, w, &row);
	if (r < 0)
		return r;
	r = stored_attrs(&row, &a);
	for (size_t i = 0; r == 0 && i < a.xattr_count; i++)
		r = buf_add(
		    ret, a.xattrs[i].name, strlen(a.xattrs[i].name) + 1);
	attrs_fini(&a);
	return r;
}
