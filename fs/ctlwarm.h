/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlwarm.h - pailctl warm and evict: what is cached of a file or folder is
 * all of it, or nothing.
 */
#ifndef FS_CTLWARM_H
#define FS_CTLWARM_H

/* Opaque types. */
struct ctlcall;

/* The whole command, of call->path; what goes wrong is said.  Returns: the exit
 * status. */
int ctlwarm_run(struct ctlcall *call);
int ctlevict_run(struct ctlcall *call);

#endif
