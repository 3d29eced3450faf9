/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.h - extended attributes in the metadata of a row (in memory).
 */
#ifndef CACHE_XATTR_H
#define CACHE_XATTR_H

#include <stddef.h>

/* Opaque types. */
struct row;

struct xattr_set {
	const char *name;  /* "user...." */
	const void *value; /* NULL: remove it */
	size_t len;
	int flags; /* of setxattr(2) */
};

/* Returns: 0; -EEXIST, -ENODATA by the flags; -ENOSPC over S3_META_MAX;
 * -ENOMEM; then ${row} is unchanged. */
int xattr_change(struct row *row, const struct xattr_set *x);

#endif
