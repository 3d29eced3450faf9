/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_file.c - operations on open files.
 *
 * What the kernel asks, and when (write-through, no writeback cache): each
 * close(2) of a descriptor is a FLUSH, whose answer the program gets; the last
 * one is followed by RELEASE, whose answer nobody gets.  Pages of a mapping
 * that were changed after that close come as WRITE between the two; what they
 * changed is sent after the release.
 */
#include <errno.h>
#include <fcntl.h>

#include "fs/handle.h"
#include "fs/op.h"
#include "fs/ops.h"
#include "fs/reply.h"
#include "fs/session.h"

/* What one copy_file_range() is told to have copied at most. */
#define COPIED_MAX ((size_t)1 << 30)

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
	/* Pages of a mapping lie where they lie. */
	bool append = (fi->flags & O_APPEND) != 0 && fi->writepage == 0;
	struct op op;
	int r;

	(void)ino;
	op_begin(&op, req);
	r = cache_file_write(
	    handle_file(fi), (uint64_t)off, data, size, append, &op.waiter);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "write");
	else
		reply_count(req, size);
}

void
op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op op;
	int r;

	(void)ino;
	op_begin(&op, req);
	r = cache_file_flush(handle_file(fi), &op.waiter);
	op_end(&op);
	reply_error(req, r, "close");
}

void
op_fsync(
    fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct op op;
	int r;

	(void)ino;
	op_begin(&op, req);
	/* datasync: fdatasync(2) and msync(2). */
	r = cache_file_sync(handle_file(fi), datasync != 0, &op.waiter);
	op_end(&op);
	reply_error(req, r, "fsync");
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
	struct op op;
	int r;

	(void)ino;
	op_begin(&op, req);
	r = cache_file_allocate(
	    handle_file(fi), mode, (uint64_t)off, (uint64_t)len, &op.waiter);
	op_end(&op);
	reply_error(req, r, "fallocate");
}

/* The kernel drops the pages that it had of the range, once it is answered. */
void
op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
    struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
    struct fuse_file_info *fi_out, size_t len, int flags)
{
	uint64_t done = 0;
	struct cache_span from = { handle_file(fi_in), (uint64_t)off_in };
	struct cache_span to = { handle_file(fi_out), (uint64_t)off_out };
	struct op op;
	int r;

	(void)ino_in, (void)ino_out, (void)flags;
	op_begin(&op, req);
	r = cache_file_copy(&from, &to, len, &op.waiter, &done);
	op_end(&op);
	if (r < 0)
		reply_error(req, r, "copy_file_range");
	else
		/* The answer has 32 bits; the kernel asks for the rest. */
		reply_count(req, done < COPIED_MAX ? (size_t)done : COPIED_MAX);
}
