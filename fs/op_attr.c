/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_attr.c - operations on attributes.
 */
#include <errno.h>
#include <limits.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "s3/base/buf.h"

#define XATTR_MAX   (64U << 10) /* Linux XATTR_SIZE_MAX */
#define STATFS_UNIT (128U << 10)

void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct cache_attr attr;
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_getattr(
	    op.session->cache, ino, handle_file(fi), &op.waiter, &attr);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "getattr");
	else
		reply_attr(req, &attr);
}

void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set,
    struct fuse_file_info *fi)
{
	(void)ino, (void)attr, (void)set, (void)fi;
	reply_error(req, -EROFS, "setattr");
}

void
op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct buf target = BUF_INIT(PATH_MAX);
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_readlink(op.session->cache, ino, &op.waiter, &target);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "readlink");
	else
		reply_text(req, buf_str(&target));
	buf_fini(&target);
}

void
op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct buf value = BUF_INIT(XATTR_MAX);
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_getxattr(op.session->cache, ino, name, &op.waiter, &value);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "getxattr");
	else
		reply_xattr(req, buf_str(&value), value.len, size);
	buf_fini(&value);
}

void
op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct buf names = BUF_INIT(XATTR_MAX);
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_listxattr(op.session->cache, ino, &op.waiter, &names);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "listxattr");
	else
		reply_xattr(req, buf_str(&names), names.len, size);
	buf_fini(&names);
}

void
op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
    size_t size, int flags)
{
	(void)ino, (void)name, (void)value, (void)size, (void)flags;
	reply_error(req, -EROFS, "setxattr");
}

void
op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	(void)ino, (void)name;
	reply_error(req, -EROFS, "removexattr");
}

void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct session *s = op_session(req);
	uint64_t entries = 0;
	struct statvfs vfs = { .f_bsize = STATFS_UNIT,
		.f_frsize = STATFS_UNIT,
		.f_namemax = CACHE_NAME_MAX };
	int r;

	(void)ino;
	r = cache_statfs(s->cache, &entries);
	if (r < 0) {
		reply_error(req, r, "statfs");
		return;
	}
	vfs.f_blocks = s->options->bucket_size / STATFS_UNIT;
	vfs.f_bfree = vfs.f_blocks;
	vfs.f_bavail = vfs.f_blocks;
	vfs.f_files = entries + UINT32_MAX;
	vfs.f_ffree = UINT32_MAX;
	vfs.f_favail = UINT32_MAX;
	reply_statfs(req, &vfs);
}
