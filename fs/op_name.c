/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_name.c - operations on names.
 */
#include <errno.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"

void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct cache_attr attr = { 0 };
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_lookup(op.session->cache, parent, name, &op.waiter, &attr);
	op_end(&op);
	if (r == -ENOENT)
		reply_negative(req, attr.valid_ms);
	else if (r < 0)
		reply_error(req, r, "lookup");
	else
		reply_entry(req, op.session, &attr);
}

static void
forget(struct session *s, fuse_ino_t ino, uint64_t count)
{
	if (inodes_forget(&s->inodes, ino, count))
		cache_forget(s->cache, ino);
}

void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	forget(op_session(req), ino, count);
	reply_none(req);
}

void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(op_session(req), forgets[i].ino, forgets[i].nlookup);
	reply_none(req);
}

/*
 * Who makes something owns it; its group is that of a set-group-ID directory,
 * as on a disk, which a directory passes on.  The kernel has applied the umask,
 * and has looked at the directory's permissions: its attributes are known.
 */
static int
fill_new(struct op *op, uint64_t parent, mode_t mode, struct cache_new *ret)
{
	const struct fuse_ctx *who = fuse_req_ctx(op->req);
	struct cache_attr dir;
	int r;

	*ret = (struct cache_new){
		.mode = mode, .uid = who->uid, .gid = who->gid
	};
	r = cache_getattr(op->session->cache, parent, NULL, &op->waiter, &dir);
	if (r < 0 || !(dir.mode & S_ISGID))
		return r;
	ret->gid = dir.gid;
	if (S_ISDIR(mode))
		ret->mode |= S_ISGID;
	return 0;
}

/* What mknod, mkdir and symlink have in common. */
static void
make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t rdev, const char *target)
{
	struct cache_attr attr;
	struct cache_new what;
	struct op op;
	int r;

	op_begin(&op, req);
	r = fill_new(&op, parent, mode, &what);
	what.rdev = (uint32_t)rdev;
	what.target = target;
	if (r == 0)
		r = cache_make(
		    op.session->cache, parent, name, &what, &op.waiter, &attr);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "make");
	else
		reply_entry(req, op.session, &attr);
}

void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t rdev)
{
	make(req, parent, name, mode, rdev, NULL);
}

void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, S_IFDIR | (mode & ~(mode_t)S_IFMT), 0, NULL);
}

void
op_symlink(
    fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make(req, parent, name, S_IFLNK | 0777, 0, target);
}

void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	struct cache_place at = { parent, name };
	struct cache_file *file;
	struct cache_attr attr;
	struct cache_new what;
	struct op op;
	int r;

	op_begin(&op, req);
	r = fill_new(&op, parent, S_IFREG | (mode & ~(mode_t)S_IFMT), &what);
	what.flags = fi->flags;
	if (r == 0)
		r = cache_create(
		    op.session->cache, &at, &what, &op.waiter, &file, &attr);
	op_end(&op);
	if (r == 0) {
		fi->keep_cache = cache_file_keeps_pages(file) ? 1 : 0;
		r = handle_add_file(&op.session->handles, fi, file);
	}
	if (r < 0)
		reply_error(req, r, "create");
	else
		reply_create(req, op.session, &attr, fi);
}

void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_unlink(op.session->cache, parent, name, &op.waiter);
	op_end(&op);
	reply_error(req, r, "unlink");
}

void
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_rmdir(op.session->cache, parent, name, &op.waiter);
	op_end(&op);
	reply_error(req, r, "rmdir");
}

void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
    fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct cache_place from = { parent, name };
	struct cache_place to = { new_parent, new_name };
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_rename(op.session->cache, &from, &to, flags, &op.waiter);
	op_end(&op);
	reply_error(req, r, "rename");
}

/* S3 has no two names of one object.  link(2): "EPERM: the filesystem does not
 * support the creation of hard links"; programs then copy, or rename. */
void
op_link(
    fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	(void)ino, (void)new_parent, (void)new_name;
	reply_error(req, -EPERM, "link");
}
