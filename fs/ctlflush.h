/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlflush.h - pailctl flush: what is not in S3 is sent now.
 */
#ifndef FS_CTLFLUSH_H
#define FS_CTLFLUSH_H

/* Opaque types. */
struct ctlcall;

/* The whole command, of call->path; what goes wrong is said.  Returns: the exit
 * status. */
int ctlflush_run(struct ctlcall *call);

#endif
