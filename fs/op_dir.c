/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_dir.c - operations on open directories.
 *
 * Offsets: 0 the start, 1 after ".", 2 after "..", then the cache's cookie
 * (a row id, from 2 on) plus OFFSET_BASE.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"

#define OFFSET_BASE 2

/* A buffer of directory entries being filled. */
struct fill {
	fuse_req_t req;
	struct session *session;
	char *data; /* owned */
	size_t len;
	size_t size;
	bool plus;
};

void
op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct cache_dir *dir;
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_opendir(op.session->cache, ino, &op.waiter, &dir);
	op_end(&op);
	if (r < 0) {
		reply_error(req, r, "opendir");
		return;
	}
	r = handle_add_dir(&op.session->handles, fi, dir);
	if (r < 0)
		reply_error(req, r, "opendir");
	else
		reply_open(req, fi);
}

/* Add one entry; false: it does not fit. */
static bool
add(struct fill *f, const char *name, const struct fuse_entry_param *entry,
    uint64_t next)
{
	size_t room = f->size - f->len, len;

	if (f->plus)
		len = fuse_add_direntry_plus(
		    f->req, f->data + f->len, room, name, entry, (off_t)next);
	else
		len = fuse_add_direntry(f->req, f->data + f->len, room, name,
		    &entry->attr, (off_t)next);
	if (len > room)
		return false;
	f->len += len;
	return true;
}

static bool
add_entry(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct fuse_entry_param entry;
	struct fill *f = arg;
	bool known = f->plus && attr->complete && attr->valid_ms > 0;

	reply_fill_entry(attr, &entry);
	if (known && inodes_add(&f->session->inodes, attr->node) < 0)
		known = false;
	/* Without a node the kernel takes it as a plain entry. */
	if (!known)
		entry.ino = 0;
	if (add(f, name, &entry, next + OFFSET_BASE))
		return true;
	if (known)
		inodes_forget(&f->session->inodes, attr->node, 1);
	return false;
}

static bool
add_dot(struct fill *f, const char *name, fuse_ino_t ino, uint64_t next)
{
	struct fuse_entry_param entry = { .ino = 0 };

	entry.attr.st_ino = ino;
	entry.attr.st_mode = S_IFDIR;
	return add(f, name, &entry, next);
}

static void
read_entries(fuse_req_t req, fuse_ino_t ino, size_t size, uint64_t off,
    struct cache_dir *dir, bool plus)
{
	struct fill f = { .req = req,
		.session = op_session(req),
		.size = size,
		.plus = plus };
	bool room = true;
	int r = 0;

	f.data = malloc(size);
	if (f.data == NULL) {
		reply_error(req, -ENOMEM, "readdir");
		return;
	}
	if (off == 0)
		room = add_dot(&f, ".", ino, 1);
	if (room && off <= 1)
		room = add_dot(&f, "..", ino, 2);
	if (room)
		r = cache_readdir(dir,
		    off <= OFFSET_BASE ? 0 : off - OFFSET_BASE, add_entry, &f);
	/* Entries that were added are counted: they must be sent. */
	if (r < 0 && f.len == 0)
		reply_error(req, r, "readdir");
	else
		reply_data(req, f.data, f.len);
	free(f.data);
}

void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	read_entries(req, ino, size, (uint64_t)off, handle_dir(fi), false);
}

void
op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	read_entries(req, ino, size, (uint64_t)off, handle_dir(fi), true);
}

void
op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	handle_release(&op_session(req)->handles, fi);
	reply_error(req, 0, "releasedir");
}

void
op_fsyncdir(
    fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct op op;
	int r;

	(void)ino, (void)datasync;
	op_begin(&op, req);
	r = cache_dir_sync(handle_dir(fi), &op.waiter);
	op_end(&op);
	reply_error(req, r, "fsyncdir");
}
