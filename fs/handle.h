/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.h - open files and directories in fi->fh.
 *
 * What open put there the kernel gives back with every request on it, and
 * last with release.  When a session ends with files still open, no release
 * comes: so all handles are in a table, and are closed with it.
 *
 * Threads: any.  Locks: a leaf, held for a list operation only.
 */
#ifndef FS_HANDLE_H
#define FS_HANDLE_H

#include "s3/base/list.h"
#include "s3/base/lock.h"

struct cache_dir;
struct cache_file;
struct fuse_file_info;

struct handles {
	struct lock lock;
	struct list all; /* [lock] struct handle */
};

void handles_init(struct handles *t);

/* Close what is open still. */
void handles_fini(struct handles *t);

/* Put an open file, or directory, into ${fi}: 0; or -ENOMEM, and it is
 * closed. */
int handle_add_file(
    struct handles *t, struct fuse_file_info *fi, struct cache_file *f);
int handle_add_dir(
    struct handles *t, struct fuse_file_info *fi, struct cache_dir *d);

/* Close it. */
void handle_release(struct handles *t, struct fuse_file_info *fi);

/* NULL: the request came without an open file. */
struct cache_file *handle_file(const struct fuse_file_info *fi);
struct cache_dir *handle_dir(const struct fuse_file_info *fi);

#endif
