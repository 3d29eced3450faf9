/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlpath.h - a file or folder that is named to pailctl, in its mount.
 */
#ifndef FS_CTLPATH_H
#define FS_CTLPATH_H

/* Opaque types. */
struct buf;
struct ctlcall;

/**
 * ctlpath_below(call, name, ret):
 * Append the path of ${name} below call->mountpoint to ${ret}, as keytext.h
 * writes it.  A link at its end is not followed.
 * Returns: 0; -EXDEV it is not in that mount; -errno.
 */
int ctlpath_below(
    const struct ctlcall *call, const char *name, struct buf *ret);

/**
 * ctlpath_find(call, name, ret):
 * Find the mount that ${name} is, or is in (NULL: that the working directory is
 * in), and set call->mountpoint (owned); append the path of ${name} to ${ret}
 * as above, nothing for a mount. Returns: 0, or -1 and said.
 */
int ctlpath_find(struct ctlcall *call, const char *name, struct buf *ret);

#endif
