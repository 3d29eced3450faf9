/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_name.c - operations on names.
 */
#include <errno.h>

#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"

void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct cache_attr attr;
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_lookup(op.session->cache, parent, name, &op.waiter, &attr);
	op_end(&op);
	if (r == -ENOENT)
		reply_negative(req, op.session);
	else if (r < 0)
		reply_error(req, r, "lookup");
	else
		reply_entry(req, op.session, &attr);
}

void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	inodes_forget(&op_session(req)->inodes, ino, count);
	reply_none(req);
}

void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		inodes_forget(&op_session(req)->inodes, forgets[i].ino,
		    forgets[i].nlookup);
	reply_none(req);
}

/* The mount serves reads: what would change a name is refused. */
static void
refuse(fuse_req_t req)
{
	reply_error(req, -EROFS, "name");
}

void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t rdev)
{
	(void)parent, (void)name, (void)mode, (void)rdev;
	refuse(req);
}

void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent, (void)name, (void)mode;
	refuse(req);
}

void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	refuse(req);
}

void
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	refuse(req);
}

void
op_symlink(
    fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target, (void)parent, (void)name;
	refuse(req);
}

void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
    fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	(void)parent, (void)name, (void)new_parent, (void)new_name;
	(void)flags;
	refuse(req);
}

void
op_link(
    fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	(void)ino, (void)new_parent, (void)new_name;
	refuse(req);
}
