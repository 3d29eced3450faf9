/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.h - open files and directories in fi->fh.
 *
 * What open put there the kernel gives back with every request on it, and
 * last with release; it is a pointer, owned by the kernel meanwhile.
 */
#ifndef FS_HANDLE_H
#define FS_HANDLE_H

#include <fuse_lowlevel.h>
#include <stddef.h>
#include <stdint.h>

struct cache_dir;
struct cache_file;

static inline void
handle_set_file(struct fuse_file_info *fi, struct cache_file *f)
{
	fi->fh = (uintptr_t)f;
}

static inline void
handle_set_dir(struct fuse_file_info *fi, struct cache_dir *d)
{
	fi->fh = (uintptr_t)d;
}

/* NULL: the request came without an open file. */
static inline struct cache_file *
handle_file(const struct fuse_file_info *fi)
{
	return fi == NULL ? NULL : (struct cache_file *)(uintptr_t)fi->fh;
}

static inline struct cache_dir *
handle_dir(const struct fuse_file_info *fi)
{
	return (struct cache_dir *)(uintptr_t)fi->fh;
}

#endif
