/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - the only place that answers the kernel.
 */
#include <errno.h>
#include <string.h>

#include "fs/reply.h"
#include "fs/session.h"
#include "s3/base/log.h"

#define BLOCK_SIZE (128 << 10) /* st_blksize: what programs read at once */

/* What programs meet every day, and what they caused themselves. */
static bool
is_ordinary(int r)
{
	switch (-r) {
	case 0:
	case EPERM:
	case ENOENT:
	case EINTR:
	case EBADF:
	case EEXIST:
	case EROFS:
	case ENODATA:
	case ERANGE:
	case ENOTDIR:
	case EISDIR:
	case EINVAL:
	case ELOOP:
	case ENAMETOOLONG:
	case EILSEQ:
	case ENOTEMPTY:
	case EOPNOTSUPP:
	case ENOSYS:
	case ESTALE:
		return true;
	default:
		return false;
	}
}

void
reply_error(fuse_req_t req, int r, const char *what)
{
	if (!is_ordinary(r))
		log_error("%s: %s", what, strerror(-r));
	if (r == -EBADMSG)
		r = -EIO; /* of a disk: the database is damaged */
	/* Else the kernel gave up the request. */
	(void)fuse_reply_err(req, -r);
}

static struct timespec
time_of(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000 };

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += 1000000000;
		ts.tv_sec--;
	}
	return ts;
}

void
reply_fill_stat(const struct cache_attr *attr, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = attr->ino,
		.st_mode = attr->mode,
		.st_nlink = attr->nlink,
		.st_uid = attr->uid,
		.st_gid = attr->gid,
		.st_rdev = attr->rdev,
		.st_size = (off_t)attr->size,
		.st_blksize = BLOCK_SIZE,
		/* All of it, or cp looks for holes (mechanics 3). */
		.st_blocks = (blkcnt_t)((attr->size + 511) / 512),
		.st_atim = time_of(attr->atime_ns),
		.st_mtim = time_of(attr->mtime_ns),
		.st_ctim = time_of(attr->ctime_ns),
	};
}

static double
seconds(const struct cache_attr *attr)
{
	return (double)attr->valid_ms / 1000;
}

void
reply_fill_entry(const struct cache_attr *attr, struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = attr->node,
		.generation = attr->generation,
		.entry_timeout = seconds(attr),
		/* Not known: the kernel asks when a program does. */
		.attr_timeout = attr->complete ? seconds(attr) : 0,
	};
	reply_fill_stat(attr, &ret->attr);
}

void
reply_entry(fuse_req_t req, struct session *s, const struct cache_attr *attr)
{
	struct fuse_entry_param entry;

	reply_fill_entry(attr, &entry);
	if (inodes_add(&s->inodes, attr->node) < 0) {
		reply_error(req, -ENOMEM, "lookup");
		return;
	}
	if (fuse_reply_entry(req, &entry) != 0)
		inodes_forget(&s->inodes, attr->node, 1);
}

void
reply_negative(fuse_req_t req, unsigned valid_ms)
{
	struct fuse_entry_param entry = { .entry_timeout =
					      (double)valid_ms / 1000 };

	(void)fuse_reply_entry(req, &entry); /* nothing to take back */
}

void
reply_attr(fuse_req_t req, const struct cache_attr *attr)
{
	struct stat st;

	reply_fill_stat(attr, &st);
	(void)fuse_reply_attr(req, &st, seconds(attr));
}

void
reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
	(void)fuse_reply_open(req, fi); /* else release comes at once */
}

void
reply_create(fuse_req_t req, struct session *s, const struct cache_attr *attr,
    struct fuse_file_info *fi)
{
	struct fuse_entry_param entry;

	reply_fill_entry(attr, &entry);
	if (inodes_add(&s->inodes, attr->node) < 0) {
		handle_release(&s->handles, fi);
		reply_error(req, -ENOMEM, "create");
		return;
	}
	if (fuse_reply_create(req, &entry, fi) != 0)
		inodes_forget(&s->inodes, attr->node, 1);
}

void
reply_count(fuse_req_t req, size_t count)
{
	(void)fuse_reply_write(req, count);
}

void
reply_data(fuse_req_t req, const void *data, size_t len)
{
	(void)fuse_reply_buf(req, data, len);
}

void
reply_text(fuse_req_t req, const char *text)
{
	(void)fuse_reply_readlink(req, text);
}

void
reply_xattr(fuse_req_t req, const void *data, size_t len, size_t size)
{
	if (size == 0)
		(void)fuse_reply_xattr(req, len);
	else if (len > size)
		reply_error(req, -ERANGE, "getxattr");
	else
		reply_data(req, data, len);
}

void
reply_statfs(fuse_req_t req, const struct statvfs *vfs)
{
	(void)fuse_reply_statfs(req, vfs);
}

void
reply_none(fuse_req_t req)
{
	fuse_reply_none(req);
}
