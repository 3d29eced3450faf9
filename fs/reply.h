/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - the only place that answers the kernel.
 *
 * Every operation ends in exactly one of these, without a lock held.  Errors
 * come as -errno and are turned round here; what is not ordinary is logged.
 */
#ifndef FS_REPLY_H
#define FS_REPLY_H

#include <fuse_lowlevel.h>

struct cache_attr;
struct session;

/* ${r}: 0 or -errno.  ${what}: for the log. */
void reply_error(fuse_req_t req, int r, const char *what);

/* A name was found; counts the lookup. */
void reply_entry(
    fuse_req_t req, struct session *s, const struct cache_attr *attr);

/* A name does not exist, and the kernel may remember that for so long. */
void reply_negative(fuse_req_t req, unsigned valid_ms);

void reply_attr(fuse_req_t req, const struct cache_attr *attr);

/* A file was made and opened, as the handle in ${fi}; counts the lookup. */
void reply_create(fuse_req_t req, struct session *s,
    const struct cache_attr *attr, struct fuse_file_info *fi);
void reply_open(fuse_req_t req, const struct fuse_file_info *fi);
void reply_data(fuse_req_t req, const void *data, size_t len);

/* So many bytes were written, or copied. */
void reply_count(fuse_req_t req, size_t count);
void reply_text(fuse_req_t req, const char *text);

/* An xattr of ${len} bytes, asked for with room for ${size} (0: how long?). */
void reply_xattr(fuse_req_t req, const void *data, size_t len, size_t size);
void reply_statfs(fuse_req_t req, const struct statvfs *vfs);
void reply_none(fuse_req_t req);

/* Fill in what both stat and directory entries hold. */
void reply_fill_stat(const struct cache_attr *attr, struct stat *ret);
void reply_fill_entry(
    const struct cache_attr *attr, struct fuse_entry_param *ret);

#endif
