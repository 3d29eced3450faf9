/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_attr.c - operations on attributes.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "s3/base/buf.h"
#include "s3/base/clock.h"

#define NS          INT64_C(1000000000)  /* in a second */
#define SECONDS_MAX (INT64_MAX / NS - 1) /* the year 2262 */
#define XATTR_MAX   (64U << 10)          /* Linux XATTR_SIZE_MAX */
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

/* What is beyond 64 bits of nanoseconds is moved to their end. */
static int64_t
ns_of(const struct timespec *ts)
{
	int64_t s = ts->tv_sec;

	if (s > SECONDS_MAX)
		s = SECONDS_MAX;
	if (s < -SECONDS_MAX)
		s = -SECONDS_MAX;
	return s * NS + ts->tv_nsec;
}

/* The kernel's bits, and ours; those that are not here come along with one
 * that is, or never. */
static void
fill_set(const struct stat *attr, int set, struct cache_set *ret)
{
	static const struct {
		int from;
		unsigned to;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, CACHE_SET_MODE },
		{ FUSE_SET_ATTR_UID, CACHE_SET_UID },
		{ FUSE_SET_ATTR_GID, CACHE_SET_GID },
		{ FUSE_SET_ATTR_SIZE, CACHE_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, CACHE_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, CACHE_SET_MTIME },
		{ FUSE_SET_ATTR_CTIME, CACHE_SET_CTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, CACHE_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME_NOW, CACHE_SET_MTIME },
	};
	int64_t now_ns = clock_wall_ns(&clock_system);

	*ret = (struct cache_set){
		.mode = attr->st_mode & 07777,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.size = (uint64_t)attr->st_size,
		.atime_ns = set & FUSE_SET_ATTR_ATIME_NOW
				? now_ns
				: ns_of(&attr->st_atim),
		.mtime_ns = set & FUSE_SET_ATTR_MTIME_NOW
				? now_ns
				: ns_of(&attr->st_mtim),
		.ctime_ns = ns_of(&attr->st_ctim),
	};
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (set & bits[i].from)
			ret->what |= bits[i].to;
	}
}

void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set,
    struct fuse_file_info *fi)
{
	struct cache_attr result;
	struct cache_set want;
	struct op op;
	int r;

	fill_set(attr, set, &want);
	op_begin(&op, req);
	if (want.what == 0)
		r = cache_getattr(op.session->cache, ino, handle_file(fi),
		    &op.waiter, &result);
	else
		r = cache_setattr(op.session->cache, ino, handle_file(fi),
		    &want, &op.waiter, &result);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "setattr");
	else
		reply_attr(req, &result);
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

/*
 * Names that no file here has.  The kernel asks for security.capability before
 * every write and exec, and would stop only if it were told that there are no
 * extended attributes at all (ENOSYS): so the answer must cost nothing.  That
 * there are no ACLs ls(1) asks once, if told so by EOPNOTSUPP.
 */
static int
error_of_name(const char *name)
{
	if (strncmp(name, "security.", 9) == 0)
		return -ENODATA;
	return strncmp(name, "user.", 5) == 0 ? 0 : -EOPNOTSUPP;
}

void
op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct buf value = BUF_INIT(XATTR_MAX);
	struct op op;
	int r = error_of_name(name);

	if (r < 0) {
		reply_error(req, r, "getxattr");
		return;
	}
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
	struct cache_xattr what = { name, value, size, flags };
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_setxattr(op.session->cache, ino, &what, &op.waiter);
	op_end(&op);
	reply_error(req, r, "setxattr");
}

void
op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_removexattr(op.session->cache, ino, name, &op.waiter);
	op_end(&op);
	reply_error(req, r, "removexattr");
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
