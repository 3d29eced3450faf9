/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - what an answer of S3 says, into a row.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/fill.h"
#include "cache/view.h"
#include "s3/base/text.h"
#include "s3/s3.h"

/* S3 shows whole seconds: within two, a change may hide (DESIGN 4). */
#define SAME_TIME_NS INT64_C(2000000000)

/* Forget what headers said. */
void
fill_clear(struct row *row)
{
	row->attrs = ROW_ATTRS_NONE;
	row->mode = 0;
	row->uid = UINT32_MAX;
	row->gid = UINT32_MAX;
	row->rdev = 0;
	row->atime_ns = 0;
	row->mtime_ns = 0;
	row->ctime_ns = 0;
	free(row->content_type);
	free(row->token);
	free(row->target);
	free(row->meta);
	row->content_type = NULL;
	row->token = NULL;
	row->target = NULL;
	row->meta = NULL;
	row->meta_len = 0;
}

/* The kind that size and type of the metadata make of an object. */
static enum row_kind
kind_of_mode(const struct attrs *a, const struct s3_object *head)
{
	if (a->is_directory && head->size == 0)
		return ROW_DIR;
	if (a->symlink != NULL)
		return ROW_SYMLINK;
	if (head->size > VIEW_SMALL || !a->has_mode)
		return ROW_FILE;
	switch (a->mode & S_IFMT) {
	case S_IFLNK:
		return ROW_SYMLINK;
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return ROW_SPECIAL;
	default:
		return ROW_FILE;
	}
}

/* Of an object that had ${known_ns} for its ctime, 0: that is not known. */
static void
set_times(struct row *row, const struct attrs *a, int64_t known_ns)
{
	row->atime_ns = a->has_atime ? a->atime_ns : 0;
	row->mtime_ns = a->has_mtime ? a->mtime_ns : 0;
	row->ctime_ns = a->has_ctime ? a->ctime_ns : 0;
	/* A rename of ours, which copies the metadata as they are. */
	if (row->ctime_ns < known_ns)
		row->ctime_ns = known_ns;
}

/* Note ${a}, read from ${head}. */
static int
set_attrs(struct row *row, const struct attrs *a, const struct s3_object *head)
{
	struct buf meta = BUF_INIT(64 << 10);
	int64_t ctime_ns = row->token != NULL && text_same(row->token, a->token)
			       ? row->ctime_ns
			       : 0;
	int r = 0;

	fill_clear(row);
	row->mode = a->has_mode ? a->mode : 0;
	row->uid = a->has_uid ? a->uid : UINT32_MAX;
	row->gid = a->has_gid ? a->gid : UINT32_MAX;
	row->rdev = a->has_rdev ? a->rdev : 0;
	set_times(row, a, ctime_ns);
	r = text_replace(&row->content_type, head->content_type);
	if (r == 0)
		r = text_replace(&row->token, a->token);
	if (r == 0)
		r = text_replace(&row->target, a->symlink);
	if (r == 0 && (a->xattr_count > 0 || a->other_count > 0)) {
		r = attrs_pack(a, &meta);
		row->meta_len = meta.len;
		if (r == 0) {
			char *data = NULL;
			r = buf_take(&meta, &data);
			row->meta = data;
		}
	}
	buf_fini(&meta);
	return r;
}

int
fill_metadata(struct row *row, const struct s3_object *head)
{
	struct attrs a;
	int r;

	attrs_init(&a);
	r = attrs_read(head->meta, head->meta_count, head->content_type, &a);
	if (r == 0)
		r = set_attrs(row, &a, head);
	if (r == 0 && row->kind != ROW_DIR)
		row->kind = kind_of_mode(&a, head);
	attrs_fini(&a);
	return r == 0 ? text_replace(&row->version_id, head->version_id) : r;
}

/* Headers of an object, or of a directory's marker. */
int
fill_headers(struct cache *c, struct row *row, const struct s3_object *head,
    int64_t sent_wall_ns)
{
	int r;

	if (c->config.attrs == CACHE_ATTRS_LIST)
		return text_replace(&row->version_id, head->version_id);
	r = fill_metadata(row, head);
	if (r < 0)
		return r;
	row->attrs = sent_wall_ns - head->modified_ns < SAME_TIME_NS
			 ? ROW_ATTRS_FRESH
			 : ROW_ATTRS_KNOWN;
	return 0;
}

/* Some servers have objects without one, and send it empty or not at all. */
static const char *
etag_of(const struct observation *seen)
{
	return seen->etag != NULL && seen->etag[0] != '\0' ? seen->etag : NULL;
}

/* Whether ${seen} is of the same bytes as the row. */
bool
fill_is_same(const struct row *row, const struct observation *seen)
{
	return row->size == seen->size && text_same(row->etag, etag_of(seen)) &&
	       (row->etag != NULL || row->modified_ns == seen->modified_ns);
}

enum row_kind
fill_kind(const struct cache *c, const struct observation *seen)
{
	return c->config.attrs == CACHE_ATTRS_LIST || seen->size > VIEW_SMALL
		   ? ROW_FILE
		   : ROW_UNKNOWN;
}

/* Whether S3 stored it again since what is known of its headers: a metadata
 * copy keeps the ETag. */
static bool
is_stored_again(const struct row *row, const struct observation *seen)
{
	if (row->modified_ns != 0)
		return row->modified_ns != seen->modified_ns;
	/* Stored by ourselves: its time is seen now for the first time. */
	return seen->modified_ns > row->changed_ms * 1000000 + SAME_TIME_NS;
}

/* Take over what the observation says, into a row that is open to it. */
int
fill_object(struct cache *c, struct row *row, const struct observation *seen)
{
	int r = 0;

	if (row->attrs != ROW_ATTRS_NONE && is_stored_again(row, seen)) {
		fill_clear(row);
		if (row->kind != ROW_DIR)
			row->kind = fill_kind(c, seen);
	}
	row->size = seen->size;
	row->modified_ns = seen->modified_ns;
	row->seen_ms = seen->sent_ms;
	r = text_replace(&row->etag, etag_of(seen));
	if (r == 0)
		r = text_replace(&row->storage_class, seen->storage_class);
	if (r == 0 && seen->head != NULL)
		r = fill_headers(c, row, seen->head, seen->sent_wall_ns);
	return r;
}

/* Nothing new: only the time goes on. */
bool
fill_is_unchanged(const struct row *row, const struct observation *seen)
{
	return seen->head == NULL && row->modified_ns == seen->modified_ns &&
	       text_same(row->storage_class, seen->storage_class) &&
	       row->attrs != ROW_ATTRS_FRESH;
}
