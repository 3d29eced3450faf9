/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_file.c - operations on open files.
 */
#include <errno.h>
#include <fcntl.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"

void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct cache_file *file;
	struct op op;
	int r;

	op_begin(&op, req);
	r = cache_file_open(
	    op.session->cache, ino, fi->flags, &op.waiter, &file);
	op_end(&op);
	if (r < 0) {
		reply_error(req, r, "open");
		return;
	}
	fi->keep_cache = cache_file_keeps_pages(file) ? 1 : 0;
	r = handle_add_file(&op.session->handles, fi, file);
	if (r < 0)
		reply_error(req, r, "open");
	else
		reply_open(req, fi);
}

void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	(void)parent, (void)name, (void)mode, (void)fi;
	reply_error(req, -EROFS, "create");
}

void
op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct cache_bytes bytes;
	struct op op;
	int r;

	(void)ino;
	op_begin(&op, req);
	r = cache_file_read(
	    handle_file(fi), (uint64_t)off, size, &op.waiter, &bytes);
	op_end(&op);
	if (r < 0) {
		reply_error(req, r, "read");
		return;
	}
	reply_data(req, bytes.data, bytes.len);
	cache_bytes_put(op.session->cache, &bytes);
}

void
op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
    off_t off, struct fuse_file_info *fi)
{
	(void)ino, (void)data, (void)size, (void)off, (void)fi;
	reply_error(req, -EROFS, "write");
}

/* Nothing is ever dirty: there is nothing to wait for. */
void
op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	reply_error(req, 0, "flush");
}

void
op_fsync(
    fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	reply_error(req, 0, "fsync");
}

void
op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	handle_release(&op_session(req)->handles, fi);
	reply_error(req, 0, "release");
}

void
op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
    struct fuse_file_info *fi)
{
	(void)ino, (void)mode, (void)off, (void)len, (void)fi;
	reply_error(req, -EROFS, "fallocate");
}

void
op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
    struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
    struct fuse_file_info *fi_out, size_t len, int flags)
{
	(void)ino_in, (void)off_in, (void)fi_in, (void)ino_out;
	(void)off_out, (void)fi_out, (void)len, (void)flags;
	reply_error(req, -EROFS, "copy_file_range");
}
