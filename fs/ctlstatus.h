/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlstatus.h - pailctl status: what a mount does, and did.
 */
#ifndef FS_CTLSTATUS_H
#define FS_CTLSTATUS_H

/* Opaque types. */
struct ctlcall;

/* The whole command; what goes wrong is said.  Returns: the exit status. */
int ctlstatus_run(struct ctlcall *call);

#endif
