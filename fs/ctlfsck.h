/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlfsck.h - pailctl fsck: a mount or a cache folder is checked.
 */
#ifndef FS_CTLFSCK_H
#define FS_CTLFSCK_H

/* Opaque types. */
struct ctlcall;

/* The whole command, of call->path; what goes wrong is said.
 * Returns: the exit status, as of fsck(8): 0 nothing is wrong; the sum of 1,
 *     something was and is mended, and 4, something is left; 8 it could not be
 *     checked. */
int ctlfsck_run(struct ctlcall *call);

#endif
