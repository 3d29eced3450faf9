/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs.h - metadata headers of an object to attributes of a file, and back.
 *
 * Written in s3fs's form; read in all of these.  The first of a line that is
 * there and good wins; a bad value is as if it were not there:
 *
 *	mode	mode (decimal st_mode: s3fs, geesefs; octal with its type, as
 *		rclone has it, where the decimal is no mode), permissions
 *		(s3sync, decimal), goog-reserved-posix-mode (octal),
 *		file-permissions (AWS, octal with type)
 *	uid	uid, owner (s3sync), goog-reserved-posix-uid, file-owner (AWS)
 *	gid	gid, group (s3sync), goog-reserved-posix-gid, file-group (AWS)
 *	rdev	rdev (decimal: geesefs)
 *	mtime	mtime, goog-reserved-file-mtime, file-mtime (AWS)
 *	atime	atime, file-atime		ctime	ctime, file-ctime
 *	symlink	--symlink-target (geesefs: the header x-amz-meta---symlink-
 *		target, %-escaped); s3fs and AWS have the target in the body
 *	xattr	xattr (s3fs: %-escaped JSON of base64)
 *	token	pailfs-token
 *
 * Times are seconds with an optional fraction of any number of digits, so
 * that "1.5" is one and a half (s3fs itself reads a fraction as a number of
 * nanoseconds: nine digits are written always); AWS's may end in ns, us, ms
 * or s.  A time before 1970 is a negative number as a whole: "-1.5" is one
 * and a half seconds before.  Leading blanks and trailing ones are skipped.
 *
 * All other metadata (rclone's md5chksum, a user's own, bad values of the
 * names above) is kept in ${other} and written again, so that a chmod loses
 * none of it; good values of the names above are written in s3fs's form only.
 * What comes in is hostile: nothing of it can do more than be ignored.  Pure;
 * no locks.
 */
#ifndef CACHE_ATTRS_H
#define CACHE_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/attrs_json.h"

/* Opaque types. */
struct buf;
struct s3_meta;

#define ATTRS_TOKEN_MAX 40 /* bytes: letters, digits, '-' and '_' */

struct attrs {
	bool has_mode;
	bool has_uid;
	bool has_gid;
	bool has_rdev;
	bool has_atime;
	bool has_mtime;
	bool has_ctime;
	bool is_directory; /* the Content-Type says so */
	uint32_t mode;     /* a st_mode; type 0: permissions alone */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	int64_t atime_ns; /* since 1970 */
	int64_t mtime_ns;
	int64_t ctime_ns;
	char *symlink;              /* owned; target in the metadata, or NULL */
	char *token;                /* owned; or NULL */
	struct attrs_xattr *xattrs; /* owned; names differ */
	size_t xattr_count;
	struct s3_meta *other; /* owned; metadata of others */
	size_t other_count;
};

void attrs_init(struct attrs *a);

/* Free what ${a} holds; it is as after attrs_init(). */
void attrs_fini(struct attrs *a);

/**
 * attrs_read(meta, count, content_type, ret):
 * Understand the metadata of an object.  ${content_type} may be NULL.
 * Memory:  borrows all; what ${ret} (initialised) held is freed.
 * Returns: 0; -ENOMEM: then ${ret} is unchanged.
 */
int attrs_read(const struct s3_meta *meta, size_t count,
    const char *content_type, struct attrs *ret);

/**
 * attrs_write(a, new_content, ret, ret_count):
 * The metadata that says ${a}, in s3fs's form (with a symlink target that
 * came in the metadata in geesefs's).  ${new_content}: it goes with other
 * bytes than it came with, so checksums among the other metadata are dropped.
 * Memory:  ${*ret} is owned by the caller: attrs_meta_free() of attrs_meta.h.
 * Returns: 0; -ENOSPC over S3_META_MAX bytes; -ENOMEM.
 */
int attrs_write(const struct attrs *a, bool new_content, struct s3_meta **ret,
    size_t *ret_count);

/* The xattr called ${name}, or NULL; valid until ${a} changes. */
const struct attrs_xattr *attrs_xattr_find(
    const struct attrs *a, const char *name);

/**
 * attrs_xattr_set(a, name, value, len):
 * Set xattr ${name} (UTF-8, 1 to 255 bytes) to ${len} bytes at ${value}, if
 * all attributes then still fit, with owner, mode, times and token (set or
 * not) at their longest, so that no later chmod fails for want of room.
 * Memory:  borrows ${name} and ${value}.
 * Returns: 0; -ENOSPC over S3_META_MAX; -EINVAL not UTF-8 or empty; -ERANGE
 *     the name is too long; -ENOMEM.  Then ${a} is unchanged.
 */
int attrs_xattr_set(
    struct attrs *a, const char *name, const void *value, size_t len);

/* Remove xattr ${name}; false if there is none. */
bool attrs_xattr_remove(struct attrs *a, const char *name);

/**
 * attrs_pack(a, ret), attrs_unpack(data, len, ret):
 * All of ${a} as bytes for a database, appended to ${ret}; and back.
 * Returns: 0; -ENOMEM; -EOVERFLOW of ${ret}; unpack: -EBADMSG it is no such
 *     form.  On failure of unpack ${ret} (initialised) is unchanged.
 */
int attrs_pack(const struct attrs *a, struct buf *ret);
int attrs_unpack(const void *data, size_t len, struct attrs *ret);

#endif
