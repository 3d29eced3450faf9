/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.c - rows as callers see them.
 */
#include <errno.h>
#include <string.h>

#include "cache/core.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"

#define DEPTH_MAX (S3_KEY_MAX + 1) /* a key has no more components */

/* Folders in a directory that are counted, at the most: some 20 us. */
#define FOLDERS_MAX 1000

bool
view_is_visible(const struct row *row)
{
	return state_name_is_visible((enum state_name)row->name_state);
}

bool
view_is_pending(const struct row *row)
{
	return state_name_is_pending((enum state_name)row->name_state) ||
	       state_attrs_is_pending((enum state_attrs)row->attr_state) ||
	       state_bytes_is_pending((enum state_bytes)row->byte_state);
}

uint32_t
view_type(const struct row *row)
{
	switch (row->kind) {
	case ROW_UNKNOWN:
		return 0;
	case ROW_FILE:
		return S_IFREG;
	case ROW_DIR:
		return S_IFDIR;
	case ROW_SYMLINK:
		return S_IFLNK;
	case ROW_SPECIAL:
		break;
	}
	return row->mode & S_IFMT;
}

/* Permission bits: of the metadata, else the configured default. */
static uint32_t
permissions(const struct cache_config *config, const struct row *row)
{
	uint32_t mode;

	if (row->kind == ROW_SYMLINK)
		return 0777;
	if (row->mode != 0)
		mode = row->mode & 07777;
	else
		mode =
		    row->kind == ROW_DIR ? config->dir_mode : config->file_mode;
	return config->has_umask ? mode & ~config->umask : mode;
}

static bool
is_complete(const struct cache *c, const struct row *row)
{
	if (row->kind == ROW_UNKNOWN)
		return false;
	return row->id == CACHE_ROOT || c->config.attrs == CACHE_ATTRS_LIST ||
	       row->attrs != ROW_ATTRS_NONE;
}

static unsigned
valid_ms(const struct cache *c, const struct row *row)
{
	int64_t age = cache_now_ms(c) - row->seen_ms;

	if (row->id == CACHE_ROOT || age < 0)
		return c->config.ttl_ms;
	return age >= c->config.ttl_ms ? 0 : (unsigned)(c->config.ttl_ms - age);
}

static uint32_t
owner(bool is_forced, uint32_t configured, uint32_t stored)
{
	return is_forced || stored == UINT32_MAX ? configured : stored;
}

/*
 * Of a directory: its name, its ".", and the ".." of each folder in it.  1 says
 * that they are not known, or too many to count: programs that would spare
 * themselves a look at the other entries then look (as on btrfs).
 */
static uint32_t
links(struct cache *c, const struct row *row)
{
	uint64_t folders = 0;

	if (row->kind != ROW_DIR || !cache_is_fresh(c, row->listed_ms) ||
	    db_count_folders(c->db, row->id, FOLDERS_MAX, &folders) < 0 ||
	    folders == FOLDERS_MAX)
		return 1;
	return 2 + (uint32_t)folders;
}

void
view_attr(struct cache *c, const struct row *row, struct cache_attr *ret)
{
	const struct cache_config *config = &c->config;
	int64_t mtime = row->mtime_ns != 0 ? row->mtime_ns : row->modified_ns;

	*ret = (struct cache_attr){
		.node = row->node,
		.ino = row->id,
		.generation = row->id == CACHE_ROOT ? 0 : c->generation,
		.size = row->kind == ROW_DIR ? 4096 : row->size,
		.nlink = links(c, row),
		.uid = owner(config->has_uid, config->uid, row->uid),
		.gid = owner(config->has_gid, config->gid, row->gid),
		.rdev = row->rdev,
		.complete = is_complete(c, row),
		.atime_ns = row->atime_ns != 0 ? row->atime_ns : mtime,
		.mtime_ns = mtime,
		.ctime_ns = row->ctime_ns != 0 ? row->ctime_ns : mtime,
		.valid_ms = valid_ms(c, row),
	};
	ret->mode = view_type(row);
	if (ret->mode != 0)
		ret->mode |= permissions(config, row);
	if (row->kind == ROW_SYMLINK && row->target != NULL)
		ret->size = strlen(row->target);
}

/* Put ${text} and a '/' before what ${b} holds. */
static int
prepend(struct buf *b, const char *text)
{
	size_t len = strlen(text) + 1;
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	memmove(b->data + len, b->data, b->len + 1);
	memcpy(b->data, text, len - 1);
	b->data[len - 1] = '/';
	b->len += len;
	return 0;
}

int
view_prefix(struct cache *c, uint64_t id, struct buf *ret)
{
	struct buf path = BUF_INIT(S3_KEY_MAX);
	int r = 0;

	for (int depth = 0; r == 0 && id != CACHE_ROOT; depth++) {
		AUTO(row_fini) struct row row = { 0 };

		r = db_row_by_id(c->db, id, &row);
		if (r == -ENOENT || depth > DEPTH_MAX)
			r = -ESTALE;
		if (r == 0)
			r = prepend(&path, row.name);
		id = row.parent;
	}
	if (r == 0)
		r = buf_add_str(ret, c->config.prefix);
	if (r == 0)
		r = buf_add_str(ret, buf_str(&path));
	buf_fini(&path);
	return r == -EOVERFLOW ? -ENAMETOOLONG : r;
}

int
view_name_key(struct cache *c, const struct row *row, struct buf *ret)
{
	int r;

	if (row->id == CACHE_ROOT)
		return buf_add_str(ret, c->config.prefix);
	r = view_prefix(c, row->parent, ret);
	if (r == 0)
		r = buf_add_str(ret, row->name);
	if (r == 0 && row->kind == ROW_DIR)
		r = buf_add_char(ret, '/');
	return r == -EOVERFLOW ? -ENAMETOOLONG : r;
}

int
view_key(struct cache *c, const struct row *row, struct buf *ret)
{
	if (row->base_key != NULL)
		return buf_add_str(ret, row->base_key);
	return view_name_key(c, row, ret);
}

int
view_dir(struct cache *c, uint64_t node, struct row *ret)
{
	int r = db_row_by_node(c->db, node, ret);

	if (r == -ENOENT)
		return -ESTALE;
	if (r == 0 && ret->kind != ROW_DIR) {
		row_fini(ret);
		return -ENOTDIR;
	}
	return r;
}

int
view_check_key(struct cache *c, const struct row *row, const char *key)
{
	AUTO(row_fini) struct row now = { 0 };
	struct buf is = BUF_INIT(S3_KEY_MAX);
	int r = 0;

	if (row->id != 0) {
		r = db_row_by_id(c->db, row->id, &now);
		if (r == 0 && now.kind != ROW_DIR && !view_is_visible(&now))
			r = -EAGAIN;
		row = &now;
	}
	if (r == 0)
		r = view_key(c, row, &is);
	if (r == 0 && strcmp(buf_str(&is), key) != 0)
		r = -EAGAIN;
	buf_fini(&is);
	return r == -ENOENT || r == -ESTALE ? -EAGAIN : r;
}
