/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlupload.h - pailctl uploads: multipart uploads that are open.
 */
#ifndef FS_CTLUPLOAD_H
#define FS_CTLUPLOAD_H

struct ctlcall;

/* Returns: the exit status. */
int ctlupload_run(struct ctlcall *call);

#endif
